//! Kernels over codes: 8-bit codes of single vectors, and bundles of 32 low-bit codes scored at once.
//!
//! A **bundle** holds codes of 1, 2 or 4 bits a dimension of [`BUNDLE`] vectors, interleaved: for each run of `32 / bits`
//! dimensions one 32-bit little-endian word a vector. Dimension `4 s + j` of a run is the bits from `s * bits` on of byte
//! `j` of the word, so a shift and a mask give four consecutive dimensions of every vector, one a byte, which is what the
//! processor's 8-bit inner products take.
//!
//! Reads from: codes, and queries quantised to 8 or 16 bits. Writes to: integer sums, exact by construction.
//! Never: a saturating addition; the limits on dimensions exclude it.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod scalar;

use super::Kernels;

/// Vectors of a bundle.
pub const BUNDLE: usize = 32;

/// Dimensions of 8-bit codes are padded to a multiple of this with zeros.
pub const CODE_ALIGN: usize = 64;

/// The code kernels of one kind of processor.
///
/// # Safety
/// Each may be called when the processor has the features of its table and the lengths are as its caller in this module
/// checks.
#[derive(Debug)]
pub(super) struct Table {
    /// Inner products of `query` (i8) with the 32 codes of a bundle.
    pub bundle: unsafe fn(bits: u8, query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]),
    /// What [`Kernels::expand`] says, of a bundle that is long enough.
    pub expand: unsafe fn(
        query: &EdgeQuery<'_>,
        base: f32,
        bundle: &[u8],
        limit: f32,
        out: &mut [f32; BUNDLE],
    ) -> u32,
    /// Inner product of two 8-bit codes of the same length, a multiple of [`CODE_ALIGN`].
    pub dot_i8: unsafe fn(a: &[i8], b: &[i8]) -> i32,
    /// Inner product of a 16-bit query and an 8-bit code of the same length, a multiple of [`CODE_ALIGN`].
    pub dot_i16: unsafe fn(a: &[i16], b: &[i8]) -> i32,
    /// The inner products of one 8-bit code and four others, all of the same length, a multiple of [`CODE_ALIGN`].
    pub dots_i8: unsafe fn(a: &[i8], b: [&[i8]; 4]) -> [i32; 4],
    /// What [`Kernels::residual`] says, of slices of the same length, a multiple of 16.
    pub residual: unsafe fn(code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32,
    /// What [`Kernels::levels`] says, of slices of the same length, a multiple of 16.
    pub levels: unsafe fn(grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit,
}

/// Evenly spaced levels that numbers are rounded to: number x `inverse` + `middle`, from 0 to `most`.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    /// What numbers are multiplied with: one over the width of a level.
    pub inverse: f32,
    /// The level of 0, which may lie between two.
    pub middle: f32,
    /// The highest level.
    pub most: f32,
}

/// How levels fit the numbers that they were rounded from; levels count from the middle of their grid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fit {
    /// The inner product of the levels and the numbers.
    pub along: f32,
    /// The squared norm of the levels.
    pub norm: f32,
    /// The inner product of the levels and the reference.
    pub reference: f32,
}

/// Bytes of a bundle of codes of `bits` a dimension: `dims` must be a multiple of 32.
pub fn bundle_bytes(bits: u8, dims: usize) -> usize {
    dims / 8 * usize::from(bits) * BUNDLE
}

/// A query as bundles of edges are scored with it: numbers = `step` x `codes`.
#[derive(Debug, Clone, Copy)]
pub struct EdgeQuery<'a> {
    /// Bits a dimension of the edges' codes.
    pub bits: u8,
    /// The query's code, a multiple of 32 long.
    pub codes: &'a [i8],
    /// What a code is multiplied with.
    pub step: f32,
    /// Added to each product: minus the middle of the edges' codes times the sum of the query.
    pub shift: f32,
}

