//! The database as a Python class: open, collections, close.
//!
//! Reads from: `foretaste::Database`. Writes to: the same. Never: a handle left open by `close`.
#![expect(
    clippy::disallowed_types,
    reason = "the lock only guards which handles are open; it is never held while Python or the disk is waited for"
)]

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use foretaste::lang::ColumnType;
use foretaste::{Element, Metric, RotationKind, Schema, Variance};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::collection::Collection;
use crate::progress::Progress;
use crate::{errors, json};

/// The handles of an open database. Closing takes them out, whoever else holds this.
pub struct Open(RwLock<Option<Handles>>);

struct Handles {
    database: foretaste::Database,
    collections: Vec<Weak<Slot>>,
}

/// One collection's handle, until the database is closed.
pub struct Slot(RwLock<Option<foretaste::Collection>>);

impl Slot {
    /// Uses the collection if it is still open.
    pub fn with<T>(&self, py: Python<'_>, f: impl FnOnce(&foretaste::Collection) -> T) -> PyResult<T> {
        let collection = self.0.read().unwrap_or_else(PoisonError::into_inner);
        collection.as_ref().map(f).ok_or_else(|| closed(py))
    }
}

impl Open {
    fn database(&self, py: Python<'_>) -> PyResult<foretaste::Database> {
        let handles = self.0.read().unwrap_or_else(PoisonError::into_inner);
        handles.as_ref().map(|handles| handles.database.clone()).ok_or_else(|| closed(py))
    }

    fn keep(&self, py: Python<'_>, collection: foretaste::Collection) -> PyResult<Arc<Slot>> {
        let mut handles = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let collections = &mut handles.as_mut().ok_or_else(|| closed(py))?.collections;
        collections.retain(|slot| slot.strong_count() > 0);
        let slot = Arc::new(Slot(RwLock::new(Some(collection))));
        collections.push(Arc::downgrade(&slot));
        Ok(slot)
    }

    /// What the database holds and takes.
    pub fn stats(&self, py: Python<'_>) -> PyResult<foretaste::Stats> {
        let database = self.database(py)?;
        let stats = py.detach(|| database.stats());
        errors::result(py, stats)
    }
}

fn closed(py: Python<'_>) -> PyErr {
    errors::new(py, "Closed", "the database was closed; open it again")
}

/// An open database: `foretaste.open(path)` gives one. A context manager that closes it.
#[pyclass(frozen, module = "foretaste")]
pub struct Database {
    open: Arc<Open>,
}

/// Opens the database folder at `path`.
///
/// `mode` "rw" (the default) opens it for writing and creates it when it is missing; one process at a time may do so. "r"
/// opens it to read, beside a writer and on read-only media.
///
/// Raises `Locked` when another process writes to it, `NotFound` when it is missing and mode is "r", `Corrupt`,
/// `FormatTooNew` and `IoError`.
#[pyfunction]
#[pyo3(signature = (path, mode = "rw", *, build_threads = None, build_seed = None))]
pub fn open(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    build_threads: Option<usize>,
    build_seed: Option<u64>,
) -> PyResult<Database> {
    let read_only = match mode {
        "rw" => false,
        "r" => true,
        other => return Err(PyValueError::new_err(format!("mode is \"rw\" or \"r\", not {other:?}"))),
    };
    let mut options = foretaste::Database::options().read_only(read_only);
    if let Some(threads) = build_threads {
        options = options.build_threads(threads);
    }
    if let Some(seed) = build_seed {
        options = options.build_seed(seed);
    }
    let database = py.detach(|| options.open(path));
    let handles = Handles { database: errors::result(py, database)?, collections: Vec::new() };
    Ok(Database { open: Arc::new(Open(RwLock::new(Some(handles)))) })
}

