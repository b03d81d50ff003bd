//! The database as a Python class: open, collections, upkeep, close; and the care of one that nobody has open.
//!
//! Reads from: `foretaste::Database`. Writes to: the same. Never: a handle left open by `close`.

use std::path::PathBuf;
use std::sync::Arc;

use foretaste::{Access, Durability};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping, PyString};

use crate::collection::Collection;
use crate::handles::Open;
use crate::progress::Progress;
use crate::schema::{self, Vectors, Wanted};
use crate::{errors, json};

/// An open database: `foretaste.open(path)` gives one. A context manager that closes it.
#[pyclass(frozen, module = "foretaste")]
pub struct Database {
    open: Arc<Open>,
}

/// Opens the database folder at `path`.
///
/// `mode` "rw" (the default) opens it for writing and creates it when it is missing, unless `create` is False; one process at a
/// time may do so. "r" opens it to read, beside a writer and on read-only media.
///
/// `durability` says when a commit is acknowledged: "sync" (the default) after it is on the disk; "none" at once, so that a power
/// loss may take it, a killed process not; a number of milliseconds, at most so long before it is on the disk. `access` "map" (the
/// default) maps sealed files into memory, "read" reads them, for network, removable or untrusted media. With `background` False
/// sealing and compaction happen within the commits that make them due, and indexes are built by `optimize` alone. `seal_bytes`
/// of fresh rows make a segment. `build_threads` and `build_seed` are those of search indexes. `remembered_scores` is how many scores
/// of a `Scorer` with a version are kept (1,000,000 when None, about 300 bytes each); 0 keeps none, and uses none.
///
/// After a fork the child cannot use what its parent opened for writing: `Forked`. What was opened to read it can. Processes that
/// are spawned open the database themselves.
///
/// Raises `Locked` when another process writes to it, `NotFound` when it is missing and may not be created, `Corrupt`,
/// `FormatTooNew` and `IoError`.
#[pyfunction]
#[pyo3(signature = (
    path, mode = "rw", *, create = true, durability = None, access = "map", background = true, seal_bytes = None,
    build_threads = None, build_seed = None, remembered_scores = None
))]
#[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn open(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    create: bool,
    durability: Option<&Bound<'_, PyAny>>,
    access: &str,
    background: bool,
    seal_bytes: Option<u64>,
    build_threads: Option<usize>,
    build_seed: Option<u64>,
    remembered_scores: Option<u64>,
) -> PyResult<Database> {
    let read_only = schema::one_of("mode", mode, &[("rw", false), ("r", true)])?;
    let access = schema::one_of("access", access, &[("map", Access::Map), ("read", Access::Read)])?;
    let options = foretaste::Database::options().read_only(read_only).create(create);
    let mut options = options.access(access).background(background);
    if let Some(durability) = durability {
        options = options.durability(acknowledged(durability)?);
    }
    if let Some(bytes) = seal_bytes {
        options = options.seal_bytes(bytes);
    }
    if let Some(threads) = build_threads {
        options = options.build_threads(threads);
    }
    if let Some(seed) = build_seed {
        options = options.build_seed(seed);
    }
    if let Some(most) = remembered_scores {
        options = options.remembered_scores(most);
    }
    let database = py.detach(|| options.open(path));
    Ok(Database { open: Arc::new(Open::new(errors::result(py, database)?)) })
}

/// Verifies every byte of the database at `path` without changing anything; a writer may have it open.
///
/// Gives a dict: `sound` is True when nothing is damaged, `damage` a list of dicts with `file`, `offset` and `why`, `notes` what
/// else is worth knowing; `generation`, `segments`, `rows`, `log_batches` and `bytes` say what was verified. Damage is no
/// exception.
///
/// Raises `NotFound`; `Cancelled` when `progress` returns False.
#[pyfunction]
#[pyo3(signature = (path, progress = None))]
pub fn check<'py>(
    py: Python<'py>,
    path: PathBuf,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut progress = Progress::new(progress, "checking")?;
    let options = foretaste::Database::options();
    let done = py.detach(|| foretaste::check(&path, &options, &mut |done, total| progress.tell(done, total)));
    let report = progress.end(py, done)?;
    let dict = json::of_report(py, &report)?;
    dict.set_item("sound", report.is_sound())?;
    Ok(dict)
}

/// Repairs the database at `path`, which nobody may have open: saves what is whole, and keeps the damaged originals.
///
/// Gives a dict: `rows_saved`, `rows_lost` (ids, or places where no id reads), `actions` (what was done, in order; nothing when
/// nothing was damaged) and `quarantine`, the folder of the originals, or None.
///
/// Raises `Locked`, `NotFound`, `Corrupt` when there is nothing to begin with, `IoError`.
#[pyfunction]
pub fn repair(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let options = foretaste::Database::options();
    let done = py.detach(|| foretaste::repair(&path, &options, &mut |_| ()));
    json::of_report(py, &errors::result(py, done)?)
}

