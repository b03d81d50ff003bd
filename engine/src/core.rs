//! What all handles of one open database share.
//!
//! Locks, in the order they may be taken: the turn to build, `upkeep`, a collection's `gate`, `ingest`, a collection's
//! state.
//!
//! Reads from: `recover`, which makes it. Writes to: nothing itself.
//! Never: a reference to a handle, so that the last handle dropped closes the database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use foretaste_storage::codec::check::Uuid;
use foretaste_storage::log::Log;
use foretaste_storage::manifest::Record;
use foretaste_storage::pin::{GenerationPin, Pins};
use foretaste_storage::segment::Segment;
use foretaste_storage::sync::{AtomicU64, Mutex, Ordering, RwLock};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::lock::DatabaseLock;

use crate::build::Builds;
use crate::directory::KeyDirectory;
use crate::error::{Error, Result};
use crate::ingest::{Ingest, LogSpan, Writer};
use crate::member::is_member;
use crate::options::{Durability, Options};
use crate::publish::Retired;
use crate::reader::Follower;
use crate::scores::ScoreMemory;
use crate::state::CollectionCore;
use crate::work::Work;

pub(crate) struct Core {
    pub vfs: Arc<dyn Vfs>,
    pub root: PathBuf,
    pub uuid: Uuid,
    pub options: Options,
    pub collections: RwLock<BTreeMap<String, Arc<CollectionCore>>>,
    /// Held by whatever changes the manifest: seal, compact, create, drop, truncate. One at a time, across its I/O.
    pub upkeep: Mutex<Upkeep>,
    pub writer: Option<Writer>,
    pub pins: Pins,
    /// Numbers for segments and logs; the manifest's `next_id` is at least this at every publication.
    pub next_id: AtomicU64,
    /// Numbers for pins, one for each opening of a segment.
    pub next_pin: AtomicU64,
    /// Every segment that was opened and is still in use, by a state or by snapshots alone.
    pub segments: Mutex<Vec<Weak<Segment>>>,
    pub work: Work,
    pub builds: Builds,
    pub directory: KeyDirectory,
    pub scores: Arc<ScoreMemory>,
    pub _lock: Option<DatabaseLock>,
}

/// The newest published record, and files that wait to be removed.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub record: Record,
    pub retired: Vec<Retired>,
    /// For a reader: how it follows the writer's generations and logs.
    pub follower: Option<Follower>,
    /// For a reader: keeps what it shows from being removed; shared with the segments that snapshots show.
    pub generation: Option<Arc<GenerationPin>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core({})", self.root.display())
    }
}

impl Core {
    /// The right to write, or the error that says what was tried without it.
    pub fn writer(&self, what: &'static str) -> Result<&Writer> {
        self.writer.as_ref().ok_or(Error::ReadOnly { what })
    }

    /// A new number for a segment or a log.
    pub fn take_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// A new number for a pin.
    pub fn take_pin(&self) -> u64 {
        self.next_pin.fetch_add(1, Ordering::Relaxed)
    }

    /// The log that takes frames, made now if there is none.
    pub fn open_log(&self, ingest: &mut Ingest) -> Result<Arc<Log>> {
        if let Some(log) = &ingest.log {
            return Ok(Arc::clone(log));
        }
        self.new_log(ingest)
    }

    /// Begins a new log: everything queued in the old one is durable when this returns, so that no frame of the new one
    /// can be durable before it.
    pub fn rotate_log(&self, ingest: &mut Ingest) -> Result<()> {
        if let Some(log) = &ingest.log {
            log.flush()?;
            if let Some(span) = ingest.logs.last_mut() {
                span.closed_len = Some(log.synced_len());
            }
            self.new_log(ingest)?;
        }
        Ok(())
    }

    /// Makes everything committed so far durable. A generation that leaves out what a commit deleted or replaced must not
    /// be durable before that commit, which only [`Durability::Sync`] sees to by itself.
    pub fn sync_log(&self) -> Result<()> {
        let writer = self.writer("sync")?;
        if self.options.durability == Durability::Sync {
            return Ok(());
        }
        let log = writer.ingest.lock().log.clone();
        if let Some(Err(e)) = log.map(|log| log.flush()) {
            writer.poison(&e);
            return Err(e.into());
        }
        Ok(())
    }

    fn new_log(&self, ingest: &mut Ingest) -> Result<Arc<Log>> {
        let (id, first_seq) = (self.take_id(), ingest.next_seq);
        let durability = self.options.log_durability();
        let log = Arc::new(Log::create(&*self.vfs, &self.root, &self.uuid, id, first_seq, durability)?);
        ingest.logs.push(LogSpan { id, first_seq, closed_len: None });
        ingest.log = Some(Arc::clone(&log));
        Ok(log)
    }

    /// Remembers a segment as long as it is in use.
    pub fn note(&self, segment: Arc<Segment>) -> Arc<Segment> {
        let mut segments = self.segments.lock();
        segments.retain(|known| known.strong_count() > 0);
        segments.push(Arc::downgrade(&segment));
        segment
    }

    pub fn collection(&self, name: &str) -> Result<Arc<CollectionCore>> {
        let collections = self.collections.read();
        collections.get(name).map(Arc::clone).ok_or_else(|| {
            let known: Vec<&str> = collections.keys().map(String::as_str).filter(|n| !is_member(n)).collect();
            let known = if known.is_empty() { "there is none".into() } else { known.join(", ") };
            Error::NotFound { what: format!("collection `{name}` (in this database: {known})") }
        })
    }

    pub fn all_collections(&self) -> Vec<Arc<CollectionCore>> {
        self.collections.read().values().map(Arc::clone).collect()
    }
}
