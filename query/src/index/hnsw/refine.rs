//! Better candidates from a first graph: each row is looked for in it, from its own links on, and the nearest rows met are
//! candidates.
//!
//! All searches see the same graph, so the result depends neither on their order nor on the threads (one pass of DiskANN's
//! construction, batched). Rows stand in an order in which near rows are neighbours, so that what one search read is still
//! at hand for the next.
//!
//! Reads from: codes and links. Writes to: one candidate list a row. Never: a link changed while others read it.

use crate::codes::rows::RowCodes;
use crate::index::hnsw::partition::Link;
use crate::index::hnsw::pool::Pool;
use crate::index::hnsw::seen::Seen;
use crate::index::parallel::try_map_chunks;
use crate::kernel::Kernels;

/// Searches per chunk of work.
const CHUNK: usize = 256;

/// For each row its links and the `ef` nearest rows that a search found, nearest first. `None` when `progress` cancels.
pub(crate) fn candidates(
    codes: &RowCodes,
    links: &[Vec<Link>],
    ef: usize,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<Link>>> {
    let (neighbors, degree) = places(links);
    let found = try_map_chunks(links.len(), CHUNK, threads, progress, |range| {
        let mut search = Search::new(codes, &neighbors, degree);
        range.map(|row| search.near(row as u32, &links[row], ef)).collect::<Vec<_>>()
    })?;
    Some(found.into_iter().flatten().collect())
}

/// The rows that links lead to, as many places a row, which are returned too: the numbers alone are half as much to read.
pub(super) fn places(links: &[Vec<Link>]) -> (Vec<u32>, usize) {
    let degree = links.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let mut neighbors = vec![u32::MAX; links.len() * degree];
    for (places, links) in neighbors.chunks_exact_mut(degree).zip(links) {
        places.iter_mut().zip(links).for_each(|(place, link)| *place = link.row);
    }
    (neighbors, degree)
}

/// Searches over one graph, with memory that they use again.
pub(super) struct Search<'a> {
    codes: &'a RowCodes,
    /// `degree` places a row; those that are empty hold no row's number.
    neighbors: &'a [u32],
    degree: usize,
    kernels: &'static Kernels,
    pool: Pool,
    seen: Seen,
    fresh: Vec<u32>,
    distances: Vec<f32>,
}

impl<'a> Search<'a> {
    pub(super) fn new(codes: &'a RowCodes, neighbors: &'a [u32], degree: usize) -> Self {
        Search {
            codes,
            neighbors,
            degree,
            kernels: Kernels::get(),
            pool: Pool::default(),
            seen: Seen::default(),
            fresh: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// The links of a row and what a search from them found, nearest first.
    pub(super) fn near(&mut self, row: u32, links: &[Link], ef: usize) -> Vec<Link> {
        self.pool.reset(ef);
        self.seen.reset(self.codes.len());
        self.seen.mark(row);
        for link in links {
            self.seen.mark(link.row);
            self.pool.insert(link.distance, link.row);
        }
        while let Some((_, node)) = self.pool.take() {
            // All that were not met first, so that the reads that follow do not wait for each other.
            self.fresh.clear();
            let start = node as usize * self.degree;
            for neighbor in &self.neighbors[start..start + self.degree] {
                if self.seen.mark(*neighbor) {
                    self.kernels.prefetch(self.codes.bytes(*neighbor as usize));
                    self.fresh.push(*neighbor);
                }
            }
            self.codes.distances(self.kernels, row as usize, &self.fresh, &mut self.distances);
            for (neighbor, distance) in self.fresh.iter().zip(&self.distances) {
                if *distance < self.pool.limit() {
                    self.pool.insert(*distance, *neighbor);
                }
            }
        }
        let mut found: Vec<Link> = links.to_vec();
        found.extend(self.pool.iter().map(|(distance, row)| Link { distance, row }));
        found.sort_unstable_by(Link::order);
        found.dedup_by_key(|l| l.row);
        found
    }
}
