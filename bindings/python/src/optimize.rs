//! What `optimize` is asked to build.
//!
//! Reads from: keyword arguments. Writes to: the facade. Never: a parameter passed over in silence.

use foretaste::{Collection, HnswParams, IvfParams, Spec};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::progress::Progress;

/// Steps of which progress is told.
const STEPS: u64 = 1000;

/// An index to build.
pub struct Build(Spec);

impl Build {
    /// From the arguments of `optimize`.
    pub fn new(index: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Build> {
        let mut given = Given { index, left: parameters.map(|p| p.copy()).transpose()? };
        let spec = match index {
            "auto" => Spec::Auto,
            "flat" => Spec::Flat,
            "ivf" => Spec::Ivf(IvfParams { nlist: given.take("nlist")? }),
            "hnsw" => {
                let usual = HnswParams::default();
                Spec::Hnsw(HnswParams {
                    m: given.take("m")?.unwrap_or(usual.m),
                    ef_construction: given.take("ef_construction")?.unwrap_or(usual.ef_construction),
                    edge_bits: given.take("edge_bits")?.or(usual.edge_bits),
                })
            }
            other => {
                let why = format!("index is one of auto, flat, ivf, hnsw, not {other:?}");
                return Err(PyValueError::new_err(why));
            }
        };
        given.end()?;
        Ok(Build(spec))
    }

    /// What indexes are wanted.
    pub fn spec(&self) -> Spec {
        self.0
    }

    /// Builds it.
    pub fn run(&self, py: Python<'_>, collection: &Collection, mut progress: Progress) -> PyResult<()> {
        let done = py.detach(|| {
            let step = |part: f64| (part * STEPS as f64) as u64;
            // Every step of the work goes from 0 to 1; the last word is told when all is done.
            collection.optimize(self.0, |now| progress.tell(step(now.part).min(STEPS - 1), STEPS))?;
            progress.tell(STEPS, STEPS);
            Ok(())
        });
        progress.end(py, done)
    }
}

/// Keyword arguments of which some have been taken.
struct Given<'a, 'py> {
    index: &'a str,
    left: Option<Bound<'py, PyDict>>,
}

impl<'py> Given<'_, 'py> {
    fn take<T>(&mut self, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
    {
        let Some(left) = &self.left else { return Ok(None) };
        let Some(value) = left.get_item(name)?.filter(|value| !value.is_none()) else { return Ok(None) };
        left.del_item(name)?;
        value.extract().map(Some)
    }

    /// Refuses what is left.
    fn end(self) -> PyResult<()> {
        let first = self.left.and_then(|left| left.keys().into_iter().next());
        let Some(name) = first else { return Ok(()) };
        let (name, index) = (name.extract::<String>()?, self.index);
        let instead = match name.as_str() {
            "threads" => "it is given to open, as build_threads",
            "seed" => "it is given to open, as build_seed",
            _ => "hnsw takes m, ef_construction and edge_bits; ivf takes nlist",
        };
        Err(PyTypeError::new_err(format!("index {index:?} takes no {name}: {instead}")))
    }
}
