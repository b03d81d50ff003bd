//! A generation's record: every live file of the database, and where the log begins to matter.
//!
//! Encoded by bincode (fixed-width, little-endian) as the body of a sealed file, kind `Generation`, whose number is the
//! generation.
//!
//! Reads from: the engine's state, or a sealed file. Writes to: the same.
//! Never: a record that breaks a rule of [`Record::validate`], in either direction.

use std::collections::HashSet;
use std::hash::Hash;

use bincode::{Decode, Encode};

use crate::layout::Layout;
use crate::limits;
use crate::sealed::FileRef;
use crate::segment::SegmentRef;

/// Everything that one generation consists of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Number of the generation.
    pub generation: u64,
    /// The next number for a segment, a log or a search index; all in use are smaller.
    pub next_id: u64,
    /// The next number for a collection; all in use are smaller.
    pub next_collection: u32,
    /// The sequence number that the next operation had when the record was written; the logs may hold later ones.
    pub next_seq: u64,
    /// Logs that hold operations not in segments, oldest first. A log file with a larger number than these may follow.
    pub logs: Vec<LogRef>,
    /// The collections.
    pub collections: Vec<CollectionRecord>,
    /// Which state of the key directory mirrors this generation.
    pub directory_stamp: Option<u64>,
    /// Written by an orderly close.
    pub clean: bool,
}

/// A log of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogRef {
    /// Number of the log.
    pub id: u64,
    /// The smallest sequence number it may hold.
    pub first_seq: u64,
    /// Length in bytes that was durable when the record was written; all of it when another log follows.
    pub synced_len: u64,
}

/// A collection of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CollectionRecord {
    /// Number of the collection; never used again for another.
    pub id: u32,
    /// Its name, unique in the database.
    pub name: String,
    /// The physical shape of its rows.
    pub layout: Layout,
    /// The engine's own description, which this crate does not look into.
    pub schema: Vec<u8>,
    /// Operations of this collection up to this sequence number are in its segments.
    pub sealed_seq: u64,
    /// Its segments.
    pub segments: Vec<SegmentEntry>,
    /// Named positions, such as how far an import has come.
    pub marks: Vec<(String, u64)>,
}

/// A segment of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SegmentEntry {
    /// Its number and files.
    pub segment: SegmentRef,
    /// Its deleted rows, if there are any.
    pub tombstones: Option<TombRef>,
}

/// The deleted rows of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TombRef {
    /// Counts up with every change.
    pub version: u64,
    /// How many rows are deleted.
    pub deleted: u32,
    /// The file in `tomb/`.
    pub file: FileRef,
}

impl Record {
    /// The record of a database that was just created.
    pub fn first() -> Record {
        Record {
            generation: 1,
            next_id: 1,
            next_collection: 1,
            next_seq: 1,
            logs: Vec::new(),
            collections: Vec::new(),
            directory_stamp: None,
            clean: true,
        }
    }

