//! Saves what is whole of a damaged database, and says what is not.
//!
//! Damaged segments are written anew with the rows that read, damaged logs with the batches that read; everything
//! derived is rebuilt on the way. The damaged originals are copied to a `quarantine-…` folder before anything is dropped.
//!
//! Reads from: the whole database. Writes to: new segments and logs, then a new manifest.
//! Never: a damaged byte taken for data; a file dropped before its copy is durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretaste_storage::codec::check::Uuid;
use foretaste_storage::log::{self, Durability, Frame, Log};
use foretaste_storage::manifest::salvage::{restore, salvage};
use foretaste_storage::manifest::{self, CollectionRecord, LogRef, Record, SegmentEntry};
use foretaste_storage::names::{self, Part};
use foretaste_storage::rows::Rows;
use foretaste_storage::sealed::{Access, FileRef};
use foretaste_storage::section::tombstones::read_tombstones;
use foretaste_storage::segment::{self, Pick, Segment, SegmentRef};
use foretaste_storage::vfs::lock::DatabaseLock;
use foretaste_storage::vfs::{self, Vfs};
use roaring::RoaringBitmap;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::fields;
use crate::index;
use crate::member::readable;
use crate::options::Options;
use crate::schema::Schema;
use crate::{scores, text};

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Rows of damaged segments that were written anew.
    pub rows_saved: u64,
    /// What could not be saved: rows by id where the id reads, else by place.
    pub rows_lost: Vec<String>,
    /// What was done, in order; empty when nothing was damaged.
    pub actions: Vec<String>,
    /// Where the damaged originals are, if there were any.
    pub quarantine: Option<PathBuf>,
}

/// Repairs the database at `root`, which nobody may have open. `progress` is told each action as it is done.
///
/// # Errors
/// `Locked`; `NotFound`; `Corrupt` when no generation's record reads at all; `Io`. After an error the database is as
/// damaged as before, and no more.
pub fn repair(root: &Path, options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Repaired> {
    let vfs = &options.vfs;
    if manifest::state(&**vfs, root).is_ok_and(|s| s != manifest::State::Present) {
        return Err(Error::NotFound { what: format!("database {}", root.display()) });
    }
    let _lock = DatabaseLock::acquire(&**vfs, root)?;
    let found = salvage(&**vfs, root)?;
    let mut repair = Repair {
        vfs: Arc::clone(vfs),
        root,
        uuid: found.uuid,
        quarantine: root.join(format!("quarantine-{:06}", found.record.generation)),
        next_id: free_id(&**vfs, root, &found.record)?,
        done: Repaired::default(),
        progress,
    };
    let mut record = found.record;
    for damage in &found.passed_over {
        repair.act(format!("{damage}: went back to generation {}", record.generation));
    }
    if manifest::slots::read(&**vfs, root).is_ok_and(|s| s.damaged_copies > 0) {
        repair.act("wrote the manifest's damaged copies anew".into());
    }
    for collection in &mut record.collections {
        repair.collection(collection)?;
    }
    repair.logs(&mut record)?;
    if !repair.done.actions.is_empty() {
        // Numbers of the damaged database are not used again: a newer record that does not read may be there.
        record.generation += 2;
        record.next_id = repair.next_id;
        record.directory_stamp = None;
        record.clean = false;
        scores::distrust(root, options)?;
        restore(&**vfs, root, &repair.uuid, &record)?;
    }
    Ok(repair.done)
}

struct Repair<'a> {
    vfs: Arc<dyn Vfs>,
    root: &'a Path,
    uuid: Uuid,
    quarantine: PathBuf,
    next_id: u64,
    done: Repaired,
    progress: &'a mut dyn FnMut(&str),
}

