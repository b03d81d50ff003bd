//! One state of an answer, and what is said of it: how its hits were compared, and why it ended.
//!
//! Reads from: nothing; `answer` fills it. Writes to: nothing. Never: a look at rows.

use crate::rerank::Problem;
use crate::search::{Cost, Hit};

/// How a row of an answer was compared, from rough to final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// By the codes near the entry of an index, before it was searched.
    Sketch,
    /// Seen by a search in an index that goes on, and compared by its stored vector.
    Beam,
    /// By its stored vector, at a shorter level than the last.
    Refine,
    /// By its stored vector.
    Exact,
    /// By a stage behind the search.
    Rerank,
}

impl Stage {
    /// Its name in lower case, as in every language foretaste is used from.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Sketch => "sketch",
            Stage::Beam => "beam",
            Stage::Refine => "refine",
            Stage::Exact => "exact",
            Stage::Rerank => "rerank",
        }
    }
}

/// Why an answer is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoppedBecause {
    /// It is the settled answer.
    Complete,
    /// The same, and there are no more rows that match.
    Exhausted,
    /// The deadline passed: it is the best so far.
    Deadline,
    /// As many rows were compared as were allowed: it is the best so far.
    Budget,
    /// It was cancelled: it is the best so far.
    Cancelled,
    /// A scorer failed: it is the best so far, and what went wrong stands beside it.
    ScorerFailed,
}

impl StoppedBecause {
    /// Its name in lower case, `scorer_failed` for the last.
    pub fn name(self) -> &'static str {
        match self {
            StoppedBecause::Complete => "complete",
            StoppedBecause::Exhausted => "exhausted",
            StoppedBecause::Deadline => "deadline",
            StoppedBecause::Budget => "budget",
            StoppedBecause::Cancelled => "cancelled",
            StoppedBecause::ScorerFailed => "scorer_failed",
        }
    }
}

/// One state of an answer: the best ranked list so far.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Counted from 1.
    pub number: u32,
    /// What the newest of its hits come from.
    pub stage: Stage,
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// So many of the first hits will not change: surely in the last revision, before it in 19 of 20 searches.
    pub settled: usize,
    /// Which part of the true nearest rows it has, as far as can be expected; `None` when that is not known.
    pub estimated_recall: Option<f64>,
    /// It has at least this part of them, in 19 of 20 searches for each segment whose index is asked.
    pub recall_lower_bound: Option<f64>,
    /// As in [`crate::Hits::query_uncertainty`].
    pub query_uncertainty: Option<f32>,
    /// Places whose hit is another than in the revision before.
    pub changed: Vec<usize>,
    /// What it has cost so far; the time since the search was begun, the reader's own pauses with it.
    pub cost: Cost,
    /// Why there will be no more, in the last revision.
    pub stopped_because: Option<StoppedBecause>,
    /// What went wrong in a stage, if anything did.
    pub problem: Option<Problem>,
}
