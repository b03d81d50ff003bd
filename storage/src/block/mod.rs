//! A block: one committed batch as bytes. The log's frame carries it, the head keeps it, a seal copies from it.
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | magic `FTBK` |
//! | 4 | 1 | element type: 0 f32, 1 f16, 2 bf16, 3 i8 |
//! | 5 | 1 | variance: 0 none, 1 scalar, 2 diagonal f16, 3 diagonal 8-bit log |
//! | 6 | 2 | zero |
//! | 8 | 4 | rows (upserts) |
//! | 12 | 4 | deletes |
//! | 16 | 4 | stored width: dimensions of the longest vector of the batch |
//! | 20 | 4 | numbers of a token; 0 without token matrices |
//! | 24 | 1 | element type of the tokens, as at 4; 0 without token matrices |
//! | 25 | 7 | zero |
//! | 32 | 88 | eleven sections, each a 32-bit offset and length; the last two are zeros without token matrices |
//! | 120 | 8 | zero |
//!
//! Sections, each at a multiple of 64 bytes, in this order: vectors (row-major, stored width), widths (u32 a row; empty
//! when all rows have the stored width), scales (f32 a row; only for i8), variances (row-major over the stored width),
//! key offsets (u32, one more than rows + deletes), keys (rows first, then deletes), payload offsets (u32, one more
//! than rows; empty without payloads), payloads, the mark (u64 and a name; see [`Mark`]), token offsets (u32, one more
//! than rows) and token matrices (see [`crate::tokens`]). A block of before there were token matrices is one without.
//!
//! Row i was written by operation `first + i`, delete j by operation `first + rows + j`, where `first` stands in the
//! log's frame.
//!
//! Reads from: the engine's validated batch, or a log frame. Writes to: one buffer.
//! Never: an offset used before it was compared with the section's length.

mod encode;
mod view;

pub use encode::{RowInput, encode};
pub use view::{Block, BlockRows};

use crate::layout::VarianceLayout;

/// A named position that a batch carries and the log keeps atomically with it: how far an import has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What the position is of, at most 255 bytes.
    pub name: String,
    /// The position; `u64::MAX` removes the mark.
    pub position: u64,
}

const MAGIC: [u8; 4] = *b"FTBK";
const HEADER: usize = 128;
const SECTIONS: usize = 11;

const VECTORS: usize = 0;
const WIDTHS: usize = 1;
const SCALES: usize = 2;
const VARIANCES: usize = 3;
const KEY_OFFSETS: usize = 4;
const KEYS: usize = 5;
const PAYLOAD_OFFSETS: usize = 6;
const PAYLOADS: usize = 7;
const MARK: usize = 8;
const TOKEN_OFFSETS: usize = 9;
const TOKENS: usize = 10;

fn variance_tag(variance: Option<VarianceLayout>) -> u8 {
    match variance {
        None => 0,
        Some(VarianceLayout::Scalar) => 1,
        Some(VarianceLayout::DiagonalF16) => 2,
        Some(VarianceLayout::DiagonalLog8) => 3,
    }
}

fn variance_of(tag: u8) -> Option<Option<VarianceLayout>> {
    [
        None,
        Some(VarianceLayout::Scalar),
        Some(VarianceLayout::DiagonalF16),
        Some(VarianceLayout::DiagonalLog8),
    ]
    .into_iter()
    .find(|v| variance_tag(*v) == tag)
}

#[cfg(test)]
mod tests;
