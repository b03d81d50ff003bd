//! A hostile write-ahead log.
//!
//! The input is a byte of flags, two bytes of length known to be durable, and parts: 0 a frame with checksums that
//! match around this payload, 1 bytes as they are, 2 a frame whose header claims what the first 24 bytes say, 3 a frame
//! that claims all before it was durable; 4 more says that the next frame belongs to the same commit, 8 more that the one before
//! does. With [`WHOLE`] the rest of the input is the log file itself.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: a frame that a tail and a replay see differently.

use std::path::Path;
use std::sync::Arc;

use foretaste::Access;
use foretaste_storage::codec::check;
use foretaste_storage::codec::header::{HEADER_BYTES, Header, Kind};
use foretaste_storage::log::frame::{FRAME_BYTES, MAGIC};
use foretaste_storage::log::replay::{Tail, replay, salvage};
use foretaste_storage::manifest;
use foretaste_storage::names;
use foretaste_storage::vfs::Vfs;

use crate::UUID;
use crate::disk::{empty, exercise, options, root, write_raw};
use crate::input::Input;

/// The rest of the input is the log file.
pub const WHOLE: u8 = 1;
/// Frames belong to collection 2, which is not there.
pub const STRANGER: u8 = 2;

/// The log's number: the next one that the database of [`crate::disk::exercise`] would give out.
pub const ID: u64 = 1;
/// The sequence number of the log's first operation.
pub const FIRST_SEQ: u64 = 1;

/// Replays the log, follows it, and has the engine open a database with it.
pub fn log(data: &[u8]) {
    let mut input = Input::new(data);
    let (flags, synced) = (input.byte(), input.short());
    let bytes = if flags & WHOLE != 0 { input.rest().to_vec() } else { build(flags, &mut input) };

    let disk = empty();
    let path = root().join(names::log_file(ID));
    write_raw(&disk, &path, &bytes);
    let file = || disk.open(&path).expect("a file in memory");
    let name = Path::new("log");

    let mut seen = Vec::new();
    let end = replay(file(), name, &UUID, ID, 0, &mut |frame| {
        seen.push((frame.offset, frame.collection, frame.first_seq, frame.block.ops()));
        Ok(())
    });
    let _ = replay(file(), name, &UUID, ID, u64::from(synced), &mut |_| Ok(()));
    let mut whole = 0;
    let lost = salvage(file(), name, &UUID, ID, &mut |_| {
        whole += 1;
        Ok(())
    });
    assert!(lost.is_ok_and(|lost| lost <= bytes.len() as u64) && whole >= seen.len());
    if let Ok(end) = end {
        assert_eq!(end.frames, seen.len() as u64);
        assert!(end.valid_len <= bytes.len() as u64);
        if end.valid_len > 0 {
            follow(&bytes, (end.first_seq, end.next_seq), &seen);
        }
    }
    open_with_engine(&bytes);
}

/// A tail that polls while the log grows sees the frames that a replay of all of it does.
fn follow(bytes: &[u8], (first_seq, next_seq): (u64, u64), seen: &[(u64, u32, u64, u32)]) {
    let disk = empty();
    let path = root().join(names::log_file(ID));
    let head = HEADER_BYTES as usize;
    write_raw(&disk, &path, bytes.get(..head).unwrap_or_default());
    let file = disk.open_write(&path).expect("a file in memory");
    let mut tail = Tail::resume(Arc::clone(&file), Path::new("log"), &UUID, ID, HEADER_BYTES, first_seq);
    let mut found = Vec::new();
    let mut at = head;
    for step in [0, 1, 64, 65, 300, usize::MAX] {
        let end = at.saturating_add(step).min(bytes.len());
        file.write_at(at as u64, bytes.get(at..end).unwrap_or_default()).expect("a file in memory");
        at = end;
        let polled = tail.poll(&mut |frame| {
            found.push((frame.offset, frame.collection, frame.first_seq, frame.block.ops()));
            Ok(())
        });
        // A frame half written may look torn; it never looks damaged, as nothing behind it is there yet.
        polled.expect("a log that replays can be followed");
    }
    assert_eq!(found, seen, "the tail saw other frames than the replay");
    assert_eq!(tail.next_seq(), next_seq);
}

/// The log of a database with one collection of the two dimensions that the seeds have.
fn open_with_engine(bytes: &[u8]) {
    let disk = empty();
    let Ok(db) = options(&disk).open(root()) else { return };
    let schema = foretaste::Schema::new(4, foretaste::Metric::L2).levels([2, 4]);
    db.create_collection("c", schema.variance(foretaste::Variance::Scalar)).expect("a collection in memory");
    db.close().expect("a database in memory");
    let record = manifest::load(&disk, root(), Access::Read).expect("a database in memory").record;
    assert_eq!((record.next_id, record.next_seq), (ID, FIRST_SEQ), "the seeds are for another log");
    write_raw(&disk, &root().join(names::log_file(ID)), bytes);
    exercise(&disk);
}

