//! The spaces of a collection's vectors, and the change of the model, from Python.
//!
//! Reads from: `foretaste::Collection`. Writes to: the same. Never: work with the interpreter's lock held.

use std::collections::BTreeMap;

use foretaste::{Error, Rule};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::adapter::Adapter;
use crate::change::Change;
use crate::collection::Collection;
use crate::errors;
use crate::schema::{self, Schema, Vectors};

/// What an adapter has to retain of the ten nearest rows, unless said otherwise.
const LEAST_RETENTION: f64 = 0.8;

#[pymethods]
impl Collection {
    /// The space that its vectors are of, as "model@version", or None; see `set_space`.
    #[getter]
    fn space(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.handle(py)?.schema().vector_space().map(ToString::to_string))
    }

    /// Its further vector fields: a new dict from their names to what they hold.
    #[getter]
    fn vector_fields(&self, py: Python<'_>) -> PyResult<BTreeMap<String, Schema>> {
        let fields = self.handle(py)?.vector_fields().into_iter();
        Ok(fields.map(|(name, schema)| (name, Schema(schema))).collect())
    }

    /// Says which space its vectors are of, as "model@version", when it was created without one.
    ///
    /// Raises `Exists` when it says another one, `BadRequest`, `LimitExceeded`, `ReadOnly`.
    fn set_space(&self, py: Python<'_>, space: &str) -> PyResult<()> {
        let space = schema::space(py, space)?;
        self.work(py, |collection| collection.set_space(&space))
    }

    /// Says how queries of another space are compared with its rows; durable, and in place of the rule there was for that space.
    ///
    /// With `prefix` the first so many numbers of both are comparable: a model that was trained to be compatible, or one with more
    /// dimensions. With `adapter`, of `fit_adapter` for queries, they are mapped. Its report must say that of the ten nearest rows at
    /// least `least_retention` are found, by the lower end of the interval: 0.8 when None; 0 takes it whatever it is worth.
    ///
    /// Raises `BadRequest` with the figures when the adapter retains less; when the collection says no space, or the same one; when
    /// neither the prefix nor what the adapter gives is as long as a level. `ReadOnly`, `LimitExceeded`.
    #[pyo3(signature = (space, *, prefix = None, adapter = None, least_retention = None))]
    fn set_rule(
        &self,
        py: Python<'_>,
        space: &str,
        prefix: Option<usize>,
        adapter: Option<&Adapter>,
        least_retention: Option<f64>,
    ) -> PyResult<()> {
        let space = schema::space(py, space)?;
        let rule = match (prefix, adapter) {
            (Some(_), None) if least_retention.is_some() => {
                return Err(PyValueError::new_err("least_retention is for an adapter"));
            }
            (Some(dims), None) => Rule::prefix(dims),
            (None, Some(adapter)) => {
                let Some(report) = &adapter.report else {
                    let why = "it has no report; give `Adapter.from_bytes` the one of its fit".to_string();
                    return Err(errors::of(py, &Error::BadRequest { what: "adapter", why }));
                };
                let least = least_retention.unwrap_or(LEAST_RETENTION);
                errors::result(py, Rule::adapter((*adapter.map).clone(), report, least))?
            }
            _ => return Err(PyValueError::new_err("a rule is either a prefix or an adapter")),
        };
        self.work(py, |collection| collection.set_rule(&space, &rule))
    }

    /// Forgets the rule for queries of that space, if there is one. Raises `ReadOnly`.
    fn remove_rule(&self, py: Python<'_>, space: &str) -> PyResult<()> {
        let space = schema::space(py, space)?;
        self.work(py, |collection| collection.remove_rule(&space))
    }

    /// The spaces whose queries it has a rule for, as a new list.
    fn rules(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let rules = self.work(py, foretaste::Collection::rules)?;
        Ok(rules.into_iter().map(|(space, _)| space.to_string()).collect())
    }

    /// Begins to change the model that its vectors are by: makes room for its rows in another space, and gives the `Change`.
    ///
    /// The arguments say what vectors are there, as those of `Database.create_collection`; columns, full text and token matrices are
    /// the collection's. It goes on as it is, and takes queries of either space, by `search(q, space=…)`.
    ///
    ///     change = docs.begin_change(dim=768, space="large@1")
    ///     change.run(lambda rows: model.encode([row["text"] for row in rows.payloads]))
    ///     docs = change.flip()
    ///
    /// Raises `BadRequest` when the collection says no space, or the same one; `Exists` when a change is on its way; `NotFound` when the
    /// model was changed since the collection was opened; `LimitExceeded`, `ReadOnly`.
    #[pyo3(signature = (
        dim, metric = "cosine", levels = None, variance = None, dtype = "f32", rotation = None, *, space,
        recipe = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn begin_change(
        &self,
        py: Python<'_>,
        dim: usize,
        metric: &str,
        levels: Option<Vec<usize>>,
        variance: Option<&str>,
        dtype: &str,
        rotation: Option<&str>,
        space: &str,
        recipe: Option<(String, usize)>,
    ) -> PyResult<Change> {
        let space = Some(space);
        let vectors = Vectors { dim, metric, levels, variance, dtype, rotation, space, recipe };
        let schema = vectors.schema(py)?;
        let change = self.work(py, |collection| collection.begin_change(schema))?;
        Change::new(py, self.open(), change)
    }

    /// The change of its model that is on its way, or that was made and can be taken back; None when there is none.
    fn change(&self, py: Python<'_>) -> PyResult<Option<Change>> {
        let change = self.handle(py)?.change();
        change.map(|change| Change::new(py, self.open(), change)).transpose()
    }
}
