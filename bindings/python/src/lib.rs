//! The Python module `foretaste._native`: databases, collections and answers as Python classes over the facade.
//!
//! The package in `python/foretaste` re-exports it and holds the exceptions. Each call takes what it needs out of
//! Python's objects, does the work without the interpreter's lock, and makes Python objects of what is asked for.
//!
//! Reads from: Python's and numpy's objects. Writes to: the facade. Never: a search or a commit of its own.

mod adapter;
mod answer;
mod asked;
mod batch;
mod change;
mod collection;
mod db;
mod encode;
mod errors;
mod further;
mod fuse;
mod handles;
mod hits;
mod input;
mod json;
mod models;
mod optimize;
mod pending;
mod progress;
mod record;
mod report;
mod revisions;
mod rows;
mod schema;
mod scorer;
mod signals;
mod snapshot;
mod stages;
mod table;
mod text;
mod upkeep;
mod writes;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::adapter::{Adapter, ErrorModel, fit_adapter, fit_error_model};
    #[pymodule_export]
    use super::answer::Answer;
    #[pymodule_export]
    use super::change::Change;
    #[pymodule_export]
    use super::collection::Collection;
    #[pymodule_export]
    use super::db::{Database, check, open, repair};
    #[pymodule_export]
    use super::encode::Encoder;
    #[pymodule_export]
    use super::fuse::Fuse;
    #[pymodule_export]
    use super::hits::Hit;
    #[pymodule_export]
    use super::pending::{Backfill, PendingRows};
    #[pymodule_export]
    use super::record::Record;
    #[pymodule_export]
    use super::report::{Estimate, FitReport};
    #[pymodule_export]
    use super::revisions::{Revision, Revisions};
    #[pymodule_export]
    use super::rows::Records;
    #[pymodule_export]
    use super::schema::Schema;
    #[pymodule_export]
    use super::scorer::Scorer;
    #[pymodule_export]
    use super::snapshot::Snapshot;
    #[pymodule_export]
    use super::stages::{Csd, Gaussian, Levels, MaxSim, Mmr, Uncertainty};
    #[pymodule_export]
    use super::text::{TextAnswer, TextHit};
    #[pymodule_export]
    use super::writes::Batch;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
