//! Ctrl-C: a flag that long work looks at, so that what is committed stays and the exit code is 130.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::output::Failure;

/// How often an end was asked for since the work began.
static ASKED: AtomicU32 = AtomicU32::new(0);
/// How often it may be asked for before the process ends at once.
static PATIENCE: AtomicU32 = AtomicU32::new(1);

/// Takes over Ctrl-C and a polite request to end. A second one ends the process at once; what is committed is safe.
pub fn listen() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if ASKED.fetch_add(1, Ordering::SeqCst) >= PATIENCE.load(Ordering::SeqCst) {
            std::process::exit(crate::output::INTERRUPTED);
        }
    })
    .map_err(|e| Failure::new(format!("cannot listen for Ctrl-C: {e}")))
}

/// Whether the user wants an end.
pub fn wanted() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// New work begins, which nobody wants to end yet.
pub fn reset() {
    ASKED.store(0, Ordering::SeqCst);
}

/// In an interactive shell one more Ctrl-C is for the query: the third in a row ends the process.
pub fn be_patient() {
    PATIENCE.store(2, Ordering::SeqCst);
}
