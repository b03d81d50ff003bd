//! An expensive scorer, on a budget of calls: which ids to score next, and which query to search with next.
//!
//! A state machine that owns neither the scorer nor the index. It says what it waits for ([`Rerank::step`]), and goes on when it
//! is given that ([`Rerank::offer`], [`Rerank::scored`]); between the two it can be kept for as long as one likes.
//! Reads from: candidates and scores that it is given. Writes to: its own memory, which grows with the candidates.
//! Never: more calls than the budget; an id scored twice; a call for a score that is known; an estimate before a score.

mod rounds;
mod types;

use std::cmp::Ordering;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::Hash;

use super::adaptive::{self, Ridge};

pub use types::{Adaptive, Candidate, Hit, Mode, Options, Step, Stop};

/// Reranking with an expensive scorer, one step at a time.
///
/// ```
/// use foretaste_query::rerank::scorer::{Adaptive, Candidate, Mode, Options, Rerank, Step, Stop};
///
/// let rows: Vec<[f32; 2]> = (0..100).map(|i| [(i as f32 * 0.37).sin(), (i as f32 * 0.73).cos()]).collect();
/// let dot = |q: &[f32], x: &[f32]| f64::from(q[0] * x[0] + q[1] * x[1]);
/// let scorer = |id: usize| dot(&[0.5, 1.0], &rows[id]);
///
/// let query = [1.0, 0.0];
/// let options = Options { budget: 30, batch: 6, mode: Mode::Adaptive(Adaptive::default()) };
/// let mut rerank = Rerank::new(&query, options);
/// loop {
///     match rerank.step() {
///         Step::Search { query: q, count } => {
///             let mut found: Vec<usize> = (0..rows.len()).collect();
///             found.sort_by(|&a, &b| dot(q, &rows[b]).total_cmp(&dot(q, &rows[a])));
///             found.truncate(count);
///             rerank.offer(found.iter().map(|&id| Candidate {
///                 id,
///                 vector: &rows[id],
///                 cheap: dot(&query, &rows[id]),
///             }));
///         }
///         Step::Score(ids) => {
///             let scores: Vec<f64> = ids.iter().map(|&id| scorer(id)).collect();
///             rerank.scored(&scores);
///         }
///         Step::Done(stop) => break assert_eq!(stop, Stop::Budget),
///     }
/// }
/// let best = (0..100).max_by(|&a, &b| scorer(a).total_cmp(&scorer(b))).unwrap();
/// assert_eq!(rerank.ranked()[0].id, best);
/// assert_eq!((rerank.calls(), rerank.settled()), (30, 30));
/// ```
#[derive(Debug, Clone)]
pub struct Rerank<I> {
    options: Options,
    ridge: Ridge,
    /// What the searches found, in the order they did.
    held: Vec<Held<I>>,
    vectors: Vec<f32>,
    dims: usize,
    places: HashMap<I, usize>,
    phase: Phase,
    query: Vec<f32>,
    original: Vec<f32>,
    /// What is to be scored in this round, the next one last; places in `held`.
    queue: Vec<usize>,
    asked: Vec<I>,
    /// Scores from before, of ids that were not offered yet.
    known: HashMap<I, f64>,
    round: usize,
    calls: usize,
    /// How many that were offered had a known score.
    remembered: usize,
    scored: usize,
}

#[derive(Debug, Clone, Copy)]
struct Held<I> {
    id: I,
    cheap: f64,
    /// What its score is expected to be, as of the last fit.
    estimate: f64,
    score: Option<f64>,
    /// Scored, or chosen to be.
    taken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// For how many; `last` when there is nothing left to try if it brings nothing.
    Search {
        count: usize,
        last: bool,
    },
    Score,
    Done(Stop),
}

impl<I: Copy + Ord + Hash> Rerank<I> {
    /// Reranking for this query. Waits for a search first, unless the budget is 0.
    pub fn new(query: &[f32], options: Options) -> Self {
        let options = Options { batch: options.batch.max(1), ..options };
        let ridge = match options.mode {
            Mode::Retrieve => adaptive::Options::default(),
            Mode::Adaptive(how) => how.ridge,
        };
        let count = match options.mode {
            Mode::Retrieve => options.batch.min(options.budget),
            Mode::Adaptive(_) => options.budget,
        };
        let phase = match options.budget {
            0 => Phase::Done(Stop::Budget),
            _ => Phase::Search { count, last: true },
        };
        Rerank {
            options,
            ridge: Ridge::new(query, ridge),
            held: Vec::new(),
            vectors: Vec::new(),
            dims: query.len(),
            places: HashMap::new(),
            phase,
            query: query.to_vec(),
            original: query.to_vec(),
            queue: Vec::new(),
            asked: Vec::new(),
            known: HashMap::new(),
            round: 0,
            calls: 0,
            remembered: 0,
            scored: 0,
        }
    }

