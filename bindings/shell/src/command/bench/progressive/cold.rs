//! Cold searches: each in a process of its own, with the database's files put out of the page cache before.
//!
//! Reads from: what the processes say. Writes to: figures. Never: a database that this process has open.

pub mod child;
mod evict;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use super::course::mean;
use super::figures::{Progressive, Spread};
use super::measure::{Distances, Seen};
use crate::args;
use crate::command::bench::data::DataSet;
use crate::command::bench::measure::Asked;
use crate::command::bench::truth::Truth;
use crate::interrupt;
use crate::output::{Failure, Outcome};
use crate::progress::Progress;
use child::{Job, Told};

/// What cold searches took. All times are counted from before the database was opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cold {
    pub queries: usize,
    /// Until the database was open.
    pub open_us: Spread,
    /// Until the first revision was there.
    pub first_us: Spread,
    pub first_recall: f64,
    /// Until the last was.
    pub end_us: Spread,
    pub recall: f64,
    /// Bytes that one process had read from the disk, on average, where the system tells it. 0 says that the files were still
    /// in the page cache.
    pub read_bytes: Option<u64>,
}

impl Cold {
    /// Whether the searches were cold, as far as is known.
    pub fn emptied(&self) -> bool {
        self.read_bytes != Some(0)
    }
}

/// Measures the first `queries` queries at each effort that was measured warm.
pub fn measure(
    args: &args::Bench,
    data: &DataSet,
    truth: &Truth,
    asked: Asked<'_>,
    place: &Path,
    queries: usize,
    found: &mut Progressive,
) -> Outcome {
    if !evict::POSSIBLE {
        found.cold_impossible = Some("this system cannot put a file out of the page cache".to_string());
        return Ok(());
    }
    let queries = queries.min(data.queries());
    let all = (queries * found.points.len()) as u64;
    let progress = Progress::start("cold searches", "queries");
    let mut done = 0;
    for point in &mut found.points {
        let mut told = Vec::with_capacity(queries);
        for query in 0..queries {
            if interrupt::wanted() {
                return Err(foretaste::Error::Cancelled.into());
            }
            let job = Job::new(args, &asked, point.effort, place, data.query(query));
            evict::files(place)?;
            told.push((query, ask(&job)?));
            done += 1;
            progress.show(done, Some(all), None);
        }
        point.cold = Some(figures(&told, truth, &asked, asked.dims == data.dim));
    }
    Ok(())
}

/// Starts this program once more and gives it the job.
fn ask(job: &Job) -> Outcome<Told> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(format!("a process for a cold search failed: {why}"));
    let program = std::env::current_exe().map_err(|e| failed(&e))?;
    let mut command = Command::new(program);
    command.arg(child::COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().map_err(|e| failed(&e))?;
    let job = serde_json::to_vec(job).map_err(|e| failed(&e))?;
    if let Some(mut input) = process.stdin.take() {
        // When it does not listen, it says why when it ends.
        let _ = input.write_all(&job);
    }
    let output = process.wait_with_output().map_err(|e| failed(&e))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| failed(&e))
}

fn figures(told: &[(usize, Told)], truth: &Truth, asked: &Asked<'_>, by_distance: bool) -> Cold {
    let recall = |of: fn(&Told) -> &Vec<Seen>| {
        let of = |(query, told): &(usize, Told)| {
            let exact = Distances::of(told.first.iter().chain(&told.last).copied());
            let hits = exact.correct(of(told).iter().copied(), truth, *query);
            truth.recall(*query, &hits, asked.k, by_distance)
        };
        mean(told.iter().filter_map(of))
    };
    let spread = |of: fn(&Told) -> f64| Spread::of(told.iter().map(|(_, told)| of(told)));
    let read: Option<Vec<u64>> = told.iter().map(|(_, told)| told.read_bytes).collect();
    Cold {
        queries: told.len(),
        open_us: spread(|told| told.open_us),
        first_us: spread(|told| told.first_us),
        first_recall: recall(|told| &told.first),
        end_us: spread(|told| told.end_us),
        recall: recall(|told| &told.last),
        read_bytes: read.map(|read| read.iter().sum::<u64>() / (read.len() as u64).max(1)),
    }
}
