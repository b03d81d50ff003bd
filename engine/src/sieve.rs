//! Which rows of a part pass a filter, are live, and sure enough, asked of one row after the other.
//!
//! A set is the fastest to ask, and making it costs a little for each row that passes. The columns are slower to ask, and
//! nothing is made before; but for tests of the elements of arrays, for which the set is made in any case. Documents are
//! read only of the rows of which neither tells.
//!
//! Reads from: `scan`. Writes to: nothing. Never: a document where the columns know.

use foretaste_query::filter::{Plan, Probe, RowSet, Selection};
use foretaste_query::lang::Filter;

use crate::error::Result;
use crate::fields::SegmentColumns;
use crate::scan::Unit;

/// A filter as the columns of one segment know it.
pub(crate) type Planned<'a> = (&'a SegmentColumns<'a>, Plan<'a>);

/// What a row has to pass. It owns what was gathered for it, so that it can be kept from one part of a search to the next.
#[derive(Debug)]
pub(crate) enum Sieve {
    /// It is one of these, and its document says yes if it is one of those, too.
    Rows(RowSet, Option<RowSet>),
    /// The columns say yes, or its document.
    Columns,
    /// The filter, if there is one, says yes of its fields.
    Fields,
}

/// A sieve at hand: what it asks of the columns, prepared.
pub(crate) struct Ready<'a> {
    sieve: &'a Sieve,
    probe: Option<Probe<'a>>,
    filter: Option<&'a Filter>,
}

impl Sieve {
    /// The sieve that is cheapest to make and to ask about `asked` times.
    pub fn new(planned: Option<&Planned<'_>>, filter: Option<&Filter>, asked: u64) -> Result<Sieve> {
        let (Some((columns, plan)), Some(filter)) = (planned, filter) else { return Ok(Sieve::Fields) };
        let (least, most) = plan.estimate().into_inner();
        let rows = u64::from(columns.rows());
        // Rows are gathered, or those that do not pass; with documents to be read, only those that are met are.
        let gathered = most.min(rows - least.min(rows));
        if least == most && gathered / GATHERED < asked {
            return Ok(Sieve::Rows(columns.select(filter, plan)?.into_bits(), None));
        }
        if plan.is_gathered() {
            let Selection { rows, unsure } = plan.select()?;
            return Ok(Sieve::Rows(rows.into_bits(), unsure));
        }
        Ok(Sieve::Columns)
    }

    /// Prepares it for rows of the part that it was made for.
    pub fn ready<'a>(
        &'a self,
        planned: Option<&'a Planned<'_>>,
        filter: Option<&'a Filter>,
    ) -> foretaste_storage::Result<Ready<'a>> {
        let probe = match (self, planned) {
            (Sieve::Columns, Some((_, plan))) => Some(plan.probe()?),
            _ => None,
        };
        Ok(Ready { sieve: self, probe, filter })
    }
}

impl Ready<'_> {
    /// Whether a row of `unit` counts and passes.
    #[inline]
    pub fn accepts(&self, unit: &Unit<'_>, row: u32) -> foretaste_storage::Result<bool> {
        if let Sieve::Rows(rows, unsure) = self.sieve {
            let asked = unsure.as_ref().is_some_and(|unsure| unsure.contains(row));
            return match asked {
                true => unit.accepts(row, self.filter),
                false => Ok(rows.contains(row) && unit.counts(row)?),
            };
        }
        match self.probe.as_ref().map(|probe| probe.passes(row)).transpose()?.flatten() {
            Some(passes) => Ok(passes && unit.counts(row)?),
            None => unit.accepts(row, self.filter),
        }
    }
}

/// Asking the columns of a row costs about as much as gathering so many rows.
const GATHERED: u64 = 10;
