//! A batch: one atomic, durable commit.
//!
//! Reads from: the caller's vectors, copied by each call. Writes to: `foretaste::Batch`. Never: a row that was refused left out of a
//! commit in silence.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use foretaste::RowVariance;

use crate::building::Building;
use crate::collection::{Collection, put};
use crate::id::Id;
use crate::ptr::{FieldArray, Floats, Integers, RowGiven, Text};
use crate::status::{Failure, Result, Status, bad, entry, free, give, some};

/// The numbers are variances.
pub const FT_SPREAD_VARIANCE: u32 = 1;
/// The numbers are standard deviations.
pub const FT_SPREAD_DEVIATION: u32 = 2;
/// The numbers are natural logarithms of variances.
pub const FT_SPREAD_LOG_VARIANCE: u32 = 3;

/// A batch being put together. One thread may use it at a time.
pub struct Batch {
    rows: Building<foretaste::Batch>,
    collection: foretaste::Collection,
}

/// A row to write. Set it to zeros, then `size` to its sizeof, `id`, `vector` and `dim`; the rest may stay 0. All of it is copied
/// by the call it is given to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// sizeof(ft_row).
    pub size: usize,
    /// Its id.
    pub id: Id,
    /// Its vector: as many numbers as one of the collection's levels has.
    pub vector: Floats,
    /// How many.
    pub dim: usize,
    /// Its document, a JSON object, or NULL.
    pub payload: Text,
    /// How uncertain the vector is: one number for a scalar variance, as many as the vector has for a diagonal one; or NULL.
    pub variance: Floats,
    /// How many.
    pub variance_len: usize,
    /// What these numbers are: one of FT_SPREAD_*. There is no default, so that deviations are not taken for variances.
    pub variance_kind: u32,
    /// Its token matrix, token after token; or NULL.
    pub tokens: Floats,
    /// How many numbers that is in all.
    pub tokens_len: usize,
    /// Its vectors in further fields, or NULL.
    pub fields: FieldArray,
    /// How many.
    pub fields_len: usize,
}

/// A row's vector in a further field.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FieldVector {
    /// The field's name; NULL for the space that the collection is being changed to (`ft_collection_begin_change`).
    pub name: Text,
    /// The vector.
    pub vector: Floats,
    /// How many numbers.
    pub dim: usize,
    /// How uncertain it is, or NULL.
    pub variance: Floats,
    /// How many numbers.
    pub variance_len: usize,
    /// One of FT_SPREAD_*.
    pub variance_kind: u32,
}

/// A new batch for a collection: the way to write. It has no effect before `ft_batch_commit`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_new(
    collection: Option<&Collection>,
    batch: Option<&mut MaybeUninit<Option<Box<Batch>>>>,
) -> Status {
    entry(|| {
        give(batch, "batch", || {
            let collection = some(collection, "collection")?.0.clone();
            Ok(Batch { rows: Building::new(collection.batch()), collection })
        })
    })
}

/// Frees a batch; NULL is fine. What was not committed is gone.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_free(batch: Option<Box<Batch>>) {
    free(batch);
}

/// Adds a row, or replaces the one with this id. `payload` is a JSON object, or NULL. The vector has as many numbers as one of the
/// collection's levels; that and what else is wrong with it is said by `ft_batch_commit`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_upsert(
    batch: Option<&mut Batch>,
    id: Id,
    vector: Floats,
    dim: usize,
    payload: Text,
) -> Status {
    change(batch, |rows| {
        let (key, payload) = (id.key()?, document(&id, payload)?);
        let row = rows.upsert(key, vector.slice(dim, "vector")?);
        if let Some(payload) = payload {
            let _ = row.payload(payload);
        }
        Ok(())
    })
}

/// Adds a row with all that it may have.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_upsert_row(batch: Option<&mut Batch>, row: RowGiven) -> Status {
    change(batch, |rows| {
        let given = some(row.read("row")?, "row")?;
        let (key, payload) = (given.id.key()?, document(&given.id, given.payload)?);
        let variance = spread(given.variance, given.variance_len, given.variance_kind)?;
        let tokens = given.tokens.slice(given.tokens_len, "tokens")?;
        let fields = given.fields.slice(given.fields_len, "fields")?;
        let mut checked = Vec::with_capacity(fields.len());
        for field in fields {
            let variance = spread(field.variance, field.variance_len, field.variance_kind)?;
            checked.push((
                field.name.optional("the name of a field")?,
                field.vector.slice(field.dim, "vector")?,
                variance,
            ));
        }
        let mut row = rows.upsert(key, given.vector.slice(given.dim, "vector")?);
        if let Some(payload) = payload {
            row = row.payload(payload);
        }
        if let Some(variance) = variance {
            row = row.variance(&variance);
        }
        if !tokens.is_empty() {
            row = row.tokens(tokens);
        }
        for (name, vector, variance) in checked {
            row = match (name, variance) {
                (Some(name), None) => row.field(name, vector),
                (Some(name), Some(variance)) => row.field_with_variance(name, vector, &variance),
                (None, None) => row.changed(vector),
                (None, Some(variance)) => row.changed_with_variance(vector, &variance),
            };
        }
        let _ = row;
        Ok(())
    })
}

