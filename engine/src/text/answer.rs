//! The rows of a snapshot ranked by their words.
//!
//! `parts (a segment's index, documents without one, fresh words) → what is counted over all of them → each searched`.
//!
//! Reads from: `scan`, `sealed`, `gather`. Writes to: nothing.
//! Never: a score that depends on how the rows are stored.

use std::sync::Arc;

use foretaste_query::index::flat::Scan;
use foretaste_query::index::{RowRef, Source as _};
use foretaste_query::text::{Gathered, Part, Statistics, Terms, TextIndex, Top, Work, count, search};
use foretaste_storage::key::Key;
use foretaste_storage::rows::Rows;

use crate::error::{Error, Result};
use crate::fields;
use crate::scan::{Unit, key_of, units};
use crate::schema::{Schema, TextField};
use crate::sieve::{Planned, Sieve};
use crate::snapshot::Snapshot;
use crate::state::Place;
use crate::text::gather::{self, Gatherer};
use crate::text::{TextPart, TextPlan, TextWay, TextWord};

/// Rows between two questions whether to give up.
const ASK_ROWS: u32 = 64;
/// Rows that are asked about for each hit where all pass, about.
const ASKED: u64 = 4;

/// A row and its score.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub id: Key,
    /// Among the units of its snapshot.
    pub row: RowRef,
    pub place: Place,
    pub score: f64,
}

/// The rows, and how they were found.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Best first, equal scores by id.
    pub ranked: Vec<Ranked>,
    pub words: Vec<TextWord>,
    pub parts: Vec<TextPart>,
}

/// Where one unit's words are.
enum Source<'a> {
    Index(&'a TextIndex),
    Fresh(Arc<Gathered>),
    Read(Gathered),
}

impl Source<'_> {
    fn part(&self) -> Part<'_> {
        match self {
            Source::Index(index) => Part::Index(index),
            Source::Fresh(gathered) => Part::Gathered(gathered),
            Source::Read(gathered) => Part::Gathered(gathered),
        }
    }

    fn way(&self) -> TextWay {
        match self {
            Source::Index(_) => TextWay::Index,
            Source::Fresh(_) => TextWay::Fresh,
            Source::Read(_) => TextWay::Documents,
        }
    }
}

/// The best rows by BM25.
///
/// # Errors
/// See [`crate::TextSearch::run_with`].
pub(crate) fn ranked(
    snapshot: &Snapshot,
    field: &str,
    query: &str,
    plan: &TextPlan,
    cancel: &dyn Fn() -> bool,
) -> Result<Answered> {
    let field = declared(&snapshot.state.schema, field)?;
    let terms = Terms::new(&field.analyser, query)?;
    if terms.is_empty() || plan.k == 0 {
        return Ok(Answered::default());
    }
    let units = units(snapshot, plan.filter.as_ref(), plan.sure)?;
    let run = Run { snapshot, units: &units, field, plan, cancel };
    loop {
        match run.answer(terms.clone()) {
            // Without the index that failed; each fails once.
            Err(e) if run.text_failed(&e) => {}
            answered => return answered,
        }
    }
}

/// The full-text field of this name.
pub(crate) fn declared<'s>(schema: &'s Schema, name: &str) -> Result<&'s TextField> {
    let same = |field: &&TextField| {
        field.path == name
            || gather::path(field).is_ok_and(|path| Some(path) == fields::column_path(name).ok())
    };
    schema.texts.iter().find(same).ok_or_else(|| {
        let all: Vec<String> = schema.texts.iter().map(|field| format!("`{}`", field.path)).collect();
        let all = if all.is_empty() { "none".to_string() } else { all.join(", ") };
        let why = format!("`{name}` is not a full-text field of this collection, which has {all}");
        Error::BadRequest { what: "full-text search", why }
    })
}

struct Run<'a> {
    snapshot: &'a Snapshot,
    units: &'a [Unit<'a>],
    field: &'a TextField,
    plan: &'a TextPlan,
    cancel: &'a dyn Fn() -> bool,
}

