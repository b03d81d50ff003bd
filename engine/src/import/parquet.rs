//! Parquet: one list column of numbers is the vectors, an integer or text column the ids, the rest payload.
//!
//! The vector column is the one named, else `vector`, `embedding` or `values`, else the only list of floats there
//! is. Columns are read by the format's own levels, without Arrow. Numbers, booleans, text, dates and timestamps
//! (as RFC 3339 text) become payload, lists of them JSON arrays; structs, maps, nested lists, big decimals and
//! binary values are left out.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`]. Never: more than a block of rows and a page a column in memory.

mod column;

use std::io::{BufReader, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use bytes::Bytes;
use foretaste_storage::limits;
use serde_json::{Map, Value};

use super::error::{ErrorKind, ImportError, count, list};
use super::source::{Cursor, Source};
use super::{ID_NAME, Id, Options, Reader, Result, Rows, VECTOR_NAMES};
use column::{Cell, Leaf, OpenColumn};

/// Rows are decoded in blocks whose vectors take about this size.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_ROWS: usize = 1024;

struct Chunks(Source);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.len_bytes()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut cursor = self.0.cursor();
        cursor.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(cursor))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.len_bytes()) {
            return Err(ParquetError::EOF(format!("{length} bytes at byte {start} are not in the file")));
        }
        let mut out = vec![0; length];
        self.0.read_exact_at(start, &mut out).map_err(|e| ParquetError::EOF(e.why.to_string()))?;
        Ok(out.into())
    }
}

struct Parquet {
    source: Source,
    file: SerializedFileReader<Chunks>,
    /// Rows of each row group.
    groups: Vec<u64>,
    rows: u64,
    vector: Leaf,
    id: Option<Leaf>,
    payload: Vec<Leaf>,
    /// The open row group's columns in the order vector, id, payload, and its rows that are left.
    open: Vec<OpenColumn>,
    left_rows: u64,
    next_group: usize,
    dim: usize,
    next: u64,
}

/// Runs a piece of the Parquet parser.
fn guarded<T>(source: &Source, parse: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    // Last resort: the parser has places that panic on damaged pages, and an import must not take the process
    // down. After an error the reader is not used again, so no state is seen half-changed.
    match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(translate(source, &e)),
        Err(_) => {
            Err(source.error(ErrorKind::Format, "the file is damaged: the Parquet parser gave up on it"))
        }
    }
}

