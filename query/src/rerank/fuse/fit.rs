//! The weight of a convex combination, fitted on a few labelled queries.
//!
//! Reads from: two lists a query, and which hits are relevant. Writes to: nothing.
//! Never: a random number; the same labels give the same weight.

use super::{List, best_first, convex};

/// A query whose relevant hits are known.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a, T> {
    /// The list whose weight is fitted.
    pub first: List<'a, T>,
    /// The list that has the rest of the weight.
    pub second: List<'a, T>,
    /// What each relevant id is worth; others are worth nothing, as is a gain that is not positive and finite. Ids are unique.
    pub gains: &'a [(T, f64)],
}

/// What a fit maximises, as its mean over the queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// [`reciprocal_rank`].
    ReciprocalRank,
    /// [`ndcg`] of the first `k`.
    Ndcg {
        /// How many hits count.
        k: usize,
    },
}

/// A query made ready to be fused with many weights.
struct Prepared<'a, T> {
    gains: &'a [(T, f64)],
    /// Each id with its normalised scores in both lists.
    scores: Vec<(T, f64, f64)>,
}

/// A fitted weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    /// The weight of the first list, within 0 … 1; the second has `1 - weight`.
    pub weight: f64,
    /// What the goal is with it, on the queries it was fitted on.
    pub value: f64,
}

/// The weight of the first list in [`convex`] with which the mean of `goal` is largest, among `0, 1/steps, …, 1`.
///
/// The goal is constant between weights at which hits change places, so the best is a plateau; of the longest one (the
/// first of equally long ones) the middle is taken, rounded down, which is least likely to be wrong for other queries. Queries without a
/// relevant hit do not count; `None` if there are no others. The weights of the lists are not looked at, `steps` is at least 1.
///
/// Bruch, Gai and Ingber, 2023: a handful of queries is enough for this one number.
///
/// ```
/// use foretaste_query::rerank::fuse::{Goal, Labelled, List, fit_weight};
///
/// let (words, vectors) = ([(1, 9.0), (2, 8.0), (3, 1.0)], [(3, 0.9), (2, 0.8), (1, 0.1)]);
/// let query = Labelled { first: List::new(&words), second: List::new(&vectors), gains: &[(2, 1.0)] };
/// let fitted = fit_weight(&[query], Goal::ReciprocalRank, 100).unwrap();
/// // 2 is first from 0.13 to 0.87.
/// assert_eq!((fitted.weight, fitted.value), (0.5, 1.0));
/// ```
pub fn fit_weight<T: Copy + Ord>(queries: &[Labelled<'_, T>], goal: Goal, steps: usize) -> Option<Fitted> {
    let steps = steps.max(1);
    let usable: Vec<Prepared<'_, T>> = queries
        .iter()
        .filter(|query| query.gains.iter().any(|&(_, gain)| useful(gain) > 0.0))
        .map(|query| Prepared { gains: query.gains, scores: normalised(query) })
        .collect();
    if usable.is_empty() {
        return None;
    }
    let mut hits = Vec::new();
    let values: Vec<f64> = (0..=steps)
        .map(|step| {
            let weight = step as f64 / steps as f64;
            let of_query = |Prepared { gains, scores }: &Prepared<'_, T>| {
                hits.clear();
                hits.extend(scores.iter().map(|&(id, a, b)| (id, weight * a + (1.0 - weight) * b)));
                best_first(&mut hits);
                match goal {
                    Goal::ReciprocalRank => reciprocal_rank(&hits, gains),
                    Goal::Ndcg { k } => ndcg(&hits, gains, k),
                }
            };
            usable.iter().map(of_query).sum::<f64>() / usable.len() as f64
        })
        .collect();
    let value = values.iter().copied().fold(0.0, f64::max);
    let (mut start, mut length) = (0, 0);
    let mut at = 0;
    for plateau in values.chunk_by(|a, b| a == b) {
        if plateau[0] == value && plateau.len() > length {
            (start, length) = (at, plateau.len());
        }
        at += plateau.len();
    }
    Some(Fitted { weight: (start + length.saturating_sub(1) / 2) as f64 / steps as f64, value })
}

/// 1 / the rank of the first hit that has a gain; 0 if there is none.
///
/// ```
/// use foretaste_query::rerank::fuse::reciprocal_rank;
/// assert_eq!(reciprocal_rank(&[(5, 0.9), (7, 0.8), (6, 0.7)], &[(6, 1.0), (7, 1.0)]), 0.5);
/// ```
pub fn reciprocal_rank<T: Copy + Ord>(hits: &[(T, f64)], gains: &[(T, f64)]) -> f64 {
    let gains = by_id(gains);
    hits.iter().position(|hit| gain_of(&gains, hit.0) > 0.0).map_or(0.0, |place| 1.0 / (place as f64 + 1.0))
}

/// Normalised discounted cumulative gain of the first `k` hits: the sum of `gain / log2(rank + 1)`, in parts of the largest
/// that is possible; 0 if there is nothing to gain.
///
/// Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002. Gains are taken as they
/// are; some take `2^gain - 1`.
///
/// ```
/// use foretaste_query::rerank::fuse::ndcg;
/// let gains = [(1, 3.0), (2, 1.0)];
/// assert_eq!(ndcg(&[(1, 0.9), (2, 0.8)], &gains, 10), 1.0);
/// assert!(ndcg(&[(2, 0.9), (1, 0.8)], &gains, 10) < 1.0);
/// ```
pub fn ndcg<T: Copy + Ord>(hits: &[(T, f64)], gains: &[(T, f64)], k: usize) -> f64 {
    let gains = by_id(gains);
    let mut ideal: Vec<f64> = gains.iter().map(|&(_, gain)| useful(gain)).collect();
    ideal.sort_unstable_by(|a, b| b.total_cmp(a));
    // In parts of the largest, sums cannot overflow.
    let Some(largest) = ideal.first().copied().filter(|&gain| gain > 0.0 && k > 0) else { return 0.0 };
    let found = discounted(hits.iter().take(k).map(|hit| gain_of(&gains, hit.0) / largest));
    found / discounted(ideal.iter().take(k).map(|gain| gain / largest))
}

/// The scores of both lists, normalised, for each id of either.
fn normalised<T: Copy + Ord>(query: &Labelled<'_, T>) -> Vec<(T, f64, f64)> {
    let alone = |first: f64, second: f64| {
        let mut scores = convex(&[query.first.weighted(first), query.second.weighted(second)]);
        scores.sort_unstable_by_key(|a| a.0);
        scores
    };
    alone(1.0, 0.0).into_iter().zip(alone(0.0, 1.0)).map(|((id, a), (_, b))| (id, a, b)).collect()
}

fn by_id<T: Copy + Ord>(gains: &[(T, f64)]) -> Vec<(T, f64)> {
    let mut sorted = gains.to_vec();
    sorted.sort_by_key(|gain| gain.0);
    sorted
}

fn gain_of<T: Ord>(by_id: &[(T, f64)], id: T) -> f64 {
    by_id.binary_search_by(|gain| gain.0.cmp(&id)).map_or(0.0, |at| useful(by_id[at].1))
}

fn useful(gain: f64) -> f64 {
    if gain > 0.0 && gain.is_finite() { gain } else { 0.0 }
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains.enumerate().map(|(place, gain)| gain / (place as f64 + 2.0).log2()).sum()
}