impl Run<'_> {
    fn answer(&self, mut terms: Terms) -> Result<Answered> {
        let sources = self.units.iter().map(|unit| self.source(unit, &terms)).collect::<Result<Vec<_>>>()?;
        let mut statistics = Statistics::default();
        for (unit, source) in self.units.iter().zip(&sources) {
            if (self.cancel)() {
                return Err(Error::Cancelled);
            }
            count(source.part(), &mut terms, &mut statistics, &|row| unit.next_dead(row))?;
        }
        let weights = terms.weights(&self.plan.bm25, &statistics);
        let filter = self.plan.filter.as_ref();
        let (mut top, mut parts) = (Top::new(self.plan.k), Vec::with_capacity(sources.len()));
        for (number, (unit, source)) in (0..).zip(self.units.iter().zip(&sources)) {
            let planned = unit.plan(filter)?;
            let sieve = Sieve::new(planned.as_ref(), filter, self.asked(planned.as_ref()))?;
            let ready = sieve.ready(planned.as_ref(), filter)?;
            let accept = |row| ready.accepts(unit, row);
            let at = |row| RowRef { source: number, row };
            let key = |row| key_of(self.snapshot, self.units, at(row));
            let mut work = Work::default();
            let out = (&mut top, &mut work);
            match search(source.part(), &terms, &weights, &accept, &key, &at, self.cancel, out)? {
                Scan::Complete => {}
                Scan::Cancelled { .. } => return Err(Error::Cancelled),
            }
            let rows = unit.rows.rows();
            // A commit of deletions alone is a block without rows.
            if rows == 0 {
                continue;
            }
            parts.push(TextPart {
                rows: rows.into(),
                dead: unit.dead_rows,
                way: source.way(),
                scored: work.scored,
                refused: work.refused,
            });
        }
        let ranked = top.into_sorted().into_iter().filter_map(|kept| {
            let unit = self.units.get(kept.item.source as usize)?;
            Some(Ranked { id: kept.key, row: kept.item, place: unit.place(kept.item.row), score: kept.score })
        });
        let word = |(word, times, rows): (&str, u32, u64)| TextWord { word: word.to_string(), times, rows };
        let words = terms.counted().map(word).collect();
        Ok(Answered { ranked: ranked.collect(), words, parts })
    }

    fn source<'u>(&'u self, unit: &'u Unit<'u>, terms: &Terms) -> Result<Source<'u>> {
        if let Some(block) = unit.block() {
            return Ok(Source::Fresh(block.texts.get(&block.block, self.field)?));
        }
        let Some(source) = unit.sealed() else { return Ok(Source::Read(Gathered::new())) };
        if let Some(index) = source.texts.of(&source.segment, self.field) {
            return Ok(Source::Index(index));
        }
        let mut gatherer = Gatherer::new(self.field, Gathered::only(terms.words()))?;
        for row in 0..source.segment.rows() {
            if row % ASK_ROWS == 0 && (self.cancel)() {
                return Err(Error::Cancelled);
            }
            let document = match unit.is_dead(row) {
                true => None,
                false => fields::document(&Rows::payload(&*source.segment, row)?),
            };
            gatherer.push(document.as_ref());
        }
        Ok(Source::Read(gatherer.gathered))
    }

    /// How many rows of a segment will be asked whether they pass, about: the more, the fewer do.
    fn asked(&self, planned: Option<&Planned<'_>>) -> u64 {
        let Some((columns, plan)) = planned else { return 0 };
        let (rows, (_, most)) = (u64::from(columns.rows()), plan.estimate().into_inner());
        let k = self.plan.k as u64 * ASKED;
        k.saturating_mul(rows).checked_div(most).unwrap_or(rows).min(rows)
    }

    /// Whether the error is a segment's full-text index's; it is noted, and done without from then on.
    fn text_failed(&self, error: &Error) -> bool {
        let (Error::Corrupt { file, .. } | Error::FormatTooNew { file, .. }) = error else { return false };
        let names = |unit: &&Unit<'_>| {
            unit.sealed().is_some_and(|source| {
                let text = source.segment.text().ok().flatten();
                text.is_some_and(|text| text.file().name() == file) && source.texts.damage().is_none()
            })
        };
        let Some(source) = self.units.iter().find(names).and_then(Unit::sealed) else { return false };
        source.texts.failed(error.clone());
        true
    }
}
