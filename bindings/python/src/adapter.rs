//! Maps from the vectors of one model to those of another, fitted and applied, as Python classes.
//!
//! Reads from: numpy's arrays. Writes to: numpy's arrays, bytes. Never: the interpreter's lock held while something is fitted or
//! applied, but to ask whether to go on.

use std::sync::Arc;

use foretaste::{FitOptions, Method, Order, Pairs, Use};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::report::{self, FitReport};
use crate::signals::Cancel;
use crate::{errors, input, schema};

/// A linear map from the vectors of one model to those of another. `fit_adapter` gives one, `from_bytes` an earlier one.
///
/// What it gives has not the length that a model of unit vectors would give: compare by cosine, or scale it to length 1.
#[pyclass(frozen, module = "foretaste")]
pub struct Adapter {
    pub map: Arc<foretaste::Adapter>,
    pub report: Option<foretaste::FitReport>,
}

/// What says of a row how wrong its mapped vector is expected to be: an order in which rows are embedded again (FastFill: Jaeckle and
/// others, ICLR 2023, arXiv 2303.04766). `fit_error_model` gives one.
#[pyclass(frozen, module = "foretaste")]
pub struct ErrorModel {
    model: Arc<foretaste::ErrorModel>,
    map: Arc<foretaste::Adapter>,
}

/// Fits a map between the spaces of two models on items that both have embedded: row `i` of both arrays is one item.
///
/// `new_vectors` and `old_vectors` have the shapes (items, dimensions of the model); at least 40 items, better some thousands.
/// `direction` "queries" maps queries of the new model into the space of the old rows, for `Collection.set_rule`; "rows" maps old
/// rows into the space of the new model, for `fit_error_model`. `metric` is how vectors are compared.
///
/// `method` is "ridge" (ridge regression, the most accurate with several times more items than dimensions; `ridge` holds the map
/// back, in parts of the mean variance of a dimension, and is chosen when None), "procrustes" (a rotation, the safest with few items;
/// `scaled` fits one factor, too) or "anchors" (by the similarities with `anchors` of the items).
///
/// A fifth of the items, at least 20 and at most 2,000, is held out for `report`; with `refit` the map is then fitted on all of
/// them. The result does not depend on `threads`. `cancel` is a function without arguments that is asked from time to time, and
/// ends the fit by returning True; Ctrl-C does, too.
///
///     adapter = ft.fit_adapter(new.encode(texts), old.encode(texts))
///     adapter.report.retention_at_10
///
/// Raises `BadRequest` for too few items, arrays that do not belong together and numbers that are not finite; `Cancelled`.
#[pyfunction]
#[pyo3(signature = (
    new_vectors, old_vectors, method = "ridge", *, metric = "cosine", direction = "queries", ridge = None, scaled = None,
    anchors = None, refit = true, threads = 1, cancel = None
))]
#[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn fit_adapter(
    py: Python<'_>,
    new_vectors: &Bound<'_, PyAny>,
    old_vectors: &Bound<'_, PyAny>,
    method: &str,
    metric: &str,
    direction: &str,
    ridge: Option<f64>,
    scaled: Option<bool>,
    anchors: Option<usize>,
    refit: bool,
    threads: usize,
    cancel: Option<&Bound<'_, PyAny>>,
) -> PyResult<Adapter> {
    let chosen = match method {
        "ridge" => Method::Ridge { ridge },
        "procrustes" => Method::Procrustes { scaled: scaled.unwrap_or(false) },
        "anchors" => {
            let why = "anchors says how many of the items the method \"anchors\" takes";
            Method::Anchors { count: anchors.ok_or_else(|| PyValueError::new_err(why))? }
        }
        other => {
            let why = format!("method is one of \"ridge\", \"procrustes\", \"anchors\", not {other:?}");
            return Err(PyValueError::new_err(why));
        }
    };
    let of_others =
        [("ridge", ridge.is_some()), ("procrustes", scaled.is_some()), ("anchors", anchors.is_some())];
    if of_others.iter().any(|(name, given)| *given && *name != method) {
        let why = "ridge is for the method \"ridge\", scaled for \"procrustes\", anchors for \"anchors\"";
        return Err(PyValueError::new_err(why));
    }
    let direction =
        schema::one_of("direction", direction, &[("queries", Use::Queries), ("rows", Use::Rows)])?;
    let options = FitOptions { method: chosen, metric: schema::metric(metric)?, direction, refit, threads };
    let (new, old) = (input::matrix(new_vectors, "new_vectors")?, input::matrix(old_vectors, "old_vectors")?);
    let cancel = Cancel::new(cancel)?;
    let (new, old) = (rows(&new), rows(&old));
    let fitted = py.detach(|| {
        let pairs = Pairs::new(new.0, new.1, old.0, old.1)?;
        let pairs = if direction == Use::Rows { pairs.swapped() } else { pairs };
        foretaste::fit_adapter(pairs, &options, &|| cancel.asked())
    });
    let (map, report) = cancel.end(py, fitted)?;
    Ok(Adapter { map: Arc::new(map), report: Some(report) })
}

