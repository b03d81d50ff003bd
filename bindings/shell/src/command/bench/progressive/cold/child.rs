//! One cold search, in a process that is started for it: `foretaste bench-cold`, which nobody types.
//!
//! Reads from: a job on standard input, and the database. Writes to: what it took, on standard output. Never: a warm-up.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use foretaste::Revision;
use serde::{Deserialize, Serialize};

use crate::args::{self, IndexKind};
use crate::command::bench::measure::Asked;
use crate::command::bench::progressive::measure::{Seen, micros};
use crate::command::bench::{self, system};
use crate::output::{Failure, Outcome, Output};

/// The command's hidden name.
pub const COMMAND: &str = "bench-cold";

/// What to search for.
#[derive(Serialize, Deserialize)]
pub struct Job {
    place: PathBuf,
    unmapped: bool,
    query: Vec<f32>,
    k: usize,
    dims: usize,
    filter: Option<String>,
    index: IndexKind,
    effort: usize,
}

/// What the search took, in µs from before the database was opened, and the hits of its first and last revision.
#[derive(Serialize, Deserialize)]
pub struct Told {
    pub open_us: f64,
    pub first_us: f64,
    pub end_us: f64,
    pub first: Vec<Seen>,
    pub last: Vec<Seen>,
    pub read_bytes: Option<u64>,
}

impl Job {
    pub fn new(args: &args::Bench, asked: &Asked<'_>, effort: usize, place: &Path, query: &[f32]) -> Job {
        Job {
            place: place.to_path_buf(),
            unmapped: args.unmapped,
            query: query.to_vec(),
            k: asked.k,
            dims: asked.dims,
            filter: asked.filter.map(str::to_string),
            index: asked.index,
            effort,
        }
    }
}

/// Does the job on standard input.
pub fn run(out: &mut Output) -> Outcome {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).map_err(|e| Failure::new(format!("no job: {e}")))?;
    let job: Job = serde_json::from_slice(&text).map_err(|e| Failure::new(format!("no job: {e}")))?;
    let asked = Asked { k: job.k, dims: job.dims, filter: job.filter.as_deref(), index: job.index };
    let read_before = system::bytes_read();

    let started = Instant::now();
    let collection = bench::open(job.unmapped, &job.place)?;
    let open_us = micros(started);
    let mut answer = asked.with_effort(&collection, &job.query, job.effort).start()?;
    let (mut first, mut last, mut end_us) = (None, None, open_us);
    while let Some(revision) = answer.next()? {
        end_us = micros(started);
        match first {
            None => first = Some((end_us, revision)),
            Some(_) => last = Some(revision),
        }
    }

    let read_bytes =
        system::bytes_read().zip(read_before).map(|(after, before)| after.saturating_sub(before));
    let (first_us, first) = first.ok_or_else(|| Failure::new("an answer without a revision"))?;
    let seen = |revision: &Revision| revision.hits.iter().map(Seen::of).collect();
    let told = Told {
        open_us,
        first_us,
        end_us,
        last: seen(last.as_ref().unwrap_or(&first)),
        first: seen(&first),
        read_bytes,
    };
    out.json(&told)
}
