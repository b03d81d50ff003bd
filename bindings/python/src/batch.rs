//! The search of many vectors on several threads.
//!
//! Reads from: numpy's arrays. Writes to: two arrays. Never: an id that does not fit them.

use foretaste::{Hits, Key};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::signals::Signals;

/// Ids and distances of many answers, a row a query.
pub type Arrays<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);

/// The answers that `ask` gives to the rows of `queries` unless it is cancelled.
pub fn search<'py>(
    py: Python<'py>,
    queries: &PyReadonlyArray2<'py, f32>,
    k: usize,
    ask: impl FnOnce(&[&[f32]], &(dyn Fn() -> bool + Sync)) -> foretaste::Result<Vec<Hits>> + Send,
) -> PyResult<Arrays<'py>> {
    let shape = queries.shape();
    let (rows, dim) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
    let numbers = queries.as_slice().unwrap_or_default();
    let queries: Vec<&[f32]> = numbers.chunks_exact(dim.max(1)).collect();
    let signals = Signals::new();
    let answers = py.detach(|| ask(&queries, &|| signals.asked()));
    let answers = signals.end(py, answers)?;
    let (mut ids, mut distances) = (vec![-1i64; rows * k], vec![f64::INFINITY; rows * k]);
    for (row, hits) in answers.iter().enumerate() {
        let places = ids.iter_mut().zip(&mut distances).skip(row * k).take(k);
        for ((id, distance), hit) in places.zip(hits.iter()) {
            let Key::Int(found) = hit.id else {
                let why = "search_batch gives integer ids, and this collection has others; use search";
                return Err(PyValueError::new_err(why));
            };
            (*id, *distance) = (found, hit.distance);
        }
    }
    let (ids, distances) = (PyArray1::from_vec(py, ids), PyArray1::from_vec(py, distances));
    Ok((ids.reshape([rows, k])?, distances.reshape([rows, k])?))
}
