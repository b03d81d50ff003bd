//! A segment's full-text index: the file `text.N` beside its rows, written with them.
//!
//! Its body is a table and sections as an `index` file's, see [`crate::section`]; those of field i have ordinal i, and what
//! they hold is the query crate's. The four numbers of its header are N, the rows it is of, how many fields it has, and 0.
//!
//! Reads from: the segment's folder. Writes to: one new file of it.
//! Never: a file under a name that was used before; an index that keeps its segment from being opened.

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

/// What a full-text index is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextNote {
    /// Its number, which names its file: never used before in this database.
    pub number: u64,
    /// The rows of the segment.
    pub rows: u32,
    /// How many fields it has.
    pub fields: u16,
}

/// A section to be written: kind, field and bytes.
pub type TextSection = (SectionKind, u16, Vec<u8>);

/// Writes a full-text index into the folder of segment `id`, of the database `uuid` in the folder `root`.
///
/// When it returns a reference the file is durable, by contents and name; a generation names it by naming the segment with
/// it. After an error the file is removed as far as possible; it is an orphan, as nothing names it.
///
/// # Errors
/// `LimitExceeded` for a number beyond counting or too many or long sections; `Io`.
pub fn write_text(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    id: u64,
    note: TextNote,
    sections: Vec<TextSection>,
) -> Result<FileRef> {
    limits::check("number of a full-text index", note.number, limits::NUMBER)?;
    limits::check("full-text fields", note.fields.into(), limits::TEXT_FIELDS)?;
    let folder = Folder { vfs, root, uuid, id };
    let announced = sections.iter().map(|(kind, field, bytes)| (*kind, *field, bytes.len() as u64)).collect();
    let aux = [note.number, note.rows.into(), note.fields.into(), 0];
    let mut left = sections.into_iter();
    derived::write(folder, (Part::Text(note.number), Kind::Text), aux, announced, &mut |_, _, out| {
        // Each is freed as soon as it is written.
        left.next().map_or(Ok(()), |(_, _, bytes)| out(&bytes))
    })
}

impl SegmentRef {
    /// The newest full-text index it names.
    pub fn text(&self) -> Option<(u64, &FileRef)> {
        self.texts().max_by_key(|(number, _)| *number)
    }

    /// Every full-text index it names, with its number.
    pub fn texts(&self) -> impl Iterator<Item = (u64, &FileRef)> {
        self.numbered(|part| match part {
            Part::Text(number) => Some(number),
            _ => None,
        })
    }

    /// The same segment with this full-text index and no other.
    pub fn with_text(&self, file: Option<FileRef>) -> SegmentRef {
        self.with(|part| matches!(part, Part::Text(_)), file)
    }
}

impl Segment {
    /// The newest full-text index that its reference names, opened once; `None` when it names none.
    ///
    /// # Errors
    /// `Corrupt` when the file is missing or not what the reference names; `FormatTooNew`; `Io`.
    pub fn text(&self) -> Result<Option<&SectionFile>> {
        let Some((number, file)) = self.reference().text() else { return Ok(None) };
        if let Some(text) = self.text.get() {
            return Ok(Some(text));
        }
        let opened = self.open_text(number, file)?;
        // Two threads may both have opened it; the second file is closed again.
        Ok(Some(self.text.get_or_init(|| opened)))
    }

    /// Reads every byte of the full-text indexes that its reference names, calling `damaged` with each damage.
    pub fn verify_text(&self, damaged: &mut dyn FnMut(Error)) {
        for (number, file) in self.reference().texts() {
            match self.open_text(number, file) {
                Ok(sections) => sections.file().verify(damaged),
                Err(e) => damaged(e),
            }
        }
    }

    fn open_text(&self, number: u64, file: &FileRef) -> Result<SectionFile> {
        SectionFile::new(self.open_derived((number, file), Kind::Text, "full-text index")?, self.access())
    }
}
