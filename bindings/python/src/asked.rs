//! What a search is told besides the vector, and searches as Python asks for them.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::SearchParams`, `foretaste::TextSearch`. Never: a value that a `Duration`
//! cannot hold.

use std::time::Duration;

use foretaste::{Rerank, RowVariance, Schema, SearchParams, Snapshot, Within};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::answer::Answer;
use crate::batch::{self, Arrays};
use crate::revisions::Revisions;
use crate::signals::Signals;
use crate::stages::{Stages, token_dim};
use crate::text::TextAnswer;
use crate::{errors, input, schema};

/// The arguments of a search, as they come.
pub struct Given<'a, 'py> {
    pub k: usize,
    pub filter: Option<&'a Bound<'py, PyAny>>,
    pub dims: Option<usize>,
    pub ef: Option<usize>,
    pub nprobe: Option<usize>,
    pub target_recall: Option<f64>,
    pub deadline_ms: Option<f64>,
    pub rerank: Option<&'a Bound<'py, PyAny>>,
    pub query_variance: Option<&'a Bound<'py, PyAny>>,
    pub budget: Option<u64>,
    pub exact: bool,
    pub max_uncertainty: Option<f32>,
}

/// Which vectors are searched: of a field, or those that a query of some space can be compared with; without either, the
/// collection's own.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub field: Option<&'a str>,
    pub space: Option<&'a str>,
}

impl Given<'_, '_> {
    fn params(&self, stages: Vec<Rerank>) -> PyResult<SearchParams> {
        let mut params = SearchParams::default();
        params.k = self.k;
        params.filter = self.filter.map(input::filter).transpose()?;
        params.dims = self.dims;
        params.ef = effort(self.ef)?;
        params.nprobe = effort(self.nprobe)?;
        params.target_recall = self.target_recall;
        params.deadline = deadline(self.deadline_ms)?;
        params.budget = self.budget;
        params.query_variance = self.query_variance.map(variance).transpose()?;
        params.exact = self.exact;
        params.max_uncertainty = self.max_uncertainty;
        params.stages = stages;
        Ok(params)
    }

    fn stages(&self, schema: &Schema) -> PyResult<Stages> {
        Stages::new(self.rerank, schema)
    }
}

impl Place<'_> {
    fn within(self, py: Python<'_>) -> PyResult<Within> {
        let space = self.space.map(|space| schema::space(py, space)).transpose()?;
        errors::result(py, Within::of(self.field.map(str::to_string), space))
    }
}

/// The rows nearest to `q`: an `Answer`, or `Revisions` when it is to be `progressive`.
pub fn search<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    q: &Bound<'py, PyAny>,
    place: Place<'_>,
    given: &Given<'_, 'py>,
    progressive: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let query = input::query(q)?;
    let Stages { list, raised, .. } = given.stages(snapshot.schema())?;
    let (within, numbers) = (place.within(py)?, query.as_slice().unwrap_or_default());
    let search = match within {
        // The first search of another space reads its rule.
        Within::Space(_) => py.detach(|| snapshot.search_within(&within, numbers)),
        Within::Own | Within::Field(_) => snapshot.search_within(&within, numbers),
    };
    let search = errors::result(py, search)?.with(given.params(list)?);
    if progressive {
        let answer = py.detach(|| search.start());
        let tokens = token_dim(snapshot.schema());
        let revisions = Revisions::new(errors::result(py, answer)?, raised, tokens);
        return Ok(Bound::new(py, revisions)?.into_any());
    }
    let signals = Signals::new();
    let hits = py.detach(|| search.run_with(&|| signals.asked()));
    if let Some(raised) = raised.get() {
        return Err(raised.clone_ref(py));
    }
    Ok(Bound::new(py, Answer::new(signals.end(py, hits)?))?.into_any())
}

/// The rows nearest to each row of `queries`.
pub fn search_batch<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    queries: &Bound<'py, PyAny>,
    place: Place<'_>,
    threads: Option<usize>,
    given: &Given<'_, 'py>,
) -> PyResult<Arrays<'py>> {
    let queries = input::matrix(queries, "queries")?;
    let stages = Stages::of_many(given.rerank, snapshot.schema())?;
    let (params, within) = (given.params(stages.list)?, place.within(py)?);
    let threads = threads.unwrap_or(0);
    batch::search(py, &queries, given.k, |queries, cancel| {
        snapshot.search_batch_with(&within, queries, threads, &params, cancel)
    })
}

/// The rows that have words of `query` in a full-text field.
#[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn search_text(
    py: Python<'_>,
    snapshot: &Snapshot,
    field: &str,
    query: &str,
    k: usize,
    filter: Option<&Bound<'_, PyAny>>,
    k1: Option<f64>,
    b: Option<f64>,
) -> PyResult<TextAnswer> {
    let mut search = snapshot.search_text(field, query).k(k);
    if let Some(filter) = filter {
        search = search.where_(input::filter(filter)?);
    }
    if let Some(k1) = k1 {
        search = search.k1(k1);
    }
    if let Some(b) = b {
        search = search.b(b);
    }
    let signals = Signals::new();
    let hits = py.detach(|| search.run_with(&|| signals.asked()));
    signals.end(py, hits).map(TextAnswer)
}

/// A number of candidates or cells, at least 1.
fn effort(number: Option<usize>) -> PyResult<Option<usize>> {
    if number == Some(0) {
        return Err(PyValueError::new_err("ef and nprobe are at least 1"));
    }
    Ok(number)
}

/// A deadline given in milliseconds.
fn deadline(ms: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(ms) = ms else { return Ok(None) };
    let duration = Duration::try_from_secs_f64(ms / 1e3);
    duration.map(Some).map_err(|_| {
        PyValueError::new_err(format!("deadline_ms is a number of milliseconds, 0 or more, not {ms}"))
    })
}

/// The variances of a query: one number, or one for each dimension.
fn variance(object: &Bound<'_, PyAny>) -> PyResult<RowVariance> {
    let numbers =
        input::numbers::<f32>(object, "float32", "query_variance is a number, or an array of one dimension")?;
    Ok(RowVariance::Variance(numbers))
}
