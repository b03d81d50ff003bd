//! From an index's candidates to exact distances: which rows are read from the planes, and the order of the answer.
//!
//! Reads from: candidates, a source's planes. Writes to: a `TopK`.
//! Never: a row read whose estimate says that it cannot be among the k nearest.

use std::ops::Range;

use foretaste_storage::Result;
use foretaste_storage::layout::Element;

use crate::answer::TopK;
use crate::index::flat::{exact, for_each_plane};
use crate::index::{Found, Neighbor, Query, RowRef, ScanStats, Scratch, Source, Strip};
use crate::kernel::{Acc, Kernels, Rows};

/// How many root mean squares of error an estimate may be off.
const DEVIATIONS: f32 = 2.0;

/// Rows whose numbers are asked for before they are compared.
const AHEAD: usize = 2;

/// How many candidates [`near`] may want for the `k` nearest.
pub fn wanted(k: usize) -> usize {
    k.saturating_mul(4).max(k.saturating_add(64))
}

/// Of `found`, nearest first, those that may be among the `k` nearest when squared distances are off by `error` (a root mean
/// square, relative).
pub fn near(found: &[Found], k: usize, error: f32) -> &[Found] {
    let Some(last) = k.checked_sub(1).and_then(|k| found.get(k)) else {
        return if k == 0 { &[] } else { found };
    };
    // The errors of two rows are independent, so that their difference is off by the square root of two of one.
    let off = (DEVIATIONS * std::f32::consts::SQRT_2 * error).min(2.0);
    let limit = last.squared * (1.0 + off);
    let count = found.partition_point(|f| f.squared <= limit);
    found.get(..count.max(k)).unwrap_or(found)
}

/// [`near`] of what a search found: of the first `count.start`, and of up to `count.end` where all of these may be among the `k`
/// nearest, because codes say little of distances.
pub fn near_of(scratch: &mut Scratch, count: Range<usize>, k: usize, error: f32) -> &[Found] {
    let few = near(scratch.ordered(count.start), k, error).len();
    if few == count.start && count.end > count.start {
        return near(scratch.ordered(count.end), k, error);
    }
    scratch.found.get(..few).unwrap_or_default()
}

/// Offers the rows of `found` to `top` with their distances from the planes, in f32.
///
/// # Errors
/// Those of the source.
pub fn rescore(
    source: &dyn Source,
    source_number: u32,
    query: &Query,
    found: &[Found],
    top: &mut TopK<RowRef>,
    stats: &mut ScanStats,
) -> Result<()> {
    let (element, kernels) = (source.element(), Kernels::get());
    let mut strips: Vec<Strip<'_>> = Vec::with_capacity(found.len());
    let mut ends: Vec<usize> = Vec::with_capacity(found.len());
    for Found { row, .. } in found {
        let width = source.width(*row).min(query.dims());
        source.strips(*row..row.saturating_add(1), width, &mut strips)?;
        ends.push(strips.len());
    }
    // All addresses are known: the reads need not wait for each other, but only a few rows fit into what is waited for at once.
    let fetch = |i: usize| {
        let start = i.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let strips = ends.get(i).and_then(|end| strips.get(start..*end)).unwrap_or_default();
        strips.iter().for_each(|strip| kernels.prefetch(&strip.bytes));
    };
    (0..AHEAD).for_each(fetch);
    let (mut start, mut numbers, mut again) = (0, Vec::new(), Vec::new());
    for (i, (Found { row, .. }, end)) in found.iter().zip(&ends).enumerate() {
        fetch(i + AHEAD);
        let width = source.width(*row).min(query.dims());
        let mut sum = [Acc::default()];
        let scale = [source.scale(*row)];
        let scales: &[f32] = if element == Element::I8 { &scale } else { &[] };
        for_each_plane(strips.get(start..*end).unwrap_or_default(), width, |strip, dims| {
            let rows = Rows { element, bytes: &strip.bytes, stride: strip.stride, scales };
            let part = query.scaled().get(dims).unwrap_or_default();
            kernels
                .accumulate(query.op(), part, &rows, &mut sum)
                .map_err(|short| super::flat::damaged(short.to_string()))
        })?;
        start = *end;
        let distance = match query.distance(sum[0], width) {
            Some(distance) => distance,
            None => exact(source, *row, query, &mut again, &mut numbers, stats)?,
        };
        stats.rows_scored += 1;
        stats.bytes_read += (width * element.size()) as u64;
        let tiebreak = u64::from(source_number) << 32 | u64::from(*row);
        let rank = query.rank(distance, || source.trace(*row, query.dims()))?;
        top.offer(rank, tiebreak, RowRef { source: source_number, row: *row });
    }
    Ok(())
}

/// The `k` nearest of what `top` kept by the distances it has, nearest first (uncertainty must not count); rows at exactly the same distance are ordered by
/// `key`, which is only asked for those.
///
/// # Errors
/// Those of `key`.
pub fn ordered<K: Ord>(
    top: TopK<RowRef>,
    k: usize,
    key: impl Fn(RowRef) -> Result<K>,
) -> Result<Vec<Neighbor>> {
    let ranked = top.into_sorted().into_iter();
    let mut neighbors: Vec<Neighbor> =
        ranked.map(|r| Neighbor { row: r.item, distance: r.distance, rank: r.distance }).collect();
    order_ties(&mut neighbors, k, key)?;
    neighbors.truncate(k);
    Ok(neighbors)
}

/// Puts rows at the same distance among the first `k` in the order of their keys.
pub(crate) fn order_ties<K: Ord>(
    neighbors: &mut [Neighbor],
    k: usize,
    key: impl Fn(RowRef) -> Result<K>,
) -> Result<()> {
    let mut start = 0;
    while start < neighbors.len().min(k) {
        let rest = &mut neighbors[start..];
        let first = rest[0].rank;
        let ties = rest.iter().take_while(|n| n.rank == first).count();
        if ties > 1 {
            let mut keyed = rest[..ties].iter().map(|n| Ok((key(n.row)?, *n))).collect::<Result<Vec<_>>>()?;
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            for (place, (_, neighbor)) in rest.iter_mut().zip(keyed) {
                *place = neighbor;
            }
        }
        start += ties;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_among_the_nearest_is_kept_and_no_more() {
        let found: Vec<Found> = (0..100).map(|i| Found { row: i, squared: 1.0 + 0.01 * i as f32 }).collect();
        assert_eq!(near(&found, 10, 0.0).len(), 10);
        // 2.83 x 1 % of 1.09: up to 1.1208.
        assert_eq!(near(&found, 10, 0.01).len(), 13);
        assert_eq!(near(&found, 0, 0.1).len(), 0);
        assert_eq!(near(&found, 200, 0.1).len(), 100);
    }
}
