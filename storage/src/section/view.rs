//! Finds a section in an index file and lends its bytes, verified.
//!
//! Reads from: a sealed `index` file of any origin. Writes to: its own memory, when the file is read without a mapping.
//! Never: an offset used before it was compared with the section's length.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::bytes::{ALIGN, AlignedBuf, Bytes, Span};
use crate::codec::cursor::Cursor;
use crate::codec::header::HEADER_BYTES;
use crate::error::{Error, Result};
use crate::sealed::{Access, BLOCK_BYTES, SealedFile};
use crate::section::{ENTRY, MAX_SECTIONS, SectionKind, TABLE_HEAD};

/// Bytes read at a time when a section is brought into memory; a multiple of a block.
const PIECE: u64 = 64 * BLOCK_BYTES;

/// An open index file.
#[derive(Debug)]
pub struct SectionFile {
    file: Arc<SealedFile>,
    sections: Vec<Arc<Section>>,
}

/// One section.
///
/// With [`Access::Map`] its bytes are the mapping's, verified block by block as they are touched. With
/// [`Access::Read`] the first touch brings the whole section into memory; blocks that are damaged give their error to
/// every read that meets them, and to no other.
#[derive(Debug)]
pub struct Section {
    file: Arc<SealedFile>,
    access: Access,
    kind: u16,
    ordinal: u16,
    offset: u64,
    len: u64,
    loaded: OnceLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    bytes: Bytes,
    damaged: Vec<(Range<u64>, Error)>,
}

impl SectionFile {
    /// Reads the table of `file`, which was opened with `access`, and checks every entry against the body.
    ///
    /// # Errors
    /// `Corrupt` when the table contradicts itself or the file; `Io`.
    pub fn new(file: SealedFile, access: Access) -> Result<SectionFile> {
        let file = Arc::new(file);
        let head = file.read(0, TABLE_HEAD)?;
        let count = u64::from(Cursor::new(&head, file.name(), HEADER_BYTES).u32()?);
        if count > MAX_SECTIONS {
            return Err(file.corrupt(0, format!("{count} sections, the limit is {MAX_SECTIONS}")));
        }
        let table = file.read(TABLE_HEAD, count * ENTRY)?;
        let mut c = Cursor::new(&table, file.name(), HEADER_BYTES + TABLE_HEAD);
        let mut end = TABLE_HEAD + count * ENTRY;
        let mut sections = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let (kind, ordinal, _zero) = (c.u16()?, c.u16()?, c.u32()?);
            let (offset, len) = (c.u64()?, c.u64()?);
            let fits = offset >= end
                && offset % ALIGN as u64 == 0
                && offset.checked_add(len).is_some_and(|e| e <= file.body_len());
            if !fits {
                return Err(c.corrupt(format!("a section of {len} bytes at {offset} does not fit the file")));
            }
            end = offset + len;
            let (file, loaded) = (file.clone(), OnceLock::new());
            sections.push(Arc::new(Section { file, access, kind, ordinal, offset, len, loaded }));
        }
        drop((head, table));
        Ok(SectionFile { file, sections })
    }

    /// The sealed file.
    pub fn file(&self) -> &SealedFile {
        &self.file
    }

    /// The section of this kind and ordinal.
    pub fn get(&self, kind: SectionKind, ordinal: u16) -> Option<&Arc<Section>> {
        self.sections.iter().find(|s| s.kind == kind as u16 && s.ordinal == ordinal)
    }

    /// The section of this kind and ordinal, which must be there with `len` bytes.
    ///
    /// # Errors
    /// `Corrupt` when it is not.
    pub fn expect(&self, kind: SectionKind, ordinal: u16, len: u64) -> Result<Arc<Section>> {
        match self.get(kind, ordinal) {
            Some(section) if section.len == len => Ok(section.clone()),
            Some(section) => {
                let why = format!("section {kind:?} has {} bytes, {len} expected", section.len);
                Err(section.corrupt(0, why))
            }
            None => Err(self.file.corrupt(0, format!("there is no section {kind:?}"))),
        }
    }
}

impl Section {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it starts in the body of its file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The file it is in, as errors name it.
    pub fn file_name(&self) -> &Path {
        self.file.name()
    }

