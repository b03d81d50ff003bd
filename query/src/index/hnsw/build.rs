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
use crate::index::hnsw::entries::entries;
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
    /// Of each node of the base layer.
    codes: RowCodes,
    shape: Shape,
    base: Vec<Vec<Link>>,
    /// Row of each node of the base layer.
    order: Vec<u32>,
    /// Node of each row.
    nodes: Vec<u32>,
    /// The upper layers, from the lowest.
    upper: Vec<Upper>,
    /// Nodes from which every node can be reached.
    starts: Vec<u32>,
    entries: usize,
    threads: usize,
}

/// A layer above the base layer.
pub(super) struct Upper {
    /// Nodes of the base layer in it, ascending.
    pub nodes: Vec<u32>,
    /// The number of each in the layer below.
    pub below: Vec<u32>,
    pub links: Vec<Vec<Link>>,
}

/// Links of a node.
fn degree(params: &HnswParams) -> usize {
    (params.m.max(1) as usize * 2).next_multiple_of(BUNDLE)
}

/// The records of all layers, with codes of `stride` bytes.
pub(crate) fn shape(params: &HnswParams, stride: usize, edges: Option<EdgeShape>) -> Shape {
    Shape { stride, degree: degree(params), edges }
}

/// Links all rows. `None` when the task was cancelled.
pub(crate) fn build(
    codes: RowCodes,
    edges: Option<EdgeShape>,
    params: &HnswParams,
    task: &Task<'_>,
) -> Option<Graph> {
    let (degree, threads) = (degree(params), task.threads.max(1));
    let wanted = (params.ef_construction as usize / 2).max(degree + degree / 2);
    let part = |from: f64, size: f64| move |done: f64| (task.progress)(Stage::Link, from + size * done);

    let mut groups = partition::groups(&codes, task.seed, threads, &part(0.0, 0.05))?;
    // From here on a row goes by its node, so that near rows are near in memory.
    let order = partition::order(&groups, codes.len());
    let mut nodes = vec![0u32; order.len()];
    for (node, row) in order.iter().enumerate() {
        nodes[*row as usize] = node as u32;
    }
    groups.iter_mut().flatten().for_each(|row| *row = nodes[*row as usize]);
    let codes = codes.select(&order);

    let rule = Rule { degree, alpha: 1.0, fill: true };
    let lists = partition::candidates(&codes, &groups, wanted, threads, &part(0.05, 0.25))?;
    drop(groups);
    let first = link(&codes, &lists, rule, threads, &part(0.3, 0.2))?;
    let lists = refine::candidates(&codes, &first, wanted, threads, &part(0.5, 0.3))?;
    drop(first);
    let mut base = link(&codes, &lists, rule, threads, &part(0.8, 0.18))?;
    drop(lists);
    let starts = connect(&mut base, 0, degree);
    let upper = upper_layers(&codes, params, task)?;
    let shape = shape(params, codes.stride, edges);
    let go_on = |_: f64| (task.progress)(Stage::Link, 0.99);
    let entries = entries(&codes, &base, &upper, task.seed, threads, &go_on)?;
    Some(Graph { codes, shape, base, order, nodes, upper, starts, entries, threads })
}

/// The layers above a base layer with these codes. `None` when the task was cancelled.
fn upper_layers(codes: &RowCodes, params: &HnswParams, task: &Task<'_>) -> Option<Vec<Upper>> {
    let (degree, threads) = (degree(params), task.threads.max(1));
    let rule = Rule { degree, alpha: 1.0, fill: true };
    let go_on = |_: f64| (task.progress)(Stage::Link, 0.98);
    let mut upper: Vec<Upper> = Vec::new();
    let mut below: Vec<u32> = (0..codes.len() as u32).collect();
    while below.len() > TOP {
        let layer = upper.len() as u64 + 1;
        let draw = |node: u32| mix(task.seed ^ mix(u64::from(node) ^ layer << 32));
        let chosen = below.iter().enumerate().filter(|(_, node)| draw(**node).is_multiple_of(THINNING));
        let (places, chosen): (Vec<u32>, Vec<u32>) =
            chosen.map(|(place, node)| (place as u32, *node)).unzip();
        if chosen.is_empty() {
            break;
        }
        let own = codes.select(&chosen);
        let groups = partition::groups(&own, task.seed, threads, &go_on)?;
        let lists = partition::candidates(&own, &groups, 2 * degree, threads, &go_on)?;
        let mut links = link(&own, &lists, rule, threads, &go_on)?;
        // A search comes in by node 0; what it cannot reach here it reaches in the base layer.
        connect(&mut links, 0, degree);
        below.clone_from(&chosen);
        upper.push(Upper { nodes: chosen, below: places, links });
    }
    Some(upper)
}

