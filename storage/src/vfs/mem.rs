//! A disk in memory that answers like the real one: for tests, and as the live half of the lying disk.
//!
//! Reads from: its own memory. Writes to: its own memory.
//! Never: the operating system's files; a difference in answers from `os` that the engine could notice.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{File, LockGuard, LockMode, Vfs};
use crate::bytes::{AlignedBuf, Bytes};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use tree::{Inode, Tree};

/// A disk in memory. Clones share it; threads may use it at once.
///
/// The empty path and `/` are folders from the start; every other folder is created first. `..` is not resolved.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::vfs::{File, Vfs, mem::MemVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let disk = MemVfs::new();
/// disk.create_dir(Path::new("/db"))?;
/// disk.create(Path::new("/db/log"))?.write_at(0, b"hello")?;
/// assert_eq!(disk.read_file("/db/log")?, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemVfs {
    tree: Arc<Mutex<Tree>>,
}

/// An open file of a [`MemVfs`].
pub(super) struct MemFile {
    path: PathBuf,
    inode: Arc<Inode>,
    writable: bool,
}

#[derive(Debug)]
struct MemLock {
    inode: Arc<Inode>,
    mode: LockMode,
}

/// A file of a disk as [`MemVfs::files`] lists it.
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) id: u64,
    pub(super) contents: Arc<Vec<u8>>,
}

impl MemVfs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these files, the folders they are in, and these folders besides.
    pub fn from_snapshot(
        files: BTreeMap<PathBuf, Vec<u8>>,
        folders: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        Self::from_shared(files.into_iter().map(|(path, bytes)| (path, Arc::new(bytes))), folders)
    }

    /// As [`MemVfs::from_snapshot`], sharing the contents until somebody writes to them.
    pub(super) fn from_shared(
        files: impl IntoIterator<Item = (PathBuf, Arc<Vec<u8>>)>,
        folders: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        let mut tree = Tree::default();
        for folder in folders {
            tree.add_folders(&key(&folder));
        }
        for (path, contents) in files {
            let path = key(&path);
            if let Some(parent) = path.parent() {
                tree.add_folders(parent);
            }
            tree.add_file(path, contents);
        }
        MemVfs { tree: Arc::new(Mutex::new(tree)) }
    }

    /// Every file's path and contents as they are now.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files().into_iter().map(|file| (file.path, file.contents.to_vec())).collect()
    }

    /// Every folder, except the roots.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        self.tree.lock().folders.clone()
    }

    /// The contents of a file.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let inode = self.tree.lock().inode(&key(path)).map_err(|kind| refused("open", path, kind))?;
        let contents = inode.contents.read();
        Ok(contents.to_vec())
    }

    /// Replaces the contents of a file, creating it and the folders it is in when they are missing.
    pub fn write_file(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = path.as_ref();
        if let Some(parent) = path.parent() {
            self.create_dir(parent)?;
        }
        let file = self.create_file(path)?;
        *file.inode.contents.write() = Arc::new(bytes.to_vec());
        Ok(())
    }

    /// Every file, its contents shared.
    pub(super) fn files(&self) -> Vec<Listed> {
        let tree = self.tree.lock();
        let list = tree.files.iter().map(|(path, inode)| Listed {
            path: path.clone(),
            id: inode.id,
            contents: inode.contents.read().clone(),
        });
        list.collect()
    }

    /// [`Vfs::create`] with the concrete type.
    pub(super) fn create_file(&self, path: &Path) -> Result<MemFile> {
        let key = key(path);
        let mut tree = self.tree.lock();
        let made = tree.create(&key);
        let inode = made.map_err(|kind| refused("create", path, kind))?;
        Ok(MemFile { path: path.to_path_buf(), inode, writable: true })
    }

    /// [`Vfs::open`] and [`Vfs::open_write`] with the concrete type.
    pub(super) fn open_file(&self, path: &Path, writable: bool) -> Result<MemFile> {
        let inode = self.tree.lock().inode(&key(path)).map_err(|kind| refused("open", path, kind))?;
        Ok(MemFile { path: path.to_path_buf(), inode, writable })
    }
}

impl fmt::Debug for MemVfs {
    /// Without the contents, and without the lock: it must be safe to print from anywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemVfs").finish_non_exhaustive()
    }
}

