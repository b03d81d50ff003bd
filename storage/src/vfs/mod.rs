//! The disk as the rest of the crate sees it: folders, files that are written once or at fixed places, and syncs.
//!
//! Reads from: nothing. Writes to: whatever disk stands behind it: [`os`] (the real one), [`mem`] (in memory) or
//! [`fault`] (in memory, and it lies about what survived).
//! Never: a rename (nothing in the commit protocol depends on one), a buffered write that a sync would not see.

pub mod fault;
pub mod lock;
pub mod mem;
pub mod os;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::error::Result;

/// A disk. All paths are as given by the caller (the database folder joined with a relative name).
pub trait Vfs: Debug + Send + Sync + 'static {
    /// Creates a folder and its parents; it is no error when it exists.
    fn create_dir(&self, path: &Path) -> Result<()>;
    /// The names in a folder, sorted; an error of kind `NotFound` when there is no such folder.
    fn read_dir(&self, path: &Path) -> Result<Vec<String>>;
    /// Creates an empty file for reading and writing; an existing file is emptied first.
    fn create(&self, path: &Path) -> Result<Arc<dyn File>>;
    /// Opens an existing file for reading.
    fn open(&self, path: &Path) -> Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing in place.
    fn open_write(&self, path: &Path) -> Result<Arc<dyn File>>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> Result<()>;
    /// Makes the names in a folder durable: files created in it, and files removed from it.
    fn sync_dir(&self, path: &Path) -> Result<()>;
    /// Takes an advisory lock on a file, which must exist, without waiting: `Ok(None)` when somebody else has it.
    ///
    /// The lock is given up when the guard is dropped or the process dies. Shared locks need only read access, so
    /// that readers of read-only folders can take them.
    fn try_lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn LockGuard>>>;
}

/// An open file. Writes reach the disk, in the sense of surviving a power loss, only by [`File::sync`].
pub trait File: Debug + Send + Sync {
    /// The path it was opened by.
    fn path(&self) -> &Path;
    /// Its length in bytes.
    fn len(&self) -> Result<u64>;
    /// Whether it holds no byte.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buf` from `offset`; an error of kind `UnexpectedEof` when the file ends before.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
    /// Writes all of `data` at `offset`, growing the file when it ends before.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()>;
    /// Makes the contents and the length durable (fdatasync).
    fn sync(&self) -> Result<()>;
    /// The whole file as shared immutable bytes. Only for sealed files: nobody may write to it any more.
    fn map(&self) -> Result<Bytes>;
}

/// Writes the bytes `range` of a file again, as they read, and syncs: what an earlier process left in the page cache alone
/// is durable then.
///
/// A sync without the writes would not do: after a failed sync the operating system may take its pages for clean, and a
/// later sync reports success without writing them.
pub fn rewrite(vfs: &dyn Vfs, path: &Path, range: Range<u64>) -> Result<()> {
    const CHUNK: u64 = 1 << 20;
    let file = vfs.open_write(path)?;
    let mut at = range.start;
    while at < range.end {
        let mut chunk = vec![0; CHUNK.min(range.end - at) as usize];
        file.read_at(at, &mut chunk)?;
        file.write_at(at, &chunk)?;
        at += chunk.len() as u64;
    }
    file.sync()
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// With any number of other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

/// A held lock; dropping it gives the lock up.
pub trait LockGuard: Debug + Send + Sync {}
