//! A change of the embedding model while the collection is in use: what is found, by how many rows are embedded again, in which order.
//!
//! The new model is the file's, turned onto its principal axes. An old one is made of it, or of the texts. Every search is exact, so
//! that what is missing is missing by the rule and by mixing, not by an index. At half the database is closed and opened again.
//!
//! Reads from: a file with vectors, labels and the rotation; texts. Writes to: a new database for each order. Never: a search but by
//! [`Collection::search_in`] while the change is on its way; a label used for anything but the end.

mod data;
mod models;

use std::path::{Path, PathBuf};
use std::time::Instant;

use foretaste::{
    Change, Collection, Database, Hits, Key, Metric, NewVector, Order, RowVariance, Schema, Space, Spec,
};
use foretaste_benches::{fresh, line, report};
use foretaste_query::rerank::fuse::ndcg;
use serde_json::json;

use data::Data;
use models::Old;

#[derive(clap::Args)]
pub struct Args {
    /// `wikisquad-minilm-384-angular.hdf5`, or a file with the same arrays.
    file: PathBuf,
    /// The file's texts (`{"id" or "query", "text"}`, one JSON object a line, gzip): adds an old model of words.
    #[arg(long)]
    texts: Option<PathBuf>,
    /// Rows of the collection.
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    /// Queries, from those with an answer.
    #[arg(long, default_value_t = 300)]
    queries: usize,
    /// Items outside of the collection that adapters are fitted on.
    #[arg(long, default_value_t = 4000)]
    pairs: usize,
    /// Old models.
    #[arg(long, value_delimiter = ',', default_value = "prefix,sibling,words")]
    models: Vec<String>,
    /// One JSON object a line in place of tables.
    #[arg(long)]
    json: bool,
}

/// Rows in a commit.
const BATCH: usize = 1000;
const NAME: &str = "texts";

/// What some searches found, on average over the queries.
#[derive(Clone, Copy)]
struct Found {
    recall: f64,
    ndcg: f64,
    median_ms: f64,
}

/// What was found at 0, 10, … 100 % of the rows, and how long things took.
struct Curve {
    order: &'static str,
    found: Vec<Found>,
    /// The old model with queries of its own, before anything.
    before: Found,
    order_ms: f64,
    rows_per_second: f64,
    flip_ms: f64,
}

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let data = Data::read(args)?;
    for name in &args.models {
        let old = match (name.as_str(), &args.texts) {
            ("prefix", _) => Old::prefix(&data)?,
            ("sibling", _) => Old::sibling(&data)?,
            ("words", Some(texts)) => Old::words(&data, texts)?,
            ("words", None) => continue,
            (other, _) => anyhow::bail!("unknown model {other}"),
        };
        let curve = |(name, order): &(&'static str, Order)| curve(dir, &data, &old, name, order);
        let curves = old.orders.iter().map(curve).collect::<anyhow::Result<Vec<Curve>>>()?;
        if args.json { as_json(&data, &old, &curves) } else { as_tables(&data, &old, &curves) }
    }
    Ok(())
}

fn old_space() -> Space {
    Space::new("old", "1")
}

fn new_space() -> Space {
    Space::new("new", "1")
}

