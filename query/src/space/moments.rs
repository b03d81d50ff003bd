//! Means, units and products of the columns of many rows: what linear fits need to know of their data.
//!
//! Products are formed in f32 over short runs of rows and added up in f64, so that many rows cost no accuracy.
//! Reads from: rows in memory. Writes to: matrices in memory. Never: a sum of more rows than a run in f32.

use crate::codes::share_rows;
use crate::kernel::Kernels;
use crate::kernel::gemm::{Side, gemm};

/// Rows whose products are summed in f32: those of one panel of the kernel.
const RUN: usize = 256;
/// Rows of a product that one thread takes at a time.
const ROWS: usize = 168;

/// One side of the pairs, as a fit sees it: `(x - mean) * scale`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Centre {
    pub mean: Vec<f32>,
    /// 1 / the root of the mean square of all numbers, the mean taken away; 1 when they are all the same.
    pub scale: f32,
}

impl Centre {
    /// Of rows of `dims` numbers.
    pub fn new(rows: &[f32], dims: usize) -> Self {
        let n = (rows.len() / dims).max(1) as f64;
        let mut sums = vec![0f64; dims];
        for row in rows.chunks_exact(dims) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
        let mut square = 0f64;
        for row in rows.chunks_exact(dims) {
            square += row.iter().zip(&mean).map(|(x, m)| (f64::from(*x) - f64::from(*m)).powi(2)).sum::<f64>();
        }
        let scale = (1.0 / (square / (n * dims as f64)).sqrt()) as f32;
        Centre { mean, scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 } }
    }

    /// Takes the mean from `x` in f64.
    pub fn of<'a>(&'a self, x: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        let scale = f64::from(self.scale);
        x.iter().zip(&self.mean).map(move |(x, m)| (f64::from(*x) - f64::from(*m)) * scale)
    }
}

/// Rows, and what is taken from them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Centred<'a> {
    pub rows: &'a [f32],
    pub centre: &'a Centre,
}

impl<'a> Centred<'a> {
    pub fn dims(&self) -> usize {
        self.centre.mean.len()
    }

    pub fn len(&self) -> usize {
        self.rows.len() / self.dims().max(1)
    }

    /// The rows as a side of a product.
    pub fn side(&self) -> Side<'a> {
        Side::rows(self.rows, self.dims()).shifted(&self.centre.mean, self.centre.scale)
    }

    /// Their columns.
    fn columns(&self, run: usize) -> Side<'a> {
        let (start, dims) = (run * RUN * self.dims(), self.dims());
        let rows = &self.rows[start..self.rows.len().min(start + RUN * dims)];
        Side::columns(rows, dims).shifted(&self.centre.mean, self.centre.scale)
    }
}

/// The mean over the rows of the product of column `i` of `a` and column `j` of `b`, at `i * b.dims() + j`. `None` when
/// `cancel` says so; it is asked once a run.
pub(super) fn products(
    a: Centred<'_>,
    b: Centred<'_>,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Option<Vec<f64>> {
    let (p, q, n) = (a.dims(), b.dims(), a.len());
    let mut sums = vec![0f64; p * q];
    let mut part = vec![0f32; p * q];
    for run in 0..n.div_ceil(RUN) {
        if cancel() {
            return None;
        }
        multiply_into(&mut part, a.columns(run), b.columns(run), q, threads);
        sums.iter_mut().zip(&part).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let share = 1.0 / n.max(1) as f64;
    sums.iter_mut().for_each(|x| *x *= share);
    Some(sums)
}

/// Products of all `rows` rows of `a` with all `columns` rows of `b`.
pub(super) fn multiply(a: Side<'_>, rows: usize, b: Side<'_>, columns: usize, threads: usize) -> Vec<f32> {
    let mut out = vec![0f32; rows * columns];
    multiply_into(&mut out, a, b, columns, threads);
    out
}

fn multiply_into(out: &mut [f32], a: Side<'_>, b: Side<'_>, columns: usize, threads: usize) {
    let columns = columns.max(1);
    share_rows(out, ROWS * columns, threads, |chunk, out| {
        let start = chunk * ROWS;
        gemm(Kernels::get(), a.range(start..start + out.len() / columns), b, out, columns);
    });
}
