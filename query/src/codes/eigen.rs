//! The eigenvectors of a symmetric matrix: Householder tridiagonalisation, implicit QL, and reflections back
//! (Golub and Van Loan, Matrix Computations, chapter 8), with the passes over matrices in `kernel::sweep`.
//!
//! Reads from and writes to: matrices in memory.
//! Never: eigenvectors that are not orthonormal, whatever the matrix; only how well they diagonalise it depends on it.

use crate::kernel::Kernels;
use crate::kernel::gemm::{Side, gemm};
use crate::kernel::sweep::{self, PANEL, Sweep, Turn};

use super::share_rows;

/// What is left of an off-diagonal entry, in parts of the largest entry, when it counts as 0. Vectors are f32.
const NEGLIGIBLE: f64 = 1e-10;
/// Sweeps after which an eigenvalue is taken as it is; two or three are usual.
const PATIENCE: usize = 60;
/// Sweeps that are computed before they are applied, so that their rotations need little room.
const BATCH: usize = 64;
/// Rows of a block that one thread works on.
const ROWS: usize = 56;

/// The eigenvectors with the largest eigenvalues.
pub(crate) struct Eigen {
    /// Eigenvalues, falling.
    pub(crate) values: Vec<f64>,
    /// Orthonormal rows, one for each value.
    pub(crate) vectors: Vec<f32>,
}

/// The first `count` eigenvectors of the symmetric `matrix` of `dims` rows, which is used up. Its entries are best around 1.
pub(crate) fn eigen(mut matrix: Vec<f32>, dims: usize, count: usize, threads: usize) -> Eigen {
    let kernels = Kernels::get();
    let (mut diagonal, mut beside) = tridiagonal(kernels, &mut matrix, dims);
    let all = rotations(kernels, &mut diagonal, &mut beside, threads);
    let mut order: Vec<usize> = (0..dims).collect();
    // Equal values keep their order, so that a multiple of the identity leaves dimensions where they are.
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    order.truncate(count);
    let mut vectors = vec![0f32; count * dims];
    share_rows(&mut vectors, 8 * dims, threads, |chunk, rows| {
        for (row, &i) in rows.chunks_exact_mut(dims).zip(&order[chunk * 8..]) {
            for (part, panel) in row.chunks_mut(PANEL).zip(all.chunks_exact(dims)) {
                part.copy_from_slice(&panel[i][..part.len()]);
            }
        }
        let vectors = (0..dims).rev().map(|k| &matrix[k * dims + k + 1..(k + 1) * dims]);
        sweep::reflect(kernels, rows, dims, vectors);
    });
    orthonormalise(kernels, &mut vectors, dims, threads);
    Eigen { values: order.iter().map(|&i| diagonal[i]).collect(), vectors }
}

/// Reduces the matrix to a diagonal and the entries beside it; entry i stands between i - 1 and i. Row k of the matrix then
/// holds, from column k + 1 on, the unit vector of reflection k, or zeros.
fn tridiagonal(kernels: &Kernels, matrix: &mut [f32], dims: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = (vec![0f64; dims], vec![0f64; dims]);
    // The update that step k leaves to step k + 1, which then needs only one pass over the matrix.
    let (mut v, mut w) = (vec![0f32; dims], vec![0f32; dims]);
    let mut product = vec![0f32; dims];
    for k in 0..dims {
        let (row, rest) = matrix[k * dims..].split_at_mut(dims);
        let row = &mut row[k..];
        let (v_k, w_k) = (v[k], w[k]);
        for ((x, v), w) in row.iter_mut().zip(&v[k..]).zip(&w[k..]) {
            *x -= v_k * w + w_k * v;
        }
        diagonal[k] = f64::from(row[0]);
        let x = &mut row[1..];
        if x.is_empty() {
            break;
        }
        let tail: f64 = x[1..].iter().map(|&x| f64::from(x).powi(2)).sum();
        let first = f64::from(x[0]);
        let norm = (first * first + tail).sqrt();
        if tail == 0.0 {
            // Nothing to reflect; the update is still due.
            beside[k + 1] = first;
            x.fill(0.0);
        } else {
            // The sign that adds, so that nothing cancels; then v is along x - (new, 0, ...).
            let new = if first > 0.0 { -norm } else { norm };
            beside[k + 1] = new;
            x[0] = (first - new) as f32;
            let squared = f64::from(x[0]).powi(2) + tail;
            let unit = 1.0 / squared.sqrt();
            x.iter_mut().for_each(|x| *x = (f64::from(*x) * unit) as f32);
        }
        let next = &row[1..];
        let from = k + 1;
        sweep::update_and_multiply(
            kernels,
            &mut rest[from..],
            dims,
            [&v[from..], &w[from..], next],
            &mut product[from..],
        );
        let along: f64 = next.iter().zip(&product[from..]).map(|(&v, &p)| f64::from(v) * f64::from(p)).sum();
        for (((v, w), &x), &p) in v[from..].iter_mut().zip(&mut w[from..]).zip(next).zip(&product[from..]) {
            *v = x;
            *w = (2.0 * (f64::from(p) - along * f64::from(x))) as f32;
        }
    }
    (diagonal, beside)
}

