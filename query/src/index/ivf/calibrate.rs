//! How far low-bit estimates are off for rows that matter: the nearest ones of a query.
//!
//! The error of an estimate comes from the angle between the query and the row, both seen from the centroid: it grows with
//! both distances, so that it is measured as a part of the root of the product of their squares.
//!
//! Reads from: an inverted file in memory. Writes to: nothing. Never: the query's own row, which is no neighbour.

use crate::codes::CodedQuery;
use crate::codes::edges::EdgeWriter;
use crate::codes::rows::{RowCode, between};
use crate::index::ivf::build::{Bundler, Cells};
use crate::kernel::Kernels;
use crate::kernel::codes::BUNDLE;

/// Cells around a query that its nearest rows are looked for in.
const CELLS: usize = 8;
/// Nearest rows of a query.
const NEAREST: usize = 32;
/// The part of the nearest rows whose estimates may be off by more than is allowed for.
const MISSED: f64 = 0.001;

impl Cells {
    /// The nearest rows that the cells around row `row` have, without itself, with their estimated squared distances by
    /// 8-bit codes.
    fn nearest(&self, query: &CodedQuery, row: u32) -> Vec<(f32, u32)> {
        let kernels = Kernels::get();
        let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let mut cells: Vec<(f32, u32)> = (0..self.centroids.len())
            .map(|cell| (query.distance(kernels, self.centroids.get(cell)), cell as u32))
            .collect();
        cells.sort_unstable_by(order);
        let members = cells.iter().take(CELLS).flat_map(|(_, cell)| &self.members[*cell as usize]);
        let mut rows: Vec<(f32, u32)> = members
            .filter(|other| **other != row)
            .map(|other| (query.distance(kernels, self.codes.get(*other as usize)), *other))
            .collect();
        rows.sort_unstable_by(order);
        rows.truncate(NEAREST);
        rows
    }

    /// The nearest rows of row `row`, coded as `query`, with their codes.
    pub fn neighbors(&self, query: &CodedQuery, row: u32) -> Vec<(u32, RowCode<'_>)> {
        self.nearest(query, row).into_iter().map(|(_, row)| (row, self.codes.get(row as usize))).collect()
    }

    /// Appends by how much the low-bit estimates exceed those by 8-bit codes, for the nearest rows of row `row`, coded as
    /// `query`.
    pub fn push_excess(&self, query: &CodedQuery, row: u32, out: &mut Vec<f32>) {
        let kernels = Kernels::get();
        let mut bundler = Bundler::new(&self.codes, self.edges);
        let (mut bundle, mut estimates) = (vec![0; self.edges.bytes()], [0f32; BUNDLE]);
        for (squared, row) in self.nearest(query, row) {
            let (row, cell) = (row as usize, self.of[row as usize] as usize);
            let centroid = self.centroids.get(cell);
            let base = query.distance(kernels, centroid).max(0.0);
            let scale = (base * self.spreads[cell]).sqrt();
            EdgeWriter::clear(&mut bundle);
            bundler.refer(&self.centroids, cell);
            bundler.put(&mut bundle, 0, row, between(kernels, centroid, self.codes.get(row)));
            kernels.expand(&query.edges(), base, &bundle, f32::INFINITY, &mut estimates);
            if scale > 0.0 {
                out.push((estimates[0] - squared) / scale);
            }
        }
    }
}

/// What all but one in a thousand of the excesses stay below.
pub(crate) fn slack(excess: &mut [f32]) -> f32 {
    let at = (excess.len() as f64 * (1.0 - MISSED)).ceil() as usize;
    excess.sort_unstable_by(f32::total_cmp);
    let bound = at.checked_sub(1).and_then(|at| excess.get(at)).copied().unwrap_or_default();
    if bound.is_finite() { bound.max(0.0) } else { 0.0 }
}
