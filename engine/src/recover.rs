//! Opening: the newest generation, its segments, and the log replayed into heads.
//!
//! Reads from: `manifest`, `segment`, `log`. Writes to: memory; a new database's first files; and, for a writer, removes
//! orphans last.
//! Never: an append to a log of an earlier process; the first commit begins a new one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use foretaste_storage::layout::Layout;
use foretaste_storage::limits;
use foretaste_storage::log::{self, Frame, ReplayEnd};
use foretaste_storage::manifest::{self, CollectionRecord, Record, State as Presence, TombRef};
use foretaste_storage::names;
use foretaste_storage::pin::{GenerationPin, Pins, oldest_pinned};
use foretaste_storage::section::tombstones::read_tombstones;
use foretaste_storage::segment::Segment;
use foretaste_storage::sync::{AtomicU64, Mutex, Ordering, RwLock};
use foretaste_storage::vfs::lock::{self, DatabaseLock};
use foretaste_storage::vfs::{self, Vfs};
use roaring::RoaringBitmap;

use crate::build::Builds;
use crate::core::{Core, Upkeep};
use crate::directory::KeyDirectory;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::index;
use crate::ingest::{self, Ingest, LogSpan, Writer};
use crate::member;
use crate::options::{Durability, Options};
use crate::reader::Follower;
use crate::schema::Schema;
use crate::scores::{self, ScoreMemory};
use crate::state::{CollectionCore, Source, State};
use crate::text::SealedTexts;
use crate::tombs::Tombs;
use crate::work::Work;

/// The folder of the key directory.
const DIRECTORY: &str = "directory";
/// How often a reader starts again because the writer published under it.
const RETRIES: usize = 100;

/// Opens or creates the database at `root`.
pub(crate) fn open(root: &Path, options: Options) -> Result<Arc<Core>> {
    limits::check("remembered scores", options.remembered_scores, limits::REMEMBERED_SCORES)?;
    if options.read_only { open_reader(root, options) } else { open_writer(root, options) }
}

fn open_writer(root: &Path, options: Options) -> Result<Arc<Core>> {
    let vfs = Arc::clone(&options.vfs);
    let presence = manifest::state(&*vfs, root)?;
    if presence != Presence::Present && !options.create {
        return Err(Error::NotFound { what: format!("database {}", root.display()) });
    }
    if presence == Presence::Missing {
        refuse_foreign(&*vfs, root)?;
        vfs.create_dir(root)?;
        if let Some(parent) = root.parent() {
            vfs.sync_dir(parent)?;
        }
    }
    let lock = DatabaseLock::acquire(&*vfs, root)?;
    // Looked at again under the lock: another process may have created it meanwhile.
    if manifest::state(&*vfs, root)? != Presence::Present {
        manifest::create(&*vfs, root, uuid::Uuid::new_v4().as_bytes())?;
    }
    let loaded = manifest::load(&*vfs, root, options.access)?;
    let keep = Keep { lock: Some(lock), generation: None };
    let core = build(root, options, loaded.uuid, loaded.record, keep)?;
    let found = replay(&core)?;
    if let Some(writer) = &core.writer {
        let mut ingest = writer.ingest.lock();
        ingest.next_seq = found.next_seq;
        ingest.logs = found.spans;
    }
    {
        let upkeep = core.upkeep.lock();
        let oldest = oldest_pinned(&*vfs, root, upkeep.record.generation)?;
        let keep = |generation| oldest.is_some_and(|oldest| generation >= oldest);
        manifest::recover::sweep(&*vfs, root, &upkeep.record, &keep)?;
    }
    Work::start(&core);
    Ok(core)
}

/// A database is made in a new or an empty folder, not among somebody's files.
fn refuse_foreign(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let ours = [
        lock::LOCK_FILE,
        names::GENERATIONS,
        names::LOGS,
        names::SEGMENTS,
        names::TOMBSTONES,
        DIRECTORY,
        scores::FOLDER,
    ];
    let present = match vfs.read_dir(root) {
        Err(e) if e.is_not_found() => return Ok(()),
        names => names?,
    };
    match present.iter().find(|name| !ours.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let why = format!(
                "{} is no database and holds other files (`{name}`); name a new or an empty folder",
                root.display()
            );
            Err(Error::BadRequest { what: "open", why })
        }
    }
}

fn open_reader(root: &Path, options: Options) -> Result<Arc<Core>> {
    let vfs = Arc::clone(&options.vfs);
    if manifest::state(&*vfs, root)? != Presence::Present {
        return Err(Error::NotFound { what: format!("database {}", root.display()) });
    }
    for attempt in 0.. {
        let before = newest_generation(&*vfs, root).ok();
        match open_generation(root, &options) {
            // The writer published between our reads: files are gone, or the log goes on with what belongs to a newer
            // generation.
            Err(e) if attempt < RETRIES => {
                let moved = before.is_none() || newest_generation(&*vfs, root).ok() != before;
                if !moved && !is_not_found(&e) {
                    return Err(e);
                }
                std::thread::yield_now();
            }
            other => return other,
        }
    }
    Err(Error::NotFound { what: format!("database {}", root.display()) })
}

