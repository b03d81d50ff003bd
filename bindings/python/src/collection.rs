//! The collection as a Python class: write, read, search. `upkeep` and `models` have more of it.
//!
//! Reads from: `foretaste::Collection`. Writes to: the same. Never: work with the interpreter's lock held, but for the
//! taking in of arguments and the making of results.

use std::sync::Arc;

use foretaste::Error;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::asked::{self, Given, Place};
use crate::batch::Arrays;
use crate::handles::{Open, Slot};
use crate::progress::Progress;
use crate::rows::Records;
use crate::schema::Schema;
use crate::snapshot::{self, Snapshot};
use crate::text::TextAnswer;
use crate::writes::{Batch, Beside, Rows};
use crate::{errors, further, input};

/// A collection of an open database: `db["name"]` gives one. May be used from several threads.
#[pyclass(frozen, module = "foretaste")]
pub struct Collection {
    open: Arc<Open>,
    slot: Arc<Slot>,
    name: String,
}

impl Collection {
    /// A handle to a collection of an open database.
    pub fn new(py: Python<'_>, open: &Arc<Open>, collection: foretaste::Collection) -> PyResult<Collection> {
        let name = collection.name().to_string();
        Ok(Collection { open: Arc::clone(open), slot: open.keep(py, collection)?, name })
    }

    /// The database that it is of.
    pub fn open(&self) -> &Arc<Open> {
        &self.open
    }

    /// The name that it was opened by.
    pub fn own_name(&self) -> &str {
        &self.name
    }

    /// The facade's handle.
    pub fn handle(&self, py: Python<'_>) -> PyResult<foretaste::Collection> {
        self.slot.with(py, foretaste::Collection::clone)
    }

    fn now(&self, py: Python<'_>) -> PyResult<foretaste::Snapshot> {
        self.slot.with(py, foretaste::Collection::snapshot)
    }

    /// Does work on it without the interpreter's lock.
    pub fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&foretaste::Collection) -> foretaste::Result<T> + Send,
    ) -> PyResult<T> {
        let collection = self.handle(py)?;
        let done = py.detach(|| work(&collection));
        errors::result(py, done)
    }
}

