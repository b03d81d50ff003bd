//! Full text: words of documents and queries, the index over them, and the BM25 ranking.
//!
//! ```text
//! text ──analyse──> words ──gather──> in memory ──write──> sections ──open──> index ──lists──> search ──> top
//! ```
//!
//! BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The search skips
//! blocks of postings by their largest possible contribution: Ding and Suel, "Faster Top-k Document Retrieval Using
//! Block-Max Indexes", 2011. What it gives is exactly what scoring every row gives, to the last bit.
//!
//! Reads from: texts, a `text.N` file. Writes to: sections, ranked rows.
//! Never: a file, a document, a row that is not one of the source's.

mod analyse;
mod bm25;
mod cursor;
mod gather;
mod impact;
mod index;
mod pack;
mod postings;
mod search;
mod top;
mod write;

#[cfg(test)]
mod tests;

pub use analyse::{ANALYSIS, Analyser, Language, Words};
pub use bm25::{Bm25, Statistics, Weight};
pub use gather::Gathered;
pub use index::TextIndex;
pub use search::{Part, Terms, Work, count, search};
pub use top::{Kept, Top};
pub use write::Written;
