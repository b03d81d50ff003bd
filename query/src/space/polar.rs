//! The nearest matrix with orthonormal columns or rows: the orthogonal factor of the polar decomposition, by way of the singular
//! value decomposition (one-sided Jacobi: Hestenes 1958; Drmač and Veselić, "New fast and accurate Jacobi SVD algorithm", SIAM J.
//! Matrix Anal. Appl. 29(4), 2008, for why it is begun with approximate singular vectors).
//!
//! Reads from and writes to: matrices in memory.
//! Never: a result that is not orthonormal, whatever the rank of the matrix.

use crate::codes::eigen::eigen;
use crate::codes::share_rows;
use crate::kernel::lanes::dot;

/// Columns are orthogonal when their cosine is no more: numbers are given out as f32.
const ORTHOGONAL: f64 = 1e-8;
/// A singular value below this part of the largest is 0: the matrix was computed from products in f32.
const NOTHING: f64 = 1e-9;
/// Sweeps over all pairs of columns; three or four are usual.
const SWEEPS: usize = 30;
/// Columns that one thread multiplies at a time.
const COLUMNS: usize = 8;

/// The matrix `Q` that is as large as `matrix` and has orthonormal columns (rows, when it has more columns than rows), with the
/// largest sum of products with it. `matrix` has `rows` rows. Where the matrix is 0, `Q` leaves directions as they are as far as it
/// can. `None` when `cancel` says so.
pub(super) fn orthogonal(
    matrix: &[f64],
    rows: usize,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Option<Vec<f64>> {
    let columns = matrix.len() / rows.max(1);
    if columns <= rows {
        return tall(matrix, rows, columns, threads, cancel);
    }
    let turned = tall(&transposed(matrix, rows, columns), columns, rows, threads, cancel)?;
    Some(transposed(&turned, columns, rows))
}

fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut out = vec![0f64; matrix.len()];
    for (i, row) in matrix.chunks_exact(columns.max(1)).enumerate() {
        for (j, x) in row.iter().enumerate() {
            out[j * rows + i] = *x;
        }
    }
    out
}