/// When a commit is acknowledged.
fn acknowledged(durability: &Bound<'_, PyAny>) -> PyResult<Durability> {
    if let Ok(ms) = durability.extract::<u64>() {
        return Ok(Durability::Interval(ms));
    }
    if !durability.is_instance_of::<PyString>() {
        let why = "durability is \"sync\", \"none\", or a whole number of milliseconds";
        return Err(PyTypeError::new_err(why));
    }
    let names = [("sync", Durability::Sync), ("none", Durability::None)];
    schema::one_of("durability", &durability.extract::<String>()?, &names)
}

#[pymethods]
impl Database {
    /// Creates a collection; it is durable when this returns.
    ///
    /// `metric` is "cosine", "dot" or "l2"; `levels` are the nested lengths at which the vectors may be searched;
    /// `variance` is None, "scalar", "diagonal" or "diagonal-compact"; `dtype` is "f32", "f16", "bf16" or "i8"; `columns`
    /// maps payload paths to "bool", "int", "float" or "str", for fast and checked filters. `rotation` says what the codes of
    /// an index are made of: "pca" (the default), the principal components, or "none", the vectors as they are.
    ///
    /// `tokens` is given when rows may have token matrices beside their vectors, for late interaction: the numbers of a token, or a
    /// tuple of them and the type in which they are stored, "f16" unless said otherwise.
    ///
    /// `text` are the payload paths of full-text fields: one, a list of them, or a dict from each to how its texts become words. That
    /// is None, the name of a language whose words are cut down to their stems, or a dict of `language`, `stem` (True when there is
    /// a language) and `accents` (False: those of Latin and Greek letters do not count).
    ///
    /// `fields` are further vectors that rows may have, each of its own kind: a dict from their names to dicts of `dim` and, as above,
    /// `metric`, `levels`, `variance`, `dtype`, `rotation` and `recipe`. Each has indexes and a copy of the documents of its own.
    ///
    /// `space` says what the vectors are made by, as "model@version": queries may say the same, and the model can be changed while it
    /// is in use; see `Collection.begin_change`.
    ///
    /// `recipe` says what a model's own output needs before its first numbers mean anything alone: ("layer_norm", 768) for a model of
    /// 768 numbers. Rows and queries of that length are transformed as a whole and then cut to `dim`; vectors of other lengths are
    /// taken as they are stored.
    ///
    ///     db.create_collection("docs", dim=384, tokens=(128, "i8"), text={"title": None, "body": "english"})
    ///     db.create_collection("shop", dim=384, space="minilm@2", fields={"image": {"dim": 512, "dtype": "f16"}})
    ///     db.create_collection("nomic", dim=256, levels=[64, 256], recipe=("layer_norm", 768))
    ///
    /// Raises `Exists`, `BadRequest`, `LimitExceeded`, `ReadOnly`.
    #[pyo3(signature = (
        name, dim, metric = "cosine", levels = None, variance = None, dtype = "f32", rotation = None, columns = None, *,
        tokens = None, text = None, fields = None, space = None, recipe = None
    ))]
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
        columns: Option<&Bound<'_, PyMapping>>,
        tokens: Option<&Bound<'_, PyAny>>,
        text: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyMapping>>,
        space: Option<&str>,
        recipe: Option<(String, usize)>,
    ) -> PyResult<Collection> {
        let vectors = Vectors { dim, metric, levels, variance, dtype, rotation, space, recipe };
        let schema = Wanted { vectors, columns, tokens, text, fields }.schema(py)?;
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

    /// Forgets what a version of a scorer said of rows, or with None what all of them said; see `Scorer`.
    #[pyo3(signature = (version = None))]
    fn forget_scores(&self, py: Python<'_>, version: Option<&str>) -> PyResult<()> {
        let database = self.open.database(py)?;
        py.detach(|| database.forget_scores(version));
        Ok(())
    }

    /// What the database holds and what it takes on disk, as a dict.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::of_report(py, &self.open.stats(py)?)
    }

    /// Seals all fresh rows into segments, now. Raises `ReadOnly`, `IoError`.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.open.database(py)?;
        let flushed = py.detach(|| database.flush());
        errors::result(py, flushed)
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

    /// Closes it; its collections cannot be used any more, snapshots and answers can. Closing twice does nothing, and so does
    /// closing in a fork what its parent has open for writing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.open.close(py)
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