/// A change from its beginning to the flip, in one order.
fn curve(dir: &Path, data: &Data, old: &Old, name: &'static str, order: &Order) -> anyhow::Result<Curve> {
    let path = fresh(dir, "upgrade")?;
    let mut db = Database::options().background(false).open(&path)?;
    let (mut change, before) = begin(&db, data, old)?;
    let started = Instant::now();
    let mut waiting = change.backfill(order.clone())?;
    let order_ms = milliseconds(started);
    let (mut found, mut written, mut seconds) = (Vec::new(), 0, 0.0);
    for tenth in 0..=10 {
        let until = data.rows * tenth / 10;
        while written < until {
            let rows = waiting.next(BATCH.min(until - written))?;
            let new: Vec<NewVector<'_>> = rows
                .iter()
                .map(|row| NewVector {
                    row,
                    vector: row_of(data.own(), &row.record.id, data.dim),
                    variance: None,
                })
                .collect();
            let started = Instant::now();
            let count = change.write(&new)?;
            seconds += started.elapsed().as_secs_f64();
            anyhow::ensure!(
                count == rows.len() as u64 && count > 0,
                "{count} of {} rows written",
                rows.len()
            );
            written += rows.len();
        }
        let ask = |query: &[f32]| change.collection().search_in(&new_space(), query)?.k(10).exact().run();
        found.push(measure(data, &data.queries, data.dim, &ask)?);
        if tenth == 5 {
            let progress = change.progress();
            drop((waiting, change, db));
            db = Database::options().background(false).open(&path)?;
            change = under_way(&db.collection(NAME)?)?;
            anyhow::ensure!(
                change.progress() == progress,
                "{progress:?} before, {:?} after",
                change.progress()
            );
            waiting = change.backfill(order.clone())?;
            anyhow::ensure!(waiting.len() == data.rows - written, "{} rows wait", waiting.len());
        }
    }
    drop(waiting);
    let started = Instant::now();
    let changed = change.flip()?;
    let flip_ms = milliseconds(started);
    let ask = |query: &[f32]| changed.search(query).k(10).exact().run();
    let after = measure(data, &data.queries, data.dim, &ask)?;
    anyhow::ensure!(after.recall == 1.0, "recall {} after the flip", after.recall);
    Ok(Curve { order: name, found, before, order_ms, rows_per_second: data.rows as f64 / seconds, flip_ms })
}

/// The collection by the old model, with what it finds by itself, and the change begun.
fn begin(db: &Database, data: &Data, old: &Old) -> anyhow::Result<(Change, Found)> {
    let schema = |dims: usize| Schema::new(dims, Metric::Cosine).index(Spec::Flat);
    let own = schema(old.dims).space(old_space()).variance(old.variance());
    let collection = db.create_collection(NAME, own)?;
    let rows: Vec<&[f32]> = old.items.chunks_exact(old.dims).take(data.rows).collect();
    for (part, rows) in rows.chunks(BATCH).enumerate() {
        let mut batch = collection.batch();
        for (place, row) in (part * BATCH..).zip(rows) {
            let written = batch.upsert(place as i64, row);
            if let Some(variance) = old.variances.as_ref().and_then(|all| all.get(place)) {
                written.variance(&RowVariance::Variance(vec![*variance]));
            }
        }
        batch.commit()?;
    }
    collection.flush()?;
    collection.set_rule(&new_space(), &old.rule)?;
    let ask = |query: &[f32]| collection.search_in(&old_space(), query)?.k(10).exact().run();
    let before = measure(data, &old.queries, old.dims, &ask)?;
    Ok((collection.begin_change(schema(data.dim).space(new_space()))?, before))
}

fn under_way(collection: &Collection) -> anyhow::Result<Change> {
    collection.change().ok_or_else(|| anyhow::anyhow!("the change is gone"))
}

fn row_of<'a>(rows: &'a [f32], id: &Key, dim: usize) -> &'a [f32] {
    let place = if let Key::Int(id) = id { *id as usize } else { 0 };
    &rows[place * dim..(place + 1) * dim]
}

