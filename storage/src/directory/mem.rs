//! The directory in memory, for databases in memory and for tests.
//!
//! Reads from: memory. Writes to: memory. Never: a lock held while the caller's rows are read.

use std::collections::HashMap;

use super::coverage::Coverage;
use super::{Directory, Location, entry_key, next_batch};
use crate::error::Result;
use crate::key::{Key, KeyRef};
use crate::sync::{Mutex, RwLock};

/// A directory in a hash map. It cannot fail and keeps nothing: after [`Directory::close`] it is as usable as before,
/// and no stamp is recorded.
#[derive(Debug)]
pub struct MemDirectory {
    entries: RwLock<HashMap<Vec<u8>, Location>>,
    coverage: Mutex<Coverage>,
}

impl MemDirectory {
    /// No entry, no segment covered.
    pub fn new() -> Self {
        MemDirectory { entries: RwLock::new(HashMap::new()), coverage: Mutex::new(Coverage::default()) }
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (Vec<(u64, u64)>, u64) {
        self.coverage.lock().parts()
    }
}

impl Default for MemDirectory {
    fn default() -> Self {
        MemDirectory::new()
    }
}

impl Directory for MemDirectory {
    fn get(&self, collection: u32, key: KeyRef<'_>) -> Result<Option<Location>> {
        Ok(self.entries.read().get(&entry_key(collection, key)).copied())
    }

    fn covers(&self, segment: u64) -> bool {
        self.coverage.lock().contains(segment)
    }

    fn insert(
        &self,
        collection: u32,
        segment: u64,
        rows: &mut dyn Iterator<Item = Result<(Key, u32)>>,
    ) -> Result<()> {
        self.coverage.lock().remove(segment);
        let (mut batch, mut count) = (Vec::new(), 0);
        loop {
            next_batch(collection, rows, &mut batch)?;
            if batch.is_empty() {
                break;
            }
            count += batch.len() as u64;
            let (mut entries, mut coverage) = (self.entries.write(), self.coverage.lock());
            for (key, row) in batch.drain(..) {
                let old = entries.insert(key, Location { segment, row });
                coverage.replace(old.map(|l| l.segment));
            }
        }
        self.coverage.lock().add(segment, count);
        Ok(())
    }

    fn forget(&self, segment: u64) -> Result<()> {
        self.coverage.lock().remove(segment);
        Ok(())
    }

    fn is_bloated(&self) -> bool {
        self.coverage.lock().is_bloated()
    }

    fn close(&self, _stamp: u64) -> Result<()> {
        Ok(())
    }
}
