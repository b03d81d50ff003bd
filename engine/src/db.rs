//! The database handle: open, collections, upkeep on request, close.
//!
//! Reads from: `recover`, `core`. Writes to: `publish`, `seal`, `compact`.
//! Never: work of its own; it names what the rooms behind it do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretaste_storage::limits;
use foretaste_storage::manifest::LogRef;

use crate::catalogue;
use crate::collection::Collection;
use crate::compact;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ingest::LogSpan;
use crate::member::{Role, is_member, readable};
use crate::options::Options;
use crate::publish::{collect, keep_for_snapshots, publish};
use crate::reader::{self, Refresh};
use crate::recover;
use crate::schema::Schema;
use crate::seal::seal;
use crate::stats::{self, Stats};

/// Fresh rows beyond this are sealed when the database is closed, so that it opens at once; fewer are left in the log.
const CLOSE_SEAL_BYTES: u64 = 1 << 20;

/// An open database. Cloning is cheap; the last handle dropped closes it, as [`Database::close`] does.
///
/// ```
/// # fn run(dir: &std::path::Path) -> foretaste::Result<()> {
/// use foretaste::{Database, Metric, Schema};
/// let db = Database::open(dir.join("notes.ft"))?;
/// let docs = db.create_collection("docs", Schema::new(3, Metric::Cosine))?;
/// docs.upsert("a", &[1.0, 0.0, 0.5])?;
/// db.close()?;
///
/// let db = Database::options().read_only(true).open(dir.join("notes.ft"))?;
/// assert_eq!(db.collection("docs")?.len(), 1);
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) handle: Arc<Handle>,
}

/// Closes the database when the last of them is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    pub core: Arc<Core>,
}

impl Database {
    /// Opens a database for writing, and creates it when it is missing. One process at a time may do so.
    ///
    /// # Errors
    /// `Locked` when another process has it open for writing; `Corrupt`, `FormatTooNew`, `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Options::default().open(path)
    }

    /// Options for opening: read-only, durability, access.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn open_with(path: &Path, options: Options) -> Result<Database> {
        let core = recover::open(path, options)?;
        Ok(Database { handle: Arc::new(Handle { core }) })
    }

    fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// The database folder.
    pub fn path(&self) -> PathBuf {
        self.core().root.clone()
    }

    /// Whether it was opened read-only.
    pub fn is_read_only(&self) -> bool {
        self.core().writer.is_none()
    }

    /// Names of its collections, sorted.
    pub fn collections(&self) -> Vec<String> {
        self.core().collections.read().keys().filter(|name| !is_member(name)).cloned().collect()
    }

    /// Opens a collection.
    ///
    /// # Errors
    /// `NotFound`, naming those there are.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        if is_member(name) {
            return Err(Error::NotFound { what: format!("collection `{}`", readable(name)) });
        }
        let core = self.core().collection(name)?;
        Ok(Collection::new(Arc::clone(&self.handle), core))
    }

    /// Creates a collection; it is durable when this returns.
    ///
    /// # Errors
    /// `Exists`; `BadRequest` and `LimitExceeded` for a schema that cannot be; `ReadOnly`.
    pub fn create_collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        let core = self.core();
        let writer = core.writer("create a collection")?;
        schema.validate()?;
        let longest =
            limits::NAME_BYTES - if schema.fields.is_empty() { 0 } else { limits::FIELD_NAME_BYTES + 16 };
        limits::check("collection name in bytes", name.len() as u64, longest)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            let why = "a name has at least one character and no control characters".to_string();
            return Err(Error::BadRequest { what: "collection name", why });
        }
        let parts = parts(name, schema);
        let mut upkeep = core.upkeep.lock();
        if core.collections.read().contains_key(name) {
            return Err(Error::Exists { name: name.to_string() });
        }
        // Every operation so far belongs to other collections.
        let sealed_seq = writer.ingest.lock().next_seq.saturating_sub(1);
        catalogue::create(core, &mut upkeep, parts, sealed_seq)?;
        Ok(Collection::new(Arc::clone(&self.handle), core.collection(name)?))
    }

    /// Removes a collection with all its rows. Snapshots of it stay readable.
    ///
    /// # Errors
    /// `NotFound`; `ReadOnly`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let core = self.core();
        core.writer("drop a collection")?;
        let mut upkeep = core.upkeep.lock();
        let collection = self.collection(name)?;
        let all = collection.all();
        let _gate = all.first().map(|owner| owner.gate.write());
        catalogue::remove(core, &mut upkeep, &all)
    }

    /// Seals all fresh rows into segments, now.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`; the rows stay safe in the log.
    pub fn flush(&self) -> Result<()> {
        let core = self.core();
        core.writer("flush")?;
        let mut upkeep = core.upkeep.lock();
        for collection in core.all_collections() {
            seal(core, &mut upkeep, &collection)?;
            core.directory.fill(core, &collection);
        }
        collect(core, &mut upkeep);
        core.work.request();
        Ok(())
    }

    /// Makes as few segments as possible of every collection and gives the space of deleted rows back. `progress` is
    /// told (rows done, rows in all) of a collection and cancels by returning false; it may read, but a commit from within
    /// it could wait for this very call.
    ///
    /// # Errors
    /// `Cancelled`: what was done stays done. `ReadOnly`, `Io`.
    pub fn compact(&self, mut progress: impl FnMut(u64, u64) -> bool) -> Result<()> {
        self.flush()?;
        let core = self.core();
        let mut upkeep = core.upkeep.lock();
        for collection in core.all_collections() {
            compact::compact_all(core, &mut upkeep, &collection, &mut progress)?;
            collect(core, &mut upkeep);
        }
        core.work.request_build();
        Ok(())
    }

    /// Forgets what a version of a scorer said of rows ([`crate::Scored::version`]), or what all of them said.
    ///
    /// What cannot be removed now is not used any more, and removed when the database is opened again.
    pub fn forget_scores(&self, version: Option<&str>) {
        self.core().scores.forget(version);
    }

    /// What the database holds and what it takes on disk.
    ///
    /// # Errors
    /// `Io` when a folder cannot be listed.
    pub fn stats(&self) -> Result<Stats> {
        stats::stats(self.core())
    }

    /// For a read-only database: shows what the writer has committed since it was opened or refreshed. Snapshots taken
    /// before stay as they are. Does nothing for a writer.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn refresh(&self) -> Result<()> {
        let core = self.core();
        if core.writer.is_some() {
            return Ok(());
        }
        match reader::refresh(core) {
            Ok(Refresh::Same) => return Ok(()),
            Ok(Refresh::Reopen) => {}
            // A log was removed between two looks: there is a newer generation.
            Err(e) if recover::is_not_found(&e) => {}
            Err(e) => return Err(e),
        }
        let newer = recover::open(&core.root, core.options.clone())?;
        reader::adopt(core, &newer);
        Ok(())
    }

    /// Closes the database: ends the background work, seals what is worth it, records how far the log is durable.
    /// Other handles to it can read on and no longer write.
    ///
    /// # Errors
    /// `Io`, `Poisoned`; everything acknowledged is safe all the same.
    pub fn close(self) -> Result<()> {
        self.handle.core.close()
    }
}

