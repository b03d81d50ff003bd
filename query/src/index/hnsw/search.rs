//! A search in a graph: down the upper layers, then a beam over the base layer.
//!
//! A step takes the nearest candidate, reads its record, and has the node's distance by its own code and estimates for all its
//! neighbours by theirs. Rows whose node was taken are what is found. A search stands still between steps and can be looked at.
//!
//! Reads from: a view. Writes to: a scratch. Never: a neighbour that is not in the graph followed.

use foretaste_storage::Result;

use crate::codes::CodedQuery;
use crate::index::hnsw::entries::on_the_way;
use crate::index::hnsw::look::look;
use crate::index::hnsw::pool::Pool;
use crate::index::hnsw::seen::Seen;
use crate::index::hnsw::view::{Layer, View};
use crate::index::{Accept, Found};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// Lines of the next record that are asked for at a time. A core waits for no more than some 16 lines at once: asked for in one
/// piece, a record would be waited for there, and not while the one before it is compared.
pub(super) const LINES: usize = 8;

/// Memory that searches use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) pool: Pool,
    pub(super) seen: Seen,
    /// Taken from the pool, and being read into the cache while the node before it is compared.
    pub(super) ahead: Option<u32>,
    /// Nodes that the next layer is begun from.
    entries: Vec<u32>,
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

/// What of the next record was not asked for yet.
pub(super) struct Coming<'a> {
    kernels: &'static Kernels,
    bytes: &'a [u8],
}

impl<'a> Coming<'a> {
    /// The record of a node of `layer`, if there is a next one.
    #[inline]
    pub fn new(kernels: &'static Kernels, layer: &'a Layer, next: Option<u32>) -> Result<Coming<'a>> {
        let bytes = match next {
            Some(next) => layer.node(next)?.bytes(),
            None => &[],
        };
        Ok(Coming { kernels, bytes })
    }

    #[inline]
    pub fn fetch(&mut self, lines: usize) {
        let (now, later) = self.bytes.split_at(lines.saturating_mul(64).min(self.bytes.len()));
        self.kernels.prefetch(now);
        self.bytes = later;
    }
}

impl Scratch {
    /// See [`Pool::reach`]; of all candidates, or of those that pass a filter.
    pub fn reach(&self, count: usize) -> f32 {
        self.pool.reach(count)
    }

    pub fn reach_passing(&self, count: usize) -> f32 {
        self.passing.reach(count)
    }

    /// Forgets all and puts a beam that keeps `ef` candidates at the entries.
    fn begin(&mut self, layer: &Layer, ef: usize) {
        self.found.clear();
        self.seen.reset(layer.nodes as usize);
        self.pool.reset_for_taking(ef);
        self.ahead = None;
        for entry in &self.entries {
            if self.seen.mark(*entry) {
                self.pool.insert(f32::MAX, *entry);
            }
        }
    }
}

impl<'a> Beam<'a> {
    /// Goes down the upper layers and puts the beam at the nearest nodes found; it will keep `ef` candidates, and not come to the
    /// node `without` of the base layer.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn start(
        view: &'a View,
        query: &CodedQuery,
        ef: usize,
        without: Option<u32>,
        scratch: &mut Scratch,
    ) -> Result<Beam<'a>> {
        let mut beam = Beam { view, kernels: Kernels::get(), starts: &[], steps: 0, refused: 0 };
        scratch.entries.clear();
        scratch.entries.push(0);
        for (depth, layer) in view.upper.iter().enumerate().rev() {
            let entries = on_the_way(depth, view.entries(ef));
            scratch.begin(layer, entries);
            while beam.walk(layer, query, u64::MAX, None, scratch)? {}
            // A record of an upper layer names its node in the layer below.
            let Scratch { found, entries: below, .. } = scratch;
            found.sort_unstable_by(|a, b| a.squared.total_cmp(&b.squared));
            below.clear();
            below.extend(found.iter().take(entries).map(|found| found.row));
        }
        beam.starts = &view.starts;
        scratch.entries.retain(|entry| Some(*entry) != without);
        scratch.begin(&view.base, ef);
        if let Some(without) = without {
            scratch.seen.mark(without);
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
        let view = self.view;
        self.walk(&view.base, query, steps, accept, scratch)
    }

    /// Appends to `found` the rows of the `count` nodes that it would read next.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, and those of `accept`.
    pub fn look(
        &self,
        query: &CodedQuery,
        accept: Option<&Accept<'_>>,
        count: usize,
        scratch: &Scratch,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        look(&self.view.base, query, &scratch.pool, accept, count, found)
    }

    /// [`Beam::advance`] in one layer.
    fn walk(
        &mut self,
        layer: &Layer,
        query: &CodedQuery,
        steps: u64,
        accept: Option<&Accept<'_>>,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let edges = query.edges();
        let mut estimates = [0f32; BUNDLE];
        for _ in 0..steps {
            let taken = match scratch.ahead.take() {
                Some(taken) => taken,
                None => match scratch.pool.take().or_else(|| self.next_start(scratch)) {
                    Some((_, taken)) => taken,
                    None => return Ok(false),
                },
            };
            let node = layer.node(taken)?;
            scratch.ahead = scratch.pool.take().map(|(_, next)| next);
            let mut coming = Coming::new(self.kernels, layer, scratch.ahead)?;
            let distance = query.distance(self.kernels, node.code());
            coming.fetch(LINES);
            self.steps += 1;
            let row = node.row();
            match accept {
                Some(accept) if !accept(row)? => self.refused += 1,
                _ => scratch.found.push(Found { row, squared: distance }),
            }
            if layer.shape.edges.is_none() {
                self.compare_neighbors(layer, taken, query, scratch)?;
                coming.fetch(usize::MAX);
                continue;
            }
            for bundle in 0..layer.shape.degree / BUNDLE {
                let limit = scratch.pool.limit();
                let below = self.kernels.expand(&edges, distance, node.bundle(bundle), limit, &mut estimates);
                let mut below = below.unwrap_or_default();
                coming.fetch(LINES);
                while below != 0 {
                    coming.fetch(LINES / 4);
                    let place = below.trailing_zeros() as usize;
                    below &= below - 1;
                    let neighbor = node.neighbor(bundle * BUNDLE + place);
                    if scratch.seen.mark(neighbor) {
                        scratch.pool.insert(estimates[place], neighbor);
                    }
                }
            }
            coming.fetch(usize::MAX);
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
