//! A graph as its sections show it.
//!
//! Reads from: the sections `AnnNodes` and `AnnLayers`. Writes to: nothing.
//! Never: a node number trusted; a record is found by a number that was compared with the layer's size.

use std::sync::Arc;

use foretaste_storage::section::{Section, SectionFile, SectionKind};
use foretaste_storage::{Error, Result, limits};

use crate::index::hnsw::MOST_ENTRIES;
use crate::index::hnsw::record::{Node, Shape};

/// Most upper layers.
const LAYERS: usize = 16;

/// An open graph.
#[derive(Debug)]
pub(crate) struct View {
    pub base: Layer,
    /// The upper layers, from the lowest.
    pub upper: Vec<Layer>,
    /// Nodes of the base layer from which every node can be reached.
    pub starts: Vec<u32>,
    /// How many nodes a search of the base layer for a few neighbours starts from.
    entries: usize,
}

/// The nodes of one layer.
#[derive(Debug)]
pub(crate) struct Layer {
    section: Arc<Section>,
    /// Where its records begin.
    at: u64,
    pub nodes: u32,
    pub shape: Shape,
}

impl View {
    /// Opens a graph of `nodes` nodes in records of `shape`, with upper layers of `sizes` nodes, after comparing the sections' lengths.
    ///
    /// # Errors
    /// `Corrupt` when the sections have not the lengths that these sizes need.
    pub fn open(
        file: &SectionFile,
        nodes: u32,
        shape: Shape,
        sizes: &[u32],
        (starts, entries): (Vec<u32>, u32),
    ) -> Result<View> {
        let refuse = |why: &str| Err(file.file().corrupt(0, why));
        let too_many = |nodes: &u32| u64::from(*nodes) > limits::GRAPH_NODES;
        if sizes.len() > LAYERS || too_many(&nodes) || sizes.iter().any(too_many) {
            return refuse("a graph has at most 16 upper layers and 2^31 nodes");
        }
        if starts.iter().any(|s| *s >= nodes.max(1)) {
            return refuse("a graph starts at a node that it has not");
        }
        if !(1..=MOST_ENTRIES as u32).contains(&entries) {
            return refuse("a search starts from 1 to 16 nodes");
        }
        let record = shape.bytes() as u64;
        let section = file.expect(SectionKind::AnnNodes, 0, u64::from(nodes) * record)?;
        let base = Layer { section, at: 0, nodes, shape };
        let all: u64 = sizes.iter().map(|s| u64::from(*s)).sum();
        let section = file.expect(SectionKind::AnnLayers, 0, all * record)?;
        let mut upper = Vec::with_capacity(sizes.len());
        let mut at = 0;
        for nodes in sizes {
            upper.push(Layer { section: Arc::clone(&section), at, nodes: *nodes, shape });
            at += u64::from(*nodes) * record;
        }
        Ok(View { base, upper, starts, entries: entries as usize })
    }
}

impl View {
    /// How many nodes a search that keeps `ef` candidates starts from: one that looks for more of the neighbours has more to
    /// gain, where one start is not enough.
    pub fn entries(&self, ef: usize) -> usize {
        if self.entries == 1 { 1 } else { (self.entries * (1 + ef / 64)).min(MOST_ENTRIES).min(ef) }
    }
}

impl Layer {
    /// The record of a node.
    ///
    /// # Errors
    /// `Corrupt` when there is no such node or its bytes are damaged; `Io`.
    #[inline]
    pub fn node(&self, node: u32) -> Result<Node<'_>> {
        let bytes = self.bytes(node)?;
        self.shape.read(bytes).ok_or_else(|| self.missing(node))
    }

    #[inline]
    fn bytes(&self, node: u32) -> Result<&[u8]> {
        if node >= self.nodes {
            return Err(self.missing(node));
        }
        let len = self.shape.bytes() as u64;
        self.section.get(self.at + u64::from(node) * len, len)
    }

    #[cold]
    pub fn other_row(&self, node: u32, row: u32, wanted: u32) -> Error {
        self.section.corrupt(self.at, format!("node {node} is row {row}, not {wanted}"))
    }

    #[cold]
    fn missing(&self, node: u32) -> Error {
        self.section.corrupt(self.at, format!("there is no node {node} of {}", self.nodes))
    }
}
