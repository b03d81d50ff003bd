//! Low-bit codes of a bundle of rows relative to one reference: a graph node's neighbours, or a cell's rows.
//!
//! With reference c, row x and r = x - c: |q - x|^2 = |q - c|^2 + |r|^2 - 2 <q - c, r>. The prefix of r is coded in 1, 2 or
//! 4 bits a dimension as `o`, whole numbers around their middle, and <q - c, r> is estimated by `scale * <q - c, o>` with
//! the scale that makes it right where q - c points along r (as in RaBitQ: Gao and Long, 2024; with more bits: Gao et
//! al., 2025). All that does not depend on q is one addend a row.
//!
//! Reads from: decoded rows. Writes to: bundles. Never: a code that depends on the order of the other rows of its bundle.

use crate::kernel::codes::{BUNDLE, bundle_bytes};

/// The shape of a bundle's bytes: addends, factors, codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EdgeShape {
    /// Bits a dimension: 1, 2 or 4.
    pub bits: u8,
    /// Dimensions coded, a multiple of 32.
    pub dims: usize,
}

impl EdgeShape {
    /// Where the factors start.
    pub const FACTORS: usize = 4 * BUNDLE;
    /// Where the codes start.
    pub const CODES: usize = 8 * BUNDLE;

    /// Bytes of a bundle.
    pub fn bytes(self) -> usize {
        Self::CODES + bundle_bytes(self.bits, self.dims)
    }

    /// What is taken off each code: the middle of its range.
    pub fn middle(self) -> f32 {
        ((1u32 << self.bits) - 1) as f32 / 2.0
    }
}

/// Writes bundles, with room of its own.
pub(crate) struct EdgeWriter {
    shape: EdgeShape,
    residual: Vec<f32>,
    code: Vec<u8>,
    best: Vec<u8>,
}

impl EdgeWriter {
    pub fn new(shape: EdgeShape) -> Self {
        EdgeWriter {
            shape,
            residual: vec![0.0; shape.dims],
            code: vec![0; shape.dims],
            best: vec![0; shape.dims],
        }
    }

    /// Marks every place of `bundle` as empty: its rows are infinitely far.
    pub fn clear(bundle: &mut [u8]) {
        bundle.fill(0);
        for addend in bundle[..EdgeShape::FACTORS].chunks_exact_mut(4) {
            addend.copy_from_slice(&f32::INFINITY.to_le_bytes());
        }
    }

    /// Puts row `x` at `place` of `bundle`. `reference` and `x` are decoded prefixes; `tail` is the squared norm of what the
    /// residual has beyond the prefix, `distance` the squared distance between the two.
    pub fn put(
        &mut self,
        bundle: &mut [u8],
        place: usize,
        reference: &[f32],
        x: &[f32],
        tail: f32,
        distance: f32,
    ) {
        let EdgeShape { bits, dims } = self.shape;
        let middle = self.shape.middle();
        for (r, (x, c)) in self.residual.iter_mut().zip(x.iter().zip(reference)) {
            *r = x - c;
        }
        let energy: f32 = self.residual.iter().map(|r| r * r).sum();
        let rms = (energy / dims as f32).sqrt();
        let most = ((1u32 << bits) - 1) as f32;
        let (mut along, mut best_cosine) = (0f32, -1f32);
        if rms > 0.0 {
            // The widths of a step, in root mean squares, around what is best for a normal distribution.
            let widths: &[f32] = match bits {
                1 => &[1.0],
                2 => &[0.8, 0.9, 1.0, 1.1, 1.25],
                _ => &[0.25, 0.3, 0.335, 0.37, 0.42],
            };
            for width in widths {
                let inverse = 1.0 / (width * rms);
                let (mut dot, mut norm) = (0f32, 0f32);
                for (code, r) in self.code.iter_mut().zip(&self.residual) {
                    let level = (r * inverse + middle).round().clamp(0.0, most);
                    *code = level as u8;
                    let o = level - middle;
                    dot += o * r;
                    norm += o * o;
                }
                let cosine = dot / norm.sqrt();
                if cosine > best_cosine {
                    best_cosine = cosine;
                    along = dot;
                    std::mem::swap(&mut self.code, &mut self.best);
                }
            }
        } else {
            self.best.fill(0);
        }
        // Right where q - c points along r: scale * <r, o> = |r|^2.
        let scale = if along > 0.0 { (energy + TAIL * tail) / along } else { 0.0 };
        let with_reference: f32 =
            self.best.iter().zip(reference).map(|(code, c)| (f32::from(*code) - middle) * c).sum();
        let addend = distance + 2.0 * scale * with_reference;
        let factor = -2.0 * scale;
        bundle[place * 4..][..4].copy_from_slice(&addend.to_le_bytes());
        bundle[EdgeShape::FACTORS + place * 4..][..4].copy_from_slice(&factor.to_le_bytes());
        let run = 32 / usize::from(bits);
        for (word, levels) in self.best.chunks_exact(run).enumerate() {
            let at = EdgeShape::CODES + (word * BUNDLE + place) * 4;
            for (within, level) in levels.iter().enumerate() {
                bundle[at + within % 4] |= level << (within / 4 * usize::from(bits));
            }
        }
    }
}

/// How much of the tail a query that points along the residual is taken to share.
const TAIL: f32 = 0.5;
