//! The exact k nearest by a measure, from rows that arrive in the order of their means.
//!
//! A later row is at least as far by its mean as this one. With the range of the rows' variances that gives a bound below which no later
//! distance can be; once the bound is above the k-th distance seen, no later row can be among the k nearest.
//!
//! Reads from: squared mean distances and distances that the caller computes. Writes to: the k nearest.
//! Never: a stop that could cost a hit, if what was said about the variances holds; not even one at the same distance.

use crate::answer::{Ranked, TopK};

use super::{FLOOR, Gaussian, Measure, Variance, sums, unlikeness, weight};

/// Between what the variances of all rows lie.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Spread, Variance};
///
/// let mut spread = Spread::default();
/// spread.include(&Gaussian { mean: &[0.0; 2], variance: Variance::Diagonal(&[0.5, 2.0]) }, 2);
/// spread.include(&Gaussian { mean: &[0.0; 2], variance: Variance::Scalar(1.0) }, 2);
/// assert_eq!(spread, Spread { min: 0.5, max: 2.0, trace_min: 2.0 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// No variance of any dimension of a row is below.
    pub min: f64,
    /// No variance of any dimension of a row is above.
    pub max: f64,
    /// No sum of a row's variances, over the dimensions that are compared, is below.
    pub trace_min: f64,
}

/// A lower bound of the distances of all rows from a squared mean distance on.
///
/// With δ the squared mean distance, `a` the query's variances and `b` one of a row's, `b` within the [`Spread`]:
///
/// | measure | bound |
/// | --- | --- |
/// | CSD | `δ + lambda trace_min` |
/// | Wasserstein | `δ + Σ min_b (√a - √b)²` |
/// | Bhattacharyya | `¼ δ / max(a + b) + ½ Σ min_b ln((a + b) / 2√(ab))` |
/// | expected likelihood | `½ Σ ln 2π(a + b_min) + ½ min_s (ln(s / s_min) + δ / s)`, `s = a + b` in the dimension of the largest `a` |
/// | log-likelihood | the same with `a = 0` |
///
/// The two likelihoods: for given variances the means' difference costs least in the dimension where `s` is largest, and only
/// there can it pay to have more variance than the least. What can be saved by that falls with `a` at any `b`, so that the dimension
/// of the largest `a` is the one; there, `ln s + δ / s` is smallest at `s = δ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Added to what depends on δ.
    constant: f64,
    slope: Slope,
    /// 1 less what rounding may cost.
    sure: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Slope {
    /// `factor * δ`.
    Linear(f64),
    /// `½ min (ln(s / least) + δ / s)` for s within `least … most`.
    Likelihood { least: f64, most: f64 },
}

/// The k nearest of rows offered in ascending order of their squared mean distances.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Bound, Gaussian, Measure, Spread, Stream, Variance, squared_mean_distance};
///
/// let rows = [([0.1f32], 9.0f32), ([1.0], 0.1), ([1.5], 0.2), ([9.0], 0.1)];
/// let rows = rows.each_ref().map(|(mean, v)| Gaussian { mean, variance: Variance::Scalar(*v) });
/// let query = Gaussian { mean: &[0.0], variance: Variance::None };
/// let mut spread = Spread::default();
/// rows.iter().for_each(|row| spread.include(row, 1));
///
/// let measure = Measure::Csd { lambda: 1.0 };
/// let mut stream = Stream::new(2, Bound::new(measure, &query, &spread));
/// let mut scored = 0;
/// for (id, row) in (0u64..).zip(&rows) {
///     let delta = squared_mean_distance(&query, row);
///     if stream.complete(delta) {
///         break; // Before the row's variances are read.
///     }
///     stream.offer(delta, measure.distance(&query, row), id, id);
///     scored += 1;
/// }
/// assert_eq!(scored, 3);
/// assert_eq!(stream.into_sorted().iter().map(|hit| hit.item).collect::<Vec<_>>(), [1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Stream<T> {
    top: TopK<T>,
    bound: Bound,
}

impl Default for Spread {
    /// That of no rows.
    fn default() -> Self {
        Spread { min: f64::INFINITY, max: f64::NEG_INFINITY, trace_min: f64::INFINITY }
    }
}

impl Spread {
    /// That of rows of which nothing is known. The bounds of [`Measure::Csd`] and [`Measure::Wasserstein`] still grow with δ; the
    /// others in effect never stop a stream.
    pub const UNKNOWN: Spread = Spread { min: 0.0, max: f32::MAX as f64, trace_min: 0.0 };

    /// Makes it hold for one more row, compared over its first `dims` dimensions.
    pub fn include(&mut self, row: &Gaussian<'_>, dims: usize) {
        let different = if matches!(row.variance, Variance::Diagonal(_)) { dims } else { dims.min(1) };
        for i in 0..different {
            let variance = row.variance.at(i);
            self.min = self.min.min(variance);
            self.max = self.max.max(variance);
        }
        self.trace_min = self.trace_min.min(row.trace(dims));
    }
}

