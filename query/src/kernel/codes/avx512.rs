//! The code kernels for processors with AVX-512 and its 8-bit inner products (VNNI).
//!
//! Reads from: checked codes. Writes to: integer sums. Never: a read outside the checked codes.

use std::arch::x86_64::*;

use super::{BUNDLE, EdgeQuery};

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
