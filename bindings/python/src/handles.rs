//! The handles of an open database: closing takes them from everybody, and a forked process cannot use them.
//!
//! A fork has copies of a writer's handles without the threads behind them and with its locks as they were: used, one could
//! wait forever; dropped, it would write and tidy up beside the process that has the database. It is refused there and left
//! as it is. Readers share nothing with their forks.
//!
//! Reads from: the process's number. Writes to: nothing. Never: one of these locks held by a thread that has not the
//! interpreter's, so that no fork finds one taken; a writer's handle dropped in a fork.
#![expect(
    clippy::disallowed_types,
    reason = "the lock only guards which handles are open; it is never held while Python or the disk is waited for"
)]

use std::sync::{Arc, PoisonError, RwLock, Weak};

use pyo3::prelude::*;

use crate::errors;

/// The process that a handle belongs to; `None` for a reader's, which its forks may use.
#[derive(Clone, Copy)]
pub struct Home(Option<u32>);

/// Something that is open until it is taken out, in the process that opened it.
pub struct Kept<T> {
    home: Home,
    value: RwLock<Option<T>>,
}

/// One collection's handle, until the database is closed.
pub type Slot = Kept<foretaste::Collection>;

/// The handles of an open database. Closing takes them out, whoever else holds this.
pub struct Open(Kept<Handles>);

struct Handles {
    database: foretaste::Database,
    others: Vec<Weak<dyn Closing + Send + Sync>>,
}

/// Something else that keeps the database open.
trait Closing {
    /// What has to be dropped.
    fn close(&self, py: Python<'_>) -> Option<Box<dyn Send>>;
}

impl<T: Send + 'static> Closing for Kept<T> {
    fn close(&self, py: Python<'_>) -> Option<Box<dyn Send>> {
        self.take(py).map(|value| Box::new(value) as Box<dyn Send>)
    }
}

impl Home {
    fn of(database: &foretaste::Database) -> Home {
        Home((!database.is_read_only()).then(std::process::id))
    }

    /// The process it was forked from.
    fn parent(self) -> Option<u32> {
        self.0.filter(|home| *home != std::process::id())
    }
}

impl<T> Kept<T> {
    /// What is open in the process of `home`.
    fn new(home: Home, value: T) -> Kept<T> {
        Kept { home, value: RwLock::new(Some(value)) }
    }

    /// Uses it if it is still open, and in its own process.
    pub fn with<R>(&self, py: Python<'_>, f: impl FnOnce(&T) -> R) -> PyResult<R> {
        self.check(py)?;
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        value.as_ref().map(f).ok_or_else(|| closed(py))
    }

    /// Like `with`, to change it.
    pub fn with_mut<R>(&self, py: Python<'_>, f: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        self.check(py)?;
        let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        value.as_mut().map(f).ok_or_else(|| closed(py))
    }

    /// Takes it out, if it is there and this is its process. In a fork it is left as it is, for good.
    pub fn take(&self, _: Python<'_>) -> Option<T> {
        let value = self.value.write().unwrap_or_else(PoisonError::into_inner).take();
        if self.home.parent().is_some() {
            std::mem::forget(value);
            return None;
        }
        value
    }

    /// Puts it back.
    pub fn put(&self, _: Python<'_>, value: T) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Refuses a fork.
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.home.parent().map_or(Ok(()), |parent| Err(errors::forked(py, parent)))
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if self.home.parent().is_some() {
            std::mem::forget(self.value.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

impl Open {
    /// Of a database that was opened in this process.
    pub fn new(database: foretaste::Database) -> Open {
        let home = Home::of(&database);
        Open(Kept::new(home, Handles { database, others: Vec::new() }))
    }

    /// The database.
    pub fn database(&self, py: Python<'_>) -> PyResult<foretaste::Database> {
        self.0.with(py, |handles| handles.database.clone())
    }

    /// Keeps something that keeps the database open until it is closed.
    pub fn keep<T: Send + Sync + 'static>(&self, py: Python<'_>, value: T) -> PyResult<Arc<Kept<T>>> {
        let kept = Arc::new(Kept::new(self.0.home, value));
        let weak = Arc::downgrade(&kept);
        self.0.with_mut(py, |handles| {
            handles.others.retain(|other| other.strong_count() > 0);
            handles.others.push(weak);
        })?;
        Ok(kept)
    }

    /// What the database holds and takes.
    pub fn stats(&self, py: Python<'_>) -> PyResult<foretaste::Stats> {
        let database = self.database(py)?;
        let stats = py.detach(|| database.stats());
        errors::result(py, stats)
    }

    /// Closes it. Closed again, or in a fork, it does nothing.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(Handles { database, others }) = self.0.take(py) else { return Ok(()) };
        let others = others.iter().filter_map(Weak::upgrade);
        let taken: Vec<_> = others.filter_map(|other| other.close(py)).collect();
        let closed = py.detach(|| {
            drop(taken);
            database.close()
        });
        errors::result(py, closed)
    }
}

fn closed(py: Python<'_>) -> PyErr {
    errors::new(py, "Closed", "the database was closed; open it again")
}