impl Kernels {
    /// Estimates the squared distances of the 32 rows of a bundle of edges (see `codes::edges`: 32 addends, 32 factors, codes):
    /// `base + addend + factor * (step * <query, code> + shift)`. Returns one bit a row, set when the estimate is below
    /// `limit`; `None` when the bundle is too short or the query is none.
    #[inline]
    pub fn expand(
        &self,
        query: &EdgeQuery<'_>,
        base: f32,
        bundle: &[u8],
        limit: f32,
        out: &mut [f32; BUNDLE],
    ) -> Option<u32> {
        let sound = matches!(query.bits, 1 | 2 | 4)
            && query.codes.len().is_multiple_of(32)
            && bundle.len() >= 8 * BUNDLE + bundle_bytes(query.bits, query.codes.len());
        // SAFETY: a table is only handed out where its features are, and the lengths were checked just above.
        sound.then(|| unsafe { (self.codes.expand)(query, base, bundle, limit, out) })
    }

    /// The inner products of `query` and the 32 codes of a bundle, each code a whole number of 0 to `2^bits - 1`.
    ///
    /// Returns false, and leaves `out` as it is, when `bits` is not 1, 2 or 4, `query` is no multiple of 32 long, or
    /// `codes` is shorter than [`bundle_bytes`].
    #[inline]
    #[must_use]
    pub fn bundle(&self, bits: u8, query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) -> bool {
        let sound = matches!(bits, 1 | 2 | 4)
            && query.len().is_multiple_of(32)
            && codes.len() >= bundle_bytes(bits, query.len());
        if sound {
            // SAFETY: a table is only handed out where its features are, and the lengths were checked just above.
            unsafe { (self.codes.bundle)(bits, query, codes, out) };
        }
        sound
    }

    /// Asks the processor to bring `bytes` into the second cache; a hint without effect on any result.
    #[inline]
    pub fn prefetch(&self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        for line in bytes.chunks(64) {
            // SAFETY: every x86-64 has the instruction, and it reads nothing.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast());
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = bytes;
    }

    /// The inner product of two 8-bit codes, over the whole multiples of [`CODE_ALIGN`] that both have.
    #[inline]
    pub fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        let len = a.len().min(b.len()) / CODE_ALIGN * CODE_ALIGN;
        // SAFETY: a table is only handed out where its features are; both have `len` numbers, a multiple of 64.
        unsafe { (self.codes.dot_i8)(a.get_unchecked(..len), b.get_unchecked(..len)) }
    }

    /// The inner products of one 8-bit code and four others, over the whole multiples of [`CODE_ALIGN`] that all have.
    #[inline]
    pub fn dots_i8(&self, a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
        let len = b.iter().fold(a.len(), |len, b| len.min(b.len())) / CODE_ALIGN * CODE_ALIGN;
        // SAFETY: a table is only handed out where its features are; all have `len` numbers, a multiple of 64.
        unsafe { (self.codes.dots_i8)(a.get_unchecked(..len), b.map(|b| b.get_unchecked(..len))) }
    }

    /// The inner product of a 16-bit query and an 8-bit code, over the whole multiples of [`CODE_ALIGN`] that both have.
    ///
    /// The sum wraps around unless `sum |a_i| * 128` stays in the range of i32; queries are scaled so that it does.
    #[inline]
    pub fn dot_i16(&self, a: &[i16], b: &[i8]) -> i32 {
        let len = a.len().min(b.len()) / CODE_ALIGN * CODE_ALIGN;
        // SAFETY: as in `dot_i8`.
        unsafe { (self.codes.dot_i16)(a.get_unchecked(..len), b.get_unchecked(..len)) }
    }

    /// Writes `step * code - reference` to `out`, over the whole multiples of 16 that all three have, and returns its squared
    /// norm.
    #[inline]
    pub fn residual(&self, code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32 {
        let len = code.len().min(reference.len()).min(out.len()) / 16 * 16;
        let (code, reference, out) = (&code[..len], &reference[..len], &mut out[..len]);
        // SAFETY: a table is only handed out where its features are; all have `len` numbers, a multiple of 16.
        unsafe { (self.codes.residual)(code, step, reference, out) }
    }

    /// Rounds `residual` to the levels of `grid`, half to even, over the whole multiples of 16 that all have; what is not a
    /// number becomes level 0.
    #[inline]
    pub fn levels(&self, grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit {
        let len = residual.len().min(reference.len()).min(out.len()) / 16 * 16;
        let (residual, reference, out) = (&residual[..len], &reference[..len], &mut out[..len]);
        // SAFETY: as in `residual`.
        unsafe { (self.codes.levels)(grid, residual, reference, out) }
    }
}

#[cfg(test)]
mod tests;
