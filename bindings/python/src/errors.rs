//! The facade's errors as Python exceptions.
//!
//! Reads from: `foretaste::Error`. Writes to: exceptions of the classes in `python/foretaste/_errors.py`.
//! Never: a class that is not there; what has no class of its own is an `Error`.

use foretaste::Error;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// An error of the facade as an exception, with what names the place as attributes.
pub fn of(py: Python<'_>, error: &Error) -> PyErr {
    named(py, class(error), &error.to_string(), |fields| attributes(error, fields))
}

/// The exception `name` of the package.
pub fn new(py: Python<'_>, name: &str, message: &str) -> PyErr {
    named(py, name, message, |_| Ok(()))
}

/// What a fork is told that uses a handle of its parent's, which writes.
pub fn forked(py: Python<'_>, parent: u32) -> PyErr {
    let message = format!(
        "process {parent} has the database open for writing, and this one is a fork of it: open the database here, with mode \"r\" \
         as long as that one writes"
    );
    named(py, "Forked", &message, |fields| fields.set_item("pid", parent))
}

/// A result of the facade as one of Python.
pub fn result<T>(py: Python<'_>, result: foretaste::Result<T>) -> PyResult<T> {
    result.map_err(|e| of(py, &e))
}

fn named(
    py: Python<'_>,
    name: &str,
    message: &str,
    fill: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import("foretaste._errors")?.getattr(name)?.cast_into::<PyType>()?;
        let fields = PyDict::new(py);
        fill(&fields)?;
        let exception = class.call1((message,))?;
        for (field, value) in fields {
            exception.setattr(field.cast_into::<pyo3::types::PyString>()?, value)?;
        }
        Ok(PyErr::from_value(exception))
    };
    make().unwrap_or_else(|_| PyRuntimeError::new_err(message.to_string()))
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "NotFound",
        Error::Exists { .. } => "Exists",
        Error::Locked { .. } => "Locked",
        Error::Corrupt { .. } => "Corrupt",
        Error::FormatTooNew { .. } => "FormatTooNew",
        Error::DimensionMismatch { .. } => "DimensionMismatch",
        Error::NonFinite { .. } => "NonFinite",
        Error::OutOfRange { .. } => "OutOfRange",
        Error::ZeroVector { .. } => "ZeroVector",
        Error::BadVariance { .. } => "BadVariance",
        Error::BadTokens { .. } => "BadTokens",
        Error::BadPayload { .. } => "BadPayload",
        Error::DuplicateId { .. } => "DuplicateId",
        Error::BadFilter { .. } => "BadFilter",
        Error::BadRequest { .. } => "BadRequest",
        Error::ReadOnly { .. } => "ReadOnly",
        Error::Cancelled => "Cancelled",
        Error::LimitExceeded { .. } => "LimitExceeded",
        Error::Poisoned { .. } => "Poisoned",
        Error::Io { .. } => "IoError",
        _ => "Error",
    }
}

fn attributes(error: &Error, fields: &Bound<'_, PyDict>) -> PyResult<()> {
    match error {
        Error::Locked { pid, path } => {
            fields.set_item("pid", pid)?;
            fields.set_item("path", path.display().to_string())
        }
        Error::Corrupt { file, offset, .. } => {
            fields.set_item("file", file.display().to_string())?;
            fields.set_item("offset", offset)
        }
        Error::FormatTooNew { found, supported, .. } => {
            fields.set_item("found", found)?;
            fields.set_item("supported", supported)
        }
        Error::DimensionMismatch { expected, got, row, .. } => {
            fields.set_item("expected", expected)?;
            fields.set_item("got", got)?;
            fields.set_item("row", row)
        }
        Error::NonFinite { row, dim, .. } | Error::OutOfRange { row, dim, .. } => {
            fields.set_item("row", row)?;
            fields.set_item("dim", dim)
        }
        Error::ZeroVector { row, .. }
        | Error::BadVariance { row, .. }
        | Error::BadTokens { row, .. }
        | Error::BadPayload { row, .. } => fields.set_item("row", row),
        Error::BadFilter { at, hint, .. } => {
            fields.set_item("at", at)?;
            fields.set_item("hint", hint.as_deref())
        }
        Error::LimitExceeded { limit, found, .. } => {
            fields.set_item("limit", limit)?;
            fields.set_item("found", found)
        }
        Error::Io { path, source, .. } => {
            fields.set_item("path", path.display().to_string())?;
            fields.set_item("os_error", source.raw_os_error())
        }
        _ => Ok(()),
    }
}
