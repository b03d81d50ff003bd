//! Exact search: every row is compared. What small collections, fresh rows and narrow filters use.
//!
//! Reads from: sources' planes. Writes to: a `TopK`. Never: an index structure; there is nothing to build.

mod search;

pub use search::{Scan, candidates, finish, search};
pub(crate) use search::{damaged, exact, for_each_plane};