    /// All segments of all collections.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.collections.iter().flat_map(|collection| &collection.segments)
    }

    /// The collection of that name.
    pub fn collection(&self, name: &str) -> Option<&CollectionRecord> {
        self.collections.iter().find(|collection| collection.name == name)
    }

    /// Length in bytes of all files that it names but the directory's, as far as 64 bits hold it.
    fn bytes(&self) -> u64 {
        let segments = self.segments().flat_map(|s| s.segment.files.iter().map(|file| file.len));
        let tombstones = self.segments().filter_map(|s| s.tombstones.as_ref()).map(|t| t.file.len);
        let logs = self.logs.iter().map(|log| log.synced_len);
        segments.chain(tombstones).chain(logs).fold(0, u64::saturating_add)
    }

    /// Why it cannot be a record: a name that is empty, too long or used twice, a number used twice, not given out yet
    /// or beyond all counting, levels that are none, or more of anything than the limits allow.
    pub fn validate(&self) -> Result<(), String> {
        at_most("collections", self.collections.len(), limits::COLLECTIONS)?;
        at_most("segments", self.segments().count(), limits::SEGMENTS)?;
        // A log is closed at the latest with the segment that its rows went to.
        at_most("logs", self.logs.len(), limits::SEGMENTS)?;
        for (what, found) in [
            ("generation", self.generation),
            ("next number", self.next_id),
            ("next sequence number", self.next_seq),
        ] {
            counted(what, found, limits::NUMBER)?;
        }
        counted("next collection", self.next_collection.into(), limits::COLLECTION_NUMBER.into())?;
        counted("length of all files", self.bytes(), limits::DATABASE_BYTES)?;
        unique("collection name", self.collections.iter().map(|c| c.name.as_str()))?;
        unique("collection", self.collections.iter().map(|c| c.id))?;
        unique("segment", self.segments().map(|s| s.segment.id))?;
        for pair in self.logs.windows(2) {
            if pair[0].id >= pair[1].id || pair[0].first_seq > pair[1].first_seq {
                return Err(format!("log {} does not follow log {}", pair[1].id, pair[0].id));
            }
        }
        if let Some(log) = self.logs.iter().find(|log| log.id >= self.next_id) {
            return Err(format!("log {} is beyond the next number {}", log.id, self.next_id));
        }
        for entry in self.segments() {
            if entry.segment.id >= self.next_id {
                return Err(format!(
                    "segment {} is beyond the next number {}",
                    entry.segment.id, self.next_id
                ));
            }
            entry.segment.files.iter().try_for_each(|file| plain_file(&file.name))?;
            if let Some((number, _)) = entry.segment.ann().filter(|(number, _)| *number >= self.next_id) {
                return Err(format!("search index {number} is beyond the next number {}", self.next_id));
            }
            if let Some(tombstones) = &entry.tombstones {
                plain_file(&tombstones.file.name)?;
            }
        }
        self.collections.iter().try_for_each(|collection| {
            let named = |why: String| format!("collection {:?}: {why}", collection.name);
            collection.validate(self.next_collection).map_err(named)
        })
    }
}

impl CollectionRecord {
    fn validate(&self, next_collection: u32) -> Result<(), String> {
        name("name", &self.name)?;
        if self.id >= next_collection {
            return Err(format!("its number {} is beyond the next one, {next_collection}", self.id));
        }
        self.layout.validate().map_err(|e| e.to_string())?;
        for entry in &self.segments {
            let layout = Layout { levels: entry.segment.layout_levels.clone(), ..self.layout };
            layout.validate().map_err(|e| format!("segment {}: {e}", entry.segment.id))?;
        }
        unique("mark", self.marks.iter().map(|(name, _)| name.as_str()))?;
        self.marks.iter().try_for_each(|(mark, _)| name("mark", mark))
    }
}

fn name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("a {what} is empty"));
    }
    at_most(&format!("bytes of a {what}"), name.len(), limits::NAME_BYTES)
}

/// A name that is joined with a folder must not lead out of it.
fn plain_file(name: &str) -> Result<(), String> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0', ':']);
    if plain { Ok(()) } else { Err(format!("{name:?} is not the name of a file")) }
}

fn at_most(what: &str, found: usize, limit: u64) -> Result<(), String> {
    if found as u64 > limit { Err(format!("{found} {what}, the limit is {limit}")) } else { Ok(()) }
}

fn counted(what: &str, found: u64, limit: u64) -> Result<(), String> {
    if found > limit {
        Err(format!("{what} {found} cannot have been reached, the limit is {limit}"))
    } else {
        Ok(())
    }
}

fn unique<T: Hash + Eq + std::fmt::Debug>(what: &str, items: impl Iterator<Item = T>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for item in items {
        if seen.contains(&item) {
            return Err(format!("{what} {item:?} is there twice"));
        }
        seen.insert(item);
    }
    Ok(())
}
