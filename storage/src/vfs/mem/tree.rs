//! The names, files and locks of a disk in memory.
//!
//! Reads from: nothing. Writes to: its own memory.
//! Never: a path that is not in `mem`'s one spelling; an error that names a path (that is the disk's to add).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::{Mutex, RwLock};
use crate::vfs::LockMode;

/// The names of the disk. Roots are folders without being listed.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) files: BTreeMap<PathBuf, Arc<Inode>>,
    inodes_made: u64,
}

/// A file apart from its name: it lives as long as a name or a handle refers to it.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) id: u64,
    /// Copied on write when shared, so that images of the disk cost nothing until they change.
    pub(super) contents: RwLock<Arc<Vec<u8>>>,
    pub(super) holders: Mutex<Holders>,
}

/// Who holds the lock of a file.
#[derive(Debug, Default)]
pub(super) struct Holders {
    shared: usize,
    exclusive: bool,
}

impl Tree {
    pub(super) fn is_folder(&self, key: &Path) -> bool {
        key.parent().is_none() || self.folders.contains(key)
    }

    pub(super) fn is_below_file(&self, key: &Path) -> bool {
        key.ancestors().skip(1).any(|above| self.files.contains_key(above))
    }

    pub(super) fn require_folder(&self, key: &Path) -> Result<(), ErrorKind> {
        if self.is_folder(key) {
            Ok(())
        } else if self.files.contains_key(key) || self.is_below_file(key) {
            Err(ErrorKind::NotADirectory)
        } else {
            Err(ErrorKind::NotFound)
        }
    }

    pub(super) fn inode(&self, key: &Path) -> Result<Arc<Inode>, ErrorKind> {
        match self.files.get(key) {
            Some(inode) => Ok(inode.clone()),
            None if self.is_folder(key) => Err(ErrorKind::IsADirectory),
            None if self.is_below_file(key) => Err(ErrorKind::NotADirectory),
            None => Err(ErrorKind::NotFound),
        }
    }

    pub(super) fn create(&mut self, key: &Path) -> Result<Arc<Inode>, ErrorKind> {
        match self.inode(key) {
            // The same inode: whoever has it open sees it emptied, as on the real disk.
            Ok(inode) => {
                *inode.contents.write() = Arc::default();
                Ok(inode)
            }
            Err(ErrorKind::NotFound) => {
                self.require_folder(key.parent().unwrap_or(key))?;
                Ok(self.add_file(key.to_path_buf(), Arc::default()))
            }
            Err(kind) => Err(kind),
        }
    }

    pub(super) fn add_file(&mut self, key: PathBuf, contents: Arc<Vec<u8>>) -> Arc<Inode> {
        let inode = Arc::new(Inode {
            id: self.inodes_made,
            contents: RwLock::new(contents),
            holders: Mutex::new(Holders::default()),
        });
        self.inodes_made += 1;
        self.files.insert(key, inode.clone());
        inode
    }

    /// Adds a folder and its missing parents.
    pub(super) fn add_folders(&mut self, key: &Path) {
        for folder in key.ancestors().filter(|folder| folder.parent().is_some()) {
            if !self.folders.insert(folder.to_path_buf()) {
                break;
            }
        }
    }

    /// The names directly in a folder. Paths order by component, so everything below a folder follows it.
    pub(super) fn children<'a>(&'a self, key: &'a Path) -> impl Iterator<Item = &'a OsStr> {
        let from = key.to_path_buf()..;
        let files = self.files.range(from.clone()).map(|(path, _)| path);
        let files = files.take_while(move |path| path.starts_with(key));
        let folders = self.folders.range(from).take_while(move |path| path.starts_with(key));
        files
            .chain(folders)
            .filter(move |path| path.parent() == Some(key))
            .filter_map(|path| path.file_name())
    }
}

impl Holders {
    /// Takes the lock if nobody is in the way; says whether it did.
    pub(super) fn take(&mut self, mode: LockMode) -> bool {
        let free = !self.exclusive && (mode == LockMode::Shared || self.shared == 0);
        if free {
            match mode {
                LockMode::Shared => self.shared += 1,
                LockMode::Exclusive => self.exclusive = true,
            }
        }
        free
    }

    pub(super) fn give_up(&mut self, mode: LockMode) {
        match mode {
            LockMode::Shared => self.shared -= 1,
            LockMode::Exclusive => self.exclusive = false,
        }
    }
}
