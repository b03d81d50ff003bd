//! One part of a collection being gone through for one search: a segment, or a block of fresh rows. It stands still between
//! steps and can be looked at.
//!
//! Reads from: `scan` (the part), `plan` (the way). Writes to: the work that all parts share.
//! Never: an answer short of k while k matching rows exist, unless it was told to stop.

use foretaste_query::filter::RowSet;
use foretaste_query::index::flat::{self, Scan};
use foretaste_query::index::{Found, Index, Scratch, Source, settle};
use foretaste_storage::Error as StorageError;

use crate::error::Result;
use crate::plan::{Cells, Decision, Known, Way, decide, share};
use crate::request::Request;
use crate::revision::StoppedBecause;
use crate::scan::Unit;
use crate::session::confidence::Standing;
use crate::session::walk::{Finish, Walking};
use crate::session::work::{Halt, Work};
use crate::sieve::{Planned, Sieve};

/// Rows compared between two questions whether to stop, when they are read one by one.
const MATCHES: usize = 256;
/// Steps of an index, or rows of a scan, between two looks at the clock.
const STEPS: u64 = 64;
const SCAN_ROWS: u64 = 4096;
/// A part, and how it is gone through.
pub(super) struct Setting<'a> {
    pub unit: &'a Unit<'a>,
    pub number: u32,
    pub decision: Decision,
    /// What its indexes know of the filter.
    pub planned: Option<Planned<'a>>,
}

/// One part on its way.
pub(super) struct Part<'a> {
    pub at: Setting<'a>,
    state: State<'a>,
    /// What is known of what it found, once it is gone through.
    standing: Standing,
}

enum State<'a> {
    Waiting,
    Walking(Box<Walking<'a>>),
    /// From this row on.
    Scanning(u32, Sieve),
    Done,
}

