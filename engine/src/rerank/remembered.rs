//! What a scorer has said of a query before: found again among the rows that a search may show, and kept for the next time.
//!
//! Reads from: `scores`, rows by their keys. Writes to: `scores`.
//! Never: a score of a row that was written again since, or is not live, or does not pass the filter; an error.

use std::collections::BTreeMap;

use foretaste_query::index::RowRef;
use foretaste_storage::key::Key;
use foretaste_storage::scores::Scored;

use crate::error::Result;
use crate::request::MAX_K;
use crate::revision::Stage;
use crate::scan::Whereabouts;
use crate::scores::Remembered;
use crate::session::{Ground, Halt, Row};

/// The rows of `ground` whose scores are known, and these; at most [`MAX_K`].
pub(super) fn known(remembered: &Remembered, ground: &Ground<'_>, halt: &Halt<'_>) -> Vec<(Row, f64)> {
    let scores = remembered.scores.known(&remembered.asked, MAX_K);
    if scores.is_empty() {
        return Vec::new();
    }
    let (whereabouts, mut numbers) = (Whereabouts::new(ground.units), Vec::new());
    let mut found = BTreeMap::new();
    for scored in scores {
        if halt.asked() {
            break;
        }
        // A row that cannot be read is one of which nothing is known.
        if let Ok(Some(row)) = find(&scored, ground, &whereabouts, &mut numbers) {
            found.insert(row.row, (row, scored.score));
        }
    }
    found.into_values().collect()
}

/// The row that was scored, if it is as it was then and may be shown.
fn find(
    scored: &Scored,
    ground: &Ground<'_>,
    whereabouts: &Whereabouts,
    numbers: &mut Vec<f32>,
) -> Result<Option<Row>> {
    let snapshot = ground.snapshot;
    let Some(place) = snapshot.state.find(&scored.key, snapshot.seq)? else { return Ok(None) };
    if place.version()? != scored.version {
        return Ok(None);
    }
    let Some(row) = whereabouts.find(&place) else { return Ok(None) };
    let Some(unit) = ground.units.get(row.source as usize) else { return Ok(None) };
    if !unit.accepts(row.row, ground.request.filter.as_ref())? {
        return Ok(None);
    }
    ground.vector(row, ground.query.dims(), numbers)?;
    let distance = ground.query.exact(numbers);
    let score = ground.score(distance, ground.rank(row, distance)?);
    Ok(Some(Row { row, distance, score, error: 0.0, stage: Stage::Exact }))
}

/// Keeps what the scorer has said of `rows`, whose ids are `ids`.
pub(super) fn keep(
    remembered: &Remembered,
    ground: &Ground<'_>,
    rows: &[RowRef],
    ids: &[Key],
    scores: &[f64],
) {
    let said = rows.iter().zip(ids).zip(scores).filter_map(|((row, id), score)| {
        // A row whose version cannot be read is asked of the scorer again.
        let version = ground.place(*row).and_then(|place| place.version().ok())?;
        Some(Scored { key: id.clone(), version, score: *score })
    });
    let said: Vec<Scored> = said.collect();
    remembered.scores.remember(&remembered.asked, &said);
}
