//! How wrong a mapped row is expected to be, from the row alone: rows that fare worst are embedded again first.
//!
//! FastFill (Jaeckle et al., ICLR 2023, arXiv 2303.04766) trains this estimate together with its map, as a second output of a network. Here
//! it is a ridge regression of the logarithm of the squared error on some lengths and on the row itself.
//!
//! Reads from: pairs, rows, an adapter. Writes to: a model, estimates. Never: a random number.

use crate::kernel::gemm::Side;
use crate::kernel::lanes::squared_norm;
use crate::metric::Metric;

use super::adapter::Adapter;
use super::judge::cosine;
use super::moments::{Centre, Centred, multiply};
use super::pairs::{Error, Pairs, shuffled};
use super::ridge::Moments;

/// Features that are no dimension of the row.
const LENGTHS: usize = 3;
/// What is added to an error before its logarithm is taken, in parts of the mean error: a perfect row would decide everything.
const FLOOR: f64 = 1e-4;
/// Rows whose error is estimated at a time.
const RUN: usize = 4096;

/// Expected errors of mapped rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorModel {
    /// Of the dimensions of a row.
    centre: Centre,
    /// Mean and 1 / deviation of each length.
    lengths: [(f64, f64); LENGTHS],
    /// Whether the dimensions of a row are features.
    whole: bool,
    /// Means of the features.
    means: Vec<f32>,
    weights: Vec<f32>,
    /// The mean of the logarithms.
    level: f64,
    rank_correlation: f64,
}

