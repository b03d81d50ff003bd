//! What a search is told besides the vector.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::Search`. Never: a value that a `Duration` cannot hold.

use std::time::Duration;

use foretaste::lang::Filter;
use foretaste::{Rerank, RowVariance, Search};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::input;

/// The arguments of a search, taken out of Python's objects.
pub struct Asked {
    pub k: usize,
    pub filter: Option<Filter>,
    pub dims: Option<usize>,
    pub ef: Option<usize>,
    pub nprobe: Option<usize>,
    pub target_recall: Option<f64>,
    pub deadline: Option<Duration>,
    pub budget: Option<u64>,
    pub query_variance: Option<RowVariance>,
    pub stages: Vec<Rerank>,
}

impl Asked {
    /// What `search` is told.
    pub fn of(self, search: Search) -> Search {
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
        self.stages.into_iter().fold(search, Search::rerank)
    }
}

/// A number of candidates or cells, at least 1.
pub fn effort(number: Option<usize>) -> PyResult<Option<usize>> {
    if number == Some(0) {
        return Err(PyValueError::new_err("ef and nprobe are at least 1"));
    }
    Ok(number)
}

/// A deadline given in milliseconds.
pub fn deadline(ms: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(ms) = ms else { return Ok(None) };
    let duration = Duration::try_from_secs_f64(ms / 1e3);
    duration.map(Some).map_err(|_| {
        PyValueError::new_err(format!("deadline_ms is a number of milliseconds, 0 or more, not {ms}"))
    })
}

/// The variances of a query: one number, or one for each dimension.
pub fn variance(object: &Bound<'_, PyAny>) -> PyResult<RowVariance> {
    let numbers =
        input::numbers::<f32>(object, "float32", "query_variance is a number, or an array of one dimension")?;
    Ok(RowVariance::Variance(numbers))
}
