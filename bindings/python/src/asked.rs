//! What a search is told besides the vector, and searches as Python asks for them.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::Search`, `foretaste::TextSearch`. Never: a value that a `Duration`
//! cannot hold.

use std::time::Duration;

use foretaste::lang::Filter;
use foretaste::{Rerank, RowVariance, Schema, Search, Snapshot, Space};
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

/// What is searched: the collection's own vectors, those of a field, or those that a query of some space can be compared with.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    pub field: Option<&'a str>,
    pub space: Option<&'a str>,
}

/// The arguments of a search, taken out of Python's objects.
#[derive(Clone)]
struct Asked {
    k: usize,
    filter: Option<Filter>,
    dims: Option<usize>,
    ef: Option<usize>,
    nprobe: Option<usize>,
    target_recall: Option<f64>,
    deadline: Option<Duration>,
    budget: Option<u64>,
    query_variance: Option<RowVariance>,
    exact: bool,
    max_uncertainty: Option<f32>,
    stages: Vec<Rerank>,
}

impl Given<'_, '_> {
    fn asked(&self, stages: Vec<Rerank>) -> PyResult<Asked> {
        Ok(Asked {
            k: self.k,
            filter: self.filter.map(input::filter).transpose()?,
            dims: self.dims,
            ef: effort(self.ef)?,
            nprobe: effort(self.nprobe)?,
            target_recall: self.target_recall,
            deadline: deadline(self.deadline_ms)?,
            budget: self.budget,
            query_variance: self.query_variance.map(variance).transpose()?,
            exact: self.exact,
            max_uncertainty: self.max_uncertainty,
            stages,
        })
    }

    fn stages(&self, schema: &Schema) -> PyResult<Stages> {
        Stages::new(self.rerank, schema)
    }
}

impl Asked {
    /// What `search` is told.
    fn of(self, search: Search) -> Search {
        let mut search = search.k(self.k);
        if let Some(dims) = self.dims {
            search = search.dims(dims);
        }
        if let Some(ef) = self.ef {
            search = search.ef(ef);
        }
        if let Some(nprobe) = self.nprobe {
            search = search.nprobe(nprobe);
        }
        if let Some(filter) = self.filter {
            search = search.where_(filter);
        }
        if let Some(recall) = self.target_recall {
            search = search.target_recall(recall);
        }
        if let Some(deadline) = self.deadline {
            search = search.deadline(deadline);
        }
        if let Some(budget) = self.budget {
            search = search.budget(budget);
        }
        if let Some(variance) = self.query_variance {
            search = search.query_variance(variance);
        }
        if let Some(most) = self.max_uncertainty {
            search = search.max_uncertainty(most);
        }
        if self.exact {
            search = search.exact();
        }
        self.stages.into_iter().fold(search, Search::rerank)
    }
}

/// [`Within`], taken out of Python's objects.
enum Place {
    Own,
    Field(String),
    Of(Space),
}

impl Within<'_> {
    fn place(self, py: Python<'_>) -> PyResult<Place> {
        match (self.field, self.space) {
            (None, None) => Ok(Place::Own),
            (Some(field), None) => Ok(Place::Field(field.to_string())),
            (None, Some(space)) => Ok(Place::Of(schema::space(py, space)?)),
            (Some(_), Some(_)) => {
                let why = "field and space: a query is of a field, or of another space; give one of them";
                Err(PyValueError::new_err(why))
            }
        }
    }
}

impl Place {
    /// A search for the rows nearest to `query`.
    fn search(&self, snapshot: &Snapshot, query: &[f32]) -> foretaste::Result<Search> {
        match self {
            Place::Own => Ok(snapshot.search(query)),
            Place::Field(field) => snapshot.search_field(field, query),
            Place::Of(space) => snapshot.search_in(space, query),
        }
    }
}

/// The rows nearest to `q`: an `Answer`, or `Revisions` when it is to be `progressive`.
pub fn search<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    q: &Bound<'py, PyAny>,
    within: Within<'_>,
    given: &Given<'_, 'py>,
    progressive: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let query = input::query(q)?;
    let Stages { list, raised, .. } = given.stages(snapshot.schema())?;
    let (place, numbers) = (within.place(py)?, query.as_slice().unwrap_or_default());
    let search = match place {
        // The first search of another space reads its rule.
        Place::Of(_) => py.detach(|| place.search(snapshot, numbers)),
        Place::Own | Place::Field(_) => place.search(snapshot, numbers),
    };
    let search = given.asked(list)?.of(errors::result(py, search)?);
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
    within: Within<'_>,
    threads: Option<usize>,
    given: &Given<'_, 'py>,
) -> PyResult<Arrays<'py>> {
    let queries = input::matrix(queries, "queries")?;
    let stages = Stages::of_many(given.rerank, snapshot.schema())?;
    let asked = given.asked(stages.list)?;
    let (place, threads) = (within.place(py)?, threads.unwrap_or(0));
    batch::search(py, &queries, given.k, |queries, cancel| match &place {
        Place::Own => snapshot.search_batch_with(queries, threads, |search| asked.of(search), cancel),
        _ => snapshot.search_each(
            queries,
            threads,
            |snapshot, query| Ok(asked.clone().of(place.search(snapshot, query)?)),
            cancel,
        ),
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
