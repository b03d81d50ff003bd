//! How many nodes a search of the base layer starts from.
//!
//! Where rows lie in clusters that are far apart, links hardly lead from one to another: a search that keeps one candidate in the
//! upper layer ends in a wrong cluster, and one that starts from one node misses what lies elsewhere. Where they do not,
//! more candidates only cost time. So it is measured on the graph as it is.
//!
//! Reads from: codes and links. Writes to: nothing. Never: a number that depends on the threads.

use crate::codes::rows::RowCodes;
use crate::index::hnsw::build::Upper;
use crate::index::hnsw::partition::{Link, nearest};
use crate::index::hnsw::refine::{Search, places};
use crate::index::parallel::{mix, try_map_chunks};
use crate::kernel::Kernels;

/// Most nodes a search starts from.
pub(crate) const MOST: usize = 16;
/// Rows that are looked for the neighbours of, and how many of these.
const QUERIES: u64 = 512;
const NEIGHBORS: usize = 10;
/// Candidates that the searches keep.
const EF: usize = 64;
/// Share of the neighbours that may be missed for having fewer starts.
const TOLERANCE: f64 = 0.002;
/// Rows compared with all queries at a time.
const ROWS: usize = 4096;

/// How many candidates a search keeps in an upper layer, from the lowest, when the base layer is to have `entries` starts.
pub(super) fn on_the_way(layer: usize, entries: usize) -> usize {
    if layer == 0 { entries } else { (entries / 4).max(1) }
}

/// The fewest starts, a power of two, with which searches find about as many neighbours as with the most. They come from the
/// lowest of the `upper` layers, where as many candidates are kept. `None` when `progress` cancels.
pub(super) fn entries(
    codes: &RowCodes,
    links: &[Vec<Link>],
    upper: &[Upper],
    seed: u64,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<usize> {
    let Some((lowest, higher)) = upper.split_first() else { return Some(1) };
    let rows = codes.len() as u64;
    let mut queries: Vec<u32> = (0..QUERIES.min(rows)).map(|i| (mix(seed ^ mix(i)) % rows) as u32).collect();
    // A search for a row that stands in the upper layer would begin at its goal.
    queries.retain(|row| lowest.nodes.binary_search(row).is_err());
    let truth = truth(codes, &queries, NEIGHBORS, threads, progress)?;
    let higher: Vec<Floor> = higher.iter().map(|layer| Floor::new(codes, layer, &queries)).collect();
    let lowest = Floor::new(codes, lowest, &queries);
    let (neighbors, degree) = places(links);
    let found = |count: usize| -> Option<usize> {
        let each = try_map_chunks(queries.len(), 16, threads, progress, |range| {
            let mut base = Search::new(codes, &neighbors, degree);
            let found = range.map(|i| {
                let mut starts = vec![0];
                for (above, floor) in higher.iter().enumerate().rev() {
                    let found = floor.nearest(i, &starts, on_the_way(above + 1, count));
                    starts = found.iter().map(|link| floor.layer.below[link.row as usize]).collect();
                }
                let mut starts = lowest.nearest(i, &starts, count);
                starts.iter_mut().for_each(|start| start.row = lowest.layer.nodes[start.row as usize]);
                let found = base.near(queries[i], &starts, EF);
                let is_true = |link: &&Link| truth[i].iter().any(|t| t.row == link.row);
                found.iter().take(NEIGHBORS).filter(is_true).count()
            });
            found.sum::<usize>()
        })?;
        Some(each.into_iter().sum())
    };
    let most = found(MOST)?;
    let enough = most as f64 - TOLERANCE * (queries.len() * NEIGHBORS) as f64;
    let mut fewest = 1;
    while fewest < MOST && (found(fewest)? as f64) < enough {
        fewest *= 2;
    }
    Some(fewest)
}

/// An upper layer, with the queries behind its nodes.
struct Floor<'a> {
    layer: &'a Upper,
    codes: RowCodes,
    neighbors: Vec<u32>,
    degree: usize,
}

