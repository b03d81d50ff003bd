//! What is remembered is what was said, whatever happens to the files.

#![expect(clippy::disallowed_methods, reason = "the tests damage sled's own files")]

use std::fs;
use std::path::Path;

use super::mem::MemScores;
use super::*;

const DATABASE: Uuid = [7; 16];

fn asked(scorer: &str, query: f32) -> Asked {
    Asked::new(&DATABASE, 3, scorer, QueryName::Vector(&[query, 1.0]))
}

fn scored(rows: std::ops::Range<i64>) -> Vec<Scored> {
    rows.map(|i| Scored { key: Key::Int(i), version: i as u64 + 100, score: i as f64 / 4.0 }).collect()
}

/// Both kinds, on new folders.
fn each(most: u64, law: impl Fn(&dyn Scores)) {
    law(&MemScores::new(most));
    let folder = tempfile::tempdir().unwrap();
    law(&sled::open(folder.path(), most, true).unwrap());
}

#[test]
fn what_was_said_is_known_and_nothing_else() {
    each(1000, |scores| {
        let mut said = scored(0..40);
        said[3].key = "a longer name".into();
        said[4].score = f64::NEG_INFINITY;
        scores.remember(&asked("v1", 1.0), &said);
        scores.remember(&asked("v1", 2.0), &scored(7..9));
        let mut known = scores.known(&asked("v1", 1.0), 1000);
        known.sort_by_key(|scored| scored.version);
        assert_eq!(known, said);
        assert_eq!(scores.known(&asked("v1", 1.0), 6).len(), 6);
        assert_eq!(scores.known(&asked("v1", 2.0), 1000), scored(7..9));
        assert_eq!(scores.len(), 42);
        for other in [
            asked("v2", 1.0),
            asked("v1", -1.0),
            asked("", 1.0),
            Asked::new(&DATABASE, 4, "v1", QueryName::Vector(&[1.0, 1.0])),
            Asked::new(&[8; 16], 3, "v1", QueryName::Vector(&[1.0, 1.0])),
            Asked::new(&DATABASE, 3, "v1", QueryName::Bytes(&[0, 0, 128, 63, 0, 0, 128, 63])),
        ] {
            assert!(scores.known(&other, 1000).is_empty());
        }
    });
}

#[test]
fn a_row_that_is_scored_again_has_its_new_score_and_nan_is_none() {
    each(1000, |scores| {
        let query = asked("v", 0.0);
        scores.remember(&query, &scored(5..6));
        let again = Scored { key: Key::Int(5), version: 900, score: -2.5 };
        let nan = Scored { key: Key::Int(6), version: 900, score: f64::NAN };
        scores.remember(&query, &[again.clone(), nan]);
        assert_eq!(scores.known(&query, 10), [again]);
        assert_eq!(scores.len(), 1);
    });
}

#[test]
fn there_are_never_more_than_there_is_room_for_and_the_newest_stay() {
    for most in [0, 1, 3, 10, 41] {
        each(most, |scores| {
            let query = asked("v", 0.0);
            for i in 0..2 * most as i64 + 10 {
                scores.remember(&query, &scored(i..i + 1));
                assert!(scores.len() <= most, "{} of {most}", scores.len());
                let known: Vec<i64> =
                    scores.known(&query, 1000).iter().map(|s| s.version as i64 - 100).collect();
                assert_eq!(known.contains(&i), most > 0);
                assert!(known.iter().all(|old| i - old <= most as i64));
            }
            // More at once than there is room for.
            scores.remember(&query, &scored(1000..1300));
            assert!(scores.len() <= most);
            assert_eq!(scores.known(&query, 1000).iter().any(|s| s.version == 1399), most > 0);
        });
    }
}

