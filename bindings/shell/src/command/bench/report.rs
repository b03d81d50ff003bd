//! What a benchmark found: curves with interpolated figures, as a table and as JSON.

use std::path::Path;

use serde::Serialize;

use super::data::DataSet;
use super::measure::{Asked, Point};
use super::progressive::{self, figures::Progressive};
use crate::args::IndexKind;
use crate::output::{Outcome, Output, bytes, count};
use crate::sink::{self, Sink};

/// Recalls at which speeds are compared.
const RECALLS: [f64; 3] = [0.90, 0.95, 0.99];
/// A curve whose lowest point is this much above a recall was not measured there.
const ABOVE: f64 = 0.005;

/// All that was found.
#[derive(Serialize)]
pub struct Report {
    pub file: String,
    pub metric: String,
    pub rows: u64,
    pub dim: usize,
    pub import_seconds: Option<f64>,
    pub indexes: Vec<Indexed>,
    pub curves: Vec<Curve>,
    /// Answers as they settle, when those were measured; there are no curves then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub progressive: Vec<Progressive>,
}

/// What an index took.
#[derive(Serialize)]
pub struct Indexed {
    pub index: IndexKind,
    pub build_seconds: f64,
    /// Bytes of the collection's files: vectors, ids, documents and index.
    pub bytes_disk: u64,
    /// Bytes of the index alone.
    pub bytes_index: u64,
    /// Opening the database, its files in the page cache.
    pub open_ms: f64,
    pub open_and_first_query_ms: f64,
    /// Memory of the process before it opened the database, and after all searches.
    pub resident_before_mb: Option<f64>,
    pub resident_mb: Option<f64>,
}

/// A sweep of one index.
#[derive(Serialize)]
pub struct Curve {
    pub index: IndexKind,
    pub k: usize,
    pub dims: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    pub points: Vec<Point>,
    pub at_recall: Vec<AtRecall>,
}

/// The speed at a recall.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtRecall {
    pub recall: f64,
    /// `None` where the curve does not reach it.
    pub qps: Option<f64>,
    /// The curve begins above this recall: it was not measured any faster.
    pub at_least: bool,
}

impl Report {
    pub fn new(data: &DataSet, import_seconds: Option<f64>) -> Report {
        let (file, metric) = (data.name.clone(), data.metric.to_string());
        let (indexes, curves, progressive) = (Vec::new(), Vec::new(), Vec::new());
        Report { file, metric, rows: data.rows, dim: data.dim, import_seconds, indexes, curves, progressive }
    }

    /// Writes it to a file, as JSON.
    pub fn write(&self, file: &Path) -> Outcome {
        let mut sink = Sink::create(file, false)?;
        serde_json::to_writer_pretty(&mut sink, self).map_err(|e| sink::failed(file, &e.into()))?;
        sink.finish()
    }

    /// Writes it as tables.
    pub fn show(&self, out: &mut Output) -> Outcome {
        out.line(format!(
            "{}: {} rows, {} dimensions, {}",
            self.file,
            count(self.rows),
            self.dim,
            self.metric
        ))?;
        let header = ["index", "build s", "on disk", "index", "open ms", "with query ms", "memory MB"];
        let row = |i: &Indexed| {
            let grown = i.resident_mb.zip(i.resident_before_mb).map(|(after, before)| after - before);
            let megabytes = grown.map_or("–".to_string(), |mb| format!("+{mb:.0}"));
            vec![
                i.index.name().to_string(),
                format!("{:.2}", i.build_seconds),
                bytes(i.bytes_disk),
                bytes(i.bytes_index),
                format!("{:.1}", i.open_ms),
                format!("{:.1}", i.open_and_first_query_ms),
                megabytes,
            ]
        };
        out.table(&header, self.indexes.iter().map(row).collect())?;
        if !self.progressive.is_empty() {
            return progressive::show::show(&self.progressive, out);
        }
        let header = ["index", "k", "dims", "effort", "recall", "QPS", "p50 µs", "p99 µs"];
        let rows = self.curves.iter().flat_map(|c| c.points.iter().map(move |p| c.row(p)));
        out.table(&header, rows.collect())?;
        let header = ["index", "k", "dims", "QPS at .90", "at .95", "at .99"];
        out.table(&header, self.curves.iter().map(Curve::summary).collect())
    }
}

