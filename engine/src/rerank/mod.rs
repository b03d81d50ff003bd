//! What is done with the nearest rows once they are found: stages, one after the other, each refining the list in place.
//!
//! | stage | orders by | reads |
//! | --- | --- | --- |
//! | [`Levels`] | the distance at longer and longer levels | fewer and fewer vectors |
//! | [`Gaussian`] | a distance between normal distributions | means and variances, as far as a bound says |
//! | [`Scored`] | an expensive scorer of the caller's | ids, as many as the budget allows |
//! | [`MaxSim`] | late interaction with token matrices | the matrices of the list's rows |
//! | [`Fuse`] | several lists at once | as many searches as lists |
//! | [`Mixed`] | distances in two spaces on one scale | a search in the other space |
//! | [`Mmr`] | nearness and difference from what stands before | vectors of the list |
//! | [`Uncertainty`] | the sums of variances alone | those of the list's rows |
//!
//! Reads from: rows found by `session`. Writes to: a list of rows. Never: a row that does not pass the search's filter.

mod auto;
mod fuse;
mod gaussian;
mod levels;
mod lift;
mod live;
mod maxsim;
mod mixed;
mod mmr;
mod remembered;
mod scored;
mod uncertainty;

use std::fmt;

pub use fuse::{Fuse, Fusion};
pub use gaussian::{Csd, Gaussian, Measure};
pub use levels::Levels;
pub(crate) use live::Live;
pub use maxsim::MaxSim;
pub use mixed::Mixed;
pub use mmr::Mmr;
pub use scored::{Adaptive, Mode, Scored, Scorer, ScorerError};
pub use uncertainty::Uncertainty;

use crate::error::{Error, Result};
use crate::schema::{Schema, Variance};
use crate::search::Cost;
use crate::session::{Ground, Halt, Row};
use crate::snapshot::Snapshot;

/// A stage that refines the list of rows found; see [`crate::Search::rerank`].
#[derive(Clone)]
pub enum Rerank {
    /// See [`Levels`].
    Levels(Levels),
    /// See [`Csd`].
    Csd(Csd),
    /// See [`Gaussian`].
    Gaussian(Gaussian),
    /// See [`Scored`].
    Scored(Scored),
    /// See [`MaxSim`].
    MaxSim(MaxSim),
    /// See [`Mmr`].
    Mmr(Mmr),
    /// See [`Fuse`].
    Fuse(Fuse),
    /// See [`crate::Snapshot::search_in`].
    Mixed(Mixed),
    /// See [`Uncertainty`].
    Uncertainty(Uncertainty),
}

/// The list that stages refine.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// Best first; more rows than are wanted, as far as stages have use for them.
    pub rows: Vec<Row>,
    /// So many of the first rows keep their places in this stage.
    pub settled: usize,
    /// What the stages have cost.
    pub spent: Cost,
}

/// How a step of a stage ended.
#[derive(Debug)]
pub(crate) enum Step {
    /// The list may have changed, and there is more to do.
    More,
    Done,
    /// It ended early; the list is the best so far.
    Failed(Problem),
}

/// What went wrong in a stage without making the search fail: the answer is the best until then.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The stage.
    pub stage: &'static str,
    /// What went wrong.
    pub why: String,
}

/// One stage at work.
pub(crate) trait Refine: Send {
    /// Does the next piece of work.
    ///
    /// # Errors
    /// Those of reading.
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step>;
}

impl Rerank {
    /// Checks it against the collection; `first` when no other stage is before it.
    pub(crate) fn check(&self, snapshot: &Snapshot, first: bool) -> Result<()> {
        let schema = snapshot.schema();
        match self {
            Rerank::Levels(_) if !first => {
                Err(bad("a schedule of levels begins with the search itself: make it the first stage".into()))
            }
            Rerank::Levels(levels) => levels.check(schema),
            Rerank::Csd(csd) => csd.check(schema),
            Rerank::Gaussian(gaussian) => gaussian.check(schema),
            Rerank::Fuse(fuse) => fuse.check(snapshot),
            Rerank::MaxSim(maxsim) => maxsim.check(schema),
            Rerank::Uncertainty(uncertainty) => uncertainty.check(schema),
            Rerank::Scored(scored) => scored.check(),
            Rerank::Mmr(_) | Rerank::Mixed(_) => Ok(()),
        }
    }

    /// How many of all `rows` it wants to choose `k` from.
    pub(crate) fn keep(&self, k: usize, rows: u64) -> usize {
        match self {
            Rerank::Levels(levels) => levels.keep(k),
            Rerank::Csd(_) | Rerank::Gaussian(_) => k,
            Rerank::Scored(scored) => scored.keep(k),
            Rerank::Mmr(mmr) => mmr.keep(k),
            Rerank::MaxSim(maxsim) => maxsim.keep(k),
            Rerank::Fuse(fuse) => fuse.keep(k),
            Rerank::Mixed(mixed) => mixed.keep(k, rows),
            Rerank::Uncertainty(uncertainty) => uncertainty.keep(k),
        }
    }

    /// It at work; `first` when no other stage is before it.
    pub(crate) fn work(&self, first: bool) -> Option<Box<dyn Refine>> {
        match self {
            Rerank::Levels(levels) => Some(Box::new(levels.work())),
            // As the first stage it is part of the search itself.
            Rerank::Csd(_) if first => None,
            Rerank::Csd(csd) => Some(Box::new(csd.work())),
            Rerank::Gaussian(gaussian) => Some(Box::new(gaussian.work())),
            Rerank::Scored(scored) => Some(Box::new(scored.work())),
            Rerank::Mmr(mmr) => Some(Box::new(mmr.work())),
            Rerank::MaxSim(maxsim) => Some(Box::new(maxsim.work())),
            Rerank::Fuse(fuse) => Some(Box::new(fuse.work())),
            Rerank::Mixed(mixed) => Some(Box::new(mixed.work())),
            Rerank::Uncertainty(uncertainty) => Some(Box::new(uncertainty.work())),
        }
    }
}

/// Makes a stage's settings a stage.
macro_rules! stages {
    ($($stage:ident),*) => {$(
        impl From<$stage> for Rerank {
            fn from(stage: $stage) -> Rerank {
                Rerank::$stage(stage)
            }
        }
    )*};
}
stages!(Levels, Csd, Gaussian, Scored, Mmr, Fuse, MaxSim, Mixed, Uncertainty);

impl fmt::Debug for Rerank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rerank::Levels(levels) => levels.fmt(f),
            Rerank::Csd(csd) => csd.fmt(f),
            Rerank::Gaussian(gaussian) => gaussian.fmt(f),
            Rerank::Scored(scored) => scored.fmt(f),
            Rerank::Mmr(mmr) => mmr.fmt(f),
            Rerank::MaxSim(maxsim) => maxsim.fmt(f),
            Rerank::Fuse(fuse) => fuse.fmt(f),
            Rerank::Mixed(mixed) => mixed.fmt(f),
            Rerank::Uncertainty(uncertainty) => uncertainty.fmt(f),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, self.why)
    }
}

/// Refuses collections whose rows have no variances.
fn check_variance(schema: &Schema) -> Result<()> {
    match schema.variance_kind() {
        Variance::None => Err(bad("the collection keeps no variances; create it with `.variance(…)`".into())),
        _ => Ok(()),
    }
}

fn bad(why: String) -> Error {
    Error::BadRequest { what: "rerank", why }
}
