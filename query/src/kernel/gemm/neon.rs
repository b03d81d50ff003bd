//! The innermost kernels of products for 64-bit ARM: a tile of sums in registers, one broadcast word of the left side at a
//! time.
//!
//! Reads from: packed panels. Writes to: a tile. Never: a word outside the panels.

use std::arch::aarch64::*;

use super::{Micro, TILE};
use crate::kernel::neon::{fours, sdot};

pub(super) static F32: Micro<f32> = Micro { left: 12, right: 8, run: neon_f32 };
pub(super) static I8: Micro<i32> = Micro { left: 12, right: 8, run: neon_i8 };
pub(super) static DOTPROD_I8: Micro<i32> = Micro { left: 12, right: 8, run: dotprod_i8 };

kernel!(neon_f32, "neon", f32, 12, 4, vdupq_n_f32(0.0), vld1q_f32, vst1q_f32, vdupq_n_f32, |sum, a, b| {
    vfmaq_f32(sum, a, b)
});
kernel!(
    /// Signed bytes on both sides.
    neon_i8, "neon", i32, 12, 4, vdupq_n_s32(0), vld1q_s32, vst1q_s32, vdupq_n_s32,
    |sum, a, b| fours(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
kernel!(
    /// Signed bytes on both sides.
    dotprod_i8, "neon,dotprod", i32, 12, 4, vdupq_n_s32(0), vld1q_s32, vst1q_s32, vdupq_n_s32,
    |sum, a, b| sdot(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
