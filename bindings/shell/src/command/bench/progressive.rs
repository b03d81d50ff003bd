//! `foretaste bench --progressive`: answers as they settle.
//!
//! Each query is answered at once and revision by revision, by turns in the same run. From the times and recalls of the revisions
//! comes when a recall is reached; from what they say of themselves, how far that can be believed.
//!
//! Reads from: the database and the data set. Writes to: figures. Never: a query that an index was fitted with.

mod calibration;
mod cold;
mod course;
pub mod draw;
pub mod figures;
mod measure;
mod overlap;
pub mod show;
mod target;

use std::path::Path;

pub use cold::child;
use foretaste::{Collection, Database};

use super::data::DataSet;
use super::measure::Asked;
use super::truth::Truth;
use crate::args::{self, IndexKind};
use crate::output::{Outcome, say};
use crate::progress::Progress;
use figures::{Progressive, Settling};
use measure::Bench;

/// Measures one index, which `database` has built, for all that is asked. The database is closed in between: what a process has
/// mapped cannot be put out of the page cache.
pub fn measure(
    args: &args::Bench,
    data: &DataSet,
    truth: &Truth,
    asked: &[Asked<'_>],
    database: Database,
    place: &Path,
) -> Outcome<Vec<Progressive>> {
    let collection = database.collection(super::COLLECTION)?;
    let sweep = |asked: &Asked<'_>| sweep(args, data, truth, *asked, &collection);
    let mut found = asked.iter().map(sweep).collect::<Outcome<Vec<_>>>()?;
    drop(collection);
    database.close()?;
    let Some(queries) = args.cold else { return Ok(found) };
    for (found, asked) in found.iter_mut().zip(asked) {
        cold::measure(args, data, truth, *asked, place, queries as usize, found)?;
        found.cold_impossible.iter().for_each(|why| say(format!("cold searches are not measured: {why}")));
    }
    Ok(found)
}

/// Measures one thing asked at all efforts.
fn sweep(
    args: &args::Bench,
    data: &DataSet,
    truth: &Truth,
    asked: Asked<'_>,
    collection: &Collection,
) -> Outcome<Progressive> {
    let efforts = super::efforts(args, asked.index);
    let title = format!("{} k={} dims={}", asked.index.name(), asked.k, asked.dims);
    let progress = Progress::start(&title, "points");
    let mut found = Progressive::new(&asked);
    for (done, effort) in efforts.iter().enumerate() {
        progress.show(done as u64, Some(efforts.len() as u64), None);
        let bench = Bench { collection, data, truth, asked, effort: *effort };
        let queries = measure::fitting(&bench, args.seconds)?;
        let runs =
            (0..args.runs.max(1)).map(|_| measure::run(&bench, queries)).collect::<Outcome<Vec<_>>>()?;
        found.points.extend(Settling::of(*effort, &runs));
    }
    for wanted in args.target_recall.iter().filter(|_| asked.index != IndexKind::Flat) {
        let bench = Bench { collection, data, truth, asked, effort: asked.k };
        let queries = measure::fitting(&bench, args.seconds)?;
        found.targets.extend(target::measure(&bench, *wanted, queries, args.runs)?);
    }
    Ok(found)
}
