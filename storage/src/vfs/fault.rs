//! A disk in memory that lies about what survived: it keeps account of what was synced, shows every disk a power loss
//! could leave behind, and fails where it is told to.
//!
//! Reads from: its own memory. Writes to: its own memory.
//! Never: forgiveness (contents are durable by a sync of the file, names by a sync of the folder, and nothing else);
//! a choice that the seed does not fix.

mod image;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::mem::{self, MemFile, MemVfs};
use super::{File, LockGuard, LockMode, Vfs};
use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::sync::Mutex;
pub use image::CrashImage;
use image::Random;
use ledger::{Ledger, Step};

/// A disk in memory that lies about what survived. Clones share it; threads may use it at once.
///
/// It answers like [`MemVfs`] while it runs. Every call that would change the disk is one *step*: `create`,
/// `write_at`, `sync`, `remove_file`, `create_dir`, `remove_dir` and `sync_dir`, whether it succeeds or not. Steps are
/// counted from 0 and the same single-threaded workload takes the same steps again.
///
/// The rules of survival are those a careful program has to assume:
///
/// * contents and length of a file survive by [`File::sync`];
/// * a name, created or removed, of a file or a folder, survives by [`Vfs::sync_dir`] on the folder it is in;
/// * anything else may survive or not, each write on its own, in any order, and in part;
/// * a file emptied by `create` may have its old contents again, and a removed file may be back.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::vfs::{File, Vfs, fault::FaultVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let disk = FaultVfs::new();
/// let file = disk.create(Path::new("/log"))?;
/// file.write_at(0, b"hello")?;
/// file.sync()?;
/// // The contents are safe, the name is not.
/// assert!(disk.crash_images(7, 0).iter().any(|image| image.disk.read_file("/log").is_err()));
/// disk.sync_dir(Path::new("/"))?;
/// assert!(disk.crash_images(7, 8).iter().all(|image| image.disk.read_file("/log").is_ok()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FaultVfs {
    shared: Arc<Shared>,
}

/// What goes wrong at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power fails: this step and every later one fails and changes nothing. Reads go on. A write that the power
    /// loss tears is seen by a crash at the step after it.
    Crash,
    /// The step fails once. A write may have written a prefix; a sync may have forgotten the writes it was to make
    /// durable, so that the next sync succeeds without them.
    IoError,
    /// The step fails as with [`Fault::IoError`], and every later write and creation too, for want of space.
    DiskFull,
}

struct Shared {
    live: MemVfs,
    state: Mutex<State>,
}

struct State {
    /// What was durable at the start, for images of earlier steps.
    start: Ledger,
    ledger: Ledger,
    journal: Vec<Step>,
    planned: BTreeMap<usize, Fault>,
    seed: u64,
    crashed: bool,
    full: bool,
}

/// An open file of a [`FaultVfs`].
struct FaultFile {
    file: MemFile,
    disk: Arc<Shared>,
}

impl FaultVfs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::on(MemVfs::new())
    }

    /// A disk with the contents of `image`, all of them durable: for a crash during the recovery from a crash.
    ///
    /// The image itself is not changed by what happens on the new disk.
    pub fn from_image(image: &CrashImage) -> Self {
        let files = image.disk.files().into_iter().map(|file| (file.path, file.contents));
        Self::on(MemVfs::from_shared(files, image.disk.folders()))
    }

    fn on(live: MemVfs) -> Self {
        let start = Ledger::of(&live);
        let state = State {
            ledger: start.clone(),
            start,
            journal: Vec::new(),
            planned: BTreeMap::new(),
            seed: 0,
            crashed: false,
            full: false,
        };
        FaultVfs { shared: Arc::new(Shared { live, state: Mutex::new(state) }) }
    }

    /// The number of steps so far. Steps that [`Fault::Crash`] refused are not counted.
    pub fn steps(&self) -> usize {
        self.shared.state.lock().journal.len()
    }

    /// What the steps so far were, one line each, for messages.
    pub fn journal(&self) -> Vec<String> {
        self.shared.state.lock().journal.iter().map(Step::to_string).collect()
    }

    /// Plans a fault at a step, counted from 0; a step that has already been taken is not changed.
    pub fn fail_at(&self, step: usize, fault: Fault) {
        self.shared.state.lock().planned.insert(step, fault);
    }

    /// Chooses how injected faults turn out: how much of a failing write is written, whether a failing sync forgets.
    pub fn set_seed(&self, seed: u64) {
        self.shared.state.lock().seed = seed;
    }

    /// Forgets the planned faults and makes room on a full disk. A crash stays a crash.
    pub fn clear_faults(&self) {
        let mut state = self.shared.state.lock();
        state.planned.clear();
        state.full = false;
    }

    /// The disks that a power loss right now could leave behind.
    ///
    /// First the telling ones: only durable things; everything written so far; all unsynced writes without the unsynced
    /// names; all unsynced names without the unsynced writes; and every unsynced write torn at half. Then `random`
    /// mixes, in which each unsynced write is kept, dropped or torn (at any byte or between sectors of 512 bytes, its
    /// file perhaps grown by zeros), in any order, and each unsynced name is kept or not. The same steps and the same
    /// seed give the same images.
    pub fn crash_images(&self, seed: u64, random: usize) -> Vec<CrashImage> {
        image::crash_images(&self.shared.state.lock().ledger, seed, random)
    }

    /// The disks that a power loss after the first `step` steps could have left behind, as [`FaultVfs::crash_images`].
    ///
    /// With it one run of a workload is enough to look at a crash at every step of it.
    pub fn crash_images_at(&self, step: usize, seed: u64, random: usize) -> Vec<CrashImage> {
        let state = self.shared.state.lock();
        let mut ledger = state.start.clone();
        state.journal.iter().take(step).for_each(|step| ledger.apply(step));
        drop(state);
        image::crash_images(&ledger, seed, random)
    }
}

