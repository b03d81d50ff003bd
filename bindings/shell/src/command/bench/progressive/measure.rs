//! Answers as they come: the same queries at once and revision by revision, in one run.
//!
//! Reads from: the engine, the clock, `truth`. Writes to: what was seen of each query. Never: a mean.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use foretaste::{Collection, Hit, Revision, Search};
use serde::{Deserialize, Serialize};

use super::calibration::Trust;
use super::overlap;
use crate::command::bench::data::DataSet;
use crate::command::bench::measure::{Asked, FEWEST, WARM};
use crate::command::bench::truth::{Truth, row};
use crate::interrupt;
use crate::output::Outcome;

/// What is measured.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    pub collection: &'a Collection,
    pub data: &'a DataSet,
    pub truth: &'a Truth,
    pub asked: Asked<'a>,
    pub effort: usize,
}

/// All queries once each way.
#[derive(Default)]
pub struct Run {
    /// Answers at once.
    pub shots: Vec<Shot>,
    /// Answers revision by revision.
    pub trails: Vec<Trail>,
    /// What the last revisions said of themselves, and what all of them did.
    pub last: Trust,
    pub all: Trust,
}

/// An answer at once.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    pub us: f64,
    pub recall: f64,
}

/// An answer revision by revision. Times are in µs since `start` was called, that call with them.
#[derive(Debug, Clone)]
pub struct Trail {
    pub looks: Vec<Look>,
    /// When the answer was at its end, and what it stood on was given back: so long an answer at once takes too.
    pub end_us: f64,
    /// How unlike each revision is to the one before.
    pub churn: Vec<f64>,
    /// When all its hits were settled for the first time.
    pub settled_us: f64,
    /// Whether any were before the last revision, and whether one of them changed after all.
    pub settled_before: bool,
    pub settled_changed: bool,
}

/// One revision.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub us: f64,
    pub recall: f64,
}

/// How many queries fit into `seconds`; warms up on the way.
pub fn fitting(bench: &Bench<'_>, seconds: f64) -> Outcome<usize> {
    let queries = bench.data.queries();
    let started = Instant::now();
    for query in (0..queries).rev().take(WARM) {
        black_box(at_once(bench.search(query))?.1.len());
        black_box(progressive(bench.search(query))?.1.len());
    }
    let each = started.elapsed().as_secs_f64() / queries.clamp(1, WARM) as f64;
    Ok(((seconds / each.max(1e-9)) as usize).max(FEWEST).min(queries))
}

/// The first `queries` queries once each way, by turns. The two of a turn are half of all queries apart, so that neither finds
/// warm what the other has read, and each comes first as often.
pub fn run(bench: &Bench<'_>, queries: usize) -> Outcome<Run> {
    let mut run = Run::default();
    for turn in 0..queries {
        let (one, other) = (turn, (turn + queries / 2) % queries);
        let (shot, revisions) = if turn % 2 == 0 {
            let shot = at_once(bench.search(one))?;
            (shot, progressive(bench.search(other))?)
        } else {
            let revisions = progressive(bench.search(other))?;
            (at_once(bench.search(one))?, revisions)
        };
        let hits: Vec<(i64, f64)> = shot.1.iter().map(|hit| (row(&hit.id), hit.distance)).collect();
        if let Some(recall) = bench.truth.recall(one, &hits, bench.asked.k, bench.by_distance()) {
            run.shots.push(Shot { us: shot.0, recall });
        }
        let (end_us, revisions) = revisions;
        run.trails.extend(trail(bench, other, end_us, &revisions, &mut run.last, &mut run.all));
    }
    Ok(run)
}

impl Bench<'_> {
    fn search(&self, query: usize) -> Search {
        self.asked.with_effort(self.collection, self.data.query(query), self.effort)
    }

    fn by_distance(&self) -> bool {
        self.asked.dims == self.data.dim
    }
}

/// An answer at once, and the µs it took.
pub fn at_once(search: Search) -> Outcome<(f64, foretaste::Hits)> {
    let started = Instant::now();
    let hits = search.run_with(&interrupt::wanted)?;
    Ok((micros(started), hits))
}

/// An answer by revisions, each with the µs until it was there; and the µs until all was done.
fn progressive(search: Search) -> Outcome<(f64, Vec<(f64, Revision)>)> {
    if interrupt::wanted() {
        return Err(foretaste::Error::Cancelled.into());
    }
    let mut seen = Vec::with_capacity(64);
    let started = Instant::now();
    let mut answer = search.start()?;
    while let Some(revision) = answer.next()? {
        seen.push((micros(started), revision));
    }
    drop(answer);
    Ok((micros(started), seen))
}

/// The µs since a moment.
pub fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

