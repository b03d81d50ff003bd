//! What `optimize` is asked to build.
//!
//! Reads from: keyword arguments. Writes to: the facade. Never: a parameter passed over in silence.

use foretaste::Collection;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::progress::Progress;

/// The parameters of each index, and their ranges; `threads` and `seed` go with all.
const INDEXES: [(&str, &[Parameter]); 4] = [
    ("auto", &[]),
    ("flat", &[]),
    ("ivf", &[("nlist", 1, u32::MAX as u64)]),
    ("hnsw", &[("m", 2, 256), ("ef_construction", 1, 65_536), ("edge_bits", 0, 4)]),
];
const COMMON: [Parameter; 2] = [("threads", 1, 1024), ("seed", 0, u64::MAX)];

/// A name, the least and the largest value.
type Parameter = (&'static str, u64, u64);

/// An index to build.
pub struct Build;

impl Build {
    /// From the arguments of `optimize`.
    pub fn new(index: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Build> {
        let Some((_, own)) = INDEXES.iter().find(|(name, _)| *name == index) else {
            let names = INDEXES.map(|(name, _)| name).join(", ");
            return Err(PyValueError::new_err(format!("index is one of {names}, not {index:?}")));
        };
        for (name, value) in parameters.into_iter().flatten() {
            let name: String = name.extract()?;
            let known = own.iter().chain(&COMMON).find(|(known, ..)| *known == name);
            let Some((_, least, most)) = known else {
                let names: Vec<&str> = own.iter().chain(&COMMON).map(|(name, ..)| *name).collect();
                let names = names.join(", ");
                let why = format!("optimize(index={index:?}) takes no {name:?}, it takes {names}");
                return Err(PyTypeError::new_err(why));
            };
            let value: u64 = value.extract()?;
            if value < *least || value > *most {
                return Err(PyValueError::new_err(format!("{name} is {least} to {most}, not {value}")));
            }
        }
        Ok(Build)
    }

    /// Builds it.
    pub fn run(&self, py: Python<'_>, collection: &Collection, mut progress: Progress) -> PyResult<()> {
        let done = py.detach(|| collection.compact(|done, total| progress.tell(done, total)));
        progress.end(py, done)
    }
}
