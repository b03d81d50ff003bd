//! The kernels for processors with AVX-512 F, BW, DQ and VL: 16 numbers at a time, four chains of sums, masked tails.
//!
//! Reads from: checked rows. Writes to: accumulators.
//! Never: a read outside the checked rows; masked lanes are not read.

use std::arch::x86_64::*;

use foretaste_storage::layout::Element;

use super::{Acc, Op, Rows};

const LANES: usize = 16;

const F32: u8 = Element::F32 as u8;
const F16: u8 = Element::F16 as u8;
const BF16: u8 = Element::BF16 as u8;
const DOT: u8 = Op::Dot as u8;
const L2: u8 = Op::L2 as u8;

/// Whether this processor has what these kernels use.
pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
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
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn strip<const OP: u8, const ELEMENT: u8>(query: &[f32], rows: &Rows<'_>, out: &mut [Acc]) {
    let (dims, size) = (query.len(), rows.element.size());
    let q = query.as_ptr().cast::<u8>();
    let ahead = rows.ahead_bytes(out.len());
    for (i, acc) in out.iter_mut().enumerate() {
        // SAFETY: `holds` says that row `i` starts inside `bytes`, or that `dims` is 0.
        let row = unsafe { rows.bytes.as_ptr().add(i * rows.stride) };
        let scale = rows.scale(i);
        let s = _mm512_set1_ps(scale);
        let mut sums = [(_mm512_setzero_ps(), _mm512_setzero_ps()); 4];
        let mut d = 0;
        while d + 4 * LANES <= dims {
            for line in 0..size {
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
            let mask = (1u16 << (dims - d)) - 1;
            // SAFETY: the mask names the `dims - d` numbers that are left; lanes outside it are not read.
            let (q, x) = unsafe {
                (load_some::<F32>(q.add(d * 4), mask), load_some::<ELEMENT>(row.add(d * size), mask))
            };
            sums[3] = step::<OP>(sums[3], q, x, s);
        }
        let [(a0, b0), (a1, b1), (a2, b2), (a3, b3)] = sums;
        let a = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a0, a1), _mm512_add_ps(a2, a3)));
        acc.a += if OP == L2 { a } else { a * scale };
        if OP != DOT && OP != L2 {
            let b = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(b0, b1), _mm512_add_ps(b2, b3)));
            acc.b += b * scale * scale;
        }
    }
}

/// Adds one vector's products to the sums. Only the L2 kernel needs the scale inside; the others apply it to the sum.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn step<const OP: u8>((a, b): (__m512, __m512), q: __m512, x: __m512, s: __m512) -> (__m512, __m512) {
    match OP {
        DOT => (_mm512_fmadd_ps(q, x, a), b),
        L2 => {
            let difference = _mm512_fnmadd_ps(x, s, q);
            (_mm512_fmadd_ps(difference, difference, a), b)
        }
        _ => (_mm512_fmadd_ps(q, x, a), _mm512_fmadd_ps(x, x, b)),
    }
}

/// Loads and widens 16 numbers.
///
/// # Safety
/// 16 elements can be read at `at`, at any alignment.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load<const ELEMENT: u8>(at: *const u8) -> __m512 {
    // SAFETY: the caller's promise; all of these loads take any alignment.
    unsafe {
        match ELEMENT {
            F32 => _mm512_loadu_ps(at.cast()),
            F16 => _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())),
            BF16 => widen_bf16(_mm256_loadu_si256(at.cast())),
            _ => widen_i8(_mm_loadu_si128(at.cast())),
        }
    }
}

/// Loads and widens the numbers that `mask` names; the other lanes are 0.
///
/// # Safety
/// The elements that `mask` names can be read at `at`, at any alignment.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load_some<const ELEMENT: u8>(at: *const u8, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's promise; a masked load does not touch the other elements.
    unsafe {
        match ELEMENT {
            F32 => _mm512_maskz_loadu_ps(mask, at.cast()),
            F16 => _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at.cast())),
            BF16 => widen_bf16(_mm256_maskz_loadu_epi16(mask, at.cast())),
            _ => widen_i8(_mm_maskz_loadu_epi8(mask, at.cast())),
        }
    }
}

/// A bfloat16 is the upper half of an f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn widen_bf16(x: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(x)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn widen_i8(x: __m128i) -> __m512 {
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x))
}