    /// `len` bytes from `offset` of the section, verified.
    ///
    /// # Errors
    /// `Corrupt` when they are damaged or reach beyond the section; `Io`.
    #[inline]
    pub fn get(&self, offset: u64, len: u64) -> Result<&[u8]> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => {}
            _ => return Err(self.corrupt(offset, format!("{len} bytes reach beyond the section"))),
        }
        if self.access == Access::Map
            && let Some(bytes) = self.file.known(self.offset + offset, len)
        {
            return Ok(bytes);
        }
        self.get_unknown(offset, len)
    }

    /// [`Section::get`] for bytes within the section that are to be verified, or are not mapped.
    #[cold]
    fn get_unknown(&self, offset: u64, len: u64) -> Result<&[u8]> {
        if self.access == Access::Map
            && let Span::Borrowed(bytes) = self.file.read(self.offset + offset, len)?
        {
            return Ok(bytes);
        }
        let loaded = self.load()?;
        let end = offset + len;
        if let Some((_, e)) = loaded.damaged.iter().find(|(r, _)| r.start < end && offset < r.end) {
            return Err(e.clone());
        }
        let bytes = loaded.bytes.get(offset as usize..end as usize);
        bytes.ok_or_else(|| self.corrupt(offset, "the read came short"))
    }

    /// `N` bytes from `offset`.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N]> {
        let bytes = self.get(offset, N as u64)?;
        bytes.try_into().map_err(|_| self.corrupt(offset, "the read came short"))
    }

    /// The 32-bit integer number `index` of a section that is an array of them.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub fn u32(&self, index: u64) -> Result<u32> {
        self.array(index.saturating_mul(4)).map(u32::from_le_bytes)
    }

    /// The 64-bit integer number `index` of a section that is an array of them.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub fn u64(&self, index: u64) -> Result<u64> {
        self.array(index.saturating_mul(8)).map(u64::from_le_bytes)
    }

    /// The 32-bit integer at `offset`.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub fn u32_at(&self, offset: u64) -> Result<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// The 64-bit integer at `offset`.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub fn u64_at(&self, offset: u64) -> Result<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Bit `index` of those that begin at `base`, from the lowest of each byte.
    ///
    /// # Errors
    /// As [`Section::get`].
    #[inline]
    pub(crate) fn bit(&self, base: u64, index: u64) -> Result<bool> {
        let [byte] = self.array(base + index / 8)?;
        Ok(byte >> (index % 8) & 1 == 1)
    }

    /// Calls `each` with `count` numbers of rows from `offset` on, of a segment of `rows` rows.
    ///
    /// # Errors
    /// As [`Section::get`]; `Corrupt` when one is no row's.
    pub(crate) fn row_list(
        &self,
        offset: u64,
        count: u32,
        rows: u32,
        mut each: impl FnMut(u32),
    ) -> Result<()> {
        for number in self.get(offset, 4 * u64::from(count))?.as_chunks::<4>().0 {
            let row = u32::from_le_bytes(*number);
            if row >= rows {
                return Err(self.corrupt(offset, format!("a list names row {row} of {rows} rows")));
            }
            each(row);
        }
        Ok(())
    }

    /// Whether `row` is among `count` ascending numbers from `offset` on.
    ///
    /// # Errors
    /// As [`Section::get`].
    pub(crate) fn lists_row(&self, offset: u64, count: u32, row: u32) -> Result<bool> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.u32_at(offset + 4 * u64::from(middle))?.cmp(&row) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// The range between 64-bit offsets number `index` and `index + 1`, of an array of them at `base` of the section.
    ///
    /// # Errors
    /// As [`Section::get`]; `Corrupt` when they descend or the second is beyond `limit`.
    pub fn range(&self, base: u64, index: u64, limit: u64) -> Result<Range<u64>> {
        let at = base.saturating_add(index.saturating_mul(8));
        let pair: [u8; 16] = self.array(at)?;
        let (start, end) = pair.split_at(8);
        let read = |b: &[u8]| b.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let range = read(start)..read(end);
        if range.start > range.end || range.end > limit {
            return Err(self.corrupt(at, format!("offsets {range:?} do not ascend within 0..{limit}")));
        }
        Ok(range)
    }

    /// A `Corrupt` error at `offset` of the section.
    pub fn corrupt(&self, offset: u64, why: impl Into<String>) -> Error {
        self.file.corrupt(self.offset.saturating_add(offset), why)
    }

    fn load(&self) -> Result<&Loaded> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        // The table's check compared the length with the file's.
        let mut bytes = AlignedBuf::zeroed(self.len as usize);
        let mut damaged = Vec::new();
        for piece in pieces(self.offset..self.offset + self.len, PIECE) {
            match self.copy(piece.clone(), &mut bytes) {
                Err(Error::Corrupt { .. }) => {}
                done => {
                    done?;
                    continue;
                }
            }
            for block in pieces(piece, BLOCK_BYTES) {
                match self.copy(block.clone(), &mut bytes) {
                    Err(e @ Error::Corrupt { .. }) => {
                        damaged.push((block.start - self.offset..block.end - self.offset, e));
                    }
                    done => done?,
                }
            }
        }
        // Two threads may both have read it; one of the equal copies stays.
        Ok(self.loaded.get_or_init(|| Loaded { bytes: bytes.into(), damaged }))
    }

    fn copy(&self, from: Range<u64>, to: &mut AlignedBuf) -> Result<()> {
        let span = self.file.read(from.start, from.end - from.start)?;
        let (start, end) = (from.start - self.offset, from.end - self.offset);
        match to.get_mut(start as usize..end as usize) {
            Some(to) if to.len() == span.len() => {
                to.copy_from_slice(&span);
                Ok(())
            }
            _ => Err(self.corrupt(start, "the read came short")),
        }
    }
}

/// Cuts `range` at the multiples of `step`.
fn pieces(range: Range<u64>, step: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let end = (at / step + 1).saturating_mul(step).min(range.end);
        let piece = at..end;
        at = end;
        (piece.start < piece.end).then_some(piece)
    })
}
