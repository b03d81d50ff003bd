//! Remembered scores on disk: two shelves, each a sled of its own in a folder with a number for its name.
//!
//! sled is trusted with nothing here: every entry has a checksum over its key, all of them are verified when the folder is
//! opened, and whatever fails, be it one bit, is the end of all of it. A score is not synced. What a crash takes is asked of
//! the scorer again; what it leaves is right, as long as a row's version cannot be given to another row. Where it can, because
//! commits are acknowledged before they are durable, the file `busy` says so until the folder is closed.
//!
//! Reads from: the folder `scores`. Writes to: the same.
//! Never: a failure that reaches a search; an entry handed on that is not whole; a sync for a score.

mod shelf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shelf::{Shelf, shelf_path, wipe_shelf};

use super::{Asked, Scored, Scores, decode, encode, scorer_prefix};
use crate::directory::sled::{LOCKED, guard, wait_until_gone, wipe};
use crate::error::{Error, Result};
use crate::sync::{AtomicBool, Mutex, Ordering, RwLock};
use crate::vfs::os::OsVfs;
use crate::vfs::{LockMode, Vfs};

/// While it is there, what the folder holds is not to be used by the next opening.
const BUSY: &str = "busy";

/// Scores in a folder of the file system.
pub struct SledScores {
    path: PathBuf,
    most: u64,
    /// Whether all rows that can be scored are durable.
    durable: bool,
    open: RwLock<Option<Open>>,
    /// Held by whoever changes which shelves there are.
    turn: Mutex<()>,
    failed: AtomicBool,
}

#[derive(Clone)]
struct Open {
    newer: Arc<Shelf>,
    older: Option<Arc<Shelf>>,
}

/// Opens the scores in the folder `path`, which is made when it is missing, with room for `most`.
///
/// `durable` says that a row can be scored only when it is durable, so that what is found after a crash can be used. What
/// cannot be used, for this reason or because it is damaged, is deleted.
///
/// # Errors
/// `Io` when another has it open, or an empty folder cannot be begun either; [`MemScores`](super::mem::MemScores) can stand in.
///
/// ```
/// use foretaste_storage::scores::{Asked, QueryName, Scored, Scores, sled};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let asked = Asked::new(&[7; 16], 0, "ce-1", QueryName::Vector(&[1.0, 2.0]));
/// let scores = sled::open(folder.path(), 1000, true)?;
/// scores.remember(&asked, &[Scored { key: 5.into(), version: 12, score: 0.5 }]);
/// scores.close(true)?;
/// assert_eq!(sled::open(folder.path(), 1000, true)?.known(&asked, 10)[0].score, 0.5);
/// # Ok(()) }
/// ```
pub fn open(path: &Path, most: u64, durable: bool) -> Result<SledScores> {
    let disk = OsVfs::new();
    disk.create_dir(path)?;
    if is_locked(path)? {
        return Err(Error::io("open", path, std::io::Error::other("another process remembers scores in it")));
    }
    let usable = disk.open(&path.join(BUSY)).is_err();
    mark_busy(path, durable)?;
    let found = if usable { shelves(path, most) } else { Err(unusable(path)) };
    let open = match found {
        Ok(Some(open)) => open,
        Ok(None) | Err(_) => {
            wipe(path)?;
            mark_busy(path, durable)?;
            Open { newer: Arc::new(Shelf::open(path, 0)?), older: None }
        }
    };
    if durable {
        disk.remove_file(&path.join(BUSY))?;
    }
    Ok(SledScores {
        path: path.to_path_buf(),
        most,
        durable,
        open: RwLock::new(Some(open)),
        turn: Mutex::new(()),
        failed: AtomicBool::new(false),
    })
}

/// Has the next opening of the folder begin empty: numbers of operations may be given again. Nothing happens where no folder is.
///
/// # Errors
/// `Io`.
pub fn distrust(path: &Path) -> Result<()> {
    match OsVfs::new().read_dir(path) {
        Ok(_) => mark_busy(path, false),
        // Without a folder that reads there is nothing to open either.
        Err(_) => Ok(()),
    }
}

