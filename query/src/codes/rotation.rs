//! The rotation of a collection: the mean that is subtracted and the directions, by falling variance, that vectors are
//! written in, so that the first dimensions hold most of what tells vectors apart.
//!
//! Reads from: a sample of vectors. Writes to: rotated vectors, and itself as bytes.
//! Never: rows that are not orthonormal, not even for a sample of one vector.

mod mix;

use foretaste_storage::limits;

use super::eigen::eigen;
use super::share_rows;
use crate::kernel::gemm::{Side, gemm};
use crate::kernel::matvec::Matrix8;
use crate::kernel::{Acc, Kernels, Op, Rows};
use foretaste_storage::layout::Element;

/// Rows that one thread takes at a time.
const ROWS: usize = 168;
/// `dims` and `prefix` as u32, the kind, three bytes of zeros, and the total variance.
const HEADER: usize = 16;

/// A translation and the first rows of an orthogonal matrix: rotated = matrix * (x - mean).
///
/// Distances among rotated vectors are at most the distances among the vectors themselves, and equal to them when the
/// prefix is whole; what the prefix leaves out, [`Rotation::energy`] and [`Rotation::total`] tell on average.
///
/// ```
/// use foretaste_query::codes::rotation::Rotation;
///
/// // Points around (10, 10), spread along the diagonal.
/// let sample = [8.0, 8.1, 9.0, 8.9, 11.0, 11.1, 12.0, 11.9];
/// let rotation = Rotation::pca(&sample, 2, 1, 1);
/// assert!(rotation.energy()[0] > 0.99 * rotation.total());
/// let mut out = [0.0];
/// rotation.apply(&[11.0, 11.0], &mut out);
/// assert!((out[0].abs() - 2f32.sqrt()).abs() < 0.01);
/// ```
#[derive(Debug, Clone)]
pub struct Rotation {
    dims: usize,
    prefix: usize,
    mean: Vec<f32>,
    /// `prefix` orthonormal rows of `dims`, or empty for the identity.
    matrix: Vec<f32>,
    /// The matrix once more for single vectors, when 8 bits are enough for it.
    short: Option<Matrix8>,
    energy: Vec<f32>,
    total: f32,
}

impl Rotation {
    /// Subtracts the mean of the sample and leaves dimensions as they are: neither rotated nor ordered.
    pub fn identity(sample: &[f32], dims: usize) -> Self {
        let moments = Moments::new(sample, dims);
        Self::new(moments.mean, Vec::new(), moments.variances, moments.total)
    }

    /// The first `prefix` (at most `dims`) principal components of a sample of rows of `dims` numbers. Numbers that are not
    /// finite count as the mean of their dimension.
    ///
    /// Deterministic, whatever `threads` is. With fewer rows than dimensions, or constant dimensions, the last rows of the
    /// matrix are any directions orthogonal to the others, of energy 0. Costs about `dims^2 * rows` operations for the
    /// covariances and `6 * dims^3` for their eigenvectors.
    pub fn pca(sample: &[f32], dims: usize, prefix: usize, threads: usize) -> Self {
        let prefix = prefix.min(dims);
        let moments = Moments::new(sample, dims);
        let (unit, scale) = moments.scale();
        let covariance = covariance(sample, &moments, scale, threads);
        let eigen = eigen(covariance, dims, prefix, threads);
        // Rounding may leave a variance of nothing below nothing.
        let energy = eigen.values.iter().map(|&x| finite(x.max(0.0) * unit * unit)).collect();
        Self::new(moments.mean, eigen.vectors, energy, moments.total)
    }

    fn new(mean: Vec<f32>, matrix: Vec<f32>, energy: Vec<f32>, total: f32) -> Self {
        let dims = mean.len();
        let short = if matrix.is_empty() { None } else { Matrix8::new(&matrix, dims) };
        Self { dims, prefix: energy.len(), mean, matrix, short, energy, total }
    }

    /// Dimensions of the vectors.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Dimensions of rotated vectors.
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// What is subtracted first.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The orthonormal rows, one after the other; empty for the identity.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// The variance of each rotated dimension over the sample; falling, except for the identity.
    pub fn energy(&self) -> &[f32] {
        &self.energy
    }

    /// The variance of the sample: the sum over all dimensions, rotated or not.
    pub fn total(&self) -> f32 {
        self.total
    }

