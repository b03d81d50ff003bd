//! Documents: their bytes one after another in the segment's `payload` file, their offsets in its index file.
//!
//! Reads from: the two files. Writes to: the same, once.
//! Never: a look into a document but for its being UTF-8.

use std::sync::Arc;

use crate::bytes::Span;
use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::limits;
use crate::names::PAYLOAD;
use crate::sealed::{FileRef, SealedFile, SealedWriter};
use crate::section::Section;
use crate::segment::Folder;

/// Writes the documents of a segment's rows as they come.
#[derive(Debug)]
pub(crate) struct PayloadWriter<'a> {
    folder: Folder<'a>,
    /// Created by the first document.
    file: Option<SealedWriter>,
    offsets: Vec<u8>,
    rows: u32,
    documents: u32,
}

impl<'a> PayloadWriter<'a> {
    /// No document yet.
    pub(crate) fn new(folder: Folder<'a>) -> Self {
        PayloadWriter { folder, file: None, offsets: Vec::new(), rows: 0, documents: 0 }
    }

    /// Appends the document of the next row, empty for none.
    ///
    /// # Errors
    /// `LimitExceeded` when it is too long; `Io`.
    pub(crate) fn push(&mut self, document: &[u8]) -> Result<()> {
        limits::check("payload in bytes", document.len() as u64, limits::PAYLOAD_BYTES)?;
        if !document.is_empty() && self.file.is_none() {
            self.file = Some(self.folder.create(PAYLOAD, Kind::Payload)?);
            self.offsets = vec![0; (self.rows as usize + 1) * 8];
        }
        if let Some(file) = &mut self.file {
            file.write(document)?;
            self.offsets.extend(file.offset().to_le_bytes());
        }
        self.rows += 1;
        self.documents += u32::from(!document.is_empty());
        Ok(())
    }

    /// Syncs the file and returns it, the section of offsets, and how many rows have a document; neither file nor
    /// section when none has.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn finish(self) -> Result<(Option<FileRef>, Option<Vec<u8>>, u32)> {
        let Some(file) = self.file else { return Ok((None, None, 0)) };
        Ok((Some(file.finish([u64::from(self.rows), 0, 0, 0])?), Some(self.offsets), self.documents))
    }
}

/// The documents of an open segment.
#[derive(Debug)]
pub struct Payload {
    file: SealedFile,
    offsets: Arc<Section>,
    rows: u32,
}

impl Payload {
    /// Puts the file together with its offsets, which were found to be `rows + 1`.
    ///
    /// # Errors
    /// `Corrupt` when the file is of another number of rows.
    pub fn new(file: SealedFile, offsets: Arc<Section>, rows: u32) -> Result<Payload> {
        if file.aux()[0] != u64::from(rows) {
            return Err(Error::corrupt(file.name(), 80, format!("the documents are not of {rows} rows")));
        }
        Ok(Payload { file, offsets, rows })
    }

    /// The document of a row, empty when it has none.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row, its bytes are damaged, or it is longer than a document may be; `Io`.
    pub fn get(&self, row: u32) -> Result<Span<'_>> {
        if row >= self.rows {
            return Err(self.offsets.corrupt(0, format!("row {row} of {} rows", self.rows)));
        }
        let range = self.offsets.range(0, u64::from(row), self.file.body_len())?;
        let len = range.end - range.start;
        if len > limits::PAYLOAD_BYTES {
            return Err(self
                .offsets
                .corrupt(u64::from(row) * 8, format!("row {row}'s payload has {len} bytes")));
        }
        self.file.read(range.start, len)
    }

    /// Calls `damaged` with every bad block of the file, or with the first error among the documents.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        let mut whole = true;
        self.file.verify(&mut |e| {
            whole = false;
            damaged(e);
        });
        if whole && let Err(e) = self.verify_documents() {
            damaged(e);
        }
    }

    fn verify_documents(&self) -> Result<()> {
        let n = u64::from(self.rows);
        if self.offsets.u64(0)? != 0 || self.offsets.u64(n)? != self.file.body_len() {
            return Err(self.offsets.corrupt(0, "the documents' offsets do not span their file"));
        }
        for row in 0..self.rows {
            if std::str::from_utf8(&self.get(row)?).is_err() {
                let at = self.offsets.u64(u64::from(row))?;
                return Err(self.file.corrupt(at, format!("row {row}'s payload is not UTF-8")));
            }
        }
        Ok(())
    }
}
