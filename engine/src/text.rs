//! Full-text search by BM25: what is asked, and the answer.
//!
//! Reads from: the caller. Writes to: nothing; `answer` finds the rows.
//! Never: a vector.

mod answer;
mod build;
mod gather;
mod sealed;

use std::time::{Duration, Instant};

use foretaste_query::lang::Filter;
use foretaste_query::text::Bm25;
use foretaste_storage::key::Key;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::request::{self, MAX_K};
use crate::scan::Sure;
use crate::snapshot::Snapshot;
use crate::state::Place;

use answer::Answered;
pub(crate) use answer::{Ranked, declared, ranked};
pub(crate) use build::{Target, build, write};
pub(crate) use gather::{FreshTexts, path};
pub(crate) use sealed::{SealedTexts, verify};

/// A full-text search being put together; [`TextSearch::run`] answers it.
///
/// Rows that have at least one of the words are ranked by BM25 (Robertson and Zaragoza 2009), with k1 = 1.2 and b = 0.75
/// unless said otherwise:
///
/// ```text
/// Σ over the words   ln(1 + (N - n + 0.5) / (n + 0.5)) · (k1 + 1) · tf / (tf + k1 · (1 - b + b · length / average))
/// ```
///
/// `N` is how many rows have a word in the field, `n` how many of them have this one, `average` their mean length in words.
/// Counted are exactly the live rows of the snapshot, whatever a filter lets through: how the rows are stored, and what else
/// was deleted before, does not change a score. A word that comes twice in the query counts twice. Equal scores are ordered by
/// id.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// let docs = db.create_collection("docs", Schema::new(2, Metric::L2).text("body"))?;
/// let mut batch = docs.batch();
/// batch.upsert("a", &[0.0, 1.0]).payload(serde_json::json!({"body": "A quick brown fox."}));
/// batch.upsert("b", &[1.0, 0.0]).payload(serde_json::json!({"body": ["Two dogs,", "both quick"]}));
/// batch.commit()?;
/// let hits = docs.search_text("body", "quick FOX").k(10).run()?;
/// assert_eq!(hits.iter().map(|hit| hit.id.to_string()).collect::<Vec<_>>(), ["a", "b"]);
/// assert!(hits[0].score > hits[1].score);
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a search does nothing before `run`"]
pub struct TextSearch {
    snapshot: Snapshot,
    field: String,
    query: String,
    k: usize,
    bm25: Bm25,
    filter: Option<Result<Filter>>,
}

/// One row found by its words.
#[derive(Debug, Clone)]
pub struct TextHit {
    /// Its id, of the type the caller put in.
    pub id: Key,
    /// Its BM25 score, larger is better; positive.
    pub score: f64,
    snapshot: Snapshot,
    place: Place,
}

/// The answer of a full-text search, best first.
#[derive(Debug, Clone)]
pub struct TextHits {
    hits: Vec<TextHit>,
    /// What it cost.
    pub cost: TextCost,
    /// The different words that were searched for, as they are compared (in small letters, stemmed), ascending.
    pub words: Vec<TextWord>,
    /// How each part of the collection was gone through: its segments, then its fresh blocks that have rows.
    pub parts: Vec<TextPart>,
}

/// A word of a full-text search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextWord {
    /// As it is compared.
    pub word: String,
    /// How often it comes in the query.
    pub times: u32,
    /// Live rows that have it.
    pub rows: u64,
}

/// How a full-text search went through a segment or a block of fresh rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPart {
    /// Rows it has, live and deleted.
    pub rows: u64,
    /// Deleted ones of them.
    pub dead: u64,
    /// Where its words came from.
    pub way: TextWay,
    /// Rows of it whose score was computed.
    pub scored: u64,
    /// Of them, those that would have been kept, but for the filter or a deletion.
    pub refused: u64,
}

impl std::fmt::Display for TextWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TextWord { word, times, rows } = self;
        write!(f, "`{word}`, {times} in the query, in {rows} rows")
    }
}

impl std::fmt::Display for TextPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if self.dead > 0 {
            write!(f, ", {} deleted", self.dead)?;
        }
        let way = match self.way {
            TextWay::Index => "full-text index asked",
            TextWay::Documents => "every document read",
            TextWay::Fresh => "words in memory gone through",
        };
        write!(f, ": {way}; {} scored, {} refused", self.scored, self.refused)
    }
}

/// Where the words of a part's rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextWay {
    /// The full-text index of a segment.
    Index,
    /// The documents of a segment without one, all of them read.
    Documents,
    /// Words of fresh rows, gathered in memory.
    Fresh,
}

