//! A stored row as a Python object.
//!
//! Reads from: `foretaste::Record`. Writes to: numpy arrays, when they are asked for. Never: a change to the row.

use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use foretaste::Key;

use crate::json;

/// A row as it is stored.
#[pyclass(frozen, module = "foretaste")]
pub struct Record(pub foretaste::Record);

#[pymethods]
impl Record {
    /// Its id, of the type the caller put in.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        id(py, &self.0.id)
    }

    /// Its vector, as a new float32 array.
    #[getter]
    fn vector<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.0.vector)
    }

    /// Its variances, as a new float32 array, or None.
    #[getter]
    fn variance<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        let variance = &self.0.variance;
        (!variance.is_empty()).then(|| PyArray1::from_slice(py, variance))
    }

    /// Its document, a new dict, or None.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.payload.as_ref().map(|payload| json::to_python(py, payload)).transpose()
    }

    /// The number of the operation that wrote it; a later one is larger.
    #[getter]
    fn version(&self) -> u64 {
        self.0.version
    }

    fn __repr__(&self) -> String {
        format!("Record(id={}, dim={}, version={})", shown(&self.0.id), self.0.vector.len(), self.0.version)
    }
}

/// An id as an int or a str.
pub fn id<'py>(py: Python<'py>, key: &Key) -> PyResult<Bound<'py, PyAny>> {
    match key {
        Key::Int(id) => id.into_bound_py_any(py),
        Key::Str(id) => id.as_str().into_bound_py_any(py),
    }
}

/// An id as Python writes it, nearly.
pub fn shown(key: &Key) -> String {
    match key {
        Key::Int(id) => id.to_string(),
        Key::Str(id) => format!("{:?}", id.as_str()),
    }
}
