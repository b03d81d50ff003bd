//! The rows that wait to be embedded again, in their order.
//!
//! Reads from: a snapshot. Writes to: memory. Never: a row that is in the other space already.

use std::sync::Arc;

use foretaste_query::space::{Adapter, ErrorModel};
use foretaste_storage::codec::check::sum;
use foretaste_storage::key::Key;
use foretaste_storage::rows::Rows;

use crate::error::{Error, Result};
use crate::member::Role;
use crate::snapshot::{Record, Snapshot};
use crate::state::Place;

/// About so many rows, chosen without a pattern, are embedded before all others where an order is asked for: by what their two vectors
/// say, scores of the old space are brought to the scale of the new one, and the rows that come first in an order are not like
/// those that wait.
const SAMPLE: u64 = 1000;

/// Rows whose expected error is estimated at a time.
const RUN: usize = 4096;

/// Which rows are embedded first, behind about a thousand that are chosen without a pattern, by which mixed answers are calibrated.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Order {
    /// As they are stored.
    #[default]
    Stored,
    /// Those with the largest sum of variances first.
    Variance,
    /// Those first whose mapped vectors are expected to be farthest from what the new model will say (FastFill: Jaeckle et al., ICLR
    /// 2023, arXiv 2303.04766).
    ExpectedError {
        /// What says how wrong a mapped row is.
        model: Arc<ErrorModel>,
        /// The map from the collection's space into the other one that the model was fitted with.
        adapter: Arc<Adapter>,
    },
}

/// Rows that wait, as they were when this was made.
#[derive(Debug)]
pub struct Backfill {
    snapshot: Snapshot,
    places: std::vec::IntoIter<Place>,
}

/// A row that waits.
#[derive(Debug, Clone)]
pub struct PendingRow {
    /// What is stored.
    pub record: Record,
    /// The document's bytes.
    pub(super) document: Vec<u8>,
}

impl Backfill {
    pub(super) fn new(snapshot: Snapshot, order: Order) -> Result<Backfill> {
        let mut places = Vec::new();
        if let Some(member) = snapshot.member(&Role::Change) {
            for place in snapshot.places() {
                if member.state.find(&snapshot.key_of(&place)?, snapshot.seq)?.is_none() {
                    places.push(place);
                }
            }
        }
        let urgency = match &order {
            Order::Stored => None,
            Order::Variance => Some(variances(&snapshot, &places)?),
            Order::ExpectedError { model, adapter } => Some(expected(&snapshot, &places, model, adapter)?),
        };
        if let Some(urgency) = urgency {
            let all = snapshot.len();
            let mut ordered = Vec::with_capacity(places.len());
            for (urgency, place) in urgency.into_iter().zip(places) {
                ordered.push((in_sample(&snapshot.key_of(&place)?, all), urgency, place));
            }
            ordered.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
            places = ordered.into_iter().map(|(_, _, place)| place).collect();
        }
        Ok(Backfill { snapshot, places: places.into_iter() })
    }

    /// Rows that are left.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next rows, at most so many; none at the end.
    ///
    /// # Errors
    /// `Corrupt` when a row's bytes are damaged.
    pub fn next(&mut self, rows: usize) -> Result<Vec<PendingRow>> {
        let of = |place| PendingRow::read(&self.snapshot, &place);
        self.places.by_ref().take(rows).map(of).collect()
    }
}

impl PendingRow {
    /// The row at this place of the collection.
    pub(super) fn read(snapshot: &Snapshot, place: &Place) -> Result<PendingRow> {
        let document = match place {
            Place::Segment(source, row) => Rows::payload(&*source.segment, *row)?.to_vec(),
            Place::Head(head, row) => {
                head.locate(*row).map(|(b, row)| b.block.payload_of(row).to_vec()).unwrap_or_default()
            }
        };
        Ok(PendingRow { record: snapshot.own_record(place)?, document })
    }
}

/// Whether the row of that key belongs to the sample of a collection of `all` rows.
pub(crate) fn in_sample(key: &Key, all: u64) -> bool {
    let mut bytes = Vec::new();
    key.as_ref().encode(&mut bytes);
    let drawn = u128::from(sum(0, 0, &bytes));
    drawn * u128::from(all.max(1)) < u128::from(SAMPLE) << 64
}

/// The sum of each row's variances.
fn variances(snapshot: &Snapshot, places: &[Place]) -> Result<Vec<f64>> {
    if snapshot.state.layout().variance.is_none() {
        let why = "the collection keeps no variances to order by".to_string();
        return Err(Error::BadRequest { what: "order", why });
    }
    let trace = |place| {
        let record: Record = snapshot.own_record(place)?;
        Ok(record.variance_traces.last().copied().map_or(0.0, f64::from))
    };
    places.iter().map(trace).collect()
}

fn expected(
    snapshot: &Snapshot,
    places: &[Place],
    model: &ErrorModel,
    adapter: &Adapter,
) -> Result<Vec<f64>> {
    let bad = |why: String| Error::BadRequest { what: "order", why };
    if adapter.from_dims() != snapshot.schema().dim() {
        let (takes, dim) = (adapter.from_dims(), snapshot.schema().dim());
        return Err(bad(format!(
            "the adapter maps vectors of {takes} dimensions, the collection's have {dim}"
        )));
    }
    let mut all = Vec::with_capacity(places.len());
    for run in places.chunks(RUN) {
        let mut vectors = Vec::with_capacity(run.len() * adapter.from_dims());
        for place in run {
            let mut vector = snapshot.own_record(place)?.vector;
            // What a short row lacks is 0 everywhere else, too.
            vector.resize(adapter.from_dims(), 0.0);
            vectors.extend(vector);
        }
        all.extend(model.predict(&vectors, adapter, 1).map_err(|e| bad(e.to_string()))?);
    }
    Ok(all)
}
