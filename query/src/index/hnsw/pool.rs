//! The candidates of a graph search, nearest first, of bounded number.
//!
//! Few of them are a sorted array. Many are two parts: the nearest sorted, the others in no order until their turn comes; to put
//! each of some hundred candidates in its place would take longer than to find it.
//!
//! Reads from: estimates. Writes to: its own memory. Never: a candidate dropped that is among the nearest it keeps.

/// A node and the estimate of its squared distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry {
    pub distance: f32,
    /// The node; its highest bit is set once it was taken.
    node: u32,
}

const TAKEN: u32 = 1 << 31;

/// The nearest candidates so far.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The nearest, nearest first.
    near: Vec<Entry>,
    /// Others, none nearer than any of these; in no order.
    far: Vec<Entry>,
    /// So many are sorted at least, when there are as many.
    sorted: usize,
    capacity: usize,
    /// No candidate before it is left to take.
    next: usize,
    /// A candidate that is not below this is not kept; infinity as long as there is room.
    limit: f32,
}

/// Of more candidates than this only some are sorted, and how many of them.
const MANY: usize = 128;
const SORTED: usize = 64;
/// How many are sorted at a time when their turn comes.
const TURN: usize = 32;

impl Default for Pool {
    fn default() -> Self {
        let (near, far) = (Vec::new(), Vec::new());
        Pool { near, far, sorted: 1, capacity: 1, next: 0, limit: f32::INFINITY }
    }
}

impl Pool {
    /// Empties it for a search that keeps `capacity` candidates, all of them sorted.
    pub fn reset(&mut self, capacity: usize) {
        self.near.clear();
        self.far.clear();
        self.capacity = capacity.max(1);
        self.sorted = self.capacity;
        self.near.reserve(self.capacity.min(MANY) + 1);
        self.next = 0;
        self.limit = f32::INFINITY;
    }

    /// Empties it for a search that keeps `capacity` candidates and takes one after the other.
    pub fn reset_for_taking(&mut self, capacity: usize) {
        self.reset(capacity);
        if capacity > MANY {
            self.sorted = SORTED;
        }
    }

    fn len(&self) -> usize {
        self.near.len() + self.far.len()
    }

    /// Whether it holds as many candidates as it keeps.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// A candidate that is not below this is not kept.
    #[inline]
    pub fn limit(&self) -> f32 {
        self.limit
    }

    /// Puts a candidate in its place; the farthest leaves when there is no room.
    #[inline]
    pub fn insert(&mut self, distance: f32, node: u32) {
        if distance >= self.limit {
            return;
        }
        if self.near.len() >= self.sorted && self.near.last().is_some_and(|last| distance >= last.distance) {
            self.far.push(Entry { distance, node });
        } else {
            let at = self.near.partition_point(|e| e.distance <= distance);
            self.near.insert(at, Entry { distance, node });
            self.next = self.next.min(at);
            if self.near.len() > self.sorted {
                // One of as many as are kept leaves for good when all of them are sorted.
                let farthest = self.near.pop();
                if self.sorted < self.capacity {
                    self.far.extend(farthest);
                }
            }
        }
        if self.next >= self.near.len() {
            self.skip();
        }
        let len = self.len();
        if len >= self.capacity && (self.far.is_empty() || self.limit == f32::INFINITY || len >= self.most())
        {
            self.prune();
        }
    }

    /// With so many the farthest are dropped.
    fn most(&self) -> usize {
        self.capacity + self.capacity / 8 + 16
    }

    /// Drops those beyond the nearest that it keeps.
    fn prune(&mut self) {
        let keep = self.capacity.saturating_sub(self.near.len());
        if keep < self.far.len() {
            if let Some(last) = keep.checked_sub(1) {
                self.far.select_nth_unstable_by(last, |a, b| a.distance.total_cmp(&b.distance));
            }
            self.far.truncate(keep);
        }
        let farthest = self.far.iter().map(|e| e.distance).fold(f32::NEG_INFINITY, f32::max);
        self.limit = match (self.far.is_empty(), self.near.last()) {
            (false, _) => farthest,
            (true, Some(last)) => last.distance,
            (true, None) => f32::INFINITY,
        };
    }

    /// Takes the nearest candidate that was not taken.
    #[inline]
    pub fn take(&mut self) -> Option<(f32, u32)> {
        let entry = self.near.get_mut(self.next)?;
        let found = (entry.distance, entry.node);
        entry.node |= TAKEN;
        self.next += 1;
        self.skip();
        Some(found)
    }

