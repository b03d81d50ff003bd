//! What the kernels for 64-bit ARM share: inner products of bytes, four neighbours to a sum.
//!
//! Rows themselves are scanned by [`simsimd`](super::simsimd), whose kernels are NEON's there.
//! Reads from and writes to: registers. Never: memory, a sum that saturates.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

/// Whether this processor has [`sdot`].
pub(super) fn has_dotprod() -> bool {
    is_aarch64_feature_detected!("dotprod")
}

/// Adds to each number of `sum` the products of the four bytes of `x` and of `y` at its place.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot(mut sum: int32x4_t, x: int8x16_t, y: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on registers, and the processor has it. Its intrinsic is not stable yet.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {x:v}.16b, {y:v}.16b",
            sum = inout(vreg) sum,
            x = in(vreg) x,
            y = in(vreg) y,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// What [`sdot`] gives, for processors without it.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn fours(sum: int32x4_t, x: int8x16_t, y: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
    let high = vmull_high_s8(x, y);
    // The sum of two products of -128 needs more than 16 bits.
    vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
}
