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

    /// Asks the processor to bring `bytes` near; a hint without effect on any result.
    #[inline]
    pub fn prefetch(&self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        for line in bytes.chunks(64) {
            // SAFETY: every x86-64 has the instruction, and it reads nothing.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
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

    /// The inner product of a 16-bit query and an 8-bit code, over the whole multiples of [`CODE_ALIGN`] that both have.
    ///
    /// The sum wraps around unless `sum |a_i| * 128` stays in the range of i32; queries are scaled so that it does.
    #[inline]
    pub fn dot_i16(&self, a: &[i16], b: &[i8]) -> i32 {
        let len = a.len().min(b.len()) / CODE_ALIGN * CODE_ALIGN;
        // SAFETY: as in `dot_i8`.
        unsafe { (self.codes.dot_i16)(a.get_unchecked(..len), b.get_unchecked(..len)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernels;

    fn bytes(n: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            })
            .collect()
    }

    /// What the module's header says of the layout, word by word.
    fn value(bits: u8, codes: &[u8], vector: usize, dim: usize) -> i32 {
        let run = 32 / usize::from(bits);
        let (word, within) = (dim / run, dim % run);
        let byte = codes[(word * BUNDLE + vector) * 4 + within % 4];
        i32::from(byte >> (within / 4 * usize::from(bits))) & ((1 << bits) - 1)
    }

    #[test]
    fn bundles_give_the_sums_of_their_layout_on_every_table() {
        for kernels in Kernels::available() {
            for bits in [1u8, 2, 4] {
                for dims in [32, 64, 96, 128, 160, 384, 768, 800, 1536, 8192] {
                    let mut extreme = vec![0x80u8; dims];
                    extreme[..dims / 2].fill(0x7f);
                    for (query, all) in [(bytes(dims, 1), false), (extreme, true)] {
                        let query: Vec<i8> = query.iter().map(|b| *b as i8).collect();
                        // One byte in front, so that nothing is aligned.
                        let mut codes = bytes(1 + bundle_bytes(bits, dims), 2);
                        if all {
                            codes.fill(0xff);
                        }
                        let mut out = [0; BUNDLE];
                        assert!(kernels.bundle(bits, &query, &codes[1..], &mut out));
                        for (v, sum) in out.iter().enumerate() {
                            let expected: i32 =
                                (0..dims).map(|d| i32::from(query[d]) * value(bits, &codes[1..], v, d)).sum();
                            assert_eq!(
                                *sum,
                                expected,
                                "{} {bits} bits {dims} dims vector {v}",
                                kernels.name()
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bundles_that_are_too_short_are_refused() {
        for kernels in Kernels::available() {
            let mut out = [7; BUNDLE];
            let codes = vec![0; bundle_bytes(2, 64)];
            assert!(!kernels.bundle(2, &[1; 96], &codes, &mut out));
            assert!(!kernels.bundle(3, &[1; 64], &codes, &mut out));
            assert!(!kernels.bundle(2, &[1; 33], &codes, &mut out));
            assert_eq!(out, [7; BUNDLE]);
            assert!(kernels.bundle(2, &[], &[], &mut out));
            assert_eq!(out, [0; BUNDLE]);
        }
    }

    #[test]
    fn expanding_a_bundle_is_its_formula_on_every_table() {
        for kernels in Kernels::available() {
            for (bits, dims) in [(1u8, 64), (2, 256), (2, 32), (4, 96)] {
                let codes: Vec<i8> = bytes(dims, 5).iter().map(|b| *b as i8).collect();
                let query = EdgeQuery { bits, codes: &codes, step: 0.125, shift: -3.5 };
                let mut bundle = vec![0; 8 * BUNDLE];
                for place in 0..BUNDLE {
                    let addend = if place == 7 { f32::INFINITY } else { place as f32 * 0.5 };
                    bundle[place * 4..][..4].copy_from_slice(&addend.to_le_bytes());
                    bundle[4 * BUNDLE + place * 4..][..4]
                        .copy_from_slice(&(-0.25 * place as f32).to_le_bytes());
                }
                bundle.extend(bytes(bundle_bytes(bits, dims), 6));
                let mut sums = [0; BUNDLE];
                assert!(kernels.bundle(bits, &codes, &bundle[8 * BUNDLE..], &mut sums));
                let mut out = [0.0; BUNDLE];
                let mask = kernels.expand(&query, 10.0, &bundle, 9.0, &mut out).unwrap();
                for place in 0..BUNDLE {
                    let addend = if place == 7 { f32::INFINITY } else { place as f32 * 0.5 };
                    let expected = 10.0 + addend - 0.25 * place as f32 * (0.125 * sums[place] as f32 - 3.5);
                    assert!(
                        out[place] == expected
                            || (out[place] - expected).abs() <= 1e-5 * expected.abs().max(10.0)
                    );
                    assert_eq!(mask >> place & 1 == 1, out[place] < 9.0, "{} {place}", kernels.name());
                }
                assert_eq!(kernels.expand(&query, 10.0, &bundle[1..], 9.0, &mut out), None);
            }
        }
    }

    #[test]
    fn inner_products_of_codes_are_exact_on_every_table() {
        for kernels in Kernels::available() {
            for dims in [0, 64, 128, 192, 384, 768, 832, 1536, 8192] {
                let a: Vec<i8> = bytes(dims + 1, 3).iter().map(|b| *b as i8).collect();
                let b: Vec<i8> = bytes(dims + 1, 4).iter().map(|b| *b as i8).collect();
                let wide: Vec<i16> = a.iter().map(|x| i16::from(*x) * 7).collect();
                let expected: i32 = (0..dims).map(|d| i32::from(a[d + 1]) * i32::from(b[d])).sum();
                assert_eq!(kernels.dot_i8(&a[1..], &b[..dims]), expected, "{} {dims}", kernels.name());
                assert_eq!(
                    kernels.dot_i16(&wide[1..], &b[..dims]),
                    7 * expected,
                    "{} {dims}",
                    kernels.name()
                );
                let low = vec![-128i8; dims];
                assert_eq!(kernels.dot_i8(&low, &low), 16384 * dims as i32);
            }
        }
    }
}
