//! A part's index being asked, between two steps.
//!
//! Reads from: a part's index. Writes to: a scratch of its own, and in the end the work that all parts share.
//! Never: what a walk found that was stopped because the matches are read faster.

use foretaste_query::index::{self, Accept, Ask, Found, Index, Lent, Scratch, settle};
use foretaste_storage::Result;

use crate::plan::{Way, share};
use crate::revision::StoppedBecause;
use crate::session::confidence::Standing;
use crate::session::part::Setting;
use crate::session::work::{Halt, Work};
use crate::sieve::Sieve;

/// Steps between two questions whether to stop.
const STRIDE: u64 = 256;
/// Steps between two looks whether the goal is reached.
const CHECKED: u64 = 6;

/// Candidates that a graph keeps when it is not told how many, but how good the answer is to be.
const MOST: usize = 512;
/// How many root mean squares of its error an estimate is said to be off at most.
const DEVIATIONS: f32 = 4.0;

/// A walk through an index.
pub(super) struct Walking<'a> {
    pub index: &'a Index,
    session: index::Session<'a>,
    scratch: Lent,
    sieve: Sieve,
    /// Steps that the work knows of.
    counted: u64,
    /// It may end when it has come so far for so many: the expected recall is what was asked for then.
    goal: Option<(usize, f32)>,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// What it found counts.
    Counts,
    /// It found too few, or would have taken longer than reading the rows that pass.
    TooFew,
    /// Rows that are farther than those it found, and more certain, may come before them.
    TooNear,
}

