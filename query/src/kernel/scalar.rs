//! The plain kernels: what the others are compared with, and what runs where nothing else does.
//!
//! Reads from: checked rows. Writes to: accumulators. Never: unsafe code, an assumption about the processor.

use foretaste_storage::layout::Element;
use half::{bf16, f16};

use super::{Acc, Op, Rows};

/// Adds `op` of the query strip and each row to `out`. Rows that are not there are left out.
pub(super) fn accumulate(op: Op, query: &[f32], rows: &Rows<'_>, out: &mut [Acc]) {
    for (i, acc) in out.iter_mut().enumerate() {
        let row = rows.bytes.get(i * rows.stride..).unwrap_or_default();
        let scale = rows.scale(i);
        match rows.element {
            Element::F32 => add(op, query, numbers(row, f32::from_le_bytes), scale, acc),
            Element::F16 => add(op, query, numbers(row, |b| f16::from_le_bytes(b).to_f32()), scale, acc),
            Element::BF16 => add(op, query, numbers(row, |b| bf16::from_le_bytes(b).to_f32()), scale, acc),
            Element::I8 => add(op, query, numbers(row, |b| f32::from(i8::from_le_bytes(b))), scale, acc),
        }
    }
}

fn numbers<const N: usize>(row: &[u8], decode: impl Fn([u8; N]) -> f32) -> impl Iterator<Item = f32> {
    row.as_chunks::<N>().0.iter().map(move |&bytes| decode(bytes))
}

fn add(op: Op, query: &[f32], row: impl Iterator<Item = f32>, scale: f32, acc: &mut Acc) {
    let (mut a, mut b) = (0f32, 0f32);
    for (&q, x) in query.iter().zip(row) {
        let x = x * scale;
        match op {
            Op::Dot => a += q * x,
            Op::L2 => a += (q - x) * (q - x),
            Op::DotNorm => {
                a += q * x;
                b += x * x;
            }
        }
    }
    acc.a += a;
    acc.b += b;
}
