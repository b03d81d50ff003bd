//! The 16-bit product for 64-bit ARM.
//!
//! Reads from: packed rows and a vector. Writes to: sums. Never: a line outside a group.

use std::arch::aarch64::*;

use super::{BLOCK, GROUP, Line};

#[target_feature(enable = "neon")]
pub(super) fn neon(groups: [&[Line]; 4], pairs: &[i32], sums: &mut [[f32; GROUP]; 4]) {
    for (group, sums) in groups.into_iter().zip(sums) {
        let mut totals = [vdupq_n_f32(0.0); 4];
        for (lines, pairs) in group.chunks(BLOCK).zip(pairs.chunks(BLOCK)) {
            // Products are added up in pairs only at the end of a block: half of one is no longer than the whole.
            let mut block = [(vdupq_n_s32(0), vdupq_n_s32(0)); 4];
            for (line, &x) in lines.iter().zip(pairs) {
                let x = vreinterpretq_s16_s32(vdupq_n_s32(x));
                for ((low, high), quarter) in block.iter_mut().zip(line.0.as_chunks::<4>().0) {
                    // SAFETY: a quarter of a line is 16 bytes; any alignment will do.
                    let quarter = vreinterpretq_s16_s32(unsafe { vld1q_s32(quarter.as_ptr()) });
                    *low = vmlal_s16(*low, vget_low_s16(quarter), vget_low_s16(x));
                    *high = vmlal_high_s16(*high, quarter, x);
                }
            }
            for (total, (low, high)) in totals.iter_mut().zip(block) {
                *total = vaddq_f32(*total, vcvtq_f32_s32(vpaddq_s32(low, high)));
            }
        }
        for (sums, total) in sums.as_chunks_mut::<4>().0.iter_mut().zip(totals) {
            // SAFETY: `sums` are four numbers.
            unsafe { vst1q_f32(sums.as_mut_ptr(), total) };
        }
    }
}
