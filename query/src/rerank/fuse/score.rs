//! Fusion by sums: reciprocal ranks, normalised scores, Borda's points.
//!
//! Reads from: lists. Writes to: a new list.
//! Never: a score of one list added to one of another before both were brought to a scale.

use super::{ABSENT, List, Scale, Table};

/// The usual constant of [`rrf`].
pub const KAPPA: f64 = 60.0;

/// Reciprocal rank fusion: the sum of `weight / (kappa + rank)` over the lists that have the hit, ranks from 1.
///
/// A smaller `kappa` lets the first ranks count more; below 0 or no number is 0. Takes `n log n` for n entries.
///
/// Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009.
///
/// ```
/// use foretaste_query::rerank::fuse::{KAPPA, List, rrf};
///
/// let vectors = [(7, 0.93), (3, 0.90), (5, 0.81)];
/// let words = [(3, 12.4), (9, 8.1)];
/// let fused = rrf(&[List::new(&vectors), List::new(&words)], KAPPA);
/// assert_eq!(fused.iter().map(|hit| hit.0).collect::<Vec<_>>(), [3, 7, 9, 5]);
/// assert_eq!(fused[0].1, 1.0 / 62.0 + 1.0 / 61.0);
/// ```
pub fn rrf<T: Copy + Ord>(lists: &[List<'_, T>], kappa: f64) -> Vec<(T, f64)> {
    let kappa = kappa.max(0.0);
    let table = Table::new(lists);
    table.scored(|at, place| match place {
        ABSENT => 0.0,
        _ => table.columns[at].weight / (kappa + f64::from(place) + 1.0),
    })
}

/// Convex combination: the mean of the normalised scores, by weight.
///
/// Each list says how its scores are normalised ([`Scale`]) and what a hit scores that it lacks ([`List::absent`]). A score
/// that is not finite counts as absent. With no weight at all every score is 0.
///
/// Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 42(1), 2023: better than
/// [`rrf`] in and out of domain, whatever the scale, when the weight was fitted on a few labelled queries. What counts for an
/// absent hit is a rule of this crate.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, Scale, convex};
///
/// let cosines = [("a", 0.9), ("b", 0.7)];
/// let words = [("b", 8.0), ("c", 2.0)];
/// let fused = convex(&[
///     List::new(&cosines).weighted(0.75).scaled(Scale::TheoreticalMinMax { min: -1.0 }),
///     List::new(&words).weighted(0.25).scaled(Scale::TheoreticalMinMax { min: 0.0 }).absent_at(0.0),
/// ]);
/// // b: 0.75 x 1.7 / 1.9 + 0.25; c: the same cosine as b, at most, and a quarter of 0.25.
/// assert_eq!(fused.iter().map(|hit| hit.0).collect::<Vec<_>>(), ["b", "a", "c"]);
/// assert!((fused[0].1 - 0.921).abs() < 0.001);
/// ```
pub fn convex<T: Copy + Ord>(lists: &[List<'_, T>]) -> Vec<(T, f64)> {
    let table = Table::new(lists);
    let total = table.columns.iter().fold(0.0, |sum, column| sum + column.weight);
    let parts: Vec<(f64, Normalised)> = table
        .columns
        .iter()
        .map(|column| {
            let share = if total > 0.0 { column.weight / total } else { 0.0 };
            (share, Normalised::new(&lists[column.list]))
        })
        .collect();
    table.scored(|at, place| {
        let (share, list) = &parts[at];
        share * list.at(place)
    })
}

/// Borda's count: from each list a point for every hit that is behind, and half a point for every one in the same position.
///
/// The hits that a list lacks share the places that it leaves. The points are those of the union of all lists.
///
/// De Borda, "Mémoire sur les élections au scrutin", 1781; partial lists as in Dwork, Kumar, Naor and Sivakumar, "Rank
/// Aggregation Methods for the Web", WWW 2001.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, borda};
///
/// let (one, two) = ([('a', 3.0), ('b', 2.0), ('c', 1.0)], [('b', 9.0)]);
/// // The second list gives b two points, and a and c half a point each.
/// assert_eq!(borda(&[List::new(&one), List::new(&two)]), [('b', 3.0), ('a', 2.5), ('c', 0.5)]);
/// ```
pub fn borda<T: Copy + Ord>(lists: &[List<'_, T>]) -> Vec<(T, f64)> {
    Table::new(lists).points()
}

impl<T: Copy + Ord> Table<T> {
    /// Borda's count.
    pub(super) fn points(&self) -> Vec<(T, f64)> {
        let count = self.ids.len() as f64;
        self.scored(|at, place| {
            let column = &self.columns[at];
            column.weight * (count - column.rank(place))
        })
    }
}

/// The scores of a list on a common scale.
struct Normalised {
    values: Vec<f64>,
    absent: f64,
}

impl Normalised {
    fn new<T>(list: &List<'_, T>) -> Self {
        let finite = || list.hits.iter().map(|hit| hit.1).filter(|score| score.is_finite());
        let (lowest, highest) =
            finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(s), h.max(s)));
        if lowest > highest {
            return Normalised { values: vec![0.0; list.hits.len()], absent: 0.0 };
        }
        let (shift, spread, floor) = match list.scale {
            Scale::ZScore => {
                let count = finite().count() as f64;
                let mean = finite().sum::<f64>() / count;
                let variance = finite().map(|s| (s - mean) * (s - mean)).sum::<f64>() / count;
                // Of equal scores the mean is rounded, and the deviation would be that rounding.
                (mean, if lowest < highest { variance.sqrt() } else { 0.0 }, f64::NEG_INFINITY)
            }
            Scale::TheoreticalMinMax { min } => (min, highest - min, 0.0),
        };
        let value = |score: f64| {
            let value = (score - shift) / spread;
            // No spread, or one that overflows.
            if spread > 0.0 && value.is_finite() { value.max(floor) } else { 0.0 }
        };
        let absent = value(list.absent.filter(|score| score.is_finite()).map_or(lowest, |s| s.min(lowest)));
        let or_absent = |score: f64| if score.is_finite() { value(score) } else { absent };
        Normalised { values: list.hits.iter().map(|hit| or_absent(hit.1)).collect(), absent }
    }

    fn at(&self, place: u32) -> f64 {
        self.values.get(place as usize).copied().unwrap_or(self.absent)
    }
}
