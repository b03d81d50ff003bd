//! Searches that end at an expected recall: what they find, and how long they take.
//!
//! Reads from: the engine, `truth`. Writes to: figures. Never: an effort.

use serde::Serialize;

use super::course::mean;
use super::figures::Spread;
use super::measure::{Bench, at_once};
use crate::command::bench::measure::{WARM, percentile};
use crate::command::bench::truth::row;
use crate::output::Outcome;

/// What searches with one wanted recall did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    pub wanted: f64,
    pub queries: usize,
    pub mean_recall: f64,
    /// Nineteen of twenty searches have at least as much.
    pub p5_recall: f64,
    /// Of the answers that said one.
    pub mean_estimated_recall: Option<f64>,
    pub unknown_estimates: usize,
    /// The fastest run.
    pub us: Spread,
    /// Mean µs of each run.
    pub mean_us_runs: Vec<f64>,
}

/// Measures one wanted recall in `runs` runs of the first `queries` queries.
pub fn measure(bench: &Bench<'_>, wanted: f64, queries: usize, runs: usize) -> Outcome<Option<Target>> {
    let Bench { collection, data, truth, asked, .. } = bench;
    let search = |query: usize| asked.query(collection, data.query(query)).target_recall(wanted);
    for query in (0..queries).rev().take(WARM) {
        at_once(search(query))?;
    }
    let (mut recalls, mut estimates, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs.max(1) {
        let mut taken = Vec::with_capacity(queries);
        for query in 0..queries {
            let (us, answer) = at_once(search(query))?;
            taken.push(us);
            if run == 0 {
                let hits: Vec<(i64, f64)> = answer.iter().map(|hit| (row(&hit.id), hit.distance)).collect();
                let recall = truth.recall(query, &hits, asked.k, asked.dims == data.dim);
                recalls.extend(recall);
                estimates.extend(recall.map(|_| answer.estimated_recall));
            }
        }
        times.push(Spread::of(taken.into_iter()));
    }
    recalls.sort_by(f64::total_cmp);
    let said: Vec<f64> = estimates.iter().flatten().copied().collect();
    let Some(us) = times.iter().min_by(|a, b| a.mean.total_cmp(&b.mean)).cloned() else { return Ok(None) };
    Ok(Some(Target {
        wanted,
        queries: recalls.len(),
        mean_recall: mean(recalls.iter().copied()),
        p5_recall: percentile(&recalls, 0.05),
        unknown_estimates: estimates.len() - said.len(),
        mean_estimated_recall: (!said.is_empty()).then(|| mean(said)),
        us,
        mean_us_runs: times.iter().map(|spread| spread.mean).collect(),
    }))
}
