//! Writes a file of sections: the table, then every section at a multiple of 64 bytes.
//!
//! Reads from: the sections' bytes, gathered in memory or streamed. Writes to: one sealed file.
//! Never: a look at what a section holds; a file whose sections have other lengths than its table says.

use std::path::{Path, PathBuf};

use crate::bytes::ALIGN;
use crate::error::{Error, Result};
use crate::limits;
use crate::sealed::{FileRef, SealedWriter};
use crate::section::{ENTRY, MAX_SECTIONS, SectionKind, TABLE_HEAD};

/// Kind, ordinal and length in bytes of a section to come.
pub type Announced = (SectionKind, u16, u64);

/// Gathers sections and writes them as one file.
#[derive(Debug, Default)]
pub struct SectionWriter {
    sections: Vec<(SectionKind, u16, Vec<u8>)>,
}

/// A file of sections being written whose lengths were known beforehand and whose bytes need not be in memory together.
#[derive(Debug)]
pub struct SectionStream {
    file: SealedWriter,
    /// What errors call the file.
    name: PathBuf,
    sections: Vec<Announced>,
    /// How many of them were begun.
    begun: usize,
    /// Bytes that the one begun last still lacks.
    missing: u64,
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
    pub fn finish(self, file: SealedWriter, aux: [u64; 4]) -> Result<FileRef> {
        let lengths =
            self.sections.iter().map(|(kind, ordinal, bytes)| (*kind, *ordinal, bytes.len() as u64));
        let mut stream = SectionStream::begin(file, Path::new("index"), lengths.collect())?;
        // Each section is freed as soon as it is written.
        for (kind, ordinal, bytes) in self.sections {
            stream.section(kind, ordinal)?;
            stream.write(&bytes)?;
        }
        stream.finish(aux)
    }
}

impl SectionStream {
    /// Writes the table of `sections`, which follow in this order. Errors call the file `name`.
    ///
    /// # Errors
    /// `LimitExceeded` for too many sections or too many bytes; `Io`.
    pub fn begin(mut file: SealedWriter, name: &Path, sections: Vec<Announced>) -> Result<SectionStream> {
        let count = sections.len() as u64;
        limits::check("sections of an index file", count, MAX_SECTIONS)?;
        file.write(&count.to_le_bytes())?;
        let mut end = TABLE_HEAD + count * ENTRY;
        for (kind, ordinal, len) in &sections {
            limits::check("section in bytes", *len, limits::SECTION_BYTES)?;
            let offset = end.next_multiple_of(ALIGN as u64);
            file.write(&(*kind as u16).to_le_bytes())?;
            file.write(&ordinal.to_le_bytes())?;
            file.write(&[0; 4])?;
            file.write(&offset.to_le_bytes())?;
            file.write(&len.to_le_bytes())?;
            // The most sections of the greatest length are half of `DATABASE_BYTES`.
            end = offset + len;
        }
        Ok(SectionStream { file, name: name.to_path_buf(), sections, begun: 0, missing: 0 })
    }

    /// Begins the next section, which must be this one; the one before must be complete.
    ///
    /// # Errors
    /// `Corrupt` when it is not the next or the one before lacks bytes; `Io`.
    pub fn section(&mut self, kind: SectionKind, ordinal: u16) -> Result<()> {
        self.complete()?;
        match self.sections.get(self.begun) {
            Some((k, o, len)) if (*k, *o) == (kind, ordinal) => {
                self.missing = *len;
                self.begun += 1;
                self.file.pad(ALIGN as u64)
            }
            other => {
                Err(self.refused(format!("section {kind:?} {ordinal} comes where {other:?} was announced")))
            }
        }
    }

    /// Appends to the section begun last.
    ///
    /// # Errors
    /// `Corrupt` when it has more bytes than were announced; `Io`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(missing) = self.missing.checked_sub(bytes.len() as u64) else {
            let why = format!("{} bytes come where {} are missing", bytes.len(), self.missing);
            return Err(self.refused(why));
        };
        self.missing = missing;
        self.file.write(bytes)
    }

    /// Writes what makes the file whole, and syncs it. `aux` goes into its header.
    ///
    /// # Errors
    /// `Corrupt` when a section lacks bytes or was not written; `Io`.
    pub fn finish(self, aux: [u64; 4]) -> Result<FileRef> {
        self.complete()?;
        if self.begun < self.sections.len() {
            let why = format!("{} of {} sections came", self.begun, self.sections.len());
            return Err(self.refused(why));
        }
        self.file.finish(aux)
    }

    fn complete(&self) -> Result<()> {
        match self.missing {
            0 => Ok(()),
            missing => Err(self.refused(format!("a section ends {missing} bytes too early"))),
        }
    }

    fn refused(&self, why: String) -> Error {
        Error::corrupt(&self.name, 0, format!("not written: {why}"))
    }
}
