//! Low-bit codes of a bundle of rows relative to one reference: a graph node's neighbours, or a cell's rows.
//!
//! With reference c, row x and r = x - c: |q - x|^2 = |q - c|^2 + |r|^2 - 2 <q - c, r>. The prefix of r is coded in 1, 2 or
//! 4 bits a dimension as `o`, whole numbers around their middle, and <q - c, r> is estimated by `scale * <q - c, o>` with
//! the scale that makes it right where q - c points along r (as in RaBitQ: Gao and Long, 2024; with more bits: Gao et
//! al., 2025). All that does not depend on q is one addend a row.
//!
//! Reads from: codes of rows. Writes to: bundles. Never: a code that depends on the order of the other rows of its bundle.

use crate::codes::rows::RowCode;
use crate::kernel::Kernels;
use crate::kernel::codes::{BUNDLE, Fit, Grid, bundle_bytes};

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
    kernels: &'static Kernels,
    residual: Vec<f32>,
    code: Vec<u8>,
    best: Vec<u8>,
}

impl EdgeWriter {
    pub fn new(shape: EdgeShape) -> Self {
        EdgeWriter {
            shape,
            kernels: Kernels::get(),
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

    /// Puts row `x` at `place` of a cleared `bundle`. `reference` is a decoded prefix, `distance` the squared distance between
    /// the two; what of it is not within the prefix is the tail.
    pub fn put(&mut self, bundle: &mut [u8], place: usize, reference: &[f32], x: RowCode<'_>, distance: f32) {
        let EdgeShape { bits, dims } = self.shape;
        let middle = self.shape.middle();
        let energy = self.kernels.residual(x.code, x.step, reference, &mut self.residual);
        let tail = (distance - energy).max(0.0);
        let rms = (energy / dims as f32).sqrt();
        let most = ((1u32 << bits) - 1) as f32;
        let (mut fit, mut best_cosine) = (Fit::default(), -1f32);
        if rms > 0.0 {
            for width in widths(bits) {
                let grid = Grid { inverse: 1.0 / (width * rms), middle, most };
                let found = self.kernels.levels(grid, &self.residual, reference, &mut self.code);
                let cosine = found.along / found.norm.sqrt();
                if cosine > best_cosine {
                    best_cosine = cosine;
                    fit = found;
                    std::mem::swap(&mut self.code, &mut self.best);
                }
            }
        }
        // Right where q - c points along r: scale * <r, o> = |r|^2.
        let scale = if fit.along > 0.0 { (energy + TAIL * tail) / fit.along } else { 0.0 };
        let addend = distance + 2.0 * scale * fit.reference;
        let factor = -2.0 * scale;
        bundle[place * 4..][..4].copy_from_slice(&addend.to_le_bytes());
        bundle[EdgeShape::FACTORS + place * 4..][..4].copy_from_slice(&factor.to_le_bytes());
        if scale > 0.0 {
            let bits = u32::from(bits);
            let words = bundle[EdgeShape::CODES..].as_chunks_mut::<4>().0;
            let words = words.iter_mut().skip(place).step_by(BUNDLE);
            for (word, levels) in words.zip(self.best.chunks_exact(32 / bits as usize)) {
                let fours = levels.as_chunks::<4>().0.iter().rev();
                let packed = fours.fold(0, |word, four| word << bits | u32::from_le_bytes(*four));
                *word = packed.to_le_bytes();
            }
        }
    }
}

/// The widths of a level that are tried, in root mean squares, around what is best for a normal distribution.
fn widths(bits: u8) -> &'static [f32] {
    match bits {
        1 => &[1.0],
        2 => &[0.8, 0.9, 1.0, 1.1, 1.25],
        _ => &[0.25, 0.3, 0.335, 0.37, 0.42],
    }
}

/// How much of the tail a query that points along the residual is taken to share.
const TAIL: f32 = 0.5;