/// A log with a header and frames.
fn build(flags: u8, input: &mut Input<'_>) -> Vec<u8> {
    let mut out = header(FIRST_SEQ).to_vec();
    let mut seq = FIRST_SEQ;
    while let Some((tag, bytes)) = input.part() {
        let offset = out.len() as u64;
        let mut claim = Claim {
            payload_len: bytes.len() as u64,
            first_seq: seq,
            ops: ops(bytes),
            collection: if flags & STRANGER != 0 { 2 } else { 1 },
            synced: if tag % 4 == 3 { offset } else { 0 },
            flags: u32::from(tag >> 2 & 3),
        };
        let mut payload = bytes;
        match tag % 4 {
            1 => {
                out.extend(bytes);
                continue;
            }
            2 => {
                let mut fields = Input::new(bytes);
                claim.payload_len = u64::from(fields.short());
                claim.first_seq = fields.take(8).try_into().map_or(seq, u64::from_le_bytes);
                claim.ops = fields.take(4).try_into().map_or(1, u32::from_le_bytes);
                claim.synced = fields.take(8).try_into().map_or(0, u64::from_le_bytes);
                payload = fields.rest();
            }
            _ => {}
        }
        seq = claim.first_seq.saturating_add(u64::from(claim.ops));
        out.extend(claim.encode(offset, payload));
        out.extend(payload);
        out.resize(out.len().next_multiple_of(FRAME_BYTES as usize), 0);
    }
    out
}

/// Operations that a block claims to have.
fn ops(block: &[u8]) -> u32 {
    let mut counts = Input::new(block.get(8..16).unwrap_or_default());
    let mut next = || counts.take(4).try_into().map_or(0, u32::from_le_bytes);
    next().saturating_add(next())
}

fn header(first_seq: u64) -> [u8; HEADER_BYTES as usize] {
    let header = Header {
        kind: Kind::Log,
        uuid: UUID,
        id: ID,
        file_len: 0,
        body_len: 0,
        block_len: 0,
        sums_offset: 0,
        sums_sum: 0,
        aux: [first_seq, 0, 0, 0],
    };
    header.encode().0
}

/// What a frame's header says.
struct Claim {
    payload_len: u64,
    first_seq: u64,
    ops: u32,
    collection: u32,
    synced: u64,
    flags: u32,
}

impl Claim {
    /// The encoder of `log::frame` for payloads that are no block. A test compares its bytes with those of a real log.
    fn encode(&self, offset: u64, payload: &[u8]) -> Vec<u8> {
        let payload_seed = check::seed(&UUID, Kind::Log as u16, u64::MAX);
        let mut out = Vec::with_capacity(FRAME_BYTES as usize);
        out.extend(MAGIC);
        out.extend(self.flags.to_le_bytes());
        out.extend(self.payload_len.to_le_bytes());
        out.extend(self.first_seq.to_le_bytes());
        out.extend(self.ops.to_le_bytes());
        out.extend(self.collection.to_le_bytes());
        out.extend(self.synced.to_le_bytes());
        out.extend(check::sum(payload_seed, u64::MAX - 2, payload).to_le_bytes());
        out.extend([0; 8]);
        let sum = check::sum(check::seed(&UUID, Kind::Log as u16, ID), offset, &out);
        out.extend(sum.to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use foretaste_storage::block;
    use foretaste_storage::key::KeyRef;
    use foretaste_storage::layout::{Element, Layout};
    use foretaste_storage::log::{Durability, Log};

    use super::*;

    #[test]
    fn a_log_built_from_parts_is_the_one_the_real_writer_makes() {
        let disk = empty();
        let log = Log::create(&disk, root(), &UUID, ID, FIRST_SEQ, Durability::None).unwrap();
        let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
        let mut parts = Vec::new();
        let mut seq = FIRST_SEQ;
        let block = |key| block::encode(&layout, &[], &[KeyRef::Int(key), KeyRef::Str("x")], None).unwrap();
        // One alone, then a commit of three parts.
        for (tags, blocks) in [(&[3u8][..], vec![block(0)]), (&[4, 12, 8], (1..4).map(block).collect())] {
            parts.extend(tags.iter().zip(&blocks).map(|(tag, block)| (*tag, block.bytes().to_vec())));
            let commit: Vec<_> = blocks.iter().map(|block| log.prepare(1, block.clone())).collect();
            let ticket = log.append_all(commit, seq).unwrap();
            log.wait(ticket).unwrap();
            seq += 2 * blocks.len() as u64;
        }
        let mut real = disk.read_file(root().join(names::log_file(ID))).unwrap();
        let built = build(0, &mut Input::new(&crate::join(&[], &parts)));
        // The writer knows of its header alone that it is durable, and every frame says so.
        let mut offset = HEADER_BYTES as usize;
        for (_, block) in &parts {
            let place = &mut real[offset + 32..offset + 40];
            assert_eq!(place, HEADER_BYTES.to_le_bytes());
            offset += (FRAME_BYTES as usize + block.len()).next_multiple_of(64);
        }
        assert_eq!(built.len(), real.len());
        assert_eq!(built[..HEADER_BYTES as usize + 32], real[..HEADER_BYTES as usize + 32]);
        let replayed = |bytes: &[u8]| {
            let disk = empty();
            write_raw(&disk, Path::new("x"), bytes);
            let end =
                replay(disk.open(Path::new("x")).unwrap(), Path::new("x"), &UUID, ID, 0, &mut |_| Ok(()));
            end.map(|end| (end.frames, end.torn)).unwrap()
        };
        assert_eq!(replayed(&built), (4, None));
        assert_eq!(replayed(&real), (4, None));
    }
}
