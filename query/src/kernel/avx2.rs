//! The kernels for processors with AVX2, FMA and F16C: 8 numbers at a time, four chains of sums.
//!
//! Reads from: checked rows. Writes to: accumulators.
//! Never: a read outside the checked rows; a tail is copied to the stack or loaded under a mask.

use std::arch::x86_64::*;

use foretaste_storage::layout::Element;

use super::{Acc, Op, Rows};

const LANES: usize = 8;

const F32: u8 = Element::F32 as u8;
const F16: u8 = Element::F16 as u8;
const BF16: u8 = Element::BF16 as u8;
const DOT: u8 = Op::Dot as u8;
const L2: u8 = Op::L2 as u8;

/// Whether this processor has what these kernels use.
pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Adds `op` of the query strip and each row to `out`.
///
/// # Safety
/// [`supported`], and `rows.holds(query.len(), out.len())`.
pub(super) unsafe fn accumulate(op: Op, query: &[f32], rows: &Rows<'_>, out: &mut [Acc]) {
    // SAFETY: the caller's promise is the one that `strip` asks for.
    unsafe { monomorphic!(op, rows.element, strip(query, rows, out)) }
}

/// # Safety
/// As [`accumulate`].
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn strip<const OP: u8, const ELEMENT: u8>(query: &[f32], rows: &Rows<'_>, out: &mut [Acc]) {
    let (dims, size) = (query.len(), rows.element.size());
    let q = query.as_ptr().cast::<u8>();
    let ahead = rows.ahead_bytes(out.len());
    for (i, acc) in out.iter_mut().enumerate() {
        // SAFETY: `holds` says that row `i` starts inside `bytes`, or that `dims` is 0.
        let row = unsafe { rows.bytes.as_ptr().add(i * rows.stride) };
        let scale = rows.scale(i);
        let s = _mm256_set1_ps(scale);
        let mut sums = [(_mm256_setzero_ps(), _mm256_setzero_ps()); 4];
        let mut d = 0;
        while d + 4 * LANES <= dims {
            // For the narrower elements conversion is the limit, and prefetching only adds to it.
            for line in 0..if ELEMENT == F32 { 2 } else { 0 } {
                // A hint: it reads nothing and cannot fault, so it may point beyond the last row.
                _mm_prefetch::<_MM_HINT_T0>(
                    row.wrapping_add(ahead).wrapping_add(d * size + line * 64).cast(),
                );
            }
            for (u, sum) in sums.iter_mut().enumerate() {
                let at = d + u * LANES;
                // SAFETY: `at + LANES <= dims`: inside the query and, by `holds`, inside the row.
                let (q, x) = unsafe { (load::<F32>(q.add(at * 4)), load::<ELEMENT>(row.add(at * size))) };
                *sum = step::<OP>(*sum, q, x, s);
            }
            d += 4 * LANES;
        }
        for sum in &mut sums[..3] {
            if d + LANES <= dims {
                // SAFETY: `d + LANES <= dims`, as above.
                let (q, x) = unsafe { (load::<F32>(q.add(d * 4)), load::<ELEMENT>(row.add(d * size))) };
                *sum = step::<OP>(*sum, q, x, s);
                d += LANES;
            }
        }
        if d < dims {
            // SAFETY: `dims - d`, fewer than `LANES`, numbers are left in the query and in the row.
            let (q, x) = unsafe {
                let left = dims - d;
                (load_first::<F32>(q.add(d * 4), left), load_first::<ELEMENT>(row.add(d * size), left))
            };
            sums[3] = step::<OP>(sums[3], q, x, s);
        }
        let [(a0, b0), (a1, b1), (a2, b2), (a3, b3)] = sums;
        let a = total(_mm256_add_ps(_mm256_add_ps(a0, a1), _mm256_add_ps(a2, a3)));
        acc.a += if OP == L2 { a } else { a * scale };
        if OP != DOT && OP != L2 {
            let b = total(_mm256_add_ps(_mm256_add_ps(b0, b1), _mm256_add_ps(b2, b3)));
            acc.b += b * scale * scale;
        }
    }
}

/// Adds one vector's products to the sums. Only the L2 kernel needs the scale inside; the others apply it to the sum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn step<const OP: u8>((a, b): (__m256, __m256), q: __m256, x: __m256, s: __m256) -> (__m256, __m256) {
    match OP {
        DOT => (_mm256_fmadd_ps(q, x, a), b),
        L2 => {
            let difference = _mm256_fnmadd_ps(x, s, q);
            (_mm256_fmadd_ps(difference, difference, a), b)
        }
        _ => (_mm256_fmadd_ps(q, x, a), _mm256_fmadd_ps(x, x, b)),
    }
}

/// Loads and widens 8 numbers.
///
/// # Safety
/// 8 elements can be read at `at`, at any alignment.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load<const ELEMENT: u8>(at: *const u8) -> __m256 {
    // SAFETY: the caller's promise; all of these loads take any alignment.
    unsafe {
        match ELEMENT {
            F32 => _mm256_loadu_ps(at.cast()),
            F16 => _mm256_cvtph_ps(_mm_loadu_si128(at.cast())),
            // A bfloat16 is the upper half of an f32.
            BF16 => _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
                at.cast(),
            )))),
            _ => _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast()))),
        }
    }
}

/// Loads and widens the first `n < 8` numbers; the other lanes are 0.
///
/// # Safety
/// `n` elements can be read at `at`, at any alignment.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_first<const ELEMENT: u8>(at: *const u8, n: usize) -> __m256 {
    let size = match ELEMENT {
        F32 => 4,
        F16 | BF16 => 2,
        _ => 1,
    };
    let mut padded = [0u8; 4 * LANES];
    // SAFETY: the caller's promise for the source; `n * size` is less than the 32 bytes of the destination, which are
    // then all readable.
    unsafe {
        std::ptr::copy_nonoverlapping(at, padded.as_mut_ptr(), n * size);
        load::<ELEMENT>(padded.as_ptr())
    }
}

/// The sum of the eight lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn total(x: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}
