//! A row as it is stored.
//!
//! Reads from: `foretaste::Record`. Writes to: the caller's struct. Never: a copy of a vector.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

use crate::collection::put;
use crate::id::{Id, Ids};
use crate::ptr::{Array, Floats, RecordRoom, Text};
use crate::status::{Failure, Result, Status, c_string, entry, free, some};

/// A row as it is stored.
pub struct Record {
    record: foretaste::Record,
    ids: Ids,
    payload: Option<CString>,
}

/// What a row has. Set `size` to sizeof(ft_record_view) before `ft_record_read`. All pointers are into the record, and valid until it is
/// freed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RecordView {
    /// sizeof(ft_record_view).
    pub size: usize,
    /// Its id, of the kind it was written with.
    pub id: Id,
    /// Its vector, as the element type keeps it.
    pub vector: Floats,
    /// How many numbers: those of the levels that the row has.
    pub dim: usize,
    /// Its variances as stored; NULL without.
    pub variance: Floats,
    /// How many.
    pub variance_len: usize,
    /// The numbers of its token matrix, token after token; NULL without.
    pub tokens: Floats,
    /// How many in all.
    pub tokens_len: usize,
    /// Its document as JSON; NULL without.
    pub payload: Text,
    /// Counts the operation that wrote it; a later one is larger.
    pub version: u64,
}

/// Frees a record, and what was read of it. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_record_free(record: Option<Box<Record>>) {
    free(record);
}

/// What the row has.
#[unsafe(no_mangle)]
pub extern "C" fn ft_record_read(record: Option<&Record>, view: RecordRoom) -> Status {
    entry(|| {
        let Record { record, ids, payload } = some(record, "record")?;
        view.write(&viewed(record, some(ids.get(0), "id")?, payload.as_deref()), "view")
    })
}

/// The row's vector in a further field, valid until the record is freed. FT_STATUS_NOT_FOUND when it has none there.
#[unsafe(no_mangle)]
pub extern "C" fn ft_record_field(
    record: Option<&Record>,
    name: Text,
    vector: Option<&mut MaybeUninit<Floats>>,
    dim: Option<&mut MaybeUninit<usize>>,
) -> Status {
    entry(|| {
        let (record, name) = (&some(record, "record")?.record, name.str("name")?);
        let none = || Failure::new(Status::NotFound, format!("row {} has no vector in `{name}`", record.id));
        let found = record.fields.get(name).ok_or_else(none)?;
        put(vector, "vector", || Ok(floats(found)))?;
        put(dim, "dim", || Ok(found.len()))
    })
}

impl Record {
    /// The row that was found, or that `id` was not.
    pub fn of(found: Option<foretaste::Record>, id: &Id) -> Result<Record> {
        let none = || Failure::new(Status::NotFound, format!("{} is not there", id.named()));
        Record::new(found.ok_or_else(none)?)
    }

    /// The row.
    pub fn new(record: foretaste::Record) -> Result<Record> {
        let payload = document(&record)?;
        Ok(Record { ids: Ids::new(std::iter::once(&record.id)), payload, record })
    }
}

/// The document of a row, if there is one.
pub fn document(record: &foretaste::Record) -> Result<Option<CString>> {
    record.payload.as_ref().map(|payload| c_string(payload.to_string())).transpose()
}

/// A row as C sees it, with that id and document.
pub fn viewed(record: &foretaste::Record, id: Id, payload: Option<&CStr>) -> RecordView {
    RecordView {
        size: 0,
        id,
        vector: floats(&record.vector),
        dim: record.vector.len(),
        variance: floats(&record.variance),
        variance_len: record.variance.len(),
        tokens: floats(&record.tokens),
        tokens_len: record.tokens.len(),
        payload: payload.map_or(Text::none(), Text::of),
        version: record.version,
    }
}

fn floats(values: &[f32]) -> Floats {
    if values.is_empty() { Array::none() } else { Array::of(values) }
}