impl Graph {
    /// The neighbours of a row, with their codes.
    pub fn neighbors(&self, row: u32) -> impl Iterator<Item = (u32, RowCode<'_>)> {
        let node = self.nodes.get(row as usize).map_or(usize::MAX, |node| *node as usize);
        let links = self.base.get(node).map_or(&[][..], Vec::as_slice);
        links.iter().map(|link| (self.order[link.row as usize], self.codes.get(link.row as usize)))
    }

    /// Nodes of each upper layer, from the lowest.
    pub fn layer_sizes(&self) -> Vec<u32> {
        self.upper.iter().map(|u| u.nodes.len() as u32).collect()
    }

    /// How many nodes a search of the base layer starts from.
    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    pub fn nodes_len(&self) -> u64 {
        (self.order.len() * self.shape.bytes()) as u64
    }

    pub fn layers_len(&self) -> u64 {
        (self.upper.iter().map(|u| u.nodes.len()).sum::<usize>() * self.shape.bytes()) as u64
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
        self.write_layer(&self.order, |node| node as usize, &self.base, out)
    }

    /// The records of the upper layers, from the lowest. A record's row is the number of its node in the layer below.
    pub fn write_layers(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.upper.iter().try_for_each(|layer| {
            self.write_layer(&layer.below, |node| layer.nodes[node as usize] as usize, &layer.links, out)
        })
    }

    /// The records of one layer: `rows` are what they name, `base` tells a node's number in the base layer.
    fn write_layer(
        &self,
        rows: &[u32],
        base: impl Fn(u32) -> usize + Sync,
        links: &[Vec<Link>],
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let batch = CHUNK * self.threads * 4;
        for first in (0..rows.len()).step_by(batch) {
            let count = batch.min(rows.len() - first);
            let parts = map_chunks(count, CHUNK, self.threads, |range| {
                let mut part = vec![0u8; range.len() * self.shape.bytes()];
                let mut writer = RecordWriter::new(self);
                let nodes = first + range.start..first + range.end;
                for (record, node) in part.chunks_exact_mut(self.shape.bytes()).zip(nodes) {
                    writer.write(record, rows[node], base(node as u32), &links[node], &base);
                }
                part
            });
            parts.iter().try_for_each(|part| out(part))?;
        }
        Ok(())
    }
}

/// Writes records, with room of its own.
struct RecordWriter<'a> {
    graph: &'a Graph,
    edges: Option<EdgeWriter>,
    center: Vec<f32>,
    neighbors: Vec<u32>,
}

impl<'a> RecordWriter<'a> {
    fn new(graph: &'a Graph) -> Self {
        let edges = graph.shape.edges;
        let center = vec![0f32; edges.map_or(0, |e| e.dims)];
        RecordWriter { graph, edges: edges.map(EdgeWriter::new), center, neighbors: Vec::new() }
    }

    /// The record of `node`, a number of the base layer as `base` gives it for those that `links` name.
    fn write(
        &mut self,
        record: &mut [u8],
        row: u32,
        node: usize,
        links: &[Link],
        base: &impl Fn(u32) -> usize,
    ) {
        let Graph { codes, shape, .. } = self.graph;
        self.neighbors.clear();
        self.neighbors.extend(links.iter().map(|link| link.row));
        shape.write(record, row, codes.get(node), &self.neighbors);
        let Some(edges) = &mut self.edges else { return };
        codes.decode(node, &mut self.center);
        for number in 0..shape.degree / BUNDLE {
            let bundle = shape.bundle_mut(record, number);
            EdgeWriter::clear(bundle);
            for (place, link) in links.iter().skip(number * BUNDLE).take(BUNDLE).enumerate() {
                edges.put(bundle, place, &self.center, codes.get(base(link.row)), link.distance);
            }
        }
    }
}
