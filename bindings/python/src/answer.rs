//! The settled answer of a search.
//!
//! Reads from: `foretaste::Hits`. Writes to: arrays, lists and hits, when they are asked for.
//! Never: a Python object per hit before somebody asks for it.

use foretaste::Hits;
use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::hits::{self, Hit};
use crate::record;

/// The answer of a search, best first.
#[pyclass(frozen, module = "foretaste")]
pub struct Answer {
    hits: Hits,
}

/// Goes through the hits of an answer.
#[pyclass(module = "foretaste")]
pub struct HitIterator {
    answer: Py<Answer>,
    next: usize,
}

impl Answer {
    /// What a search has found.
    pub fn new(hits: Hits) -> Answer {
        Answer { hits }
    }
}

#[pymethods]
impl Answer {
    /// The ids: a new int64 array when all are integers, else a list.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        hits::ids(py, &self.hits)
    }

    /// The metric's own distances, smaller is nearer: a new float64 array.
    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        hits::numbers(py, &self.hits, |hit| hit.distance)
    }

    /// What the hits are ranked by, larger is better: a new float64 array.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        hits::numbers(py, &self.hits, |hit| hit.score)
    }

    /// The hits, as a new list.
    #[getter]
    fn hits(&self) -> Vec<Hit> {
        self.hits.iter().cloned().map(Hit).collect()
    }

    /// Which part of the true nearest rows it has, as far as can be expected, from 0 to 1; None when that is not known.
    #[getter]
    fn estimated_recall(&self) -> Option<f64> {
        self.hits.estimated_recall
    }

    /// It has at least this part of them, in 19 of 20 searches for each segment whose index was asked; None when not known.
    #[getter]
    fn recall_lower_bound(&self) -> Option<f64> {
        self.hits.recall_lower_bound
    }

    /// Why there are no more hits: "complete"; "exhausted" when no more rows match; "deadline", "budget" or "scorer_failed"
    /// when it is the best by then.
    #[getter]
    fn stopped_because(&self) -> &'static str {
        hits::stopped(self.hits.stopped_because)
    }

    /// What went wrong in a stage, as text: the answer is the best until then. None when nothing did.
    #[getter]
    fn problem(&self) -> Option<String> {
        self.hits.problem.as_ref().map(ToString::to_string)
    }

    /// What it cost: rows compared, steps of indexes, rows left out by the filter, bytes of vectors read, ids that a scorer was
    /// asked for, microseconds.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        hits::cost(py, &self.hits.cost)
    }

    /// How each part of the collection was gone through, and why: a line for each segment, then for each block of fresh rows.
    fn explain(&self) -> Vec<String> {
        self.hits.plan.iter().map(ToString::to_string).collect()
    }

    /// The hits as dicts with `id`, `distance`, `score` and `payload`.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for hit in self.hits.iter() {
            let dict = PyDict::new(py);
            dict.set_item("id", record::id(py, &hit.id)?)?;
            dict.set_item("distance", hit.distance)?;
            dict.set_item("score", hit.score)?;
            dict.set_item("payload", hits::payload(py, hit)?)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    /// The hits as a structured array with the fields `id` (int64, or object when not all are integers), `distance` and
    /// `score` (float64).
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let id = if hits::integers(&self.hits).is_some() { "i8" } else { "O" };
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
        let first = self.hits.first().map_or(String::new(), |hit| format!(", nearest {}", hits::shown(hit)));
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
