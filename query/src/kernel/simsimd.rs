//! The portable kernels, through the simsimd library; on ARM they are the fast ones.
//!
//! Only its f32 pair functions are used: other element types are widened into a scratch row first, because simsimd's own
//! would ask for a query rounded to the row's type. Its cosine is not used (it is 0, a perfect match, for NaN).
//! Reads from: checked rows. Writes to: accumulators. Never: unsafe code.

use std::sync::OnceLock;

use bytemuck::{cast_slice_mut, try_cast_slice};
use foretaste_storage::layout::Element;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use simsimd::SpatialSimilarity;

use super::{Acc, Op, Rows};

/// Makes simsimd look at the processor before any thread scans: its lazy dispatch writes plain globals.
pub(super) fn warm() {
    static WARM: OnceLock<bool> = OnceLock::new();
    // Any question about a feature probes them all and sets every pointer of the dispatch table, on every architecture;
    // `uses_dynamic_dispatch` is a constant and would not.
    WARM.get_or_init(simsimd::capabilities::uses_neon);
}

/// Adds `op` of the query strip and each row to `out`. Rows that are not there are left out.
pub(super) fn accumulate(op: Op, query: &[f32], rows: &Rows<'_>, out: &mut [Acc]) {
    let mut scratch = Scratch::default();
    let row_bytes = query.len() * rows.element.size();
    for (i, acc) in out.iter_mut().enumerate() {
        let start = i * rows.stride;
        let Some(bytes) = rows.bytes.get(start..start + row_bytes) else { return };
        let row = scratch.widen(rows.element, bytes, rows.scale(i));
        // simsimd answers in f64 and has no answer only for different lengths.
        match op {
            Op::Dot => acc.a += dot(query, row),
            Op::L2 => acc.a += <f32 as SpatialSimilarity>::l2sq(query, row).unwrap_or(f64::NAN) as f32,
            Op::DotNorm => {
                acc.a += dot(query, row);
                acc.b += dot(row, row);
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    <f32 as SpatialSimilarity>::dot(a, b).unwrap_or(f64::NAN) as f32
}

/// One row, copied to an aligned place and widened.
#[derive(Default)]
struct Scratch {
    halves: Vec<u16>,
    floats: Vec<f32>,
}

impl Scratch {
    fn widen<'a>(&'a mut self, element: Element, bytes: &'a [u8], scale: f32) -> &'a [f32] {
        self.floats.resize(bytes.len() / element.size(), 0.0);
        match element {
            Element::F32 => {
                if scale == 1.0
                    && let Ok(row) = try_cast_slice(bytes)
                {
                    return row;
                }
                cast_slice_mut::<f32, u8>(&mut self.floats).copy_from_slice(bytes);
            }
            Element::F16 | Element::BF16 => {
                self.halves.resize(self.floats.len(), 0);
                cast_slice_mut::<u16, u8>(&mut self.halves).copy_from_slice(bytes);
                if element == Element::F16 {
                    bytemuck::cast_slice::<u16, f16>(&self.halves).convert_to_f32_slice(&mut self.floats);
                } else {
                    bytemuck::cast_slice::<u16, bf16>(&self.halves).convert_to_f32_slice(&mut self.floats);
                }
            }
            Element::I8 => {
                for (x, &byte) in self.floats.iter_mut().zip(bytes) {
                    *x = f32::from(byte as i8);
                }
            }
        }
        if scale != 1.0 {
            self.floats.iter_mut().for_each(|x| *x *= scale);
        }
        &self.floats
    }
}
