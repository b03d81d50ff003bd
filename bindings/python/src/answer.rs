//! The answer of a search, and its hits.
//!
//! Reads from: `foretaste::Hits`. Writes to: arrays, lists and hits, when they are asked for.
//! Never: a Python object per hit before somebody asks for it.

use foretaste::{Hits, Key};
use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::{errors, json, record};

/// The answer of a search, nearest first.
#[pyclass(frozen, module = "foretaste")]
pub struct Answer {
    hits: Hits,
    k: usize,
}

/// One row found.
#[pyclass(frozen, module = "foretaste")]
pub struct Hit(foretaste::Hit);

/// Goes through the hits of an answer.
#[pyclass(module = "foretaste")]
pub struct HitIterator {
    answer: Py<Answer>,
    next: usize,
}

impl Answer {
    /// The answer to a search for `k` rows.
    pub fn new(hits: Hits, k: usize) -> Answer {
        Answer { hits, k }
    }

    fn each<T>(&self, f: impl Fn(&foretaste::Hit) -> T) -> Vec<T> {
        self.hits.iter().map(f).collect()
    }

    /// The ids, when all of them are integers.
    fn integers(&self) -> Option<Vec<i64>> {
        self.hits.iter().map(|hit| if let Key::Int(id) = hit.id { Some(id) } else { None }).collect()
    }
}

#[pymethods]
impl Answer {
    /// The ids: a new int64 array when all are integers, else a list.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(ids) = self.integers() {
            return Ok(PyArray1::from_slice(py, &ids).into_any());
        }
        let list = PyList::empty(py);
        for hit in self.hits.iter() {
            list.append(record::id(py, &hit.id)?)?;
        }
        Ok(list.into_any())
    }

    /// The metric's own distances, smaller is nearer: a new float64 array.
    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.each(|hit| hit.distance))
    }

    /// What the hits are ranked by, larger is better: a new float64 array.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.each(|hit| hit.score))
    }

    /// The hits, as a new list.
    #[getter]
    fn hits(&self) -> Vec<Hit> {
        self.each(|hit| Hit(hit.clone()))
    }

    /// Why there are no more hits: "k" when as many were found as were asked for, else "exhausted".
    #[getter]
    fn stopped_because(&self) -> &'static str {
        if self.hits.len() < self.k { "exhausted" } else { "k" }
    }

    /// What it cost: rows compared, steps of indexes, rows left out by the filter, bytes of vectors read, microseconds.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (cost, dict) = (&self.hits.cost, PyDict::new(py));
        dict.set_item("rows_exact", cost.rows_exact)?;
        dict.set_item("index_steps", cost.index_steps)?;
        dict.set_item("rows_refused", cost.rows_refused)?;
        dict.set_item("bytes_read", cost.bytes_read)?;
        dict.set_item("elapsed_us", cost.elapsed.as_secs_f64() * 1e6)?;
        Ok(dict)
    }

    /// The hits as dicts with `id`, `distance`, `score` and `payload`.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for hit in self.hits.iter() {
            let dict = PyDict::new(py);
            dict.set_item("id", record::id(py, &hit.id)?)?;
            dict.set_item("distance", hit.distance)?;
            dict.set_item("score", hit.score)?;
            dict.set_item("payload", payload(py, hit)?)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    /// The hits as a structured array with the fields `id` (int64, or object when not all are integers), `distance` and
    /// `score` (float64).
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let id = if self.integers().is_some() { "i8" } else { "O" };
        let fields = [("id", id), ("distance", "f8"), ("score", "f8")].into_bound_py_any(py)?;
        let array = py.import("numpy")?.call_method1("empty", (self.hits.len(), fields))?;
        array.set_item("id", self.ids(py)?)?;
        array.set_item("distance", self.distances(py))?;
        array.set_item("score", self.scores(py))?;
        Ok(array)
    }

    fn __len__(&self) -> usize {
        self.hits.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<Hit> {
        let at = if index < 0 { index.checked_add_unsigned(self.hits.len()) } else { Some(index) };
        let hit = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| self.hits.get(at));
        hit.cloned()
            .map(Hit)
            .ok_or_else(|| PyIndexError::new_err(format!("there are {} hits", self.hits.len())))
    }

    fn __iter__(answer: Py<Self>) -> HitIterator {
        HitIterator { answer, next: 0 }
    }

    fn __repr__(&self) -> String {
        let first = self.hits.first().map_or(String::new(), |hit| format!(", nearest {}", shown(hit)));
        format!("<Answer of {} hits{first}>", self.hits.len())
    }
}

#[pymethods]
impl HitIterator {
    fn __iter__(iterator: PyRef<'_, Self>) -> PyRef<'_, Self> {
        iterator
    }

    fn __next__(&mut self) -> Option<Hit> {
        let hit = self.answer.get().hits.get(self.next)?;
        self.next += 1;
        Some(Hit(hit.clone()))
    }
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

    /// What it is ranked by, larger is better.
    #[getter]
    fn score(&self) -> f64 {
        self.0.score
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

fn payload<'py>(py: Python<'py>, hit: &foretaste::Hit) -> PyResult<Option<Bound<'py, PyAny>>> {
    let payload = errors::result(py, hit.payload())?;
    payload.map(|payload| json::to_python(py, &payload)).transpose()
}

fn shown(hit: &foretaste::Hit) -> String {
    format!("id={}, distance={:.6}, score={:.6}", record::shown(&hit.id), hit.distance, hit.score)
}
