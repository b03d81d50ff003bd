//! The order of a column: which rows have a value, sorted by it, and what the documents of the others say.
//!
//! | at (in the section) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | rows of the segment |
//! | 4 | 4 | v, rows with a value |
//! | 8 | 4 | u, rows whose document says null |
//! | 12 | 4 | o, rows whose document has something there that the column does not hold |
//! | 16 | 4 v | their numbers, by value, then ascending: false before true, numbers by size, strings by bytes |
//! | then | 4 u | their numbers, ascending |
//! | then | 4 o | their numbers, ascending |
//!
//! No row stands twice. A row that stands nowhere has nothing at the path. -0 equals 0; a NaN, which no document can
//! hold, counts as something that the column does not hold.
//!
//! Reads from: an index file. Writes to: a section of one.
//! Never: a row number handed on that was not compared with the number of rows.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::section::columns::dense::{ColumnBits, DenseView};
use crate::section::columns::{Column, ColumnValue, ColumnValues, ColumnView};
use crate::section::{Section, SectionFile, SectionKind};

const HEAD: u64 = 16;

/// The rows of a column by their values, as they are written.
pub(crate) struct Sorted {
    pub order: Vec<u32>,
    others: Vec<u32>,
}

impl Sorted {
    /// Sorts the rows of `column`.
    pub fn new(column: &Column) -> Sorted {
        let mut others = column.others.clone();
        let order = match &column.values {
            ColumnValues::Bool(v) => by_key(v.iter().map(|b| b.map(u64::from))),
            // Flipping the sign bit maps the order of i64 to that of u64.
            ColumnValues::Int(v) => by_key(v.iter().map(|i| i.map(|i| i as u64 ^ 1 << 63))),
            ColumnValues::Float(v) => {
                let nan = v.iter().zip(0..).filter(|(x, _)| x.is_some_and(f64::is_nan));
                others.extend(nan.map(|(_, row)| row));
                others.sort_unstable();
                by_key(v.iter().map(|x| x.filter(|x| !x.is_nan()).map(float_key)))
            }
            ColumnValues::Str(v) => by_text(v),
        };
        Sorted { order, others }
    }

    /// The section's bytes.
    pub fn encode(&self, column: &Column) -> Vec<u8> {
        let lists = [&self.order, &column.nulls, &self.others];
        let all = lists.iter().map(|list| list.len()).sum::<usize>();
        let mut out = Vec::with_capacity(HEAD as usize + 4 * all);
        out.extend((column.values.len() as u32).to_le_bytes());
        lists.iter().for_each(|list| out.extend((list.len() as u32).to_le_bytes()));
        lists.iter().for_each(|list| out.extend(list.iter().flat_map(|row| row.to_le_bytes())));
        out
    }
}

/// A number whose order is that of the floats, which are not NaN.
pub(in crate::section) fn float_key(x: f64) -> u64 {
    // Adding 0 turns -0 into 0.
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The rows with a key, by key and row.
fn by_key(keys: impl Iterator<Item = Option<u64>> + Clone) -> Vec<u32> {
    let some = || keys.clone().zip(0u32..).filter_map(|(key, row)| key.map(|key| (key, row)));
    let (min, max) = some().fold((u64::MAX, 0), |(min, max), (key, _)| (min.min(key), max.max(key)));
    if max.saturating_sub(min) <= u64::from(u32::MAX) {
        // Half the bytes, and one comparison instead of two.
        let mut packed: Vec<u64> = some().map(|(key, row)| (key - min) << 32 | u64::from(row)).collect();
        packed.sort_unstable();
        return packed.into_iter().map(|pair| pair as u32).collect();
    }
    let mut pairs: Vec<(u64, u32)> = some().collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, row)| row).collect()
}

/// The rows with a string, by its bytes and row.
fn by_text(values: &[Option<String>]) -> Vec<u32> {
    let prefix = |text: &str| {
        let mut first = [0; 8];
        first.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        u64::from_be_bytes(first)
    };
    let some = values.iter().zip(0u32..).filter_map(|(text, row)| text.as_deref().map(|text| (text, row)));
    let mut pairs: Vec<(u64, &str, u32)> = some.map(|(text, row)| (prefix(text), text, row)).collect();
    // The padding of short prefixes sorts no string wrongly: equal prefixes are decided by the whole text.
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, _, row)| row).collect()
}

/// The order of an open column.
#[derive(Debug)]
pub struct ColumnOrder {
    section: Arc<Section>,
    rows: u32,
    /// How many rows have a value, say null, hold something else.
    counts: [u32; 3],
    bits: Option<ColumnBits>,
}

impl ColumnOrder {
    /// Reads the head of the order of column `ordinal`, and of its bits; `None` when the file has no order of it.
    ///
    /// # Errors
    /// `Corrupt` when it contradicts itself or the number of rows; `Io`.
    pub(crate) fn open(file: &SectionFile, ordinal: u16, rows: u32) -> Result<Option<ColumnOrder>> {
        let Some(section) = file.get(SectionKind::ColumnOrder, ordinal).cloned() else { return Ok(None) };
        let counts = [section.u32(1)?, section.u32(2)?, section.u32(3)?];
        let all: u64 = counts.iter().map(|c| u64::from(*c)).sum();
        if section.u32(0)? != rows || all > u64::from(rows) || section.len() != HEAD + 4 * all {
            let why = format!("{} bytes are not an order of {counts:?} of {rows} rows", section.len());
            return Err(section.corrupt(0, why));
        }
        let bits = ColumnBits::open(file, ordinal, rows, counts[0])?;
        Ok(Some(ColumnOrder { section, rows, counts, bits }))
    }

    pub(crate) fn view(&self) -> OrderView<'_> {
        OrderView { order: self }
    }
}

