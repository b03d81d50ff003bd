//! Vectors in and out of their stored element type.
//!
//! Reads from: f32 slices and stored rows. Writes to: stored rows and f32 buffers.
//! Never: a check for NaN or infinity (the engine refuses them at the door).

use bytemuck::allocation::pod_collect_to_vec;
use bytemuck::cast_slice;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::layout::Element;

/// Stores `values` into `out`, which has `values.len() * element.size()` bytes, and returns the row's scale (1 but for
/// [`Element::I8`]).
///
/// `I8` keeps values that are whole numbers within ±127 as they are; others are scaled by their largest magnitude / 127.
pub fn encode(element: Element, values: &[f32], out: &mut [u8]) -> f32 {
    debug_assert_eq!(out.len(), values.len() * element.size());
    match element {
        Element::F32 => {
            for (o, v) in out.chunks_exact_mut(4).zip(values) {
                o.copy_from_slice(&v.to_le_bytes());
            }
        }
        Element::F16 => {
            let mut row = vec![f16::ZERO; values.len()];
            row.convert_from_f32_slice(values);
            copy(cast_slice(&row), out);
        }
        Element::BF16 => {
            let mut row = vec![bf16::ZERO; values.len()];
            row.convert_from_f32_slice(values);
            copy(cast_slice(&row), out);
        }
        Element::I8 => {
            let max = values.iter().fold(0f32, |m, v| m.max(v.abs()));
            let whole = max <= 127.0 && values.iter().all(|v| v.fract() == 0.0);
            let scale = if whole || max == 0.0 { 1.0 } else { max / 127.0 };
            for (o, v) in out.iter_mut().zip(values) {
                *o = (v / scale).round().clamp(-127.0, 127.0) as i8 as u8;
            }
            return scale;
        }
    }
    1.0
}

fn copy(from: &[u8], to: &mut [u8]) {
    for (o, b) in to.iter_mut().zip(from) {
        *o = *b;
    }
}

/// Appends the numbers of a stored row to `out`. `bytes` holds whole elements, at any alignment.
pub fn decode(element: Element, bytes: &[u8], scale: f32, out: &mut Vec<f32>) {
    match element {
        Element::F32 => {
            out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        }
        Element::F16 => {
            let row: Vec<f16> = pod_collect_to_vec(bytes);
            let start = out.len();
            out.resize(start + row.len(), 0.0);
            row.convert_to_f32_slice(&mut out[start..]);
        }
        Element::BF16 => {
            let row: Vec<bf16> = pod_collect_to_vec(bytes);
            let start = out.len();
            out.resize(start + row.len(), 0.0);
            row.convert_to_f32_slice(&mut out[start..]);
        }
        Element::I8 => out.extend(bytes.iter().map(|&b| b as i8 as f32 * scale)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(element: Element, values: &[f32]) -> Vec<f32> {
        let (mut bytes, mut back) = (vec![0; values.len() * element.size()], Vec::new());
        let scale = encode(element, values, &mut bytes);
        decode(element, &bytes, scale, &mut back);
        back
    }

    #[test]
    fn each_element_type_keeps_what_it_can() {
        let values = [0.0, -1.0, 0.5, 3.25, -0.0078125];
        assert_eq!(round_trip(Element::F32, &values), values);
        assert_eq!(round_trip(Element::F16, &values), values);
        assert_eq!(round_trip(Element::BF16, &values), values);
        let whole = [-127.0, 0.0, 5.0, 127.0];
        assert_eq!(round_trip(Element::I8, &whole), whole);
        for (a, b) in round_trip(Element::I8, &values).iter().zip(values) {
            assert!((a - b).abs() <= 3.25 / 127.0 / 2.0 + 1e-6, "{a} for {b}");
        }
        assert_eq!(round_trip(Element::I8, &[0.0, 0.0]), [0.0, 0.0]);
    }
}
