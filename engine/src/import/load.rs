//! The import loop: rows of a foreign file into a collection, batch by batch, so that it can be interrupted.
//!
//! A thread reads and parses the next batches while the caller's thread commits, so that parsing overlaps the disk's
//! sync. Each batch carries a mark, the number of file rows that are in; [`load`] given again goes on from it.
//!
//! Reads from: a [`Reader`]. Writes to: a [`Collection`], through batches.
//! Never: more than a few batches in memory, a row twice, a batch after the one that failed.

use std::collections::HashMap;
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};
use foretaste_storage::key::Key;
use serde_json::Value;

use super::{ImportError, Options, Reader, Rows};
use crate::collection::Collection;
use crate::error::{Error, Result};

/// Rows of a batch when [`LoadOptions::batch_rows`] does not say; fewer when they are large.
pub const BATCH_ROWS: usize = 4096;
/// A batch of the default size ends when its rows take about this much.
const BATCH_BYTES: usize = 8 << 20;
/// Most rows parsed between two looks at how large the batch has become.
const PARSE_ROWS: usize = 256;
/// Most of a file's name that its mark shows; all of it is in the fingerprint.
const MARK_NAME_BYTES: usize = 128;
/// Batches that wait between the two threads.
const WAITING_BATCHES: usize = 2;

/// How [`load`] goes about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Rows of one batch, which is one durable commit. By default 4,096 rows or about 8 MiB, whichever is less.
    pub batch_rows: Option<usize>,
    /// The name under which each batch keeps how many rows of the file are in; see [`mark_name`]. Without one, an
    /// interrupted load starts again from the first row.
    pub mark: Option<String>,
    /// Only the file's first rows, this many.
    pub limit: Option<u64>,
}

/// How far a [`load`] is; told after every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows of the file that are in the collection, those of earlier calls included.
    pub rows: u64,
    /// Rows there will be, when the file says.
    pub rows_total: Option<u64>,
    /// Bytes of the file read for them.
    pub bytes: u64,
    /// Bytes of the file, when it is known.
    pub bytes_total: Option<u64>,
}

/// What a finished [`load`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Rows of the file written by this call.
    pub rows: u64,
    /// Rows of the file that an interrupted call had written before; they were passed over.
    pub rows_before: u64,
    /// Batches committed.
    pub batches: u64,
    /// Bytes of the file read.
    pub bytes: u64,
}

/// The name of the mark of an import of `path`: it changes with the file's name, size and time of change, and with the
/// options that choose what a row is, so that a mark is never taken for another file's.
///
/// # Errors
/// `Io` when the file cannot be looked at.
pub fn mark_name(path: &Path, options: &Options) -> Result<String> {
    let meta = std::fs::metadata(path).map_err(|e| Error::Io {
        path: path.to_path_buf(),
        op: "look at",
        source: std::sync::Arc::new(e),
    })?;
    let changed = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let choices = (options.format.map(super::Format::name), &options.vector, &options.id);
    let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    let fingerprint = fingerprint(&format!("{name:?} {choices:?} {:?}", changed.map(|t| t.as_nanos())));
    let shown = name.get(..name.floor_char_boundary(MARK_NAME_BYTES)).unwrap_or_default();
    Ok(format!("import:{shown}:{}:{fingerprint:016x}", meta.len()))
}

