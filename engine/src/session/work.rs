//! What all parts of one search share: the nearest rows so far, what was done, and when to stop.
//!
//! Reads from: the request. Writes to: its own memory. Never: a row.

use std::cell::Cell;
use std::time::Instant;

use foretaste_query::answer::TopK;
use foretaste_query::index::{Query, RowRef, ScanStats};

use crate::error::{Error, Result};
use crate::request::Request;
use crate::revision::StoppedBecause;
use crate::session::part::Setting;

/// What all parts of one search share.
pub(super) struct Work<'a> {
    pub request: &'a Request,
    pub query: &'a Query,
    /// The nearest rows whose vectors were compared.
    pub top: TopK<RowRef>,
    pub stats: ScanStats,
    /// Steps of indexes.
    pub steps: u64,
    /// Whether rows were compared that no index found: then the order is made again from exact distances.
    pub scanned: bool,
}

impl Work<'_> {
    /// How far a part's index has to come for the recall that is wanted, where one is wanted and that is known.
    pub fn goal(&self, at: &Setting<'_>) -> Option<f32> {
        at.unit.trust()?.reach(self.request.k, self.request.target_recall?)
    }

    /// How many more nodes and rows may be compared.
    pub fn left(&self) -> u64 {
        self.request.budget.map_or(u64::MAX, |most| most.saturating_sub(self.steps + self.stats.rows_scored))
    }
}

/// When to stop: asked from time to time.
pub(crate) struct Halt<'c> {
    cancel: &'c dyn Fn() -> bool,
    until: Option<Instant>,
    why: Cell<Option<StoppedBecause>>,
}

impl<'c> Halt<'c> {
    pub fn new(cancel: &'c dyn Fn() -> bool, until: Option<Instant>) -> Halt<'c> {
        Halt { cancel, until, why: Cell::new(None) }
    }

    /// Whether to stop now; once it says so it stays so.
    pub fn asked(&self) -> bool {
        if self.why.get().is_some() {
            return true;
        }
        if (self.cancel)() {
            self.because(StoppedBecause::Cancelled);
        } else if self.until.is_some_and(|until| Instant::now() >= until) {
            self.because(StoppedBecause::Deadline);
        }
        self.why.get().is_some()
    }

    /// Stops it for a reason; the first one counts.
    pub fn because(&self, why: StoppedBecause) {
        if self.why.get().is_none() {
            self.why.set(Some(why));
        }
    }

    /// Why it was stopped, if it was.
    pub fn why(&self) -> Option<StoppedBecause> {
        self.why.get()
    }

    /// An error when it was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.why.get() == Some(StoppedBecause::Cancelled) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
