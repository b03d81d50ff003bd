//! Measures what `docs/measurements.md` states: durable ingest, import, bytes on disk, time to open, scan rate, reranking,
//! a change of the model.
//!
//! ```text
//! cargo run --release -p foretaste-benches --bin measure -- ingest FILE.hdf5 [--batch 1000] [--payload] [--threads N]
//! cargo run --release -p foretaste-benches --bin measure -- scan FILE.hdf5
//! cargo run --release -p foretaste-benches --bin measure -- open
//! cargo run --release -p foretaste-benches --bin measure -- levels|gaussian|scorers FILE.hdf5
//! cargo run --release -p foretaste-benches --bin measure -- maxsim
//! cargo run --release -p foretaste-benches --bin measure -- upgrade FILE.hdf5 [--texts FILE.jsonl.gz] [--json]
//! cargo run --release -p foretaste-benches --bin measure -- bandwidth
//! ```
//!
//! Each prints one JSON object a line, `upgrade` tables unless it is told `--json`. Reads from: a data set file. Writes to: a temporary database beside `--dir`.
//! Never: a time with the building of the data in it.

mod bandwidth;
mod gaussian;
mod ingest;
mod levels;
mod maxsim;
mod open;
mod scan;
mod scorers;
mod upgrade;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures the database.
#[derive(Parser)]
struct Args {
    /// Where the databases are made; the disk of this folder is what is measured.
    #[arg(long, default_value = "target/measure")]
    dir: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Rows per second by batches, each synced before the next.
    Ingest(ingest::Args),
    /// Exact search: rows and bytes per second of one thread, and recall against the file's neighbours.
    Scan(scan::Args),
    /// Time to open and to the first answer, by number of segments and of rows, each in a fresh process.
    Open(open::Args),
    /// Levels and schedules: quality by labels, agreement with full length, bytes read.
    Levels(levels::Args),
    /// Distances between normal distributions: against brute force, and by labels.
    Gaussian(gaussian::Args),
    /// An expensive scorer on a budget: how many of its own best rows are found.
    Scorers(scorers::Args),
    /// Late interaction behind a first stage of single vectors: how many of the true best rows are found.
    Maxsim(maxsim::Args),
    /// A change of the embedding model: what is found while rows are embedded again.
    Upgrade(upgrade::Args),
    /// What one core reads from memory, to compare the scan with.
    Bandwidth,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.what {
        What::Ingest(a) => ingest::run(&args.dir, &a),
        What::Scan(a) => scan::run(&args.dir, &a),
        What::Open(a) => open::run(&args.dir, &a),
        What::Levels(a) => levels::run(&args.dir, &a),
        What::Gaussian(a) => gaussian::run(&args.dir, &a),
        What::Scorers(a) => scorers::run(&args.dir, &a),
        What::Maxsim(a) => maxsim::run(&args.dir, &a),
        What::Upgrade(a) => upgrade::run(&args.dir, &a),
        What::Bandwidth => bandwidth::run(),
    }
}
