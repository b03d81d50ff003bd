//! The 128 bytes every file of a database begins with (the manifest's two slots apart).
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 8 | magic `FORETAST` |
//! | 8 | 2 | kind of file |
//! | 10 | 2 | format version |
//! | 12 | 4 | feature bits; an unknown one means a newer format |
//! | 16 | 16 | database uuid |
//! | 32 | 8 | number of the file (segment, log, generation) |
//! | 40 | 8 | length of the file in bytes; 0 for a log, which grows |
//! | 48 | 8 | length of the body in bytes; the body starts at 128 |
//! | 56 | 4 | bytes a checksummed block; 0 for a log |
//! | 60 | 4 | zero |
//! | 64 | 8 | where the block checksums start |
//! | 72 | 8 | checksum of the block checksums |
//! | 80 | 32 | four 64-bit numbers that the kind gives a meaning |
//! | 112 | 8 | zero |
//! | 120 | 8 | checksum of bytes 0 to 120 |
//!
//! Reads from: the first bytes of a file. Writes to: the same. Never: trust in a length before it was compared.

use std::path::Path;

use crate::codec::check::{self, Uuid};
use crate::codec::cursor::Cursor;
use crate::error::{Error, Result};

/// Length of the header in bytes; the body starts here.
pub const HEADER_BYTES: u64 = 128;
/// The format version this build writes, and the newest it reads.
pub const FORMAT: u32 = 1;
/// Magic number at the start of every file.
pub const MAGIC: [u8; 8] = *b"FORETAST";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// Write-ahead log.
    Log = 1,
    /// A generation's record.
    Generation = 2,
    /// A segment's index file.
    Index = 3,
    /// One plane of a segment's vectors.
    Plane = 4,
    /// One plane of a segment's variances.
    Variance = 5,
    /// A segment's documents.
    Payload = 6,
    /// Deleted rows of a segment.
    Tombstones = 7,
    /// A search index over a segment's vectors.
    Ann = 8,
    /// A segment's token matrices.
    Tokens = 9,
    /// A full-text index over a segment's documents.
    Text = 10,
    /// How far a search index can be trusted.
    Trust = 11,
}

/// The decoded header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the file is.
    pub kind: Kind,
    /// The database it belongs to.
    pub uuid: Uuid,
    /// Number of the file.
    pub id: u64,
    /// Length of the file in bytes (0 for a log).
    pub file_len: u64,
    /// Length of the body in bytes (0 for a log).
    pub body_len: u64,
    /// Bytes a checksummed block (0 for a log).
    pub block_len: u32,
    /// Where the block checksums start.
    pub sums_offset: u64,
    /// Checksum of the block checksums.
    pub sums_sum: u64,
    /// Four numbers that the kind gives a meaning.
    pub aux: [u64; 4],
}

impl Header {
    /// The encoding, and its checksum.
    pub fn encode(&self) -> ([u8; HEADER_BYTES as usize], u64) {
        let mut out = [0u8; HEADER_BYTES as usize];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &(self.kind as u16).to_le_bytes());
        put(10, &(FORMAT as u16).to_le_bytes());
        put(16, &self.uuid);
        put(32, &self.id.to_le_bytes());
        put(40, &self.file_len.to_le_bytes());
        put(48, &self.body_len.to_le_bytes());
        put(56, &self.block_len.to_le_bytes());
        put(64, &self.sums_offset.to_le_bytes());
        put(72, &self.sums_sum.to_le_bytes());
        for (i, n) in self.aux.iter().enumerate() {
            put(80 + i * 8, &n.to_le_bytes());
        }
        let sum = check::sum(check::seed(&self.uuid, self.kind as u16, self.id), u64::MAX, &out[..120]);
        out[120..].copy_from_slice(&sum.to_le_bytes());
        (out, sum)
    }

    /// Decodes and checks the first bytes of `file`, which must be of `kind`, of database `uuid`, with number `id`.
    pub fn decode(bytes: &[u8], file: &Path, kind: Kind, uuid: &Uuid, id: u64) -> Result<Header> {
        let mut c = Cursor::new(bytes, file, 0);
        if c.take(8)? != MAGIC {
            return Err(Error::corrupt(file, 0, "this is not a foretaste file (no magic number)"));
        }
        let found_kind = c.u16()?;
        let format = c.u16()?;
        let features = c.u32()?;
        let found_uuid: Uuid = c.array()?;
        let found_id = c.u64()?;
        let header = Header {
            kind,
            uuid: *uuid,
            id,
            file_len: c.u64()?,
            body_len: c.u64()?,
            block_len: (c.u32()?, c.u32()?).0,
            sums_offset: c.u64()?,
            sums_sum: c.u64()?,
            aux: [c.u64()?, c.u64()?, c.u64()?, c.u64()?],
        };
        let _zero = c.u64()?;
        let sum_at = c.offset();
        let sum = c.u64()?;
        // The checksum comes first: a flipped bit in the version must not read as "written by a newer foretaste".
        let seed = check::seed(&found_uuid, found_kind, found_id);
        if check::sum(seed, u64::MAX, bytes.get(..120).unwrap_or_default()) != sum {
            return Err(Error::corrupt(file, sum_at, "the header's checksum does not match"));
        }
        if u32::from(format) > FORMAT || features != 0 {
            let found = u32::from(format).max(FORMAT + u32::from(features != 0));
            return Err(Error::FormatTooNew { file: file.to_path_buf(), found, supported: FORMAT });
        }
        if found_kind != kind as u16 {
            return Err(Error::corrupt(
                file,
                8,
                format!("a file of kind {} expected, found {found_kind}", kind as u16),
            ));
        }
        if found_uuid != *uuid {
            return Err(Error::corrupt(file, 16, "the file belongs to another database"));
        }
        if found_id != id {
            return Err(Error::corrupt(file, 32, format!("number {id} expected, found {found_id}")));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Plane,
            uuid: [3; 16],
            id: 42,
            file_len: 1000,
            body_len: 800,
            block_len: 4096,
            sums_offset: 928,
            sums_sum: 77,
            aux: [1, 2, 3, 4],
        }
    }

    #[test]
    fn decode_of_encode_is_the_header_and_every_flip_is_found() {
        let (bytes, _) = header().encode();
        let decode = |b: &[u8]| Header::decode(b, Path::new("f"), Kind::Plane, &[3; 16], 42);
        assert_eq!(decode(&bytes).unwrap(), header());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped), Err(Error::Corrupt { .. })), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn another_database_kind_number_or_version_is_refused() {
        let (bytes, _) = header().encode();
        assert!(Header::decode(&bytes, Path::new("f"), Kind::Payload, &[3; 16], 42).is_err());
        assert!(Header::decode(&bytes, Path::new("f"), Kind::Plane, &[4; 16], 42).is_err());
        assert!(Header::decode(&bytes, Path::new("f"), Kind::Plane, &[3; 16], 41).is_err());
        let mut newer = bytes;
        newer[10] = 9;
        let sum = check::sum(check::seed(&[3; 16], Kind::Plane as u16, 42), u64::MAX, &newer[..120]);
        newer[120..].copy_from_slice(&sum.to_le_bytes());
        let err = Header::decode(&newer, Path::new("f"), Kind::Plane, &[3; 16], 42).unwrap_err();
        assert!(matches!(err, Error::FormatTooNew { found: 9, supported: 1, .. }), "{err}");
    }
}
