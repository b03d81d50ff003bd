//! The innermost kernels of products for x86: a tile of sums in registers, one broadcast word of the left side at a time.
//!
//! Reads from: packed panels. Writes to: a tile. Never: a word outside the panels.

use std::arch::x86_64::*;

use super::{Micro, TILE};

pub(super) static AVX512_F32: Micro<f32> = Micro { left: 14, right: 32, run: avx512_f32 };
pub(super) static AVX2_F32: Micro<f32> = Micro { left: 6, right: 16, run: avx2_f32 };
pub(super) static VNNI_I8: Micro<i32> = Micro { left: 14, right: 32, run: vnni_i8 };
pub(super) static AVX2_I8: Micro<i32> = Micro { left: 6, right: 16, run: avx2_i8 };

kernel!(
    avx512_f32,
    "avx512f",
    f32,
    14,
    16,
    _mm512_setzero_ps(),
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    |sum, a, b| _mm512_fmadd_ps(a, b, sum)
);
kernel!(
    avx2_f32,
    "avx2,fma",
    f32,
    6,
    8,
    _mm256_setzero_ps(),
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    |sum, a, b| _mm256_fmadd_ps(a, b, sum)
);
kernel!(
    /// Unsigned bytes on the left, signed ones on the right.
    vnni_i8, "avx512f,avx512vnni", i32, 14, 16, _mm512_setzero_si512(), _mm512_loadu_si512, _mm512_storeu_si512,
    _mm512_set1_epi32, |sum, a, b| _mm512_dpbusd_epi32(sum, a, b));
kernel!(
    /// Pairs of 16-bit numbers.
    avx2_i8, "avx2", i32, 6, 8, _mm256_setzero_si256(), _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    |sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)));
