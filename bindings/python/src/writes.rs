//! Rows to write: out of numpy's arrays into a batch, which a caller may also fill step by step.
//!
//! Reads from: numpy's arrays. Writes to: the facade's batch. Never: a part of a batch committed.

use std::sync::Arc;

use foretaste::{Error, Key, RowVariance, Schema};
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyType};
use serde_json::Value;

use crate::further::{self, Further, Vectors};
use crate::handles::{Kept, Open};
use crate::stages::token_dim;
use crate::{errors, input, json};

/// Rows taken in between two looks at progress.
const TELL_ROWS: usize = 4096;

/// Rows to write.
pub struct Rows<'py> {
    keys: Vec<Key>,
    vectors: PyReadonlyArray2<'py, f32>,
    payloads: Option<Vec<Option<Value>>>,
    variances: Option<PyReadonlyArray2<'py, f32>>,
    /// One a row, or none at all.
    tokens: Vec<Option<PyReadonlyArray2<'py, f32>>>,
    further: Vec<Further<'py>>,
}

/// The arguments of `upsert` besides ids and vectors.
pub struct Beside<'a, 'py> {
    pub payloads: Option<&'a Bound<'py, PyAny>>,
    pub variances: Option<&'a Bound<'py, PyAny>>,
    pub tokens: Option<&'a Bound<'py, PyAny>>,
    pub further: Vec<Further<'py>>,
}

/// A batch being put together: one atomic, durable commit of upserts and deletes. `collection.batch()` gives one.
///
/// Nothing of it is there before `commit`. As a context manager it commits at the end of the block, unless an exception leaves it.
///
///     with docs.batch() as batch:
///         batch.upsert(ids, vectors)
///         batch.delete(["old"])
///         batch.mark("import", 1200)
#[pyclass(frozen, module = "foretaste")]
pub struct Batch(Arc<Kept<Filled>>);

struct Filled {
    batch: foretaste::Batch,
    schema: Arc<Schema>,
    /// Rows in it, without what it deletes.
    rows: usize,
}

impl<'py> Rows<'py> {
    /// From the arguments of `upsert`, for a batch that has `first` rows already.
    pub fn new(
        ids: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
        beside: Beside<'_, 'py>,
        schema: &Schema,
        first: usize,
    ) -> PyResult<Rows<'py>> {
        let keys = input::keys(ids)?;
        let vectors = input::matrix(vectors, "vectors")?;
        let rows = keys.len();
        if vectors.shape().first() != Some(&rows) {
            let why = format!("{rows} ids, and vectors of shape {:?}; one row an id", vectors.shape());
            return Err(PyValueError::new_err(why));
        }
        let payloads = beside.payloads.map(|payloads| documents(payloads, first)).transpose()?;
        if let Some(payloads) = payloads.as_ref().filter(|payloads| payloads.len() != rows) {
            let why = format!("{rows} ids and {} payloads; one an id, or None", payloads.len());
            return Err(PyValueError::new_err(why));
        }
        let variances = beside.variances.map(|variances| input::columns(variances, rows)).transpose()?;
        let tokens = beside.tokens.map(|tokens| input::tokens(tokens, &keys, first)).transpose()?;
        let further = beside.further;
        further.iter().try_for_each(|further| further.check(rows))?;
        let rows = Rows { keys, vectors, payloads, variances, tokens: tokens.unwrap_or_default(), further };
        rows.check_tokens(ids.py(), schema, first)?;
        Ok(rows)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tokens of another length than the collection's may come out even, and are refused.
    fn check_tokens(&self, py: Python<'_>, schema: &Schema, first: usize) -> PyResult<()> {
        let Some(dim) = token_dim(schema) else { return Ok(()) };
        for (i, (matrix, id)) in self.tokens.iter().zip(&self.keys).enumerate() {
            let width = matrix.as_ref().and_then(|matrix| matrix.shape().get(1).copied());
            if let Some(width) = width.filter(|width| *width != dim) {
                let why = format!("tokens of {width} numbers given, {dim} expected");
                return Err(errors::of(py, &Error::BadTokens { row: first + i, id: id.to_string(), why }));
            }
        }
        Ok(())
    }

