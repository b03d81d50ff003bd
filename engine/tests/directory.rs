//! The key directory: with it and without it a database gives the same answers, also after a crash has made it stale.

use foretaste::{Database, Metric, Options, Schema};

fn open(path: &std::path::Path, from: usize) -> Database {
    Options::default().background(false).key_directory_from(from).open(path).unwrap()
}

/// Writes rows so that each key is replaced now and then, over several segments.
fn fill(db: &Database, rounds: std::ops::Range<i64>) {
    let docs = db.collection("docs").unwrap();
    for round in rounds {
        let mut batch = docs.batch();
        for key in (0..60).filter(|k| (k + round) % 3 == 0) {
            batch.upsert(key, &[round as f32, key as f32]);
        }
        batch.delete(round % 60);
        let deleted = round % 60;
        if (deleted + round) % 3 != 0 {
            batch.commit().unwrap();
        } else {
            let mut batch = docs.batch();
            for key in (0..60).filter(|k| (k + round) % 3 == 0 && *k != deleted) {
                batch.upsert(key, &[round as f32, key as f32]);
            }
            batch.delete(deleted);
            batch.commit().unwrap();
        }
        docs.flush().unwrap();
    }
}

fn rows(db: &Database) -> Vec<(i64, Vec<f32>)> {
    let mut rows: Vec<_> = db
        .collection("docs")
        .unwrap()
        .snapshot()
        .scan()
        .map(|r| r.unwrap())
        .map(|r| match r.id {
            foretaste::Key::Int(i) => (i, r.vector),
            foretaste::Key::Str(s) => panic!("{s}"),
        })
        .collect();
    rows.sort_by_key(|r| r.0);
    rows
}

#[test]
fn answers_are_the_same_with_and_without_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without) = (dir.path().join("with.ft"), dir.path().join("without.ft"));
    for path in [&with, &without] {
        Database::open(path).unwrap().create_collection("docs", Schema::new(2, Metric::L2)).unwrap();
    }
    for session in 0..4 {
        let (a, b) = (open(&with, 0), open(&without, usize::MAX));
        fill(&a, session * 7..session * 7 + 7);
        fill(&b, session * 7..session * 7 + 7);
        assert_eq!(rows(&a), rows(&b), "session {session}");
        if session == 1 {
            // As a killed process leaves it: nothing is closed.
            std::mem::forget(a);
            let copy = dir.path().join("copy.ft");
            copy_folder(&with, &copy);
            std::fs::remove_file(copy.join("lock")).unwrap();
            let a = open(&copy, 0);
            fill(&a, 100..104);
            fill(&b, 100..104);
            assert_eq!(rows(&a), rows(&b), "after a crash");
            break;
        }
        a.close().unwrap();
        b.close().unwrap();
    }
    assert!(with.join("directory").exists(), "the directory was in use");
    assert!(!without.join("directory").exists(), "and not where it does not pay");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
}
