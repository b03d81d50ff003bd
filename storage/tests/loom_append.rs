//! loom model of head publication: who sees a length or a sequence number sees every item below it, complete.
//!
//! ```sh
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg foretaste_loom" cargo test -p foretaste-storage --release --test loom_append
//! ```
//!
//! Planted to see that the model can fail, and caught: `len` stored with `Relaxed`, and `len` stored before the slot is
//! filled (both "item 0 of 1 is not complete, left: None, right: Some(0)"); `fetch_max` with `Relaxed` ("item 0 below
//! sequence number 1 is not there").
#![cfg(foretaste_loom)]

use foretaste_storage::append::{AppendList, Published};
use foretaste_storage::sync::{Arc, Mutex};
use loom::thread;

#[test]
fn a_seen_length_means_complete_items() {
    loom::model(|| {
        let list = Arc::new(AppendList::new());
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let list = list.clone();
                thread::spawn(move || {
                    let seen = list.len();
                    for i in 0..seen {
                        assert_eq!(list.get(i), Some(&(i * 10)), "item {i} of {seen} is not complete");
                    }
                    assert_eq!(list.prefix(seen).count(), seen);
                })
            })
            .collect();
        // Three items: the second begins a new bucket.
        for i in 0..3 {
            list.push(i * 10).unwrap();
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_seen_sequence_number_means_complete_items_of_every_appender() {
    loom::model(|| {
        let list = Arc::new(AppendList::new());
        let ingest = Arc::new(Mutex::new(()));
        let published = Arc::new(Published::new(0));
        let appenders: Vec<_> = (0..2)
            .map(|_| {
                let (list, ingest, published) = (list.clone(), ingest.clone(), published.clone());
                thread::spawn(move || {
                    let guard = ingest.lock();
                    let index = list.push(7).unwrap();
                    drop(guard);
                    // Outside the lock, so the larger number may be published first.
                    published.advance_to(index as u64 + 1);
                })
            })
            .collect();
        let seen = published.get();
        for i in 0..seen {
            assert_eq!(list.get(i as usize), Some(&7), "item {i} below sequence number {seen} is not there");
        }
        appenders.into_iter().for_each(|appender| appender.join().unwrap());
        assert_eq!(published.get(), 2);
    });
}
