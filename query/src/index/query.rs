//! A query, prepared for comparison with many rows.
//!
//! Reads from: the caller's vector. Writes to: nothing. Never: a row.

use std::sync::OnceLock;

use foretaste_storage::Result;

use crate::kernel::lanes::{largest, squared_norm};
use crate::kernel::{Acc, Op, exact};
use crate::metric::Metric;

/// Sums below this may have lost digits to f32's smallest numbers.
const SMALLEST_SUM: f32 = 1e-30;

/// A query, prepared for comparison with many rows.
///
/// ```
/// use foretaste_query::{index::Query, metric::Metric};
///
/// let query = Query::new(&[3.0, 4.0, 12.0], 2, Metric::Cosine);
/// assert_eq!((query.dims(), query.norm(2), query.norm(1)), (2, 5.0, 3.0));
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    vector: Vec<f32>,
    metric: Metric,
    /// What the kernels see: the vector divided by `scale`; empty when that is the vector.
    scaled: Vec<f32>,
    /// A power of two, so that dividing by it is exact.
    scale: f64,
    norm: f64,
    /// What a row's uncertainty counts for; see [`Query::with_uncertainty`].
    weight: Option<f64>,
    /// The norm of each prefix, from that of no dimension to that of all: only wanted when rows are shorter.
    norms: OnceLock<Vec<f64>>,
}

impl Query {
    /// Prepares a search by the first `dims` numbers of `vector` (by all of them when it has fewer).
    ///
    /// The numbers should be finite; rows compare as NaN with a query that is not, and are then not found.
    pub fn new(vector: &[f32], dims: usize, metric: Metric) -> Self {
        let vector = vector[..dims.min(vector.len())].to_vec();
        // Products with a query whose largest number is about 1 stay in the range of f32 whenever the row's norm does.
        // L2 takes differences with the row, so there the query must stay as it is.
        let scale = match metric {
            Metric::L2 => 1.0,
            Metric::Cosine | Metric::Dot => power_of_two_below(largest(&vector)),
        };
        // Exact as well: the inverse of a power of two is one, and f64 has room for all of them.
        let inverse = 1.0 / scale;
        let scale_down = |v: &f32| (f64::from(*v) * inverse) as f32;
        let scaled = if scale == 1.0 { Vec::new() } else { vector.iter().map(scale_down).collect() };
        let norm = squared_norm(&vector).sqrt();
        Query { vector, metric, scaled, scale, norm, weight: None, norms: OnceLock::new() }
    }

    /// Ranks rows by their squared distance and `weight` times the sum of their variances, as [`crate::rerank::gaussian::csd`] does
    /// but for what the query's own variances add to all of them; not under the inner product. A weight of 0 ranks by distance.
    pub fn with_uncertainty(mut self, weight: f64) -> Self {
        self.weight = (weight > 0.0 && weight.is_finite() && self.metric != Metric::Dot).then_some(weight);
        self
    }

    /// What a row's uncertainty counts for, when it does.
    pub fn uncertainty(&self) -> Option<f64> {
        self.weight
    }

    /// What a row at `distance` is ranked by, smaller first.
    ///
    /// # Errors
    /// Those of `trace`, which is only asked for when it counts.
    #[inline]
    pub(crate) fn rank(&self, distance: f64, trace: impl FnOnce() -> Result<f32>) -> Result<f64> {
        match (self.weight, self.metric.squared(distance)) {
            (Some(weight), Some(squared)) => Ok(squared + weight * f64::from(trace()?)),
            _ => Ok(distance),
        }
    }

