//! Goes through the rows of one word, ascending, and passes over blocks without reading them.
//!
//! Reads from: a list of postings. Writes to: its own memory, one block. Never: a step back, so that every walk ends.

use foretaste_storage::Result;

use crate::text::bm25::Weight;
use crate::text::postings::Stored;

/// The row of a cursor that has come to its end; no row has this number.
pub(crate) const END: u32 = u32::MAX;

/// Where a word's rows are.
#[derive(Debug)]
pub(crate) enum List<'a> {
    /// In a section.
    Stored(Stored<'a>),
    /// Here, with how often the word stands in each.
    Read(Vec<u32>, Vec<u32>),
}

/// A place in a list.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    /// The list, if it has blocks that are not read yet.
    stored: Option<Stored<'a>>,
    pub weight: Weight,
    /// Which word of the query it is.
    pub word: usize,
    /// What no row of the list exceeds.
    pub bound: f64,
    /// The row it is at, or [`END`].
    pub row: u32,
    rows: Vec<u32>,
    times: Vec<u32>,
    at: usize,
    /// The block that was read last.
    block: u32,
    near: Near,
}

/// The block where the rows that are looked for would be; it is at or after the one read last.
#[derive(Debug, Clone, Copy)]
struct Near {
    block: u32,
    last: u32,
    bound: f64,
}

impl List<'_> {
    /// How many rows have the word.
    pub fn having(&self) -> u32 {
        match self {
            List::Stored(stored) => stored.having(),
            List::Read(rows, _) => rows.len() as u32,
        }
    }
}

impl<'a> Cursor<'a> {
    /// At the first row of `list`, the rows of word number `word` of the query.
    pub fn new(list: List<'a>, weight: Weight, word: usize) -> Result<Cursor<'a>> {
        let most = weight.most();
        let (stored, rows, times) = match list {
            List::Stored(stored) => (Some(stored), Vec::new(), Vec::new()),
            List::Read(rows, times) => (None, rows, times),
        };
        let row = rows.first().copied().unwrap_or(END);
        let near = Near { block: 0, last: END, bound: most };
        let mut cursor =
            Cursor { stored, weight, word, bound: most, row, rows, times, at: 0, block: 0, near };
        if let Some(stored) = &cursor.stored {
            cursor.bound = stored.impacts()?.bound(&weight);
            cursor.near = cursor.near(0)?;
            cursor.read(0)?;
        }
        Ok(cursor)
    }

    /// How often the word stands in the row it is at.
    pub fn times(&self) -> u32 {
        self.times.get(self.at).copied().unwrap_or(0)
    }

    /// To the next row.
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        self.at += 1;
        match self.rows.get(self.at) {
            Some(row) => self.row = *row,
            None => self.read(self.block.saturating_add(1))?,
        }
        Ok(())
    }

    /// To the first row that is not below `row`.
    pub fn seek(&mut self, row: u32) -> Result<()> {
        if self.row >= row {
            return Ok(());
        }
        if self.rows.last().is_none_or(|last| *last < row) {
            self.look(row)?;
            self.read(self.near.block)?;
        }
        let rest = self.rows.get(self.at..).unwrap_or_default();
        self.at += rest.partition_point(|r| *r < row);
        self.row = self.rows.get(self.at).copied().unwrap_or(END);
        Ok(())
    }

    /// The bound of the block where `row`, not before the one it is at, would be, and that block's last row. No block is
    /// read.
    #[inline]
    pub fn look(&mut self, row: u32) -> Result<(f64, u32)> {
        if self.near.last < row {
            self.near = self.find(row)?;
        }
        Ok((self.near.bound, self.near.last))
    }

    /// The first block after the near one whose last row is not below `row`: by growing steps, then by halves.
    fn find(&self, row: u32) -> Result<Near> {
        let Some(stored) = &self.stored else { return Ok(Near { block: 0, last: END, bound: 0.0 }) };
        let blocks = stored.blocks();
        let (mut low, mut step) = (self.near.block + 1, 1);
        let mut high = low;
        while high < blocks && stored.entry(high)?.last < row {
            low = high + 1;
            high = high.saturating_add(step);
            step = step.saturating_mul(2);
        }
        high = high.min(blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            match stored.entry(middle)?.last < row {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        self.near(low)
    }

    fn near(&self, block: u32) -> Result<Near> {
        match &self.stored {
            Some(stored) if block < stored.blocks() => {
                let entry = stored.entry(block)?;
                Ok(Near { block, last: entry.last, bound: entry.impacts.bound(&self.weight) })
            }
            _ => Ok(Near { block, last: END, bound: 0.0 }),
        }
    }

    /// Reads a block, which is not before the one read last, and stands at its first row.
    fn read(&mut self, block: u32) -> Result<()> {
        self.at = 0;
        self.block = block;
        match &self.stored {
            Some(stored) if block < stored.blocks() => stored.read(block, &mut self.rows, &mut self.times)?,
            _ => self.rows.clear(),
        }
        self.row = self.rows.first().copied().unwrap_or(END);
        if self.near.block < block {
            self.near = self.near(block)?;
        }
        Ok(())
    }
}
