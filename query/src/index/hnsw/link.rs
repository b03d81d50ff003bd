//! From candidates to links: pruning, and links in return.
//!
//! A candidate is dropped when a link already kept is nearer to it than the row is, times `alpha` (the relative neighbourhood
//! rule of HNSW and, with alpha above 1, of Vamana: Jayaram Subramanya et al., 2019). Places left are filled with the nearest
//! dropped ones.
//!
//! Reads from: candidate lists and codes. Writes to: adjacency lists.
//! Never: a lock; each step reads what the step before wrote.

use crate::codes::rows::{RowCode, RowCodes, four_between};
use crate::index::hnsw::partition::Link;
use crate::index::parallel::try_map_chunks;
use crate::kernel::Kernels;

/// Rows linked at a time.
const CHUNK: usize = 256;

/// How links are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Most links of a row.
    pub degree: usize,
    /// Squared: by how much nearer a kept link must be for a candidate to be dropped.
    pub alpha: f32,
    /// Whether places left are filled with dropped candidates.
    pub fill: bool,
}

/// The links of `row` out of `candidates`, nearest first.
pub(crate) fn prune(codes: &RowCodes, row: u32, candidates: &[Link], rule: Rule) -> Vec<Link> {
    let kernels = Kernels::get();
    let mut kept: Vec<Link> = Vec::with_capacity(rule.degree);
    let mut near: Vec<RowCode<'_>> = Vec::with_capacity(rule.degree + 3);
    let mut dropped: Vec<Link> = Vec::new();
    for candidate in candidates.iter().filter(|c| c.row != row) {
        if kept.len() == rule.degree {
            break;
        }
        let code = codes.get(candidate.row as usize);
        let hides = |between: [f32; 4]| between.iter().any(|d| rule.alpha * d < candidate.distance);
        let (fours, rest) = near.as_chunks::<4>();
        let hidden = fours.iter().any(|four| hides(four_between(kernels, code, *four)))
            || rest.first().is_some_and(|first| {
                let at = |i: usize| *rest.get(i).unwrap_or(first);
                hides(four_between(kernels, code, [*first, at(1), at(2), *first]))
            });
        if !hidden {
            kept.push(*candidate);
            near.push(code);
        } else if rule.fill && dropped.len() < rule.degree {
            dropped.push(*candidate);
        }
    }
    if rule.fill && kept.len() < rule.degree {
        dropped.truncate(rule.degree - kept.len());
        kept.extend(dropped);
        kept.sort_unstable_by(Link::order);
    }
    kept
}

/// Prunes every row's list, adds the links in return, and prunes those that then have too many. `None` when `progress`
/// cancels.
pub(crate) fn link(
    codes: &RowCodes,
    candidates: &[Vec<Link>],
    rule: Rule,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<Link>>> {
    let bare = Rule { fill: false, ..rule };
    let part = |done: f64| progress(0.6 * done);
    let forward = try_map_chunks(candidates.len(), CHUNK, threads, &part, |range| {
        range.map(|i| prune(codes, i as u32, &candidates[i], bare)).collect::<Vec<_>>()
    })?;
    let forward: Vec<Vec<Link>> = forward.into_iter().flatten().collect();
    let mut back: Vec<Vec<Link>> = vec![Vec::new(); candidates.len()];
    for (row, links) in forward.iter().enumerate() {
        for link in links {
            back[link.row as usize].push(Link { distance: link.distance, row: row as u32 });
        }
    }
    let part = |done: f64| progress(0.6 + 0.4 * done);
    let both = try_map_chunks(candidates.len(), CHUNK, threads, &part, |range| {
        range.map(|i| join(codes, i as u32, &forward[i], &back[i], &candidates[i], rule)).collect::<Vec<_>>()
    })?;
    Some(both.into_iter().flatten().collect())
}

/// The links of a row out of its own, those in return and, when there is room, its candidates.
fn join(
    codes: &RowCodes,
    row: u32,
    forward: &[Link],
    back: &[Link],
    candidates: &[Link],
    rule: Rule,
) -> Vec<Link> {
    let mut all = Vec::with_capacity(rule.degree.max(forward.len() + back.len()));
    all.extend_from_slice(forward);
    all.extend_from_slice(back);
    all.sort_unstable_by(Link::order);
    all.dedup_by_key(|l| l.row);
    if all.len() > rule.degree || !rule.fill {
        return prune(codes, row, &all, rule);
    }
    // Room is left: the nearest candidates that were dropped.
    for candidate in candidates {
        if all.len() >= rule.degree {
            break;
        }
        if candidate.row != row && !all.iter().any(|l| l.row == candidate.row) {
            all.push(*candidate);
        }
    }
    all.sort_unstable_by(Link::order);
    all
}
