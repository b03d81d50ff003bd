//! While the model is being changed: rows of the old space, found by a rule, and rows of the new one, as one list.
//!
//! Reads from: the search, which has rows of the old space; the rows in the new one. Writes to: the list.
//! Never: a row twice; a row that is in the new space ranked by its old vector.

use std::collections::HashSet;
use std::sync::Arc;

use foretaste_query::index::{Query, RowRef};
use foretaste_query::metric::Metric;
use foretaste_query::rerank::fuse::{self, List as Ranking};
use foretaste_query::space::{Calibration, Shape};

use crate::change::in_sample;
use crate::error::Result;
use crate::member::{Scale, Shown};
use crate::request::MAX_K;
use crate::rerank::fuse::nearest_elsewhere;
use crate::rerank::{List, Refine, Step};
use crate::revision::Stage;
use crate::session::{Ground, Halt, Row};
use crate::snapshot::Snapshot;
use crate::space::Rule;
use crate::state::{CollectionCore, Place};

/// Rows in both spaces by which scores are brought on one scale: so many are compared with each of so many, of whose distances the
/// nearest count. With fewer than the least, lists are merged by rank.
const ROWS: usize = 1000;
const QUERIES: usize = 64;
const NEAREST: usize = 20;
const LEAST: usize = 50;
/// How many rows of the old space are looked at for each that is wanted, at most: when all of these are in the new space already, the
/// rows that are not lie farther away.
const MOST: usize = 40;
/// Reciprocal rank fusion's constant.
const KAPPA: f64 = 60.0;
/// How many standard deviations an estimated distance may be off.
const DEVIATIONS: f64 = 3.0;

/// Rows of two spaces as one list; see [`crate::Snapshot::search_in`], which makes it.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// The rows in the query's space.
    there: Snapshot,
    member: Arc<CollectionCore>,
    rule: Rule,
    query: Vec<f32>,
}

impl Mixed {
    pub(crate) fn new(there: Snapshot, member: &Shown, rule: &Rule, query: &[f32]) -> Mixed {
        Mixed { there, member: Arc::clone(&member.core), rule: rule.clone(), query: query.to_vec() }
    }

    /// `all` is how many rows there are in the old space.
    pub(super) fn keep(&self, k: usize, all: u64) -> usize {
        let waiting = all.saturating_sub(self.there.len()).max(1);
        let needed = (k as u64).saturating_mul(all) / waiting;
        let needed = usize::try_from(needed + needed / 2).unwrap_or(usize::MAX);
        needed.clamp(k, k.saturating_mul(MOST).max(k)).min(MAX_K).max(k.min(MAX_K))
    }

    pub(super) fn work(&self) -> Work {
        Work(self.clone())
    }

    /// Old scores on the new scale, as it was measured when at least half of the rows that are there now were.
    fn scale(&self, own: &Snapshot) -> Result<Option<Arc<Scale>>> {
        let mut known = self.member.known.scale.lock();
        let rows = self.there.len();
        match &*known {
            Some((then, scale)) if then.saturating_mul(2) > rows => Ok(scale.clone()),
            _ => {
                let scale = self.measure(own)?.map(Arc::new);
                *known = Some((rows, scale.clone()));
                Ok(scale)
            }
        }
    }

    /// Rows in the new space that were chosen without a pattern, whatever order they are embedded in; all of them, evenly, while there
    /// are too few of those.
    fn sample(&self, all: u64) -> Result<Vec<Place>> {
        let mut chosen = Vec::new();
        for place in self.there.places() {
            if chosen.len() < ROWS && in_sample(&self.there.key_of(&place)?, all) {
                chosen.push(place);
            }
        }
        if chosen.len() >= LEAST {
            return Ok(chosen);
        }
        let rows = usize::try_from(self.there.len()).unwrap_or(usize::MAX);
        Ok(self.there.places().step_by(rows.div_ceil(ROWS).max(1)).collect())
    }

