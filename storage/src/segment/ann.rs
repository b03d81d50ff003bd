//! A segment's search index: the file `ann.N` beside its rows, written after them and dropped before them.
//!
//! Its body is a table and sections as an `index` file's, see [`crate::section`]; what the sections hold is the query
//! crate's. The four numbers of its header are N, the rows it was built over, what it was built as (a number of the
//! caller's), and the dimension it was built for.
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
use crate::segment::derived::{self, Sink};
use crate::segment::{Folder, Segment, SegmentRef};
use crate::vfs::Vfs;
use crate::{Error, limits};

/// What is known of a search index beside its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnNote {
    /// Its number, which names its file: never used before in this database.
    pub number: u64,
    /// The rows of the segment.
    pub rows: u32,
    /// What it was built as, by the caller's own count.
    pub built_as: u64,
    /// The dimension it was built for.
    pub dim: u64,
}

/// An open search index.
#[derive(Debug)]
pub struct AnnFile {
    /// What it is.
    pub note: AnnNote,
    /// Its sections.
    pub sections: SectionFile,
}

/// Writes a search index into the folder of segment `id`, of the database `uuid` in the folder `root`.
///
/// `sections` are the kinds and lengths in the order to write; `write` is called for each of them and hands its bytes
/// on. When it returns a reference the file is durable, by contents and name; a generation names it by adding the
/// reference to the segment's. After an error the file is removed as far as possible; it is an orphan, as nothing names
/// it. The segment's folder must stay meanwhile.
///
/// # Errors
/// `LimitExceeded` for a number beyond counting or too many or long sections; `Corrupt` when a section has another length
/// than announced; `Io`; those of `write`.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::section::SectionKind;
/// use foretaste_storage::segment::{AnnNote, write_ann};
/// use foretaste_storage::vfs::{Vfs, mem::MemVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let (disk, root, uuid) = (MemVfs::new(), Path::new("/notes.ft"), [7; 16]);
/// disk.create_dir(&root.join("seg/000001"))?;
/// let note = AnnNote { number: 17, rows: 3, built_as: 0, dim: 4 };
/// let lengths = [(SectionKind::AnnHead, 5)];
/// let file = write_ann(&disk, root, &uuid, 1, note, &lengths, &mut |_, out| out(b"graph"))?;
/// assert_eq!(file.name, "ann.17");
/// # Ok(())
/// # }
/// ```
pub fn write_ann(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    id: u64,
    note: AnnNote,
    sections: &[(SectionKind, u64)],
    write: &mut dyn FnMut(SectionKind, &mut Sink<'_>) -> Result<()>,
) -> Result<FileRef> {
    limits::check("number of a search index", note.number, limits::NUMBER)?;
    let folder = Folder { vfs, root, uuid, id };
    let announced = sections.iter().map(|(kind, len)| (*kind, 0, *len)).collect();
    let aux = [note.number, note.rows.into(), note.built_as, note.dim];
    derived::write(folder, (Part::Ann(note.number), Kind::Ann), aux, announced, &mut |kind, _, out| {
        write(kind, out)
    })
}

impl SegmentRef {
    /// The newest search index it names.
    pub fn ann(&self) -> Option<(u64, &FileRef)> {
        self.anns().max_by_key(|(number, _)| *number)
    }

    /// Every search index it names, with its number.
    pub fn anns(&self) -> impl Iterator<Item = (u64, &FileRef)> {
        self.numbered(|part| match part {
            Part::Ann(number) => Some(number),
            _ => None,
        })
    }

    /// The same segment with this search index and no other, and no table of confidence.
    pub fn with_ann(&self, file: Option<FileRef>) -> SegmentRef {
        self.with(|part| matches!(part, Part::Ann(_) | Part::Trust(_)), file)
    }

    /// Length in bytes of its files that are such parts; names of no part count as the rows' own.
    pub fn bytes(&self, of: impl Fn(Part) -> bool) -> u64 {
        let files = self.files.iter().filter(|f| of(Part::parse(&f.name).unwrap_or(Part::Index)));
        files.fold(0, |sum, file| sum.saturating_add(file.len))
    }
}

impl Segment {
    /// Opens the newest search index that its reference names; `None` when it names none, or one that was built for
    /// another dimension. Each call opens the file anew.
    ///
    /// # Errors
    /// `Corrupt` when the file is missing or not what the reference names; `FormatTooNew`; `Io`.
    pub fn ann(&self) -> Result<Option<AnnFile>> {
        match self.reference().ann() {
            None => Ok(None),
            Some((number, file)) => {
                let ann = self.open_ann(number, file)?;
                Ok((ann.note.dim == self.layout().dim() as u64).then_some(ann))
            }
        }
    }

    /// Reads every byte of the search indexes that its reference names, calling `damaged` with each damage.
    pub fn verify_ann(&self, damaged: &mut dyn FnMut(Error)) {
        for (number, file) in self.reference().anns() {
            match self.open_ann(number, file) {
                Ok(ann) => ann.sections.file().verify(damaged),
                Err(e) => damaged(e),
            }
        }
    }

    fn open_ann(&self, number: u64, file: &FileRef) -> Result<AnnFile> {
        let sealed = self.open_derived((number, file), Kind::Ann, "search index")?;
        let [.., built_as, dim] = sealed.aux();
        let note = AnnNote { number, rows: self.rows(), built_as, dim };
        Ok(AnnFile { note, sections: SectionFile::new(sealed, self.access())? })
    }
}
