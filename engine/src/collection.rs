//! The collection handle: write batches, read rows, take snapshots, change the levels.
//!
//! Reads from: `state`, `snapshot`. Writes to: `ingest`, `levels`, `optimize`.
//! Never: work of its own; it names what the rooms behind it do.

use std::sync::Arc;

use foretaste_query::index::{RotationKind, Spec};
use foretaste_query::text::Analyser;
use foretaste_storage::block::Block;
use foretaste_storage::key::Key;

use crate::batch::Batch;
use crate::core::Core;
use crate::db::Handle;
use crate::error::Result;
use crate::ingest::Part;
use crate::member::{Member, Role};
use crate::optimize::Progress;
use crate::publish::collect;
use crate::schema::{Schema, TextField};
use crate::scores::Memory;
use crate::seal::seal;
use crate::search::Search;
use crate::snapshot::{Record, Snapshot};
use crate::state::{CollectionCore, State};
use crate::text::TextSearch;
use crate::{compact, ingest, levels, optimize, work};

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
        let (state, seq, members) = self.core.view_all();
        let memory = Memory::new(&self.handle.core.scores, self.core.id);
        Snapshot { state, seq, members, memory }
    }

    /// A search for the rows nearest to `query`, on a snapshot taken now.
    pub fn search(&self, query: &[f32]) -> Search {
        self.snapshot().search(query)
    }

    /// A search for the rows nearest to `query` in a further vector field, on a snapshot taken now; see [`Schema::field`].
    ///
    /// # Errors
    /// `NotFound` when there is no such field.
    pub fn search_field(&self, field: &str, query: &[f32]) -> Result<Search> {
        self.snapshot().search_field(field, query)
    }

    /// A search for the rows whose full-text field `field` has words of `query`, on a snapshot taken now.
    pub fn search_text(&self, field: &str, query: &str) -> TextSearch {
        self.snapshot().search_text(field, query)
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
        self.still_there()?;
        for collection in self.all() {
            seal(core, &mut upkeep, &collection)?;
            core.directory.fill(core, &collection);
        }
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
        for collection in self.all() {
            compact::compact_all(core, &mut upkeep, &collection, &mut progress)?;
        }
        collect(core, &mut upkeep);
        core.work.request_build();
        Ok(())
    }

    /// Makes its searches fast, now: seals its rows, makes as few segments as possible of them, and builds the index of
    /// every segment that `spec` says should have one. `spec` also takes the place of the schema's [`Schema::index`].
    ///
    /// All rows that were there when it was called are indexed when this returns. Commits and searches go on meanwhile.
    /// `progress` is told on the calling thread how far it is, and cancels by returning false. While an index is built it
    /// may read and write; a second `optimize` from within it would wait for itself.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema, Spec};
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// # let docs = db.create_collection("docs", Schema::new(4, Metric::L2))?;
    /// # let mut batch = docs.batch();
    /// # for i in 0..100 {
    /// #     batch.upsert(i, &[i as f32, 1.0, (i % 7) as f32, (i % 5) as f32]);
    /// # }
    /// # batch.commit()?;
    /// docs.optimize(Spec::Hnsw(Default::default()), |progress| progress.part <= 1.0)?;
    /// assert_eq!(db.stats()?.collections[0].rows_unindexed, 0);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Cancelled`: what was done stays done, and so does the new `spec`. `BadRequest` and `LimitExceeded` for parameters
    /// that cannot be; `Corrupt` when a segment's vectors are; `ReadOnly`, `Io`.
    pub fn optimize(&self, spec: Spec, mut progress: impl FnMut(Progress) -> bool) -> Result<()> {
        let core = &self.handle.core;
        let mut done = Ok(());
        for collection in self.searched() {
            done = done.and_then(|()| optimize::optimize(core, &collection, spec, &mut progress));
        }
        core.work.request();
        done
    }

    /// Changes what indexes its segments should have; they are built in the background, or by
    /// [`Collection::optimize`].
    ///
    /// # Errors
    /// `BadRequest` and `LimitExceeded` for parameters that cannot be; `ReadOnly`, `Io`.
    pub fn set_index(&self, spec: Spec, rotation: RotationKind) -> Result<()> {
        let core = &self.handle.core;
        for collection in self.searched() {
            optimize::set_index(core, &collection, spec, rotation)?;
        }
        core.work.request();
        Ok(())
    }

    /// Declares one more full-text field, as [`Schema::text_by`] does for a new collection.
    ///
    /// It can be searched at once. The documents of segments that were written before are read for it until they have been
    /// indexed: in the background, or by [`Collection::optimize`].
    ///
    /// # Errors
    /// `BadRequest` when it is no path or declared already; `LimitExceeded`, `ReadOnly`, `Io`.
    pub fn add_text(&self, path: impl Into<String>, analyser: Analyser) -> Result<()> {
        let core = &self.handle.core;
        optimize::add_text(core, &self.core, TextField { path: path.into(), analyser })?;
        core.work.request();
        core.work.request_build();
        Ok(())
    }

    /// Drops all dimensions beyond `dims`, which must be the length of a level. The disk they took is free when no
    /// snapshot taken before is left. There is no way back but [`Collection::extend`] and writing the rows again.
    ///
    /// # Errors
    /// `BadRequest` when `dims` is no level; `ReadOnly`, `Io`.
    pub fn truncate(&self, dims: usize) -> Result<()> {
        levels::truncate(&self.handle.core, &self.core, dims)?;
        self.handle.core.work.request();
        Ok(())
    }

    /// Adds levels beyond the present dimension. The rows there are keep the levels they have and are compared on
    /// those; rows written from now on may have all.
    ///
    /// # Errors
    /// `BadRequest` when the levels do not ascend beyond the dimension; `LimitExceeded`, `ReadOnly`, `Io`.
    pub fn extend(&self, levels: impl IntoIterator<Item = usize>) -> Result<()> {
        let levels: Vec<usize> = levels.into_iter().collect();
        levels::extend(&self.handle.core, &self.core, &levels)?;
        self.handle.core.work.request();
        Ok(())
    }

    /// Names and schemas of its further vector fields; see [`Schema::field`].
    pub fn vector_fields(&self) -> Vec<(String, Arc<Schema>)> {
        let of = |member: &Member| match &member.role {
            Role::Field(name) => Some((name.clone(), Arc::clone(&member.core.state().schema))),
            Role::Change | Role::Rule(_) => None,
        };
        self.members().iter().filter_map(of).collect()
    }

    pub(crate) fn members(&self) -> Arc<[Member]> {
        Arc::clone(&self.core.members.read())
    }

    /// It and its members, which share its upkeep.
    pub(crate) fn all(&self) -> Vec<Arc<CollectionCore>> {
        let members = self.members();
        [&self.core].into_iter().chain(members.iter().map(|member| &member.core)).cloned().collect()
    }

    /// Those of them that are searched.
    fn searched(&self) -> Vec<Arc<CollectionCore>> {
        let members = self.members();
        let searched = members.iter().filter(|member| !matches!(member.role, Role::Rule(_)));
        [&self.core].into_iter().chain(searched.map(|member| &member.core)).cloned().collect()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    pub(crate) fn own(&self) -> &Arc<CollectionCore> {
        &self.core
    }

    /// The collection that has its name now.
    pub(crate) fn again(&self) -> Result<Collection> {
        Ok(Collection::new(Arc::clone(&self.handle), self.core().collection(self.name())?))
    }

    /// An error when it was dropped, or is out of use since its model was changed.
    pub(crate) fn still_there(&self) -> Result<()> {
        self.core.check_there()
    }

    /// Commits `block` and what belongs to it in members, if `fits` says so of the state that it will follow.
    pub(crate) fn commit_if<'a>(
        &'a self,
        mut parts: Vec<Part<'a>>,
        block: Block,
        fits: &mut dyn FnMut(&State) -> Result<bool>,
    ) -> Result<bool> {
        work::before_commit(&self.handle.core, &self.core)?;
        parts.push(Part { collection: &self.core, block });
        if !ingest::commit(&self.handle.core, &parts, fits)? {
            return Ok(false);
        }
        parts.iter().for_each(|part| work::after_commit(&self.handle.core, part.collection));
        Ok(true)
    }
}
