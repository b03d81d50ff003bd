//! A foreign file, or bytes in its place, read at any position.
//!
//! Reads from: one file or a buffer. Writes to: nothing. Never: a position shared between two readers of one source.
#![expect(
    clippy::disallowed_types,
    reason = "foreign files are read, never written, outside the database folder"
)]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ErrorKind, ImportError, Position};

#[derive(Clone)]
enum Data {
    File(Arc<File>),
    Bytes(Arc<[u8]>),
}

/// Where an import reads from; cheap to clone.
#[derive(Clone)]
pub(crate) struct Source {
    path: Arc<Path>,
    data: Data,
    len_bytes: u64,
}

impl Source {
    /// Opens a regular file for reading.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let fail =
            |e: io::Error| ImportError::new(ErrorKind::Io(e.kind()), path, format!("cannot be opened: {e}"));
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(ImportError::new(ErrorKind::Unsupported, path, "is not a regular file").hint(
                "write the stream or folder into one file first: importing needs its length and may resume",
            ));
        }
        Ok(Self { path: path.into(), data: Data::File(Arc::new(file)), len_bytes: metadata.len() })
    }

    /// Bytes that stand for a file named `path`.
    pub(crate) fn from_bytes(path: PathBuf, bytes: Vec<u8>) -> Self {
        let len_bytes = bytes.len() as u64;
        Self { path: path.into(), data: Data::Bytes(bytes.into()), len_bytes }
    }

    /// Length when it was opened.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// An error about this file.
    pub(crate) fn error(&self, kind: ErrorKind, why: impl Into<String>) -> ImportError {
        ImportError::new(kind, &*self.path, why)
    }

    /// The error for a failed read of this file.
    pub(crate) fn read_error(&self, e: &io::Error) -> ImportError {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.error(ErrorKind::Truncated, format!("the file ends early: {e}"))
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                self.error(ErrorKind::Format, e.to_string())
            }
            kind => self.error(ErrorKind::Io(kind), format!("cannot be read: {e}")),
        }
    }

    /// Reads some bytes at `offset`; 0 only at the end.
    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match &self.data {
            Data::File(file) => read_file_at(file, offset, out),
            Data::Bytes(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let n = rest.len().min(out.len());
                out[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
        }
    }

    /// Fills `out` from `offset` on.
    pub(crate) fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ImportError> {
        let mut done = 0;
        while done < out.len() {
            match self.read_at(offset + done as u64, &mut out[done..]) {
                Ok(0) => {
                    let at = offset + done as u64;
                    let why = format!("the file ends {} bytes early", out.len() - done);
                    return Err(self.error(ErrorKind::Truncated, why).at(Position::Byte(at)));
                }
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.read_error(&e).at(Position::Byte(offset + done as u64))),
            }
        }
        Ok(())
    }

    /// A reader of its own, from the start.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { source: self.clone(), position: 0 }
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

/// A position in a [`Source`]. Not buffered.
pub(crate) struct Cursor {
    source: Source,
    position: u64,
}

impl Cursor {
    /// Bytes from the start.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

impl Read for Cursor {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(self.position, out)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
