//! The map by shared anchors: a vector becomes the one that resembles the anchors as the given one does.
//!
//! Moschella et al. ("Relative representations enable zero-shot latent space communication", ICLR 2023, arXiv 2209.15430) compare
//! vectors by their cosines with anchors, which rotations and scales of a space do not change. The vector of the other space with the
//! same cosines is a linear map of the given one: the least-squares solution of `A_to u = A_from x`.
//!
//! Reads from: rows. Writes to: a matrix. Never: a random number.

use crate::kernel::gemm::Side;

use super::moments::{Centred, multiply};
use super::pairs::{Error, gather, shuffled};
use super::ridge::solve;

/// In parts of the mean energy of the anchors along a dimension.
const RIDGES: [f64; 5] = [1e-3, 1e-2, 0.1, 1.0, 10.0];
/// Most rows by which the ridge is chosen.
const JUDGES: usize = 1000;

/// The matrix, one row an output, up to a scale; and the ridge that was chosen, by the mean cosine over rows that are no anchors.
pub(super) fn anchored(
    x: Centred<'_>,
    y: Centred<'_>,
    count: usize,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<(Vec<f64>, f64), Error> {
    let (p, q, n) = (x.dims(), y.dims(), x.len());
    let order = shuffled(n);
    let (anchors, others) = order.split_at(count.clamp(1, n - n / 4));
    let others = &others[..others.len().min(JUDGES)];
    let (from, to) = (unit(x, anchors), unit(y, anchors));
    let own = wide(multiply(Side::columns(&to, q), q, Side::columns(&to, q), q, threads));
    let cross = wide(multiply(Side::columns(&to, q), q, Side::columns(&from, p), p, threads));
    let mean = (0..q).map(|i| own[i * q + i]).sum::<f64>() / q as f64;
    let mean = if mean > 0.0 { mean } else { 1.0 };
    let (asked, wanted) = (unit(x, others), unit(y, others));
    let mut best: Option<(f64, Vec<f64>, f64)> = None;
    for ridge in RIDGES {
        // One row a dimension of the left side, so that the matrix comes out turned.
        let turned = solve(own.clone(), &cross, p, ridge * mean, threads, cancel)?;
        let short: Vec<f32> = turned.iter().map(|v| *v as f32).collect();
        let found = multiply(Side::rows(&asked, p), others.len(), Side::columns(&short, q), q, threads);
        let cosine: f64 = found
            .chunks_exact(q)
            .zip(wanted.chunks_exact(q))
            .map(|(found, wanted)| super::judge::cosine(found, wanted))
            .sum();
        if best.as_ref().is_none_or(|(most, ..)| cosine > *most) {
            best = Some((cosine, turned, ridge));
        }
    }
    let Some((_, turned, ridge)) = best else { return Err(Error::Overflow) };
    let mut matrix = vec![0f64; p * q];
    for (i, row) in turned.chunks_exact(q).enumerate() {
        for (j, v) in row.iter().enumerate() {
            matrix[j * p + i] = *v;
        }
    }
    Ok((matrix, ridge))
}

/// The chosen rows, centred and of length 1; those that are the mean are zeros.
fn unit(rows: Centred<'_>, chosen: &[usize]) -> Vec<f32> {
    let dims = rows.dims();
    let mut out = gather(rows.rows, dims, chosen);
    for row in out.chunks_exact_mut(dims) {
        let centred: Vec<f64> = rows.centre.of(row).collect();
        let length = centred.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        row.iter_mut().zip(&centred).for_each(|(to, x)| *to = (x * scale) as f32);
    }
    out
}

fn wide(matrix: Vec<f32>) -> Vec<f64> {
    matrix.into_iter().map(f64::from).collect()
}
