//! A search in a graph among the rows that pass a filter.
//!
//! A record has estimates for all of a node's neighbours, so a search sees about ten times as many nodes as it reads. It keeps
//! two lists: the nearest nodes of all, which lead through the graph whether their rows pass or not, and the nearest whose
//! rows pass, seen as neighbours of what was read; so rows that pass are met across those that do not (the two hops of
//! ACORN: Patel et al., 2024). It reads the nearest of all until enough rows that pass are nearer than the next, then the
//! nearest of those that pass. When fewer are met than the filter lets through elsewhere, the rows that pass are not where
//! the query is: then nodes spread over the whole graph are tried, and the search goes on among those that pass alone, with
//! more of them; or gives up, if comparing all of them is cheaper. In the end the rows that pass and were only seen are
//! compared by their own codes.
//!
//! Reads from: a view. Writes to: a scratch. Never: a row found that does not pass.

use foretaste_storage::Result;
use foretaste_storage::section::Section;

use crate::codes::CodedQuery;
use crate::index::hnsw::compare::{Numbers, compare_nodes};
use crate::index::hnsw::effort::Effort;
use crate::index::hnsw::look::look;
use crate::index::hnsw::search::{Beam, Coming, LINES, Scratch};
use crate::index::hnsw::view::{Layer, View};
use crate::index::{Accept, Found};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// Nodes spread over the graph that are tried when few rows that pass were met, and most of them that are compared.
const SPREAD: u32 = 1024;
const SEEDS: usize = 64;
/// The search goes on among the rows that pass alone when of the rows met less than this part of those expected pass.
const SPARSE: f32 = 0.25;

/// A search over the base layer, between two steps.
#[derive(Debug)]
pub(crate) struct Filtered<'a> {
    beam: Beam<'a>,
    view: &'a View,
    kernels: &'static Kernels,
    /// The row of every node.
    rows: Numbers<'a>,
    effort: Effort,
    /// Whether only nodes whose rows pass are read from here on.
    alone: bool,
    /// Whether it ended because comparing all rows that pass is cheaper than going on.
    pub gave_up: bool,
    /// Rows that were met and refused.
    pub refused: u64,
    accepted: u64,
    /// Nodes whose own codes alone were compared.
    pub compared: u64,
}

