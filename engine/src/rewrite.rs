//! Live rows of some units (heads or segments) written as one new segment, and the swap that puts it in their place.
//!
//! Reads from: `head`, `segment`. Writes to: a new segment, tombstone files, then by `publish` a generation, then memory.
//! Never: a row that a snapshot at or after the new state's floor would miss.

use std::sync::Arc;

use foretaste_storage::manifest::{CollectionRecord, SegmentEntry, TombRef};
use foretaste_storage::pin::Pin;
use foretaste_storage::rows::Rows;
use foretaste_storage::section::tombstones::write_tombstones;
use foretaste_storage::segment::{self, Pick, Segment, SegmentRef};
use foretaste_storage::{limits, names};
use roaring::RoaringBitmap;

use crate::core::{Core, Upkeep};
use crate::error::{Error, Result};
use crate::fields;
use crate::head::HeadHandle;
use crate::index::Health;
use crate::publish::{Files, Retired, publish, remove};
use crate::schema::Schema;
use crate::state::{CollectionCore, Source, State};
use crate::text::{self, SealedTexts, Target};
use crate::tombs::{Death, Tombs};

/// Rows that are rewritten together.
#[derive(Debug, Clone)]
pub(crate) enum Unit {
    Head(HeadHandle),
    Segment(Arc<Source>),
}

impl Unit {
    fn dead(&self) -> &Tombs {
        match self {
            Unit::Head(head) => &head.dead,
            Unit::Segment(source) => &source.dead,
        }
    }

    fn rows(&self) -> u32 {
        match self {
            Unit::Head(head) => head.rows(),
            Unit::Segment(source) => source.segment.rows(),
        }
    }
}

/// A new segment that holds the live rows of some units.
#[derive(Debug)]
pub(crate) struct Rewritten {
    units: Vec<Unit>,
    /// The snapshot the rows were live at.
    seq: u64,
    /// Rows of each unit that were taken, ascending; the new segment has them unit after unit.
    taken: Vec<Vec<u32>>,
    pub segment: Option<SegmentRef>,
}

