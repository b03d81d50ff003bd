//! The key directory: which row has a key, so that a writer need not probe the key index of every segment.
//!
//! An entry maps (collection, key) to the place the key was last inserted from. Entries are never removed one by one:
//! deleting a row or a segment leaves them behind, and the caller finds out when it looks at the place. So an entry is a
//! hint, and its absence is a proof, under one condition: every live segment is covered, that is, all of its live rows
//! were inserted. [`Scope`] asks for that condition first and for entries second, which is the only safe order.
//!
//! | the answer | what the caller does |
//! | --- | --- |
//! | [`Answer::At`], and the segment is live, the row is not dead and has the key | uses it |
//! | [`Answer::At`], and anything of that is not so | probes every segment: the key may live somewhere else |
//! | [`Answer::Absent`] | nothing; no live segment has the key |
//! | [`Answer::Unknown`] | probes every segment |
//!
//! Reads from: keys and rows of segments, as the caller gives them. Writes to: [`mem`] memory, [`sled`] a folder.
//! Never: an `Absent` for a key that a live segment has; anything that could not be rebuilt from the segments.

mod coverage;
pub mod mem;
pub mod sled;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use crate::error::Result;
use crate::key::{Key, KeyRef};

/// Where a key was last inserted from. A hint: see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The segment's id.
    pub segment: u64,
    /// The row in it.
    pub row: u32,
}

/// What a [`Scope`] says about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The key was last inserted from here; to be compared with what is there.
    At(Location),
    /// No live segment has the key.
    Absent,
    /// Nothing is known.
    Unknown,
}

/// A map from keys to rows that is derived from the segments.
///
/// Any number of threads may call it. An insertion, and every call but [`Directory::get`] and [`Directory::covers`], is
/// best made by one of them: insertions that overlap blur what [`Directory::is_bloated`] counts, nothing else.
///
/// # Examples
///
/// ```
/// use foretaste_storage::directory::{Answer, Directory, Location, Scope, mem::MemDirectory};
/// use foretaste_storage::key::{Key, KeyRef};
///
/// # fn main() -> Result<(), foretaste_storage::Error> {
/// let directory = MemDirectory::new();
/// directory.insert(0, 17, &mut [Ok((Key::Int(5), 3))].into_iter())?;
///
/// let scope = Scope::new(&directory, [17]);
/// assert_eq!(scope.get(0, KeyRef::Int(5)), Answer::At(Location { segment: 17, row: 3 }));
/// assert_eq!(scope.get(0, KeyRef::Int(6)), Answer::Absent);
/// // Segment 18 was not inserted: it may have the key.
/// assert_eq!(Scope::new(&directory, [17, 18]).get(0, KeyRef::Int(6)), Answer::Unknown);
/// # Ok(())
/// # }
/// ```
pub trait Directory: Send + Sync + Debug {
    /// The place a key was last inserted from; [`Scope::get`] is the safe way to ask.
    ///
    /// `None` proves that no covered segment has the key, but only segments that were covered *before* the call.
    ///
    /// # Errors
    /// `Io` when the directory has failed or was closed: nothing is known.
    fn get(&self, collection: u32, key: KeyRef<'_>) -> Result<Option<Location>>;

    /// Whether all live rows of a segment were inserted, and are still there. Looks only at memory.
    fn covers(&self, segment: u64) -> bool;

    /// Inserts the rows of a segment that are not dead, each key once with its row, and marks the segment covered.
    ///
    /// It may be called before or after the segment goes live, and again for the same id (after a failed attempt to
    /// write the segment, say): it is not covered from the beginning of the call to its end. A segment without rows is
    /// covered too. When the directory has failed or was closed, or fails here, this returns `Ok` and nothing is covered.
    ///
    /// # Errors
    /// The first error of `rows`, which ends the insertion (and so cancels it): the segment is not covered.
    fn insert(
        &self,
        collection: u32,
        segment: u64,
        rows: &mut dyn Iterator<Item = Result<(Key, u32)>>,
    ) -> Result<()>;

    /// Takes note that a segment is gone: it is not covered any more, and its entries are stale.
    ///
    /// # Errors
    /// None today; a directory that has failed has nothing to forget.
    fn forget(&self, segment: u64) -> Result<()>;

    /// Whether stale entries (of segments that are gone, or of insertions that were cancelled) outnumber the others, and
    /// a few thousand; then an empty directory should be opened in its place and every live segment inserted.
    fn is_bloated(&self) -> bool;

    /// Ends the use of the directory and makes it durable under `stamp`; afterwards it covers nothing.
    ///
    /// The caller records the stamp in the manifest *after* this returned, and opens with it. No two states of the
    /// segments and their dead rows may have the same stamp; the number of the manifest's generation will do.
    ///
    /// # Errors
    /// `Io` when the directory has failed, was closed before or cannot be made durable: the next opening begins empty,
    /// whatever the manifest says.
    fn close(&self, stamp: u64) -> Result<()>;
}

/// A directory together with what it may be asked: the segments that were live, and whether it covers all of them.
///
/// Good for as long as the set of live segments stays the same, such as one commit.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    directory: &'a dyn Directory,
    complete: bool,
}

impl<'a> Scope<'a> {
    /// Looks which of the segments that are `live` now are covered. They are all of one collection, or of all.
    pub fn new(directory: &'a dyn Directory, live: impl IntoIterator<Item = u64>) -> Self {
        let complete = live.into_iter().all(|segment| directory.covers(segment));
        Scope { directory, complete }
    }

    /// Whether every live segment is covered: otherwise no answer is `Absent`.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is known about a key.
    pub fn get(&self, collection: u32, key: KeyRef<'_>) -> Answer {
        // Coverage was looked at before: a segment whose insertion ends between this and that could hide its rows.
        match self.directory.get(collection, key) {
            Ok(Some(location)) => Answer::At(location),
            Ok(None) if self.complete => Answer::Absent,
            Ok(None) | Err(_) => Answer::Unknown,
        }
    }
}

/// Rows inserted between two looks at whether the directory still is in use.
const BATCH_ROWS: usize = 4096;

/// A key as the directories store it: the collection, big endian so that a collection's keys lie together, then the
/// key's encoding.
fn entry_key(collection: u32, key: KeyRef<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + key.encoded_len());
    out.extend(collection.to_be_bytes());
    key.encode(&mut out);
    out
}

/// Fills `batch` with the next rows, sorted by key: neighbours share pages. It is empty at the end.
fn next_batch(
    collection: u32,
    rows: &mut dyn Iterator<Item = Result<(Key, u32)>>,
    batch: &mut Vec<(Vec<u8>, u32)>,
) -> Result<()> {
    batch.clear();
    while batch.len() < BATCH_ROWS {
        let Some(next) = rows.next() else { break };
        let (key, row) = next?;
        batch.push((entry_key(collection, key.as_ref()), row));
    }
    batch.sort_unstable();
    Ok(())
}
