//! Rows as a segment is written from them: the same view of a fresh block and of a sealed segment.
//!
//! Reads from: `block`, `segment`. Writes to: nothing. Never: a decoded vector; stored bytes go through unchanged.

use crate::bytes::Span;
use crate::error::Result;
use crate::key::KeyRef;
use crate::tokens::Stored;

/// A set of rows, numbered from 0.
pub trait Rows {
    /// How many rows there are.
    fn len(&self) -> u32;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The row's key.
    fn key(&self, row: u32) -> Result<KeyRef<'_>>;
    /// The sequence number of the operation that wrote it; a later one is larger.
    fn version(&self, row: u32) -> Result<u64>;
    /// How many levels of the layout it has, at least 1.
    fn levels(&self, row: u32) -> Result<u8>;
    /// What its codes are multiplied with: 1 but for 8-bit elements.
    fn scale(&self, row: u32) -> Result<f32>;
    /// Its stored elements in plane `level`, without padding; only for levels it has.
    fn vector(&self, row: u32, level: usize) -> Result<Span<'_>>;
    /// Its stored variances in `variance.{level}`, without padding; empty when the layout has none at that level.
    fn variance(&self, row: u32, level: usize) -> Result<Span<'_>>;
    /// Its token matrix; `None` when it has none.
    fn tokens(&self, row: u32) -> Result<Option<Stored<'_>>>;
    /// Its document as JSON text; empty when it has none.
    fn payload(&self, row: u32) -> Result<Span<'_>>;
}
