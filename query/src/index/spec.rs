//! What kind of index is wanted, and what a build is told.
//!
//! Reads from: the caller. Writes to: nothing. Never: a default that depends on the machine.

use bincode::{Decode, Encode};

use crate::metric::Metric;

/// The index wanted for a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub enum Spec {
    /// None for few rows, else a graph.
    #[default]
    Auto,
    /// None: every row is compared.
    Flat,
    /// Cells around centroids (an inverted file).
    Ivf(IvfParams),
    /// A navigable graph with upper layers (HNSW).
    Hnsw(HnswParams),
}

/// How an inverted file is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct IvfParams {
    /// How many cells; `None` takes about four times the square root of the number of rows.
    pub nlist: Option<u32>,
}

/// How a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct HnswParams {
    /// Half the links of a node, which are rounded up to a multiple of 32.
    pub m: u32,
    /// How many candidates for a node's links are looked for.
    pub ef_construction: u32,
    /// Bits a dimension of the codes that a node keeps of its neighbours: 1, 2 or 4, or 0 for none, which is a quarter of the
    /// size and slower. `None` takes 2, and 4 where there are few dimensions.
    pub edge_bits: Option<u8>,
}

impl Default for HnswParams {
    fn default() -> Self {
        HnswParams { m: 16, ef_construction: 200, edge_bits: None }
    }
}

/// Whether codes are made of the vectors as they are or of their principal components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub enum RotationKind {
    /// As they are (under the inner product as principal components too: their space has one dimension more).
    None,
    /// Principal components, trained on a sample of the segment.
    #[default]
    Pca,
}

/// What a build is told.
pub struct Task<'a> {
    /// By which distance rows will be looked for.
    pub metric: Metric,
    /// The index wanted.
    pub spec: Spec,
    /// What codes are made of.
    pub rotation: RotationKind,
    /// Threads to use, at least 1.
    pub threads: usize,
    /// Where random choices start; the same seed over the same rows gives the same index.
    pub seed: u64,
    /// Told from time to time what is being done and which part of it is done (0 to 1); false cancels.
    pub progress: &'a (dyn Fn(Stage, f64) -> bool + Sync),
}

/// What a build is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Learning the rotation and the scales of the codes from a sample.
    Train,
    /// Coding the rows, or gathering the words of their documents.
    Encode,
    /// Finding centroids and the cells of the rows.
    Cells,
    /// Looking for neighbours and linking them.
    Link,
    /// Trying how far answers can be trusted.
    Measure,
}
