//! A search on its way: the parts of a snapshot, gone through one after the other or looked at in between.
//!
//! ```text
//! first look at every part ──> on through each (looked at now and then) ──> one order by exact distances
//! ```
//!
//! A search that nobody looks at does the same without looking, so that both end with the same rows.
//!
//! Reads from: `scan` (the parts), `request`. Writes to: rows in order; `answer` makes hits of them.
//! Never: a thread; it goes on only when it is asked to.

mod confidence;
mod ground;
mod part;
mod walk;
mod work;

use std::time::{Duration, Instant};

use foretaste_query::answer::TopK;
use foretaste_query::index::{Neighbor, RowRef, ScanStats, Source, flat, settle};

use crate::error::Result;
use crate::plan::Decision;
use crate::request::Request;
use crate::revision::{Stage, StoppedBecause};
use crate::scan::key_of;
use crate::search::Cost;
use crate::session::part::Part;
use crate::session::work::Work;

pub(crate) use confidence::Confidence;
pub(crate) use ground::{Ground, to_unit};
pub(crate) use work::Halt;

/// Steps of each index before the first look, and half as many more as rows are wanted. On the measured sets the ten nearest rows
/// seen by then hold about four fifths of the true ones.
const FIRST_STEPS: u64 = 9;
/// A scan of no more bytes than this is done at once, before the first look.
const FIRST_BYTES: u64 = 1 << 20;
/// Least time between two looks; it grows with what has passed, so that looking stays a small part of it.
const GAP: Duration = Duration::from_micros(100);

/// A search on its way.
pub(crate) struct Session<'a> {
    ground: Ground<'a>,
    parts: Vec<Part<'a>>,
    work: Work<'a>,
    phase: Phase,
    /// When somebody last looked.
    looked: Instant,
    shown: Vec<RowRef>,
    /// What was read for looks alone.
    looks: ScanStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Begin,
    Going,
    Done,
}

/// A row as it stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub row: RowRef,
    pub distance: f64,
    /// What it is ranked by, larger first.
    pub score: f64,
    /// By how much the distance may be off.
    pub error: f64,
    pub stage: Stage,
}

/// What there is to see when somebody looks.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub stage: Stage,
    pub rows: Vec<Row>,
    pub settled: usize,
    pub confidence: Confidence,
    pub stopped: Option<StoppedBecause>,
}

impl<'a> Session<'a> {
    /// Decides how to go through each part.
    pub fn new(ground: Ground<'a>) -> Result<Session<'a>> {
        let Ground { units, request, query, started, .. } = ground;
        let part = |(number, unit)| Part::new(unit, number, request);
        let parts = (0..).zip(units).map(part).collect::<Result<Vec<_>>>()?;
        // Rows that are scanned are put in their exact order at the end, which takes some more of them.
        let scanned = query.uncertainty().is_some() || parts.iter().any(Part::is_scan);
        let keep = if scanned { flat::candidates(request.keep) } else { request.keep };
        let (top, stats) = (TopK::new(keep), ScanStats::default());
        let work = Work { request, query, top, stats, steps: 0, scanned };
        Ok(Session {
            ground,
            parts,
            work,
            phase: Phase::Begin,
            looked: started,
            shown: Vec::new(),
            looks: ScanStats::default(),
        })
    }

    /// Goes through all parts, without stopping in between.
    ///
    /// # Errors
    /// Those of reading.
    pub fn run(&mut self, halt: &Halt<'_>) -> Result<Vec<Row>> {
        // A search that may end early goes the way of one that is looked at, so that it ends with the same.
        let Request { budget, deadline, target_recall, .. } = *self.work.request;
        let limited = budget.is_some() || deadline.is_some() || target_recall.is_some();
        if limited {
            self.first(halt)?;
        }
        for part in &mut self.parts {
            while !part.is_done() && !halt.asked() {
                let steps = if limited { part.stride() } else { u64::MAX };
                part.advance(steps, &mut self.work, halt)?;
            }
        }
        self.stop(halt)?;
        self.order()
    }

    /// Goes on until there is something new to see; `None` when all has been seen.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next(&mut self, halt: &Halt<'_>) -> Result<Option<Look>> {
        if self.phase == Phase::Done {
            return Ok(None);
        }
        if self.phase == Phase::Begin {
            self.phase = Phase::Going;
            if self.first(halt)? {
                return self.look(Stage::Sketch, halt).map(Some);
            }
        }
        while let Some(part) = self.parts.iter_mut().find(|part| !part.is_done()) {
            part.advance(part.stride(), &mut self.work, halt)?;
            if halt.asked() {
                break;
            }
            let due = self.looked + GAP.max((self.looked - self.ground.started) / 2);
            if Instant::now() >= due && self.parts.iter().any(|part| !part.is_done()) {
                let before = std::mem::take(&mut self.shown);
                let look = self.look(Stage::Beam, halt)?;
                if self.shown != before {
                    return Ok(Some(look));
                }
            }
        }
        self.end(halt).map(Some)
    }

