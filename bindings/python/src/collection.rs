//! The collection as a Python class: write, read, search, optimise.
//!
//! Reads from: `foretaste::Collection`. Writes to: the same. Never: work with the interpreter's lock held, but for the
//! taking in of arguments and the making of results.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::answer::Answer;
use crate::asked::{self, Asked};
use crate::batch::{self, Arrays};
use crate::db::{Open, Slot};
use crate::progress::Progress;
use crate::record::Record;
use crate::revisions::Revisions;
use crate::stages::Stages;
use crate::{errors, input, json, optimize};

/// A collection of an open database: `db["name"]` gives one. May be used from several threads.
#[pyclass(frozen, module = "foretaste")]
pub struct Collection {
    pub open: Arc<Open>,
    pub slot: Arc<Slot>,
    pub name: String,
}

impl Collection {
    fn handle(&self, py: Python<'_>) -> PyResult<foretaste::Collection> {
        self.slot.with(py, foretaste::Collection::clone)
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
    /// Raises `DimensionMismatch`, `NonFinite`, `ZeroVector`, `OutOfRange`, `BadVariance`, `BadTokens`, `BadPayload`, `DuplicateId`,
    /// `LimitExceeded`, `ReadOnly`, `Poisoned`, `IoError`.
    #[pyo3(signature = (ids, vectors, payloads = None, variances = None, progress = None, *, tokens = None))]
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
    ) -> PyResult<()> {
        let rows = batch::Rows::new(ids, vectors, payloads, variances, tokens)?;
        let progress = Progress::new(progress, "writing")?;
        batch::write(py, &self.handle(py)?, &rows, progress)
    }

    /// Removes the rows with these ids, where there are any, in one atomic, durable batch.
    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let keys = if input::is_one_key(ids) { vec![input::key(ids)?] } else { input::keys(ids)? };
        let collection = self.handle(py)?;
        let done = py.detach(|| {
            let mut batch = collection.batch();
            for key in keys {
                batch.delete(key);
            }
            batch.commit()
        });
        errors::result(py, done)
    }

    /// The row with an id, or None; of several ids, a list of them.
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let snapshot = self.handle(py)?.snapshot();
        if input::is_one_key(ids) {
            let found = errors::result(py, snapshot.get(input::key(ids)?))?;
            return found.map(|row| Record::new(row, snapshot.schema())).into_pyobject(py);
        }
        let keys = input::keys(ids)?;
        let get = |key| Ok(snapshot.get(key)?.map(|row| Record::new(row, snapshot.schema())));
        let found = py.detach(|| keys.into_iter().map(get).collect::<Result<Vec<_>, _>>());
        let records: Vec<Option<Record>> = errors::result(py, found)?;
        Ok(records.into_pyobject(py)?.into_any())
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
    /// `rerank` is a stage or a list of them, each of which refines the list of the one before: `Levels`, `Csd`, `Gaussian`,
    /// `Mmr`, `Scorer`. `query_variance` says how uncertain the query is, for stages that compare distributions: one variance, or
    /// one for each dimension.
    ///
    /// An answer with fewer than `k` hits is no error; `stopped_because` says why it ended.
    ///
    /// Raises `DimensionMismatch`, `NonFinite`, `ZeroVector`, `BadFilter`, `BadRequest`, `BadVariance`, `LimitExceeded`,
    /// `Corrupt`.
    #[pyo3(signature = (
        q, k = 10, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None, deadline_ms = None,
        rerank = None, *, progressive = false, query_variance = None, budget = None
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
    ) -> PyResult<Bound<'py, PyAny>> {
        let query = input::query(q)?;
        let stages = Stages::new(rerank)?;
        let asked = Asked {
            k,
            filter: r#where.map(input::filter).transpose()?,
            dims,
            ef: asked::effort(ef)?,
            nprobe: asked::effort(nprobe)?,
            target_recall,
            deadline: asked::deadline(deadline_ms)?,
            budget,
            query_variance: query_variance.map(asked::variance).transpose()?,
            stages: stages.list,
        };
        let search = self.slot.with(py, |c| asked.of(c.search(query.as_slice().unwrap_or_default())))?;
        if progressive {
            let answer = py.detach(|| search.start());
            let revisions = Revisions::new(errors::result(py, answer)?, stages.raised);
            return Ok(Bound::new(py, revisions)?.into_any());
        }
        let hits = py.detach(|| search.run());
        if let Some(raised) = stages.raised.as_ref().and_then(|raised| raised.get()) {
            return Err(raised.clone_ref(py));
        }
        Ok(Bound::new(py, Answer::new(errors::result(py, hits)?))?.into_any())
    }

    /// The `k` rows nearest to each row of `Q`, as two arrays of shape (rows, k): ids (int64) and distances (float64).
    ///
    /// Where there are fewer than `k` hits, the rest is -1 and inf. All ids found must be integers. `threads` are as many
    /// as the machine has when None. The other arguments are those of `search`, for each row; `deadline_ms` counts from when a
    /// row's own search begins. A `Scorer` cannot be asked: it knows one query.
    #[pyo3(signature = (
        Q, k = 10, threads = None, r#where = None, dims = None, ef = None, nprobe = None, target_recall = None,
        deadline_ms = None, rerank = None, *, query_variance = None, budget = None
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
    ) -> PyResult<Arrays<'py>> {
        let queries = input::matrix(Q, "queries")?;
        let stages = Stages::of_many(rerank)?;
        let asked = Asked {
            k,
            filter: r#where.map(input::filter).transpose()?,
            dims,
            ef: asked::effort(ef)?,
            nprobe: asked::effort(nprobe)?,
            target_recall,
            deadline: asked::deadline(deadline_ms)?,
            budget,
            query_variance: query_variance.map(asked::variance).transpose()?,
            stages: stages.list,
        };
        batch::search(py, &self.handle(py)?, &queries, k, threads, |search| asked.of(search))
    }

    /// Makes searches fast, now: puts the rows in as few segments as possible and builds their index. All rows that were there
    /// when it was called are indexed when it returns; writes and searches go on meanwhile.
    ///
    /// `index` is "auto", "hnsw" (with `m`, `ef_construction`, `edge_bits`), "ivf" (with `nlist`) or "flat".
    #[pyo3(signature = (index = "auto", progress = None, **build_parameters))]
    fn optimize(
        &self,
        py: Python<'_>,
        index: &str,
        progress: Option<&Bound<'_, PyAny>>,
        build_parameters: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let build = optimize::Build::new(index, build_parameters)?;
        let progress = Progress::new(progress, "optimizing")?;
        build.run(py, &self.handle(py)?, progress)
    }

    /// Seals its fresh rows into a segment, now.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.handle(py)?;
        let flushed = py.detach(|| collection.flush());
        errors::result(py, flushed)
    }

    /// What it holds and takes on disk, as a dict: `rows`, `dim`, `metric`, `segments`, `bytes_live`, `bytes_dead`, ….
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.open.stats(py)?;
        let own = stats.collections.iter().find(|collection| collection.name == self.name);
        let own = own.ok_or_else(|| {
            errors::new(py, "NotFound", &format!("collection `{}` is not there any more", self.name))
        })?;
        json::of_report(py, own)
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

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(usize::try_from(self.handle(py)?.len()).unwrap_or(usize::MAX))
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (key, collection) = (input::key(id)?, self.handle(py)?);
        errors::result(py, collection.contains(key))
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
