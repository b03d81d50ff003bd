//! The answer of a search as a live object: each revision is the best ranked list so far, until the last one is the settled
//! answer.
//!
//! It is pulled: nothing happens between two calls, and dropping it stops all work.
//!
//! Reads from: `session`. Writes to: revisions with hits. Never: a thread, or a wait.

use std::collections::HashSet;
use std::time::Instant;

use foretaste_query::index::{Query, RowRef, Source as _};
use foretaste_storage::stop::Stop;
use self_cell::self_cell;

use crate::error::Result;
use crate::plan::Decision;
use crate::request::Request;
use crate::rerank::{Live, Rerank};
use crate::revision::{Revision, StoppedBecause};
use crate::scan::{Unit, units};
use crate::search::{Cost, Hit, Hits};
use crate::session::{Confidence, Ground, Halt, Look, Row};
use crate::snapshot::Snapshot;
use crate::validate;

/// Cancels an answer from anywhere: [`Answer::canceller`].
#[derive(Debug, Clone, Default)]
pub struct Canceller(Stop);

/// The answer of a search, revision by revision.
///
/// ```
/// # use foretaste::{Database, Metric, Schema, StoppedBecause};
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// # docs.upsert("a", &[0.0, 1.0])?;
/// let mut answer = docs.search(&[0.0, 0.0]).k(10).start()?;
/// let mut last = None;
/// while let Some(revision) = answer.next()? {
///     println!("{} hits, {} settled", revision.hits.len(), revision.settled);
///     last = Some(revision);
/// }
/// let last = last.unwrap();
/// assert_eq!((last.hits.len(), last.settled), (1, 1));
/// assert_eq!(last.stopped_because, Some(StoppedBecause::Exhausted));
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
pub struct Answer {
    standing: Standing,
    canceller: Canceller,
    until: Option<Instant>,
    number: u32,
    /// The rows of the last revision.
    shown: Vec<RowRef>,
    /// Rows of the settled pages.
    given: HashSet<RowRef>,
}

/// What a search stands on.
struct Asked {
    snapshot: Snapshot,
    request: Request,
    query: Query,
    whole: Vec<f32>,
    started: Instant,
}

type Units<'a> = Vec<Unit<'a>>;

self_cell!(
    struct Footing {
        owner: Asked,
        #[covariant]
        dependent: Units,
    }
);

self_cell!(
    struct Standing {
        owner: Footing,
        #[not_covariant]
        dependent: Live,
    }
);

impl Answer {
    pub(crate) fn start(snapshot: Snapshot, vector: &[f32], request: Request) -> Result<Answer> {
        let started = Instant::now();
        let until = request.deadline.and_then(|deadline| started.checked_add(deadline));
        let standing = stand(snapshot, vector, request, started, Cost::default())?;
        let (number, shown, given) = (0, Vec::new(), HashSet::new());
        Ok(Answer { standing, canceller: Canceller::default(), until, number, shown, given })
    }

    /// Goes on until the list has changed, and gives it; `None` when the answer was at its end.
    ///
    /// # Errors
    /// `Corrupt` when a file it reads is damaged (an index that is damaged is done without); `Io`. After an error the
    /// answer is at its end.
    #[expect(clippy::should_implement_trait, reason = "it does; this one is easier to use with `?`")]
    pub fn next(&mut self) -> Result<Option<Revision>> {
        match self.go(|live, halt| live.next(halt))? {
            Some(look) => self.revision(look).map(Some),
            None => Ok(None),
        }
    }

    /// The hits beyond those given so far: as many as were wanted, as one revision; with none when there are no more. An answer
    /// that is not at its end is brought there first.
    ///
    /// Rows that a stage has ranked beyond the first page come first; those behind them are ranked by the search alone, which
    /// looks for more than before.
    ///
    /// # Errors
    /// As [`Answer::next`].
    pub fn page(&mut self) -> Result<Revision> {
        while self.next()?.is_some() {}
        let given = std::mem::take(&mut self.given);
        let look = self.go(|live, halt| live.page(&given, halt));
        self.given = given;
        self.revision(look?)
    }

    /// Goes on with another query: the same filter, effort and stages, from the beginning; what was spent stays counted. With the
    /// same query nothing happens.
    ///
    /// # Errors
    /// As [`Search::run`]; the answer is then as it was.
    ///
    /// [`Search::run`]: crate::Search::run
    pub fn requery(&mut self, vector: &[f32]) -> Result<()> {
        let cost = self.standing.with_dependent(|_, live| live.cost());
        let asked = self.standing.borrow_owner().borrow_owner();
        let vector = &*validate::as_stored(asked.snapshot.schema(), vector, 0, &"query")?;
        if asked.whole == vector {
            return Ok(());
        }
        let (snapshot, request) = (asked.snapshot.clone(), asked.request.clone());
        self.standing = stand(snapshot, vector, request, asked.started, cost)?;
        self.given.clear();
        Ok(())
    }

    /// One more stage behind all others: the list found so far is refined by it.
    ///
    /// # Errors
    /// `BadRequest` when the stage cannot be with this collection.
    pub fn rerank(&mut self, stage: impl Into<Rerank>) -> Result<()> {
        let stage = stage.into();
        stage.check(&self.standing.borrow_owner().borrow_owner().snapshot, false)?;
        self.standing.with_dependent_mut(|_, live| live.add(&stage));
        self.given.clear();
        Ok(())
    }