#[pymethods]
impl Database {
    /// Creates a collection; it is durable when this returns.
    ///
    /// `metric` is "cosine", "dot" or "l2"; `levels` are the nested lengths at which the vectors may be searched;
    /// `variance` is None, "scalar", "diagonal" or "diagonal-compact"; `dtype` is "f32", "f16", "bf16" or "i8"; `columns`
    /// maps payload paths to "bool", "int", "float" or "str", for fast and checked filters. `rotation` says what the codes of
    /// an index are made of: "pca" (the default), the principal components, or "none", the vectors as they are. `tokens` are
    /// the numbers of a token when rows may have token matrices beside their vectors, for late interaction; `tokens_dtype`
    /// says how those are stored.
    ///
    /// Raises `Exists`, `BadRequest`, `LimitExceeded`, `ReadOnly`.
    #[pyo3(signature = (name, dim, metric = "cosine", levels = None, variance = None, dtype = "f32", rotation = None, columns = None, *, tokens = None, tokens_dtype = "f16"))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn create_collection(
        &self,
        py: Python<'_>,
        name: &str,
        dim: usize,
        metric: &str,
        levels: Option<Vec<usize>>,
        variance: Option<&str>,
        dtype: &str,
        rotation: Option<&str>,
        columns: Option<&Bound<'_, PyDict>>,
        tokens: Option<usize>,
        tokens_dtype: &str,
    ) -> PyResult<Collection> {
        let metric: Metric = metric
            .parse()
            .map_err(|_| PyValueError::new_err(format!("metric is cosine, dot or l2, not {metric:?}")))?;
        let dtypes =
            [("f32", Element::F32), ("f16", Element::F16), ("bf16", Element::BF16), ("i8", Element::I8)];
        let variances = [
            ("none", Variance::None),
            ("scalar", Variance::Scalar),
            ("diagonal", Variance::Diagonal),
            ("diagonal-compact", Variance::DiagonalCompact),
        ];
        let mut schema = Schema::new(dim, metric).element(one_of("dtype", dtype, &dtypes)?).variance(one_of(
            "variance",
            variance.unwrap_or("none"),
            &variances,
        )?);
        if let Some(rotation) = rotation {
            let rotations = [("none", RotationKind::None), ("pca", RotationKind::Pca)];
            schema = schema.rotation(one_of("rotation", rotation, &rotations)?);
        }
        let tokens_dtype = one_of("tokens_dtype", tokens_dtype, &dtypes)?;
        if let Some(tokens) = tokens {
            schema = schema.tokens(tokens, tokens_dtype);
        }
        if let Some(levels) = levels {
            schema = schema.levels(levels);
        }
        let kinds = [
            ("bool", ColumnType::Bool),
            ("int", ColumnType::Int),
            ("float", ColumnType::Float),
            ("str", ColumnType::Str),
        ];
        for (path, kind) in columns.into_iter().flatten() {
            let (path, kind): (String, String) = (path.extract()?, kind.extract()?);
            schema = schema.column(path, one_of("a column's type", &kind, &kinds)?);
        }
        let database = self.open.database(py)?;
        let created = py.detach(|| database.create_collection(name, schema));
        Collection::new(py, &self.open, errors::result(py, created)?)
    }

    /// Opens a collection. Raises `NotFound`, naming those there are.
    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Collection> {
        let collection = self.open.database(py)?.collection(name);
        Collection::new(py, &self.open, errors::result(py, collection)?)
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        Ok(self.collections(py)?.iter().any(|there| there == name))
    }

    /// The names of its collections, sorted.
    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.open.database(py)?.collections())
    }

    /// Removes a collection with all its rows. Raises `NotFound`, `ReadOnly`.
    fn drop_collection(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let database = self.open.database(py)?;
        let dropped = py.detach(|| database.drop_collection(name));
        errors::result(py, dropped)
    }

    /// What the database holds and what it takes on disk, as a dict.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::of_report(py, &self.open.stats(py)?)
    }

    /// Gives the space of deleted and replaced rows back. Raises `Cancelled` when `progress` returns False.
    #[pyo3(signature = (progress = None))]
    fn compact(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let mut progress = Progress::new(progress, "compacting")?;
        let database = self.open.database(py)?;
        let done = py.detach(|| database.compact(|done, total| progress.tell(done, total)));
        progress.end(py, done)
    }

    /// In mode "r", shows what the writer has committed since. Does nothing for a writer.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.open.database(py)?;
        let refreshed = py.detach(|| database.refresh());
        errors::result(py, refreshed)
    }

    /// Closes it; its collections cannot be used any more, answers can. Closing twice does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handles = self.open.0.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Handles { database, collections }) = handles else { return Ok(()) };
        let closed = py.detach(|| {
            for slot in collections.iter().filter_map(Weak::upgrade) {
                drop(slot.0.write().unwrap_or_else(PoisonError::into_inner).take());
            }
            database.close()
        });
        errors::result(py, closed)
    }

    /// The database folder.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<PathBuf> {
        Ok(self.open.database(py)?.path())
    }

    /// "rw" or "r".
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(if self.open.database(py)?.is_read_only() { "r" } else { "rw" })
    }

    fn __enter__(database: Py<Self>) -> Py<Self> {
        database
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let open = self.open.database(py).map(|database| {
            let names = database.collections().into_iter();
            let names = PyList::new(py, names).map(|names| names.to_string()).unwrap_or_default();
            format!("<Database {} with {names}>", database.path().display())
        });
        open.unwrap_or_else(|_| "<Database, closed>".to_string())
    }
}

impl Collection {
    fn new(py: Python<'_>, open: &Arc<Open>, collection: foretaste::Collection) -> PyResult<Collection> {
        let name = collection.name().to_string();
        Ok(Collection { open: Arc::clone(open), slot: open.keep(py, collection)?, name })
    }
}

fn one_of<T: Copy>(what: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(name, _)| *name == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let names = choices.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        PyValueError::new_err(format!("{what} is one of {names}, not {given:?}"))
    })
}
