//! Block-max WAND over the rows of one part: a segment's index, or gathered words.
//!
//! The cursors of the query's words go through their rows together. In the order of their rows, the first ones whose bounds
//! together reach what is needed to be kept give the *pivot*: no row before it can. Then the bounds of the blocks around the
//! pivot are asked; if they do not reach it either, everything up to the end of the nearest block is passed over. Only rows
//! that may be kept are scored (Ding and Suel 2011, section 4).
//!
//! Contributions are summed in the order of the query's words, so that a score does not depend on the way to it.
//!
//! Reads from: lists of postings. Writes to: a [`Top`]. Never: a row passed over that would have been kept.

use foretaste_storage::{Result, limits};

use crate::index::Accept;
use crate::index::flat::Scan;
use crate::text::bm25::Weight;
use crate::text::cursor::{Cursor, END, List};
use crate::text::{Analyser, Bm25, Gathered, Statistics, TextIndex, Top};

/// What bounds that were summed in another order than scores may be off by, many times over.
const SLACK: f64 = 1.0 + 1e-9;
/// Pivots between two questions whether to give up.
const ASK: u32 = 1024;

/// One run of rows: a segment, or fresh rows.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// With an index on disk.
    Index(&'a TextIndex),
    /// With words gathered in memory.
    Gathered(&'a Gathered),
}

/// The different words of a query, ascending, each with how often it comes; and in how many rows of the collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    words: Vec<(String, u32)>,
    having: Vec<u64>,
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows scored.
    pub scored: u64,
    /// Rows that would have been kept, but for the filter or a deletion.
    pub refused: u64,
}

impl Terms {
    /// The words of `query`.
    ///
    /// # Errors
    /// `LimitExceeded` for too many different ones.
    pub fn new(analyser: &Analyser, query: &str) -> Result<Terms> {
        let mut all: Vec<String> = Vec::new();
        analyser.words().each(query, &mut |word| all.push(word.to_string()));
        all.sort_unstable();
        let mut words: Vec<(String, u32)> = Vec::new();
        for word in all {
            match words.last_mut() {
                Some((last, times)) if *last == word => *times = times.saturating_add(1),
                _ => words.push((word, 1)),
            }
        }
        limits::check("different words of a query", words.len() as u64, limits::QUERY_WORDS)?;
        let having = vec![0; words.len()];
        Ok(Terms { words, having })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|(word, _)| word.as_str())
    }

    /// The words, each with how often it comes in the query, and in how many live rows of the parts that were counted.
    pub fn counted(&self) -> impl Iterator<Item = (&str, u32, u64)> {
        self.words.iter().zip(&self.having).map(|((word, times), rows)| (word.as_str(), *times, *rows))
    }

    /// What each word counts, once every part was counted.
    pub fn weights(&self, bm25: &Bm25, statistics: &Statistics) -> Vec<Weight> {
        let both = self.words.iter().zip(&self.having);
        both.map(|((_, times), having)| bm25.weight(statistics, *having, *times)).collect()
    }
}

impl<'a> Part<'a> {
    fn statistics(&self) -> Statistics {
        match self {
            Part::Index(index) => index.statistics(),
            Part::Gathered(gathered) => gathered.statistics(),
        }
    }

    #[inline]
    fn length(&self, row: u32) -> Result<u32> {
        match self {
            Part::Index(index) => index.length(row),
            Part::Gathered(gathered) => Ok(gathered.length(row)),
        }
    }

    fn list(&self, word: &str) -> Result<Option<List<'a>>> {
        match self {
            Part::Index(index) => index.list(word),
            Part::Gathered(gathered) => Ok(gathered.postings(word).map(|postings| {
                let (rows, times) = postings.iter().unzip();
                List::Read(rows, times)
            })),
        }
    }
}

/// Adds what is live of `part` to `statistics`, and to the rows that have each word. `next_dead` is the first deleted row
/// from a row on, if there is one.
///
/// # Errors
/// `Corrupt` when what it reads is damaged; `Io`.
pub fn count(
    part: Part<'_>,
    terms: &mut Terms,
    statistics: &mut Statistics,
    next_dead: &dyn Fn(u32) -> Option<u32>,
) -> Result<()> {
    let of = part.statistics();
    let (mut documents, mut words) = (of.documents, of.words);
    let mut dead = next_dead(0);
    while let Some(row) = dead {
        let length = part.length(row)?;
        documents = documents.saturating_sub(u64::from(length > 0));
        words = words.saturating_sub(length.into());
        dead = next_dead(row.saturating_add(1));
    }
    statistics.documents = statistics.documents.saturating_add(documents);
    statistics.words = statistics.words.saturating_add(words);
    for ((word, _), having) in terms.words.iter().zip(&mut terms.having) {
        let Some(list) = part.list(word)? else { continue };
        let all = u64::from(list.having());
        *having += all - count_dead(list, next_dead)?;
    }
    Ok(())
}

