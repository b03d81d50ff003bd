//! Fewer segments, without the deleted rows.
//!
//! `pick` chooses, `merge` rewrites. At rest at most a fifth of a segment's rows are dead, so bytes on disk are at most
//! 1.25 times the live ones; while a compaction runs its inputs are there twice.
//!
//! Reads from: segments. Writes to: `rewrite`. Never: a change to an existing segment.

mod merge;
mod pick;

pub(crate) use merge::{compact_all, compact_due, is_wasteful};
