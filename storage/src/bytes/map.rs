//! A read-only mapping of a sealed file. The only unsafe code of the crate.
//!
//! Reads from: a file that `vfs::os` opened. Writes to: nothing.
//! Never: a mapping of a file that anybody may still write to or shorten.

#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; the invariant is stated at the call")]
#![expect(clippy::disallowed_types, reason = "this is the disk seam's own mapping")]

use std::fs::File;
use std::ops::{Deref, Range};

/// A read-only mapping of a whole file.
#[derive(Debug)]
pub struct Map(memmap2::Mmap);

impl Map {
    /// Maps all of `file`, which must be sealed: complete, synced, and never written or truncated again.
    pub fn new(file: &File) -> std::io::Result<Map> {
        // SAFETY: a mapping is sound while nobody changes the file under it. Sealed files are written once, synced,
        // and only then named by a manifest; this library never writes to or truncates a named file again, it unlinks
        // them whole, and an unlinked file keeps its pages while it is mapped. The database's `lock` file keeps other
        // processes from writing. A foreign program that truncates the file can still raise SIGBUS; for media where
        // that is to be expected there is `Access::Read`, which does not map.
        unsafe { memmap2::Mmap::map(file) }.map(Map)
    }

    /// Tells the system that single places will be read, so that it need not read what lies around them.
    pub fn expect_random(&self) {
        #[cfg(unix)]
        let _ = self.0.advise(memmap2::Advice::Random);
    }

    /// Has the system read a part from the disk, if it is not in memory, without waiting for it.
    pub fn will_need(&self, range: Range<usize>) {
        #[cfg(unix)]
        let _ = self.0.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for Map {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