fn translate(source: &Source, e: &ParquetError) -> ImportError {
    match e {
        ParquetError::EOF(why) => source.error(ErrorKind::Truncated, why),
        ParquetError::NYI(why) => source.error(ErrorKind::Unsupported, why),
        other if other.to_string().contains("Disabled feature") => {
            let error = source.error(ErrorKind::Unsupported, other.to_string());
            error.hint(
                "write the file with Snappy, gzip, Brotli or LZ4, or build with the feature `parquet-zstd`",
            )
        }
        other => source.error(ErrorKind::Format, other.to_string()),
    }
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    let file = guarded(&source, || SerializedFileReader::new(Chunks(source.clone())))?;
    let metadata = file.metadata();
    let schema = metadata.file_metadata().schema_descr_ptr();
    let leaves = guarded(&source, || Ok(column::leaves(&schema)))?;
    let names: Vec<&str> = schema.root_schema().get_fields().iter().map(|field| field.name()).collect();

    let mut groups = Vec::new();
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows());
        groups.push(rows.map_err(|_| source.error(ErrorKind::Format, "a row group has fewer than no rows"))?);
    }
    let rows = groups.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
    let rows = rows.ok_or_else(|| source.error(ErrorKind::Format, "the rows are beyond counting"))?;

    let leaf = |name: &str| {
        leaves.iter().find(|leaf| leaf.name == name).ok_or_else(|| {
            if names.contains(&name) {
                let why = "the column is of a type that cannot be imported";
                return source.error(ErrorKind::Unsupported, why).field(name);
            }
            let why = format!("there is no such column; the file has {}", list(&names));
            source.error(ErrorKind::UnknownField, why).field(name)
        })
    };
    let vector = match &options.vector {
        Some(name) => leaf(name)?,
        None => {
            let usual = VECTOR_NAMES.iter().find_map(|name| leaf(name).ok());
            let mut lists = leaves.iter().filter(|leaf| leaf.is_vector());
            let only = lists.next().filter(|_| lists.next().is_none());
            usual.or(only).ok_or_else(|| {
                let error = leaf("vector").err();
                error
                    .unwrap_or_else(|| source.error(ErrorKind::UnknownField, "no column holds vectors"))
                    .hint("name the column that holds the vectors")
            })?
        }
    };
    if !vector.is_list || !vector.is_number() {
        return Err(source
            .error(ErrorKind::Unsupported, "the column is not a list of numbers")
            .field(&*vector.name));
    }
    let id = match &options.id {
        Some(name) => Some(leaf(name)?),
        None => leaf(ID_NAME).ok().filter(|leaf| leaf.is_id()),
    };
    if let Some(id) = id.filter(|leaf| !leaf.is_id()) {
        return Err(source.error(ErrorKind::Unsupported, "ids have to be integers or text").field(&*id.name));
    }
    let used = |leaf: &Leaf| leaf.index == vector.index || id.is_some_and(|id| id.index == leaf.index);
    let payload = leaves.iter().filter(|leaf| !used(leaf)).cloned().collect();
    let (vector, id) = (vector.clone(), id.cloned());
    let mut reader = Parquet {
        source,
        file,
        groups,
        rows,
        vector,
        id,
        payload,
        open: Vec::new(),
        left_rows: 0,
        next_group: 0,
        dim: 0,
        next: 0,
    };
    // The first row's length is the dimension; then the file is taken from the start again.
    let mut first = Rows::default();
    reader.read(1, &mut first)?;
    reader.dim = first.vectors.len();
    (reader.open, reader.left_rows, reader.next_group, reader.next) = (Vec::new(), 0, 0, 0);
    Ok(Box::new(reader))
}

