//! Time to open a database and to its first answer, each measured in a fresh process.
//!
//! Reads from: generated rows. Writes to: new databases. Never: a warm handle; only the page cache is warm.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use foretaste::{Database, Metric, Schema};
use foretaste_benches::{Random, fresh, report};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub struct Args {
    /// Open this database, answer, print and exit: what each measurement runs in a process of its own.
    #[arg(long)]
    probe: Option<std::path::PathBuf>,
    /// Open for writing instead of read-only.
    #[arg(long)]
    write: bool,
    /// Processes a case; the middle one counts.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

const DIM: usize = 384;

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    if let Some(path) = &args.probe {
        return probe(path, args.write);
    }
    // The number of segments, with 100 rows each; and the number of rows, in one segment.
    let cases = [(1, 100), (100, 100), (1000, 100), (1, 1_000), (1, 10_000), (1, 100_000)];
    for (segments, rows) in cases {
        let path = fresh(dir, &format!("open-{segments}-{rows}"))?;
        build(&path, segments, rows)?;
        for write in [false, true] {
            let mut runs = Vec::new();
            for _ in 0..args.rounds {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("open").arg("--probe").arg(&path);
                if write {
                    command.arg("--write");
                }
                let output = command.output()?;
                anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                runs.push(serde_json::from_slice::<Value>(&output.stdout)?);
            }
            let median = |name: &str| {
                let mut all: Vec<f64> = runs.iter().filter_map(|r| r[name].as_f64()).collect();
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            report(&json!({
                "measure": "open", "segments": segments, "rows": segments * rows,
                "mode": if write { "write" } else { "read" },
                "open_ms": median("open_ms"), "get_ms": median("get_ms"), "search_ms": median("search_ms"),
                "open_and_get_ms": median("open_ms") + median("get_ms"),
                "open_and_search_ms": median("open_ms") + median("search_ms"),
            }));
        }
    }
    Ok(())
}

fn build(path: &Path, segments: usize, rows: usize) -> anyhow::Result<()> {
    let db = Database::options().background(false).open(path)?;
    let collection = db.create_collection("bench", Schema::new(DIM, Metric::Cosine))?;
    let mut random = Random::new(7);
    for segment in 0..segments {
        for first in (0..rows).step_by(10_000) {
            let mut batch = collection.batch();
            for row in first..(first + 10_000).min(rows) {
                let vector: Vec<f32> = (0..DIM).map(|_| random.next()).collect();
                batch.upsert((segment * rows + row) as i64, &vector);
            }
            batch.commit()?;
        }
        collection.flush()?;
    }
    if segments == 1 {
        collection.compact(|_, _| true)?;
    }
    db.close()?;
    Ok(())
}

fn probe(path: &Path, write: bool) -> anyhow::Result<()> {
    let query: Vec<f32> = (0..DIM).map(|i| (i as f32).sin()).collect();
    let started = Instant::now();
    let db = Database::options().read_only(!write).open(path)?;
    let open = started.elapsed();
    let collection = db.collection("bench")?;
    let started = Instant::now();
    anyhow::ensure!(collection.get(7)?.is_some(), "row 7 is there");
    let get = started.elapsed();
    let started = Instant::now();
    anyhow::ensure!(collection.search(&query).k(10).run()?.len() == 10, "ten rows are found");
    let search = started.elapsed();
    report(&json!({
        "open_ms": open.as_secs_f64() * 1e3, "get_ms": get.as_secs_f64() * 1e3,
        "search_ms": search.as_secs_f64() * 1e3,
    }));
    Ok(())
}
