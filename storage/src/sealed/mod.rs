//! The container of every file that never changes: a header, a body in checksummed blocks, the block checksums.
//!
//! ```text
//! header (128 bytes) | body, blocks of 4 KiB | padding to 8 | one 64-bit checksum a block
//! ```
//!
//! A block is verified when it is first touched and remembered as verified, so opening costs the same for any length
//! and damage is found by the read that meets it. The header names the checksum of the checksums, and the manifest
//! names the header's: a chain from the manifest's slot to every byte.
//!
//! Reads from: `vfs`, or its mapping. Writes to: `vfs`.
//! Never: a byte of the body handed out unverified; a write after `finish`.

mod open;
mod write;

pub use open::{Access, SealedFile};
pub use write::SealedWriter;

/// Bytes a checksummed block: a page, so that what is read at random places is not verified much beyond what is wanted.
pub const BLOCK_BYTES: u64 = 4 << 10;

/// What the manifest knows of a sealed file: enough to refuse a file that is not the one it named.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct FileRef {
    /// File name within its folder.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// Checksum of its header.
    pub sum: u64,
}

#[cfg(test)]
mod tests;
