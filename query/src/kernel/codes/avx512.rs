//! The code kernels for processors with AVX-512 and its 8-bit inner products (VNNI).
//!
//! Reads from: checked codes. Writes to: integer sums. Never: a read outside the checked codes.

use std::arch::x86_64::*;

use super::{BUNDLE, EdgeQuery, Fit, Grid};

/// Whether this processor has what these kernels use beyond the other AVX-512 kernels.
pub(crate) fn supported() -> bool {
    is_x86_feature_detected!("avx512vnni")
}

/// See [`super::Table`].
///
/// # Safety
/// [`supported`], with the other AVX-512 features; `bits` is 1, 2 or 4 and `codes` as long as `query` needs.
pub(crate) unsafe fn bundle(bits: u8, query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) {
    // SAFETY: the caller's promise is the one that `store` asks for.
    unsafe {
        match bits {
            1 => store::<1, 8>(query, codes, out),
            2 => store::<2, 4>(query, codes, out),
            _ => store::<4, 2>(query, codes, out),
        }
    }
}

/// # Safety
/// As [`bundle`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn store<const BITS: u32, const SHIFTS: usize>(query: &[i8], codes: &[u8], out: &mut [i32; BUNDLE]) {
    // SAFETY: the caller's promise; `out` has room for 32 numbers.
    unsafe {
        let (low, high) = sums::<BITS, SHIFTS>(query, codes.as_ptr());
        _mm512_storeu_si512(out.as_mut_ptr().cast(), low);
        _mm512_storeu_si512(out.as_mut_ptr().add(16).cast(), high);
    }
}

/// See [`super::Table`].
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
    // SAFETY: the caller's promise is the one that `estimates` asks for.
    unsafe {
        match query.bits {
            1 => estimates::<1, 8>(query, base, bundle, limit, out),
            2 => estimates::<2, 4>(query, base, bundle, limit, out),
            _ => estimates::<4, 2>(query, base, bundle, limit, out),
        }
    }
}

/// # Safety
/// As [`expand`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn estimates<const BITS: u32, const SHIFTS: usize>(
    query: &EdgeQuery<'_>,
    base: f32,
    bundle: &[u8],
    limit: f32,
    out: &mut [f32; BUNDLE],
) -> u32 {
    let at = bundle.as_ptr();
    // SAFETY: the caller's promise: 32 addends, 32 factors, and the codes.
    let (low, high) = unsafe { sums::<BITS, SHIFTS>(query.codes, at.add(8 * BUNDLE)) };
    let (step, shift, base) = (_mm512_set1_ps(query.step), _mm512_set1_ps(query.shift), _mm512_set1_ps(base));
    let limit = _mm512_set1_ps(limit);
    let mut mask = 0;
    for (half, sums) in [low, high].into_iter().enumerate() {
        // SAFETY: as above; `out` has room for 32 numbers.
        unsafe {
            let addend = _mm512_loadu_ps(at.add(half * 64).cast());
            let factor = _mm512_loadu_ps(at.add(4 * BUNDLE + half * 64).cast());
            let product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), step, shift);
            let estimate = _mm512_fmadd_ps(factor, product, _mm512_add_ps(base, addend));
            _mm512_storeu_ps(out.as_mut_ptr().add(half * 16), estimate);
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(estimate, limit);
            mask |= u32::from(below) << (half * 16);
        }
    }
    mask
}

/// `SHIFTS` is 8 / `BITS`.
///
/// # Safety
/// As [`bundle`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
unsafe fn sums<const BITS: u32, const SHIFTS: usize>(query: &[i8], codes: *const u8) -> (__m512i, __m512i) {
    let mask = _mm512_set1_epi8(((1u32 << BITS) - 1) as i8);
    let mut low = [_mm512_setzero_si512(); SHIFTS];
    let mut high = [_mm512_setzero_si512(); SHIFTS];
    let (mut q, mut c) = (query.as_ptr().cast::<i32>(), codes);
    for _ in 0..query.len() / (4 * SHIFTS) {
        // SAFETY: a run of `4 * SHIFTS` dimensions is two vectors of codes and `SHIFTS` words of the query, and there are
        // as many runs as the loop takes.
        let (mut a, mut b) = unsafe { (_mm512_loadu_si512(c.cast()), _mm512_loadu_si512(c.add(64).cast())) };
        for s in 0..SHIFTS {
            // SAFETY: as above.
            let four = _mm512_set1_epi32(unsafe { q.add(s).read_unaligned() });
            low[s] = _mm512_dpbusd_epi32(low[s], _mm512_and_si512(a, mask), four);
            high[s] = _mm512_dpbusd_epi32(high[s], _mm512_and_si512(b, mask), four);
            if s + 1 < SHIFTS {
                // Bits that cross from byte to byte are outside the mask.
                a = _mm512_srli_epi32::<BITS>(a);
                b = _mm512_srli_epi32::<BITS>(b);
            }
        }
        // SAFETY: at most one past the end of what the loop reads.
        unsafe {
            q = q.add(SHIFTS);
            c = c.add(128);
        }
    }
    let add = |sums: [__m512i; SHIFTS]| {
        sums.into_iter().fold(_mm512_setzero_si512(), |a, b| _mm512_add_epi32(a, b))
    };
    (add(low), add(high))
}