impl<'a> Filtered<'a> {
    /// Goes down the upper layers; `rows` has the row of every node.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn start(
        view: &'a View,
        rows: &'a Section,
        query: &CodedQuery,
        effort: Effort,
        scratch: &mut Scratch,
    ) -> Result<Filtered<'a>> {
        let nodes = view.base.nodes as usize;
        let beam = Beam::start(view, query, effort.least, None, scratch)?;
        scratch.pool.widen(effort.kept.min(nodes));
        scratch.read.reset(nodes);
        scratch.passing.reset(effort.kept_passing.min(nodes));
        Ok(Filtered {
            beam,
            view,
            kernels: Kernels::get(),
            rows: Numbers::of_nodes(rows, view)?,
            effort,
            alone: false,
            gave_up: false,
            refused: 0,
            accepted: 0,
            compared: 0,
        })
    }

    /// Nodes read so far, those of the upper layers too.
    pub fn steps(&self) -> u64 {
        self.beam.steps
    }

    /// Goes on for at most `steps` steps. Returns whether there is more to do.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, and those of `accept`.
    pub fn advance(
        &mut self,
        query: &CodedQuery,
        steps: u64,
        accept: &Accept<'_>,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let layer = &self.view.base;
        let edges = query.edges();
        let mut estimates = [0f32; BUNDLE];
        let end = self.beam.steps.saturating_add(steps);
        while self.beam.steps < end {
            let taken = match scratch.ahead.take() {
                Some(taken) => taken,
                None => match self.take(query, accept, scratch)? {
                    Some(taken) => taken,
                    None => return Ok(false),
                },
            };
            if !scratch.read.mark(taken) {
                continue;
            }
            let node = layer.node(taken)?;
            scratch.ahead = self.ready(scratch);
            let mut coming = Coming::new(self.kernels, layer, scratch.ahead)?;
            coming.fetch(LINES);
            let distance = query.distance(self.kernels, node.code());
            self.beam.steps += 1;
            let row = node.row();
            if accept(row)? {
                scratch.found.push(Found { row, squared: distance });
            }
            if layer.shape.edges.is_none() {
                self.compare_neighbors(layer, taken, query, accept, scratch)?;
                coming.fetch(usize::MAX);
                continue;
            }
            for bundle in 0..layer.shape.degree / BUNDLE {
                let limit = scratch.pool.limit().max(scratch.passing.limit());
                let below = self.kernels.expand(&edges, distance, node.bundle(bundle), limit, &mut estimates);
                let mut below = below.unwrap_or_default();
                coming.fetch(LINES);
                while below != 0 {
                    coming.fetch(LINES / 4);
                    let place = below.trailing_zeros() as usize;
                    below &= below - 1;
                    self.offer(estimates[place], node.neighbor(bundle * BUNDLE + place), accept, scratch)?;
                }
            }
            coming.fetch(usize::MAX);
        }
        Ok(true)
    }

    /// Appends to `found` the rows of the `count` nodes whose rows pass and that it would read next.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, and those of `accept`.
    pub fn look(
        &self,
        query: &CodedQuery,
        accept: &Accept<'_>,
        count: usize,
        scratch: &Scratch,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        look(&self.view.base, query, &scratch.passing, Some(accept), count, found)
    }

    /// Compares the rows that pass and whose nodes were not read.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn finish(&mut self, query: &CodedQuery, scratch: &mut Scratch) -> Result<()> {
        let Scratch { passing, read, fresh, found, .. } = scratch;
        fresh.clear();
        fresh.extend(passing.iter().map(|(_, node)| node).filter(|node| read.mark(*node)));
        self.compare(query, fresh, |_, row| found.push(row))
    }

    /// Whether the nearest nodes of all are still to be read.
    fn is_among_all(&self, scratch: &Scratch) -> bool {
        !self.alone
            && match scratch.pool.ahead() {
                _ if scratch.pool.before() < self.effort.least => true,
                Some(distance) => distance < scratch.passing.distance(self.effort.sure),
                None => scratch.passing.distance(self.effort.sure) == f32::INFINITY,
            }
    }

    /// The node to read next, when there is one without going elsewhere.
    fn ready(&self, scratch: &mut Scratch) -> Option<u32> {
        let next = match self.is_among_all(scratch) {
            true if self.is_sparse(scratch) => None,
            true => scratch.pool.take(),
            false => scratch.passing.take_among(self.effort.passing),
        };
        next.map(|(_, node)| node)
    }

    /// The node to read next.
    fn take(
        &mut self,
        query: &CodedQuery,
        accept: &Accept<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<u32>> {
        if let Some(node) = self.ready(scratch) {
            return Ok(Some(node));
        }
        if self.is_among_all(scratch) {
            if !self.is_sparse(scratch)
                && let Some((_, node)) = self.beam.next_start(scratch)
            {
                return Ok(Some(node));
            }
            self.alone = true;
            let passing = self.effort.alone;
            if self.effort.otherwise < self.beam.steps.saturating_add(passing as u64) {
                self.gave_up = true;
                return Ok(None);
            }
            self.effort.passing = passing;
            scratch.passing.widen(passing.min(self.view.base.nodes as usize));
            self.try_spread(query, accept, scratch)?;
        }
        Ok(self.ready(scratch))
    }

    /// Whether much fewer of the rows met pass than of all rows, after some steps.
    fn is_sparse(&self, scratch: &Scratch) -> bool {
        let met = (self.accepted + self.refused) as f32;
        scratch.pool.before() >= self.effort.least
            && !scratch.passing.is_full()
            && (self.accepted as f32) < met * self.effort.share * SPARSE
    }

    /// Offers nodes from all over the graph whose rows pass.
    #[cold]
    fn try_spread(&mut self, query: &CodedQuery, accept: &Accept<'_>, scratch: &mut Scratch) -> Result<()> {
        let nodes = self.view.base.nodes;
        // Near rows have near nodes: what is spread over the numbers is spread over the rows. Multiples of the golden
        // ratio are so at any moment.
        scratch.fresh.clear();
        for i in 1..=SPREAD.min(nodes) {
            if scratch.fresh.len() >= SEEDS {
                break;
            }
            let node = ((u64::from(i.wrapping_mul(0x9e37_79b9)) * u64::from(nodes)) >> 32) as u32;
            if accept(self.rows.get(node)?)? && scratch.seen.mark(node) {
                scratch.fresh.push(node);
            }
        }
        let Scratch { passing, fresh, .. } = scratch;
        self.compare(query, fresh, |node, found| passing.insert(found.squared, node))
    }

    /// Compares nodes by their own codes.
    fn compare(&mut self, query: &CodedQuery, nodes: &[u32], each: impl FnMut(u32, Found)) -> Result<()> {
        self.compared += nodes.len() as u64;
        let places = nodes.iter().map(|node| Ok((*node, self.rows.get(*node)?)));
        compare_nodes(&self.view.base, query, places, each)
    }

    /// A node that was seen at an estimated distance.
    #[inline]
    fn offer(&mut self, estimate: f32, node: u32, accept: &Accept<'_>, scratch: &mut Scratch) -> Result<()> {
        if !scratch.seen.mark(node) {
            return Ok(());
        }
        if estimate < scratch.pool.limit() {
            scratch.pool.insert(estimate, node);
        }
        self.offer_passing(estimate, node, accept, scratch)
    }

    #[inline]
    fn offer_passing(
        &mut self,
        estimate: f32,
        node: u32,
        accept: &Accept<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if estimate < scratch.passing.limit() {
            match accept(self.rows.get(node)?)? {
                true => {
                    self.accepted += 1;
                    scratch.passing.insert(estimate, node);
                }
                false => self.refused += 1,
            }
        }
        Ok(())
    }

    /// Offers the neighbours of a node by their own codes.
    fn compare_neighbors(
        &mut self,
        layer: &Layer,
        taken: u32,
        query: &CodedQuery,
        accept: &Accept<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let node = layer.node(taken)?;
        for place in 0..layer.shape.degree {
            let neighbor = node.neighbor(place);
            if neighbor < layer.nodes {
                self.kernels.prefetch(layer.node(neighbor)?.code_bytes());
            }
        }
        for place in 0..layer.shape.degree {
            let neighbor = node.neighbor(place);
            if neighbor < layer.nodes {
                let distance = query.distance(self.kernels, layer.node(neighbor)?.code());
                self.offer(distance, neighbor, accept, scratch)?;
            }
        }
        Ok(())
    }
}