/// Writes the rows of `reader`, which has just been opened, into `collection`: every row once, also when it is called
/// again after an interruption with the same [`LoadOptions::mark`]. Rows without ids get the row's number in the file.
/// Of rows with one id the last one stays. Ends with everything sealed and the log empty.
///
/// `progress` is told after every commit and cancels by returning false; committed batches stay.
///
/// ```
/// # #[cfg(feature = "jsonl")] {
/// # use foretaste::{Database, Metric, Schema, import};
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// let db = Database::open(path.join("notes.ft"))?;
/// let docs = db.create_collection("docs", Schema::new(2, Metric::Cosine))?;
/// let text = b"{\"id\": 7, \"vector\": [1, 2.5], \"lang\": \"en\"}\n".to_vec();
/// let mut reader = import::open_bytes(import::Format::Jsonl, text, &import::Options::default())?;
/// let loaded = import::load(&docs, &mut *reader, &import::LoadOptions::default(), &mut |_| true)?;
/// assert_eq!((loaded.rows, docs.len()), (1, 1));
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// # }
/// ```
///
/// # Errors
/// `Import` for what is wrong with the file, after the whole rows before it were committed; what
/// [`crate::Batch::commit`] gives for what is wrong with a row, where `row` is the row of the file from 0;
/// `Cancelled`.
pub fn load(
    collection: &Collection,
    reader: &mut dyn Reader,
    options: &LoadOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Loaded> {
    let before = options.mark.as_deref().and_then(|name| collection.mark(name)).unwrap_or(0);
    let limit = options.limit.unwrap_or(u64::MAX);
    let rows_total = reader.rows().map(|rows| rows.min(limit));
    let bytes_total = reader.bytes_total();
    let mut loaded = Loaded { rows_before: before, ..Loaded::default() };
    let left = limit.saturating_sub(before);

    std::thread::scope(|scope| {
        let (sender, parsed) = bounded(WAITING_BATCHES);
        let batch_rows = options.batch_rows;
        scope.spawn(move || produce(reader, before, left, batch_rows, &sender));
        consume(collection, &parsed, options, &mut loaded, &mut |loaded| {
            progress(Progress {
                rows: loaded.rows_before + loaded.rows,
                rows_total,
                bytes: loaded.bytes,
                bytes_total,
            })
        })
    })?;

    if let Some(name) = &options.mark
        && collection.mark(name).is_some()
    {
        let mut batch = collection.batch();
        batch.mark(name, None);
        batch.commit()?;
    }
    collection.flush()?;
    Ok(loaded)
}

/// Rows parsed, and how many bytes of the file were read for all so far.
type Parsed = Result<(Rows, u64), ImportError>;

/// Reads batches until the end, the limit, an error, or until nobody takes them any more.
fn produce(
    reader: &mut dyn Reader,
    skip: u64,
    mut left: u64,
    batch_rows: Option<usize>,
    out: &Sender<Parsed>,
) {
    if let Err(e) = reader.skip(skip) {
        let _ = out.send(Err(e));
        return;
    }
    loop {
        let mut rows = Rows::default();
        let filled = fill(reader, &mut left, batch_rows, &mut rows);
        // The whole rows before a damaged one are worth having.
        if !rows.is_empty() && out.send(Ok((rows, reader.bytes_read()))).is_err() {
            return;
        }
        match filled {
            Ok(true) => {}
            Ok(false) => return,
            // An error here means that the receiver has gone, and with it the interest.
            Err(e) => return drop(out.send(Err(e))),
        }
    }
}

/// Fills one batch; false at the end of the file.
fn fill(
    reader: &mut dyn Reader,
    left: &mut u64,
    batch_rows: Option<usize>,
    rows: &mut Rows,
) -> Result<bool, ImportError> {
    let most = batch_rows.unwrap_or(BATCH_ROWS).max(1);
    let row_bytes = reader.dim() * size_of::<f32>();
    let mut bytes = 0;
    while rows.len() < most && (batch_rows.is_some() || bytes < BATCH_BYTES) {
        // The first row, and then as many as would fill the batch if they were like those before.
        let average = bytes.checked_div(rows.len()).unwrap_or(BATCH_BYTES).max(1);
        let fitting = (BATCH_BYTES.saturating_sub(bytes) / average).clamp(1, PARSE_ROWS);
        let wanted = fitting.min(most - rows.len()).min(usize::try_from(*left).unwrap_or(usize::MAX));
        let start = rows.len();
        if wanted == 0 || reader.read(wanted, rows)? == 0 {
            return Ok(false);
        }
        *left = left.saturating_sub((rows.len() - start) as u64);
        let payloads = rows.payloads.iter().skip(start).flatten().map(size_bytes).sum::<usize>();
        bytes += (rows.len() - start) * row_bytes + payloads;
    }
    Ok(true)
}

/// Commits batches until there are no more.
fn consume(
    collection: &Collection,
    parsed: &Receiver<Parsed>,
    options: &LoadOptions,
    loaded: &mut Loaded,
    progress: &mut dyn FnMut(&Loaded) -> bool,
) -> Result<()> {
    for rows in parsed {
        let (rows, bytes) = rows?;
        let count = rows.len() as u64;
        let done = loaded.rows_before + loaded.rows + count;
        commit(collection, rows, options.mark.as_deref().map(|name| (name, done)))?;
        loaded.rows += count;
        loaded.batches += 1;
        loaded.bytes = bytes;
        if !progress(loaded) {
            return Err(Error::Cancelled);
        }
    }
    Ok(())
}

fn commit(collection: &Collection, rows: Rows, mark: Option<(&str, u64)>) -> Result<()> {
    let Rows { first, ids, vectors, payloads } = rows;
    let keys: Vec<Key> = ids.into_iter().map(Key::from).collect();
    // A batch names an id once. Across batches the later row replaces the earlier, so within one it does, too.
    let last: HashMap<&Key, usize> = keys.iter().enumerate().map(|(row, key)| (key, row)).collect();
    let dim = vectors.len() / keys.len().max(1);
    let mut written = Vec::with_capacity(keys.len());
    let mut batch = collection.batch();
    let rows = keys.iter().zip(vectors.chunks(dim.max(1))).zip(payloads).enumerate();
    for (row, ((key, vector), payload)) in rows {
        if last.get(key) != Some(&row) {
            continue;
        }
        written.push(row);
        let added = batch.upsert(key, vector);
        if let Some(payload) = payload {
            let _ = added.payload(payload);
        }
    }
    if let Some((name, done)) = mark {
        batch.mark(name, Some(done));
    }
    batch.commit().map_err(|e| in_file(e, &|row| first + written.get(row).map_or(row, |r| *r) as u64))
}

/// An error about a row of a batch as one about the row of the file.
fn in_file(mut error: Error, row_of: &dyn Fn(usize) -> u64) -> Error {
    match &mut error {
        Error::DimensionMismatch { row, .. }
        | Error::NonFinite { row, .. }
        | Error::ZeroVector { row, .. }
        | Error::BadVariance { row, .. }
        | Error::BadTokens { row, .. }
        | Error::BadPayload { row, .. } => *row = usize::try_from(row_of(*row)).unwrap_or(usize::MAX),
        _ => {}
    }
    error
}

/// About how much memory a document takes. Its depth is bounded by the parser.
fn size_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(s) => s.len(),
            Value::Array(items) => items.iter().map(size_bytes).sum(),
            Value::Object(fields) => fields.iter().map(|(name, v)| name.len() + size_bytes(v)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

/// FNV-1a, which is the same on every machine and in every version.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(all(test, feature = "jsonl"))]
mod tests;
