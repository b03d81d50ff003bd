//! The answer of a search, from a snapshot.
//!
//! `units` (segments, fresh blocks) → for each a way (`plan`) → candidates → exact distances → one order → hits.
//!
//! Reads from: `snapshot`, by way of `scan`. Writes to: nothing.
//! Never: an answer short of k while k matching rows exist.

use std::time::Instant;

use foretaste_query::answer::TopK;
use foretaste_query::index::flat::{self, Scan};
use foretaste_query::index::{Accept, Ask, Found, Index, Query, RowRef, ScanStats, Scratch, Source, settle};
use foretaste_query::lang::Filter;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::fields;
use crate::plan::{Cells, Decision, Known, Way, decide, share};
use crate::scan::{Unit, key_of, units};
use crate::search::{Asked, Cost, Hit, Hits};
use crate::sieve::{Planned, Sieve};
use crate::snapshot::Snapshot;
use crate::validate;

/// Most hits of one search.
pub const MAX_K: usize = 100_000;

/// Candidates of a graph's search unless said otherwise.
const EF: usize = 64;
/// Cells of an inverted file unless said otherwise.
const NPROBE: usize = 16;

/// What is asked, checked against the schema: for one query or many.
pub(crate) struct Plan {
    k: usize,
    dims: usize,
    filter: Option<Filter>,
    ef: usize,
    nprobe: usize,
    exact: bool,
}

impl Plan {
    pub fn new(snapshot: &Snapshot, asked: Asked) -> Result<Plan> {
        let schema = &snapshot.state.schema;
        limits::check("k", asked.k as u64, MAX_K as u64)?;
        // The last candidates of a beam are its least sure ones: as many more as are wanted, unless the caller knows better.
        let ef = asked.ef.unwrap_or(EF.max(asked.k.saturating_mul(2))).max(asked.k).max(1);
        limits::check("ef", asked.ef.unwrap_or(0) as u64, limits::GRAPH_CANDIDATES)?;
        let dims = asked.dims.unwrap_or(schema.dim());
        if schema.layout.levels_for(dims).is_none() {
            let why =
                format!("{dims} is not a level of this collection, which has {:?}", schema.level_dims());
            return Err(Error::BadRequest { what: "dims", why });
        }
        let filter = asked.filter.transpose()?;
        if let Some(filter) = &filter {
            check(schema, filter)?;
        }
        let nprobe = asked.nprobe.unwrap_or(NPROBE);
        Ok(Plan { k: asked.k, dims, filter, ef, nprobe, exact: asked.exact })
    }
}

/// Checks a filter against the columns that the schema declares.
pub(crate) fn check(schema: &crate::Schema, filter: &Filter) -> Result<()> {
    let declared = schema
        .columns
        .iter()
        .map(|c| Ok((fields::column_path(&c.path)?, c.kind)))
        .collect::<Result<Vec<_>>>()?;
    filter.check(&|path| declared.iter().find(|(p, _)| p == path).map(|(_, kind)| *kind))?;
    Ok(())
}

/// Answers one query.
pub(crate) fn answer(
    snapshot: &Snapshot,
    vector: &[f32],
    plan: &Plan,
    cancel: &dyn Fn() -> bool,
) -> Result<Hits> {
    let started = Instant::now();
    let schema = &snapshot.state.schema;
    validate::query(schema, vector, plan.dims)?;
    let query = Query::new(vector, plan.dims, schema.metric);
    let units = units(snapshot, plan.filter.as_ref())?;
    let mut run = Run {
        plan,
        query: &query,
        cancel,
        top: TopK::new(plan.k),
        stats: ScanStats::default(),
        steps: 0,
        scanned: false,
    };
    let mut decisions = Vec::with_capacity(units.len());
    // Rows that are scanned are put in their exact order at the end, which takes some more of them.
    let filter = plan.filter.as_ref();
    let planned = units.iter().map(|unit| unit.plan(filter)).collect::<Result<Vec<_>>>()?;
    let ways: Vec<Decision> =
        units.iter().zip(&planned).map(|(unit, known)| run.decide(unit, known.as_ref())).collect();
    run.scanned = ways.iter().any(|d| matches!(d.way, Way::Scan | Way::Matches));
    if run.scanned {
        run.top = TopK::new(flat::candidates(plan.k));
    }
    for (number, ((unit, known), mut decision)) in units.iter().zip(&planned).zip(ways).enumerate() {
        run.go(&Part { unit, known: known.as_ref(), number: number as u32 }, &mut decision)?;
        decisions.push(decision);
    }
    let key = |row: RowRef| key_of(snapshot, &units, row);
    let Run { top, mut stats, steps, scanned, .. } = run;
    let neighbors = if scanned {
        let sources: Vec<&dyn Source> = units.iter().map(|u| &u.rows as &dyn Source).collect();
        flat::finish(&sources, &query, top, plan.k, key, &mut stats)?
    } else {
        settle::ordered(top, plan.k, key)?
    };
    let mut hits = Vec::with_capacity(neighbors.len());
    for neighbor in neighbors {
        let Some(unit) = units.get(neighbor.row.source as usize) else { continue };
        let place = unit.place(neighbor.row.row);
        hits.push(Hit {
            id: snapshot.key_of(&place)?,
            distance: neighbor.distance,
            score: schema.metric.score(neighbor.distance),
            snapshot: snapshot.clone(),
            place,
        });
    }
    let cost = Cost {
        rows_exact: stats.rows_scored,
        index_steps: steps,
        rows_refused: stats.rows_refused,
        bytes_read: stats.bytes_read,
        elapsed: started.elapsed(),
    };
    Ok(Hits { hits, cost, plan: decisions })
}

