//! A hostile manifest: its slots and a generation's record.
//!
//! The input is a byte of flags and parts: 0 the file `manifest`, 1 the record's body (or file), 2 to 4 an orphan log,
//! segment file or tombstones. With [`SEALED`] the record gets a header, checksums, and a slot that names it.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: a record accepted that cannot be written back.

use std::path::Path;

use foretaste::Access;
use foretaste_storage::codec::check;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::manifest::{self, MANIFEST, recover, slots};
use foretaste_storage::names;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

use crate::UUID;
use crate::disk::{empty, exercise, root, write_raw, write_sealed};
use crate::input::Input;

/// The record gets a header and checksums, and a slot names it.
pub const SEALED: u8 = 1;
/// Each copy in the slots gets a checksum that matches.
pub const SUMMED: u8 = 2;

const COPY_BYTES: usize = 256;
const SUM_AT: usize = 248;

/// Reads the slots, loads the record, publishes the one after it, sweeps, and has the engine open the database.
pub fn manifest(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let disk = empty();
    let mut parts = std::iter::from_fn(|| input.part());
    for (tag, bytes) in parts.by_ref().take(8) {
        match tag {
            0 => write_slots(&disk, flags, bytes),
            1 => write_record(&disk, flags, bytes),
            2 => drop(write_raw(&disk, &root().join(names::log_file(1)), bytes)),
            3 => {
                let folder = root().join(names::segment_dir(3));
                disk.create_dir(&folder).expect("a folder in memory");
                write_raw(&disk, &folder.join(names::INDEX), bytes);
            }
            _ => drop(write_raw(&disk, &root().join(names::tombstone_file(3, 1)), bytes)),
        }
    }
    let _ = manifest::state(&disk, root());
    let mapped = manifest::load(&disk, root(), Access::Map);
    let read = manifest::load(&disk, root(), Access::Read);
    assert_eq!(mapped.as_ref().ok(), read.as_ref().ok(), "mapped and read files give different records");
    if let Ok(loaded) = &mapped {
        assert_eq!(loaded.record.validate(), Ok(()));
        let _ = recover::orphans(&disk, root(), &loaded.record, &|generation| generation % 2 == 0);
        next_generation(&disk, loaded);
    }
    exercise(&disk);
}

fn write_slots(disk: &MemVfs, flags: u8, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if flags & SUMMED != 0 {
        bytes.resize(slots::MANIFEST_BYTES as usize, 0);
        for copy in bytes.chunks_exact_mut(COPY_BYTES) {
            let mut fields = Input::new(copy.get(16..40).unwrap_or_default());
            let uuid = fields.take(16).try_into().unwrap_or(UUID);
            let generation = fields.take(8).try_into().map_or(0, u64::from_le_bytes);
            let seed = check::seed(&uuid, u16::MAX, generation);
            let sum = check::sum(seed, 0, copy.get(..SUM_AT).unwrap_or_default());
            if let Some(place) = copy.get_mut(SUM_AT..) {
                place.copy_from_slice(&sum.to_le_bytes());
            }
        }
    }
    write_raw(disk, &root().join(MANIFEST), &bytes);
}

/// A record begins with its generation; the header of its file has it behind 32 bytes.
fn write_record(disk: &MemVfs, flags: u8, bytes: &[u8]) {
    let sealed = flags & SEALED != 0;
    let number = bytes.get(if sealed { 0..8 } else { 32..40 }).unwrap_or_default();
    let generation = number.try_into().map_or(2, u64::from_le_bytes);
    let path = root().join(names::generation_file(generation));
    let file = match sealed {
        false => write_raw(disk, &path, bytes),
        true => write_sealed(disk, &path, Kind::Generation, generation, [0; 4], bytes),
    };
    slots::publish(disk, root(), &UUID, generation, &file).expect("a slot in memory");
}

/// On a copy of the disk, what was loaded can be followed by a next generation, and sweeping keeps that.
fn next_generation(disk: &MemVfs, loaded: &manifest::Loaded) {
    let copy = MemVfs::from_snapshot(disk.snapshot(), disk.folders());
    let mut next = loaded.record.clone();
    let Some(generation) = next.generation.checked_add(1) else { return };
    next.generation = generation;
    let published = manifest::publish(&copy, root(), &loaded.uuid, &next);
    // A slot decoded under one uuid may stand in the place of the other's number; only a whole manifest is followed.
    if published.is_ok() {
        let again = manifest::load(&copy, root(), Access::Read).expect("what was published can be loaded");
        assert_eq!(again.record, next);
        let swept = recover::sweep(&copy, root(), &next, &|_| false);
        if swept.is_ok() {
            let again = manifest::load(&copy, root(), Access::Read);
            assert_eq!(again.ok().map(|l| l.record), Some(next), "sweeping took the newest generation");
            assert!(copy.open(&root().join(Path::new(MANIFEST))).is_ok());
        }
    }
}
