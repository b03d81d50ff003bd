//! The real disk: the operating system's files, folders, syncs, maps and locks.
//!
//! Reads from: the file system. Writes to: the file system.
//! Never: a seek (handles are shared by threads, so every read and write names its place), a rename, a retry of a
//! failed sync.

#![expect(clippy::disallowed_types, reason = "this is the disk seam the rule points to")]
#![expect(clippy::disallowed_methods, reason = "this is the disk seam the rule points to")]

use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{File, LockGuard, LockMode, Vfs};
use crate::bytes::map::Map;
use crate::bytes::{AlignedBuf, Bytes};
use crate::error::{Error, Result};

/// The operating system's disk.
///
/// # Examples
///
/// ```
/// use foretaste_storage::vfs::{File, Vfs, os::OsVfs};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("notes");
/// let disk = OsVfs::new();
/// let file = disk.create(&path)?;
/// file.write_at(0, b"hello")?;
/// file.sync()?;
/// disk.sync_dir(dir.path())?;
/// assert_eq!(&*disk.open(&path)?.map()?, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct OsVfs;

/// An open file of the operating system.
#[derive(Debug)]
struct OsFile {
    file: fs::File,
    path: PathBuf,
}

/// The lock belongs to the open file, which a forked process shares.
#[derive(Debug)]
struct OsLock {
    file: fs::File,
    /// The process that took it.
    pid: u32,
}

impl OsVfs {
    /// The real disk.
    pub fn new() -> Self {
        OsVfs
    }
}

impl Vfs for OsVfs {
    fn create_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(|e| Error::io("create folder", path, e))
    }

    /// A name that is not UTF-8 cannot be one of ours and is given with replacement characters.
    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(here(path))? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        };
        list().map_err(|e| Error::io("list folder", path, e))
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        open_file("create", path, &options)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        open_file("open", path, fs::OpenOptions::new().read(true))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn File>> {
        open_file("open", path, fs::OpenOptions::new().read(true).write(true))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        fs::remove_dir(path).map_err(|e| Error::io("remove folder", path, e))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        sync_folder(here(path)).map_err(|e| Error::io("sync folder", path, e))
    }

    /// Where the file system knows no locks, a shared lock counts as taken (readers change nothing) and an exclusive
    /// one is an error (two writers would destroy each other's work).
    fn try_lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn LockGuard>>> {
        let open = |write: bool| open_not_dir(path, fs::OpenOptions::new().read(true).write(write));
        let file = match mode {
            LockMode::Shared => open(false),
            LockMode::Exclusive => open(true).or_else(|e| match e.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => open(false),
                _ => Err(e),
            }),
        }
        .map_err(|e| Error::io("open", path, e))?;
        let taken = match mode {
            LockMode::Shared => file.try_lock_shared(),
            LockMode::Exclusive => file.try_lock(),
        };
        match taken {
            Ok(()) => Ok(Some(Box::new(OsLock { file, pid: std::process::id() }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported && mode == LockMode::Shared => {
                Ok(Some(Box::new(OsLock { file, pid: std::process::id() })))
            }
            Err(TryLockError::Error(e)) => Err(Error::io("lock", path, e)),
        }
    }
}

impl LockGuard for OsLock {}

impl Drop for OsLock {
    /// Closing alone would leave the lock with a process being spawned, which has a copy of the file until it runs its
    /// program; a forked process that ends must not give up its parent's lock.
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

impl File for OsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> Result<u64> {
        self.file.metadata().map(|m| m.len()).map_err(|e| Error::io("get the length of", &self.path, e))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, offset, buf).map_err(|e| Error::io("read", &self.path, e))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        write_all_at(&self.file, offset, data).map_err(|e| Error::io("write", &self.path, e))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))
    }

    fn map(&self) -> Result<Bytes> {
        // An empty mapping is an error on some systems.
        if self.len()? == 0 {
            return Ok(Bytes::from(AlignedBuf::default()));
        }
        Map::new(&self.file).map(Bytes::from_map).map_err(|e| Error::io("map", &self.path, e))
    }
}

/// The parent of a relative name is the empty path, which the operating system does not know.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn open_file(op: &'static str, path: &Path, options: &fs::OpenOptions) -> Result<Arc<dyn File>> {
    let file = open_not_dir(path, options).map_err(|e| Error::io(op, path, e))?;
    Ok(Arc::new(OsFile { file, path: path.to_path_buf() }))
}

/// Unix opens a folder for reading without complaint; the first read would fail far from the cause.
fn open_not_dir(path: &Path, options: &fs::OpenOptions) -> io::Result<fs::File> {
    let file = options.open(path)?;
    if file.metadata()?.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = fs::File::open(path)?;
    if !folder.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    folder.sync_all()
}

/// Windows cannot sync a folder; its file systems journal names.
#[cfg(not(unix))]
fn sync_folder(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
}

#[cfg(unix)]
fn read_exact_at(file: &fs::File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(unix)]
fn write_all_at(file: &fs::File, offset: u64, data: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &fs::File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = buf.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &fs::File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !data.is_empty() {
        match file.seek_write(data, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                data = data.get(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
