//! Typed columns: values drawn from the documents, one a row, for filters to read without parsing JSON.
//!
//! | at (in the section) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 1 | type: 0 bool, 1 integer, 2 float, 3 string |
//! | 1 | 1 | zero |
//! | 2 | 2 | length of the name |
//! | 4 | 4 | rows |
//! | 8 | 8 | zero |
//! | 16 | name | the name, UTF-8, padded with zeros to a multiple of 8 |
//! | then | rows / 8 | one bit a row: 1 when it has a value; padded to a multiple of 8 |
//! | then | values | bool: one bit a row; integer, float: 8 bytes a row; string: one u64 offset a row and one more, counted from their end, then UTF-8 |
//!
//! Bits count from the lowest of each byte. Rows without a value hold zeros, or an empty string.
//!
//! Beside each column stand its [`order`], by which the rows of a range of values are found, and the bits of its
//! frequent values ([`dense`]). Segments of before have neither.
//!
//! A column is *declared* by the schema, or *derived* when the segment was written, because its documents often have a
//! value at that path; derived columns have ordinals from [`DERIVED`].
//!
//! Reads from: an index file. Writes to: a section of one.
//! Never: a document; columns are derived from them by the engine and can be derived again.

pub mod dense;
pub mod order;

use std::cmp::Ordering;
use std::sync::Arc;

use self::order::{ColumnOrder, OrderView};
use crate::error::{Error, Result};
use crate::limits;
use crate::section::{Section, SectionFile, SectionKind};

const BOOL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const STR: u8 = 3;

const HEAD: u64 = 16;

/// The ordinal of the first derived column.
pub const DERIVED: u16 = limits::COLUMNS as u16;

/// A column to write, one value a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, at most [`limits::NAME_BYTES`] bytes.
    pub name: String,
    /// Its values in the order of the rows.
    pub values: ColumnValues,
    /// The rows whose document says null there, ascending.
    pub nulls: Vec<u32>,
    /// The rows whose document has something there that the column does not hold, ascending.
    pub others: Vec<u32>,
    /// Whether it was derived rather than declared.
    pub derived: bool,
}

/// The values of a column; `None` where a row has none.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Truth values.
    Bool(Vec<Option<bool>>),
    /// 64-bit integers.
    Int(Vec<Option<i64>>),
    /// 64-bit floats, kept bit by bit.
    Float(Vec<Option<f64>>),
    /// Strings.
    Str(Vec<Option<String>>),
}

/// One value of an open column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnValue<'a> {
    /// The row has none.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// A string.
    Str(&'a str),
}

/// The type of an open column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Truth values.
    Bool,
    /// 64-bit integers.
    Int,
    /// 64-bit floats.
    Float,
    /// Strings.
    Str,
}

