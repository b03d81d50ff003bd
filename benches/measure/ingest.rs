//! Durable ingest: batches of a fixed size, each acknowledged after its sync.
//!
//! Reads from: a data set. Writes to: a new database. Never: the reading of the file in the time.

use std::path::{Path, PathBuf};
use std::time::Instant;

use foretaste::{Database, Durability, Metric, Schema};
use foretaste_benches::{DataSet, folder_bytes, fresh, report};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// A data set in the ANN-benchmarks layout.
    file: PathBuf,
    /// Rows a batch.
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Give each row a payload with one integer, declared as a typed column.
    #[arg(long)]
    payload: bool,
    /// Threads that commit.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Rows at most.
    #[arg(long)]
    rows: Option<usize>,
    /// No sync before the acknowledgement (survives a killed process only).
    #[arg(long)]
    no_sync: bool,
    /// Rounds, each into a new database; the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let data = DataSet::read(&args.file)?;
    let rows = args.rows.unwrap_or(data.rows()).min(data.rows());
    for round in 0..args.rounds {
        let path = fresh(dir, "ingest")?;
        let durability = if args.no_sync { Durability::None } else { Durability::Sync };
        let db = Database::options().durability(durability).open(&path)?;
        let metric: Metric = data.metric.parse()?;
        let mut schema = Schema::new(data.dim, metric);
        if args.payload {
            schema = schema.column("n", foretaste::ColumnType::Int);
        }
        let collection = db.create_collection("bench", schema)?;
        let started = Instant::now();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..args.threads)
                .map(|t| {
                    let (collection, data) = (&collection, &data);
                    scope.spawn(move || -> foretaste::Result<()> {
                        for first in (t * args.batch..rows).step_by(args.batch * args.threads) {
                            let mut batch = collection.batch();
                            for row in first..(first + args.batch).min(rows) {
                                let added = batch.upsert(row as i64, data.row(row));
                                if args.payload {
                                    added.payload(json!({"n": row % 1000}));
                                }
                            }
                            batch.commit()?;
                        }
                        Ok(())
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|w| w.join().unwrap_or(Err(foretaste::Error::Cancelled)))
        })?;
        let acknowledged = started.elapsed().as_secs_f64();
        db.flush()?;
        let sealed = started.elapsed().as_secs_f64();
        let stats = db.stats()?;
        db.close()?;
        let raw = (rows * data.dim * 4) as f64;
        report(&json!({
            "measure": "ingest", "file": data.name, "rows": rows, "dim": data.dim, "batch": args.batch,
            "threads": args.threads, "payload": args.payload, "synced": !args.no_sync, "round": round,
            "seconds": acknowledged, "rows_per_second": (rows as f64 / acknowledged).round(),
            "mb_per_second": (raw / acknowledged / 1e6).round(), "seconds_until_sealed": sealed,
            "segments": stats.collections[0].segments, "bytes_per_raw_byte": folder_bytes(&path)? as f64 / raw,
        }));
    }
    Ok(())
}
