//! HDF5 in the ANN-benchmarks layout: a two-dimensional dataset `train`, the metric in the attribute `distance`.
//!
//! One-dimensional number datasets of the same length named `train_x` become the payload field `x` (`NAME_x` when
//! the vectors are in `NAME`).
//!
//! The `hdf5-reader` crate compares sizes with the file's length before it allocates; decoded chunks, object
//! headers and single reads are limited below on top of that, and links to other files are not followed.
//! Its panics, should it have any, are turned into errors: it is a large parser of hostile input.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`].
//! Never: a dataset read whole, another file a file points to, a C library.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foretaste_storage::limits;
use hdf5_reader::error::Error;
use hdf5_reader::{
    ByteOrder, Dataset, Datatype, H5Type, Hdf5File, OpenOptions, RangeRequestStorage, SliceInfo,
    SliceInfoElem, StringSize, VarLenKind,
};
use serde_json::{Map, Value};

use super::error::{ErrorKind, ImportError, count, list};
use super::number::{Kind, Number};
use super::source::Source;
use super::{Id, Options, Reader, Result, Rows};

/// Rows are fetched in blocks of about this size.
const BLOCK_BYTES: u64 = 4 << 20;
/// Largest decoded chunk; h5py's own are about 1 MiB, a few writers make one of the whole dataset.
const CHUNK_BYTES: usize = 256 << 20;
/// Decoded chunks kept, so that a block which ends inside a chunk does not decode it twice; more if one is larger.
const CACHE_BYTES: usize = 32 << 20;
const HEADER_BYTES: usize = 1 << 20;
/// Most `train_x` datasets that become payload fields.
const FIELDS: usize = 64;

/// A number widened to `f32`, whatever its stored type.
#[derive(Clone)]
struct Wide(f32);

/// An element's bytes as they are stored.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl H5Type for Wide {
    fn hdf5_type() -> Datatype {
        f32::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], dtype: &Datatype) -> Result<Self, Error> {
        let mut wide = Vec::with_capacity(1);
        number_of(dtype).ok_or_else(|| Error::InvalidData("not a number".into()))?.widen(bytes, &mut wide);
        wide.first().map(|w| Wide(*w)).ok_or_else(|| Error::InvalidData("an element is cut short".into()))
    }

    fn element_size(dtype: &Datatype) -> usize {
        number_of(dtype).map_or(4, Number::size_bytes)
    }

    fn decode_vec(raw: &[u8], dtype: &Datatype, count: usize) -> Option<Result<Vec<Self>, Error>> {
        let number = number_of(dtype)?;
        let mut wide = Vec::new();
        number.widen(raw, &mut wide);
        let whole = wide.len() == count;
        Some(if whole {
            Ok(wide.into_iter().map(Wide).collect())
        } else {
            Err(Error::InvalidData(format!("{} numbers where {count} were expected", wide.len())))
        })
    }
}

impl H5Type for Raw {
    fn hdf5_type() -> Datatype {
        u8::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> Result<Self, Error> {
        Ok(Raw(bytes.to_vec()))
    }

    fn element_size(dtype: &Datatype) -> usize {
        hdf5_reader::dtype_element_size(dtype).unwrap_or(0)
    }
}

fn number_of(dtype: &Datatype) -> Option<Number> {
    let big = |order: &ByteOrder| *order == ByteOrder::BigEndian;
    match dtype {
        Datatype::FloatingPoint { size, byte_order } => {
            Number::new(Kind::Float, usize::from(*size), big(byte_order))
        }
        Datatype::FixedPoint { size, signed, byte_order } => {
            let kind = if *signed { Kind::Signed } else { Kind::Unsigned };
            Number::new(kind, usize::from(*size), big(byte_order))
        }
        _ => None,
    }
}

/// What the ids' dataset holds.
#[derive(Clone, Copy)]
enum IdType {
    Integer(Number),
    FixedText,
    Text,
}

struct Hdf5 {
    source: Source,
    vectors: Dataset,
    ids: Option<(Dataset, IdType, String)>,
    fields: Vec<(String, Dataset, Number)>,
    metric: Option<&'static str>,
    dim: usize,
    rows: u64,
    block_rows: u64,
    next: u64,
}

/// Runs a piece of the HDF5 parser.
fn guarded<T>(source: &Source, parse: impl FnOnce() -> Result<T, Error>) -> Result<T> {
    // Last resort: the parser answers damage with errors as far as our tests and its own fuzzing reach, but it is
    // not ours and an import must not take the process down. What it was working on is dropped or unused after.
    match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(translate(source, &e)),
        Err(_) => Err(source.error(ErrorKind::Format, "the file is damaged: the HDF5 parser gave up on it")),
    }
}

