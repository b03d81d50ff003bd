//! What can go wrong below the engine, named so that a caller can act on it.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a catch-all string; every damaged byte is named by file and offset.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the storage layer.
///
/// It is `Clone` because one failed sync is reported to every batch of its group commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The operating system refused an operation on a file or folder.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `open`, `write`, `sync`, …
        op: &'static str,
        /// The operating system's answer.
        source: Arc<std::io::Error>,
    },
    /// A file holds something that was never written there.
    #[error("{} is damaged at byte {offset}: {why}; run `foretaste check` to see the extent and `foretaste repair` to save what is whole", file.display())]
    Corrupt {
        /// The damaged file, relative to the database folder where it is known.
        file: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// The file was written by a newer version of the format.
    #[error("{} has format {found}, this build reads up to {supported}; open it with a newer foretaste", file.display())]
    FormatTooNew {
        /// The file.
        file: PathBuf,
        /// The format version it carries.
        found: u32,
        /// The newest version this build reads.
        supported: u32,
    },
    /// Another process has the database open for writing.
    #[error("{} is open for writing in process {}; close it there or open read-only", path.display(), pid.map_or("(unknown)".to_string(), |p| p.to_string()))]
    Locked {
        /// The process that holds the lock, when it could be read.
        pid: Option<u32>,
        /// The database folder.
        path: PathBuf,
    },
    /// A size is beyond what the format or the memory allows.
    #[error("{what} is {found}, the limit is {limit}")]
    LimitExceeded {
        /// What was too large.
        what: &'static str,
        /// The largest value allowed.
        limit: u64,
        /// The value given.
        found: u64,
    },
    /// Writing has stopped after a failure; reads go on from the last good state.
    #[error("writing stopped after an earlier failure ({why}); close the database and open it again")]
    Poisoned {
        /// The first failure.
        why: String,
    },
}

impl Error {
    /// An [`Error::Io`] for `op` on `path`.
    pub fn io(op: &'static str, path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_path_buf(), op, source: Arc::new(source) }
    }

    /// An [`Error::Corrupt`] at `offset` of `file`.
    pub fn corrupt(file: &Path, offset: u64, why: impl Into<String>) -> Self {
        Error::Corrupt { file: file.to_path_buf(), offset, why: why.into() }
    }

    /// Whether this is an I/O error of kind `NotFound`: the file is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}
