//! The answer of a query: the nearest rows found so far.
//!
//! Reads from: candidates that the indexes offer. Writes to: the caller's hits.
//! Never: a vector, a metric; what is smaller is nearer.

mod topk;

pub use topk::{Ranked, TopK};
