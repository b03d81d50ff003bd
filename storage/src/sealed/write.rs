//! Writes a sealed file from front to back and syncs it.
//!
//! Reads from: the caller's bytes. Writes to: one new file of `vfs`.
//! Never: a header before the body; a file without its header is no file.

use std::path::Path;
use std::sync::Arc;

use crate::codec::check::{self, Uuid};
use crate::codec::header::{HEADER_BYTES, Header, Kind};
use crate::error::Result;
use crate::sealed::{BLOCK_BYTES, FileRef};
use crate::vfs::{File, Vfs};

/// Bytes gathered before they are handed to the disk.
const CHUNK: usize = 1 << 20;

/// A sealed file being written.
#[derive(Debug)]
pub struct SealedWriter {
    file: Arc<dyn File>,
    kind: Kind,
    uuid: Uuid,
    id: u64,
    seed: u64,
    buffer: Vec<u8>,
    /// Body bytes already handed to the disk; a multiple of a block.
    flushed: u64,
    sums: Vec<u8>,
}

impl SealedWriter {
    /// Creates the file, emptying one that a crash left behind.
    pub fn create(vfs: &dyn Vfs, path: &Path, kind: Kind, uuid: &Uuid, id: u64) -> Result<Self> {
        let file = vfs.create(path)?;
        let seed = check::seed(uuid, kind as u16, id);
        Ok(SealedWriter {
            file,
            kind,
            uuid: *uuid,
            id,
            seed,
            buffer: Vec::new(),
            flushed: 0,
            sums: Vec::new(),
        })
    }

    /// Length of the body so far: the offset the next byte will have.
    pub fn offset(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Appends to the body.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK {
            let whole = self.buffer.len() - self.buffer.len() % BLOCK_BYTES as usize;
            self.flush(whole)?;
        }
        Ok(())
    }

    /// Appends zeros up to a multiple of `align`.
    pub fn pad(&mut self, align: u64) -> Result<()> {
        let missing = self.offset().next_multiple_of(align) - self.offset();
        self.write(&vec![0; missing as usize])
    }

    /// Writes the checksums and the header, and syncs the file (its name is durable after a sync of the folder).
    pub fn finish(mut self, aux: [u64; 4]) -> Result<FileRef> {
        self.flush(self.buffer.len())?;
        let body_len = self.flushed;
        let sums_offset = (HEADER_BYTES + body_len).next_multiple_of(8);
        self.file.write_at(sums_offset, &self.sums)?;
        let file_len = sums_offset + self.sums.len() as u64;
        let header = Header {
            kind: self.kind,
            uuid: self.uuid,
            id: self.id,
            file_len,
            body_len,
            block_len: BLOCK_BYTES as u32,
            sums_offset,
            sums_sum: check::sum(self.seed, u64::MAX - 1, &self.sums),
            aux,
        };
        let (bytes, sum) = header.encode();
        self.file.write_at(0, &bytes)?;
        self.file.sync()?;
        let name = self.file.path().file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(FileRef { name, len: file_len, sum })
    }

    /// Hands the first `len` bytes of the buffer to the disk: whole blocks, or the last ones.
    fn flush(&mut self, len: usize) -> Result<()> {
        for block in self.buffer[..len].chunks(BLOCK_BYTES as usize) {
            let number = self.sums.len() as u64 / 8;
            self.sums.extend(check::sum(self.seed, number, block).to_le_bytes());
        }
        if len > 0 {
            self.file.write_at(HEADER_BYTES + self.flushed, &self.buffer[..len])?;
        }
        self.buffer.drain(..len);
        self.flushed += len as u64;
        Ok(())
    }
}
