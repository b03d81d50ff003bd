//! Every byte of a database read and compared with its checksums, without changing anything.
//!
//! Reads from: the manifest, every segment, tombstone file and log. Writes to: nothing, not even a lock.
//! Never: a stop at the first damage; the report names all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretaste_storage::log;
use foretaste_storage::manifest::{self, CollectionRecord, Loaded, recover, slots};
use foretaste_storage::names;
use foretaste_storage::section::tombstones::read_tombstones;
use foretaste_storage::segment::Segment;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::index;
use crate::options::Options;
use crate::schema::Schema;
use crate::text;

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The manifest's generation; 0 when it could not be read.
    pub generation: u64,
    /// Segments whose every byte was verified.
    pub segments: usize,
    /// Rows in them.
    pub rows: u64,
    /// Batches in the logs.
    pub log_batches: u64,
    /// Bytes verified.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// What is worth knowing and no damage: a torn end of a log, files nobody names.
    pub notes: Vec<String>,
}

/// One damaged place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file, relative to the database folder.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    fn add(&mut self, root: &Path, error: impl Into<Error>) {
        let damage = match error.into() {
            Error::Corrupt { file, offset, why } => Damage { file, offset, why },
            Error::Io { path, op, source } => {
                let file = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or(path);
                Damage { file, offset: 0, why: format!("cannot {op}: {source}") }
            }
            other => Damage { file: PathBuf::from("manifest"), offset: 0, why: other.to_string() },
        };
        if !self.damage.contains(&damage) {
            self.damage.push(damage);
        }
    }
}

/// Checks the database at `root`. `progress` is told (bytes done, bytes in all) and cancels by returning false.
///
/// # Errors
/// `NotFound` when there is no database; `Cancelled`. Damage is no error but in the report.
pub fn check(root: &Path, options: &Options, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Report> {
    let vfs = &options.vfs;
    let mut report = Report::default();
    match manifest::state(&**vfs, root) {
        Ok(manifest::State::Present) => {}
        Ok(_) => return Err(Error::NotFound { what: format!("database {}", root.display()) }),
        Err(e) => {
            report.add(root, e);
            return Ok(report);
        }
    }
    let loaded = match manifest::load(&**vfs, root, options.access) {
        Ok(loaded) => loaded,
        Err(e) => {
            report.add(root, e);
            return Ok(report);
        }
    };
    report.generation = loaded.record.generation;
    let damaged = slots::read(&**vfs, root)?.damaged_copies;
    if damaged > 0 {
        let why = format!(
            "{damaged} copies of the slots are damaged; the others serve, and the next opening for writing mends it"
        );
        report.add(root, Error::Corrupt { file: PathBuf::from(manifest::MANIFEST), offset: 0, why });
    }
    let all = loaded.record.collections.iter().flat_map(|c| &c.segments);
    let total: u64 = all.flat_map(|s| &s.segment.files).map(|f| f.len).sum();
    let mut done = 0;
    for collection in &loaded.record.collections {
        if let Err(e) = Schema::decode(&collection.schema, collection.layout.clone()) {
            report.add(root, e);
        }
        check_segments(root, options, &loaded, collection, &mut report, &mut |bytes| {
            done += bytes;
            progress(done, total)
        })?;
    }
    check_logs(root, options, &loaded, &mut report);
    match recover::orphans(&**vfs, root, &loaded.record, &|_| false) {
        Ok(orphans) => {
            let unnamed = orphans.files.iter().chain(&orphans.folders).chain(&orphans.unknown);
            report.notes.extend(unnamed.map(|o| format!("{} is named by nobody", o.display())));
        }
        Err(e) => report.add(root, e),
    }
    Ok(report)
}

fn check_segments(
    root: &Path,
    options: &Options,
    loaded: &Loaded,
    collection: &CollectionRecord,
    report: &mut Report,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<()> {
    let schema = Schema::decode(&collection.schema, collection.layout.clone()).ok();
    for entry in &collection.segments {
        let vfs = Arc::clone(&options.vfs);
        let opened =
            Segment::open(vfs, root, &loaded.uuid, &entry.segment, &collection.layout, options.access);
        match opened {
            Err(e) => report.add(root, e),
            Ok(segment) => {
                let before = report.damage.len();
                let unnamed = segment.verify(&mut |e| report.add(root, e));
                if let (Some(schema), true) = (&schema, report.damage.len() == before) {
                    // Every block is whole; the index may contradict itself all the same.
                    let (_, health) = index::open(&segment, schema.metric);
                    health.damage.get().into_iter().for_each(|e| report.add(root, e.clone()));
                    text::verify(&segment, &mut |e| report.add(root, e));
                }
                report.notes.extend(unnamed.into_iter().map(|n| format!("{n} is named by nobody")));
                report.segments += 1;
                report.rows += u64::from(segment.rows());
                report.bytes += segment.bytes();
            }
        }
        if let Some(t) = &entry.tombstones {
            let (id, rows) = (entry.segment.id, entry.segment.rows);
            match read_tombstones(&*options.vfs, root, &loaded.uuid, id, t.version, &t.file, rows) {
                Ok(dead) if dead.len() == u64::from(t.deleted) => report.bytes += t.file.len,
                Ok(dead) => {
                    let why = format!("{} deleted rows, the manifest says {}", dead.len(), t.deleted);
                    report.add(
                        root,
                        Error::Corrupt { file: names::tombstone_file(id, t.version), offset: 0, why },
                    );
                }
                Err(e) => report.add(root, e),
            }
        }
        if !progress(entry.segment.files.iter().map(|f| f.len).sum()) {
            return Err(Error::Cancelled);
        }
    }
    Ok(())
}

fn check_logs(root: &Path, options: &Options, loaded: &Loaded, report: &mut Report) {
    let record = &loaded.record;
    let on_disk = match log::list(&*options.vfs, root) {
        Ok(ids) => ids,
        Err(e) => return report.add(root, e),
    };
    for missing in record.logs.iter().filter(|l| !on_disk.contains(&l.id)) {
        let why = "the manifest names this log, and it is not there".to_string();
        report.add(root, Error::Corrupt { file: names::log_file(missing.id), offset: 0, why });
    }
    for id in on_disk {
        let named = record.logs.iter().find(|l| l.id == id);
        if named.is_none() && id < record.next_id {
            continue;
        }
        let name = names::log_file(id);
        let mut batches = 0;
        let file = match options.vfs.open(&root.join(&name)) {
            Ok(file) => file,
            Err(e) => {
                report.add(root, e);
                continue;
            }
        };
        let known = named.map_or(0, |l| l.synced_len);
        let replayed = log::replay(file, &name, &loaded.uuid, id, known, &mut |_| {
            batches += 1;
            Ok(())
        });
        report.log_batches += batches;
        match replayed {
            Ok(end) => {
                report.bytes += end.valid_len;
                // A recovery that was recorded has cut the end off: there is nothing left to say of it.
                if let Some(torn) = end.torn.filter(|_| end.valid_len != known) {
                    report.notes.push(format!(
                        "{}: {} bytes at the end are no whole batch and not known to have been durable ({})",
                        name.display(),
                        torn.bytes,
                        torn.why
                    ));
                }
            }
            Err(e) => report.add(root, e),
        }
    }
}
