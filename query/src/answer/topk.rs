//! The k smallest distances of a stream.
//!
//! A binary heap with the farthest kept candidate on top: in a scan almost every candidate fails the one comparison with
//! it, whatever k is.
//! Reads from: candidates offered. Writes to: its own memory, at most k entries. Never: a NaN.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A kept candidate. Ordered by distance, then tiebreak; the smaller is the better.
#[derive(Debug, Clone, Copy)]
pub struct Ranked<T> {
    /// Its distance; never NaN, and never -0.
    pub distance: f64,
    /// What orders candidates at the same distance; the smaller is the better.
    pub tiebreak: u64,
    /// What was offered.
    pub item: T,
}

/// Keeps the `k` candidates with the smallest (distance, tiebreak).
///
/// ```
/// use foretaste_query::answer::TopK;
///
/// let mut top = TopK::new(2);
/// for (distance, row) in [(0.5, 'a'), (0.1, 'b'), (0.5, 'c'), (f64::NAN, 'd')] {
///     top.offer(distance, u64::from(row), row);
/// }
/// assert_eq!(top.threshold(), 0.5);
/// let rows: Vec<char> = top.into_sorted().iter().map(|r| r.item).collect();
/// assert_eq!(rows, ['b', 'a']);
/// ```
#[derive(Debug, Clone)]
pub struct TopK<T> {
    k: usize,
    heap: BinaryHeap<Ranked<T>>,
}

impl<T: Copy> TopK<T> {
    /// An empty selection of the `k` best. Memory grows with what is kept, not with `k`.
    pub fn new(k: usize) -> Self {
        TopK { k, heap: BinaryHeap::new() }
    }

    /// Keeps the candidate if it is among the `k` best so far, and says whether it was kept. NaN never is.
    #[inline]
    pub fn offer(&mut self, distance: f64, tiebreak: u64, item: T) -> bool {
        // `>` alone would let NaN through; this order of the test also rejects it.
        if distance.is_nan() || distance > self.threshold() {
            return false;
        }
        self.insert(Ranked { distance: distance + 0.0, tiebreak, item })
    }

    fn insert(&mut self, candidate: Ranked<T>) -> bool {
        if self.heap.len() < self.k {
            self.heap.push(candidate);
            return true;
        }
        match self.heap.peek_mut() {
            Some(mut worst) if candidate < *worst => {
                *worst = candidate;
                true
            }
            _ => false,
        }
    }

    /// The distance that a candidate must not exceed to be kept: infinity until `k` are kept, then the farthest kept one;
    /// negative infinity when `k` is 0.
    #[inline]
    pub fn threshold(&self) -> f64 {
        if self.heap.len() < self.k {
            return f64::INFINITY;
        }
        self.heap.peek().map_or(f64::NEG_INFINITY, |worst| worst.distance)
    }

    /// How many it keeps at most.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The kept candidates in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Ranked<T>> {
        self.heap.iter()
    }

    /// The kept candidates, nearest first, ties by tiebreak.
    pub fn into_sorted(self) -> Vec<Ranked<T>> {
        self.heap.into_sorted_vec()
    }
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.tiebreak.cmp(&other.tiebreak))
    }
}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Ranked<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few distinct values, so that ties are common; both zeros; both infinities; both NaN.
    fn distance() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => (-4i8..4).prop_map(f64::from),
            4 => any::<f64>(),
            1 => Just(-0.0),
            1 => Just(f64::NAN),
            1 => Just(-f64::NAN),
            1 => Just(f64::INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn keeps_what_sorting_everything_would_put_first(
            offers in proptest::collection::vec((distance(), 0u64..50), 0..400),
            k in 0usize..450,
        ) {
            let mut top = TopK::new(k);
            for (i, &(distance, tiebreak)) in offers.iter().enumerate() {
                let threshold = top.threshold();
                let kept = top.offer(distance, tiebreak, i);
                prop_assert!(!kept || distance <= threshold);
                prop_assert!(top.len() <= k);
            }
            let mut expected: Vec<(f64, u64)> =
                offers.iter().filter(|o| !o.0.is_nan()).map(|&(d, t)| (d + 0.0, t)).collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            expected.truncate(k);
            let got = top.into_sorted();
            prop_assert_eq!(got.iter().map(|r| (r.distance, r.tiebreak)).collect::<Vec<_>>(), expected);
            for r in got {
                prop_assert_eq!(offers[r.item].1, r.tiebreak);
            }
        }
    }

    #[test]
    fn the_largest_k_keeps_all_it_should() {
        let mut top = TopK::new(100_000);
        for i in 0..300_000u64 {
            let shuffled = i * 7_919 % 300_000;
            top.offer(shuffled as f64, shuffled, ());
        }
        let sorted = top.into_sorted();
        assert!(sorted.iter().map(|r| r.tiebreak).eq(0..100_000));
    }
}
