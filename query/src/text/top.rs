//! The k rows with the largest scores; of equal scores those with the smallest keys.
//!
//! Equal scores are common among texts. So keys decide here, and are asked for only when a row may be kept.
//!
//! Reads from: scored rows. Writes to: its own memory, at most k entries. Never: a score that is no number.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row that is kept.
#[derive(Debug, Clone)]
pub struct Kept<K, T> {
    /// Its score.
    pub score: f64,
    /// Its key.
    pub key: K,
    /// What was offered.
    pub item: T,
}

/// Keeps the `k` rows with the largest (score, then smallest key).
///
/// ```
/// use foretaste_query::text::Top;
///
/// let mut top = Top::new(2);
/// for (score, key) in [(0.5, 7), (2.0, 9), (0.5, 3), (f64::NAN, 1)] {
///     top.offer(score, || Ok::<_, ()>(key), key)?;
/// }
/// let keys: Vec<i32> = top.into_sorted().into_iter().map(|kept| kept.key).collect();
/// assert_eq!(keys, [9, 3]);
/// # Ok::<(), ()>(())
/// ```
#[derive(Debug)]
pub struct Top<K, T> {
    k: usize,
    heap: BinaryHeap<Kept<K, T>>,
}

impl<K: Ord, T> Top<K, T> {
    /// Nothing kept yet.
    pub fn new(k: usize) -> Self {
        Top { k, heap: BinaryHeap::new() }
    }

    /// The score that a row must have at least to be kept: minus infinity until `k` are; infinity when `k` is 0.
    #[inline]
    pub fn threshold(&self) -> f64 {
        if self.heap.len() < self.k {
            return f64::NEG_INFINITY;
        }
        self.heap.peek().map_or(f64::INFINITY, |worst| worst.score)
    }

    /// Keeps the row if it is among the `k` best so far.
    ///
    /// # Errors
    /// Those of `key`.
    pub fn offer<E>(&mut self, score: f64, key: impl FnOnce() -> Result<K, E>, item: T) -> Result<(), E> {
        if score.is_nan() || score < self.threshold() || self.k == 0 {
            return Ok(());
        }
        let candidate = Kept { score, key: key()?, item };
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
        Ok(())
    }

    /// The rows kept, the best first.
    pub fn into_sorted(self) -> Vec<Kept<K, T>> {
        self.heap.into_sorted_vec()
    }
}

impl<K: Ord, T> Ord for Kept<K, T> {
    /// The better is the less.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.key.cmp(&other.key))
    }
}

impl<K: Ord, T> PartialOrd for Kept<K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> PartialEq for Kept<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord, T> Eq for Kept<K, T> {}
