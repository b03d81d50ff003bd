//! The nearest of what a search has seen so far, while it stands still.
//!
//! A search sees many more nodes than it reads. Those that seem nearest are compared by their own codes, which the search is
//! about to read anyway.
//!
//! Reads from: a pool, a layer. Writes to: what is found. Never: a change to the search.

use foretaste_storage::Result;

use crate::codes::CodedQuery;
use crate::index::hnsw::pool::Pool;
use crate::index::hnsw::view::Layer;
use crate::index::{Accept, Found};
use crate::kernel::Kernels;

/// Of so many times the rows wanted, and so many more, the nodes are compared: estimates of neighbours are rough.
const MORE: (usize, usize) = (3, 2);

/// Appends the rows of the nodes in `pool` that seem nearest, a few more than `count`, with their distances by their own codes.
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
    let count = count.saturating_mul(MORE.0) / 2 + MORE.1;
    let nodes = || pool.iter().map(|(_, node)| node).take(count);
    // All first, so that the reads that follow do not wait for each other.
    for node in nodes() {
        kernels.prefetch(layer.node(node)?.code_bytes());
    }
    for node in nodes() {
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
