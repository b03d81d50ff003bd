//! Lists of hits as Python sees them: arrays of their ids and numbers, single hits, and the words of an answer.
//!
//! Reads from: `foretaste::Hit`, `foretaste::TextHit`, `foretaste::Cost`. Writes to: arrays, lists and hits, when they are asked
//! for. Never: a Python object per hit before somebody asks for it.

use foretaste::{Cost, Key};
use numpy::PyArray1;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;

use crate::{errors, json, record};

/// One row found.
#[pyclass(frozen, module = "foretaste")]
pub struct Hit(pub foretaste::Hit);

/// Numbers of hits, by name.
pub type Numbers<H> = &'static [(&'static str, fn(&H) -> f64)];

/// What hits of every kind have.
pub trait Found: 'static {
    /// Their numbers, by name.
    const NUMBERS: Numbers<Self>;

    /// The row's id.
    fn id(&self) -> &Key;

    /// The row's document.
    fn payload(&self) -> foretaste::Result<Option<Value>>;
}

impl Found for foretaste::Hit {
    const NUMBERS: Numbers<Self> = &[("distance", |hit| hit.distance), ("score", |hit| hit.score)];

    fn id(&self) -> &Key {
        &self.id
    }

    fn payload(&self) -> foretaste::Result<Option<Value>> {
        foretaste::Hit::payload(self)
    }
}

impl Found for foretaste::TextHit {
    const NUMBERS: Numbers<Self> = &[("score", |hit| hit.score)];

    fn id(&self) -> &Key {
        &self.id
    }

    fn payload(&self) -> foretaste::Result<Option<Value>> {
        foretaste::TextHit::payload(self)
    }
}

/// The ids, when all of them are integers.
pub fn integers(hits: &[impl Found]) -> Option<Vec<i64>> {
    hits.iter().map(|hit| if let Key::Int(id) = hit.id() { Some(*id) } else { None }).collect()
}

/// The ids: a new int64 array when all are integers, else a list.
pub fn ids<'py>(py: Python<'py>, hits: &[impl Found]) -> PyResult<Bound<'py, PyAny>> {
    if let Some(ids) = integers(hits) {
        return Ok(PyArray1::from_vec(py, ids).into_any());
    }
    Ok(list(py, hits.iter().map(Found::id))?.into_any())
}

/// Ids as a list, each of the type the caller put in.
pub fn list<'py, 'k>(py: Python<'py>, keys: impl Iterator<Item = &'k Key>) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for key in keys {
        list.append(record::id(py, key)?)?;
    }
    Ok(list)
}

/// One number of each hit, as a new float64 array.
pub fn numbers<'py, H>(py: Python<'py>, hits: &[H], number: impl Fn(&H) -> f64) -> Bound<'py, PyArray1<f64>> {
    PyArray1::from_vec(py, hits.iter().map(number).collect())
}

/// The hit at a place, which counts from the end when it is negative.
pub fn at<H>(hits: &[H], index: isize) -> PyResult<&H> {
    let at = if index < 0 { index.checked_add_unsigned(hits.len()) } else { Some(index) };
    let hit = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| hits.get(at));
    hit.ok_or_else(|| PyIndexError::new_err(format!("there are {} hits", hits.len())))
}

/// What an answer has cost, as a dict.
pub fn cost<'py>(py: Python<'py>, cost: &Cost) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("rows_exact", cost.rows_exact)?;
    dict.set_item("index_steps", cost.index_steps)?;
    dict.set_item("rows_refused", cost.rows_refused)?;
    dict.set_item("bytes_read", cost.bytes_read)?;
    dict.set_item("scorer_calls", cost.scorer_calls)?;
    dict.set_item("scores_remembered", cost.scores_remembered)?;
    dict.set_item("elapsed_us", elapsed_us(cost))?;
    Ok(dict)
}

/// Wall time in microseconds.
pub fn elapsed_us(cost: &Cost) -> f64 {
    cost.elapsed.as_secs_f64() * 1e6
}

/// A hit's document, a new dict, or None.
pub fn payload<'py>(py: Python<'py>, hit: &impl Found) -> PyResult<Option<Bound<'py, PyAny>>> {
    let payload = errors::result(py, hit.payload())?;
    payload.map(|payload| json::to_python(py, &payload)).transpose()
}

/// A hit's id and numbers as text.
pub fn shown(hit: &foretaste::Hit) -> String {
    format!("id={}, distance={:.6}, score={:.6}", record::shown(&hit.id), hit.distance, hit.score)
}

#[pymethods]
impl Hit {
    /// Its id, of the type the caller put in.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::id(py, &self.0.id)
    }

    /// The metric's own distance, smaller is nearer.
    #[getter]
    fn distance(&self) -> f64 {
        self.0.distance
    }

    /// What it is ranked by, larger is better: that of the last stage.
    #[getter]
    fn score(&self) -> f64 {
        self.0.score
    }

    /// By how much `distance` may still differ from the final one: 0 when it comes from the stored vector. That of an
    /// estimate covers it in all but a few cases.
    #[getter]
    fn error(&self) -> f64 {
        self.0.error
    }

    /// How it was compared: "sketch", "beam", "refine", "exact" or "rerank".
    #[getter]
    fn stage(&self) -> &'static str {
        self.0.stage.name()
    }

    /// How likely it is among the true nearest, from 0 to 1; None when that is not known.
    #[getter]
    fn p_final(&self) -> Option<f64> {
        self.0.p_final
    }

    /// The sum of its variances over the dimensions that were compared; None where rows have none.
    #[getter]
    fn uncertainty(&self) -> Option<f32> {
        self.0.uncertainty
    }

    /// Its document, a new dict, or None; read when it is asked for.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        payload(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("Hit({})", shown(&self.0))
    }
}