fn translate(source: &Source, e: &Error) -> ImportError {
    let why = e.to_string();
    match e {
        Error::Io(io) => source.read_error(io),
        Error::UnexpectedEof { .. } | Error::OffsetOutOfBounds(_) => source.error(ErrorKind::Truncated, why),
        Error::InvalidMagic => source.error(ErrorKind::Format, "is not an HDF5 file"),
        _ if why.starts_with("unsupported") => source.error(ErrorKind::Unsupported, why),
        _ => source.error(ErrorKind::Format, why),
    }
}

/// Opens the file, keeping at most `cache_bytes` of decoded chunks.
fn open_file(source: &Source, cache_bytes: usize) -> Result<Hdf5File> {
    guarded(source, || {
        let bytes = source.clone();
        let storage = RangeRequestStorage::new(source.len_bytes(), move |offset, len| {
            // `RangeRequestStorage` compares the range with the file's length before it asks.
            let mut out = vec![0; len];
            bytes.read_exact_at(offset, &mut out).map_err(|e| Error::InvalidData(e.why.to_string()))?;
            Ok(out)
        });
        let limits = OpenOptions::default()
            .with_chunk_cache_bytes(cache_bytes)
            .with_max_chunk_bytes(CHUNK_BYTES)
            .with_max_read_bytes(CHUNK_BYTES)
            .with_max_object_header_bytes(HEADER_BYTES);
        Hdf5File::from_storage_with_options(Arc::new(storage), limits)
    })
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    let mut file = open_file(&source, CACHE_BYTES)?;
    let names = guarded(&source, || Ok(file.root_group()?.member_names()?.1))?;
    let find = |file: &Hdf5File, name: &str| -> Result<Dataset> {
        guarded(&source, || file.dataset(name)).map_err(|e| {
            if names.iter().any(|n| n == name) || (name.contains('/') && e.kind != ErrorKind::Format) {
                return e.field(name);
            }
            let why = format!("there is no such dataset; the file has {}", list(&names));
            source
                .error(ErrorKind::UnknownField, why)
                .field(name)
                .hint("name the dataset that holds the vectors")
        })
    };

    let name = options.vector.as_deref().unwrap_or("train");
    let mut vectors = find(&file, name)?;
    let shape = vectors.shape().to_vec();
    let (Some(number), &[rows, dim]) = (number_of(vectors.dtype()), shape.as_slice()) else {
        let why =
            format!("has shape {shape:?}, not (rows, dimension) of numbers; the file has {}", list(&names));
        return Err(source.error(ErrorKind::Unsupported, why).field(name));
    };
    if !(1..=limits::DIMENSION).contains(&dim) {
        let why = format!("vectors of {dim} numbers; 1 to {} can be imported", limits::DIMENSION);
        return Err(source.error(ErrorKind::Unsupported, why).field(name));
    }
    let row_bytes = dim * number.size_bytes() as u64;
    let block_rows = (BLOCK_BYTES / row_bytes).max(1);
    // The chunks that one row is in have to fit the cache, or every block would decode them again.
    if let Some(&[chunk_rows, chunk_dims]) = vectors.chunks().as_deref() {
        let across = dim.next_multiple_of(u64::from(chunk_dims).max(1)) * number.size_bytes() as u64;
        let band = across.saturating_mul(chunk_rows.into()).min(CHUNK_BYTES as u64) as usize;
        if band > CACHE_BYTES {
            file = open_file(&source, band)?;
            vectors = find(&file, name)?;
        }
    }

    let ids = match &options.id {
        None => None,
        Some(id) => {
            let dataset = find(&file, id)?;
            if dataset.shape() != [rows] {
                let why = format!("ids of shape {:?} for {} vectors", dataset.shape(), count(rows));
                return Err(source.error(ErrorKind::Format, why).field(id));
            }
            let id_type = match dataset.dtype() {
                Datatype::String { size: StringSize::Variable, .. }
                | Datatype::VarLen { kind: VarLenKind::String, .. } => IdType::Text,
                Datatype::String { .. } => IdType::FixedText,
                other => match number_of(other).filter(|n| n.is_integer()) {
                    Some(number) => IdType::Integer(number),
                    None => {
                        let why = "ids have to be integers or strings";
                        return Err(source.error(ErrorKind::Unsupported, why).field(id));
                    }
                },
            };
            Some((dataset, id_type, id.clone()))
        }
    };
    let prefix = format!("{name}_");
    let mut fields = Vec::new();
    for full in names.iter().filter(|n| options.id.as_ref() != Some(*n)) {
        let Some(field) = full.strip_prefix(&prefix).filter(|f| !f.is_empty()) else { continue };
        let dataset = find(&file, full)?;
        if let (Some(number), true) = (number_of(dataset.dtype()), dataset.shape() == [rows]) {
            fields.push((field.to_string(), dataset, number));
        }
    }
    fields.truncate(FIELDS);
    let distance = guarded(&source, || file.root_group()?.attribute("distance")?.read_string());
    let metric = distance.ok().and_then(|d: String| metric_of(&d));
    let dim = dim as usize;
    Ok(Box::new(Hdf5 { source, vectors, ids, fields, metric, dim, rows, block_rows, next: 0 }))
}

