//! The writer's key directory: when it is consulted, filled, closed.
//!
//! Probing the key index of a segment costs a third of a microsecond to one, a miss in the directory one to four: it
//! pays from some eight segments on (`docs/measurements.md`), and is neither opened nor filled below that.
//!
//! Reads from: segments' keys. Writes to: `storage::directory`.
//! Never: an error that reaches a commit; without the directory every segment is probed.

use std::path::PathBuf;
use std::sync::Arc;

use foretaste_storage::directory::mem::MemDirectory;
use foretaste_storage::directory::{Answer, Directory, Scope, sled};
use foretaste_storage::key::{Key, KeyRef};
use foretaste_storage::rows::Rows;
use foretaste_storage::sync::Mutex;

use crate::core::Core;
use crate::error::Result;
use crate::state::{CollectionCore, Place, Source, State};

/// The key directory of an open database, opened when it is first worth it.
#[derive(Debug)]
pub(crate) struct KeyDirectory {
    /// `None` on a disk that sled cannot write to: the directory is in memory then.
    path: Option<PathBuf>,
    /// From how many segments on it is consulted.
    from_segments: usize,
    /// What the last clean close left in the manifest.
    stamp: Option<u64>,
    open: Mutex<Option<Arc<dyn Directory>>>,
}

impl KeyDirectory {
    pub fn new(path: Option<PathBuf>, from_segments: usize, stamp: Option<u64>) -> Self {
        KeyDirectory { path, from_segments, stamp, open: Mutex::new(None) }
    }

    /// The directory, when it is open and `state` has so many segments that asking it is cheaper than probing them.
    pub fn for_state(&self, state: &State) -> Option<Arc<dyn Directory>> {
        if state.segments.len() <= self.from_segments { None } else { self.open.lock().clone() }
    }

    /// Inserts the segments of `collection` that are not covered yet, if there are enough of them.
    pub fn fill(&self, core: &Core, collection: &CollectionCore) {
        let state = collection.state();
        if state.segments.len() <= self.from_segments {
            return;
        }
        let Some(directory) = self.opened() else { return };
        for source in &state.segments {
            let id = source.segment.id();
            if directory.covers(id) || core.work.stopping() {
                continue;
            }
            // A segment that cannot be read or inserted stays uncovered, and is probed.
            let _ = directory.insert(collection.id, id, &mut keys(core, source));
        }
        if directory.is_bloated() {
            *self.open.lock() = None;
            if let Some(path) = &self.path {
                drop(directory);
                *self.open.lock() = sled::open(path, None).ok().map(|d| Arc::new(d) as Arc<dyn Directory>);
            }
        }
    }

    /// The segment is gone; its entries are stale from now on.
    pub fn forget(&self, segment: u64) {
        if let Some(directory) = self.open.lock().as_ref() {
            // A directory that fails covers nothing from then on.
            let _ = directory.forget(segment);
        }
    }

    /// Closes it under `stamp`. Whether it may be trusted by that stamp next time.
    pub fn close(&self, stamp: u64) -> bool {
        let directory = self.open.lock().take();
        self.path.is_some() && directory.is_some_and(|d| d.close(stamp).is_ok())
    }

    /// The stamp the manifest keeps while the directory has not been opened: opening is what makes it void.
    pub fn untouched_stamp(&self) -> Option<u64> {
        if self.open.lock().is_some() { None } else { self.stamp }
    }

    fn opened(&self) -> Option<Arc<dyn Directory>> {
        let mut open = self.open.lock();
        if open.is_none() {
            *open = Some(match &self.path {
                Some(path) => match sled::open(path, self.stamp) {
                    Ok(directory) => Arc::new(directory),
                    Err(_) => Arc::new(MemDirectory::new()),
                },
                None => Arc::new(MemDirectory::new()),
            });
        }
        open.clone()
    }
}

/// The keys of a segment's live rows.
fn keys<'a>(
    core: &'a Core,
    source: &'a Source,
) -> impl Iterator<Item = foretaste_storage::Result<(Key, u32)>> + use<'a> {
    let dead = source.dead.at(u64::MAX);
    (0..source.segment.rows()).filter(move |row| !dead.contains(*row)).map(|row| {
        if core.work.stopping() {
            return Err(foretaste_storage::Error::Poisoned { why: "the database is being closed".into() });
        }
        Ok((Rows::key(&*source.segment, row)?.to_key(), row))
    })
}

/// The live rows that the keys of a batch have now.
pub(crate) fn places<'k>(
    core: &Core,
    collection: &CollectionCore,
    state: &State,
    keys: impl Iterator<Item = KeyRef<'k>>,
) -> Result<Vec<Place>> {
    let directory = core.directory.for_state(state);
    let scope = directory.as_ref().map(|d| Scope::new(&**d, state.segments.iter().map(|s| s.segment.id())));
    let scope = scope.filter(Scope::is_complete);
    let mut places = Vec::new();
    for key in keys {
        places.extend(place(state, &key.to_key(), collection.id, scope.as_ref())?);
    }
    Ok(places)
}

fn place(state: &State, key: &Key, collection: u32, scope: Option<&Scope<'_>>) -> Result<Option<Place>> {
    if let Some(place) = state.find_fresh(key, u64::MAX) {
        return Ok(Some(place));
    }
    match scope.map(|scope| scope.get(collection, key.as_ref())) {
        Some(Answer::Absent) => return Ok(None),
        Some(Answer::At(at)) => {
            // A hint: the key's newest row may be elsewhere by now.
            if let Some(source) = state.segments.iter().find(|s| s.segment.id() == at.segment) {
                let alive = at.row < source.segment.rows() && !source.dead.contains(at.row, u64::MAX);
                if alive && Rows::key(&*source.segment, at.row)? == key.as_ref() {
                    return Ok(Some(Place::Segment(Arc::clone(source), at.row)));
                }
            }
        }
        Some(Answer::Unknown) | None => {}
    }
    state.find_sealed(key, u64::MAX)
}
