//! An expensive scorer of the caller's on a budget: a cross-encoder, a language model, anything that scores ids.
//!
//! Which ids it is asked for is `foretaste_query::rerank::scorer`'s business; here its wishes are met: a search, or scores.
//!
//! Reads from: the search, vectors of rows, the scorer and what it said before. Writes to: the list, what is remembered. Never: more ids asked for than the budget; a panic
//! of the scorer passed on; an estimate before a score.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foretaste_query::index::{Query, RowRef};
use foretaste_query::rerank::scorer::{self, Candidate, Options, Rerank, Stop};
use foretaste_storage::key::Key;
use foretaste_storage::limits;
use foretaste_storage::scores::QueryName;

use crate::error::Result;
use crate::request::MAX_K;
use crate::rerank::lift::{lift_query, lift_row, lower_query};
use crate::rerank::{List, Problem, Refine, Step, remembered};
use crate::revision::Stage;
use crate::scores::Remembered;
use crate::session::{Ground, Halt, Row};

pub use foretaste_query::rerank::scorer::{Adaptive, Mode};

/// What a scorer says went wrong.
pub type ScorerError = Box<dyn std::error::Error + Send + Sync>;

/// Scores rows by their ids; larger is better. What the query is, it knows from the caller.
///
/// Implemented for functions from ids to scores. A panic ends the reranking as an error does, with the best answer so far.
pub trait Scorer: Send + Sync {
    /// The scores of `ids`, in their order.
    ///
    /// # Errors
    /// Whatever keeps it from scoring; the reranking ends then.
    fn score(&self, ids: &[Key]) -> std::result::Result<Vec<f64>, ScorerError>;
}

impl<F> Scorer for F
where
    F: Fn(&[Key]) -> std::result::Result<Vec<f64>, ScorerError> + Send + Sync,
{
    fn score(&self, ids: &[Key]) -> std::result::Result<Vec<f64>, ScorerError> {
        self(ids)
    }
}

/// Reranks by an expensive scorer, on a budget of ids scored.
///
/// [`Mode::Retrieve`] scores the head of the list in its order, a batch at a time and only as far as the answer is read.
/// [`Mode::Adaptive`] scores in rounds, and searches between them with a query that is estimated anew from the scores (AXN:
/// Yadav and others, 2024, arXiv 2405.03651).
///
/// ```
/// use foretaste::{Key, Scored};
///
/// let by_length = |ids: &[Key]| Ok(ids.iter().map(|id| id.to_string().len() as f64).collect());
/// let stage = Scored::new(by_length).budget(200).batch(16).adaptive();
/// # let _ = stage;
/// ```
///
/// With a version its scores are remembered, and an answer asked again begins where it ended: rows that were scored have
/// their scores at once, and the budget is for others.
///
/// ```
/// # use foretaste::{Database, Key, Metric, Schema, Scored};
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// # for (i, id) in ["a", "bb", "ccc", "dddd"].iter().enumerate() { docs.upsert(*id, &[0.0, i as f32])?; }
/// let ask = || {
///     let by_length = |ids: &[Key]| Ok(ids.iter().map(|id| id.to_string().len() as f64).collect());
///     let stage = Scored::new(by_length).budget(2).version("length-1").query_key("the question");
///     docs.search(&[0.0, 0.0]).k(4).rerank(stage).run()
/// };
/// let (first, second, third) = (ask()?, ask()?, ask()?);
/// assert_eq!((first.cost.scorer_calls, first.cost.scores_remembered), (2, 0));
/// assert_eq!((second.cost.scorer_calls, second.cost.scores_remembered), (2, 2));
/// assert_eq!((third.cost.scorer_calls, third.cost.scores_remembered), (0, 4));
/// assert_eq!(first[0].id, "bb".into());
/// assert_eq!(third[0].id, "dddd".into());
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Clone)]
pub struct Scored {
    scorer: Arc<dyn Scorer>,
    options: Options,
    version: Option<Arc<str>>,
    query_key: Option<Arc<[u8]>>,
}

impl Scored {
    /// Scores the head of the list: 100 ids, 32 at a time.
    pub fn new(scorer: impl Scorer + 'static) -> Scored {
        let options = Options { budget: 100, batch: 32, mode: Mode::Retrieve };
        Scored { scorer: Arc::new(scorer), options, version: None, query_key: None }
    }

    /// Most ids that are scored.
    pub fn budget(mut self, ids: usize) -> Scored {
        self.options.budget = ids;
        self
    }

    /// Most ids that the scorer is asked for at once, at least 1.
    pub fn batch(mut self, ids: usize) -> Scored {
        self.options.batch = ids.max(1);
        self
    }

    /// How the budget is spent.
    pub fn mode(mut self, mode: Mode) -> Scored {
        self.options.mode = mode;
        self
    }

    /// In rounds, with the usual parameters.
    pub fn adaptive(self) -> Scored {
        self.mode(Mode::Adaptive(Adaptive::default()))
    }

