//! Changing the model that a collection's vectors are by, while it is in use.
//!
//! ```text
//! begin_change ──> backfill: rows are embedded again, in any order, interrupted and gone on with ──> flip ──> finish
//!                  (search_in the old space: the collection; in the new one: both, mixed)     <── flip back
//! ```
//!
//! The rows in the other space are a member of the collection, with ids, documents and token matrices of their own. It holds some
//! of the collection's rows, in the version that the collection has, and no others: a row that is written again without a vector in
//! the other space leaves it in the same commit. When it holds all, the two can change places, as often as wanted.
//!
//! Reads from: the collection and its member. Writes to: both, by one commit; `catalogue`. Never: a row in the other space that was
//! made of an older version.

mod backfill;
mod rules;

pub(crate) use backfill::in_sample;
pub use backfill::{Backfill, Order, PendingRow};

use std::collections::HashMap;
use std::sync::Arc;

use foretaste_storage::block::{RowInput, encode};
use foretaste_storage::key::Key;
use foretaste_storage::tokens::Matrix;

use crate::batch::RowVariance;
use crate::catalogue;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ingest::Part;
use crate::member::{Member, Role};
use crate::schema::Schema;
use crate::snapshot::Record;
use crate::space::Space;
use crate::state::{CollectionCore, State};
use crate::validate::{self, At};

/// A change of the model of a collection on its way: its rows in the other space.
#[derive(Debug, Clone)]
pub struct Change {
    collection: Collection,
    member: Arc<CollectionCore>,
}

/// A row's vector in the other space.
#[derive(Debug, Clone, Copy)]
pub struct NewVector<'a> {
    /// The row it was made of.
    pub row: &'a PendingRow,
    /// The vector, as long as a level of the other space.
    pub vector: &'a [f32],
    /// Its variance, where the other space keeps some.
    pub variance: Option<&'a RowVariance>,
}

impl Collection {
    /// Begins to change the model that the vectors are by: makes room for its rows in the space of `schema`, which says the
    /// dimension, levels, metric, element type, variance and index there. Columns, full text and token matrices are the collection's.
    ///
    /// The collection goes on as it is, and searches of [`Collection::search_in`] may be of either space.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// use foretaste::{Order, Space};
    ///
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// let docs = db.create_collection("docs", Schema::new(2, Metric::Cosine).space(Space::new("small", "1")))?;
    /// docs.upsert("a", &[1.0, 0.0])?;
    /// docs.upsert("b", &[0.0, 1.0])?;
    ///
    /// let change = docs.begin_change(Schema::new(3, Metric::Cosine).space(Space::new("large", "1")))?;
    /// let embed = |id: &str| if id == "a" { vec![1.0, 0.0, 0.0] } else { vec![0.0, 0.0, 1.0] };
    /// change.run(
    ///     Order::Stored,
    ///     100,
    ///     |rows| Ok(rows.iter().map(|row| embed(&row.record.id.to_string())).collect()),
    ///     |done, all| done <= all,
    /// )?;
    /// let docs = change.flip()?; // from now on its vectors are of the large model
    /// assert_eq!(docs.search(&[0.0, 0.1, 1.0]).k(1).run()?[0].id.to_string(), "b");
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// `BadRequest` when the collection or `schema` says no space, or both the same one; `Exists` when a change is on its way;
    /// `LimitExceeded`, `ReadOnly`, `Io`.
    pub fn begin_change(&self, schema: Schema) -> Result<Change> {
        let core = self.core();
        core.writer("change the model")?;
        let own = self.schema();
        let bad = |why: &str| Err(Error::BadRequest { what: "change", why: why.to_string() });
        match (&own.space, &schema.space) {
            (None, _) => {
                return bad("the collection says no space; `set_space` tells it which its vectors are of");
            }
            (_, None) => return bad("the schema says no space; give it one by `Schema::space`"),
            (Some(own), Some(new)) if own == new => return bad("both spaces are the same"),
            _ => {}
        }
        if !schema.is_bare() {
            return bad("columns, full text, token matrices and further fields are the collection's");
        }
        let (columns, texts) = (own.columns.clone(), own.texts.clone());
        let schema = Schema { columns, texts, tokens: own.tokens, ..schema };
        schema.validate()?;
        let mut upkeep = core.upkeep.lock();
        self.still_there()?;
        if self.change().is_some() {
            return Err(Error::Exists { name: format!("a change of `{}`", self.name()) });
        }
        let name = Role::Change.member_of(self.name());
        catalogue::create(core, &mut upkeep, vec![(name, schema)], self.own().view().1)?;
        drop(upkeep);
        self.change().ok_or_else(|| Error::NotFound { what: "the change that was just begun".to_string() })
    }