impl ErrorModel {
    /// Fits on four fifths of the pairs, and measures on the others how well it orders them; also with which features.
    ///
    /// The error is the squared distance of mapped and true vector; under [`Metric::Cosine`] that of both scaled to length 1. Pairs that
    /// the adapter was fitted on look better than others; with several times more pairs than dimensions that changes the order little,
    /// with fewer take pairs that it was not fitted on.
    ///
    /// # Errors
    /// Too few pairs, an adapter of other dimensions, cancelled.
    pub fn fit(
        pairs: Pairs<'_>,
        adapter: &Adapter,
        metric: Metric,
        threads: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Self, Error> {
        adapter.expects(&pairs)?;
        if pairs.len() < super::LEAST_PAIRS {
            return Err(Error::TooFew { pairs: pairs.len() });
        }
        let mut chosen = shuffled(pairs.len());
        let held = chosen.split_off(pairs.len() - pairs.len() / 5);
        let (rows, truth) = pairs.gather(&chosen);
        let errors = errors(&rows, &truth, adapter, metric, threads);
        let floor = errors.iter().sum::<f64>() / errors.len() as f64 * FLOOR;
        let logs: Vec<f32> = errors.iter().map(|e| (e + floor).max(f64::MIN_POSITIVE).ln() as f32).collect();
        let y = Centre::new(&logs, 1);
        let y = Centred { rows: &logs, centre: &y };
        let (held_rows, held_truth) = pairs.gather(&held);
        let held_errors = self::errors(&held_rows, &held_truth, adapter, metric, threads);
        let mut best: Option<Self> = None;
        for whole in [false, true] {
            let mut model = ErrorModel::blank(&rows, pairs.from_dims(), adapter, whole, threads);
            let features = model.features(&rows, adapter, threads);
            let x = Centre::new(&features, model.width());
            let x = Centred { rows: &features, centre: &x };
            let moments = Moments::new(x, y, threads, cancel)?;
            let ridge = moments.choose(x, y, threads, cancel)?;
            let weights = moments.solve(1, ridge, threads, cancel)?;
            let scale = f64::from(x.centre.scale) / f64::from(y.centre.scale);
            model.weights = weights.iter().map(|w| (w * scale) as f32).collect();
            model.means = x.centre.mean.clone();
            model.level = y.centre.mean.first().map_or(0.0, |mean| f64::from(*mean));
            model.rank_correlation =
                rank_correlation(&model.predict(&held_rows, adapter, threads)?, &held_errors);
            if best.as_ref().is_none_or(|best| model.rank_correlation > best.rank_correlation) {
                best = Some(model);
            }
        }
        best.ok_or(Error::Cancelled)
    }

    /// Without weights; lengths in units of their spread over these rows.
    fn blank(rows: &[f32], dims: usize, adapter: &Adapter, whole: bool, threads: usize) -> Self {
        let mut model = ErrorModel {
            centre: Centre::new(rows, dims),
            lengths: [(0.0, 1.0); LENGTHS],
            whole,
            means: Vec::new(),
            weights: Vec::new(),
            level: 0.0,
            rank_correlation: 0.0,
        };
        let lengths = model.measure(rows, adapter, threads);
        let n = lengths.len() as f64;
        for (i, (mean, scale)) in model.lengths.iter_mut().enumerate() {
            *mean = lengths.iter().map(|l| l[i]).sum::<f64>() / n;
            let variance = lengths.iter().map(|l| (l[i] - *mean).powi(2)).sum::<f64>() / n;
            // A length that is the same for all says nothing, and rounding is no difference.
            *scale = if variance > 1e-9 { 1.0 / variance.sqrt() } else { 0.0 };
        }
        model
    }

    /// How many features a row has.
    fn width(&self) -> usize {
        if self.whole { LENGTHS + self.centre.mean.len() } else { LENGTHS }
    }

    /// Spearman's rank correlation of expected and true errors, on pairs that the model was not fitted on.
    pub fn rank_correlation(&self) -> f64 {
        self.rank_correlation
    }

    /// The expected (as a geometric mean) squared error of each row, once it is mapped by the adapter that the model was fitted with.
    ///
    /// # Errors
    /// An adapter of other dimensions, or no whole number of rows.
    pub fn predict(&self, rows: &[f32], adapter: &Adapter, threads: usize) -> Result<Vec<f64>, Error> {
        let p = self.centre.mean.len();
        if adapter.from_dims() != p {
            return Err(Error::Unfit { what: "the adapter", found: adapter.from_dims(), expected: p });
        }
        if !rows.len().is_multiple_of(p) {
            return Err(Error::Unfit { what: "the last row", found: rows.len() % p, expected: p });
        }
        let mut out = Vec::with_capacity(rows.len() / p);
        for part in rows.chunks(RUN * p) {
            let features = self.features(part, adapter, threads);
            let side = Side::rows(&features, self.width()).shifted(&self.means, 1.0);
            let logs = multiply(side, part.len() / p, Side::rows(&self.weights, self.width()), 1, threads);
            out.extend(logs.iter().map(|log| (f64::from(*log) + self.level).exp()));
        }
        Ok(out)
    }

    /// Logarithms of the squared distances from the mean of the row and of the mapped row, and of the mapped row's squared length.
    fn measure(&self, rows: &[f32], adapter: &Adapter, threads: usize) -> Vec<[f64; LENGTHS]> {
        let mapped = adapter.mapped(rows, threads);
        let log = |x: f64| x.max(1e-30).ln();
        rows.chunks_exact(self.centre.mean.len())
            .zip(mapped.chunks_exact(adapter.to_dims()))
            .map(|(row, mapped)| {
                let own: f64 = self.centre.of(row).map(|x| x * x).sum();
                let moved = mapped.iter().zip(adapter.to_mean()).map(|(y, m)| f64::from(y - m).powi(2)).sum();
                [log(own), log(moved), log(squared_norm(mapped))]
            })
            .collect()
    }

    fn features(&self, rows: &[f32], adapter: &Adapter, threads: usize) -> Vec<f32> {
        let p = self.centre.mean.len();
        let mut out = Vec::with_capacity(rows.len() / p * self.width());
        for (row, lengths) in rows.chunks_exact(p).zip(self.measure(rows, adapter, threads)) {
            if self.whole {
                out.extend(self.centre.of(row).map(|x| x as f32));
            }
            out.extend(
                lengths.iter().zip(&self.lengths).map(|(l, (mean, scale))| ((l - mean) * scale) as f32),
            );
        }
        out
    }
}

/// The squared errors of mapped rows.
fn errors(rows: &[f32], truth: &[f32], adapter: &Adapter, metric: Metric, threads: usize) -> Vec<f64> {
    let mapped = adapter.mapped(rows, threads);
    let q = adapter.to_dims();
    let error = |(a, b): (&[f32], &[f32])| match metric {
        Metric::Cosine => 2.0 - 2.0 * cosine(a, b),
        Metric::Dot | Metric::L2 => {
            a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        }
    };
    mapped.chunks_exact(q).zip(truth.chunks_exact(q)).map(error).collect()
}

/// Spearman's rank correlation: 1 when both order items alike, -1 when one is the other's reverse, 0 when one is constant. Equal numbers
/// share their ranks.
///
/// ```
/// use foretaste_query::space::rank_correlation;
///
/// assert!((rank_correlation(&[1.0, 2.0, 9.0], &[0.1, 0.2, 0.3]) - 1.0).abs() < 1e-12);
/// assert_eq!(rank_correlation(&[1.0, 2.0], &[5.0, 5.0]), 0.0);
/// ```
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (ranks(&a[..n]), ranks(&b[..n]));
    let mean = (n as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let spread = (sum(&a, &a) * sum(&b, &b)).sqrt();
    if spread > 0.0 { sum(&a, &b) / spread } else { 0.0 }
}

fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&i, &j| x[i].total_cmp(&x[j]));
    let mut out = vec![0f64; x.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&i, &j| x[i] == x[j]) {
        let rank = start as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&i| out[i] = rank);
        start += equal.len();
    }
    out
}
