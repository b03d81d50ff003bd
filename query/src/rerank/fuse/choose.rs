//! Which hits of a list go on: those of many voters, of every group, of one opinion.
//!
//! Reads from: lists. Writes to: a new list. Never: a new score.

use std::collections::BTreeMap;

use super::{ABSENT, List, Table};

/// The hits that at least `votes` of the `lists` have, in their order: a gate before an expensive scorer.
///
/// Weights do not count. As lists grow, hits are let through that were not, and none is taken back.
///
/// ```
/// use foretaste_query::rerank::fuse::{KAPPA, List, min_votes, rrf};
///
/// let (one, two, three) = ([(1, 0.9), (2, 0.8)], [(2, 0.9)], [(3, 0.9), (1, 0.5)]);
/// let lists = [List::new(&one), List::new(&two), List::new(&three)];
/// let passed = min_votes(&rrf(&lists, KAPPA), &lists, 2);
/// assert_eq!(passed.iter().map(|hit| hit.0).collect::<Vec<_>>(), [1, 2]);
/// ```
pub fn min_votes<T: Copy + Ord>(hits: &[(T, f64)], lists: &[List<'_, T>], votes: usize) -> Vec<(T, f64)> {
    let table = Table::new(lists);
    let votes_of = |id: &T| {
        let row = table.ids.binary_search(id).map_or(&[][..], |of| table.row(of));
        row.iter().filter(|&&place| place != ABSENT).count()
    };
    hits.iter().filter(|hit| votes_of(&hit.0) >= votes).copied().collect()
}

/// At most `k` hits, of each group at first no more than its quota.
///
/// From best to worst, each hit of which the group has places left is taken. If that gives fewer than `k`, the best of
/// those passed over follow until there are `k`, whatever their group. So the first part keeps every quota as a maximum;
/// and if the quotas add up to `k` or less, they are also minima: a group has as many hits as its quota, if there are that many.
///
/// ```
/// use foretaste_query::rerank::fuse::quotas;
///
/// let hits = [(10, 0.9), (11, 0.8), (12, 0.7), (20, 0.6), (13, 0.5)];
/// let chosen = quotas(&hits, 4, |id| id / 10, |_| 2);
/// assert_eq!(chosen.iter().map(|hit| hit.0).collect::<Vec<_>>(), [10, 11, 20, 12]);
/// ```
pub fn quotas<T: Copy, G: Ord>(
    hits: &[(T, f64)],
    k: usize,
    group: impl Fn(T) -> G,
    quota: impl Fn(&G) -> usize,
) -> Vec<(T, f64)> {
    let mut left: BTreeMap<G, usize> = BTreeMap::new();
    let (mut chosen, mut passed) = (Vec::new(), Vec::new());
    for &hit in hits {
        if chosen.len() >= k {
            break;
        }
        let group = group(hit.0);
        let quota = quota(&group);
        let left = left.entry(group).or_insert(quota);
        if *left > 0 {
            *left -= 1;
            chosen.push(hit);
        } else {
            passed.push(hit);
        }
    }
    passed.truncate(k - chosen.len());
    chosen.append(&mut passed);
    chosen
}

/// The length of the longest prefix that all lists have, id by id. Of no lists, or with an empty one, 0.
///
/// Lists that grow at their ends keep it.
///
/// ```
/// use foretaste_query::rerank::fuse::{List, agreed_prefix};
///
/// let (one, two) = ([(4, 0.9), (2, 0.8), (7, 0.1)], [(4, 31.0), (2, 30.0), (5, 12.0)]);
/// assert_eq!(agreed_prefix(&[List::new(&one), List::new(&two)]), 2);
/// ```
pub fn agreed_prefix<T: Eq>(lists: &[List<'_, T>]) -> usize {
    let Some((first, others)) = lists.split_first() else { return 0 };
    let agreed = |(place, hit): &(usize, &(T, f64))| {
        others.iter().all(|list| list.hits.get(*place).is_some_and(|other| other.0 == hit.0))
    };
    first.hits.iter().enumerate().take_while(agreed).count()
}
