//! How far a search index can be trusted: the file `trust.N` beside `ann.N`, written after it and dropped with it.
//!
//! Its one section is the query crate's. The four numbers of its header are N, the rows of the segment, and 0 twice.
//!
//! Reads from: the segment's folder. Writes to: one new file of it.
//! Never: a table that keeps its index from being used; without it nothing is known, and that is said.

use std::path::Path;

use crate::codec::check::Uuid;
use crate::codec::header::Kind;
use crate::error::Result;
use crate::names::Part;
use crate::sealed::FileRef;
use crate::section::{SectionFile, SectionKind};
use crate::segment::{Folder, Segment, SegmentRef, derived};
use crate::vfs::Vfs;
use crate::{Error, limits};

/// Writes what is known of search index `number` into the folder of segment `id` with `rows` rows, of the database `uuid` in
/// the folder `root`. When it returns a reference the file is durable, by contents and name.
///
/// # Errors
/// `LimitExceeded` for a number beyond counting or too many bytes; `Io`.
pub fn write_trust(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    id: u64,
    (number, rows): (u64, u32),
    table: &[u8],
) -> Result<FileRef> {
    limits::check("number of a search index", number, limits::NUMBER)?;
    limits::check("table of confidence in bytes", table.len() as u64, limits::TRUST_BYTES)?;
    let folder = Folder { vfs, root, uuid, id };
    let announced = vec![(SectionKind::Trust, 0, table.len() as u64)];
    let aux = [number, rows.into(), 0, 0];
    derived::write(folder, (Part::Trust(number), Kind::Trust), aux, announced, &mut |_, _, out| out(table))
}

impl SegmentRef {
    /// Every table of confidence it names, with the number of its search index.
    fn trusts(&self) -> impl Iterator<Item = (u64, &FileRef)> {
        self.numbered(|part| match part {
            Part::Trust(number) => Some(number),
            _ => None,
        })
    }

    /// The same segment with this table of confidence and no other.
    pub fn with_trust(&self, file: Option<FileRef>) -> SegmentRef {
        self.with(|part| matches!(part, Part::Trust(_)), file)
    }
}

impl Segment {
    /// What is known of search index `number`; `None` when its reference names no table of it.
    ///
    /// # Errors
    /// `Corrupt` when the file is missing or not what the reference names; `FormatTooNew`; `Io`.
    pub fn trust(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let Some((_, file)) = self.reference().trusts().find(|(of, _)| *of == number) else {
            return Ok(None);
        };
        let sections = self.open_trust(number, file)?;
        let Some(section) = sections.get(SectionKind::Trust, 0) else {
            return Err(sections.file().corrupt(0, "there is no table"));
        };
        limits::check("table of confidence in bytes", section.len(), limits::TRUST_BYTES)?;
        Ok(Some(section.get(0, section.len())?.to_vec()))
    }

    /// Reads every byte of the tables that its reference names, calling `damaged` with each damage.
    pub fn verify_trust(&self, damaged: &mut dyn FnMut(Error)) {
        for (number, file) in self.reference().trusts() {
            match self.open_trust(number, file) {
                Ok(sections) => sections.file().verify(damaged),
                Err(e) => damaged(e),
            }
        }
    }

    fn open_trust(&self, number: u64, file: &FileRef) -> Result<SectionFile> {
        SectionFile::new(
            self.open_derived((number, file), Kind::Trust, "table of confidence")?,
            self.access(),
        )
    }
}