/// Fits what says how wrong a mapped row is expected to be, on items that both models have embedded.
///
/// The arrays are those of `fit_adapter`, which `adapter` must come from with `direction="rows"`; items that it was not fitted on tell
/// more when there are fewer than several times as many as dimensions. Four fifths of the items are fitted, on the others it is
/// measured how well it orders them: `rank_correlation`.
///
///     adapter = ft.fit_adapter(new, old, direction="rows")
///     change.run(embed, order=ft.fit_error_model(new, old, adapter))
///
/// Raises `BadRequest`, `Cancelled`.
#[pyfunction]
#[pyo3(signature = (new_vectors, old_vectors, adapter, *, metric = "cosine", threads = 1, cancel = None))]
pub fn fit_error_model(
    py: Python<'_>,
    new_vectors: &Bound<'_, PyAny>,
    old_vectors: &Bound<'_, PyAny>,
    adapter: &Adapter,
    metric: &str,
    threads: usize,
    cancel: Option<&Bound<'_, PyAny>>,
) -> PyResult<ErrorModel> {
    let metric = schema::metric(metric)?;
    let (new, old) = (input::matrix(new_vectors, "new_vectors")?, input::matrix(old_vectors, "old_vectors")?);
    let cancel = Cancel::new(cancel)?;
    let (new, old, map) = (rows(&new), rows(&old), &adapter.map);
    let fitted = py.detach(|| {
        let pairs = Pairs::new(old.0, old.1, new.0, new.1)?;
        foretaste::ErrorModel::fit(pairs, map, metric, threads, &|| cancel.asked())
    });
    let model = cancel.end(py, fitted)?;
    Ok(ErrorModel { model: Arc::new(model), map: Arc::clone(map) })
}

/// The numbers of an array, and how many a row has.
fn rows<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> (&'a [f32], usize) {
    (array.as_slice().unwrap_or_default(), array.shape().get(1).copied().unwrap_or(0))
}

fn bad(py: Python<'_>, why: &str) -> PyErr {
    errors::new(py, "BadRequest", why)
}

impl Adapter {
    /// Refuses vectors of another length.
    fn check(&self, py: Python<'_>, dim: usize) -> PyResult<()> {
        let expected = self.map.from_dims();
        if dim == expected {
            return Ok(());
        }
        Err(bad(py, &format!("the adapter maps vectors of {expected} dimensions, these have {dim}")))
    }
}