/// Turns the tridiagonal matrix into a diagonal one and returns the product of all rotations: for each panel of columns
/// `diagonal.len()` rows, one for each eigenvalue.
fn rotations(
    kernels: &Kernels,
    diagonal: &mut [f64],
    beside: &mut [f64],
    threads: usize,
) -> Vec<[f32; PANEL]> {
    let dims = diagonal.len();
    let mut all = vec![[0f32; PANEL]; dims * dims.div_ceil(PANEL)];
    for i in 0..dims {
        all[i / PANEL * dims + i][i % PANEL] = 1.0;
    }
    // From here on entry i stands between i and i + 1.
    beside.rotate_left(1.min(dims));
    let largest = diagonal.iter().chain(beside.iter()).fold(0f64, |max, x| max.max(x.abs()));
    let mut sweeps = Vec::new();
    for first in 0..dims {
        for _ in 0..PATIENCE {
            let end = (first..dims).find(|&i| i + 1 == dims || beside[i].abs() <= NEGLIGIBLE * largest);
            let Some(end) = end.filter(|&end| end > first) else { break };
            sweeps.push(step(diagonal, beside, first, end));
            if sweeps.len() == BATCH {
                share_rows(&mut all, dims, threads, |_, panel| sweep::rotate(kernels, panel, &sweeps));
                sweeps.clear();
            }
        }
    }
    share_rows(&mut all, dims.max(1), threads, |_, panel| sweep::rotate(kernels, panel, &sweeps));
    all
}

/// One implicit QL step on the block from `first` to `end`.
fn step(diagonal: &mut [f64], beside: &mut [f64], first: usize, end: usize) -> Sweep {
    let mut turns = Vec::with_capacity(end - first);
    // Wilkinson's shift.
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = (half * half + 1.0).sqrt().copysign(half);
    let mut g = diagonal[end] - diagonal[first] + beside[first] / (half + root);
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for i in (first..end).rev() {
        let f = sine * beside[i];
        let b = cosine * beside[i];
        let r = (f * f + g * g).sqrt();
        if i + 1 < end {
            beside[i + 1] = r;
        }
        if r == 0.0 {
            // The block has fallen apart here: what is above it is for the next step.
            diagonal[i + 1] -= shift;
            beside[end] = 0.0;
            return Sweep { last: end - 1, turns };
        }
        (sine, cosine) = (f / r, g / r);
        g = diagonal[i + 1] - shift;
        let t = (diagonal[i] - g) * sine + 2.0 * cosine * b;
        shift = sine * t;
        diagonal[i + 1] = g + shift;
        g = cosine * t - b;
        turns.push(Turn { cosine: cosine as f32, sine: sine as f32 });
    }
    diagonal[first] -= shift;
    beside[first] = g;
    Sweep { last: end - 1, turns }
}

/// Makes nearly orthonormal rows orthonormal as far as f32 can: one Newton-Schulz step, rows * (3 - rows^T rows) / 2.
fn orthonormalise(kernels: &Kernels, rows: &mut [f32], dims: usize, threads: usize) {
    let count = rows.len().checked_div(dims).unwrap_or(0);
    let mut products = vec![0f32; count * count];
    let side = Side::rows(rows, dims);
    share_rows(&mut products, ROWS * count, threads, |chunk, out| {
        let start = chunk * ROWS * dims;
        let end = start + out.len() / count * dims;
        gemm(kernels, Side::rows(&rows[start..end], dims), side, out, count);
    });
    for (i, row) in products.chunks_exact_mut(count.max(1)).enumerate() {
        row.iter_mut().for_each(|x| *x *= -0.5);
        row[i] += 0.5;
    }
    // What is added is small, so that its rounding errors are nothing.
    let side = Side::columns(rows, dims);
    let mut correction = vec![0f32; rows.len()];
    share_rows(&mut correction, ROWS * dims, threads, |chunk, out| {
        let start = chunk * ROWS * count;
        let end = start + out.len() / dims * count;
        gemm(kernels, Side::rows(&products[start..end], count), side, out, dims);
    });
    rows.iter_mut().zip(&correction).for_each(|(x, c)| *x += c);
}
