//! loom model of a running answer: it reads what it has pinned, step by step, while one thread cancels it and another
//! publishes a generation without the file it reads. It never reads a removed file, it stops for good once it is found
//! cancelled and sees what was done before, and its file goes, once, after it has ended.
//!
//! ```sh
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg foretaste_loom" cargo test -p foretaste-storage --release --test loom_stop
//! ```
//!
//! Planted to see that the model can fail, and caught: `ask` and `asked` relaxed ("what was done before is not seen");
//! the pin dropped before the last step ("the file was removed under the answer").
#![cfg(foretaste_loom)]

use foretaste_storage::pin::{Pin, Pins};
use foretaste_storage::stop::Stop;
use foretaste_storage::sync::{Arc, AtomicUsize, Ordering};
use loom::thread;

const FILE: u64 = 42;
const STEPS: usize = 2;

/// How often the file was removed, and why the answer was cancelled, if it was.
struct World {
    pins: Pins,
    removed: AtomicUsize,
    why: AtomicUsize,
}

impl World {
    /// Removes what can be removed, and counts how often the file was.
    fn collect(&self) {
        let count = self.pins.collect().into_iter().filter(|id| *id == FILE).count();
        self.removed.fetch_add(count, Ordering::SeqCst);
    }

    /// An answer to its end: how many steps it made.
    fn answer(&self, pin: Pin, stop: &Stop) -> usize {
        let mut steps = 0;
        while steps < STEPS && !stop.asked() {
            assert_eq!(self.removed.load(Ordering::SeqCst), 0, "the file was removed under the answer");
            steps += 1;
        }
        if steps < STEPS {
            assert_eq!(self.why.load(Ordering::Relaxed), 1, "what was done before is not seen");
            assert!(stop.asked(), "a request was taken back");
        }
        assert_eq!(self.removed.load(Ordering::SeqCst), 0, "the file was removed under the answer");
        drop(pin);
        self.collect();
        steps
    }
}

#[test]
fn a_cancelled_answer_stops_and_lets_go_of_its_file() {
    loom::model(|| {
        let world =
            Arc::new(World { pins: Pins::new(), removed: AtomicUsize::new(0), why: AtomicUsize::new(0) });
        let stop = Stop::new();
        let pin = world.pins.pin(FILE);
        let canceller = {
            let (world, stop) = (world.clone(), stop.clone());
            thread::spawn(move || {
                world.why.store(1, Ordering::Relaxed);
                stop.ask();
            })
        };
        let writer = {
            let world = world.clone();
            thread::spawn(move || {
                world.pins.retire(FILE);
                world.collect();
            })
        };
        let steps = world.answer(pin, &stop);
        canceller.join().unwrap();
        writer.join().unwrap();
        world.collect();
        assert!(steps <= STEPS);
        assert_eq!(world.removed.load(Ordering::SeqCst), 1, "the file must go, and once");
    });
}