fn measure(
    data: &Data,
    queries: &[f32],
    dims: usize,
    ask: &dyn Fn(&[f32]) -> foretaste::Result<Hits>,
) -> anyhow::Result<Found> {
    let (mut same, mut quality, mut times) = (0, 0.0, Vec::new());
    for ((query, nearest), gains) in queries.chunks_exact(dims).zip(&data.nearest).zip(&data.gains) {
        let started = Instant::now();
        let hits = ask(query)?;
        times.push(milliseconds(started));
        let id = |key: &Key| if let Key::Int(id) = key { *id } else { -1 };
        // By their ranks: what a score means is what is measured here.
        let ranked: Vec<(i64, f64)> =
            hits.iter().enumerate().map(|(rank, hit)| (id(&hit.id), -(rank as f64))).collect();
        same += ranked.iter().filter(|(id, _)| nearest.contains(id)).count();
        quality += ndcg(&ranked, gains, 10);
    }
    times.sort_by(f64::total_cmp);
    let n = data.nearest.len() as f64;
    Ok(Found { recall: same as f64 / (10.0 * n), ndcg: quality / n, median_ms: times[times.len() / 2] })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The area under a curve over the share of rows, by trapezoids.
fn area(curve: &[f64]) -> f64 {
    curve.windows(2).map(|pair| pair[0].midpoint(pair[1])).sum::<f64>() / (curve.len() - 1) as f64
}

impl Curve {
    fn recall(&self) -> Vec<f64> {
        self.found.iter().map(|found| found.recall).collect()
    }

    fn ndcg(&self) -> Vec<f64> {
        self.found.iter().map(|found| found.ndcg).collect()
    }

    /// The median time of a search with no, half and all of the rows.
    fn search_ms(&self) -> [f64; 3] {
        [0, 5, 10].map(|tenth| self.found[tenth].median_ms)
    }
}

fn as_json(data: &Data, old: &Old, curves: &[Curve]) {
    let fit = old.report.map(|fit| {
        let kept = fit.retention_at_10;
        json!({
            "pairs": fit.pairs, "held_out": fit.held_out, "retention_at_10": [kept.mean, kept.low, kept.high],
            "old_at_10": fit.old_at_10.mean, "cosine": fit.cosine,
        })
    });
    for curve in curves {
        let (recall, ndcg) = (curve.recall(), curve.ndcg());
        report(&json!({
            "measure": "upgrade", "old": old.name, "order": curve.order, "rows": data.rows, "queries": data.nearest.len(),
            "adapter": fit, "rank_correlation": old.rank_correlation,
            "before_recall_at_10": curve.before.recall, "before_ndcg_at_10": curve.before.ndcg,
            "recall_area": area(&recall), "ndcg_area": area(&ndcg), "recall_at_10": recall, "ndcg_at_10": ndcg,
            "order_ms": curve.order_ms, "rows_written_per_second": curve.rows_per_second, "flip_ms": curve.flip_ms,
            "search_ms_at_0_50_100": curve.search_ms(),
        }));
    }
}

fn as_tables(data: &Data, old: &Old, curves: &[Curve]) {
    line(&format!("{}: {} rows, {} queries", old.name, data.rows, data.nearest.len()));
    if let Some(fit) = old.report {
        let kept = fit.retention_at_10;
        line(&format!(
            "adapter: {} pairs, {} held out; retention@10 {:.3} [{:.3} {:.3}], the old model's own {:.3}, cosine {:.3}",
            fit.pairs, fit.held_out, kept.mean, kept.low, kept.high, fit.old_at_10.mean, fit.cosine
        ));
    }
    line(&format!("expected errors: rank correlation {:.3} with true ones", old.rank_correlation));
    if let Some(Curve { before, .. }) = curves.first() {
        line(&format!(
            "old model, its own queries: recall@10 {:.3}, nDCG@10 {:.3}",
            before.recall, before.ndcg
        ));
    }
    let tenths: String = (0..=10).map(|tenth| format!(" {} % |", tenth * 10)).collect();
    line(&format!("\n| order | |{tenths} area |\n|{}", " --- |".repeat(14)));
    for curve in curves {
        for (what, numbers) in [("recall@10", curve.recall()), ("nDCG@10", curve.ndcg())] {
            let cells: String = numbers.iter().map(|number| format!(" {number:.3} |")).collect();
            line(&format!("| {} | {what} |{cells} {:.3} |", curve.order, area(&numbers)));
        }
    }
    line("\n| order | put in order, ms | rows/s written | search at 0, 50, 100 %, ms | flip, ms |");
    line("| --- | --- | --- | --- | --- |");
    for curve in curves {
        let [none, half, all] = curve.search_ms();
        line(&format!(
            "| {} | {:.0} | {:.0} | {none:.2}, {half:.2}, {all:.2} | {:.1} |",
            curve.order, curve.order_ms, curve.rows_per_second, curve.flip_ms
        ));
    }
    line("");
}