/// Reads the order of a column.
#[derive(Debug, Clone, Copy)]
pub struct OrderView<'a> {
    order: &'a ColumnOrder,
}

impl<'a> OrderView<'a> {
    /// How many rows have a value: positions in the order are below it.
    pub fn values(&self) -> u32 {
        self.order.counts[0]
    }

    /// How many rows say null.
    pub fn nulls(&self) -> u32 {
        self.order.counts[1]
    }

    /// How many rows hold something else.
    pub fn others(&self) -> u32 {
        self.order.counts[2]
    }

    /// The row at a position of the order.
    ///
    /// # Errors
    /// `Corrupt` when there is none, or its number is no row's; `Io`.
    pub fn row(&self, position: u32) -> Result<u32> {
        let row = self.order.section.u32(HEAD / 4 + u64::from(position))?;
        if position < self.values() && row < self.order.rows { Ok(row) } else { Err(self.no_row(row)) }
    }

    /// Calls `each` with the rows at `positions` of the order.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn rows(&self, positions: Range<u32>, each: impl FnMut(u32)) -> Result<()> {
        let end = positions.end.min(self.values());
        self.list(u64::from(positions.start)..u64::from(end), each)
    }

    /// Calls `each` with the rows that say null, ascending.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn null_rows(&self, each: impl FnMut(u32)) -> Result<()> {
        self.list(self.null_list(), each)
    }

    /// Calls `each` with the rows that hold something else, ascending.
    ///
    /// # Errors
    /// `Corrupt` when a number is no row's; `Io`.
    pub fn other_rows(&self, each: impl FnMut(u32)) -> Result<()> {
        self.list(self.other_list(), each)
    }

    /// Whether `row` says null.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn is_null(&self, row: u32) -> Result<bool> {
        self.listed(self.null_list(), row)
    }

    /// Whether `row` holds something that the column does not.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn is_other(&self, row: u32) -> Result<bool> {
        self.listed(self.other_list(), row)
    }

    /// The rows of frequent values as bits, when there are any.
    pub fn dense(&self) -> Option<DenseView<'a>> {
        self.order.bits.as_ref().map(ColumnBits::view)
    }

    /// The first of `positions` for whose value `before` does not hold, or their end. It must hold for all values up to
    /// some point and for none from there on.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn partition(
        &self,
        column: &ColumnView<'a>,
        positions: Range<u32>,
        mut before: impl FnMut(&ColumnValue<'a>) -> bool,
    ) -> Result<u32> {
        let (mut low, mut high) = (positions.start, positions.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match before(&column.value(self.row(middle)?)?) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Whether the order is that of the column's values, the lists ascend, no row stands twice, and the bits agree.
    pub(crate) fn verify(&self, column: &ColumnView<'a>) -> Result<()> {
        let section = &self.order.section;
        let mut seen = vec![false; self.order.rows as usize];
        let mut take = |row: u32, has_value: bool| -> Result<()> {
            let value = column.get(row)?;
            let comparable = value.order(&value).is_some();
            match seen.get_mut(row as usize) {
                Some(seen) if !*seen && comparable == has_value => *seen = true,
                _ => return Err(section.corrupt(0, format!("row {row} does not belong where it stands"))),
            }
            Ok(())
        };
        let mut last: Option<(ColumnValue<'_>, u32)> = None;
        for position in 0..self.values() {
            let row = self.row(position)?;
            take(row, true)?;
            let value = column.value(row)?;
            let ascends = last.is_none_or(|(v, r)| match v.order(&value) {
                Some(Ordering::Less) => true,
                Some(Ordering::Equal) => r < row,
                _ => false,
            });
            if !ascends {
                let at = HEAD + 4 * u64::from(position);
                return Err(section.corrupt(at, format!("row {row} is not in the order of the values")));
            }
            last = Some((value, row));
        }
        for (list, nulls) in [(self.null_list(), true), (self.other_list(), false)] {
            let mut rows = Vec::new();
            self.list(list, |row| rows.push(row))?;
            if !rows.is_sorted() {
                return Err(section.corrupt(HEAD, "the rows without a value do not ascend"));
            }
            for row in rows {
                take(row, false)?;
                if nulls && column.get(row)? != ColumnValue::Null {
                    return Err(section.corrupt(HEAD, format!("row {row} has a value and says null")));
                }
            }
        }
        for row in (0..self.order.rows).filter(|row| !seen.get(*row as usize).is_some_and(|s| *s)) {
            if column.get(row)? != ColumnValue::Null {
                return Err(section.corrupt(0, format!("row {row} has a value and no place in the order")));
            }
        }
        self.dense().map_or(Ok(()), |dense| dense.verify(column, self))
    }

    fn null_list(&self) -> Range<u64> {
        let start = u64::from(self.values());
        start..start + u64::from(self.nulls())
    }

    fn other_list(&self) -> Range<u64> {
        let start = self.null_list().end;
        start..start + u64::from(self.others())
    }

    /// Calls `each` with the numbers at `places` among all of the section.
    fn list(&self, places: Range<u64>, each: impl FnMut(u32)) -> Result<()> {
        let count = places.end.saturating_sub(places.start) as u32;
        self.order.section.row_list(HEAD + 4 * places.start, count, self.order.rows, each)
    }

    /// Whether `row` is among the ascending numbers at `places`.
    fn listed(&self, places: Range<u64>, row: u32) -> Result<bool> {
        self.order.section.lists_row(HEAD + 4 * places.start, (places.end - places.start) as u32, row)
    }

    fn no_row(&self, row: u32) -> crate::Error {
        self.order.section.corrupt(HEAD, format!("the order names row {row} of {} rows", self.order.rows))
    }
}
