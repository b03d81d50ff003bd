//! Builds an inverted file from the codes of all rows, and writes it as sections.
//!
//! Centroids are found by k-means on a sample, over the dimensions that the low-bit codes cover, which hold nearly all the
//! energy; every row then goes to its nearest cell with room, and the cell's centroid becomes the mean of its rows over the
//! whole prefix.
//!
//! Reads from: codes. Writes to: the sections `AnnCentroids`, `AnnCells` and `AnnRows`.
//! Never: a section that depends on the number of threads.

use std::ops::Range;

use foretaste_storage::Result;

use crate::codes::edges::{EdgeShape, EdgeWriter};
use crate::codes::rows::{RowCodes, between};
use crate::index::ivf::layout::{HEAD, Layout, head};
use crate::index::kmeans::{self, KMeans};
use crate::index::parallel::{map_chunks, mix};
use crate::index::{IvfParams, Stage, Task};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// By how much the number of cells exceeds the root of the number of rows, unless it is given.
const CELLS: f64 = 4.0;
/// Rows of a cell on average, at least, unless the number of cells is given.
const LEAST: usize = 32;
/// Rows of the sample for each centroid.
const SAMPLE: usize = 32;
/// Most rounds of k-means.
const ROUNDS: usize = 8;
/// How many times the average a cell may hold.
const MOST: usize = 3;
/// Cells that a row may choose from.
const CHOICES: usize = 8;
/// Rows put into cells at a time.
const BATCH: usize = 1 << 15;
/// Rows decoded, or cells written, by one thread at a time.
const CHUNK: usize = 64;

/// An inverted file in memory.
pub(crate) struct Cells {
    pub(super) codes: RowCodes,
    pub(super) centroids: RowCodes,
    /// Mean squared distance of each cell's rows from its centroid.
    pub(super) spreads: Vec<f32>,
    /// The rows of each cell, ascending.
    pub(super) members: Vec<Vec<u32>>,
    /// The cell of each row.
    pub(super) of: Vec<u32>,
    pub(super) edges: EdgeShape,
    threads: usize,
}

/// How many cells `rows` rows are put into, when they are all different.
pub(crate) fn nlist(params: &IvfParams, rows: usize) -> usize {
    let usual = ((rows as f64).sqrt() * CELLS) as usize;
    params.nlist.map_or(usual.min(rows / LEAST), |n| n as usize).clamp(1, rows.max(1))
}

/// Puts all rows into cells. `None` when the task was cancelled.
pub(crate) fn build(codes: RowCodes, edges: EdgeShape, params: &IvfParams, task: &Task<'_>) -> Option<Cells> {
    let (rows, threads) = (codes.len(), task.threads.max(1));
    let part = |from: f64, size: f64| move |done: f64| (task.progress)(Stage::Cells, from + size * done);
    let count = nlist(params, rows);
    let dims = edges.dims.min(codes.prefix);
    let means = train(&codes, dims, count, task.seed, threads, &part(0.0, 0.6))?;
    let of = assign(&codes, &means, threads, &part(0.6, 0.3))?;
    part(0.9, 0.0)(0.0).then_some(())?;

    let mut members = vec![Vec::new(); means.cells()];
    for (row, cell) in of.iter().enumerate() {
        if let Some(members) = members.get_mut(*cell as usize) {
            members.push(row as u32);
        }
    }
    // Cells without rows are none.
    members.retain(|rows| !rows.is_empty());
    let mut of = of;
    for (cell, rows) in members.iter().enumerate() {
        rows.iter().for_each(|row| of[*row as usize] = cell as u32);
    }
    let (mut centroids, mut spreads) = (RowCodes::new(codes.prefix), Vec::with_capacity(members.len()));
    let parts = map_chunks(members.len(), CHUNK, threads, |cells| {
        let mut centroids = RowCodes::new(codes.prefix);
        members[cells].iter().for_each(|rows| push_mean(&codes, rows, &mut centroids));
        centroids
    });
    parts.into_iter().for_each(|part| centroids.append(part));
    for (cell, rows) in members.iter().enumerate() {
        let centroid = centroids.get(cell);
        let distance =
            |row: &u32| f64::from(between(Kernels::get(), centroid, codes.get(*row as usize)).max(0.0));
        spreads.push((rows.iter().map(distance).sum::<f64>() / rows.len() as f64) as f32);
    }
    part(1.0, 0.0)(0.0).then_some(Cells { codes, centroids, spreads, members, of, edges, threads })
}

