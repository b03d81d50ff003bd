//! Rows compared by the codes of their nodes, without a search.
//!
//! Reads from: a view, the numbers of rows and nodes. Writes to: what is found.
//! Never: a row found other than the one that was asked for.

use foretaste_storage::Result;
use foretaste_storage::section::Section;

use crate::codes::CodedQuery;
use crate::index::Found;
use crate::index::hnsw::record::Node;
use crate::index::hnsw::view::{Layer, View};
use crate::kernel::Kernels;

/// Nodes whose codes are asked for before the first of them is compared.
const AHEAD: usize = 16;

/// Compares `rows` by their own codes, until `cancel` says to give up; `numbers` has the row of every node, then the node of
/// every row.
///
/// # Errors
/// `Corrupt` when a row's node is another's, or bytes are damaged; `Io`.
pub(crate) fn compare(
    view: &View,
    numbers: &Section,
    query: &CodedQuery,
    rows: &mut dyn Iterator<Item = u32>,
    cancel: &dyn Fn() -> bool,
    found: &mut Vec<Found>,
) -> Result<()> {
    /// Rows compared between two questions whether to give up.
    const STRIDE: usize = 1024;
    let nodes = Numbers::of_rows(numbers, view)?;
    let mut some = rows.peekable();
    while some.peek().is_some() && !cancel() {
        let places = some.by_ref().take(STRIDE).map(|row| Ok((nodes.get(row)?, row)));
        compare_nodes(&view.base, query, places, |_, row| found.push(row))?;
    }
    Ok(())
}

/// Compares nodes, each with its row, by their own codes.
///
/// # Errors
/// Those of `nodes`; `Corrupt` when a node is not that row's, or bytes are damaged; `Io`.
pub(super) fn compare_nodes(
    layer: &Layer,
    query: &CodedQuery,
    mut nodes: impl Iterator<Item = Result<(u32, u32)>>,
    mut each: impl FnMut(u32, Found),
) -> Result<()> {
    let kernels = Kernels::get();
    // A ring: each record is asked for well before it is read.
    let mut ring = [None; AHEAD];
    let mut waiting = 0;
    for place in (0..AHEAD).cycle() {
        let Some(place) = ring.get_mut(place) else { break };
        if let Some((number, row, node)) = place.take() {
            let node: Node<'_> = node;
            if node.row() != row {
                return Err(layer.other_row(number, node.row(), row));
            }
            each(number, Found { row, squared: query.distance(kernels, node.code()) });
            waiting -= 1;
        }
        match nodes.next().transpose()? {
            Some((number, row)) => {
                let node = layer.node(number)?;
                kernels.prefetch(node.code_bytes());
                *place = Some((number, row, node));
                waiting += 1;
            }
            None if waiting == 0 => break,
            None => {}
        }
    }
    Ok(())
}

/// The node of a row; `numbers` as for [`compare`].
///
/// # Errors
/// `Corrupt`, `Io`.
pub(crate) fn node_of(numbers: &Section, view: &View, row: u32) -> Result<u32> {
    Numbers::of_rows(numbers, view)?.get(row)
}

/// Numbers of rows or nodes, each below their count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    numbers: &'a [[u8; 4]],
    section: &'a Section,
}

impl<'a> Numbers<'a> {
    /// The row of every node.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn of_nodes(section: &'a Section, view: &View) -> Result<Numbers<'a>> {
        let bytes = section.get(0, u64::from(view.base.nodes) * 4)?;
        Ok(Numbers { numbers: bytes.as_chunks().0, section })
    }

    /// The node of every row.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn of_rows(section: &'a Section, view: &View) -> Result<Numbers<'a>> {
        let len = u64::from(view.base.nodes) * 4;
        Ok(Numbers { numbers: section.get(len, len)?.as_chunks().0, section })
    }

    /// The number at a place.
    ///
    /// # Errors
    /// `Corrupt` when there is none, or it is none of a row or node.
    #[inline]
    pub fn get(&self, place: u32) -> Result<u32> {
        match self.numbers.get(place as usize).map(|n| u32::from_le_bytes(*n)) {
            Some(number) if (number as usize) < self.numbers.len() => Ok(number),
            number => Err(self.wrong(place, number)),
        }
    }

    #[cold]
    fn wrong(&self, place: u32, number: Option<u32>) -> foretaste_storage::Error {
        let why = format!("{place} goes with {number:?} of {}", self.numbers.len());
        self.section.corrupt(0, why)
    }
}
