//! The manifest: which files are the database, generation by generation.
//!
//! ```text
//! manifest: two slots ([`slots`]) ──> gen/000042, a generation's record ([`record`]) ──> every live file
//! ```
//!
//! A generation is published in this order, each step durable before the next: the files it names (the caller's work),
//! its record, the name of the record, the slot. A crash before the last step leaves the generation before it, and
//! files that nothing names, which [`recover`] sweeps.
//!
//! Reads from: `vfs`. Writes to: `vfs`.
//! Never: a slot that names what is not durable; the newest slot overwritten.

pub mod record;
pub mod recover;
pub mod salvage;
pub mod slots;

use std::path::Path;

use crate::codec::check::Uuid;
use crate::codec::header::Kind;
use crate::codec::meta;
use crate::error::{Error, Result};
use crate::sealed::{Access, FileRef, SealedFile, SealedWriter};
use crate::vfs::{self, Vfs};
use crate::{limits, names};

pub use record::{CollectionRecord, LogRef, Record, SegmentEntry, TombRef};

/// The name of the file with the two slots.
pub const MANIFEST: &str = "manifest";

/// How far a database in a folder has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Missing,
    /// Its creation was cut short before anything could be stored: [`create`] may begin again.
    Unfinished,
    /// There is one; whether it is whole is for [`load`] to say.
    Present,
}

/// The newest generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The database's identity.
    pub uuid: Uuid,
    /// Its record.
    pub record: Record,
}

/// Whether there is a database in the folder `root`.
///
/// A manifest without a whole slot is an unfinished creation only while there is no log and no segment: those are made
/// after the manifest is durable. With them it is damage, and the database counts as present.
pub fn state(vfs: &dyn Vfs, root: &Path) -> Result<State> {
    let list = |folder: &str| match vfs.read_dir(&root.join(folder)) {
        Err(e) if e.is_not_found() => Ok(None),
        names => names.map(Some),
    };
    let any = |folder: &str, is_one: &dyn Fn(&str) -> bool| -> Result<bool> {
        Ok(list(folder)?.is_some_and(|names| names.iter().any(|name| is_one(name))))
    };
    let used = any(names::LOGS, &|name| names::parse_log(name).is_some())?
        || any(names::SEGMENTS, &|name| names::parse_segment(name).is_some())?
        || any(names::GENERATIONS, &|name| names::parse_generation(name).is_some_and(|g| g > 1))?;
    if used {
        return Ok(State::Present);
    }
    match slots::read(vfs, root) {
        Ok(_) | Err(Error::FormatTooNew { .. }) => return Ok(State::Present),
        Err(Error::Corrupt { .. }) => {}
        Err(e) => return Err(e),
    }
    let Some(names) = list("")? else { return Ok(State::Missing) };
    let ours = [MANIFEST, names::GENERATIONS, names::LOGS, names::SEGMENTS, names::TOMBSTONES];
    Ok(if names.iter().any(|name| ours.contains(&name.as_str())) {
        State::Unfinished
    } else {
        State::Missing
    })
}

/// Creates the database `uuid` in the folder `root`, which is created too, and returns its first record.
///
/// A crash at any step leaves [`State::Missing`], [`State::Unfinished`], or the whole database. Call it only in the
/// first two states, with the database's lock held.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::manifest::{self, State};
/// use foretaste_storage::sealed::Access;
/// use foretaste_storage::vfs::mem::MemVfs;
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let (vfs, root, uuid) = (MemVfs::new(), Path::new("/notes.ft"), [7; 16]);
/// assert_eq!(manifest::state(&vfs, root)?, State::Missing);
/// let mut record = manifest::create(&vfs, root, &uuid)?;
/// record.generation += 1;
/// record.next_seq = 100;
/// manifest::publish(&vfs, root, &uuid, &record)?;
/// let loaded = manifest::load(&vfs, root, Access::Read)?;
/// assert_eq!((loaded.uuid, loaded.record), (uuid, record));
/// # Ok(())
/// # }
/// ```
pub fn create(vfs: &dyn Vfs, root: &Path, uuid: &Uuid) -> Result<Record> {
    vfs.create_dir(root)?;
    for folder in [names::GENERATIONS, names::LOGS, names::SEGMENTS, names::TOMBSTONES] {
        vfs.create_dir(&root.join(folder))?;
    }
    // A slot must not be found in a folder where the record's folder is not.
    vfs.sync_dir(root)?;
    let record = Record::first();
    let file = write_record(vfs, root, uuid, &record)?;
    slots::create(vfs, root, uuid, record.generation, &file)?;
    sync_root(vfs, root)?;
    Ok(record)
}

