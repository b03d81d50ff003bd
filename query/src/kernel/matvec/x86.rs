//! The 8-bit product for x86, with AVX-512 VNNI or AVX2.
//!
//! Reads from: packed rows and a vector. Writes to: sums. Never: a line outside a group.

use std::arch::x86_64::*;

use super::{GROUP, Line, Vector};

/// The high and the low half of the vector apart, since the instruction takes 8 bits: product = 256 x high + low. The side without
/// sign is the vector's, so that 128 too much in each of its high halves has to be taken off again.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn vnni(groups: [&[Line]; 4], vector: &Vector, sums: &[i32], out: &mut [[i32; GROUP]; 4]) {
    let mut high = [_mm512_setzero_si512(); 4];
    let mut low = [_mm512_setzero_si512(); 4];
    let [a, b, c, d] = groups;
    let words = vector.high.iter().zip(&vector.low);
    for (((((h, l), a), b), c), d) in words.zip(a).zip(b).zip(c).zip(d) {
        let h = _mm512_set1_epi32(i32::from_le_bytes(*h));
        let l = _mm512_set1_epi32(i32::from_le_bytes(*l));
        for (i, line) in [a, b, c, d].into_iter().enumerate() {
            // SAFETY: a line is 64 bytes at a multiple of 64.
            let line = unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
            high[i] = _mm512_dpbusd_epi32(high[i], h, line);
            low[i] = _mm512_dpbusd_epi32(low[i], l, line);
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        for (lane, sum) in sums.iter().skip(i * GROUP).take(GROUP).enumerate() {
            out[lane] = sum.wrapping_mul(-128);
        }
        // SAFETY: `out` are 16 numbers; any alignment will do.
        unsafe {
            let high = _mm512_add_epi32(high[i], _mm512_loadu_si512(out.as_ptr().cast()));
            let product = _mm512_add_epi32(_mm512_slli_epi32::<8>(high), low[i]);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), product);
        }
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn avx2(groups: [&[Line]; 4], vector: &Vector, _: &[i32], out: &mut [[i32; GROUP]; 4]) {
    for (group, out) in groups.into_iter().zip(out) {
        // Of each row two sums: of its first and second numbers of each four, and of its third and fourth.
        let mut sums = [_mm256_setzero_si256(); 4];
        for (line, four) in group.iter().zip(&vector.numbers) {
            let four = _mm256_set1_epi64x(bytemuck::cast(*four));
            for (sum, rows) in sums.iter_mut().zip(line.0.as_chunks::<4>().0) {
                // SAFETY: four rows of a line are 16 bytes; any alignment will do.
                let rows = unsafe { _mm_loadu_si128(rows.as_ptr().cast()) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_cvtepi8_epi16(rows), four));
            }
        }
        for (out, sum) in out.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            let mut halves = [[0i32; 2]; 4];
            // SAFETY: `halves` are 32 bytes; any alignment will do.
            unsafe { _mm256_storeu_si256(halves.as_mut_ptr().cast(), sum) };
            *out = halves.map(|[a, b]| a.wrapping_add(b));
        }
    }
}
