//! A new generation: the manifest record that names every live file, and the removal of files no generation needs.
//!
//! Reads from: `seal`, `compact`, `db`, which say what changes. Writes to: `manifest`; removes files.
//! Never: a file removed while a snapshot of this process or a reader process may use it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Weak;

use foretaste_storage::manifest::{self, LogRef, Record};
use foretaste_storage::names;
use foretaste_storage::pin::oldest_pinned;
use foretaste_storage::vfs::Vfs;

use crate::core::{Core, Upkeep};
use crate::error::Result;
use crate::ingest::{Ingest, LogSpan};

/// Files that the generation `generation` and later ones do not name.
#[derive(Debug, Clone)]
pub(crate) struct Retired {
    pub generation: u64,
    /// The pin that must be gone before they are removed; `None` when no snapshot can hold them.
    pub pin: Option<u64>,
    pub what: Files,
    pub bytes: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Files {
    /// One file.
    One(PathBuf),
    /// A folder with all its files.
    Folder(PathBuf),
}

impl Retired {
    /// The folder its files are in.
    fn folder(&self) -> &Path {
        match &self.what {
            Files::One(path) => path.parent().unwrap_or(path),
            Files::Folder(folder) => folder,
        }
    }
}

/// Publishes the record that `change` makes of the present one. When this returns it is durable; after an error the
/// writer is poisoned, because the slot may or may not have been written.
pub(crate) fn publish(
    core: &Core,
    upkeep: &mut Upkeep,
    clean: bool,
    change: impl FnOnce(&mut Record),
) -> Result<()> {
    let writer = core.writer("publish")?;
    writer.check_poison()?;
    let mut record = upkeep.record.clone();
    change(&mut record);
    record.generation += 1;
    record.clean = clean;
    let dropped = {
        let mut ingest = writer.ingest.lock();
        record.next_seq = ingest.next_seq;
        let dropped = drop_logs(core, &mut ingest, &record);
        record.logs = ingest.logs.iter().map(|span| log_ref(&ingest, span)).collect();
        record.next_id = core.next_id.load(foretaste_storage::sync::Ordering::Relaxed);
        dropped
    };
    if let Err(e) = manifest::publish(&*core.vfs, &core.root, &core.uuid, &record) {
        writer.poison(&e);
        return Err(e.into());
    }
    for span in dropped {
        let path = core.root.join(names::log_file(span.id));
        let bytes = core.vfs.open(&path).and_then(|f| f.len()).unwrap_or(0);
        upkeep.retired.push(Retired {
            generation: record.generation,
            pin: None,
            what: Files::One(path),
            bytes,
        });
    }
    upkeep.record = record;
    Ok(())
}

/// Removes what is retired and unpinned. A file that cannot be removed now is an orphan, which the next open sweeps.
pub(crate) fn collect(core: &Core, upkeep: &mut Upkeep) {
    let generation = upkeep.record.generation;
    let free: BTreeSet<u64> = core.pins.collect().into_iter().collect();
    for retired in &mut upkeep.retired {
        if retired.pin.is_some_and(|pin| free.contains(&pin)) {
            retired.pin = None;
        }
    }
    let oldest = oldest_pinned(&*core.vfs, &core.root, generation).unwrap_or(Some(0)).unwrap_or(u64::MAX);
    // A segment whose levels were cut has a new pin; who holds an older one may need its other files too.
    let mut held: BTreeSet<PathBuf> = BTreeSet::new();
    upkeep.retired.retain(|retired| {
        let folder = retired.folder();
        let removable = retired.pin.is_none() && retired.generation <= oldest && !held.contains(folder);
        if retired.pin.is_some() {
            held.insert(folder.to_path_buf());
        }
        !(removable && remove(&*core.vfs, &retired.what).is_ok())
    });
    // The record before the newest stays, for `repair`.
    let folder = core.root.join("gen");
    for name in core.vfs.read_dir(&folder).unwrap_or_default() {
        let old = names::parse_generation(&name).is_some_and(|g| g + 1 < generation && g < oldest);
        if old {
            // Not removed is not lost: the next collection tries again.
            let _ = core.vfs.remove_file(&folder.join(&name));
        }
    }
}

/// Opens every file that snapshots may still need: the last handle is gone, and with it what kept the files.
pub(crate) fn keep_for_snapshots(core: &Core) {
    core.collections.write().clear();
    for segment in core.segments.lock().iter().filter_map(Weak::upgrade) {
        // What cannot be opened is an error of the read that needs it.
        let _ = segment.open_all();
    }
}

/// The logs no unsealed block of any collection is in, taken off the live ones.
fn drop_logs(core: &Core, ingest: &mut Ingest, record: &Record) -> Vec<LogSpan> {
    let mut needed = ingest.next_seq;
    for collection in core.all_collections() {
        let Some(entry) = record.collections.iter().find(|c| c.id == collection.id) else { continue };
        let state = collection.state();
        let unsealed = state.heads.iter().flat_map(|h| h.blocks()).find(|b| b.first_seq > entry.sealed_seq);
        needed = unsealed.map_or(needed, |b| needed.min(b.first_seq));
    }
    let open = ingest.log.is_some();
    let ends: Vec<u64> = ingest.logs.iter().skip(1).map(|s| s.first_seq).collect();
    let mut keep = ingest.logs.len();
    for (i, _) in ingest.logs.iter().enumerate() {
        let last = i + 1 == ingest.logs.len();
        let end = ends.get(i).copied().unwrap_or(if open { u64::MAX } else { ingest.next_seq });
        if end > needed || (last && open) {
            keep = i;
            break;
        }
    }
    ingest.logs.drain(..keep).collect()
}

fn log_ref(ingest: &Ingest, span: &LogSpan) -> LogRef {
    let open = ingest.log.as_ref().filter(|log| log.id() == span.id).map(|log| log.synced_len());
    LogRef { id: span.id, first_seq: span.first_seq, synced_len: open.or(span.closed_len).unwrap_or(0) }
}

/// Removes files, which nobody needs; what is not there is removed.
pub(crate) fn remove(vfs: &dyn Vfs, files: &Files) -> foretaste_storage::Result<()> {
    let gone = |result: foretaste_storage::Result<()>| match result {
        Err(e) if !e.is_not_found() => Err(e),
        _ => Ok(()),
    };
    match files {
        Files::One(path) => gone(vfs.remove_file(path)),
        Files::Folder(folder) => remove_folder(vfs, folder, &gone),
    }
}

fn remove_folder(
    vfs: &dyn Vfs,
    folder: &Path,
    gone: &dyn Fn(foretaste_storage::Result<()>) -> foretaste_storage::Result<()>,
) -> foretaste_storage::Result<()> {
    let names = match vfs.read_dir(folder) {
        Err(e) if e.is_not_found() => return Ok(()),
        names => names?,
    };
    for name in names {
        gone(vfs.remove_file(&folder.join(name)))?;
    }
    gone(vfs.remove_dir(folder))
}
