//! Rewrites the segments that `pick` chose.
//!
//! Reads from: `pick`. Writes to: `rewrite`. Never: two compactions at once (the upkeep lock is held).

use std::sync::Arc;

use foretaste_storage::names::Part;

use crate::compact::pick::{self, Size};
use crate::core::{Core, Upkeep};
use crate::error::Result;
use crate::rewrite::{Unit, replace, rewrite};
use crate::state::{CollectionCore, State};

/// Rewrites one group of segments if any is due. Returns whether it did.
pub(crate) fn compact_due(core: &Core, upkeep: &mut Upkeep, collection: &CollectionCore) -> Result<bool> {
    if collection.is_dropped() {
        return Ok(false);
    }
    let (state, seq) = collection.view();
    match pick::due(&sizes(&state, seq)) {
        None => Ok(false),
        Some(picked) => merge(core, upkeep, collection, &state, seq, &picked, &mut |_| true).map(|()| true),
    }
}

/// Whether a segment has so many dead rows that it is due; cheap enough to ask after every commit.
pub(crate) fn is_wasteful(state: &State) -> bool {
    state.segments.iter().any(|s| pick::is_wasteful(u64::from(s.segment.rows()), s.dead.most()))
}

/// Makes as few segments as possible and drops every dead row. `progress` is told (rows done, rows in all) and cancels
/// by returning false: what was published stays, the rest is left as it was.
pub(crate) fn compact_all(
    core: &Core,
    upkeep: &mut Upkeep,
    collection: &CollectionCore,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<()> {
    collection.check_there()?;
    let (state, seq) = collection.view();
    let sizes = sizes(&state, seq);
    let groups = pick::all(&sizes);
    let total: u64 = groups.iter().flatten().map(|i| sizes[*i].rows - sizes[*i].dead).sum();
    let mut before = 0;
    for group in groups {
        merge(core, upkeep, collection, &state, seq, &group, &mut |done| progress(before + done, total))?;
        before += group.iter().map(|i| sizes[*i].rows - sizes[*i].dead).sum::<u64>();
    }
    Ok(())
}

fn merge(
    core: &Core,
    upkeep: &mut Upkeep,
    collection: &CollectionCore,
    state: &State,
    seq: u64,
    picked: &[usize],
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<()> {
    // The newest account of the same segments: an earlier group's swap may have made new sources of them.
    let current = collection.state();
    let units = picked
        .iter()
        .filter_map(|i| state.segments.get(*i))
        .filter_map(|old| current.segments.iter().find(|s| s.segment.id() == old.segment.id()))
        .map(|source| Unit::Segment(Arc::clone(source)))
        .collect();
    let rewritten = rewrite(core, &current.schema, units, seq.max(current.floor), progress)?;
    replace(core, upkeep, collection, rewritten, |_| ())
}

fn sizes(state: &State, seq: u64) -> Vec<Size> {
    let size = |s: &Arc<crate::state::Source>| Size {
        rows: u64::from(s.segment.rows()),
        dead: s.dead.at(seq).len(),
        // A search index is not merged but built anew.
        bytes: s.segment.reference().bytes(|part| !matches!(part, Part::Ann(_) | Part::Trust(_))),
    };
    state.segments.iter().map(size).collect()
}