    fn measure(&self, own: &Snapshot) -> Result<Option<Scale>> {
        let mut both: Vec<(Vec<f32>, Vec<f32>)> = Vec::new();
        for place in self.sample(own.len())? {
            let new = self.there.own_record(&place)?;
            if let Some(place) = own.state.find(&new.id, own.seq)? {
                both.push((own.own_record(&place)?.vector, new.vector));
            }
        }
        if both.len() < LEAST {
            return Ok(None);
        }
        let (metric, theirs) = (own.metric(), self.there.metric());
        let mut scores = Vec::new();
        for (asked, (_, new)) in both.iter().enumerate().step_by(both.len().div_ceil(QUERIES)) {
            // A row that is short, or a prefix that is no level, says nothing.
            let Ok(mapped) = self.rule.map(new) else { continue };
            let (old, new) = (Query::new(&mapped, mapped.len(), metric), Query::new(new, new.len(), theirs));
            let others = both.iter().enumerate().filter(|(other, _)| *other != asked);
            let mut of_query: Vec<(f64, f64)> = others
                .filter(|(_, row)| row.0.len() >= old.dims() && row.1.len() >= new.dims())
                .map(|(_, (a, b))| (metric.score(old.exact(a)), theirs.score(new.exact(b))))
                .collect();
            of_query.sort_by(|a, b| b.0.total_cmp(&a.0));
            scores.extend(of_query.into_iter().take(NEAREST));
        }
        let Some(calibration) = Calibration::fit(&scores, Shape::Monotone) else { return Ok(None) };
        let squares = scores.iter().map(|(old, new)| (calibration.apply(*old) - new).powi(2));
        let deviation = (squares.sum::<f64>() / scores.len().max(1) as f64).sqrt();
        Ok(Some(Scale { calibration, deviation }))
    }
}

pub(super) struct Work(Mixed);

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let Mixed { there, query, .. } = &self.0;
        let mut request = ground.request.clone();
        request.stages.clear();
        // A schedule of levels, or fewer dimensions, are of the old space.
        request.k = list.rows.len().min(request.keep).max(request.k);
        request.keep = request.k;
        let (new, cost) = nearest_elsewhere(there, query, &mut request, ground, halt)?;
        list.spent.add(&cost);
        if halt.asked() {
            return Ok(Step::Done);
        }
        let mut old = Vec::with_capacity(list.rows.len());
        for row in &list.rows {
            if there.state.find(&ground.key(row.row)?, there.seq)?.is_none() {
                old.push(*row);
            }
        }
        list.rows = match self.0.scale(ground.snapshot)? {
            Some(scale) => by_score(new, old, &scale, there.metric()),
            None => by_rank(&new, &old),
        };
        list.settled = 0;
        Ok(Step::Done)
    }
}

/// Both by their scores in the new space, those of the old one as they are expected to be.
fn by_score(new: Vec<Row>, old: Vec<Row>, scale: &Scale, metric: Metric) -> Vec<Row> {
    let estimated = |row: Row| {
        let score = scale.calibration.apply(row.score);
        let distance = if metric == Metric::Cosine { 1.0 - score } else { -score };
        Row { distance, score, error: DEVIATIONS * scale.deviation, ..row }
    };
    let mut rows: Vec<Row> = new.into_iter().chain(old.into_iter().map(estimated)).collect();
    rows.sort_by(|a, b| b.score.total_cmp(&a.score));
    rows
}

/// Both by their ranks. Distances are of their own spaces, so those of the old one may be off by anything.
fn by_rank(new: &[Row], old: &[Row]) -> Vec<Row> {
    let list = |rows: &[Row]| rows.iter().map(|row| (row.row, row.score)).collect::<Vec<(RowRef, f64)>>();
    let (of_new, of_old) = (list(new), list(old));
    let fused = fuse::rrf(&[Ranking::new(&of_new), Ranking::new(&of_old)], KAPPA);
    let is_new: HashSet<RowRef> = new.iter().map(|row| row.row).collect();
    let find = |row: RowRef| new.iter().chain(old).find(|found| found.row == row);
    let placed = |(row, score): (RowRef, f64)| {
        let error = if is_new.contains(&row) { 0.0 } else { f64::INFINITY };
        find(row).map(|found| Row { score, error, stage: Stage::Rerank, ..*found })
    };
    fused.into_iter().filter_map(placed).collect()
}
