//! loom model of group commit: an item whose wait returned Ok was flushed, batches are in the order of the tickets, a
//! failure reaches everybody who waits, and nobody sleeps for ever.
//!
//! ```sh
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg foretaste_loom" cargo test -p foretaste-storage --release --test loom_group
//! ```
//!
//! Planted to see that the model can fail, and caught: `done` advanced when the batch is taken instead of after its
//! flush ("item 2 was acknowledged before its flush"); `notify_all` before the turn's outcome is stored, and
//! `notify_one` in its place (both "deadlock; threads = [(Id(0), Blocked(…)), …]", the lost wake-up).
#![cfg(foretaste_loom)]

use foretaste_storage::log::group::Group;
use foretaste_storage::sync::{Arc, Mutex};
use foretaste_storage::{Error, Result};
use loom::thread;

/// The disk: what was flushed, in order. It fails from the flush number `fails_from` on.
#[derive(Default)]
struct Disk {
    flushed: Vec<u64>,
    flushes: usize,
    busy: bool,
    fails_from: Option<usize>,
}

#[derive(Default)]
struct Shared {
    group: Group<u64>,
    /// Gives out the items, so that they are queued in their order: the engine's ingest lock.
    ingest: Mutex<u64>,
    disk: Mutex<Disk>,
}

impl Shared {
    fn failing_from(flush: usize) -> Arc<Shared> {
        let disk = Mutex::new(Disk { fails_from: Some(flush), ..Disk::default() });
        Arc::new(Shared { disk, ..Shared::default() })
    }

    fn flush(&self, batch: Vec<u64>) -> Result<()> {
        let mut disk = self.disk.lock();
        assert!(!disk.busy, "two flushes at once");
        disk.busy = true;
        drop(disk);
        thread::yield_now();
        let mut disk = self.disk.lock();
        disk.busy = false;
        disk.flushes += 1;
        if disk.fails_from.is_some_and(|from| disk.flushes > from) {
            return Err(Error::LimitExceeded { what: "disk", limit: 0, found: 1 });
        }
        disk.flushed.extend(batch);
        Ok(())
    }

    fn commit(&self) -> (u64, Result<()>) {
        let mut next = self.ingest.lock();
        let item = *next;
        let ticket = self.group.enqueue(item);
        if ticket.is_ok() {
            *next += 1;
        }
        drop(next);
        (item, ticket.and_then(|ticket| self.group.wait(ticket, |batch| self.flush(batch))))
    }
}

/// Runs `work` in two threads and in this one at once.
fn three(shared: &Arc<Shared>, work: fn(&Shared)) {
    let spawn = |shared: Arc<Shared>| thread::spawn(move || work(&shared));
    let others = [spawn(shared.clone()), spawn(shared.clone())];
    work(shared);
    others.into_iter().for_each(|thread| thread.join().unwrap());
}

fn commit_and_find(shared: &Shared) {
    let (item, result) = shared.commit();
    result.unwrap();
    assert!(shared.disk.lock().flushed.contains(&item), "item {item} was acknowledged before its flush");
}

#[test]
fn what_is_acknowledged_was_flushed_in_order_and_nobody_sleeps_for_ever() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        three(&shared, commit_and_find);
        assert_eq!(shared.disk.lock().flushed, [0, 1, 2]);
    });
}

#[test]
fn a_failure_reaches_everybody_and_nothing_is_flushed_after_it() {
    for flushes_before in 0..2 {
        loom::model(move || {
            let shared = Shared::failing_from(flushes_before);
            three(&shared, |shared| {
                let (item, result) = shared.commit();
                let flushed = shared.disk.lock().flushed.contains(&item);
                match result {
                    Ok(()) => assert!(flushed, "item {item} was acknowledged and is not flushed"),
                    Err(Error::Poisoned { why }) => assert_eq!(why, "disk is 1, the limit is 0"),
                    Err(other) => panic!("{other}"),
                }
            });
            let disk = shared.disk.lock();
            assert!(disk.flushes <= flushes_before + 1, "a flush after the failed one");
        });
    }
}

#[test]
fn a_drain_takes_what_was_queued_before_it() {
    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let other = shared.clone();
        let committer = thread::spawn(move || commit_and_find(&other));
        let queued = *shared.ingest.lock();
        shared.group.drain(|batch| shared.flush(batch)).unwrap();
        assert!(shared.disk.lock().flushed.len() as u64 >= queued);
        committer.join().unwrap();
        assert_eq!(shared.disk.lock().flushed, [0]);
    });
}
