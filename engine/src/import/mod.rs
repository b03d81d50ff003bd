//! Readers of other people's files: rows of ids, vectors and payloads, a bounded number at a time.
//!
//! [`open`] picks the reader by the file's extension; each format sits behind the cargo feature of its name
//! (`npz` belongs to `npy`, `bvecs` and `ivecs` to `fvecs`).
//!
//! No format has a place for variances or token matrices; rows that are imported have none.
//!
//! Reads from: foreign files, through `source`. Writes to: [`Rows`].
//! Never: a collection, a file opened for writing, a whole file in memory, a change to a value (NaN is passed on).

#![cfg_attr(
    not(feature = "import-all"),
    allow(dead_code, clippy::allow_attributes, reason = "each format uses its own part of what they share")
)]

mod error;
mod load;
mod rows;
mod source;

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "fvecs")]
mod fvecs;
#[cfg(feature = "hdf5")]
mod hdf5;
#[cfg(feature = "jsonl")]
mod jsonl;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "npy")]
mod npz;
#[cfg(any(feature = "hdf5", feature = "npy", feature = "fvecs"))]
mod number;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(any(feature = "jsonl", feature = "csv"))]
mod text;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use error::{ErrorKind, ImportError, Position};
pub use load::{BATCH_ROWS, LoadOptions, Loaded, Progress, load, mark_name};
pub use rows::{Id, Rows};

use source::Source;

/// Names a vector field goes by when the caller gives none.
#[cfg(any(feature = "jsonl", feature = "csv", feature = "parquet"))]
const VECTOR_NAMES: [&str; 3] = ["vector", "embedding", "values"];
/// The name of the id field when the caller gives none.
#[cfg(any(feature = "jsonl", feature = "csv", feature = "parquet"))]
const ID_NAME: &str = "id";

/// The result of an import operation.
pub type Result<T, E = ImportError> = std::result::Result<T, E>;

/// Names the caller chose instead of a format's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The dataset, array, field or column that holds the vectors. In CSV, `v*` means every column whose name
    /// starts with `v`, in file order.
    pub vector: Option<String>,
    /// The dataset, array, field or column that holds the ids.
    pub id: Option<String>,
    /// The format, when the extension does not say it.
    pub format: Option<Format>,
}

/// A file format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// HDF5 in the ANN-benchmarks layout.
    Hdf5,
    /// One NumPy array.
    Npy,
    /// A zip archive of NumPy arrays.
    Npz,
    /// Rows of a 32-bit length and 32-bit floats.
    Fvecs,
    /// Rows of a 32-bit length and unsigned bytes.
    Bvecs,
    /// Rows of a 32-bit length and 32-bit signed integers.
    Ivecs,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line, also gzip-compressed.
    Jsonl,
    /// Comma-separated values with a header line, also gzip-compressed.
    Csv,
}

impl Format {
    /// Every format, in the order messages list them.
    pub const ALL: [Format; 9] = [
        Format::Hdf5,
        Format::Npy,
        Format::Npz,
        Format::Fvecs,
        Format::Bvecs,
        Format::Ivecs,
        Format::Parquet,
        Format::Jsonl,
        Format::Csv,
    ];

    /// The name: also the usual extension.
    pub fn name(self) -> &'static str {
        match self {
            Format::Hdf5 => "hdf5",
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Fvecs => "fvecs",
            Format::Bvecs => "bvecs",
            Format::Ivecs => "ivecs",
            Format::Parquet => "parquet",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }

    /// The format a path's extension names, if it names one. A final `.gz` is looked through for JSONL and CSV.
    ///
    /// ```
    /// use std::path::Path;
    /// use foretaste::import::Format;
    /// assert_eq!(Format::of_path(Path::new("a/glove.HDF5")), Some(Format::Hdf5));
    /// assert_eq!(Format::of_path(Path::new("texts.jsonl.gz")), Some(Format::Jsonl));
    /// assert_eq!(Format::of_path(Path::new("base.npy.gz")), None);
    /// ```
    pub fn of_path(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (name, compressed) = match name.strip_suffix(".gz") {
            Some(inner) => (inner, true),
            None => (name.as_str(), false),
        };
        let format = name.rsplit_once('.')?.1.parse().ok()?;
        (!compressed || matches!(format, Format::Jsonl | Format::Csv)).then_some(format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no [`Format`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a file format; the formats are hdf5, npy, npz, fvecs, bvecs, ivecs, parquet, jsonl and csv"
)]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "hdf5" | "h5" => Format::Hdf5,
            "npy" => Format::Npy,
            "npz" => Format::Npz,
            "fvecs" => Format::Fvecs,
            "bvecs" => Format::Bvecs,
            "ivecs" => Format::Ivecs,
            "parquet" | "pq" => Format::Parquet,
            "jsonl" | "ndjson" => Format::Jsonl,
            "csv" | "tsv" => Format::Csv,
            _ => return Err(UnknownFormat(name.to_string())),
        })
    }
}

