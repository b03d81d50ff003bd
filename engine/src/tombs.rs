//! Deleted rows of one source of rows (a segment or a head), by the operation that deleted them.
//!
//! `base` holds what every snapshot of the current state sees as deleted; `recent` the deletions since, each with its
//! sequence number, so that an older snapshot does not see a newer deletion.
//!
//! Reads from: `ingest` (which appends under its lock). Writes to: bitmaps for snapshots.
//! Never: a deletion taken back.

use std::sync::Arc;

use foretaste_storage::append::AppendList;
use foretaste_storage::sync::Mutex;
use roaring::RoaringBitmap;

/// A deletion: `row` is gone for every snapshot at `seq` or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub seq: u64,
    pub row: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Tombs {
    base: Arc<RoaringBitmap>,
    recent: AppendList<Death>,
    /// The last bitmap made for a snapshot: how many of `recent` it holds, and itself.
    cached: Mutex<Option<(usize, Arc<RoaringBitmap>)>>,
}

impl Tombs {
    pub fn new(base: RoaringBitmap, later: impl IntoIterator<Item = Death>) -> Self {
        let tombs = Tombs { base: Arc::new(base), ..Tombs::default() };
        later.into_iter().for_each(|d| tombs.push(d));
        tombs
    }

    /// Appends a deletion; called under the ingest lock, in the order of sequence numbers.
    pub fn push(&self, death: Death) {
        let pushed = self.recent.push(death);
        debug_assert!(pushed.is_ok(), "the ingest lock is held, and a segment has fewer than 4 billion rows");
    }

    /// The rows deleted for a snapshot at `seq`.
    pub fn at(&self, seq: u64) -> Arc<RoaringBitmap> {
        let visible = self.visible(seq);
        if visible == 0 {
            return Arc::clone(&self.base);
        }
        let mut cached = self.cached.lock();
        let (from, mut bitmap) = match cached.as_ref() {
            Some((n, bitmap)) if *n == visible => return Arc::clone(bitmap),
            Some((n, bitmap)) if *n < visible => (*n, (**bitmap).clone()),
            _ => (0, (*self.base).clone()),
        };
        bitmap.extend((from..visible).filter_map(|i| self.recent.get(i)).map(|d| d.row));
        let bitmap = Arc::new(bitmap);
        *cached = Some((visible, Arc::clone(&bitmap)));
        bitmap
    }

    /// Whether `row` is deleted for a snapshot at `seq`.
    pub fn contains(&self, row: u32, seq: u64) -> bool {
        self.base.contains(row) || (self.visible(seq) > 0 && self.at(seq).contains(row))
    }

    /// At least as many rows as are deleted, counted without a bitmap.
    pub fn most(&self) -> u64 {
        self.base.len() + self.recent.len() as u64
    }

    /// Deletions after `seq`, in order.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = Death> + '_ {
        (self.visible(seq)..self.recent.len()).filter_map(|i| self.recent.get(i)).copied()
    }

    /// How many of `recent` a snapshot at `seq` sees: they are in the order of their numbers.
    fn visible(&self, seq: u64) -> usize {
        let (mut low, mut high) = (0, self.recent.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if self.recent.get(mid).is_some_and(|d| d.seq <= seq) { low = mid + 1 } else { high = mid }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_snapshot_sees_the_deletions_up_to_its_number() {
        let deaths = [(5, 1), (5, 2), (7, 3), (9, 4)].map(|(seq, row)| Death { seq, row });
        let tombs = Tombs::new([0].into_iter().collect(), deaths);
        for (seq, rows) in [
            (4, vec![0]),
            (5, vec![0, 1, 2]),
            (8, vec![0, 1, 2, 3]),
            (6, vec![0, 1, 2]),
            (99, vec![0, 1, 2, 3, 4]),
        ] {
            assert_eq!(tombs.at(seq).iter().collect::<Vec<_>>(), rows, "at {seq}");
        }
        assert!(tombs.contains(3, 7) && !tombs.contains(3, 6) && tombs.contains(0, 0));
        assert_eq!(tombs.after(6).map(|d| d.row).collect::<Vec<_>>(), [3, 4]);
    }
}
