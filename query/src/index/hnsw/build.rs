//! Builds a graph from the codes of all rows, and writes it as sections.
//!
//! The same linking makes every layer: the base layer of all rows, and above it layers of about one row in [`THINNING`] of
//! the layer below, until few are left. Rows of a group stand together in the file, so that a search stays on few pages.
//!
//! Reads from: codes. Writes to: the sections `AnnNodes`, `AnnLayers` and `AnnRows`.
//! Never: a section that depends on the number of threads.

use foretaste_storage::Result;

use crate::codes::edges::{EdgeShape, EdgeWriter};
use crate::codes::rows::{RowCode, RowCodes};
use crate::index::hnsw::link::{Rule, link};
use crate::index::hnsw::partition::{self, Link};
use crate::index::hnsw::reach::connect;
use crate::index::hnsw::record::Shape;
use crate::index::hnsw::refine;
use crate::index::parallel::{map_chunks, mix};
use crate::index::{HnswParams, Stage, Task};
use crate::kernel::codes::BUNDLE;

/// One row in so many of a layer is also in the layer above.
pub(crate) const THINNING: u64 = 64;
/// A layer of no more rows than this is the top one.
pub(crate) const TOP: usize = 48;
/// Records written at a time.
const CHUNK: usize = 256;

/// A graph in memory.
pub(crate) struct Graph {
    codes: RowCodes,
    shape: Shape,
    base: Vec<Vec<Link>>,
    /// Row of each node of the base layer.
    order: Vec<u32>,
    /// Node of each row.
    nodes: Vec<u32>,
    /// The upper layers, from the lowest.
    upper: Vec<Upper>,
    upper_shape: Shape,
    /// Nodes from which every node can be reached.
    starts: Vec<u32>,
    threads: usize,
}

struct Upper {
    /// Rows in it, ascending.
    rows: Vec<u32>,
    links: Vec<Vec<Link>>,
}

/// Links of a node of the base layer.
fn degree(params: &HnswParams) -> usize {
    (params.m.max(1) as usize * 2).next_multiple_of(BUNDLE)
}

/// The records of the base layer and of the upper layers, with codes of `stride` bytes.
pub(crate) fn shapes(params: &HnswParams, stride: usize, edges: Option<EdgeShape>) -> (Shape, Shape) {
    let upper = Shape { stride, degree: (params.m as usize).max(2), edges: None };
    (Shape { stride, degree: degree(params), edges }, upper)
}

/// Links all rows. `None` when the task was cancelled.
pub(crate) fn build(
    codes: RowCodes,
    edges: Option<EdgeShape>,
    params: &HnswParams,
    task: &Task<'_>,
) -> Option<Graph> {
    let rows: Vec<u32> = (0..codes.len() as u32).collect();
    let (degree, threads) = (degree(params), task.threads.max(1));
    let wanted = (params.ef_construction as usize / 2).max(degree + degree / 2);
    let part = |from: f64, size: f64| move |done: f64| (task.progress)(Stage::Link, from + size * done);

    let rule = Rule { degree, alpha: 1.0, fill: true };
    let found = partition::candidates(&codes, &rows, wanted, task.seed, threads, &part(0.0, 0.25))?;
    let first = link(&codes, &rows, |row| row as usize, &found.lists, rule, threads);
    drop(found.lists);
    let lists = refine::candidates(&codes, &first, wanted, 2 * wanted, threads, &part(0.35, 0.5))?;
    drop(first);
    let mut base = link(&codes, &rows, |row| row as usize, &lists, rule, threads);
    drop(lists);
    part(0.95, 0.0)(0.0).then_some(())?;

    let mut upper = Vec::new();
    let mut below = rows;
    while below.len() > TOP {
        let layer = upper.len() as u64 + 1;
        let chosen: Vec<u32> = below
            .iter()
            .copied()
            .filter(|row| mix(task.seed ^ mix(u64::from(*row) ^ layer << 32)).is_multiple_of(THINNING))
            .collect();
        if chosen.is_empty() {
            break;
        }
        let m = (params.m as usize).max(2);
        let found = partition::candidates(&codes, &chosen, 3 * m, task.seed, threads, &|_| true)?;
        let place = |row: u32| chosen.binary_search(&row).unwrap_or_default();
        let rule = Rule { degree: m, alpha: 1.0, fill: true };
        let links = link(&codes, &chosen, place, &found.lists, rule, threads);
        upper.push(Upper { rows: chosen.clone(), links });
        below = chosen;
    }
    let mut nodes = vec![0u32; found.order.len()];
    for (node, row) in found.order.iter().enumerate() {
        nodes[*row as usize] = node as u32;
    }
    let hub = found.order.first().copied().unwrap_or_default();
    let starts =
        connect(&mut base, hub, degree).into_iter().filter_map(|row| nodes.get(row as usize).copied());
    let starts = starts.collect();
    let (shape, upper_shape) = shapes(params, codes.stride, edges);
    Some(Graph { codes, shape, base, order: found.order, nodes, upper, upper_shape, starts, threads })
}

