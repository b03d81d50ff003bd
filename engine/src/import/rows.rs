//! A batch of imported rows.
//!
//! Reads from: nothing. Writes to: nothing. Never: a check of a value.

use foretaste_storage::key::Key;

/// The id of an imported row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// The file has no ids: the row's number in the file, from 0.
    Row(u64),
    /// An integer.
    Int(i64),
    /// A string.
    Str(String),
}

impl From<Id> for Key {
    /// The id that the row gets in a collection: without one of its own, its number.
    fn from(id: Id) -> Key {
        match id {
            Id::Row(row) => Key::Int(i64::try_from(row).unwrap_or(i64::MAX)),
            Id::Int(i) => Key::Int(i),
            Id::Str(s) => Key::Str(s),
        }
    }
}

/// A batch of rows, filled by [`Reader::read`](super::Reader::read).
///
/// `ids` and `payloads` hold one entry a row, `vectors` as many numbers a row as the reader's dimension.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Number in the file, from 0, of the first row.
    pub first: u64,
    /// The rows' ids.
    pub ids: Vec<Id>,
    /// The rows' vectors, one after the other.
    pub vectors: Vec<f32>,
    /// The rows' payloads: a JSON object, or nothing.
    pub payloads: Vec<Option<serde_json::Value>>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Empties it and keeps its memory for the next read.
    pub fn clear(&mut self) {
        self.first = 0;
        self.ids.clear();
        self.vectors.clear();
        self.payloads.clear();
    }

    /// Notes where a read starts, if it is the first into this batch.
    pub(crate) fn begin(&mut self, row: u64) {
        if self.is_empty() {
            self.first = row;
        }
    }
}
