//! Three threads write while the database seals and compacts in the background and two threads read: no snapshot shows
//! a row twice, a batch in part, or a state that goes back.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::ROOT;
use common::random::Random;
use foretaste::{Collection, Database, Key, Metric, Schema, Snapshot};
use foretaste_storage::sync::{AtomicU64, Ordering};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const WRITERS: u64 = 3;
const SLOTS: u64 = 16;
const BATCHES: u64 = 300;
const DIMS: usize = 8;

/// The slots that a writer's batch writes; it deletes all its others. Every batch so replaces the one before.
fn slots(writer: u64, number: u64) -> BTreeSet<u64> {
    let mut dice = Random::new(writer << 32 | number);
    (0..1 + dice.below(SLOTS)).map(|_| dice.below(SLOTS)).collect()
}

fn write(col: &Collection, writer: u64) {
    for number in 1..=BATCHES {
        let written = slots(writer, number);
        let mut batch = col.batch();
        for slot in 0..SLOTS {
            let id = (writer * 100 + slot) as i64;
            if written.contains(&slot) {
                let vector = [number as f32; DIMS];
                let payload = json!({"n": number, "pad": "x".repeat(200 + (number % 5 * 200) as usize)});
                batch.upsert(id, &vector).payload(payload);
            } else {
                batch.delete(id);
            }
        }
        batch.commit().unwrap();
    }
}

/// The batch of each writer that the snapshot shows; each of them whole.
fn whole(snapshot: &Snapshot, search: bool) -> Vec<u64> {
    let mut found: Vec<(BTreeSet<u64>, BTreeSet<u64>)> = vec![Default::default(); WRITERS as usize];
    let mut add = |id: &Key, number: u64| {
        let Key::Int(id) = id else { panic!("{id}") };
        let (slots, numbers) = &mut found[*id as usize / 100];
        assert!(slots.insert(*id as u64 % 100), "row {id} is there twice");
        numbers.insert(number);
    };
    let mut rows = 0;
    if search {
        let hits = snapshot.search(&[0.0; DIMS]).k(1000).filter("n > 0").run().unwrap();
        for hit in hits.iter() {
            let number = hit.payload().unwrap().unwrap()["n"].as_u64().unwrap();
            let distance = (DIMS as f64).sqrt() * number as f64;
            assert!((hit.distance - distance).abs() < 1e-6 * distance, "{} {distance}", hit.distance);
            add(&hit.id, number);
            rows += 1;
        }
    } else {
        for record in snapshot.scan() {
            let record = record.unwrap();
            let number = record.payload.unwrap()["n"].as_u64().unwrap();
            assert_eq!(record.vector, vec![number as f32; DIMS]);
            add(&record.id, number);
            rows += 1;
        }
    }
    assert_eq!(snapshot.len(), rows);
    let batch = |(writer, (slots_found, numbers)): (usize, (BTreeSet<u64>, BTreeSet<u64>))| {
        assert!(numbers.len() <= 1, "writer {writer}: rows of the batches {numbers:?} at once");
        let Some(number) = numbers.first() else { return 0 };
        assert_eq!(slots_found, slots(writer as u64, *number), "writer {writer}: batch {number} in part");
        *number
    };
    found.into_iter().enumerate().map(batch).collect()
}

fn read(col: &Collection, running: &AtomicU64, search: bool) -> u64 {
    let (mut before, mut reads) = (vec![0; WRITERS as usize], 0);
    let mut held: Vec<(Snapshot, Vec<u64>)> = Vec::new();
    while running.load(Ordering::Acquire) > 0 {
        let snapshot = col.snapshot();
        let seen = whole(&snapshot, search);
        assert!(seen.iter().zip(&before).all(|(now, then)| now >= then), "{before:?} and then {seen:?}");
        before.clone_from(&seen);
        held.push((snapshot, seen));
        if held.len() > 8 {
            let (snapshot, seen) = held.remove((reads % 8) as usize);
            assert_eq!(whole(&snapshot, !search), seen, "a snapshot changed");
        }
        reads += 1;
    }
    for (snapshot, seen) in held {
        assert_eq!(whole(&snapshot, search), seen, "a snapshot changed");
    }
    reads
}

#[test]
fn readers_see_whole_batches_while_three_threads_write_and_the_background_seals() {
    let disk: Arc<dyn Vfs> = Arc::new(MemVfs::new());
    let options = || Database::options().disk(Arc::clone(&disk)).seal_bytes(64 << 10);
    let db = options().open(ROOT).unwrap();
    let col = db.create_collection("c", Schema::new(DIMS, Metric::L2).levels([2])).unwrap();
    let running = AtomicU64::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (col, running) = (&col, &running);
            scope.spawn(move || {
                // However it ends, the readers end too.
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(col, writer)));
                running.fetch_sub(1, Ordering::Release);
                ended.unwrap();
            });
        }
        let readers = [false, true].map(|search| {
            let (col, running) = (&col, &running);
            scope.spawn(move || read(col, running, search))
        });
        while running.load(Ordering::Acquire) > 0 {
            db.compact(|_, _| true).unwrap();
            std::thread::yield_now();
        }
        let reads: Vec<u64> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        println!("{reads:?} snapshots verified, generation {}", db.stats().unwrap().generation);
    });
    let last = vec![BATCHES; WRITERS as usize];
    assert_eq!(whole(&col.snapshot(), false), last);
    assert_eq!(db.stats().unwrap().upkeep_failure, None);
    drop((col, db));
    let db = options().open(ROOT).unwrap();
    assert_eq!(whole(&db.collection("c").unwrap().snapshot(), true), last);
}
