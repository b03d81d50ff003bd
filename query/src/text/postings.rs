//! The rows of one word as they are stored, in blocks of 128 that can be passed over.
//!
//! | at (in the list) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 16 | bound of all postings, see [`crate::text::impact`] |
//! | 16 + 32 i | 4 | last row of block i |
//! | 20 + 32 i | 1 | bits a step |
//! | 21 + 32 i | 1 | bits an occurrence |
//! | 22 + 32 i | 2 | zero |
//! | 24 + 32 i | 8 | where the block's numbers start, from the end of the last of these entries |
//! | 32 + 32 i | 16 | bound of the block |
//! | then | | of each block the steps from row to row less 1 (the first from the last row of the block before, or -1), then the occurrences less 1; both packed |
//!
//! A word that one row has needs no list: its entry in the dictionary holds the row.
//!
//! Reads from: a section. Writes to: the same, once.
//! Never: a row handed on that does not follow the one before, or that the segment does not have.

use foretaste_storage::Result;
use foretaste_storage::section::Section;

use crate::text::impact::{IMPACT_BYTES, Impacts};
use crate::text::pack::{pack, packed_len, unpack, width};

/// Postings of a block but the last.
pub(crate) const BLOCK: usize = 128;
const ENTRY: u64 = 32;

/// Appends the list of `postings` (row, occurrences), of which there are two or more, rows ascending.
pub(crate) fn encode(postings: &[(u32, u32)], length: impl Fn(u32) -> u32, out: &mut Vec<u8>) {
    let pair = |&(row, tf): &(u32, u32)| (tf, length(row));
    out.extend(Impacts::of(postings.iter().map(pair)).encode());
    let mut data = Vec::new();
    let mut before = None;
    for block in postings.chunks(BLOCK) {
        let last = block.last().map_or(0, |(row, _)| *row);
        let steps = || {
            let from = std::iter::once(before).chain(block.iter().map(|(row, _)| Some(*row)));
            block.iter().zip(from).map(|((row, _), before)| before.map_or(*row, |before| row - before - 1))
        };
        let times = || block.iter().map(|(_, tf)| tf - 1);
        let (step_bits, time_bits) = (width(steps()), width(times()));
        out.extend(last.to_le_bytes());
        out.extend([step_bits, time_bits, 0, 0]);
        out.extend((data.len() as u64).to_le_bytes());
        out.extend(Impacts::of(block.iter().map(pair)).encode());
        pack(steps(), step_bits, &mut data);
        pack(times(), time_bits, &mut data);
        before = Some(last);
    }
    out.extend(data);
}

/// A list as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    section: &'a Section,
    start: u64,
    having: u32,
    /// Rows of the segment.
    rows: u32,
}

/// What is known of a block before its numbers are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub last: u32,
    pub impacts: Impacts,
    bits: [u8; 2],
    data: u64,
}

impl<'a> Stored<'a> {
    /// The list of `having` rows at `start` of `section`, of a segment of `rows`.
    pub fn new(section: &'a Section, start: u64, having: u32, rows: u32) -> Stored<'a> {
        Stored { section, start, having, rows }
    }

    /// How many rows have the word.
    pub fn having(&self) -> u32 {
        self.having
    }

    pub fn blocks(&self) -> u32 {
        self.having.div_ceil(BLOCK as u32)
    }

    /// The bound of all postings.
    pub fn impacts(&self) -> Result<Impacts> {
        self.section.array(self.start).map(|bytes| Impacts::decode(&bytes))
    }

    /// The entry of a block.
    #[inline]
    pub fn entry(&self, block: u32) -> Result<Entry> {
        let bytes: [u8; ENTRY as usize] = self.section.array(self.entry_at(block))?;
        let (last, rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let (bits, rest) = rest.split_first_chunk().unwrap_or((&[0; 2], &[]));
        let (_zero, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
        let (data, rest) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let impacts =
            rest.first_chunk::<{ IMPACT_BYTES as usize }>().map(Impacts::decode).unwrap_or_default();
        Ok(Entry { last: u32::from_le_bytes(*last), bits: *bits, data: u64::from_le_bytes(*data), impacts })
    }

    /// Reads a block in place of what `rows` and `times` held.
    pub fn read(&self, block: u32, rows: &mut Vec<u32>, times: &mut Vec<u32>) -> Result<()> {
        rows.clear();
        times.clear();
        let entry = self.entry(block)?;
        let before = match block.checked_sub(1) {
            Some(before) => i64::from(self.entry(before)?.last),
            None => -1,
        };
        let count = (self.having as usize).saturating_sub(block as usize * BLOCK).min(BLOCK);
        let [step_bits, time_bits] = entry.bits;
        if step_bits > 32 || time_bits > 32 {
            return Err(self.corrupt(block, format!("numbers of {step_bits} and {time_bits} bits")));
        }
        let (steps, occurrences) = (packed_len(count, step_bits), packed_len(count, time_bits));
        let data = self.entry_at(self.blocks()).saturating_add(entry.data);
        let bytes = self.section.get(data, (steps + occurrences) as u64)?;
        let (steps, occurrences) = bytes.split_at_checked(steps).unwrap_or_default();
        let mut row = before;
        unpack(steps, count, step_bits, |step| {
            row += i64::from(step) + 1;
            rows.push(row as u32);
        });
        // Rows ascend by construction; so the last one being in its place means that none overflowed.
        if row != i64::from(entry.last) || entry.last >= self.rows {
            let why = format!("the block ends with row {row}, not {} of {} rows", entry.last, self.rows);
            return Err(self.corrupt(block, why));
        }
        unpack(occurrences, count, time_bits, |less| times.push(less.saturating_add(1)));
        Ok(())
    }

    /// A `Corrupt` error at a block's entry.
    pub fn corrupt(&self, block: u32, why: String) -> foretaste_storage::Error {
        self.section.corrupt(self.entry_at(block), why)
    }

    fn entry_at(&self, block: u32) -> u64 {
        self.start.saturating_add(IMPACT_BYTES).saturating_add(u64::from(block) * ENTRY)
    }
}
