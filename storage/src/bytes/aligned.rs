//! A growing byte buffer whose start is aligned to a cache line, so that rows in it can be read by wide loads.
//!
//! Reads from: nothing. Writes to: its own memory. Never: unsafe code; alignment comes from the element type.

use std::ops::Deref;

use bytemuck::{Pod, Zeroable};

/// Alignment of the buffer and of everything placed in it by [`AlignedBuf::pad`], in bytes.
pub const ALIGN: usize = 64;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; ALIGN]);

/// A byte buffer that starts at a multiple of [`ALIGN`].
#[derive(Debug, Clone, Default)]
pub struct AlignedBuf {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        AlignedBuf { lines: Vec::with_capacity(bytes.div_ceil(ALIGN)), len: 0 }
    }

    /// A buffer of `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        AlignedBuf { lines: vec![Line::zeroed(); len.div_ceil(ALIGN)], len }
    }

    /// Appends `data`.
    pub fn extend_from_slice(&mut self, data: &[u8]) {
        let start = self.len;
        self.resize(start + data.len());
        self[start..].copy_from_slice(data);
    }

    /// Appends zeros up to the next multiple of [`ALIGN`] and returns the new length.
    pub fn pad(&mut self) -> usize {
        self.resize(self.len.next_multiple_of(ALIGN));
        self.len
    }

    /// Grows with zeros, or shortens, to `len` bytes.
    pub fn resize(&mut self, len: usize) {
        if len < self.len {
            // What is cut off must read as zeros when the buffer grows again.
            let old = self.len;
            bytemuck::cast_slice_mut::<Line, u8>(&mut self.lines)[len..old].fill(0);
        }
        self.lines.resize(len.div_ceil(ALIGN), Line::zeroed());
        self.len = len;
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice::<Line, u8>(&self.lines)[..self.len]
    }
}

impl std::ops::DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut::<Line, u8>(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_a_cache_line_and_grows_with_zeros() {
        let mut buf = AlignedBuf::default();
        buf.extend_from_slice(&[7; 70]);
        assert_eq!(buf.pad(), 128);
        assert_eq!(buf.as_ptr() as usize % ALIGN, 0);
        assert!(buf[70..].iter().all(|&b| b == 0));
        buf.resize(10);
        buf.resize(100);
        assert_eq!(&buf[..10], &[7; 10]);
        assert!(buf[10..].iter().all(|&b| b == 0));
    }
}