#[test]
fn versions_are_forgotten_one_by_one_or_all() {
    each(30, |scores| {
        for scorer in ["a", "b"] {
            for query in 0..4 {
                scores.remember(&asked(scorer, query as f32), &scored(0..3));
            }
        }
        scores.forget(Some("a"));
        let count = |scorer| (0..4).map(|q| scores.known(&asked(scorer, q as f32), 9).len()).sum::<usize>();
        assert_eq!((count("a"), count("b")), (0, 12));
        scores.forget(Some("never there"));
        assert_eq!(count("b"), 12);
        scores.forget(None);
        assert_eq!((count("b"), scores.len()), (0, 0));
        scores.remember(&asked("a", 0.0), &scored(0..3));
        assert_eq!(count("a"), 3);
        scores.close(true).unwrap();
        assert_eq!(count("a"), 0);
        scores.remember(&asked("a", 0.0), &scored(0..3));
        assert!(scores.is_empty());
    });
}

#[test]
fn threads_find_their_own_scores_within_the_bound() {
    each(400, |scores| {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for round in 0..60i64 {
                        let query = asked("v", (thread * 100 + round) as f32);
                        scores.remember(&query, &scored(round..round + 7));
                        for scored in scores.known(&query, 100) {
                            assert_eq!(scored.score, (scored.version - 100) as f64 / 4.0);
                        }
                        assert!(scores.len() <= 400);
                    }
                });
            }
        });
        assert!(!scores.is_empty());
    });
}

/// A folder with both shelves filled, not closed but dropped.
fn filled(path: &Path, durable: bool) {
    let scores = sled::open(path, 600, durable).unwrap();
    for query in 0..5 {
        scores.remember(&asked("v", query as f32), &scored(0..100));
    }
    assert_eq!(scores.len(), 500);
}

/// How many of them are known; each of them is right.
fn right(scores: &dyn Scores) -> usize {
    (0..5)
        .map(|query| {
            let known = scores.known(&asked("v", query as f32), 1000);
            assert!(known.iter().all(|s| s.score == (s.version - 100) as f64 / 4.0));
            known.len()
        })
        .sum()
}

fn reopened(path: &Path, durable: bool) -> usize {
    // Threads of sled's may hold the files for a moment after it was dropped.
    for _ in 0..1000 {
        match sled::open(path, 600, durable) {
            Ok(scores) => return right(&scores),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    }
    panic!("the folder stays locked");
}

#[test]
fn what_is_not_closed_is_used_only_where_rows_are_durable_before_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores");
    filled(&path, true);
    assert_eq!(reopened(&path, true), 500);
    // What was durable before is so in any mode; from here on it cannot be told.
    assert_eq!(reopened(&path, false), 500);
    assert_eq!(reopened(&path, true), 0);
    filled(&path, true);
    let scores = sled::open(&path, 600, false).unwrap();
    assert_eq!(right(&scores), 500);
    scores.close(false).unwrap();
    assert_eq!(reopened(&path, false), 0);
    let scores = sled::open(&path, 600, true).unwrap();
    scores.remember(&asked("v", 0.0), &scored(0..10));
    scores.close(true).unwrap();
    let scores = sled::open(&path, 600, false).unwrap();
    assert_eq!(right(&scores), 10);
    scores.close(true).unwrap();
    assert_eq!(reopened(&path, false), 10);
    filled(&path, true);
    sled::distrust(&path).unwrap();
    assert_eq!(reopened(&path, true), 0);
    sled::distrust(&folder.path().join("never there")).unwrap();
    assert!(!folder.path().join("never there").exists());
}

#[test]
fn with_less_room_than_before_some_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores");
    filled(&path, true);
    for (most, known) in [(300, 0..=300), (2, 0..=2), (0, 0..=0)] {
        let scores = sled::open(&path, most, true).unwrap();
        assert!(known.contains(&scores.len()), "{} of {most}", scores.len());
        scores.close(true).unwrap();
    }
}

#[test]
fn a_folder_that_somebody_has_open_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = sled::open(folder.path(), 600, true).unwrap();
    first.remember(&asked("v", 0.0), &scored(0..10));
    assert!(sled::open(folder.path(), 600, true).is_err());
    assert_eq!(right(&first), 10);
    first.close(true).unwrap();
    assert_eq!(reopened(folder.path(), true), 10);
}