    /// How many dimensions are compared, unless a row has fewer.
    pub fn dims(&self) -> usize {
        self.vector.len()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The numbers that are compared.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The norm of the first `dims` numbers, in f64.
    pub fn norm(&self, dims: usize) -> f64 {
        if dims >= self.vector.len() {
            return self.norm;
        }
        let norms = self.norms.get_or_init(|| {
            let mut squares = 0f64;
            let mut norm = |v: &f32| {
                squares += f64::from(*v) * f64::from(*v);
                squares.sqrt()
            };
            std::iter::once(0.0).chain(self.vector.iter().map(&mut norm)).collect()
        });
        norms.get(dims).copied().unwrap_or(self.norm)
    }

    /// The kernel operation that [`Query::distance`] makes a distance of.
    pub(crate) fn op(&self) -> Op {
        match self.metric {
            Metric::Cosine => Op::DotNorm,
            Metric::Dot => Op::Dot,
            Metric::L2 => Op::L2,
        }
    }

    /// The numbers that the kernels are given.
    pub(crate) fn scaled(&self) -> &[f32] {
        if self.scaled.is_empty() { &self.vector } else { &self.scaled }
    }

    /// The distance that an accumulator over the first `width` dimensions stands for; `None` when f32 could not hold it,
    /// so that [`Query::exact`] has to say.
    #[inline]
    pub(crate) fn distance(&self, acc: Acc, width: usize) -> Option<f64> {
        let a = f64::from(acc.a);
        match self.metric {
            Metric::L2 => (acc.a >= SMALLEST_SUM && acc.a.is_finite()).then(|| a.sqrt()),
            Metric::Dot => acc.a.is_finite().then_some(-a * self.scale),
            Metric::Cosine => {
                let norm = self.norm(width);
                let sound = acc.b >= SMALLEST_SUM && acc.b.is_finite() && acc.a.is_finite() && norm > 0.0;
                sound.then(|| 1.0 - a * self.scale / (norm * f64::from(acc.b).sqrt()))
            }
        }
    }

    /// The distance of a row in f64, over the dimensions that both have.
    pub fn exact(&self, row: &[f32]) -> f64 {
        exact::distance(self.metric, &self.vector, row)
    }
}

/// The largest power of two that is not above `x`; 1 for zero and for what is not finite.
fn power_of_two_below(x: f32) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return 1.0;
    }
    // Every positive f32 is a normal f64: clearing the fraction leaves the power of two.
    f64::from_bits(f64::from(x).to_bits() & !((1 << 52) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_exact_and_leaves_the_largest_number_near_one() {
        for x in [f32::MAX, 1.0, 1.5, 0.1, 3e-30, f32::MIN_POSITIVE, f32::from_bits(1)] {
            let scale = power_of_two_below(x);
            assert!((1.0..2.0).contains(&(f64::from(x) / scale)), "{x} / {scale}");
            let query = Query::new(&[x, -x / 2.0], 2, Metric::Dot);
            assert_eq!(f64::from(query.scaled()[0]) * scale, f64::from(x));
        }
        assert_eq!((power_of_two_below(0.0), power_of_two_below(f32::INFINITY)), (1.0, 1.0));
    }

    #[test]
    fn sums_that_f32_cannot_hold_have_no_distance() {
        let acc = |a, b| Acc { a, b };
        let l2 = Query::new(&[1.0], 1, Metric::L2);
        assert_eq!(l2.distance(acc(4.0, 0.0), 1), Some(2.0));
        for bad in [0.0, 1e-35, f32::INFINITY, f32::NAN] {
            assert_eq!(l2.distance(acc(bad, 0.0), 1), None);
        }
        let cosine = Query::new(&[2.0], 1, Metric::Cosine);
        assert_eq!(cosine.distance(acc(1.0, 1.0), 1), Some(0.0));
        for bad in [acc(1.0, 0.0), acc(1.0, f32::INFINITY), acc(f32::NAN, 1.0)] {
            assert_eq!(cosine.distance(bad, 1), None);
        }
        assert_eq!(Query::new(&[0.0], 1, Metric::Cosine).distance(acc(0.0, 1.0), 1), None);
        assert_eq!(Query::new(&[1.0], 1, Metric::Dot).distance(acc(f32::INFINITY, 0.0), 1), None);
    }
}