    /// How many of the rotated dimensions hold `share` (0 … 1) of the variance; all, when they do not.
    pub fn dims_holding(&self, share: f64) -> usize {
        let enough = f64::from(self.total) * share;
        let mut sum = 0.0;
        for (i, &energy) in self.energy.iter().enumerate() {
            if sum >= enough {
                return i;
            }
            sum += f64::from(energy);
        }
        self.prefix
    }

    /// The same rotation with only the first `prefix` of its dimensions. The identity stays whole.
    pub fn truncated(mut self, prefix: usize) -> Self {
        if !self.matrix.is_empty() && prefix < self.prefix {
            self.matrix.truncate(prefix * self.dims);
            self.energy.truncate(prefix);
            return Self::new(self.mean, self.matrix, self.energy, self.total);
        }
        self
    }

    /// Rotates one vector; what a search does first. Lengths beyond `dims` and `prefix` are left alone.
    ///
    /// The matrix is read in 8 bits where that is enough: the result is off by about 1e-2 of the vector's distance from the mean, in a
    /// direction of no meaning, where [`Rotation::apply_many`] is off by 1e-6.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let kernels = Kernels::get();
        let prefix = self.prefix.min(out.len());
        let out = &mut out[..prefix];
        if self.matrix.is_empty() {
            out.iter_mut().zip(x.iter().zip(&self.mean)).for_each(|(out, (x, m))| *out = x - m);
            return;
        }
        let centred: Vec<f32> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        if self.short.as_ref().is_some_and(|short| short.apply(kernels, &centred, out)) {
            return;
        }
        let mut sums = vec![Acc::default(); prefix];
        let rows = Rows {
            element: Element::F32,
            bytes: bytemuck::cast_slice(&self.matrix),
            stride: self.dims * 4,
            scales: &[],
        };
        // Rows that are not there are only possible for vectors that are not: there is nothing to add then.
        if kernels.accumulate(Op::Dot, &centred, &rows, &mut sums).is_ok() {
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = sum.a);
        }
    }

    /// Rotates rows of `dims` numbers to rows of `prefix` numbers, on up to `threads` threads.
    pub fn apply_many(&self, x: &[f32], out: &mut [f32], threads: usize) {
        let (dims, prefix) = (self.dims.max(1), self.prefix.max(1));
        share_rows(out, ROWS * prefix, threads, |chunk, out| {
            let from = (chunk * ROWS * dims).min(x.len());
            let to = (from + out.len() / prefix * dims).min(x.len());
            let rows = &x[from..to];
            if self.matrix.is_empty() {
                for (out, x) in out.chunks_exact_mut(prefix).zip(rows.chunks_exact(dims)) {
                    out.iter_mut().zip(x.iter().zip(&self.mean)).for_each(|(out, (x, m))| *out = x - m);
                }
            } else {
                let side = Side::rows(rows, dims).shifted(&self.mean, 1.0);
                gemm(Kernels::get(), side, Side::rows(&self.matrix, dims), out, prefix);
            }
        });
    }

    /// Appends the rotation as bytes: dimensions, prefix, whether there is a matrix, the total, the mean, the energy, the
    /// matrix; all little-endian, numbers as f32.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend((self.dims as u32).to_le_bytes());
        out.extend((self.prefix as u32).to_le_bytes());
        out.extend([u8::from(!self.matrix.is_empty()), 0, 0, 0]);
        out.extend(self.total.to_le_bytes());
        for x in [&self.mean, &self.energy, &self.matrix].into_iter().flatten() {
            out.extend(x.to_le_bytes());
        }
    }

    /// The rotation that [`Rotation::encode`] wrote for vectors of `dims` dimensions. `None` when the bytes are of another
    /// length or for other dimensions, when a number is not finite, or a variance negative.
    pub fn decode(bytes: &[u8], dims: usize) -> Option<Self> {
        let (header, numbers) = bytes.split_at_checked(HEADER)?;
        let word = |i: usize| header.get(i * 4..i * 4 + 4)?.try_into().ok();
        let (found, prefix) = (u32::from_le_bytes(word(0)?) as usize, u32::from_le_bytes(word(1)?) as usize);
        let kind = u32::from_le_bytes(word(2)?);
        let total = f32::from_le_bytes(word(3)?);
        let whole = kind == 0 && prefix == dims;
        if found != dims || dims as u64 > limits::DIMENSION || prefix > dims || !(kind == 1 || whole) {
            return None;
        }
        let matrix = if kind == 1 { prefix * dims } else { 0 };
        let (numbers, []) = numbers.as_chunks::<4>() else { return None };
        if numbers.len() != dims + prefix + matrix {
            return None;
        }
        let numbers: Vec<f32> = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let (mean, rest) = numbers.split_at(dims);
        let (energy, matrix) = rest.split_at(prefix);
        let finite = numbers.iter().chain([&total]).all(|x| x.is_finite());
        let positive = energy.iter().chain([&total]).all(|&x| x >= 0.0);
        // Entries of orthonormal rows are at most 1; larger ones could overflow sums.
        let small = matrix.iter().all(|x| x.abs() <= 1.001);
        (finite && positive && small)
            .then(|| Self::new(mean.to_vec(), matrix.to_vec(), energy.to_vec(), total))
    }
}

