//! The elements of arrays at one path as a section: sorted, each value and each row of it once.
//!
//! Reads from: pairs of values and rows in any order. Writes to: a section of an index file.
//! Never: a row that has a value and is missing from those that have something there.

use crate::error::Result;
use crate::limits;
use crate::section::columns::order::float_key;
use crate::section::columns::{bits, pad};

/// The elements of arrays at one path, to write. Pairs and rows may come in any order and more than once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Elements {
    /// The path in its canonical form, at most [`limits::NAME_BYTES`] bytes.
    pub name: String,
    /// Truth values and their rows.
    pub bools: Vec<(bool, u32)>,
    /// Integers and their rows.
    pub ints: Vec<(i64, u32)>,
    /// Floats and their rows; NaN has no order and counts as opaque.
    pub floats: Vec<(f64, u32)>,
    /// Strings, to which [`Elements::texts`] refers.
    pub words: Vec<String>,
    /// Places in [`Elements::words`] and their rows.
    pub texts: Vec<(u32, u32)>,
    /// The rows whose document says null there.
    pub nulls: Vec<u32>,
    /// The rows that have something there that no value stands for: an empty array, or one of nulls.
    pub empty: Vec<u32>,
    /// The rows that have an object there, or an array or object within the array.
    pub opaque: Vec<u32>,
    /// The rows that have a value there which is not among the pairs.
    pub partial: Vec<u32>,
}

impl Elements {
    /// Whether every row is below `rows`, every word there, and no row both null and something else.
    pub(crate) fn fits(&self, rows: usize) -> bool {
        let mut held = vec![false; rows];
        let pairs =
            self.all_rows().chain([&self.empty, &self.opaque, &self.partial].into_iter().flatten().copied());
        for row in pairs {
            match held.get_mut(row as usize) {
                Some(held) => *held = true,
                None => return false,
            }
        }
        let words = self.texts.iter().all(|(word, _)| (*word as usize) < self.words.len());
        words && self.nulls.iter().all(|row| held.get(*row as usize) == Some(&false))
    }

    /// How many pairs there are, as they came.
    fn pairs(&self) -> u64 {
        (self.bools.len() + self.ints.len() + self.floats.len() + self.texts.len()) as u64
    }

    /// The rows of all pairs.
    fn all_rows(&self) -> impl Iterator<Item = u32> {
        let bools = self.bools.iter().map(|(_, row)| *row);
        let ints = self.ints.iter().map(|(_, row)| *row);
        let floats = self.floats.iter().map(|(_, row)| *row);
        bools.chain(ints).chain(floats).chain(self.texts.iter().map(|(_, row)| *row))
    }

