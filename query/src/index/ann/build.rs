//! Builds a search index of any kind and measures how good its estimates are.
//!
//! Reads from: a source. Writes to: the sections of an index file. Never: a section of a build that was cancelled.

use foretaste_storage::codec::meta;
use foretaste_storage::section::SectionKind;
use foretaste_storage::{Result, limits};

use crate::codes::CodedQuery;
use crate::codes::rows::{RowCode, RowCodes};
use crate::index::ann::{Head, VERSION};
use crate::index::codec::Codec;
use crate::index::hnsw::{self, Graph};
use crate::index::ivf::{self, Cells};
use crate::index::parallel::mix;
use crate::index::{HnswParams, IvfParams, Source, Spec, Stage, Task, read};
use crate::kernel::Kernels;

/// Rows that searches are tried for, and how many of their neighbours are kept: more than are looked for, since codes order them.
const HELD_OUT: u64 = 384;
const NEIGHBORS: usize = 128;
/// Rows that the error of the estimates is measured on.
const CALIBRATION: u64 = 256;

/// A finished index, in memory.
pub struct Built {
    head: Vec<u8>,
    codec: Vec<u8>,
    kind: Kind,
    held_out: HeldOut,
}

/// Rows with their nearest others by codes, for [`crate::index::trust::calibrate`].
pub type HeldOut = Vec<(u32, Vec<u32>)>;

enum Kind {
    Graph(Graph),
    Cells(Cells),
}

/// Builds the index that `task` wants: for [`Spec::Auto`], and for [`Spec::Flat`], which is none, a graph. `None` when it was
/// cancelled.
///
/// # Errors
/// `LimitExceeded` for parameters that are too large, and those of the source.
pub fn build(source: &dyn Source, task: &Task<'_>) -> Result<Option<Built>> {
    let spec = match task.spec {
        Spec::Auto | Spec::Flat => Spec::Hnsw(HnswParams::default()),
        spec => spec,
    };
    let graph = match &spec {
        Spec::Hnsw(params) => Some(params),
        _ => None,
    };
    if let Some(params) = graph {
        limits::check("links of a node (m)", u64::from(params.m), limits::GRAPH_LINKS)?;
        limits::check("ef_construction", u64::from(params.ef_construction), limits::GRAPH_CANDIDATES)?;
        limits::check("rows of a graph", u64::from(source.rows()), limits::GRAPH_NODES)?;
    }
    let params = match spec {
        Spec::Ivf(params) => params,
        _ => IvfParams::default(),
    };
    limits::check("cells (nlist)", params.nlist.unwrap_or(1).into(), limits::CELLS)?;
    let Some(codec) = Codec::train(source, task, graph.and_then(|g| g.edge_bits))? else { return Ok(None) };
    let Some(codes) = codec.encode(source, task)? else { return Ok(None) };
    let Some(held_out) = held_out(&codes, task) else { return Ok(None) };
    let kind = match (graph, codec.edges) {
        (None, Some(edges)) => ivf::build(codes, edges, &params, task).map(Kind::Cells),
        (graph, edges) => {
            let params = graph.copied().unwrap_or_default();
            hnsw::build(codes, edges, &params, task).map(Kind::Graph)
        }
    };
    let Some(kind) = kind else { return Ok(None) };
    let (error, slack) = calibrate(source, &codec, &kind, task.seed)?;
    let (layers, starts, entries, cells) = match &kind {
        Kind::Graph(graph) => (graph.layer_sizes(), graph.starts().to_vec(), graph.entries() as u32, 0),
        Kind::Cells(cells) => (Vec::new(), Vec::new(), 0, cells.layout().cells),
    };
    let head = Head {
        version: VERSION,
        spec,
        metric: task.metric as u8,
        rows: source.rows(),
        dims: codec.space.stored() as u32,
        radius: codec.space.radius(),
        edge_bits: codec.edges.map_or(0, |e| e.bits),
        edge_dims: codec.edges.map_or(0, |e| e.dims as u32),
        layers,
        starts,
        entries,
        cells,
        slack,
        error,
    };
    let mut rotation = Vec::new();
    codec.rotation.encode(&mut rotation);
    Ok(Some(Built { head: meta::encode(&head)?, codec: rotation, kind, held_out }))
}

