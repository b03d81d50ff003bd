//! Who is told how far long work is, and may end it.
//!
//! Reads from: the facade's progress. Writes to: a callback. Never: a callback on another thread than the caller's.

use std::ffi::c_int;

use foretaste::{BuildStage, Step};

use crate::ptr::Data;

/// What long work is doing.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Something that this interface has no name for yet.
    Other = 0,
    /// Merging segments.
    Compact = 1,
    /// Learning the rotation and the scales of an index's codes from a sample.
    Train = 2,
    /// Coding the rows, or gathering the words of their documents.
    Encode = 3,
    /// Finding centroids and the cells of the rows.
    Cells = 4,
    /// Looking for neighbours and linking them.
    Link = 5,
    /// Trying how far answers can be trusted.
    Measure = 6,
    /// Verifying bytes.
    Check = 7,
    /// Reading and committing rows of a file.
    Import = 8,
}

/// How far long work is. Later versions may have more members at its end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What it is doing.
    pub doing: Doing,
    /// The part of this that is done, from 0 to 1.
    pub part: f64,
    /// Rows (FT_DOING_CHECK: bytes) that this goes through; 0 of a file that does not say how many it has.
    pub total: u64,
    /// Segments that still have to be indexed, this one included; 0 while none is.
    pub segments: usize,
    /// How many of `total` are done, about; of a file: how many of its rows are in, those of earlier calls too.
    pub done: u64,
}

/// Told how far long work is; 0 ends the work, anything else lets it go on. It is called on the thread of the call that it was
/// given to. It must not free a handle that the call uses, nor leave by longjmp or an exception.
pub type ProgressFn = Option<extern "C" fn(data: Data, now: &Progress) -> c_int>;

/// A callback with its data.
#[derive(Clone, Copy)]
pub struct Told(pub ProgressFn, pub Data);

impl Told {
    /// Says how far the work is, and asks whether to go on.
    pub fn tell(self, now: Progress) -> bool {
        self.0.is_none_or(|callback| callback(self.1, &now) != 0)
    }

    /// The same for work that counts.
    pub fn count(self, doing: Doing, done: u64, total: u64) -> bool {
        let part = if total == 0 { 1.0 } else { done as f64 / total as f64 };
        self.tell(Progress { doing, part, total, segments: 0, done })
    }

    /// The same for `optimize`.
    pub fn optimize(self, now: foretaste::Progress) -> bool {
        let doing = match now.step {
            Step::Compact => Doing::Compact,
            Step::Index(BuildStage::Train) => Doing::Train,
            Step::Index(BuildStage::Encode) => Doing::Encode,
            Step::Index(BuildStage::Cells) => Doing::Cells,
            Step::Index(BuildStage::Link) => Doing::Link,
            Step::Index(BuildStage::Measure) => Doing::Measure,
            _ => Doing::Other,
        };
        let done = (now.part * now.rows as f64) as u64;
        self.tell(Progress { doing, part: now.part, total: now.rows, segments: now.segments, done })
    }

    /// The same for an import.
    pub fn import(self, now: foretaste::import::Progress) -> bool {
        let (done, total) = (now.rows, now.rows_total.unwrap_or(0));
        let of = |done: u64, total: u64| (done as f64 / total.max(1) as f64).min(1.0);
        let part = match (now.rows_total, now.bytes_total) {
            (Some(rows), _) => of(now.rows, rows),
            (None, Some(bytes)) => of(now.bytes, bytes),
            (None, None) => 0.0,
        };
        self.tell(Progress { doing: Doing::Import, part, total, segments: 0, done })
    }
}