/// The nearest finite f32.
fn finite(x: f64) -> f32 {
    x.min(f64::from(f32::MAX)) as f32
}

/// Means and variances of a sample, formed in f64.
struct Moments {
    rows: usize,
    mean: Vec<f32>,
    variances: Vec<f32>,
    total: f32,
    /// The largest distance of a number from the mean of its dimension.
    largest: f64,
}

impl Moments {
    fn new(sample: &[f32], dims: usize) -> Self {
        let rows = sample.len().checked_div(dims).unwrap_or(0);
        let (mut sums, mut counts) = (vec![0f64; dims], vec![0u64; dims]);
        for row in sample.chunks_exact(dims.max(1)) {
            for ((sum, count), &x) in sums.iter_mut().zip(&mut counts).zip(row) {
                if x.is_finite() {
                    *sum += f64::from(x);
                    *count += 1;
                }
            }
        }
        let mean: Vec<f32> = sums.iter().zip(counts).map(|(sum, n)| (sum / n.max(1) as f64) as f32).collect();
        let (mut squares, mut largest) = (vec![0f64; dims], 0f64);
        for row in sample.chunks_exact(dims.max(1)) {
            for ((square, &mean), &x) in squares.iter_mut().zip(&mean).zip(row) {
                if x.is_finite() {
                    let distance = f64::from(x) - f64::from(mean);
                    *square += distance * distance;
                    largest = largest.max(distance.abs());
                }
            }
        }
        let variance = |square: &f64| square / rows.max(1) as f64;
        Self {
            rows,
            variances: squares.iter().map(|square| finite(variance(square))).collect(),
            total: finite(squares.iter().map(variance).sum()),
            mean,
            largest,
        }
    }

    /// A power of two near the largest distance and what brings distances near 1, so that no square leaves the range of f32.
    fn scale(&self) -> (f64, f32) {
        let exponent = self.largest.log2().round().clamp(-125.0, 125.0);
        let exponent = if self.largest > 0.0 { exponent } else { 0.0 };
        (exponent.exp2(), (-exponent).exp2() as f32)
    }
}

/// The covariances of the dimensions of a sample whose distances from the mean are multiplied by `scale`.
fn covariance(sample: &[f32], moments: &Moments, scale: f32, threads: usize) -> Vec<f32> {
    let dims = moments.mean.len();
    let mut products = vec![0f32; dims * dims];
    let sample = &sample[..moments.rows * dims];
    let all = Side::columns(sample, dims).shifted(&moments.mean, scale);
    // Blocks of rows up to the diagonal. The last ones, the longest, come first.
    let mut blocks: Vec<(usize, &mut [f32])> =
        products.chunks_mut((ROWS * dims).max(1)).enumerate().collect();
    blocks.reverse();
    share_rows(&mut blocks, 1, threads, |_, block| {
        for (i, out) in block {
            let from = *i * ROWS;
            let to = from + out.len() / dims;
            gemm(Kernels::get(), all.range(from..to), all.range(0..to), out, dims);
        }
    });
    let share = 1.0 / moments.rows.max(1) as f32;
    for i in 0..dims {
        for j in 0..=i {
            products[i * dims + j] *= share;
            products[j * dims + i] = products[i * dims + j];
        }
    }
    products
}

#[cfg(test)]
mod tests;
