//! Many rows at once: a batch to write, and the search of many vectors on several threads.
//!
//! Reads from: numpy's arrays. Writes to: the facade's batch, or two arrays. Never: a part of a batch committed.

use foretaste::{Collection, Error, Key, RowVariance, Search};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::Value;

use crate::progress::Progress;
use crate::{errors, input, json};

/// Rows taken in between two looks at progress.
const TELL_ROWS: usize = 4096;

/// Ids and distances of many answers, a row a query.
pub type Arrays<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);

/// Rows to write.
pub struct Rows<'py> {
    keys: Vec<Key>,
    vectors: PyReadonlyArray2<'py, f32>,
    payloads: Option<Vec<Option<Value>>>,
    variances: Option<PyReadonlyArray2<'py, f32>>,
    /// One a row, or none at all.
    tokens: Vec<Option<PyReadonlyArray2<'py, f32>>>,
}

impl<'py> Rows<'py> {
    /// From the arguments of `upsert`.
    pub fn new(
        ids: &Bound<'py, PyAny>,
        vectors: &Bound<'py, PyAny>,
        payloads: Option<&Bound<'py, PyAny>>,
        variances: Option<&Bound<'py, PyAny>>,
        tokens: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Rows<'py>> {
        let keys = input::keys(ids)?;
        let vectors = input::matrix(vectors, "vectors")?;
        let rows = keys.len();
        if vectors.shape().first() != Some(&rows) {
            let why = format!("{rows} ids, and vectors of shape {:?}; one row an id", vectors.shape());
            return Err(PyValueError::new_err(why));
        }
        let payloads = payloads.filter(|p| !p.is_none()).map(documents).transpose()?;
        if let Some(payloads) = payloads.as_ref().filter(|payloads| payloads.len() != rows) {
            let why = format!("{rows} ids and {} payloads; one an id, or None", payloads.len());
            return Err(PyValueError::new_err(why));
        }
        let variances = variances.filter(|v| !v.is_none()).map(|v| input::columns(v, rows)).transpose()?;
        let tokens = tokens.filter(|t| !t.is_none()).map(|t| input::tokens(t, rows)).transpose()?;
        Ok(Rows { keys, vectors, payloads, variances, tokens: tokens.unwrap_or_default() })
    }
}

fn documents(payloads: &Bound<'_, PyAny>) -> PyResult<Vec<Option<Value>>> {
    let document = |(row, payload): (usize, PyResult<Bound<'_, PyAny>>)| {
        let payload = payload?;
        let document = (!payload.is_none()).then(|| json::from_python(&payload)).transpose();
        document
            .map_err(|why| errors::new(payload.py(), "BadPayload", &format!("payload of row {row}: {why}")))
    };
    payloads.try_iter()?.enumerate().map(document).collect()
}

/// The numbers of each row's tokens. Tokens of another length than the collection's may come out even, and are refused.
fn token_numbers<'a>(
    py: Python<'_>,
    collection: &Collection,
    rows: &'a Rows<'_>,
) -> PyResult<Vec<Option<&'a [f32]>>> {
    let kept = collection.schema().token_kind().map(|(dim, _)| dim);
    let mut found = Vec::with_capacity(rows.tokens.len());
    for (row, (matrix, id)) in rows.tokens.iter().zip(&rows.keys).enumerate() {
        let numbers = matrix.as_ref().map(|matrix| matrix.as_slice().unwrap_or_default());
        let width = matrix.as_ref().and_then(|matrix| matrix.shape().get(1).copied());
        if let (Some(dim), Some(width), Some([_, ..])) = (kept, width, numbers)
            && dim != width
        {
            let why = format!("tokens of {width} numbers given, {dim} expected");
            return Err(errors::of(py, &Error::BadTokens { row, id: id.to_string(), why }));
        }
        found.push(numbers);
    }
    Ok(found)
}

/// Writes the rows in one batch.
pub fn write(
    py: Python<'_>,
    collection: &Collection,
    rows: &Rows<'_>,
    mut progress: Progress,
) -> PyResult<()> {
    let (total, dim) = (rows.keys.len(), rows.vectors.shape().get(1).copied().unwrap_or(0));
    let (keys, payloads) = (&rows.keys, &rows.payloads);
    let numbers = rows.vectors.as_slice().unwrap_or_default();
    let variances = rows.variances.as_ref().and_then(|v| Some((v.as_slice().ok()?, *v.shape().get(1)?)));
    let tokens = token_numbers(py, collection, rows)?;
    let done = py.detach(|| {
        let mut batch = collection.batch();
        for (i, key) in keys.iter().enumerate() {
            let mut row = batch.upsert(key.clone(), numbers.get(i * dim..(i + 1) * dim).unwrap_or_default());
            if let Some((variances, width)) = variances {
                let own = variances.get(i * width..(i + 1) * width).unwrap_or_default();
                row = row.variance(&RowVariance::Variance(own.to_vec()));
            }
            if let Some(Some(own)) = tokens.get(i) {
                row = row.tokens(own);
            }
            if let Some(Some(payload)) = payloads.as_ref().and_then(|payloads| payloads.get(i)) {
                row.payload(payload.clone());
            }
            if i % TELL_ROWS == 0 && !progress.tell(i as u64, total as u64 + 1) {
                return Err(Error::Cancelled);
            }
        }
        // The last step is the commit, which cannot be cancelled.
        batch.commit()?;
        progress.tell(total as u64 + 1, total as u64 + 1);
        Ok(())
    });
    progress.end(py, done)
}

/// Asks `search`'s question for each row of `queries`, on `threads` threads.
pub fn search<'py>(
    py: Python<'py>,
    collection: &Collection,
    queries: &PyReadonlyArray2<'py, f32>,
    k: usize,
    threads: Option<usize>,
    ask: impl FnOnce(Search) -> Search + Send,
) -> PyResult<Arrays<'py>> {
    let shape = queries.shape();
    let (rows, dim) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
    let numbers = queries.as_slice().unwrap_or_default();
    let queries: Vec<&[f32]> = numbers.chunks_exact(dim.max(1)).collect();
    let answers = py.detach(|| collection.search_batch(&queries, threads.unwrap_or(0), ask));
    let answers = errors::result(py, answers)?;
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
