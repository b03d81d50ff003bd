//! A funnel through the levels: many rows by few numbers, few of them by more.
//!
//! At the last step rows are read in the order of their distances so far, and what those that are left can come to is known: rows
//! nearer than that are settled.
//!
//! Reads from: the list, the planes of the levels. Writes to: the list. Never: a row's longer level when it is proved that it
//! cannot be among the nearest there.

use foretaste_query::answer::{Ranked, TopK};
use foretaste_query::index::{Found, Index, Query, RowRef, ScanStats, Tail, settle};

use crate::error::Result;
use crate::request::served;
use crate::rerank::{List, Refine, Step, auto, bad};
use crate::revision::Stage;
use crate::scan::Unit;
use crate::schema::Schema;
use crate::session::{Ground, Halt, Row};
use crate::snapshot::Snapshot;

/// Rows of the last step between two looks, and of any between two questions whether to stop.
const STRIDE: usize = 64;

/// A schedule of levels: the search compares the first `dims` numbers and keeps so many rows, each further step compares these by
/// more numbers and keeps fewer.
///
/// Under cosine both sides are scaled to length 1 at every level. A row is not read at the longer level when it is proved by its
/// distance at the shorter one that it cannot be kept: under L2 a distance does not shrink, under cosine and (where an index
/// knows how long rows are) the inner product the rest of the query can add so much at most (see [`Tail`]). That changes nothing in
/// what is found. It saves little unless the shorter length holds nearly all of a vector's energy.
///
/// Kusupati et al., "Matryoshka Representation Learning" (NeurIPS 2022), there as adaptive and funnel retrieval.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// use foretaste::Levels;
///
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(4, Metric::L2).levels([2]))?;
/// # docs.upsert("a", &[0.0, 1.0, 0.0, 0.0])?;
/// let hits = docs.search(&[0.0; 4]).k(10).rerank(Levels::new([(2, 100), (4, 20)])).run()?;
/// assert_eq!(hits.schedule, [(2, 100), (4, 20)]);
/// let hits = docs.search(&[0.0; 4]).k(10).rerank(Levels::auto(0.95)).run()?;
/// assert_eq!(hits.schedule, [(4, 10)], "so few rows are compared at once");
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    steps: Vec<(usize, usize)>,
    /// The recall wanted, until the steps are chosen.
    auto: Option<f64>,
}

impl Levels {
    /// Steps of (dimensions, rows kept), dimensions ascending, each a length that [`crate::Search::dims`] takes. The first is the search
    /// itself.
    pub fn new(steps: impl IntoIterator<Item = (usize, usize)>) -> Levels {
        Levels { steps: steps.into_iter().collect(), auto: None }
    }

    /// The cheapest steps, of the collection's levels, that find this part, above 0 and at most 1, of the nearest rows by all dimensions,
    /// as far as can be expected: [`crate::Hits::schedule`] says which they are.
    ///
    /// They come from the largest segment without an index: of 8,192 of its rows 64 are taken for queries, and it is looked where
    /// the nearest to each stand by the shorter levels. The first such search of a segment does that, which takes about as long as
    /// reading so many rows and some hundredths of a second (whatever deadline it has), and all later ones use it. Queries that are unlike
    /// the rows may find less. Where indexes lead to most rows, or rows are few, there is one step, of all dimensions.
    pub fn auto(recall: f64) -> Levels {
        Levels { steps: Vec::new(), auto: Some(recall) }
    }

    /// Chooses the steps, where that is left to it.
    pub(crate) fn resolve(&mut self, snapshot: &Snapshot, k: usize, exact: bool) -> Result<()> {
        let Some(recall) = self.auto.take() else { return Ok(()) };
        if !(recall > 0.0 && recall <= 1.0) {
            return Err(bad(format!("the recall wanted is {recall}; it must be above 0 and at most 1")));
        }
        self.steps = auto::choose(snapshot, recall, k.max(1), exact)?;
        Ok(())
    }

    pub(crate) fn steps(&self) -> &[(usize, usize)] {
        &self.steps
    }

    pub(crate) fn first_dims(&self) -> Option<usize> {
        self.steps.first().map(|step| step.0)
    }

