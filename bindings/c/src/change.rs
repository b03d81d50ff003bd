//! The change of a collection's model: its rows in another space, written as they are embedded again.
//!
//! Reads from: `foretaste::Change`. Writes to: the same. Never: a vector taken for that of another row.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::{CString, c_int};
use std::mem::MaybeUninit;

use foretaste::{NewVector, Order, PendingRow, RowVariance};

use crate::batch::spread_of;
use crate::collection::{Collection, put};
use crate::id::{Id, Ids};
use crate::ptr::{Floats, Given, IdArray, RecordRoom, null};
use crate::record::{Record, document, viewed};
use crate::run::area;
use crate::schema::Schema;
use crate::status::{Failure, Result, Status, bad, entry, free, give, give_text, some};

/// Rows are embedded again in the order they are stored in.
pub const FT_ORDER_STORED: u32 = 0;
/// The most uncertain rows first: those with the largest sum of variances.
pub const FT_ORDER_VARIANCE: u32 = 1;

/// The change of a collection's model on its way, or one that was made and can be taken back. It may be used from any thread, also
/// from several at once, and keeps the database open.
pub struct Change(foretaste::Change);

/// The rows that wait to be embedded again, as they were when this was made. One thread may use it at a time.
pub struct Backfill(foretaste::Backfill);

/// Some of these rows. They may be read from any thread, also from several at once.
pub struct Pending {
    rows: Vec<PendingRow>,
    ids: Ids,
    documents: Vec<Option<CString>>,
}

/// Begins to change the model that a collection's vectors are by: makes room for its rows in the space of `schema`, which says the
/// dimension, levels, metric, element type, variance and index there; columns, full text and token matrices are the collection's. The
/// schema may be freed. The collection goes on as it is, and takes queries of either space, by `ft_search_space`.
///
/// FT_STATUS_BAD_REQUEST when the collection or the schema says no space, or both the same one; FT_STATUS_EXISTS when a change is on
/// its way; FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_begin_change(
    collection: Option<&Collection>,
    schema: Option<&Schema>,
    change: Option<&mut MaybeUninit<Option<Box<Change>>>>,
) -> Status {
    entry(|| {
        give(change, "change", || {
            let schema = some(schema, "schema")?.0.get()?.clone();
            Ok(Change(some(collection, "collection")?.0.begin_change(schema)?))
        })
    })
}

/// The change that is on its way, or that was made and can be taken back. FT_STATUS_NOT_FOUND when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_change(
    collection: Option<&Collection>,
    change: Option<&mut MaybeUninit<Option<Box<Change>>>>,
) -> Status {
    entry(|| {
        give(change, "change", || {
            let none = || Failure::new(Status::NotFound, "no change is on its way".into());
            Ok(Change(some(collection, "collection")?.0.change().ok_or_else(none)?))
        })
    })
}

/// Frees the handle; NULL is fine. The change goes on.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_free(change: Option<Box<Change>>) {
    free(change);
}

/// The other space, as "model@version". The text is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_space(change: Option<&Change>, space: Option<&mut MaybeUninit<Given>>) -> Status {
    entry(|| give_text(space, "space", || Ok(some(change, "change")?.0.space().to_string())))
}

/// Sets `flipped` to 1 when it was flipped: the other space is then the one that the collection had before. A flip back makes it 0.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_is_flipped(
    change: Option<&Change>,
    flipped: Option<&mut MaybeUninit<c_int>>,
) -> Status {
    entry(|| put(flipped, "flipped", || Ok(some(change, "change")?.0.is_flipped().into())))
}

/// How many rows are in the other space, and how many wait to be embedded again.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_progress(
    change: Option<&Change>,
    there: Option<&mut MaybeUninit<u64>>,
    waiting: Option<&mut MaybeUninit<u64>>,
) -> Status {
    entry(|| {
        let now = some(change, "change")?.0.progress();
        put(there, "there", || Ok(now.0))?;
        put(waiting, "waiting", || Ok(now.1))
    })
}

/// The row with this id in the other space. FT_STATUS_NOT_FOUND when there is none, also while it waits.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_get(
    change: Option<&Change>,
    id: Id,
    record: Option<&mut MaybeUninit<Option<Box<Record>>>>,
) -> Status {
    entry(|| give(record, "record", || Record::of(some(change, "change")?.0.get(id.key()?)?, &id)))
}

/// The rows that wait now, in one of FT_ORDER_*. A new one, after an interruption, leaves out what is in the other space by then, and
/// has rows that were written meanwhile: all is done when `ft_change_progress` says that none waits.
///
/// FT_STATUS_BAD_REQUEST for an order that cannot be; FT_STATUS_CORRUPT.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_backfill(
    change: Option<&Change>,
    order: u32,
    backfill: Option<&mut MaybeUninit<Option<Box<Backfill>>>>,
) -> Status {
    entry(|| {
        give(backfill, "backfill", || {
            let order = match order {
                FT_ORDER_STORED => Order::Stored,
                FT_ORDER_VARIANCE => Order::Variance,
                other => return Err(bad(format!("order is one of FT_ORDER_*, not {other}"))),
            };
            Ok(Backfill(some(change, "change")?.0.backfill(order)?))
        })
    })
}

/// Frees it; NULL is fine. Rows that it gave stay.
#[unsafe(no_mangle)]
pub extern "C" fn ft_backfill_free(backfill: Option<Box<Backfill>>) {
    free(backfill);
}

