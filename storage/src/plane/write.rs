//! Writes one plane file row by row.
//!
//! Reads from: stored rows. Writes to: one sealed file, created by the first row that has the level.
//! Never: more than the sealed writer's buffer in memory.

use crate::error::Result;
use crate::plane::Shape;
use crate::sealed::{FileRef, SealedWriter};
use crate::segment::Folder;

/// A plane file being written.
#[derive(Debug)]
pub(crate) struct PlaneWriter<'a> {
    folder: Folder<'a>,
    shape: Shape,
    file: Option<SealedWriter>,
    rows: u32,
    /// As many zeros as a stride, to pad with.
    zeros: Vec<u8>,
}

impl<'a> PlaneWriter<'a> {
    /// No row yet, and no file.
    pub(crate) fn new(folder: Folder<'a>, shape: Shape) -> Self {
        PlaneWriter { folder, shape, file: None, rows: 0, zeros: vec![0; shape.stride] }
    }

    /// Appends the next row, without padding; `None` when it lacks the level.
    ///
    /// # Errors
    /// `Corrupt` when the row has not the width of the plane; `Io`.
    pub(crate) fn push(&mut self, row: Option<&[u8]>) -> Result<()> {
        if let Some(bytes) = row {
            if bytes.len() != self.shape.width {
                let why = format!("row {} has {} bytes, not {}", self.rows, bytes.len(), self.shape.width);
                return Err(self.folder.corrupt(&self.shape.name(), why));
            }
            if self.file.is_none() {
                let mut file = self.folder.create(&self.shape.name(), self.shape.kind())?;
                for _ in 0..self.rows {
                    file.write(&self.zeros)?;
                }
                self.file = Some(file);
            }
        }
        if let Some(file) = &mut self.file {
            let bytes = row.unwrap_or_default();
            file.write(bytes)?;
            file.write(self.zeros.get(bytes.len()..).unwrap_or_default())?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Syncs the file; `None` when no row has the level.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn finish(self) -> Result<Option<FileRef>> {
        self.file.map(|file| file.finish(self.shape.aux(self.rows))).transpose()
    }
}
