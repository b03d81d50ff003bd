//! The space that codes and graphs are built in: one where the nearest by squared Euclidean distance is the nearest by the
//! metric.
//!
//! L2 keeps vectors as they are and cosine makes them unit vectors. For the inner product a row `x` becomes
//! `[x, sqrt(M^2 - |x|^2)]` with `M` the largest norm, and a query `[q, 0]`: all rows then have the norm `M`, so the nearest
//! is the one of the largest inner product (Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean
//! transformation for inner-product spaces", 2014).
//!
//! Reads from: vectors as stored. Writes to: vectors of the index's space. Never: a vector of the caller.

use crate::kernel::lanes::squared_norm;
use crate::metric::Metric;

/// How vectors are taken into the index's space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Space {
    metric: Metric,
    dims: usize,
    /// Largest norm of a row; only for the inner product.
    radius: f32,
}

impl Space {
    /// For rows of `dims` numbers, of norm at most `radius`.
    pub fn new(metric: Metric, dims: usize, radius: f32) -> Self {
        Space { metric, dims, radius: if metric == Metric::Dot { radius } else { 0.0 } }
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Largest norm of a row.
    pub fn radius(&self) -> f32 {
        self.radius
    }

    /// Dimensions of a stored vector.
    pub fn stored(&self) -> usize {
        self.dims
    }

    /// Dimensions of the index's space.
    pub fn dims(&self) -> usize {
        self.dims + usize::from(self.metric == Metric::Dot)
    }

    /// Appends a row, which may lack its last numbers; they count as zeros.
    pub fn push_row(&self, row: &[f32], out: &mut Vec<f32>) {
        let row = row.get(..self.dims).unwrap_or(row);
        let start = out.len();
        out.extend_from_slice(row);
        out.resize(start + self.dims, 0.0);
        match self.metric {
            Metric::L2 => {}
            Metric::Cosine => scale(&mut out[start..], 1.0),
            Metric::Dot => {
                let missing = f64::from(self.radius).powi(2) - squared_norm(row);
                out.push(missing.max(0.0).sqrt() as f32);
            }
        }
    }

    /// Appends a query, which may be a prefix; the numbers it lacks count as zeros.
    pub fn push_query(&self, query: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        out.extend_from_slice(query.get(..self.dims).unwrap_or(query));
        out.resize(start + self.dims, 0.0);
        match self.metric {
            Metric::L2 => {}
            Metric::Cosine => scale(&mut out[start..], 1.0),
            Metric::Dot => {
                // Its length changes no order; at the rows' it is coded as finely as they are.
                scale(&mut out[start..], f64::from(self.radius));
                out.push(0.0);
            }
        }
    }

    /// The metric's distance for a squared distance in this space, for a query of norm `norm`.
    pub fn distance(&self, squared: f32, norm: f64) -> f64 {
        let squared = f64::from(squared).max(0.0);
        match self.metric {
            Metric::L2 => squared.sqrt(),
            Metric::Cosine => squared / 2.0,
            Metric::Dot => {
                let radius = f64::from(self.radius);
                if radius == 0.0 { 0.0 } else { (squared / 2.0 - radius * radius) * norm / radius }
            }
        }
    }
}

/// Brings `x` to `length`, unless it is zero.
fn scale(x: &mut [f32], length: f64) {
    let norm = squared_norm(x).sqrt();
    if norm > 0.0 {
        let factor = length / norm;
        x.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::exact;

    #[test]
    fn squared_distances_become_the_metrics_own() {
        let rows = [[1.0f32, 2.0, -0.5], [0.25, -1.0, 3.0], [-2.0, 0.5, 0.5]];
        let query = [0.5f32, -0.25, 2.0];
        let radius = rows.iter().map(|r| squared_norm(r).sqrt() as f32).fold(0.0, f32::max);
        for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
            let space = Space::new(metric, 3, radius);
            let (mut q, norm) = (Vec::new(), squared_norm(&query).sqrt());
            space.push_query(&query, &mut q);
            for row in &rows {
                let mut x = Vec::new();
                space.push_row(row, &mut x);
                assert_eq!((x.len(), q.len()), (space.dims(), space.dims()));
                let d: f32 = x.iter().zip(&q).map(|(a, b)| (a - b).powi(2)).sum();
                let (got, expected) = (space.distance(d, norm), exact::distance(metric, &query, row));
                assert!((got - expected).abs() < 1e-5, "{metric:?}: {got} {expected}");
            }
        }
    }

    #[test]
    fn zeros_and_short_vectors_have_their_place() {
        let space = Space::new(Metric::Cosine, 3, 0.0);
        let mut out = Vec::new();
        space.push_row(&[0.0, 0.0, 0.0], &mut out);
        space.push_row(&[2.0], &mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let dot = Space::new(Metric::Dot, 2, 0.0);
        assert_eq!(dot.distance(0.0, 1.0), 0.0);
    }
}
