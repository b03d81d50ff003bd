//! The code kernels for 64-bit ARM, for processors with 8-bit inner products (`dotprod`) and for those without.
//!
//! Reads from: checked codes. Writes to: integer sums. Never: a read outside the checked codes.

use std::arch::aarch64::*;

use super::{BUNDLE, EdgeQuery, Fit, Grid};

/// The kernels whose loops are over bytes, for processors with `$features`: `$products` adds the products of two vectors
/// to four sums.
macro_rules! bytes {
    ($name:ident, $features:literal, $products:ident) => {
        pub(crate) mod $name {
            use std::arch::aarch64::*;

            use crate::kernel::codes::{BUNDLE, CODE_ALIGN, EdgeQuery};
            use crate::kernel::neon::$products;

            /// See [`super::super::Table`].
            ///
            /// # Safety
            /// The processor has the features; `bits` is 1, 2 or 4 and `codes` as long as `query` needs.
            pub(crate) unsafe fn bundle(bits: u8, query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) {
                // SAFETY: the caller's promise is the one that `sums` asks for.
                unsafe {
                    match bits {
                        1 => sums::<1, 8>(query, codes, out),
                        2 => sums::<2, 4>(query, codes, out),
                        _ => sums::<4, 2>(query, codes, out),
                    }
                }
            }

            /// `SHIFTS` is 8 / `BITS`.
            ///
            /// # Safety
            /// As [`bundle`].
            #[target_feature(enable = $features)]
            unsafe fn sums<const BITS: i32, const SHIFTS: usize>(
                query: &[i8],
                codes: &[u8],
                out: &mut [i32; BUNDLE],
            ) {
                let mask = vdupq_n_u8(((1u32 << BITS) - 1) as u8);
                let mut sums = [vdupq_n_s32(0); BUNDLE / 4];
                let (mut q, mut c) = (query.as_ptr().cast::<i32>(), codes.as_ptr());
                for _ in 0..query.len() / (4 * SHIFTS) {
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: a run of `4 * SHIFTS` dimensions is eight vectors of codes and `SHIFTS` words of the
                        // query, and there are as many runs as the loop takes.
                        let mut x = unsafe { vld1q_u8(c.add(lane * 16)) };
                        for s in 0..SHIFTS {
                            // SAFETY: as above.
                            let four = vdupq_n_s32(unsafe { q.add(s).read_unaligned() });
                            let codes = vreinterpretq_s8_u8(vandq_u8(x, mask));
                            *sum = $products(*sum, codes, vreinterpretq_s8_s32(four));
                            x = vshrq_n_u8::<BITS>(x);
                        }
                    }
                    // SAFETY: at most one past the end of what the loop reads.
                    unsafe {
                        q = q.add(SHIFTS);
                        c = c.add(4 * BUNDLE);
                    }
                }
                for (out, sum) in out.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
                    // SAFETY: `out` are four numbers.
                    unsafe { vst1q_s32(out.as_mut_ptr(), sum) };
                }
            }

            /// See [`super::super::Table`].
            ///
            /// # Safety
            /// As [`bundle`], after the addends and factors of `bundle`.
            pub(crate) unsafe fn expand(
                query: &EdgeQuery<'_>,
                base: f32,
                bundle: &[u8],
                limit: f32,
                out: &mut [f32; BUNDLE],
            ) -> u32 {
                let mut sums = [0; BUNDLE];
                let codes = bundle.get(8 * BUNDLE..).unwrap_or_default();
                // SAFETY: the caller's promise: the codes follow 32 addends and 32 factors.
                unsafe {
                    self::bundle(query.bits, query.codes, codes, &mut sums);
                    super::estimates(query, &sums, base, bundle, limit, out)
                }
            }

            /// See [`super::super::Table`].
            ///
            /// # Safety
            /// The processor has the features; both have the same length, a multiple of 64.
            pub(crate) unsafe fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
                // SAFETY: the caller's promise.
                let [dot] = unsafe { dots(a, [b]) };
                dot
            }

            /// See [`super::super::Table`].
            ///
            /// # Safety
            /// As [`dot_i8`], for each of the four.
            pub(crate) unsafe fn dots_i8(a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
                // SAFETY: the caller's promise.
                unsafe { dots(a, b) }
            }

            /// The inner products of `a` and each of `b`.
            ///
            /// # Safety
            /// As [`dot_i8`], for each of them.
            #[target_feature(enable = $features)]
            unsafe fn dots<const N: usize>(a: &[i8], b: [&[i8]; N]) -> [i32; N] {
                let mut sums = [[vdupq_n_s32(0); 4]; N];
                for i in (0..a.len()).step_by(CODE_ALIGN) {
                    for part in 0..4 {
                        let at = i + part * 16;
                        // SAFETY: `at + 16 <= i + 64 <= len` of all.
                        let x = unsafe { vld1q_s8(a.as_ptr().add(at)) };
                        for (sums, b) in sums.iter_mut().zip(b) {
                            // SAFETY: as above.
                            let y = unsafe { vld1q_s8(b.as_ptr().add(at)) };
                            sums[part] = $products(sums[part], x, y);
                        }
                    }
                }
                sums.map(|sums| super::reduce(sums))
            }
        }
    };
}

bytes!(plain, "neon", fours);
bytes!(dotprod, "neon,dotprod", sdot);

