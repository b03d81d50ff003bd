//! Token matrices as single vectors: what a first stage searches for, with late interaction behind it.
//!
//! How they are made is `foretaste_query::rerank::maxsim`'s business; here plain slices are checked.
//!
//! Reads from: the caller's tokens. Writes to: vectors. Never: an encoding of tokens that do not fit.

use foretaste_query::rerank::maxsim::{self, Tokens};
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::validate;

pub use foretaste_query::rerank::maxsim::EncodingOptions;

/// Makes single vectors of token matrices, whose dot product is about the MaxSim of the matrices: fixed dimensional encodings
/// (MUVERA: Jayaram, Dhulipala, Hadian, Lee and Mirrokni, 2024, [arXiv:2405.19504](https://arxiv.org/abs/2405.19504)).
///
/// They are the vectors of a collection with the metric [`Metric::Dot`](crate::Metric::Dot), and what it is searched with; the
/// matrices themselves stand beside them, and [`MaxSim`](crate::MaxSim) orders by them what the search has found. Nothing is learnt
/// from the rows: equal options give equal encodings, wherever they are made. The options belong to the data; keep them with it.
///
/// ```
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// use foretaste::{Database, Element, Encoder, EncodingOptions, MaxSim, Metric, Schema};
///
/// let encoder = Encoder::new(EncodingOptions::new(2))?;
/// let db = Database::open(path.join("notes.ft"))?;
/// let schema = Schema::new(encoder.dims(), Metric::Dot).tokens(2, Element::F16);
/// let docs = db.create_collection("docs", schema)?;
/// let mut batch = docs.batch();
/// for (id, tokens) in [("a", vec![1.0, 0.0, 0.0, 1.0]), ("b", vec![-1.0, 0.0])] {
///     batch.upsert(id, &encoder.row(&tokens)?).tokens(&tokens);
/// }
/// batch.commit()?;
///
/// let tokens = [0.0, 1.0, 0.8, 0.6];
/// let hits = docs.search(&encoder.query(&tokens)?).k(1).rerank(MaxSim::new(&tokens).among(500)).run()?;
/// assert_eq!(hits[0].id, "a".into());
/// assert!((hits[0].score - 1.8).abs() < 1e-3);
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    encoder: maxsim::Encoder,
    token_dims: usize,
}

impl Encoder {
    /// Draws what is random, always the same for the same options.
    ///
    /// # Errors
    /// `BadRequest` when one of them is 0 that must not be, or larger than [`EncodingOptions`] says.
    pub fn new(options: EncodingOptions) -> Result<Encoder> {
        let bad = |e: maxsim::EncodingError| Error::BadRequest { what: "encoding", why: e.to_string() };
        Ok(Encoder { encoder: maxsim::Encoder::new(options).map_err(bad)?, token_dims: options.dims })
    }

    /// Numbers of an encoding: the dimensions of the collection.
    pub fn dims(&self) -> usize {
        self.encoder.dims()
    }

    /// What to search with for a query of these tokens, one after the other.
    ///
    /// # Errors
    /// `BadRequest` when they are none, or not of the length that the options say; `NonFinite`; `LimitExceeded`.
    pub fn query(&self, tokens: &[f32]) -> Result<Vec<f32>> {
        Ok(self.encoder.query(self.tokens(tokens)?))
    }

    /// The vector of a row with these tokens, one after the other.
    ///
    /// # Errors
    /// As [`Encoder::query`].
    pub fn row(&self, tokens: &[f32]) -> Result<Vec<f32>> {
        Ok(self.encoder.row(self.tokens(tokens)?))
    }

    fn tokens<'a>(&self, numbers: &'a [f32]) -> Result<Tokens<'a>> {
        let dims = self.token_dims;
        match Tokens::new(numbers, dims) {
            Some(tokens) if !tokens.is_empty() => {
                limits::check("tokens of a matrix", tokens.len() as u64, limits::TOKENS)?;
                validate::query_tokens(numbers, dims)?;
                Ok(tokens)
            }
            _ => {
                let why = format!("{} numbers, and there is one token or more of {dims} each", numbers.len());
                Err(Error::BadRequest { what: "tokens", why })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_do_not_fit_are_refused() {
        let encoder = Encoder::new(EncodingOptions::new(3)).unwrap();
        assert_eq!(encoder.row(&[1.0; 6]).unwrap().len(), encoder.dims());
        for bad in [&[][..], &[1.0; 4], &[1.0, f32::NAN, 0.0]] {
            assert!(encoder.row(bad).is_err() && encoder.query(bad).is_err(), "{bad:?}");
        }
        let many = vec![0.5; 3 * (limits::TOKENS as usize + 1)];
        assert!(matches!(encoder.query(&many), Err(Error::LimitExceeded { .. })));
        let none = EncodingOptions { repetitions: 0, ..EncodingOptions::new(3) };
        assert!(matches!(Encoder::new(none), Err(Error::BadRequest { .. })));
    }
}
