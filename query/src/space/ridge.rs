//! Ridge regression of many outputs: how much to hold back is chosen by the error of leaving each row out, which has a closed form.
//!
//! Data are centred, and in units in which the mean square of all inputs is 1, so that a ridge means the same for every space.
//! Reads from: moments and rows. Writes to: a matrix. Never: a random number.

use crate::codes::eigen::eigen;
use crate::kernel::gemm::Side;

use super::cholesky::{Factor, Refused};
use super::moments::{Centred, multiply, products};
use super::pairs::Error;

/// What is tried, rising.
const RIDGES: [f64; 13] = [1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0];
/// Most rows that are left out in turn.
const LEFT_OUT: usize = 2048;
/// A row whose own weight in its prediction is nearer to 1 than this is predicted by itself: leaving it out cannot be computed.
const LEVERAGE: f64 = 1e-3;

/// The second moments of both sides.
pub(super) struct Moments {
    /// Of the inputs among themselves.
    pub own: Vec<f64>,
    /// Of inputs with outputs: one row an input.
    pub cross: Vec<f64>,
}

impl Moments {
    pub fn new(
        x: Centred<'_>,
        y: Centred<'_>,
        threads: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        let own = products(x, x, threads, cancel).ok_or(Error::Cancelled)?;
        let cross = products(x, y, threads, cancel).ok_or(Error::Cancelled)?;
        Ok(Moments { own, cross })
    }

    /// The matrix, one row an output, with the smallest `mean |y - W x|² + ridge |W|²`.
    pub fn solve(
        &self,
        outputs: usize,
        ridge: f64,
        threads: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Vec<f64>, Error> {
        solve(self.own.clone(), &self.cross, outputs, ridge, threads, cancel)
    }

    /// The ridge with the smallest error of leaving each of the rows out, at most 2,048 of them, evenly spread.
    pub fn choose(
        &self,
        x: Centred<'_>,
        y: Centred<'_>,
        threads: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<f64, Error> {
        let (p, q, n) = (x.dims(), y.dims(), x.len());
        let largest = self.own.iter().fold(0f64, |max, v| max.max(v.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let eigen = eigen(self.own.iter().map(|v| (v / unit) as f32).collect(), p, p, threads);
        let values: Vec<f64> = eigen.values.iter().map(|v| v.max(0.0) * unit).collect();
        if cancel() {
            return Err(Error::Cancelled);
        }
        // Outputs along each eigenvector, one row an eigenvector.
        let cross: Vec<f32> = self.cross.iter().map(|v| *v as f32).collect();
        let vectors = Side::rows(&eigen.vectors, p);
        let along = multiply(vectors, p, Side::columns(&cross, q), q, threads);
        let rows: Vec<usize> = (0..n.min(LEFT_OUT)).map(|i| i * n / n.min(LEFT_OUT)).collect();
        let mut left: Vec<f32> = Vec::with_capacity(rows.len() * p);
        for &i in &rows {
            left.extend(x.centre.of(&x.rows[i * p..(i + 1) * p]).map(|v| v as f32));
        }
        let turned = multiply(Side::rows(&left, p), rows.len(), vectors, p, threads);
        let mut best = (f64::INFINITY, RIDGES[RIDGES.len() - 1]);
        for ridge in RIDGES {
            if cancel() {
                return Err(Error::Cancelled);
            }
            let mut weighted = turned.clone();
            for row in weighted.chunks_exact_mut(p) {
                row.iter_mut().zip(&values).for_each(|(z, v)| *z = (f64::from(*z) / (v + ridge)) as f32);
            }
            let predicted =
                multiply(Side::rows(&weighted, p), rows.len(), Side::columns(&along, q), q, threads);
            let mut error = 0f64;
            for (k, &i) in rows.iter().enumerate() {
                let (z, w) = (&turned[k * p..(k + 1) * p], &weighted[k * p..(k + 1) * p]);
                let own = z.iter().zip(w).map(|(z, w)| f64::from(*z) * f64::from(*w)).sum::<f64>();
                let left = 1.0 - (1.0 + own) / n as f64;
                if left < LEVERAGE {
                    error = f64::INFINITY;
                    break;
                }
                let truth = y.centre.of(&y.rows[i * q..(i + 1) * q]);
                let square: f64 = truth
                    .zip(&predicted[k * q..(k + 1) * q])
                    .map(|(y, guess)| (y - f64::from(*guess)).powi(2))
                    .sum();
                error += square / (left * left);
            }
            if error < best.0 {
                best = (error, ridge);
            }
        }
        Ok(best.1)
    }
}

/// `(own + ridge)⁻¹ cross`, turned: one row for each of the `outputs` columns of `cross`. A matrix that rounding has made
/// indefinite gets ten times the ridge, until it is not.
pub(super) fn solve(
    own: Vec<f64>,
    cross: &[f64],
    outputs: usize,
    ridge: f64,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<f64>, Error> {
    let p = cross.len() / outputs;
    let mut sides = vec![0f64; cross.len()];
    for (i, row) in cross.chunks_exact(outputs).enumerate() {
        for (j, v) in row.iter().enumerate() {
            sides[j * p + i] = *v;
        }
    }
    let mut ridge = ridge;
    loop {
        match Factor::new(own.clone(), p, ridge, cancel) {
            Ok(factor) => {
                factor.solve(&mut sides, threads);
                return if cancel() { Err(Error::Cancelled) } else { Ok(sides) };
            }
            Err(Refused::Cancelled) => return Err(Error::Cancelled),
            Err(Refused::Indefinite) if ridge.is_finite() => ridge *= 10.0,
            Err(Refused::Indefinite) => return Err(Error::Overflow),
        }
    }
}
