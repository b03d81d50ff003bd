//! Mixing of directions, so that each carries about as much.
//!
//! Reads from: a rotation. Writes to: the same. Never: a change of the space that the first `split` directions span.

use super::Rotation;
use crate::index::parallel::mix;
use crate::kernel::Kernels;
use crate::kernel::gemm::{Side, gemm};
use crate::kernel::lanes;

impl Rotation {
    /// Mixes the first `split` directions among each other by a random orthogonal matrix, and the others likewise. The identity
    /// stays as it is.
    pub(crate) fn mixed(self, split: usize, seed: u64) -> Self {
        if self.matrix.is_empty() {
            return self;
        }
        let split = split.min(self.prefix);
        let mut matrix = vec![0.0; self.matrix.len()];
        let mut energy = self.energy.clone();
        for part in [0..split, split..self.prefix] {
            let (size, rows) = (part.len(), part.start * self.dims..part.end * self.dims);
            let (Some(from), Some(to)) = (self.matrix.get(rows.clone()), matrix.get_mut(rows)) else {
                continue;
            };
            let mixing = orthogonal(size, seed ^ size as u64);
            let sides = (Side::rows(&mixing, size), Side::columns(from, self.dims));
            gemm(Kernels::get(), sides.0, sides.1, to, self.dims);
            let mean = energy.get(part.clone()).map_or(0.0, |e| e.iter().sum::<f32>() / size.max(1) as f32);
            energy.get_mut(part).unwrap_or_default().fill(mean);
        }
        Self::new(self.mean, matrix, energy, self.total)
    }

    /// The squared distance of `x` from the mean, over all dimensions.
    pub(crate) fn centred_norm(&self, x: &[f32]) -> f32 {
        lanes::sum(x, &self.mean, |x, mean| (x - mean) * (x - mean))
    }
}

/// A random orthogonal matrix of `size` rows: normal numbers, made orthonormal row by row (twice, for rounding).
fn orthogonal(size: usize, seed: u64) -> Vec<f32> {
    let mut matrix = vec![0f32; size * size];
    let unit = |i: u64| (mix(seed ^ mix(i)) >> 11) as f64 / (1u64 << 53) as f64;
    for (i, value) in matrix.iter_mut().enumerate() {
        // Box and Muller.
        let (a, b) = (unit(2 * i as u64), unit(2 * i as u64 + 1));
        *value = ((-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32;
    }
    for row in 0..size {
        let (done, rest) = matrix.split_at_mut(row * size);
        let current = &mut rest[..size];
        for _ in 0..2 {
            for other in done.chunks_exact(size) {
                let dot = dot(current, other);
                current.iter_mut().zip(other).for_each(|(c, o)| *c -= dot * o);
            }
        }
        let norm = dot(current, current).sqrt();
        current.iter_mut().for_each(|c| *c /= norm);
    }
    matrix
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes::sum(a, b, |a, b| a * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_keeps_distances_and_evens_out_what_the_dimensions_carry() {
        let (dims, rows) = (24, 400);
        let value =
            |i: u64, d: u64| ((mix(i * 64 + d) % 2001) as f32 / 1000.0 - 1.0) * (dims as u64 - d) as f32;
        let sample: Vec<f32> = (0..rows).flat_map(|i| (0..dims as u64).map(move |d| value(i, d))).collect();
        let plain = Rotation::pca(&sample, dims, dims, 1);
        let mixed = plain.clone().mixed(16, 7);
        let (mut a, mut b) = (vec![0.0; sample.len()], vec![0.0; sample.len()]);
        plain.apply_many(&sample, &mut a, 1);
        mixed.apply_many(&sample, &mut b, 1);
        for (a, b) in a.chunks_exact(dims).zip(b.chunks_exact(dims)) {
            for part in [0..16, 16..24] {
                let norm = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
                let (a, b) = (norm(&a[part.clone()]), norm(&b[part]));
                assert!((a - b).abs() <= 1e-3 * a.max(1.0), "{a} {b}");
            }
        }
        let variance = |d: usize| b.chunks_exact(dims).map(|x| x[d] * x[d]).sum::<f32>() / rows as f32;
        let (least, most) = (0..16).map(variance).fold((f32::MAX, 0f32), |(l, m), v| (l.min(v), m.max(v)));
        assert!(most < 4.0 * least, "{least} {most}");
        assert_eq!(mixed.prefix(), dims);
    }
}