/// See [`super::Table`].
///
/// # Safety
/// As [`bundle`], and both have the same length, a multiple of 64.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    let flip = _mm512_set1_epi8(-128);
    let (mut sum, mut ones) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for i in (0..a.len()).step_by(64) {
        // SAFETY: `i + 64 <= len` of both.
        let (x, y) = unsafe {
            (_mm512_loadu_si512(a.as_ptr().add(i).cast()), _mm512_loadu_si512(b.as_ptr().add(i).cast()))
        };
        // The instruction takes one side unsigned: a + 128 there, and 128 times the sum of b is taken off again.
        sum = _mm512_dpbusd_epi32(sum, _mm512_xor_si512(x, flip), y);
        ones = _mm512_dpbusd_epi32(ones, flip, y);
    }
    _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, ones))
}

/// See [`super::Table`].
///
/// # Safety
/// As [`dot_i8`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn dot_i16(a: &[i16], b: &[i8]) -> i32 {
    let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for i in (0..a.len()).step_by(64) {
        // SAFETY: `i + 64 <= len` of both.
        let (x0, x1, y0, y1) = unsafe {
            (
                _mm512_loadu_si512(a.as_ptr().add(i).cast()),
                _mm512_loadu_si512(a.as_ptr().add(i + 32).cast()),
                _mm256_loadu_si256(b.as_ptr().add(i).cast()),
                _mm256_loadu_si256(b.as_ptr().add(i + 32).cast()),
            )
        };
        even = _mm512_dpwssd_epi32(even, x0, _mm512_cvtepi8_epi16(y0));
        odd = _mm512_dpwssd_epi32(odd, x1, _mm512_cvtepi8_epi16(y1));
    }
    _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd))
}

/// See [`super::Table`].
///
/// # Safety
/// The AVX-512 features, and slices of the same length, a multiple of 16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(crate) unsafe fn residual(code: &[i8], step: f32, reference: &[f32], out: &mut [f32]) -> f32 {
    let step = _mm512_set1_ps(step);
    let mut energy = _mm512_setzero_ps();
    for i in (0..code.len()).step_by(16) {
        // SAFETY: `i + 16 <= len` of all three.
        unsafe {
            let x = _mm512_cvtepi8_epi32(_mm_loadu_si128(code.as_ptr().add(i).cast()));
            let x = _mm512_mul_ps(_mm512_cvtepi32_ps(x), step);
            let r = _mm512_sub_ps(x, _mm512_loadu_ps(reference.as_ptr().add(i)));
            _mm512_storeu_ps(out.as_mut_ptr().add(i), r);
            energy = _mm512_fmadd_ps(r, r, energy);
        }
    }
    _mm512_reduce_add_ps(energy)
}

/// See [`super::Table`].
///
/// # Safety
/// As [`residual`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(crate) unsafe fn levels(grid: Grid, residual: &[f32], reference: &[f32], out: &mut [u8]) -> Fit {
    let (inverse, middle) = (_mm512_set1_ps(grid.inverse), _mm512_set1_ps(grid.middle));
    let (least, most) = (_mm512_setzero_ps(), _mm512_set1_ps(grid.most));
    let [mut along, mut norm, mut with] = [_mm512_setzero_ps(); 3];
    for i in (0..residual.len()).step_by(16) {
        // SAFETY: `i + 16 <= len` of all three.
        unsafe {
            let r = _mm512_loadu_ps(residual.as_ptr().add(i));
            // Not fused, so that every table rounds alike.
            let x = _mm512_add_ps(_mm512_mul_ps(r, inverse), middle);
            let x = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            // The maximum gives its second side for what is not a number.
            let level = _mm512_min_ps(_mm512_max_ps(x, least), most);
            let o = _mm512_sub_ps(level, middle);
            along = _mm512_fmadd_ps(o, r, along);
            norm = _mm512_fmadd_ps(o, o, norm);
            with = _mm512_fmadd_ps(o, _mm512_loadu_ps(reference.as_ptr().add(i)), with);
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(level));
            _mm_storeu_si128(out.as_mut_ptr().add(i).cast(), bytes);
        }
    }
    let sum = |x| _mm512_reduce_add_ps(x);
    Fit { along: sum(along), norm: sum(norm), reference: sum(with) }
}

/// See [`super::Table`].
///
/// # Safety
/// As [`dot_i8`], for each of the four.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn dots_i8(a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
    let flip = _mm512_set1_epi8(-128);
    let mut sums = [_mm512_setzero_si512(); 4];
    let mut ones = _mm512_setzero_si512();
    for i in (0..a.len()).step_by(64) {
        // SAFETY: `i + 64 <= len` of all.
        let x = unsafe { _mm512_loadu_si512(a.as_ptr().add(i).cast()) };
        // b + 128 on the unsigned side, and 128 times the sum of a, which is the same for all four, is taken off again.
        ones = _mm512_dpbusd_epi32(ones, flip, x);
        for (sum, b) in sums.iter_mut().zip(b) {
            // SAFETY: as above.
            let y = unsafe { _mm512_loadu_si512(b.as_ptr().add(i).cast()) };
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_xor_si512(y, flip), x);
        }
    }
    let [s0, s1, s2, s3] = sums.map(|sum| _mm512_sub_epi32(sum, ones));
    let low = _mm512_add_epi32(_mm512_unpacklo_epi32(s0, s1), _mm512_unpackhi_epi32(s0, s1));
    let high = _mm512_add_epi32(_mm512_unpacklo_epi32(s2, s3), _mm512_unpackhi_epi32(s2, s3));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    let half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    let four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
    let mut out = [0; 4];
    // SAFETY: `out` has room for four numbers.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), four) };
    out
}