    /// What it waits for; the same until it is given that.
    pub fn step(&self) -> Step<'_, I> {
        match self.phase {
            Phase::Search { count, .. } => Step::Search { query: &self.query, count },
            Phase::Score => Step::Score(&self.asked),
            Phase::Done(stop) => Step::Done(stop),
        }
    }

    /// Takes scores from before: an id of them that is offered from now on has its score at once, without a call. Those that
    /// are not numbers are left out.
    ///
    /// The budget is then for others. With [`Mode::Adaptive`] the first round is one that the known scores have been fitted to;
    /// of many, 512 are: the best, and the nearest of the others, as many of each.
    pub fn know(&mut self, scores: impl IntoIterator<Item = (I, f64)>) {
        self.known.extend(scores.into_iter().filter(|(_, score)| !score.is_nan()));
    }

    /// Takes what a search found, in any order. Ids held already and those whose cheap score is not a number are left out. Goes on
    /// when a search was waited for; otherwise they are only kept.
    pub fn offer<'a>(&mut self, found: impl IntoIterator<Item = Candidate<'a, I>>)
    where
        I: 'a,
    {
        let held = self.held.len();
        let mut anchors = Vec::new();
        for candidate in found {
            if candidate.cheap.is_nan() {
                continue;
            }
            let Entry::Vacant(place) = self.places.entry(candidate.id) else { continue };
            place.insert(self.held.len());
            let Candidate { id, cheap, .. } = candidate;
            let score = self.known.remove(&id);
            anchors.extend(score.map(|score| (score, cheap, self.held.len())));
            self.held.push(Held { id, cheap, estimate: cheap, score, taken: score.is_some() });
            if candidate.vector.len() == self.dims {
                self.vectors.extend_from_slice(candidate.vector);
            } else {
                // Not finite: no anchor, and expected to be worse than any.
                self.vectors.resize(self.vectors.len() + self.dims, f32::NAN);
            }
            self.estimate(self.held.len() - 1);
        }
        if !anchors.is_empty() {
            self.remember(anchors);
        }
        match self.phase {
            // As after a first round: the next query is made from what is known.
            Phase::Search { .. } if self.round == 0 && self.ridge.anchors() > 0 => {
                self.round = 1;
                self.end_round();
            }
            Phase::Search { last, .. } => self.begin_round(last, self.held.len() > held),
            Phase::Score | Phase::Done(_) => {}
        }
    }

    /// Takes the scores of the ids that were asked for, in their order. One that is not a number, or another number of scores, ends
    /// the reranking; what came before stays. Without effect when no scores were waited for.
    pub fn scored(&mut self, scores: &[f64]) {
        if self.phase != Phase::Score {
            return;
        }
        let asked = std::mem::take(&mut self.asked);
        let mut stop = (scores.len() != asked.len()).then_some(Stop::Failed);
        for (id, &score) in asked.iter().zip(scores) {
            let Some(&place) = self.places.get(id) else { continue };
            if score.is_nan() {
                stop = stop.or(Some(Stop::NotANumber));
                continue;
            }
            if let Some(held) = self.held.get_mut(place) {
                held.score = Some(score);
                self.scored += 1;
            }
            if matches!(self.options.mode, Mode::Adaptive(_)) {
                let vector = self.vectors.get(place * self.dims..(place + 1) * self.dims).unwrap_or_default();
                self.ridge.add(vector, score);
            }
        }
        match stop {
            Some(stop) => self.end(stop),
            None if self.queue.is_empty() => self.end_round(),
            None => self.ask(),
        }
    }

    /// Ends it: the scorer failed. What has been scored stays.
    pub fn fail(&mut self) {
        if !matches!(self.phase, Phase::Done(_)) {
            self.asked.clear();
            self.end(Stop::Failed);
        }
    }

    /// How many ids the scorer was asked for; counted when they are asked for.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// How many of the candidates had a score from before ([`Rerank::know`]).
    pub fn remembered(&self) -> usize {
        self.remembered
    }

    /// How many of [`Rerank::ranked`] keep their place for sure: all that are scored once it has ended, none before, since any
    /// score to come may be the best.
    pub fn settled(&self) -> usize {
        if matches!(self.phase, Phase::Done(_)) { self.scored } else { 0 }
    }

    /// How many have a score: they come first in [`Rerank::ranked`].
    pub fn scores(&self) -> usize {
        self.scored
    }

    /// All candidates: those with a score by it, then the others by what is expected of them; ties by id.
    pub fn ranked(&self) -> Vec<Hit<I>> {
        let mut hits: Vec<Hit<I>> = self
            .held
            .iter()
            .map(|held| Hit { id: held.id, score: held.score, estimate: held.estimate })
            .collect();
        hits.sort_by(|a, b| {
            let by = match (a.score, b.score) {
                (Some(x), Some(y)) => descending(x, y),
                (None, None) => descending(a.estimate, b.estimate),
                (x, y) => y.is_some().cmp(&x.is_some()),
            };
            by.then(a.id.cmp(&b.id))
        });
        hits
    }

    /// The estimator, as of the last round.
    pub fn ridge(&self) -> &Ridge {
        &self.ridge
    }

    fn end(&mut self, stop: Stop) {
        if matches!(self.options.mode, Mode::Adaptive(_)) {
            self.fit();
        }
        self.queue.clear();
        self.phase = Phase::Done(stop);
    }

    /// Fits the model to the scores so far, and has it estimate all candidates anew.
    fn fit(&mut self) {
        self.ridge.fit();
        (0..self.held.len()).for_each(|i| self.estimate(i));
    }

    fn estimate(&mut self, i: usize) {
        if matches!(self.options.mode, Mode::Adaptive(_)) && self.ridge.scale().is_some() {
            let estimate = self.ridge.mean(self.vector(i));
            if let Some(held) = self.held.get_mut(i) {
                held.estimate = estimate;
            }
        }
    }

    fn vector(&self, i: usize) -> &[f32] {
        self.vectors.get(i * self.dims..(i + 1) * self.dims).unwrap_or_default()
    }
}

/// Larger first; both zeros are the same.
fn descending(a: f64, b: f64) -> Ordering {
    (b + 0.0).total_cmp(&(a + 0.0))
}

#[cfg(test)]
mod tests;
