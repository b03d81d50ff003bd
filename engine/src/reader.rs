//! A read-only database that follows the writer.
//!
//! Reads from: the manifest and the logs another process writes. Writes to: memory.
//! Never: a file of the database; a reader works on read-only media too.

use std::sync::Arc;

use foretaste_storage::log::{self, Tail};
use foretaste_storage::manifest::Record;
use foretaste_storage::names;
use foretaste_storage::sync::Ordering;

use crate::core::Core;
use crate::error::Result;
use crate::ingest::LogSpan;
use crate::member;
use crate::recover::{self, to_storage};
use crate::state::State;

/// Where a reader is in the writer's logs.
#[derive(Debug)]
pub(crate) struct Follower {
    next_seq: u64,
    /// The newest log that was read, and how much of it; `None` when there was none.
    last: Option<(u64, u64)>,
}

impl Follower {
    pub fn new(_spans: &[LogSpan], next_seq: u64, last: Option<(u64, u64)>) -> Self {
        Follower { next_seq, last }
    }
}

/// What a refresh has to do.
pub(crate) enum Refresh {
    /// Nothing new, or new batches that were added to the present state.
    Same,
    /// A new generation: the database must be opened again.
    Reopen,
}

/// Reads what the writer committed since the last look.
pub(crate) fn refresh(core: &Core) -> Result<Refresh> {
    let mut upkeep = core.upkeep.lock();
    if recover::newest_generation(&*core.vfs, &core.root)? != upkeep.record.generation {
        return Ok(Refresh::Reopen);
    }
    let record = upkeep.record.clone();
    let Some(follower) = upkeep.follower.as_mut() else { return Ok(Refresh::Same) };
    if let Err(e) = follow(core, &record, follower) {
        // What was read may belong to a generation published meanwhile: to a log that is gone, to other levels.
        if recover::newest_generation(&*core.vfs, &core.root)? != record.generation {
            return Ok(Refresh::Reopen);
        }
        return Err(e);
    }
    core.all_collections().iter().for_each(|collection| collection.publish_appended());
    Ok(Refresh::Same)
}

/// Puts the frames that were written since into the heads.
fn follow(core: &Core, record: &Record, follower: &mut Follower) -> Result<()> {
    let after = follower.last.map_or(0, |(id, _)| id);
    for id in log::list(&*core.vfs, &core.root)? {
        let known = record.logs.iter().any(|l| l.id == id) || id >= record.next_id;
        if !known || id < after {
            continue;
        }
        let name = names::log_file(id);
        let file = core.vfs.open(&core.root.join(&name))?;
        let mut next_seq = follower.next_seq;
        let mut visit = |frame: log::Frame| {
            next_seq = frame.first_seq + u64::from(frame.block.ops().max(1));
            recover::put(core, record, frame).map_err(to_storage)
        };
        let read = match follower.last.filter(|(last, _)| *last == id) {
            Some((_, offset)) => {
                let mut tail = Tail::resume(file, &name, &core.uuid, id, offset, follower.next_seq);
                tail.poll(&mut visit).map(|_| tail.offset())
            }
            None => log::replay(file, &name, &core.uuid, id, 0, &mut visit).map(|end| end.valid_len),
        };
        let offset = read?;
        follower.next_seq = next_seq;
        // A log of which nothing is valid yet was only just created.
        if offset > 0 {
            follower.last = Some((id, offset));
        }
    }
    Ok(())
}

/// Puts the collections of a newer opening in place of this one's, under the handles that are out.
pub(crate) fn adopt(core: &Core, newer: &Core) {
    let mut upkeep = core.upkeep.lock();
    let mut theirs = newer.upkeep.lock();
    upkeep.record = theirs.record.clone();
    upkeep.follower = theirs.follower.take();
    // The generation before stays pinned by the snapshots that show its segments.
    upkeep.generation = theirs.generation.take();
    let fresh = newer.collections.read();
    let mut collections = core.collections.write();
    collections.retain(|name, old| {
        let stays = fresh.get(name).is_some_and(|new| new.id == old.id);
        if !stays {
            old.dropped.store(true, Ordering::Release);
        }
        stays
    });
    // Members, whose names come after their owner's, before it: its number must not show what they have not got.
    for (name, new) in fresh.iter().rev() {
        let Some(old) = collections.get(name) else {
            collections.insert(name.clone(), Arc::clone(new));
            continue;
        };
        let (state, seq) = new.view();
        // Deletions on disk may be newer than what this reader had seen: no snapshot of the new state may be older.
        old.install(State {
            floor: seq,
            schema: Arc::clone(&state.schema),
            segments: state.segments.clone(),
            heads: state.heads.clone(),
        });
        old.publish(seq);
        *old.marks.lock() = new.marks.lock().clone();
    }
    member::link(&collections);
}
