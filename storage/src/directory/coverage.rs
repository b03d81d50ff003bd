//! Which segments a directory covers, and how many of its entries point to each.
//!
//! Reads from: nothing. Writes to: memory.
//! Never: a segment that is covered while its rows are being inserted.

use std::collections::HashMap;

/// Fewer stale entries than this are not worth a rebuild.
const STALE_FLOOR: u64 = 4096;

/// Covered segments and counts of entries. The counts are exact unless insertions overlap or a segment's id
/// comes again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    /// Of each covered segment, the entries that point to it.
    entries: HashMap<u64, u64>,
    /// Entries that point to no covered segment.
    stale: u64,
}

impl Coverage {
    /// What [`Coverage::parts`] gave.
    pub fn from_parts(entries: impl IntoIterator<Item = (u64, u64)>, stale: u64) -> Self {
        Coverage { entries: entries.into_iter().collect(), stale }
    }

    /// The covered segments with their entries, by id, and the number of stale entries.
    pub fn parts(&self) -> (Vec<(u64, u64)>, u64) {
        let mut entries: Vec<_> = self.entries.iter().map(|(segment, n)| (*segment, *n)).collect();
        entries.sort_unstable();
        (entries, self.stale)
    }

    /// Whether the segment is covered.
    pub fn contains(&self, segment: u64) -> bool {
        self.entries.contains_key(&segment)
    }

    /// The segment is not covered (any more); its entries are stale.
    pub fn remove(&mut self, segment: u64) {
        self.stale += self.entries.remove(&segment).unwrap_or(0);
    }

    /// An entry was written for a segment that is not covered yet, over one that pointed to `old`.
    pub fn replace(&mut self, old: Option<u64>) {
        let Some(old) = old else {
            self.stale += 1;
            return;
        };
        if let Some(n) = self.entries.get_mut(&old).filter(|n| **n > 0) {
            *n -= 1;
            self.stale += 1;
        }
    }

    /// The segment is covered, and `n` entries that counted as stale are its own.
    pub fn add(&mut self, segment: u64, n: u64) {
        self.entries.insert(segment, n);
        self.stale = self.stale.saturating_sub(n);
    }

    /// Whether stale entries outnumber the others.
    pub fn is_bloated(&self) -> bool {
        self.stale >= STALE_FLOOR && self.stale > self.entries.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment's entries, each over one of `old`.
    fn insert(coverage: &mut Coverage, segment: u64, old: &[(Option<u64>, u64)]) {
        coverage.remove(segment);
        for (old, n) in old {
            (0..*n).for_each(|_| coverage.replace(*old));
        }
        coverage.add(segment, old.iter().map(|(_, n)| n).sum());
    }

    #[test]
    fn a_merge_of_segments_leaves_only_their_dead_rows_stale() {
        let mut coverage = Coverage::default();
        insert(&mut coverage, 1, &[(None, 100)]);
        insert(&mut coverage, 2, &[(None, 50), (Some(1), 10)]);
        assert_eq!(coverage.parts(), (vec![(1, 90), (2, 60)], 0));
        insert(&mut coverage, 3, &[(Some(1), 80), (Some(2), 55)]);
        coverage.remove(1);
        coverage.remove(2);
        assert_eq!(coverage.parts(), (vec![(3, 135)], 15));
        assert_eq!(Coverage::from_parts([(3, 135)], 15), coverage);
    }

    #[test]
    fn stale_entries_bloat_when_they_are_many_and_the_most() {
        let mut coverage = Coverage::default();
        insert(&mut coverage, 1, &[(None, STALE_FLOOR - 1)]);
        coverage.remove(1);
        assert!(!coverage.is_bloated());
        insert(&mut coverage, 2, &[(None, 1)]);
        coverage.remove(2);
        assert!(coverage.is_bloated());
        insert(&mut coverage, 3, &[(None, STALE_FLOOR)]);
        assert!(!coverage.is_bloated());
        coverage.remove(3);
        insert(&mut coverage, 4, &[(Some(3), 2 * STALE_FLOOR)]);
        assert_eq!(coverage.parts(), (vec![(4, 2 * STALE_FLOOR)], 0));
    }
}