/// The shelves of a folder, all of whose entries are whole; `None` when there is none.
fn shelves(path: &Path, most: u64) -> Result<Option<Open>> {
    let mut numbers = Vec::new();
    for name in OsVfs::new().read_dir(path)?.iter().filter(|name| *name != BUSY) {
        numbers.push(name.parse::<u64>().ok().filter(|n| n.to_string() == *name).ok_or(unusable(path))?);
    }
    numbers.sort_unstable();
    let (room, second) = super::shelf(most);
    let mut open: Option<Open> = None;
    for number in numbers.into_iter().rev() {
        let full = open.as_ref().is_some_and(|open| !second || open.older.is_some());
        if full || most == 0 {
            wipe_shelf(&shelf_path(path, number))?;
            continue;
        }
        let shelf = Shelf::open(path, number)?;
        if shelf.count.load(Ordering::Relaxed) > room {
            // There was more room when it was filled.
            let gone = shelf.path.clone();
            drop(shelf);
            wipe_shelf(&gone)?;
            continue;
        }
        match &mut open {
            None => open = Some(Open { newer: Arc::new(shelf), older: None }),
            Some(open) => open.older = Some(Arc::new(shelf)),
        }
    }
    Ok(open)
}

impl SledScores {
    fn opened(&self) -> Option<Open> {
        self.open.read().clone()
    }

    /// Ends its use for good. What failed on a shelf that was forgotten meanwhile does not count.
    fn fail(&self, shelf: &Shelf) {
        let is_shown = |open: &Open| {
            std::ptr::eq(&*open.newer, shelf)
                || open.older.as_ref().is_some_and(|s| std::ptr::eq(&**s, shelf))
        };
        if !self.opened().as_ref().is_some_and(is_shown) {
            return;
        }
        self.failed.store(true, Ordering::Relaxed);
        // If this fails too, the next opening finds the damage itself.
        let _ = mark_busy(&self.path, true);
        let _ = self.end();
    }

    /// Lets go of sled. Whether it wrote all it had.
    fn end(&self) -> Result<()> {
        let Some(open) = self.open.write().take() else { return Ok(()) };
        let Open { newer, older } = open;
        let mut ended = Ok(());
        for shelf in [Some(newer), older].into_iter().flatten() {
            let path = shelf.path.clone();
            ended = ended.and(guard(&path, "close", || {
                shelf.db.flush()?;
                drop(shelf);
                Ok(())
            }));
        }
        ended
    }

    /// Puts an empty shelf in the place of the newer one, if that still is `full`; the older one is forgotten.
    fn rotate(&self, full: &Arc<Shelf>) -> Result<()> {
        let _turn = self.turn.lock();
        let is_newer = |open: &Open| Arc::ptr_eq(&open.newer, full);
        if !self.opened().as_ref().is_some_and(is_newer) {
            return Ok(());
        }
        let fresh = Arc::new(Shelf::open(&self.path, full.number + 1)?);
        let gone = match &mut *self.open.write() {
            None => Some(fresh),
            Some(open) => {
                let before = std::mem::replace(&mut open.newer, fresh);
                if super::shelf(self.most).1 { open.older.replace(before) } else { Some(before) }
            }
        };
        let Some(gone) = gone else { return Ok(()) };
        let path = gone.path.clone();
        // A search that still reads it goes on with files that have no name any more.
        let _ = guard(&path, "close", || {
            drop(gone);
            Ok(())
        });
        wipe_shelf(&path)
    }

