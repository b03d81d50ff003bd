//! A filter against a whole segment: the rows that pass, from the columns' orders instead of row by row.
//!
//! ```text
//! Filter + columns ──> Plan (binary searches only) ──> estimate: between how many and how many rows pass
//!                                                  └─> select: the rows, and those among them to be asked singly
//! ```
//!
//! **Two bounds.** Each part of a filter is known as the rows that surely pass and the rows that may. They are the same
//! where a column says everything: its order says of each row whether it has a value, says null, has something else,
//! or nothing. Where something is not indexed, or a row's document has a value that its column does not hold, they
//! differ, and the rows between them have to be asked one by one ([`Selection::settle`]). `and`, `or` and `not` combine
//! both bounds, so an unindexed part costs only the rows that the indexed parts leave open.
//!
//! **Paths that no document has.** A segment may list every path of its documents. A test of another path then holds for
//! all of its rows or for none, as the language says of a missing field.
//!
//! **Elements of arrays.** Where a path often has arrays, a segment may keep which rows have which elements. A comparison holds
//! for a row when some element satisfies it, so it is the union of the rows of the values that do. Two comparisons of one
//! path that are joined by `and` may be satisfied by different elements: they are joined as rows.
//!
//! **Positions before rows.** Tests of one column that are joined are joined as ranges of positions in its order:
//! `year >= 1990 and year < 2000` looks at no row outside the nineties.
//!
//! Reads from: columns of one segment, their orders and bits, its elements of arrays, its list of paths. Writes to: nothing.
//! Never: an answer other than [`Filter::matches`](crate::lang::Filter::matches) gives row by row; a document.

mod elements;
mod plan;
mod probe;
mod rows;
mod spans;
mod values;

use foretaste_storage::Result;
use foretaste_storage::key::KeyRef;
use foretaste_storage::section::columns::ColumnView;
use foretaste_storage::section::elements::ElementsView;
use foretaste_storage::section::paths::Paths;

use crate::lang::Path;

pub use plan::{Plan, Selection};
pub use probe::Probe;
pub use rows::RowSet;

/// What a segment has for filters.
pub trait Indexes {
    /// How many rows it has.
    fn rows(&self) -> u32;

    /// The column of a path. A row without a value in it is asked for its document, unless the column's order says
    /// more.
    fn column(&self, path: &Path) -> Option<ColumnView<'_>>;

    /// The elements of arrays at a path that has no column.
    fn elements(&self, path: &Path) -> Option<ElementsView<'_>>;

    /// Whether no row has anything at `path`, not even null; `false` where that is not known. It is asked of paths
    /// without a column; [`is_missing`] tells it from the segment's list.
    fn is_missing(&self, path: &Path) -> bool;

    /// The row of a key, live or not.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    fn find(&self, key: KeyRef<'_>) -> Result<Option<u32>>;
}

/// Whether `path` is missing in every document of a segment that lists its paths so; `false` where the list does not say,
/// for a listed path may go on through the elements of an array, or beyond the steps that the list knows of.
pub fn is_missing(path: &Path, listed: &Paths) -> bool {
    // What begins with a missing path is missing too.
    let members = path.members(listed.steps() as usize);
    members.is_some_and(|members| !listed.contains(&members.to_quoted()))
}

#[cfg(test)]
mod tests;
