//! loom model of pin and retire: no file is removed while a pin on it lives, each is handed out exactly once, and all
//! are after the last pin is gone.
//!
//! ```sh
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg foretaste_loom" cargo test -p foretaste-storage --release --test loom_pin
//! ```
//!
//! Planted to see that the model can fail, and caught: `collect` looking under one lock and taking under another
//! ("the file must go, and once, left: 2, right: 1"); a retired number with one pin taken for free ("the file was
//! removed under a pin"); the last pin's drop forgetting the retirement ("left: 0, right: 1").
#![cfg(foretaste_loom)]

use foretaste_storage::pin::{Pin, Pins};
use foretaste_storage::sync::{Arc, AtomicUsize, Mutex, Ordering};
use loom::thread;

const FILE: u64 = 42;

/// Removes what can be removed, and counts how often the file was.
fn collect(pins: &Pins, removed: &AtomicUsize) {
    let count = pins.collect().into_iter().filter(|id| *id == FILE).count();
    removed.fetch_add(count, Ordering::SeqCst);
}

fn read(pin: &Pin, removed: &AtomicUsize) {
    assert_eq!(pin.id(), FILE);
    assert_eq!(removed.load(Ordering::SeqCst), 0, "the file was removed under a pin");
}

#[test]
fn a_pinned_file_stays_and_goes_once_after_the_last_pin() {
    loom::model(|| {
        let (pins, removed) = (Pins::new(), Arc::new(AtomicUsize::new(0)));
        // The current snapshot, as readers share it.
        let snapshot = Arc::new(Mutex::new(Some(pins.pin(FILE))));
        let reader = {
            let (snapshot, pins, removed) = (snapshot.clone(), pins.clone(), removed.clone());
            thread::spawn(move || {
                let pin = snapshot.lock().clone();
                if let Some(pin) = pin {
                    read(&pin, &removed);
                    let second = pin.clone();
                    drop(pin);
                    read(&second, &removed);
                    drop(second);
                    collect(&pins, &removed);
                }
            })
        };
        // The writer publishes a generation without the file.
        let old = snapshot.lock().take();
        pins.retire(FILE);
        collect(&pins, &removed);
        drop(old);
        collect(&pins, &removed);
        reader.join().unwrap();
        collect(&pins, &removed);
        assert_eq!(removed.load(Ordering::SeqCst), 1, "the file must go, and once");
    });
}

#[test]
fn two_collectors_never_get_the_same_file() {
    loom::model(|| {
        let (pins, removed) = (Pins::new(), Arc::new(AtomicUsize::new(0)));
        let pin = pins.pin(FILE);
        let other = {
            let (pins, removed) = (pins.clone(), removed.clone());
            thread::spawn(move || {
                pins.retire(FILE);
                collect(&pins, &removed);
            })
        };
        read(&pin, &removed);
        drop(pin);
        collect(&pins, &removed);
        other.join().unwrap();
        collect(&pins, &removed);
        assert_eq!(removed.load(Ordering::SeqCst), 1, "the file must go, and once");
    });
}
