//! A frame: one committed batch in the log. A commit to several collections at once is as many frames, one behind the other,
//! and counts when all of them are there.
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | magic `FTLF` |
//! | 4 | 4 | flags: 1 when the next frame belongs to the same commit, 2 when the frame before does |
//! | 8 | 8 | length of the payload in bytes |
//! | 16 | 8 | sequence number of the batch's first operation |
//! | 24 | 4 | operations: how many sequence numbers the batch takes |
//! | 28 | 4 | collection |
//! | 32 | 8 | length of this log that was known to be durable when the frame was written |
//! | 40 | 8 | checksum of the payload |
//! | 48 | 8 | zero |
//! | 56 | 8 | checksum of bytes 0 to 56 |
//! | 64 | | the payload: the batch's [`Block`], then zeros up to a multiple of 64 |
//!
//! The payload's checksum is seeded by the database alone, so the committing thread computes it before it takes any
//! lock, and before it is known in which log and where the frame will lie. The header's checksum is seeded by database
//! and log, covers the payload's, and is bound to the frame's offset: a frame that lies anywhere else is none.
//!
//! Reads from: 64 bytes. Writes to: 64 bytes.
//! Never: a length that was not checksummed and compared with the limits.

use crate::block::Block;
use crate::bytes::ALIGN;
use crate::codec::check::{self, Uuid};
use crate::codec::header::Kind;
use crate::limits;

/// Length of a frame's header in bytes. Frames lie at multiples of it.
pub const FRAME_BYTES: u64 = 64;

/// Magic number at the start of every frame.
pub const MAGIC: [u8; 4] = *b"FTLF";

const SUM_AT: usize = 56;
/// Where the payload's checksum is bound to: no offset of a block is that large.
const PAYLOAD_PLACE: u64 = u64::MAX - 2;

/// A frame's header, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub payload_len: u64,
    pub first_seq: u64,
    pub ops: u32,
    pub collection: u32,
    pub synced: u64,
    pub payload_sum: u64,
    pub link: Link,
}

/// How a frame hangs together with its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Link {
    /// The next frame belongs to the same commit.
    pub to_next: bool,
    /// The frame before belongs to the same commit.
    pub to_last: bool,
}

/// The seeds of a log's checksums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    header: u64,
    payload: u64,
}

/// A batch ready to be appended: its checksum is computed.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) collection: u32,
    pub(super) block: Block,
    pub(super) payload_sum: u64,
}

impl Prepared {
    /// Computes the checksum of `block`, a batch of `collection`, for any log of database `uuid`.
    ///
    /// This is the expensive part of a commit apart from the disk; it needs no lock and no log.
    pub fn new(uuid: &Uuid, collection: u32, block: Block) -> Prepared {
        let payload_sum = payload_sum(payload_seed(uuid), block.bytes());
        Prepared { collection, block, payload_sum }
    }

    /// The batch.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Length of the frame in bytes, with its header and padding.
    pub fn frame_len(&self) -> u64 {
        frame_len(self.block.bytes().len() as u64)
    }
}

impl Seeds {
    pub fn new(uuid: &Uuid, id: u64) -> Seeds {
        Seeds { header: check::seed(uuid, Kind::Log as u16, id), payload: payload_seed(uuid) }
    }

    /// Whether `payload` is what the header's writer had.
    pub fn payload_matches(&self, header: &FrameHeader, payload: &[u8]) -> bool {
        payload_sum(self.payload, payload) == header.payload_sum
    }
}

