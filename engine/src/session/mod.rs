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

mod part;
mod walk;
mod work;

use std::time::{Duration, Instant};

use foretaste_query::answer::TopK;
use foretaste_query::index::{Query, RowRef, ScanStats, Source, flat, settle};

use crate::answer::{Stage, StoppedBecause};
use crate::error::Result;
use crate::plan::Decision;
use crate::request::Request;
use crate::scan::{Unit, key_of};
use crate::search::Cost;
use crate::session::part::Part;
use crate::session::work::Work;
use crate::snapshot::Snapshot;

pub(crate) use work::Halt;

/// Steps of each index before the first look.
const FIRST_STEPS: u64 = 24;
/// A scan of no more bytes than this is done at once, before the first look.
const FIRST_BYTES: u64 = 1 << 20;
/// Steps, or rows of a scan, between two looks at the clock.
const STEPS: u64 = 64;
const SCAN_ROWS: u64 = 4096;
/// Least time between two looks; with it grows what has been done since, so that looking stays a small part of it.
const GAP: Duration = Duration::from_micros(200);

/// A search on its way.
pub(crate) struct Session<'a> {
    snapshot: &'a Snapshot,
    units: &'a [Unit<'a>],
    parts: Vec<Part<'a>>,
    work: Work<'a>,
    phase: Phase,
    started: Instant,
    /// When somebody last looked.
    looked: Instant,
    shown: Vec<RowRef>,
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
    /// By how much the distance may be off.
    pub error: f64,
    pub stage: Stage,
}

/// What there is to see when somebody looks.
#[derive(Debug)]
pub(crate) struct Look {
    pub stage: Stage,
    pub rows: Vec<Row>,
    pub settled: usize,
    pub stopped: Option<StoppedBecause>,
}

impl<'a> Session<'a> {
    /// Decides how to go through each of `units`, which are all that `snapshot` shows.
    pub fn new(
        snapshot: &'a Snapshot,
        units: &'a [Unit<'a>],
        request: &'a Request,
        query: &'a Query,
        started: Instant,
    ) -> Result<Session<'a>> {
        let part = |(number, unit)| Part::new(unit, number, request);
        let parts = (0..).zip(units).map(part).collect::<Result<Vec<_>>>()?;
        // Rows that are scanned are put in their exact order at the end, which takes some more of them.
        let scanned = parts.iter().any(Part::is_scan);
        let keep = if scanned { flat::candidates(request.k) } else { request.k };
        let (top, stats) = (TopK::new(keep), ScanStats::default());
        let work = Work { request, query, top, stats, steps: 0, scanned };
        let (phase, shown) = (Phase::Begin, Vec::new());
        Ok(Session { snapshot, units, parts, work, phase, started, looked: started, shown })
    }

    /// Goes through all parts, without stopping in between.
    ///
    /// # Errors
    /// `Cancelled`; those of reading.
    pub fn run(&mut self, halt: &Halt<'_>) -> Result<Vec<Row>> {
        for part in &mut self.parts {
            while !part.is_done() && !halt.asked() {
                part.advance(u64::MAX, &mut self.work, halt)?;
            }
        }
        halt.check()?;
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
            let steps = if part.is_scan() { SCAN_ROWS } else { STEPS };
            part.advance(steps, &mut self.work, halt)?;
            if halt.asked() {
                break;
            }
            let due = self.looked + GAP.max((self.looked - self.started) / 2);
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
            let steps = if part.is_scan() && small { u64::MAX } else { FIRST_STEPS };
            part.advance(steps, &mut self.work, halt)?;
        }
        Ok(!halt.asked() && self.parts.iter().any(|part| !part.is_done()))
    }

    /// The nearest rows so far: those that were compared exactly, and those that are on their way.
    fn look(&mut self, stage: Stage, halt: &Halt<'_>) -> Result<Look> {
        let Work { request, query, .. } = self.work;
        let k = request.k;
        let exact = |r: &foretaste_query::answer::Ranked<RowRef>| Row {
            row: r.item,
            distance: r.distance,
            error: 0.0,
            stage: Stage::Exact,
        };
        let mut rows: Vec<Row> = self.work.top.iter().map(exact).collect();
        for part in &mut self.parts {
            let Some((walking, at)) = part.walking() else { continue };
            let (index, source) = (walking.index, at.number);
            let norm = query.norm(query.dims());
            let off = if request.dims == index.dims() { 4.0 * index.error() } else { f32::INFINITY };
            // Bytes that cannot be read now are met again when the search goes on, and dealt with there.
            let found = walking.look(k, at, &self.work, halt).unwrap_or_default();
            rows.extend(found.iter().take(k).map(|found| {
                let distance = index.distance(found.squared, norm);
                let error = match off.is_finite() {
                    true => index.distance(found.squared * (1.0 + off), norm) - distance,
                    false => f64::INFINITY,
                };
                Row { row: RowRef { source, row: found.row }, distance, error, stage }
            }));
        }
        rows.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        rows.truncate(k);
        self.shown.clear();
        self.shown.extend(rows.iter().map(|row| row.row));
        self.looked = Instant::now();
        Ok(Look { stage, rows, settled: 0, stopped: None })
    }

    /// The last look.
    fn end(&mut self, halt: &Halt<'_>) -> Result<Look> {
        self.phase = Phase::Done;
        if halt.why().is_some() {
            // What is on its way counts as far as it came.
            for part in self.parts.iter_mut().filter(|part| part.is_walking()) {
                part.advance(0, &mut self.work, halt)?;
            }
        }
        let rows = self.order()?;
        let short = rows.len() < self.work.request.k;
        let whole = if short { StoppedBecause::Exhausted } else { StoppedBecause::Complete };
        let stopped = Some(halt.why().unwrap_or(whole));
        Ok(Look { stage: Stage::Exact, settled: rows.len(), rows, stopped })
    }

    /// The nearest rows of all parts, in their final order.
    fn order(&mut self) -> Result<Vec<Row>> {
        let Work { request, query, scanned, .. } = self.work;
        let top = std::mem::replace(&mut self.work.top, TopK::new(0));
        let (snapshot, units) = (self.snapshot, self.units);
        let key = |row: RowRef| key_of(snapshot, units, row);
        let neighbors = if scanned {
            let sources: Vec<&dyn Source> = units.iter().map(|u| &u.rows as &dyn Source).collect();
            flat::finish(&sources, query, top, request.k, key, &mut self.work.stats)?
        } else {
            settle::ordered(top, request.k, key)?
        };
        let row = |n: foretaste_query::index::Neighbor| Row {
            row: n.row,
            distance: n.distance,
            error: 0.0,
            stage: Stage::Exact,
        };
        Ok(neighbors.into_iter().map(row).collect())
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        let ScanStats { rows_scored, rows_refused, bytes_read, .. } = self.work.stats;
        let elapsed = self.started.elapsed();
        Cost { rows_exact: rows_scored, index_steps: self.work.steps, rows_refused, bytes_read, elapsed }
    }

    /// How each part is gone through.
    pub fn decisions(&self) -> Vec<Decision> {
        self.parts.iter().map(|part| part.at.decision.clone()).collect()
    }
}
