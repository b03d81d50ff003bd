//! Fusion by majorities: of two hits the better is the one that more weight of lists puts first.
//!
//! Reads from: lists. Writes to: a new list. Never: a score of a list; only the order in it.

use std::cmp::{Ordering, Reverse};

use super::{Column, List, Table, as_list, best_first};

/// Copeland's method: duels won minus duels lost.
///
/// In a duel of two hits each list votes with its weight for the one it has first; one that it has beats one that it lacks, and
/// of two that it lacks it says nothing. A hit that wins every duel (the Condorcet winner) is first. Ties are common; they
/// are ordered by id. Takes n² steps a list for n hits.
///
/// Copeland, "A reasonable social welfare function", University of Michigan, 1951.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, copeland};
///
/// let lists = [['b', 'a', 'c'], ['a', 'b', 'c'], ['c', 'b', 'a']].map(|order| order.map(|id| (id, 0.0)));
/// // b beats a (two lists of three) and c (two of three).
/// assert_eq!(copeland(&lists.each_ref().map(|hits| List::new(hits))), [('b', 2.0), ('a', 0.0), ('c', -2.0)]);
/// ```
pub fn copeland<T: Copy + Ord>(lists: &[List<'_, T>]) -> Vec<(T, f64)> {
    let table = Table::new(lists);
    let all: Vec<usize> = (0..table.ids.len()).collect();
    let standings = table.standings(&all);
    let mut hits: Vec<(T, f64)> = table.ids.iter().zip(standings).map(|(&id, s)| (id, s as f64)).collect();
    best_first(&mut hits);
    hits
}

/// A run-off in two rounds, which one arbitrarily bad list of three or more cannot mislead.
///
/// First round: every hit gets the **median of its ranks**, by weight: the rank below and above which there is at most half of
/// the weight, the mean of two if both are such. A hit that a list lacks has there the mean of the ranks that the list
/// leaves, `(length + 1 + hits) / 2`. The `finalists` hits with the smallest medians go on; hits with the
/// same median, as those that most lists lack, are ordered by [`borda`](super::borda), then by id.
///
/// Second round: the finalists are ordered by duels won minus lost among themselves, as in [`copeland`]; ties keep the order
/// of the first round. The others follow in that order. The score is the number of hits behind.
///
/// If all lists but one agree, and there are at least two of them, of equal weight, the result begins with what they agree on:
/// neither a median nor a majority is the odd list's. A mean rank ([`borda`](super::borda)) or a sum ([`rrf`](super::rrf)) has no such
/// protection.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, borda, run_off};
///
/// let good: Vec<(u32, f64)> = (0..6).map(|id| (id, 0.0)).collect();
/// let bad = [5, 1, 4, 3, 2, 0].map(|id| (id, 0.0));
/// let lists = [List::new(&good), List::new(&good), List::new(&bad)];
/// assert!(run_off(&lists, 3).iter().map(|hit| hit.0).eq(0..6));
/// assert_eq!(borda(&lists)[0].0, 1);
/// ```
pub fn run_off<T: Copy + Ord>(lists: &[List<'_, T>], finalists: usize) -> Vec<(T, f64)> {
    let table = Table::new(lists);
    let mut ranks = Vec::with_capacity(table.columns.len());
    let medians: Vec<f64> =
        (0..table.ids.len()).map(|of| median(&table.columns, table.row(of), &mut ranks)).collect();
    let by_points = table.points();
    let mut order: Vec<usize> =
        by_points.iter().filter_map(|hit| table.ids.binary_search(&hit.0).ok()).collect();
    order.sort_by(|&a, &b| medians[a].total_cmp(&medians[b]));
    let (finals, _) = order.split_at_mut(finalists.min(table.ids.len()));
    let mut ranked: Vec<(i64, usize)> =
        table.standings(finals).into_iter().zip(finals.iter().copied()).collect();
    ranked.sort_by_key(|&(standing, _)| Reverse(standing));
    for (place, (_, of)) in finals.iter_mut().zip(ranked) {
        *place = of;
    }
    as_list(order.into_iter().map(|of| table.ids[of]).collect())
}

impl<T: Copy + Ord> Table<T> {
    /// The weight of the lists that have the hit of row `a` before that of row `b`.
    pub(super) fn votes(&self, a: usize, b: usize) -> f64 {
        let places = self.row(a).iter().zip(self.row(b));
        places
            .zip(&self.columns)
            .fold(0.0, |sum, ((a, b), column)| if a < b { sum + column.weight } else { sum })
    }

    /// Duels won minus duels lost, of each of the rows `among` against the others.
    fn standings(&self, among: &[usize]) -> Vec<i64> {
        let mut standings = vec![0i64; among.len()];
        for (i, &a) in among.iter().enumerate() {
            for (j, &b) in among.iter().enumerate().skip(i + 1) {
                let won = match self.votes(a, b).total_cmp(&self.votes(b, a)) {
                    Ordering::Greater => 1,
                    Ordering::Equal => 0,
                    Ordering::Less => -1,
                };
                standings[i] += won;
                standings[j] -= won;
            }
        }
        standings
    }
}

/// The median by weight of the ranks of a row; 0 without weights. `ranks` is memory to work in.
fn median(columns: &[Column], row: &[u32], ranks: &mut Vec<(f64, f64)>) -> f64 {
    ranks.clear();
    ranks
        .extend(columns.iter().zip(row).filter(|(c, _)| c.weight > 0.0).map(|(c, &p)| (c.rank(p), c.weight)));
    ranks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let total = ranks.iter().fold(0.0, |sum, rank| sum + rank.1);
    let mut below = 0.0;
    for (i, (rank, weight)) in ranks.iter().enumerate() {
        below += weight;
        match (2.0 * below).total_cmp(&total) {
            Ordering::Less => {}
            Ordering::Equal => return (rank + ranks.get(i + 1).map_or(*rank, |next| next.0)) / 2.0,
            Ordering::Greater => return *rank,
        }
    }
    0.0
}
