//! Files of sections that are derived from a segment's rows: written beside them, and by a name that was never used.
//!
//! Reads from: whoever derives them. Writes to: one new file of the segment's folder. Never: a file changed or overwritten.

use crate::codec::header::Kind;
use crate::error::Result;
use crate::names::{Part, segment_dir};
use crate::sealed::{FileRef, SealedFile};
use crate::section::{Announced, SectionKind, SectionStream};
use crate::segment::{Folder, Segment, SegmentRef};

/// Where a section's bytes are handed on, piece by piece.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Hands on the bytes of the section of this kind and ordinal.
pub(super) type Write<'a> = dyn FnMut(SectionKind, u16, &mut Sink<'_>) -> Result<()> + 'a;

/// Writes `part` with these sections, and makes contents and name durable. After an error the file is removed as far as
/// possible.
pub(super) fn write(
    folder: Folder<'_>,
    (part, kind): (Part, Kind),
    aux: [u64; 4],
    sections: Vec<Announced>,
    write: &mut Write<'_>,
) -> Result<FileRef> {
    let name = part.name();
    let written = write_file(folder, (&name, kind), aux, sections, write);
    if written.is_err() {
        // Recovery sweeps what stays.
        let _ = folder.vfs.remove_file(&folder.path().join(&name));
    }
    written
}

fn write_file(
    folder: Folder<'_>,
    (name, kind): (&str, Kind),
    aux: [u64; 4],
    sections: Vec<Announced>,
    write: &mut Write<'_>,
) -> Result<FileRef> {
    let order: Vec<(SectionKind, u16)> =
        sections.iter().map(|(kind, ordinal, _)| (*kind, *ordinal)).collect();
    let file = folder.create(name, kind)?;
    let mut stream = SectionStream::begin(file, &segment_dir(folder.id).join(name), sections)?;
    for (kind, ordinal) in order {
        stream.section(kind, ordinal)?;
        write(kind, ordinal, &mut |bytes| stream.write(bytes))?;
    }
    let file = stream.finish(aux)?;
    folder.vfs.sync_dir(&folder.path())?;
    Ok(file)
}

impl SegmentRef {
    /// The same segment with `file` instead of the parts that `out` says.
    pub(super) fn with(&self, out: impl Fn(Part) -> bool, file: Option<FileRef>) -> SegmentRef {
        let mut files = self.files.clone();
        files.retain(|f| !Part::parse(&f.name).is_some_and(&out));
        files.extend(file);
        SegmentRef { files, ..self.clone() }
    }

    /// The files whose part `number` gives a number.
    pub(super) fn numbered(
        &self,
        number: impl Fn(Part) -> Option<u64>,
    ) -> impl Iterator<Item = (u64, &FileRef)> {
        self.files.iter().filter_map(move |file| Some((number(Part::parse(&file.name)?)?, file)))
    }
}

impl Segment {
    /// Opens one of its derived files, which `what` names: the first two numbers of its header are its own and the rows it is of.
    ///
    /// # Errors
    /// `Corrupt` when the file is missing or not what the reference names; `FormatTooNew`; `Io`.
    pub(super) fn open_derived(
        &self,
        (number, file): (u64, &FileRef),
        kind: Kind,
        what: &str,
    ) -> Result<SealedFile> {
        let folder = self.folder();
        let sealed = folder.open(file, kind, self.access()).map_err(|e| match e.is_not_found() {
            true => folder.corrupt(&file.name, format!("the {what} is missing")),
            false => e,
        })?;
        let [found, rows, ..] = sealed.aux();
        if (found, rows) != (number, u64::from(self.rows())) {
            let why = format!("it is {what} {found} of {rows} rows, the segment has {}", self.rows());
            return Err(sealed.corrupt(0, why));
        }
        Ok(sealed)
    }
}