/// A file being read row by row.
///
/// Reading again from an interrupted place is [`open`], [`Reader::skip`], [`Reader::read`]: the rows are the same
/// as those of an uninterrupted read. After an error the reader's place is unspecified; open the file again.
pub trait Reader: Send {
    /// Numbers in each vector; known at open, at least 1 and at most [`foretaste_storage::limits::DIMENSION`].
    /// A text file or an array of no rows at all has dimension 0.
    fn dim(&self) -> usize;

    /// Rows in the file, when the format says so.
    fn rows(&self) -> Option<u64>;

    /// The metric the file asks for, as the engine names it (`l2`, `cosine`, `dot`), when it says one.
    fn metric_hint(&self) -> Option<&str> {
        None
    }

    /// Bytes there are to read (of the file as it is stored), for a progress bar when [`Reader::rows`] is unknown.
    fn bytes_total(&self) -> Option<u64>;

    /// Bytes read so far, between 0 and [`Reader::bytes_total`].
    fn bytes_read(&self) -> u64;

    /// Passes over `rows` rows without decoding them. Past the end it stops there without an error.
    ///
    /// It costs nothing in the binary formats but compressed `npz`, where as in text formats the bytes have to be
    /// read to find the place.
    fn skip(&mut self, rows: u64) -> Result<()>;

    /// Appends at most `max_rows` rows to `out` and returns how many; fewer than asked for is not the end, 0 is
    /// (unless `max_rows` is 0). `out.first` is set when `out` was empty.
    ///
    /// On an error the whole rows read before it in this call are in `out`, and never a part of one.
    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize>;
}

/// Opens a file for import.
///
/// Only as much of it is read as its shape needs. Errors name the file and what to do: an unknown extension, a
/// format this build leaves out, a missing dataset, array, field or column (listing those that exist), a truncated
/// or damaged file.
///
/// ```no_run
/// use std::path::Path;
/// use foretaste::import::{open, Options, Rows};
/// # fn main() -> foretaste::import::Result<()> {
/// let mut file = open(Path::new("glove-25-angular.hdf5"), &Options::default())?;
/// let mut rows = Rows::default();
/// while file.read(1000, &mut rows)? > 0 {
///     println!("{} rows from row {}", rows.len(), rows.first);
///     rows.clear();
/// }
/// # Ok(())
/// # }
/// ```
pub fn open(path: &Path, options: &Options) -> Result<Box<dyn Reader>> {
    let format = options.format.or_else(|| Format::of_path(path)).ok_or_else(|| {
        ImportError::new(ErrorKind::Unsupported, path, "the extension names no format that can be imported")
            .hint(
                "say which with the format option: hdf5, npy, npz, fvecs, bvecs, ivecs, parquet, jsonl, csv",
            )
    })?;
    open_source(format, Source::open(path)?, options)
}

/// Opens bytes as if they were a file of `format` named `input.<format>`; `options.format` is not looked at.
///
/// It runs the same code as [`open`], so that a fuzz target needs no files.
///
/// ```
/// # #[cfg(feature = "jsonl")] {
/// use foretaste::import::{open_bytes, Format, Options, Rows};
/// let text = b"{\"id\": 7, \"vector\": [1, 2.5], \"lang\": \"en\"}\n".to_vec();
/// let mut reader = open_bytes(Format::Jsonl, text, &Options::default()).unwrap();
/// let mut rows = Rows::default();
/// assert_eq!(reader.read(10, &mut rows).unwrap(), 1);
/// assert_eq!(rows.vectors, [1.0, 2.5]);
/// # }
/// ```
pub fn open_bytes(format: Format, bytes: Vec<u8>, options: &Options) -> Result<Box<dyn Reader>> {
    open_source(format, Source::from_bytes(format!("input.{format}").into(), bytes), options)
}

fn open_source(format: Format, source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    match format {
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => hdf5::open(source, options),
        #[cfg(feature = "npy")]
        Format::Npy => npy::open(source, options),
        #[cfg(feature = "npy")]
        Format::Npz => npz::open(source, options),
        #[cfg(feature = "fvecs")]
        Format::Fvecs | Format::Bvecs | Format::Ivecs => fvecs::open(format, source, options),
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::open(source, options),
        #[cfg(feature = "jsonl")]
        Format::Jsonl => jsonl::open(source, options),
        #[cfg(feature = "csv")]
        Format::Csv => csv::open(source, options),
        #[cfg(not(all(
            feature = "hdf5",
            feature = "npy",
            feature = "fvecs",
            feature = "parquet",
            feature = "jsonl",
            feature = "csv"
        )))]
        _ => {
            let _ = options;
            Err(source
                .error(ErrorKind::Unsupported, format!("this build leaves out the {format} importer"))
                .hint("build with the cargo feature `import-all`"))
        }
    }
}

#[cfg(test)]
#[cfg(feature = "import-all")]
mod tests;