    /// Whether anything is left to do after a first look at every part.
    fn first(&mut self, halt: &Halt<'_>) -> Result<bool> {
        let bytes = (self.work.query.dims() * 4) as u64;
        for part in &mut self.parts {
            let small = u64::from(part.at.rows()) * bytes <= FIRST_BYTES;
            let steps =
                if part.is_scan() && small { u64::MAX } else { FIRST_STEPS + self.work.request.k as u64 / 2 };
            part.advance(steps, &mut self.work, halt)?;
        }
        Ok(!halt.asked() && self.parts.iter().any(|part| !part.is_done()))
    }

    /// The nearest rows so far: those that were compared exactly, and those that are on their way. The first look shows these by their
    /// codes; later there is time to compare them exactly.
    fn look(&mut self, stage: Stage, halt: &Halt<'_>) -> Result<Look> {
        let (ground, k) = (self.ground, self.work.request.k);
        let mut rows = Vec::with_capacity(2 * k);
        for ranked in self.work.top.iter() {
            rows.push(ground.row(ranked, Stage::Exact)?);
        }
        for part in &mut self.parts {
            let Some((walking, at)) = part.walking() else { continue };
            let (mut seen, from) = (Vec::new(), rows.len());
            // Bytes that cannot be read now are met again when the search goes on, and dealt with there.
            let _ = walking.see(k, at, &self.work, halt, |found, distance, error| {
                let row = RowRef { source: at.number, row: found.row };
                let rank = ground.rank(row, distance)?;
                rows.push(Row { row, distance, score: ground.score(distance, rank), error, stage });
                seen.push(found);
                Ok(())
            });
            if stage == Stage::Sketch {
                continue;
            }
            let (mut top, query) = (TopK::new(k), self.work.query);
            if settle::rescore(&at.unit.rows, at.number, query, &seen, &mut top, &mut self.looks).is_ok() {
                rows.truncate(from);
                for ranked in top.into_sorted() {
                    rows.push(ground.row(&ranked, stage)?);
                }
            }
        }
        rows.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        rows.truncate(k);
        self.shown.clear();
        self.shown.extend(rows.iter().map(|row| row.row));
        self.looked = Instant::now();
        let confidence = self.confidence(&rows, stage != Stage::Sketch);
        Ok(Look { stage, settled: confidence.settled, confidence, rows, stopped: None })
    }

    /// The last look.
    fn end(&mut self, halt: &Halt<'_>) -> Result<Look> {
        self.phase = Phase::Done;
        self.stop(halt)?;
        let rows = self.order()?;
        let short = rows.len() < self.work.request.k;
        let whole = if short { StoppedBecause::Exhausted } else { StoppedBecause::Complete };
        let stopped = Some(halt.why().unwrap_or(whole));
        let confidence = self.confidence(&rows, true);
        Ok(Look { stage: Stage::Exact, settled: rows.len(), confidence, rows, stopped })
    }

    /// When it is stopped, what is on its way counts as far as it came.
    fn stop(&mut self, halt: &Halt<'_>) -> Result<()> {
        if halt.why().is_some() {
            for part in self.parts.iter_mut().filter(|part| part.is_walking()) {
                part.advance(0, &mut self.work, halt)?;
            }
        }
        Ok(())
    }

    /// The nearest rows of all parts, in their final order.
    fn order(&mut self) -> Result<Vec<Row>> {
        let Work { request, query, scanned, .. } = self.work;
        let top = std::mem::replace(&mut self.work.top, TopK::new(0));
        let ground = self.ground;
        let key = |row: RowRef| key_of(ground.snapshot, ground.units, row);
        let neighbors = if scanned {
            let sources: Vec<&dyn Source> = ground.units.iter().map(|u| &u.rows as &dyn Source).collect();
            flat::finish(&sources, query, top, request.keep, key, &mut self.work.stats)?
        } else {
            settle::ordered(top, request.keep, key)?
        };
        let row = |Neighbor { row, distance, rank }| {
            let score = ground.score(distance, rank);
            Row { row, distance, score, error: 0.0, stage: Stage::Exact }
        };
        Ok(neighbors.into_iter().map(row).collect())
    }

    /// How far the nearest of `rows` can be trusted now, which are in their exact order or in that of their codes.
    pub fn confidence(&self, rows: &[Row], exact: bool) -> Confidence {
        let k = self.work.request.k;
        let standing: Vec<_> = self.parts.iter().map(|part| part.standing(exact, &self.work)).collect();
        Confidence::of(rows.get(..k).unwrap_or(rows), &standing)
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        let ScanStats { rows_scored, rows_refused, bytes_read, .. } = self.work.stats;
        let elapsed = self.ground.started.elapsed();
        Cost {
            rows_exact: rows_scored + self.looks.rows_scored,
            index_steps: self.work.steps,
            rows_refused,
            bytes_read: bytes_read + self.looks.bytes_read,
            scorer_calls: 0,
            scores_remembered: 0,
            elapsed,
        }
    }

    /// How each part is gone through.
    pub fn decisions(&self) -> Vec<Decision> {
        self.parts.iter().map(|part| part.at.decision.clone()).collect()
    }
}
