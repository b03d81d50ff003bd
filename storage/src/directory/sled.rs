//! The directory on disk: a sled tree from keys to places, trusted only after a clean close.
//!
//! An entry is the collection (4 bytes, big endian) and the encoded key → the segment (u64) and the row (u32), little
//! endian. sled writes to its files when it likes, its `flush` does not sync, and it answers damage with a shortened log
//! or a panic. So nothing is left to it: while the directory is in use nothing on disk says that it may be trusted, and
//! `stamp` accepts only files that are byte for byte those of the last close. Another tree of the same sled has room for
//! what else is derived and worth keeping.
//!
//! Reads from: the folder `directory`. Writes to: the same.
//! Never: an entry believed after a crash, a failure of sled's that reaches a commit, a sled opened on files that were
//! not verified.

mod stamp;

#[cfg(test)]
mod tests;

pub(crate) use stamp::wipe;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::sled::{Config, Db, Tree};

use super::coverage::Coverage;
use super::{Directory, Location, entry_key, next_batch};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRef};
use crate::sync::{Mutex, RwLock};
use crate::vfs::os::OsVfs;
use crate::vfs::{LockMode, Vfs};

/// sled's page cache; its own default is 1 GB.
const CACHE_BYTES: u64 = 32 << 20;

/// The file that sled locks while it is open, how long a close waits for the lock, and how long between two looks.
pub(crate) const LOCKED: &str = "db";
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// The tree of the entries.
const KEYS: &str = "keys";

/// A directory in a folder of the file system.
pub struct SledDirectory {
    path: PathBuf,
    open: RwLock<Option<Open>>,
    state: Mutex<State>,
}

#[derive(Clone)]
struct Open {
    db: Db,
    keys: Tree,
}

#[derive(Debug)]
struct State {
    /// Empty once it is over.
    coverage: Coverage,
    /// Why the directory answers no more.
    over: Option<String>,
}

/// Opens the directory in the folder `path`, which is made when it is missing.
///
/// With the stamp of the last clean close its contents are used if every byte of them is as it was then; the stamp is
/// removed, durably, before anything is written. Otherwise (no stamp, another stamp, a crash, damage, a sled that does
/// not open) the folder is deleted and the directory begins empty: nothing is covered.
///
/// # Errors
/// `Io` when an empty directory cannot be begun either; [`MemDirectory`](super::mem::MemDirectory) can stand in.
///
/// # Examples
///
/// ```
/// use foretaste_storage::directory::{Directory, sled};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("directory");
/// let directory = sled::open(&path, None)?;
/// directory.insert(0, 17, &mut std::iter::empty())?;
/// directory.close(4)?;
/// drop(directory);
/// assert!(sled::open(&path, Some(4))?.covers(17));
/// // That one was not closed.
/// assert!(!sled::open(&path, Some(4))?.covers(17));
/// # Ok(())
/// # }
/// ```
pub fn open(path: &Path, stamp: Option<u64>) -> Result<SledDirectory> {
    if let Some(coverage) = stamp.and_then(|stamp| stamp::take(path, stamp))
        && let Ok(open) = start(path)
    {
        return Ok(SledDirectory::new(path, open, coverage));
    }
    wipe(path)?;
    Ok(SledDirectory::new(path, start(path)?, Coverage::default()))
}

impl SledDirectory {
    fn new(path: &Path, open: Open, coverage: Coverage) -> Self {
        SledDirectory {
            path: path.to_path_buf(),
            open: RwLock::new(Some(open)),
            state: Mutex::new(State { coverage, over: None }),
        }
    }

