//! The member paths that occur in a segment's documents, where all of them are known: a filter on another path needs no
//! document to say what is there.
//!
//! | at (in the section) | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | n, how many paths |
//! | 4 | 4 | s, steps: paths with more are not listed |
//! | 8 | 4 (n + 1) | where each path starts and the last one ends, counted from the end of these numbers |
//! | then | | the paths, UTF-8, ascending by bytes, each once |
//!
//! A **member path** consists of names only: each step goes into an object. Its text has every name in double quotes, those
//! in it doubled, with dots between: `"authors"."family name"`. The canonical text of filters would not do, as it changes
//! with the words of the language.
//!
//! The list is **complete**: every member path of at most s steps at which some row's document has anything, even null,
//! is on it. A member path of at most s steps that is not on it is missing in every row, and so is whatever begins with
//! it. Nothing is said of paths that go on from a listed one through an element of an array, or beyond s steps.
//!
//! Where the list is not complete there is no section; nor is there in segments of before.
//!
//! Reads from: an index file. Writes to: a section of one.
//! Never: a list that lacks a path; a document.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::limits;
use crate::section::{SectionFile, SectionKind};

/// Bytes before the offsets.
const HEAD: u64 = 8;

/// A complete list of the member paths of a segment's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    steps: u32,
    names: BTreeSet<String>,
}

impl Paths {
    /// The list of `names`, the texts of all member paths of at most `steps` steps that occur.
    ///
    /// # Errors
    /// `LimitExceeded` for too many paths, or too many bytes of them together.
    pub fn new(steps: u32, names: BTreeSet<String>) -> Result<Paths> {
        limits::check("listed paths", names.len() as u64, limits::PATHS)?;
        let bytes = names.iter().map(|name| name.len() as u64).sum();
        limits::check("listed paths in bytes", bytes, limits::PATHS_BYTES)?;
        Ok(Paths { steps, names })
    }

    /// The most steps of a path that the list knows of.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Whether the path with this text is on the list.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The listed paths, by bytes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The section's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let ends = self.names().scan(0, |end, name| {
            *end += name.len() as u32;
            Some(*end)
        });
        let mut out = Vec::new();
        out.extend((self.names.len() as u32).to_le_bytes());
        out.extend(self.steps.to_le_bytes());
        out.extend(std::iter::once(0).chain(ends).flat_map(u32::to_le_bytes));
        out.extend(self.names().flat_map(str::bytes));
        out
    }

    /// Reads the list; `None` when the segment has none.
    ///
    /// # Errors
    /// `Corrupt` when it contradicts itself or is longer than a list can be; `Io`.
    pub(crate) fn open(file: &SectionFile) -> Result<Option<Paths>> {
        let Some(section) = file.get(SectionKind::Paths, 0) else { return Ok(None) };
        let (count, steps) = (section.u32(0)?, section.u32(1)?);
        let base = HEAD + 4 * (u64::from(count) + 1);
        let bytes = section.len().checked_sub(base);
        let Some(bytes) = bytes.filter(|b| u64::from(count) <= limits::PATHS && *b <= limits::PATHS_BYTES)
        else {
            let why = format!("{} bytes are not a list of {count} paths", section.len());
            return Err(section.corrupt(0, why));
        };
        let offset = |i: u32| section.u32(2 + u64::from(i)).map(u64::from);
        if offset(0)? != 0 || offset(count)? != bytes {
            return Err(section.corrupt(HEAD, format!("the offsets do not span {bytes} bytes of paths")));
        }
        let (mut names, mut last) = (BTreeSet::new(), None);
        for i in 0..count {
            let (start, end) = (offset(i)?, offset(i + 1)?);
            let Some(len) = end.checked_sub(start).filter(|_| end <= bytes) else {
                let at = HEAD + 4 * u64::from(i);
                return Err(
                    section.corrupt(at, format!("path {i} cannot stand at {start}..{end} of {bytes}"))
                );
            };
            let name = std::str::from_utf8(section.get(base + start, len)?);
            let name = name.map_err(|_| section.corrupt(base + start, format!("path {i} is not UTF-8")))?;
            if last.is_some_and(|last| last >= name) {
                return Err(section.corrupt(base + start, format!("path {i} does not ascend")));
            }
            last = Some(name);
            names.insert(name.to_string());
        }
        Ok(Some(Paths { steps, names }))
    }
}

#[cfg(test)]
mod tests;
