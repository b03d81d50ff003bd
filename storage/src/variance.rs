//! Variances in and out of their stored form, and their traces.
//!
//! The 8-bit code is logarithmic: code 0 is a variance of 0, code c in 1..=255 is 2^(-32 + (c - 1) * 48 / 254), from
//! 2.3e-10 to 65,536 in steps of 14 %, so the error of a stored variance is at most 6.8 % of it. Values outside are
//! clamped to the nearest code.
//!
//! Reads from: f32 variances and stored rows. Writes to: stored rows and f32 buffers.
//! Never: a standard deviation or a logarithm taken for a variance; the engine converts what the caller tagged.

use half::f16;

use crate::layout::{Layout, VarianceLayout};

const LOG_MIN: f32 = -32.0;
const LOG_STEP: f32 = 48.0 / 254.0;
/// f16 has no finite value beyond this one.
const F16_MAX: f32 = 65_504.0;

/// Stored bytes of a variance over `dims` dimensions.
pub fn row_bytes(layout: VarianceLayout, dims: usize) -> usize {
    match layout {
        VarianceLayout::Scalar => 4,
        VarianceLayout::DiagonalF16 => 2 * dims,
        VarianceLayout::DiagonalLog8 => dims,
    }
}

/// Stores `values` (one for `Scalar`, one a dimension otherwise) into `out`, which has [`row_bytes`] bytes.
pub fn encode(layout: VarianceLayout, values: &[f32], out: &mut [u8]) {
    match layout {
        VarianceLayout::Scalar => {
            let value = values.first().copied().unwrap_or(0.0);
            out.copy_from_slice(&value.to_le_bytes());
        }
        VarianceLayout::DiagonalF16 => {
            for (o, v) in out.chunks_exact_mut(2).zip(values) {
                o.copy_from_slice(&f16::from_f32(v.min(F16_MAX)).to_le_bytes());
            }
        }
        VarianceLayout::DiagonalLog8 => {
            for (o, v) in out.iter_mut().zip(values) {
                *o = log8(*v);
            }
        }
    }
}

/// Appends the variances of a stored row to `out`: one for `Scalar`, one a dimension otherwise.
pub fn decode(layout: VarianceLayout, bytes: &[u8], out: &mut Vec<f32>) {
    match layout {
        VarianceLayout::Scalar => {
            out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        VarianceLayout::DiagonalF16 => {
            out.extend(bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()));
        }
        VarianceLayout::DiagonalLog8 => out.extend(bytes.iter().map(|&c| from_log8(c))),
    }
}

/// Appends the trace (the sum of the stored variances) of the row's first `levels[i]` dimensions for every level i of
/// the layout. `bytes_of(level)` is the stored row in `variance.{level}`; levels the row lacks add nothing.
///
/// Traces are taken of what was stored, not of what was given, so that a truncated distance with its trace equals the
/// one computed from the stored variances.
pub fn traces<'a>(
    layout: &Layout,
    has_levels: usize,
    mut bytes_of: impl FnMut(usize) -> &'a [u8],
    out: &mut Vec<f32>,
) {
    let Some(kind) = layout.variance else { return };
    let mut values = Vec::new();
    let mut trace = 0f64;
    for level in 0..layout.levels.len() {
        if level < has_levels {
            let dims = layout.dims_of(level).len();
            if kind == VarianceLayout::Scalar {
                if level == 0 {
                    decode(kind, bytes_of(0), &mut values);
                }
                trace += dims as f64 * f64::from(values.first().copied().unwrap_or(0.0));
            } else {
                values.clear();
                decode(kind, bytes_of(level), &mut values);
                trace += values.iter().map(|&v| f64::from(v)).sum::<f64>();
            }
        }
        out.push(trace as f32);
    }
}

fn log8(variance: f32) -> u8 {
    // Below half of the smallest code zero is nearer.
    if variance < 0.5 * (2f32).powf(LOG_MIN) {
        return 0;
    }
    let code = 1.0 + (variance.log2() - LOG_MIN) / LOG_STEP;
    code.round().clamp(1.0, 255.0) as u8
}

fn from_log8(code: u8) -> f32 {
    if code == 0 { 0.0 } else { (2f32).powf(LOG_MIN + (f32::from(code) - 1.0) * LOG_STEP) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Element;

    fn round_trip(layout: VarianceLayout, values: &[f32]) -> Vec<f32> {
        let mut bytes = vec![0; row_bytes(layout, values.len())];
        encode(layout, values, &mut bytes);
        let mut back = Vec::new();
        decode(layout, &bytes, &mut back);
        back
    }

    #[test]
    fn stored_variances_are_within_the_stated_error() {
        let values: Vec<f32> = (0..100).map(|i| 1e-4 * 1.2f32.powi(i)).filter(|v| *v < 6e4).collect();
        for (a, b) in round_trip(VarianceLayout::DiagonalF16, &values).iter().zip(&values) {
            assert!((a - b).abs() <= b * 1e-3, "{a} for {b}");
        }
        for (a, b) in round_trip(VarianceLayout::DiagonalLog8, &values).iter().zip(&values) {
            assert!((a - b).abs() <= b * 0.068, "{a} for {b}");
        }
        assert_eq!(round_trip(VarianceLayout::DiagonalLog8, &[0.0]), [0.0]);
        assert_eq!(round_trip(VarianceLayout::Scalar, &[0.37]), [0.37]);
        assert!(round_trip(VarianceLayout::DiagonalF16, &[1e9])[0].is_finite());
        for code in 0..=255u8 {
            assert_eq!(log8(from_log8(code)), code);
        }
    }

    #[test]
    fn traces_add_up_over_the_levels_a_row_has() {
        let layout =
            |variance| Layout { levels: vec![2, 5], element: Element::F32, variance: Some(variance) };
        let mut out = Vec::new();
        traces(&layout(VarianceLayout::Scalar), 2, |_| &[0, 0, 0, 63], &mut out); // 0.5
        assert_eq!(out, [1.0, 2.5]);
        out.clear();
        traces(&layout(VarianceLayout::Scalar), 1, |_| &[0, 0, 0, 63], &mut out);
        assert_eq!(out, [1.0, 1.0]);
        out.clear();
        let zero = log8(1.0);
        let rows = [vec![zero; 2], vec![zero; 3]];
        traces(&layout(VarianceLayout::DiagonalLog8), 2, |l| &rows[l], &mut out);
        let one = from_log8(zero);
        assert!((out[0] - 2.0 * one).abs() < 1e-6 && (out[1] - 5.0 * one).abs() < 1e-6);
    }
}
