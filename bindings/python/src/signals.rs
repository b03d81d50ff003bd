//! Ctrl-C, and whatever else Python's signal handlers raise, while rows are searched; and a caller's wish to give up.
//!
//! Reads from: the interpreter, some times a second. Writes to: nothing. Never: a wait for the interpreter on a thread that did
//! not begin the search; handlers run on that one alone.

use std::cell::Cell;
use std::fmt::Display;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use foretaste::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::{errors, json};

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

/// What may end long work that asks seldom: signals, and a function of the caller's.
pub struct Cancel {
    signals: Signals,
    function: Option<Py<PyAny>>,
    /// Set once the function has said so.
    said: OnceLock<()>,
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

impl Cancel {
    /// For work that this thread begins. `function` takes no arguments, and gives True to end it.
    pub fn new(function: Option<&Bound<'_, PyAny>>) -> PyResult<Cancel> {
        if let Some(other) = function.filter(|function| !function.is_callable()) {
            let name = json::type_name(other);
            return Err(PyTypeError::new_err(format!(
                "cancel is a function without arguments, not a {name}"
            )));
        }
        let function = function.map(|function| function.clone().unbind());
        Ok(Cancel { signals: Signals::new(), function, said: OnceLock::new() })
    }

    /// Whether to give up.
    pub fn asked(&self) -> bool {
        self.signals.look();
        if let Some(function) = &self.function {
            let said = Python::attach(|py| function.bind(py).call0()?.is_truthy());
            match said {
                Ok(false) => {}
                Ok(true) => {
                    let _ = self.said.set(());
                }
                // The first one counts.
                Err(raised) => {
                    let _ = self.signals.raised.set(raised);
                }
            }
        }
        self.said.get().is_some() || self.signals.raised.get().is_some()
    }

    /// The outcome of the work: what was raised comes first. An error of the work is a `BadRequest`.
    pub fn end<T>(self, py: Python<'_>, result: Result<T, impl Display>) -> PyResult<T> {
        if let Some(raised) = self.signals.raised.into_inner() {
            return Err(raised);
        }
        result.map_err(|why| match self.said.get() {
            Some(()) => errors::of(py, &Error::Cancelled),
            None => errors::new(py, "BadRequest", &why.to_string()),
        })
    }
}