impl Repair<'_> {
    fn act(&mut self, what: String) {
        (self.progress)(&what);
        self.done.actions.push(what);
    }

    fn collection(&mut self, collection: &mut CollectionRecord) -> Result<()> {
        let schema = Schema::decode(&collection.schema, collection.layout.clone())?;
        let mut entries = Vec::new();
        for entry in &collection.segments {
            entries.extend(self.segment(collection, &schema, entry.clone())?);
        }
        collection.segments = entries;
        Ok(())
    }

    /// The segment as it is when it is whole, else what could be saved of it.
    fn segment(
        &mut self,
        collection: &CollectionRecord,
        schema: &Schema,
        mut entry: SegmentEntry,
    ) -> Result<Option<SegmentEntry>> {
        let (id, rows, name) = (entry.segment.id, entry.segment.rows, readable(&collection.name));
        let mut damage = Vec::new();
        let dead = match self.deaths(&entry) {
            Ok(dead) => dead,
            Err(e) => {
                self.act(format!(
                    "{e}: collection {name}: deletions of segment {id} are lost, its deleted rows are back"
                ));
                damage.push(e);
                entry.tombstones = None;
                self.superseded(collection, schema, id)
            }
        };
        self.indexes(&name, schema, &mut entry)?;
        let segment = match self.open(&entry.segment, schema) {
            Ok(segment) => segment,
            Err(e) => {
                self.keep_copy(&names::segment_dir(id))?;
                let lost = u64::from(rows) - dead.len();
                self.done.rows_lost.push(format!("{lost} rows of collection {name}, segment {id}: {e}"));
                self.act(format!("{e}: collection {name}: dropped segment {id}, which cannot be opened"));
                return Ok(None);
            }
        };
        segment.verify(&mut |e| damage.push(e));
        let Some(first) = damage.first() else { return Ok(Some(entry)) };
        let what = format!("{first} ({} damaged places)", damage.len());
        self.keep_copy(&names::segment_dir(id))?;
        let mut picks = Vec::new();
        for row in (0..rows).filter(|row| !dead.contains(*row)) {
            if segment.readable(row) {
                picks.push(Pick { source: 0, row });
            } else {
                let id = Rows::key(&segment, row)
                    .map_or_else(|_| format!("row {row} of segment {id}"), |k| k.to_string());
                self.done.rows_lost.push(format!("collection {name}: {id}"));
            }
        }
        self.done.rows_saved += picks.len() as u64;
        self.act(format!("{what}: collection {name}: wrote {} rows of segment {id} anew", picks.len()));
        if picks.is_empty() {
            return Ok(None);
        }
        let sources: [&dyn Rows; 1] = [&segment];
        let documents = fields::document_index(schema, &sources, &picks)?;
        let fresh = self.take_id();
        let written = segment::write(
            &*self.vfs,
            self.root,
            &self.uuid,
            fresh,
            &schema.layout,
            &sources,
            &picks,
            &documents,
            &mut |_| true,
        )?;
        Ok(written.map(|segment| SegmentEntry { segment, tombstones: None }))
    }

    /// Takes search and full-text indexes that are damaged out of the segment's reference: they are built again from the
    /// rows.
    fn indexes(&mut self, name: &str, schema: &Schema, entry: &mut SegmentEntry) -> Result<()> {
        let Ok(segment) = self.open(&entry.segment, schema) else { return Ok(()) };
        let (mut vectors, mut words): (Vec<Error>, Vec<Error>) = (Vec::new(), Vec::new());
        segment.verify_ann(&mut |e| vectors.push(e.into()));
        segment.verify_trust(&mut |e| vectors.push(e.into()));
        vectors.extend(index::open(&segment, schema.metric).1.damage.get().cloned());
        segment.verify_text(&mut |e| words.push(e.into()));
        text::verify(&segment, &mut |e| words.push(e));
        let id = entry.segment.id;
        let is_ann: fn(Part) -> bool = |part| matches!(part, Part::Ann(_) | Part::Trust(_));
        let is_text: fn(Part) -> bool = |part| matches!(part, Part::Text(_));
        for (damage, what, is) in [(vectors, "search index", is_ann), (words, "full-text index", is_text)] {
            let Some(first) = damage.first() else { continue };
            let (out, kept) =
                entry.segment.files.drain(..).partition(|file| Part::parse(&file.name).is_some_and(is));
            entry.segment.files = kept;
            for file in Vec::<FileRef>::as_slice(&out) {
                self.keep_copy(&names::segment_dir(id).join(&file.name))?;
            }
            self.act(format!("{first}: collection {name}: dropped the {what} of segment {id}"));
        }
        Ok(())
    }

    fn deaths(&self, entry: &SegmentEntry) -> foretaste_storage::Result<RoaringBitmap> {
        match &entry.tombstones {
            None => Ok(RoaringBitmap::new()),
            Some(t) => {
                let (id, rows) = (entry.segment.id, entry.segment.rows);
                read_tombstones(&*self.vfs, self.root, &self.uuid, id, t.version, &t.file, rows)
            }
        }
    }

    /// Rows of segment `id` that a newer version in another segment has replaced: what is known of its deletions when
    /// their file is lost. The logs' own account is applied when the database is opened.
    fn superseded(&self, collection: &CollectionRecord, schema: &Schema, id: u64) -> RoaringBitmap {
        let open = |entry: &SegmentEntry| self.open(&entry.segment, schema).ok();
        let Some(this) = collection.segments.iter().find(|e| e.segment.id == id).and_then(open) else {
            return RoaringBitmap::new();
        };
        let others: Vec<Segment> =
            collection.segments.iter().filter(|e| e.segment.id != id).filter_map(open).collect();
        let newer = |row: u32| {
            let (Ok(key), Ok(version)) = (Rows::key(&this, row), Rows::version(&this, row)) else {
                return false;
            };
            others.iter().any(|other| match other.find(key) {
                Ok(Some(found)) => Rows::version(other, found).is_ok_and(|v| v > version),
                _ => false,
            })
        };
        (0..this.rows()).filter(|row| newer(*row)).collect()
    }

    fn open(&self, reference: &SegmentRef, schema: &Schema) -> foretaste_storage::Result<Segment> {
        let vfs = Arc::clone(&self.vfs);
        Segment::open(vfs, self.root, &self.uuid, reference, &schema.layout, Access::Read)
    }

    /// Leaves whole logs alone; otherwise writes every batch that reads into one new log.
    fn logs(&mut self, record: &mut Record) -> Result<()> {
        let live = |id: &u64| *id >= record.next_id || record.logs.iter().any(|l| l.id == *id);
        let ids: Vec<u64> = log::list(&*self.vfs, self.root)?.into_iter().filter(live).collect();
        let Some(damage) = self.log_damage(record, &ids) else { return self.name_logs(record, &ids) };
        // By operation number: a batch stands in one log only, but the order of the files is no proof.
        let mut frames: BTreeMap<u64, Frame> = BTreeMap::new();
        let mut lost = 0;
        for id in &ids {
            let name = names::log_file(*id);
            self.keep_copy(&name)?;
            let file = self.vfs.open(&self.root.join(&name))?;
            lost += log::salvage(file, &name, &self.uuid, *id, &mut |frame| {
                frames.insert(frame.first_seq, frame);
                Ok(())
            })?;
        }
        let last = frames.values().map(|f| f.first_seq + u64::from(f.block.ops().max(1))).max();
        let mut next_seq = record.next_seq.max(last.unwrap_or(0));
        let unsealed = |frame: &Frame| {
            record.collections.iter().any(|c| c.id == frame.collection && frame.first_seq > c.sealed_seq)
        };
        let id = self.take_id();
        let fresh = Log::create(&*self.vfs, self.root, &self.uuid, id, next_seq, Durability::Sync)?;
        let first_seq = next_seq;
        let mut kept = 0;
        for frame in frames.into_values().filter(unsealed) {
            let ops = u64::from(frame.block.ops().max(1));
            // `flush` below makes them durable together.
            let _ticket = fresh.append(fresh.prepare(frame.collection, frame.block), next_seq)?;
            next_seq += ops;
            kept += 1;
        }
        fresh.flush()?;
        record.logs = vec![LogRef { id, first_seq, synced_len: fresh.synced_len() }];
        record.next_seq = next_seq;
        if lost > 0 {
            self.done.rows_lost.push(format!("the batches in {lost} damaged bytes of the logs"));
        }
        self.act(format!("{damage}: wrote {kept} batches of the logs anew"));
        Ok(())
    }

    /// Names every live log: the record may be older than the newest of them, and its `next_id` grows beyond their numbers.
    fn name_logs(&self, record: &mut Record, ids: &[u64]) -> Result<()> {
        for id in
            ids.iter().filter(|id| !record.logs.iter().any(|l| l.id == **id)).copied().collect::<Vec<_>>()
        {
            let name = names::log_file(id);
            let file = self.vfs.open(&self.root.join(&name))?;
            let end = log::replay(file, &name, &self.uuid, id, 0, &mut |_| Ok(()))?;
            if end.valid_len > 0 {
                vfs::rewrite(&*self.vfs, &self.root.join(&name), 0..end.valid_len)?;
                record.logs.push(LogRef { id, first_seq: end.first_seq, synced_len: end.valid_len });
                record.next_seq = record.next_seq.max(end.next_seq);
            }
        }
        Ok(self.vfs.sync_dir(&self.root.join(names::LOGS))?)
    }

    /// What is wrong with the logs, if anything is.
    fn log_damage(&self, record: &Record, ids: &[u64]) -> Option<Error> {
        let corrupt = |id: u64, why: String| Error::Corrupt { file: names::log_file(id), offset: 0, why };
        if let Some(missing) = record.logs.iter().find(|l| !ids.contains(&l.id)) {
            return Some(corrupt(missing.id, "the log is missing".into()));
        }
        let mut expected = None;
        for id in ids {
            let name = names::log_file(*id);
            let known = record.logs.iter().find(|l| l.id == *id).map_or(0, |l| l.synced_len);
            let file = match self.vfs.open(&self.root.join(&name)) {
                Ok(file) => file,
                Err(e) => return Some(e.into()),
            };
            let replayed = log::replay(file, &name, &self.uuid, *id, known, &mut |frame| match expected {
                Some(seq) if seq != frame.first_seq => {
                    let why = format!("operation {seq} expected, found {}", frame.first_seq);
                    Err(foretaste_storage::Error::corrupt(&name, frame.offset, why))
                }
                _ => {
                    expected = Some(frame.first_seq + u64::from(frame.block.ops().max(1)));
                    Ok(())
                }
            });
            if let Err(e) = replayed {
                return Some(e.into());
            }
        }
        None
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Copies a file, or the files of a folder, to the quarantine, durably.
    fn keep_copy(&mut self, name: &Path) -> Result<()> {
        let from = self.root.join(name);
        let to = self.quarantine.join(name);
        let files: Vec<PathBuf> = match self.vfs.read_dir(&from) {
            Ok(names) => names.into_iter().map(PathBuf::from).collect(),
            Err(_) => vec![PathBuf::new()],
        };
        for file in files {
            let (from, to) = if file.as_os_str().is_empty() {
                (from.clone(), to.clone())
            } else {
                (from.join(&file), to.join(&file))
            };
            if let Some(folder) = to.parent() {
                self.vfs.create_dir(folder)?;
                copy(&*self.vfs, &from, &to)?;
                self.vfs.sync_dir(folder)?;
            }
        }
        for folder in to.ancestors().take_while(|f| f.starts_with(&self.quarantine)) {
            if self.vfs.read_dir(folder).is_ok() {
                self.vfs.sync_dir(folder)?;
            }
        }
        self.vfs.sync_dir(self.root)?;
        self.done.quarantine = Some(self.quarantine.clone());
        Ok(())
    }
}

fn copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<()> {
    const CHUNK: u64 = 1 << 20;
    let source = match vfs.open(from) {
        // What is not there needs no copy.
        Err(e) if e.is_not_found() => return Ok(()),
        opened => opened?,
    };
    let (len, target) = (source.len()?, vfs.create(to)?);
    let mut at = 0;
    while at < len {
        let mut chunk = vec![0; CHUNK.min(len - at) as usize];
        source.read_at(at, &mut chunk)?;
        target.write_at(at, &chunk)?;
        at += chunk.len() as u64;
    }
    Ok(target.sync()?)
}

/// A number no segment and no log has, whatever the record says.
fn free_id(vfs: &dyn Vfs, root: &Path, record: &Record) -> Result<u64> {
    let segments = vfs.read_dir(&root.join(names::SEGMENTS))?;
    let used = segments.iter().filter_map(|name| names::parse_segment(name)).chain(log::list(vfs, root)?);
    Ok(used.map(|id| id + 1).chain([record.next_id]).max().unwrap_or(1))
}
