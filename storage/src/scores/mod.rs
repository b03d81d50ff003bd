//! Remembered scores: what an expensive scorer said of a row for a query, so that it need not be asked again.
//!
//! An entry is made of bytes. Its key begins with the scorer's version and goes on with the query, so that what is known of one
//! query lies together, and so does what one scorer said.
//!
//! | part | bytes | holds |
//! | --- | --- | --- |
//! | key | 8 | XXH3-64 of the scorer's version |
//! | | 16 | XXH3-128 of database, collection, scorer's version and query |
//! | | 9 … 1025 | the row's key, encoded |
//! | value | 8 | the row's version: the number of the operation that wrote it |
//! | | 8 | the score, an f64 that is a number |
//! | | 8 | XXH3-64 of all before it, the key first |
//!
//! Numbers are little endian. A row that is written again replaces its entry when it is scored again. There is room for a
//! number of scores, on two shelves of half as many: when the newer one is full the older is forgotten whole.
//!
//! Reads from: scores, as the caller gives them. Writes to: [`mem`] memory, [`sled`] a folder.
//! Never: a score of another row, version, query, collection or database; one that is not a number; anything that could not
//! be asked of the scorer again.

pub mod mem;
pub mod sled;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::codec::check::Uuid;
use crate::error::Result;
use crate::key::{Key, KeyRef};

/// Bytes of an entry's key before the row's, of what is the same for a scorer's version, and of a value.
const QUERY_BYTES: usize = 24;
const SCORER_BYTES: usize = 8;
const VALUE_BYTES: usize = 24;

/// A query as one version of one scorer sees it, in one collection of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asked([u8; QUERY_BYTES]);

/// What the query is known by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QueryName<'a> {
    /// Its vector, each bit of it.
    Vector(&'a [f32]),
    /// A name of the caller's, such as the query's text.
    Bytes(&'a [u8]),
}

/// What is known of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its key.
    pub key: Key,
    /// The number of the operation that wrote it.
    pub version: u64,
    /// Its score.
    pub score: f64,
}

/// A bounded memory of scores. Any number of threads may use it.
///
/// It never fails: one that cannot go on (a full disk, damage, a panic of sled's) knows nothing from then on.
///
/// ```
/// use foretaste_storage::scores::{Asked, QueryName, Scored, Scores, mem::MemScores};
///
/// let scores = MemScores::new(1000);
/// let asked = Asked::new(&[7; 16], 0, "ce-1", QueryName::Bytes(b"which cat?"));
/// scores.remember(&asked, &[Scored { key: "a".into(), version: 12, score: 0.5 }]);
/// assert_eq!(scores.known(&asked, 10).len(), 1);
/// // Another version of the scorer has said nothing yet.
/// assert!(scores.known(&Asked::new(&[7; 16], 0, "ce-2", QueryName::Bytes(b"which cat?")), 10).is_empty());
/// ```
pub trait Scores: Send + Sync + Debug {
    /// What is known of a query: at most `most` rows, in the order of their encoded keys.
    fn known(&self, asked: &Asked, most: usize) -> Vec<Scored>;

    /// Remembers scores; those that are not numbers are left out. A row's newest score takes the place of an older one.
    fn remember(&self, asked: &Asked, scores: &[Scored]);

    /// Forgets what this version of a scorer said, or everything.
    fn forget(&self, scorer: Option<&str>);

    /// How many scores there are, at most what it has room for; a row that was put on both shelves counts twice.
    fn len(&self) -> u64;

    /// Whether nothing is known.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends its use: nothing is known afterwards. `whole` says that every row that can have been scored is durable, so that
    /// no row's version will be given again to another row.
    ///
    /// # Errors
    /// `Io` when not all of it was written; what was is good.
    fn close(&self, whole: bool) -> Result<()>;
}

impl Asked {
    /// A query of a collection, for a version of a scorer.
    pub fn new(database: &Uuid, collection: u32, scorer: &str, query: QueryName<'_>) -> Asked {
        let mut bytes = database.to_vec();
        bytes.extend(collection.to_le_bytes());
        bytes.extend((scorer.len() as u64).to_le_bytes());
        bytes.extend(scorer.as_bytes());
        match query {
            QueryName::Vector(vector) => {
                bytes.push(0);
                vector.iter().for_each(|v| bytes.extend(v.to_bits().to_le_bytes()));
            }
            QueryName::Bytes(name) => {
                bytes.push(1);
                bytes.extend(name);
            }
        }
        let mut out = [0; QUERY_BYTES];
        let (version, rest) = out.split_at_mut(SCORER_BYTES);
        version.copy_from_slice(&scorer_prefix(scorer));
        rest.copy_from_slice(&XxHash3_128::oneshot(&bytes).to_le_bytes());
        Asked(out)
    }
}

/// What the keys of a scorer's version begin with.
fn scorer_prefix(scorer: &str) -> [u8; SCORER_BYTES] {
    XxHash3_64::oneshot(scorer.as_bytes()).to_le_bytes()
}

/// How many scores one of the shelves has room for, and whether there is a second.
fn shelf(most: u64) -> (u64, bool) {
    ((most / 2).max(1), most >= 2)
}

fn entry_key(asked: &Asked, key: KeyRef<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(QUERY_BYTES + key.encoded_len());
    out.extend(asked.0);
    key.encode(&mut out);
    out
}

/// The entry of a score; `None` when it is not a number.
fn encode(asked: &Asked, scored: &Scored) -> Option<(Vec<u8>, [u8; VALUE_BYTES])> {
    if scored.score.is_nan() {
        return None;
    }
    let key = entry_key(asked, scored.key.as_ref());
    let mut value = [0; VALUE_BYTES];
    value[..8].copy_from_slice(&scored.version.to_le_bytes());
    value[8..16].copy_from_slice(&scored.score.to_bits().to_le_bytes());
    let sum = sum(&key, &value[..16]);
    value[16..].copy_from_slice(&sum.to_le_bytes());
    Some((key, value))
}

/// What an entry says; `None` when it is not whole.
fn decode(key: &[u8], value: &[u8]) -> Option<Scored> {
    let value: &[u8; VALUE_BYTES] = value.try_into().ok()?;
    let (said, check) = value.split_at(16);
    if sum(key, said).to_le_bytes() != check {
        return None;
    }
    let (version, score) = said.split_at(8);
    let score = f64::from_bits(u64::from_le_bytes(score.try_into().ok()?));
    let key = KeyRef::decode(key.get(QUERY_BYTES..)?)?.to_key();
    let version = u64::from_le_bytes(version.try_into().ok()?);
    (!score.is_nan()).then_some(Scored { key, version, score })
}

fn sum(key: &[u8], said: &[u8]) -> u64 {
    XxHash3_64::oneshot(&[key, said].concat())
}
