//! 8-bit codes of rows: each number as a multiple of the row's own step (locally adaptive scalar quantisation, as in Aguerrebere
//! et al., "Similarity search in the blink of an eye with compressed indices", 2023).
//!
//! Reads from: rotated vectors. Writes to: codes in memory. Never: a sum that leaves 32 bits.

use crate::kernel::Kernels;
use crate::kernel::codes::CODE_ALIGN;

/// Codes of many rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowCodes {
    /// Numbers of a row that are coded.
    pub prefix: usize,
    /// Bytes from one code to the next: `prefix` rounded up to [`CODE_ALIGN`].
    pub stride: usize,
    pub codes: Vec<i8>,
    /// One step a row: number = step x code.
    pub steps: Vec<f32>,
    /// One squared norm a row, of the numbers the code stands for.
    pub norms: Vec<f32>,
    /// One squared norm a row, of what is not in the prefix.
    pub tails: Vec<f32>,
}

/// The code of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCode<'a> {
    pub code: &'a [i8],
    pub step: f32,
    pub norm: f32,
    pub tail: f32,
}

impl RowCodes {
    pub fn new(prefix: usize) -> Self {
        RowCodes { prefix, stride: prefix.next_multiple_of(CODE_ALIGN), ..RowCodes::default() }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Appends a row: its rotated prefix, and its squared norm.
    pub fn push(&mut self, rotated: &[f32], squared: f32) {
        let start = self.codes.len();
        self.codes.resize(start + self.stride, 0);
        let most = rotated.iter().fold(0f32, |m, v| m.max(v.abs()));
        let step = if most > 0.0 && most.is_finite() { most / 127.0 } else { 0.0 };
        let (mut kept, mut coded) = (0f64, 0i64);
        for (code, value) in self.codes[start..].iter_mut().zip(rotated) {
            kept += f64::from(*value) * f64::from(*value);
            if step > 0.0 {
                // Saturates; NaN is 0.
                *code = (value / step).round() as i8;
            }
            coded += i64::from(*code) * i64::from(*code);
        }
        self.steps.push(step);
        self.norms.push((f64::from(step) * f64::from(step) * coded as f64) as f32);
        self.tails.push((f64::from(squared) - kept).max(0.0) as f32);
    }

    #[inline]
    pub fn get(&self, row: usize) -> RowCode<'_> {
        RowCode {
            code: &self.codes[row * self.stride..(row + 1) * self.stride],
            step: self.steps[row],
            norm: self.norms[row],
            tail: self.tails[row],
        }
    }

    /// Appends the rows of `other`, of the same prefix.
    pub fn append(&mut self, mut other: RowCodes) {
        self.codes.append(&mut other.codes);
        self.steps.append(&mut other.steps);
        self.norms.append(&mut other.norms);
        self.tails.append(&mut other.tails);
    }

    /// The estimated squared distance of two rows.
    #[inline]
    pub fn distance(&self, kernels: &Kernels, a: usize, b: usize) -> f32 {
        let (a, b) = (self.get(a), self.get(b));
        between(kernels, a, b)
    }

    /// The numbers that a row's code stands for, `prefix` of them.
    pub fn decode(&self, row: usize, out: &mut [f32]) {
        let row = self.get(row);
        out.iter_mut().zip(row.code).for_each(|(out, code)| *out = row.step * f32::from(*code));
    }
}

/// The estimated squared distance of two coded rows; tails count as orthogonal.
#[inline]
pub(crate) fn between(kernels: &Kernels, a: RowCode<'_>, b: RowCode<'_>) -> f32 {
    let dot = kernels.dot_i8(a.code, b.code) as f32;
    a.norm + b.norm - 2.0 * a.step * b.step * dot + a.tail + b.tail
}
