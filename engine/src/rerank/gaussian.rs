//! Rows as normal distributions: ordered by a distance that their variances are part of.
//!
//! Rows come in the order of their means, from the search; a bound says when no later one can be among the nearest.
//!
//! Reads from: the list, means and variances of rows. Writes to: the list. Never: a stop that could cost a hit, as long as
//! the search gives the nearest means.

use std::collections::HashMap;

use foretaste_query::answer::Ranked;
use foretaste_query::index::RowRef;
use foretaste_query::metric::Metric;
use foretaste_query::rerank::gaussian::{self, Bound, Spread, Stream};

use crate::error::Result;
use crate::rerank::{List, Refine, Step, bad, check_variance};
use crate::revision::Stage;
use crate::schema::Schema;
use crate::session::{Ground, Halt, Row};

pub use foretaste_query::rerank::gaussian::Measure;

/// Ranks by the squared distance and `weight` times the row's total variance: the closed-form sampled distance of PCME++ (Chun,
/// ICLR 2024, arXiv 2305.18171), without what the query's variance adds to all rows alike.
///
/// As the first stage it is part of the search: a scan orders by it in its one pass, and an index is asked for more until no row
/// that is farther can come before the last one wanted. Under cosine means are scaled to length 1. Not under the inner product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Csd {
    weight: f64,
}

/// Ranks by another distance between normal distributions: rows are read in the order of their means until a bound says that no
/// later one can be among the nearest. Of fresh rows it is not known between what their variances lie, so that all rows are read for
/// every measure but Wasserstein's as long as there are some.
///
/// The variances of the query are those of [`crate::Search::query_variance`]. Under cosine means are scaled to length 1; not under
/// the inner product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaussian(Measure);

impl Csd {
    /// 1 is the published weight; 0 ranks by the means alone.
    pub fn new(weight: f64) -> Csd {
        Csd { weight }
    }

    pub(crate) fn weight(self) -> f64 {
        self.weight
    }

    pub(super) fn check(self, schema: &Schema) -> Result<()> {
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            return Err(bad(format!(
                "the weight of the variance is {}; it must be finite and not negative",
                self.weight
            )));
        }
        check(schema)
    }

    pub(super) fn work(self) -> Work {
        Gaussian(Measure::Csd { lambda: self.weight }).work()
    }
}

impl Gaussian {
    /// Ranks by `measure`.
    pub fn new(measure: Measure) -> Gaussian {
        Gaussian(measure)
    }

    pub(super) fn check(self, schema: &Schema) -> Result<()> {
        check(schema)
    }

    pub(super) fn work(self) -> Work {
        Work { measure: self.0, count: 0, stream: None, met: HashMap::new() }
    }
}

fn check(schema: &Schema) -> Result<()> {
    check_variance(schema)?;
    if schema.metric() == Metric::Dot {
        return Err(bad("the inner product is of no distance between means; use cosine or l2".into()));
    }
    Ok(())
}

pub(super) struct Work {
    measure: Measure,
    /// Rows asked of the search so far.
    count: usize,
    stream: Option<Stream<RowRef>>,
    /// Rows that were offered, with the distances of their means.
    met: HashMap<RowRef, f64>,
}

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let dims = ground.query.dims();
        let mut own = Vec::new();
        ground.as_compared(ground.query.vector(), &mut own);
        let variance = ground.request.query_variance.as_deref();
        let query = gaussian::Gaussian { mean: &own, variance: variances(variance, dims) };
        if self.stream.is_none() {
            let spread = spread(ground)?;
            self.stream = Some(Stream::new(ground.request.k, Bound::new(self.measure, &query, &spread)));
            self.count = list.rows.len();
        } else {
            self.count = self.count.saturating_mul(4).max(64);
            let mut request = ground.request.clone();
            (request.keep, request.k) = (self.count, self.count);
            request.ef = request.ef.max(self.count.saturating_mul(2));
            request.stages.clear();
            let (rows, cost) = ground.nearest(ground.query, &request, halt)?;
            list.spent.add(&cost);
            if halt.asked() {
                return Ok(Step::Done);
            }
            list.rows = rows;
        }
        let Some(stream) = &mut self.stream else { return Ok(Step::Done) };
        let all = list.rows.len() < self.count.max(ground.request.k);
        let (mut numbers, mut spread) = (Vec::new(), Vec::new());
        let mut done = all;
        for row in &list.rows {
            if self.met.insert(row.row, row.distance).is_some() {
                continue;
            }
            let delta = ground.query.metric().squared(row.distance).unwrap_or_default();
            // Distances of the search are right to some six digits.
            let least = (delta * (1.0 - 1e-5) - 1e-9).max(0.0);
            if stream.complete(least) {
                done = true;
                break;
            }
            ground.vector(row.row, dims, &mut numbers)?;
            ground.variance(row.row, dims, &mut spread)?;
            let mut at = Vec::new();
            ground.as_compared(&numbers, &mut at);
            let at = gaussian::Gaussian { mean: &at, variance: variances(Some(&spread), dims) };
            let tiebreak = u64::from(row.row.source) << 32 | u64::from(row.row.row);
            stream.offer(least, self.measure.distance(&query, &at), tiebreak, row.row);
            list.spent.bytes_read += (dims * 4 + spread.len() * 4) as u64;
        }
        // The nearest so far, by their new distance; the search's own distance stays what it is.
        let placed = |ranked: Ranked<RowRef>| {
            let distance = self.met.get(&ranked.item).copied()?;
            let score = 0.0 - ranked.distance;
            Some(Row { row: ranked.item, distance, score, error: 0.0, stage: Stage::Rerank })
        };
        list.rows = stream.clone().into_sorted().into_iter().filter_map(placed).collect();
        Ok(if done { Step::Done } else { Step::More })
    }
}

fn variances(values: Option<&[f32]>, dims: usize) -> gaussian::Variance<'_> {
    match values {
        None | Some([]) => gaussian::Variance::None,
        Some([one]) if dims != 1 => gaussian::Variance::Scalar(*one),
        Some(values) => gaussian::Variance::Diagonal(values.get(..dims).unwrap_or(values)),
    }
}

/// Between what the variances of all rows lie.
fn spread(ground: &Ground<'_>) -> Result<Spread> {
    let dims = ground.query.dims();
    let mut spread = Spread::default();
    for unit in ground.units {
        let (least, most) = unit.variance_range()?;
        spread.min = spread.min.min(f64::from(least));
        spread.max = spread.max.max(f64::from(most));
        spread.trace_min = spread.trace_min.min(f64::from(unit.least_trace(dims)?) * (1.0 - 1e-6));
    }
    Ok(spread)
}