impl<'a> Part<'a> {
    /// Decides how to go through `unit`.
    pub fn new(unit: &'a Unit<'a>, number: u32, request: &'a Request) -> Result<Part<'a>> {
        let planned = unit.plan(request.filter.as_ref())?;
        let decision = choose(unit, planned.as_ref(), request)?;
        Ok(Part {
            at: Setting { unit, number, decision, planned },
            state: State::Waiting,
            standing: Standing::Unknown,
        })
    }

    /// Whether it is gone through.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether its rows are compared without an index that leads to them.
    pub fn is_scan(&self) -> bool {
        matches!(self.at.decision.way, Way::Scan | Way::Matches)
    }

    /// How far it goes between two looks at the clock: steps of its index, or rows where it is scanned, be it because its index
    /// failed.
    pub fn stride(&self) -> u64 {
        if matches!(self.state, State::Scanning(..)) { SCAN_ROWS } else { STEPS }
    }

    /// Whether it stands in its index.
    pub fn is_walking(&self) -> bool {
        matches!(self.state, State::Walking(_))
    }

    /// The walk through its index, when it is in one.
    pub fn walking(&mut self) -> Option<(&mut Walking<'a>, &Setting<'a>)> {
        match &mut self.state {
            State::Walking(walking) => Some((walking, &self.at)),
            _ => None,
        }
    }

    /// What is known of what it has found so far.
    pub fn standing(&self, exact: bool, work: &Work<'_>) -> Standing {
        match &self.state {
            State::Done => self.standing,
            State::Walking(walking) => walking.standing(exact, &self.at, work),
            State::Waiting | State::Scanning(..) => Standing::Unknown,
        }
    }

    /// Goes on for about `steps` steps of its index, or rows of a scan; all at once where the matches are read. It is done when
    /// there is no more to do, or when `halt` says so: then what it found by then counts.
    ///
    /// # Errors
    /// Those of reading, but not those of its index, which is done without when it is damaged.
    pub fn advance(&mut self, steps: u64, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        if let State::Waiting = self.state {
            self.begin(work, halt)?;
        }
        if let State::Walking(_) = self.state {
            self.walk(steps, work, halt)?;
        }
        if let State::Scanning(..) = self.state {
            self.scan(steps, work, halt)?;
        }
        Ok(())
    }

    fn begin(&mut self, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        match (self.at.decision.way, self.at.unit.index()) {
            (Way::Matches, _) => self.matches(None, work, halt),
            (Way::Codes, index) => self.matches(index, work, halt),
            (Way::Index { .. }, Some(index)) => {
                // Of the neighbours of a node some are asked for.
                let (filter, asked) = (work.request.filter.as_ref(), self.at.decision.asked());
                let sieve = Sieve::new(self.at.planned.as_ref(), filter, asked)?;
                match Walking::start(index, &self.at, sieve, work, halt) {
                    Ok(walking) => self.state = State::Walking(Box::new(walking)),
                    Err(e @ StorageError::Corrupt { .. }) => self.without_index(&e, work, halt)?,
                    Err(e) => return Err(e.into()),
                }
                Ok(())
            }
            (Way::Scan | Way::Index { .. }, _) => self.begin_scan(work),
        }
    }

    /// Goes on in the index, and does without it when it is damaged or finds too few.
    fn walk(&mut self, steps: u64, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        let State::Walking(walking) = &mut self.state else { return Ok(()) };
        let (index, more) = (walking.index, walking.advance(steps, &self.at, work, halt));
        if let Ok(true) = more {
            return Ok(());
        }
        self.standing = walking.standing(true, &self.at, work);
        let counts = match (more, std::mem::replace(&mut self.state, State::Done)) {
            (Ok(_), State::Walking(walking)) => walking.finish(&self.at, work, halt),
            (more, _) => more.map(|_| Finish::TooFew),
        };
        match counts {
            Ok(Finish::Counts) => Ok(()),
            Ok(Finish::TooNear) if self.at.widen() => self.begin(work, halt),
            Ok(Finish::TooFew | Finish::TooNear) => {
                self.at.decision.fell_back = true;
                let coded = code_bytes(index, work.request).is_some() && self.at.is_listed();
                self.matches(coded.then_some(index), work, halt)
            }
            Err(e @ StorageError::Corrupt { .. }) => self.without_index(&e, work, halt),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads the rows that pass; if they can be read, it is the index that is damaged.
    fn without_index(&mut self, error: &StorageError, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        self.at.decision.fell_back = true;
        self.matches(None, work, halt)?;
        self.scan(u64::MAX, work, halt)?;
        self.at.unit.index_failed(error);
        Ok(())
    }

    fn begin_scan(&mut self, work: &mut Work<'_>) -> Result<()> {
        let (filter, rows) = (work.request.filter.as_ref(), u64::from(self.at.rows()));
        let sieve = Sieve::new(self.at.planned.as_ref(), filter, rows)?;
        work.scanned = true;
        self.state = State::Scanning(0, sieve);
        Ok(())
    }

    /// Compares the next `steps` rows, if they pass.
    fn scan(&mut self, steps: u64, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        let State::Scanning(next, sieve) = &mut self.state else { return Ok(()) };
        let (unit, filter, rows) = (self.at.unit, work.request.filter.as_ref(), self.at.rows());
        let steps = u32::try_from(steps.min(work.left())).unwrap_or(u32::MAX);
        let end = next.saturating_add(steps).min(rows);
        let ready = sieve.ready(self.at.planned.as_ref(), filter)?;
        let accept = |row: u32| ready.accepts(unit, row);
        let all = unit.is_whole(filter);
        let scanned = flat::search(
            (&unit.rows, self.at.number),
            *next..end,
            work.query,
            if all { None } else { Some(&accept) },
            &|| halt.asked(),
            &mut work.top,
            &mut work.stats,
        )?;
        *next = end;
        if end < rows && work.left() == 0 {
            halt.because(StoppedBecause::Budget);
        }
        if end == rows || scanned != Scan::Complete || halt.asked() {
            let whole = end == rows && scanned == Scan::Complete;
            self.standing = if whole { Standing::Certain } else { Standing::Unknown };
            self.state = State::Done;
        }
        Ok(())
    }

    /// Lists the rows that pass by the columns' indexes, and compares them: by their codes, if `index` has some.
    fn matches(&mut self, index: Option<&Index>, work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        let unit = self.at.unit;
        let rows = match (&work.request.filter, &self.at.planned) {
            (Some(filter), Some((columns, plan))) => columns.select(filter, plan)?,
            (None, _) if unit.asks_variance() && index.is_some() => RowSet::all(self.at.rows()),
            // A scan reads those that pass alone, where few do.
            _ => return self.begin_scan(work),
        };
        work.scanned |= index.is_none();
        let count = rows.len();
        if index.is_none() && u64::from(count) * 4 > u64::from(rows.rows()) {
            self.state = State::Scanning(0, Sieve::Rows(rows.into_bits(), None));
            return Ok(());
        }
        work.stats.rows_refused += u64::from(rows.rows() - count);
        self.state = State::Done;
        let mut live = Vec::with_capacity(count as usize);
        for row in rows.iter() {
            if unit.counts(row)? {
                live.push(row);
            }
        }
        match index {
            // Codes order all of them, but not surely.
            Some(index) => {
                self.standing = Standing::Unknown;
                self.codes(index, &live, work, halt)
            }
            None => {
                self.at.read(&live, work, halt)?;
                self.standing = if halt.asked() { Standing::Unknown } else { Standing::Certain };
                Ok(())
            }
        }
    }

    /// Compares rows by their codes, then the nearest of them.
    fn codes(&mut self, index: &Index, rows: &[u32], work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        let most = work.left().saturating_sub(settle::wanted(work.request.keep) as u64);
        let some = rows.get(..usize::try_from(most).unwrap_or(usize::MAX)).unwrap_or(rows);
        let (mut scratch, mut each) = (Scratch::lend(), some.iter().copied());
        let compared = index.compare(work.query.vector(), &mut each, &|| halt.asked(), &mut scratch);
        let compared = compared.and_then(|steps| {
            work.steps += steps;
            self.at.settle(index, &mut scratch, work)
        });
        if some.len() < rows.len() {
            halt.because(StoppedBecause::Budget);
        }
        match compared {
            Err(e @ StorageError::Corrupt { .. }) => self.without_index(&e, work, halt),
            other => Ok(other?),
        }
    }
}

impl Setting<'_> {
    /// Whether the rows that pass can be listed without asking for every row's fields.
    fn is_listed(&self) -> bool {
        self.planned.is_some() || self.unit.block().is_none() && self.unit.asks_variance()
    }

    pub fn rows(&self) -> u32 {
        self.unit.rows.rows()
    }

    /// Compares single rows.
    fn read(&self, rows: &[u32], work: &mut Work<'_>, halt: &Halt<'_>) -> Result<()> {
        let mut rest = rows;
        while !rest.is_empty() && !halt.asked() {
            let count = work.left().min(MATCHES as u64).min(rest.len() as u64) as usize;
            if count == 0 {
                halt.because(StoppedBecause::Budget);
            }
            let (now, later) = rest.split_at(count);
            let some: Vec<Found> = now.iter().map(|row| Found { row: *row, squared: 0.0 }).collect();
            settle::rescore(&self.unit.rows, self.number, work.query, &some, &mut work.top, &mut work.stats)?;
            rest = later;
        }
        Ok(())
    }

    /// Compares the nearest of what an index found with the vectors themselves.
    pub fn settle(
        &self,
        index: &Index,
        scratch: &mut Scratch,
        work: &mut Work<'_>,
    ) -> foretaste_storage::Result<()> {
        let Request { keep, dims, ef, .. } = *work.request;
        // By fewer dimensions than the codes hold the order of the estimates is not the one wanted, nor with uncertainty.
        let whole = dims == index.dims() && work.query.uncertainty().is_none();
        let (count, error) = if whole { (settle::wanted(keep), index.error()) } else { (ef, f32::INFINITY) };
        let near = settle::near_of(scratch, count..ef.max(count), keep, error);
        let near = near.get(..usize::try_from(work.left()).unwrap_or(usize::MAX)).unwrap_or(near);
        settle::rescore(&self.unit.rows, self.number, work.query, near, &mut work.top, &mut work.stats)
    }

    /// When uncertainty counts, ranks what an index found by it, as far as estimates go. Returns whether no row that is farther can
    /// come before the last one wanted.
    pub fn weigh(
        &self,
        index: &Index,
        scratch: &mut Scratch,
        work: &Work<'_>,
    ) -> foretaste_storage::Result<bool> {
        let Request { keep, dims, .. } = *work.request;
        let Some(weight) = work.query.uncertainty() else { return Ok(true) };
        // Of rows that are farther than these an index may have left out some.
        let sure = match self.decision.way {
            Way::Index { ef, cells: 0 } => ef,
            _ => work.request.wanted(),
        };
        let Some(farthest) = scratch.nearest(sure).last().map(|found| f64::from(found.squared)) else {
            return Ok(true);
        };
        let all = scratch.len() as u64 + self.decision.dead >= u64::from(self.rows());
        let rows = &self.unit.rows;
        scratch.estimate_again(|found| {
            let added = weight * f64::from(rows.trace(found.row, dims)?);
            Ok((f64::from(found.squared) + added) as f32)
        })?;
        let last = scratch.nearest(usize::MAX).get(keep.saturating_sub(1)).map(|f| f64::from(f.squared));
        let next = farthest + weight * f64::from(self.unit.least_trace(dims)?);
        // Both are estimates, off by this much at most in all but a few cases; by fewer dimensions it is not known.
        let off = 4.0 * f64::from(index.error());
        Ok(all || last.is_none_or(|last| dims == index.dims() && next * (1.0 - off) > last * (1.0 + off)))
    }

    /// Makes the next walk keep more candidates; false when that would be as many as a scan compares.
    fn widen(&mut self) -> bool {
        let rows = self.rows() as usize;
        match &mut self.decision.way {
            Way::Index { ef, cells } if *cells == 0 && *ef * 16 < rows => {
                *ef *= 4;
                true
            }
            Way::Index { cells, .. } if *cells > 0 && *cells * 4 < rows / 16 => {
                *cells *= 4;
                true
            }
            _ => false,
        }
    }

    /// How many rows an index must find for its answer to count: as many as a search without a filter keeps, or all that
    /// surely pass.
    pub fn enough(&self, request: &Request) -> usize {
        let decision = &self.decision;
        let live = u64::from(self.rows()).saturating_sub(decision.dead);
        let passing = decision.matching.map_or(live, |(least, _)| least.saturating_sub(decision.dead));
        let wanted = if decision.matching.is_some() { request.ef / 2 } else { 0 };
        (wanted.max(request.keep) as u64).min(passing.max(1)).min(live) as usize
    }
}

/// The cheapest way through `unit`.
fn choose(unit: &Unit<'_>, planned: Option<&Planned<'_>>, request: &Request) -> Result<Decision> {
    let rows = u64::from(unit.rows.rows());
    let matching = match (&request.filter, planned) {
        (None, _) => None,
        (Some(_), Some((_, plan))) => Some(plan.estimate().into_inner()),
        (Some(_), None) => Some((0, rows)),
    };
    let matching = unit.passing(matching)?;
    let index = unit.index().filter(|_| !request.exact);
    let cells = |index: &Index| Cells {
        all: u64::from(index.cells()),
        probed: request.nprobe as u64,
        among: matching.and_then(|passing| index.steps_among(request.ef, share(rows, passing))),
    };
    Ok(decide(&Known {
        rows,
        dead: unit.dead_rows,
        bytes: (request.dims * unit.rows.element().size()) as u64,
        matching,
        listed: planned.is_some(),
        index: index.map(cells),
        code: index.and_then(|index| code_bytes(index, request)),
        ef: request.ef as u64,
    }))
}

/// Bytes of a row's code, where its order by codes is the one that is wanted.
fn code_bytes(index: &Index, request: &Request) -> Option<u64> {
    index.row_code_bytes().filter(|_| request.dims == index.dims())
}
