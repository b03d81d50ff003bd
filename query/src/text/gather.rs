//! Words of rows gathered in memory: what an index is written from, and what is searched where there is none.
//!
//! The postings of a word are kept as bytes, about two a posting, so that a large segment's fit.
//!
//! Reads from: words. Writes to: its own memory. Never: a row that comes after a later one.

use std::collections::HashMap;

use crate::text::Statistics;

/// The words of rows 0 to n - 1.
#[derive(Debug, Default)]
pub struct Gathered {
    lengths: Vec<u32>,
    words: HashMap<Box<str>, Postings>,
    statistics: Statistics,
    /// Whether words that are not there yet are only counted.
    closed: bool,
}

/// The rows of one word.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    /// All but the last: the step from the row before, and how often, each as a number of seven bits a byte.
    bytes: Vec<u8>,
    /// The row before the last.
    before: u32,
    /// The last row, and how often the word stands in it so far.
    row: u32,
    tf: u32,
    /// How many rows have the word.
    having: u32,
}

impl Gathered {
    /// No row yet; keeps every word.
    pub fn new() -> Gathered {
        Gathered::default()
    }

    /// No row yet; counts all words and keeps the rows of these alone.
    pub fn only<'a>(words: impl IntoIterator<Item = &'a str>) -> Gathered {
        let words = words.into_iter().map(|word| (word.into(), Postings::default())).collect();
        Gathered { words, closed: true, ..Gathered::default() }
    }

    /// Begins the next row; rows are numbered from 0.
    pub fn next_row(&mut self) {
        self.lengths.push(0);
    }

    /// Adds a word to the row begun last.
    pub fn push(&mut self, word: &str) {
        let row = self.lengths.len().saturating_sub(1) as u32;
        let Some(length) = self.lengths.last_mut() else { return };
        self.statistics.documents += u64::from(*length == 0);
        self.statistics.words += 1;
        *length = length.saturating_add(1);
        match self.words.get_mut(word) {
            Some(postings) => postings.push(row),
            None if self.closed => {}
            None => self.words.entry(word.into()).or_default().push(row),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// Counts over all rows.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// How many words a row has.
    pub fn length(&self, row: u32) -> u32 {
        self.lengths.get(row as usize).copied().unwrap_or(0)
    }

    /// The rows of a word, if any has it.
    pub(crate) fn postings(&self, word: &str) -> Option<&Postings> {
        self.words.get(word).filter(|postings| postings.having > 0)
    }

    /// Every word with its rows, in the order of the words' bytes.
    pub(crate) fn into_sorted(self) -> (Vec<u32>, Vec<(Box<str>, Postings)>) {
        let mut words: Vec<(Box<str>, Postings)> =
            self.words.into_iter().filter(|(_, postings)| postings.having > 0).collect();
        words.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        (self.lengths, words)
    }
}

impl Postings {
    fn push(&mut self, row: u32) {
        if self.having > 0 && self.row == row {
            self.tf = self.tf.saturating_add(1);
            return;
        }
        if self.having > 0 {
            put(self.row - self.before, &mut self.bytes);
            put(self.tf, &mut self.bytes);
            self.before = self.row;
        }
        self.row = row;
        self.tf = 1;
        self.having += 1;
    }

    /// How many rows have the word.
    pub fn having(&self) -> u32 {
        self.having
    }

    /// The rows, ascending, and how often the word stands in each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let (mut rest, mut row) = (self.bytes.as_slice(), 0);
        let kept = std::iter::from_fn(move || {
            row += take(&mut rest)?;
            Some((row, take(&mut rest)?))
        });
        kept.chain((self.having > 0).then_some((self.row, self.tf)))
    }
}

fn put(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(first & 0x7f) << shift;
        if *first < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_gathered_comes_back() {
        let mut all = Gathered::new();
        for (row, words) in
            ["b a b", "", "c", "a a a"].into_iter().chain((4..300).map(|_| "")).chain(["a"]).enumerate()
        {
            all.next_row();
            words.split_whitespace().for_each(|word| all.push(word));
            assert_eq!(all.rows() as usize, row + 1);
        }
        let rows = |all: &Gathered, word| all.postings(word).map(|p| p.iter().collect::<Vec<_>>());
        assert_eq!(rows(&all, "a"), Some(vec![(0, 1), (3, 3), (300, 1)]));
        assert_eq!((rows(&all, "b"), rows(&all, "x")), (Some(vec![(0, 2)]), None));
        assert_eq!(all.statistics(), Statistics { documents: 4, words: 8 });
        assert_eq!((all.length(0), all.length(1), all.length(3), all.length(999)), (3, 0, 3, 0));
        assert_eq!(all.into_sorted().1.iter().map(|(w, _)| &**w).collect::<Vec<_>>(), ["a", "b", "c"]);
        let mut some = Gathered::only(["a", "x"]);
        some.next_row();
        ["a", "b"].iter().for_each(|word| some.push(word));
        assert_eq!((rows(&some, "a"), rows(&some, "b"), rows(&some, "x")), (Some(vec![(0, 1)]), None, None));
        assert_eq!(some.statistics(), Statistics { documents: 1, words: 2 });
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u32::MAX - 1, u32::MAX];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|n| put(*n, &mut bytes));
        let mut rest = bytes.as_slice();
        assert_eq!(numbers.map(|_| take(&mut rest).unwrap()), numbers);
        assert_eq!(take(&mut rest), None);
    }
}
