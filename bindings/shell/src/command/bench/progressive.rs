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

use super::data::DataSet;
use super::measure::Asked;
use super::truth::Truth;
use crate::args::{self, IndexKind};
use crate::output::{Outcome, say};
use crate::progress::Progress;
use figures::{Progressive, Settling};
use measure::Bench;

/// Measures one index at all efforts.
pub fn sweep(
    args: &args::Bench,
    data: &DataSet,
    truth: &Truth,
    asked: Asked<'_>,
    place: &Path,
) -> Outcome<Progressive> {
    let efforts = super::efforts(args, asked.index);
    let title = format!("{} k={} dims={}", asked.index.name(), asked.k, asked.dims);
    let progress = Progress::start(&title, "points");
    let mut found = Progressive::new(&asked);
    // It is closed before the cold searches: what is mapped cannot be put out of the page cache.
    let collection = super::open(args.unmapped, place)?;
    for (done, effort) in efforts.iter().enumerate() {
        progress.show(done as u64, Some(efforts.len() as u64), None);
        let bench = Bench { collection: &collection, data, truth, asked, effort: *effort };
        let queries = measure::fitting(&bench, args.seconds)?;
        let runs =
            (0..args.runs.max(1)).map(|_| measure::run(&bench, queries)).collect::<Outcome<Vec<_>>>()?;
        found.points.extend(Settling::of(*effort, &runs));
    }
    for wanted in args.target_recall.iter().filter(|_| asked.index != IndexKind::Flat) {
        let bench = Bench { collection: &collection, data, truth, asked, effort: 0 };
        let queries = measure::fitting(&Bench { effort: asked.k, ..bench }, args.seconds)?;
        found.targets.extend(target::measure(&bench, *wanted, queries, args.runs)?);
    }
    drop(collection);
    if let Some(queries) = args.cold {
        cold::measure(args, data, truth, asked, place, queries as usize, &mut found)?;
        found.cold_impossible.iter().for_each(|why| say(format!("cold searches are not measured: {why}")));
    }
    Ok(found)
}
