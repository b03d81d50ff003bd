//! 8-bit codes of rows: each number as a multiple of the row's own step (locally adaptive scalar quantisation, as in Aguerrebere
//! et al., "Similarity search in the blink of an eye with compressed indices", 2023).
//!
//! Reads from: rotated vectors. Writes to: codes in memory. Never: a sum that leaves 32 bits.

use crate::kernel::Kernels;
use crate::kernel::codes::CODE_ALIGN;
use crate::kernel::lanes::largest;

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
        let most = largest(rotated);
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

    /// The rows at `rows`, in that order.
    pub fn select(&self, rows: &[u32]) -> RowCodes {
        let mut out = RowCodes::new(self.prefix);
        out.codes.reserve_exact(rows.len() * self.stride);
        for row in rows.iter().map(|row| self.get(*row as usize)) {
            out.codes.extend_from_slice(row.code);
            out.steps.push(row.step);
            out.norms.push(row.norm);
            out.tails.push(row.tail);
        }
        out
    }

    /// Appends the rows of `other`, of the same prefix.
    pub fn append(&mut self, mut other: RowCodes) {
        self.codes.append(&mut other.codes);
        self.steps.append(&mut other.steps);
        self.norms.append(&mut other.norms);
        self.tails.append(&mut other.tails);
    }

    /// Replaces `out` by the estimated squared distances of a row and `others`.
    #[inline]
    pub fn distances(&self, kernels: &Kernels, row: usize, others: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let a = self.get(row);
        let (fours, rest) = others.as_chunks::<4>();
        for four in fours {
            out.extend(four_between(kernels, a, four.map(|b| self.get(b as usize))));
        }
        out.extend(rest.iter().map(|b| between(kernels, a, self.get(*b as usize))));
    }

    /// The bytes of a row's code, for prefetching.
    #[inline]
    pub fn bytes(&self, row: usize) -> &[u8] {
        bytemuck::cast_slice(&self.codes[row * self.stride..(row + 1) * self.stride])
    }

    /// The numbers that a row's code stands for, `prefix` of them.
    pub fn decode(&self, row: usize, out: &mut [f32]) {
        let row = self.get(row);
        out.iter_mut().zip(row.code).for_each(|(out, code)| *out = row.step * f32::from(*code));
    }
}

/// The estimated squared distance of two coded rows; tails count as orthogonal. The same bits whichever is first.
#[inline]
pub(crate) fn between(kernels: &Kernels, a: RowCode<'_>, b: RowCode<'_>) -> f32 {
    a.by_dot(b, kernels.dot_i8(a.code, b.code))
}

/// [`between`] one row and four others.
#[inline]
pub(crate) fn four_between(kernels: &Kernels, a: RowCode<'_>, b: [RowCode<'_>; 4]) -> [f32; 4] {
    let dots = kernels.dots_i8(a.code, b.map(|b| b.code));
    [0, 1, 2, 3].map(|i| a.by_dot(b[i], dots[i]))
}

impl RowCode<'_> {
    /// The estimated squared distance of two rows whose codes have the inner product `dot`.
    #[inline]
    pub fn by_dot(self, other: RowCode<'_>, dot: i32) -> f32 {
        (self.norm + self.tail) + (other.norm + other.tail) - 2.0 * (self.step * other.step) * dot as f32
    }
}
