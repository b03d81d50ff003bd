//! What can go wrong, named so that a caller can act on it.
//!
//! Reads from: `storage::Error`, `query::lang::FilterError`. Writes to: nothing.
//! Never: a bare message; every variant carries what names the place.

use std::path::PathBuf;
use std::sync::Arc;

use foretaste_query::lang::FilterError;
use foretaste_query::space::Error as FitError;

/// The result of a database operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the database.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such database or collection.
    #[error("{what} is not there")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A collection of this name exists already.
    #[error(
        "collection `{name}` exists already; open it with `collection(\"{name}\")` or choose another name"
    )]
    Exists {
        /// The name.
        name: String,
    },
    /// Another process has the database open for writing.
    #[error("{} is open for writing in {}; close it there, or open read-only", path.display(), process(*pid))]
    Locked {
        /// The process that holds the lock, when it could be read.
        pid: Option<u32>,
        /// The database folder.
        path: PathBuf,
    },
    /// A file is damaged.
    #[error("{} is damaged at byte {offset}: {why}; `foretaste check` shows the extent, `foretaste repair` saves what is whole", file.display())]
    Corrupt {
        /// The file, relative to the database folder.
        file: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// The database was written by a newer version of the format.
    #[error("{} has format {found}, this build reads up to {supported}; open it with a newer foretaste", file.display())]
    FormatTooNew {
        /// The file.
        file: PathBuf,
        /// The version it carries.
        found: u32,
        /// The newest version this build reads.
        supported: u32,
    },
    /// A vector has the wrong number of dimensions.
    #[error("row {row} (id {id}): the vector has {got} dimensions, {expected} expected")]
    DimensionMismatch {
        /// What would have been right: the dimension, or the levels.
        expected: String,
        /// Dimensions of the vector given.
        got: usize,
        /// Row within the batch, from 0; 0 for a query.
        row: usize,
        /// The row's id; `query` for a query.
        id: String,
    },
    /// A vector or variance holds a NaN or an infinity.
    #[error("row {row} (id {id}): dimension {dim} is {value}, which is not a finite number")]
    NonFinite {
        /// Row within the batch, from 0; 0 for a query.
        row: usize,
        /// The dimension, from 0.
        dim: usize,
        /// The row's id; `query` for a query.
        id: String,
        /// What stands there.
        value: f32,
    },
    /// A number is larger than the collection's element type can hold.
    #[error(
        "row {row} (id {id}): dimension {dim} is {value}, and {element} holds at most {limit}; scale the vectors or use f32"
    )]
    OutOfRange {
        /// Row within the batch, from 0.
        row: usize,
        /// The dimension, from 0.
        dim: usize,
        /// The row's id.
        id: String,
        /// What stands there.
        value: f32,
        /// The element type.
        element: &'static str,
        /// Its largest number.
        limit: f32,
    },
    /// A vector without direction in a collection that compares directions.
    #[error(
        "row {row} (id {id}): a vector of zeros has no direction, and the metric is cosine; leave the row out or use l2"
    )]
    ZeroVector {
        /// Row within the batch, from 0; 0 for a query.
        row: usize,
        /// The row's id; `query` for a query.
        id: String,
    },
    /// A variance is negative, of the wrong length, or not expected by the schema.
    #[error("row {row} (id {id}): {why}")]
    BadVariance {
        /// Row within the batch, from 0.
        row: usize,
        /// The row's id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// A token matrix does not fit the collection, or holds a number that cannot be.
    #[error("row {row} (id {id}): {why}")]
    BadTokens {
        /// Row within the batch, from 0.
        row: usize,
        /// The row's id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// A payload is not an object, or a value does not have the type its column declares.
    #[error("row {row} (id {id}): {why}")]
    BadPayload {
        /// Row within the batch, from 0.
        row: usize,
        /// The row's id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// The same id stands twice in one batch.
    #[error(
        "id {id} stands twice in the batch, as operations {first} and {second}; a batch names an id once"
    )]
    DuplicateId {
        /// The id.
        id: String,
        /// The earlier operation, from 0.
        first: usize,
        /// The later operation, from 0.
        second: usize,
    },
    /// A filter cannot be read, or compares a column with a value of another type.
    #[error("filter, at byte {at}: {why}{}", hint.as_ref().map_or(String::new(), |h| format!(" ({h})")))]
    BadFilter {
        /// Byte position in the filter text.
        at: usize,
        /// What is wrong.
        why: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A schema, option or request that cannot be served.
    #[error("{what}: {why}")]
    BadRequest {
        /// What was asked for.
        what: &'static str,
        /// Why it cannot be done, and what can.
        why: String,
    },
    /// The database was opened read-only.
    #[error("the database is open read-only; open it without `read_only` to {what}")]
    ReadOnly {
        /// What was tried.
        what: &'static str,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A size is beyond what the format or the memory allows.
    #[error("{what} is {found}, the limit is {limit}")]
    LimitExceeded {
        /// What was too large.
        what: &'static str,
        /// The largest value allowed.
        limit: u64,
        /// The value given.
        found: u64,
    },
    /// Writing has stopped after a failure; reads go on from the last good state.
    #[error("writing stopped after an earlier failure ({why}); close the database and open it again")]
    Poisoned {
        /// The first failure.
        why: String,
    },
    /// A file to import cannot be read.
    #[error(transparent)]
    Import(Arc<crate::import::ImportError>),
    /// The operating system refused an operation.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        op: &'static str,
        /// The operating system's answer.
        source: Arc<std::io::Error>,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_string(), |pid| format!("process {pid}"))
}

impl From<foretaste_storage::Error> for Error {
    fn from(e: foretaste_storage::Error) -> Self {
        use foretaste_storage::Error as S;
        match e {
            S::Io { path, op, source } => Error::Io { path, op, source },
            S::Corrupt { file, offset, why } => Error::Corrupt { file, offset, why },
            S::FormatTooNew { file, found, supported } => Error::FormatTooNew { file, found, supported },
            S::Locked { pid, path } => Error::Locked { pid, path },
            S::LimitExceeded { what, limit, found } => Error::LimitExceeded { what, limit, found },
            S::Poisoned { why } => Error::Poisoned { why },
        }
    }
}

impl From<FilterError> for Error {
    fn from(e: FilterError) -> Self {
        Error::BadFilter { at: e.at, why: e.why, hint: e.hint }
    }
}

impl From<FitError> for Error {
    fn from(e: FitError) -> Self {
        match e {
            FitError::Cancelled => Error::Cancelled,
            other => Error::BadRequest { what: "adapter", why: other.to_string() },
        }
    }
}

impl From<crate::import::ImportError> for Error {
    fn from(e: crate::import::ImportError) -> Self {
        Error::Import(Arc::new(e))
    }
}
