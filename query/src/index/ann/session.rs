//! A search in an index of any kind, between two steps: it can be looked at, gone on with, or left.
//!
//! Reads from: an index, what is asked. Writes to: a scratch, which belongs to the session until it is finished.
//! Never: a row among what is found that the index's file alone says is there; `finish` compares all with the number of rows.

use foretaste_storage::Result;
use foretaste_storage::section::Section;

use crate::index::Accept;
use crate::index::ann::{Ask, Found, Index, Kind, Scratch, Walk};
use crate::index::hnsw::{self, Beam, Filtered};
use crate::index::ivf::Probe;

/// A search in an index, between two steps.
#[derive(Debug)]
pub struct Session<'a> {
    index: &'a Index,
    way: Way<'a>,
    stopped: bool,
}

#[derive(Debug)]
enum Way<'a> {
    Beam(Beam<'a>, &'a Section),
    Among(Filtered<'a>, &'a Section),
    Cells(Probe<'a>),
}

impl Index {
    /// Begins a search for rows near `ask.vector` in `scratch`, which no other search may use until this one is finished.
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged; `Io`.
    pub fn start<'a>(&'a self, ask: &Ask<'_>, scratch: &mut Scratch) -> Result<Session<'a>> {
        self.codec.query(ask.vector, &mut scratch.query);
        let Scratch { query, graph, cells, found } = scratch;
        found.clear();
        let way = match &self.kind {
            Kind::Graph { view, rows } => match (ask.accept, ask.share) {
                (Some(_), Some(share)) => {
                    let effort = hnsw::Effort::new(ask.ef, share, ask.wanted, ask.steps);
                    Way::Among(Filtered::start(view, rows, query, effort, graph)?, rows)
                }
                _ => {
                    let without = ask.without.map(|row| hnsw::node_of(rows, view, row)).transpose()?;
                    Way::Beam(Beam::start(view, query, ask.ef, without, graph)?, rows)
                }
            },
            Kind::Cells(view) => Way::Cells(Probe::start(view, query, ask.nprobe, ask.wanted, cells)?),
        };
        Ok(Session { index: self, way, stopped: false })
    }
}

impl Session<'_> {
    /// Goes on for about `steps` more steps; whole cells of an inverted file. Returns whether there is more to do.
    ///
    /// `ask` must be what the session was begun with.
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged; `Io`; those of `ask.accept`.
    pub fn advance(&mut self, ask: &Ask<'_>, steps: u64, scratch: &mut Scratch) -> Result<bool> {
        let steps = steps.min(ask.steps.saturating_sub(self.steps()));
        if steps == 0 || (ask.cancel)() {
            self.stopped = true;
            return Ok(false);
        }
        let Scratch { query, graph, cells, .. } = scratch;
        let other = |row: u32| match ask.accept {
            _ if Some(row) == ask.without => Ok(false),
            accept => accept.map_or(Ok(true), |accept| accept(row)),
        };
        let accept: Option<&Accept<'_>> = if ask.without.is_some() { Some(&other) } else { ask.accept };
        match (&mut self.way, accept) {
            (Way::Beam(beam, _), accept) => beam.advance(query, steps, accept, graph),
            (Way::Among(search, _), Some(accept)) => search.advance(query, steps, accept, graph),
            (Way::Among(..), None) => Ok(false),
            (Way::Cells(probe), accept) => {
                let end = probe.steps.saturating_add(steps);
                while probe.steps < end {
                    if !probe.advance(query, 1, accept, cells)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Steps so far; see [`Walk::steps`].
    pub fn steps(&self) -> u64 {
        match &self.way {
            Way::Beam(beam, _) => beam.steps,
            Way::Among(search, _) => search.steps(),
            Way::Cells(probe) => probe.steps,
        }
    }

    /// The nearest rows that it has seen so far, nearest first, with their estimated distances; a few more than `count`, if there are as
    /// many. The search is the same afterwards.
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged, or a row is none of the segment's; `Io`; those of `ask.accept`.
    pub fn look<'s>(&self, ask: &Ask<'_>, count: usize, scratch: &'s mut Scratch) -> Result<&'s [Found]> {
        let count = count.saturating_mul(3) / 2 + 2;
        let Scratch { query, graph, cells, found } = scratch;
        found.clear();
        match (&self.way, ask.accept) {
            (Way::Beam(beam, _), accept) => {
                found.extend_from_slice(&graph.found);
                beam.look(query, accept, count, graph, found)?;
            }
            (Way::Among(search, _), Some(accept)) => {
                found.extend_from_slice(&graph.found);
                search.look(query, accept, count, graph, found)?;
            }
            (Way::Among(..), None) => {}
            (Way::Cells(_), _) => found.extend_from_slice(&cells.found),
        }
        if let Way::Beam(_, rows) | Way::Among(_, rows) = &self.way {
            self.index.check_rows(rows, scratch)?;
        }
        scratch.nearest(count);
        // One that was read may be among the next to read as well.
        scratch.found.dedup_by_key(|found| found.row);
        Ok(&scratch.found)
    }

    /// The rows that it has gone through so far, in no order.
    pub(crate) fn read<'s>(&self, scratch: &'s Scratch) -> &'s [Found] {
        match &self.way {
            Way::Beam(..) | Way::Among(..) => &scratch.graph.found,
            Way::Cells(_) => &scratch.cells.found,
        }
    }

    /// How far it has come for the nearest `count`: by what factor the next candidate's squared distance exceeds that of the last of
    /// them. Infinity when there is none left.
    pub fn reach(&self, count: usize, scratch: &Scratch) -> f32 {
        match &self.way {
            Way::Beam(..) => scratch.graph.reach(count),
            Way::Among(..) => scratch.graph.reach_passing(count),
            Way::Cells(probe) => probe.reach(count, &scratch.cells),
        }
    }

    /// Ends it where it stands, and leaves what it found in `scratch`; see [`Scratch::nearest`].
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged, or a row is none of the segment's; `Io`.
    pub fn finish(mut self, ask: &Ask<'_>, scratch: &mut Scratch) -> Result<Walk> {
        let Scratch { query, graph, cells, found } = scratch;
        let (walk, order) = match &mut self.way {
            Way::Beam(beam, rows) => {
                std::mem::swap(found, &mut graph.found);
                let Beam { steps, refused, .. } = *beam;
                (Walk { steps, compared: steps, refused, ..Walk::default() }, Some(*rows))
            }
            Way::Among(search, rows) => {
                if search.gave_up {
                    graph.found.clear();
                    self.stopped = true;
                } else if ask.accept.is_some() {
                    search.finish(query, graph)?;
                }
                std::mem::swap(found, &mut graph.found);
                let (steps, refused) = (search.steps(), search.refused);
                (Walk { steps, compared: steps + search.compared, refused, ..Walk::default() }, Some(*rows))
            }
            Way::Cells(probe) => {
                std::mem::swap(found, &mut cells.found);
                let Probe { steps, compared, refused, .. } = *probe;
                (Walk { steps, compared, cells: probe.cells as u64, refused, stopped: false }, None)
            }
        };
        if let Some(order) = order {
            self.index.check_rows(order, scratch)?;
        }
        Ok(Walk { stopped: self.stopped, ..walk })
    }
}