/// Decodes the first `dims` numbers of rows.
fn decode(codes: &RowCodes, rows: &[u32], dims: usize, threads: usize) -> Vec<f32> {
    let parts = map_chunks(rows.len(), CHUNK, threads, |range| {
        let mut out = vec![0f32; range.len() * dims];
        for (out, row) in out.chunks_exact_mut(dims.max(1)).zip(&rows[range]) {
            codes.decode(*row as usize, out);
        }
        out
    });
    parts.concat()
}

/// Finds centroids on a sample of the rows.
fn train(
    codes: &RowCodes,
    dims: usize,
    count: usize,
    seed: u64,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<KMeans> {
    let rows = codes.len() as u64;
    let taken = rows.min((count * SAMPLE) as u64);
    // One of each of as many equal parts: spread over the rows, and none twice.
    let pick = |i: u64| {
        let (from, to) = (i * rows / taken, (i + 1) * rows / taken);
        (from + mix(seed ^ i) % (to - from).max(1)) as u32
    };
    let sample: Vec<u32> = (0..taken).map(pick).collect();
    let sample = decode(codes, &sample, dims, threads);
    kmeans::train(&sample, dims, count, ROUNDS, seed, threads, progress)
}

/// The cell of every row.
fn assign(
    codes: &RowCodes,
    means: &KMeans,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<Vec<u32>> {
    let (rows, cells) = (codes.len(), means.cells());
    let choices = CHOICES.min(cells);
    let (mut ids, mut distances) = (vec![0u32; rows * choices], vec![0f32; rows * choices]);
    for first in (0..rows).step_by(BATCH) {
        if !progress(first as f64 / rows as f64) {
            return None;
        }
        let some: Vec<u32> = (first as u32..(first + BATCH).min(rows) as u32).collect();
        let numbers = decode(codes, &some, means.dims, threads);
        let range = first * choices..(first + some.len()) * choices;
        means.assign(&numbers, choices, threads, &mut ids[range.clone()], &mut distances[range]);
    }
    if rows == 0 {
        return Some(Vec::new());
    }
    kmeans::balance(&ids, &distances, choices, cells, rows.div_ceil(cells.max(1)) * MOST)
}

/// Appends the mean of `rows`.
fn push_mean(codes: &RowCodes, rows: &[u32], out: &mut RowCodes) {
    let (mut numbers, mut sums) = (vec![0f32; codes.prefix], vec![0f64; codes.prefix]);
    for row in rows {
        codes.decode(*row as usize, &mut numbers);
        sums.iter_mut().zip(&numbers).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let share = 1.0 / rows.len().max(1) as f64;
    numbers.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum * share) as f32);
    // The centroid is what is in the prefix; it has no tail.
    out.push(&numbers, 0.0);
}

/// Writes bundles of rows relative to one reference, with room of its own.
pub(super) struct Bundler<'a> {
    codes: &'a RowCodes,
    writer: EdgeWriter,
    edges: EdgeShape,
    reference: Vec<f32>,
}

impl<'a> Bundler<'a> {
    pub fn new(codes: &'a RowCodes, edges: EdgeShape) -> Self {
        let dims = codes.stride.max(edges.dims);
        Bundler { codes, writer: EdgeWriter::new(edges), edges, reference: vec![0f32; dims] }
    }

    /// Makes a cell's centroid the reference; before, it is the origin.
    pub fn refer(&mut self, centroids: &RowCodes, cell: usize) {
        centroids.decode(cell, &mut self.reference);
    }

