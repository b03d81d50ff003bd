//! The rounds of an expensive scorer: who is scored next, and what is searched for between two rounds.
//!
//! Reads from: candidates and the fitted model. Writes to: the machine's queue and phase. Never: a score of its own.

use std::hash::Hash;

use super::{Mode, Phase, Rerank, Stop, descending};

/// Most scores from before that the model is fitted to at once: the time of a fit grows with their cube.
pub(super) const KNOWN_ANCHORS: usize = 512;

impl<I: Copy + Ord + Hash> Rerank<I> {
    /// Counts candidates that have a score from before, as (score, cheap score, place), and fits the model to them.
    pub(super) fn remember(&mut self, mut anchors: Vec<(f64, f64, usize)>) {
        self.remembered += anchors.len();
        self.scored += anchors.len();
        if !matches!(self.options.mode, Mode::Adaptive(_)) {
            return;
        }
        // The order must not depend on that of the offer.
        let id = |place: usize| self.held.get(place).map(|held| held.id);
        anchors.sort_by(|a, b| descending(a.0, b.0).then(id(a.2).cmp(&id(b.2))));
        if anchors.len() > KNOWN_ANCHORS {
            let mut rest = anchors.split_off(KNOWN_ANCHORS / 2);
            rest.sort_by(|a, b| descending(a.1, b.1).then(id(a.2).cmp(&id(b.2))));
            anchors.extend(rest.into_iter().take(KNOWN_ANCHORS / 2));
        }
        for (score, _, place) in anchors {
            let vector = self.vectors.get(place * self.dims..(place + 1) * self.dims).unwrap_or_default();
            self.ridge.add(vector, score);
        }
        self.fit();
    }

    /// Chooses whom to score; `more` when the search has brought somebody new.
    pub(super) fn begin_round(&mut self, last: bool, more: bool) {
        let left = self.options.budget - self.calls;
        let mut open: Vec<usize> =
            self.held.iter().enumerate().filter(|(_, h)| !h.taken).map(|(i, _)| i).collect();
        if open.is_empty() {
            if last && !more {
                self.end(Stop::Exhausted);
            } else {
                // The search found nothing that is not scored: further down the original list, then.
                self.query.clone_from(&self.original);
                self.phase = Phase::Search { count: self.held.len().saturating_add(left), last: true };
            }
            return;
        }
        open.sort_by(|&a, &b| match (self.held.get(a), self.held.get(b)) {
            (Some(x), Some(y)) => descending(x.cheap, y.cheap).then(x.id.cmp(&y.id)),
            _ => a.cmp(&b),
        });
        let size = match self.options.mode {
            Mode::Retrieve => self.options.batch,
            Mode::Adaptive(how) => {
                let rounds = how.rounds.saturating_sub(self.round).max(1);
                left.div_ceil(rounds).max(self.options.batch)
            }
        };
        let size = size.min(left).min(open.len());
        let further = match self.options.mode {
            Mode::Adaptive(how) if self.round > 0 => {
                ((how.share.clamp(0.0, 1.0) * size as f64).round() as usize).min(size)
            }
            _ => size,
        };
        let rest = open.split_off(further);
        if size > further {
            open.extend(self.best(&rest, size - further));
        }
        for &place in &open {
            if let Some(held) = self.held.get_mut(place) {
                held.taken = true;
            }
        }
        open.reverse();
        self.queue = open;
        self.round += 1;
        self.ask();
    }

    /// The `wanted` of `open` with the largest prediction, some deviations added to it; ties by id.
    fn best(&self, open: &[usize], wanted: usize) -> Vec<usize> {
        let estimate = |i: usize| self.held.get(i).map_or(f64::NEG_INFINITY, |held| held.estimate);
        let mut valued: Vec<(f64, usize)> = open.iter().map(|&i| (estimate(i), i)).collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| {
            let id = |i: usize| self.held.get(i).map(|h| h.id);
            descending(a.0, b.0).then(id(a.1).cmp(&id(b.1)))
        };
        valued.sort_by(order);
        if let Mode::Adaptive(how) = self.options.mode
            && how.explore > 0.0
            && how.explore.is_finite()
        {
            // A variance costs as much as all anchors together: only for those that are near being chosen.
            valued.truncate(wanted.saturating_mul(how.depth.max(1)));
            for (value, i) in &mut valued {
                let variance = self.ridge.predict(self.vector(*i)).variance;
                // Before there is a fit all are as unsure, and the mean alone decides.
                *value += if variance.is_finite() { how.explore * variance.sqrt() } else { 0.0 };
            }
            valued.sort_by(order);
        }
        valued.into_iter().take(wanted).map(|(_, i)| i).collect()
    }

    /// Asks for the next batch of the round.
    pub(super) fn ask(&mut self) {
        let count = self.queue.len().min(self.options.batch).min(self.options.budget - self.calls);
        let from = self.queue.len() - count;
        self.asked = self.queue.drain(from..).rev().filter_map(|i| self.held.get(i).map(|h| h.id)).collect();
        self.calls += self.asked.len();
        self.phase = Phase::Score;
    }

    /// What there is to wait for once a round is scored.
    pub(super) fn end_round(&mut self) {
        let left = self.options.budget - self.calls;
        if left == 0 {
            return self.end(Stop::Budget);
        }
        self.phase = match self.options.mode {
            // Held already, in the order that a search would give them.
            Mode::Retrieve if self.held.iter().filter(|held| !held.taken).count() >= left => {
                return self.begin_round(true, false);
            }
            Mode::Retrieve => {
                let count = self.held.len().saturating_add(self.options.batch.min(left));
                Phase::Search { count, last: true }
            }
            Mode::Adaptive(how) => {
                self.fit();
                self.query = self.ridge.query();
                let rounds = how.rounds.saturating_sub(self.round).max(1);
                let size = left.div_ceil(rounds).max(self.options.batch).min(left);
                let count =
                    size.saturating_mul(how.depth.max(1)).saturating_add(self.calls + self.remembered);
                Phase::Search { count, last: false }
            }
        };
    }
}
