//! Keys by row, and rows by key.
//!
//! The section `keys` is one u64 offset a row and one more, counted from the end of the offsets, then the encoded keys
//! (see [`crate::key`]). When all keys are integers, `integer keys` has one i64 a row instead. The section `key index`
//! is two arrays of one u32 a row: the high halves of the keys' hashes, ascending, and the rows they belong to (ascending
//! among equal halves). As hashes are uniform, a lookup starts at its expected place and needs a few probes.
//!
//! Reads from: an index file. Writes to: the sections of one.
//! Never: a row returned for a key it was not compared with.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::key::{Key, KeyRef};
use crate::limits;
use crate::section::{Section, SectionFile, SectionKind, SectionWriter};

/// Gathers the keys of a segment's rows.
#[derive(Debug)]
pub struct KeysWriter {
    form: Gathered,
    /// High half of the hash, then the row: sorting the numbers sorts the index.
    index: Vec<u64>,
}

#[derive(Debug)]
enum Gathered {
    Ints(Vec<u8>),
    Encoded { offsets: Vec<u8>, bytes: Vec<u8> },
}

impl KeysWriter {
    /// No key yet, with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        KeysWriter { form: Gathered::Ints(Vec::with_capacity(rows * 8)), index: Vec::with_capacity(rows) }
    }

    /// Appends the key of the next row.
    ///
    /// # Errors
    /// `LimitExceeded` when it is too long, or there are too many.
    pub fn push(&mut self, key: KeyRef<'_>) -> Result<()> {
        limits::check("key length in bytes", key.encoded_len() as u64 - 1, limits::KEY_BYTES)?;
        let row = self.index.len() as u64;
        limits::check("rows of a segment", row + 1, limits::SEGMENT_ROWS)?;
        match (&mut self.form, key) {
            (Gathered::Ints(ints), KeyRef::Int(i)) => ints.extend(i.to_le_bytes()),
            (Gathered::Ints(ints), KeyRef::Str(_)) => {
                let (mut offsets, mut bytes) = (vec![0; 8], Vec::new());
                for int in ints.chunks_exact(8) {
                    let int = int.try_into().map(i64::from_le_bytes).unwrap_or_default();
                    append(KeyRef::Int(int), &mut offsets, &mut bytes);
                }
                append(key, &mut offsets, &mut bytes);
                self.form = Gathered::Encoded { offsets, bytes };
            }
            (Gathered::Encoded { offsets, bytes }, key) => append(key, offsets, bytes),
        }
        self.index.push((key.hash64() >> 32) << 32 | row);
        Ok(())
    }

    /// Adds the sections; a key that stands twice is returned instead.
    pub fn finish(mut self, sections: &mut SectionWriter) -> Result<(), Key> {
        self.index.sort_unstable();
        let mut same = Vec::new();
        for group in self.index.chunk_by(|a, b| a >> 32 == b >> 32).filter(|g| g.len() > 1) {
            same.clear();
            same.extend(group.iter().filter_map(|entry| self.key(*entry as u32)));
            same.sort_unstable();
            if let Some(twice) = same.windows(2).find(|w| w[0] == w[1]) {
                return Err(twice[0].to_key());
            }
        }
        let mut index = Vec::with_capacity(self.index.len() * 8);
        index.extend(self.index.iter().flat_map(|entry| ((entry >> 32) as u32).to_le_bytes()));
        index.extend(self.index.iter().flat_map(|entry| (*entry as u32).to_le_bytes()));
        match self.form {
            Gathered::Ints(ints) => sections.add(SectionKind::IntKeys, 0, ints),
            Gathered::Encoded { mut offsets, bytes } => {
                offsets.extend_from_slice(&bytes);
                sections.add(SectionKind::Keys, 0, offsets);
            }
        }
        sections.add(SectionKind::KeyIndex, 0, index);
        Ok(())
    }

    fn key(&self, row: u32) -> Option<KeyRef<'_>> {
        let at = row as usize * 8;
        match &self.form {
            Gathered::Ints(ints) => {
                Some(KeyRef::Int(i64::from_le_bytes(ints.get(at..at + 8)?.try_into().ok()?)))
            }
            Gathered::Encoded { offsets, bytes } => {
                let offset = |at: usize| Some(u64::from_le_bytes(offsets.get(at..at + 8)?.try_into().ok()?));
                KeyRef::decode(bytes.get(offset(at)? as usize..offset(at + 8)? as usize)?)
            }
        }
    }
}

fn append(key: KeyRef<'_>, offsets: &mut Vec<u8>, bytes: &mut Vec<u8>) {
    key.encode(bytes);
    offsets.extend((bytes.len() as u64).to_le_bytes());
}

/// The keys of an open segment.
#[derive(Debug)]
pub struct Keys {
    rows: u32,
    ints: bool,
    keys: Arc<Section>,
    index: Arc<Section>,
}

