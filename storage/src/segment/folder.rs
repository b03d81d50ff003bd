//! A segment's folder: where its files are created and opened, and whose they are.
//!
//! Reads from: `vfs`. Writes to: `vfs`. Never: a path outside of the folder.

use std::path::{Path, PathBuf};

use crate::codec::check::Uuid;
use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::names;
use crate::sealed::{Access, FileRef, SealedFile, SealedWriter};
use crate::vfs::Vfs;

/// A segment's folder on a disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folder<'a> {
    pub(crate) vfs: &'a dyn Vfs,
    /// The database folder.
    pub(crate) root: &'a Path,
    pub(crate) uuid: &'a Uuid,
    pub(crate) id: u64,
}

impl Folder<'_> {
    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(names::segment_dir(self.id))
    }

    /// A new sealed file in it.
    pub(crate) fn create(&self, name: &str, kind: Kind) -> Result<SealedWriter> {
        SealedWriter::create(self.vfs, &self.path().join(name), kind, self.uuid, self.id)
    }

    /// The sealed file in it that `file` describes, whose name the caller knows to be a plain one.
    pub(crate) fn open(&self, file: &FileRef, kind: Kind, access: Access) -> Result<SealedFile> {
        let name = names::segment_dir(self.id).join(&file.name);
        SealedFile::open(self.vfs, &self.path(), name, file, (kind, self.uuid, self.id), access)
    }

    /// Creates it, without anything that a crash left in it.
    pub(crate) fn create_empty(&self) -> Result<()> {
        let path = self.path();
        self.vfs.create_dir(&path)?;
        self.vfs.read_dir(&path)?.iter().try_for_each(|name| self.vfs.remove_file(&path.join(name)))
    }

    /// Makes its files' names and its own durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.vfs.sync_dir(&self.path())?;
        self.vfs.sync_dir(&self.root.join(names::SEGMENTS))?;
        // The first segment of a database made the folder of segments.
        self.vfs.sync_dir(self.root)
    }

    /// Removes what can be removed; recovery sweeps the rest.
    pub(crate) fn discard(&self) {
        let path = self.path();
        for name in self.vfs.read_dir(&path).unwrap_or_default() {
            let _ = self.vfs.remove_file(&path.join(name));
        }
        let _ = self.vfs.remove_dir(&path);
    }

    /// A `Corrupt` error of the file called `name`.
    pub(crate) fn corrupt(&self, name: &str, why: impl Into<String>) -> Error {
        Error::corrupt(&names::segment_dir(self.id).join(name), 0, why)
    }
}
