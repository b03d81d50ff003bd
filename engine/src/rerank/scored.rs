//! An expensive scorer of the caller's on a budget: a cross-encoder, a language model, anything that scores ids.
//!
//! Which ids it is asked for is `foretaste_query::rerank::scorer`'s business; here its wishes are met: a search, or scores.
//!
//! Reads from: the search, vectors of rows, the scorer. Writes to: the list. Never: more ids asked for than the budget; a panic
//! of the scorer passed on; an estimate before a score.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foretaste_query::index::{Query, RowRef};
use foretaste_query::metric::Metric;
use foretaste_query::rerank::scorer::{self, Candidate, Options, Rerank, Stop};
use foretaste_storage::key::Key;

use crate::answer::Stage;
use crate::error::Result;
use crate::request::MAX_K;
use crate::rerank::{List, Problem, Refine, Step};
use crate::session::{Ground, Halt, Row, to_unit};

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
#[derive(Clone)]
pub struct Scored {
    scorer: Arc<dyn Scorer>,
    options: Options,
}

impl Scored {
    /// Scores the head of the list: 100 ids, 32 at a time.
    pub fn new(scorer: impl Scorer + 'static) -> Scored {
        Scored { scorer: Arc::new(scorer), options: Options { budget: 100, batch: 32, mode: Mode::Retrieve } }
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

    pub(super) fn keep(&self, k: usize) -> usize {
        self.options.budget.min(MAX_K).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work { scored: self.clone(), rerank: None, rows: Vec::new() }
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
                // What the search has found already is the first thing that is wanted.
                let rows = std::mem::take(&mut list.rows);
                self.offer(&mut rerank, ground, rows)?;
                rerank
            }
        };
        let step = self.advance(&mut rerank, ground, list, halt)?;
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
                    self.offer(rerank, ground, rows)?;
                }
                scorer::Step::Score(asked) => {
                    let ids = asked.iter().map(|row| ground.key(*row)).collect::<Result<Vec<Key>>>()?;
                    list.spent.scorer_calls += ids.len() as u64;
                    let scorer = Arc::clone(&self.scored.scorer);
                    match catch_unwind(AssertUnwindSafe(|| scorer.score(&ids))) {
                        Ok(Ok(scores)) if scores.len() == ids.len() => {
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

    /// Shows the machine rows.
    fn offer(&mut self, rerank: &mut Rerank<RowRef>, ground: &Ground<'_>, rows: Vec<Row>) -> Result<()> {
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
        rerank.offer(lifted.iter().map(|(id, vector, cheap)| Candidate { id: *id, vector, cheap: *cheap }));
        Ok(())
    }

    /// Puts the list in the machine's order.
    fn place(&self, rerank: &Rerank<RowRef>, ground: &Ground<'_>, list: &mut List) {
        let distances: std::collections::HashMap<RowRef, &Row> =
            self.rows.iter().rev().map(|row| (row.row, row)).collect();
        let placed = |hit: &scorer::Hit<RowRef>| {
            let row = **distances.get(&hit.id)?;
            let stage = if hit.score.is_some() { Stage::Rerank } else { row.stage };
            Some(Row { score: hit.score.unwrap_or(hit.estimate), stage, ..row })
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

/// The query as a vector whose dot product with a lifted row orders as the metric does.
fn lift_query(query: &Query, out: &mut Vec<f32>) {
    out.clear();
    match query.metric() {
        Metric::Dot => out.extend_from_slice(query.vector()),
        Metric::Cosine => {
            out.extend_from_slice(query.vector());
            to_unit(out);
        }
        // -|q - x|² = 2 <q, x> - |x|² - |q|².
        Metric::L2 => {
            out.extend(query.vector().iter().map(|v| 2.0 * v));
            out.push(-1.0);
        }
    }
}

/// A row, so that its dot product with a lifted query is what the metric compares.
fn lift_row(row: &[f32], metric: Metric, out: &mut Vec<f32>) {
    out.clear();
    match metric {
        Metric::Dot => out.extend_from_slice(row),
        Metric::Cosine => {
            out.extend_from_slice(row);
            to_unit(out);
        }
        Metric::L2 => {
            out.extend_from_slice(row);
            out.push(row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() as f32);
        }
    }
}

/// The query that a lifted one stands for; `None` when there is none, as for one that likes large norms under L2.
fn lower_query(lifted: &[f32], metric: Metric) -> Option<Vec<f32>> {
    let query: Vec<f32> = match (metric, lifted.split_last()) {
        (Metric::L2, Some((norm, rest))) if *norm < 0.0 => rest.iter().map(|v| v / (-2.0 * norm)).collect(),
        (Metric::L2, _) => return None,
        (Metric::Dot | Metric::Cosine, _) => lifted.to_vec(),
    };
    let usable = query.iter().all(|v| v.is_finite()) && query.iter().any(|v| *v != 0.0);
    (usable || metric == Metric::L2 && query.iter().all(|v| v.is_finite())).then_some(query)
}
