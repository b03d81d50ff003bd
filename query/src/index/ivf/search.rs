//! A search in an inverted file: centroids by distance, then cells, nearest first.
//!
//! All rows of a cell are estimated by their low-bit codes; a row whose estimate is below the distance of the last one wanted
//! so far, by more than the estimate may be off, is compared by its 8-bit code. A search stands still between cells and can be
//! looked at, and it goes on beyond `nprobe` cells as long as fewer rows are found than are wanted.
//!
//! Reads from: a view. Writes to: a scratch. Never: a row met twice; every row is in one cell.

use foretaste_storage::Result;

use crate::codes::CodedQuery;
use crate::index::hnsw::Pool;
use crate::index::ivf::view::View;
use crate::index::{Accept, Found};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// Of so many times the cells to go through, and so many more, the centroids are compared by their 8-bit codes.
const RANKED: (usize, usize) = (2, 32);

/// Memory that searches use again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Squared distance of each centroid, as the bits of an f32, then the cell.
    order: Vec<u64>,
    pool: Pool,
    /// Rows found, in the order they were met.
    pub found: Vec<Found>,
}

/// A search, between two cells.
#[derive(Debug)]
pub(crate) struct Probe<'a> {
    view: &'a View,
    kernels: &'static Kernels,
    nprobe: usize,
    /// Cells in their final order.
    ranked: usize,
    /// Cells gone through.
    pub cells: usize,
    /// Rows that were estimated.
    pub steps: u64,
    /// Rows whose own codes were compared.
    pub compared: u64,
    /// Rows that were met and refused.
    pub refused: u64,
}

impl<'a> Probe<'a> {
    /// Ranks the centroids for a search through `nprobe` cells (at least 1) for the `wanted` nearest rows.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn start(
        view: &'a View,
        query: &CodedQuery,
        nprobe: usize,
        wanted: usize,
        scratch: &mut Scratch,
    ) -> Result<Probe<'a>> {
        let kernels = Kernels::get();
        scratch.found.clear();
        scratch.pool.reset(wanted.min(view.layout.rows as usize));
        scratch.order.clear();
        let (edges, mut estimates) = (query.edges(), [0f32; BUNDLE]);
        for bundle in view.centroid_bundles()?.chunks_exact(view.layout.edges.bytes()) {
            kernels.expand(&edges, query.norm(), bundle, f32::INFINITY, &mut estimates);
            let cell = scratch.order.len() as u32;
            scratch.order.extend(estimates.iter().zip(cell..).map(|(estimate, cell)| key(*estimate, cell)));
        }
        scratch.order.truncate(view.layout.cells as usize);
        let nprobe = nprobe.max(1);
        let probe = Probe { view, kernels, nprobe, ranked: 0, cells: 0, steps: 0, compared: 0, refused: 0 };
        Ok(probe)
    }

    /// Goes through at most `cells` more cells. Returns whether there is more to do.
    ///
    /// # Errors
    /// `Corrupt`, `Io`, and those of `accept`.
    pub fn advance(
        &mut self,
        query: &CodedQuery,
        cells: usize,
        accept: Option<&Accept<'_>>,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        for _ in 0..cells {
            if self.cells >= self.nprobe && scratch.pool.is_full() {
                return Ok(false);
            }
            if self.cells == self.ranked {
                self.rank(query, scratch)?;
            }
            let Some(next) = scratch.order.get(self.cells) else { return Ok(false) };
            let (base, cell) = (f32::from_bits((next >> 32) as u32), *next as u32);
            let after = scratch.order.get(self.cells + 1).map(|next| *next as u32);
            let after = match after.filter(|_| self.cells + 1 < self.nprobe) {
                Some(after) => self.view.cell(after)?.1,
                None => &[],
            };
            self.scan(query, (base, cell), after, accept, scratch)?;
            self.cells += 1;
        }
        Ok(true)
    }

    /// How far the search has come for the nearest `count`: the squared distance of the next cell's centroid over that of the
    /// last of them. Infinity when there is no cell left, 0 when there are not as many yet.
    pub fn reach(&self, count: usize, scratch: &Scratch) -> f32 {
        let last = scratch.pool.distance(count.saturating_sub(1));
        match scratch.order.get(self.cells) {
            None => f32::INFINITY,
            Some(_) if last == f32::INFINITY || self.cells == self.ranked => 0.0,
            Some(next) => f32::from_bits((next >> 32) as u32) / last.max(f32::MIN_POSITIVE),
        }
    }

    /// Puts the next cells in order, those that seem nearest by the centroids' low-bit codes.
    fn rank(&mut self, query: &CodedQuery, scratch: &mut Scratch) -> Result<()> {
        let rest = scratch.order.get_mut(self.ranked..).unwrap_or_default();
        // Each time twice as many as before, so that going through all of them is not quadratic.
        let count = self.nprobe.max(self.ranked).saturating_mul(RANKED.0).saturating_add(RANKED.1);
        let count = count.min(rest.len());
        if count < rest.len() {
            rest.select_nth_unstable(count);
        }
        let next = rest.get_mut(..count).unwrap_or_default();
        for entry in next.iter_mut() {
            let cell = *entry as u32;
            *entry = key(query.distance(self.kernels, self.view.centroid(cell)?.0), cell);
        }
        next.sort_unstable();
        self.ranked += count;
        Ok(())
    }

    /// Estimates the rows of a cell at squared distance `base`, and compares those that may be near; on the way it asks for
    /// the bundles of the cell `after` it.
    fn scan(
        &mut self,
        query: &CodedQuery,
        (base, cell): (f32, u32),
        after: &[u8],
        accept: Option<&Accept<'_>>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let view = self.view;
        let (edges, mut estimates) = (query.edges(), [0f32; BUNDLE]);
        let margin = view.slack * (base * view.centroid(cell)?.1).sqrt();
        let (cell, bundles) = view.cell(cell)?;
        self.steps += u64::from(cell.rows);
        let mut first = 0;
        let bytes = view.layout.edges.bytes();
        let mut after = after.chunks_exact(bytes);
        for bundle in bundles.chunks_exact(bytes) {
            if let Some(after) = after.next() {
                self.kernels.prefetch(after);
            }
            let limit = scratch.pool.limit() + margin;
            let below = self.kernels.expand(&edges, base, bundle, limit, &mut estimates);
            let mut below = below.unwrap_or_default();
            while below != 0 {
                let place = below.trailing_zeros();
                below &= below - 1;
                // The limit falls on the way; and places beyond the cell's rows are empty, whatever the bytes say.
                let far = estimates[place as usize] >= scratch.pool.limit() + margin;
                if far || first + place >= cell.rows {
                    continue;
                }
                let position = cell.first + first + place;
                let head = view.head(position)?;
                let row = head[0];
                if let Some(accept) = accept
                    && !accept(row)?
                {
                    self.refused += 1;
                    continue;
                }
                self.compared += 1;
                let squared = query.distance(self.kernels, view.code(position, head)?);
                if squared < scratch.pool.limit() {
                    scratch.pool.insert(squared, position);
                    scratch.found.push(Found { row, squared });
                }
            }
            first += BUNDLE as u32;
        }
        Ok(())
    }
}

/// A number that is ordered as the squared distance, then the cell.
#[inline]
fn key(squared: f32, cell: u32) -> u64 {
    // Of numbers that are not negative the bits are ordered as they are; NaN counts as nothing.
    u64::from(squared.max(0.0).to_bits()) << 32 | u64::from(cell)
}
