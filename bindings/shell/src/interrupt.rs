//! Ctrl-C: a flag that long work looks at, so that what is committed stays and the exit code is 130.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C and a polite request to end. A second one ends the process at once; what is committed is safe.
pub fn listen() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(crate::output::INTERRUPTED);
        }
    })
    .map_err(|e| Failure::new(format!("cannot listen for Ctrl-C: {e}")))
}

/// Whether the user wants an end.
pub fn wanted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
