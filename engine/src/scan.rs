//! What a search goes through: each segment, and each block of fresh rows, with its deletions and its columns.
//!
//! Reads from: `snapshot`. Writes to: nothing. Never: a decision about how to go through it; that is `plan`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste_query::index::trust::Trust;
use foretaste_query::index::{Index, RowRef, Source as _};
use foretaste_query::lang::{Filter, JsonFields};
use foretaste_storage::key::Key;
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::fields::{self, SegmentColumns};
use crate::head::{HeadBlock, HeadHandle};
use crate::recover::to_storage;
use crate::sieve::Planned;
use crate::snapshot::Snapshot;
use crate::source::ScanRows;
use crate::state::{Place, Source};

/// One run of rows to go through: a segment, or one block of a head.
pub(crate) struct Unit<'a> {
    pub rows: ScanRows<'a>,
    dead: Arc<RoaringBitmap>,
    /// Rows of it that are deleted.
    pub dead_rows: u64,
    /// Number of the block's first row in its head; `dead` counts from there.
    first_row: u32,
    /// Rows that are more uncertain do not count.
    sure: Option<Sure>,
    /// For a segment, when there is a filter.
    columns: Option<SegmentColumns<'a>>,
    whole: Whole<'a>,
}

enum Whole<'a> {
    Segment(&'a Arc<Source>),
    Head(&'a HeadHandle, &'a HeadBlock),
}

/// Only rows that are sure enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sure {
    /// The sum of a row's variances may be so much,
    pub most: f32,
    /// over its first so many dimensions.
    pub dims: usize,
}

/// Everything that `snapshot` shows, and which rows of it may count beside what `filter` says of their fields.
pub(crate) fn units<'a>(
    snapshot: &'a Snapshot,
    filter: Option<&Filter>,
    sure: Option<Sure>,
) -> Result<Vec<Unit<'a>>> {
    let state = &snapshot.state;
    let mut units = Vec::with_capacity(state.segments.len() + state.heads.len());
    for source in &state.segments {
        let columns = match filter {
            Some(filter) => Some(SegmentColumns::new(&state.schema, &source.segment, filter.paths())?),
            None => None,
        };
        let dead = source.dead.at(snapshot.seq);
        units.push(Unit {
            rows: ScanRows::Segment(&source.segment, state.layout()),
            dead_rows: dead.len(),
            dead,
            first_row: 0,
            sure,
            columns,
            whole: Whole::Segment(source),
        });
    }
    for head in &state.heads {
        let dead = head.dead.at(snapshot.seq);
        units.extend(head.visible(snapshot.seq).map(|block| {
            let rows = block.first_row..block.first_row + block.block.rows();
            Unit {
                rows: ScanRows::Block(&block.block, state.layout()),
                dead_rows: dead.range_cardinality(rows),
                dead: Arc::clone(&dead),
                first_row: block.first_row,
                sure,
                columns: None,
                whole: Whole::Head(head, block),
            }
        }));
    }
    Ok(units)
}