    /// Puts a row at `place` of `bundle`; `distance` is its squared distance from the reference.
    pub fn put(&mut self, bundle: &mut [u8], place: usize, row: usize, distance: f32) {
        let reference = &self.reference[..self.edges.dims];
        self.writer.put(bundle, place, reference, self.codes.get(row), distance);
    }
}

impl Cells {
    /// The sizes of its sections.
    pub fn layout(&self) -> Layout {
        Layout {
            rows: self.codes.len() as u32,
            cells: self.members.len() as u32,
            stride: self.codes.stride,
            edges: self.edges,
        }
    }

    /// Bytes of [`Cells::write_cells`].
    pub fn cells_len(&self) -> u64 {
        let bundles: usize = self.members.iter().map(|rows| rows.len().div_ceil(BUNDLE)).sum();
        (bundles * self.edges.bytes()) as u64
    }

    /// The section `AnnCentroids`.
    pub fn write_centroids(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let layout = self.layout();
        let mut bytes = Vec::with_capacity(layout.centroids_len() as usize);
        bytes.extend(self.members.iter().flat_map(|rows| (rows.len() as u32).to_le_bytes()));
        bytes.resize(layout.bundles_at() as usize, 0);
        let mut bundler = Bundler::new(&self.centroids, self.edges);
        let mut bundle = vec![0; self.edges.bytes()];
        for first in (0..self.members.len()).step_by(BUNDLE) {
            EdgeWriter::clear(&mut bundle);
            for (place, cell) in (first..self.members.len()).take(BUNDLE).enumerate() {
                bundler.put(&mut bundle, place, cell, self.centroids.norms[cell]);
            }
            bytes.extend_from_slice(&bundle);
        }
        for (cell, spread) in self.spreads.iter().enumerate() {
            let centroid = self.centroids.get(cell);
            bytes.extend(head([centroid.step.to_bits(), centroid.norm.to_bits(), spread.to_bits(), 0]));
            bytes.extend_from_slice(bytemuck::cast_slice(centroid.code));
        }
        out(&bytes)
    }

    /// The section `AnnCells`.
    pub fn write_cells(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let batch = CHUNK * self.threads * 4;
        for first in (0..self.members.len()).step_by(batch) {
            let count = batch.min(self.members.len() - first);
            let parts = map_chunks(count, CHUNK / 8, self.threads, |range| {
                self.bundles(first + range.start..first + range.end)
            });
            parts.iter().try_for_each(|part| out(part))?;
        }
        Ok(())
    }

    /// The section `AnnRows`.
    pub fn write_rows(&self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut bytes = Vec::new();
        for rows in self.members.chunks(CHUNK) {
            bytes.clear();
            for row in rows.iter().flatten() {
                let code = self.codes.get(*row as usize);
                bytes.extend(head([*row, code.step.to_bits(), code.norm.to_bits(), code.tail.to_bits()]));
            }
            out(&bytes)?;
        }
        let heads = self.codes.len() * HEAD;
        out(&[0; 64][..heads.next_multiple_of(64) - heads])?;
        for rows in self.members.chunks(CHUNK) {
            bytes.clear();
            for row in rows.iter().flatten() {
                bytes.extend_from_slice(bytemuck::cast_slice(self.codes.get(*row as usize).code));
            }
            out(&bytes)?;
        }
        Ok(())
    }

    fn bundles(&self, cells: Range<usize>) -> Vec<u8> {
        let (mut out, len) = (Vec::new(), self.edges.bytes());
        let mut bundler = Bundler::new(&self.codes, self.edges);
        for cell in cells {
            bundler.refer(&self.centroids, cell);
            let centroid = self.centroids.get(cell);
            for rows in self.members[cell].chunks(BUNDLE) {
                let at = out.len();
                out.resize(at + len, 0);
                let bundle = &mut out[at..];
                EdgeWriter::clear(bundle);
                for (place, row) in rows.iter().enumerate() {
                    let row = *row as usize;
                    let distance = between(Kernels::get(), centroid, self.codes.get(row));
                    bundler.put(bundle, place, row, distance);
                }
            }
        }
        out
    }
}
