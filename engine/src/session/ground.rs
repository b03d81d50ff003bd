//! What a search stands on, and what its stages read of single rows.
//!
//! Reads from: a snapshot's parts. Writes to: the caller's memory. Never: a row that the search has not found.

use std::time::Instant;

use foretaste_query::answer::Ranked;
use foretaste_query::index::{Query, RowRef, Source, read};
use foretaste_query::metric::Metric;
use foretaste_storage::key::Key;

use crate::error::Result;
use crate::request::Request;
use crate::revision::Stage;
use crate::scan::{Unit, key_of};
use crate::search::Cost;
use crate::session::{Halt, Row, Session};
use crate::snapshot::Snapshot;
use crate::state::Place;

/// What a search stands on.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub snapshot: &'a Snapshot,
    /// All parts that the snapshot shows.
    pub units: &'a [Unit<'a>],
    pub request: &'a Request,
    pub query: &'a Query,
    /// The query as long as it was given.
    pub whole: &'a [f32],
    pub started: Instant,
}

impl<'a> Ground<'a> {
    /// The score of a row at `distance` that is ranked by `rank`.
    pub fn score(&self, distance: f64, rank: f64) -> f64 {
        match self.query.uncertainty() {
            None => self.query.metric().score(distance),
            Some(_) => 0.0 - rank,
        }
    }

    /// What a row at `distance` is ranked by, smaller first.
    pub fn rank(&self, row: RowRef, distance: f64) -> foretaste_storage::Result<f64> {
        match self.weighted(row)? {
            None => Ok(distance),
            Some(added) => Ok(self.query.metric().squared(distance).unwrap_or(distance) + added),
        }
    }

    /// A row whose vector was compared.
    pub fn row(&self, ranked: &Ranked<RowRef>, stage: Stage) -> Result<Row> {
        let (row, rank) = (ranked.item, ranked.distance);
        let distance = self.distance_of(row, rank)?;
        Ok(Row { row, distance, score: self.score(distance, rank), error: 0.0, stage })
    }

    /// The distance of a row that is ranked by `rank`.
    fn distance_of(&self, row: RowRef, rank: f64) -> Result<f64> {
        let Some(added) = self.weighted(row)? else { return Ok(rank) };
        let squared = (rank - added).max(0.0);
        Ok(if self.query.metric() == Metric::L2 { squared.sqrt() } else { squared / 2.0 })
    }

    /// What a row's uncertainty adds to its rank, if it counts.
    fn weighted(&self, row: RowRef) -> foretaste_storage::Result<Option<f64>> {
        let Some(weight) = self.query.uncertainty() else { return Ok(None) };
        Ok(Some(weight * f64::from(self.trace(row, self.query.dims())?)))
    }

    /// The sum of a row's variances over its first `dims` dimensions.
    pub fn trace(&self, row: RowRef, dims: usize) -> foretaste_storage::Result<f32> {
        match self.units.get(row.source as usize) {
            Some(unit) => unit.rows.trace(row.row, dims),
            None => Ok(0.0),
        }
    }

    /// The nearest rows by another query, with this one's filter: `request` says how many and how.
    pub fn nearest(&self, query: &Query, request: &Request, halt: &Halt<'_>) -> Result<(Vec<Row>, Cost)> {
        let mut session = Session::new(Ground { request, query, ..*self })?;
        let rows = session.run(halt)?;
        Ok((rows, session.cost()))
    }

    /// Replaces `out` by the first `dims` numbers of a row's vector; those that it lacks are 0.
    pub fn vector(&self, row: RowRef, dims: usize, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        if let Some(unit) = self.units.get(row.source as usize) {
            read::rows(&unit.rows, row.row..row.row.saturating_add(1), dims, out)?;
        }
        Ok(())
    }

    /// Replaces `out` by numbers as the metric compares them: of length 1 under cosine.
    pub fn as_compared(&self, numbers: &[f32], out: &mut Vec<f32>) {
        let cosine = self.query.metric() == Metric::Cosine;
        out.clear();
        out.extend_from_slice(numbers);
        if cosine {
            to_unit(out);
        }
    }

    /// Replaces `out` by a row's variances over its first `dims` dimensions: one, where one stands for all.
    pub fn variance(&self, row: RowRef, dims: usize, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        let layout = self.snapshot.state.layout();
        if let (Some(unit), Some(kind)) = (self.units.get(row.source as usize), layout.variance) {
            unit.rows.variance(row.row, layout.planes_for(dims), kind, out)?;
        }
        Ok(())
    }

    /// Where a row is.
    pub fn place(&self, row: RowRef) -> Option<Place> {
        self.units.get(row.source as usize).map(|unit| unit.place(row.row))
    }

    /// Whether a row is one that the search may find, apart from its filter.
    pub fn counts(&self, row: RowRef) -> Result<bool> {
        match self.units.get(row.source as usize) {
            Some(unit) => Ok(unit.accepts(row.row, None)?),
            None => Ok(false),
        }
    }

    /// The key of a row.
    pub fn key(&self, row: RowRef) -> Result<Key> {
        Ok(key_of(self.snapshot, self.units, row)?)
    }
}

/// Brings a vector to length 1, unless it is zero.
pub(crate) fn to_unit(vector: &mut [f32]) {
    let norm = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}
