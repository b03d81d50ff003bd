//! Cells around centroids (an inverted file: Jégou, Douze and Schmid, "Product quantization for nearest neighbor search",
//! 2011), whose rows are scanned by low-bit codes and compared by their 8-bit codes when these say that it is worth it.
//!
//! The low-bit codes are those of a graph's edges, relative to the cell's centroid, 32 rows at a time (the scan of packed
//! codes of André, Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015; the codes of RaBitQ: Gao and Long, 2024).
//!
//! `build` (centroids, cells) → `layout` (where everything lies) → the sections that `view` opens and `search` scans;
//! `calibrate` says how far the low-bit codes may be off.
//!
//! Reads from: codes of a source's rows, or index sections. Writes to: index sections.
//! Never: a row outside the segment handed out, whatever the bytes say.

mod build;
mod calibrate;
mod layout;
mod search;
mod view;

pub(crate) use build::{Cells, build};
pub(crate) use calibrate::slack;
pub(crate) use layout::Layout;
pub(crate) use search::{Probe, Scratch};
pub(crate) use view::View;

#[cfg(test)]
mod tests;