/// The next rows, at most `rows`, which are freed by `ft_pending_free`; NULL with FT_STATUS_OK at the end. FT_STATUS_CORRUPT when a
/// row's bytes are damaged.
#[unsafe(no_mangle)]
pub extern "C" fn ft_backfill_next(
    backfill: Option<&mut Backfill>,
    rows: usize,
    pending: Option<&mut MaybeUninit<Option<Box<Pending>>>>,
) -> Status {
    entry(|| {
        let pending = pending.ok_or_else(|| null("pending"))?.write(None);
        if rows == 0 {
            return Err(bad("rows is 0; at least one row can be asked for".into()));
        }
        let rows = some(backfill, "backfill")?.0.next(rows)?;
        if !rows.is_empty() {
            *pending = Some(Box::new(Pending::new(rows)?));
        }
        Ok(())
    })
}

/// Those of the rows with these ids that wait, in the order of the ids, as they are now: for vectors that come in an order of their own,
/// as out of a file. Rows that do not wait are left out, so that there may be fewer, or none. FT_STATUS_CORRUPT when a row's bytes are
/// damaged.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_pending(
    change: Option<&Change>,
    ids: IdArray,
    count: usize,
    pending: Option<&mut MaybeUninit<Option<Box<Pending>>>>,
) -> Status {
    entry(|| {
        give(pending, "pending", || {
            let change = &some(change, "change")?.0;
            let mut rows = Vec::with_capacity(count);
            for id in ids.slice(count, "ids")? {
                rows.extend(change.pending(id.key()?)?);
            }
            Pending::new(rows)
        })
    })
}

/// Frees rows, and what was read of them. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_pending_free(pending: Option<Box<Pending>>) {
    free(pending);
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ft_pending_len(pending: Option<&Pending>) -> usize {
    pending.map_or(0, |pending| pending.rows.len())
}

/// The row at `place`, from 0, as it is in the collection: its document is what is to be embedded. All pointers are valid until the
/// rows are freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_pending_read(pending: Option<&Pending>, place: usize, view: RecordRoom) -> Status {
    entry(|| {
        let pending = some(pending, "pending")?;
        let beyond = || bad(format!("there is no row {place}, only {}", pending.rows.len()));
        let row = pending.rows.get(place).ok_or_else(beyond)?;
        let document = pending.documents.get(place).and_then(Option::as_deref);
        view.write(&viewed(&row.record, pending.ids.get(place).ok_or_else(beyond)?, document), "view")
    })
}

/// Writes the vectors of all rows of `pending` in the other space, in one atomic commit: `vectors` has them in the rows' order, each of
/// `dim` numbers. Where the other space keeps variances, `variances` has `variance_dim` numbers a row (1 or `dim`) of one of
/// FT_SPREAD_*; otherwise it is NULL with 0. Rows that were written or deleted since they were read are left out, and wait anew.
/// `written`, which may be NULL, is set to how many were written.
///
/// The statuses of `ft_batch_commit`, where the row named is the place in `pending`; FT_STATUS_NOT_FOUND when the change was flipped
/// or finished.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_write(
    change: Option<&Change>,
    pending: Option<&Pending>,
    vectors: Floats,
    dim: usize,
    variances: Floats,
    variance_dim: usize,
    variance_kind: u32,
    written: Option<&mut MaybeUninit<u64>>,
) -> Status {
    entry(|| {
        let (change, rows) = (&some(change, "change")?.0, &some(pending, "pending")?.rows);
        let vectors = vectors.slice(area(rows.len(), dim)?, "vectors")?;
        if dim == 0 {
            return Err(bad("dim is 0; a vector has at least one number".into()));
        }
        let numbers = variances.slice(area(rows.len(), variance_dim)?, "variances")?;
        let own: Vec<RowVariance> = match variance_dim {
            0 => Vec::new(),
            of => {
                let parts = numbers.chunks_exact(of);
                parts.map(|part| spread_of(part, variance_kind)).collect::<Result<_>>()?
            }
        };
        let new = |(place, (row, vector))| NewVector { row, vector, variance: own.get(place) };
        let new: Vec<NewVector<'_>> =
            rows.iter().zip(vectors.chunks_exact(dim)).enumerate().map(new).collect();
        let count = change.write(&new)?;
        if let Some(written) = written {
            written.write(count);
        }
        Ok(())
    })
}

/// Makes the other space the collection's, and the present one the other: durably, at once, and only when no row waits. Gives the
/// collection; handles to it from before can no longer write, and show what was there. The handle of the change still has to be freed.
///
/// The way back is the same, by `ft_collection_change` of the collection that is given: rows written after this wait there.
/// FT_STATUS_BAD_REQUEST when rows wait; FT_STATUS_NOT_FOUND when it was flipped or finished before; FT_STATUS_READ_ONLY,
/// FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_flip(
    change: Option<&Change>,
    collection: Option<&mut MaybeUninit<Option<Box<Collection>>>>,
) -> Status {
    entry(|| give(collection, "collection", || Ok(Collection(some(change, "change")?.0.clone().flip()?))))
}

/// Ends the change: the rows in the other space are removed. Before `ft_change_flip` that gives the change up; after it there is no way
/// back. FT_STATUS_NOT_FOUND when it was flipped or finished before; FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_change_finish(change: Option<&Change>) -> Status {
    entry(|| Ok(some(change, "change")?.0.clone().finish()?))
}

impl Pending {
    fn new(rows: Vec<PendingRow>) -> Result<Pending> {
        let ids = Ids::new(rows.iter().map(|row| &row.record.id));
        let documents = rows.iter().map(|row| document(&row.record)).collect::<Result<_>>()?;
        Ok(Pending { rows, ids, documents })
    }
}
