//! The change of a collection's model as a Python class.
//!
//! Reads from: `foretaste::Change`. Writes to: the same. Never: the interpreter's lock held but in the caller's functions; an
//! exception of theirs lost.

use std::sync::Arc;

use foretaste::{Error, Key, NewVector, Order, PendingRow, RowVariance};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::adapter::ErrorModel;
use crate::collection::Collection;
use crate::errors;
use crate::further::PerRow;
use crate::handles::{Kept, Open};
use crate::input;
use crate::json;
use crate::pending::{Backfill, PendingRows};
use crate::progress::Progress;
use crate::record::Record;
use crate::schema::Schema;

/// The change of a collection's model: its rows in another space. `Collection.begin_change` and `Collection.change` give one.
///
/// Rows are embedded again in any order, by `run`, or by `backfill` and `write`; what is written is durable, and goes on after an
/// interruption, also in another process. When no row waits, `flip` makes the other space the collection's. The way back is the same
/// call, on the `change()` of the collection that `flip` gives; `finish` drops the other space.
#[pyclass(frozen, module = "foretaste")]
pub struct Change {
    open: Arc<Open>,
    change: Arc<Kept<foretaste::Change>>,
}

impl Change {
    /// A change of a collection of an open database.
    pub fn new(py: Python<'_>, open: &Arc<Open>, change: foretaste::Change) -> PyResult<Change> {
        Ok(Change { open: Arc::clone(open), change: open.keep(py, change)? })
    }

    fn handle(&self, py: Python<'_>) -> PyResult<foretaste::Change> {
        self.change.with(py, foretaste::Change::clone)
    }

    /// Does work on it without the interpreter's lock.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(foretaste::Change) -> foretaste::Result<T> + Send,
    ) -> PyResult<T> {
        let change = self.handle(py)?;
        let done = py.detach(|| work(change));
        errors::result(py, done)
    }
}