    /// Puts them into a batch. `tell` is told how many are in it, and cancels by returning false.
    pub fn fill(
        &self,
        py: Python<'_>,
        batch: &mut foretaste::Batch,
        mut tell: impl FnMut(usize) -> bool + Send,
    ) -> Result<(), Error> {
        let dim = self.vectors.shape().get(1).copied().unwrap_or(0);
        let (keys, payloads) = (&self.keys, &self.payloads);
        let numbers = self.vectors.as_slice().unwrap_or_default();
        let variances = self.variances.as_ref().and_then(|v| Some((v.as_slice().ok()?, *v.shape().get(1)?)));
        let tokens: Vec<Option<&[f32]>> =
            self.tokens.iter().map(|matrix| matrix.as_ref()?.as_slice().ok()).collect();
        let further: Vec<Vectors<'_>> = self.further.iter().map(Further::vectors).collect();
        py.detach(|| {
            for (i, key) in keys.iter().enumerate() {
                let mut row =
                    batch.upsert(key.clone(), numbers.get(i * dim..(i + 1) * dim).unwrap_or_default());
                if let Some((variances, width)) = variances {
                    let own = variances.get(i * width..(i + 1) * width).unwrap_or_default();
                    row = row.variance(&RowVariance::Variance(own.to_vec()));
                }
                if let Some(Some(own)) = tokens.get(i) {
                    row = row.tokens(own);
                }
                for vectors in &further {
                    row = vectors.give(i, row);
                }
                if let Some(Some(payload)) = payloads.as_ref().and_then(|payloads| payloads.get(i)) {
                    row.payload(payload.clone());
                }
                if i % TELL_ROWS == 0 && !tell(i) {
                    return Err(Error::Cancelled);
                }
            }
            Ok(())
        })
    }
}

fn documents(payloads: &Bound<'_, PyAny>, first: usize) -> PyResult<Vec<Option<Value>>> {
    let document = |(row, payload): (usize, PyResult<Bound<'_, PyAny>>)| {
        let payload = payload?;
        let document = (!payload.is_none()).then(|| json::from_python(&payload)).transpose();
        document.map_err(|why| {
            let row = first + row;
            errors::new(payload.py(), "BadPayload", &format!("payload of row {row}: {why}"))
        })
    };
    payloads.try_iter()?.enumerate().map(document).collect()
}

impl Batch {
    /// An empty batch of a collection.
    pub fn new(py: Python<'_>, open: &Open, collection: &foretaste::Collection) -> PyResult<Batch> {
        let filled = Filled { batch: collection.batch(), schema: collection.schema(), rows: 0 };
        open.keep(py, filled).map(Batch)
    }

    /// Works on it while nobody else has it.
    fn with<T>(&self, py: Python<'_>, work: impl FnOnce(&mut Filled) -> T) -> PyResult<T> {
        let mut filled = self.take(py)?;
        let done = work(&mut filled);
        self.0.put(py, filled);
        Ok(done)
    }

    fn take(&self, py: Python<'_>) -> PyResult<Filled> {
        self.0.check(py)?;
        let why = "the batch was committed, or its database closed, or another thread is at it";
        self.0.take(py).ok_or_else(|| errors::new(py, "Closed", why))
    }
}

#[pymethods]
impl Batch {
    /// Adds rows, or replaces those with these ids; see `Collection.upsert`. What is wrong with a single row may come out only at
    /// `commit`, and names the row of the whole batch.
    #[pyo3(signature = (
        ids, vectors, payloads = None, variances = None, *, tokens = None, fields = None, field_variances = None,
        changed = None, changed_variances = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn upsert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        payloads: Option<&Bound<'_, PyAny>>,
        variances: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyMapping>>,
        field_variances: Option<&Bound<'_, PyMapping>>,
        changed: Option<&Bound<'_, PyAny>>,
        changed_variances: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.with(py, |filled| {
            let further = further::all(fields, field_variances, changed, changed_variances)?;
            let beside = Beside { payloads, variances, tokens, further };
            let rows = Rows::new(ids, vectors, beside, &filled.schema, filled.rows)?;
            filled.rows += rows.len();
            errors::result(py, rows.fill(py, &mut filled.batch, |_| true))
        })?
    }

    /// Removes the rows with these ids, where there are any.
    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let keys = input::one_or_more(ids)?;
        self.with(py, |filled| {
            for key in keys {
                filled.batch.delete(key);
            }
        })
    }

    /// Keeps a named position with the batch, which `Collection.mark` gives back, also after a crash; None removes the name. A batch
    /// has one.
    fn mark(&self, py: Python<'_>, name: &str, position: Option<u64>) -> PyResult<()> {
        self.with(py, |filled| {
            filled.batch.mark(name, position);
        })
    }

    /// Writes it: all of it is safe when this returns, or none of it is there. After that, or an error, it is used up.
    ///
    /// Raises what `Collection.upsert` raises.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        let filled = self.take(py)?;
        let done = py.detach(|| filled.batch.commit());
        errors::result(py, done)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |filled| filled.batch.len())
    }

    fn __enter__(batch: Py<Self>) -> Py<Self> {
        batch
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<Bound<'_, PyType>>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_some() { Ok(()) } else { self.commit(py) }
    }
}
