//! A field's full-text index in a sealed segment: opened, asked for the rows of a word, verified.
//!
//! The dictionary (`TextTerms`) is the words in the order of their bytes, 24 bytes each:
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 24 i | 8 | where word i ends in `TextWords`; it starts where the one before ends |
//! | 24 i + 8 | 8 | where its list starts in `TextPostings`; of a word that one row has, the row, then the occurrences, 4 bytes each |
//! | 24 i + 16 | 4 | rows that have the word |
//! | 24 i + 20 | 4 | zero |
//!
//! Reads from: a `text.N` file. Writes to: nothing.
//! Never: an offset used before the section compared it with its length; a row that the segment does not have.

use std::sync::Arc;

use bincode::{Decode, Encode};
use foretaste_storage::codec::header::HEADER_BYTES;
use foretaste_storage::codec::meta;
use foretaste_storage::section::{Section, SectionFile, SectionKind};
use foretaste_storage::{Error, Result, limits};

use crate::text::cursor::List;
use crate::text::impact::Impacts;
use crate::text::postings::{BLOCK, Stored};
use crate::text::{ANALYSIS, Analyser, Statistics};

/// The version of the sections that this build writes, and the newest that it reads.
pub(crate) const VERSION: u16 = 1;
pub(crate) const TERM: u64 = 24;
/// Longest head: a path and some numbers.
const HEAD_BYTES: u64 = 4096;

/// The section `TextHead`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Head {
    pub version: u16,
    pub analysis: u16,
    pub path: String,
    pub analyser: Analyser,
    pub rows: u32,
    pub documents: u32,
    pub words: u64,
    pub terms: u32,
}

/// An open index of one field.
#[derive(Debug)]
pub struct TextIndex {
    head: Head,
    lengths: Arc<Section>,
    terms: Arc<Section>,
    words: Arc<Section>,
    postings: Arc<Section>,
}

/// An entry of the dictionary.
struct Term {
    start: [u8; 8],
    having: u32,
}

impl TextIndex {
    /// Opens the index of field number `field` of a segment of `rows` rows; `None` when the file has none of that number.
    ///
    /// # Errors
    /// `Corrupt` when it contradicts itself; `FormatTooNew`; `Io`.
    pub fn open(file: &SectionFile, field: u16, rows: u32) -> Result<Option<TextIndex>> {
        let Some(section) = file.get(SectionKind::TextHead, field) else { return Ok(None) };
        if section.len() > HEAD_BYTES {
            return Err(section.corrupt(0, format!("a head of {} bytes is too long", section.len())));
        }
        let version = u16::from_le_bytes(section.array(0)?);
        if version > VERSION {
            let file = section.file_name().to_path_buf();
            return Err(Error::FormatTooNew { file, found: version.into(), supported: VERSION.into() });
        }
        let (bytes, place) = (section.get(0, section.len())?, HEADER_BYTES + section.offset());
        let head: Head = meta::decode(bytes, section.file_name(), place)?;
        let fits = head.rows == rows
            && head.documents <= rows
            && head.words >= u64::from(head.documents)
            && head.words <= limits::DATABASE_BYTES;
        if !fits {
            return Err(section.corrupt(0, format!("{head:?} contradicts itself or {rows} rows")));
        }
        let lengths = file.expect(SectionKind::TextLengths, field, u64::from(rows) * 4)?;
        let terms = file.expect(SectionKind::TextTerms, field, u64::from(head.terms) * TERM)?;
        let any = |kind| {
            let found = file.get(kind, field).cloned();
            found.ok_or_else(|| section.corrupt(0, format!("there is no section {kind:?}")))
        };
        let (words, postings) = (any(SectionKind::TextWords)?, any(SectionKind::TextPostings)?);
        Ok(Some(TextIndex { head, lengths, terms, words, postings }))
    }

    /// The path of its field.
    pub fn path(&self) -> &str {
        &self.head.path
    }

    /// Whether its words are those that `analyser` makes in this version.
    pub fn is_by(&self, analyser: &Analyser) -> bool {
        (self.head.analysis, &self.head.analyser) == (ANALYSIS, analyser)
    }

    /// How many rows the segment has.
    pub fn rows(&self) -> u32 {
        self.head.rows
    }

    /// How many different words it has.
    pub fn terms(&self) -> u32 {
        self.head.terms
    }

    /// Counts over all rows of the segment.
    pub fn statistics(&self) -> Statistics {
        Statistics { documents: self.head.documents.into(), words: self.head.words }
    }

