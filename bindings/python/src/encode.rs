//! Token matrices as single vectors, from Python.
//!
//! Reads from: numpy's arrays. Writes to: numpy's arrays. Never: the interpreter's lock held while many are encoded.

use foretaste::{EncodingOptions, Error};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::{errors, input};

/// Makes single vectors of token matrices, whose dot product is about the MaxSim of the matrices: fixed dimensional encodings (MUVERA:
/// Jayaram and others, 2024, arXiv 2405.19504).
///
/// They are the vectors of a collection with the metric "dot", and what it is searched with; the matrices themselves stand beside them,
/// and `MaxSim` orders by them what the search has found. Nothing is learnt from rows: equal arguments give equal encodings, wherever
/// they are made. They belong to the data; keep them with it.
///
/// `token_dim` is the numbers of a token; `bits` the signs that tell buckets apart, up to 12; `repetitions` are independent of each
/// other; `project` is the numbers of an encoding, None for all `repetitions * 2**bits * token_dim`. More of each are more accurate and
/// larger.
///
///     encoder = ft.Encoder(128)
///     docs = db.create_collection("docs", dim=encoder.dim, metric="dot", tokens=128)
///     docs.upsert(ids, encoder.rows(matrices), tokens=matrices)
///     docs.search(encoder.query(tokens), rerank=ft.MaxSim(tokens, among=500))
///
/// Raises `BadRequest` when an argument is 0 that must not be, or too large.
#[pyclass(frozen, module = "foretaste")]
pub struct Encoder {
    encoder: foretaste::Encoder,
    options: EncodingOptions,
}

impl Encoder {
    /// Numbers of tokens, one after the other, of the right length.
    fn tokens<'py>(&self, tokens: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray2<'py, f32>> {
        input::query_tokens(tokens, Some(self.options.dims))
    }
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (token_dim, bits = 4, repetitions = 20, project = Some(2048), seed = 0))]
    fn new(
        py: Python<'_>,
        token_dim: usize,
        bits: u32,
        repetitions: usize,
        project: Option<usize>,
        seed: u64,
    ) -> PyResult<Encoder> {
        let options = EncodingOptions { dims: token_dim, bits, repetitions, project, seed };
        let encoder = py.detach(|| foretaste::Encoder::new(options));
        Ok(Encoder { encoder: errors::result(py, encoder)?, options })
    }

    /// Numbers of an encoding: the dimensions of the collection.
    #[getter]
    fn dim(&self) -> usize {
        self.encoder.dims()
    }

    /// Numbers of a token.
    #[getter]
    fn token_dim(&self) -> usize {
        self.options.dims
    }

    /// What to search with for a query of these `tokens`, an array of shape (tokens, numbers of a token): a new float32 array.
    ///
    /// Raises `BadRequest`, `NonFinite`, `LimitExceeded`.
    fn query<'py>(&self, tokens: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let (py, tokens) = (tokens.py(), self.tokens(tokens)?);
        let numbers = tokens.as_slice().unwrap_or_default();
        let encoding = py.detach(|| self.encoder.query(numbers));
        Ok(PyArray1::from_vec(py, errors::result(py, encoding)?))
    }

    /// The vectors of rows with these token matrices, each an array of shape (tokens, numbers of a token): a new float32 array of shape
    /// (rows, dim).
    ///
    /// Raises `BadRequest`, `NonFinite`, `LimitExceeded`.
    fn rows<'py>(&self, matrices: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let py = matrices.py();
        let matrices: Vec<PyReadonlyArray2<'py, f32>> =
            matrices.try_iter()?.map(|tokens| self.tokens(&tokens?)).collect::<PyResult<_>>()?;
        let numbers: Vec<&[f32]> =
            matrices.iter().map(|tokens| tokens.as_slice().unwrap_or_default()).collect();
        let encodings = py.detach(|| {
            let mut all = Vec::with_capacity(numbers.len() * self.encoder.dims());
            for (row, tokens) in numbers.iter().enumerate() {
                all.extend(self.encoder.row(tokens).map_err(|error| of_row(row, error))?);
            }
            Ok(all)
        });
        PyArray1::from_vec(py, errors::result(py, encodings)?).reshape([matrices.len(), self.dim()])
    }

    fn __repr__(&self) -> String {
        let EncodingOptions { dims, bits, repetitions, project, seed } = self.options;
        let project = project.map_or("None".to_string(), |dims| dims.to_string());
        format!("Encoder({dims}, bits={bits}, repetitions={repetitions}, project={project}, seed={seed})")
    }
}

/// An error about a row's tokens, which says which row.
fn of_row(row: usize, error: Error) -> Error {
    match error {
        Error::BadRequest { what, why } => Error::BadRequest { what, why: format!("row {row}: {why}") },
        Error::NonFinite { dim, id, value, .. } => Error::NonFinite { row, dim, id, value },
        other => other,
    }
}
