//! Candidates for a graph's links: overlapping groups of near rows, and all pairs within each (as PiPNN does: Rubel et al.,
//! 2026, arXiv 2602.21247).
//!
//! Leaders are drawn among the rows, every row joins the groups of its nearest few, and groups that are too large are
//! divided again. Within a group every pair is compared; each row keeps its nearest of all its groups. Both are products of
//! blocks of codes.
//!
//! Reads from: 8-bit codes. Writes to: one candidate list a row.
//! Never: a result that depends on the number of threads.

use crate::codes::rows::RowCodes;
use crate::index::parallel::{mix, try_map_chunks};
use crate::kernel::Kernels;
use crate::kernel::gemm::dots_i8;

/// Largest group in which all pairs are compared.
const GROUP: usize = 1000;
/// Groups that a row joins at the first division; one at the others.
const OVERLAP: usize = 4;
/// Most leaders of a division.
const LEADERS: usize = 1024;
/// Rows that are compared with all leaders at a time.
const ROWS: usize = 1024;
/// Rows that are compared with their whole group at a time.
const BLOCK: usize = 336;

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

    /// A number that is ordered as [`Link::order`] orders.
    #[inline]
    fn key(distance: f32, row: u32) -> u64 {
        let bits = distance.to_bits() as i32;
        // As in `f32::total_cmp`, then from signed to unsigned.
        let ordered = (bits ^ ((bits >> 31) as u32 >> 1) as i32) as u32 ^ 1 << 31;
        u64::from(ordered) << 32 | u64::from(row)
    }

    #[inline]
    fn from_key(key: u64) -> Link {
        let ordered = ((key >> 32) as u32 ^ 1 << 31) as i32;
        let bits = ordered ^ ((ordered >> 31) as u32 >> 1) as i32;
        Link { distance: f32::from_bits(bits as u32), row: key as u32 }
    }
}

/// What [`divide`] works on.
struct Division<'a> {
    codes: &'a RowCodes,
    threads: usize,
    progress: &'a (dyn Fn(f64) -> bool + Sync),
    groups: Vec<Vec<u32>>,
    /// Rows of groups that are final, over all rows and their overlap.
    done: usize,
}

