//! A funnel through the levels: many rows by few numbers, few of them by more.
//!
//! Reads from: the list, the planes of the levels. Writes to: the list. Never: a row's longer level when it cannot be among the
//! nearest there, as far as that is proved.

use foretaste_query::answer::TopK;
use foretaste_query::index::{Found, Query, RowRef, ScanStats, settle};
use foretaste_query::metric::Metric;

use crate::answer::Stage;
use crate::error::Result;
use crate::request::served;
use crate::rerank::{List, Refine, Step, bad};
use crate::schema::Schema;
use crate::session::{Ground, Halt, Row};

/// Rows compared between two looks.
const STRIDE: usize = 256;

/// A schedule of levels: the search compares the first `dims` numbers and keeps so many rows, each further step compares these by
/// more numbers and keeps fewer.
///
/// Under cosine both sides are scaled to length 1 at every level. Under L2 a row is not read at the longer level when its
/// distance at the shorter one, which cannot shrink, is already beyond the last one kept.
///
/// Kusupati et al., "Matryoshka Representation Learning" (NeurIPS 2022), there as adaptive and funnel retrieval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(Vec<(usize, usize)>);

impl Levels {
    /// Steps of (dimensions, rows kept), dimensions ascending, each a length that [`crate::Search::dims`] takes. The first is the search
    /// itself.
    pub fn new(steps: impl IntoIterator<Item = (usize, usize)>) -> Levels {
        Levels(steps.into_iter().collect())
    }

    pub(crate) fn first_dims(&self) -> Option<usize> {
        self.0.first().map(|step| step.0)
    }

    pub(crate) fn last_dims(&self) -> Option<usize> {
        self.0.last().map(|step| step.0)
    }

    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        if self.0.is_empty() {
            return Err(bad("a schedule of levels has at least one step".into()));
        }
        self.0.iter().try_for_each(|(dims, _)| served(schema, *dims).map_err(bad))?;
        if self.0.windows(2).any(|w| w[0].0 >= w[1].0) {
            return Err(bad(format!("the levels of a schedule must ascend, got {:?}", self.0)));
        }
        if self.0.iter().any(|(_, keep)| *keep == 0) {
            return Err(bad("a step of a schedule keeps at least one row".into()));
        }
        Ok(())
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.0.first().map_or(k, |step| step.1).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work { steps: self.0.clone(), next: 1 }
    }
}

pub(super) struct Work {
    steps: Vec<(usize, usize)>,
    next: usize,
}

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let Some(&(dims, keep)) = self.steps.get(self.next) else { return Ok(Step::Done) };
        self.next += 1;
        let metric = ground.query.metric();
        let query = Query::new(ground.whole, dims, metric);
        let mut top: TopK<RowRef> = TopK::new(keep.max(ground.request.k));
        let mut stats = ScanStats::default();
        for some in list.rows.chunks(STRIDE) {
            if halt.asked() {
                break;
            }
            for row in some {
                let Some(unit) = ground.units.get(row.row.source as usize) else { continue };
                if metric == Metric::L2 && row.distance * (1.0 - 1e-6) > top.threshold() {
                    continue;
                }
                let found = [Found { row: row.row.row, squared: 0.0 }];
                settle::rescore(&unit.rows, row.row.source, &query, &found, &mut top, &mut stats)?;
            }
        }
        list.spent.rows_exact += stats.rows_scored;
        list.spent.bytes_read += stats.bytes_read;
        if halt.asked() {
            // What was not compared at this level would be lost: the list of the level before is whole.
            return Ok(Step::Done);
        }
        let row = |ranked: foretaste_query::answer::Ranked<RowRef>| Row {
            row: ranked.item,
            distance: ranked.distance,
            score: metric.score(ranked.distance),
            error: 0.0,
            stage: Stage::Refine,
        };
        list.rows = top.into_sorted().into_iter().map(row).collect();
        Ok(if self.next < self.steps.len() { Step::More } else { Step::Done })
    }
}
