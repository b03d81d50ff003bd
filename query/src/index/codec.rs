//! How one index codes its rows and its queries: the space, the rotation and the lengths of the codes.
//!
//! Trained on a sample of the rows. The principal components put the energy in front; within the part that edges code and
//! within the rest they are mixed by a random orthogonal matrix, after which every dimension carries about as much, which is
//! what codes of equal bits for every dimension want.
//!
//! Reads from: a source, or the sections `AnnCodec`. Writes to: the same section.
//! Never: a code of a row that is not in the source.

mod near;

use foretaste_storage::Result;

use crate::codes::edges::EdgeShape;
use crate::codes::rows::RowCodes;
use crate::codes::{CodedQuery, Rotation};
use crate::index::parallel::{map_chunks, mix};
use crate::index::space::Space;
use crate::index::{RotationKind, Source, Stage, Task, read};
use crate::metric::Metric;

/// Rows of the sample that a rotation is trained on.
const SAMPLE: usize = 20_000;
/// Part of the energy of differences between near rows that the dimensions coded for edges must hold.
const EDGE_ENERGY: f64 = 0.92;
/// So many dimensions a row's own code has when there are as many, and more up to [`MOST`] while they do not hold [`OWN_ENERGY`] of
/// the energy of differences between near rows: what the code does not hold of them has to be read from the vectors.
const PREFIX: usize = 512;
const MOST: usize = 2048;
const OWN_ENERGY: f64 = 0.95;
/// Below this many dimensions edges are coded in 4 bits.
const FEW_DIMS: usize = 96;
/// Rows coded at a time.
const CHUNK: usize = 1024;

/// How one index codes.
#[derive(Debug)]
pub(crate) struct Codec {
    pub space: Space,
    pub rotation: Rotation,
    pub edges: Option<EdgeShape>,
}

/// Bits for edges as asked: `None` leaves it to the codec, `Some(0)` wants none.
pub(crate) type EdgeBits = Option<u8>;

impl Codec {
    /// Dimensions of a row's own code.
    pub fn prefix(&self) -> usize {
        self.rotation.prefix()
    }

    /// Learns from `source`. `None` when the task was cancelled.
    pub fn train(source: &dyn Source, task: &Task<'_>, bits: EdgeBits) -> Result<Option<Codec>> {
        let stored = source.levels().last().map_or(0, |l| *l as usize);
        if !(task.progress)(Stage::Train, 0.0) {
            return Ok(None);
        }
        let radius = match task.metric {
            Metric::Dot => radius(source, stored)?,
            Metric::L2 | Metric::Cosine => 0.0,
        };
        let space = Space::new(task.metric, stored, radius);
        let dims = space.dims();
        let sample = sample(source, &space, task.seed)?;
        // The dimension that the inner product's space adds would outweigh all others in codes of equal steps.
        let kind = if task.metric == Metric::Dot { RotationKind::Pca } else { task.rotation };
        let rotation = match kind {
            RotationKind::None => Rotation::identity(&sample, dims),
            RotationKind::Pca => {
                let whole = Rotation::pca(&sample, dims, dims.min(MOST), task.threads);
                let own = match dims <= PREFIX {
                    true => dims,
                    false => near::dims_holding(&whole, &sample, dims, OWN_ENERGY).next_multiple_of(64),
                };
                whole.truncated(own.max(PREFIX))
            }
        };
        if !(task.progress)(Stage::Train, 0.8) {
            return Ok(None);
        }
        let edge_dims = match kind {
            RotationKind::None => rotation.prefix(),
            RotationKind::Pca => {
                let holding = near::dims_holding(&rotation, &sample, dims, EDGE_ENERGY);
                holding.next_multiple_of(32).max(64).min(rotation.prefix())
            }
        };
        let rotation = rotation.mixed(edge_dims, task.seed);
        let bits = bits.unwrap_or(if edge_dims < FEW_DIMS { 4 } else { 2 });
        let edges = (bits > 0).then(|| EdgeShape { bits, dims: edge_dims.next_multiple_of(32) });
        Ok(Some(Codec { space, rotation, edges }))
    }

