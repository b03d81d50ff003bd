//! Exact search of one thread: rate, latency, and agreement with the file's own nearest neighbours.
//!
//! Reads from: a data set. Writes to: a new database. Never: a query counted that was not compared with the truth.

use std::path::{Path, PathBuf};
use std::time::Instant;

use foretaste::{Database, Element, Key, Schema};
use foretaste_benches::{DataSet, fresh, report};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// A data set in the ANN-benchmarks layout.
    file: PathBuf,
    /// Queries.
    #[arg(long, default_value_t = 200)]
    queries: usize,
    /// Element types to measure.
    #[arg(long, value_delimiter = ',', default_value = "f32,f16,i8")]
    dtype: Vec<String>,
    /// Compare only the first dimensions, with these as levels.
    #[arg(long, value_delimiter = ',')]
    levels: Vec<usize>,
}

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let data = DataSet::read(&args.file)?;
    for name in &args.dtype {
        let element = match name.as_str() {
            "f32" => Element::F32,
            "f16" => Element::F16,
            "bf16" => Element::BF16,
            "i8" => Element::I8,
            other => anyhow::bail!("unknown dtype {other}"),
        };
        let path = fresh(dir, "scan")?;
        let db = Database::open(&path)?;
        let schema = Schema::new(data.dim, data.metric.parse()?).element(element).levels(args.levels.clone());
        let collection = db.create_collection("bench", schema)?;
        for first in (0..data.rows()).step_by(4000) {
            let mut batch = collection.batch();
            for row in first..(first + 4000).min(data.rows()) {
                batch.upsert(row as i64, data.row(row));
            }
            batch.commit()?;
        }
        collection.compact(|_, _| true)?;
        for dims in args.levels.iter().copied().filter(|l| *l < data.dim).chain([data.dim]) {
            measure(&collection, &data, args, name, dims)?;
        }
    }
    Ok(())
}

fn measure(
    collection: &foretaste::Collection,
    data: &DataSet,
    args: &Args,
    dtype: &str,
    dims: usize,
) -> anyhow::Result<()> {
    let queries = args.queries.min(data.queries());
    let cold = Instant::now();
    collection.search(data.query(0)).dims(dims).k(10).run()?;
    let cold = cold.elapsed();
    let (mut seconds, mut bytes, mut rows, mut found) = (Vec::new(), 0u64, 0u64, 0usize);
    for q in 0..queries {
        let started = Instant::now();
        let hits = collection.search(data.query(q)).dims(dims).k(10).run()?;
        seconds.push(started.elapsed().as_secs_f64());
        bytes += hits.cost.bytes_read;
        rows += hits.cost.rows_exact;
        let truth = data.neighbors(q, 10);
        found += hits.iter().filter(|h| matches!(h.id, Key::Int(i) if truth.contains(&(i as i32)))).count();
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let per_query = |n: u64| n as f64 / queries as f64;
    report(&json!({
        "measure": "scan", "file": data.name, "dtype": dtype, "dims": dims, "rows": data.rows(),
        "first_query_ms": cold.as_secs_f64() * 1e3, "median_ms": median * 1e3,
        "p99_ms": seconds[seconds.len() * 99 / 100] * 1e3, "gb_per_second": per_query(bytes) / median / 1e9,
        "million_rows_per_second": per_query(rows) / median / 1e6,
        "recall_at_10": found as f64 / (queries * 10) as f64,
    }));
    Ok(())
}