impl FrameHeader {
    /// The bytes of a header at `offset` of the log.
    pub fn encode(&self, seeds: &Seeds, offset: u64) -> [u8; FRAME_BYTES as usize] {
        let mut out = [0; FRAME_BYTES as usize];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &(u32::from(self.link.to_next) | u32::from(self.link.to_last) << 1).to_le_bytes());
        put(8, &self.payload_len.to_le_bytes());
        put(16, &self.first_seq.to_le_bytes());
        put(24, &self.ops.to_le_bytes());
        put(28, &self.collection.to_le_bytes());
        put(32, &self.synced.to_le_bytes());
        put(40, &self.payload_sum.to_le_bytes());
        let sum = check::sum(seeds.header, offset, &out[..SUM_AT]);
        out[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header that lies at `offset` of the log; `None` when none does.
    pub fn decode(bytes: &[u8; FRAME_BYTES as usize], seeds: &Seeds, offset: u64) -> Option<FrameHeader> {
        let u64_at = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let u32_at = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        if bytes[..4] != MAGIC || u64_at(SUM_AT)? != check::sum(seeds.header, offset, &bytes[..SUM_AT]) {
            return None;
        }
        let flags = u32_at(4)?;
        let header = FrameHeader {
            payload_len: u64_at(8)?,
            first_seq: u64_at(16)?,
            ops: u32_at(24)?,
            collection: u32_at(28)?,
            synced: u64_at(32)?,
            payload_sum: u64_at(40)?,
            link: Link { to_next: flags & 1 != 0, to_last: flags & 2 != 0 },
        };
        let plausible = flags <= 3
            && u64_at(48)? == 0
            && header.payload_len <= limits::BATCH_BYTES
            && header.synced <= offset
            && header.first_seq <= limits::NUMBER;
        plausible.then_some(header)
    }

    /// Length of the frame in bytes, with its header and padding.
    pub fn frame_len(&self) -> u64 {
        frame_len(self.payload_len)
    }

    /// The sequence number after the batch's last.
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.ops))
    }
}

fn frame_len(payload_len: u64) -> u64 {
    FRAME_BYTES + payload_len.next_multiple_of(ALIGN as u64)
}

fn payload_seed(uuid: &Uuid) -> u64 {
    check::seed(uuid, Kind::Log as u16, u64::MAX)
}

fn payload_sum(seed: u64, payload: &[u8]) -> u64 {
    check::sum(seed, PAYLOAD_PLACE, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader = FrameHeader {
        payload_len: 640,
        first_seq: 9,
        ops: 3,
        collection: 2,
        synced: 128,
        payload_sum: 77,
        link: Link { to_next: true, to_last: false },
    };

    #[test]
    fn a_header_reads_back_only_in_its_place_log_and_database() {
        let seeds = Seeds::new(&[1; 16], 5);
        let bytes = HEADER.encode(&seeds, 4096);
        assert_eq!(FrameHeader::decode(&bytes, &seeds, 4096), Some(HEADER));
        assert_eq!(FrameHeader::decode(&bytes, &seeds, 4160), None);
        assert_eq!(FrameHeader::decode(&bytes, &Seeds::new(&[1; 16], 6), 4096), None);
        assert_eq!(FrameHeader::decode(&bytes, &Seeds::new(&[2; 16], 5), 4096), None);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_found() {
        let seeds = Seeds::new(&[1; 16], 5);
        let bytes = HEADER.encode(&seeds, 4096);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&flipped, &seeds, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn a_payload_beyond_the_limit_is_no_frame() {
        let seeds = Seeds::new(&[1; 16], 5);
        let at_limit = FrameHeader { payload_len: limits::BATCH_BYTES, ..HEADER };
        assert!(FrameHeader::decode(&at_limit.encode(&seeds, 4096), &seeds, 4096).is_some());
        let beyond = FrameHeader { payload_len: limits::BATCH_BYTES + 1, ..HEADER };
        assert_eq!(FrameHeader::decode(&beyond.encode(&seeds, 4096), &seeds, 4096), None);
    }

    #[test]
    fn a_sequence_number_that_nothing_can_follow_is_no_frame() {
        let seeds = Seeds::new(&[1; 16], 5);
        let at_limit = FrameHeader { first_seq: limits::NUMBER, ..HEADER };
        assert!(FrameHeader::decode(&at_limit.encode(&seeds, 4096), &seeds, 4096).is_some());
        // One that takes the last number of all made the recovery add to it.
        for first_seq in [limits::NUMBER + 1, u64::MAX] {
            let beyond = FrameHeader { first_seq, ops: 0, ..HEADER };
            assert_eq!(FrameHeader::decode(&beyond.encode(&seeds, 4096), &seeds, 4096), None);
        }
    }
}
