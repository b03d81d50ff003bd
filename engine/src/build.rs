//! A search index for a sealed segment, or its full-text index: built beside the writing, written durably, then named by a new generation.
//!
//! `take the turn → build and write ann.N (no lock but the turn) → upkeep lock: is the segment still shown? → publish →
//! swap`. The segment's pin keeps its folder meanwhile. If it was merged, cut or dropped, the result is thrown away.
//!
//! Reads from: a segment's planes. Writes to: one file in its folder, then by `publish` a generation, then memory.
//! Never: a seal, commit or search that waits for a build.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foretaste_query::index::trust::calibrate;
use foretaste_query::index::{HeldOut, Stage, Task};
use foretaste_storage::names::{self, Part};
use foretaste_storage::sealed::FileRef;
use foretaste_storage::segment::{AnnNote, SegmentRef, write_ann, write_trust};
use foretaste_storage::stop::Stop;
use foretaste_storage::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

use crate::core::{Core, Upkeep};
use crate::error::{Error, Result};
use crate::index::{self, Due, Wanted};
use crate::publish::{collect, publish};
use crate::rewrite::{open_segment, retire_files};
use crate::source::ScanRows;
use crate::state::{CollectionCore, Source, State};
use crate::text::{self, SealedTexts};
use foretaste_query::index::{self as ann, Built};

/// Whose turn it is to build: one index at a time uses all the cores there are.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    turn: Mutex<()>,
    /// Callers that wait for the turn; a build in the background gives it up for them.
    callers: AtomicUsize,
}

/// The turn of a caller.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    builds: &'a Builds,
    _guard: MutexGuard<'a, ()>,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The segment is shown no more: there is nothing to index.
    Replaced,
    Cancelled,
}

