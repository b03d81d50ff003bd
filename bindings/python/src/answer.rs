//! The settled answer of a search.
//!
//! Reads from: `foretaste::Hits`. Writes to: arrays, lists and hits, when they are asked for.
//! Never: a Python object per hit before somebody asks for it.

use foretaste::Hits;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList};

use crate::hits::{self, Hit};
use crate::table;

/// The answer of a search, best first.
#[pyclass(frozen, module = "foretaste")]
pub struct Answer {
    hits: Hits,
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

    /// The sum of the query's own variances over the dimensions that were compared, when `query_variance` said them; else None. The
    /// larger beside `uncertainty` of the hits, the less it is clear what was asked for.
    #[getter]
    fn query_uncertainty(&self) -> Option<f32> {
        self.hits.query_uncertainty
    }

    /// The steps of its schedule of levels, pairs of (dimensions, rows kept), given or chosen by `Levels.auto`: a new list, empty
    /// without one.
    #[getter]
    fn schedule(&self) -> Vec<(usize, usize)> {
        self.hits.schedule.clone()
    }

    /// Why there are no more hits: "complete"; "exhausted" when no more rows match; "deadline", "budget" or "scorer_failed"
    /// when it is the best by then.
    #[getter]
    fn stopped_because(&self) -> &'static str {
        self.hits.stopped_because.name()
    }

    /// What went wrong in a stage, as text: the answer is the best until then. None when nothing did.
    #[getter]
    fn problem(&self) -> Option<String> {
        self.hits.problem.as_ref().map(ToString::to_string)
    }

    /// What it cost: rows compared, steps of indexes, rows left out by the filter, bytes of vectors read, ids that a scorer was
    /// asked for, rows whose score was remembered, microseconds.
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
        table::dicts(py, &self.hits)
    }

    /// The hits as a structured array with the fields `id` (int64, or object when not all are integers), `distance` and
    /// `score` (float64).
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::structured(py, &self.hits)
    }

    /// The hits as a pandas DataFrame with the columns `id`, `distance`, `score` and `payload` (dicts, or None). Needs pandas.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::pandas(py, &self.hits)
    }

    /// The hits as an Arrow table with the columns `id`, `distance`, `score` and `payload` (JSON, or null). Needs pyarrow, and ids
    /// that are all ints or all strs.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        table::arrow(py, &self.hits)
    }

    fn __len__(&self) -> usize {
        self.hits.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<Hit> {
        hits::at(&self.hits, index).cloned().map(Hit)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.hits())?.try_iter()
    }

    fn __repr__(&self) -> String {
        let first = self.hits.first().map_or(String::new(), |hit| format!(", nearest {}", hits::shown(hit)));
        format!("<Answer of {} hits{first}>", self.hits.len())
    }
}