/// Some rows and their neighbours. `None` when the task was cancelled.
fn held_out(codes: &RowCodes, task: &Task<'_>) -> Option<HeldOut> {
    let rows = codes.len() as u64;
    let mut queries: Vec<u32> =
        (0..HELD_OUT.min(rows)).map(|i| (mix(task.seed ^ mix(i) ^ 1) % rows) as u32).collect();
    queries.sort_unstable();
    queries.dedup();
    // What it tells stands still: all rows are coded, and the next stage has not begun.
    let progress = |_| (task.progress)(Stage::Encode, 1.0);
    let truth = hnsw::truth(codes, &queries, NEIGHBORS, task.threads, &progress)?;
    let near = truth.into_iter().map(|links| links.into_iter().map(|link| link.row).collect());
    Some(queries.into_iter().zip(near).collect())
}

/// The root mean square of the relative error of estimates between some rows and their neighbours, and how far the low-bit
/// estimates of an inverted file may be off.
fn calibrate(source: &dyn Source, codec: &Codec, kind: &Kind, seed: u64) -> Result<(f32, f32)> {
    let (rows, stored) = (u64::from(source.rows()), codec.space.stored());
    let (mut query, mut numbers, mut lifted) = (CodedQuery::default(), Vec::new(), Vec::new());
    let (mut sum, mut count, mut excess) = (0f64, 0u64, Vec::new());
    for i in 0..CALIBRATION.min(rows) {
        let row = (mix(seed ^ i) % rows) as u32;
        read::rows(source, row..row + 1, stored, &mut numbers)?;
        codec.query(&numbers, &mut query);
        let neighbors: Vec<(u32, RowCode<'_>)> = match kind {
            Kind::Graph(graph) => graph.neighbors(row).collect(),
            Kind::Cells(cells) => {
                cells.push_excess(&query, row, &mut excess);
                cells.neighbors(&query, row)
            }
        };
        for (neighbor, code) in neighbors {
            read::rows(source, neighbor..neighbor + 1, stored, &mut numbers)?;
            lifted.clear();
            codec.space.push_row(&numbers, &mut lifted);
            let exact: f64 =
                query.lifted.iter().zip(&lifted).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum();
            let estimate = f64::from(query.distance(Kernels::get(), code));
            if exact > 1e-6 * f64::from(query.norm()) {
                sum += ((estimate - exact) / exact).powi(2);
                count += 1;
            }
        }
    }
    let error = if count == 0 { 0.0 } else { (sum / count as f64).sqrt() as f32 };
    Ok((error, ivf::slack(&mut excess)))
}

impl Built {
    /// Takes the rows that searches can be tried for.
    pub fn take_held_out(&mut self) -> HeldOut {
        std::mem::take(&mut self.held_out)
    }

    /// Its sections and their lengths, in the order to write them.
    pub fn sections(&self) -> Vec<(SectionKind, u64)> {
        let mut sections = vec![
            (SectionKind::AnnHead, self.head.len() as u64),
            (SectionKind::AnnCodec, self.codec.len() as u64),
        ];
        match &self.kind {
            Kind::Graph(graph) => sections.extend([
                (SectionKind::AnnRows, graph.rows_len()),
                (SectionKind::AnnLayers, graph.layers_len()),
                (SectionKind::AnnNodes, graph.nodes_len()),
            ]),
            Kind::Cells(cells) => sections.extend([
                (SectionKind::AnnCentroids, cells.layout().centroids_len()),
                (SectionKind::AnnCells, cells.cells_len()),
                (SectionKind::AnnRows, cells.layout().rows_len()),
            ]),
        }
        sections
    }

    /// Hands the bytes of one section to `out`, piece by piece.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, kind: SectionKind, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match (kind, &self.kind) {
            (SectionKind::AnnHead, _) => out(&self.head),
            (SectionKind::AnnCodec, _) => out(&self.codec),
            (SectionKind::AnnRows, Kind::Graph(graph)) => graph.write_rows(out),
            (SectionKind::AnnLayers, Kind::Graph(graph)) => graph.write_layers(out),
            (SectionKind::AnnNodes, Kind::Graph(graph)) => graph.write_nodes(out),
            (SectionKind::AnnCentroids, Kind::Cells(cells)) => cells.write_centroids(out),
            (SectionKind::AnnCells, Kind::Cells(cells)) => cells.write_cells(out),
            (SectionKind::AnnRows, Kind::Cells(cells)) => cells.write_rows(out),
            _ => Ok(()),
        }
    }
}