impl Builds {
    /// Waits for the turn, which the background gives up.
    pub fn take_turn(&self) -> Turn<'_> {
        self.callers.fetch_add(1, Ordering::AcqRel);
        Turn { builds: self, _guard: self.turn.lock() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.builds.callers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Does what is due of the collection's indexes in the background, the largest segments first. A segment that fails is
/// left to the next call, and the first failure is the answer.
pub(crate) fn build_due(core: &Core) -> Result<()> {
    let (mut tried, mut failed) = (Vec::new(), None);
    loop {
        let wanted_elsewhere = || core.work.stopping() || core.builds.callers.load(Ordering::Acquire) > 0;
        // A caller that builds asks for this again when it is done.
        let Some(_turn) = core.builds.turn.try_lock().filter(|_| !wanted_elsewhere()) else { break };
        let mut open = all_due(core)?;
        open.retain(|(_, source, due)| !tried.contains(&(source.segment.id(), *due)));
        let Some((collection, source, due)) = open.into_iter().max_by_key(|(_, s, _)| s.segment.rows())
        else {
            break;
        };
        tried.push((source.segment.id(), due));
        match settle(core, &collection, &source, due, &|_, _| !wanted_elsewhere()) {
            Ok(Outcome::Cancelled) => break,
            Ok(_) => {}
            Err(e) => failed = failed.or(Some(e)),
        }
        // The index that was there before is free when nobody has its source.
        drop(source);
        collect(core, &mut core.upkeep.lock());
    }
    failed.map_or(Ok(()), Err)
}

type Open = (Arc<CollectionCore>, Arc<Source>, Due);

/// Every segment whose index is not what its schema wants.
fn all_due(core: &Core) -> Result<Vec<Open>> {
    let mut open = Vec::new();
    for collection in core.all_collections() {
        let state = collection.state();
        for source in &state.segments {
            let due = index::due(&state.schema, source)?;
            if due != Due::Nothing {
                open.push((Arc::clone(&collection), Arc::clone(source), due));
            }
        }
    }
    Ok(open)
}

/// Does what is due of one segment; the caller has the turn.
pub(crate) fn settle(
    core: &Core,
    collection: &CollectionCore,
    source: &Arc<Source>,
    due: Due,
    progress: &(dyn Fn(Stage, f64) -> bool + Sync),
) -> Result<Outcome> {
    match due {
        Due::Nothing => Ok(Outcome::Done),
        Due::Build(wanted) => build(core, collection, source, &wanted, progress),
        Due::Text => build_text(core, collection, source, progress),
        Due::Drop => {
            let without = |old: &SegmentRef| old.with_ann(None);
            let done = attach(core, &mut core.upkeep.lock(), collection, source, &without)?;
            Ok(if done { Outcome::Done } else { Outcome::Replaced })
        }
    }
}

/// Builds, writes and publishes an index of the segment; the caller has the turn. `progress` cancels by returning false.
fn build(
    core: &Core,
    collection: &CollectionCore,
    source: &Arc<Source>,
    wanted: &Wanted,
    progress: &(dyn Fn(Stage, f64) -> bool + Sync),
) -> Result<Outcome> {
    let writer = core.writer("build an index")?;
    writer.check_poison()?;
    let state = collection.state();
    if shown(&state, source).is_none() {
        return Ok(Outcome::Replaced);
    }
    let replaced = || shown(&collection.state(), source).is_none();
    let cancelled = Stop::new();
    let told = |stage, part| {
        if core.work.stopping() || replaced() || !progress(stage, part) {
            cancelled.ask();
        }
        !cancelled.asked()
    };
    let task = Task {
        metric: state.schema.metric,
        spec: wanted.spec,
        rotation: wanted.rotation,
        threads: core.options.threads(),
        seed: core.options.build_seed,
        progress: &told,
    };
    let rows = ScanRows::Segment(&source.segment, state.layout());
    let given_up = || if replaced() { Outcome::Replaced } else { Outcome::Cancelled };
    let built = match catch_unwind(AssertUnwindSafe(|| ann::build(&rows, &task))) {
        Ok(built) => built?,
        Err(_) => {
            let why = "the build panicked; this is a defect of foretaste".to_string();
            return Err(Error::BadRequest { what: "search index", why });
        }
    };
    let Some(mut built) = built else { return Ok(given_up()) };
    let held_out = built.take_held_out();
    let number = core.take_id();
    let built_as = wanted.built_as;
    let note = AnnNote { number, rows: source.segment.rows(), built_as, dim: state.schema.dim() as u64 };
    let file = match write(core, source, note, &built, &|| core.work.stopping()) {
        Err(_) if core.work.stopping() => return Ok(Outcome::Cancelled),
        written => written?,
    };
    // Its memory is not needed beside the file's.
    drop(built);
    let trust = measure(core, &state, source, (number, &file), &held_out, &told);
    if cancelled.asked() {
        remove(core, source, &[Part::Ann(number), Part::Trust(number)]);
        return Ok(given_up());
    }
    // Where it could not be measured or written, the index is put in place without.
    let trust = trust.unwrap_or_default();
    let with = |old: &SegmentRef| old.with_ann(Some(file.clone())).with_trust(trust.clone());
    put_in_place(core, collection, source, &[Part::Ann(number), Part::Trust(number)], &with)
}

/// Writes and publishes the full-text index of the segment; the caller has the turn.
fn build_text(
    core: &Core,
    collection: &CollectionCore,
    source: &Arc<Source>,
    progress: &(dyn Fn(Stage, f64) -> bool + Sync),
) -> Result<Outcome> {
    core.writer("build a full-text index")?.check_poison()?;
    let (schema, number) = (Arc::clone(&collection.state().schema), core.take_id());
    let (segment, id) = (&*source.segment, source.segment.id());
    let target = text::Target { vfs: &*core.vfs, root: &core.root, uuid: &core.uuid, segment: id, number };
    let replaced = || shown(&collection.state(), source).is_none();
    let mut go_on = |part| !core.work.stopping() && !replaced() && progress(Stage::Encode, part);
    let file = match text::build(&target, &schema, segment, &mut go_on) {
        Err(Error::Cancelled) if replaced() => return Ok(Outcome::Replaced),
        Err(Error::Cancelled) => return Ok(Outcome::Cancelled),
        built => built?,
    };
    let with = |old: &SegmentRef| old.with_text(file.clone());
    put_in_place(core, collection, source, &[Part::Text(number)], &with)
}

/// Publishes the segment with files that were written as `parts`, or removes them.
fn put_in_place(
    core: &Core,
    collection: &CollectionCore,
    source: &Arc<Source>,
    parts: &[Part],
    with: &dyn Fn(&SegmentRef) -> SegmentRef,
) -> Result<Outcome> {
    let writer = core.writer("build an index")?;
    let mut upkeep = core.upkeep.lock();
    let attached = writer.check_poison().and_then(|()| attach(core, &mut upkeep, collection, source, with));
    // A generation whose publication failed may name the file; then it stays.
    if !matches!(attached, Ok(true)) && writer.check_poison().is_ok() {
        remove(core, source, parts);
    }
    Ok(if attached? { Outcome::Done } else { Outcome::Replaced })
}

/// Removes files of a segment that no generation names, as far as possible; recovery sweeps what stays.
fn remove(core: &Core, source: &Source, parts: &[Part]) {
    let folder = core.root.join(names::segment_dir(source.segment.id()));
    for part in parts {
        let _ = core.vfs.remove_file(&folder.join(part.name()));
    }
}

fn write(
    core: &Core,
    source: &Source,
    note: AnnNote,
    built: &Built,
    cancel: &dyn Fn() -> bool,
) -> foretaste_storage::Result<FileRef> {
    let (vfs, id) = (&*core.vfs, source.segment.id());
    write_ann(vfs, &core.root, &core.uuid, id, note, &built.sections(), &mut |kind, out| {
        built.write(kind, &mut |bytes| match cancel() {
            true => Err(foretaste_storage::Error::Poisoned { why: "the database is being closed".into() }),
            false => out(bytes),
        })
    })
}

/// Measures how far answers of an index can be trusted, whose file no generation names yet, and writes that beside it. `None` when it
/// is not known.
fn measure(
    core: &Core,
    state: &State,
    source: &Source,
    (number, file): (u64, &FileRef),
    held_out: &HeldOut,
    progress: &(dyn Fn(Stage, f64) -> bool + Sync),
) -> Result<Option<FileRef>> {
    let reference = source.segment.reference().with_ann(Some(file.clone()));
    let segment = open_segment(core, &reference, state.layout())?;
    let (index, health) = index::open(&segment, state.schema.metric);
    if let Some(e) = health.damage.get() {
        return Err(e.clone());
    }
    let Some(index) = index else { return Ok(None) };
    let rows = ScanRows::Segment(&segment, state.layout());
    let told = |part| progress(Stage::Measure, part);
    let threads = core.options.threads();
    let Some(trust) = calibrate(&index, &rows, state.schema.metric, held_out, threads, &told)? else {
        return Ok(None);
    };
    let (vfs, id, of) = (&*core.vfs, segment.id(), (number, segment.rows()));
    Ok(Some(write_trust(vfs, &core.root, &core.uuid, id, of, &trust.encode()?)?))
}

/// The state's own account of a source's segment, if it shows it still: not merged, not cut, not dropped.
fn shown<'a>(state: &'a State, source: &Source) -> Option<&'a Arc<Source>> {
    state.segments.iter().find(|s| Arc::ptr_eq(&s.segment, &source.segment))
}

