//! The elements of arrays at one path: which rows have which values, for filters to find the rows of a value without
//! reading documents.
//!
//! | at (in the section) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | rows of the segment, n |
//! | 4 | 4 | length of the name |
//! | 8 | 4 × 4 | different values: truth values, integers, floats, strings; v in all, s of them strings |
//! | 24 | 4 | p, pairs of a value and a row |
//! | 28 | 4 | h, rows that have something there that is not null |
//! | 32 | 4 | u, rows whose document says null there |
//! | 36 | 4 | o, rows with an object there, or an array or object within the array |
//! | 40 | 4 | q, rows not all of whose values are held |
//! | 44 | 4 | m, the most pairs that one row has |
//! | 48 | name | the name, UTF-8, padded with zeros to a multiple of 8 |
//! | then | 8 (v - s) | the values that are no strings: 0 or 1, i64, f64; of each type ascending, each once |
//! | then | 8 (s + 1) | where each string starts and the last one ends, counted from the first |
//! | then | n / 8 | one bit a row: 1 for the h rows; from the lowest of each byte; padded to a multiple of 8 |
//! | then | 4 (v + 1) | where the rows of each value start among the pairs, and those of the last end |
//! | then | 4 p | the rows of each value, ascending, value after value |
//! | then | 4 u, 4 o, 4 q | the rows counted above, ascending |
//! | then | | the strings, UTF-8, ascending by bytes, each once |
//!
//! A row without an array counts as one whose array has its value as the only element. A null within an array is left out, so
//! a row of the h that stands in no pair and in no list has an empty array, or one of nulls. A row of the q may stand in
//! pairs too. -0 equals 0.
//!
//! Values are numbered from 0: truth values, then integers, floats and strings. Segments of before have no such sections.
//!
//! Reads from: an index file. Writes to: a section of one.
//! Never: a document; a row number handed on that was not compared with the number of rows.

mod verify;
mod write;

use std::ops::Range;
use std::sync::Arc;

pub use self::write::Elements;
use crate::error::Result;
use crate::limits;
use crate::section::columns::{ColumnKind, ColumnValue};
use crate::section::{Section, SectionFile, SectionKind};

const HEAD: u64 = 48;
/// The types of values in the order of their numbers.
const KINDS: [ColumnKind; 4] = [ColumnKind::Bool, ColumnKind::Int, ColumnKind::Float, ColumnKind::Str];

/// The elements of an open segment at one path.
#[derive(Debug)]
pub struct ElementsFile {
    section: Arc<Section>,
    name: String,
    rows: u32,
    /// How many values there are of each type.
    values: [u32; 4],
    pairs: u32,
    held: u32,
    nulls: u32,
    opaque: u32,
    partial: u32,
    most: u32,
    places: Places,
}

/// Where the parts of a section begin.
#[derive(Debug, Clone, Copy)]
struct Places {
    numbers: u64,
    offsets: u64,
    held: u64,
    starts: u64,
    pairs: u64,
    lists: u64,
    texts: u64,
}

impl Places {
    /// None of the counts is above `u32::MAX`, so that nothing overflows.
    fn new(name_len: u64, rows: u32, values: [u32; 4], pairs: u32, listed: u64) -> Places {
        let [bools, ints, floats, texts] = values.map(u64::from);
        let numbers = HEAD + name_len.next_multiple_of(8);
        let offsets = numbers + 8 * (bools + ints + floats);
        let held = offsets + 8 * (texts + 1);
        let starts = held + u64::from(rows).div_ceil(64) * 8;
        let pairs_at = starts + 4 * (bools + ints + floats + texts + 1);
        let lists = pairs_at + 4 * u64::from(pairs);
        Places { numbers, offsets, held, starts, pairs: pairs_at, lists, texts: lists + 4 * listed }
    }
}

