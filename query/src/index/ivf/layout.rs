//! Where the parts of an inverted file lie in its sections. Cells stand in the order of their numbers, and a row's
//! **position** is its place among the rows of all cells.
//!
//! `AnnCentroids`, with 64 for every multiple of 64:
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 x cells | u32: rows of each cell |
//! | next 64 | per 32 cells | a bundle of the centroids' codes relative to the origin (see `codes::edges`) |
//! | then | (16 + stride) x cells | each centroid: f32 step, f32 squared norm, f32 mean squared distance of its rows, four zeros, 8-bit code |
//!
//! A centroid is what its 8-bit code stands for, with nothing beyond the prefix.
//!
//! `AnnCells`: per 32 rows of a cell a bundle of their codes relative to its centroid; a cell begins with a new bundle.
//!
//! `AnnRows`:
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 16 x rows | by position: u32 row of the segment, f32 step, f32 squared norm that the code stands for, f32 squared norm of the tail |
//! | next 64 | stride x rows | by position: the 8-bit code |
//!
//! Reads from: sizes. Writes to: offsets. Never: an offset that depends on more of the bytes than the rows of each cell.

use crate::codes::edges::EdgeShape;
use crate::codes::rows::RowCode;
use crate::kernel::codes::BUNDLE;

/// Bytes in front of a centroid's code, and of a row besides its code.
pub(crate) const HEAD: usize = 16;

/// The sizes that all offsets follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub rows: u32,
    pub cells: u32,
    /// Bytes of an 8-bit code, a multiple of 64.
    pub stride: usize,
    pub edges: EdgeShape,
}

impl Layout {
    /// Where the centroids' bundles start.
    pub fn bundles_at(self) -> u64 {
        (u64::from(self.cells) * 4).next_multiple_of(64)
    }

    /// Bytes of the centroids' bundles.
    pub fn bundles_len(self) -> u64 {
        u64::from(self.cells.div_ceil(BUNDLE as u32)) * self.edges.bytes() as u64
    }

    /// Bytes of a centroid.
    pub fn centroid_len(self) -> u64 {
        (HEAD + self.stride) as u64
    }

    /// Where a centroid starts.
    pub fn centroid_at(self, cell: u32) -> u64 {
        self.bundles_at() + self.bundles_len() + u64::from(cell) * self.centroid_len()
    }

    /// Bytes of `AnnCentroids`.
    pub fn centroids_len(self) -> u64 {
        self.centroid_at(self.cells)
    }

    /// Where the codes of the rows start.
    fn codes_at(self) -> u64 {
        (u64::from(self.rows) * HEAD as u64).next_multiple_of(64)
    }

    /// Where the code of the row at a position starts.
    pub fn code_at(self, position: u32) -> u64 {
        self.codes_at() + u64::from(position) * self.stride as u64
    }

    /// Bytes of `AnnRows`.
    pub fn rows_len(self) -> u64 {
        self.code_at(self.rows)
    }
}

/// The bytes in front of a centroid's code, or of a row besides its code: a word, two numbers, a word.
pub(crate) fn head(words: [u32; 4]) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    for (out, word) in out.chunks_exact_mut(4).zip(words) {
        out.copy_from_slice(&word.to_le_bytes());
    }
    out
}

/// The words that [`head`] wrote; zeros where there are fewer.
#[inline]
pub(crate) fn words(bytes: &[u8]) -> [u32; 4] {
    let word = |i: usize| bytes.get(i * 4..i * 4 + 4).and_then(|b| b.try_into().ok());
    std::array::from_fn(|i| u32::from_le_bytes(word(i).unwrap_or_default()))
}

/// The code of a row from its head and its code.
#[inline]
pub(crate) fn row_code(words: [u32; 4], code: &[u8]) -> RowCode<'_> {
    let [_, step, norm, tail] = words.map(f32::from_bits);
    RowCode { code: bytemuck::cast_slice(code), step, norm, tail }
}

/// A centroid from its bytes, and the mean squared distance of its rows.
#[inline]
pub(crate) fn centroid(bytes: &[u8]) -> (RowCode<'_>, f32) {
    let [step, norm, spread, _] = words(bytes).map(f32::from_bits);
    let code = bytemuck::cast_slice(bytes.get(HEAD..).unwrap_or_default());
    (RowCode { code, step, norm, tail: 0.0 }, spread)
}
