//! Documents: their bytes one after another in the segment's `payload` file, their offsets in its index file.
//!
//! Reads from: the two files. Writes to: the same, once.
//! Never: a look into a document but for its being UTF-8.

use std::sync::Arc;

use crate::bytes::Span;
use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::limits;
use crate::names::Part;
use crate::sealed::SealedFile;
use crate::section::Section;
use crate::section::runs::{Runs, RunsWriter, Written};
use crate::segment::Folder;

/// Writes the documents of a segment's rows as they come.
#[derive(Debug)]
pub(crate) struct PayloadWriter<'a>(RunsWriter<'a>);

impl<'a> PayloadWriter<'a> {
    /// No document yet.
    pub(crate) fn new(folder: Folder<'a>) -> Self {
        PayloadWriter(RunsWriter::new(folder, Part::Payload, Kind::Payload))
    }

    /// Appends the document of the next row, empty for none.
    ///
    /// # Errors
    /// `LimitExceeded` when it is too long; `Io`.
    pub(crate) fn push(&mut self, document: &[u8]) -> Result<()> {
        limits::check("payload in bytes", document.len() as u64, limits::PAYLOAD_BYTES)?;
        self.0.push(document)
    }

    /// Syncs the file; nothing when no row has a document.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn finish(self) -> Result<Option<Written>> {
        self.0.finish([0; 3])
    }
}

/// The documents of an open segment.
#[derive(Debug)]
pub struct Payload(Runs);

impl Payload {
    /// Puts the file together with its offsets, which were found to be `rows + 1`.
    ///
    /// # Errors
    /// `Corrupt` when the file is of another number of rows.
    pub fn new(file: SealedFile, offsets: Arc<Section>, rows: u32) -> Result<Payload> {
        Runs::new(file, offsets, rows).map(Payload)
    }

    /// The document of a row, empty when it has none.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row, its bytes are damaged, or it is longer than a document may be; `Io`.
    pub fn get(&self, row: u32) -> Result<Span<'_>> {
        self.0.get(row, |len| match len {
            0..=limits::PAYLOAD_BYTES => Ok(()),
            _ => Err(format!("its payload has {len} bytes")),
        })
    }

    /// Calls `damaged` with every bad block of the file, or with the first error among the documents.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        self.0.verify(damaged, |row| {
            let text = self.get(row)?;
            Ok(std::str::from_utf8(&text).map(|_| ()).map_err(|_| "its payload is not UTF-8".to_string()))
        });
    }
}
