//! The file `manifest`: two slots of 512 bytes, of which the newer names the current generation's record.
//!
//! Generation G lies in slot G mod 2, so publishing one overwrites the older slot; a torn write leaves the newer.
//! A slot holds the same 256 bytes twice, so one damaged byte (or sector half) does not hide a generation either:
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 8 | magic `FTMANIFE` |
//! | 8 | 4 | format version |
//! | 12 | 4 | feature bits; an unknown one means a newer format |
//! | 16 | 16 | database uuid |
//! | 32 | 8 | generation |
//! | 40 | 8 | length of the record's file in bytes |
//! | 48 | 8 | checksum in the header of the record's file |
//! | 56 | 192 | zero |
//! | 248 | 8 | checksum of bytes 0 to 248 |
//!
//! Reads from: `manifest`. Writes to: `manifest`.
//! Never: a write to the newer slot; a slot that is not synced before the call returns.

use std::path::Path;

use crate::codec::check::{self, Uuid};
use crate::codec::cursor::Cursor;
use crate::codec::header::FORMAT;
use crate::error::{Error, Result};
use crate::manifest::{MANIFEST, missing_is_corrupt};
use crate::names;
use crate::sealed::FileRef;
use crate::vfs::Vfs;

/// Length of a slot in bytes.
pub const SLOT_BYTES: u64 = 512;
/// Length of the manifest in bytes.
pub const MANIFEST_BYTES: u64 = 2 * SLOT_BYTES;

const COPY_BYTES: usize = 256;
const SUM_AT: usize = 248;
const MAGIC: [u8; 8] = *b"FTMANIFE";
/// In place of a file's kind in the checksum's seed.
const SEED_KIND: u16 = u16::MAX;

/// What the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotState {
    /// The database's identity.
    pub uuid: Uuid,
    /// The newest generation.
    pub generation: u64,
    /// Its record.
    pub record: FileRef,
    /// The generation in the other slot and its record, when that slot is whole.
    pub older: Option<(u64, FileRef)>,
    /// Copies that do not hold what the other copy of their slot does: damage that cost nothing yet. The next
    /// publication but one writes them anew.
    pub damaged_copies: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    uuid: Uuid,
    generation: u64,
    record_len: u64,
    record_sum: u64,
}

/// Reads both slots.
///
/// # Errors
/// `Corrupt` when the manifest is missing, too short or without a whole slot, or when its slots contradict each other;
/// `FormatTooNew` when a newer build wrote one.
pub fn read(vfs: &dyn Vfs, root: &Path) -> Result<SlotState> {
    let name = Path::new(MANIFEST);
    let file = vfs.open(&root.join(MANIFEST)).map_err(|e| missing_is_corrupt(e, name))?;
    let len = file.len()?;
    if len < MANIFEST_BYTES {
        return Err(Error::corrupt(name, len, format!("{len} bytes are too few, {MANIFEST_BYTES} expected")));
    }
    let mut bytes = [0; MANIFEST_BYTES as usize];
    file.read_at(0, &mut bytes)?;
    decode(&bytes)
}

/// Makes a manifest whose only slot names `generation`; what was there before is lost.
///
/// The contents are durable when it returns, the name is not.
pub(super) fn create(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    generation: u64,
    record: &FileRef,
) -> Result<()> {
    let mut bytes = [0; MANIFEST_BYTES as usize];
    let start = slot_offset(generation) as usize;
    bytes[start..start + SLOT_BYTES as usize].copy_from_slice(&Slot::new(uuid, generation, record).encode());
    let file = vfs.create(&root.join(MANIFEST))?;
    file.write_at(0, &bytes)?;
    file.sync()
}

/// Overwrites the older slot with `generation`, which must be the one after the newest; durable when it returns.
///
/// The record must be durable already, by contents and name.
///
/// # Errors
/// After an error it is not known which generation the next opening will find.
pub fn publish(vfs: &dyn Vfs, root: &Path, uuid: &Uuid, generation: u64, record: &FileRef) -> Result<()> {
    let file = vfs.open_write(&root.join(MANIFEST))?;
    file.write_at(slot_offset(generation), &Slot::new(uuid, generation, record).encode())?;
    file.sync()
}

