//! Sweeps what a crash left behind: files and folders that no generation in use names.
//!
//! Reads from: the database's folders and the records in use. Writes to: nothing but removals.
//! Never: a name this crate does not give (it is reported and stays); a removal before the generation that makes the
//! file an orphan is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::manifest::{self, Record, slots};
use crate::names;
use crate::vfs::Vfs;

/// What nothing names any more, and what is not the database's. Paths are relative to the database folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orphans {
    /// Files to remove: records, logs, tombstones, files of segments.
    pub files: Vec<PathBuf>,
    /// Segments' folders to remove; nothing stays in them.
    pub folders: Vec<PathBuf>,
    /// Names that are not the database's. They are left alone.
    pub unknown: Vec<PathBuf>,
    /// Records of kept generations that cannot be read. What they name is not known, so only other records are orphans
    /// while there is one.
    pub unreadable: Vec<PathBuf>,
}

/// What the generations in use name.
#[derive(Debug, Default)]
struct Named {
    segments: BTreeMap<u64, BTreeSet<String>>,
    tombstones: BTreeSet<String>,
    oldest_log: Option<u64>,
}

/// Lists what [`sweep`] would remove.
///
/// `record` is the newest generation's; `keep` says of an older one whether a reader still uses it, and with it all it
/// names. The record of the generation before the newest stays in any case, for repair.
///
/// Files of a generation that is being written are orphans too until it is published: while a writer is at work the
/// list means nothing.
pub fn orphans(vfs: &dyn Vfs, root: &Path, record: &Record, keep: &dyn Fn(u64) -> bool) -> Result<Orphans> {
    let mut found = Orphans::default();
    let mut named = Named::default();
    named.add(record);
    let uuid = slots::read(vfs, root)?.uuid;
    for name in list(vfs, &root.join(names::GENERATIONS))? {
        let path = Path::new(names::GENERATIONS).join(&name);
        match names::parse_generation(&name) {
            None => found.unknown.push(path),
            Some(generation) if generation == record.generation => {}
            Some(generation) if generation < record.generation && keep(generation) => {
                match manifest::load_unnamed(vfs, root, &uuid, generation) {
                    Ok(kept) => named.add(&kept),
                    Err(Error::Corrupt { .. }) => found.unreadable.push(path),
                    Err(e) => return Err(e),
                }
            }
            Some(generation) if generation.checked_add(1) == Some(record.generation) => {}
            Some(_) => found.files.push(path),
        }
    }
    let all_known = found.unreadable.is_empty();
    let oldest_log = named.oldest_log.unwrap_or(record.next_id);
    for name in list(vfs, &root.join(names::LOGS))? {
        let path = Path::new(names::LOGS).join(&name);
        match names::parse_log(&name) {
            None => found.unknown.push(path),
            Some(id) if id < oldest_log && all_known => found.files.push(path),
            Some(_) => {}
        }
    }
    for name in list(vfs, &root.join(names::TOMBSTONES))? {
        let path = Path::new(names::TOMBSTONES).join(&name);
        match names::parse_tombstone(&name) {
            None => found.unknown.push(path),
            Some(_) if !named.tombstones.contains(&name) && all_known => found.files.push(path),
            Some(_) => {}
        }
    }
    for name in list(vfs, &root.join(names::SEGMENTS))? {
        match names::parse_segment(&name) {
            None => found.unknown.push(Path::new(names::SEGMENTS).join(&name)),
            Some(id) if all_known => segment(vfs, root, id, named.segments.get(&id), &mut found)?,
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Removes what [`orphans`] lists, and returns the list.
///
/// For the writer, at opening, before it writes anything else; the newest generation is made durable first.
pub fn sweep(vfs: &dyn Vfs, root: &Path, record: &Record, keep: &dyn Fn(u64) -> bool) -> Result<Orphans> {
    manifest::persist(vfs, root)?;
    let found = orphans(vfs, root, record, keep)?;
    let mut touched = BTreeSet::new();
    for file in &found.files {
        gone(vfs.remove_file(&root.join(file)))?;
        touched.extend(file.parent());
    }
    for folder in &found.folders {
        touched.remove(folder.as_path());
        gone(vfs.remove_dir(&root.join(folder)))?;
        touched.extend(folder.parent());
    }
    for folder in touched {
        vfs.sync_dir(&root.join(folder))?;
    }
    Ok(found)
}

/// The orphans in one segment's folder, of which the files in `live` are in use.
fn segment(
    vfs: &dyn Vfs,
    root: &Path,
    id: u64,
    live: Option<&BTreeSet<String>>,
    found: &mut Orphans,
) -> Result<()> {
    let folder = names::segment_dir(id);
    let mut stays = live.is_some();
    for name in list(vfs, &root.join(&folder))? {
        let path = folder.join(&name);
        if names::Part::parse(&name).is_none() {
            stays = true;
            found.unknown.push(path);
        } else if live.is_none_or(|live| !live.contains(&name)) {
            found.files.push(path);
        }
    }
    if !stays {
        found.folders.push(folder);
    }
    Ok(())
}

impl Named {
    fn add(&mut self, record: &Record) {
        for entry in record.segments() {
            let files = entry.segment.files.iter().map(|file| file.name.clone());
            self.segments.entry(entry.segment.id).or_default().extend(files);
            self.tombstones.extend(entry.tombstones.iter().map(|tombstones| tombstones.file.name.clone()));
        }
        // Without logs, those with numbers not given out yet may still be newer than the record.
        let oldest = record.logs.first().map_or(record.next_id, |log| log.id);
        self.oldest_log = Some(self.oldest_log.map_or(oldest, |before| before.min(oldest)));
    }
}

/// The names in a folder. A folder that a crash kept from being created is empty; what is no folder has no names.
fn list(vfs: &dyn Vfs, folder: &Path) -> Result<Vec<String>> {
    match vfs.read_dir(folder) {
        Err(e) if e.is_not_found() => Ok(Vec::new()),
        names => names,
    }
}

/// Whoever removed it first has done the work.
fn gone(removed: Result<()>) -> Result<()> {
    match removed {
        Err(e) if e.is_not_found() => Ok(()),
        removed => removed,
    }
}
