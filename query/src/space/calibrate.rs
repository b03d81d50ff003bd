//! Scores of mapped queries among old rows on the scale of new queries among new rows, so that both can stand in one list.
//!
//! Reads from: scores of the same items in both spaces. Writes to: a line, or steps.
//! Never: a calibration that puts a lower score above a higher one.

use crate::metric::Metric;

use super::adapter::Adapter;
use super::compare::compare;
use super::pairs::{Error, Pairs, shuffled};

/// Queries of [`score_pairs`], and items that each is compared with.
const QUERIES: usize = 500;
const ITEMS: usize = 4000;
/// Most steps that are kept of a monotone fit.
const KNOTS: usize = 64;

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A line: two numbers, and the same beyond what was seen.
    Linear,
    /// The nearest rising curve (isotonic regression; Barlow et al., "Statistical inference under order restrictions", 1972), linear
    /// between its steps, and with the slope of the fitted line beyond.
    Monotone,
}

/// A rising map of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Of the line.
    offset: f64,
    slope: f64,
    /// Score and what becomes of it, both rising; empty for a line.
    knots: Vec<(f64, f64)>,
}

impl Calibration {
    /// The expected new score for each old one, from (old, new) scores of the same query and item. Pairs with a number that is not finite
    /// do not count. `None` when the rest has no two different old scores, or when the new ones do not rise with them: then the
    /// old scores say nothing, and lists are better combined by rank.
    ///
    /// ```
    /// use foretaste_query::space::{Calibration, Shape};
    ///
    /// let seen = [(0.2, 0.1), (0.4, 0.5), (0.6, 0.9)];
    /// let line = Calibration::fit(&seen, Shape::Linear).unwrap();
    /// assert!((line.apply(0.5) - 0.7).abs() < 1e-12);
    /// assert!(Calibration::fit(&[(0.2, 0.1), (0.2, 0.3)], Shape::Linear).is_none());
    /// ```
    pub fn fit(scores: &[(f64, f64)], shape: Shape) -> Option<Self> {
        let mut scores: Vec<(f64, f64)> =
            scores.iter().copied().filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
        let n = scores.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| scores.iter().map(|s| of(s) / n).sum::<f64>();
        let (old, new) = (mean(&|s| s.0), mean(&|s| s.1));
        let variance = mean(&|s| (s.0 - old).powi(2));
        let slope = mean(&|s| (s.0 - old) * (s.1 - new)) / variance;
        if !(slope > 0.0 && slope.is_finite()) {
            return None;
        }
        let offset = new - slope * old;
        let knots = match shape {
            Shape::Linear => Vec::new(),
            Shape::Monotone => {
                scores.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
                rising(&scores)
            }
        };
        Some(Calibration { offset, slope, knots })
    }

    /// What a score of a mapped query among old rows stands for. Rises with the score; NaN stays NaN.
    pub fn apply(&self, score: f64) -> f64 {
        let line = self.offset + self.slope * score;
        let (Some(first), Some(last)) = (self.knots.first(), self.knots.last()) else { return line };
        if score <= first.0 {
            return first.1 + self.slope * (score - first.0);
        }
        if score >= last.0 {
            return last.1 + self.slope * (score - last.0);
        }
        let i = self.knots.partition_point(|knot| knot.0 <= score);
        match (self.knots.get(i.wrapping_sub(1)), self.knots.get(i)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (score - a.0) / (b.0 - a.0),
            _ => line,
        }
    }
}

/// Pool adjacent violators over runs of about as many scores, which are sorted: one knot a run, at its means.
fn rising(scores: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let run = scores.len().div_ceil(KNOTS).max(1);
    // Sums of both, and how many.
    let mut pools: Vec<(f64, f64, f64)> = Vec::new();
    for part in scores.chunks(run) {
        let sum = part.iter().fold((0.0, 0.0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        let mut pool = (sum.0, sum.1, part.len() as f64);
        // A pool that is not above the one before is one with it; so is one at the same old score, as a curve has one value there.
        while let Some(before) = pools.last().copied() {
            let above = pool.1 / pool.2 > before.1 / before.2 && pool.0 / pool.2 > before.0 / before.2;
            if above {
                break;
            }
            pools.pop();
            pool = (pool.0 + before.0, pool.1 + before.1, pool.2 + before.2);
        }
        pools.push(pool);
    }
    pools.into_iter().map(|(old, new, n)| (old / n, new / n)).collect()
}

/// Scores by which a [`Calibration`] is fitted: for up to 500 of the pairs as queries their `nearest` items by the mapped query, of up to
/// 4,000, with the score of mapped query and old row, and that of the two new vectors. The adapter maps new queries into the old space,
/// as [`Use::Queries`](super::Use::Queries) has it: new vectors are on the left of the pairs.
///
/// Only the nearest count, as those are what an answer has. Scores are as [`Metric::score`] gives them.
///
/// # Errors
/// An adapter of other dimensions; cancelled.
pub fn score_pairs(
    pairs: Pairs<'_>,
    adapter: &Adapter,
    metric: Metric,
    nearest: usize,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<(f64, f64)>, Error> {
    adapter.expects(&pairs)?;
    let order = shuffled(pairs.len());
    let items = &order[..order.len().min(ITEMS)];
    let (new, old) = pairs.gather(items);
    let (p, q) = (pairs.from_dims(), pairs.to_dims());
    let queries = items.len().min(QUERIES);
    let mapped = adapter.mapped(&new[..queries * p], threads);
    let mut by_old = Vec::with_capacity(queries * items.len());
    compare(&mapped, &old, q, metric, threads, cancel, &mut |_, scores| by_old.extend_from_slice(scores))
        .ok_or(Error::Cancelled)?;
    let mut out = Vec::with_capacity(queries * nearest.min(items.len()));
    compare(&new[..queries * p], &new, p, metric, threads, cancel, &mut |query, scores| {
        let by_old = by_old[query * items.len()..].iter().copied();
        let mut both: Vec<(f64, f64)> = by_old.zip(scores.iter().copied()).collect();
        both.swap_remove(query);
        both.sort_by(|a, b| b.0.total_cmp(&a.0));
        out.extend(both.into_iter().take(nearest));
    })
    .ok_or(Error::Cancelled)?;
    Ok(out)
}