impl Graph {
    /// The neighbours of a row, with their codes.
    pub fn neighbors(&self, row: u32) -> impl Iterator<Item = (u32, RowCode<'_>)> {
        let links = self.base.get(row as usize).map_or(&[][..], Vec::as_slice);
        links.iter().map(|link| (link.row, self.codes.get(link.row as usize)))
    }

    /// Nodes of each upper layer, from the lowest.
    pub fn layer_sizes(&self) -> Vec<u32> {
        self.upper.iter().map(|u| u.rows.len() as u32).collect()
    }

    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    pub fn nodes_len(&self) -> u64 {
        (self.order.len() * self.shape.bytes()) as u64
    }

    pub fn layers_len(&self) -> u64 {
        (self.upper.iter().map(|u| u.rows.len()).sum::<usize>() * self.upper_shape.bytes()) as u64
    }

    /// Bytes of [`Graph::write_rows`].
    pub fn rows_len(&self) -> u64 {
        self.order.len() as u64 * 8
    }

    /// The row of every node, then the node of every row.
    pub fn write_rows(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for numbers in [&self.order, &self.nodes] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            out(&bytes)?;
        }
        Ok(())
    }

    /// The records of the base layer.
    pub fn write_nodes(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let batch = CHUNK * self.threads * 4;
        for first in (0..self.order.len()).step_by(batch) {
            let count = batch.min(self.order.len() - first);
            let parts = map_chunks(count, CHUNK, self.threads, |range| {
                self.records(first + range.start..first + range.end)
            });
            parts.iter().try_for_each(|part| out(part))?;
        }
        Ok(())
    }

    /// The records of the upper layers, from the lowest. A record's row is the number of its node in the layer below.
    pub fn write_layers(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut record = vec![0; self.upper_shape.bytes()];
        for (number, layer) in self.upper.iter().enumerate() {
            for (row, links) in layer.rows.iter().zip(&layer.links) {
                let below = match number.checked_sub(1).and_then(|n| self.upper.get(n)) {
                    Some(below) => below.rows.binary_search(row).unwrap_or_default() as u32,
                    None => self.nodes[*row as usize],
                };
                let place = |link: &Link| layer.rows.binary_search(&link.row).unwrap_or_default() as u32;
                let neighbors: Vec<u32> = links.iter().map(place).collect();
                record.fill(0);
                self.upper_shape.write(&mut record, below, self.codes.get(*row as usize), &neighbors);
                out(&record)?;
            }
        }
        Ok(())
    }

    fn records(&self, nodes: std::ops::Range<usize>) -> Vec<u8> {
        let len = self.shape.bytes();
        let mut out = vec![0u8; nodes.len() * len];
        let dims = self.codes.stride.max(self.shape.edges.map_or(0, |e| e.dims));
        let (mut center, mut other) = (vec![0f32; dims], vec![0f32; dims]);
        let mut writer = self.shape.edges.map(EdgeWriter::new);
        for (record, node) in out.chunks_exact_mut(len).zip(nodes) {
            let row = self.order[node] as usize;
            let links = &self.base[row];
            let neighbors: Vec<u32> = links.iter().map(|l| self.nodes[l.row as usize]).collect();
            self.shape.write(record, row as u32, self.codes.get(row), &neighbors);
            let (Some(writer), Some(edges)) = (&mut writer, self.shape.edges) else { continue };
            self.codes.decode(row, &mut center);
            for number in 0..self.shape.degree / BUNDLE {
                let bundle = self.shape.bundle_mut(record, number);
                EdgeWriter::clear(bundle);
                for (place, link) in links.iter().skip(number * BUNDLE).take(BUNDLE).enumerate() {
                    let neighbor = link.row as usize;
                    self.codes.decode(neighbor, &mut other);
                    let beyond = center.iter().zip(&other).skip(edges.dims);
                    let tail = beyond.map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
                        + self.codes.tails[row]
                        + self.codes.tails[neighbor];
                    let (center, other) = (&center[..edges.dims], &other[..edges.dims]);
                    writer.put(bundle, place, center, other, tail, link.distance);
                }
            }
        }
        out
    }
}
