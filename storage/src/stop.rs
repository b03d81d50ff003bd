//! Asking something that runs to stop, from any thread.
//!
//! The one that runs looks between two steps; what the asking thread did before is seen by whoever finds it asked.
//! `tests/loom_stop.rs` checks that, and that an answer that is stopped lets go of its files.
//!
//! Reads from: memory. Writes to: memory. Never: a wait; a request taken back.

use crate::sync::{Arc, AtomicBool, Ordering};

/// A request to stop, which clones share.
///
/// # Examples
///
/// ```
/// use foretaste_storage::stop::Stop;
///
/// let (stop, elsewhere) = (Stop::new(), Stop::new());
/// let shared = stop.clone();
/// assert!(!stop.asked());
/// shared.ask();
/// assert!(stop.asked() && !elsewhere.asked());
/// ```
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Default for Stop {
    fn default() -> Self {
        Stop::new()
    }
}

impl Stop {
    /// Not asked for yet.
    pub fn new() -> Self {
        Stop(Arc::new(AtomicBool::new(false)))
    }

    /// Asks; for good.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
