//! The 16-bit product for x86, with AVX-512 VNNI or AVX2.
//!
//! Reads from: packed rows and a vector. Writes to: sums. Never: a line outside a group.

use std::arch::x86_64::*;

use super::{BLOCK, GROUP, Line};

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn vnni(groups: [&[Line]; 4], pairs: &[i32], sums: &mut [[f32; GROUP]; 4]) {
    let mut totals = [_mm512_setzero_ps(); 4];
    let [first, second, third, fourth] = groups.map(|group| group.chunks(BLOCK));
    for ((((pairs, a), b), c), d) in pairs.chunks(BLOCK).zip(first).zip(second).zip(third).zip(fourth) {
        let mut block = [_mm512_setzero_si512(); 4];
        for ((((&x, a), b), c), d) in pairs.iter().zip(a).zip(b).zip(c).zip(d) {
            let x = _mm512_set1_epi32(x);
            for (sum, line) in block.iter_mut().zip([a, b, c, d]) {
                // SAFETY: a line is 64 bytes at a multiple of 64.
                let line = unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
                *sum = _mm512_dpwssd_epi32(*sum, line, x);
            }
        }
        for (total, sum) in totals.iter_mut().zip(block) {
            *total = _mm512_add_ps(*total, _mm512_cvtepi32_ps(sum));
        }
    }
    for (sums, total) in sums.iter_mut().zip(totals) {
        // SAFETY: `sums` are 16 numbers; any alignment will do.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), total) };
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn avx2(groups: [&[Line]; 4], pairs: &[i32], sums: &mut [[f32; GROUP]; 4]) {
    for (group, sums) in groups.into_iter().zip(sums) {
        let mut totals = [_mm256_setzero_ps(); 2];
        for (lines, pairs) in group.chunks(BLOCK).zip(pairs.chunks(BLOCK)) {
            let mut block = [_mm256_setzero_si256(); 2];
            for (line, &x) in lines.iter().zip(pairs) {
                let x = _mm256_set1_epi32(x);
                for (sum, half) in block.iter_mut().zip(line.0.as_chunks::<8>().0) {
                    // SAFETY: half a line is 32 bytes; any alignment will do.
                    let half = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(half, x));
                }
            }
            for (total, sum) in totals.iter_mut().zip(block) {
                *total = _mm256_add_ps(*total, _mm256_cvtepi32_ps(sum));
            }
        }
        for (sums, total) in sums.as_chunks_mut::<8>().0.iter_mut().zip(totals) {
            // SAFETY: `sums` are 8 numbers; any alignment will do.
            unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), total) };
        }
    }
}
