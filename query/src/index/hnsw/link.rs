//! From candidates to links: pruning, links in return, and a way from every row to every other.
//!
//! A candidate is dropped when a link already kept is nearer to it than the row is, times `alpha` (the relative neighbourhood
//! rule of HNSW and, with alpha above 1, of Vamana: Jayaram Subramanya et al., 2019). Places left are filled with the nearest
//! dropped ones.
//!
//! Reads from: candidate lists and codes. Writes to: adjacency lists.
//! Never: a lock; each step reads what the step before wrote.

use crate::codes::rows::RowCodes;
use crate::index::hnsw::partition::Link;
use crate::index::parallel::map_chunks;
use crate::kernel::Kernels;

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
    let mut dropped: Vec<Link> = Vec::new();
    for candidate in candidates.iter().filter(|c| c.row != row) {
        if kept.len() == rule.degree {
            break;
        }
        let hidden = kept.iter().any(|link| {
            let between = codes.distance(kernels, link.row as usize, candidate.row as usize);
            rule.alpha * between < candidate.distance
        });
        if !hidden {
            kept.push(*candidate);
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

/// Prunes every list, adds the links in return, and prunes those that then have too many. `rows[i]` is the row of list `i`,
/// `position(row)` its place.
pub(crate) fn link(
    codes: &RowCodes,
    rows: &[u32],
    position: impl Fn(u32) -> usize + Sync,
    candidates: &[Vec<Link>],
    rule: Rule,
    threads: usize,
) -> Vec<Vec<Link>> {
    let bare = Rule { fill: false, ..rule };
    let forward: Vec<Vec<Link>> = map_chunks(rows.len(), 256, threads, |range| {
        range.map(|i| prune(codes, rows[i], &candidates[i], bare)).collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();
    let mut back: Vec<Vec<Link>> = vec![Vec::new(); rows.len()];
    for (i, links) in forward.iter().enumerate() {
        for link in links {
            back[position(link.row)].push(Link { distance: link.distance, row: rows[i] });
        }
    }
    map_chunks(rows.len(), 256, threads, |range| {
        range
            .map(|i| {
                let mut all = forward[i].clone();
                all.extend_from_slice(&back[i]);
                all.sort_unstable_by(Link::order);
                all.dedup_by_key(|l| l.row);
                if all.len() <= rule.degree && rule.fill {
                    // Room is left: the nearest candidates that were dropped.
                    for candidate in &candidates[i] {
                        if all.len() >= rule.degree {
                            break;
                        }
                        if candidate.row != rows[i] && !all.iter().any(|l| l.row == candidate.row) {
                            all.push(*candidate);
                        }
                    }
                    all.sort_unstable_by(Link::order);
                    return all;
                }
                prune(codes, rows[i], &all, rule)
            })
            .collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect()
}
