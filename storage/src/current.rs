//! The newest state of something that is replaced as a whole, and the sequence number up to which it may be seen.
//!
//! A commit appends to the newest state unpublished, waits until it is durable, and then advances the number. A state is
//! replaced under the lock that commits append under, and its floor is what was published then: whatever it has
//! physically dropped was dead at its floor, and everything up to the floor is in it.
//!
//! A view loads the number first and the state after it, and takes the larger of the number and the state's floor. So
//! everything up to the number is in the state (later states keep what earlier ones have), and nothing that the view
//! should still see was dropped. The other order lets a replacement and a commit slip between the two loads, and the view
//! would show a row beside the one it replaced; `tests/loom_current.rs` shows it.
//!
//! Reads from: the writer. Writes to: memory. Never: a lock held after the view is taken.

use crate::append::Published;
use crate::sync::{self, Arc, RwLock};

/// A state that can be replaced.
pub trait State {
    /// The least sequence number a view of this state may have.
    fn floor(&self) -> u64;
}

/// The newest state and the number up to which it may be seen.
#[derive(Debug)]
pub struct Current<S> {
    state: RwLock<Arc<S>>,
    published: Published,
}

impl<S: State> Current<S> {
    /// Begins with `state`, seen up to `published`.
    pub fn new(state: S, published: u64) -> Self {
        Current { state: RwLock::new(Arc::new(state)), published: Published::new(published) }
    }

    /// The newest state, for the writer; readers take a [`Current::view`].
    pub fn state(&self) -> Arc<S> {
        Arc::clone(&self.state.read())
    }

    /// Replaces the state. The caller holds the lock that commits append under, and has made the floor at least
    /// [`Current::published`].
    pub fn install(&self, state: S) {
        *self.state.write() = Arc::new(state);
    }

    /// Lets views see everything up to `seq`, which must be durable; a number that is not larger changes nothing.
    pub fn publish(&self, seq: u64) {
        self.published.advance_to(seq);
    }

    /// The number up to which everything may be seen.
    pub fn published(&self) -> u64 {
        self.published.get()
    }

    /// A consistent view: a state, and the sequence number to see it at.
    pub fn view(&self) -> (Arc<S>, u64) {
        let published = self.published.get();
        let state = self.state();
        let seq = published.max(state.floor());
        (state, seq)
    }

    /// The same, and the states of `others` to see at that number.
    ///
    /// A commit may append to this one and to others: to all before it publishes here. Then what this one's number shows of it is
    /// in the others' states, which are taken after the number. A state of another that has dropped what the number still has to
    /// see has a floor above it, and everything is taken anew; it does not come to that for long when a commit publishes here
    /// before it does there.
    pub fn view_with<'a>(
        &self,
        others: impl Iterator<Item = &'a Current<S>> + Clone,
    ) -> (Arc<S>, u64, Vec<Arc<S>>)
    where
        S: 'a,
    {
        loop {
            let (state, seq) = self.view();
            let states: Vec<Arc<S>> = others.clone().map(Current::state).collect();
            if states.iter().all(|other| other.floor() <= seq) {
                return (state, seq, states);
            }
            sync::yield_now();
        }
    }
}

#[cfg(all(test, not(foretaste_loom)))]
mod tests {
    use super::*;

    struct Floor(u64);
    impl State for Floor {
        fn floor(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_view_is_never_below_the_floor_of_its_state() {
        let current = Current::new(Floor(0), 3);
        assert_eq!(current.view().1, 3);
        current.install(Floor(5));
        assert_eq!(current.view().1, 5);
        current.publish(4);
        assert_eq!(current.view().1, 5);
        current.publish(7);
        assert_eq!((current.view().1, current.published()), (7, 7));
    }
}
