//! A query, coded: what the kernels over codes take.
//!
//! Reads from: the rotated query. Writes to: its own memory, used again by the next query.
//! Never: a sum that leaves 32 bits.

use crate::codes::edges::EdgeShape;
use crate::codes::rows::RowCode;
use crate::kernel::Kernels;
use crate::kernel::codes::{CODE_ALIGN, EdgeQuery};
use crate::kernel::lanes::{largest, nearest};

/// A query, coded.
#[derive(Debug, Default)]
pub(crate) struct CodedQuery {
    /// In the index's space.
    pub lifted: Vec<f32>,
    /// After rotation: the prefix.
    pub rotated: Vec<f32>,
    /// 16 bits a dimension, for 8-bit codes of rows.
    wide: Vec<i16>,
    wide_step: f32,
    /// 8 bits a dimension, for edges.
    narrow: Vec<i8>,
    narrow_step: f32,
    shift: f32,
    bits: u8,
    /// Squared norm, beyond the prefix too.
    norm: f32,
}

impl CodedQuery {
    /// Codes `rotated`, whose squared norm (with what is beyond the prefix) is `squared`.
    pub fn quantise(&mut self, squared: f32, edges: Option<EdgeShape>) {
        let stride = self.rotated.len().next_multiple_of(CODE_ALIGN);
        // With 128 times this for every dimension the sums stay in 32 bits.
        let top = (f64::from(i32::MAX) / (128.0 * stride as f64)).min(32767.0).floor() as f32;
        self.wide_step = step(&self.rotated, top);
        let inverse = inverse(self.wide_step);
        self.wide.clear();
        self.wide.extend(self.rotated.iter().map(|v| nearest(v * inverse)));
        self.wide.resize(stride, 0);
        self.norm = squared;
        self.narrow.clear();
        self.bits = edges.map_or(0, |e| e.bits);
        if let Some(edges) = edges {
            let part = self.rotated.get(..edges.dims).unwrap_or(&self.rotated);
            self.narrow_step = step(part, 127.0);
            let inverse = self::inverse(self.narrow_step);
            self.narrow.extend(part.iter().map(|v| nearest(v * inverse) as i8));
            self.narrow.resize(edges.dims, 0);
            let sum: i32 = self.narrow.iter().map(|x| i32::from(*x)).sum();
            self.shift = -edges.middle() * self.narrow_step * sum as f32;
        }
    }

    /// Its squared norm, beyond the prefix too.
    pub fn norm(&self) -> f32 {
        self.norm
    }

    /// The query as edges are scored with it.
    pub fn edges(&self) -> EdgeQuery<'_> {
        EdgeQuery { bits: self.bits, codes: &self.narrow, step: self.narrow_step, shift: self.shift }
    }

    /// The estimated squared distance of a row; tails count as orthogonal.
    #[inline]
    pub fn distance(&self, kernels: &Kernels, row: RowCode<'_>) -> f32 {
        let dot = kernels.dot_i16(&self.wide, row.code) as f32;
        self.norm + row.norm + row.tail - 2.0 * self.wide_step * row.step * dot
    }
}

fn step(numbers: &[f32], top: f32) -> f32 {
    let most = largest(numbers);
    if most.is_finite() { most / top } else { 0.0 }
}

fn inverse(step: f32) -> f32 {
    if step > 0.0 { 1.0 / step } else { 0.0 }
}
