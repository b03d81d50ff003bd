//! Sealed segments: rows that no longer change, as a folder of sealed files.
//!
//! `seg/000042/` holds `index` (the small sections: keys, versions, levels, columns, …, see [`crate::section`]),
//! `plane.N` and `variance.N` (one file a level, see [`crate::plane`]) `payload` (the documents)
//! and `tokens` (the token matrices).
//! A segment is written whole, synced, and then named by a generation through its [`SegmentRef`].
//!
//! **A search index** is one more file, `ann.N`, written later than the others and named by a later generation. It is
//! derived from the vectors: a segment whose `ann.N` is missing or damaged opens and reads as one without, see
//! [`Segment::ann`].
//!
//! **A full-text index** is another, `text.N`, derived from the documents, see [`Segment::text`].
//!
//! **Levels.** A segment keeps the layout it was written with. The collection may have dropped its tail since
//! (truncated) or grown a new one (extended): a row has the levels that both layouts share, as far as the segment's
//! reference still names their planes.
//!
//! Reads from: the folder's files, or rows of any source. Writes to: a new folder.
//! Never: a change of a file that a generation may name.

mod ann;
mod derived;
mod folder;
mod open;
mod read;
mod text;
mod trust;
mod verify;
mod write;

pub use ann::{AnnFile, AnnNote, write_ann};
pub use derived::Sink;
pub(crate) use folder::Folder;
pub use open::Segment;
pub use text::{TextNote, TextSection, write_text};
pub use trust::write_trust;
pub use write::write;

use crate::layout::Layout;
use crate::sealed::FileRef;
use crate::section::columns::Column;
use crate::section::elements::Elements;
use crate::section::paths::Paths;

/// What a generation's record knows of a segment.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct SegmentRef {
    /// Its number, which names its folder.
    pub id: u64,
    /// How many rows it has.
    pub rows: u32,
    /// The earliest operation that wrote one of its rows; 0 without rows.
    pub first_version: u64,
    /// The latest operation that wrote one of its rows; 0 without rows.
    pub last_version: u64,
    /// The levels of the layout it was written with.
    pub layout_levels: Vec<u32>,
    /// Its files. Planes and variances of levels that the collection dropped are taken out.
    pub files: Vec<FileRef>,
}

/// One row of one source: a segment is written from a list of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Number of the source.
    pub source: u32,
    /// Row of that source.
    pub row: u32,
}

/// What a segment keeps of its rows' documents, so that filters need not read them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentIndex {
    /// Values at some paths.
    pub columns: Vec<Column>,
    /// Elements of arrays at some others.
    pub elements: Vec<Elements>,
    /// The paths that occur, when all of them are known.
    pub paths: Option<Paths>,
}

/// The segment's own record, section `meta` of its index file.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
struct Meta {
    rows: u32,
    layout: Layout,
    first_version: u64,
    last_version: u64,
    /// Fewest and most levels of a row.
    min_levels: u8,
    max_levels: u8,
    /// How many rows have a document.
    documents: u32,
    columns: u16,
}

#[cfg(test)]
mod tests;