/// The estimates of `bundle` with these sums of its codes, and which of them are below `limit`.
///
/// # Safety
/// `bundle` begins with 32 addends and 32 factors.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn estimates(
    query: &EdgeQuery<'_>,
    sums: &[i32; BUNDLE],
    base: f32,
    bundle: &[u8],
    limit: f32,
    out: &mut [f32; BUNDLE],
) -> u32 {
    let (step, shift) = (vdupq_n_f32(query.step), vdupq_n_f32(query.shift));
    let (base, limit) = (vdupq_n_f32(base), vdupq_n_f32(limit));
    // SAFETY: four numbers.
    let bits = unsafe { vld1q_u32([1, 2, 4, 8].as_ptr()) };
    let mut mask = 0;
    for at in (0..BUNDLE).step_by(4) {
        // SAFETY: 32 sums, addends, factors and estimates, of which four from `at` on.
        unsafe {
            let sums = vcvtq_f32_s32(vld1q_s32(sums.as_ptr().add(at)));
            let addend = vld1q_f32(bundle.as_ptr().add(4 * at).cast());
            let factor = vld1q_f32(bundle.as_ptr().add(4 * BUNDLE + 4 * at).cast());
            let product = vfmaq_f32(shift, sums, step);
            let estimate = vfmaq_f32(vaddq_f32(base, addend), factor, product);
            vst1q_f32(out.as_mut_ptr().add(at), estimate);
            mask |= vaddvq_u32(vandq_u32(vcltq_f32(estimate, limit), bits)) << at;
        }
    }
    mask
}

/// See [`super::Table`].
///
/// # Safety
/// Both have the same length, a multiple of 64.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn dot_i16(a: &[i16], b: &[i8]) -> i32 {
    let mut sums = [vdupq_n_s32(0); 4];
    for i in (0..a.len()).step_by(16) {
        // SAFETY: `i + 16 <= len` of both.
        let (x0, x1, y) = unsafe {
            (vld1q_s16(a.as_ptr().add(i)), vld1q_s16(a.as_ptr().add(i + 8)), vld1q_s8(b.as_ptr().add(i)))
        };
        let (y0, y1) = (vmovl_s8(vget_low_s8(y)), vmovl_high_s8(y));
        sums[0] = vmlal_s16(sums[0], vget_low_s16(x0), vget_low_s16(y0));
        sums[1] = vmlal_high_s16(sums[1], x0, y0);
        sums[2] = vmlal_s16(sums[2], vget_low_s16(x1), vget_low_s16(y1));
        sums[3] = vmlal_high_s16(sums[3], x1, y1);
    }
    reduce(sums)
}

#[inline]
#[target_feature(enable = "neon")]
fn reduce(sums: [int32x4_t; 4]) -> i32 {
    let [a, b, c, d] = sums;
    vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d)))
}

/// See [`super::Table`].
///
/// # Safety
/// Slices of the same length, a multiple of 16.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn residual(code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32 {
    let mut energy = [vdupq_n_f32(0.0); 2];
    for i in (0..code.len()).step_by(8) {
        // SAFETY: `i + 8 <= len` of all three.
        unsafe {
            let halves = vmovl_s8(vld1_s8(code.as_ptr().add(i)));
            let words = [vmovl_s16(vget_low_s16(halves)), vmovl_high_s16(halves)];
            for (part, words) in words.into_iter().enumerate() {
                let at = i + 4 * part;
                // Not fused, so that every table rounds alike.
                let x = vmulq_n_f32(vcvtq_f32_s32(words), step);
                let r = vsubq_f32(x, vld1q_f32(reference.as_ptr().add(at)));
                vst1q_f32(out.as_mut_ptr().add(at), r);
                energy[part] = vfmaq_f32(energy[part], r, r);
            }
        }
    }
    vaddvq_f32(vaddq_f32(energy[0], energy[1]))
}

/// See [`super::Table`].
///
/// # Safety
/// As [`residual`].
#[target_feature(enable = "neon")]
pub(crate) unsafe fn levels(grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit {
    let middle = vdupq_n_f32(grid.middle);
    let (least, most) = (vdupq_n_f32(0.0), vdupq_n_f32(grid.most));
    let [mut along, mut norm, mut with] = [vdupq_n_f32(0.0); 3];
    for i in (0..residual.len()).step_by(8) {
        let mut halves = [vdup_n_u16(0); 2];
        for (part, half) in halves.iter_mut().enumerate() {
            let at = i + 4 * part;
            // SAFETY: `at + 4 <= i + 8 <= len` of both.
            let (r, c) =
                unsafe { (vld1q_f32(residual.as_ptr().add(at)), vld1q_f32(reference.as_ptr().add(at))) };
            // Not fused, so that every table rounds alike.
            let x = vrndnq_f32(vaddq_f32(vmulq_n_f32(r, grid.inverse), middle));
            // The maximum gives its other side for what is not a number.
            let level = vminq_f32(vmaxnmq_f32(x, least), most);
            let o = vsubq_f32(level, middle);
            along = vfmaq_f32(along, o, r);
            norm = vfmaq_f32(norm, o, o);
            with = vfmaq_f32(with, o, c);
            *half = vmovn_u32(vcvtq_u32_f32(level));
        }
        // SAFETY: `i + 8 <= len`.
        unsafe { vst1_u8(out.as_mut_ptr().add(i), vmovn_u16(vcombine_u16(halves[0], halves[1]))) };
    }
    Fit { along: vaddvq_f32(along), norm: vaddvq_f32(norm), reference: vaddvq_f32(with) }
}
