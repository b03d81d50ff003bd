//! Writes an index file: the table, then every section at a multiple of 64 bytes.
//!
//! Reads from: the sections' bytes, gathered in memory. Writes to: one sealed file.
//! Never: a look at what a section holds.

use crate::bytes::ALIGN;
use crate::error::Result;
use crate::limits;
use crate::sealed::{FileRef, SealedWriter};
use crate::section::{ENTRY, MAX_SECTIONS, SectionKind, TABLE_HEAD};

/// Gathers sections and writes them as one file.
#[derive(Debug, Default)]
pub struct SectionWriter {
    sections: Vec<(SectionKind, u16, Vec<u8>)>,
}

impl SectionWriter {
    /// No section yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a section; `ordinal` tells sections of the same kind apart.
    pub fn add(&mut self, kind: SectionKind, ordinal: u16, bytes: Vec<u8>) {
        self.sections.push((kind, ordinal, bytes));
    }

    /// Writes table and sections, and syncs the file. `aux` goes into its header.
    ///
    /// # Errors
    /// `LimitExceeded` for too many sections; `Io`.
    pub fn finish(self, mut file: SealedWriter, aux: [u64; 4]) -> Result<FileRef> {
        let count = self.sections.len() as u64;
        limits::check("sections of an index file", count, MAX_SECTIONS)?;
        file.write(&count.to_le_bytes())?;
        let mut end = TABLE_HEAD + count * ENTRY;
        for (kind, ordinal, bytes) in &self.sections {
            let offset = end.next_multiple_of(ALIGN as u64);
            file.write(&(*kind as u16).to_le_bytes())?;
            file.write(&ordinal.to_le_bytes())?;
            file.write(&[0; 4])?;
            file.write(&offset.to_le_bytes())?;
            file.write(&(bytes.len() as u64).to_le_bytes())?;
            end = offset + bytes.len() as u64;
        }
        // Each section is freed as soon as it is written.
        for (_, _, bytes) in self.sections {
            file.pad(ALIGN as u64)?;
            file.write(&bytes)?;
        }
        file.finish(aux)
    }
}