impl ElementsFile {
    /// Reads the head of the elements of this ordinal and compares it with the section's length and `rows`; `None` when the
    /// file has none of them.
    ///
    /// # Errors
    /// `Corrupt` when it contradicts itself or the number of rows; `Io`.
    pub(crate) fn open(file: &SectionFile, ordinal: u16, rows: u32) -> Result<Option<ElementsFile>> {
        let Some(section) = file.get(SectionKind::Elements, ordinal).cloned() else { return Ok(None) };
        let head: [u8; HEAD as usize] = section.array(0)?;
        let mut numbers = head.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let mut next = || numbers.next().unwrap_or_default();
        let (found, name_len) = (next(), u64::from(next()));
        let values = [next(), next(), next(), next()];
        let (pairs, held, nulls, opaque, partial, most) = (next(), next(), next(), next(), next(), next());
        if name_len > limits::NAME_BYTES {
            return Err(section.corrupt(4, format!("a path's name cannot have {name_len} bytes")));
        }
        let all: u64 = values.iter().map(|count| u64::from(*count)).sum();
        let listed: u64 = [nulls, opaque, partial].iter().map(|count| u64::from(*count)).sum();
        let places = Places::new(name_len, rows, values, pairs, listed);
        // Each value has a row, and each row with one is among those that are held.
        let fits = found == rows
            && all <= u64::from(pairs)
            && u64::from(pairs) <= limits::ELEMENTS
            && u64::from(held) + u64::from(nulls) <= u64::from(rows)
            && opaque.max(partial) <= held
            && (pairs == 0) == (most == 0)
            && u64::from(most) <= all
            && u64::from(pairs) <= u64::from(most) * u64::from(held)
            && section.len() >= places.texts;
        if !fits {
            let why = format!("{} bytes are not {pairs} elements of {rows} rows", section.len());
            return Err(section.corrupt(0, why));
        }
        let name = std::str::from_utf8(section.get(HEAD, name_len)?);
        let name = name.map_err(|_| section.corrupt(HEAD, "the path's name is not UTF-8"))?.to_string();
        let texts = u64::from(values[3]);
        let ends = (section.u64_at(places.offsets)?, section.u64_at(places.offsets + 8 * texts)?);
        if ends != (0, section.len() - places.texts) {
            return Err(section.corrupt(places.offsets, "the offsets do not span the strings"));
        }
        let ends = (section.u32_at(places.starts)?, section.u32_at(places.starts + 4 * all)?);
        if ends != (0, pairs) {
            return Err(section.corrupt(places.starts, "the rows of the values do not span the pairs"));
        }
        let file =
            ElementsFile { section, name, rows, values, pairs, held, nulls, opaque, partial, most, places };
        Ok(Some(file))
    }

    /// A view that reads it.
    pub fn view(&self) -> ElementsView<'_> {
        ElementsView { file: self }
    }
}

/// Reads the elements at one path, each value when it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ElementsView<'a> {
    file: &'a ElementsFile,
}

