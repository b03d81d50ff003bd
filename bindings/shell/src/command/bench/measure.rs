//! One point of a sweep: recall, queries a second, latency.

use std::hint::black_box;
use std::time::Instant;

use foretaste::{Collection, Hits, Key};
use serde::Serialize;

use super::data::DataSet;
use crate::args::IndexKind;
use crate::interrupt;
use crate::output::{Failure, Outcome};

/// Searches before the clock counts.
const WARM: usize = 20;
/// Fewest queries of a run, whatever the seconds.
const FEWEST: usize = 20;

/// What every search of a sweep asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub k: usize,
    pub dims: usize,
    pub filter: Option<&'a str>,
    pub index: IndexKind,
}

/// The true answers: for each query, rows with their distances, nearest first.
#[derive(Default)]
pub struct Truth {
    answers: Vec<Vec<(i64, f64)>>,
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
    /// Answers one query.
    pub fn search(&self, collection: &Collection, query: &[f32], effort: usize) -> Outcome<Hits> {
        let query = query.get(..self.dims).unwrap_or(query);
        let mut search = collection.search(query).k(self.k).dims(self.dims);
        if let Some(filter) = self.filter {
            search = search.filter(filter);
        }
        search = match self.index {
            IndexKind::Auto | IndexKind::Hnsw => search.ef(effort),
            IndexKind::Ivf => search.nprobe(effort),
            IndexKind::Flat => search.exact(),
        };
        Ok(search.run_with(&interrupt::wanted)?)
    }
}

impl Truth {
    /// Adds the answer to the next query.
    pub fn add(&mut self, answer: impl Iterator<Item = (i64, f64)>) {
        self.answers.push(answer.collect());
    }

    /// The share of the true `k` nearest that is in an answer. Rows as near as the k-th count, whichever they are; where
    /// distances are not comparable, rows have to be the very ones.
    fn recall(&self, query: usize, hits: &[(i64, f64)], k: usize, by_distance: bool) -> Option<f64> {
        let truth = self.answers.get(query)?;
        let truth = truth.get(..k.min(truth.len()))?;
        let (_, farthest) = *truth.last()?;
        let found = if by_distance && farthest.is_finite() {
            let most = farthest * (1.0 + 1e-5 * farthest.signum()) + 1e-6;
            hits.iter().filter(|(_, distance)| *distance <= most).count()
        } else {
            hits.iter().filter(|(row, _)| truth.iter().any(|(true_row, _)| true_row == row)).count()
        };
        Some(found.min(truth.len()) as f64 / truth.len() as f64)
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

/// The row of the file that an id stands for.
pub fn row(id: &Key) -> i64 {
    match id {
        Key::Int(row) => *row,
        Key::Str(_) => -1,
    }
}

/// The value below which a share of sorted values lies.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}

/// Memory of this process in MB, where the system tells it.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel, not of a database")]
pub fn resident() -> Option<f64> {
    let status = std::fs::read("/proc/self/status").ok()?;
    let status = String::from_utf8(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_ties_by_distance_and_rows_by_id() {
        let mut truth = Truth::default();
        truth.add([(4, 0.1), (7, 0.2), (2, 0.2), (9, 0.5)].into_iter());
        // Row 2 is as near as row 7, which is the second.
        assert_eq!(truth.recall(0, &[(4, 0.1), (2, 0.2)], 2, true), Some(1.0));
        assert_eq!(truth.recall(0, &[(4, 0.1), (2, 0.2)], 2, false), Some(0.5));
        assert_eq!(truth.recall(0, &[(4, 0.1), (9, 0.5)], 2, true), Some(0.5));
        // Never more than there is to find.
        assert_eq!(truth.recall(0, &[(4, 0.1), (7, 0.2), (2, 0.2)], 2, true), Some(1.0));
        assert_eq!(truth.recall(0, &[], 2, true), Some(0.0));
        assert_eq!(truth.recall(1, &[], 2, true), None);
    }

    #[test]
    fn without_distances_rows_have_to_be_the_very_ones() {
        let mut truth = Truth::default();
        truth.add([(4, f64::NAN), (7, f64::NAN)].into_iter());
        assert_eq!(truth.recall(0, &[(7, 0.0), (5, 0.0)], 2, true), Some(0.5));
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=101).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.99)), (51.0, 100.0));
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
