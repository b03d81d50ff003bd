//! A stored row as a Python object.
//!
//! Reads from: `foretaste::Record`. Writes to: numpy arrays, when they are asked for. Never: a change to the row.

use std::collections::BTreeMap;

use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use foretaste::{Key, Schema};

use crate::json;

/// A row as it is stored.
#[pyclass(frozen, module = "foretaste")]
pub struct Record {
    row: foretaste::Record,
    /// Numbers of a token; 0 when the collection keeps none.
    token_dim: usize,
}

impl Record {
    /// A row of a collection with this schema.
    pub fn new(row: foretaste::Record, schema: &Schema) -> Record {
        Record { row, token_dim: schema.token_kind().map_or(0, |(dim, _)| dim) }
    }
}

#[pymethods]
impl Record {
    /// Its id, of the type the caller put in.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        id(py, &self.row.id)
    }

    /// Its vector, as a new float32 array.
    #[getter]
    fn vector<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.row.vector)
    }

    /// Its variances, as a new float32 array, or None.
    #[getter]
    fn variance<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        let variance = &self.row.variance;
        (!variance.is_empty()).then(|| PyArray1::from_slice(py, variance))
    }

    /// The sums of its variances over the first dimensions up to each level, as a new float32 array, or None.
    #[getter]
    fn variance_traces<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        let traces = &self.row.variance_traces;
        (!traces.is_empty()).then(|| PyArray1::from_slice(py, traces))
    }

    /// Its token matrix, as a new float32 array with one token a row, or None.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let Record { row, token_dim } = self;
        if row.tokens.is_empty() {
            return Ok(None);
        }
        let shape = [row.tokens.len() / (*token_dim).max(1), *token_dim];
        Ok(Some(PyArray1::from_slice(py, &row.tokens).reshape(shape)?))
    }

    /// Its vectors in further fields: a new dict from those that it has one in to float32 arrays.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> BTreeMap<&str, Bound<'py, PyArray1<f32>>> {
        let fields = self.row.fields.iter();
        fields.map(|(name, vector)| (name.as_str(), PyArray1::from_slice(py, vector))).collect()
    }

    /// Its document, a new dict, or None.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.row.payload.as_ref().map(|payload| json::to_python(py, payload)).transpose()
    }

    /// The number of the operation that wrote it; a later one is larger.
    #[getter]
    fn version(&self) -> u64 {
        self.row.version
    }

    fn __repr__(&self) -> String {
        format!(
            "Record(id={}, dim={}, version={})",
            shown(&self.row.id),
            self.row.vector.len(),
            self.row.version
        )
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
