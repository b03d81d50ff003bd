//! An expensive scorer on a budget: how many of its own best rows an answer has, by calls, for both ways to spend them.
//!
//! Reads from: a file with `items`, `queries` and the scores of every pair. Writes to: a new database. Never: a score that the
//! stage did not pay for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use foretaste::{Collection, Database, Key, Metric, Schema, Scored};
use foretaste_benches::{array, fresh, report};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// `wikisquad-maxsim-rerank.hdf5`, or a file with the same arrays.
    file: PathBuf,
    /// Budgets: ids scored.
    #[arg(long, value_delimiter = ',', default_value = "50,100,200,500")]
    budget: Vec<usize>,
    /// Ids scored at once.
    #[arg(long, default_value_t = 10)]
    batch: usize,
    /// Noise added to every score, in standard deviations of all scores.
    #[arg(long, value_delimiter = ',', default_value = "0,0.5")]
    noise: Vec<f64>,
}

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let (dim, _, items) = array(&args.file, "items")?;
    let (_, _, queries) = array(&args.file, "queries")?;
    let (width, _, scores) = array(&args.file, "scores")?;
    let db = Database::open(fresh(dir, "scorers")?)?;
    let col = db.create_collection("items", Schema::new(dim, Metric::Cosine))?;
    let mut batch = col.batch();
    for (id, item) in (0..).zip(items.chunks_exact(dim)) {
        batch.upsert(id, item);
    }
    batch.commit()?;
    let scores: Arc<Vec<f32>> = Arc::new(scores);
    let mean = scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
    let spread = scores.iter().map(|s| (f64::from(*s) - mean).powi(2)).sum::<f64>() / scores.len() as f64;
    for noise in &args.noise {
        for budget in &args.budget {
            for adaptive in [false, true] {
                let way = Way { budget: *budget, batch: args.batch, adaptive, noise: noise * spread.sqrt() };
                measure(&col, &queries, dim, (&scores, width), way, *noise)?;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Way {
    budget: usize,
    batch: usize,
    adaptive: bool,
    noise: f64,
}

fn measure(
    col: &Collection,
    queries: &[f32],
    dim: usize,
    (scores, width): (&Arc<Vec<f32>>, usize),
    way: Way,
    noise: f64,
) -> anyhow::Result<()> {
    let ks = [1, 10, 100];
    let (mut found, mut calls, mut count, mut seconds) = ([0usize; 3], 0, 0, 0.0);
    for (number, query) in queries.chunks_exact(dim).enumerate() {
        let (all, base) = (Arc::clone(scores), number * width);
        let scorer = move |ids: &[Key]| {
            let score = |id: &Key| match id {
                Key::Int(id) => {
                    f64::from(all[base + *id as usize]) + way.noise * normal(number as u64, *id as u64)
                }
                Key::Str(_) => f64::NAN,
            };
            Ok(ids.iter().map(score).collect())
        };
        let stage = Scored::new(scorer).budget(way.budget).batch(way.batch);
        let stage = if way.adaptive { stage.adaptive() } else { stage };
        let started = Instant::now();
        let hits = col.search(query).k(100).rerank(stage).run()?;
        seconds += started.elapsed().as_secs_f64();
        calls += hits.cost.scorer_calls;
        count += 1;
        let own = &scores[base..base + width];
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| own[*b].total_cmp(&own[*a]).then(a.cmp(b)));
        for (found, k) in found.iter_mut().zip(ks) {
            let best = &order[..k];
            let is_best = |key: &Key| matches!(key, Key::Int(id) if best.contains(&(*id as usize)));
            *found += hits.iter().take(k).filter(|hit| is_best(&hit.id)).count();
        }
    }
    let recall = |i: usize| found[i] as f64 / (count * ks[i]) as f64;
    report(&json!({
        "measure": "scorers", "mode": if way.adaptive { "adaptive" } else { "retrieve" }, "budget": way.budget,
        "noise": noise, "queries": count, "calls": calls as f64 / count as f64,
        "recall_at_1": recall(0), "recall_at_10": recall(1), "recall_at_100": recall(2),
        "milliseconds_without_scorer": seconds / count as f64 * 1e3,
    }));
    Ok(())
}

/// A normal number for a pair, always the same (Box and Muller on two hashes).
fn normal(query: u64, id: u64) -> f64 {
    let unit = |salt: u64| {
        let mut x = (query << 40 ^ id << 8 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 11) as f64 / (1u64 << 53) as f64
    };
    (-2.0 * (unit(1) + 1e-300).ln()).sqrt() * (std::f64::consts::TAU * unit(2)).cos()
}
