//! What an adapter is worth: how many of the new model's neighbours are found through it, on pairs that it was not fitted on.
//!
//! Reads from: pairs and an adapter. Writes to: a report.
//! Never: an item as its own neighbour; a mean without its interval.

use crate::answer::TopK;
use crate::kernel::lanes::{dot, squared_norm};
use crate::metric::Metric;

use super::adapter::Adapter;
use super::compare::compare;
use super::fit::Options;
use super::pairs::{Error, Pairs, shuffled};

/// Neighbours that are compared.
const NEIGHBOURS: usize = 10;
/// Fewest and most pairs that are held out.
const HELD_OUT: (usize, usize) = (20, 2000);
/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// What an adapter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// It maps queries of the new model (the left side of the pairs) into the space of the old rows (the right side). Retention is the
    /// share of the neighbours by the new model that the mapped query finds among old vectors.
    Queries,
    /// It maps old rows (left) into the space of the new model (right). Retention is the share of the neighbours by the new model
    /// that a query of the new model finds among mapped rows.
    Rows,
}

/// A mean over items, and where the mean over all possible items is with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What is known of an adapter, from pairs that it was not fitted on.
///
/// Neighbours are looked for among the items that were held out, and no others: a map that had seen the candidates would lead to them (with
/// 240 pairs of 384 dimensions, from a model that agrees with the other in one neighbour of six, to half of them). In a collection there are
/// more rows, and neighbours are nearer to each other; and its queries may be of another kind than its rows. Pairs of real queries say more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// All pairs.
    pub pairs: usize,
    /// How many of them were held out.
    pub held_out: usize,
    /// The share of held-out items whose nearest by the new model is the nearest that is found.
    pub retention_at_1: Estimate,
    /// The mean share of the ten nearest by the new model that are among the ten that are found.
    pub retention_at_10: Estimate,
    /// The same share for the old model without any adapter: its own ten nearest. What it lacks of 1 is what the models disagree about.
    /// Through the adapter more may be found: a mapped query is free of the errors that the old model makes with queries.
    pub old_at_10: Estimate,
    /// The mean cosine of mapped and true vectors.
    pub cosine: f64,
    /// The ridge that was used, for methods that have one.
    pub ridge: Option<f64>,
    /// Whether the adapter that was given out is fitted on all pairs, after this report on one that was not.
    pub refitted: bool,
}

impl Estimate {
    /// Of numbers from 0 to 1.
    ///
    /// The interval is Wilson's score interval ("Probable inference, the law of succession, and statistical inference", JASA 22, 1927)
    /// with the effective number of items, `n p (1 - p) / variance` (Korn and Graubard, "Confidence intervals for proportions with
    /// small expected number of positive counts", Survey Methodology 24(2), 1998), which is `n` for yes and no. It needs no random
    /// numbers, and is not empty when all items are the same. Without items it is everything.
    pub fn of(shares: &[f64]) -> Self {
        let n = shares.len() as f64;
        if shares.is_empty() {
            return Estimate { mean: 0.0, low: 0.0, high: 1.0 };
        }
        let mean = (shares.iter().sum::<f64>() / n).clamp(0.0, 1.0);
        let variance = shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        // All the same, be it by chance, says no more than as many answers of yes or no.
        let items = if variance > 0.0 { (n * mean * (1.0 - mean) / variance).max(n) } else { n };
        let z2 = Z * Z / items;
        let centre = (mean + z2 / 2.0) / (1.0 + z2);
        let half = Z / (1.0 + z2) * (mean * (1.0 - mean) / items + z2 / (4.0 * items)).sqrt();
        Estimate { mean, low: (centre - half).clamp(0.0, mean), high: (centre + half).clamp(mean, 1.0) }
    }
}

/// Which pairs do what.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub fitted: Vec<usize>,
    held: Vec<usize>,
}

impl Split {
    pub fn new(pairs: usize) -> Self {
        let mut held = shuffled(pairs);
        let mut fitted = held.split_off((pairs / 5).clamp(HELD_OUT.0, HELD_OUT.1).min(pairs));
        // In the order of memory.
        fitted.sort_unstable();
        Split { fitted, held }
    }
}

pub(super) fn judge(
    pairs: &Pairs<'_>,
    adapter: &Adapter,
    split: &Split,
    options: &Options,
    cancel: &dyn Fn() -> bool,
) -> Result<Report, Error> {
    let Options { metric, direction, threads, .. } = *options;
    let (p, q) = (pairs.from_dims(), pairs.to_dims());
    let (from, to) = pairs.gather(&split.held);
    let mapped = adapter.mapped(&from, threads);
    let nearest = |queries: &[f32], rows: &[f32], dims: usize| {
        neighbours(queries, rows, dims, metric, threads, cancel).ok_or(Error::Cancelled)
    };
    let (by_left, by_right) = (nearest(&from, &from, p)?, nearest(&to, &to, q)?);
    let (truth, old, found) = match direction {
        Use::Queries => (by_left, by_right, nearest(&mapped, &to, q)?),
        Use::Rows => (by_right, by_left, nearest(&to, &mapped, q)?),
    };
    let cosines = mapped.chunks_exact(q).zip(to.chunks_exact(q)).map(|(a, b)| cosine(a, b));
    Ok(Report {
        pairs: pairs.len(),
        held_out: split.held.len(),
        retention_at_1: overlap(&truth, &found, 1),
        retention_at_10: overlap(&truth, &found, NEIGHBOURS),
        old_at_10: overlap(&truth, &old, NEIGHBOURS),
        cosine: cosines.sum::<f64>() / split.held.len() as f64,
        ridge: None,
        refitted: false,
    })
}

/// The ten nearest rows of each query, nearest first, ties by place; query `i` is row `i`, which is left out. `None` when `cancel` says
/// so.
fn neighbours(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    metric: Metric,
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Option<Vec<Vec<u32>>> {
    let mut found = Vec::with_capacity(queries.len() / dims);
    compare(queries, rows, dims, metric, threads, cancel, &mut |query, scores| {
        let mut top = TopK::new(NEIGHBOURS);
        for (i, score) in (0u32..).zip(scores) {
            if i as usize != query {
                top.offer(-score, u64::from(i), i);
            }
        }
        found.push(top.into_sorted().into_iter().map(|kept| kept.item).collect());
    })?;
    Some(found)
}

/// The mean share of the first `k` of each list of `truth` that are among the first `k` of that of `found`.
fn overlap(truth: &[Vec<u32>], found: &[Vec<u32>], k: usize) -> Estimate {
    let share = |(truth, found): (&Vec<u32>, &Vec<u32>)| {
        let (truth, found) = (&truth[..k.min(truth.len())], &found[..k.min(found.len())]);
        let both = truth.iter().filter(|id| found.contains(id)).count();
        both as f64 / truth.len().max(1) as f64
    };
    Estimate::of(&truth.iter().zip(found).map(share).collect::<Vec<f64>>())
}

/// The cosine of two vectors; 0 when one is all zeros.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let length = (squared_norm(a) * squared_norm(b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}