/// Publishes the segment with the files that `with` says, and swaps the state. False when the segment is shown no more.
fn attach(
    core: &Core,
    upkeep: &mut Upkeep,
    collection: &CollectionCore,
    source: &Source,
    with: &dyn Fn(&SegmentRef) -> SegmentRef,
) -> Result<bool> {
    let state = collection.state();
    if collection.is_dropped() || shown(&state, source).is_none() {
        return Ok(false);
    }
    let reference = with(source.segment.reference());
    let segment = open_segment(core, &reference, state.layout())?;
    let (index, health) = index::open(&segment, state.schema.metric);
    // What was there before may be damaged, and stays so; what is new may not.
    if let Some(e) = health.damage.get().filter(|_| reference.ann() != source.segment.reference().ann()) {
        return Err(e.clone());
    }
    let texts = SealedTexts::default();
    if reference.text() != source.segment.reference().text()
        && texts.is_due(&state.schema, &segment)
        && let Some(e) = texts.damage()
    {
        return Err(e.clone());
    }
    publish(core, upkeep, false, |record| {
        let entries = record.collections.iter_mut().filter(|c| c.id == collection.id);
        for entry in entries.flat_map(|c| &mut c.segments).filter(|s| s.segment.id == reference.id) {
            entry.segment = reference.clone();
        }
    })?;
    let generation = upkeep.record.generation;

    // From here on nothing can fail: memory follows the disk.
    let writer = core.writer("publish")?;
    let _ingest = writer.ingest.lock();
    let state = collection.state();
    let floor = collection.next_floor();
    let mut segments = state.segments.clone();
    for old in segments.iter_mut().filter(|s| Arc::ptr_eq(&s.segment, &source.segment)) {
        let pin = retire_files(core, upkeep, old, &reference, generation);
        let (segment, index, health) = (Arc::clone(&segment), index.clone(), health.clone());
        let kept = old.at(floor, old.tombstones.clone());
        let texts = texts.clone();
        *old = Arc::new(Source { segment, index, health, texts, pin, ..kept });
    }
    let (schema, heads) = (Arc::clone(&state.schema), state.heads.clone());
    collection.install(State { floor, schema, segments, heads });
    Ok(true)
}
