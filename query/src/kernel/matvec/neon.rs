//! The 8-bit product for 64-bit ARM.
//!
//! Reads from: packed rows and a vector. Writes to: sums. Never: a line outside a group.

use std::arch::aarch64::*;

use super::{GROUP, Line, Vector};

#[target_feature(enable = "neon")]
pub(super) fn neon(groups: [&[Line]; 4], vector: &Vector, _: &[i32], out: &mut [[i32; GROUP]; 4]) {
    for (group, out) in groups.into_iter().zip(out) {
        // The four products of each row apart: as many sums as there are registers to spare.
        let mut sums = [vdupq_n_s32(0); GROUP];
        for (line, four) in group.iter().zip(&vector.numbers) {
            // SAFETY: four numbers of 16 bits.
            let x = unsafe { vld1_s16(four.as_ptr()) };
            let quarters = line.0.as_chunks::<4>().0.iter().zip(sums.as_chunks_mut::<4>().0);
            for (rows, [a, b, c, d]) in quarters {
                // SAFETY: four rows of a line are 16 bytes; any alignment will do.
                let rows = unsafe { vld1q_s8(rows.as_ptr().cast()) };
                let (low, high) = (vmovl_s8(vget_low_s8(rows)), vmovl_high_s8(rows));
                *a = vmlal_s16(*a, vget_low_s16(low), x);
                *b = vmlal_s16(*b, vget_high_s16(low), x);
                *c = vmlal_s16(*c, vget_low_s16(high), x);
                *d = vmlal_s16(*d, vget_high_s16(high), x);
            }
        }
        *out = sums.map(|sum| vaddvq_s32(sum));
    }
}