    pub(crate) fn last_dims(&self) -> Option<usize> {
        self.steps.last().map(|step| step.0)
    }

    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        if self.steps.is_empty() {
            return Err(bad("a schedule of levels has at least one step".into()));
        }
        self.steps.iter().try_for_each(|(dims, _)| served(schema, *dims).map_err(bad))?;
        if self.steps.windows(2).any(|w| w[0].0 >= w[1].0) {
            return Err(bad(format!("the levels of a schedule must ascend, got {:?}", self.steps)));
        }
        if self.steps.iter().any(|(_, keep)| *keep == 0) {
            return Err(bad("a step of a schedule keeps at least one row".into()));
        }
        Ok(())
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.steps.first().map_or(k, |step| step.1).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work { steps: self.steps.clone(), next: 1, going: None }
    }
}

pub(super) struct Work {
    steps: Vec<(usize, usize)>,
    next: usize,
    going: Option<Going>,
}

/// A step of the schedule on its way.
struct Going {
    query: Query,
    /// The list before it, and how many of its rows were dealt with.
    rows: Vec<Row>,
    done: usize,
    /// What is proved of the rows of each part by their distances so far.
    tails: Vec<Tail>,
    top: TopK<RowRef>,
    is_last: bool,
}

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let mut going = match self.going.take() {
            Some(going) => going,
            None => match self.begin(ground, list) {
                Some(going) => going,
                None => return Ok(Step::Done),
            },
        };
        while !halt.asked() && going.done < going.rows.len() {
            going.compare(ground, list)?;
            if going.is_last && going.done < going.rows.len() {
                going.show(list);
                self.going = Some(going);
                return Ok(Step::More);
            }
        }
        if halt.asked() {
            // Between two levels what was not compared would be lost: the list of the level before is whole. At the last one what was
            // shown as settled stays.
            if going.is_last {
                going.show(list);
            }
            return Ok(Step::Done);
        }
        list.rows = going.nearest();
        Ok(if going.is_last { Step::Done } else { Step::More })
    }
}

impl Work {
    /// The next step of the schedule.
    fn begin(&mut self, ground: &Ground<'_>, list: &List) -> Option<Going> {
        let (dims, keep) = self.steps.get(self.next).copied()?;
        let before = self.next.checked_sub(1).and_then(|i| self.steps.get(i)).map_or(0, |step| step.0);
        self.next += 1;
        let query = Query::new(ground.whole, dims, ground.query.metric());
        let tail = |unit: &Unit<'_>| Tail::new(&query, before, unit.index().and_then(Index::radius));
        Some(Going {
            tails: ground.units.iter().map(tail).collect(),
            rows: list.rows.clone(),
            done: 0,
            top: TopK::new(keep.max(ground.request.k)),
            is_last: self.next == self.steps.len(),
            query,
        })
    }
}

impl Going {
    /// Compares some more rows, but those that cannot be kept.
    fn compare(&mut self, ground: &Ground<'_>, list: &mut List) -> Result<()> {
        let mut stats = ScanStats::default();
        let end = self.rows.len().min(self.done + STRIDE);
        for row in self.rows.get(self.done..end).unwrap_or_default() {
            let Some(unit) = ground.units.get(row.row.source as usize) else { continue };
            if self.least(row) > self.top.threshold() {
                continue;
            }
            let found = [Found { row: row.row.row, squared: 0.0 }];
            settle::rescore(&unit.rows, row.row.source, &self.query, &found, &mut self.top, &mut stats)?;
        }
        self.done = end;
        list.spent.rows_exact += stats.rows_scored;
        list.spent.bytes_read += stats.bytes_read;
        Ok(())
    }

    /// What a row's distance is by this step's dimensions, at least.
    fn least(&self, row: &Row) -> f64 {
        self.tails.get(row.row.source as usize).map_or(f64::NEG_INFINITY, |tail| tail.least(row.distance))
    }

    /// The rows kept so far, nearest first.
    fn nearest(&self) -> Vec<Row> {
        let metric = self.query.metric();
        let row = |ranked: Ranked<RowRef>| Row {
            row: ranked.item,
            distance: ranked.distance,
            score: metric.score(ranked.distance),
            error: if self.is_last { 0.0 } else { f64::INFINITY },
            stage: Stage::Refine,
        };
        self.top.clone().into_sorted().into_iter().map(row).collect()
    }

    /// Makes the rows compared so far the list, and behind them those that were not, as they stood; settled are those that no other can
    /// come before.
    fn show(&self, list: &mut List) {
        let left = self.rows.get(self.done..).unwrap_or_default();
        let next = left.iter().map(|row| self.least(row)).fold(f64::INFINITY, f64::min);
        list.rows = self.nearest();
        list.settled = list.rows.iter().take_while(|row| row.distance < next).count();
        list.rows.extend(left);
    }
}
