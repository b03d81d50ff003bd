//! Fresh rows become a segment.
//!
//! `freeze the head (a new log and a new head take over) → write the segment → publish → swap → drop the old log`.
//!
//! Reads from: `head`. Writes to: `rewrite`.
//! Never: a commit held up while a segment is written (but by a change of levels, which holds the gate).

use std::sync::Arc;

use crate::core::{Core, Upkeep};
use crate::error::Result;
use crate::head::Head;
use crate::rewrite::{Unit, replace, rewrite};
use crate::state::{CollectionCore, State};

/// Seals all rows committed so far. Returns whether there was anything to seal.
pub(crate) fn seal(core: &Core, upkeep: &mut Upkeep, collection: &CollectionCore) -> Result<bool> {
    freeze(core, collection)?;
    let state = collection.state();
    let frozen = state.heads.split_last().map(|(_, frozen)| frozen.to_vec()).unwrap_or_default();
    let Some(sealed_seq) = frozen.iter().filter_map(|h| h.last_seq()).max() else { return Ok(false) };
    let marks: Vec<_> =
        frozen.iter().flat_map(|h| h.blocks()).filter_map(|b| b.block.mark().cloned()).collect();
    let (_, seq) = collection.view();
    let units = frozen.into_iter().map(Unit::Head).collect();
    let rewritten = rewrite(core, &state.schema, units, seq, &mut |_| true)?;
    replace(core, upkeep, collection, rewritten, |record| {
        record.sealed_seq = sealed_seq;
        for mark in marks {
            record.marks.retain(|(name, _)| *name != mark.name);
            if mark.position != u64::MAX {
                record.marks.push((mark.name, mark.position));
            }
        }
    })?;
    Ok(true)
}

/// Makes the active head immutable and lets a new one, with a new log, take the commits that follow.
fn freeze(core: &Core, collection: &CollectionCore) -> Result<()> {
    let writer = core.writer("seal")?;
    let mut ingest = writer.ingest.lock();
    writer.check_poison()?;
    let state = collection.state();
    if state.active().is_none_or(|head| head.last_seq().is_none()) {
        return Ok(());
    }
    // After this every frame of the head is durable: it may be seen, and it may be sealed.
    if let Err(e) = core.rotate_log(&mut ingest) {
        writer.poison(&e);
        return Err(e);
    }
    // Of every collection, owners before their members, as their names are ordered.
    core.all_collections().iter().for_each(|collection| collection.publish_appended());
    let mut heads = state.heads.clone();
    heads.push(Arc::new(Head::default()));
    collection.install(State {
        floor: collection.next_floor(),
        schema: Arc::clone(&state.schema),
        segments: state.segments.clone(),
        heads,
    });
    Ok(())
}