impl Parquet {
    fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        std::iter::once(&self.vector).chain(&self.id).chain(&self.payload)
    }

    /// Opens row groups until one has a row left; false at the end.
    fn fill_group(&mut self) -> Result<bool> {
        while self.left_rows == 0 {
            let Some(rows) = self.groups.get(self.next_group).copied() else { return Ok(false) };
            let group = guarded(&self.source, || self.file.get_row_group(self.next_group))?;
            let open: Result<Vec<OpenColumn>> = self
                .leaves()
                .map(|leaf| guarded(&self.source, || leaf.open(&*group)).map_err(|e| e.field(&*leaf.name)))
                .collect();
            drop(group);
            self.open = open?;
            self.left_rows = rows;
            self.next_group += 1;
        }
        Ok(true)
    }

    fn error(&self, kind: ErrorKind, why: impl Into<String>, row: u64, leaf: &Leaf) -> ImportError {
        self.source.error(kind, why).row(row).field(&*leaf.name)
    }

    /// Appends the vectors of a block whose first row is `next`; `starts` are the rows' first cells.
    fn push_vectors(&self, cells: &[Cell], starts: &[usize], out: &mut Vec<f32>) -> Result<()> {
        let mut dim = self.dim;
        for (i, range) in starts.windows(2).enumerate() {
            let row = self.next + i as u64;
            let cells = cells.get(range[0]..range[1]).unwrap_or_default();
            let fail = |why: String| Err(self.error(ErrorKind::Format, why, row, &self.vector));
            if matches!(cells, [Cell::Empty]) {
                return fail("the row has no vector".into());
            }
            if dim == 0 {
                dim = cells.len();
            }
            if cells.len() != dim {
                return fail(format!("the vector has {} numbers, the first row has {dim}", cells.len()));
            }
            if dim as u64 > limits::DIMENSION {
                return fail(format!(
                    "a vector of {dim} numbers; 1 to {} can be imported",
                    limits::DIMENSION
                ));
            }
            for (d, cell) in cells.iter().enumerate() {
                match cell {
                    Cell::Number(x) => out.push(*x),
                    _ => return fail(format!("dim {d} of the vector is null")),
                }
            }
        }
        Ok(())
    }

    fn id_of(&self, leaf: &Leaf, row: u64, value: Value) -> Result<Id> {
        match value {
            Value::String(s) => Ok(Id::Str(s)),
            Value::Null => Err(self.error(ErrorKind::Format, "the id is null", row, leaf)),
            other => other.as_i64().map(Id::Int).ok_or_else(|| {
                self.error(ErrorKind::Unsupported, "the id is beyond 64-bit signed integers", row, leaf)
            }),
        }
    }

    fn read_block(&mut self, rows: usize, out: &mut Rows) -> Result<()> {
        let mut open = std::mem::take(&mut self.open);
        let mut columns = Vec::with_capacity(open.len());
        for (column, leaf) in open.iter_mut().zip(self.leaves()) {
            let most = if leaf.index == self.vector.index { self.dim.max(1) } else { 0 };
            let block = guarded(&self.source, || column.read(leaf, rows, most))
                .map_err(|e| e.row(self.next).field(&*leaf.name))?;
            if block.rows() != rows {
                let why = format!("the column ends after {} of {rows} rows more", block.rows());
                return Err(self.error(ErrorKind::Truncated, why, self.next, leaf));
            }
            columns.push(block);
        }
        self.open = open;
        let mut columns = columns.into_iter();
        let mut vectors = Vec::new();
        if let Some(block) = columns.next() {
            self.push_vectors(&block.cells, &block.starts, &mut vectors)?;
        }
        let mut ids = Vec::with_capacity(rows);
        if let (Some(leaf), Some(block)) = (&self.id, self.id.as_ref().and_then(|_| columns.next())) {
            for (i, value) in block.into_values(leaf).into_iter().enumerate() {
                ids.push(self.id_of(leaf, self.next + i as u64, value)?);
            }
        } else {
            ids.extend((0..rows as u64).map(|i| Id::Row(self.next + i)));
        }
        let mut payloads = vec![Map::new(); rows];
        for (leaf, block) in self.payload.iter().zip(columns) {
            for (payload, value) in payloads.iter_mut().zip(block.into_values(leaf)) {
                if !value.is_null() {
                    payload.insert(leaf.name.clone(), value);
                }
            }
        }
        out.vectors.append(&mut vectors);
        out.ids.append(&mut ids);
        out.payloads.extend(payloads.into_iter().map(|p| (!p.is_empty()).then_some(Value::Object(p))));
        Ok(())
    }
}

impl Reader for Parquet {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.source.len_bytes())
    }

    fn bytes_read(&self) -> u64 {
        let share =
            u128::from(self.source.len_bytes()) * u128::from(self.next) / u128::from(self.rows.max(1));
        share as u64
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        let mut left = rows;
        while left > 0 {
            if self.left_rows == 0
                && let Some(rows) = self.groups.get(self.next_group).filter(|rows| **rows <= left)
            {
                left -= rows;
                self.next += rows;
                self.next_group += 1;
                continue;
            }
            if !self.fill_group()? {
                break;
            }
            let n = self.left_rows.min(left);
            let mut open = std::mem::take(&mut self.open);
            for (column, leaf) in open.iter_mut().zip(self.leaves()) {
                let skipped =
                    guarded(&self.source, || column.skip(n as usize)).map_err(|e| e.row(self.next))?;
                if skipped != n as usize {
                    let why =
                        format!("the column ends after {} of {} rows more", count(skipped as u64), count(n));
                    return Err(self.error(ErrorKind::Truncated, why, self.next, leaf));
                }
            }
            self.open = open;
            self.left_rows -= n;
            self.next += n;
            left -= n;
        }
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        out.begin(self.next);
        if max_rows == 0 || !self.fill_group()? {
            return Ok(0);
        }
        let block_rows = (BLOCK_BYTES / 4 / self.dim.max(1)).clamp(1, BLOCK_ROWS);
        let rows = max_rows.min(block_rows).min(usize::try_from(self.left_rows).unwrap_or(usize::MAX));
        self.read_block(rows, out)?;
        self.next += rows as u64;
        self.left_rows -= rows as u64;
        Ok(rows)
    }
}
