//! The answer of a search revision by revision: an iterator, and what it gives.
//!
//! Reads from: `foretaste::Answer`, `foretaste::Revision`. Writes to: arrays, lists and hits, when they are asked for.
//! Never: work between two revisions; a Python object of a revision's hits before somebody asks for it.
#![expect(
    clippy::disallowed_types,
    reason = "the lock only tells whether a revision is being computed; nobody ever waits for it"
)]

use std::sync::{Mutex, MutexGuard, TryLockError};

use foretaste::{Canceller, StoppedBecause};
use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::hits::{self, Hit};
use crate::stages::{Raised, Stages};
use crate::{errors, input};

/// The answer of a search as it becomes better: an iterator of `Revision`s, the last of which is the settled answer.
///
/// It is pulled: nothing happens between two revisions, and dropping it ends all work. The time that the reader takes counts for
/// `deadline_ms`.
#[pyclass(frozen, module = "foretaste")]
pub struct Revisions {
    answer: Mutex<foretaste::Answer>,
    canceller: Canceller,
    /// What a scorer has raised that must come out.
    raised: Raised,
    /// Numbers of a token in the collection, if it keeps any.
    token_dim: Option<usize>,
}

/// One state of an answer: the best ranked list so far.
#[pyclass(frozen, module = "foretaste")]
pub struct Revision(foretaste::Revision);

impl Revisions {
    /// Of an answer that was begun; `raised` is that of its stages.
    pub fn new(answer: foretaste::Answer, raised: Raised, token_dim: Option<usize>) -> Revisions {
        Revisions { canceller: answer.canceller(), answer: Mutex::new(answer), raised, token_dim }
    }

    /// Works on the answer without the interpreter's lock. What a scorer raises comes before anything else.
    fn go<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut foretaste::Answer) -> foretaste::Result<T> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| self.lock().map(|mut answer| work(&mut answer)))?;
        match self.raised.get() {
            Some(raised) => Err(raised.clone_ref(py)),
            None => errors::result(py, done),
        }
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, foretaste::Answer>> {
        match self.answer.try_lock() {
            Ok(answer) => Ok(answer),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            // As generators do: waiting could be for oneself, in a scorer.
            Err(TryLockError::WouldBlock) => {
                Err(PyValueError::new_err("a revision is being computed already"))
            }
        }
    }
}

#[pymethods]
impl Revisions {
    fn __iter__(revisions: PyRef<'_, Self>) -> PyRef<'_, Self> {
        revisions
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Revision>> {
        if self.raised.get().is_some() {
            // It came out before: this is the end.
            return Ok(None);
        }
        Ok(self.go(py, foretaste::Answer::next)?.map(Revision))
    }

    /// The hits beyond those given so far, as many as were wanted, as one revision; with none when there are no more. What is not
    /// at its end is brought there first.
    fn page(&self, py: Python<'_>) -> PyResult<Revision> {
        self.go(py, foretaste::Answer::page).map(Revision)
    }

    /// Goes on with another query: the same filter, effort and stages, from the beginning; what was spent stays counted. With the
    /// same query nothing happens. Raises what a search raises, and is then as it was.
    fn requery(&self, py: Python<'_>, q: &Bound<'_, PyAny>) -> PyResult<()> {
        let query = input::query(q)?;
        let query = query.as_slice().unwrap_or_default();
        self.go(py, |answer| answer.requery(query))
    }

    /// One more stage behind all others, or a list of them: the list found so far is refined, and there are revisions again.
    fn rerank(&self, py: Python<'_>, stages: &Bound<'_, PyAny>) -> PyResult<()> {
        let stages = Stages::of(Some(stages), self.token_dim, Raised::clone(&self.raised))?;
        self.go(py, |answer| stages.list.into_iter().try_for_each(|stage| answer.rerank(stage)))
    }

    /// Ends it, from any thread: the next revision is then the last, with the best hits so far.
    fn cancel(&self) {
        self.canceller.cancel();
    }

    /// The steps of its schedule of levels, pairs of (dimensions, rows kept), given or chosen by `Levels.auto`: a new list, empty
    /// without one.
    ///
    /// Raises `ValueError` while another thread computes a revision.
    #[getter]
    fn schedule(&self) -> PyResult<Vec<(usize, usize)>> {
        Ok(self.lock()?.schedule())
    }

    /// How each part of the collection is gone through, and why: a line for each segment, then for each block of fresh rows.
    ///
    /// Raises `ValueError` while another thread computes a revision.
    fn explain(&self) -> PyResult<Vec<String>> {
        Ok(self.lock()?.explain().iter().map(ToString::to_string).collect())
    }
}

#[pymethods]
impl Revision {
    /// Counted from 1.
    #[getter]
    fn number(&self) -> u32 {
        self.0.number
    }

    /// What the newest of its hits come from: "sketch", "beam", "refine", "exact" or "rerank".
    #[getter]
    fn stage(&self) -> &'static str {
        self.0.stage.name()
    }

    /// The ids, best first: a new int64 array when all are integers, else a list.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        hits::ids(py, &self.0.hits)
    }

