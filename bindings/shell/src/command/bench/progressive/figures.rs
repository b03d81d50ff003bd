//! The figures of answers as they settle: of one effort, and of all efforts of an index.
//!
//! Reads from: `measure`. Writes to: what is written as JSON, shown and drawn. Never: a search.

use serde::Serialize;

use super::calibration::Calibration;
use super::cold::Cold;
use super::course::{Course, Steps, mean};
use super::measure::{Run, Shot, Trail};
use super::target::Target;
use crate::args::IndexKind;
use crate::command::bench::measure::{Asked, percentile};

/// Mean recalls whose times are TTFR@q: the time from which on the newest revisions have at least as much.
const FIRSTS: [f64; 3] = [0.5, 0.8, 0.95];
const RECALLS: [f64; 3] = [0.9, 0.95, 0.99];

/// All efforts of one index.
#[derive(Serialize)]
pub struct Progressive {
    pub index: IndexKind,
    pub k: usize,
    pub dims: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    pub points: Vec<Settling>,
    /// Searches that end at an expected recall.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// Why there are no figures of cold searches, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_impossible: Option<String>,
}

/// One effort. Where not said otherwise the figures are those of the run whose answers by revisions were the fastest.
#[derive(Serialize)]
pub struct Settling {
    pub effort: usize,
    pub queries: usize,
    /// Answers at once, and by revisions to the end: the fastest run of each.
    pub one_shot: Whole,
    pub progressive: Whole,
    /// How much longer those by revisions take, as a share; from the fastest run of each.
    pub overhead: f64,
    pub overhead_runs: Vec<f64>,
    /// The same of the middle times, which a few slow queries do not move.
    pub overhead_p50: f64,
    pub revisions_mean: f64,
    pub revisions: Vec<Numbered>,
    pub ttfr: Vec<Reached>,
    pub time_to_recall: Vec<Reached>,
    pub settled_us: Spread,
    /// Under the mean recall over the logarithm of time from 1 µs to 100 ms, as a share of what recall 1 from 1 µs on has.
    pub area: f64,
    /// The same of answers at once.
    pub area_one_shot: f64,
    /// Mean of 1 - rank-biased overlap (p = 0.9) of each revision with the one before; `None` when all have one only.
    pub churn: Option<f64>,
    pub settled_changed: Changed,
    pub calibration_last: Calibration,
    pub calibration_all: Calibration,
    /// Mean recall of the newest revisions at times in µs.
    pub course: Steps,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<Cold>,
}

/// Answers to their end.
#[derive(Debug, Clone, Serialize)]
pub struct Whole {
    pub us: Spread,
    pub recall: f64,
    /// Mean µs of each run.
    pub mean_us_runs: Vec<f64>,
}

/// How times are spread, in µs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
}

/// The revisions of one number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Numbered {
    pub number: usize,
    /// Queries that have one.
    pub queries: usize,
    pub mean_us: f64,
    pub mean_recall: f64,
}

/// When the mean recall is reached, if ever.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reached {
    pub recall: f64,
    pub us: Option<f64>,
    /// The same of answers at once.
    pub one_shot_us: Option<f64>,
}

/// Searches some of whose hits were settled before their last revision, and those of them where these changed after all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    pub searches: usize,
    pub settled_before_the_last: usize,
    pub changed: usize,
    /// Of all searches.
    pub share: f64,
}

impl Progressive {
    pub fn new(asked: &Asked<'_>) -> Progressive {
        let filter = asked.filter.map(str::to_string);
        let (points, targets, cold_impossible) = (Vec::new(), Vec::new(), None);
        Progressive {
            index: asked.index,
            k: asked.k,
            dims: asked.dims,
            filter,
            points,
            targets,
            cold_impossible,
        }
    }
}

impl Settling {
    /// Of the runs of one effort; `None` when none has an answer.
    pub fn of(effort: usize, runs: &[Run]) -> Option<Settling> {
        let shot_us = |run: &Run| mean(run.shots.iter().map(|shot| shot.us));
        let trail_us = |run: &Run| mean(run.trails.iter().map(|trail| trail.end_us));
        let fastest = |us: &dyn Fn(&Run) -> f64| runs.iter().min_by(|a, b| us(a).total_cmp(&us(b)));
        let (at_once, best) = (fastest(&shot_us)?, fastest(&trail_us)?);
        if best.trails.is_empty() {
            return None;
        }
        let steps = |trail: &Trail| trail.looks.iter().map(|look| (look.us, look.recall)).collect::<Steps>();
        let course = Course::of(&best.trails.iter().map(steps).collect::<Vec<_>>());
        let step = |shot: &Shot| vec![(shot.us, shot.recall)];
        let course_at_once = Course::of(&at_once.shots.iter().map(step).collect::<Vec<_>>());
        let reached = |recall: &f64| Reached {
            recall: *recall,
            us: course.time_to(*recall),
            one_shot_us: course_at_once.time_to(*recall),
        };
        let one_shot = Whole {
            us: Spread::of(at_once.shots.iter().map(|shot| shot.us)),
            recall: mean(at_once.shots.iter().map(|shot| shot.recall)),
            mean_us_runs: runs.iter().map(shot_us).collect(),
        };
        let progressive = Whole {
            us: Spread::of(best.trails.iter().map(|trail| trail.end_us)),
            recall: mean(best.trails.iter().filter_map(|trail| trail.looks.last()).map(|look| look.recall)),
            mean_us_runs: runs.iter().map(trail_us).collect(),
        };
        let churn: Vec<f64> = best.trails.iter().flat_map(|trail| trail.churn.iter().copied()).collect();
        Some(Settling {
            effort,
            queries: best.trails.len(),
            overhead: overhead(progressive.us.mean, one_shot.us.mean),
            overhead_p50: overhead(progressive.us.p50, one_shot.us.p50),
            overhead_runs: runs.iter().map(|run| overhead(trail_us(run), shot_us(run))).collect(),
            one_shot,
            progressive,
            revisions_mean: mean(best.trails.iter().map(|trail| trail.looks.len() as f64)),
            revisions: numbered(&best.trails),
            ttfr: FIRSTS.iter().map(reached).collect(),
            time_to_recall: RECALLS.iter().map(reached).collect(),
            settled_us: Spread::of(best.trails.iter().map(|trail| trail.settled_us)),
            area: course.area(),
            area_one_shot: course_at_once.area(),
            churn: (!churn.is_empty()).then(|| mean(churn)),
            settled_changed: Changed::of(&best.trails),
            calibration_last: best.last.figures(),
            calibration_all: best.all.figures(),
            course: course.drawn(),
            cold: None,
        })
    }
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Spread {
            mean: mean(values.iter().copied()),
            p50: percentile(&values, 0.5),
            p99: percentile(&values, 0.99),
        }
    }
}

