//! Measures what `docs/measurements.md` states: durable ingest, import, bytes on disk, time to open, scan rate.
//!
//! ```text
//! cargo run --release -p foretaste-benches --bin measure -- ingest FILE.hdf5 [--batch 1000] [--payload] [--threads N]
//! cargo run --release -p foretaste-benches --bin measure -- scan FILE.hdf5
//! cargo run --release -p foretaste-benches --bin measure -- open
//! cargo run --release -p foretaste-benches --bin measure -- bandwidth
//! ```
//!
//! Each prints one JSON object a line. Reads from: a data set file. Writes to: a temporary database beside `--dir`.
//! Never: a time with the building of the data in it.

mod bandwidth;
mod ingest;
mod open;
mod scan;

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
    /// What one core reads from memory, to compare the scan with.
    Bandwidth,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.what {
        What::Ingest(a) => ingest::run(&args.dir, &a),
        What::Scan(a) => scan::run(&args.dir, &a),
        What::Open(a) => open::run(&args.dir, &a),
        What::Bandwidth => bandwidth::run(),
    }
}
