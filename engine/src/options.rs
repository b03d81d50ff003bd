//! How a database is opened.
//!
//! Reads from: the caller. Writes to: nothing. Never: an option that changes what is stored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use foretaste_storage::log::Durability as LogDurability;
use foretaste_storage::sealed::Access;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::os::OsVfs;

use crate::db::Database;
use crate::error::Result;

/// When a commit is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After its log record is synced to the disk: it survives a power loss.
    #[default]
    Sync,
    /// At once; the log is synced at most this many milliseconds later. A power loss may take that much.
    Interval(u64),
    /// At once; the operating system writes when it likes. Survives a killed process, not a power loss.
    None,
}

/// Options of [`Database::options`].
///
/// ```no_run
/// # fn main() -> foretaste::Result<()> {
/// let db = foretaste::Database::options().read_only(true).open("notes.ft")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) durability: Durability,
    pub(crate) access: Access,
    pub(crate) seal_bytes: u64,
    pub(crate) background: bool,
    pub(crate) build_threads: Option<usize>,
    pub(crate) build_seed: u64,
    pub(crate) directory_from: usize,
    pub(crate) remembered_scores: u64,
    /// Whether the disk is one that sled can write to.
    pub(crate) sled: bool,
    pub(crate) vfs: Arc<dyn Vfs>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            read_only: false,
            create: true,
            durability: Durability::Sync,
            access: Access::Map,
            seal_bytes: 64 << 20,
            background: true,
            build_threads: None,
            build_seed: 0,
            directory_from: 8,
            remembered_scores: 1_000_000,
            sled: true,
            vfs: Arc::new(OsVfs::new()),
        }
    }
}

impl Options {
    /// Opens without the right to write: beside a writer, beside other readers, and on read-only media.
    pub fn read_only(mut self, yes: bool) -> Self {
        self.read_only = yes;
        self
    }

    /// Whether a missing database is created (the default) or an error.
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// When a commit is acknowledged.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How sealed files are read; [`Access::Read`] for network, removable or untrusted media.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Bytes of fresh rows a collection gathers before they are sealed into a segment (64 MiB; at least 64 KiB).
    pub fn seal_bytes(mut self, bytes: u64) -> Self {
        self.seal_bytes = bytes.max(64 << 10);
        self
    }

    /// Whether sealing and compaction run on a thread of their own and search indexes are built on another (the default),
    /// or sealing and compaction within the commits that make them due, and indexes only by
    /// [`crate::Collection::optimize`].
    pub fn background(mut self, yes: bool) -> Self {
        self.background = yes;
        self
    }

    /// How many threads build a search index (all cores; at least 1).
    pub fn build_threads(mut self, threads: usize) -> Self {
        self.build_threads = Some(threads.max(1));
        self
    }

    /// Where the random choices of a search index begin (0). The same seed over the same segment gives the same index.
    pub fn build_seed(mut self, seed: u64) -> Self {
        self.build_seed = seed;
        self
    }

    /// From how many segments of a collection on the writer looks keys up in the key directory rather than in each
    /// segment (8). The directory is derived and changes no answer.
    pub fn key_directory_from(mut self, segments: usize) -> Self {
        self.directory_from = segments;
        self
    }

    /// How many scores of expensive scorers the database remembers (1,000,000; at most 2^32): see [`crate::Scored::version`].
    /// When there is no room, about half of them are forgotten, the oldest. 0 remembers none, and uses none.
    ///
    /// They are in the folder `scores`, about 300 bytes each, and derived: they change no answer but by not asking again. All are
    /// read once, when a search first asks for one (200,000 in half a second). A
    /// database that is read-only or not on the real disk remembers them in memory, until it is closed.
    pub fn remembered_scores(mut self, most: u64) -> Self {
        self.remembered_scores = most;
        self
    }

    /// The disk to work on: the real one, one in memory, or one that injects faults.
    pub fn disk(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self.sled = false;
        self
    }

    /// Opens the database folder at `path`, and creates it when it is missing and may be.
    ///
    /// # Errors
    /// `Locked` when another process writes to it; `NotFound` when it is missing and may not be created; `Corrupt` and
    /// `FormatTooNew` name the file.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Database> {
        Database::open_with(path.as_ref(), self)
    }

    pub(crate) fn threads(&self) -> usize {
        self.build_threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
    }

    pub(crate) fn log_durability(&self) -> LogDurability {
        match self.durability {
            Durability::Sync => LogDurability::Sync,
            Durability::Interval(ms) => LogDurability::Interval(Duration::from_millis(ms)),
            Durability::None => LogDurability::None,
        }
    }
}
