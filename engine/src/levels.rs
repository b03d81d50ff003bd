//! Fewer or more nested levels on a collection that has rows.
//!
//! Levels are files of their own, so cutting the tail is a new generation that does not name them, and adding levels is
//! one with a longer layout that the old segments do not fill.
//!
//! Reads from: `state`. Writes to: `seal`, `publish`, then memory. Never: a plane rewritten.

use std::sync::Arc;

use foretaste_storage::layout::Layout;
use foretaste_storage::names::Part;

use crate::core::{Core, Upkeep};
use crate::error::{Error, Result};
use crate::index::Health;
use crate::publish::{collect, publish};
use crate::rewrite::{open_segment, retire_files};
use crate::schema::Schema;
use crate::seal::seal;
use crate::state::{CollectionCore, Source, State};

/// Keeps the levels up to `dims`.
pub(crate) fn truncate(core: &Core, collection: &CollectionCore, dims: usize) -> Result<()> {
    core.writer("truncate")?;
    let mut upkeep = core.upkeep.lock();
    // No commit of a longer vector may come between the last seal and the new layout.
    let _gate = collection.gate.write();
    collection.check_there()?;
    let old = Arc::clone(&collection.state().schema);
    let Some(keep) = old.layout.levels_for(dims) else {
        let why = format!("{dims} is not a level of this collection, which has {:?}", old.level_dims());
        return Err(Error::BadRequest { what: "truncate", why });
    };
    let keep = usize::from(keep);
    if keep == old.layout.levels.len() {
        return Ok(());
    }
    seal(core, &mut upkeep, collection)?;
    let schema = with_levels(&old, old.layout.levels.get(..keep).unwrap_or_default().to_vec())?;
    relayout(core, &mut upkeep, collection, schema)
}

/// Adds `levels` behind the last one.
pub(crate) fn extend(core: &Core, collection: &CollectionCore, levels: &[usize]) -> Result<()> {
    core.writer("extend")?;
    let mut upkeep = core.upkeep.lock();
    let _gate = collection.gate.write();
    collection.check_there()?;
    let old = Arc::clone(&collection.state().schema);
    let mut all = old.layout.levels.clone();
    all.extend(levels.iter().map(|l| u32::try_from(*l).unwrap_or(u32::MAX)));
    if levels.is_empty() {
        return Ok(());
    }
    let schema = with_levels(&old, all)?;
    schema.validate()?;
    seal(core, &mut upkeep, collection)?;
    relayout(core, &mut upkeep, collection, schema)
}

fn with_levels(old: &Schema, levels: Vec<u32>) -> Result<Schema> {
    Ok(Schema { layout: Layout { levels, ..old.layout.clone() }, ..old.clone() })
}

/// Publishes the new layout and opens every segment under it.
fn relayout(core: &Core, upkeep: &mut Upkeep, collection: &CollectionCore, schema: Schema) -> Result<()> {
    let schema = Arc::new(schema);
    let before = collection.state();
    let mut reopened = Vec::new();
    for source in &before.segments {
        let old = source.segment.reference();
        // A search index is of the levels it was built over; the upkeep builds another.
        let mut reference = old.with_ann(None);
        reference.files.retain(|f| level_of(&f.name) < schema.layout.levels.len());
        let segment = open_segment(core, &reference, &schema.layout)?;
        reopened.push((Arc::clone(source), reference, segment));
    }
    publish(core, upkeep, false, |record| {
        let Some(entry) = record.collections.iter_mut().find(|c| c.id == collection.id) else { return };
        entry.layout = schema.layout.clone();
        for segment in &mut entry.segments {
            if let Some((_, reference, _)) = reopened.iter().find(|(_, r, _)| r.id == segment.segment.id) {
                segment.segment = reference.clone();
            }
        }
    })?;
    let generation = upkeep.record.generation;
    let writer = core.writer("publish")?;
    let ingest = writer.ingest.lock();
    let state = collection.state();
    let floor = collection.next_floor();
    let mut segments = Vec::new();
    for (old, reference, segment) in reopened {
        let pin = retire_files(core, upkeep, &old, &reference, generation);
        let (index, health) = (None, Health::default());
        let kept = old.at(floor, old.tombstones.clone());
        segments.push(Arc::new(Source { segment, index, health, pin, ..kept }));
    }
    collection.install(State { floor, schema, segments, heads: state.heads.clone() });
    drop((ingest, state, before));
    collect(core, upkeep);
    Ok(())
}

/// The level a file of a segment belongs to; what belongs to none is kept with the first.
fn level_of(name: &str) -> usize {
    match Part::parse(name) {
        Some(Part::Plane(level) | Part::Variance(level)) => level,
        _ => 0,
    }
}