    /// Whether sled failed, or the directory was closed: it covers nothing, and what it was asked to insert is gone.
    pub fn is_over(&self) -> bool {
        self.state.lock().over.is_some()
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (Vec<(u64, u64)>, u64) {
        self.state.lock().coverage.parts()
    }

    fn keys(&self) -> Option<Tree> {
        self.open.read().as_ref().map(|open| open.keys.clone())
    }

    /// Ends the use of sled; the first reason stays. Returns what was covered, and whether sled wrote all of it.
    fn end(&self, why: String) -> Option<(Coverage, Result<()>)> {
        let coverage = {
            let mut state = self.state.lock();
            if state.over.is_some() {
                return None;
            }
            state.over = Some(why);
            std::mem::take(&mut state.coverage)
        };
        let open = self.open.write().take();
        let written = guard(&self.path, "close", || {
            // Dropping writes what is left too, but keeps quiet about errors.
            open.as_ref().map_or(Ok(0), |open| open.db.flush())?;
            drop(open);
            Ok(())
        });
        Some((coverage, written))
    }

    fn error(&self) -> Error {
        let why = self.state.lock().over.clone().unwrap_or_default();
        Error::io("use the directory", &self.path, std::io::Error::other(why))
    }

    /// Writes the entries of a batch, and counts them.
    fn write(&self, keys: &Tree, segment: u64, batch: &[(Vec<u8>, u32)]) -> Result<()> {
        let mut old = Vec::with_capacity(batch.len());
        guard(&self.path, "write", || {
            for (key, row) in batch {
                let value = encode(Location { segment, row: *row });
                old.push(keys.insert(key, &value)?.map(|v| decode(&v).map_or(u64::MAX, |l| l.segment)));
            }
            Ok(())
        })?;
        let mut state = self.state.lock();
        old.into_iter().for_each(|old| state.coverage.replace(old));
        Ok(())
    }
}

impl Directory for SledDirectory {
    fn get(&self, collection: u32, key: KeyRef<'_>) -> Result<Option<Location>> {
        let Some(keys) = self.keys() else {
            return Err(self.error());
        };
        let found = guard(&self.path, "read", || keys.get(entry_key(collection, key)));
        let location = found.and_then(|value| match value {
            None => Ok(None),
            Some(value) => match decode(&value) {
                Some(location) => Ok(Some(location)),
                None => Err(Error::corrupt(&self.path, 0, format!("an entry has {} bytes", value.len()))),
            },
        });
        location.inspect_err(|e| {
            self.end(e.to_string());
        })
    }

    fn covers(&self, segment: u64) -> bool {
        self.state.lock().coverage.contains(segment)
    }

    fn insert(
        &self,
        collection: u32,
        segment: u64,
        rows: &mut dyn Iterator<Item = Result<(Key, u32)>>,
    ) -> Result<()> {
        self.state.lock().coverage.remove(segment);
        let (mut batch, mut count) = (Vec::new(), 0);
        loop {
            // Not held from batch to batch: it would keep sled open when the directory is closed.
            let Some(keys) = self.keys() else {
                return Ok(());
            };
            next_batch(collection, rows, &mut batch)?;
            if batch.is_empty() {
                break;
            }
            count += batch.len() as u64;
            if let Err(e) = self.write(&keys, segment, &batch) {
                self.end(e.to_string());
                return Ok(());
            }
        }
        let mut state = self.state.lock();
        if state.over.is_none() {
            state.coverage.add(segment, count);
        }
        Ok(())
    }

    fn forget(&self, segment: u64) -> Result<()> {
        self.state.lock().coverage.remove(segment);
        Ok(())
    }

    fn is_bloated(&self) -> bool {
        self.state.lock().coverage.is_bloated()
    }

    fn close(&self, stamp: u64) -> Result<()> {
        // sled has to be gone before its files are summed: it may write until the last handle is dropped.
        let Some((coverage, written)) = self.end("it was closed".to_string()) else {
            return Err(self.error());
        };
        written?;
        wait_until_gone(&self.path)?;
        stamp::write(&self.path, stamp, &coverage)
    }
}

impl Drop for SledDirectory {
    fn drop(&mut self) {
        self.end("it was dropped".to_string());
    }
}

impl std::fmt::Debug for SledDirectory {
    /// Without the entries, which sled would print all of.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("SledDirectory").field("path", &self.path).field("over", &state.over).finish()
    }
}

/// Waits until sled has let go of its files. Its own threads, or a look-up that is under way, may hold them for a while after the
/// last handle here was dropped, and write: a stamp made meanwhile would be of other bytes, and an opening find them locked.
pub(crate) fn wait_until_gone(path: &Path) -> Result<()> {
    let (disk, file) = (OsVfs::new(), path.join(LOCKED));
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if disk.try_lock(&file, LockMode::Exclusive)?.is_some() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(Error::io("close", path, std::io::Error::other("sled does not let go of its files")))
}

fn start(path: &Path) -> Result<Open> {
    guard(path, "open", || {
        let db = Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .use_compression(false)
            .open()?;
        let keys = db.open_tree(KEYS)?;
        Ok(Open { db, keys })
    })
}

/// Calls sled. A panic counts as its error: sled asserts what it reads from its files and what the system answers, and a
/// derived file must not take the process down. Unwinding is safe to catch because whatever fails is not used again.
pub(crate) fn guard<T>(path: &Path, op: &'static str, call: impl FnOnce() -> ::sled::Result<T>) -> Result<T> {
    let source = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(e)) => std::io::Error::other(e),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            std::io::Error::other(format!("sled panicked: {said}"))
        }
    };
    Err(Error::io(op, path, source))
}

fn encode(location: Location) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&location.segment.to_le_bytes());
    out[8..].copy_from_slice(&location.row.to_le_bytes());
    out
}

fn decode(value: &[u8]) -> Option<Location> {
    let (segment, row) = value.split_first_chunk::<8>()?;
    Some(Location { segment: u64::from_le_bytes(*segment), row: u32::from_le_bytes(row.try_into().ok()?) })
}