fn tall(
    matrix: &[f64],
    rows: usize,
    columns: usize,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Option<Vec<f64>> {
    // Right singular vectors in f32, from the products of the columns; each is a row.
    let largest = matrix.iter().fold(0f64, |max, x| max.max(x.abs()));
    let unit = if largest > 0.0 { 1.0 / largest } else { 1.0 };
    let short: Vec<f32> = matrix.iter().map(|x| (x * unit) as f32).collect();
    let side = crate::kernel::gemm::Side::columns(&short, columns);
    let mut gram = super::moments::multiply(side, columns, side, columns, threads);
    let most = gram.iter().fold(0f32, |max, x| max.max(x.abs()));
    if most > 0.0 {
        gram.iter_mut().for_each(|x| *x /= most);
    }
    if cancel() {
        return None;
    }
    let right = eigen(gram, columns, columns, threads).vectors;
    if cancel() {
        return None;
    }
    // The columns of matrix * right, each as a row; and those of `right`.
    let mut left = vec![0f64; columns * rows];
    share_rows(&mut left, COLUMNS * rows, threads, |chunk, part| {
        for (i, row) in matrix.chunks_exact(columns).enumerate() {
            for (j, to) in part.chunks_exact_mut(rows).enumerate() {
                let v = &right[(chunk * COLUMNS + j) * columns..][..columns];
                to[i] = dot(row, v) * unit;
            }
        }
    });
    let mut right: Vec<f64> = right.into_iter().map(f64::from).collect();
    sweep(&mut left, rows, &mut right, columns, cancel)?;
    complete(&mut left, rows, &right, columns);
    // Q = sum of left * rightᵀ.
    let mut out = vec![0f64; rows * columns];
    share_rows(&mut out, COLUMNS * columns, threads, |chunk, part| {
        for (left, right) in left.chunks_exact(rows).zip(right.chunks_exact(columns)) {
            for (to, u) in part.chunks_exact_mut(columns).zip(&left[chunk * COLUMNS..]) {
                to.iter_mut().zip(right).for_each(|(to, v)| *to += u * v);
            }
        }
    });
    (!cancel()).then_some(out)
}

/// Rotates pairs of columns of both until all of `left` are orthogonal or nothing.
fn sweep(
    left: &mut [f64],
    rows: usize,
    right: &mut [f64],
    columns: usize,
    cancel: &dyn Fn() -> bool,
) -> Option<()> {
    let mut squares: Vec<f64> = left.chunks_exact(rows).map(|x| dot(x, x)).collect();
    for _ in 0..SWEEPS {
        let floor = squares.iter().fold(0f64, |max, x| max.max(*x)) * NOTHING * NOTHING;
        let mut turned = false;
        for i in 0..columns {
            if cancel() {
                return None;
            }
            for j in i + 1..columns {
                if squares[i] <= floor || squares[j] <= floor {
                    continue;
                }
                let (a, b) = pair(left, rows, i, j);
                let product = dot(a, b);
                if product.abs() <= ORTHOGONAL * (squares[i] * squares[j]).sqrt() {
                    continue;
                }
                turned = true;
                let zeta = (squares[j] - squares[i]) / (2.0 * product);
                let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
                rotate(a, b, cosine, cosine * tangent);
                (squares[i], squares[j]) = (dot(a, a), dot(b, b));
                let (a, b) = pair(right, columns, i, j);
                rotate(a, b, cosine, cosine * tangent);
            }
        }
        if !turned {
            break;
        }
    }
    Some(())
}

fn pair(rows: &mut [f64], len: usize, i: usize, j: usize) -> (&mut [f64], &mut [f64]) {
    let (before, rest) = rows.split_at_mut(j * len);
    (&mut before[i * len..(i + 1) * len], &mut rest[..len])
}

fn rotate(a: &mut [f64], b: &mut [f64], cosine: f64, sine: f64) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

/// Gives every column of `left` the length 1. Those that are nothing become directions that are orthogonal to all others: the
/// column's own one of `right`, if there is enough left of it, else the axis of which most is left.
fn complete(left: &mut [f64], rows: usize, right: &[f64], columns: usize) {
    let lengths: Vec<f64> = left.chunks_exact(rows).map(|x| dot(x, x).sqrt()).collect();
    let floor = lengths.iter().fold(0f64, |max, x| max.max(*x)) * NOTHING;
    // How much of each axis is orthogonal to all columns so far.
    let mut free = vec![1f64; rows];
    let (mut whole, mut open) = (Vec::new(), Vec::new());
    for (j, column) in left.chunks_exact_mut(rows).enumerate() {
        if lengths[j] > floor {
            column.iter_mut().for_each(|x| *x /= lengths[j]);
            free.iter_mut().zip(&*column).for_each(|(free, x)| *free -= x * x);
            whole.push(j);
        } else {
            open.push(j);
        }
    }
    for j in open {
        let mut own = vec![0f64; rows];
        own[..columns].copy_from_slice(&right[j * columns..(j + 1) * columns]);
        let kept = without(&mut own, left, rows, &whole);
        if kept < 0.5 {
            let axis = (0..rows).max_by(|&a, &b| free[a].total_cmp(&free[b]).then(b.cmp(&a))).unwrap_or(0);
            own.fill(0.0);
            own[axis] = 1.0;
            without(&mut own, left, rows, &whole);
        }
        // What rounding left along the others, from a vector that may be short.
        without(&mut own, left, rows, &whole);
        free.iter_mut().zip(&own).for_each(|(free, x)| *free -= x * x);
        left[j * rows..(j + 1) * rows].copy_from_slice(&own);
        whole.push(j);
    }
}

/// Takes from `x` what lies along the columns `whole`, and makes what is left of length 1. Returns the length that was left.
fn without(x: &mut [f64], columns: &[f64], rows: usize, whole: &[usize]) -> f64 {
    for &j in whole {
        let column = &columns[j * rows..(j + 1) * rows];
        let along = dot(x, column);
        x.iter_mut().zip(column).for_each(|(x, c)| *x -= along * c);
    }
    let length = dot(x, x).sqrt();
    if length > 0.0 {
        x.iter_mut().for_each(|x| *x /= length);
    }
    length
}
