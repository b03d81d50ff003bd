//! Everything that makes searches fast, done now: sealed, merged, indexed; and what indexes are wanted.
//!
//! Reads from: `state`. Writes to: `seal`, `compact`, `build`, and the schema's wish by `publish`.
//! Never: the upkeep lock held while an index is built; a caller's callback on another thread than the caller's.

use std::sync::Arc;

use crossbeam_channel::bounded;
use foretaste_query::index::{RotationKind, Spec, Stage};
use foretaste_storage::stop::Stop;
use foretaste_storage::sync::Mutex;

use crate::build::{self, Outcome};
use crate::compact;
use crate::core::{Core, Upkeep};
use crate::error::{Error, Result};
use crate::index::{self, Due};
use crate::publish::{collect, publish};
use crate::schema::{Schema, TextField};
use crate::seal::seal;
use crate::space::Space;
use crate::state::{CollectionCore, Source, State};

/// How far [`crate::Collection::optimize`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub step: Step,
    /// The part of this step that is done, from 0 to 1.
    pub part: f64,
    /// Rows that the step goes through: all that are merged, or those of the segment that is indexed.
    pub rows: u64,
    /// Segments that still have to be indexed, this one included; 0 while segments are merged.
    pub segments: usize,
}

/// What [`crate::Collection::optimize`] is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Merging segments.
    Compact,
    /// Building the index of a segment.
    Index(Stage),
}

/// Makes the collection want such indexes from now on. Segments keep the ones they have until others are built.
pub(crate) fn set_index(
    core: &Core,
    collection: &CollectionCore,
    spec: Spec,
    rotation: RotationKind,
) -> Result<()> {
    let mut upkeep = core.upkeep.lock();
    wish(core, &mut upkeep, collection, |schema| Schema { index: spec, rotation, ..schema })
}

/// Declares one more full-text field. Documents are read for it until the segments have its index.
pub(crate) fn add_text(core: &Core, collection: &CollectionCore, field: TextField) -> Result<()> {
    let mut upkeep = core.upkeep.lock();
    wish(core, &mut upkeep, collection, |mut schema| {
        schema.texts.push(field);
        schema
    })
}

/// Says which space the vectors are of.
pub(crate) fn set_space(core: &Core, collection: &CollectionCore, space: Space) -> Result<()> {
    let mut upkeep = core.upkeep.lock();
    wish(core, &mut upkeep, collection, |schema| Schema { space: Some(space), ..schema })
}

/// Seals, merges and indexes all rows that were there when it was called.
pub(crate) fn optimize(
    core: &Core,
    collection: &CollectionCore,
    spec: Spec,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<()> {
    let writer = core.writer("optimize")?;
    let _turn = core.builds.take_turn();
    let sealed = {
        let mut upkeep = core.upkeep.lock();
        wish(core, &mut upkeep, collection, |schema| Schema { index: spec, ..schema })?;
        seal(core, &mut upkeep, collection)?;
        let sealed = writer.ingest.lock().next_seq;
        let step = Step::Compact;
        compact::compact_all(core, &mut upkeep, collection, &mut |done, rows| {
            progress(Progress { step, part: done as f64 / rows.max(1) as f64, rows, segments: 0 })
        })?;
        core.directory.fill(core, collection);
        collect(core, &mut upkeep);
        sealed
    };
    // The background may merge segments meanwhile: what is due is asked anew each time. Rows of later commits may be due
    // too, and are not waited for.
    loop {
        let state = collection.state();
        let mut open: Vec<(&Arc<Source>, Due)> = Vec::new();
        for source in state.segments.iter().filter(|s| s.segment.reference().first_version < sealed) {
            let due = index::due(&state.schema, source)?;
            open.extend((due != Due::Nothing).then_some((source, due)));
        }
        let Some((source, due)) = open.first() else { break };
        let (rows, segments) = (u64::from(source.segment.rows()), open.len());
        let mut told = |stage, part| progress(Progress { step: Step::Index(stage), part, rows, segments });
        if settle_here(core, collection, source, *due, &mut told)? == Outcome::Cancelled {
            return Err(Error::Cancelled);
        }
    }
    // The indexes that were there before are free when nobody has their sources.
    collect(core, &mut core.upkeep.lock());
    Ok(())
}

/// Builds on another thread, so that `progress` may stay on this one.
fn settle_here(
    core: &Core,
    collection: &CollectionCore,
    source: &Arc<Source>,
    due: Due,
    progress: &mut dyn FnMut(Stage, f64) -> bool,
) -> Result<Outcome> {
    let (tell, told) = bounded(0);
    let tell = Mutex::new(tell);
    let stop = Stop::new();
    let relay = move |stage: Stage, part: f64, stop: &Stop| {
        // One thread of the build at a time waits for the caller, so that the two stay in step; the others go on. Without
        // a listener the caller is unwinding.
        let listens = tell.try_lock().is_none_or(|tell| tell.send((stage, part)).is_ok());
        listens && !stop.asked()
    };
    let outcome = std::thread::scope(|scope| {
        let stop = &stop;
        let built =
            std::thread::Builder::new().name("foretaste-build".into()).spawn_scoped(scope, move || {
                build::settle(core, collection, source, due, &move |stage, part| relay(stage, part, stop))
            });
        let built = built.map_err(|e| foretaste_storage::Error::io("start", "a thread".as_ref(), e))?;
        // Ends when the build has dropped its end of the channel.
        for (stage, part) in told {
            if !progress(stage, part) {
                stop.ask();
            }
        }
        match built.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    // What was finished all the same stays, but nothing more is begun.
    Ok(if stop.asked() { Outcome::Cancelled } else { outcome })
}

/// Publishes the schema that `change` makes, if it is another.
fn wish(
    core: &Core,
    upkeep: &mut Upkeep,
    collection: &CollectionCore,
    change: impl FnOnce(Schema) -> Schema,
) -> Result<()> {
    let writer = core.writer("change the schema")?;
    collection.check_there()?;
    let old = Arc::clone(&collection.state().schema);
    let schema = change((*old).clone());
    if schema == *old {
        return Ok(());
    }
    schema.validate()?;
    let encoded = schema.encode()?;
    publish(core, upkeep, false, |record| {
        for entry in record.collections.iter_mut().filter(|c| c.id == collection.id) {
            entry.schema.clone_from(&encoded);
        }
    })?;
    let _ingest = writer.ingest.lock();
    let state = collection.state();
    collection.install(State {
        floor: collection.next_floor(),
        schema: Arc::new(schema),
        segments: state.segments.clone(),
        heads: state.heads.clone(),
    });
    Ok(())
}