    /// How many words a row has.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    #[inline]
    pub fn length(&self, row: u32) -> Result<u32> {
        self.lengths.u32(row.into())
    }

    /// The rows of a word, if any has it.
    pub(crate) fn list(&self, word: &str) -> Result<Option<List<'_>>> {
        let (mut low, mut high) = (0, self.head.terms);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.word(middle)?.cmp(word.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return self.list_of(middle).map(Some),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn word(&self, number: u32) -> Result<&[u8]> {
        let end = |number: u32| self.terms.array(u64::from(number) * TERM).map(u64::from_le_bytes);
        let start = number.checked_sub(1).map_or(Ok(0), end)?;
        match end(number)?.checked_sub(start) {
            Some(len) if len <= limits::WORD_BYTES => self.words.get(start, len),
            _ => {
                let why = format!("word {number} does not end behind the one before, or is too long");
                Err(self.terms.corrupt(u64::from(number) * TERM, why))
            }
        }
    }

    fn term(&self, number: u32) -> Result<Term> {
        let at = u64::from(number) * TERM;
        let having = u32::from_le_bytes(self.terms.array(at + 16)?);
        if having == 0 || having > self.head.documents {
            let why = format!("{having} of {} rows have word {number}", self.head.documents);
            return Err(self.terms.corrupt(at + 16, why));
        }
        Ok(Term { start: self.terms.array(at + 8)?, having })
    }

    fn list_of(&self, number: u32) -> Result<List<'_>> {
        let Term { start, having } = self.term(number)?;
        if having > 1 {
            let start = u64::from_le_bytes(start);
            return Ok(List::Stored(Stored::new(&self.postings, start, having, self.head.rows)));
        }
        let [row, times] = [0, 4].map(|at| {
            let bytes = start.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        });
        if row >= self.head.rows || times == 0 {
            let why = format!("word {number} stands {times} times in row {row} of {}", self.head.rows);
            return Err(self.terms.corrupt(u64::from(number) * TERM + 8, why));
        }
        Ok(List::Read(vec![row], vec![times]))
    }

    /// Calls `damaged` with the first contradiction among its parts: words ascend, rows follow each other, bounds hold, and
    /// the occurrences of all words are the lengths of the rows.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        if let Err(e) = self.verify_all() {
            damaged(e);
        }
    }

    fn verify_all(&self) -> Result<()> {
        let mut seen = vec![0u32; self.head.rows as usize];
        let mut last: Option<&[u8]> = None;
        for number in 0..self.head.terms {
            let word = self.word(number)?;
            if std::str::from_utf8(word).is_err() || last.is_some_and(|last| last >= word) {
                let why = format!("word {number} is not UTF-8, or does not follow the one before");
                return Err(self.terms.corrupt(u64::from(number) * TERM, why));
            }
            last = Some(word);
            match self.list_of(number)? {
                List::Read(rows, times) => count(&mut seen, &rows, &times),
                List::Stored(stored) => self.verify_list(&stored, &mut seen)?,
            }
        }
        let (mut documents, mut words) = (0, 0);
        for (row, seen) in seen.iter().zip(0..).map(|(seen, row)| (row, seen)) {
            let length = self.length(row)?;
            if length != *seen {
                let why = format!("row {row} has {length} words, {seen} were found");
                return Err(self.lengths.corrupt(u64::from(row) * 4, why));
            }
            documents += u64::from(length > 0);
            words += u64::from(length);
        }
        match (Statistics { documents, words }) == self.statistics() {
            true => Ok(()),
            false => Err(self
                .lengths
                .corrupt(0, format!("{documents} rows with {words} words, not as the head says"))),
        }
    }

    fn verify_list(&self, stored: &Stored<'_>, seen: &mut [u32]) -> Result<()> {
        let whole = stored.impacts()?;
        let (mut rows, mut times) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        for block in 0..stored.blocks() {
            stored.read(block, &mut rows, &mut times)?;
            let own: Impacts = stored.entry(block)?.impacts;
            for (row, times) in rows.iter().zip(&times) {
                let length = self.length(*row)?;
                if !own.cover(*times, length) || !whole.cover(*times, length) {
                    return Err(stored.corrupt(block, format!("row {row} exceeds the bound")));
                }
            }
            count(seen, &rows, &times);
        }
        Ok(())
    }
}

fn count(seen: &mut [u32], rows: &[u32], times: &[u32]) {
    for (row, times) in rows.iter().zip(times) {
        if let Some(seen) = seen.get_mut(*row as usize) {
            *seen = seen.saturating_add(*times);
        }
    }
}
