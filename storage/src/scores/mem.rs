//! Remembered scores in memory: for databases in memory, and for those that may only be read.
//!
//! Reads from: memory. Writes to: memory. Never: more scores than there is room for.

use std::collections::BTreeMap;

use super::{Asked, Scored, Scores, decode, encode, scorer_prefix, shelf};
use crate::error::Result;
use crate::sync::Mutex;

type Shelf = BTreeMap<Vec<u8>, [u8; super::VALUE_BYTES]>;

/// Scores in sorted maps; gone when they are dropped.
#[derive(Debug)]
pub struct MemScores {
    most: u64,
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    newer: Shelf,
    older: Shelf,
    closed: bool,
}

impl MemScores {
    /// Room for `most` scores; none when that is 0.
    pub fn new(most: u64) -> Self {
        MemScores { most, shelves: Mutex::new(Shelves::default()) }
    }

    fn put(&self, shelves: &mut Shelves, key: Vec<u8>, value: [u8; super::VALUE_BYTES]) {
        let (room, second) = shelf(self.most);
        if shelves.newer.len() as u64 >= room && !shelves.newer.contains_key(&key) {
            let full = std::mem::take(&mut shelves.newer);
            shelves.older = if second { full } else { Shelf::new() };
        }
        shelves.newer.insert(key, value);
    }
}

impl Scores for MemScores {
    fn known(&self, asked: &Asked, most: usize) -> Vec<Scored> {
        let shelves = self.shelves.lock();
        let mut found = BTreeMap::new();
        for shelf in [&shelves.newer, &shelves.older] {
            let entries = shelf.range(asked.0.to_vec()..).take_while(|(key, _)| key.starts_with(&asked.0));
            for (key, value) in entries.take(most) {
                found.entry(key).or_insert(value);
            }
        }
        found.into_iter().take(most).filter_map(|(key, value)| decode(key, value)).collect()
    }

    fn remember(&self, asked: &Asked, scores: &[Scored]) {
        let mut shelves = self.shelves.lock();
        if self.most == 0 || shelves.closed {
            return;
        }
        for (key, value) in scores.iter().filter_map(|scored| encode(asked, scored)) {
            self.put(&mut shelves, key, value);
        }
    }

    fn forget(&self, scorer: Option<&str>) {
        let mut shelves = self.shelves.lock();
        let Shelves { newer, older, .. } = &mut *shelves;
        for shelf in [newer, older] {
            match scorer.map(scorer_prefix) {
                None => shelf.clear(),
                Some(prefix) => shelf.retain(|key, _| !key.starts_with(&prefix)),
            }
        }
    }

    fn len(&self) -> u64 {
        let shelves = self.shelves.lock();
        (shelves.newer.len() + shelves.older.len()) as u64
    }

    fn close(&self, _whole: bool) -> Result<()> {
        *self.shelves.lock() = Shelves { closed: true, ..Shelves::default() };
        Ok(())
    }
}
