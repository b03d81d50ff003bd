//! Changing the embedding model: maps from the vectors of one model to those of another, what they lose, and in which order rows
//! are embedded again.
//!
//! ```text
//! pairs: the same items by both models ──> fit ──> Adapter + Report        calibrate: scores of both on one scale
//!                                           └────> expect: which rows fare worst ──> order: which come first
//! ```
//!
//! **Two directions.** While the rows of a collection are still those of the old model and queries come from the new one, the
//! *query* is mapped from the new space into the old one ([`Use::Queries`]): rows and their indexes stay as they are, and each
//! search costs one product of a matrix and a vector. The other direction maps *rows* of the old space into the new one
//! ([`Use::Rows`]), as FastFill does: everything is compared in the new space, and every row has to be written once.
//!
//! Methods: centred orthogonal Procrustes (Schönemann, "A generalized solution of the orthogonal Procrustes problem",
//! Psychometrika 31, 1966); ridge regression with its closed-form leave-one-out error (Golub, Heath and Wahba, "Generalized
//! cross-validation as a method for choosing a good ridge parameter", Technometrics 21(2), 1979); relative representations (Moschella
//! et al., ICLR 2023, arXiv 2209.15430); FastFill (Jaeckle et al., ICLR 2023, arXiv 2303.04766).
//!
//! Reads from: vectors in memory. Writes to: its own memory.
//! Never: a file, a collection, a clock; a result that depends on the number of threads.

mod adapter;
mod anchors;
mod calibrate;
mod cholesky;
mod compare;
mod expect;
mod fit;
mod judge;
mod moments;
mod order;
mod pairs;
mod polar;
mod ridge;
#[cfg(test)]
mod tests;

pub use adapter::{Adapter, Damaged, Kind};
pub use calibrate::{Calibration, Shape, score_pairs};
pub use expect::{ErrorModel, rank_correlation};
pub use fit::{Method, Options, fit};
pub use judge::{Estimate, Report, Use};
pub use order::{Order, order};
pub use pairs::{Error, LEAST_PAIRS, Pairs};
