//! The collection handle: write batches, read rows, take snapshots, change the levels.
//!
//! Reads from: `state`, `snapshot`. Writes to: `ingest`, `levels`.
//! Never: work of its own; it names what the rooms behind it do.

use std::sync::Arc;

use foretaste_storage::block::Block;
use foretaste_storage::key::Key;

use crate::batch::Batch;
use crate::db::Handle;
use crate::error::Result;
use crate::publish::collect;
use crate::schema::Schema;
use crate::seal::seal;
use crate::search::Search;
use crate::snapshot::{Record, Snapshot};
use crate::state::CollectionCore;
use crate::{compact, ingest, levels, work};

/// A collection of an open database. Cloning is cheap, and clones may be used from any thread.
#[derive(Debug, Clone)]
pub struct Collection {
    handle: Arc<Handle>,
    core: Arc<CollectionCore>,
}

impl Collection {
    pub(crate) fn new(handle: Arc<Handle>, core: Arc<CollectionCore>) -> Self {
        Collection { handle, core }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// What it holds.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.core.state().schema)
    }

    /// Rows in it now.
    pub fn len(&self) -> u64 {
        self.snapshot().len()
    }

    /// Whether it has no row now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A batch to fill and commit: the way to write.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Writes one row in a batch of its own. Each call waits for the disk; many rows belong in one batch.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn upsert(&self, id: impl Into<Key>, vector: &[f32]) -> Result<()> {
        let mut batch = self.batch();
        batch.upsert(id, vector);
        batch.commit()
    }

    /// Removes one row in a batch of its own.
    ///
    /// # Errors
    /// As [`Batch::commit`].
    pub fn delete(&self, id: impl Into<Key>) -> Result<()> {
        let mut batch = self.batch();
        batch.delete(id);
        batch.commit()
    }

    /// The row with this id.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub fn get(&self, id: impl Into<Key>) -> Result<Option<Record>> {
        self.snapshot().get(id)
    }

    /// Whether there is a row with this id.
    ///
    /// # Errors
    /// As [`Snapshot::contains`].
    pub fn contains(&self, id: impl Into<Key>) -> Result<bool> {
        self.snapshot().contains(id)
    }

    /// A consistent view for many reads.
    pub fn snapshot(&self) -> Snapshot {
        let (state, seq) = self.core.view();
        Snapshot { state, seq }
    }

    /// A search for the rows nearest to `query`, on a snapshot taken now.
    pub fn search(&self, query: &[f32]) -> Search {
        self.snapshot().search(query)
    }

    /// The position that a committed batch left under `name`; see [`Batch::mark`].
    pub fn mark(&self, name: &str) -> Option<u64> {
        self.core.marks.lock().get(name).copied()
    }

    /// Seals its fresh rows into a segment, now.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`; the rows stay safe in the log.
    pub fn flush(&self) -> Result<()> {
        let core = &self.handle.core;
        core.writer("flush")?;
        let mut upkeep = core.upkeep.lock();
        seal(core, &mut upkeep, &self.core)?;
        core.directory.fill(core, &self.core);
        collect(core, &mut upkeep);
        core.work.request();
        Ok(())
    }

    /// Makes as few segments as possible of it and gives the space of deleted rows back; see
    /// [`crate::Database::compact`].
    ///
    /// # Errors
    /// `Cancelled`: what was done stays done. `ReadOnly`, `Io`.
    pub fn compact(&self, mut progress: impl FnMut(u64, u64) -> bool) -> Result<()> {
        self.flush()?;
        let core = &self.handle.core;
        let mut upkeep = core.upkeep.lock();
        compact::compact_all(core, &mut upkeep, &self.core, &mut progress)?;
        collect(core, &mut upkeep);
        Ok(())
    }

    /// Drops all dimensions beyond `dims`, which must be the length of a level. The disk they took is free when no
    /// snapshot taken before is left. There is no way back but [`Collection::extend`] and writing the rows again.
    ///
    /// # Errors
    /// `BadRequest` when `dims` is no level; `ReadOnly`, `Io`.
    pub fn truncate(&self, dims: usize) -> Result<()> {
        levels::truncate(&self.handle.core, &self.core, dims)
    }

    /// Adds levels beyond the present dimension. The rows there are keep the levels they have and are compared on
    /// those; rows written from now on may have all.
    ///
    /// # Errors
    /// `BadRequest` when the levels do not ascend beyond the dimension; `LimitExceeded`, `ReadOnly`, `Io`.
    pub fn extend(&self, levels: impl IntoIterator<Item = usize>) -> Result<()> {
        let levels: Vec<usize> = levels.into_iter().collect();
        levels::extend(&self.handle.core, &self.core, &levels)
    }

    pub(crate) fn commit(&self, block: Block) -> Result<()> {
        work::before_commit(&self.handle.core, &self.core)?;
        ingest::commit(&self.handle.core, &self.core, block)?;
        work::after_commit(&self.handle.core, &self.core);
        Ok(())
    }
}