#[pymethods]
impl Change {
    /// Two numbers: rows that are in the other space, and rows that wait to be embedded again.
    #[getter]
    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        Ok(self.handle(py)?.progress())
    }

    /// Whether it was flipped: the other space is the one that the collection had before. A flip back makes it False again.
    #[getter]
    fn flipped(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.handle(py)?.is_flipped())
    }

    /// The other space, as "model@version".
    #[getter]
    fn space(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.handle(py)?.space().to_string())
    }

    /// What the rows in the other space are.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        Ok(Schema(self.handle(py)?.schema()))
    }

    /// The collection that is changed.
    #[getter]
    fn collection(&self, py: Python<'_>) -> PyResult<Collection> {
        Collection::new(py, &self.open, self.handle(py)?.collection().clone())
    }

    /// The row with an id in the other space, or None while it waits; of several ids, a list of them.
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let change = self.handle(py)?;
        let schema = change.schema();
        let get = |key: Key| Ok(change.get(key)?.map(|row| Record::new(row, &schema)));
        if input::is_one_key(ids) {
            let key = input::key(ids)?;
            let found = py.detach(|| get(key));
            return errors::result(py, found)?.into_pyobject(py);
        }
        let keys = input::keys(ids)?;
        let found = py.detach(|| keys.into_iter().map(get).collect::<foretaste::Result<Vec<_>>>());
        Ok(errors::result(py, found)?.into_pyobject(py)?.into_any())
    }

    /// Embeds all rows that wait, and writes what `embed` makes of them; gives how many vectors were written.
    ///
    /// `embed` is called with `PendingRows`, at most `batch` of them, and gives their vectors in their order: an array of shape (rows,
    /// dimensions of the other space), or one array a row. `order` is "stored" (that when None), "variance", the most uncertain rows
    /// first, or an `ErrorModel`, those first whose mapped vectors are expected to be the most wrong. `progress` is that of `upsert`, of
    /// (rows done, rows in all). Rows that others write meanwhile are embedded, too.
    ///
    /// An exception in `embed`, Ctrl-C or a `progress` that returns False end it; what was written stays, and the next call goes on
    /// from there.
    ///
    /// Raises what `embed` raises, `Cancelled`, and what `write` and `backfill` raise.
    #[pyo3(signature = (embed, order = None, batch = 1000, progress = None))]
    fn run(
        &self,
        py: Python<'_>,
        embed: &Bound<'_, PyAny>,
        order: Option<&Bound<'_, PyAny>>,
        batch: usize,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let (change, order) = (self.handle(py)?, of_order(order)?);
        let mut progress = Progress::new(progress, "embedding")?;
        let (embed, schema) = (embed.clone().unbind(), change.collection().schema());
        let mut raised = None;
        let done = py.detach(|| {
            let embed = |rows: &[PendingRow]| {
                let called: PyResult<Vec<Vec<f32>>> = Python::attach(|py| {
                    let rows = PendingRows::new(rows.to_vec(), Arc::clone(&schema));
                    let vectors = PerRow::of(&embed.bind(py).call1((rows,))?, "vectors of `embed`")?;
                    vectors.check_all()?;
                    Ok(vectors.owned())
                });
                called.map_err(|e| {
                    raised = Some(e);
                    Error::Cancelled
                })
            };
            change.run(order, batch, embed, |done, all| progress.tell(done, all))
        });
        match raised {
            Some(raised) => Err(raised),
            None => progress.end(py, done),
        }
    }

    /// The rows that wait now: an iterator of `PendingRows`, at most `batch` at a time, in an `order` as `run` takes it. They are to be
    /// given to `write`. A new one, after an interruption, leaves out what is there.
    ///
    /// Raises `BadRequest` for an order that cannot be, `Corrupt`.
    #[pyo3(signature = (order = None, batch = 1000))]
    fn backfill(&self, py: Python<'_>, order: Option<&Bound<'_, PyAny>>, batch: usize) -> PyResult<Backfill> {
        let order = of_order(order)?;
        let schema = self.handle(py)?.collection().schema();
        let rows = self.work(py, |change| change.backfill(order))?;
        Ok(Backfill::new(rows, schema, batch))
    }

    /// Those of the rows with these ids that wait, in the order of the ids: for vectors that come in an order of their own, as out of a
    /// file. They are to be given to `write`, with the vectors of their `ids`.
    ///
    /// Raises `Corrupt` when a row's bytes are damaged.
    fn pending(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<PendingRows> {
        let keys = input::keys(ids)?;
        let schema = self.handle(py)?.collection().schema();
        let rows = self.work(py, |change| {
            let rows = keys.into_iter().map(|key| change.pending(key));
            rows.filter_map(foretaste::Result::transpose).collect::<foretaste::Result<Vec<_>>>()
        })?;
        Ok(PendingRows::new(rows, schema))
    }

    /// Writes vectors in the other space, in one atomic, durable commit; gives how many. Rows that were written or deleted since they
    /// were read are left out, and wait anew.
    ///
    /// `rows` are `PendingRows`, `vectors` an array of shape (rows, dimensions) or one array a row; `variances`, where the other space
    /// keeps them, one number a row, or one a number of the vectors.
    ///
    /// Raises `DimensionMismatch`, `NonFinite`, `ZeroVector`, `OutOfRange` and `BadVariance` with the place in `rows`; `NotFound` when the
    /// change was flipped; `ReadOnly`, `Poisoned`, `IoError`.
    #[pyo3(signature = (rows, vectors, variances = None))]
    fn write(
        &self,
        py: Python<'_>,
        rows: &PendingRows,
        vectors: &Bound<'_, PyAny>,
        variances: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let rows = rows.rows();
        let vectors = PerRow::of(vectors, "vectors")?;
        vectors.check(rows.len())?;
        vectors.check_all()?;
        let variances = variances.map(|own| PerRow::of_scalars_too(own, "variances")).transpose()?;
        variances.as_ref().map_or(Ok(()), |variances| variances.check(rows.len()))?;
        let (vectors, variances) = (vectors.numbers(), variances.as_ref().map(PerRow::numbers));
        self.work(py, |change| {
            let variance = |row| variances.as_ref().and_then(|variances| variances.variance(row));
            let own: Vec<Option<RowVariance>> = (0..rows.len()).map(variance).collect();
            let new = rows.iter().zip(&own).enumerate().map(|(i, (row, variance))| NewVector {
                row,
                vector: vectors.of(i).unwrap_or_default(),
                variance: variance.as_ref(),
            });
            change.write(&new.collect::<Vec<_>>())
        })
    }

    /// Makes the other space the collection's, and the present one the other: durably, at once, and only when no row waits. Gives the
    /// collection. Those that were opened before cannot write any more, and show what was there.
    ///
    /// Raises `BadRequest` when rows wait, `NotFound` when the change was flipped or finished, `ReadOnly`.
    fn flip(&self, py: Python<'_>) -> PyResult<Collection> {
        let collection = self.work(py, foretaste::Change::flip)?;
        Collection::new(py, &self.open, collection)
    }

    /// Ends the change: the rows in the other space are removed. Before `flip` that gives the change up; after it there is no way back.
    ///
    /// Raises `NotFound` when the change was flipped or finished, `ReadOnly`.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.work(py, foretaste::Change::finish)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let shown = self.change.with(py, |change| {
            let (name, space, (there, waiting)) =
                (change.collection().name().to_string(), change.space(), change.progress());
            format!("<Change of {name:?} to {space}: {there} rows there, {waiting} waiting>")
        });
        shown.unwrap_or_else(|_| "<Change, closed>".to_string())
    }
}

/// Which rows are embedded first.
fn of_order(order: Option<&Bound<'_, PyAny>>) -> PyResult<Order> {
    let Some(order) = order else { return Ok(Order::Stored) };
    if let Ok(model) = order.cast::<ErrorModel>() {
        return Ok(model.get().order());
    }
    let Ok(name) = order.cast::<PyString>() else {
        let name = json::type_name(order);
        let why = format!("order is \"stored\", \"variance\" or an ErrorModel, not a {name}");
        return Err(PyTypeError::new_err(why));
    };
    match name.to_cow()?.as_ref() {
        "stored" => Ok(Order::Stored),
        "variance" => Ok(Order::Variance),
        other => {
            let why = format!("order is \"stored\", \"variance\" or an ErrorModel, not {other:?}");
            Err(PyValueError::new_err(why))
        }
    }
}