fn open_generation(root: &Path, options: &Options) -> Result<Arc<Core>> {
    let vfs = &*options.vfs;
    let (pin, newest) = GenerationPin::newest(vfs, root)?;
    let (uuid, generation) = (newest.uuid, newest.generation);
    let record = manifest::load_generation(vfs, root, &uuid, generation, &newest.record, options.access)?;
    let keep = Keep { lock: None, generation: Some(Arc::new(pin)) };
    let core = build(root, options.clone(), uuid, record, keep)?;
    let found = replay(&core)?;
    let mut upkeep = core.upkeep.lock();
    upkeep.follower = Some(Follower::new(&found.spans, found.next_seq, found.last));
    drop(upkeep);
    Ok(core)
}

/// The generation that the manifest names now.
pub(crate) fn newest_generation(vfs: &dyn Vfs, root: &Path) -> Result<u64> {
    Ok(manifest::slots::read(vfs, root)?.generation)
}

pub(crate) fn is_not_found(e: &Error) -> bool {
    matches!(e, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// What an opening holds on the disk: the writer its lock, a reader its generation.
struct Keep {
    lock: Option<DatabaseLock>,
    generation: Option<Arc<GenerationPin>>,
}

/// The shared core with the record's segments open and heads empty.
fn build(
    root: &Path,
    options: Options,
    uuid: foretaste_storage::codec::check::Uuid,
    record: Record,
    keep: Keep,
) -> Result<Arc<Core>> {
    let writer = keep
        .lock
        .is_some()
        .then(|| Writer::new(Ingest { next_seq: record.next_seq, log: None, logs: Vec::new() }));
    let (pins, next_pin) = (Pins::new(), AtomicU64::new(1));
    let (mut collections, mut opened) = (BTreeMap::new(), Vec::new());
    for entry in &record.collections {
        let schema = Arc::new(Schema::decode(&entry.schema, entry.layout.clone())?);
        let mut segments = Vec::with_capacity(entry.segments.len());
        for (segment, dead, tombstones) in open_segments(root, &options, &uuid, entry, &schema.layout)? {
            let pin = pins.pin(next_pin.fetch_add(1, Ordering::Relaxed));
            let (dead, generation) = (Tombs::new(dead, []), keep.generation.clone());
            let (index, health) = index::open(&segment, schema.metric);
            let segment = Arc::new(segment);
            opened.push(Arc::downgrade(&segment));
            let texts = SealedTexts::default();
            segments.push(Arc::new(Source {
                segment,
                dead,
                tombstones,
                index,
                health,
                texts,
                pin,
                generation,
            }));
        }
        let state =
            State { floor: entry.sealed_seq, schema, segments, heads: vec![Arc::new(Head::default())] };
        let marks = entry.marks.iter().cloned().collect();
        let core = CollectionCore::new(entry.id, entry.name.clone(), state, entry.sealed_seq, marks);
        collections.insert(entry.name.clone(), Arc::new(core));
    }
    member::link(&collections);
    let path = (options.sled && keep.lock.is_some()).then(|| root.join(DIRECTORY));
    let directory = KeyDirectory::new(path, options.directory_from, record.directory_stamp);
    let path = (options.sled && keep.lock.is_some()).then(|| root.join(scores::FOLDER));
    let durable = options.durability == Durability::Sync;
    let scores = Arc::new(ScoreMemory::new(uuid, path, options.remembered_scores, durable));
    Ok(Arc::new(Core {
        directory,
        scores,
        vfs: Arc::clone(&options.vfs),
        root: root.to_path_buf(),
        uuid,
        options,
        collections: RwLock::new(collections),
        next_id: AtomicU64::new(record.next_id),
        upkeep: Mutex::new(Upkeep {
            record,
            retired: Vec::new(),
            follower: None,
            generation: keep.generation,
        }),
        writer,
        pins,
        next_pin,
        segments: Mutex::new(opened),
        work: Work::default(),
        builds: Builds::default(),
        _lock: keep.lock,
    }))
}

fn open_segments(
    root: &Path,
    options: &Options,
    uuid: &foretaste_storage::codec::check::Uuid,
    entry: &CollectionRecord,
    layout: &Layout,
) -> Result<Vec<(Segment, RoaringBitmap, Option<TombRef>)>> {
    let mut sources = Vec::with_capacity(entry.segments.len());
    for named in &entry.segments {
        let vfs: Arc<dyn Vfs> = Arc::clone(&options.vfs);
        let segment = Segment::open(vfs, root, uuid, &named.segment, layout, options.access)?;
        let dead = match &named.tombstones {
            None => RoaringBitmap::new(),
            Some(t) => read_tombstones(
                &*options.vfs,
                root,
                uuid,
                named.segment.id,
                t.version,
                &t.file,
                named.segment.rows,
            )?,
        };
        sources.push((segment, dead, named.tombstones.clone()));
    }
    Ok(sources)
}

/// What the logs held.
struct Found {
    spans: Vec<LogSpan>,
    next_seq: u64,
    /// The newest log and how much of it was read.
    last: Option<(u64, u64)>,
}

/// Replays every live log into the heads.
fn replay(core: &Core) -> Result<Found> {
    let record = core.upkeep.lock().record.clone();
    let on_disk = log::list(&*core.vfs, &core.root)?;
    if let Some(missing) = record.logs.iter().find(|l| !on_disk.contains(&l.id)) {
        let file = names::log_file(missing.id);
        return Err(Error::Corrupt {
            file,
            offset: 0,
            why: "the manifest names this log, and it is not there".into(),
        });
    }
    let mut found = Found { spans: Vec::new(), next_seq: record.next_seq, last: None };
    let mut expected: Option<u64> = None;
    // A log that was retired, and whose removal was interrupted, is neither named nor newer than the manifest.
    let live = |id: &u64| *id >= record.next_id || record.logs.iter().any(|l| l.id == *id);
    for id in on_disk.into_iter().filter(live) {
        let name = names::log_file(id);
        let known = record.logs.iter().find(|l| l.id == id).map_or(0, |l| l.synced_len);
        let path = core.root.join(&name);
        let file = core.vfs.open(&path)?;
        let end = log::replay(file, &name, &core.uuid, id, known, &mut |frame| {
            expect(&name, frame.offset, frame.first_seq, &mut expected)?;
            let ops = u64::from(frame.block.ops().max(1));
            expected = Some(frame.first_seq + ops);
            put(core, &record, frame).map_err(to_storage)
        })?;
        core.next_id.fetch_max(id + 1, Ordering::Relaxed);
        if end.valid_len == 0 {
            // Its creation was cut off before it could hold anything.
            if core.writer.is_some() {
                core.vfs.remove_file(&path)?;
            }
            continue;
        }
        expect(&name, 0, end.first_seq.max(expected.unwrap_or(end.first_seq)), &mut expected)?;
        if core.writer.is_some() && end.valid_len > known {
            // What was replayed will be built upon: it must not vanish with the page cache.
            vfs::rewrite(&*core.vfs, &path, known..end.valid_len)?;
            core.vfs.sync_dir(&core.root.join(names::LOGS))?;
        }
        // Not what the record says: it also counted operations that were queued then and that no log ever held. Their
        // numbers are given out again, or the next log would begin behind a gap.
        found.next_seq = next_seq(&end, expected);
        found.spans.push(LogSpan { id, first_seq: end.first_seq, closed_len: Some(end.valid_len) });
        found.last = Some((id, end.valid_len));
    }
    core.all_collections().iter().for_each(|collection| collection.publish_appended());
    Ok(found)
}

fn next_seq(end: &ReplayEnd, expected: Option<u64>) -> u64 {
    end.next_seq.max(end.first_seq).max(expected.unwrap_or(0))
}

/// Sequence numbers have no gaps, within a log or from one to the next.
fn expect(name: &Path, offset: u64, found: u64, expected: &mut Option<u64>) -> foretaste_storage::Result<()> {
    match *expected {
        Some(seq) if seq != found => {
            let why = format!("operation {seq} expected, found {found}: batches between them are missing");
            Err(foretaste_storage::Error::corrupt(name, offset, why))
        }
        _ => Ok(()),
    }
}

/// Puts a replayed frame into its collection, unless it is sealed already or the collection was dropped.
pub(crate) fn put(core: &Core, record: &Record, frame: Frame) -> Result<()> {
    let Some(entry) = record.collections.iter().find(|c| c.id == frame.collection) else { return Ok(()) };
    if frame.first_seq <= entry.sealed_seq {
        return Ok(());
    }
    let collection = core.collection(&entry.name)?;
    let state = collection.state();
    ingest::check_layout(&state, &frame.block)?;
    let replaced = ingest::replaced(core, &collection, &state, &frame.block)?;
    let last = frame.first_seq + u64::from(frame.block.ops().max(1)) - 1;
    ingest::apply(&collection, &state, frame.block, frame.first_seq, last, &replaced);
    Ok(())
}

/// Replay's callback speaks the storage layer's errors.
pub(crate) fn to_storage(e: Error) -> foretaste_storage::Error {
    match e {
        Error::Corrupt { file, offset, why } => foretaste_storage::Error::Corrupt { file, offset, why },
        Error::Io { path, op, source } => foretaste_storage::Error::Io { path, op, source },
        other => foretaste_storage::Error::corrupt(Path::new("log"), 0, other.to_string()),
    }
}
