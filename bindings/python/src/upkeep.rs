//! The upkeep of a collection from Python: indexes, segments, levels, and what there is.
//!
//! Reads from: `foretaste::Collection`. Writes to: the same. Never: work with the interpreter's lock held.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::collection::Collection;
use crate::optimize::Build;
use crate::progress::Progress;
use crate::{errors, json, schema};

#[pymethods]
impl Collection {
    /// Declares one more full-text field; see `Database.create_collection` for `language`, `stem` and `accents`.
    ///
    /// It can be searched at once. The documents that are there are read for it until they have been indexed: in the background, or
    /// by `optimize`.
    ///
    /// Raises `BadRequest` when it is no path or declared already, `LimitExceeded`, `ReadOnly`.
    #[pyo3(signature = (field, *, language = None, stem = None, accents = false))]
    fn add_text(
        &self,
        py: Python<'_>,
        field: &str,
        language: Option<&str>,
        stem: Option<bool>,
        accents: bool,
    ) -> PyResult<()> {
        let analyser = schema::analyser(language, stem, accents)?;
        self.work(py, |collection| collection.add_text(field, analyser))
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
        let progress = Progress::new(progress, "optimizing")?;
        Build::new(index, build_parameters)?.run(py, &self.handle(py)?, progress)
    }

    /// Changes what indexes it should have, by the parameters of `optimize`; they are built in the background, or by that.
    /// `rotation` is "pca", "none", or None to leave it.
    #[pyo3(signature = (index = "auto", rotation = None, **build_parameters))]
    fn set_index(
        &self,
        py: Python<'_>,
        index: &str,
        rotation: Option<&str>,
        build_parameters: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let spec = Build::new(index, build_parameters)?.spec();
        let rotation = rotation.map(schema::rotation).transpose()?;
        self.work(py, |collection| {
            collection.set_index(spec, rotation.unwrap_or_else(|| collection.schema().rotation_kind()))
        })
    }

    /// Seals its fresh rows into a segment, now.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.work(py, |collection| collection.flush())
    }

    /// Makes as few segments as possible of it and gives the space of deleted rows back; see `Database.compact`.
    #[pyo3(signature = (progress = None))]
    fn compact(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (collection, mut progress) = (self.handle(py)?, Progress::new(progress, "compacting")?);
        let done = py.detach(|| collection.compact(|done, total| progress.tell(done, total)));
        progress.end(py, done)
    }

    /// Drops all dimensions beyond `dims`, which must be the length of a level. There is no way back but `extend` and writing the
    /// rows again.
    fn truncate(&self, py: Python<'_>, dims: usize) -> PyResult<()> {
        self.work(py, |collection| collection.truncate(dims))
    }

    /// Adds levels beyond the present dimension. The rows there are keep the levels they have and are compared on those; rows
    /// written from now on may have all.
    fn extend(&self, py: Python<'_>, levels: Vec<usize>) -> PyResult<()> {
        self.work(py, |collection| collection.extend(levels))
    }

    /// What it holds and takes on disk, as a dict: `rows`, `dim`, `metric`, `segments`, `bytes_live`, `bytes_dead`, ….
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.open().stats(py)?;
        let own = stats.collections.iter().find(|collection| collection.name == self.own_name());
        let own = own.ok_or_else(|| {
            errors::new(py, "NotFound", &format!("collection `{}` is not there any more", self.own_name()))
        })?;
        json::of_report(py, own)
    }
}