/// Makes what [`load`] has found durable: a process that was killed may have left it in the page cache alone.
///
/// A writer calls it once, before it stores or removes anything.
pub fn persist(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let generation = slots::read(vfs, root)?.generation;
    vfs.open_write(&root.join(names::generation_file(generation)))?.sync()?;
    vfs.sync_dir(&root.join(names::GENERATIONS))?;
    vfs::rewrite(vfs, &root.join(MANIFEST), 0..slots::MANIFEST_BYTES)?;
    sync_root(vfs, root)
}

/// Publishes `record`, whose generation is the one after the newest: durable when it returns.
///
/// Every file the record names must be durable already, by contents and name.
///
/// # Errors
/// `Corrupt` when the record breaks a rule of [`Record::validate`] or is not the next generation: nothing was written
/// then. After any other error the writer must stop: which generation the next opening finds is not known.
pub fn publish(vfs: &dyn Vfs, root: &Path, uuid: &Uuid, record: &Record) -> Result<()> {
    let newest = slots::read(vfs, root)?;
    if newest.uuid != *uuid || newest.generation.checked_add(1) != Some(record.generation) {
        let why = format!("generation {} cannot follow {}", record.generation, newest.generation);
        return Err(Error::corrupt(Path::new(MANIFEST), 0, why));
    }
    let file = write_record(vfs, root, uuid, record)?;
    slots::publish(vfs, root, uuid, record.generation, &file)
}

/// Loads the newest generation's record.
///
/// # Errors
/// `Corrupt` naming the manifest when no slot is whole, or the record when that is missing or damaged. The older slot
/// is not tried then: what it names may be gone, and repair decides.
pub fn load(vfs: &dyn Vfs, root: &Path, access: Access) -> Result<Loaded> {
    let state = slots::read(vfs, root)?;
    let record = load_generation(vfs, root, &state.uuid, state.generation, &state.record, access)?;
    Ok(Loaded { uuid: state.uuid, record })
}

/// Loads the record that a slot names.
///
/// # Errors
/// As [`load`].
pub fn load_generation(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    generation: u64,
    file: &FileRef,
    access: Access,
) -> Result<Record> {
    let name = names::generation_file(generation);
    let id = (Kind::Generation, uuid, generation);
    let opened = SealedFile::open(vfs, &root.join(names::GENERATIONS), name.clone(), file, id, access);
    decode(opened.map_err(|e| missing_is_corrupt(e, &name))?, generation)
}

/// Loads a record of which only the number is known: one that a reader pins.
pub(crate) fn load_unnamed(vfs: &dyn Vfs, root: &Path, uuid: &Uuid, generation: u64) -> Result<Record> {
    let name = names::generation_file(generation);
    let file = vfs.open(&root.join(&name))?;
    let id = (Kind::Generation, uuid, generation);
    decode(SealedFile::open_unnamed(file, name, id, Access::Read)?, generation)
}

fn decode(sealed: SealedFile, generation: u64) -> Result<Record> {
    if sealed.body_len() > limits::RECORD_BYTES {
        return Err(sealed.corrupt(0, format!("a record of {} bytes is beyond the limit", sealed.body_len())));
    }
    let bytes = sealed.read(0, sealed.body_len())?;
    let record: Record = meta::decode(&bytes, sealed.name(), crate::codec::header::HEADER_BYTES)?;
    record.validate().map_err(|why| sealed.corrupt(0, why))?;
    if record.generation != generation {
        return Err(sealed.corrupt(0, format!("the record is of generation {}", record.generation)));
    }
    Ok(record)
}

/// Writes a record and makes it durable, by contents and name.
fn write_record(vfs: &dyn Vfs, root: &Path, uuid: &Uuid, record: &Record) -> Result<FileRef> {
    let name = names::generation_file(record.generation);
    record.validate().map_err(|why| Error::corrupt(&name, 0, format!("not written: {why}")))?;
    let bytes = meta::encode(record)?;
    let mut writer = SealedWriter::create(vfs, &root.join(&name), Kind::Generation, uuid, record.generation)?;
    writer.write(&bytes)?;
    let file = writer.finish([0; 4])?;
    vfs.sync_dir(&root.join(names::GENERATIONS))?;
    Ok(file)
}

fn missing_is_corrupt(error: Error, name: &Path) -> Error {
    if error.is_not_found() { Error::corrupt(name, 0, "the file is missing") } else { error }
}

/// Makes the names in the database's folder durable, and its own.
fn sync_root(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    vfs.sync_dir(root)?;
    match root.parent() {
        None => Ok(()),
        Some(parent) if parent.as_os_str().is_empty() => vfs.sync_dir(Path::new(".")),
        Some(parent) => vfs.sync_dir(parent),
    }
}

#[cfg(test)]
mod tests;