impl<'a> ElementsView<'a> {
    /// The path, in its canonical form.
    pub fn name(&self) -> &'a str {
        &self.file.name
    }

    /// How many rows the segment has.
    pub fn rows(&self) -> u32 {
        self.file.rows
    }

    /// How many rows have something there that is not null.
    pub fn held(&self) -> u32 {
        self.file.held
    }

    /// How many rows say null there.
    pub fn nulls(&self) -> u32 {
        self.file.nulls
    }

    /// How many rows have an object there, or an array or object within the array.
    pub fn opaque(&self) -> u32 {
        self.file.opaque
    }

    /// Of how many rows not all values are held, so that their documents have to be asked.
    pub fn partial(&self) -> u32 {
        self.file.partial
    }

    /// The most different values that one row has.
    pub fn most(&self) -> u32 {
        self.file.most
    }

    /// The numbers of the values of one type.
    pub fn values(&self, kind: ColumnKind) -> Range<u32> {
        let mut start = 0;
        for (of, count) in KINDS.into_iter().zip(self.file.values) {
            if of == kind {
                return start..start + count;
            }
            // Their sum was compared with the pairs.
            start += count;
        }
        start..start
    }

    /// The value of a number.
    ///
    /// # Errors
    /// `Corrupt` when there is none, or its bytes are damaged; `Io`.
    pub fn value(&self, number: u32) -> Result<ColumnValue<'a>> {
        let (file, at) = (self.file, self.file.places.numbers + 8 * u64::from(number));
        let kind = KINDS.into_iter().find(|kind| self.values(*kind).contains(&number));
        Ok(match kind {
            Some(ColumnKind::Bool) => ColumnValue::Bool(file.section.u64_at(at)? != 0),
            Some(ColumnKind::Int) => ColumnValue::Int(file.section.u64_at(at)? as i64),
            Some(ColumnKind::Float) => ColumnValue::Float(f64::from_bits(file.section.u64_at(at)?)),
            Some(ColumnKind::Str) => ColumnValue::Str(self.text(number)?),
            None => return Err(file.section.corrupt(HEAD, format!("there is no value number {number}"))),
        })
    }

    fn text(&self, number: u32) -> Result<&'a str> {
        let (section, places) = (&self.file.section, self.file.places);
        let index = u64::from(number - self.values(ColumnKind::Str).start);
        let range = section.range(places.offsets, index, section.len() - places.texts)?;
        let text = std::str::from_utf8(section.get(places.texts + range.start, range.end - range.start)?);
        text.map_err(|_| {
            let why = format!("value {number} of {} is not UTF-8", self.name());
            section.corrupt(places.texts + range.start, why)
        })
    }

    /// The first of the values numbered `values` for which `before` does not hold, or their end. It must hold for all up to
    /// some point and for none from there on.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn partition(
        &self,
        values: Range<u32>,
        mut before: impl FnMut(&ColumnValue<'a>) -> bool,
    ) -> Result<u32> {
        let (mut low, mut high) = (values.start, values.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match before(&self.value(middle)?) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// How many pairs the values numbered `values` have; for one value, how many rows.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn count(&self, values: Range<u32>) -> Result<u32> {
        self.pairs(values).map(|pairs| pairs.end - pairs.start)
    }

    /// Calls `each` with the rows of the values numbered `values`, value after value.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn value_rows(&self, values: Range<u32>, each: impl FnMut(u32)) -> Result<()> {
        let pairs = self.pairs(values)?;
        let at = self.file.places.pairs + 4 * u64::from(pairs.start);
        self.file.section.row_list(at, pairs.end - pairs.start, self.file.rows, each)
    }

    /// One bit a row, from the lowest of each byte, 8 bytes for every 64 rows begun: whether it has something there that is
    /// not null.
    ///
    /// # Errors
    /// `Corrupt` when they are damaged; `Io`.
    pub fn held_bits(&self) -> Result<&'a [u8]> {
        let places = self.file.places;
        self.file.section.get(places.held, places.starts - places.held)
    }

    /// Whether a row has something there that is not null.
    ///
    /// # Errors
    /// `Corrupt` when its bit is damaged, or there is no such row; `Io`.
    pub fn is_held(&self, row: u32) -> Result<bool> {
        if row >= self.file.rows {
            return Err(self.file.section.corrupt(0, format!("row {row} of {} rows", self.file.rows)));
        }
        self.file.section.bit(self.file.places.held, u64::from(row))
    }

    /// Whether a row says null there.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn is_null(&self, row: u32) -> Result<bool> {
        self.file.section.lists_row(self.file.places.lists, self.file.nulls, row)
    }

    /// Calls `each` with the rows that say null there, ascending.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn null_rows(&self, each: impl FnMut(u32)) -> Result<()> {
        self.list(0, self.file.nulls, each)
    }

    /// Calls `each` with the rows counted by [`ElementsView::opaque`], ascending.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn opaque_rows(&self, each: impl FnMut(u32)) -> Result<()> {
        self.list(u64::from(self.file.nulls), self.file.opaque, each)
    }

    /// Calls `each` with the rows counted by [`ElementsView::partial`], ascending.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn partial_rows(&self, each: impl FnMut(u32)) -> Result<()> {
        self.list(u64::from(self.file.nulls) + u64::from(self.file.opaque), self.file.partial, each)
    }

    fn list(&self, first: u64, count: u32, each: impl FnMut(u32)) -> Result<()> {
        self.file.section.row_list(self.file.places.lists + 4 * first, count, self.file.rows, each)
    }

    /// The pairs of some values.
    fn pairs(&self, values: Range<u32>) -> Result<Range<u32>> {
        let at = |number: u32| self.file.places.starts + 4 * u64::from(number);
        let all = self.values(ColumnKind::Str).end;
        let section = &self.file.section;
        if values.start > values.end || values.end > all {
            return Err(section.corrupt(HEAD, format!("there are {all} values, not {values:?}")));
        }
        let pairs = section.u32_at(at(values.start))?..section.u32_at(at(values.end))?;
        if pairs.start > pairs.end || pairs.end > self.file.pairs {
            let why = format!("the rows of values {values:?} cannot be {pairs:?} of {}", self.file.pairs);
            return Err(section.corrupt(at(values.start), why));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests;
