//! The rows of a column's frequent values as bits, so that filters on them need not gather rows one by one.
//!
//! | at (in the section) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | rows of the segment |
//! | 4 | 4 | c, how many values |
//! | 8 + 8 i | 4 | where the rows of value i start in the column's order |
//! | 12 + 8 i | 4 | where they end |
//! | 8 + 8 c | c × rows / 8 | one bit a row and value, value after value, from the lowest bit of each byte, each padded to a multiple of 8 |
//!
//! A value is frequent when at least one row in [`FREQUENT`] has it, so that all bits together take no more than the
//! order does. The rows of rarer values are found fast enough in the order. Values stand in the order of their values,
//! and are the values of the rows at those positions.
//!
//! Reads from: an index file. Writes to: a section of one.
//! Never: more bytes than the head was compared with.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::limits;
use crate::section::columns::order::{OrderView, Sorted};
use crate::section::columns::{Column, ColumnView};
use crate::section::{Section, SectionFile, SectionKind};

/// A frequent value is that of at least one row in so many.
pub const FREQUENT: u32 = limits::DENSE_VALUES as u32;
/// Segments with fewer rows have no bits: gathering a few rows costs nothing.
const LEAST_ROWS: u32 = 1024;

const HEAD: u64 = 8;
const ENTRY: u64 = 8;

/// The section's bytes; `None` when no value is frequent.
pub(crate) fn encode(column: &Column, sorted: &Sorted) -> Option<Vec<u8>> {
    let rows = column.values.len() as u32;
    let runs = frequent(column, &sorted.order, rows);
    if runs.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    out.extend(rows.to_le_bytes());
    out.extend((runs.len() as u32).to_le_bytes());
    for run in &runs {
        out.extend((run.start as u32).to_le_bytes());
        out.extend((run.end as u32).to_le_bytes());
    }
    let mut bits = vec![0u8; bytes_of(rows) as usize];
    for run in runs {
        bits.fill(0);
        for row in sorted.order.get(run).unwrap_or_default() {
            if let Some(byte) = bits.get_mut(*row as usize / 8) {
                *byte |= 1 << (row % 8);
            }
        }
        out.extend_from_slice(&bits);
    }
    Some(out)
}

/// The runs of equal values that are long enough, as positions in `order`.
fn frequent(column: &Column, order: &[u32], rows: u32) -> Vec<Range<usize>> {
    let least = rows.div_ceil(FREQUENT) as usize;
    let mut runs: Vec<Range<usize>> = Vec::new();
    if rows < LEAST_ROWS {
        return runs;
    }
    // A run of that length holds a multiple of it.
    for (row, at) in order.iter().zip(0..).step_by(least) {
        if runs.last().is_some_and(|run| run.end > at) {
            continue;
        }
        let value = column.values.get(*row);
        let is = |order: Ordering| move |r: &u32| column.values.get(*r).order(&value) == Some(order);
        let (low, high) = order.split_at(at);
        let start = low.partition_point(is(Ordering::Less));
        let end = at + high.partition_point(is(Ordering::Equal));
        if end - start >= least {
            runs.push(start..end);
        }
    }
    runs
}

fn bytes_of(rows: u32) -> u64 {
    u64::from(rows).div_ceil(64) * 8
}

/// The bits of an open column.
#[derive(Debug)]
pub struct ColumnBits {
    section: Arc<Section>,
    rows: u32,
    runs: Vec<Range<u32>>,
}

impl ColumnBits {
    /// Reads the head of the bits of column `ordinal`, whose order has `values` positions; `None` when there are none.
    ///
    /// # Errors
    /// `Corrupt` when it contradicts itself or the order; `Io`.
    pub(crate) fn open(
        file: &SectionFile,
        ordinal: u16,
        rows: u32,
        values: u32,
    ) -> Result<Option<ColumnBits>> {
        let Some(section) = file.get(SectionKind::ColumnBits, ordinal).cloned() else { return Ok(None) };
        let (found, count) = (section.u32(0)?, u64::from(section.u32(1)?));
        let fits = found == rows
            && count <= limits::DENSE_VALUES
            && section.len() == HEAD + count * (ENTRY + bytes_of(rows));
        if !fits {
            let why = format!("{} bytes are not the bits of {count} values of {rows} rows", section.len());
            return Err(section.corrupt(0, why));
        }
        let mut runs = Vec::with_capacity(count as usize);
        let mut last = 0;
        for i in 0..count {
            let run = section.u32(2 + 2 * i)?..section.u32(3 + 2 * i)?;
            if run.start < last || run.start >= run.end || run.end > values {
                let why = format!("the rows of a value cannot stand at {run:?} of {values}");
                return Err(section.corrupt(HEAD + i * ENTRY, why));
            }
            last = run.end;
            runs.push(run);
        }
        Ok(Some(ColumnBits { section, rows, runs }))
    }

    pub(crate) fn view(&self) -> DenseView<'_> {
        DenseView { bits: self }
    }
}

/// Reads the bits of a column.
#[derive(Debug, Clone, Copy)]
pub struct DenseView<'a> {
    bits: &'a ColumnBits,
}

impl<'a> DenseView<'a> {
    /// Where the rows of each frequent value stand in the column's order, ascending.
    pub fn runs(&self) -> &'a [Range<u32>] {
        &self.bits.runs
    }

    /// The rows of run `number`: one bit a row, from the lowest of each byte, 8 bytes for every 64 rows begun.
    ///
    /// # Errors
    /// `Corrupt` when there is no such run or its bytes are damaged; `Io`.
    pub fn bits(&self, number: usize) -> Result<&'a [u8]> {
        let len = bytes_of(self.bits.rows);
        let start = HEAD + ENTRY * self.bits.runs.len() as u64;
        self.bits.section.get(start.saturating_add(len.saturating_mul(number as u64)), len)
    }

    /// Whether each run is one value's, all of it, and its bits are those of its rows.
    pub(crate) fn verify(&self, column: &ColumnView<'a>, order: &OrderView<'a>) -> Result<()> {
        let section = &self.bits.section;
        for (number, run) in self.runs().iter().enumerate() {
            let value = column.value(order.row(run.start)?)?;
            let all = order.values();
            let start = order.partition(column, 0..all, |v| v.order(&value) == Some(Ordering::Less))?;
            let end = order.partition(column, start..all, |v| v.order(&value) == Some(Ordering::Equal))?;
            if (start..end) != *run {
                let at = HEAD + ENTRY * number as u64;
                return Err(
                    section.corrupt(at, format!("the rows of value {number} stand at {start}..{end}"))
                );
            }
            let mut expected = vec![0u8; bytes_of(self.bits.rows) as usize];
            order.rows(run.clone(), |row| {
                if let Some(byte) = expected.get_mut(row as usize / 8) {
                    *byte |= 1 << (row % 8);
                }
            })?;
            if self.bits(number)? != expected {
                return Err(section.corrupt(HEAD, format!("the bits of value {number} are not its rows")));
            }
        }
        Ok(())
    }
}
