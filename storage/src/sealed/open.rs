//! Opens a sealed file and hands out its bytes, each block verified when it is first touched.
//!
//! Reads from: a mapping, or `vfs` block by block. Writes to: its own memory of verified blocks.
//! Never: a length believed before it equals the file's and the manifest's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{AlignedBuf, Bytes, Span};
use crate::codec::check::{self, Uuid};
use crate::codec::header::{HEADER_BYTES, Header, Kind};
use crate::error::{Error, Result};
use crate::sealed::{BLOCK_BYTES, FileRef};
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::vfs::{File, Vfs};

/// Blocks that the disk is asked for together: a request costs as much as a few pages do.
const ASKED_BLOCKS: u64 = 4;

/// How sealed files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Through a mapping: fastest, for local disks.
    #[default]
    Map,
    /// By positional reads: no mapping that a vanishing medium could break. For network, removable or untrusted files.
    Read,
}

/// An open sealed file.
#[derive(Debug)]
pub struct SealedFile {
    name: PathBuf,
    header: Header,
    header_sum: u64,
    seed: u64,
    data: Data,
    sums: Sums,
    verified: Vec<AtomicU64>,
}

#[derive(Debug)]
enum Data {
    Mapped(Bytes),
    File(Arc<dyn File>),
}

/// The block checksums: borrowed from the mapping once they are verified, or read at open.
#[derive(Debug)]
enum Sums {
    Mapped { verified: AtomicBool },
    Owned(Bytes),
}

impl SealedFile {
    /// Opens the file that `expected` names in `dir`. Errors name it as `name`, its path within the database folder.
    ///
    /// Checks the header, the lengths and the checksum the manifest holds; no byte of the body is read.
    pub fn open(
        vfs: &dyn Vfs,
        dir: &Path,
        name: PathBuf,
        expected: &FileRef,
        (kind, uuid, id): (Kind, &Uuid, u64),
        access: Access,
    ) -> Result<SealedFile> {
        let file = vfs.open(&dir.join(&expected.name))?;
        let len = file.len()?;
        if len != expected.len {
            let why = format!("the file has {len} bytes, the manifest says {}", expected.len);
            return Err(Error::corrupt(&name, len.min(expected.len), why));
        }
        SealedFile::open_unnamed(file, name, (kind, uuid, id), access).and_then(|sealed| {
            if sealed.header_sum == expected.sum {
                Ok(sealed)
            } else {
                Err(Error::corrupt(&sealed.name, 120, "the header is not the one the manifest names"))
            }
        })
    }

    /// Opens a sealed file that no manifest entry describes: for repair, and for a generation's record.
    pub fn open_unnamed(
        file: Arc<dyn File>,
        name: PathBuf,
        (kind, uuid, id): (Kind, &Uuid, u64),
        access: Access,
    ) -> Result<SealedFile> {
        let len = file.len()?;
        if len < HEADER_BYTES {
            return Err(Error::corrupt(&name, len, format!("{len} bytes are too few for a header")));
        }
        let data = match access {
            Access::Map => {
                let bytes = file.map()?;
                if kind == Kind::Ann {
                    bytes.expect_random();
                }
                bytes.will_need(0..HEADER_BYTES as usize);
                Data::Mapped(bytes)
            }
            Access::Read => Data::File(file),
        };
        let mut head = [0; HEADER_BYTES as usize];
        data.copy_to(0, &mut head, &name)?;
        let header = Header::decode(&head, &name, kind, uuid, id)?;
        if header.file_len != len {
            let why = format!("the file has {len} bytes, its header says {}", header.file_len);
            return Err(Error::corrupt(&name, len.min(header.file_len), why));
        }
        if u64::from(header.block_len) != BLOCK_BYTES {
            let why = format!("it has a checksum every {} bytes; {BLOCK_BYTES} are known", header.block_len);
            return Err(Error::corrupt(&name, 56, why));
        }
        let blocks = header.body_len.div_ceil(BLOCK_BYTES);
        let fits = header.sums_offset.checked_sub(HEADER_BYTES).is_some_and(|max| header.body_len <= max)
            && blocks.checked_mul(8).and_then(|sums| sums.checked_add(header.sums_offset)) == Some(len);
        if !fits {
            return Err(Error::corrupt(&name, 40, "the header's lengths contradict each other"));
        }
        let seed = check::seed(uuid, kind as u16, id);
        let sums = match &data {
            Data::Mapped(_) => Sums::Mapped { verified: AtomicBool::new(false) },
            Data::File(_) => {
                let mut buf = AlignedBuf::zeroed((blocks * 8) as usize);
                data.copy_to(header.sums_offset, &mut buf, &name)?;
                check_sums(&buf, seed, &header, &name)?;
                Sums::Owned(buf.into())
            }
        };
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let header_sum = u64::from_le_bytes(head[120..].try_into().unwrap_or_default());
        Ok(SealedFile { name, header, header_sum, seed, data, sums, verified })
    }