    /// Has the database remember the scores under this version of the scorer, of at most 255 bytes: what the scores depend on
    /// beside the query and the row, such as the model and its prompt. Without a version nothing is remembered.
    ///
    /// A score is remembered for the collection, the version, the query's vector (or what [`Scored::query_key`] says instead),
    /// the row's id and the operation that wrote the row: a row that is written again is scored again. When the search begins, all
    /// rows of which a score is known, are live and pass the filter have that score, wherever the search would have found
    /// them. They are no calls; [`Cost::scores_remembered`](crate::Cost::scores_remembered) counts them, also with a budget
    /// of 0. How many are kept, and where: [`Options::remembered_scores`](crate::Options::remembered_scores).
    ///
    /// The same request can so have another answer the second time: one that knows more. [`Mode::Adaptive`] then begins with a query
    /// that is estimated from what is known.
    pub fn version(mut self, version: &str) -> Scored {
        self.version = Some(version.into());
        self
    }

    /// What the scores are remembered under instead of the query's vector: the text of the query, say. The scorer must say the
    /// same of a row for every query with this name. Without a version it has no effect.
    pub fn query_key(mut self, name: impl AsRef<[u8]>) -> Scored {
        self.query_key = Some(name.as_ref().into());
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let bytes = self.version.as_ref().map_or(0, |version| version.len() as u64);
        Ok(limits::check("version of a scorer in bytes", bytes, limits::SCORER_VERSION_BYTES)?)
    }

    /// What is remembered of this scorer and the query of `ground`.
    fn memory(&self, ground: &Ground<'_>) -> Option<Remembered> {
        let name = self.query_key.as_deref().map_or(QueryName::Vector(ground.whole), QueryName::Bytes);
        ground.snapshot.memory.of(self.version.as_deref()?, name)
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.options.budget.min(MAX_K).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work {
            scored: self.clone(),
            rerank: None,
            remembered: None,
            shown: false,
            floor: None,
            rows: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Scored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scored").field("options", &self.options).finish_non_exhaustive()
    }
}

pub(super) struct Work {
    scored: Scored,
    rerank: Option<Rerank<RowRef>>,
    remembered: Option<Remembered>,
    /// Whether the list has been shown with what is known from before.
    shown: bool,
    /// When the list it was given is in another order than the search's: the last of the scores that stand for that order. What
    /// is found later stands below.
    floor: Option<f64>,
    /// Every row that was offered.
    rows: Vec<Row>,
}

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let mut rerank = match self.rerank.take() {
            Some(rerank) => rerank,
            None => {
                let mut query = Vec::new();
                lift_query(ground.query, &mut query);
                let mut rerank = Rerank::new(&query, self.scored.options);
                self.remembered = self.scored.memory(ground);
                let known = self.remembered.as_ref().map(|r| remembered::known(r, ground, halt));
                let known = known.unwrap_or_default();
                rerank.know(known.iter().map(|(row, score)| (row.row, *score)));
                // What the search has found already is the first thing that is wanted.
                let mut rows = std::mem::take(&mut list.rows);
                let ranked = rows.len();
                let found: HashSet<RowRef> = rows.iter().map(|row| row.row).collect();
                rows.extend(known.into_iter().map(|(row, _)| row).filter(|row| !found.contains(&row.row)));
                self.offer(&mut rerank, ground, rows, ranked)?;
                list.spent.scores_remembered += rerank.remembered() as u64;
                rerank
            }
        };
        let shown = self.shown || rerank.remembered() == 0;
        self.shown = true;
        let step = match rerank.step() {
            // What is known is there to be seen before the scorer is asked.
            scorer::Step::Search { .. } | scorer::Step::Score(_) if !shown => Step::More,
            _ => self.advance(&mut rerank, ground, list, halt)?,
        };
        self.place(&rerank, ground, list);
        self.rerank = Some(rerank);
        Ok(step)
    }
}

