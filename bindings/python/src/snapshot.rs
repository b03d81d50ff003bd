//! A consistent view of a collection as a Python class.
//!
//! Reads from: `foretaste::Snapshot`. Writes to: nothing. Never: work with the interpreter's lock held, but for the taking in
//! of arguments and the making of results.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::asked::{self, Given, Place};
use crate::batch::Arrays;
use crate::record::{self, Record};
use crate::rows::Records;
use crate::schema::Schema;
use crate::stages::token_dim;
use crate::text::TextAnswer;
use crate::{errors, input};

/// A consistent view of a collection, for many reads: what is written, deleted or dropped later does not show.
/// `collection.snapshot()` gives one. It goes on when the database is closed; its files stay until it is gone.
#[pyclass(frozen, module = "foretaste")]
pub struct Snapshot(pub foretaste::Snapshot);

/// The row with an id, or None; of several ids, a list of them.
pub fn get<'py>(
    py: Python<'py>,
    snapshot: &foretaste::Snapshot,
    ids: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if input::is_one_key(ids) {
        let found = errors::result(py, snapshot.get(input::key(ids)?))?;
        return found.map(|row| Record::new(row, snapshot.schema())).into_pyobject(py);
    }
    let keys = input::keys(ids)?;
    let get = |key| Ok(snapshot.get(key)?.map(|row| Record::new(row, snapshot.schema())));
    let found = py.detach(|| keys.into_iter().map(get).collect::<Result<Vec<_>, _>>());
    let records: Vec<Option<Record>> = errors::result(py, found)?;
    Ok(records.into_pyobject(py)?.into_any())
}

#[pymethods]
impl Snapshot {
    /// As `Collection.get`.
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        get(py, &self.0, ids)
    }

    /// As `Collection.search`.
    #[pyo3(signature = (
        q, k = 10, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None, deadline_ms = None,
        rerank = None, *, progressive = false, query_variance = None, budget = None, exact = false, field = None,
        space = None, max_uncertainty = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        k: usize,
        r#where: Option<&Bound<'py, PyAny>>,
        dims: Option<usize>,
        ef: Option<usize>,
        nprobe: Option<usize>,
        target_recall: Option<f64>,
        deadline_ms: Option<f64>,
        rerank: Option<&Bound<'py, PyAny>>,
        progressive: bool,
        query_variance: Option<&Bound<'py, PyAny>>,
        budget: Option<u64>,
        exact: bool,
        field: Option<&str>,
        space: Option<&str>,
        max_uncertainty: Option<f32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = Given {
            k,
            filter: r#where,
            dims,
            ef,
            nprobe,
            target_recall,
            deadline_ms,
            rerank,
            query_variance,
            budget,
            exact,
            max_uncertainty,
        };
        asked::search(py, &self.0, q, Place { field, space }, &given, progressive)
    }

    /// As `Collection.search_batch`.
    #[pyo3(signature = (
        Q, k = 10, threads = None, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None,
        deadline_ms = None, rerank = None, *, query_variance = None, budget = None, exact = false,
        max_uncertainty = None, field = None, space = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    #[expect(non_snake_case, reason = "the argument's name in Python")]
    fn search_batch<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        threads: Option<usize>,
        r#where: Option<&Bound<'py, PyAny>>,
        dims: Option<usize>,
        ef: Option<usize>,
        nprobe: Option<usize>,
        target_recall: Option<f64>,
        deadline_ms: Option<f64>,
        rerank: Option<&Bound<'py, PyAny>>,
        query_variance: Option<&Bound<'py, PyAny>>,
        budget: Option<u64>,
        exact: bool,
        max_uncertainty: Option<f32>,
        field: Option<&str>,
        space: Option<&str>,
    ) -> PyResult<Arrays<'py>> {
        let given = Given {
            k,
            filter: r#where,
            dims,
            ef,
            nprobe,
            target_recall,
            deadline_ms,
            rerank,
            query_variance,
            budget,
            exact,
            max_uncertainty,
        };
        asked::search_batch(py, &self.0, Q, Place { field, space }, threads, &given)
    }

    /// As `Collection.search_text`.
    #[pyo3(signature = (field, query, k = 10, r#where = None, *, k1 = None, b = None))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn search_text(
        &self,
        py: Python<'_>,
        field: &str,
        query: &str,
        k: usize,
        r#where: Option<&Bound<'_, PyAny>>,
        k1: Option<f64>,
        b: Option<f64>,
    ) -> PyResult<TextAnswer> {
        asked::search_text(py, &self.0, field, query, k, r#where, k1, b)
    }

    /// The `k` best of the rows with these ids by late interaction with a query's `tokens`, an array of shape (tokens, numbers of a
    /// token): a list of (id, score), best first; see `MaxSim`. Ids that are not there, and rows without a token matrix, are left
    /// out.
    ///
    /// Raises `BadRequest`, `NonFinite`, `LimitExceeded`, `Corrupt`.
    #[pyo3(signature = (tokens, ids, k = 10))]
    fn maxsim<'py>(
        &self,
        py: Python<'py>,
        tokens: &Bound<'py, PyAny>,
        ids: &Bound<'py, PyAny>,
        k: usize,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, f64)>> {
        let tokens = input::query_tokens(tokens, token_dim(self.0.schema()))?;
        let keys = input::one_or_more(ids)?;
        let numbers = tokens.as_slice().unwrap_or_default();
        let best = py.detach(|| self.0.maxsim(numbers, keys, k));
        let best = errors::result(py, best)?;
        best.iter().map(|(id, score)| Ok((record::id(py, id)?, *score))).collect()
    }

    /// What the collection held.
    #[getter]
    fn schema(&self) -> Schema {
        Schema(Arc::new(self.0.schema().clone()))
    }

    /// Goes through all its rows, in the order of storage: an iterator of `Record`s.
    fn scan(&self) -> Records {
        Records::new(self.0.clone())
    }

    fn __iter__(&self) -> Records {
        self.scan()
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        errors::result(py, self.0.contains(input::key(id)?))
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot of {} rows>", self.0.len())
    }
}
