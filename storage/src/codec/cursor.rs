//! A reader of little-endian integers that knows which file it is in and stops at the end.
//!
//! Reads from: a byte slice. Writes to: nothing. Never: a panic; the end gives `Corrupt` at the right offset.

use std::path::Path;

use crate::error::{Error, Result};

/// Reads integers one after another; every error names the file and the offset in it.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    file: &'a Path,
    base: u64,
}

impl<'a> Cursor<'a> {
    /// A cursor over `bytes`, which start at offset `base` of `file`.
    pub fn new(bytes: &'a [u8], file: &'a Path, base: u64) -> Self {
        Cursor { bytes, at: 0, file, base }
    }

    /// Where the next read starts, as an offset in the file.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..n) else {
            return Err(self.corrupt(format!("{n} bytes expected, {} left", rest.len())));
        };
        self.at += n;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// The next 16-bit integer.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// The next 32-bit integer.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next 64-bit integer.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A `Corrupt` error at the cursor's place.
    pub fn corrupt(&self, why: impl Into<String>) -> Error {
        Error::corrupt(self.file, self.offset(), why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_an_error_with_its_offset() {
        let mut c = Cursor::new(&[1, 0, 2, 0, 0, 0, 9], Path::new("f"), 100);
        assert_eq!((c.u16().unwrap(), c.u32().unwrap(), c.left()), (1, 2, 1));
        let err = c.u64().unwrap_err();
        assert!(matches!(err, Error::Corrupt { offset: 106, .. }), "{err}");
        assert_eq!(c.u8().unwrap(), 9);
    }
}