/// What is kept of an answer's revisions; `None` when there is no true answer to its query.
fn trail(
    bench: &Bench<'_>,
    query: usize,
    end_us: f64,
    revisions: &[(f64, Revision)],
    last: &mut Trust,
    all: &mut Trust,
) -> Option<Trail> {
    let (k, by_distance) = (bench.asked.k, bench.by_distance());
    let exact = Distances::of(revisions.iter().flat_map(|(_, revision)| &revision.hits).map(Seen::of));
    let mut looks = Vec::with_capacity(revisions.len());
    for (number, (us, revision)) in revisions.iter().enumerate() {
        let hits = exact.correct(revision.hits.iter().map(Seen::of), bench.truth, query);
        let recall = bench.truth.recall(query, &hits, k, by_distance)?;
        let found = bench.truth.found(query, &hits, k, by_distance)?;
        looks.push(Look { us: *us, recall });
        let end = number + 1 == revisions.len();
        for trust in std::iter::once(&mut *all).chain(end.then_some(&mut *last)) {
            trust.add(recall, revision.estimated_recall, revision.recall_lower_bound);
            for (hit, found) in revision.hits.iter().zip(&found) {
                trust.add_hit(*found, hit.p_final);
            }
        }
    }
    let rows = |revision: &Revision| revision.hits.iter().map(|hit| row(&hit.id)).collect::<Vec<i64>>();
    let lists: Vec<(usize, Vec<i64>)> = revisions.iter().map(|(_, r)| (r.settled, rows(r))).collect();
    let churn = lists.windows(2).map(|pair| match pair {
        [(_, before), (_, after)] => 1.0 - overlap::rank_biased(before, after),
        _ => 0.0,
    });
    let wanted = lists.last().map_or(0, |(_, rows)| rows.len());
    let settled = lists.iter().position(|(settled, rows)| *settled >= wanted && rows.len() == wanted);
    Some(Trail {
        settled_us: settled.and_then(|place| looks.get(place)).map_or(end_us, |look| look.us),
        settled_before: lists.iter().rev().skip(1).any(|(settled, _)| *settled > 0),
        settled_changed: settled_changed(&lists),
        looks,
        end_us,
        churn: churn.collect(),
    })
}

/// Whether anything in the settled beginning of a list stands elsewhere in a later one.
fn settled_changed(lists: &[(usize, Vec<i64>)]) -> bool {
    lists.iter().enumerate().any(|(place, (settled, rows))| {
        let promised = rows.get(..*settled).unwrap_or(rows);
        lists.iter().skip(place + 1).any(|(_, later)| !later.starts_with(promised))
    })
}

/// A hit, as it is compared with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    row: i64,
    distance: f64,
    error: f64,
}

impl Seen {
    pub fn of(hit: &Hit) -> Seen {
        Seen { row: row(&hit.id), distance: hit.distance, error: hit.error }
    }
}

/// The exact distances of rows. An estimated one does not say whether its row is as near as the farthest of the true ones.
pub struct Distances(HashMap<i64, f64>);

impl Distances {
    /// From the hits that have them.
    pub fn of(hits: impl Iterator<Item = Seen>) -> Distances {
        Distances(hits.filter(|hit| hit.error == 0.0).map(|hit| (hit.row, hit.distance)).collect())
    }

    /// Hits with their exact distances. A row whose distance nobody knows is none of the nearest.
    pub fn correct(&self, hits: impl Iterator<Item = Seen>, truth: &Truth, query: usize) -> Vec<(i64, f64)> {
        let correct = |Seen { row, .. }| {
            let known = self.0.get(&row).copied().or_else(|| truth.distance(query, row));
            (row, known.unwrap_or(f64::INFINITY))
        };
        hits.map(correct).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_is_compared_with_all_that_comes_later() {
        let list = |settled, rows: &[i64]| (settled, rows.to_vec());
        assert!(!settled_changed(&[list(0, &[1, 2]), list(1, &[2, 1]), list(2, &[2, 3])]));
        assert!(settled_changed(&[list(1, &[1, 2]), list(0, &[2, 1])]));
        assert!(settled_changed(&[list(2, &[1, 2]), list(0, &[1, 2]), list(2, &[1, 3])]));
        assert!(settled_changed(&[list(2, &[1, 2]), list(1, &[1])]));
        assert!(!settled_changed(&[]));
    }

    #[test]
    fn an_estimated_distance_is_replaced_by_the_exact_one_of_its_row() {
        let seen = |row, distance, error| Seen { row, distance, error };
        let mut truth = Truth::default();
        truth.add([(1, 0.1), (3, 0.3)].into_iter());
        let exact = Distances::of([seen(1, 0.5, 0.6), seen(2, 0.2, 0.0)].into_iter());
        let hits = [seen(1, 0.5, 0.6), seen(2, 0.9, 0.8), seen(4, 0.0, 0.2)];
        let correct = exact.correct(hits.into_iter(), &truth, 0);
        assert_eq!(correct, [(1, 0.1), (2, 0.2), (4, f64::INFINITY)]);
    }
}
