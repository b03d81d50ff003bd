//! Hits as what other libraries take: dicts, a structured array, a pandas DataFrame, an Arrow table.
//!
//! Reads from: hits, and their documents. Writes to: objects of those libraries, which are loaded when they are asked for.
//! Never: a library loaded that nobody asked for.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;

use crate::hits::{self, Found};
use crate::{errors, record};

/// The hits as dicts of `id`, their numbers, and `payload`.
pub fn dicts<'py, H: Found>(py: Python<'py>, hits: &[H]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for hit in hits {
        let dict = PyDict::new(py);
        dict.set_item("id", record::id(py, hit.id())?)?;
        for (name, number) in H::NUMBERS {
            dict.set_item(name, number(hit))?;
        }
        dict.set_item("payload", hits::payload(py, hit)?)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// The hits as a structured array: `id` (int64, or object when not all are integers) and their numbers (float64).
pub fn structured<'py, H: Found>(py: Python<'py>, hits: &[H]) -> PyResult<Bound<'py, PyAny>> {
    let id = if hits::integers(hits).is_some() { "i8" } else { "O" };
    let fields: Vec<_> =
        [("id", id)].into_iter().chain(H::NUMBERS.iter().map(|(name, _)| (*name, "f8"))).collect();
    let array = py.import("numpy")?.call_method1("empty", (hits.len(), fields.into_bound_py_any(py)?))?;
    for (name, column) in columns(py, hits)? {
        array.set_item(name, column)?;
    }
    Ok(array)
}

/// The hits as a DataFrame of `id`, their numbers, and `payload` (dicts, or None).
pub fn pandas<'py, H: Found>(py: Python<'py>, hits: &[H]) -> PyResult<Bound<'py, PyAny>> {
    let columns = columns(py, hits)?;
    let payloads = hits.iter().map(|hit| hits::payload(py, hit)).collect::<PyResult<Vec<_>>>()?;
    columns.set_item(
        "payload",
        py.import("pandas")?.getattr("Series")?.call1((payloads, py.None(), "object"))?,
    )?;
    py.import("pandas")?.call_method1("DataFrame", (columns,))
}

/// The hits as a table of `id`, their numbers, and `payload` (JSON, or null). Arrow has no column of ints and strs at once.
pub fn arrow<'py, H: Found>(py: Python<'py>, hits: &[H]) -> PyResult<Bound<'py, PyAny>> {
    let library = py.import("pyarrow")?;
    let columns = columns(py, hits)?;
    let text = |hit: &H| hit.payload().map(|payload| payload.as_ref().map(Value::to_string));
    let payloads = hits.iter().map(text).collect::<foretaste::Result<Vec<_>>>();
    let payloads = errors::result(py, payloads)?;
    let string = library.call_method0("string")?;
    columns.set_item("payload", library.call_method1("array", (payloads, string))?)?;
    library.call_method1("table", (columns,))
}

/// The ids and numbers of the hits, each as an array or a list.
fn columns<'py, H: Found>(py: Python<'py>, hits: &[H]) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    columns.set_item("id", hits::ids(py, hits)?)?;
    for (name, number) in H::NUMBERS {
        columns.set_item(name, hits::numbers(py, hits, number))?;
    }
    Ok(columns)
}