/// Adds `rows` rows with integer ids: `vectors` has them one after the other, each of `dim` numbers.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_upsert_ints(
    batch: Option<&mut Batch>,
    ids: Integers,
    vectors: Floats,
    rows: usize,
    dim: usize,
) -> Status {
    change(batch, |batch| {
        let ids = ids.slice(rows, "ids")?;
        let vectors = vectors.slice(crate::run::area(rows, dim)?, "vectors")?;
        if dim == 0 && rows > 0 {
            return Err(bad("dim is 0; a vector has at least one number".into()));
        }
        for (id, vector) in ids.iter().zip(vectors.chunks_exact(dim.max(1))) {
            let _ = batch.upsert(*id, vector);
        }
        Ok(())
    })
}

/// Removes the row with this id, if there is one.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_delete(batch: Option<&mut Batch>, id: Id) -> Status {
    change(batch, |rows| {
        rows.delete(id.key()?);
        Ok(())
    })
}

/// Keeps a named position with the batch, atomically: `ft_collection_mark` gives it back, also after a crash. UINT64_MAX removes
/// the name.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_mark(batch: Option<&mut Batch>, name: Text, position: u64) -> Status {
    change(batch, |rows| {
        rows.mark(name.str("name")?, (position != u64::MAX).then_some(position));
        Ok(())
    })
}

/// Operations so far.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_len(batch: Option<&Batch>, len: Option<&mut MaybeUninit<usize>>) -> Status {
    entry(|| put(len, "len", || Ok(some(batch, "batch")?.rows.get()?.len())))
}

/// Writes the batch: when this gives FT_STATUS_OK, all of it is as durable as `ft_options_durability` said. After an error none of
/// it is visible. Either way the batch is then empty, and may be filled again.
///
/// When an earlier call for this batch failed, nothing is written and its error comes again. Otherwise
/// FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_NON_FINITE, FT_STATUS_ZERO_VECTOR, FT_STATUS_BAD_VARIANCE, FT_STATUS_BAD_TOKENS,
/// FT_STATUS_BAD_PAYLOAD, FT_STATUS_DUPLICATE_ID and FT_STATUS_LIMIT_EXCEEDED, which name the row; FT_STATUS_READ_ONLY;
/// FT_STATUS_POISONED after an earlier failed write; FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_batch_commit(batch: Option<&mut Batch>) -> Status {
    entry(|| {
        let batch = some(batch, "batch")?;
        let (rows, failed) = batch.rows.take(batch.collection.batch());
        failed.map_or(Ok(()), Err)?;
        Ok(rows.commit()?)
    })
}

fn change(batch: Option<&mut Batch>, set: impl FnOnce(&mut foretaste::Batch) -> Result<()>) -> Status {
    entry(|| some(batch, "batch")?.rows.set(set))
}

/// A document, if there is one.
fn document(id: &Id, payload: Text) -> Result<Option<serde_json::Value>> {
    let Some(text) = payload.optional("payload")? else { return Ok(None) };
    let wrong =
        |e| Failure::new(Status::BadPayload, format!("the document of {} is not JSON: {e}", id.named()));
    serde_json::from_str(text).map(Some).map_err(wrong)
}

/// Variances, if there are some.
pub fn spread(values: Floats, len: usize, kind: u32) -> Result<Option<RowVariance>> {
    if values.is_null() && len == 0 {
        return Ok(None);
    }
    spread_of(values.slice(len, "variance")?, kind).map(Some)
}

/// Variances by what their numbers are.
pub fn spread_of(values: &[f32], kind: u32) -> Result<RowVariance> {
    let values = values.to_vec();
    match kind {
        FT_SPREAD_VARIANCE => Ok(RowVariance::Variance(values)),
        FT_SPREAD_DEVIATION => Ok(RowVariance::StandardDeviation(values)),
        FT_SPREAD_LOG_VARIANCE => Ok(RowVariance::LogVariance(values)),
        other => Err(bad(format!("what a variance's numbers are is one of FT_SPREAD_*, not {other}"))),
    }
}