fn slot_offset(generation: u64) -> u64 {
    generation % 2 * SLOT_BYTES
}

fn decode(bytes: &[u8; MANIFEST_BYTES as usize]) -> Result<SlotState> {
    let name = Path::new(MANIFEST);
    let (mut slots, mut damaged_copies): ([Option<Slot>; 2], usize) = ([None, None], 0);
    for (half, slot) in bytes.chunks(SLOT_BYTES as usize).zip(&mut slots) {
        let mut bad = 0;
        for copy in half.as_chunks::<COPY_BYTES>().0 {
            match (Slot::decode(copy)?, &slot) {
                (None, _) => bad += 1,
                (Some(found), None) => *slot = Some(found),
                // A torn publication: the first half is of the new generation, the second of the one before the last.
                (Some(found), Some(first)) if found != *first => {
                    bad += 1;
                    if found.generation > first.generation {
                        *slot = Some(found);
                    }
                }
                (Some(_), Some(_)) => {}
            }
        }
        damaged_copies += if slot.is_some() { bad } else { 0 };
    }
    let at = |slot: &Slot| slot_offset(slot.generation);
    let (newest, older) = match slots {
        [None, None] => return Err(Error::corrupt(name, 0, "neither slot holds a generation")),
        [Some(slot), None] | [None, Some(slot)] => (slot, None),
        [Some(a), Some(b)] if a.uuid != b.uuid => {
            return Err(Error::corrupt(name, at(&b), "the slots are of different databases"));
        }
        [Some(a), Some(b)] if a.generation > b.generation => (a, Some(b)),
        [Some(a), Some(b)] => (b, Some(a)),
    };
    Ok(SlotState {
        uuid: newest.uuid,
        generation: newest.generation,
        record: newest.record(),
        older: older.map(|slot| (slot.generation, slot.record())),
        damaged_copies,
    })
}

impl Slot {
    fn new(uuid: &Uuid, generation: u64, record: &FileRef) -> Slot {
        Slot { uuid: *uuid, generation, record_len: record.len, record_sum: record.sum }
    }

    fn record(&self) -> FileRef {
        let path = names::generation_file(self.generation);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        FileRef { name, len: self.record_len, sum: self.record_sum }
    }

    fn encode(&self) -> [u8; SLOT_BYTES as usize] {
        let mut copy = [0; COPY_BYTES];
        let mut put = |at: usize, bytes: &[u8]| copy[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &FORMAT.to_le_bytes());
        put(16, &self.uuid);
        put(32, &self.generation.to_le_bytes());
        put(40, &self.record_len.to_le_bytes());
        put(48, &self.record_sum.to_le_bytes());
        let sum = sum(&self.uuid, self.generation, &copy);
        copy[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        let mut out = [0; SLOT_BYTES as usize];
        out.as_chunks_mut::<COPY_BYTES>().0.fill(copy);
        out
    }

    /// The slot that a copy holds; `None` when it holds none.
    fn decode(copy: &[u8; COPY_BYTES]) -> Result<Option<Slot>> {
        let name = Path::new(MANIFEST);
        let mut c = Cursor::new(copy, name, 0);
        let (magic, format, features): ([u8; 8], u32, u32) = (c.array()?, c.u32()?, c.u32()?);
        let slot =
            Slot { uuid: c.array()?, generation: c.u64()?, record_len: c.u64()?, record_sum: c.u64()? };
        let mut rest = Cursor::new(copy.get(SUM_AT..).unwrap_or_default(), name, SUM_AT as u64);
        if magic != MAGIC || rest.u64()? != sum(&slot.uuid, slot.generation, copy) {
            return Ok(None);
        }
        if format > FORMAT || features != 0 {
            let found = format.max(FORMAT + u32::from(features != 0));
            return Err(Error::FormatTooNew { file: name.to_path_buf(), found, supported: FORMAT });
        }
        Ok(Some(slot))
    }
}

/// Bound to the slot a generation belongs in by its number.
fn sum(uuid: &Uuid, generation: u64, copy: &[u8; COPY_BYTES]) -> u64 {
    check::sum(check::seed(uuid, SEED_KIND, generation), 0, copy.get(..SUM_AT).unwrap_or_default())
}