impl<'a> Unit<'a> {
    /// Its search index, when it has one that is whole.
    pub fn index(&self) -> Option<&'a Index> {
        match &self.whole {
            Whole::Segment(source) if source.health.damage.get().is_none() => source.index.as_deref(),
            _ => None,
        }
    }

    /// How far the answers of its index can be trusted, when that was measured.
    pub fn trust(&self) -> Option<&'a Trust> {
        match &self.whole {
            Whole::Segment(source) => source.health.trust.get(),
            Whole::Head(..) => None,
        }
    }

    /// Remembers that its index is damaged: later searches do without, and `stats` and the background see it.
    pub fn index_failed(&self, error: &foretaste_storage::Error) {
        if let Whole::Segment(source) = &self.whole {
            let _ = source.health.damage.set(error.clone().into());
        }
    }

    /// No row of it has a smaller sum of variances over the first `dims` dimensions; 0 when nothing is known.
    pub fn least_trace(&self, dims: usize) -> foretaste_storage::Result<f32> {
        let Whole::Segment(source) = &self.whole else { return Ok(0.0) };
        // A sum over more dimensions is not smaller.
        self.levels_around(dims).0.map_or(Ok(0.0), |level| source.segment.least_trace(level))
    }

    /// The least and the greatest variance of any dimension of its rows; of fresh rows nothing is known.
    pub fn variance_range(&self) -> foretaste_storage::Result<(f32, f32)> {
        match &self.whole {
            Whole::Segment(source) => source.segment.variance_range(),
            Whole::Head(..) => Ok((0.0, f32::MAX)),
        }
    }

    /// The segment that it is.
    pub fn sealed(&self) -> Option<&'a Arc<Source>> {
        match &self.whole {
            Whole::Segment(source) => Some(source),
            Whole::Head(..) => None,
        }
    }

    /// The fresh block that it is.
    pub fn block(&self) -> Option<&'a HeadBlock> {
        match &self.whole {
            Whole::Segment(_) => None,
            Whole::Head(_, block) => Some(block),
        }
    }

    /// The first deleted row from `row` on.
    pub fn next_dead(&self, row: u32) -> Option<u32> {
        let end = self.first_row + foretaste_query::index::Source::rows(&self.rows);
        let dead = self.dead.range(self.first_row.saturating_add(row)..end).next()?;
        Some(dead - self.first_row)
    }

    /// What its indexes know of `filter`; `None` where rows can only be asked one by one.
    pub fn plan<'p>(&'p self, filter: Option<&'p Filter>) -> Result<Option<Planned<'p>>>
    where
        'a: 'p,
    {
        let Some(filter) = filter else { return Ok(None) };
        let Some(columns) = &self.columns else { return Ok(None) };
        let plan = columns.plan(filter)?;
        Ok((!plan.is_blind()).then_some((columns, plan)))
    }

    /// Whether a row is deleted.
    pub fn is_dead(&self, row: u32) -> bool {
        self.dead_rows > 0 && self.dead.contains(self.first_row + row)
    }

    /// Whether every row counts, with this filter.
    pub fn is_whole(&self, filter: Option<&Filter>) -> bool {
        filter.is_none() && self.dead_rows == 0 && self.sure.is_none()
    }

    /// Whether some rows may be too uncertain.
    pub fn asks_variance(&self) -> bool {
        self.sure.is_some()
    }

    /// Whether a row counts, as far as its fields do not matter: live, and sure enough.
    #[inline]
    pub fn counts(&self, row: u32) -> foretaste_storage::Result<bool> {
        if self.is_dead(row) {
            return Ok(false);
        }
        match self.sure {
            Some(Sure { most, dims }) => Ok(self.rows.trace(row, dims)? <= most),
            None => Ok(true),
        }
    }

    /// At least and at most so many rows, deleted ones among them, are sure enough and pass a filter that at least and at most
    /// `matching` pass; `None` when all do.
    pub fn passing(&self, matching: Option<(u64, u64)>) -> foretaste_storage::Result<Option<(u64, u64)>> {
        let Some(Sure { most: limit, dims }) = self.sure else { return Ok(matching) };
        let rows = u64::from(self.rows.rows());
        let (least, most) = match &self.whole {
            Whole::Segment(source) => {
                // Between two levels a sum is between theirs.
                let (shorter, longer) = self.levels_around(dims);
                let most = match shorter {
                    Some(shorter) => source.segment.traces_within(shorter, limit)?.1,
                    None => self.rows.rows(),
                };
                (source.segment.traces_within(longer, limit)?.0.min(most), most)
            }
            Whole::Head(..) => (0, self.rows.rows()),
        };
        let (least, most) = (u64::from(least), u64::from(most));
        Ok(Some(match matching {
            None => (least, most),
            // Those that fail the one may be those that fail the other, or none of them.
            Some((low, high)) => ((least + low).saturating_sub(rows), most.min(high)),
        }))
    }

    /// The numbers of the longest level that is not longer than `dims`, if there is one, and of the shortest that is not shorter.
    fn levels_around(&self, dims: usize) -> (Option<usize>, usize) {
        let levels = self.rows.levels();
        let shorter = levels.partition_point(|l| (*l as usize) <= dims).checked_sub(1);
        let longer = levels.partition_point(|l| (*l as usize) < dims);
        (shorter, longer.min(levels.len().saturating_sub(1)))
    }

    /// Whether a row counts and passes.
    pub fn accepts(&self, row: u32, filter: Option<&Filter>) -> foretaste_storage::Result<bool> {
        if !self.counts(row)? {
            return Ok(false);
        }
        let Some(filter) = filter else { return Ok(true) };
        match (&self.rows, &self.columns) {
            (ScanRows::Block(block, _), _) => {
                let document = fields::document(block.payload_of(row)).unwrap_or_default();
                Ok(filter.matches(&JsonFields::new(block.key(row), &document)))
            }
            (ScanRows::Segment(..), Some(columns)) => columns.passes(filter, row),
            (ScanRows::Segment(..), None) => Ok(true),
        }
    }

    /// Where a row is, for as long as its hit lives.
    pub fn place(&self, row: u32) -> Place {
        match &self.whole {
            Whole::Segment(source) => Place::Segment(Arc::clone(source), row),
            Whole::Head(head, _) => Place::Head(Arc::clone(head), self.first_row + row),
        }
    }
}

/// Which of some units a place is in.
pub(crate) struct Whereabouts(BTreeMap<(usize, u32), u32>);

impl Whereabouts {
    pub fn new(units: &[Unit<'_>]) -> Whereabouts {
        let begin = |unit: &Unit<'_>| match &unit.whole {
            Whole::Segment(source) => (Arc::as_ptr(source).addr(), 0),
            Whole::Head(head, _) => (Arc::as_ptr(head).addr(), unit.first_row),
        };
        Whereabouts(units.iter().map(begin).zip(0..).collect())
    }

    /// The row at a place, as the units count; `None` when it is in none of them.
    pub fn find(&self, place: &Place) -> Option<RowRef> {
        let (whole, row) = match place {
            Place::Segment(source, row) => (Arc::as_ptr(source).addr(), *row),
            Place::Head(head, row) => (Arc::as_ptr(head).addr(), *row),
        };
        let ((_, first_row), source) = self.0.range((whole, 0)..=(whole, row)).next_back()?;
        Some(RowRef { source: *source, row: row - first_row })
    }
}

/// The key of a row of one of `units`.
pub(crate) fn key_of(snapshot: &Snapshot, units: &[Unit<'_>], row: RowRef) -> foretaste_storage::Result<Key> {
    match units.get(row.source as usize) {
        Some(unit) => snapshot.key_of(&unit.place(row.row)).map_err(to_storage),
        None => Ok(Key::Int(0)),
    }
}
