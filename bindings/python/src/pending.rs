//! The rows that wait to be embedded again, as Python sees them.
//!
//! Reads from: `foretaste::Backfill`, `foretaste::PendingRow`. Writes to: arrays, lists and records, when they are asked for. Never: a
//! row read before it is asked for.
#![expect(clippy::disallowed_types, reason = "the lock only keeps two threads from reading the same rows")]

use std::sync::{Arc, Mutex, PoisonError};

use foretaste::{Key, PendingRow, Schema};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PySlice};

use crate::record::Record;
use crate::{errors, hits, json};

/// Rows that wait to be embedded again, as they were when they were read: a sequence of `Record`s. A slice of it is one, too.
#[pyclass(frozen, module = "foretaste")]
pub struct PendingRows {
    rows: Vec<PendingRow>,
    /// That of the collection.
    schema: Arc<Schema>,
}

/// The rows that wait, some at a time: an iterator of `PendingRows`. `Change.backfill` gives one.
#[pyclass(frozen, module = "foretaste")]
pub struct Backfill {
    rest: Mutex<foretaste::Backfill>,
    schema: Arc<Schema>,
    batch: usize,
}

impl PendingRows {
    /// Rows of a collection with this schema.
    pub fn new(rows: Vec<PendingRow>, schema: Arc<Schema>) -> PendingRows {
        PendingRows { rows, schema }
    }

    /// The rows.
    pub fn rows(&self) -> &[PendingRow] {
        &self.rows
    }

    fn record(&self, row: &PendingRow) -> Record {
        Record::new(row.record.clone(), &self.schema)
    }
}

impl Backfill {
    /// Of rows of a collection with this schema, at most `batch` at a time.
    pub fn new(rest: foretaste::Backfill, schema: Arc<Schema>, batch: usize) -> Backfill {
        Backfill { rest: Mutex::new(rest), schema, batch: batch.max(1) }
    }

    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut foretaste::Backfill) -> T + Send) -> T {
        py.detach(|| work(&mut self.rest.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[pymethods]
impl PendingRows {
    /// The ids: a new int64 array when all are integers, else a list.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let keys = || self.rows.iter().map(|row| &row.record.id);
        let integers = keys().map(|key| if let Key::Int(id) = key { Some(*id) } else { None });
        match integers.collect::<Option<Vec<_>>>() {
            Some(ids) => Ok(PyArray1::from_vec(py, ids).into_any()),
            None => Ok(hits::list(py, keys())?.into_any()),
        }
    }

    /// The vectors in the collection's space, as a new float32 array of shape (rows, dimensions); a row of fewer levels has zeros
    /// beyond its own numbers.
    #[getter]
    fn vectors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let dim = self.schema.dim();
        let mut numbers = Vec::with_capacity(self.rows.len() * dim);
        for (i, row) in self.rows.iter().enumerate() {
            numbers.extend_from_slice(row.record.vector.get(..dim).unwrap_or(&row.record.vector));
            numbers.resize((i + 1) * dim, 0.0);
        }
        PyArray1::from_vec(py, numbers).reshape([self.rows.len(), dim])
    }

    /// The documents, a new list of a dict or None for each row.
    #[getter]
    fn payloads<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for row in &self.rows {
            list.append(row.record.payload.as_ref().map(|own| json::to_python(py, own)).transpose()?)?;
        }
        Ok(list)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let taken = slice.indices(isize::try_from(self.rows.len()).unwrap_or(isize::MAX))?;
            let places = (0..taken.slicelength).map(|i| taken.start + taken.step * i as isize);
            let row = |at: isize| usize::try_from(at).ok().and_then(|at| self.rows.get(at).cloned());
            let rows = places.filter_map(row).collect();
            return Ok(Bound::new(py, PendingRows::new(rows, Arc::clone(&self.schema)))?.into_any());
        }
        let Ok(index) = index.extract::<isize>() else {
            let name = json::type_name(index);
            return Err(PyTypeError::new_err(format!("a place is an int or a slice, not a {name}")));
        };
        let at = if index < 0 { index.checked_add_unsigned(self.rows.len()) } else { Some(index) };
        let row = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| self.rows.get(at));
        let row = row.ok_or_else(|| PyIndexError::new_err(format!("there are {} rows", self.rows.len())))?;
        Ok(Bound::new(py, self.record(row))?.into_any())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let records: Vec<Record> = self.rows.iter().map(|row| self.record(row)).collect();
        records.into_pyobject(py)?.try_iter()
    }

    fn __repr__(&self) -> String {
        format!("<PendingRows, {} of them>", self.rows.len())
    }
}

#[pymethods]
impl Backfill {
    /// Rows that were not given out yet.
    #[getter]
    fn left(&self, py: Python<'_>) -> usize {
        self.with(py, |rest| rest.len())
    }

    fn __iter__(backfill: PyRef<'_, Self>) -> PyRef<'_, Self> {
        backfill
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PendingRows>> {
        let rows = self.with(py, |rest| rest.next(self.batch));
        let rows = errors::result(py, rows)?;
        Ok((!rows.is_empty()).then(|| PendingRows::new(rows, Arc::clone(&self.schema))))
    }
}
