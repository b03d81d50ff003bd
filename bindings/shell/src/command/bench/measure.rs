//! One point of a sweep: recall, queries a second, latency.

use std::hint::black_box;
use std::time::Instant;

use foretaste::{Collection, Hits, Search};
use serde::Serialize;

use super::data::DataSet;
use super::truth::{Truth, row};
use crate::args::IndexKind;
use crate::interrupt;
use crate::output::{Failure, Outcome};

/// Searches before the clock counts.
pub const WARM: usize = 20;
/// Fewest queries of a run, whatever the seconds.
pub const FEWEST: usize = 20;

/// What every search of a sweep asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub k: usize,
    pub dims: usize,
    pub filter: Option<&'a str>,
    pub index: IndexKind,
}

/// What was measured at one effort.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// `ef` or `nprobe`; 0 for an exact search.
    pub effort: usize,
    pub recall: f64,
    pub qps: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub queries: usize,
    /// Queries a second of each run.
    pub qps_runs: Vec<f64>,
}

impl Asked<'_> {
    /// One query, with all that is asked but the effort.
    pub fn query(&self, collection: &Collection, query: &[f32]) -> Search {
        let query = query.get(..self.dims).unwrap_or(query);
        let mut search = collection.search(query).k(self.k).dims(self.dims);
        if let Some(filter) = self.filter {
            search = search.filter(filter);
        }
        search
    }

    /// The same, with an effort.
    pub fn with_effort(&self, collection: &Collection, query: &[f32], effort: usize) -> Search {
        let search = self.query(collection, query);
        match self.index {
            IndexKind::Auto | IndexKind::Hnsw => search.ef(effort),
            IndexKind::Ivf => search.nprobe(effort),
            IndexKind::Flat => search.exact(),
        }
    }

    /// Answers one query.
    pub fn search(&self, collection: &Collection, query: &[f32], effort: usize) -> Outcome<Hits> {
        Ok(self.with_effort(collection, query, effort).run_with(&interrupt::wanted)?)
    }
}

/// Measures one effort: the best of `runs` runs, each of all queries or as many as `seconds` allow.
pub fn point(
    collection: &Collection,
    data: &DataSet,
    truth: &Truth,
    asked: &Asked<'_>,
    effort: usize,
    runs: usize,
    seconds: f64,
) -> Outcome<Point> {
    let queries = data.queries();
    for query in (0..queries).rev().take(WARM) {
        black_box(asked.search(collection, data.query(query), effort)?);
    }
    let mut answers: Vec<Vec<(i64, f64)>> = Vec::with_capacity(queries);
    let mut best: Option<Point> = None;
    let mut qps_runs = Vec::with_capacity(runs);
    let mut most = queries;
    for run in 0..runs.max(1) {
        let (started, mut latencies) = (Instant::now(), Vec::with_capacity(most));
        for query in 0..most {
            let asked_at = Instant::now();
            let hits = asked.search(collection, data.query(query), effort)?;
            latencies.push(asked_at.elapsed().as_secs_f64() * 1e6);
            if run == 0 {
                answers.push(hits.iter().map(|hit| (row(&hit.id), hit.distance)).collect());
                if query + 1 >= FEWEST && started.elapsed().as_secs_f64() > seconds {
                    most = query + 1;
                    break;
                }
            }
        }
        let total: f64 = latencies.iter().sum();
        let qps = latencies.len() as f64 / total.max(1e-9) * 1e6;
        qps_runs.push(qps);
        if best.as_ref().is_none_or(|best| qps > best.qps) {
            latencies.sort_by(f64::total_cmp);
            let (p50_us, p99_us) = (percentile(&latencies, 0.5), percentile(&latencies, 0.99));
            let queries = latencies.len();
            best = Some(Point { effort, recall: 0.0, qps, p50_us, p99_us, queries, qps_runs: Vec::new() });
        }
    }
    let by_distance = asked.dims == data.dim;
    let recalls =
        answers.iter().enumerate().map(|(query, hits)| truth.recall(query, hits, asked.k, by_distance));
    let recalls: Vec<f64> = recalls.flatten().collect();
    let recall = recalls.iter().sum::<f64>() / recalls.len().max(1) as f64;
    let best = best.ok_or_else(|| Failure::new("there are no queries"))?;
    Ok(Point { recall, qps_runs, ..best })
}

/// The value below which a share of sorted values lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=101).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.99)), (51.0, 100.0));
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