    fn go<T>(&mut self, step: impl FnOnce(&mut Live<'_>, &Halt<'_>) -> Result<T>) -> Result<T> {
        let (canceller, until) = (self.canceller.clone(), self.until);
        let cancelled = || canceller.is_cancelled();
        self.standing.with_dependent_mut(|_, live| step(live, &Halt::new(&cancelled, until)))
    }

    fn revision(&mut self, look: Look) -> Result<Revision> {
        let (cost, problem) = self.standing.with_dependent(|_, live| (live.cost(), live.problem().cloned()));
        self.number += 1;
        let Look { stage, rows, settled, confidence, stopped } = look;
        let differs =
            |(place, row): (usize, &Row)| (self.shown.get(place) != Some(&row.row)).then_some(place);
        let changed = rows.iter().enumerate().filter_map(differs).collect();
        self.shown.clear();
        self.shown.extend(rows.iter().map(|row| row.row));
        if stopped.is_some() {
            self.given.extend(&self.shown);
        }
        let footing = self.standing.borrow_owner();
        let Asked { snapshot, request, .. } = footing.borrow_owner();
        let hits = hits(snapshot, footing.borrow_dependent(), request.last_dims, rows, &confidence)?;
        Ok(Revision {
            number: self.number,
            stage,
            hits,
            settled,
            estimated_recall: confidence.recall,
            recall_lower_bound: confidence.low,
            query_uncertainty: request.query_uncertainty(),
            changed,
            cost,
            stopped_because: stopped,
            problem,
        })
    }

    /// Something that cancels it, from any thread: the next revision is then the last, with what was found by then.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The steps of its schedule of levels, (dimensions, rows kept), given or chosen by [`crate::Levels::auto`]; none without one.
    pub fn schedule(&self) -> Vec<(usize, usize)> {
        self.standing.borrow_owner().borrow_owner().request.schedule()
    }

    /// How each part of the collection is gone through, and why: each segment, then each block of fresh rows.
    pub fn explain(&self) -> Vec<Decision> {
        self.standing.with_dependent(|_, live| live.decisions())
    }
}

/// A search that has not begun; `spent` was spent before.
fn stand(
    snapshot: Snapshot,
    vector: &[f32],
    request: Request,
    started: Instant,
    spent: Cost,
) -> Result<Standing> {
    let schema = &snapshot.state.schema;
    let vector = &*validate::as_stored(schema, vector, 0, &"query")?;
    validate::query(schema, vector, request.dims)?;
    let (query, whole) = (request.query(vector, schema), vector.to_vec());
    let asked = Asked { snapshot, whole, request, query, started };
    let footing = Footing::try_new(asked, |asked| {
        units(&asked.snapshot, asked.request.filter.as_ref(), asked.request.sure)
    })?;
    Standing::try_new(footing, |footing| {
        let Asked { snapshot, whole, request, query, started } = footing.borrow_owner();
        let (units, started) = (footing.borrow_dependent(), *started);
        Live::new(Ground { snapshot, units, request, query, whole, started }, spent)
    })
}

impl Iterator for Answer {
    type Item = Result<Revision>;
    fn next(&mut self) -> Option<Self::Item> {
        Answer::next(self).transpose()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer(after revision {})", self.number)
    }
}

impl Canceller {
    /// Ends the answer it is of.
    pub fn cancel(&self) {
        self.0.ask();
    }

    /// Whether it was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.asked()
    }
}

/// Answers one query at once.
pub(crate) fn run(
    snapshot: &Snapshot,
    vector: &[f32],
    request: &Request,
    cancel: &dyn Fn() -> bool,
) -> Result<Hits> {
    let started = Instant::now();
    let schema = &snapshot.state.schema;
    let vector = &*validate::as_stored(schema, vector, 0, &"query")?;
    validate::query(schema, vector, request.dims)?;
    let query = request.query(vector, schema);
    let units = units(snapshot, request.filter.as_ref(), request.sure)?;
    let ground = Ground { snapshot, units: &units, request, query: &query, whole: vector, started };
    let mut live = Live::new(ground, Cost::default())?;
    let until = request.deadline.and_then(|deadline| started.checked_add(deadline));
    let halt = Halt::new(cancel, until);
    let look = live.run(&halt)?;
    halt.check()?;
    let hits = hits(snapshot, &units, request.last_dims, look.rows, &look.confidence)?;
    Ok(Hits {
        hits,
        cost: live.cost(),
        plan: live.decisions(),
        schedule: request.schedule(),
        estimated_recall: look.confidence.recall,
        recall_lower_bound: look.confidence.low,
        query_uncertainty: request.query_uncertainty(),
        stopped_because: look.stopped.unwrap_or(StoppedBecause::Complete),
        problem: live.problem().cloned(),
    })
}

fn hits(
    snapshot: &Snapshot,
    units: &[Unit<'_>],
    dims: usize,
    rows: Vec<Row>,
    confidence: &Confidence,
) -> Result<Vec<Hit>> {
    let spread = snapshot.state.layout().variance.is_some();
    let mut hits = Vec::with_capacity(rows.len());
    for (i, row) in rows.into_iter().enumerate() {
        let Some(unit) = units.get(row.row.source as usize) else { continue };
        let place = unit.place(row.row.row);
        hits.push(Hit {
            id: snapshot.key_of(&place)?,
            distance: row.distance,
            score: row.score,
            error: row.error,
            stage: row.stage,
            p_final: confidence.right.get(i).copied(),
            uncertainty: spread.then(|| unit.rows.trace(row.row.row, dims)).transpose()?,
            snapshot: snapshot.clone(),
            place,
        });
    }
    Ok(hits)
}