    /// Goes on to the next that was not taken, sorting some more when there is none.
    #[inline]
    fn skip(&mut self) {
        loop {
            while self.near.get(self.next).is_some_and(|e| e.node & TAKEN != 0) {
                self.next += 1;
            }
            if self.next < self.near.len() || !self.sort_more() {
                return;
            }
        }
    }

    /// Sorts the nearest of those in no order, in their turn. False when there is none that counts.
    #[cold]
    fn sort_more(&mut self) -> bool {
        let count = TURN.min(self.far.len()).min(self.capacity.saturating_sub(self.near.len()));
        let Some(last) = count.checked_sub(1) else { return false };
        self.far.select_nth_unstable_by(last, |a, b| a.distance.total_cmp(&b.distance));
        let from = self.near.len();
        self.near.extend(self.far.drain(..count));
        if let Some(new) = self.near.get_mut(from..) {
            new.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
        }
        self.sorted = self.sorted.max(self.near.len());
        true
    }

    /// From now on it keeps `capacity` candidates, when that is more than before.
    pub fn widen(&mut self, capacity: usize) {
        if capacity > self.capacity {
            let all = self.sorted == self.capacity;
            self.capacity = capacity;
            self.sorted = if all && capacity <= MANY { capacity } else { self.sorted };
            if self.len() < capacity {
                self.limit = f32::INFINITY;
            }
            self.skip();
        }
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
        self.near.get(self.next).map(|e| e.distance)
    }

    /// The distance of the candidate at a place, counted from the nearest; infinity when there are not as many.
    pub fn distance(&self, place: usize) -> f32 {
        if let Some(entry) = self.near.get(place) {
            return entry.distance;
        }
        let place = place - self.near.len();
        if place >= self.far.len() {
            return f32::INFINITY;
        }
        let mut far: Vec<f32> = self.far.iter().map(|e| e.distance).collect();
        *far.select_nth_unstable_by(place, f32::total_cmp).1
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

    /// All candidates, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (f32, u32)> {
        self.near.iter().chain(&self.far).map(|e| (e.distance, e.node & !TAKEN))
    }

    /// The nearest of those that were not taken, at most `count`, nearest first; of those in no order none.
    pub fn open(&self, count: usize) -> impl Iterator<Item = u32> {
        let rest = self.near.get(self.next..).unwrap_or_default();
        rest.iter().filter(|e| e.node & TAKEN == 0).take(count).map(|e| e.node)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pool should do, by sorting everything.
    #[derive(Default)]
    struct Model {
        all: Vec<(f32, u32, bool)>,
    }

    impl Model {
        fn sort(&mut self) {
            self.all.sort_by(|a, b| a.0.total_cmp(&b.0));
        }

        fn take(&mut self, capacity: usize) -> Option<f32> {
            let next = self.all.iter_mut().take(capacity).find(|e| !e.2)?;
            next.2 = true;
            Some(next.0)
        }
    }

    proptest! {
        #[test]
        fn the_nearest_come_in_their_order_however_they_are_kept(
            steps in proptest::collection::vec((0u32..1000, any::<bool>()), 0..1200),
            capacity in 1usize..400,
            takes in 1usize..4,
        ) {
            let (mut pool, mut model) = (Pool::default(), Model::default());
            pool.reset_for_taking(capacity);
            for (i, (distance, take)) in steps.iter().enumerate() {
                // Distinct, so that there is one order.
                let distance = *distance as f32 + i as f32 / 4096.0;
                if distance < pool.limit() {
                    pool.insert(distance, i as u32);
                } else {
                    // Not kept: as many nearer ones are.
                    let nearer = model.all.iter().filter(|e| e.0 < distance).count();
                    prop_assert!(nearer >= capacity);
                }
                model.all.push((distance, i as u32, false));
                model.sort();
                for _ in 0..if *take { takes } else { 0 } {
                    prop_assert_eq!(pool.ahead(), model.all.iter().take(capacity).find(|e| !e.2).map(|e| e.0));
                    prop_assert_eq!(pool.take().map(|e| e.0), model.take(capacity));
                }
                let open: Vec<u32> = pool.open(20).collect();
                let expected = model.all.iter().take(capacity).filter(|e| !e.2).map(|e| e.1);
                let expected: Vec<u32> = expected.take(open.len()).collect();
                prop_assert_eq!(open, expected);
                let place = (i * 7) % capacity;
                prop_assert_eq!(pool.distance(place), model.all.get(place).map_or(f32::INFINITY, |e| e.0));
            }
        }
    }
}