impl ColumnValue<'_> {
    /// The order of two values of one type, as filters compare them: zeros are equal whatever their signs. `None` for
    /// different types, for NaN, and where a value is missing.
    pub fn order(&self, other: &ColumnValue<'_>) -> Option<Ordering> {
        match (self, other) {
            (ColumnValue::Bool(a), ColumnValue::Bool(b)) => Some(a.cmp(b)),
            (ColumnValue::Int(a), ColumnValue::Int(b)) => Some(a.cmp(b)),
            (ColumnValue::Float(a), ColumnValue::Float(b)) => a.partial_cmp(b),
            (ColumnValue::Str(a), ColumnValue::Str(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl ColumnValues {
    /// The value of a row.
    pub fn get(&self, row: u32) -> ColumnValue<'_> {
        fn of<T>(values: &[Option<T>], row: u32) -> Option<&T> {
            values.get(row as usize)?.as_ref()
        }
        let value = match self {
            ColumnValues::Bool(v) => of(v, row).map(|b| ColumnValue::Bool(*b)),
            ColumnValues::Int(v) => of(v, row).map(|i| ColumnValue::Int(*i)),
            ColumnValues::Float(v) => of(v, row).map(|f| ColumnValue::Float(*f)),
            ColumnValues::Str(v) => of(v, row).map(|s| ColumnValue::Str(s)),
        };
        value.unwrap_or(ColumnValue::Null)
    }

    /// How many rows it is for.
    pub fn len(&self) -> usize {
        match self {
            ColumnValues::Bool(v) => v.len(),
            ColumnValues::Int(v) => v.len(),
            ColumnValues::Float(v) => v.len(),
            ColumnValues::Str(v) => v.len(),
        }
    }

    /// Whether it is for no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Column {
    /// A declared column of rows that have a value or nothing at all.
    pub fn new(name: impl Into<String>, values: ColumnValues) -> Column {
        Column { name: name.into(), values, nulls: Vec::new(), others: Vec::new(), derived: false }
    }

    /// The section's bytes.
    ///
    /// # Errors
    /// `LimitExceeded` when the name is too long or there are too many rows.
    pub fn encode(&self) -> Result<Vec<u8>> {
        limits::check("column name in bytes", self.name.len() as u64, limits::NAME_BYTES)?;
        limits::check("rows of a segment", self.values.len() as u64, limits::SEGMENT_ROWS)?;
        let tag = match &self.values {
            ColumnValues::Bool(_) => BOOL,
            ColumnValues::Int(_) => INT,
            ColumnValues::Float(_) => FLOAT,
            ColumnValues::Str(_) => STR,
        };
        let mut out = vec![tag, 0];
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((self.values.len() as u32).to_le_bytes());
        out.extend([0; 8]);
        out.extend(self.name.as_bytes());
        pad(&mut out);
        match &self.values {
            ColumnValues::Bool(v) => {
                bits(v.iter().map(Option::is_some), &mut out);
                bits(v.iter().map(|b| *b == Some(true)), &mut out);
            }
            ColumnValues::Int(v) => {
                bits(v.iter().map(Option::is_some), &mut out);
                out.extend(v.iter().flat_map(|i| i.unwrap_or_default().to_le_bytes()));
            }
            ColumnValues::Float(v) => {
                bits(v.iter().map(Option::is_some), &mut out);
                out.extend(v.iter().flat_map(|f| f.unwrap_or_default().to_le_bytes()));
            }
            ColumnValues::Str(v) => {
                bits(v.iter().map(Option::is_some), &mut out);
                let strings = || v.iter().map(|s| s.as_deref().unwrap_or_default());
                let ends = strings().scan(0, |end, s| {
                    *end += s.len() as u64;
                    Some(*end)
                });
                out.extend(std::iter::once(0).chain(ends).flat_map(u64::to_le_bytes));
                out.extend(strings().flat_map(str::bytes));
            }
        }
        Ok(out)
    }
}

/// Appends one bit a row, padded to a multiple of 8 bytes.
pub(super) fn bits(rows: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let mut byte = 0;
    let mut row = 0usize;
    for set in rows {
        byte |= u8::from(set) << (row % 8);
        row += 1;
        if row.is_multiple_of(8) {
            out.push(std::mem::take(&mut byte));
        }
    }
    if !row.is_multiple_of(8) {
        out.push(byte);
    }
    pad(out);
}

pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

/// The column of an open segment.
#[derive(Debug)]
pub struct ColumnFile {
    section: Arc<Section>,
    name: String,
    kind: ColumnKind,
    rows: u32,
    /// Where the validity bits start; the values follow them.
    valid: u64,
    values: u64,
    order: Option<ColumnOrder>,
}

impl ColumnFile {
    /// Reads the head of column `ordinal` and compares the section's length with `rows`.
    ///
    /// # Errors
    /// `Corrupt` when there is no such column or it contradicts itself; `Io`.
    pub fn open(file: &SectionFile, ordinal: u16, rows: u32) -> Result<ColumnFile> {
        let section = file.get(SectionKind::Column, ordinal);
        let section =
            section.ok_or_else(|| file.file().corrupt(0, format!("column {ordinal} is missing")))?.clone();
        let [tag, _, low, high, a, b, c, d, ..] = section.array::<{ HEAD as usize }>(0)?;
        let name_len = u64::from(u16::from_le_bytes([low, high]));
        let kind = match tag {
            BOOL => ColumnKind::Bool,
            INT => ColumnKind::Int,
            FLOAT => ColumnKind::Float,
            STR => ColumnKind::Str,
            _ => return Err(section.corrupt(0, format!("a column cannot have type {tag}"))),
        };
        if u32::from_le_bytes([a, b, c, d]) != rows {
            return Err(section.corrupt(4, format!("the column is not for {rows} rows")));
        }
        if name_len > limits::NAME_BYTES {
            return Err(section.corrupt(2, format!("a column's name cannot have {name_len} bytes")));
        }
        let name = std::str::from_utf8(section.get(HEAD, name_len)?);
        let name = name.map_err(|_| section.corrupt(HEAD, "the column's name is not UTF-8"))?.to_string();
        let n = u64::from(rows);
        let bitmap = n.div_ceil(64) * 8;
        let valid = HEAD + name_len.next_multiple_of(8);
        let values = valid + bitmap;
        let fits = match kind {
            ColumnKind::Bool => section.len() == values + bitmap,
            ColumnKind::Int | ColumnKind::Float => section.len() == values + n * 8,
            ColumnKind::Str => section.len() >= values + (n + 1) * 8,
        };
        if !fits {
            let why = format!("{} bytes are not the length of column {name} of {n} rows", section.len());
            return Err(section.corrupt(0, why));
        }
        let order = ColumnOrder::open(file, ordinal, rows)?;
        Ok(ColumnFile { section, name, kind, rows, valid, values, order })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A view that reads its values.
    pub fn view(&self) -> ColumnView<'_> {
        ColumnView { column: self }
    }
}

/// Reads one column, each value when it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ColumnView<'a> {
    column: &'a ColumnFile,
}

impl<'a> ColumnView<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.column.name
    }

    /// Its type.
    pub fn kind(&self) -> ColumnKind {
        self.column.kind
    }

    /// How many rows it has.
    pub fn rows(&self) -> u32 {
        self.column.rows
    }

    /// Its rows in the order of their values; `None` in segments of before.
    pub fn order(&self) -> Option<OrderView<'a>> {
        self.column.order.as_ref().map(ColumnOrder::view)
    }

    /// One bit a row, in the order of [`ColumnView::get`]'s rows from the lowest of each byte: whether it has a value.
    /// There are 8 bytes for every 64 rows begun.
    ///
    /// # Errors
    /// `Corrupt` when they are damaged; `Io`.
    pub fn validity(&self) -> Result<&'a [u8]> {
        self.column.section.get(self.column.valid, self.column.values - self.column.valid)
    }

    /// The value of a row.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn get(&self, row: u32) -> Result<ColumnValue<'a>> {
        let c = self.column;
        let at = u64::from(row);
        if row >= c.rows {
            return Err(c.section.corrupt(0, format!("row {row} of {} rows", c.rows)));
        }
        if !c.section.bit(c.valid, at)? {
            return Ok(ColumnValue::Null);
        }
        self.value(row)
    }

    /// The value of a row that is known to have one, as the rows of [`ColumnView::order`] are; zero or empty otherwise.
    ///
    /// # Errors
    /// As [`ColumnView::get`].
    pub fn value(&self, row: u32) -> Result<ColumnValue<'a>> {
        let c = self.column;
        let at = u64::from(row);
        if row >= c.rows {
            return Err(c.section.corrupt(0, format!("row {row} of {} rows", c.rows)));
        }
        Ok(match c.kind {
            ColumnKind::Bool => ColumnValue::Bool(c.section.bit(c.values, at)?),
            ColumnKind::Int => ColumnValue::Int(i64::from_le_bytes(c.section.array(c.values + at * 8)?)),
            ColumnKind::Float => ColumnValue::Float(f64::from_le_bytes(c.section.array(c.values + at * 8)?)),
            ColumnKind::Str => {
                let base = c.values + (u64::from(c.rows) + 1) * 8;
                let range = c.section.range(c.values, at, c.section.len() - base)?;
                let bytes = c.section.get(base + range.start, range.end - range.start)?;
                let text = std::str::from_utf8(bytes);
                ColumnValue::Str(text.map_err(|_| {
                    let why = format!("column {}, row {row} is not UTF-8", c.name);
                    c.section.corrupt(base + range.start, why)
                })?)
            }
        })
    }

    /// Calls `damaged` with the first error among its values, or in its order and bits when the values are whole.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        let c = self.column;
        let spans = || -> Result<()> {
            if c.kind == ColumnKind::Str {
                let (base, n) = (c.values + (u64::from(c.rows) + 1) * 8, u64::from(c.rows));
                let first: [u8; 8] = c.section.array(c.values)?;
                let last: [u8; 8] = c.section.array(c.values + n * 8)?;
                if first != [0; 8] || u64::from_le_bytes(last) != c.section.len() - base {
                    let why = format!("the offsets of column {} do not span its strings", c.name);
                    return Err(c.section.corrupt(c.values, why));
                }
            }
            (0..c.rows).try_for_each(|row| self.get(row).map(|_| ()))?;
            self.order().map_or(Ok(()), |order| order.verify(self))
        };
        if let Err(e) = spans() {
            damaged(e);
        }
    }
}

#[cfg(test)]
mod tests;
