//! What the dimensions that were not compared yet can still do to a row's distance.
//!
//! With `m` dimensions compared of `n`, and the tails the rest, Cauchy and Schwarz say `⟨q,x⟩ ≤ ⟨q_m,x_m⟩ + ‖q_t‖‖x_t‖`. The norms of
//! the rows' tails are not stored; what is left when they are as bad as can be:
//!
//! | metric | of a row at distance `d` by `m` dimensions, `h = ‖q_m‖`, `t = ‖q_t‖` | with |
//! | --- | --- | --- |
//! | l2 | no less than `d` | |
//! | cosine | cosine at most `√(c²h² + t²) / √(h² + t²)`, `c = max(1 - d, 0)` | `x` split between head and tail as is best |
//! | dot | product at most `p + t √(R² - (p/h)²)`, `p = -d` | `R` the largest norm of a row: `‖x_m‖ ≥ abs(p) / h` |
//!
//! A row that has fewer dimensions than `n` is compared by those it has; the bounds hold for it too, as they only grow with `t`.
//!
//! Reads from: a query. Writes to: nothing. Never: a bound that rounding could make untrue.

use crate::index::Query;
use crate::metric::Metric;

/// How near rows can come by all of a query's dimensions that are at a known distance by the first of them.
///
/// ```
/// use foretaste_query::index::{Query, Tail};
/// use foretaste_query::metric::Metric;
///
/// let query = Query::new(&[0.8, 0.6], 2, Metric::Cosine);
/// let tail = Tail::new(&query, 1, None);
/// // The row [1, y] is at distance 0 by the first dimension; the best it can be is [0.8, 0.6], the worst head [-1] leaves 0.6.
/// assert!((tail.least(0.0).abs()) < 1e-4);
/// assert!((tail.least(2.0) - 0.4).abs() < 1e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail {
    metric: Metric,
    /// Norms of the query's first dimensions, and of the others.
    head: f64,
    tail: f64,
    /// No row has a larger norm.
    radius: f64,
    /// What f32 sums may be off, as a part of the product of norms; under L2 of the distance.
    off: f64,
}

impl Tail {
    /// Of rows that were compared by the first `dims` of `query`'s dimensions. `radius` is the largest norm of a row, if that is known;
    /// without it nothing can be said under the inner product.
    pub fn new(query: &Query, dims: usize, radius: Option<f32>) -> Tail {
        let (head, norm) = (query.norm(dims), query.norm(query.dims()));
        // The difference of squares loses digits; what it may have lost is added.
        let tail = (norm * norm * (1.0 + 1e-12) - head * head).max(0.0).sqrt();
        let radius = radius.map_or(f64::INFINITY, |radius| f64::from(radius) * (1.0 + 1e-6));
        // A sum of n products in f32 is off by n + 1 half epsilons of the sum of their sizes at most, and a norm by half of that; scaling
        // and rooting add a few. This is twice as much.
        let off = (query.dims() + 64) as f64 * f64::from(f32::EPSILON);
        Tail { metric: query.metric(), head, tail, radius, off }
    }

    /// No row at `distance` by the first dimensions is nearer than this by all: both as [`settle::rescore`](super::settle::rescore)
    /// computes them, so that what is farther than a row kept can be left unread without changing what is kept.
    pub fn least(&self, distance: f64) -> f64 {
        let Tail { head, tail, radius, off, .. } = *self;
        match self.metric {
            Metric::L2 => distance * (1.0 - 2.0 * off),
            Metric::Cosine => {
                let cosine = (1.0 - distance + off).clamp(0.0, 1.0);
                let norm = head * head + tail * tail;
                if norm == 0.0 {
                    return f64::NEG_INFINITY;
                }
                let best = ((cosine * cosine * head * head + tail * tail) / norm).sqrt();
                1.0 - best - off
            }
            Metric::Dot => {
                let whole = (head * head + tail * tail).sqrt() * radius * off;
                if !whole.is_finite() {
                    return f64::NEG_INFINITY;
                }
                let product = -distance;
                // The least that the head's norm can be: less than its product over the query's by what that may be off.
                let held = if head > 0.0 { ((product.abs() - whole) / head).max(0.0) } else { 0.0 };
                let left = (radius * radius - held * held).max(0.0).sqrt();
                -(product + whole + tail * left + whole)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::exact;

    /// Numbers from -1 to 1, the later the smaller.
    fn vector(seed: u64, dims: usize, fall: f32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..dims).map(|d| next() / (1.0 + d as f32 * fall)).collect()
    }

    #[test]
    fn no_row_is_nearer_than_its_bound_and_some_are_nearly_so() {
        for metric in Metric::ALL {
            let mut closest = f64::INFINITY;
            for seed in 0..4000u64 {
                let dims = 2 + (seed % 40) as usize;
                let short = 1 + (seed as usize / 7) % (dims - 1);
                let query = vector(seed, dims, 0.2);
                // Some rows are the query's like, so that their tails do what they can; some lack the last dimensions.
                let mut row = vector(seed ^ 77_777, dims, 0.2);
                if seed % 3 == 0 {
                    row.iter_mut().zip(&query).for_each(|(x, q)| *x = q * 1.5 + *x * 1e-3);
                    row[..short].iter_mut().for_each(|x| *x *= 0.7);
                }
                if seed % 5 == 0 {
                    row.truncate(short + (dims - short) / 2);
                }
                let radius = exact::squared_norm(&row).sqrt() as f32;
                let prepared = Query::new(&query, dims, metric);
                let tail = Tail::new(&prepared, short, Some(radius));
                let before = exact::distance(metric, &query[..short], &row);
                let after = prepared.exact(&row);
                let least = tail.least(before);
                assert!(least <= after, "{metric:?} {seed}: {least} {after} from {before}");
                closest = closest.min(after - least);
                if metric == Metric::Dot {
                    assert_eq!(Tail::new(&prepared, short, None).least(before), f64::NEG_INFINITY);
                }
            }
            assert!(closest < 1e-3, "{metric:?}: no bound is tight, the best is off by {closest}");
        }
    }

    #[test]
    fn a_query_whose_tail_is_zero_bounds_by_what_was_compared() {
        let query = Query::new(&[0.6, 0.8, 0.0, 0.0], 4, Metric::Cosine);
        let tail = Tail::new(&query, 2, None);
        assert!((tail.least(0.3) - 0.3).abs() < 1e-4);
        let dot = Query::new(&[0.6, 0.8, 0.0, 0.0], 4, Metric::Dot);
        assert!((Tail::new(&dot, 2, Some(2.0)).least(-0.5) + 0.5).abs() < 1e-4);
    }
}
