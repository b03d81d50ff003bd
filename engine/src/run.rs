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
use crate::plan::{Cells, Decision, Known, Way, decide};
use crate::scan::{Unit, key_of, units};
use crate::search::{Asked, Cost, Hit, Hits};
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

fn check(schema: &crate::Schema, filter: &Filter) -> Result<()> {
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
    let ways = units.iter().map(|unit| run.decide(unit)).collect::<Result<Vec<_>>>()?;
    run.scanned = ways.iter().any(|d| !matches!(d.way, Way::Index { .. }));
    if run.scanned {
        run.top = TopK::new(flat::candidates(plan.k));
    }
    for (number, (unit, mut decision)) in units.iter().zip(ways).enumerate() {
        run.go(unit, number as u32, &mut decision)?;
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

impl Run<'_> {
    fn decide(&self, unit: &Unit<'_>) -> Result<Decision> {
        let rows = unit.rows.rows();
        let known_rows = match &self.plan.filter {
            None => None,
            Some(filter) => Some(match unit.plan(filter)? {
                Some((_, plan)) => (plan.estimate().into_inner(), true),
                None => ((0, u64::from(rows)), false),
            }),
        };
        Ok(decide(&Known {
            rows: u64::from(rows),
            dead: unit.dead_rows,
            bytes: (self.plan.dims * unit.rows.element().size()) as u64,
            matching: known_rows.map(|k| k.0),
            listed: known_rows.is_some_and(|k| k.1),
            index: unit
                .index()
                .filter(|_| !self.plan.exact)
                .map(|index| Cells { all: u64::from(index.cells()), probed: self.plan.nprobe as u64 }),
            ef: self.plan.ef as u64,
        }))
    }

    fn go(&mut self, unit: &Unit<'_>, number: u32, decision: &mut Decision) -> Result<()> {
        match decision.way {
            Way::Scan => self.scan(unit, number),
            Way::Matches => self.matches(unit, number),
            Way::Index { ef, cells } => match unit.index() {
                Some(index) => self.index(unit, index, number, (ef, cells), decision),
                None => self.scan(unit, number),
            },
        }
    }

    /// Compares every row that passes.
    fn scan(&mut self, unit: &Unit<'_>, number: u32) -> Result<()> {
        let filter = self.plan.filter.as_ref();
        let accept = |row: u32| unit.accepts(row, filter);
        let all = filter.is_none() && unit.dead_rows == 0;
        let accept: Option<&Accept<'_>> = if all { None } else { Some(&accept) };
        self.compare(unit, number, accept)
    }

    fn compare(&mut self, unit: &Unit<'_>, number: u32, accept: Option<&Accept<'_>>) -> Result<()> {
        let end = flat::search(
            &unit.rows,
            number,
            self.query,
            accept,
            self.cancel,
            &mut self.top,
            &mut self.stats,
        )?;
        if end == Scan::Complete { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Lists the rows that pass by the columns' indexes, and compares them.
    fn matches(&mut self, unit: &Unit<'_>, number: u32) -> Result<()> {
        let Some(filter) = &self.plan.filter else { return self.scan(unit, number) };
        let Some((columns, plan)) = unit.plan(filter)? else { return self.scan(unit, number) };
        let rows = columns.select(filter, &plan)?;
        if u64::from(rows.len()) * 4 > u64::from(rows.rows()) {
            let rows = rows.into_bits();
            let accept = |row: u32| Ok(rows.contains(row) && !unit.is_dead(row));
            return self.compare(unit, number, Some(&accept));
        }
        self.stats.rows_refused += u64::from(rows.rows() - rows.len());
        let mut some: Vec<Found> = Vec::with_capacity(MATCHES);
        let mut rows = rows.iter().filter(|row| !unit.is_dead(*row)).peekable();
        while rows.peek().is_some() {
            if (self.cancel)() {
                return Err(Error::Cancelled);
            }
            some.clear();
            some.extend(rows.by_ref().take(MATCHES).map(|row| Found { row, squared: 0.0 }));
            settle::rescore(&unit.rows, number, self.query, &some, &mut self.top, &mut self.stats)?;
        }
        Ok(())
    }

    /// Asks the index, and does without it when it is damaged or finds too few.
    fn index(
        &mut self,
        unit: &Unit<'_>,
        index: &Index,
        number: u32,
        (ef, nprobe): (usize, usize),
        decision: &mut Decision,
    ) -> Result<()> {
        let filter = self.plan.filter.as_ref();
        let accept = |row: u32| unit.accepts(row, filter);
        let all = filter.is_none() && unit.dead_rows == 0;
        let accept: Option<&Accept<'_>> = if all { None } else { Some(&accept) };
        let ask = Ask {
            vector: self.query.vector(),
            ef,
            nprobe,
            wanted: settle::wanted(self.plan.k).min(self.plan.k + self.plan.ef),
            accept,
            cancel: self.cancel,
            steps: if filter.is_some() && index.cells() == 0 { decision.steps() } else { u64::MAX },
        };
        let enough = self.enough(unit, decision);
        let found = Scratch::with(|scratch| -> foretaste_storage::Result<Option<()>> {
            let walk = index.search(&ask, scratch)?;
            self.steps += walk.steps;
            self.stats.rows_refused += walk.refused;
            if scratch.len() < enough {
                return Ok(None);
            }
            // By fewer dimensions than the codes hold the order of the estimates is not the one wanted.
            let whole = self.plan.dims == index.dims();
            let (count, error) = if whole {
                (settle::wanted(self.plan.k), index.error())
            } else {
                (self.plan.ef, f32::INFINITY)
            };
            let near = settle::near(scratch.nearest(count), self.plan.k, error);
            settle::rescore(&unit.rows, number, self.query, near, &mut self.top, &mut self.stats)?;
            Ok(Some(()))
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
        self.scanned = true;
        self.matches(unit, number)?;
        // The rows can be read, so it is the index that is damaged.
        if let Some(e) = failed {
            unit.index_failed(&e);
        }
        Ok(())
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