    fn put(&self, entries: Vec<(Vec<u8>, [u8; super::VALUE_BYTES])>) {
        let (room, _) = super::shelf(self.most);
        let Some(mut open) = self.opened() else { return };
        for (key, value) in entries {
            loop {
                match open.newer.put(&key, &value, room) {
                    Ok(true) => break,
                    Ok(false) if self.rotate(&open.newer).is_ok() => match self.opened() {
                        Some(now) => open = now,
                        None => return,
                    },
                    Ok(false) | Err(_) => return self.fail(&open.newer),
                }
            }
        }
        // Handed to the operating system, so that it outlives the process.
        if guard(&self.path, "write", || open.newer.db.flush()).is_err() {
            self.fail(&open.newer);
        }
    }
}

impl Scores for SledScores {
    fn known(&self, asked: &Asked, most: usize) -> Vec<Scored> {
        let Some(Open { newer, older }) = self.opened() else { return Vec::new() };
        let mut found = BTreeMap::new();
        for shelf in [Some(newer), older].into_iter().flatten() {
            let entries = shelf.scan(&asked.0, most);
            let whole = entries.map(|entries| {
                entries.into_iter().all(|(key, value)| {
                    let scored = decode(&key, &value);
                    scored.map(|scored| found.entry(key).or_insert(scored)).is_some()
                })
            });
            if !whole.unwrap_or(false) {
                self.fail(&shelf);
                return Vec::new();
            }
        }
        found.into_values().take(most).collect()
    }

    fn remember(&self, asked: &Asked, scores: &[Scored]) {
        if self.most > 0 {
            self.put(scores.iter().filter_map(|scored| encode(asked, scored)).collect());
        }
    }

    fn forget(&self, scorer: Option<&str>) {
        let Some(scorer) = scorer else {
            for _ in 0..2 {
                let Some(open) = self.opened() else { return };
                if self.rotate(&open.newer).is_err() {
                    self.fail(&open.newer);
                }
            }
            return;
        };
        let Some(open) = self.opened() else { return };
        for shelf in [Some(open.newer), open.older].into_iter().flatten() {
            if shelf.remove(&scorer_prefix(scorer)).is_err() {
                self.fail(&shelf);
            }
        }
    }

    fn len(&self) -> u64 {
        let count = |shelf: &Shelf| shelf.count.load(Ordering::Relaxed);
        self.opened().map_or(0, |open| count(&open.newer) + open.older.as_deref().map_or(0, count))
    }

    fn close(&self, whole: bool) -> Result<()> {
        let Some(Open { newer, older }) = self.opened() else { return Ok(()) };
        let paths: Vec<PathBuf> =
            [Some(newer), older].into_iter().flatten().map(|s| s.path.clone()).collect();
        self.end()?;
        // Its own threads may hold the files a little longer, and the next opening would find them locked.
        paths.iter().try_for_each(|path| wait_until_gone(path))?;
        if whole && !self.durable && !self.failed.load(Ordering::Relaxed) {
            OsVfs::new().remove_file(&self.path.join(BUSY))?;
        }
        Ok(())
    }
}

impl Drop for SledScores {
    fn drop(&mut self) {
        // What is lost is asked of the scorer again.
        let _ = self.end();
    }
}

impl std::fmt::Debug for SledScores {
    /// Without the entries, which sled would print all of.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledScores")
            .field("path", &self.path)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// Whether a sled is open on one of its shelves, here or in another process.
fn is_locked(path: &Path) -> Result<bool> {
    let disk = OsVfs::new();
    for name in disk.read_dir(path)? {
        // Without the file there is nothing that sled could have locked.
        if let Ok(None) = disk.try_lock(&path.join(name).join(LOCKED), LockMode::Exclusive) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unusable(path: &Path) -> Error {
    Error::corrupt(path, 0, "the remembered scores were not closed, or are not the engine's")
}

/// Makes the mark, durably unless what is found after a crash can be used.
fn mark_busy(path: &Path, durable: bool) -> Result<()> {
    let disk = OsVfs::new();
    let file = disk.create(&path.join(BUSY))?;
    if !durable {
        file.sync()?;
        disk.sync_dir(path)?;
    }
    Ok(())
}
