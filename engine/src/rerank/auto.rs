//! A schedule of levels for a wanted recall, by what a segment's rows say.
//!
//! Reads from: the largest segment that is scanned, a sample of it, once. Writes to: memory, beside the segment.
//! Never: a schedule where an index leads to most rows; it does by few steps what a schedule does by many bytes.

use foretaste_query::index::Ranks;

use crate::error::Result;
use crate::scan::units;
use crate::snapshot::Snapshot;
use crate::source::ScanRows;

/// What the sample is drawn by.
const SEED: u64 = 0x1e7e15;

/// Steps of (dimensions, rows kept) that find this part of the `k` nearest rows; one step of all dimensions where no schedule is
/// cheaper, or nothing is known.
///
/// # Errors
/// Those of reading the sample.
pub(crate) fn choose(snapshot: &Snapshot, recall: f64, k: usize, exact: bool) -> Result<Vec<(usize, usize)>> {
    let state = &snapshot.state;
    let plain = vec![(state.schema.dim(), k)];
    let units = units(snapshot, None, None)?;
    let (mut largest, mut scanned) = (None, 0);
    for unit in units.iter().filter(|unit| exact || unit.index().is_none()) {
        let rows = u64::from(foretaste_query::index::Source::rows(&unit.rows));
        scanned += rows - unit.dead_rows.min(rows);
        if let (Some(source), true) = (unit.sealed(), largest.is_none_or(|(most, _)| rows > most)) {
            largest = Some((rows, source));
        }
    }
    let Some((_, source)) = largest.filter(|_| scanned * 2 >= snapshot.len()) else { return Ok(plain) };
    let ranks = match source.health.ranks.get() {
        Some(ranks) => ranks,
        None => {
            let rows = ScanRows::Segment(&source.segment, state.layout());
            // Two searches may both have measured it, with the same result.
            let measured = Ranks::measure(&rows, state.schema.metric, SEED)?;
            source.health.ranks.get_or_init(|| measured)
        }
    };
    Ok(ranks.as_ref().map_or(plain, |ranks| ranks.schedule(recall, k, snapshot.len())))
}
