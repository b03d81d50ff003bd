//! Ranked lists combined into one.
//!
//! A list is a slice of (id, score), best first, the larger score the better. It may be **partial**: what it lacks stands
//! behind all that it has, in no order. It may **grow** at its end while a search goes on; the functions are called again then.
//! Results have the same form, so that they can be lists again.
//!
//! | function | looks at | use |
//! | --- | --- | --- |
//! | [`rrf`] | ranks | without labels or known scales; the first ranks decide |
//! | [`convex`] | scores | the best with a few labels ([`fit_weight`]) |
//! | [`borda`] | ranks | every rank counts the same |
//! | [`copeland`] | majorities of pairs | the winner of all duels wins |
//! | [`kemeny`] | majorities of pairs | the order with the fewest contradictions, for a short head |
//! | [`run_off`] | median ranks, then majorities | one list of three or more may be arbitrarily bad |
//!
//! What holds for all of them: each id of any list is in the result once, so growing lists never remove one. The order of
//! the lists does not matter, to the last bit. Equal scores are ordered by id. A prefix on which all lists agree
//! ([`agreed_prefix`]) is the result's, too, as long as a weight is positive (with [`convex`]: and scores within a list differ).
//!
//! Reads from: lists. Writes to: a new list. Never: a panic; what a weight or score that is no number means is said where it is used.

mod choose;
mod fit;
mod kemeny;
mod majority;
mod score;
#[cfg(test)]
mod tests;

pub use choose::{agreed_prefix, min_votes, quotas};
pub use fit::{Fitted, Goal, Labelled, fit_weight, ndcg, reciprocal_rank};
pub use kemeny::{KEMENY, kemeny};
pub use majority::{copeland, run_off};
pub use score::{KAPPA, borda, convex, rrf};

/// The place of a hit that a list lacks: behind every place it has.
const ABSENT: u32 = u32::MAX;

/// One ranked list, and how much it counts.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, Scale};
///
/// let by_text = [("a", 11.2), ("b", 3.5)];
/// let list = List::new(&by_text).weighted(0.3).scaled(Scale::TheoreticalMinMax { min: 0.0 }).absent_at(0.0);
/// assert_eq!(list.hits[0].0, "a");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct List<'a, T> {
    /// (id, score), best first. An id that comes twice counts at its first place.
    pub hits: &'a [(T, f64)],
    /// How much the list counts against others; 0 if it is not positive and finite.
    pub weight: f64,
    /// How scores are made comparable with those of other lists; only [`convex`] asks.
    pub scale: Scale,
    /// The score assumed for a hit that the list lacks; only [`convex`] asks. `None`, or more than the lowest score of the
    /// list, means the lowest: a hit beyond the end of a list that was cut off has at most that. For a list that has all
    /// there is (every document with one of the words) give the score of what is not there: 0 for BM25.
    pub absent: Option<f64>,
}

/// How scores of different origin are made comparable (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
/// Retrieval", ACM TOIS 42(1), 2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// `(s - mean) / deviation` over the scores of the list; 0 for all when they are equal.
    ZScore,
    /// `(s - min) / (max - min)` with the scorer's theoretical minimum and the list's maximum: 0 for BM25, -1 for a cosine.
    /// Unlike with the minimum of the list, the last hit is not worth nothing. Scores below `min` count as `min`; 0 for all
    /// when no score is above it.
    TheoreticalMinMax {
        /// The smallest score that the scorer could give.
        min: f64,
    },
}

/// Which place each hit has in each list.
struct Table<T> {
    /// Every id of any list, ascending.
    ids: Vec<T>,
    /// The lists by weight, so that sums over them do not depend on the order in which they were given.
    columns: Vec<Column>,
    /// For each id the places in all columns, from 0, or [`ABSENT`].
    places: Vec<u32>,
}

struct Column {
    /// Which of the lists.
    list: usize,
    weight: f64,
    /// The rank, from 1, of a hit that the list lacks: the mean of the ranks that are left.
    absent_rank: f64,
}

impl<'a, T> List<'a, T> {
    /// A list of weight 1, with z-scores, cut off at its end.
    pub fn new(hits: &'a [(T, f64)]) -> Self {
        List { hits, weight: 1.0, scale: Scale::ZScore, absent: None }
    }

    /// The list with another weight.
    pub fn weighted(self, weight: f64) -> Self {
        List { weight, ..self }
    }

    /// The list with another scale.
    pub fn scaled(self, scale: Scale) -> Self {
        List { scale, ..self }
    }

    /// The list with a score for what it lacks.
    pub fn absent_at(self, score: f64) -> Self {
        List { absent: Some(score), ..self }
    }
}

impl<T: Copy + Ord> Table<T> {
    fn new(lists: &[List<'_, T>]) -> Self {
        let sane = |weight: f64| if weight > 0.0 && weight.is_finite() { weight } else { 0.0 };
        let mut columns: Vec<Column> = lists
            .iter()
            .enumerate()
            .map(|(list, l)| Column { list, weight: sane(l.weight), absent_rank: 0.0 })
            .collect();
        columns.sort_by(|a, b| a.weight.total_cmp(&b.weight));

        let mut entries: Vec<(T, usize, u32)> = Vec::with_capacity(lists.iter().map(|l| l.hits.len()).sum());
        for (at, column) in columns.iter().enumerate() {
            entries.extend((0..ABSENT).zip(lists[column.list].hits).map(|(place, hit)| (hit.0, at, place)));
        }
        // One sort groups by id, and puts the first place of an id in a list before others of it.
        entries.sort_unstable();
        entries.dedup_by_key(|entry| (entry.0, entry.1));

        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for (id, at, place) in entries {
            if ids.last() != Some(&id) {
                ids.push(id);
                places.resize(ids.len() * columns.len(), ABSENT);
            }
            let row = places.len() - columns.len();
            places[row + at] = place;
        }
        for column in &mut columns {
            let len = lists[column.list].hits.len();
            // With an id twice, a list can be longer than there are ids.
            column.absent_rank = (len + 1 + ids.len().max(len)) as f64 / 2.0;
        }
        Table { ids, columns, places }
    }

    fn row(&self, of: usize) -> &[u32] {
        &self.places[of * self.columns.len()..][..self.columns.len()]
    }

    /// The hits with the sum of `part(column, place)` over the columns, best first.
    fn scored(&self, part: impl Fn(usize, u32) -> f64) -> Vec<(T, f64)> {
        let mut parts = Vec::with_capacity(self.columns.len());
        let scored = self.ids.iter().enumerate().map(|(of, &id)| {
            parts.clear();
            parts.extend(self.row(of).iter().enumerate().map(|(at, &place)| part(at, place)));
            // Sums of floats depend on the order of their terms; an order of values does not depend on that of the lists.
            parts.sort_unstable_by(f64::total_cmp);
            (id, parts.iter().fold(0.0, |sum, part| sum + part))
        });
        let mut hits: Vec<(T, f64)> = scored.collect();
        best_first(&mut hits);
        hits
    }
}

impl Column {
    /// The rank, from 1, of a hit at `place`.
    fn rank(&self, place: u32) -> f64 {
        if place == ABSENT { self.absent_rank } else { f64::from(place) + 1.0 }
    }
}

/// Orders by score, the larger first, then by id.
fn best_first<T: Ord>(hits: &mut [(T, f64)]) {
    hits.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
}

/// An order as a list: the score is the number of hits behind.
fn as_list<T>(order: Vec<T>) -> Vec<(T, f64)> {
    let len = order.len();
    order.into_iter().zip(1..).map(|(id, rank)| (id, (len - rank) as f64)).collect()
}
