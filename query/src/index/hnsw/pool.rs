//! The candidates of a graph search: a sorted array of bounded size.
//!
//! Reads from: estimates. Writes to: its own memory. Never: more than its capacity.

/// A node and the estimate of its squared distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry {
    pub distance: f32,
    /// The node; its highest bit is set once it was taken.
    node: u32,
}

const TAKEN: u32 = 1 << 31;

/// The nearest candidates so far, nearest first.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<Entry>,
    capacity: usize,
    /// No candidate before it is left to take.
    next: usize,
}

impl Pool {
    /// Empties it for a search that keeps `capacity` candidates.
    pub fn reset(&mut self, capacity: usize) {
        self.entries.clear();
        self.capacity = capacity.max(1);
        self.entries.reserve(self.capacity + 1);
        self.next = 0;
    }

    /// Whether it holds as many candidates as it keeps.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    /// A candidate that is not below this is not kept.
    #[inline]
    pub fn limit(&self) -> f32 {
        if self.entries.len() < self.capacity {
            return f32::INFINITY;
        }
        self.entries.last().map_or(f32::INFINITY, |e| e.distance)
    }

    /// Puts a candidate in its place; the farthest leaves when there is no room.
    #[inline]
    pub fn insert(&mut self, distance: f32, node: u32) {
        let at = self.entries.partition_point(|e| e.distance <= distance);
        if at >= self.capacity {
            return;
        }
        if self.entries.len() == self.capacity {
            self.entries.pop();
        }
        self.entries.insert(at, Entry { distance, node });
        self.next = self.next.min(at);
    }

    /// Takes the nearest candidate that was not taken.
    #[inline]
    pub fn take(&mut self) -> Option<(f32, u32)> {
        let entry = self.entries.get_mut(self.next)?;
        let found = (entry.distance, entry.node);
        entry.node |= TAKEN;
        self.next += 1;
        while self.entries.get(self.next).is_some_and(|e| e.node & TAKEN != 0) {
            self.next += 1;
        }
        Some(found)
    }

    /// From now on it keeps `capacity` candidates, when that is more than before.
    pub fn widen(&mut self, capacity: usize) {
        self.capacity = self.capacity.max(capacity);
    }

    /// Takes the nearest candidate that was not taken, when it is among the nearest `count` of all.
    pub fn take_among(&mut self, count: usize) -> Option<(f32, u32)> {
        if self.next < count { self.take() } else { None }
    }

    /// How many candidates are nearer than the one that would be taken next.
    pub fn before(&self) -> usize {
        self.next
    }

    /// The distance of the candidate that would be taken next.
    pub fn ahead(&self) -> Option<f32> {
        self.entries.get(self.next).map(|e| e.distance)
    }

    /// The distance of the candidate at a place, counted from the nearest; infinity when there are not as many.
    pub fn distance(&self, place: usize) -> f32 {
        self.entries.get(place).map_or(f32::INFINITY, |e| e.distance)
    }

    /// How far the search has come for the nearest `count`: the squared distance of the candidate it would take next over that of
    /// the last of them. Infinity when there is none left to take, 0 when there are not as many yet.
    pub fn reach(&self, count: usize) -> f32 {
        let last = self.distance(count.saturating_sub(1));
        // When all that are kept were taken, those that were not kept are farther than any of them.
        let full = self.is_full().then_some(self.limit());
        match self.ahead().or(full) {
            None => f32::INFINITY,
            Some(_) if last == f32::INFINITY || last == f32::MAX => 0.0,
            Some(ahead) => ahead.max(0.0) / last.max(f32::MIN_POSITIVE),
        }
    }

    /// All candidates, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = (f32, u32)> {
        self.entries.iter().map(|e| (e.distance, e.node & !TAKEN))
    }
}
