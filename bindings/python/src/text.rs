//! The answer of a full-text search.
//!
//! Reads from: `foretaste::TextHits`. Writes to: arrays, lists and hits, when they are asked for.
//! Never: a Python object per hit before somebody asks for it.

use foretaste::TextHits;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList};

use crate::{hits, record, table};

/// The answer of a full-text search, best first.
#[pyclass(frozen, module = "foretaste")]
pub struct TextAnswer(pub TextHits);

/// One row found by its words.
#[pyclass(frozen, module = "foretaste")]
pub struct TextHit(foretaste::TextHit);

#[pymethods]
impl TextAnswer {
    /// The ids: a new int64 array when all are integers, else a list.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        hits::ids(py, &self.0)
    }

    /// The BM25 scores, larger is better: a new float64 array.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        hits::numbers(py, &self.0, |hit| hit.score)
    }

    /// The hits, as a new list.
    #[getter]
    fn hits(&self) -> Vec<TextHit> {
        self.0.iter().cloned().map(TextHit).collect()
    }

    /// What it cost: rows whose score was computed, rows left out by the filter or a deletion, microseconds.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (cost, dict) = (&self.0.cost, PyDict::new(py));
        dict.set_item("rows_scored", cost.rows_scored)?;
        dict.set_item("rows_refused", cost.rows_refused)?;
        dict.set_item("elapsed_us", cost.elapsed.as_secs_f64() * 1e6)?;
        Ok(dict)
    }

    /// What was searched and how: a line for each different word, as it is compared, then for each segment and each block of fresh rows.
    fn explain(&self) -> Vec<String> {
        let (words, parts) = (self.0.words.iter(), self.0.parts.iter());
        words.map(ToString::to_string).chain(parts.map(ToString::to_string)).collect()
    }

    /// The hits as dicts with `id`, `score` and `payload`.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        table::dicts(py, &self.0)
    }

    /// The hits as a structured array with the fields `id` (int64, or object when not all are integers) and `score` (float64).
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::structured(py, &self.0)
    }

    /// The hits as a pandas DataFrame with the columns `id`, `score` and `payload` (dicts, or None). Needs pandas.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::pandas(py, &self.0)
    }

    /// The hits as an Arrow table with the columns `id`, `score` and `payload` (JSON, or null). Needs pyarrow, and ids that are
    /// all ints or all strs.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::arrow(py, &self.0)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<TextHit> {
        hits::at(&self.0, index).cloned().map(TextHit)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.hits())?.try_iter()
    }

    fn __repr__(&self) -> String {
        let first = self.0.first().map_or(String::new(), |hit| format!(", best {}", shown(hit)));
        format!("<TextAnswer of {} hits{first}>", self.0.len())
    }
}

#[pymethods]
impl TextHit {
    /// Its id, of the type the caller put in.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::id(py, &self.0.id)
    }

    /// Its BM25 score, larger is better; positive.
    #[getter]
    fn score(&self) -> f64 {
        self.0.score
    }

    /// Its document, a new dict, or None; read when it is asked for.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        hits::payload(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("TextHit({})", shown(&self.0))
    }
}

fn shown(hit: &foretaste::TextHit) -> String {
    format!("id={}, score={:.6}", record::shown(&hit.id), hit.score)
}