/// The engine's name of an ANN-benchmarks distance.
fn metric_of(distance: &str) -> Option<&'static str> {
    match distance.trim_matches(['\0', ' ']).to_ascii_lowercase().as_str() {
        "euclidean" | "l2" => Some("l2"),
        "angular" | "cosine" => Some("cosine"),
        "ip" | "dot" | "inner" | "inner_product" => Some("dot"),
        _ => None,
    }
}

impl Hdf5 {
    /// The elements of rows `next .. next + rows`; `dims` is 2 for the vectors.
    fn slice<T: H5Type>(&self, dataset: &Dataset, rows: u64, dims: usize) -> Result<Vec<T>> {
        let all = SliceInfoElem::Slice { start: 0, end: u64::MAX, step: 1 };
        let range = SliceInfoElem::Slice { start: self.next, end: self.next + rows, step: 1 };
        let selections = std::iter::once(range).chain(std::iter::repeat_n(all, dims - 1)).collect();
        let selection = SliceInfo { selections };
        let array = guarded(&self.source, || dataset.read_slice::<T>(&selection))
            .map_err(|e| e.row(self.next).field(dataset.name()))?;
        let expected = rows as usize * if dims == 2 { self.dim } else { 1 };
        if array.len() != expected {
            let why = format!("{} elements where {expected} were expected", array.len());
            return Err(self.source.error(ErrorKind::Format, why).row(self.next).field(dataset.name()));
        }
        if !array.is_standard_layout() {
            return Ok(array.into_iter().collect());
        }
        // In this layout the elements are in order; the array's own iterator would take longer than the decoding.
        let (mut elements, offset) = array.into_raw_vec_and_offset();
        elements.drain(..offset.unwrap_or(0).min(elements.len()));
        elements.truncate(expected);
        Ok(elements)
    }

    fn id(&self, row: u64, raw: Option<&Raw>) -> Result<Id> {
        let (Some((dataset, id_type, name)), Some(Raw(bytes))) = (&self.ids, raw) else {
            return Ok(Id::Row(row));
        };
        let text = |bytes: &[u8]| {
            std::str::from_utf8(bytes).ok().map(|s| Id::Str(s.trim_end_matches('\0').to_string()))
        };
        let id = match id_type {
            IdType::Integer(number) => number.to_id(bytes).map(Id::Int),
            IdType::FixedText => text(bytes),
            IdType::Text => {
                let bytes = guarded(&self.source, || dataset.resolve_vlen_reference_bytes(bytes, 1))
                    .map_err(|e| e.row(row).field(name))?;
                text(&bytes)
            }
        };
        id.ok_or_else(|| {
            let why = "the id is neither a 64-bit signed integer nor UTF-8 text";
            self.source.error(ErrorKind::Unsupported, why).row(row).field(name)
        })
    }
}

impl Reader for Hdf5 {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn metric_hint(&self) -> Option<&str> {
        self.metric
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
        self.next = self.next.saturating_add(rows).min(self.rows);
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        let rows = (self.rows - self.next).min(max_rows as u64).min(self.block_rows);
        out.begin(self.next);
        if rows == 0 {
            return Ok(0);
        }
        let vectors = self.slice::<Wide>(&self.vectors, rows, 2)?;
        let raw = match &self.ids {
            Some((dataset, ..)) => self.slice::<Raw>(dataset, rows, 1)?,
            None => Vec::new(),
        };
        let mut columns = Vec::new();
        for (name, dataset, number) in &self.fields {
            columns.push((name, number, self.slice::<Raw>(dataset, rows, 1)?));
        }
        for (i, vector) in vectors.chunks_exact(self.dim).enumerate() {
            let id = self.id(self.next, raw.get(i))?;
            let mut payload = Map::new();
            for (name, number, column) in &columns {
                if let Some(Raw(bytes)) = column.get(i) {
                    payload.insert(name.to_string(), number.to_json(bytes));
                }
            }
            out.ids.push(id);
            out.vectors.extend(vector.iter().map(|w| w.0));
            out.payloads.push((!payload.is_empty()).then_some(Value::Object(payload)));
            self.next += 1;
        }
        Ok(rows as usize)
    }
}
