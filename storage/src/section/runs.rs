//! Runs of bytes, one a row and as long as it likes: one after another in a file of their own, their offsets in the
//! segment's index file. Documents and token matrices are kept so.
//!
//! Reads from: the two files. Writes to: the same, once. Never: a look into a run.

use std::sync::Arc;

use crate::bytes::Span;
use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::names::Part;
use crate::sealed::{FileRef, SealedFile, SealedWriter};
use crate::section::Section;
use crate::segment::Folder;

/// Writes runs as their rows come.
#[derive(Debug)]
pub(crate) struct RunsWriter<'a> {
    folder: Folder<'a>,
    part: Part,
    kind: Kind,
    /// Created by the first run that is not empty.
    file: Option<SealedWriter>,
    offsets: Vec<u8>,
    rows: u32,
    filled: u32,
}

/// What was written: the synced file, the section of offsets, and how many rows have a run that is not empty.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: FileRef,
    pub(crate) offsets: Vec<u8>,
    pub(crate) filled: u32,
}

/// The runs of an open segment.
#[derive(Debug)]
pub(crate) struct Runs {
    file: SealedFile,
    offsets: Arc<Section>,
    rows: u32,
}

impl<'a> RunsWriter<'a> {
    /// No run yet, for a file of this name and kind.
    pub(crate) fn new(folder: Folder<'a>, part: Part, kind: Kind) -> Self {
        RunsWriter { folder, part, kind, file: None, offsets: Vec::new(), rows: 0, filled: 0 }
    }

    /// Appends the run of the next row, empty for none.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn push(&mut self, run: &[u8]) -> Result<()> {
        if !run.is_empty() && self.file.is_none() {
            self.file = Some(self.folder.create(&self.part.name(), self.kind)?);
            self.offsets = vec![0; (self.rows as usize + 1) * 8];
        }
        if let Some(file) = &mut self.file {
            file.write(run)?;
            self.offsets.extend(file.offset().to_le_bytes());
        }
        self.rows += 1;
        self.filled += u32::from(!run.is_empty());
        Ok(())
    }

    /// Syncs the file, whose header's numbers are the rows and then `aux`; nothing when no row has a run.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn finish(self, aux: [u64; 3]) -> Result<Option<Written>> {
        let Some(file) = self.file else { return Ok(None) };
        let [a, b, c] = aux;
        let file = file.finish([u64::from(self.rows), a, b, c])?;
        Ok(Some(Written { file, offsets: self.offsets, filled: self.filled }))
    }
}

impl Runs {
    /// Puts the file together with its offsets, which were found to be `rows + 1`.
    ///
    /// # Errors
    /// `Corrupt` when the file is of another number of rows.
    pub(crate) fn new(file: SealedFile, offsets: Arc<Section>, rows: u32) -> Result<Runs> {
        let found = file.aux()[0];
        if found != u64::from(rows) {
            return Err(Error::corrupt(file.name(), 80, format!("it is of {found} rows, not of {rows}")));
        }
        Ok(Runs { file, offsets, rows })
    }

    /// The run of a row, which `fits` accepts by its length or says why not.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row, its bytes are damaged, or its length is not accepted; `Io`.
    pub(crate) fn get(&self, row: u32, fits: impl FnOnce(u64) -> Result<(), String>) -> Result<Span<'_>> {
        if row >= self.rows {
            return Err(self.offsets.corrupt(0, format!("row {row} of {} rows", self.rows)));
        }
        let range = self.offsets.range(0, u64::from(row), self.file.body_len())?;
        let len = range.end - range.start;
        fits(len).map_err(|why| self.offsets.corrupt(u64::from(row) * 8, format!("row {row}: {why}")))?;
        self.file.read(range.start, len)
    }

    /// Calls `damaged` with every bad block of the file; when there is none, with the first run that `right` does not accept,
    /// or with what is wrong with the offsets.
    pub(crate) fn verify(
        &self,
        damaged: &mut dyn FnMut(Error),
        right: impl Fn(u32) -> Result<Result<(), String>>,
    ) {
        let mut whole = true;
        self.file.verify(&mut |e| {
            whole = false;
            damaged(e);
        });
        if whole && let Err(e) = self.verify_runs(right) {
            damaged(e);
        }
    }

    fn verify_runs(&self, right: impl Fn(u32) -> Result<Result<(), String>>) -> Result<()> {
        let n = u64::from(self.rows);
        if self.offsets.u64(0)? != 0 || self.offsets.u64(n)? != self.file.body_len() {
            return Err(self.offsets.corrupt(0, "the offsets do not span their file"));
        }
        for row in 0..self.rows {
            if let Err(why) = right(row)? {
                let at = self.offsets.u64(u64::from(row))?;
                return Err(self.file.corrupt(at, format!("row {row}: {why}")));
            }
        }
        Ok(())
    }
}