    /// The section's bytes, of a segment of `rows` rows.
    ///
    /// # Errors
    /// `LimitExceeded` when the name is too long or there are too many pairs.
    pub(crate) fn encode(&self, rows: u32) -> Result<Vec<u8>> {
        check(self.name.len() as u64, self.pairs())?;
        let (words, ranks) = ranked(&self.words);
        let rank = |word: u32| ranks.get(word as usize).copied().unwrap_or_default();
        let nan = self.floats.iter().filter(|(x, _)| x.is_nan()).map(|(_, row)| *row);
        let kinds = [
            sorted(self.bools.iter().map(|(b, row)| (u64::from(*b), *row))),
            // Flipping the sign bit maps the order of i64 to that of u64.
            sorted(self.ints.iter().map(|(i, row)| (*i as u64 ^ 1 << 63, *row))),
            sorted(self.floats.iter().filter(|(x, _)| !x.is_nan()).map(|(x, row)| (float_key(*x), *row))),
            sorted(self.texts.iter().map(|(word, row)| (u64::from(rank(*word)), *row))),
        ];
        let opaque = ascending(self.opaque.iter().copied().chain(nan));
        let [nulls, partial] = [&self.nulls, &self.partial].map(|list| ascending(list.iter().copied()));

        let (mut held, mut counts) = (vec![false; rows as usize], vec![0u32; rows as usize]);
        let lists = [&self.empty, &opaque, &partial].into_iter().flatten().copied();
        for row in lists.chain(kinds.iter().flatten().map(|(_, row)| *row)) {
            held.get_mut(row as usize).into_iter().for_each(|held| *held = true);
        }
        for (_, row) in kinds.iter().flatten() {
            counts.get_mut(*row as usize).into_iter().for_each(|count| *count += 1);
        }

        let runs = kinds.each_ref().map(|pairs| runs(pairs));
        // The strings of a section are those that a row has.
        let used: Vec<&str> =
            runs[3].iter().filter_map(|(rank, _)| words.get(*rank as usize).copied()).collect();
        let pairs: usize = kinds.iter().map(Vec::len).sum();
        let mut out = Vec::new();
        let mut number = |number: usize| out.extend((number as u32).to_le_bytes());
        number(rows as usize);
        number(self.name.len());
        runs.iter().for_each(|runs| number(runs.len()));
        number(pairs);
        number(held.iter().filter(|held| **held).count());
        [&nulls, &opaque, &partial].iter().for_each(|list| number(list.len()));
        number(counts.iter().copied().max().unwrap_or_default() as usize);
        out.extend(self.name.as_bytes());
        pad(&mut out);
        let [bools, ints, floats, _] = &runs;
        out.extend(bools.iter().flat_map(|(key, _)| key.to_le_bytes()));
        out.extend(ints.iter().flat_map(|(key, _)| (key ^ 1 << 63).to_le_bytes()));
        out.extend(floats.iter().flat_map(|(key, _)| of_key(*key).to_le_bytes()));
        let ends = used.iter().scan(0, |end, word| {
            *end += word.len() as u64;
            Some(*end)
        });
        out.extend(std::iter::once(0).chain(ends).flat_map(u64::to_le_bytes));
        bits(held.into_iter(), &mut out);
        let ends = runs.iter().flatten().scan(0, |end, (_, count)| {
            *end += count;
            Some(*end)
        });
        out.extend(std::iter::once(0).chain(ends).flat_map(u32::to_le_bytes));
        out.extend(kinds.iter().flatten().flat_map(|(_, row)| row.to_le_bytes()));
        [&nulls, &opaque, &partial].into_iter().flatten().for_each(|row| out.extend(row.to_le_bytes()));
        out.extend(used.iter().flat_map(|word| word.bytes()));
        Ok(out)
    }
}

/// Refuses names and numbers of pairs beyond the limits.
pub(super) fn check(name_len: u64, pairs: u64) -> Result<()> {
    limits::check("path of elements in bytes", name_len, limits::NAME_BYTES)?;
    limits::check("elements of a path", pairs, limits::ELEMENTS)
}

/// The different words, ascending, and which of them each word is.
fn ranked(words: &[String]) -> (Vec<&str>, Vec<u32>) {
    let mut places: Vec<(&str, usize)> = words.iter().map(String::as_str).zip(0..).collect();
    places.sort_unstable();
    let (mut different, mut ranks): (Vec<&str>, _) = (Vec::new(), vec![0; words.len()]);
    for (word, place) in places {
        if different.last() != Some(&word) {
            different.push(word);
        }
        if let Some(rank) = ranks.get_mut(place) {
            *rank = different.len() as u32 - 1;
        }
    }
    (different, ranks)
}

/// The float of a key of [`float_key`].
fn of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

/// Pairs of a key and a row, by key and row, each once.
fn sorted(pairs: impl Iterator<Item = (u64, u32)> + Clone) -> Vec<(u64, u32)> {
    let (min, max) = pairs.clone().fold((u64::MAX, 0), |(min, max), (key, _)| (min.min(key), max.max(key)));
    if max.saturating_sub(min) <= u64::from(u32::MAX) {
        // Half the bytes, and one comparison instead of two.
        let mut packed: Vec<u64> = pairs.map(|(key, row)| (key - min) << 32 | u64::from(row)).collect();
        packed.sort_unstable();
        packed.dedup();
        return packed.into_iter().map(|pair| ((pair >> 32) + min, pair as u32)).collect();
    }
    let mut pairs: Vec<(u64, u32)> = pairs.collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// The keys of sorted pairs and how many pairs each has.
fn runs(pairs: &[(u64, u32)]) -> Vec<(u64, u32)> {
    pairs.chunk_by(|a, b| a.0 == b.0).filter_map(|run| Some((run.first()?.0, run.len() as u32))).collect()
}

fn ascending(rows: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}