impl Curve {
    pub fn new(asked: &Asked<'_>) -> Curve {
        let filter = asked.filter.map(str::to_string);
        let (points, at_recall) = (Vec::new(), Vec::new());
        Curve { index: asked.index, k: asked.k, dims: asked.dims, filter, points, at_recall }
    }

    /// Fills in the speeds at the usual recalls.
    pub fn interpolate(&mut self) {
        let points: Vec<(f64, f64)> = self.points.iter().map(|p| (p.recall, p.qps)).collect();
        self.at_recall = RECALLS.iter().map(|recall| at_recall(&points, *recall)).collect();
    }

    fn row(&self, point: &Point) -> Vec<String> {
        vec![
            self.index.name().to_string(),
            self.k.to_string(),
            self.dims.to_string(),
            if point.effort == 0 { "–".to_string() } else { point.effort.to_string() },
            format!("{:.4}", point.recall),
            format!("{:.0}", point.qps),
            format!("{:.0}", point.p50_us),
            format!("{:.0}", point.p99_us),
        ]
    }

    fn summary(&self) -> Vec<String> {
        let shown = |at: &AtRecall| match at.qps {
            Some(qps) => format!("{}{qps:.0}", if at.at_least { "≥" } else { "" }),
            None => "–".to_string(),
        };
        let names = [self.index.name().to_string(), self.k.to_string(), self.dims.to_string()];
        names.into_iter().chain(self.at_recall.iter().map(shown)).collect()
    }
}

/// The points that no other beats in both recall and speed, by recall.
pub fn frontier(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points = points.to_vec();
    points.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if best.last().is_none_or(|last| point.1 > last.1) {
            best.push(point);
        }
    }
    best.reverse();
    best
}

/// The speed at a recall, between the points of the frontier around it: linear in recall and the logarithm of speed.
fn at_recall(points: &[(f64, f64)], recall: f64) -> AtRecall {
    let frontier = frontier(points);
    let (qps, at_least) = match frontier.first() {
        Some((first, qps)) if *first >= recall => (Some(*qps), *first > recall + ABOVE),
        _ => {
            let around = frontier.windows(2).find(|pair| pair[0].0 < recall && recall <= pair[1].0);
            let between = around.map(|pair| {
                let ((r0, q0), (r1, q1)) = (pair[0], pair[1]);
                let share = (recall - r0) / (r1 - r0);
                (q0.ln() * (1.0 - share) + q1.ln() * share).exp()
            });
            (between, false)
        }
    };
    AtRecall { recall, qps, at_least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_another_beats_is_not_on_the_frontier() {
        let points = [(0.5, 100.0), (0.9, 50.0), (0.8, 40.0), (0.95, 10.0), (0.95, 12.0)];
        assert_eq!(frontier(&points), [(0.5, 100.0), (0.9, 50.0), (0.95, 12.0)]);
    }

    #[test]
    fn speed_at_a_recall_lies_between_its_neighbours() {
        let points = [(0.8, 100.0), (1.0, 1.0)];
        let at = at_recall(&points, 0.9);
        assert!((at.qps.unwrap() - 10.0).abs() < 1e-9 && !at.at_least, "{at:?}");
        assert_eq!(at_recall(&points, 1.0).qps.map(f64::round), Some(1.0));
        assert_eq!(at_recall(&[(0.8, 100.0)], 0.9).qps, None);
        assert_eq!(at_recall(&[(1.0, 7.0)], 0.9), AtRecall { recall: 0.9, qps: Some(7.0), at_least: true });
        assert_eq!(at_recall(&[], 0.9).qps, None);
    }
}