/// How many rows of a list are deleted.
fn count_dead(list: List<'_>, next_dead: &dyn Fn(u32) -> Option<u32>) -> Result<u64> {
    let Some(mut dead) = next_dead(0) else { return Ok(0) };
    let weightless = Bm25::default().weight(&Statistics::default(), 0, 0);
    let (mut cursor, mut count) = (Cursor::new(list, weightless, 0)?, 0);
    loop {
        cursor.seek(dead)?;
        if cursor.row == END {
            return Ok(count);
        }
        count += u64::from(cursor.row == dead);
        match next_dead(cursor.row.max(dead.saturating_add(1))) {
            Some(next) => dead = next,
            None => return Ok(count),
        }
    }
}

/// Offers the rows of `part` that have one of the words, and are accepted, to `top`.
///
/// `weights` are those of `terms`. `key` is a row's key, `item` what `top` keeps of it.
///
/// # Errors
/// `Corrupt` when what it reads is damaged; `Io`; those of `accept` and `key`.
#[expect(clippy::too_many_arguments, reason = "each is another's: the part's, the query's, the caller's")]
pub fn search<K: Ord, T>(
    part: Part<'_>,
    terms: &Terms,
    weights: &[Weight],
    accept: &Accept<'_>,
    key: &dyn Fn(u32) -> Result<K>,
    item: &dyn Fn(u32) -> T,
    cancel: &dyn Fn() -> bool,
    (top, work): (&mut Top<K, T>, &mut Work),
) -> Result<Scan> {
    let mut cursors: Vec<Cursor<'_>> = Vec::new();
    for (number, ((word, _), weight)) in terms.words.iter().zip(weights).enumerate() {
        if let Some(list) = part.list(word)? {
            cursors.push(Cursor::new(list, *weight, number)?);
        }
    }
    let (mut shares, mut asked) = (Vec::with_capacity(cursors.len()), 0u32);
    loop {
        if asked % ASK == 0 && cancel() {
            return Ok(Scan::Cancelled { next: cursors.first().map_or(END, |c| c.row) });
        }
        asked = asked.wrapping_add(1);
        cursors.retain(|cursor| cursor.row != END);
        // They are nearly in order: this is fast on such.
        cursors.sort_by_key(|cursor| cursor.row);
        let needed = top.threshold();
        let Some(pivot) = pivot(&cursors, needed) else { return Ok(Scan::Complete) };
        let row = pivot.row;
        let Some(upto) = cursors.get_mut(..pivot.cursors) else { return Ok(Scan::Complete) };
        let (mut bound, mut end) = (0.0, END);
        for cursor in upto.iter_mut() {
            let (near, last) = cursor.look(row)?;
            bound += near;
            end = end.min(last);
        }
        if bound * SLACK < needed {
            let beyond = cursors.get(pivot.cursors).map_or(END, |cursor| cursor.row);
            pass_over(&mut cursors, pivot.cursors, end.saturating_add(1).min(beyond))?;
        } else if cursors.first().is_some_and(|first| first.row < row) {
            pass_over(&mut cursors, pivot.cursors, row)?;
        } else {
            shares.clear();
            let length = part.length(row)?;
            for cursor in cursors.iter_mut().take(pivot.cursors) {
                shares.push((cursor.word, cursor.weight.score(cursor.times(), length)));
                cursor.advance()?;
            }
            shares.sort_unstable_by_key(|(word, _)| *word);
            let score: f64 = shares.iter().map(|(_, share)| share).sum();
            work.scored += 1;
            if score >= needed {
                match accept(row)? {
                    true => top.offer(score, || key(row), item(row))?,
                    false => work.refused += 1,
                }
            }
        }
    }
}

/// The first row that may be kept, and how many cursors are at it or before.
struct Pivot {
    row: u32,
    cursors: usize,
}

fn pivot(cursors: &[Cursor<'_>], needed: f64) -> Option<Pivot> {
    let mut bound = 0.0;
    let first = cursors.iter().position(|cursor| {
        bound += cursor.bound;
        bound * SLACK >= needed
    })?;
    let row = cursors.get(first)?.row;
    let same = cursors.iter().skip(first).take_while(|cursor| cursor.row == row).count();
    Some(Pivot { row, cursors: first + same })
}

/// Moves the most telling of the first `count` cursors that are before `row` to it: the rarer a word, the further it leaps.
fn pass_over(cursors: &mut [Cursor<'_>], count: usize, row: u32) -> Result<()> {
    let before = cursors.iter_mut().take(count).filter(|cursor| cursor.row < row);
    match before.max_by(|a, b| a.bound.total_cmp(&b.bound)) {
        Some(cursor) => cursor.seek(row),
        None => Ok(()),
    }
}
