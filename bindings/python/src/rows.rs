//! All rows of a snapshot, one after the other.
//!
//! Reads from: `foretaste::Snapshot::scan`. Writes to: nothing. Never: a row read before it is asked for.
#![expect(clippy::disallowed_types, reason = "the lock only keeps two threads from reading the same row")]

use std::sync::{Mutex, PoisonError};

use foretaste::Snapshot;
use pyo3::prelude::*;
use self_cell::self_cell;

use crate::errors;
use crate::record::Record;

type Rest<'a> = Box<dyn Iterator<Item = foretaste::Result<foretaste::Record>> + Send + 'a>;

self_cell!(
    struct Scan {
        owner: Snapshot,
        #[not_covariant]
        dependent: Rest,
    }
);

/// Goes through the rows of a collection, in the order of storage, as they were when it was made.
#[pyclass(frozen, module = "foretaste")]
pub struct Records(Mutex<Scan>);

impl Records {
    /// The rows of a snapshot.
    pub fn new(snapshot: Snapshot) -> Records {
        Records(Mutex::new(Scan::new(snapshot, |snapshot| Box::new(snapshot.scan()))))
    }
}

#[pymethods]
impl Records {
    fn __iter__(records: PyRef<'_, Self>) -> PyRef<'_, Self> {
        records
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        let next = py.detach(|| {
            let mut scan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let next = scan.with_dependent_mut(|_, rest| rest.next());
            next.map(|row| row.map(|row| Record::new(row, scan.borrow_owner().schema()))).transpose()
        });
        errors::result(py, next)
    }
}
