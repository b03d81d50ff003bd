//! Levels and schedules: quality by labels, agreement with full length, bytes read.
//!
//! The file's vectors are turned onto their principal axes first, so that their first numbers say most, as those of a model with
//! nested lengths do.
//!
//! Reads from: a file with vectors, labels and the rotation. Writes to: a new database. Never: an index; what a length costs and
//! finds is the question here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use foretaste::{Collection, Database, Hits, Key, Levels, Metric, Schema, Spec};
use foretaste_benches::{array, fresh, report};
use foretaste_query::rerank::fuse::ndcg;
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// `wikisquad-minilm-384-angular.hdf5`, or a file with the same arrays.
    file: PathBuf,
    /// Queries, from those with a label.
    #[arg(long, default_value_t = 500)]
    queries: usize,
}

const LEVELS: [usize; 6] = [16, 32, 64, 128, 256, 384];

/// A query, and what its rows are worth.
type Asked<'a> = (Vec<f32>, &'a Vec<(i64, f64)>);

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let (dim, _, rotation) = array(&args.file, "pca_rotation")?;
    let (_, _, train) = array(&args.file, "train")?;
    let (_, _, test) = array(&args.file, "test")?;
    let (_, _, labels) = array(&args.file, "qrels")?;
    anyhow::ensure!(LEVELS.last() == Some(&dim), "made for 384 dimensions");
    let turn = |row: &[f32]| -> Vec<f32> {
        let mut out = vec![0f32; dim];
        for (v, axes) in row.iter().zip(rotation.chunks_exact(dim)) {
            out.iter_mut().zip(axes).for_each(|(out, axis)| *out += v * axis);
        }
        out
    };
    let db = Database::open(fresh(dir, "levels")?)?;
    let col =
        db.create_collection("bench", Schema::new(dim, Metric::Cosine).levels(LEVELS).index(Spec::Flat))?;
    for (start, rows) in (0i64..).step_by(4000).zip(train.chunks(4000 * dim)) {
        let mut batch = col.batch();
        for (id, row) in (start..).zip(rows.chunks_exact(dim)) {
            batch.upsert(id, &turn(row));
        }
        batch.commit()?;
    }
    col.compact(|_, _| true)?;

    let mut gains: HashMap<usize, Vec<(i64, f64)>> = HashMap::new();
    for label in labels.chunks_exact(3) {
        gains.entry(label[0] as usize).or_default().push((label[1] as i64, f64::from(label[2])));
    }
    let mut chosen: Vec<usize> = gains.keys().copied().collect();
    chosen.sort_unstable();
    chosen.truncate(args.queries);
    let queries: Vec<Asked<'_>> =
        chosen.iter().map(|q| (turn(&test[q * dim..(q + 1) * dim]), &gains[q])).collect();
    let schedules: [(&str, &[(usize, usize)]); 9] = [
        ("16: 800, 64: 200, 384: 50", &[(16, 800), (64, 200), (384, 50)]),
        ("32: 400, 384: 50", &[(32, 400), (384, 50)]),
        ("64: 200, 384: 50", &[(64, 200), (384, 50)]),
        ("64: 100, 384: 20", &[(64, 100), (384, 20)]),
        ("128: 100, 384: 20", &[(128, 100), (384, 20)]),
        ("96: 100, 384: 20", &[(96, 100), (384, 20)]),
        ("256: 100, 384: 10", &[(256, 100), (384, 10)]),
        ("256: 100, 384: 20", &[(256, 100), (384, 20)]),
        // That keeps all, so that all are read.
        ("256: 100, 384: 100", &[(256, 100), (384, 100)]),
    ];
    let full: Vec<Vec<i64>> = queries
        .iter()
        .map(|(q, _)| Ok(ids(&col.search(q).k(10).run()?)))
        .collect::<foretaste::Result<_>>()?;
    for dims in LEVELS {
        let ask = |col: &Collection, q: &[f32]| col.search(q).dims(dims).k(10).run();
        measure(&format!("{dims} dimensions"), &col, &queries, &full, &ask)?;
    }
    for (name, steps) in schedules {
        let ask = |col: &Collection, q: &[f32]| col.search(q).k(10).rerank(Levels::new(steps.to_vec())).run();
        measure(name, &col, &queries, &full, &ask)?;
    }
    for recall in [0.8, 0.9, 0.95, 0.99] {
        let started = Instant::now();
        let first = col.search(&queries[0].0).k(10).rerank(Levels::auto(recall)).run()?;
        let name = format!(
            "auto {recall}: {:?}, the first {:.0} ms",
            first.schedule,
            started.elapsed().as_secs_f64() * 1e3
        );
        let ask = |col: &Collection, q: &[f32]| col.search(q).k(10).rerank(Levels::auto(recall)).run();
        measure(&name, &col, &queries, &full, &ask)?;
    }
    Ok(())
}

fn measure(
    name: &str,
    col: &Collection,
    queries: &[Asked<'_>],
    full: &[Vec<i64>],
    ask: &dyn Fn(&Collection, &[f32]) -> foretaste::Result<Hits>,
) -> anyhow::Result<()> {
    let (mut quality, mut same, mut bytes, mut rows, mut times) = (0.0, 0, 0, 0, Vec::new());
    for ((query, gains), full) in queries.iter().zip(full) {
        let started = Instant::now();
        let hits = ask(col, query)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        let found = ids(&hits);
        let ranked: Vec<(i64, f64)> =
            found.iter().zip(hits.iter()).map(|(id, hit)| (*id, hit.score)).collect();
        quality += ndcg(&ranked, gains, 10);
        same += found.iter().filter(|id| full.contains(id)).count();
        bytes += hits.cost.bytes_read;
        rows += hits.cost.rows_exact;
    }
    times.sort_by(f64::total_cmp);
    let n = queries.len() as f64;
    report(&json!({
        "measure": "levels", "search": name, "ndcg_at_10": quality / n, "overlap_at_10": same as f64 / (10.0 * n),
        "megabytes_read": bytes as f64 / n / 1e6, "rows_read": rows as f64 / n, "median_ms": times[times.len() / 2], "queries": queries.len(),
    }));
    Ok(())
}

fn ids(hits: &Hits) -> Vec<i64> {
    hits.iter().map(|hit| if let Key::Int(id) = hit.id { id } else { -1 }).collect()
}
