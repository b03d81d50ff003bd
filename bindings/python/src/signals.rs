//! Ctrl-C, and whatever else Python's signal handlers raise, while rows are searched.
//!
//! Reads from: the interpreter, some times a second. Writes to: nothing. Never: a wait for the interpreter on a thread that did
//! not begin the search; handlers run on that one alone.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use foretaste::Error;
use pyo3::prelude::*;

use crate::errors;

/// How often signals are looked for.
const EVERY: Duration = Duration::from_millis(100);
/// Questions between two looks at the clock, which takes longer than some of the work between them.
const ASKED: u32 = 256;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What signal handlers have raised during one search.
pub struct Signals {
    home: ThreadId,
    raised: OnceLock<PyErr>,
}

impl Signals {
    /// For a search that this thread begins.
    pub fn new() -> Signals {
        Signals { home: std::thread::current().id(), raised: OnceLock::new() }
    }

    /// Whether to give up.
    pub fn asked(&self) -> bool {
        let calls = CALLS.get().wrapping_add(1);
        CALLS.set(calls);
        if calls.is_multiple_of(ASKED) && std::thread::current().id() == self.home {
            self.look();
        }
        self.raised.get().is_some()
    }

    fn look(&self) {
        let now = Instant::now();
        if LOOKED.get().is_some_and(|looked| now.duration_since(looked) < EVERY) {
            return;
        }
        LOOKED.set(Some(now));
        if let Err(raised) = Python::attach(|py| py.check_signals()) {
            // The first one counts; there is no second look after it.
            let _ = self.raised.set(raised);
        }
    }

    /// The outcome of the search: what a handler has raised comes first.
    pub fn end<T>(self, py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
        match self.raised.into_inner() {
            Some(raised) => Err(raised),
            None => errors::result(py, result),
        }
    }
}