    /// The change of its model that is on its way, or that was made and can be taken back.
    pub fn change(&self) -> Option<Change> {
        let members = self.members();
        let of = |member: &Member| Change { collection: self.clone(), member: Arc::clone(&member.core) };
        members.iter().find(|member| member.role == Role::Change).map(of)
    }
}

impl Change {
    /// The collection that is changed.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// What the rows in the other space are.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.member.state().schema)
    }

    /// The other space.
    pub fn space(&self) -> Space {
        self.schema().space.clone().unwrap_or_else(|| Space::new("", ""))
    }

    /// A row in the other space, with the version that it was written by there; `None` while it waits.
    ///
    /// # Errors
    /// As [`crate::Snapshot::get`].
    pub fn get(&self, id: impl Into<Key>) -> Result<Option<Record>> {
        let snapshot = self.collection.snapshot();
        snapshot.member(&Role::Change).map_or(Ok(None), |member| snapshot.of_member(member).get(id))
    }

    /// Whether it was flipped: the other space is the one that the collection had before. A flip back makes it false again.
    pub fn is_flipped(&self) -> bool {
        // Numbers of collections ascend, and a flip exchanges names, not numbers.
        self.member.id < self.collection.own().id
    }

    /// Rows that are in the other space, and rows that wait to be embedded again.
    pub fn progress(&self) -> (u64, u64) {
        let snapshot = self.collection.snapshot();
        let there = snapshot.member(&Role::Change).map_or(0, |member| member.state.len(snapshot.seq));
        (there, snapshot.len() - there)
    }

    /// The rows that wait now, to be embedded in this order; see [`Change::write`]. A new one, after an interruption, leaves out what
    /// is there.
    ///
    /// # Errors
    /// Those of reading; `BadRequest` for an order that cannot be.
    pub fn backfill(&self, order: Order) -> Result<Backfill> {
        Backfill::new(self.collection.snapshot(), order)
    }

    /// The row of that id as it is now, if it waits: for vectors that come in an order of their own, as out of a file; see
    /// [`Change::write`].
    ///
    /// # Errors
    /// `Corrupt` when the row's bytes are damaged.
    pub fn pending(&self, id: impl Into<Key>) -> Result<Option<PendingRow>> {
        let (id, snapshot) = (id.into(), self.collection.snapshot());
        if let Some(member) = snapshot.member(&Role::Change)
            && member.state.find(&id, snapshot.seq)?.is_some()
        {
            return Ok(None);
        }
        let place = snapshot.state.find(&id, snapshot.seq)?;
        place.map(|place| PendingRow::read(&snapshot, &place)).transpose()
    }

    /// Writes vectors in the other space, in one atomic commit. Rows that were written or deleted since they were read are left out,
    /// and wait anew. Returns how many were written.
    ///
    /// # Errors
    /// As [`crate::Batch::commit`]; the row named is the place in `rows`, which has each row once. `NotFound` when the change was flipped or finished.
    pub fn write(&self, rows: &[NewVector<'_>]) -> Result<u64> {
        self.still_there()?;
        let mut seen = HashMap::with_capacity(rows.len());
        for (second, new) in rows.iter().enumerate() {
            if let Some(first) = seen.insert(&new.row.record.id, second) {
                return Err(Error::DuplicateId { id: new.row.record.id.to_string(), first, second });
            }
        }
        let schema = self.schema();
        let variances: Vec<Option<Vec<f32>>> =
            rows.iter().map(|new| new.variance.map(RowVariance::variances)).collect();
        let mut vectors = Vec::with_capacity(rows.len());
        for (row, (new, variance)) in rows.iter().zip(&variances).enumerate() {
            let at = At { row, id: &new.row.record.id, field: Some("in the new space") };
            let vector = validate::as_stored(&schema, new.vector, row, &at)?;
            validate::vector(&schema, &vector, at)?;
            if let Some(values) = variance {
                validate::variance(&schema, values, vector.len(), at)?;
            }
            vectors.push(vector);
        }
        let mut inputs = Vec::with_capacity(rows.len());
        for ((new, vector), variance) in rows.iter().zip(&vectors).zip(&variances) {
            let numbers = new.row.record.tokens.as_slice();
            inputs.push(RowInput {
                key: new.row.record.id.as_ref(),
                vector,
                variance: variance.as_deref(),
                tokens: schema
                    .tokens
                    .filter(|_| !numbers.is_empty())
                    .map(|layout| Matrix { layout, numbers }),
                payload: &new.row.document,
            });
        }
        let mut waiting: Vec<usize> = (0..rows.len()).collect();
        loop {
            let now: Vec<RowInput<'_>> = waiting.iter().filter_map(|i| inputs.get(*i).copied()).collect();
            if now.is_empty() {
                return Ok(0);
            }
            let block = encode(&schema.layout, &now, &[], None)?;
            // The collection's own part, without rows, makes the commit seen.
            let own = encode(&self.collection.schema().layout, &[], &[], None)?;
            let mut stale = Vec::new();
            let parts = vec![Part { collection: &self.member, block }];
            let written = self.collection.commit_if(parts, own, &mut |state| {
                stale = stale_rows(state, rows, &waiting)?;
                Ok(stale.is_empty())
            })?;
            if written {
                return Ok(waiting.len() as u64);
            }
            waiting.retain(|i| !stale.contains(i));
        }
    }

    /// Embeds all rows that wait: reads them in this order, `batch` at a time, and writes what `embed` makes of them. `progress` is told
    /// (rows done, rows in all) and cancels by returning false; what was written stays. Rows that are written meanwhile are embedded,
    /// too. Returns how many vectors were written.
    ///
    /// # Errors
    /// Those of `embed`, of [`Change::backfill`] and of [`Change::write`]; `BadRequest` when `embed` gives another number of vectors;
    /// `Cancelled`.
    pub fn run(
        &self,
        order: Order,
        batch: usize,
        mut embed: impl FnMut(&[PendingRow]) -> Result<Vec<Vec<f32>>>,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<u64> {
        let mut written = 0;
        loop {
            let mut backfill = self.backfill(order.clone())?;
            let (before, all) = (written, written + backfill.len() as u64);
            loop {
                let rows = backfill.next(batch.max(1))?;
                if rows.is_empty() {
                    break;
                }
                let vectors = embed(&rows)?;
                if vectors.len() != rows.len() {
                    let why = format!("{} vectors for {} rows", vectors.len(), rows.len());
                    return Err(Error::BadRequest { what: "embed", why });
                }
                let new = |(row, vector)| NewVector { row, vector: Vec::as_slice(vector), variance: None };
                written += self.write(&rows.iter().zip(&vectors).map(new).collect::<Vec<_>>())?;
                if !progress(written, all) {
                    return Err(Error::Cancelled);
                }
            }
            if written == before {
                return Ok(written);
            }
        }
    }

    /// Makes the other space the collection's, and the present one the other: durably, at once, and only when no row waits. Gives the
    /// collection; handles to it from before can no longer write and show what was there.
    ///
    /// The way back is the same: the space before is then [`Collection::change`], in which rows written after this wait to be given
    /// a vector (by [`crate::RowMut::changed`] or [`Change::write`]), so that nothing is lost by going back.
    ///
    /// # Errors
    /// `BadRequest` when rows wait; `NotFound` when it was flipped or finished by another handle; `ReadOnly`, `Io`.
    pub fn flip(self) -> Result<Collection> {
        let core = self.collection.core();
        core.writer("change the model")?;
        // An index that is being built would be put in place of what is out of use.
        let _turn = core.builds.take_turn();
        let mut upkeep = core.upkeep.lock();
        let _gate = self.collection.own().gate.write();
        self.still_there()?;
        let (_, waiting) = self.progress();
        if waiting > 0 {
            let why = format!("{waiting} rows have no vector in the space {} yet", self.space());
            return Err(Error::BadRequest { what: "flip", why });
        }
        catalogue::exchange(core, &mut upkeep, self.collection.own(), &self.member)?;
        drop(upkeep);
        self.collection.again()
    }

    /// Ends the change: the rows in the other space are removed. Before [`Change::flip`] that gives the change up; after it there is no
    /// way back.
    ///
    /// # Errors
    /// `NotFound` when it was flipped or finished by another handle; `ReadOnly`, `Io`.
    pub fn finish(self) -> Result<()> {
        let core = self.collection.core();
        core.writer("finish the change")?;
        let mut upkeep = core.upkeep.lock();
        let _gate = self.collection.own().gate.write();
        self.still_there()?;
        catalogue::remove(core, &mut upkeep, &[Arc::clone(&self.member)])
    }

    fn still_there(&self) -> Result<()> {
        self.collection.still_there()?;
        let now = self.collection.change().is_some_and(|change| Arc::ptr_eq(&change.member, &self.member));
        if now { Ok(()) } else { Err(Error::NotFound { what: "the change; it was finished".to_string() }) }
    }
}

/// Which of the waiting rows are no more what they were when they were read.
fn stale_rows(state: &State, rows: &[NewVector<'_>], waiting: &[usize]) -> Result<Vec<usize>> {
    let mut stale = Vec::new();
    for i in waiting {
        let Some(new) = rows.get(*i) else { continue };
        let found = state.find(&new.row.record.id, u64::MAX)?;
        let version = found.map(|place| place.version()).transpose()?;
        if version != Some(new.row.record.version) {
            stale.push(*i);
        }
    }
    Ok(stale)
}