    /// The metric's own distances, smaller is nearer; those of estimates are off by up to `error` of the hit. A new float64
    /// array.
    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        hits::numbers(py, &self.0.hits, |hit| hit.distance)
    }

    /// What the hits are ranked by, larger is better: a new float64 array.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        hits::numbers(py, &self.0.hits, |hit| hit.score)
    }

    /// The hits, as a new list.
    #[getter]
    fn hits(&self) -> Vec<Hit> {
        self.0.hits.iter().cloned().map(Hit).collect()
    }

    /// So many of the first hits will not change: surely in the last revision, before it in 19 of 20 searches.
    #[getter]
    fn settled(&self) -> usize {
        self.0.settled
    }

    /// Which part of the true nearest rows it has, as far as can be expected, from 0 to 1; None when that is not known.
    #[getter]
    fn estimated_recall(&self) -> Option<f64> {
        self.0.estimated_recall
    }

    /// It has at least this part of them, in 19 of 20 searches for each segment whose index is asked; None when not known.
    #[getter]
    fn recall_lower_bound(&self) -> Option<f64> {
        self.0.recall_lower_bound
    }

    /// The sum of the query's own variances over the dimensions that are compared, when `query_variance` says them; else None.
    #[getter]
    fn query_uncertainty(&self) -> Option<f32> {
        self.0.query_uncertainty
    }

    /// Places whose hit is another than in the revision before, as a new list.
    #[getter]
    fn changed(&self) -> Vec<usize> {
        self.0.changed.clone()
    }

    /// Microseconds since the search was begun, the reader's own pauses with them.
    #[getter]
    fn elapsed_us(&self) -> f64 {
        hits::elapsed_us(&self.0.cost)
    }

    /// What it has cost so far: rows compared, steps of indexes, rows left out by the filter, bytes of vectors read, ids that a
    /// scorer was asked for, rows whose score was remembered, microseconds.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        hits::cost(py, &self.0.cost)
    }

    /// Why there will be no more, in the last revision: "complete"; "exhausted" when no more rows match; "deadline", "budget",
    /// "cancelled" or "scorer_failed" when it is the best by then. None before.
    #[getter]
    fn stopped_because(&self) -> Option<&'static str> {
        self.0.stopped_because.map(StoppedBecause::name)
    }

    /// What went wrong in a stage, as text; None when nothing did.
    #[getter]
    fn problem(&self) -> Option<String> {
        self.0.problem.as_ref().map(ToString::to_string)
    }

    fn __len__(&self) -> usize {
        self.0.hits.len()
    }

    fn __repr__(&self) -> String {
        let foretaste::Revision { number, hits, settled, .. } = &self.0;
        format!("<Revision {number}, {}: {} hits, {settled} settled>", self.stage(), hits.len())
    }
}