/// One query on its way through the units.
struct Run<'a> {
    plan: &'a Plan,
    query: &'a Query,
    cancel: &'a dyn Fn() -> bool,
    top: TopK<RowRef>,
    stats: ScanStats,
    steps: u64,
    /// Whether rows were compared that no index found.
    scanned: bool,
}

/// One of the units, and what its indexes know of the filter.
struct Part<'a> {
    unit: &'a Unit<'a>,
    known: Option<&'a Planned<'a>>,
    number: u32,
}

impl Run<'_> {
    fn decide(&self, unit: &Unit<'_>, known: Option<&Planned<'_>>) -> Decision {
        let rows = u64::from(unit.rows.rows());
        let matching = match (&self.plan.filter, known) {
            (None, _) => None,
            (Some(_), Some((_, plan))) => Some(plan.estimate().into_inner()),
            (Some(_), None) => Some((0, rows)),
        };
        let index = unit.index().filter(|_| !self.plan.exact);
        let cells = |index: &Index| Cells {
            all: u64::from(index.cells()),
            probed: self.plan.nprobe as u64,
            among: matching.and_then(|passing| index.steps_among(self.plan.ef, share(rows, passing))),
        };
        decide(&Known {
            rows,
            dead: unit.dead_rows,
            bytes: (self.plan.dims * unit.rows.element().size()) as u64,
            matching,
            listed: known.is_some(),
            index: index.map(cells),
            code: index.and_then(|index| self.code_bytes(index)),
            ef: self.plan.ef as u64,
        })
    }

    /// Bytes of a row's code, where its order by codes is the one that is wanted.
    fn code_bytes(&self, index: &Index) -> Option<u64> {
        index.row_code_bytes().filter(|_| self.plan.dims == index.dims())
    }

    fn go(&mut self, part: &Part<'_>, decision: &mut Decision) -> Result<()> {
        match (decision.way, part.unit.index()) {
            (Way::Matches, _) => self.matches(part, None),
            (Way::Codes, index) => self.matches(part, index),
            (Way::Index { ef, cells }, Some(index)) => self.index(part, index, (ef, cells), decision),
            (Way::Scan | Way::Index { .. }, _) => self.scan(part),
        }
    }

    /// Compares every row that passes.
    fn scan(&mut self, part: &Part<'_>) -> Result<()> {
        let (unit, filter) = (part.unit, self.plan.filter.as_ref());
        if filter.is_none() && unit.dead_rows == 0 {
            return self.compare(part, None);
        }
        let sieve = Sieve::new(part.known, filter, u64::from(unit.rows.rows()))?;
        self.compare(part, Some(&|row: u32| sieve.accepts(unit, row, filter)))
    }

    fn compare(&mut self, part: &Part<'_>, accept: Option<&Accept<'_>>) -> Result<()> {
        let end = flat::search(
            &part.unit.rows,
            part.number,
            self.query,
            accept,
            self.cancel,
            &mut self.top,
            &mut self.stats,
        )?;
        if end == Scan::Complete { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Lists the rows that pass by the columns' indexes, and compares them: by their codes, if `index` has some.
    fn matches(&mut self, part: &Part<'_>, index: Option<&Index>) -> Result<()> {
        let unit = part.unit;
        let (Some(filter), Some((columns, plan))) = (&self.plan.filter, part.known) else {
            return self.scan(part);
        };
        let rows = columns.select(filter, plan)?;
        let count = rows.len();
        if index.is_none() && u64::from(count) * 4 > u64::from(rows.rows()) {
            let rows = rows.into_bits();
            return self.compare(part, Some(&|row: u32| Ok(rows.contains(row) && !unit.is_dead(row))));
        }
        self.stats.rows_refused += u64::from(rows.rows() - count);
        let mut rows = rows.iter().filter(|row| !unit.is_dead(*row)).peekable();
        if let Some(index) = index {
            return self.codes(part, index, &mut rows);
        }
        let mut some: Vec<Found> = Vec::with_capacity(MATCHES);
        while rows.peek().is_some() {
            if (self.cancel)() {
                return Err(Error::Cancelled);
            }
            some.clear();
            some.extend(rows.by_ref().take(MATCHES).map(|row| Found { row, squared: 0.0 }));
            settle::rescore(&unit.rows, part.number, self.query, &some, &mut self.top, &mut self.stats)?;
        }
        Ok(())
    }

    /// Compares rows by their codes, then the nearest of them.
    fn codes(&mut self, part: &Part<'_>, index: &Index, rows: &mut dyn Iterator<Item = u32>) -> Result<()> {
        let compared = Scratch::with(|scratch| {
            self.steps += index.compare(self.query.vector(), rows, self.cancel, scratch)?;
            self.settle(part, index, scratch)
        });
        if (self.cancel)() {
            return Err(Error::Cancelled);
        }
        match compared {
            Err(e @ foretaste_storage::Error::Corrupt { .. }) => {
                // If the rows can be read, it is the index that is damaged.
                self.scanned = true;
                self.matches(part, None)?;
                part.unit.index_failed(&e);
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Compares the nearest of what an index found with the vectors themselves.
    fn settle(
        &mut self,
        part: &Part<'_>,
        index: &Index,
        scratch: &mut Scratch,
    ) -> foretaste_storage::Result<()> {
        // By fewer dimensions than the codes hold the order of the estimates is not the one wanted.
        let whole = self.plan.dims == index.dims();
        let (count, error) =
            if whole { (settle::wanted(self.plan.k), index.error()) } else { (self.plan.ef, f32::INFINITY) };
        let near = settle::near(scratch.nearest(count), self.plan.k, error);
        let (rows, number) = (&part.unit.rows, part.number);
        settle::rescore(rows, number, self.query, near, &mut self.top, &mut self.stats)
    }

    /// Asks the index, and does without it when it is damaged or finds too few.
    fn index(
        &mut self,
        part: &Part<'_>,
        index: &Index,
        (ef, nprobe): (usize, usize),
        decision: &mut Decision,
    ) -> Result<()> {
        let (unit, filter) = (part.unit, self.plan.filter.as_ref());
        // Of the neighbours of a node some are asked for.
        let sieve = Sieve::new(part.known, filter, decision.asked())?;
        let accept = |row: u32| sieve.accepts(unit, row, filter);
        let all = filter.is_none() && unit.dead_rows == 0;
        let accept: Option<&Accept<'_>> = if all { None } else { Some(&accept) };
        let ask = Ask {
            vector: self.query.vector(),
            ef,
            nprobe,
            wanted: settle::wanted(self.plan.k).min(self.plan.k + self.plan.ef),
            accept,
            share: decision.matching.map(|passing| share(decision.rows, passing)),
            cancel: self.cancel,
            steps: if filter.is_some() && index.cells() == 0 { decision.steps() } else { u64::MAX },
        };
        let enough = self.enough(unit, decision);
        let found = Scratch::with(|scratch| -> foretaste_storage::Result<Option<()>> {
            let walk = index.search(&ask, scratch)?;
            self.steps += walk.steps;
            self.stats.rows_refused += walk.refused;
            // Stopped when the matches could have been read: what it found until then may not be the nearest.
            if walk.stopped || scratch.len() < enough {
                Ok(None)
            } else {
                self.settle(part, index, scratch).map(Some)
            }
        });
        if (self.cancel)() {
            return Err(Error::Cancelled);
        }
        let failed = match found {
            Ok(Some(())) => return Ok(()),
            Ok(None) => None,
            Err(e @ foretaste_storage::Error::Corrupt { .. }) => Some(e),
            Err(e) => return Err(e.into()),
        };
        decision.fell_back = true;
        match failed {
            None if self.code_bytes(index).is_some() && part.known.is_some() => {
                self.matches(part, Some(index))
            }
            None => {
                self.scanned = true;
                self.matches(part, None)
            }
            Some(e) => {
                self.scanned = true;
                self.matches(part, None)?;
                // The rows can be read, so it is the index that is damaged.
                unit.index_failed(&e);
                Ok(())
            }
        }
    }

    /// How many rows an index must find for its answer to count: as many as a search without a filter keeps, or all that
    /// surely pass.
    fn enough(&self, unit: &Unit<'_>, decision: &Decision) -> usize {
        let live = u64::from(unit.rows.rows()).saturating_sub(decision.dead);
        let passing = decision.matching.map_or(live, |(least, _)| least.saturating_sub(decision.dead));
        let wanted = if decision.matching.is_some() { self.plan.ef / 2 } else { 0 };
        (wanted.max(self.plan.k) as u64).min(passing.max(1)).min(live) as usize
    }
}

/// Rows compared between two questions whether to give up.
const MATCHES: usize = 256;
