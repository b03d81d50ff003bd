//! The read path: from mapped sections to ranked hits, and the language that filters them.
//!
//! ```text
//! kernel ──> index ──> answer        lang: text ──> tokens ──> tree ──> checked filter ──> filter: rows of a segment
//! text: words ──> postings ──> ranked rows      space: vectors of one model ──> those of another
//! ```
//!
//! Never: a file, a collection, a decision about durability.

pub mod answer;
pub mod codes;
pub mod filter;
pub mod index;
pub mod kernel;
pub mod lang;
pub mod metric;
pub mod recipe;
pub mod rerank;
pub mod space;
pub mod text;
