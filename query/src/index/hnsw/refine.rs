//! Better candidates from a first graph: each row is looked for in it, and what the search goes through are candidates.
//!
//! All searches see the same graph, so the result depends neither on their order nor on the threads (one pass of DiskANN's
//! construction, batched).
//!
//! Reads from: codes and links. Writes to: one candidate list a row. Never: a link changed while others read it.

use crate::codes::rows::RowCodes;
use crate::index::hnsw::partition::Link;
use crate::index::hnsw::pool::Pool;
use crate::index::parallel::{map_chunks, mix};
use crate::kernel::Kernels;

/// Rows that are compared with each row to find where its search starts.
const STARTS: u64 = 256;
/// Searches per chunk of work.
const CHUNK: usize = 512;

/// For each row its links and what a search with `ef` candidates went through, nearest first; at most `wanted`. `None` when
/// `progress` cancels.
pub(crate) fn candidates(
    codes: &RowCodes,
    links: &[Vec<Link>],
    ef: usize,
    wanted: usize,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<Link>>> {
    let rows = links.len();
    let starts: Vec<u32> = (0..STARTS).map(|i| (mix(i) % rows.max(1) as u64) as u32).collect();
    let kernels = Kernels::get();
    let batch = CHUNK * threads.max(1) * 4;
    let mut all = Vec::with_capacity(rows);
    for first in (0..rows).step_by(batch) {
        if !progress(first as f64 / rows as f64) {
            return None;
        }
        let some = map_chunks(batch.min(rows - first), CHUNK, threads, |range| {
            let (mut pool, mut seen) = (Pool::default(), vec![0u32; rows]);
            let mut lists = Vec::with_capacity(range.len());
            for (number, i) in range.enumerate() {
                let (row, stamp) = (first + i, number as u32 + 1);
                let mut found: Vec<Link> = links[row].clone();
                pool.reset(ef);
                let near = |start: &u32| Link {
                    distance: codes.distance(kernels, row, *start as usize),
                    row: *start,
                };
                if let Some(start) = starts.iter().map(near).min_by(Link::order) {
                    seen[start.row as usize] = stamp;
                    pool.insert(start.distance, start.row);
                }
                while let Some((distance, node)) = pool.take() {
                    if node as usize != row {
                        found.push(Link { distance, row: node });
                    }
                    for link in &links[node as usize] {
                        if std::mem::replace(&mut seen[link.row as usize], stamp) == stamp {
                            continue;
                        }
                        let distance = codes.distance(kernels, row, link.row as usize);
                        if distance < pool.limit() {
                            pool.insert(distance, link.row);
                        }
                    }
                }
                found.sort_unstable_by(Link::order);
                found.dedup_by_key(|l| l.row);
                found.truncate(wanted);
                lists.push(found);
            }
            lists
        });
        all.extend(some.into_iter().flatten());
    }
    Some(all)
}
