//! Collections come, go and change names: one publication each, for a collection and its members together.
//!
//! Reads from: `db`, `change`. Writes to: `publish`, then memory.
//! Never: a part of what belongs together; a caller's handle that goes on writing where its collection is no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste_storage::limits;
use foretaste_storage::manifest::CollectionRecord;
use foretaste_storage::sync::Ordering;

use crate::core::{Core, Upkeep};
use crate::error::Result;
use crate::head::Head;
use crate::member;
use crate::publish::{collect, publish};
use crate::rewrite::retire_segment;
use crate::schema::Schema;
use crate::state::{CollectionCore, State};

/// Creates collections, with the names that the manifest has them by. Operations of theirs have numbers above `sealed_seq`.
pub(crate) fn create(
    core: &Core,
    upkeep: &mut Upkeep,
    parts: Vec<(String, Schema)>,
    sealed_seq: u64,
) -> Result<()> {
    let there = upkeep.record.collections.len() + parts.len();
    limits::check("number of collections", there as u64, limits::COLLECTIONS)?;
    let mut entries = Vec::with_capacity(parts.len());
    for (id, (name, schema)) in (upkeep.record.next_collection..).zip(&parts) {
        limits::check("collection name in bytes", name.len() as u64, limits::NAME_BYTES)?;
        entries.push(CollectionRecord {
            id,
            name: name.clone(),
            layout: schema.layout.clone(),
            schema: schema.encode()?,
            sealed_seq,
            segments: Vec::new(),
            marks: Vec::new(),
        });
    }
    let numbers: Vec<u32> = entries.iter().map(|entry| entry.id).collect();
    publish(core, upkeep, false, |record| {
        record.next_collection += entries.len() as u32;
        record.collections.extend(entries);
    })?;
    let mut collections = core.collections.write();
    for (id, (name, schema)) in numbers.into_iter().zip(parts) {
        let heads = vec![Arc::new(Head::default())];
        let state = State { floor: sealed_seq, schema: Arc::new(schema), segments: Vec::new(), heads };
        let collection = CollectionCore::new(id, name.clone(), state, sealed_seq, BTreeMap::new());
        collections.insert(name, Arc::new(collection));
    }
    member::link(&collections);
    Ok(())
}

/// Removes collections with all their rows. Snapshots of them stay readable. Nobody commits to them meanwhile.
pub(crate) fn remove(core: &Core, upkeep: &mut Upkeep, all: &[Arc<CollectionCore>]) -> Result<()> {
    all.iter().for_each(|part| part.dropped.store(true, Ordering::Release));
    let published = publish(core, upkeep, false, |record| {
        record.collections.retain(|c| all.iter().all(|part| part.id != c.id));
    });
    if let Err(e) = published {
        all.iter().for_each(|part| part.dropped.store(false, Ordering::Release));
        return Err(e);
    }
    let generation = upkeep.record.generation;
    for part in all {
        let mut collections = core.collections.write();
        collections.remove(&part.name);
        member::link(&collections);
        drop(collections);
        let state = part.state();
        for source in &state.segments {
            retire_segment(core, upkeep, source, generation);
        }
        let schema = Arc::clone(&state.schema);
        part.install(State { segments: Vec::new(), heads: Vec::new(), schema, ..*state });
    }
    collect(core, upkeep);
    Ok(())
}

/// Gives two collections each other's names and marks, durably and at once. Nobody commits to them meanwhile, and none of their
/// indexes is being built. Handles to them are out of use: what they show stays as it is, and they cannot write.
pub(crate) fn exchange(
    core: &Core,
    upkeep: &mut Upkeep,
    one: &Arc<CollectionCore>,
    other: &Arc<CollectionCore>,
) -> Result<()> {
    publish(core, upkeep, false, |record| {
        let [a, b] = [one, other].map(|part| record.collections.iter().position(|c| c.id == part.id));
        if let (Some(a), Some(b)) = (a, b) {
            let (name, marks) = (record.collections[a].name.clone(), record.collections[a].marks.clone());
            let (theirs, their_marks) =
                (record.collections[b].name.clone(), record.collections[b].marks.clone());
            (record.collections[a].name, record.collections[a].marks) = (theirs, their_marks);
            (record.collections[b].name, record.collections[b].marks) = (name, marks);
        }
    })?;
    // A view of the owner shows everything that its members have: all of it is durable.
    let seq = one.view().1.max(other.view().1);
    let renamed = |part: &CollectionCore, named: &CollectionCore| {
        part.moved.store(true, Ordering::Release);
        let state = part.state();
        let state = State {
            floor: state.floor,
            schema: Arc::clone(&state.schema),
            segments: state.segments.clone(),
            heads: state.heads.clone(),
        };
        let marks = named.marks.lock().clone();
        Arc::new(CollectionCore::new(part.id, named.name.clone(), state, seq, marks))
    };
    let (first, second) = (renamed(one, other), renamed(other, one));
    let mut collections = core.collections.write();
    for part in [first, second] {
        collections.insert(part.name.clone(), part);
    }
    member::link(&collections);
    Ok(())
}
