//! Ways to find the nearest rows, and what they all share: what can be scanned, and what is asked.
//!
//! Reads from: planes, by way of a [`Source`]. Writes to: a `TopK` of candidates.
//! Never: a file's name, a collection's rules.

mod ann;
mod codec;
pub mod flat;
mod hnsw;
mod ivf;
pub mod kmeans;
pub mod parallel;
mod query;
pub mod read;
mod schedule;
pub mod settle;
mod space;
mod spec;
mod tail;
pub mod trust;

use std::ops::Range;

use foretaste_storage as storage;
use foretaste_storage::bytes::Span;
use foretaste_storage::layout::Element;

pub use ann::{Ask, Built, Found, HeldOut, Index, Lent, Scratch, Session, Walk, build};
pub use query::Query;
pub use schedule::Ranks;
pub use spec::{HnswParams, IvfParams, RotationKind, Spec, Stage, Task};
pub use tail::Tail;

/// A filter over rows: which of them may be found. Deleted rows are refused here too.
pub type Accept<'f> = dyn Fn(u32) -> storage::Result<bool> + 'f;

/// One thing that can be scanned: a block of fresh rows, or a sealed segment.
pub trait Source: Sync {
    /// How many rows there are, deleted ones included.
    fn rows(&self) -> u32;

    /// How their numbers are stored.
    fn element(&self) -> Element;

    /// The ascending lengths of the nested levels.
    fn levels(&self) -> &[u32];

    /// Pushes to `out`, in order, the planes that hold the first `dims` dimensions of `range`'s rows, one [`Strip`] a
    /// plane. The strips' `dims` start at 0 and follow each other without a gap; the last one may reach beyond `dims`.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn strips<'a>(&'a self, range: Range<u32>, dims: usize, out: &mut Vec<Strip<'a>>) -> storage::Result<()>;

    /// How many dimensions row `row` has: fewer than the last level for rows of an older model.
    fn width(&self, row: u32) -> usize;

    /// The width of every row, when it is the same.
    fn uniform_width(&self) -> Option<usize>;

    /// The factor of row `row`: value = stored number x scale. 1 unless the element is [`Element::I8`].
    fn scale(&self, row: u32) -> f32;

    /// The sum of row `row`'s variances over its first `dims` dimensions; 0 where there are none.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    fn trace(&self, row: u32, dims: usize) -> storage::Result<f32> {
        let _ = (row, dims);
        Ok(0.0)
    }
}

/// The part of consecutive rows that one plane holds.
#[derive(Debug, Clone)]
pub struct Strip<'a> {
    /// The dimensions that the plane holds.
    pub dims: Range<usize>,
    /// The rows, the first one at byte 0.
    pub bytes: Span<'a>,
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A row of one of the sources that a query goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowRef {
    /// The source's number, as the caller counts.
    pub source: u32,
    /// The row in it.
    pub row: u32,
}

/// A row and its exact distance from the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// The row.
    pub row: RowRef,
    /// The distance in f64, by the query's metric.
    pub distance: f64,
    /// What it is ranked by: the distance, unless uncertainty counts.
    pub rank: f64,
}

/// What a scan has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Rows whose distance was computed.
    pub rows_scored: u64,
    /// Rows that the filter refused.
    pub rows_refused: u64,
    /// Bytes of vectors read, without the padding between rows.
    pub bytes_read: u64,
    /// Distances computed in f64: the final ones, and those beyond the range of f32.
    pub rows_exact: u64,
}
