//! The nearest of what a search has seen and not read, while it stands still.
//!
//! A search sees many more nodes than it reads. Those that it would read next are compared by their own codes.
//!
//! Reads from: a pool, a layer. Writes to: what is found. Never: a change to the search.

use foretaste_storage::Result;

use crate::codes::CodedQuery;
use crate::index::hnsw::pool::Pool;
use crate::index::hnsw::view::Layer;
use crate::index::{Accept, Found};
use crate::kernel::Kernels;

/// Appends the rows of the `count` nodes in `pool` that would be read next, with their distances by their own codes.
///
/// # Errors
/// `Corrupt`, `Io`, and those of `accept`.
pub(super) fn look(
    layer: &Layer,
    query: &CodedQuery,
    pool: &Pool,
    accept: Option<&Accept<'_>>,
    count: usize,
    found: &mut Vec<Found>,
) -> Result<()> {
    let kernels = Kernels::get();
    // All first, so that the reads that follow do not wait for each other.
    for node in pool.open(count) {
        kernels.prefetch(layer.node(node)?.code_bytes());
    }
    for node in pool.open(count) {
        let node = layer.node(node)?;
        let row = node.row();
        let accepted = match accept {
            Some(accept) => accept(row)?,
            None => true,
        };
        if accepted {
            found.push(Found { row, squared: query.distance(kernels, node.code()) });
        }
    }
    Ok(())
}