#[pymethods]
impl Adapter {
    /// Reads `to_bytes` back, to the last bit. `report` is what its fit has reported, which the bytes do not have.
    ///
    /// Raises `BadRequest` for bytes that are no adapter.
    #[staticmethod]
    #[pyo3(signature = (data, report = None))]
    fn from_bytes(py: Python<'_>, data: &[u8], report: Option<&FitReport>) -> PyResult<Adapter> {
        let map = foretaste::Adapter::from_bytes(data).map_err(|e| bad(py, &e.to_string()))?;
        Ok(Adapter { map: Arc::new(map), report: report.map(|report| report.0) })
    }

    /// The map as bytes, the same on every machine, without its report.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.map.to_bytes()))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.to_bytes(py)
    }

    /// What it is worth, or None when it was read from bytes without it.
    #[getter]
    fn report(&self) -> Option<FitReport> {
        self.report.map(FitReport)
    }

    /// By which method it was fitted: "ridge", "procrustes" or "anchors".
    #[getter]
    fn method(&self) -> String {
        format!("{:?}", self.map.kind()).to_lowercase()
    }

    /// Dimensions of what it maps.
    #[getter(from_dim)]
    fn source_dim(&self) -> usize {
        self.map.from_dims()
    }

    /// Dimensions of what it gives.
    #[getter]
    fn to_dim(&self) -> usize {
        self.map.to_dims()
    }

    /// Maps one vector, an array of one dimension, or rows of them, of shape (rows, `from_dim`); gives a new float32 array of as many
    /// dimensions.
    ///
    /// Raises `BadRequest` for vectors of another length.
    #[pyo3(signature = (x, *, threads = 1))]
    fn apply<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyUntypedArray>> {
        let to = self.map.to_dims();
        if let Ok(vector) = input::row(x) {
            let vector = vector.as_slice().unwrap_or_default();
            self.check(py, vector.len())?;
            let mut out = vec![0.0; to];
            self.map.apply(vector, &mut out);
            return Ok(PyArray1::from_vec(py, out).as_untyped().clone());
        }
        let vectors = input::matrix(x, "vectors")?;
        let (numbers, width) = rows(&vectors);
        self.check(py, width)?;
        let count = numbers.len() / width.max(1);
        let mut out = vec![0.0; count * to];
        py.detach(|| self.map.apply_many(numbers, &mut out, threads));
        Ok(PyArray1::from_vec(py, out).reshape([count, to])?.as_untyped().clone())
    }

    fn __repr__(&self) -> String {
        let (from, to, method) = (self.source_dim(), self.to_dim(), self.method());
        let worth = self.report.map_or_else(String::new, |report| {
            format!(", retains {} of the ten nearest", report::shown(&report.retention_at_10))
        });
        format!("<Adapter by {method} from {from} to {to} dimensions{worth}>")
    }
}

impl ErrorModel {
    /// Rows that are expected to be mapped worst come first.
    pub fn order(&self) -> Order {
        Order::ExpectedError { model: Arc::clone(&self.model), adapter: Arc::clone(&self.map) }
    }
}

#[pymethods]
impl ErrorModel {
    /// Spearman's rank correlation of expected and true errors, on items that it was not fitted on.
    #[getter]
    fn rank_correlation(&self) -> f64 {
        self.model.rank_correlation()
    }

    /// The expected squared error of each row's mapped vector, as a new float64 array. `vectors` are rows of the old model, of shape
    /// (rows, dimensions).
    ///
    /// Raises `BadRequest` for rows of another length.
    #[pyo3(signature = (vectors, *, threads = 1))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        vectors: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let vectors = input::matrix(vectors, "vectors")?;
        let (numbers, width) = rows(&vectors);
        let expected = self.map.from_dims();
        if width != expected {
            return Err(bad(py, &format!("rows of {expected} dimensions are expected, these have {width}")));
        }
        let errors = py.detach(|| self.model.predict(numbers, &self.map, threads));
        errors.map(|errors| PyArray1::from_vec(py, errors)).map_err(|e| bad(py, &e.to_string()))
    }

    fn __repr__(&self) -> String {
        format!("<ErrorModel, rank correlation {:.3}>", self.rank_correlation())
    }
}