/// Writes the rows of `units` that are live at `seq`. `progress` is told the rows written and may cancel.
pub(crate) fn rewrite(
    core: &Core,
    schema: &Schema,
    units: Vec<Unit>,
    seq: u64,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Rewritten> {
    let taken: Vec<Vec<u32>> = units
        .iter()
        .map(|unit| {
            let dead = unit.dead().at(seq);
            (0..unit.rows()).filter(|row| !dead.contains(*row)).collect()
        })
        .collect();
    let mut sources: Vec<Box<dyn Rows + '_>> = Vec::new();
    let mut picks: Vec<Pick> = Vec::with_capacity(taken.iter().map(Vec::len).sum());
    for (unit, rows) in units.iter().zip(&taken) {
        match unit {
            Unit::Segment(source) => {
                let number = sources.len() as u32;
                sources.push(Box::new(SegmentRows(&source.segment)));
                picks.extend(rows.iter().map(|row| Pick { source: number, row: *row }));
            }
            Unit::Head(head) => {
                let mut rows = rows.iter().peekable();
                for block in head.blocks() {
                    let number = sources.len() as u32;
                    sources.push(Box::new(block.rows(&schema.layout)));
                    let end = block.first_row + block.block.rows();
                    while let Some(row) = rows.next_if(|row| **row < end) {
                        picks.push(Pick { source: number, row: row - block.first_row });
                    }
                }
            }
        }
    }
    limits::check("rows of a segment", picks.len() as u64, limits::SEGMENT_ROWS)?;
    let segment = if picks.is_empty() {
        None
    } else {
        let sources: Vec<&dyn Rows> = sources.iter().map(|s| &**s).collect();
        let documents = fields::document_index(schema, &sources, &picks)?;
        let id = core.take_id();
        let written = segment::write(
            &*core.vfs,
            &core.root,
            &core.uuid,
            id,
            &schema.layout,
            &sources,
            &picks,
            &documents,
            progress,
        )?;
        let written = written.ok_or(Error::Cancelled)?;
        let number = if schema.texts.is_empty() { 0 } else { core.take_id() };
        let target = Target { vfs: &*core.vfs, root: &core.root, uuid: &core.uuid, segment: id, number };
        let mut go_on = |_| progress(picks.len() as u64);
        match text::write(&target, schema, &sources, &picks, &mut go_on) {
            Ok(text) => Some(written.with_text(text)),
            Err(e) => {
                // Recovery sweeps what stays.
                let _ = remove(&*core.vfs, &Files::Folder(core.root.join(names::segment_dir(id))));
                return Err(e);
            }
        }
    };
    drop(sources);
    Ok(Rewritten { units, seq, taken, segment })
}

/// Publishes `rewritten` in place of its units, with every deletion so far of the other segments, and swaps the state.
/// `change` makes further changes to the collection's record.
pub(crate) fn replace(
    core: &Core,
    upkeep: &mut Upkeep,
    collection: &CollectionCore,
    rewritten: Rewritten,
    change: impl FnOnce(&mut CollectionRecord),
) -> Result<()> {
    core.sync_log()?;
    let state = collection.state();
    let layout = state.layout().clone();
    let fresh = match &rewritten.segment {
        None => None,
        Some(reference) => Some(open_segment(core, reference, &layout)?),
    };
    let replaced = |source: &Arc<Source>| {
        rewritten.units.iter().any(|u| matches!(u, Unit::Segment(s) if s.segment.id() == source.segment.id()))
    };
    // Deletions go to disk with the generation that makes the log's account of them unnecessary.
    let mut kept: Vec<(Arc<Source>, Option<TombRef>)> = Vec::new();
    for source in state.segments.iter().filter(|s| !replaced(s)) {
        let tombstones = write_deaths(core, source, rewritten.seq)?;
        kept.push((Arc::clone(source), tombstones));
    }
    let mut entries: Vec<SegmentEntry> = kept
        .iter()
        .map(|(s, t)| SegmentEntry { segment: s.segment.reference().clone(), tombstones: t.clone() })
        .collect();
    entries.extend(rewritten.segment.iter().map(|s| SegmentEntry { segment: s.clone(), tombstones: None }));
    let elsewhere: usize =
        upkeep.record.collections.iter().filter(|c| c.id != collection.id).map(|c| c.segments.len()).sum();
    limits::check("segments of the database", (elsewhere + entries.len()) as u64, limits::SEGMENTS)?;
    publish(core, upkeep, false, |record| {
        if let Some(entry) = record.collections.iter_mut().find(|c| c.id == collection.id) {
            entry.segments = entries;
            change(entry);
        }
    })?;
    let generation = upkeep.record.generation;

    // From here on nothing can fail: memory follows the disk.
    let writer = core.writer("publish")?;
    let _ingest = writer.ingest.lock();
    let state = collection.state();
    let floor = collection.next_floor();
    let mut segments: Vec<Arc<Source>> = Vec::new();
    for (source, tombstones) in kept {
        if tombstones == source.tombstones {
            segments.push(source);
            continue;
        }
        retire_tombstones(core, upkeep, &source, generation);
        segments.push(Arc::new(source.at(floor, tombstones)));
    }
    if let Some(segment) = fresh {
        let pin = core.pins.pin(core.take_pin());
        let dead = rewritten.deaths(floor);
        let (index, health) = (None, Health::default());
        segments.push(Arc::new(Source {
            segment,
            dead,
            tombstones: None,
            index,
            health,
            texts: SealedTexts::default(),
            pin,
            generation: None,
        }));
    }
    let sealed = |head: &HeadHandle| {
        rewritten.units.iter().any(|u| matches!(u, Unit::Head(h) if Arc::ptr_eq(h, head)))
    };
    let heads = state.heads.iter().filter(|h| !sealed(h)).map(Arc::clone).collect();
    collection.install(State { floor, schema: Arc::clone(&state.schema), segments, heads });
    for unit in &rewritten.units {
        if let Unit::Segment(source) = unit {
            retire_segment(core, upkeep, source, generation);
        }
    }
    Ok(())
}

/// Opens a segment for the state that will show it.
pub(crate) fn open_segment(
    core: &Core,
    reference: &SegmentRef,
    layout: &foretaste_storage::layout::Layout,
) -> Result<Arc<Segment>> {
    let vfs = Arc::clone(&core.vfs);
    let segment = Segment::open(vfs, &core.root, &core.uuid, reference, layout, core.options.access)?;
    Ok(core.note(Arc::new(segment)))
}

/// Puts a segment's files, and its deletions', on the list of what to remove.
pub(crate) fn retire_segment(core: &Core, upkeep: &mut Upkeep, source: &Source, generation: u64) {
    core.pins.retire(source.pin.id());
    core.directory.forget(source.segment.id());
    upkeep.retired.push(Retired {
        generation,
        pin: Some(source.pin.id()),
        what: Files::Folder(core.root.join(names::segment_dir(source.segment.id()))),
        bytes: source.segment.bytes(),
    });
    retire_tombstones(core, upkeep, source, generation);
}

/// Puts the files of a segment that its new reference does not name on the list of what to remove. Returns the pin that
/// the segment has from now on: snapshots taken before may still read those files.
pub(crate) fn retire_files(
    core: &Core,
    upkeep: &mut Upkeep,
    source: &Source,
    reference: &SegmentRef,
    generation: u64,
) -> Pin {
    let old = &source.segment.reference().files;
    let dropped: Vec<_> = old.iter().filter(|f| !reference.files.contains(f)).collect();
    if dropped.is_empty() {
        return source.pin.clone();
    }
    core.pins.retire(source.pin.id());
    for file in dropped {
        let path = core.root.join(names::segment_dir(reference.id)).join(&file.name);
        upkeep.retired.push(Retired {
            generation,
            pin: Some(source.pin.id()),
            what: Files::One(path),
            bytes: file.len,
        });
    }
    core.pins.pin(core.take_pin())
}

fn retire_tombstones(core: &Core, upkeep: &mut Upkeep, source: &Source, generation: u64) {
    // Tombstone files are read when a segment is opened and not again: no snapshot of this process needs them.
    if let Some(tomb) = &source.tombstones {
        let path = core.root.join(names::tombstone_file(source.segment.id(), tomb.version));
        upkeep.retired.push(Retired { generation, pin: None, what: Files::One(path), bytes: tomb.file.len });
    }
}

/// Writes a segment's deletions up to `seq` when they are more than what is on disk.
fn write_deaths(core: &Core, source: &Source, seq: u64) -> Result<Option<TombRef>> {
    let dead = source.dead.at(seq);
    let on_disk = source.tombstones.as_ref().map_or(0, |t| u64::from(t.deleted));
    if dead.len() == on_disk {
        return Ok(source.tombstones.clone());
    }
    let (id, version) = (source.segment.id(), core.take_id());
    let file = write_tombstones(&*core.vfs, &core.root, &core.uuid, id, version, &dead)?;
    Ok(Some(TombRef { version, deleted: dead.len() as u32, file }))
}

impl Rewritten {
    /// The deletions that hit the units since their rows were taken, as rows of the new segment.
    fn deaths(&self, floor: u64) -> Tombs {
        let mut base = RoaringBitmap::new();
        let mut later: Vec<Death> = Vec::new();
        let mut first = 0u32;
        for (unit, taken) in self.units.iter().zip(&self.taken) {
            for death in unit.dead().after(self.seq) {
                let Ok(position) = taken.binary_search(&death.row) else { continue };
                let row = first + position as u32;
                if death.seq <= floor {
                    base.insert(row);
                } else {
                    later.push(Death { seq: death.seq, row });
                }
            }
            first += taken.len() as u32;
        }
        later.sort_by_key(|d| d.seq);
        Tombs::new(base, later)
    }
}

/// A shared segment as rows.
struct SegmentRows<'a>(&'a Segment);