#[test]
fn files_of_others_are_not_taken_for_shelves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores");
    for name in ["x", "01", "-1", "18446744073709551616"] {
        filled(&path, true);
        fs::create_dir(path.join(name)).unwrap();
        assert_eq!(reopened(&path, true), 0, "{name}");
    }
}

fn files(path: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
    found.sort();
}

fn copy(from: &Path, to: &Path) {
    let mut all = Vec::new();
    files(from, &mut all);
    for file in all {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

#[test]
fn what_was_remembered_outlives_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let (path, killed) = (folder.path().join("scores"), folder.path().join("killed"));
    let scores = sled::open(&path, 600, true).unwrap();
    for query in 0..5 {
        scores.remember(&asked("v", query as f32), &scored(0..100));
        // The files as they are now, which nobody closed.
        copy(&path, &killed);
        assert_eq!(reopened(&killed, true), 100 * (query as usize + 1));
        fs::remove_dir_all(&killed).unwrap();
    }
    assert_eq!(right(&scores), 500);
}

#[test]
fn damage_and_torn_files_never_give_a_wrong_score() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    filled(&whole, true);
    assert_eq!(reopened(&whole, true), 500);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (mut found, mut all) = (Vec::new(), 0);
    files(&whole, &mut found);
    let used: Vec<_> = found
        .iter()
        .map(|file| {
            let bytes = fs::read(file).unwrap();
            let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            (file.strip_prefix(&whole).unwrap(), used)
        })
        .filter(|(_, used)| *used > 0)
        .collect();
    let rounds = 60;
    for round in 0..rounds {
        let path = folder.path().join(format!("damaged-{round}"));
        copy(&whole, &path);
        let hash = XxHash3_64::oneshot(&[round as u8]);
        let (file, used) = &used[hash as usize % used.len()];
        let mut bytes = fs::read(path.join(file)).unwrap();
        let at = (hash >> 20) as usize % used;
        match round % 3 {
            0 => bytes[at] ^= 1 << (hash >> 60 & 7),
            1 => bytes.truncate(at),
            _ => bytes[at..(at + 500).min(*used)].fill(0),
        }
        fs::write(path.join(file), bytes).unwrap();
        let scores = sled::open(&path, 600, true).unwrap();
        all += usize::from(right(&scores) == 500);
        // It works on, with what is left.
        scores.remember(&asked("v", 9.0), &scored(0..10));
        assert!(scores.known(&asked("v", 9.0), 100).len() <= 10);
        scores.close(true).unwrap();
        fs::remove_dir_all(&path).unwrap();
    }
    assert!(all < rounds, "no damage did any");
}

#[test]
fn an_entry_that_says_something_else_is_the_end_of_all() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), true);
    assert_eq!(reopened(folder.path(), true), 500);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let (key, mut value) = encode(&asked("v", 1.0), &scored(3..4)[0]).unwrap();
    value[8] ^= 1;
    let shelf = ::sled::open(folder.path().join("0")).unwrap();
    shelf.insert(key, &value).unwrap();
    shelf.flush().unwrap();
    drop(shelf);
    assert_eq!(reopened(folder.path(), true), 0);
    assert!(decode(&[0; 24], &value).is_none());
    for cut in 0..24 {
        assert!(decode(&entry_key(&asked("v", 1.0), KeyRef::Int(3)), &value[..cut]).is_none());
    }
}

#[test]
fn when_writing_fails_nothing_is_known_and_nobody_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores");
    let scores = sled::open(&path, 10, true).unwrap();
    scores.remember(&asked("v", 0.0), &scored(0..4));
    // A file stands where the next shelf would be.
    fs::write(path.join("1"), b"in the way").unwrap();
    scores.remember(&asked("v", 0.0), &scored(10..24));
    assert!(scores.is_empty() && scores.known(&asked("v", 0.0), 100).is_empty());
    scores.remember(&asked("v", 0.0), &scored(0..4));
    scores.forget(None);
    scores.close(true).unwrap();
    drop(scores);
    let scores = sled::open(&path, 10, true).unwrap();
    scores.remember(&asked("v", 0.0), &scored(0..4));
    assert_eq!(scores.len(), 4);
}