impl Work {
    /// Meets the machine's wishes until scores have come.
    fn advance(
        &mut self,
        rerank: &mut Rerank<RowRef>,
        ground: &Ground<'_>,
        list: &mut List,
        halt: &Halt<'_>,
    ) -> Result<Step> {
        loop {
            match rerank.step() {
                scorer::Step::Done(stop) => return Ok(ended(stop)),
                scorer::Step::Search { query, count } => {
                    let mut request = ground.request.clone();
                    (request.k, request.keep) = (count.min(MAX_K), count.min(MAX_K));
                    request.ef = request.ef.max(request.keep.saturating_mul(2));
                    request.stages.clear();
                    let metric = ground.query.metric();
                    let rows = match lower_query(query, metric) {
                        Some(query) => {
                            let query = Query::new(&query, ground.query.dims(), metric);
                            let (rows, cost) = ground.nearest(&query, &request, halt)?;
                            list.spent.add(&cost);
                            rows
                        }
                        None => Vec::new(),
                    };
                    if halt.asked() {
                        return Ok(Step::Done);
                    }
                    self.offer(rerank, ground, rows, 0)?;
                }
                scorer::Step::Score(asked) => {
                    let ids = asked.iter().map(|row| ground.key(*row)).collect::<Result<Vec<Key>>>()?;
                    list.spent.scorer_calls += ids.len() as u64;
                    let scorer = Arc::clone(&self.scored.scorer);
                    match catch_unwind(AssertUnwindSafe(|| scorer.score(&ids))) {
                        Ok(Ok(scores)) if scores.len() == ids.len() => {
                            if let Some(remembered) = &self.remembered {
                                remembered::keep(remembered, ground, asked, &ids, &scores);
                            }
                            rerank.scored(&scores);
                            return Ok(match rerank.step() {
                                scorer::Step::Done(stop) => ended(stop),
                                _ => Step::More,
                            });
                        }
                        Ok(Ok(scores)) => {
                            rerank.fail();
                            return Ok(failed(format!("{} scores for {} ids", scores.len(), ids.len())));
                        }
                        Ok(Err(e)) => {
                            rerank.fail();
                            return Ok(failed(e.to_string()));
                        }
                        Err(panic) => {
                            rerank.fail();
                            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
                            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                            return Ok(failed(format!("it panicked: {}", text.unwrap_or_default())));
                        }
                    }
                }
            }
        }
    }

    /// Shows the machine rows, the first `ranked` of which are the list that it was given.
    fn offer(
        &mut self,
        rerank: &mut Rerank<RowRef>,
        ground: &Ground<'_>,
        rows: Vec<Row>,
        ranked: usize,
    ) -> Result<()> {
        let dims = ground.query.dims();
        let (mut numbers, mut own) = (Vec::new(), Vec::new());
        lift_query(ground.query, &mut own);
        let mut lifted: Vec<(RowRef, Vec<f32>, f64)> = Vec::with_capacity(rows.len());
        for row in rows {
            ground.vector(row.row, dims, &mut numbers)?;
            let mut vector = Vec::with_capacity(own.len());
            lift_row(&numbers, ground.query.metric(), &mut vector);
            let cheap = own.iter().zip(&vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            lifted.push((row.row, vector, cheap));
            self.rows.push(row);
        }
        self.keep_order(&mut lifted, ranked);
        rerank.offer(lifted.iter().map(|(id, vector, cheap)| Candidate { id: *id, vector, cheap: *cheap }));
        Ok(())
    }

    /// The machine takes rows in the order of their cheap scores. A list that a stage before has put in another order than that of the
    /// similarity to the query keeps its own.
    fn keep_order(&mut self, lifted: &mut [(RowRef, Vec<f32>, f64)], ranked: usize) {
        let (list, later) = lifted.split_at_mut(ranked.min(lifted.len()));
        let slack = |cheap: f64| 1e-4 * cheap.abs() + 1e-9;
        if list.windows(2).any(|pair| pair[0].2 < pair[1].2 - slack(pair[1].2)) {
            let count = list.len();
            for (place, (_, _, cheap)) in list.iter_mut().enumerate() {
                *cheap = (count - place) as f64;
            }
            self.floor = Some(0.0);
        }
        if let Some(floor) = self.floor {
            // Below the list, in their own order.
            later.iter_mut().for_each(|(_, _, cheap)| *cheap = floor - 1.0 + *cheap / (1.0 + cheap.abs()));
        }
    }

    /// Puts the list in the machine's order.
    fn place(&self, rerank: &Rerank<RowRef>, ground: &Ground<'_>, list: &mut List) {
        let distances: std::collections::HashMap<RowRef, &Row> =
            self.rows.iter().rev().map(|row| (row.row, row)).collect();
        // What stands for an order says nothing of scores: rows that were not scored keep theirs.
        let ordered = self.floor.is_some() && self.scored.options.mode == Mode::Retrieve;
        let placed = |hit: &scorer::Hit<RowRef>| {
            let row = **distances.get(&hit.id)?;
            let stage = if hit.score.is_some() { Stage::Rerank } else { row.stage };
            let estimate = if ordered { row.score } else { hit.estimate };
            Some(Row { score: hit.score.unwrap_or(estimate), stage, ..row })
        };
        let ranked = rerank.ranked();
        let most = ground.request.keep.max(ground.request.k);
        list.rows = ranked.iter().filter_map(placed).take(most).collect();
        list.settled = rerank.settled();
    }
}

fn ended(stop: Stop) -> Step {
    match stop {
        Stop::Budget | Stop::Exhausted => Step::Done,
        Stop::Failed => failed("it failed".into()),
        Stop::NotANumber => failed("a score is not a number".into()),
    }
}

fn failed(why: String) -> Step {
    Step::Failed(Problem { stage: "scorer", why })
}
