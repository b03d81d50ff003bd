//! The code kernels as plain loops: what the others are compared with, and what runs where they cannot.
//!
//! Reads from: checked codes. Writes to: integer sums. Never: a feature of the processor.

use super::{BUNDLE, EdgeQuery, Fit, Grid};

/// See [`super::Table`]. Not unsafe but in its type, which all tables share.
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn bundle(bits: u8, query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) {
    let run = 32 / usize::from(bits);
    let mask = (1u32 << bits) - 1;
    out.fill(0);
    for (query, words) in query.chunks_exact(run).zip(codes.chunks_exact(4 * BUNDLE)) {
        for (word, sum) in words.chunks_exact(4).zip(out.iter_mut()) {
            for (s, four) in query.chunks_exact(4).enumerate() {
                for (q, byte) in four.iter().zip(word) {
                    *sum += i32::from(*q) * (u32::from(*byte) >> (s * usize::from(bits)) & mask) as i32;
                }
            }
        }
    }
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn expand(
    query: &EdgeQuery<'_>,
    base: f32,
    bundle: &[u8],
    limit: f32,
    out: &mut [f32; BUNDLE],
) -> u32 {
    let (addends, rest) = bundle.split_at(4 * BUNDLE);
    let (factors, codes) = rest.split_at(4 * BUNDLE);
    let mut sums = [0; BUNDLE];
    // SAFETY: it has nothing to keep.
    unsafe { self::bundle(query.bits, query.codes, codes, &mut sums) };
    let number = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap_or_default());
    let mut mask = 0;
    for (i, estimate) in out.iter_mut().enumerate() {
        let (addend, factor) = (number(&addends[i * 4..][..4]), number(&factors[i * 4..][..4]));
        *estimate = base + addend + factor * (query.step * sums[i] as f32 + query.shift);
        mask |= u32::from(*estimate < limit) << i;
    }
    mask
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn dot_i16(a: &[i16], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)))
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn residual(code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32 {
    let mut energy = 0.0;
    for ((out, code), reference) in out.iter_mut().zip(code).zip(reference) {
        *out = step * f32::from(*code) - reference;
        energy += *out * *out;
    }
    energy
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn levels(grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit {
    let mut fit = Fit::default();
    for ((out, r), c) in out.iter_mut().zip(residual).zip(reference) {
        // What is not a number is 0 after the first of the two.
        let level = (r * grid.inverse + grid.middle).round_ties_even().max(0.0).min(grid.most);
        *out = level as u8;
        let o = level - grid.middle;
        fit.along += o * r;
        fit.norm += o * o;
        fit.reference += o * c;
    }
    fit
}

/// See [`super::Table`].
///
/// # Safety
/// None to keep.
pub(crate) unsafe fn dots_i8(a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
    // SAFETY: it has nothing to keep.
    b.map(|b| unsafe { dot_i8(a, b) })
}
