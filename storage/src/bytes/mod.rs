//! Shared immutable bytes, owned or mapped, that clone and slice without a copy.
//!
//! Reads from: memory, or a mapping made by `vfs::os`. Writes to: nothing.
//! Never: a mutable view; once bytes are shared they do not change.

mod aligned;
pub mod map;

use std::fmt;
use std::ops::{Bound, Deref, Range, RangeBounds};
use std::sync::Arc;

pub use aligned::{ALIGN, AlignedBuf};

/// Shared immutable bytes. Cloning and slicing cost one reference count.
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Owned(Arc<AlignedBuf>),
    Mapped(Arc<map::Map>),
}

impl Bytes {
    /// Wraps a mapping.
    pub fn from_map(map: map::Map) -> Self {
        let len = map.len();
        Bytes { owner: Owner::Mapped(Arc::new(map)), range: 0..len }
    }

    /// Tells the system, where it is mapped, that single places will be read.
    pub fn expect_random(&self) {
        if let Owner::Mapped(map) = &self.owner {
            map.expect_random();
        }
    }

    /// Has the system read a part from the disk, where it is mapped and not in memory, without waiting for it.
    pub fn will_need(&self, range: Range<usize>) {
        let (start, end) = (self.range.start + range.start, self.range.start + range.end.min(self.len()));
        match &self.owner {
            Owner::Mapped(map) if start < end => map.will_need(start..end),
            _ => {}
        }
    }

    /// A part of it; `None` when it reaches beyond the end.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Option<Bytes> {
        let start = match range.start_bound() {
            Bound::Included(&s) => s,
            Bound::Excluded(&s) => s.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&e) => e.checked_add(1)?,
            Bound::Excluded(&e) => e,
            Bound::Unbounded => self.len(),
        };
        if start > end || end > self.len() {
            return None;
        }
        let base = self.range.start;
        Some(Bytes { owner: self.owner.clone(), range: base + start..base + end })
    }
}

impl From<AlignedBuf> for Bytes {
    fn from(buf: AlignedBuf) -> Self {
        let len = buf.len();
        Bytes { owner: Owner::Owned(Arc::new(buf)), range: 0..len }
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.owner {
            Owner::Owned(buf) => buf,
            Owner::Mapped(map) => map,
        };
        all.get(self.range.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.owner, Owner::Owned(_)) { "owned" } else { "mapped" };
        write!(f, "Bytes({kind}, {} bytes)", self.len())
    }
}

/// Bytes read from a sealed file: borrowed from its mapping, or owned when it is read without one.
#[derive(Debug, Clone)]
pub enum Span<'a> {
    /// Part of a mapping or of a buffer that outlives the span.
    Borrowed(&'a [u8]),
    /// Read for this caller.
    Owned(Bytes),
}

impl Deref for Span<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Span::Borrowed(b) => b,
            Span::Owned(b) => b,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_inside() {
        let mut buf = AlignedBuf::with_capacity(8);
        buf.extend_from_slice(b"abcdef");
        let bytes = Bytes::from(buf);
        let mid = bytes.slice(1..5).unwrap();
        assert_eq!(&*mid, b"bcde");
        assert_eq!(&*mid.slice(..=1).unwrap(), b"bc");
        assert!(mid.slice(3..6).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
        let reversed = mid.slice(3..2);
        assert!(reversed.is_none());
    }
}