/// Groups of at most [`GROUP`] near rows, such that every row is in one or in a few. `None` when `progress` cancels.
pub(crate) fn groups(
    codes: &RowCodes,
    seed: u64,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<u32>>> {
    let mut division = Division { codes, threads, progress, groups: Vec::new(), done: 0 };
    division.divide((0..codes.len() as u32).collect(), seed, 0)?;
    Some(division.groups)
}

/// The rows such that those of a group stand together.
pub(crate) fn order(groups: &[Vec<u32>], rows: usize) -> Vec<u32> {
    let mut placed = vec![false; rows];
    let first = |row: &u32| !std::mem::replace(&mut placed[*row as usize], true);
    groups.iter().flatten().copied().filter(first).collect()
}

impl Division<'_> {
    /// Divides `members` until every group is small.
    fn divide(&mut self, members: Vec<u32>, seed: u64, depth: usize) -> Option<()> {
        if members.len() <= GROUP {
            self.done += members.len();
            self.groups.push(members);
            return Some(());
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
        let leaders = self.codes.select(&leaders);
        // The first division is half of the work or more.
        let all = (self.codes.len() * OVERLAP) as f64;
        let (from, size) = if depth == 0 { (0.0, 0.6) } else { (0.6 + 0.4 * self.done as f64 / all, 0.0) };
        let part = |done: f64| (self.progress)(from + size * done);
        let found = try_map_chunks(members.len(), ROWS, self.threads, &part, |range| {
            nearest(&self.codes.select(&members[range]), &leaders, overlap)
        })?;
        let mut divided: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (member, leaders) in members.iter().zip(found.into_iter().flatten()) {
            leaders.iter().for_each(|leader| divided[leader.row as usize].push(*member));
        }
        let before = members.len();
        drop(members);
        for (number, group) in divided.into_iter().enumerate().filter(|(_, g)| !g.is_empty()) {
            if group.len() == before {
                // Rows that no leader tells apart, such as many equal ones: cut anywhere.
                self.done += before;
                self.groups.extend(group.chunks(GROUP).map(<[u32]>::to_vec));
            } else {
                self.divide(group, mix(seed ^ number as u64), depth + 1)?;
            }
        }
        Some(())
    }
}

/// For each row its nearest `count` of some others, nearest first, by their numbers among these.
pub(crate) fn nearest(rows: &RowCodes, others: &RowCodes, count: usize) -> Vec<Vec<Link>> {
    let n = others.len();
    let mut dots = vec![0; rows.len() * n];
    dots_i8(Kernels::get(), &rows.codes, &others.codes, rows.stride, &mut dots);
    let nearest = |(row, dots): (usize, &[i32])| {
        let row = rows.get(row);
        let mut best: Vec<Link> = Vec::with_capacity(count + 1);
        let mut limit = f32::INFINITY;
        for (number, dot) in dots.iter().enumerate() {
            let distance = row.by_dot(others.get(number), *dot);
            if best.len() < count || distance < limit {
                let link = Link { distance, row: number as u32 };
                let at = best.partition_point(|b| b.order(&link).is_lt());
                best.insert(at, link);
                best.truncate(count);
                limit = best.last().map_or(f32::INFINITY, |b| b.distance);
            }
        }
        best
    };
    dots.chunks_exact(n.max(1)).enumerate().map(nearest).collect()
}

/// The `wanted` nearest rows that were found for each row, nearest first. `None` when `progress` cancels.
pub(crate) fn candidates(
    codes: &RowCodes,
    groups: &[Vec<u32>],
    wanted: usize,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<Link>>> {
    let mut lists: Vec<Vec<Link>> = vec![Vec::new(); codes.len()];
    // Some groups at a time, so that what they found need not all be held at once.
    let batch = threads * 16;
    for (number, some) in groups.chunks(batch).enumerate() {
        let (from, size) = ((number * batch) as f64, some.len() as f64);
        let part = |done: f64| progress((from + done * size) / groups.len() as f64);
        let each = wanted.div_ceil(2).max(16);
        let found = try_map_chunks(some.len(), 1, threads, &part, |range| {
            some[range].iter().map(|group| pairs(codes, group, each)).collect::<Vec<_>>()
        })?;
        for (group, found) in some.iter().zip(found.into_iter().flatten()) {
            for (row, links) in group.iter().zip(found) {
                merge(&mut lists[*row as usize], links, wanted);
            }
        }
    }
    Some(lists)
}

/// For each member, its nearest others of the group.
fn pairs(codes: &RowCodes, group: &[u32], wanted: usize) -> Vec<Vec<Link>> {
    let n = group.len();
    let near = codes.select(group);
    let mut dots = vec![0; BLOCK.min(n) * n];
    let mut keys: Vec<u64> = Vec::with_capacity(n);
    let mut out = Vec::with_capacity(n);
    for first in (0..n).step_by(BLOCK) {
        let rows = first..n.min(first + BLOCK);
        let dots = &mut dots[..rows.len() * n];
        let block = &near.codes[rows.start * near.stride..rows.end * near.stride];
        dots_i8(Kernels::get(), block, &near.codes, near.stride, dots);
        for (i, dots) in rows.zip(dots.chunks_exact(n)) {
            let row = near.get(i);
            keys.clear();
            keys.extend(
                dots.iter().enumerate().map(|(j, dot)| Link::key(row.by_dot(near.get(j), *dot), group[j])),
            );
            keys.swap_remove(i);
            if keys.len() > wanted {
                keys.select_nth_unstable(wanted - 1);
                keys.truncate(wanted);
            }
            keys.sort_unstable();
            out.push(keys.iter().map(|key| Link::from_key(*key)).collect());
        }
    }
    out
}

/// Merges two ascending lists without doubles, keeping the `wanted` nearest.
fn merge(list: &mut Vec<Link>, more: Vec<Link>, wanted: usize) {
    if list.is_empty() {
        *list = more;
        list.truncate(wanted);
        return;
    }
    let old = std::mem::take(list);
    let (mut a, mut b) = (old.iter().peekable(), more.iter().peekable());
    list.reserve(wanted.min(old.len() + more.len()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_links_and_give_them_back() {
        let distances = [f32::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-40, 0.25, 7.0, f32::INFINITY, f32::NAN];
        let links: Vec<Link> =
            distances.iter().flat_map(|d| [0, 5, u32::MAX].map(|row| Link { distance: *d, row })).collect();
        for a in &links {
            let back = Link::from_key(Link::key(a.distance, a.row));
            assert_eq!((back.distance.to_bits(), back.row), (a.distance.to_bits(), a.row));
            for b in &links {
                assert_eq!(Link::key(a.distance, a.row).cmp(&Link::key(b.distance, b.row)), a.order(b));
            }
        }
    }

    #[test]
    fn merging_keeps_the_nearest_of_both_once() {
        let link = |row: &u32| Link { distance: *row as f32, row: *row };
        let list = |rows: &[u32]| rows.iter().map(link).collect::<Vec<_>>();
        let mut merged = list(&[1, 4, 6]);
        merge(&mut merged, list(&[2, 4, 5, 9]), 5);
        assert_eq!(merged, list(&[1, 2, 4, 5, 6]));
        merge(&mut merged, list(&[]), 5);
        assert_eq!(merged, list(&[1, 2, 4, 5, 6]));
    }
}
