//! What an adapter is worth, as Python objects.
//!
//! Reads from: `foretaste::FitReport`. Writes to: numbers, dicts. Never: a mean without its interval.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What is known of an adapter, from pairs that it was not fitted on. Retention is measured among at most 10,000 of the pairs; in a
/// larger collection neighbours are nearer to each other, and fewer are found again.
#[pyclass(frozen, module = "foretaste")]
pub struct FitReport(pub foretaste::FitReport);

/// A mean over items, and where the mean over all possible items is with 95 % confidence.
#[pyclass(frozen, module = "foretaste")]
pub struct Estimate(foretaste::Estimate);

#[pymethods]
impl FitReport {
    /// All items.
    #[getter]
    fn pairs(&self) -> usize {
        self.0.pairs
    }

    /// How many of them were held out.
    #[getter]
    fn held_out(&self) -> usize {
        self.0.held_out
    }

    /// The share of held-out items whose nearest by the new model is the nearest that is found.
    #[getter]
    fn retention_at_1(&self) -> Estimate {
        Estimate(self.0.retention_at_1)
    }

    /// The mean share of the ten nearest by the new model that are among the ten that are found.
    #[getter]
    fn retention_at_10(&self) -> Estimate {
        Estimate(self.0.retention_at_10)
    }

    /// The same share for the old model without any adapter: what it lacks of 1 the old vectors never had.
    #[getter]
    fn old_at_10(&self) -> Estimate {
        Estimate(self.0.old_at_10)
    }

    /// The mean cosine of mapped and true vectors.
    #[getter]
    fn cosine(&self) -> f64 {
        self.0.cosine
    }

    /// The ridge that was used, or None for methods that have none.
    #[getter]
    fn ridge(&self) -> Option<f64> {
        self.0.ridge
    }

    /// Whether the adapter is fitted on all items, after this report on one that was not.
    #[getter]
    fn refitted(&self) -> bool {
        self.0.refitted
    }

    /// Its figures as a dict of numbers and dicts, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (own, dict) = (&self.0, PyDict::new(py));
        dict.set_item("pairs", own.pairs)?;
        dict.set_item("held_out", own.held_out)?;
        for (name, estimate) in [
            ("retention_at_1", own.retention_at_1),
            ("retention_at_10", own.retention_at_10),
            ("old_at_10", own.old_at_10),
        ] {
            let figures = PyDict::new(py);
            figures.set_item("mean", estimate.mean)?;
            figures.set_item("low", estimate.low)?;
            figures.set_item("high", estimate.high)?;
            dict.set_item(name, figures)?;
        }
        dict.set_item("cosine", own.cosine)?;
        dict.set_item("ridge", own.ridge)?;
        dict.set_item("refitted", own.refitted)?;
        Ok(dict)
    }

    /// A report from what `to_dict` has given. Raises `KeyError` when something of it is missing.
    #[staticmethod]
    fn from_dict(figures: &Bound<'_, PyAny>) -> PyResult<FitReport> {
        let estimate = |name: &str| -> PyResult<foretaste::Estimate> {
            let own = figures.get_item(name)?;
            let figure = |name: &str| own.get_item(name)?.extract::<f64>();
            Ok(foretaste::Estimate { mean: figure("mean")?, low: figure("low")?, high: figure("high")? })
        };
        Ok(FitReport(foretaste::FitReport {
            pairs: figures.get_item("pairs")?.extract()?,
            held_out: figures.get_item("held_out")?.extract()?,
            retention_at_1: estimate("retention_at_1")?,
            retention_at_10: estimate("retention_at_10")?,
            old_at_10: estimate("old_at_10")?,
            cosine: figures.get_item("cosine")?.extract()?,
            ridge: figures.get_item("ridge")?.extract()?,
            refitted: figures.get_item("refitted")?.extract()?,
        }))
    }

    fn __eq__(&self, other: &FitReport) -> bool {
        self.0 == other.0
    }

    fn __repr__(&self) -> String {
        let foretaste::FitReport {
            pairs, held_out, retention_at_1, retention_at_10, old_at_10, cosine, ..
        } = &self.0;
        format!(
            "<FitReport on {held_out} of {pairs} pairs: retention at 1 {}, at 10 {}; the old model at 10 {}; cosine {cosine:.3}>",
            shown(retention_at_1),
            shown(retention_at_10),
            shown(old_at_10)
        )
    }
}

#[pymethods]
impl Estimate {
    /// The mean.
    #[getter]
    fn mean(&self) -> f64 {
        self.0.mean
    }

    /// The lower end of the interval.
    #[getter]
    fn low(&self) -> f64 {
        self.0.low
    }

    /// Its upper end.
    #[getter]
    fn high(&self) -> f64 {
        self.0.high
    }

    fn __repr__(&self) -> String {
        format!("Estimate({})", shown(&self.0))
    }
}

/// An estimate as text.
pub fn shown(estimate: &foretaste::Estimate) -> String {
    let foretaste::Estimate { mean, low, high } = estimate;
    format!("{mean:.3} ({low:.3} to {high:.3})")
}
