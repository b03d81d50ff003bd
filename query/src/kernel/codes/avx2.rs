//! The code kernels for processors with AVX2.
//!
//! Reads from: checked codes. Writes to: integer sums. Never: a read outside the checked codes.

use std::arch::x86_64::*;

use super::{BUNDLE, EdgeQuery, Fit, Grid};

/// See [`super::Table`].
///
/// # Safety
/// The processor has AVX2; `bits` is 1, 2 or 4 and `codes` as long as `query` needs.
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
#[target_feature(enable = "avx2")]
unsafe fn sums<const BITS: i32, const SHIFTS: usize>(query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) {
    let mask = _mm256_set1_epi8(((1u32 << BITS) - 1) as i8);
    let one = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); 4];
    let (mut q, mut c) = (query.as_ptr().cast::<i32>(), codes.as_ptr());
    for _ in 0..query.len() / (4 * SHIFTS) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a run of `4 * SHIFTS` dimensions is four vectors of codes and `SHIFTS` words of the query, and there
            // are as many runs as the loop takes.
            let mut x = unsafe { _mm256_loadu_si256(c.add(lane * 32).cast()) };
            for s in 0..SHIFTS {
                // SAFETY: as above.
                let four = _mm256_set1_epi32(unsafe { q.add(s).read_unaligned() });
                // At most 2 * 15 * 128: no 16-bit lane saturates.
                let pairs = _mm256_maddubs_epi16(_mm256_and_si256(x, mask), four);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, one));
                x = _mm256_srli_epi32::<BITS>(x);
            }
        }
        // SAFETY: at most one past the end of what the loop reads.
        unsafe {
            q = q.add(SHIFTS);
            c = c.add(128);
        }
    }
    for (lane, sum) in sums.into_iter().enumerate() {
        // SAFETY: `out` has room for 32 numbers.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(lane * 8).cast(), sum) };
    }
}

/// See [`super::Table`].
///
/// # Safety
/// As [`bundle`], after the addends and factors of `bundle`.
#[target_feature(enable = "avx2,fma")]
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
    unsafe { self::bundle(query.bits, query.codes, codes, &mut sums) };
    let (step, shift) = (_mm256_set1_ps(query.step), _mm256_set1_ps(query.shift));
    let (base, limit) = (_mm256_set1_ps(base), _mm256_set1_ps(limit));
    let mut mask = 0;
    for at in (0..BUNDLE).step_by(8) {
        // SAFETY: 32 sums, addends, factors and estimates, of which 8 from `at` on.
        unsafe {
            let sums = _mm256_cvtepi32_ps(_mm256_loadu_si256(sums.as_ptr().add(at).cast()));
            let addend = _mm256_loadu_ps(bundle.as_ptr().add(4 * at).cast());
            let factor = _mm256_loadu_ps(bundle.as_ptr().add(4 * BUNDLE + 4 * at).cast());
            let product = _mm256_fmadd_ps(sums, step, shift);
            let estimate = _mm256_fmadd_ps(factor, product, _mm256_add_ps(base, addend));
            _mm256_storeu_ps(out.as_mut_ptr().add(at), estimate);
            let below = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(estimate, limit));
            mask |= (below as u32) << at;
        }
    }
    mask
}

/// See [`super::Table`].
///
/// # Safety
/// As [`bundle`], and both have the same length, a multiple of 64.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    let mut sums = [_mm256_setzero_si256(); 4];
    for i in (0..a.len()).step_by(64) {
        for (part, sum) in sums.iter_mut().enumerate() {
            let at = i + part * 16;
            // SAFETY: `at + 16 <= i + 64 <= len` of both.
            let (x, y) = unsafe {
                (_mm_loadu_si128(a.as_ptr().add(at).cast()), _mm_loadu_si128(b.as_ptr().add(at).cast()))
            };
            let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y));
            *sum = _mm256_add_epi32(*sum, products);
        }
    }
    reduce(sums)
}

/// See [`super::Table`].
///
/// # Safety
/// As [`dot_i8`].
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn dot_i16(a: &[i16], b: &[i8]) -> i32 {
    let mut sums = [_mm256_setzero_si256(); 4];
    for i in (0..a.len()).step_by(64) {
        for (part, sum) in sums.iter_mut().enumerate() {
            let at = i + part * 16;
            // SAFETY: `at + 16 <= i + 64 <= len` of both.
            let (x, y) = unsafe {
                (_mm256_loadu_si256(a.as_ptr().add(at).cast()), _mm_loadu_si128(b.as_ptr().add(at).cast()))
            };
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(y)));
        }
    }
    reduce(sums)
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce(sums: [__m256i; 4]) -> i32 {
    let [a, b, c, d] = sums;
    let sum = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}

/// See [`super::Table`].
///
/// # Safety
/// AVX2 and FMA, and slices of the same length, a multiple of 16.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn residual(code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32 {
    let step = _mm256_set1_ps(step);
    let mut energy = _mm256_setzero_ps();
    for i in (0..code.len()).step_by(8) {
        // SAFETY: `i + 8 <= len` of all three.
        unsafe {
            let x = _mm256_cvtepi8_epi32(_mm_loadl_epi64(code.as_ptr().add(i).cast()));
            let x = _mm256_mul_ps(_mm256_cvtepi32_ps(x), step);
            let r = _mm256_sub_ps(x, _mm256_loadu_ps(reference.as_ptr().add(i)));
            _mm256_storeu_ps(out.as_mut_ptr().add(i), r);
            energy = _mm256_fmadd_ps(r, r, energy);
        }
    }
    add(energy)
}

/// See [`super::Table`].
///
/// # Safety
/// As [`residual`].
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn levels(grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit {
    let (inverse, middle) = (_mm256_set1_ps(grid.inverse), _mm256_set1_ps(grid.middle));
    let (least, most) = (_mm256_setzero_ps(), _mm256_set1_ps(grid.most));
    let [mut along, mut norm, mut with] = [_mm256_setzero_ps(); 3];
    for i in (0..residual.len()).step_by(8) {
        // SAFETY: `i + 8 <= len` of all three.
        unsafe {
            let r = _mm256_loadu_ps(residual.as_ptr().add(i));
            // Not fused, so that every table rounds alike.
            let x = _mm256_add_ps(_mm256_mul_ps(r, inverse), middle);
            let x = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            // The maximum gives its second side for what is not a number.
            let level = _mm256_min_ps(_mm256_max_ps(x, least), most);
            let o = _mm256_sub_ps(level, middle);
            along = _mm256_fmadd_ps(o, r, along);
            norm = _mm256_fmadd_ps(o, o, norm);
            with = _mm256_fmadd_ps(o, _mm256_loadu_ps(reference.as_ptr().add(i)), with);
            let words = _mm256_cvtps_epi32(level);
            let halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storel_epi64(out.as_mut_ptr().add(i).cast(), _mm_packus_epi16(halves, halves));
        }
    }
    Fit { along: add(along), norm: add(norm), reference: add(with) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

/// See [`super::Table`].
///
/// # Safety
/// As [`dot_i8`], for each of the four.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn dots_i8(a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
    // SAFETY: the caller's promise.
    b.map(|b| unsafe { dot_i8(a, b) })
}
