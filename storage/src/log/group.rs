//! Group commit: threads queue items, one of them flushes the whole queue for all.
//!
//! The first to wait becomes the leader: it takes the queue, gives the lock up, flushes, and wakes the others. Whoever
//! queued meanwhile is the next group. `tests/loom_group.rs` checks exactly this file: an item whose wait returned Ok
//! was in a batch that was flushed, batches are in the order of the queue, a failure reaches everybody, and nobody
//! sleeps for ever.
//!
//! Reads from: the queue. Writes to: whatever `flush` does.
//! Never: the queue's lock held during a flush; a second flush beside the first, or after a failed one.

use crate::error::{Error, Result};
use crate::sync::{self, Condvar, Mutex, MutexGuard};

/// The queue of a group commit. Tickets ascend from 0 in the order of [`Group::enqueue`].
#[derive(Debug)]
pub struct Group<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    queue: Vec<T>,
    /// The next item's ticket.
    next: u64,
    /// Items with a smaller ticket were flushed.
    done: u64,
    /// Somebody is flushing.
    leading: bool,
    /// Why no flush will ever succeed again.
    failed: Option<String>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Group::new()
    }
}

impl<T> Group<T> {
    /// An empty queue.
    pub fn new() -> Self {
        let state = State { queue: Vec::new(), next: 0, done: 0, leading: false, failed: None };
        Group { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues an item and returns its ticket, without any I/O.
    ///
    /// # Errors
    /// `Poisoned` after a failed flush.
    pub fn enqueue(&self, item: T) -> Result<u64> {
        let mut state = self.state.lock();
        state.check()?;
        let ticket = state.next;
        state.next += 1;
        state.queue.push(item);
        Ok(ticket)
    }

    /// Returns when the item with `ticket` was flushed, by this thread or another.
    ///
    /// `flush` is called at most once, with all items queued so far in their order, when this thread is to lead.
    ///
    /// # Errors
    /// `Poisoned` with the first failure, when the item's flush or an earlier one failed.
    pub fn wait(&self, ticket: u64, flush: impl FnOnce(Vec<T>) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            // What was flushed before a failure stays flushed: its wait tells the truth.
            if state.done > ticket {
                return Ok(());
            }
            state.check()?;
            if !state.leading {
                return self.lead(state, flush);
            }
            state = sync::wait(&self.changed, state);
        }
    }

    /// Flushes what is queued now, calling `flush` even when that is nothing; returns when it is done.
    ///
    /// # Errors
    /// `Poisoned` with the first failure, when this flush or an earlier one failed.
    pub fn drain(&self, flush: impl FnOnce(Vec<T>) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        while state.leading {
            state = sync::wait(&self.changed, state);
        }
        state.check()?;
        self.lead(state, flush)
    }

    /// Why the group is poisoned, if it is.
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failed.clone()
    }

    fn lead(
        &self,
        mut state: MutexGuard<'_, State<T>>,
        flush: impl FnOnce(Vec<T>) -> Result<()>,
    ) -> Result<()> {
        state.leading = true;
        let batch = std::mem::take(&mut state.queue);
        let mut turn = Turn { group: self, end: state.next, outcome: Err("the flush panicked".to_string()) };
        drop(state);
        turn.outcome = flush(batch).map_err(|e| match e {
            Error::Poisoned { why } => why,
            e => e.to_string(),
        });
        match &turn.outcome {
            Ok(()) => Ok(()),
            Err(why) => Err(Error::Poisoned { why: why.clone() }),
        }
    }
}

impl<T> State<T> {
    fn check(&self) -> Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(why) => Err(Error::Poisoned { why: why.clone() }),
        }
    }
}

/// The leader's turn. It ends when this is dropped, also by a panic in `flush`: the followers must not wait for ever.
struct Turn<'a, T> {
    group: &'a Group<T>,
    end: u64,
    outcome: Result<(), String>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.group.state.lock();
        state.leading = false;
        match std::mem::replace(&mut self.outcome, Ok(())) {
            Ok(()) => state.done = self.end,
            Err(why) => {
                state.failed = Some(why);
                // Nobody will flush them; their waiters get the error.
                state.queue.clear();
            }
        }
        drop(state);
        self.group.changed.notify_all();
    }
}
