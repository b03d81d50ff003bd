//! What a caller gives as `progress`: a flag, a function, or a bar in tqdm's manner.
//!
//! Reads from: the argument. Writes to: the function or bar, or Python's standard error.
//! Never: a wait for the interpreter more often than some times a second.

use std::time::{Duration, Instant};

use foretaste::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::{errors, json};

/// How often the caller hears of progress, and Ctrl-C is looked for.
const EVERY: Duration = Duration::from_millis(100);

/// Where progress is told.
pub struct Progress {
    to: To,
    what: &'static str,
    last: Option<Instant>,
    /// What the function raised, or the signal handler.
    raised: Option<PyErr>,
}

enum To {
    Nobody,
    /// Standard error.
    Line,
    /// `function(done, total)`; False cancels.
    Function(Py<PyAny>),
    /// `bar.total`, `bar.update(n)`, and what it was told so far.
    Bar(Py<PyAny>, u64),
}

impl Progress {
    /// From the argument. `what` is being done.
    pub fn new(argument: Option<&Bound<'_, PyAny>>, what: &'static str) -> PyResult<Progress> {
        let to = match argument {
            None => To::Nobody,
            Some(object) if object.is_none() => To::Nobody,
            Some(object) => match object.cast::<PyBool>() {
                Ok(flag) => {
                    if flag.is_true() {
                        To::Line
                    } else {
                        To::Nobody
                    }
                }
                Err(_) if object.hasattr("update")? => To::Bar(object.clone().unbind(), 0),
                Err(_) if object.is_callable() => To::Function(object.clone().unbind()),
                Err(_) => {
                    let name = json::type_name(object);
                    return Err(PyTypeError::new_err(format!(
                        "progress is a bool, a function of (done, total), or a bar with `update`, not a {name}"
                    )));
                }
            },
        };
        Ok(Progress { to, what, last: None, raised: None })
    }

    /// Tells that `done` of `total` is done, unless something was told a moment ago; false cancels.
    pub fn tell(&mut self, done: u64, total: u64) -> bool {
        if self.raised.is_some() {
            return false;
        }
        if done < total && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return true;
        }
        self.last = Some(Instant::now());
        Python::attach(|py| {
            let told = py.check_signals().and_then(|()| self.call(py, done, total));
            told.unwrap_or_else(|e| {
                self.raised = Some(e);
                false
            })
        })
    }

    fn call(&mut self, py: Python<'_>, done: u64, total: u64) -> PyResult<bool> {
        match &mut self.to {
            To::Nobody => Ok(true),
            To::Line => {
                let share = done.min(total).saturating_mul(100) / total.max(1);
                let end = if done < total { "" } else { "\n" };
                let err = py.import("sys")?.getattr("stderr")?;
                err.call_method1("write", (format!("\r{} {share:3} %{end}", self.what),))?;
                err.call_method0("flush")?;
                Ok(true)
            }
            To::Function(function) => {
                let answer = function.bind(py).call1((done, total))?;
                Ok(!answer.cast::<PyBool>().is_ok_and(|flag| !flag.is_true()))
            }
            To::Bar(bar, told) => {
                let bar = bar.bind(py);
                bar.setattr("total", total)?;
                // A next step begins again.
                if done < *told && bar.hasattr("reset")? {
                    bar.call_method1("reset", (total,))?;
                }
                bar.call_method1("update", (if done < *told { done } else { done - *told },))?;
                *told = done;
                Ok(true)
            }
        }
    }

    /// The outcome of the work: what the function raised comes first, also when the work was done all the same.
    pub fn end<T>(self, py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
        match self.raised {
            Some(raised) => Err(raised),
            None => errors::result(py, result),
        }
    }
}
