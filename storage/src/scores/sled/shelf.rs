//! One shelf of remembered scores: a sled in a folder of its own, with a count of its entries.
//!
//! Reads from: the shelf's folder. Writes to: the same.
//! Never: more entries than there is room for; a shelf whose entries were not verified.

use std::path::{Path, PathBuf};

use ::sled::{Config, Db};

use crate::directory::sled::{guard, wipe};
use crate::error::Result;
use crate::scores::decode;
use crate::sync::{AtomicU64, Ordering};
use crate::vfs::Vfs;
use crate::vfs::os::OsVfs;

/// sled's page cache for a shelf.
const CACHE_BYTES: u64 = 16 << 20;

/// Scores in a folder of their own, until it is forgotten whole.
pub struct Shelf {
    pub number: u64,
    pub path: PathBuf,
    pub db: Db,
    /// Entries, and those about to be written.
    pub count: AtomicU64,
}

impl Shelf {
    /// Opens or begins the shelf `number`, and verifies what is on it.
    pub fn open(folder: &Path, number: u64) -> Result<Shelf> {
        let path = shelf_path(folder, number);
        let (db, count) = guard(&path, "open", || {
            let db = Config::new()
                .path(&path)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .use_compression(false)
                .open()?;
            let mut count = 0;
            for entry in db.iter() {
                let (key, value) = entry?;
                if decode(&key, &value).is_none() {
                    return Err(::sled::Error::Unsupported("an entry that is not whole".into()));
                }
                count += 1;
            }
            Ok((db, count))
        })?;
        Ok(Shelf { number, path, db, count: AtomicU64::new(count) })
    }

    /// Writes an entry; false when there is no room left.
    pub fn put(&self, key: &[u8], value: &[u8], room: u64) -> Result<bool> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= room {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Ok(false);
        }
        let old = guard(&self.path, "write", || self.db.insert(key, value))?;
        if old.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// The first `most` entries whose keys begin with `prefix`.
    pub fn scan(&self, prefix: &[u8], most: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        guard(&self.path, "read", || {
            let entries = self.db.scan_prefix(prefix).take(most);
            entries.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        })
    }

    /// Removes every entry whose key begins with `prefix`.
    pub fn remove(&self, prefix: &[u8]) -> Result<()> {
        guard(&self.path, "write", || {
            for entry in self.db.scan_prefix(prefix) {
                if self.db.remove(entry?.0)?.is_some() {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                }
            }
            self.db.flush()?;
            Ok(())
        })
    }
}

/// Where a shelf is.
pub fn shelf_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(number.to_string())
}

/// Deletes the folder of a shelf.
pub fn wipe_shelf(path: &Path) -> Result<()> {
    wipe(path)?;
    OsVfs::new().remove_dir(path)
}