impl Keys {
    /// Finds the sections in `file` and compares their lengths with `rows`.
    ///
    /// # Errors
    /// `Corrupt` when one is missing or of the wrong length.
    pub fn open(file: &SectionFile, rows: u32) -> Result<Keys> {
        let n = u64::from(rows);
        let index = file.expect(SectionKind::KeyIndex, 0, n * 8)?;
        let (ints, keys) = match file.get(SectionKind::Keys, 0) {
            Some(keys) if keys.len() < (n + 1) * 8 => {
                return Err(keys.corrupt(0, format!("{} bytes are too few for {n} keys", keys.len())));
            }
            Some(keys) => (false, keys.clone()),
            None => (true, file.expect(SectionKind::IntKeys, 0, n * 8)?),
        };
        Ok(Keys { rows, ints, keys, index })
    }

    /// The key of a row.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or no valid key; `Io`.
    pub fn key(&self, row: u32) -> Result<KeyRef<'_>> {
        let row = u64::from(row);
        if self.ints {
            return self.keys.u64(row).map(|int| KeyRef::Int(int as i64));
        }
        let base = (u64::from(self.rows) + 1) * 8;
        if row >= u64::from(self.rows) {
            return Err(self.keys.corrupt(0, format!("row {row} of {} rows", self.rows)));
        }
        let range = self.keys.range(0, row, self.keys.len() - base)?;
        let bytes = self.keys.get(base + range.start, range.end - range.start)?;
        KeyRef::decode(bytes)
            .ok_or_else(|| self.keys.corrupt(base + range.start, format!("row {row} has no valid key")))
    }

    /// The row of a key; `None` when no row has it.
    ///
    /// # Errors
    /// `Corrupt` when what it meets on the way is damaged; `Io`.
    pub fn find(&self, key: KeyRef<'_>) -> Result<Option<u32>> {
        let high = (key.hash64() >> 32) as u32;
        for at in self.first_at_least(high)?..self.rows {
            if self.high(at)? != high {
                break;
            }
            let row = self.row(at)?;
            if self.key(row)? == key {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Calls `damaged` with the first error among the keys and the first in their index.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        if let Err(e) = self.verify_keys() {
            damaged(e);
        } else if let Err(e) = self.verify_index() {
            damaged(e);
        }
    }

    fn verify_keys(&self) -> Result<()> {
        if !self.ints {
            let base = (u64::from(self.rows) + 1) * 8;
            if self.keys.u64(0)? != 0 || self.keys.u64(u64::from(self.rows))? != self.keys.len() - base {
                return Err(self.keys.corrupt(0, "the keys' offsets do not span them"));
            }
        }
        (0..self.rows).try_for_each(|row| self.key(row).map(|_| ()))
    }

    /// Ascending halves, and every key found at its own row: as there are as many entries as rows, no entry is left
    /// that could be wrong.
    fn verify_index(&self) -> Result<()> {
        for at in 1..self.rows {
            if self.high(at - 1)? > self.high(at)? {
                return Err(self.index.corrupt(u64::from(at) * 4, "the key index is not sorted"));
            }
        }
        for row in 0..self.rows {
            let key = self.key(row)?;
            match self.find(key)? {
                Some(found) if found == row => {}
                Some(other) => {
                    return Err(self
                        .index
                        .corrupt(0, format!("rows {row} and {other} have the same key {key}")));
                }
                None => return Err(self.index.corrupt(0, format!("the key index lacks {key} of row {row}"))),
            }
        }
        Ok(())
    }

    /// The first place of the index whose half is not below `high`.
    pub(super) fn first_at_least(&self, high: u32) -> Result<u32> {
        // Uniform hashes lie within a few times the square root of their number from their expected place.
        let place = ((u64::from(high) * u64::from(self.rows)) >> 32) as u32;
        let window = 2 * self.rows.isqrt() + 8;
        let mut range: Range<u32> = 0..self.rows;
        let (low, top) = (place.saturating_sub(window), place.saturating_add(window));
        if low > 0 {
            if self.high(low)? < high {
                range.start = low + 1;
            } else {
                range.end = low;
            }
        }
        if range.contains(&top) {
            if self.high(top)? < high {
                range.start = top + 1;
            } else {
                range.end = top;
            }
        }
        while range.start < range.end {
            let middle = range.start + (range.end - range.start) / 2;
            if self.high(middle)? < high {
                range.start = middle + 1;
            } else {
                range.end = middle;
            }
        }
        Ok(range.start)
    }

    fn high(&self, at: u32) -> Result<u32> {
        self.index.u32(u64::from(at))
    }

    fn row(&self, at: u32) -> Result<u32> {
        let place = u64::from(self.rows) + u64::from(at);
        let row = self.index.u32(place)?;
        if row >= self.rows {
            return Err(self.index.corrupt(place * 4, format!("row {row} of {} rows", self.rows)));
        }
        Ok(row)
    }
}
