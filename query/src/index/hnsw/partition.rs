//! Candidates for a graph's links: overlapping groups of near rows, and all pairs within each (as PiPNN does: Rubel et al.,
//! 2026, arXiv 2602.21247).
//!
//! Leaders are drawn among the rows, every row joins the groups of its nearest few, and groups that are too large are
//! divided again. Within a group every pair is compared; each row keeps its nearest of all its groups.
//!
//! Reads from: 8-bit codes. Writes to: one candidate list a row.
//! Never: a result that depends on the number of threads.

use crate::codes::rows::RowCodes;
use crate::index::parallel::{map_chunks, mix};
use crate::kernel::Kernels;

/// Largest group in which all pairs are compared.
const GROUP: usize = 1000;
/// Groups that a row joins at the first division; one at the others.
const OVERLAP: usize = 4;
/// Most leaders of a division.
const LEADERS: usize = 1024;

/// A row and its distance from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Link {
    pub distance: f32,
    pub row: u32,
}

impl Link {
    /// By distance, then row.
    pub fn order(&self, other: &Link) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

/// What [`candidates`] found.
pub(crate) struct Candidates {
    /// Up to `wanted` links for each row of the subset, nearest first.
    pub lists: Vec<Vec<Link>>,
    /// The subset's positions such that rows of a group stand together.
    pub order: Vec<u32>,
}

/// The `wanted` nearest rows of `subset` that were found for each of it. `None` when `progress` cancels.
pub(crate) fn candidates(
    codes: &RowCodes,
    subset: &[u32],
    wanted: usize,
    seed: u64,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Candidates> {
    let mut lists: Vec<Vec<Link>> = vec![Vec::with_capacity(wanted); subset.len()];
    let mut order = Vec::with_capacity(subset.len());
    let mut groups = Vec::new();
    let all: Vec<u32> = (0..subset.len() as u32).collect();
    divide(codes, subset, all, seed, 0, threads, &mut groups);
    let mut placed = vec![false; subset.len()];
    for position in groups.iter().flatten() {
        if !std::mem::replace(&mut placed[*position as usize], true) {
            order.push(*position);
        }
    }
    // Some groups at a time, so that what they found need not all be held at once.
    let batch = threads * 8;
    for (number, some) in groups.chunks(batch).enumerate() {
        if !progress((number * batch) as f64 / groups.len() as f64) {
            return None;
        }
        let found = map_chunks(some.len(), 1, threads, |range| {
            range.map(|i| pairs(codes, subset, &some[i], wanted.div_ceil(2).max(16))).collect::<Vec<_>>()
        });
        for (group, found) in some.iter().zip(found.into_iter().flatten()) {
            for (position, links) in group.iter().zip(found) {
                merge(&mut lists[*position as usize], &links, wanted);
            }
        }
    }
    Some(Candidates { lists, order })
}

/// Divides `members` (positions in the subset) until every group is small.
fn divide(
    codes: &RowCodes,
    subset: &[u32],
    members: Vec<u32>,
    seed: u64,
    depth: usize,
    threads: usize,
    groups: &mut Vec<Vec<u32>>,
) {
    if members.len() <= GROUP {
        groups.push(members);
        return;
    }
    let overlap = if depth == 0 { OVERLAP } else { 1 };
    let count = (members.len() * overlap * 2).div_ceil(GROUP).clamp(2, LEADERS);
    let mut leaders: Vec<u32> = Vec::with_capacity(count);
    let mut taken = std::collections::HashSet::new();
    let mut draw = 0u64;
    while leaders.len() < count {
        let pick = members[(mix(seed ^ mix(depth as u64 ^ draw << 8)) % members.len() as u64) as usize];
        draw += 1;
        if taken.insert(pick) {
            leaders.push(pick);
        }
    }
    let kernels = Kernels::get();
    let nearest = map_chunks(members.len(), 256, threads, |range| {
        let mut out = Vec::with_capacity(range.len() * overlap);
        let mut best: Vec<Link> = Vec::with_capacity(overlap + 1);
        for i in range {
            let row = subset[members[i] as usize] as usize;
            best.clear();
            for (number, leader) in leaders.iter().enumerate() {
                let leader = subset[*leader as usize] as usize;
                let link = Link { distance: codes.distance(kernels, row, leader), row: number as u32 };
                if best.len() < overlap || link.order(&best[overlap - 1]).is_lt() {
                    let at = best.partition_point(|b| b.order(&link).is_lt());
                    best.insert(at, link);
                    best.truncate(overlap);
                }
            }
            out.extend(best.iter().map(|b| b.row));
        }
        out
    });
    let mut divided: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (i, leader) in nearest.into_iter().flatten().enumerate() {
        divided[leader as usize].push(members[i / overlap]);
    }
    let before = members.len();
    drop(members);
    for (number, group) in divided.into_iter().enumerate().filter(|(_, g)| !g.is_empty()) {
        if group.len() == before {
            // Rows that no leader tells apart, such as many equal ones: cut anywhere.
            groups.extend(group.chunks(GROUP).map(<[u32]>::to_vec));
        } else {
            divide(codes, subset, group, mix(seed ^ number as u64), depth + 1, threads, groups);
        }
    }
}

/// For each member, its nearest others of the group.
fn pairs(codes: &RowCodes, subset: &[u32], group: &[u32], wanted: usize) -> Vec<Vec<Link>> {
    let kernels = Kernels::get();
    let n = group.len();
    let mut near = RowCodes::new(codes.prefix);
    for position in group {
        let row = codes.get(subset[*position as usize] as usize);
        near.codes.extend_from_slice(row.code);
        near.steps.push(row.step);
        near.norms.push(row.norm);
        near.tails.push(row.tail);
    }
    let mut distances = vec![f32::INFINITY; n * n];
    for i in 0..n {
        for j in 0..i {
            let d = near.distance(kernels, i, j);
            distances[i * n + j] = d;
            distances[j * n + i] = d;
        }
    }
    let mut links: Vec<Link> = Vec::with_capacity(n);
    (0..n)
        .map(|i| {
            links.clear();
            let row = &distances[i * n..(i + 1) * n];
            links.extend(row.iter().zip(group).enumerate().filter(|(j, _)| *j != i).map(
                |(_, (distance, position))| Link { distance: *distance, row: subset[*position as usize] },
            ));
            if links.len() > wanted {
                links.select_nth_unstable_by(wanted - 1, Link::order);
                links.truncate(wanted);
            }
            links.sort_unstable_by(Link::order);
            links.clone()
        })
        .collect()
}

/// Merges two ascending lists without doubles, keeping the `wanted` nearest.
pub(crate) fn merge(list: &mut Vec<Link>, more: &[Link], wanted: usize) {
    if list.is_empty() {
        list.extend_from_slice(&more[..more.len().min(wanted)]);
        return;
    }
    let old = std::mem::take(list);
    let (mut a, mut b) = (old.iter().peekable(), more.iter().peekable());
    list.reserve(wanted);
    while list.len() < wanted {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.order(y).is_le() => a.next(),
            (_, Some(_)) => b.next(),
            _ => a.next(),
        };
        let Some(next) = next else { break };
        // Equal rows are at equal distances, so doubles meet.
        if list.last().is_none_or(|last| last.row != next.row) {
            list.push(*next);
        }
    }
}