impl Vfs for MemVfs {
    fn create_dir(&self, path: &Path) -> Result<()> {
        let key = key(path);
        let mut tree = self.tree.lock();
        if tree.files.contains_key(&key) {
            return Err(refused("create folder", path, ErrorKind::AlreadyExists));
        }
        if tree.is_below_file(&key) {
            return Err(refused("create folder", path, ErrorKind::NotADirectory));
        }
        tree.add_folders(&key);
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        let key = key(path);
        let tree = self.tree.lock();
        tree.require_folder(&key).map_err(|kind| refused("list folder", path, kind))?;
        let mut names: Vec<String> = tree.children(&key).map(|name| name.to_string_lossy().into()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(Arc::new(self.create_file(path)?))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(Arc::new(self.open_file(path, false)?))
    }

    fn open_write(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(Arc::new(self.open_file(path, true)?))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        let key = key(path);
        let mut tree = self.tree.lock();
        tree.inode(&key).map_err(|kind| refused("remove", path, kind))?;
        tree.files.remove(&key);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        let key = key(path);
        let mut tree = self.tree.lock();
        tree.require_folder(&key).map_err(|kind| refused("remove folder", path, kind))?;
        if tree.children(&key).next().is_some() {
            return Err(refused("remove folder", path, ErrorKind::DirectoryNotEmpty));
        }
        if !tree.folders.remove(&key) {
            return Err(refused("remove folder", path, ErrorKind::ResourceBusy));
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.tree.lock().require_folder(&key(path)).map_err(|kind| refused("sync folder", path, kind))
    }

    fn try_lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn LockGuard>>> {
        let inode = self.open_file(path, false)?.inode;
        let taken = inode.holders.lock().take(mode);
        Ok(if taken { Some(Box::new(MemLock { inode, mode })) } else { None })
    }
}

impl LockGuard for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.inode.holders.lock().give_up(self.mode);
    }
}

impl MemFile {
    /// Which file it is, whatever its name.
    pub(super) fn id(&self) -> u64 {
        self.inode.id
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }
}

impl fmt::Debug for MemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemFile")
            .field("path", &self.path)
            .field("id", &self.inode.id)
            .finish_non_exhaustive()
    }
}

impl File for MemFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> Result<u64> {
        Ok(self.inode.contents.read().len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let contents = self.inode.contents.read();
        let start = usize::try_from(offset).ok();
        let found = start.and_then(|start| contents.get(start..start.checked_add(buf.len())?));
        let found = found.ok_or_else(|| refused("read", &self.path, ErrorKind::UnexpectedEof))?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        if !self.writable {
            return Err(refused("write", &self.path, ErrorKind::PermissionDenied));
        }
        let mut contents = self.inode.contents.write();
        patch(Arc::make_mut(&mut contents), offset, data).map_err(|e| Error::io("write", &self.path, e))
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn map(&self) -> Result<Bytes> {
        let contents = self.inode.contents.read().clone();
        let mut copy = AlignedBuf::with_capacity(contents.len());
        copy.extend_from_slice(&contents);
        Ok(Bytes::from(copy))
    }
}

/// The one spelling of a path: without `.` and trailing separators.
pub(super) fn key(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// Writes `data` at `offset`, filling a gap with zeros. Like the operating system, writing nothing grows nothing.
pub(super) fn patch(contents: &mut Vec<u8>, offset: u64, data: &[u8]) -> io::Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
    let end = start.checked_add(data.len()).ok_or(ErrorKind::FileTooLarge)?;
    grow(contents, end)?;
    if let Some(place) = contents.get_mut(start..end) {
        place.copy_from_slice(data);
    }
    Ok(())
}

/// Lengthens to `len` bytes with zeros; never shortens.
pub(super) fn grow(contents: &mut Vec<u8>, len: usize) -> io::Result<()> {
    if let Some(more) = len.checked_sub(contents.len()) {
        contents.try_reserve(more).map_err(|_| ErrorKind::StorageFull)?;
        contents.resize(len, 0);
    }
    Ok(())
}

fn refused(op: &'static str, path: &Path, kind: ErrorKind) -> Error {
    Error::io(op, path, kind.into())
}