impl Default for FaultVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FaultVfs {
    /// Without the contents, and without the lock: it must be safe to print from anywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultVfs").finish_non_exhaustive()
    }
}

impl Vfs for FaultVfs {
    fn create_dir(&self, path: &Path) -> Result<()> {
        self.shared.step("create folder", path, true, || {
            self.shared.live.create_dir(path)?;
            Ok(((), Step::CreateDir { path: mem::key(path) }))
        })
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        self.shared.live.read_dir(path)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn File>> {
        self.shared.step("create", path, true, || {
            let file = self.shared.live.create_file(path)?;
            let step = Step::Create { path: mem::key(path), file: file.id() };
            Ok((self.open_as(file), step))
        })
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(self.open_as(self.shared.live.open_file(path, false)?))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(self.open_as(self.shared.live.open_file(path, true)?))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.shared.step("remove", path, false, || {
            self.shared.live.remove_file(path)?;
            Ok(((), Step::RemoveFile { path: mem::key(path) }))
        })
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.shared.step("remove folder", path, false, || {
            self.shared.live.remove_dir(path)?;
            Ok(((), Step::RemoveDir { path: mem::key(path) }))
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.shared.step("sync folder", path, false, || {
            self.shared.live.sync_dir(path)?;
            Ok(((), Step::SyncDir { path: mem::key(path) }))
        })
    }

    fn try_lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn LockGuard>>> {
        self.shared.live.try_lock(path, mode)
    }
}

impl FaultVfs {
    fn open_as(&self, file: MemFile) -> Arc<dyn File> {
        Arc::new(FaultFile { file, disk: self.shared.clone() })
    }
}

impl Shared {
    /// Takes one step that fails whole or not at all. The state stays locked meanwhile, so that the journal has the
    /// steps of all threads in the order in which the live disk took them.
    fn step<T>(
        &self,
        op: &'static str,
        path: &Path,
        needs_space: bool,
        run: impl FnOnce() -> Result<(T, Step)>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        let failed = Step::Failed { op, path: mem::key(path) };
        match state.strike(needs_space) {
            Some(Fault::Crash) => Err(injected(op, path, Fault::Crash)),
            Some(fault) => {
                state.record(failed);
                Err(injected(op, path, fault))
            }
            None => match run() {
                Ok((value, step)) => {
                    state.record(step);
                    Ok(value)
                }
                Err(e) => {
                    state.record(failed);
                    Err(e)
                }
            },
        }
    }
}

impl State {
    /// The fault that hits the next step, if any.
    fn strike(&mut self, needs_space: bool) -> Option<Fault> {
        if self.crashed {
            return Some(Fault::Crash);
        }
        let fault = self.planned.remove(&self.journal.len());
        self.crashed = fault == Some(Fault::Crash);
        self.full |= fault == Some(Fault::DiskFull);
        fault.or((self.full && needs_space).then_some(Fault::DiskFull))
    }

    fn record(&mut self, step: Step) {
        self.ledger.apply(&step);
        self.journal.push(step);
    }

    /// The dice of the next step: they depend on nothing but the seed and the step's number.
    fn dice(&self) -> Random {
        Random::new(Random::new(self.seed ^ (self.journal.len() as u64).rotate_left(32)).next())
    }
}

impl fmt::Debug for FaultFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultFile").field(&self.file).finish()
    }
}

impl File for FaultFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let (path, mut state) = (self.path(), self.disk.state.lock());
        let fault = state.strike(true);
        let written = match fault {
            Some(Fault::Crash) => return Err(injected("write", path, Fault::Crash)),
            Some(_) if self.file.is_writable() => {
                data.get(..state.dice().below(data.len() as u64 + 1) as usize).unwrap_or_default()
            }
            _ => data,
        };
        if let Err(e) = self.file.write_at(offset, written) {
            state.record(Step::Failed { op: "write", path: mem::key(path) });
            return Err(e);
        }
        state.record(Step::Write {
            path: mem::key(path),
            file: self.file.id(),
            offset,
            data: written.into(),
        });
        fault.map_or(Ok(()), |fault| Err(injected("write", path, fault)))
    }

    fn sync(&self) -> Result<()> {
        let (path, mut state) = (self.path(), self.disk.state.lock());
        let file = self.file.id();
        match state.strike(false) {
            Some(Fault::Crash) => Err(injected("sync", path, Fault::Crash)),
            Some(fault) => {
                let forgot = state.dice().below(2) == 0;
                state.record(Step::SyncFailed { path: mem::key(path), file, forgot });
                Err(injected("sync", path, fault))
            }
            None => {
                state.record(Step::Sync { path: mem::key(path), file });
                Ok(())
            }
        }
    }

    fn map(&self) -> Result<Bytes> {
        self.file.map()
    }
}

fn injected(op: &'static str, path: &Path, fault: Fault) -> Error {
    let error = match fault {
        Fault::Crash => io::Error::other("crashed"),
        Fault::IoError => io::Error::other("injected"),
        Fault::DiskFull => ErrorKind::StorageFull.into(),
    };
    Error::io(op, path, error)
}