impl Changed {
    fn of(trails: &[Trail]) -> Changed {
        let count = |of: fn(&Trail) -> bool| trails.iter().filter(|trail| of(trail)).count();
        let changed = count(|trail| trail.settled_changed);
        Changed {
            searches: trails.len(),
            settled_before_the_last: count(|trail| trail.settled_before),
            changed,
            share: changed as f64 / trails.len().max(1) as f64,
        }
    }
}

/// How much longer `whole` is than `part`, as a share of that.
fn overhead(whole: f64, part: f64) -> f64 {
    whole / part.max(1e-9) - 1.0
}

fn numbered(trails: &[Trail]) -> Vec<Numbered> {
    let most = trails.iter().map(|trail| trail.looks.len()).max().unwrap_or(0);
    let of = |place: usize| {
        let looks: Vec<_> = trails.iter().filter_map(|trail| trail.looks.get(place)).collect();
        Numbered {
            number: place + 1,
            queries: looks.len(),
            mean_us: mean(looks.iter().map(|look| look.us)),
            mean_recall: mean(looks.iter().map(|look| look.recall)),
        }
    };
    (0..most).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::bench::progressive::measure::Look;

    fn trail(looks: &[(f64, f64)], end_us: f64) -> Trail {
        let look = |(us, recall): &(f64, f64)| Look { us: *us, recall: *recall };
        let churn = vec![0.2; looks.len().saturating_sub(1)];
        let (settled_before, settled_changed) = (looks.len() > 1, looks.len() > 2);
        let looks = looks.iter().map(look).collect();
        Trail { looks, end_us, churn, settled_us: end_us, settled_before, settled_changed }
    }

    #[test]
    fn the_fastest_runs_give_the_figures_and_all_runs_are_kept() {
        let shots = |us: f64| vec![Shot { us, recall: 0.9 }];
        let run = |shot: f64, end: f64| Run {
            shots: shots(shot),
            trails: vec![trail(&[(1.0, 0.4), (end, 0.9)], end)],
            ..Run::default()
        };
        let found = Settling::of(64, &[run(10.0, 12.0), run(8.0, 16.0), run(20.0, 10.0)]).unwrap();
        assert_eq!((found.one_shot.us.mean, found.progressive.us.mean), (8.0, 10.0));
        assert_eq!((found.overhead, found.overhead_p50), (0.25, 0.25));
        assert_eq!(found.overhead_runs[1..], [1.0, -0.5]);
        assert_eq!(found.one_shot.mean_us_runs, [10.0, 8.0, 20.0]);
        let at = &found.time_to_recall[0];
        assert_eq!((at.recall, at.us, at.one_shot_us), (0.9, Some(10.0), Some(8.0)));
        assert_eq!(found.time_to_recall[1].us, None);
        assert!(found.area > 0.0 && (found.churn.unwrap() - 0.2).abs() < 1e-12);
        assert!(Settling::of(64, &[]).is_none());
    }

    #[test]
    fn a_revision_counts_the_queries_that_have_it() {
        let trails = [
            trail(&[(1.0, 0.2)], 2.0),
            trail(&[(3.0, 0.4), (5.0, 0.8)], 6.0),
            trail(&[(2.0, 0.6), (7.0, 0.8), (9.0, 1.0)], 9.0),
        ];
        let found = numbered(&trails);
        assert_eq!(found.iter().map(|n| (n.number, n.queries)).collect::<Vec<_>>(), [(1, 3), (2, 2), (3, 1)]);
        assert_eq!((found[0].mean_us, found[1].mean_us, found[1].mean_recall), (2.0, 6.0, 0.8));
        let changed = Changed::of(&trails);
        assert_eq!((changed.searches, changed.settled_before_the_last, changed.changed), (3, 2, 1));
    }
}