#[pymethods]
impl Collection {
    /// Writes rows in one atomic, durable batch: all of them are safe when this returns, or none is there.
    ///
    /// `ids` is an int64 array, or a list of ints and strs, each once; a row whose id is there already is replaced.
    /// `vectors` has the shape (rows, dimensions); a float32 array in C order is not copied. `payloads` is None, or a list
    /// of a dict or None for each row. `variances` are one number a row, or one a number of the vectors, as the collection
    /// was created with. `tokens` is None, or for each row None or an array of shape (tokens, numbers of a token), the matrix
    /// that late interaction scores. `progress` is True, a function of (done, total) that cancels by returning False, or
    /// a bar with `update`.
    ///
    /// `fields` is a dict from the names of further vector fields to their vectors: an array of shape (rows, dimensions of the
    /// field), or for each row None or an array of one dimension. A row without a vector in a field has none there, whatever it
    /// had before. `field_variances` is a dict from fields that keep variances to these, one number a row or one a number of the
    /// vectors. `changed` and `changed_variances` are the same while the model is being changed: the rows' vectors in the new
    /// space; rows without one wait to be embedded again.
    ///
    /// Raises `DimensionMismatch`, `NonFinite`, `ZeroVector`, `OutOfRange`, `BadVariance`, `BadTokens`, `BadPayload`, `DuplicateId`,
    /// `LimitExceeded`, `ReadOnly`, `Poisoned`, `IoError`; `NotFound` for a field that is not there, for `changed` when no change is on
    /// its way, and when the model was changed since the collection was opened.
    #[pyo3(signature = (
        ids, vectors, payloads = None, variances = None, progress = None, *, tokens = None, fields = None,
        field_variances = None, changed = None, changed_variances = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn upsert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        payloads: Option<&Bound<'_, PyAny>>,
        variances: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
        tokens: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyMapping>>,
        field_variances: Option<&Bound<'_, PyMapping>>,
        changed: Option<&Bound<'_, PyAny>>,
        changed_variances: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (collection, mut progress) = (self.handle(py)?, Progress::new(progress, "writing")?);
        let further = further::all(fields, field_variances, changed, changed_variances)?;
        let beside = Beside { payloads, variances, tokens, further };
        let rows = Rows::new(ids, vectors, beside, &collection.schema(), 0)?;
        // The last step is the commit, which cannot be cancelled.
        let total = rows.len() as u64 + 1;
        let mut batch = collection.batch();
        let filled = rows.fill(py, &mut batch, |done| progress.tell(done as u64, total));
        let done = filled.and_then(|()| {
            py.detach(|| {
                batch.commit()?;
                progress.tell(total, total);
                Ok::<_, Error>(())
            })
        });
        progress.end(py, done)
    }

    /// A batch to fill and commit: upserts and deletes in one atomic, durable step.
    fn batch(&self, py: Python<'_>) -> PyResult<Batch> {
        Batch::new(py, &self.open, &self.handle(py)?)
    }

    /// The position that a committed batch left under a name, or None; see `Batch.mark`.
    fn mark(&self, py: Python<'_>, name: &str) -> PyResult<Option<u64>> {
        Ok(self.handle(py)?.mark(name))
    }

    /// Removes the rows with these ids, where there are any, in one atomic, durable batch.
    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let keys = input::one_or_more(ids)?;
        self.work(py, |collection| {
            let mut batch = collection.batch();
            for key in keys {
                batch.delete(key);
            }
            batch.commit()
        })
    }

    /// The row with an id, or None; of several ids, a list of them.
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        snapshot::get(py, &self.now(py)?, ids)
    }

    /// A consistent view for many reads: later writes do not show in it.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        self.now(py).map(Snapshot)
    }

    /// Goes through all its rows as they are now, in the order of storage: an iterator of `Record`s.
    fn scan(&self, py: Python<'_>) -> PyResult<Records> {
        self.now(py).map(Records::new)
    }

    /// The `k` rows nearest to the vector `q`: an `Answer`, or with `progressive` an iterator of `Revision`s, each the best list
    /// so far.
    ///
    /// A float32 array of one dimension in C order is not copied by Python. `where` is a filter, as a str or as the dict that
    /// means the same. `dims` compares the first dimensions only: so many, from the first of the levels on.
    ///
    /// `ef` and `nprobe` are the effort for collections with an index; larger is slower and finds more. `target_recall`, above 0
    /// and at most 1, searches until the recall expected by what was measured when the index was built is so high; where nothing
    /// was measured, as with a filter, it has no effect. `deadline_ms` ends the search when so many milliseconds have passed, and
    /// `budget` when so many rows and nodes of indexes were compared, with the best hits by then.
    ///
    /// With `exact` every row that passes is compared, whatever indexes there are: the answer is the true one.
    ///
    /// `rerank` is a stage or a list of them, each of which refines the list of the one before: `Levels`, `Csd`, `Gaussian`,
    /// `Uncertainty`, `Fuse`, `MaxSim`, `Mmr`, `Scorer`. `query_variance` says how uncertain the query is, for stages that compare
    /// distributions: one variance, or one for each dimension. `max_uncertainty` leaves out rows whose `uncertainty`, the sum of their
    /// variances over the dimensions that are compared, is larger: it counts as a filter does, for collections with variances.
    ///
    /// With `field` the vectors of that further field are compared, and rows that have none are not found; full text, token
    /// matrices and further vectors of `Fuse` are the collection's alone. `space`, as "model@version", is what `q` was made by: a
    /// query of another space than the collection's is compared with the rows that are in its space, and with the others by the
    /// rule of `set_rule`; the two make one list.
    ///
    /// An answer with fewer than `k` hits is no error; `stopped_because` says why it ended.
    ///
    /// Raises `DimensionMismatch`, `NonFinite`, `ZeroVector`, `BadFilter`, `BadVariance`, `LimitExceeded`, `Corrupt`; `NotFound` for
    /// a field that is not there; `BadRequest`, also for a space whose queries cannot be compared with all rows.
    #[pyo3(signature = (
        q, k = 10, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None, deadline_ms = None,
        rerank = None, *, progressive = false, query_variance = None, budget = None, exact = false, field = None,
        space = None, max_uncertainty = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        k: usize,
        r#where: Option<&Bound<'py, PyAny>>,
        dims: Option<usize>,
        ef: Option<usize>,
        nprobe: Option<usize>,
        target_recall: Option<f64>,
        deadline_ms: Option<f64>,
        rerank: Option<&Bound<'py, PyAny>>,
        progressive: bool,
        query_variance: Option<&Bound<'py, PyAny>>,
        budget: Option<u64>,
        exact: bool,
        field: Option<&str>,
        space: Option<&str>,
        max_uncertainty: Option<f32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = Given {
            k,
            filter: r#where,
            dims,
            ef,
            nprobe,
            target_recall,
            deadline_ms,
            rerank,
            query_variance,
            budget,
            exact,
            max_uncertainty,
        };
        let within = Place { field, space };
        asked::search(py, &self.now(py)?, q, within, &given, progressive)
    }

    /// The `k` rows nearest to each row of `Q`, as two arrays of shape (rows, k): ids (int64) and distances (float64).
    ///
    /// Where there are fewer than `k` hits, the rest is -1 and inf. All ids found must be integers. `threads` are as many
    /// as the machine has when None. The other arguments are those of `search`, for each row; `deadline_ms` counts from when a
    /// row's own search begins. A `Scorer`, `MaxSim` or `Fuse` cannot be asked: it is for one query.
    #[pyo3(signature = (
        Q, k = 10, threads = None, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None,
        deadline_ms = None, rerank = None, *, query_variance = None, budget = None, exact = false,
        max_uncertainty = None, field = None, space = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    #[expect(non_snake_case, reason = "the argument's name in Python")]
    fn search_batch<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        threads: Option<usize>,
        r#where: Option<&Bound<'py, PyAny>>,
        dims: Option<usize>,
        ef: Option<usize>,
        nprobe: Option<usize>,
        target_recall: Option<f64>,
        deadline_ms: Option<f64>,
        rerank: Option<&Bound<'py, PyAny>>,
        query_variance: Option<&Bound<'py, PyAny>>,
        budget: Option<u64>,
        exact: bool,
        max_uncertainty: Option<f32>,
        field: Option<&str>,
        space: Option<&str>,
    ) -> PyResult<Arrays<'py>> {
        let given = Given {
            k,
            filter: r#where,
            dims,
            ef,
            nprobe,
            target_recall,
            deadline_ms,
            rerank,
            query_variance,
            budget,
            exact,
            max_uncertainty,
        };
        asked::search_batch(py, &self.now(py)?, Q, Place { field, space }, threads, &given)
    }

    /// The `k` best rows by their words: those that have at least one word of `query` in the full-text field `field`, ranked by
    /// BM25 (Robertson and Zaragoza, 2009): a `TextAnswer`.
    ///
    /// Counted are exactly the rows there are now, whatever the filter `where` lets through. `k1` says how fast further occurrences
    /// of a word lose their weight (1.2 when None), `b` how much long texts are held back, from 0 to 1 (0.75 when None).
    ///
    /// Raises `BadRequest` for a field that was not declared, `BadFilter`, `LimitExceeded`, `Corrupt`.
    #[pyo3(signature = (field, query, k = 10, r#where = None, *, k1 = None, b = None))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn search_text(
        &self,
        py: Python<'_>,
        field: &str,
        query: &str,
        k: usize,
        r#where: Option<&Bound<'_, PyAny>>,
        k1: Option<f64>,
        b: Option<f64>,
    ) -> PyResult<TextAnswer> {
        asked::search_text(py, &self.now(py)?, field, query, k, r#where, k1, b)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Its dimension.
    #[getter]
    fn dim(&self, py: Python<'_>) -> PyResult<usize> {
        self.slot.with(py, |collection| collection.schema().dim())
    }

    /// Its metric: "cosine", "dot" or "l2".
    #[getter]
    fn metric(&self, py: Python<'_>) -> PyResult<String> {
        self.slot.with(py, |collection| collection.schema().metric().to_string())
    }

    /// The nested lengths at which it may be searched, ascending; the last one is the dimension.
    #[getter]
    fn levels(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        self.slot.with(py, |collection| collection.schema().level_dims())
    }

    /// What it holds: `schema.columns`, `schema.tokens`, `schema.text_fields` and more.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        self.slot.with(py, |collection| Schema(collection.schema()))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Records> {
        self.scan(py)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(usize::try_from(self.handle(py)?.len()).unwrap_or(usize::MAX))
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        errors::result(py, self.handle(py)?.contains(input::key(id)?))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let shown = self.slot.with(py, |collection| {
            let schema = collection.schema();
            let (rows, dim, metric) = (collection.len(), schema.dim(), schema.metric());
            format!("<Collection {:?}: {rows} rows of {dim} dimensions, {metric}>", self.name)
        });
        shown.unwrap_or_else(|_| format!("<Collection {:?}, closed>", self.name))
    }
}