impl Bound {
    /// The bound for one query, and rows of at least as many dimensions. What the rows' variances are is taken from `spread`; one that contradicts itself, as that of no
    /// rows, is taken for [`Spread::UNKNOWN`].
    pub fn new(measure: Measure, query: &Gaussian<'_>, spread: &Spread) -> Self {
        let spread = if spread.min <= spread.max { spread } else { &Spread::UNKNOWN };
        let limit = |variance: f64, floor: f64| variance.clamp(floor, Spread::UNKNOWN.max);
        let (zero, most_zero) = (limit(spread.min, 0.0), limit(spread.max, 0.0));
        let (least, most) = (limit(spread.min, FLOOR), limit(spread.max, FLOOR));
        let dims = query.mean.len();
        // A sum of n terms is off by n half epsilons at most, of its terms' sizes; there are two, and single operations.
        let rounding = 4.0 * (dims as f64 + 16.0) * f64::EPSILON;
        let largest = |at: &dyn Fn(usize) -> f64| (0..dims).map(at).fold(FLOOR, f64::max);

        let (constant, slope) = match measure {
            Measure::Csd { lambda } => {
                let trace = if spread.trace_min > 0.0 { spread.trace_min.min(f64::MAX) } else { 0.0 };
                (weight(lambda) * trace * (1.0 - rounding), Slope::Linear(1.0))
            }
            Measure::Wasserstein => {
                let gap = |i: usize| {
                    let a = query.variance.at(i);
                    let gap = a.sqrt() - a.clamp(zero, most_zero).sqrt();
                    (gap * gap, 1.0)
                };
                (sums(dims, gap).0 * (1.0 - rounding), Slope::Linear(1.0))
            }
            Measure::Bhattacharyya => {
                let a = |i: usize| query.variance.floored(i);
                let unlike = |i: usize| (0.0, unlikeness(a(i), a(i).clamp(least, most)));
                let worst = |i: usize| unlikeness(a(i), least).max(unlikeness(a(i), most)).ln();
                let sizes: f64 = (0..dims).map(worst).sum();
                (
                    0.25 * (sums(dims, unlike).1 - rounding * (sizes + dims as f64)),
                    Slope::Linear(0.25 / (largest(&a) + most)),
                )
            }
            Measure::ExpectedLikelihood => {
                likelihood(dims, |i| query.variance.floored(i), least, most, rounding)
            }
            Measure::LogLikelihood => likelihood(dims, |_| 0.0, least, most, rounding),
        };
        Bound { constant, slope, sure: 1.0 - rounding }
    }

    /// No row whose squared mean distance is `delta` or more has a smaller distance than this.
    pub fn at(&self, delta: f64) -> f64 {
        let delta = delta.max(0.0) * self.sure;
        self.constant
            + match self.slope {
                Slope::Linear(factor) => factor * delta,
                Slope::Likelihood { least, most } => {
                    let s = delta.clamp(least, most);
                    0.5 * ((s / least).ln() + delta / s)
                }
            }
    }
}

impl<T: Copy> Stream<T> {
    /// An empty selection of the `k` nearest.
    pub fn new(k: usize, bound: Bound) -> Self {
        Stream { top: TopK::new(k), bound }
    }

    /// Takes a row, and says whether it may be the last: whether no row that has this `delta` or a larger one can be among the
    /// nearest any more.
    ///
    /// `delta` is the row's squared mean distance, or less, and no less than those before; `distance` is the [`Measure`]'s. Rows at
    /// the same distance are ordered by `tiebreak`, the smaller first; a NaN is left out.
    pub fn offer(&mut self, delta: f64, distance: f64, tiebreak: u64, item: T) -> bool {
        self.top.offer(distance, tiebreak, item);
        self.complete(delta)
    }

    /// Whether no row with this squared mean distance or a larger one can be among the nearest; such a row needs no score.
    ///
    /// A bound equal to the k-th distance does not suffice: a later row could be as near and win by its tiebreak.
    pub fn complete(&self, delta: f64) -> bool {
        self.bound.at(delta) > self.top.threshold()
    }

    /// The nearest so far, nearest first.
    pub fn into_sorted(self) -> Vec<Ranked<T>> {
        self.top.into_sorted()
    }
}

/// Constant and slope of minus a log density with variance `a(i) + b`, `b` within `least … most`.
fn likelihood(dims: usize, a: impl Fn(usize) -> f64, least: f64, most: f64, rounding: f64) -> (f64, Slope) {
    let size = |s: f64| (std::f64::consts::TAU * s).ln().abs();
    let sizes: f64 = (0..dims).map(|i| size(a(i) + least).max(size(a(i) + most)) + 1.0).sum();
    let logs = sums(dims, |i| (0.0, std::f64::consts::TAU * (a(i) + least))).1;
    let largest = (0..dims).map(&a).fold(0.0, f64::max);
    (0.5 * (logs - rounding * sizes), Slope::Likelihood { least: largest + least, most: largest + most })
}
