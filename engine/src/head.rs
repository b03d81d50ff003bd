//! The mutable part of a collection: committed batches that are not in a segment yet.
//!
//! A batch is one immutable block; the head is an append-only list of them. Rows are numbered through all blocks.
//!
//! Reads from: `ingest`, `recover`. Writes to: memory. Never: a change to a row once it is in a block.

use std::collections::HashMap;
use std::sync::Arc;

use foretaste_storage::append::AppendList;
use foretaste_storage::block::{Block, BlockRows};
use foretaste_storage::key::{Key, KeyRef};
use foretaste_storage::layout::Layout;
use foretaste_storage::sync::{AtomicU64, Mutex, Ordering};

use crate::text::FreshTexts;
use crate::tombs::Tombs;

/// One committed batch within a head.
#[derive(Debug)]
pub(crate) struct HeadBlock {
    pub block: Block,
    /// Sequence number of its first operation.
    pub first_seq: u64,
    /// Number of its first row within the head.
    pub first_row: u32,
    /// Its words, once somebody searched them.
    pub texts: FreshTexts,
}

impl HeadBlock {
    /// Sequence number of its last operation: the block is visible to snapshots at this number or later.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.block.ops()).saturating_sub(1)
    }

    pub fn rows<'a>(&'a self, layout: &'a Layout) -> BlockRows<'a> {
        BlockRows { block: &self.block, layout, first: self.first_seq }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Head {
    blocks: AppendList<HeadBlock>,
    pub dead: Tombs,
    /// The newest row of each key, visible or not. Taken by readers for a moment, by the writer under its own lock.
    keys: Mutex<HashMap<Key, u32>>,
    bytes: AtomicU64,
}

impl Head {
    /// Appends a block; called under the ingest lock, in the order of sequence numbers.
    pub fn push(&self, block: Block, first_seq: u64) {
        let first_row = self.rows();
        self.bytes.fetch_add(block.bytes().len() as u64, Ordering::Relaxed);
        {
            let mut keys = self.keys.lock();
            keys.reserve(block.rows() as usize);
            for row in 0..block.rows() {
                keys.insert(block.key(row).to_key(), first_row + row);
            }
        }
        let pushed =
            self.blocks.push(HeadBlock { block, first_seq, first_row, texts: FreshTexts::default() });
        debug_assert!(
            pushed.is_ok(),
            "the ingest lock is held, and a head is sealed long before 4 billion blocks"
        );
    }

    /// Rows of all blocks, deleted and not yet visible ones too.
    pub fn rows(&self) -> u32 {
        let last = self.blocks.len().checked_sub(1).and_then(|i| self.blocks.get(i));
        last.map_or(0, |b| b.first_row + b.block.rows())
    }

    /// Memory its blocks take.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sequence number of the last operation, if there is one.
    pub fn last_seq(&self) -> Option<u64> {
        self.blocks.len().checked_sub(1).and_then(|i| self.blocks.get(i)).map(HeadBlock::last_seq)
    }

    /// The blocks a snapshot at `seq` sees.
    pub fn visible(&self, seq: u64) -> impl Iterator<Item = &HeadBlock> {
        (0..self.blocks.len()).filter_map(|i| self.blocks.get(i)).take_while(move |b| b.last_seq() <= seq)
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &HeadBlock> {
        self.visible(u64::MAX)
    }

    /// The block of a row, and the row's number in it.
    pub fn locate(&self, row: u32) -> Option<(&HeadBlock, u32)> {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if self.blocks.get(mid).is_some_and(|b| b.first_row <= row) { low = mid + 1 } else { high = mid }
        }
        // Blocks without rows share their first row with the next one; the last block that starts at or before the row
        // is the one that has it.
        let block = self.blocks.get(low.checked_sub(1)?)?;
        let inside = row - block.first_row;
        (inside < block.block.rows()).then_some((block, inside))
    }

    /// The newest row of a key, visible or not, deleted or not.
    pub fn newest(&self, key: &Key) -> Option<u32> {
        self.keys.lock().get(key).copied()
    }

    /// The live row of a key for a snapshot at `seq`.
    pub fn find(&self, key: &Key, seq: u64) -> Option<u32> {
        let newest = self.newest(key)?;
        if let Some((block, _)) = self.locate(newest)
            && block.last_seq() <= seq
        {
            return (!self.dead.contains(newest, seq)).then_some(newest);
        }
        // The key was written again after the snapshot, or is being written right now, its block not yet in the list: look for
        // the version that the snapshot saw.
        let dead = self.dead.at(seq);
        self.visible(seq)
            .flat_map(|b| (0..b.block.rows()).map(move |r| (b, r)))
            .filter(|(b, r)| b.block.key(*r) == key.as_ref() && !dead.contains(b.first_row + r))
            .map(|(b, r)| b.first_row + r)
            .last()
    }

    /// The key of a row.
    pub fn key(&self, row: u32) -> Option<KeyRef<'_>> {
        self.locate(row).map(|(b, r)| b.block.key(r))
    }
}

/// Shared by every state that still shows it.
pub(crate) type HeadHandle = Arc<Head>;

#[cfg(test)]
mod tests {
    use foretaste_storage::block::{RowInput, encode};
    use foretaste_storage::layout::Element;

    use super::*;
    use crate::tombs::Death;

    fn block(keys: &[i64]) -> Block {
        let layout = Layout { levels: vec![1], element: Element::F32, variance: None };
        let rows: Vec<_> = keys
            .iter()
            .map(|k| RowInput {
                key: KeyRef::Int(*k),
                vector: &[1.0],
                variance: None,
                tokens: None,
                payload: b"",
            })
            .collect();
        encode(&layout, &rows, &[], None).unwrap()
    }

    #[test]
    fn a_snapshot_finds_the_version_it_saw() {
        let head = Head::default();
        head.push(block(&[1, 2]), 10);
        head.push(block(&[]), 12);
        head.push(block(&[2, 3]), 12);
        head.dead.push(Death { seq: 13, row: 1 });
        assert_eq!(head.rows(), 4);
        assert_eq!((head.find(&Key::Int(2), 11), head.find(&Key::Int(2), 13)), (Some(1), Some(2)));
        assert_eq!((head.find(&Key::Int(3), 11), head.find(&Key::Int(3), 13)), (None, Some(3)));
        assert_eq!(head.find(&Key::Int(1), 9), None);
        assert_eq!(head.key(2), Some(KeyRef::Int(2)));
        assert!(head.locate(4).is_none());
        assert_eq!(head.visible(11).count(), 1);
    }
}
