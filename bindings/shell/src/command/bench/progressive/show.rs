//! Answers as they settle, as tables.
//!
//! Reads from: `figures`. Writes to: the terminal. Never: a figure of its own.

use super::figures::{Progressive, Reached, Settling, Spread};
use crate::output::{Outcome, Output};

/// Revisions are shown while at least one in so many queries has them.
const SHOWN: usize = 20;

/// Writes all tables.
pub fn show(all: &[Progressive], out: &mut Output) -> Outcome {
    let header = [
        "index",
        "k",
        "dims",
        "effort",
        "recall",
        "at once µs",
        "to the end µs",
        "overhead",
        "of p50",
        "first µs",
        "its recall",
        "revisions",
    ];
    rows(out, all, &header, |point| {
        let first = point.revisions.first();
        vec![
            recall(Some(point.progressive.recall)),
            micros(Some(point.one_shot.us.mean)),
            micros(Some(point.progressive.us.mean)),
            format!("{:+.1} %", point.overhead * 100.0),
            format!("{:+.1} %", point.overhead_p50 * 100.0),
            micros(first.map(|first| first.mean_us)),
            recall(first.map(|first| first.mean_recall)),
            format!("{:.1}", point.revisions_mean),
        ]
    })?;
    let header = [
        "index",
        "k",
        "dims",
        "effort",
        "TTFR@.50 µs",
        "@.80",
        "@.95",
        "to .90 µs",
        "to .95",
        "to .99",
        "settled µs",
        "p50",
        "p99",
        "area",
        "at once",
        "churn",
    ];
    rows(out, all, &header, |point| {
        let reached = |at: &Reached| micros(at.us);
        let Spread { mean, p50, p99 } = point.settled_us;
        let mut row: Vec<String> = point.ttfr.iter().chain(&point.time_to_recall).map(reached).collect();
        row.extend([mean, p50, p99].map(|us| micros(Some(us))));
        row.extend([Some(point.area), Some(point.area_one_shot), point.churn].map(recall));
        row
    })?;
    revisions(all, out)?;
    trust(all, out)?;
    targets(all, out)?;
    cold(all, out)
}

/// A table with a row for each effort.
fn rows(
    out: &mut Output,
    all: &[Progressive],
    header: &[&str],
    row: impl Fn(&Settling) -> Vec<String>,
) -> Outcome {
    let rows = all.iter().flat_map(|of| of.points.iter().map(move |point| (of, point)));
    let rows = rows.map(|(of, point)| of.names(point.effort).into_iter().chain(row(point)).collect());
    out.table(header, rows.collect())
}

fn revisions(all: &[Progressive], out: &mut Output) -> Outcome {
    let mut rows = Vec::new();
    for of in all {
        for point in &of.points {
            for revision in point.revisions.iter().filter(|r| r.queries * SHOWN >= point.queries) {
                let mut row = of.names(point.effort);
                row.extend([revision.number.to_string(), revision.queries.to_string()]);
                row.extend([micros(Some(revision.mean_us)), recall(Some(revision.mean_recall))]);
                rows.push(row);
            }
        }
    }
    out.table(&["index", "k", "dims", "effort", "revision", "queries", "mean µs", "mean recall"], rows)
}

fn trust(all: &[Progressive], out: &mut Output) -> Outcome {
    let header = [
        "index",
        "k",
        "dims",
        "effort",
        "answers",
        "unknown",
        "recall said",
        "recall",
        "bound",
        "bound held",
        "hits off by",
        "settled changed",
    ];
    for (title, last) in [("the last revisions", true), ("all revisions", false)] {
        out.line(format!("What {title} say of themselves:"))?;
        rows(out, all, &header, |point| {
            let said = if last { &point.calibration_last } else { &point.calibration_all };
            vec![
                said.answers.to_string(),
                said.unknown_bounds.to_string(),
                recall(said.mean_estimated_recall),
                recall(said.mean_recall),
                recall(said.mean_lower_bound),
                share(said.bound_held),
                recall(said.expected_calibration_error),
                share(Some(point.settled_changed.share)),
            ]
        })?;
    }
    let points = all.iter().flat_map(|of| of.points.iter().map(move |point| (of, point)));
    let silent = |point: &Settling| point.calibration_last.unknown_bounds == point.calibration_last.answers;
    let mut silent: Vec<&str> =
        points.filter(|(_, point)| silent(point)).map(|(of, _)| of.index.name()).collect();
    silent.dedup();
    for index in silent {
        out.line(format!(
            "{index}: answers say nothing of themselves. That is measured when an index is built; an index that was there \
             before, and a filter, have nothing to go by."
        ))?;
    }
    Ok(())
}

fn targets(all: &[Progressive], out: &mut Output) -> Outcome {
    let mut rows = Vec::new();
    for of in all {
        for target in &of.targets {
            rows.push(vec![
                of.index.name().to_string(),
                of.k.to_string(),
                of.dims.to_string(),
                format!("{:.2}", target.wanted),
                recall(Some(target.mean_recall)),
                recall(Some(target.p5_recall)),
                recall(target.mean_estimated_recall),
                target.unknown_estimates.to_string(),
                micros(Some(target.us.mean)),
                micros(Some(target.us.p50)),
                micros(Some(target.us.p99)),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let header = ["index", "k", "dims", "wanted", "recall", "p5", "said", "unknown", "mean µs", "p50", "p99"];
    out.table(&header, rows)
}

fn cold(all: &[Progressive], out: &mut Output) -> Outcome {
    for why in all.iter().filter_map(|of| of.cold_impossible.as_ref()) {
        out.line(format!("cold searches were not measured: {why}"))?;
    }
    let mut rows = Vec::new();
    for of in all {
        for point in &of.points {
            let Some(cold) = &point.cold else { continue };
            let mut row = of.names(point.effort);
            row.push(cold.queries.to_string());
            row.extend([cold.open_us.mean, cold.first_us.mean, cold.first_us.p50].map(|us| micros(Some(us))));
            row.extend([recall(Some(cold.first_recall)), micros(Some(cold.end_us.mean))]);
            row.extend([micros(Some(cold.end_us.p50)), recall(Some(cold.recall))]);
            row.push(cold.read_bytes.map_or("–".to_string(), crate::output::bytes));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let header = [
        "index",
        "k",
        "dims",
        "effort",
        "cold",
        "open µs",
        "first µs",
        "p50",
        "its recall",
        "end µs",
        "p50",
        "recall",
        "read",
    ];
    out.table(&header, rows)?;
    if all.iter().flat_map(|of| &of.points).filter_map(|p| p.cold.as_ref()).any(|cold| !cold.emptied()) {
        out.line("The files were still in the page cache: nothing was read from the disk.")?;
    }
    Ok(())
}

impl Progressive {
    fn names(&self, effort: usize) -> Vec<String> {
        let effort = if effort == 0 { "–".to_string() } else { effort.to_string() };
        vec![self.index.name().to_string(), self.k.to_string(), self.dims.to_string(), effort]
    }
}

fn recall(value: Option<f64>) -> String {
    value.map_or("–".to_string(), |value| format!("{value:.4}"))
}

fn share(value: Option<f64>) -> String {
    value.map_or("–".to_string(), |value| format!("{:.1} %", value * 100.0))
}

fn micros(value: Option<f64>) -> String {
    value.map_or("–".to_string(), |value| format!("{value:.0}"))
}
