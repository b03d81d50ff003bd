//! A collection: what it holds, single rows, snapshots and upkeep.
//!
//! Reads from: `foretaste::Collection`, `foretaste::Snapshot`. Writes to: the same. Never: a decision of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use crate::id::Id;
use crate::progress::{ProgressFn, Told};
use crate::ptr::{Data, IndexGiven, Sizes, Text, null};
use crate::record::Record;
use crate::schema::{analyser, spec};
use crate::status::{Failure, Result, Status, entry, free, give, some};

/// A collection of an open database. It may be used from any thread, also from several at once, and keeps the database open.
pub struct Collection(pub foretaste::Collection);

/// A consistent view of a collection for many reads: later commits do not show in it. It may be used from any thread, also from
/// several at once, and outlives the handles of the database.
pub struct Snapshot(pub foretaste::Snapshot);

/// Frees the handle; NULL is fine. The rows stay.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_free(collection: Option<Box<Collection>>) {
    free(collection);
}

/// How many rows it has now.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_count(
    collection: Option<&Collection>,
    rows: Option<&mut MaybeUninit<u64>>,
) -> Status {
    entry(|| put(rows, "rows", || Ok(some(collection, "collection")?.0.len())))
}

/// Its dimension.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_dim(
    collection: Option<&Collection>,
    dim: Option<&mut MaybeUninit<usize>>,
) -> Status {
    entry(|| put(dim, "dim", || Ok(some(collection, "collection")?.0.schema().dim())))
}

/// Whether there is a row with this id: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_contains(
    collection: Option<&Collection>,
    id: Id,
    found: Option<&mut MaybeUninit<c_int>>,
) -> Status {
    entry(|| put(found, "found", || Ok(some(collection, "collection")?.0.contains(id.key()?)?.into())))
}

/// The row with this id. FT_STATUS_NOT_FOUND when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_get(
    collection: Option<&Collection>,
    id: Id,
    record: Option<&mut MaybeUninit<Option<Box<Record>>>>,
) -> Status {
    entry(|| give(record, "record", || Record::of(some(collection, "collection")?.0.get(id.key()?)?, &id)))
}

/// A consistent view of it as it is now.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_snapshot(
    collection: Option<&Collection>,
    snapshot: Option<&mut MaybeUninit<Option<Box<Snapshot>>>>,
) -> Status {
    entry(|| give(snapshot, "snapshot", || Ok(Snapshot(some(collection, "collection")?.0.snapshot()))))
}

/// The position that a committed batch left under `name` by `ft_batch_mark`. FT_STATUS_NOT_FOUND when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_mark(
    collection: Option<&Collection>,
    name: Text,
    position: Option<&mut MaybeUninit<u64>>,
) -> Status {
    entry(|| {
        put(position, "position", || {
            let name = name.str("name")?;
            let none = || Failure::new(Status::NotFound, format!("mark `{name}` is not there"));
            some(collection, "collection")?.0.mark(name).ok_or_else(none)
        })
    })
}

/// Makes a segment of its fresh rows, now. FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_flush(collection: Option<&Collection>) -> Status {
    entry(|| Ok(some(collection, "collection")?.0.flush()?))
}

/// Makes as few segments as possible of it and gives the space of deleted rows back. `progress` may be NULL; it may read, but a
/// commit from within it could wait for this very call. FT_STATUS_CANCELLED when it gave 0: what was done stays done.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_compact(
    collection: Option<&Collection>,
    progress: ProgressFn,
    data: Data,
) -> Status {
    entry(|| {
        let told = Told(progress, data);
        let count = |done, total| told.count(crate::progress::Doing::Compact, done, total);
        Ok(some(collection, "collection")?.0.compact(count)?)
    })
}

/// Makes its searches fast, now: as few segments as possible, each with the index that `index` says (NULL: FT_INDEX_AUTO), which
/// also takes the place of the schema's. Commits and searches go on meanwhile. `progress` may be NULL.
///
/// FT_STATUS_CANCELLED when `progress` gave 0: what was done stays done. FT_STATUS_BAD_REQUEST, FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_optimize(
    collection: Option<&Collection>,
    index: IndexGiven,
    progress: ProgressFn,
    data: Data,
) -> Status {
    entry(|| {
        let told = Told(progress, data);
        Ok(some(collection, "collection")?.0.optimize(spec(index)?, |now| told.optimize(now))?)
    })
}

/// Declares one more full-text field, as `ft_schema_text` does for a new collection.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_add_text(
    collection: Option<&Collection>,
    path: Text,
    language: Text,
    accents: c_int,
) -> Status {
    entry(|| {
        let analyser = analyser(language, accents)?;
        Ok(some(collection, "collection")?.0.add_text(path.str("path")?, analyser)?)
    })
}

/// Drops all dimensions beyond `dims`, the length of a level. There is no way back but writing the rows again.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_truncate(collection: Option<&Collection>, dims: usize) -> Status {
    entry(|| Ok(some(collection, "collection")?.0.truncate(dims)?))
}

/// Adds levels beyond the present dimension; rows that are there keep the levels they have.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_extend(
    collection: Option<&Collection>,
    levels: Sizes,
    count: usize,
) -> Status {
    entry(|| {
        let levels = levels.slice(count, "levels")?;
        Ok(some(collection, "collection")?.0.extend(levels.iter().copied())?)
    })
}

/// Frees the handle; NULL is fine. What the snapshot alone kept on disk is removed by the writer's next upkeep.
#[unsafe(no_mangle)]
pub extern "C" fn ft_snapshot_free(snapshot: Option<Box<Snapshot>>) {
    free(snapshot);
}

/// How many rows it sees.
#[unsafe(no_mangle)]
pub extern "C" fn ft_snapshot_count(
    snapshot: Option<&Snapshot>,
    rows: Option<&mut MaybeUninit<u64>>,
) -> Status {
    entry(|| put(rows, "rows", || Ok(some(snapshot, "snapshot")?.0.len())))
}

/// The row with this id. FT_STATUS_NOT_FOUND when it sees none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_snapshot_get(
    snapshot: Option<&Snapshot>,
    id: Id,
    record: Option<&mut MaybeUninit<Option<Box<Record>>>>,
) -> Status {
    entry(|| give(record, "record", || Record::of(some(snapshot, "snapshot")?.0.get(id.key()?)?, &id)))
}

/// Puts one value where the caller wants it.
pub fn put<T>(out: Option<&mut MaybeUninit<T>>, what: &str, value: impl FnOnce() -> Result<T>) -> Result<()> {
    let out = out.ok_or_else(|| null(what))?;
    out.write(value()?);
    Ok(())
}
