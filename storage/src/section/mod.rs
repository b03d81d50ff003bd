//! Sections of many kinds in one sealed file, found through a table at its front: a segment's `index` file and its
//! search indexes, `ann.N`.
//!
//! | at (in the body) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | number of sections |
//! | 4 | 4 | zero |
//! | 8 + 24 i | 2 | kind of section i |
//! | 10 + 24 i | 2 | ordinal among the sections of its kind |
//! | 12 + 24 i | 4 | zero |
//! | 16 + 24 i | 8 | offset in the body, a multiple of 64 |
//! | 24 + 24 i | 8 | length in bytes |
//!
//! Sections lie in the order of the table without overlapping. Readers skip kinds they do not know.
//!
//! | kind | section | holds |
//! | --- | --- | --- |
//! | 1 | meta | a bincode record: rows, layout, versions, levels, counts |
//! | 2 | keys | see [`keys`]; unless all keys are integers |
//! | 3 | integer keys | one i64 a row |
//! | 4 | key index | see [`keys`] |
//! | 5 | versions | one u64 a row |
//! | 6 | levels | one byte a row; absent when all rows have the same number of levels (it stands in the meta) |
//! | 7 | scales | one f32 a row; only for 8-bit elements |
//! | 8 | traces | one f32 a row and level, row-major; only with variances |
//! | 9 | payload offsets | one u64 a row and one more; absent when no row has a document |
//! | 10 | column | see [`columns`]; one section a column, ordinals from 0, of derived columns from 256 |
//! | 11 | column order | see [`columns::order`]; same ordinal as its column |
//! | 12 | column bits | see [`columns::dense`]; same ordinal as its column; absent when no value is frequent |
//! | 13 | token offsets | one u64 a row and one more; absent when no row has a token matrix |
//! | 14 | paths | see [`paths`]; absent when not every path is known |
//! | 15 | elements | see [`elements`]; one section a path, ordinals from 0 |
//! | 32 to 38 | search index | in an `ann.N` file; their meaning is the query crate's |
//! | 48 to 52 | full text | in a `text.N` file, of field i with ordinal i; their meaning is the query crate's |
//!
//! Reads from: a sealed `index`, `ann.N` or `text.N` file. Writes to: the same, once.
//! Never: a section of a kind that needs to grow or change; those are files of their own.

pub mod columns;
pub mod elements;
pub mod keys;
pub mod paths;
pub mod payload;
mod runs;
pub(crate) mod tokens;
pub mod tombstones;
mod view;
mod write;

pub use view::{Section, SectionFile};
pub use write::{Announced, SectionStream, SectionWriter};

use crate::limits;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum SectionKind {
    /// The segment's own record.
    Meta = 1,
    /// Keys of which at least one is a string.
    Keys = 2,
    /// Keys that are all integers.
    IntKeys = 3,
    /// Rows by the hash of their keys.
    KeyIndex = 4,
    /// The operation that wrote each row.
    Versions = 5,
    /// How many levels each row has.
    Levels = 6,
    /// What 8-bit elements are multiplied with.
    Scales = 7,
    /// Sums of variances.
    Traces = 8,
    /// Where each document lies in the payload file.
    PayloadOffsets = 9,
    /// One typed column.
    Column = 10,
    /// A column's rows in the order of their values.
    ColumnOrder = 11,
    /// The rows of a column's frequent values.
    ColumnBits = 12,
    /// Where each token matrix lies in the tokens' file.
    TokenOffsets = 13,
    /// The member paths of the documents.
    Paths = 14,
    /// The elements of arrays at one path.
    Elements = 15,
    /// What a search index is, and its sizes.
    AnnHead = 32,
    /// The rotation and the scales of its codes.
    AnnCodec = 33,
    /// The centroids of its cells.
    AnnCentroids = 34,
    /// The contents of its cells.
    AnnCells = 35,
    /// The nodes of its graph.
    AnnNodes = 36,
    /// The upper layers of its graph.
    AnnLayers = 37,
    /// The codes of single rows.
    AnnRows = 38,
    /// How far a search index can be trusted.
    Trust = 39,
    /// What a full-text index is, and its sizes.
    TextHead = 48,
    /// How many words each row has.
    TextLengths = 49,
    /// Its words: where each is, and its rows.
    TextTerms = 50,
    /// The words themselves.
    TextWords = 51,
    /// The rows of words that several have.
    TextPostings = 52,
}

/// Most sections of an index file: every column with its order and bits, elements, and ample room for kinds to come.
const MAX_SECTIONS: u64 = 3 * (limits::COLUMNS + limits::DERIVED_COLUMNS) + 256;
/// Bytes of the table before its entries.
const TABLE_HEAD: u64 = 8;
/// Bytes of an entry.
const ENTRY: u64 = 24;

#[cfg(test)]
mod tests;