/// What a full-text search cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextCost {
    /// Rows whose score was computed; others were passed over by bounds.
    pub rows_scored: u64,
    /// Rows of them that would have been kept, but for the filter or a deletion.
    pub rows_refused: u64,
    /// Wall time.
    pub elapsed: Duration,
}

/// What is asked, checked.
#[derive(Debug)]
pub(crate) struct TextPlan {
    pub k: usize,
    pub bm25: Bm25,
    pub filter: Option<Filter>,
    pub sure: Option<Sure>,
}

impl TextSearch {
    pub(crate) fn new(snapshot: Snapshot, field: &str, query: &str) -> Self {
        let (field, query) = (field.to_string(), query.to_string());
        TextSearch { snapshot, field, query, k: 10, bm25: Bm25::default(), filter: None }
    }

    /// How many hits are wanted: 10 unless said otherwise, at most 100,000.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Only rows that pass the filter; see [`crate::lang`] for the language. An error in it comes from
    /// [`TextSearch::run`].
    pub fn filter(mut self, text: &str) -> Self {
        self.filter = Some(Filter::parse(text).map_err(Error::from));
        self
    }

    /// Only rows that pass a filter that was parsed before.
    pub fn where_(mut self, filter: Filter) -> Self {
        self.filter = Some(Ok(filter));
        self
    }

    /// How fast further occurrences of a word lose their weight, 1.2 unless said otherwise; not negative. At 0 only whether
    /// a word is there counts.
    pub fn k1(mut self, k1: f64) -> Self {
        self.bm25.k1 = k1;
        self
    }

    /// How much long texts are held back, 0.75 unless said otherwise; from 0, not at all, to 1, in proportion.
    pub fn b(mut self, b: f64) -> Self {
        self.bm25.b = b;
        self
    }

    /// Answers, exactly: by the segments' full-text indexes, by reading the documents of segments that have none, and by
    /// the words of what is fresh, which are remembered from the first search on.
    ///
    /// # Errors
    /// `BadRequest` for a field that the schema does not declare, and for k1 or b out of range; `BadFilter`;
    /// `LimitExceeded` for k and for too many words; `Corrupt` when a file it reads is damaged (a full-text index that is
    /// damaged is done without).
    pub fn run(self) -> Result<TextHits> {
        self.run_with(&|| false)
    }

    /// Like [`TextSearch::run`], asking `cancel` from time to time whether to give up.
    ///
    /// # Errors
    /// Also `Cancelled`.
    pub fn run_with(self, cancel: &dyn Fn() -> bool) -> Result<TextHits> {
        let started = Instant::now();
        let plan = TextPlan::new(&self.snapshot, self.k, self.bm25, self.filter)?;
        let Answered { ranked, words, parts } =
            ranked(&self.snapshot, &self.field, &self.query, &plan, cancel)?;
        let snapshot = &self.snapshot;
        let hit = |Ranked { id, place, score, .. }| TextHit { id, score, snapshot: snapshot.clone(), place };
        let cost = TextCost {
            rows_scored: parts.iter().map(|part| part.scored).sum(),
            rows_refused: parts.iter().map(|part| part.refused).sum(),
            elapsed: started.elapsed(),
        };
        Ok(TextHits { hits: ranked.into_iter().map(hit).collect(), cost, words, parts })
    }
}

impl TextPlan {
    pub fn new(
        snapshot: &Snapshot,
        k: usize,
        bm25: Bm25,
        filter: Option<Result<Filter>>,
    ) -> Result<TextPlan> {
        limits::check("k", k as u64, MAX_K as u64)?;
        if !bm25.is_valid() {
            let why = format!("k1 is at least 0 and b from 0 to 1, not {} and {}", bm25.k1, bm25.b);
            return Err(Error::BadRequest { what: "full-text search", why });
        }
        let filter = filter.transpose()?;
        if let Some(filter) = &filter {
            request::check(&snapshot.state.schema, filter)?;
        }
        Ok(TextPlan { k, bm25, filter, sure: None })
    }
}

impl TextHit {
    /// Its document.
    ///
    /// # Errors
    /// `Corrupt` when the document's bytes are damaged.
    pub fn payload(&self) -> Result<Option<serde_json::Value>> {
        self.snapshot.payload_of(&self.place)
    }
}

impl std::ops::Deref for TextHits {
    type Target = [TextHit];
    fn deref(&self) -> &[TextHit] {
        &self.hits
    }
}

impl IntoIterator for TextHits {
    type Item = TextHit;
    type IntoIter = std::vec::IntoIter<TextHit>;
    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

#[cfg(test)]
mod tests;