impl Rows for SegmentRows<'_> {
    fn len(&self) -> u32 {
        self.0.rows()
    }
    fn key(&self, row: u32) -> foretaste_storage::Result<foretaste_storage::key::KeyRef<'_>> {
        Rows::key(self.0, row)
    }
    fn version(&self, row: u32) -> foretaste_storage::Result<u64> {
        Rows::version(self.0, row)
    }
    fn levels(&self, row: u32) -> foretaste_storage::Result<u8> {
        Rows::levels(self.0, row)
    }
    fn scale(&self, row: u32) -> foretaste_storage::Result<f32> {
        Rows::scale(self.0, row)
    }
    fn vector(
        &self,
        row: u32,
        level: usize,
    ) -> foretaste_storage::Result<foretaste_storage::bytes::Span<'_>> {
        Rows::vector(self.0, row, level)
    }
    fn variance(
        &self,
        row: u32,
        level: usize,
    ) -> foretaste_storage::Result<foretaste_storage::bytes::Span<'_>> {
        Rows::variance(self.0, row, level)
    }
    fn tokens(&self, row: u32) -> foretaste_storage::Result<Option<foretaste_storage::tokens::Stored<'_>>> {
        Rows::tokens(self.0, row)
    }
    fn payload(&self, row: u32) -> foretaste_storage::Result<foretaste_storage::bytes::Span<'_>> {
        Rows::payload(self.0, row)
    }
}