    /// Path within the database folder.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Length of the body in bytes.
    pub fn body_len(&self) -> u64 {
        self.header.body_len
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.header.file_len
    }

    /// The four numbers the kind gives a meaning.
    pub fn aux(&self) -> [u64; 4] {
        self.header.aux
    }

    /// `len` bytes of the body from `offset` when they are mapped and were verified before: the way that costs least, for
    /// what is read many times. [`SealedFile::read`] for everything else.
    #[inline]
    pub fn known(&self, offset: u64, len: u64) -> Option<&[u8]> {
        let Data::Mapped(bytes) = &self.data else { return None };
        let end = offset.checked_add(len).filter(|end| *end <= self.header.body_len)?;
        for block in offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES) {
            // Relaxed is enough: the bit guards no other memory, the file's bytes never change.
            let word = self.verified.get((block / 64) as usize)?.load(Ordering::Relaxed);
            if word >> (block % 64) & 1 == 0 {
                return None;
            }
        }
        bytes.get((HEADER_BYTES + offset) as usize..(HEADER_BYTES + end) as usize)
    }

    /// `len` bytes of the body from `offset`, verified.
    #[inline]
    pub fn read(&self, offset: u64, len: u64) -> Result<Span<'_>> {
        let end = match offset.checked_add(len) {
            Some(end) if end <= self.header.body_len => end,
            _ => return Err(self.corrupt(offset, format!("{len} bytes reach beyond the body"))),
        };
        if len == 0 {
            return Ok(Span::Borrowed(&[]));
        }
        let blocks = offset / BLOCK_BYTES..(end - 1) / BLOCK_BYTES + 1;
        match &self.data {
            Data::Mapped(bytes) => {
                for block in blocks {
                    let bit = 1u64 << (block % 64);
                    let word = &self.verified[(block / 64) as usize];
                    // Relaxed is enough: the bit guards no other memory, the file's bytes never change.
                    let known = word.load(Ordering::Relaxed);
                    if known & bit == 0 {
                        // Asked for by a page fault, the system would read much more around it; when much is read that is as wanted.
                        if len <= ASKED_BLOCKS * BLOCK_BYTES && !known_near(known, block) {
                            let start = block - block % ASKED_BLOCKS;
                            let at = |block| (HEADER_BYTES + block * BLOCK_BYTES) as usize;
                            bytes.will_need(at(start)..at(start + ASKED_BLOCKS));
                        }
                        self.verify_block(block, self.block_bytes(bytes, block))?;
                        word.fetch_or(bit, Ordering::Relaxed);
                    }
                }
                let start = (HEADER_BYTES + offset) as usize;
                Ok(Span::Borrowed(bytes.get(start..start + len as usize).unwrap_or_default()))
            }
            Data::File(_) => {
                let first = blocks.start * BLOCK_BYTES;
                let last = (blocks.end * BLOCK_BYTES).min(self.header.body_len);
                let mut buf = AlignedBuf::zeroed((last - first) as usize);
                self.data.copy_to(HEADER_BYTES + first, &mut buf, &self.name)?;
                for (block, bytes) in blocks.zip(buf.chunks(BLOCK_BYTES as usize)) {
                    self.verify_block(block, bytes)?;
                }
                let start = (offset - first) as usize;
                let bytes = Bytes::from(buf).slice(start..start + len as usize);
                bytes.map(Span::Owned).ok_or_else(|| self.corrupt(offset, "the read came short"))
            }
        }
    }

    /// Reads and verifies every block anew, calling `damaged` with the file offset and reason of each bad one.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        for block in 0..self.header.body_len.div_ceil(BLOCK_BYTES) {
            let offset = block * BLOCK_BYTES;
            let len = BLOCK_BYTES.min(self.header.body_len - offset) as usize;
            let result = match &self.data {
                Data::Mapped(bytes) => self.verify_block(block, self.block_bytes(bytes, block)),
                Data::File(_) => {
                    let mut buf = vec![0; len];
                    self.data
                        .copy_to(HEADER_BYTES + offset, &mut buf, &self.name)
                        .and_then(|()| self.verify_block(block, &buf))
                }
            };
            if let Err(e) = result {
                damaged(e);
            }
        }
    }

    /// A `Corrupt` error at `offset` of the body.
    pub fn corrupt(&self, offset: u64, why: impl Into<String>) -> Error {
        Error::corrupt(&self.name, HEADER_BYTES.saturating_add(offset), why)
    }

    fn block_bytes<'a>(&self, bytes: &'a Bytes, block: u64) -> &'a [u8] {
        let start = HEADER_BYTES + block * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(HEADER_BYTES + self.header.body_len);
        bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    #[cold]
    fn verify_block(&self, block: u64, bytes: &[u8]) -> Result<()> {
        let at = (block * 8) as usize;
        let expected = self.sums()?.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        if expected == Some(check::sum(self.seed, block, bytes)) {
            Ok(())
        } else {
            Err(self.corrupt(block * BLOCK_BYTES, "the block's checksum does not match"))
        }
    }

    fn sums(&self) -> Result<&[u8]> {
        match (&self.sums, &self.data) {
            (Sums::Mapped { verified }, Data::Mapped(bytes)) => {
                let sums = bytes.get(self.header.sums_offset as usize..).unwrap_or_default();
                if !verified.load(Ordering::Relaxed) {
                    bytes.will_need(self.header.sums_offset as usize..bytes.len());
                    check_sums(sums, self.seed, &self.header, &self.name)?;
                    verified.store(true, Ordering::Relaxed);
                }
                Ok(sums)
            }
            (Sums::Owned(sums), _) => Ok(sums),
            (Sums::Mapped { .. }, Data::File(_)) => Ok(&[]),
        }
    }
}

impl Data {
    fn copy_to(&self, offset: u64, out: &mut [u8], name: &Path) -> Result<()> {
        match self {
            Data::Mapped(bytes) => match bytes.get(offset as usize..offset as usize + out.len()) {
                Some(part) => {
                    out.copy_from_slice(part);
                    Ok(())
                }
                None => Err(Error::corrupt(name, offset, "the file ends too early")),
            },
            Data::File(file) => file.read_at(offset, out),
        }
    }
}

/// Whether a block that is asked for together with `block` was verified before, by the word of bits that has both.
fn known_near(word: u64, block: u64) -> bool {
    const { assert!(64 % ASKED_BLOCKS == 0) };
    let first = block % 64 - block % ASKED_BLOCKS;
    word >> first & ((1 << ASKED_BLOCKS) - 1) != 0
}

fn check_sums(sums: &[u8], seed: u64, header: &Header, name: &Path) -> Result<()> {
    if check::sum(seed, u64::MAX - 1, sums) == header.sums_sum {
        Ok(())
    } else {
        Err(Error::corrupt(name, header.sums_offset, "the checksum of the block checksums does not match"))
    }
}
