//! Every maximum of the format, in one place; each has a test that exceeds it and gets `LimitExceeded`.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a size taken from a file and used for an allocation before it was compared with one of these.

use crate::error::{Error, Result};

/// Most dimensions of a vector.
pub const DIMENSION: u64 = 65_536;
/// Most nested levels of a collection.
pub const LEVELS: u64 = 16;
/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES: u64 = 1 << 10;
/// Most tokens of a row's token matrix.
pub const TOKENS: u64 = 1 << 14;
/// Most numbers of a token.
pub const TOKEN_DIMENSION: u64 = 1 << 12;
/// Longest payload document, in bytes of JSON text.
pub const PAYLOAD_BYTES: u64 = 16 << 20;
/// Largest batch, in bytes as encoded.
pub const BATCH_BYTES: u64 = 1 << 30;
/// Most operations in a batch.
pub const BATCH_OPS: u64 = 1 << 24;
/// Most rows of one segment (row numbers are 32-bit).
pub const SEGMENT_ROWS: u64 = u32::MAX as u64 - 1;
/// Most segments of a database.
pub const SEGMENTS: u64 = 1 << 20;
/// Most collections of a database.
pub const COLLECTIONS: u64 = 1 << 16;
/// Longest collection or column name, in bytes.
pub const NAME_BYTES: u64 = 255;
/// Most links of a node in an upper layer of a search graph.
pub const GRAPH_LINKS: u64 = 256;
/// Most candidates for a node's links that the construction of a search graph looks for.
pub const GRAPH_CANDIDATES: u64 = 1 << 16;
/// Most cells of an inverted file.
pub const CELLS: u64 = 1 << 24;
/// Most typed columns of a collection.
pub const COLUMNS: u64 = 256;
/// Most nodes of a graph, whose highest bit a search uses.
pub const GRAPH_NODES: u64 = (1 << 31) - 1;
/// Most paths of a segment's documents that have a column or an index of elements without being declared.
pub const DERIVED_COLUMNS: u64 = 16;
/// Most elements of arrays that a segment keeps of one path, as pairs of a value and a row.
pub const ELEMENTS: u64 = 1 << 30;
/// Most member paths that a segment lists of its documents.
pub const PATHS: u64 = 256;
/// Most bytes of the paths that a segment lists, together.
pub const PATHS_BYTES: u64 = 64 << 10;
/// Most values of a column whose rows are also kept as bits.
pub const DENSE_VALUES: u64 = 32;
/// Most full-text fields of a collection.
pub const TEXT_FIELDS: u64 = 64;
/// Further vector fields of a collection.
pub const VECTOR_FIELDS: u64 = 16;
/// Bytes of the name of a space's model, and of its version.
pub const SPACE_NAME_BYTES: u64 = 64;
/// Rules of a collection for queries of other spaces.
pub const RULES: u64 = 8;
/// Bytes of the name of a further vector field.
pub const FIELD_NAME_BYTES: u64 = 64;
/// Longest word of a full-text field, in bytes of UTF-8; longer ones are not indexed.
pub const WORD_BYTES: u64 = 255;
/// Most different words of a full-text field of a segment, whose numbers are 32-bit.
pub const WORDS: u64 = u32::MAX as u64;
/// Most different words of a full-text query.
pub const QUERY_WORDS: u64 = 1024;
/// Longest version of a scorer, in bytes of UTF-8.
pub const SCORER_VERSION_BYTES: u64 = 255;
/// Most scores that a database may be told to remember.
pub const REMEMBERED_SCORES: u64 = 1 << 32;
/// Largest metadata record (bincode), in bytes.
pub const RECORD_BYTES: u64 = 256 << 20;
/// Bytes of a table of how far a search index can be trusted.
pub const TRUST_BYTES: u64 = 1 << 20;
/// Longest section that is written, in bytes: as many as a file may have are less than [`DATABASE_BYTES`].
pub const SECTION_BYTES: u64 = 1 << 50;
/// Largest number of a generation, segment, log, search index or operation that is read from a file. Counting to it takes longer than
/// any database lives; what is beyond was made up, and adding to it could overflow.
pub const NUMBER: u64 = 1 << 62;
/// Largest number of a collection that is read from a file, for the same reason.
pub const COLLECTION_NUMBER: u32 = 1 << 31;
/// Most bytes that a record may say the database's files have together, so that sums of their lengths do not overflow.
pub const DATABASE_BYTES: u64 = 1 << 60;

/// Refuses `found` when it is beyond `limit`.
pub fn check(what: &'static str, found: u64, limit: u64) -> Result<()> {
    if found > limit { Err(Error::LimitExceeded { what, limit, found }) } else { Ok(()) }
}
