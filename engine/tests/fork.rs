//! A bare fork of a process that reads: the child reads on, and its end takes nothing from its parent.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use foretaste::{Collection, Database, Metric, Schema, Snapshot};
use serde_json::json;

fn write(col: &Collection, number: i64) {
    let mut batch = col.batch();
    for id in 0..20 {
        batch.upsert(id, &[number as f32; 4]).payload(json!({"n": number}));
    }
    batch.commit().unwrap();
}

/// The number of the one batch that the snapshot shows, read in every way.
fn number(snapshot: &Snapshot) -> i64 {
    let hits = snapshot.search(&[0.0; 4]).k(100).filter("n > 0").run().unwrap();
    assert_eq!(hits.len(), 20);
    let number = hits[0].payload().unwrap().unwrap()["n"].as_i64().unwrap();
    assert_eq!(hits[0].distance, 2.0 * number as f64);
    assert!(snapshot.scan().all(|record| record.unwrap().vector == [number as f32; 4]));
    number
}

fn segments(path: &Path) -> usize {
    std::fs::read_dir(path.join("seg")).unwrap().count()
}

#[test]
fn a_forked_reader_reads_on_and_its_end_takes_nothing_from_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("forked.ft");
    let db = Database::options().background(false).open(&path).unwrap();
    let col = db.create_collection("c", Schema::new(4, Metric::L2)).unwrap();
    write(&col, 1);
    db.flush().unwrap();
    let reader = Database::options().read_only(true).open(&path).unwrap();
    let shown = reader.collection("c").unwrap();
    let held = shown.snapshot();
    write(&col, 2);
    // SAFETY: the child touches the reader and the heap alone, both usable after a fork, and never returns from here.
    #[expect(unsafe_code, reason = "std can only fork to run another program")]
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let before = number(&held);
            reader.refresh().unwrap();
            let seen = (before, number(&shown.snapshot()));
            drop((held, shown, reader));
            seen
        }));
        let status = i32::from(!read.is_ok_and(|seen| seen == (1, 2)));
        // SAFETY: ends the process at once, without what the test harness would do at its end.
        #[expect(unsafe_code, reason = "the child must not run the parent's other tests")]
        unsafe {
            libc::_exit(status)
        }
    }
    let mut status = -1;
    // SAFETY: waits for the child made above; `status` outlives the call.
    #[expect(unsafe_code, reason = "std cannot wait for a child it did not start")]
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((ended, status), (child, 0));
    // The lock is the parent's as before, so its files stay.
    db.compact(|_, _| true).unwrap();
    assert!(segments(&path) >= 2);
    assert_eq!(number(&held), 1);
    reader.refresh().unwrap();
    assert_eq!(number(&shown.snapshot()), 2);
}
