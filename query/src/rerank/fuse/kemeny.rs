//! Fusion by the fewest contradictions: Kemeny's order, exactly.
//!
//! Reads from: lists. Writes to: a new list. Never: an approximation of the head; what is beyond it is Borda's.

use super::{List, Table, as_list};

/// Most hits whose order [`kemeny`] finds; each more doubles the work.
pub const KEMENY: usize = 10;

/// Kemeny's order: the one that contradicts the lists least.
///
/// A pair of hits costs the weight of the lists that have the two the other way round; one that a list has stands before one that
/// it lacks. Of all orders the one with the smallest sum is taken, found exactly, by dynamic programming over sets; of
/// equally good ones the smallest by ids. With more than [`KEMENY`] hits, that many first ones by [`borda`](super::borda) are ordered so, and
/// the others follow as there. The score is the number of hits behind.
///
/// Kemeny, "Mathematics without Numbers", Daedalus 88(4), 1959; the programming as in Held and Karp, 1962.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, kemeny};
///
/// // Majorities in a circle: a before b before c before a. Breaking the weakest of them costs least.
/// let lists = [['a', 'b', 'c'], ['b', 'c', 'a'], ['c', 'a', 'b']].map(|order| order.map(|id| (id, 0.0)));
/// let weighted = [4.0, 3.0, 2.0].iter().zip(&lists).map(|(&w, hits)| List::new(hits).weighted(w));
/// let order: Vec<char> = kemeny(&weighted.collect::<Vec<_>>()).iter().map(|hit| hit.0).collect();
/// assert_eq!(order, ['a', 'b', 'c']);
/// ```
pub fn kemeny<T: Copy + Ord>(lists: &[List<'_, T>]) -> Vec<(T, f64)> {
    let table = Table::new(lists);
    let mut order: Vec<T> = table.points().into_iter().map(|hit| hit.0).collect();
    let (head, _) = order.split_at_mut(KEMENY.min(table.ids.len()));
    let mut rows: Vec<usize> = head.iter().filter_map(|id| table.ids.binary_search(id).ok()).collect();
    // Rows ascend with their ids.
    rows.sort_unstable();
    let cost = |first: usize, then: usize| table.votes(rows[then], rows[first]);
    for (place, of) in head.iter_mut().zip(cheapest(rows.len(), cost)) {
        *place = table.ids[rows[of]];
    }
    as_list(order)
}

/// The first, by its numbers, of the orders of `0..count` with the smallest sum of `cost(first, then)` over its pairs.
fn cheapest(count: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let costs: Vec<f64> = (0..count * count).map(|pair| cost(pair / count, pair % count)).collect();
    let members = |set: usize| (0..count).filter(move |i| set >> i & 1 == 1);
    // What it costs to put `first` before the others of a set, and those in their best order.
    let with_first = |best: &[f64], set: usize, first: usize| {
        let rest = set & !(1 << first);
        members(rest).fold(best[rest], |sum, then| sum + costs[first * count + then])
    };
    let mut best = vec![0.0; 1 << count];
    for set in 1..best.len() {
        best[set] = members(set).map(|first| with_first(&best, set, first)).fold(f64::INFINITY, f64::min);
    }
    let mut order = Vec::with_capacity(count);
    let mut set = best.len() - 1;
    while let Some(first) = members(set).find(|&first| with_first(&best, set, first) <= best[set]) {
        order.push(first);
        set &= !(1 << first);
    }
    order
}
