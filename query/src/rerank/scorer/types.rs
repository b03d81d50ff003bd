//! What goes into reranking with an expensive scorer, and what comes out.
//!
//! Reads from: nothing. Writes to: nothing. Never: a decision.

use crate::rerank::adaptive;

/// How the calls are spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// On the head of the search's own list, in its order.
    Retrieve,
    /// In rounds; after each the query is estimated anew from the scores.
    Adaptive(Adaptive),
}

/// How the rounds go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    /// Most rounds. The first scores the head of the list; a round is never smaller than a batch.
    pub rounds: usize,
    /// The share of each later round that goes on down the original list, from 0 to 1.
    pub share: f64,
    /// How many standard deviations of the prediction are added to it when candidates are chosen.
    pub explore: f64,
    /// How many candidates for each call of a round are asked of the search, beyond as many as are scored.
    pub depth: usize,
    /// Of the estimator.
    pub ridge: adaptive::Options,
}

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Most ids that are scored.
    pub budget: usize,
    /// Most ids that are asked for at once; at least 1.
    pub batch: usize,
    /// How the calls are spent.
    pub mode: Mode,
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a, I> {
    /// Whose it is; ties go to the smaller.
    pub id: I,
    /// Its vector as the metric compares it (of unit length for cosine). One of another length than the query can be scored,
    /// and says nothing about others.
    pub vector: &'a [f32],
    /// Its score by the original query, whatever it was found with; larger is better.
    pub cheap: f64,
}

/// What the machine waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a, I> {
    /// The `count` nearest by this query, to be given to [`Rerank::offer`](super::Rerank::offer); those that it was given before may be left out.
    Search {
        /// What to search with; the larger the dot product, the nearer.
        query: &'a [f32],
        /// How many to look for.
        count: usize,
    },
    /// Scores of these ids in this order, to be given to [`Rerank::scored`](super::Rerank::scored).
    Score(&'a [I]),
    /// Nothing any more.
    Done(Stop),
}

/// Why it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The budget is spent.
    Budget,
    /// Every candidate that the searches find is scored.
    Exhausted,
    /// The scorer failed, or gave another number of scores than it was asked for.
    Failed,
    /// A score was not a number.
    NotANumber,
}

/// A candidate in the order of the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<I> {
    /// Whose it is.
    pub id: I,
    /// Its score; None when it has none, be it that it was not asked for or that it was not a number.
    pub score: Option<f64>,
    /// What its score is expected to be; the cheap score while nothing is known of the scorer.
    pub estimate: f64,
}

impl Default for Adaptive {
    /// Ten rounds, a fifth of the later calls on the original list, no exploration. On MaxSim scores of sentences smaller rounds found
    /// a little more and exploration a little less; the share costs little, and hedges where the model is wrong.
    fn default() -> Self {
        Adaptive { rounds: 10, share: 0.2, explore: 0.0, depth: 4, ridge: adaptive::Options::default() }
    }
}
