//! The Python module `foretaste._native`: databases, collections and answers as Python classes over the facade.
//!
//! The package in `python/foretaste` re-exports it and holds the exceptions. Each call takes what it needs out of
//! Python's objects, does the work without the interpreter's lock, and makes Python objects of what is asked for.
//!
//! Reads from: Python's and numpy's objects. Writes to: the facade. Never: a search or a commit of its own.

mod answer;
mod asked;
mod batch;
mod collection;
mod db;
mod errors;
mod hits;
mod input;
mod json;
mod optimize;
mod progress;
mod record;
mod revisions;
mod scorer;
mod stages;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::answer::{Answer, HitIterator};
    #[pymodule_export]
    use super::collection::Collection;
    #[pymodule_export]
    use super::db::{Database, open};
    #[pymodule_export]
    use super::hits::Hit;
    #[pymodule_export]
    use super::record::Record;
    #[pymodule_export]
    use super::revisions::{Revision, Revisions};
    #[pymodule_export]
    use super::scorer::Scorer;
    #[pymodule_export]
    use super::stages::{Csd, Gaussian, Levels, Mmr};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
