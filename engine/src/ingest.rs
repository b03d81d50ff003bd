//! The write path: a validated block becomes a log frame and head rows, and is acknowledged when it is durable.
//!
//! `commit → (ingest lock: find what it replaces, append to log queue and head) → wait for the log → publish`.
//!
//! Reads from: `batch`, `recover`. Writes to: `log`, `head`, `tombs`.
//! Never: a visible row before its frame is durable; a change of memory when the log refused the frame.

use std::sync::Arc;

use foretaste_storage::block::Block;
use foretaste_storage::log::{Log, Prepared};
use foretaste_storage::sync::Mutex;

use crate::core::Core;
use crate::directory::places;
use crate::error::{Error, Result};
use crate::state::{CollectionCore, Place, State};

/// What commits share; the ingest lock guards it.
#[derive(Debug)]
pub(crate) struct Ingest {
    /// Sequence number of the next operation.
    pub next_seq: u64,
    /// The log that takes frames; made by the first commit, so that opening makes none.
    pub log: Option<Arc<Log>>,
    /// Live logs, oldest first, the open one too.
    pub logs: Vec<LogSpan>,
}

/// A live log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSpan {
    pub id: u64,
    /// Sequence number of its first operation; the next log's is one past its last.
    pub first_seq: u64,
    /// For a log of an earlier process: how much of it is valid and durable.
    pub closed_len: Option<u64>,
}

/// Everything that writing needs, absent in a read-only database.
#[derive(Debug)]
pub(crate) struct Writer {
    pub ingest: Mutex<Ingest>,
    poison: Mutex<Option<String>>,
}

impl Writer {
    pub fn new(ingest: Ingest) -> Self {
        Writer { ingest: Mutex::new(ingest), poison: Mutex::new(None) }
    }

    /// Stops all writing, for the reason of the first failure.
    pub fn poison(&self, why: &dyn std::fmt::Display) {
        self.poison.lock().get_or_insert_with(|| why.to_string());
    }

    pub fn check_poison(&self) -> Result<()> {
        match self.poison.lock().as_ref() {
            Some(why) => Err(Error::Poisoned { why: why.clone() }),
            None => Ok(()),
        }
    }
}

/// What a commit writes into one collection.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub collection: &'a CollectionCore,
    pub block: Block,
}

/// Writes the parts of a commit, that of the members' owner last; returns when all are durable and visible. False, and nothing is
/// written, when `fits` says so of the owner's state that the commit would follow.
pub(crate) fn commit(
    core: &Core,
    parts: &[Part<'_>],
    fits: &mut dyn FnMut(&State) -> Result<bool>,
) -> Result<bool> {
    let writer = core.writer("write")?;
    let Some(Part { collection, .. }) = parts.last() else { return Ok(true) };
    let _gate = collection.gate.read();
    // Outside the lock: the checksum of the batch is most of the work.
    let prepare = |part: &Part<'_>| Prepared::new(&core.uuid, part.collection.id, part.block.clone());
    let prepared = parts.iter().map(prepare).collect();
    let last;
    let (log, ticket) = {
        let mut ingest = writer.ingest.lock();
        writer.check_poison()?;
        collection.check_there()?;
        if !fits(&collection.state())? {
            return Ok(false);
        }
        // A member that is gone is an error only of a commit that was meant for it alone.
        parts.iter().try_for_each(|part| part.collection.check_there())?;
        let mut found = Vec::with_capacity(parts.len());
        for Part { collection, block } in parts {
            let state = collection.state();
            check_layout(&state, block)?;
            let replaced = replaced(core, collection, &state, block)?;
            found.push((state, replaced));
        }
        let log = core.open_log(&mut ingest)?;
        let ticket = log.append_all(prepared, ingest.next_seq)?;
        for (Part { collection, block }, (state, replaced)) in parts.iter().zip(found) {
            let (first, ops) = (ingest.next_seq, u64::from(block.ops().max(1)));
            ingest.next_seq += ops;
            apply(collection, &state, block.clone(), first, first + ops - 1, &replaced);
        }
        last = ingest.next_seq - 1;
        (log, ticket)
    };
    if let Err(e) = log.wait(ticket) {
        writer.poison(&e);
        return Err(e.into());
    }
    // The owner first: views wait while a member's state is newer than the owner's number.
    parts.iter().rev().for_each(|part| part.collection.publish(last));
    Ok(true)
}

/// Puts a logged block into memory: its rows into the active head, deletions on what it replaces.
pub(crate) fn apply(
    collection: &CollectionCore,
    state: &State,
    block: Block,
    first: u64,
    last: u64,
    replaced: &[Place],
) {
    for place in replaced {
        // All deletions of a block carry its last number: a snapshot sees all of the block or nothing.
        place.kill(last);
    }
    if let Some(mark) = block.mark() {
        let mut marks = collection.marks.lock();
        if mark.position == u64::MAX {
            marks.remove(&mark.name);
        } else {
            marks.insert(mark.name.clone(), mark.position);
        }
    }
    if let Some(head) = state.active() {
        head.push(block, first);
    }
}

/// The live rows that `block` replaces or deletes, as the newest operation left them.
pub(crate) fn replaced(
    core: &Core,
    collection: &CollectionCore,
    state: &State,
    block: &Block,
) -> Result<Vec<Place>> {
    places(core, collection, state, (0..block.ops()).map(|op| block.key(op)))
}

/// A batch that was put together before a change of levels may not fit any more.
pub(crate) fn check_layout(state: &State, block: &Block) -> Result<()> {
    let layout = state.layout();
    if block.rows() > 0 && (block.element(), block.variance_layout()) != (layout.element, layout.variance) {
        let why = "a batch of another element type or variance storage than the collection's".to_string();
        return Err(Error::Corrupt { file: "log".into(), offset: 0, why });
    }
    if block.token_layout().is_some_and(|tokens| state.schema.tokens != Some(tokens)) {
        let why = "a batch with token matrices that the collection does not keep, or not so".to_string();
        return Err(Error::Corrupt { file: "log".into(), offset: 0, why });
    }
    let stale = (0..block.rows()).find(|row| layout.levels_for(block.width_of(*row)).is_none());
    match stale {
        None => Ok(()),
        Some(row) => Err(Error::DimensionMismatch {
            expected: format!("one of {:?}", layout.levels),
            got: block.width_of(row),
            row: row as usize,
            id: block.key(row).to_string(),
        }),
    }
}