/// A collection and its members, with the names that the manifest has them by: the owner first.
fn parts(name: &str, mut schema: Schema) -> Vec<(String, Schema)> {
    let (fields, columns) = (std::mem::take(&mut schema.fields), schema.columns.clone());
    let members = fields.into_iter().map(|(field, schema)| {
        let schema = Schema { columns: columns.clone(), ..schema };
        (Role::Field(field).member_of(name), schema)
    });
    [(name.to_string(), schema)].into_iter().chain(members).collect()
}

impl Core {
    /// Ends writing. What was acknowledged is safe whether or not this succeeds.
    pub(crate) fn close(&self) -> Result<()> {
        let ended = self.end_writing();
        if self.writer.is_some() {
            self.scores.close(ended.is_ok());
        }
        ended
    }

    fn end_writing(&self) -> Result<()> {
        let Some(writer) = &self.writer else { return Ok(()) };
        self.work.stop();
        let mut upkeep = self.upkeep.lock();
        if writer.check_poison().is_err() {
            return writer.check_poison();
        }
        for collection in self.all_collections() {
            let fresh: u64 = collection.state().heads.iter().map(|h| h.bytes()).sum();
            if fresh > CLOSE_SEAL_BYTES {
                seal(self, &mut upkeep, &collection)?;
            }
        }
        let changed = {
            let mut ingest = writer.ingest.lock();
            let changed = match ingest.log.take() {
                None => false,
                Some(log) => {
                    if let Err(e) = log.flush() {
                        // What it holds is not durable, and nothing may be built on it.
                        writer.poison(&e);
                        return Err(e.into());
                    }
                    if let Some(span) = ingest.logs.last_mut() {
                        span.closed_len = Some(log.synced_len());
                    }
                    true
                }
            };
            // Logs of a killed process are named too, with as much of them as was replayed.
            let named = |span: &LogSpan| {
                let same = |l: &LogRef| l.id == span.id && Some(l.synced_len) == span.closed_len;
                upkeep.record.logs.iter().any(same)
            };
            changed || !upkeep.record.clean || !ingest.logs.iter().all(named)
        };
        // The number of the generation about to be published: no state of segments had it before.
        let stamp = upkeep.record.generation + 1;
        let untouched = self.directory.untouched_stamp();
        let trusted = self.directory.close(stamp);
        if changed || trusted || untouched != upkeep.record.directory_stamp {
            publish(self, &mut upkeep, true, |record| {
                record.directory_stamp = if trusted { Some(stamp) } else { untouched };
            })?;
        }
        collect(self, &mut upkeep);
        writer.poison(&"the database was closed");
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to hear of an error; what was acknowledged is safe without this.
        let _ = self.core.close();
        if self.core.writer.is_some() {
            keep_for_snapshots(&self.core);
        }
    }
}
