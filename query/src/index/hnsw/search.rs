//! A search in a graph: down the upper layers, then a beam over the base layer.
//!
//! A step takes the nearest candidate, reads its record, and has the node's distance by its own code and estimates for all its
//! neighbours by theirs. Rows whose node was taken are what is found. A search stands still between steps and can be looked at.
//!
//! Reads from: a view. Writes to: a scratch. Never: a neighbour that is not in the graph followed.

use foretaste_storage::Result;

use crate::codes::CodedQuery;
use crate::index::hnsw::pool::Pool;
use crate::index::hnsw::seen::Seen;
use crate::index::hnsw::view::{Layer, View};
use crate::index::{Accept, Found};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// Candidates kept in the upper layers.
const UPPER_BEAM: usize = 2;

/// Memory that searches use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) pool: Pool,
    pub(super) seen: Seen,
    /// Neighbours of one node that were not met before.
    pub(super) fresh: Vec<u32>,
    /// Of a search with a filter: the nearest nodes whose rows pass, and the nodes that were read.
    pub(super) passing: Pool,
    pub(super) read: Seen,
    /// Rows found, in the order they were met.
    pub found: Vec<Found>,
}

/// A search over the base layer, between two steps.
#[derive(Debug)]
pub(crate) struct Beam<'a> {
    view: &'a View,
    kernels: &'static Kernels,
    /// Starts that were not tried yet.
    starts: &'a [u32],
    /// Nodes read so far, those of the upper layers too.
    pub steps: u64,
    /// Rows that were met and refused.
    pub refused: u64,
}

impl<'a> Beam<'a> {
    /// Goes down the upper layers and puts the beam at the nearest node found; it will keep `ef` candidates.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn start(view: &'a View, query: &CodedQuery, ef: usize, scratch: &mut Scratch) -> Result<Beam<'a>> {
        let mut beam = Beam { view, kernels: Kernels::get(), starts: &view.starts, steps: 0, refused: 0 };
        let mut entry: Option<(f32, u32)> = None;
        for (depth, layer) in view.upper.iter().enumerate().rev() {
            let top = depth + 1 == view.upper.len();
            let mut best = beam.descend(layer, query, entry.map(|e| e.1), top, scratch)?;
            if let Some((_, node)) = &mut best {
                // A record of an upper layer names its node in the layer below.
                *node = layer.node(*node)?.row();
            }
            entry = best;
        }
        scratch.found.clear();
        scratch.seen.reset(view.base.nodes as usize);
        scratch.pool.reset(ef);
        if let Some((distance, node)) = entry
            && scratch.seen.mark(node)
        {
            scratch.pool.insert(distance, node);
        }
        Ok(beam)
    }

    /// Goes on for at most `steps` steps. Returns whether there is more to do.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, and those of `accept`.
    pub fn advance(
        &mut self,
        query: &CodedQuery,
        steps: u64,
        accept: Option<&Accept<'_>>,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let layer = &self.view.base;
        let edges = query.edges();
        let mut estimates = [0f32; BUNDLE];
        for _ in 0..steps {
            let Some((_, taken)) = scratch.pool.take().or_else(|| self.next_start(scratch)) else {
                return Ok(false);
            };
            let node = layer.node(taken)?;
            if let Some(next) = scratch.pool.peek() {
                self.kernels.prefetch(layer.node(next)?.bytes());
            }
            let distance = query.distance(self.kernels, node.code());
            self.steps += 1;
            let row = node.row();
            match accept {
                Some(accept) if !accept(row)? => self.refused += 1,
                _ => scratch.found.push(Found { row, squared: distance }),
            }
            if layer.shape.edges.is_none() {
                self.compare_neighbors(layer, taken, query, scratch)?;
                continue;
            }
            for bundle in 0..layer.shape.degree / BUNDLE {
                let limit = scratch.pool.limit();
                let below = self.kernels.expand(&edges, distance, node.bundle(bundle), limit, &mut estimates);
                let mut below = below.unwrap_or_default();
                while below != 0 {
                    let place = below.trailing_zeros() as usize;
                    below &= below - 1;
                    let neighbor = node.neighbor(bundle * BUNDLE + place);
                    if scratch.seen.mark(neighbor) {
                        scratch.pool.insert(estimates[place], neighbor);
                    }
                }
            }
        }
        Ok(true)
    }

    /// A start that was not met, for when the beam has run dry: only then can there be parts it did not come to.
    #[cold]
    pub(super) fn next_start(&mut self, scratch: &mut Scratch) -> Option<(f32, u32)> {
        if scratch.pool.is_full() {
            return None;
        }
        while let Some((start, rest)) = self.starts.split_first() {
            self.starts = rest;
            if scratch.seen.mark(*start) {
                scratch.pool.insert(f32::MAX, *start);
                return scratch.pool.take();
            }
        }
        None
    }

    /// The nearest nodes of an upper layer.
    fn descend(
        &mut self,
        layer: &Layer,
        query: &CodedQuery,
        entry: Option<u32>,
        top: bool,
        scratch: &mut Scratch,
    ) -> Result<Option<(f32, u32)>> {
        let mut best: Option<(f32, u32)> = None;
        let nearer = |best: &mut Option<(f32, u32)>, found: (f32, u32)| {
            if best.is_none_or(|b| found.0 < b.0) {
                *best = Some(found);
            }
        };
        if top {
            for node in 0..layer.nodes {
                nearer(&mut best, (query.distance(self.kernels, layer.node(node)?.code()), node));
                self.steps += 1;
            }
            return Ok(best);
        }
        scratch.seen.reset(layer.nodes as usize);
        scratch.pool.reset(UPPER_BEAM);
        if let Some(entry) = entry.filter(|e| *e < layer.nodes) {
            scratch.seen.mark(entry);
            scratch.pool.insert(query.distance(self.kernels, layer.node(entry)?.code()), entry);
        }
        while let Some(taken) = scratch.pool.take() {
            nearer(&mut best, taken);
            self.compare_neighbors(layer, taken.1, query, scratch)?;
        }
        Ok(best)
    }

    /// Offers the neighbours of a node by their own codes.
    fn compare_neighbors(
        &mut self,
        layer: &Layer,
        taken: u32,
        query: &CodedQuery,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let node = layer.node(taken)?;
        // All that were not seen first, so that the reads that follow do not wait for each other.
        scratch.fresh.clear();
        for place in 0..layer.shape.degree {
            let neighbor = node.neighbor(place);
            if scratch.seen.mark(neighbor) {
                self.kernels.prefetch(layer.node(neighbor)?.code_bytes());
                scratch.fresh.push(neighbor);
            }
        }
        for i in 0..scratch.fresh.len() {
            let neighbor = scratch.fresh[i];
            let distance = query.distance(self.kernels, layer.node(neighbor)?.code());
            self.steps += 1;
            if distance < scratch.pool.limit() {
                scratch.pool.insert(distance, neighbor);
            }
        }
        Ok(())
    }
}
