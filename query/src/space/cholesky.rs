//! The Cholesky factor of a positive definite matrix in f64, and systems solved with it.
//!
//! By rows, so that everything is a sum over two rows that lie in memory as they are read.
//! Reads from and writes to: matrices in memory. Never: a division by a pivot that is not positive.

use crate::codes::share_rows;
use crate::kernel::lanes::dot;

/// Rows between two looks at whether to go on.
const ASK: usize = 64;
/// Right sides that one thread takes at a time.
const SIDES: usize = 16;

/// The lower triangle `L` of `A = L Lᵀ`.
pub(super) struct Factor {
    dims: usize,
    /// Row i holds `L` up to its diagonal; what is behind is of no meaning.
    lower: Vec<f64>,
    /// The rows of `Lᵀ` from the diagonal on, so that the way back reads rows, too.
    upper: Vec<f64>,
}

/// Why there is no factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A pivot was not positive.
    Indefinite,
    /// The caller did not want to go on.
    Cancelled,
}

impl Factor {
    /// Of the symmetric `matrix` of `dims` rows with `ridge` added to its diagonal; only its lower triangle is read.
    pub fn new(
        mut matrix: Vec<f64>,
        dims: usize,
        ridge: f64,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Self, Refused> {
        for i in 0..dims {
            if i % ASK == 0 && cancel() {
                return Err(Refused::Cancelled);
            }
            let (done, rest) = matrix.split_at_mut(i * dims);
            let row = &mut rest[..=i];
            for j in 0..i {
                let other = &done[j * dims..=j * dims + j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] + ridge - dot(&row[..i], &row[..i]);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(Refused::Indefinite);
            }
            row[i] = pivot.sqrt();
        }
        let mut upper = vec![0f64; dims * dims];
        for i in 0..dims {
            for j in 0..=i {
                upper[j * dims + i] = matrix[i * dims + j];
            }
        }
        Ok(Factor { dims, lower: matrix, upper })
    }

    /// Turns each row `b` of `sides` into the `x` with `A x = b`.
    pub fn solve(&self, sides: &mut [f64], threads: usize) {
        let dims = self.dims;
        share_rows(sides, SIDES * dims, threads, |_, sides| {
            // One row of the factor for all sides of the chunk, so that it is read from memory once for all of them.
            for i in 0..dims {
                let row = &self.lower[i * dims..=i * dims + i];
                for x in sides.chunks_exact_mut(dims) {
                    x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
                }
            }
            for i in (0..dims).rev() {
                let row = &self.upper[i * dims + i..(i + 1) * dims];
                for x in sides.chunks_exact_mut(dims) {
                    x[i] = (x[i] - dot(&row[1..], &x[i + 1..])) / row[0];
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_solved_and_indefinite_matrices_refused() {
        for dims in [1, 2, 7, 40] {
            let at = |i: usize, j: usize| ((i * 31 + j * 17) as f64).sin();
            let mut matrix = vec![0f64; dims * dims];
            for i in 0..dims {
                for j in 0..dims {
                    matrix[i * dims + j] = (0..dims).map(|k| at(i, k) * at(j, k)).sum();
                }
            }
            let factor = Factor::new(matrix.clone(), dims, 0.5, &|| false).ok().unwrap();
            let wanted: Vec<f64> = (0..3 * dims).map(|i| (i as f64).cos()).collect();
            let mut sides = vec![0f64; 3 * dims];
            for (side, x) in sides.chunks_exact_mut(dims).zip(wanted.chunks_exact(dims)) {
                for (i, b) in side.iter_mut().enumerate() {
                    *b = dot(&matrix[i * dims..(i + 1) * dims], x) + 0.5 * x[i];
                }
            }
            factor.solve(&mut sides, 2);
            for (x, wanted) in sides.iter().zip(&wanted) {
                assert!((x - wanted).abs() < 1e-9, "{dims}: {x} for {wanted}");
            }
            assert_eq!(Factor::new(matrix.clone(), dims, -1e6, &|| false).err(), Some(Refused::Indefinite));
            assert_eq!(Factor::new(matrix, dims, 0.5, &|| true).err(), Some(Refused::Cancelled));
        }
    }
}