    /// Codes every row. `None` when the task was cancelled.
    pub fn encode(&self, source: &dyn Source, task: &Task<'_>) -> Result<Option<RowCodes>> {
        let (rows, stored) = (source.rows() as usize, self.space.stored());
        let mut codes = RowCodes::new(self.prefix());
        let batch = CHUNK * task.threads.max(1) * 4;
        for start in (0..rows).step_by(batch) {
            if !(task.progress)(Stage::Encode, start as f64 / rows.max(1) as f64) {
                return Ok(None);
            }
            let end = (start + batch).min(rows);
            let parts = map_chunks(end - start, CHUNK, task.threads, |range| -> Result<RowCodes> {
                let range = (start + range.start) as u32..(start + range.end) as u32;
                let (mut numbers, mut lifted) = (Vec::new(), Vec::new());
                let count = range.len();
                read::rows(source, range, stored, &mut numbers)?;
                numbers.chunks_exact(stored.max(1)).for_each(|row| self.space.push_row(row, &mut lifted));
                let mut rotated = vec![0.0; count * self.prefix()];
                self.rotation.apply_many(&lifted, &mut rotated, 1);
                let mut part = RowCodes::new(self.prefix());
                let rows = lifted.chunks_exact(self.space.dims()).zip(rotated.chunks_exact(self.prefix()));
                for (lifted, rotated) in rows {
                    part.push(rotated, self.rotation.centred_norm(lifted));
                }
                Ok(part)
            });
            for part in parts {
                codes.append(part?);
            }
        }
        Ok(Some(codes))
    }

    /// Codes a query; numbers it lacks count as the mean, so that they do not matter.
    pub fn query(&self, query: &[f32], out: &mut CodedQuery) {
        out.lifted.clear();
        self.space.push_query(query, &mut out.lifted);
        let given = query.len().min(self.space.stored());
        let missing = given..self.space.stored();
        if let (Some(numbers), Some(mean)) =
            (out.lifted.get_mut(missing.clone()), self.rotation.mean().get(missing))
        {
            numbers.copy_from_slice(mean);
        }
        let squared = self.rotation.centred_norm(&out.lifted);
        out.rotated.clear();
        out.rotated.resize(self.prefix(), 0.0);
        self.rotation.apply(&out.lifted, &mut out.rotated);
        out.quantise(squared, self.edges);
    }
}

/// The largest norm of a row.
fn radius(source: &dyn Source, stored: usize) -> Result<f32> {
    let mut numbers = Vec::new();
    let mut most = 0f64;
    for start in (0..source.rows()).step_by(CHUNK) {
        read::rows(source, start..(start + CHUNK as u32).min(source.rows()), stored, &mut numbers)?;
        for row in numbers.chunks_exact(stored.max(1)) {
            most = most.max(row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum());
        }
    }
    Ok(most.sqrt() as f32)
}

/// Rows drawn without repetition, in the index's space.
fn sample(source: &dyn Source, space: &Space, seed: u64) -> Result<Vec<f32>> {
    let rows = source.rows() as usize;
    let taken = rows.min(SAMPLE);
    let (mut numbers, mut out) = (Vec::new(), Vec::with_capacity(taken * space.dims()));
    for i in 0..taken {
        // One of each of as many equal parts: spread over the rows, and none twice.
        let (from, to) = (i * rows / taken, (i + 1) * rows / taken);
        let row = from + (mix(seed ^ i as u64) % (to - from).max(1) as u64) as usize;
        read::rows(source, row as u32..row as u32 + 1, space.stored(), &mut numbers)?;
        space.push_row(&numbers, &mut out);
    }
    Ok(out)
}