impl<'a> Walking<'a> {
    /// Begins at the entries of `index`.
    pub fn start(
        index: &'a Index,
        at: &Setting<'a>,
        sieve: Sieve,
        work: &Work<'_>,
        halt: &Halt<'_>,
    ) -> Result<Walking<'a>> {
        let mut scratch = Scratch::lend();
        let session = with_ask(index, at, &sieve, work, halt, |ask| index.start(ask, &mut scratch))?;
        let goal = known(index, at, work).zip(work.goal(at));
        Ok(Walking { index, session, scratch, sieve, counted: 0, goal })
    }

    /// Takes about `steps` steps. Returns whether there is more to do.
    pub fn advance(
        &mut self,
        steps: u64,
        at: &Setting<'_>,
        work: &mut Work<'_>,
        halt: &Halt<'_>,
    ) -> Result<bool> {
        let Walking { index, session, scratch, sieve, counted, goal } = self;
        // Some of what is allowed is kept for reading the nearest exactly.
        let left = work.left().saturating_sub(settle::wanted(work.request.keep) as u64);
        let end = session.steps().saturating_add(steps.min(left));
        let (goal, stride) = match goal {
            Some(_) => (*goal, CHECKED),
            None => (None, STRIDE),
        };
        let more = with_ask(index, at, sieve, work, halt, |ask| {
            while session.steps() < end {
                if !session.advance(ask, stride.min(end - session.steps()), scratch)? {
                    return Ok(false);
                }
                if goal.is_some_and(|(count, reach)| session.reach(count, scratch) >= reach) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        work.steps += session.steps() - *counted;
        *counted = session.steps();
        if more && left < steps {
            halt.because(StoppedBecause::Budget);
        }
        Ok(more && !halt.asked())
    }

    /// Ends it and reads the nearest of what it found, if that counts.
    pub fn finish(self, at: &Setting<'_>, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<Finish> {
        let Walking { index, session, mut scratch, sieve, .. } = self;
        let walk = with_ask(index, at, &sieve, work, halt, |ask| session.finish(ask, &mut scratch))?;
        work.stats.rows_refused += walk.refused;
        let finish = if halt.asked() {
            at.weigh(index, &mut scratch, work)?;
            Finish::Counts
        } else if walk.stopped || scratch.len() < at.enough(work.request) {
            Finish::TooFew
        } else if !at.weigh(index, &mut scratch, work)? {
            Finish::TooNear
        } else {
            Finish::Counts
        };
        if finish == Finish::Counts {
            at.settle(index, &mut scratch, work)?;
        }
        Ok(finish)
    }

    /// Shows `each` the nearest rows that it has seen, a few more than `count`, with the distances that are estimated and by how much
    /// these may be off.
    pub fn see(
        &mut self,
        count: usize,
        at: &Setting<'_>,
        work: &Work<'_>,
        halt: &Halt<'_>,
        mut each: impl FnMut(Found, f64, f64) -> Result<()>,
    ) -> Result<()> {
        let Walking { index, session, scratch, sieve, .. } = self;
        let norm = work.query.norm(work.query.dims());
        // By fewer dimensions than the codes hold it cannot be said.
        let off = if work.request.dims == index.dims() { DEVIATIONS * index.error() } else { f32::INFINITY };
        with_ask(index, at, sieve, work, halt, |ask| {
            for found in session.look(ask, count, scratch)? {
                let distance = index.distance(found.squared, norm);
                let error = match off.is_finite() {
                    true => index.distance(found.squared * (1.0 + off), norm) - distance,
                    false => f64::INFINITY,
                };
                each(*found, distance, error)?;
            }
            Ok(())
        })
    }

    /// What can be expected of what it has found so far, in its exact order or in that of its codes: nothing is known of a search
    /// with a filter, by fewer dimensions, or where uncertainty counts.
    pub fn standing(&self, exact: bool, at: &Setting<'_>, work: &Work<'_>) -> Standing {
        match (known(self.index, at, work), at.unit.trust()) {
            (Some(count), Some(trust)) => {
                let reach = self.session.reach(count, &self.scratch);
                let k = work.request.k;
                let estimate = if exact { trust.end(k, reach) } else { trust.look(k, reach) };
                estimate.map_or(Standing::Unknown, Standing::Expected)
            }
            _ => Standing::Unknown,
        }
    }
}

/// How many candidates stand for the rows wanted, deleted ones among them, in a search of which something is known.
fn known(index: &Index, at: &Setting<'_>, work: &Work<'_>) -> Option<usize> {
    let request = work.request;
    let plain =
        at.decision.matching.is_none() && request.dims == index.dims() && work.query.uncertainty().is_none();
    let rows = u64::from(at.rows());
    let live = rows.saturating_sub(at.unit.dead_rows).max(1);
    plain.then(|| (request.k as u64 * rows).div_ceil(live) as usize)
}

/// Lends `ask` what the index is asked.
fn with_ask<T>(
    index: &Index,
    at: &Setting<'_>,
    sieve: &Sieve,
    work: &Work<'_>,
    halt: &Halt<'_>,
    ask: impl FnOnce(&Ask<'_>) -> Result<T>,
) -> Result<T> {
    let request = work.request;
    let filter = request.filter.as_ref();
    let ready = sieve.ready(at.planned.as_ref(), filter)?;
    let accept = |row: u32| ready.accepts(at.unit, row);
    let accept: Option<&Accept<'_>> = if at.unit.is_whole(filter) { None } else { Some(&accept) };
    let (ef, nprobe) = match at.decision.way {
        // With a goal it is the goal that ends it.
        Way::Index { .. } if work.goal(at).is_some() && known(index, at, work).is_some() => {
            (request.ef.max(MOST.max(8 * request.k)), index.cells() as usize)
        }
        Way::Index { ef, cells } => (ef, cells),
        _ => (request.ef, request.nprobe),
    };
    ask(&Ask {
        vector: work.query.vector(),
        ef,
        nprobe,
        // By fewer dimensions than the codes hold their order is not the one wanted, and more are compared exactly.
        wanted: if request.dims == index.dims() { request.wanted() } else { request.wanted().max(ef) },
        accept,
        share: at.decision.matching.map(|passing| share(at.decision.rows, passing)),
        without: None,
        cancel: &|| halt.asked(),
        steps: if at.decision.matching.is_some() && index.cells() == 0 {
            at.decision.steps()
        } else {
            u64::MAX
        },
    })
}