impl<'a> Floor<'a> {
    fn new(codes: &RowCodes, layer: &'a Upper, queries: &[u32]) -> Self {
        let (neighbors, degree) = places(&layer.links);
        let codes = codes.select(&[&layer.nodes[..], queries].concat());
        Floor { layer, codes, neighbors, degree }
    }

    /// The nodes nearest to query `i` that a search from `entries` finds, at least one.
    fn nearest(&self, i: usize, entries: &[u32], count: usize) -> Vec<Link> {
        let query = (self.layer.nodes.len() + i) as u32;
        let mut distances = Vec::new();
        self.codes.distances(Kernels::get(), query as usize, entries, &mut distances);
        let starts = entries.iter().zip(distances).map(|(row, distance)| Link { distance, row: *row });
        let mut search = Search::new(&self.codes, &self.neighbors, self.degree);
        let mut found = search.near(query, &starts.collect::<Vec<_>>(), count);
        found.truncate(count);
        found
    }
}

/// The `count` nearest rows of each of `queries`, rows themselves, by all codes, without itself. `None` when `progress` cancels.
pub(crate) fn truth(
    codes: &RowCodes,
    queries: &[u32],
    count: usize,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<Vec<Link>>> {
    let own = codes.select(queries);
    let parts = try_map_chunks(codes.len(), ROWS, threads, progress, |range| {
        let rows: Vec<u32> = range.map(|row| row as u32).collect();
        let mut found = nearest(&own, &codes.select(&rows), count + 1);
        found.iter_mut().flatten().for_each(|link| link.row = rows[link.row as usize]);
        found
    })?;
    let mut truth: Vec<Vec<Link>> = vec![Vec::new(); queries.len()];
    for (i, links) in parts.into_iter().flat_map(|part| part.into_iter().enumerate()) {
        truth[i].extend(links.into_iter().filter(|link| link.row != queries[i]));
    }
    for links in &mut truth {
        links.sort_unstable_by(Link::order);
        links.truncate(count);
    }
    Some(truth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::link::{Rule, link};

    /// Rows in clusters, linked to their nearest, and every 16th once more in a layer above.
    fn clustered(clusters: u64, each: u64, apart: f32) -> (RowCodes, Vec<Vec<Link>>, Upper) {
        let dims = 16;
        let unit = |i: u64| (mix(i) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        let mut codes = RowCodes::new(dims);
        for row in 0..clusters * each {
            let x: Vec<f32> = (0..dims as u64)
                .map(|d| apart * unit((row / each) * 64 + d + (1 << 40)) + unit(row * 64 + d))
                .collect();
            codes.push(&x, x.iter().map(|v| v * v).sum());
        }
        let linked = |codes: &RowCodes, degree: usize| {
            let lists = nearest(codes, codes, 2 * degree);
            link(codes, &lists, Rule { degree, alpha: 1.0, fill: true }, 1, &|_| true).unwrap()
        };
        let nodes: Vec<u32> = (0..codes.len() as u32).step_by(16).collect();
        let links = linked(&codes.select(&nodes), 4);
        let upper = Upper { below: nodes.clone(), nodes, links };
        let links = linked(&codes, 16);
        (codes, links, upper)
    }

    #[test]
    fn clusters_that_few_links_join_want_more_starts_and_one_cloud_wants_one() {
        let (codes, links, upper) = clustered(1, 1024, 0.0);
        let go_on = |_: f64| true;
        assert_eq!(entries(&codes, &links, &[upper], 7, 1, &go_on), Some(1));
        let (codes, links, upper) = clustered(32, 64, 8.0);
        let upper = [upper];
        let several = entries(&codes, &links, &upper, 7, 1, &go_on);
        assert!(several > Some(1), "{several:?}");
        assert_eq!(entries(&codes, &links, &upper, 7, 2, &go_on), several);
        assert_eq!(entries(&codes, &links, &[], 7, 2, &go_on), Some(1));
        assert_eq!(entries(&codes, &links, &upper, 7, 2, &|_| false), None);
    }
}
