//! An inverted file as its sections show it.
//!
//! Reads from: the sections `AnnCentroids`, `AnnCells` and `AnnRows`. Writes to: nothing.
//! Never: a cell's place trusted before the rows of all cells were added up.

use std::sync::Arc;

use foretaste_storage::section::{Section, SectionFile, SectionKind};
use foretaste_storage::{Error, Result, limits};

use crate::codes::rows::RowCode;
use crate::index::ivf::layout::{self, HEAD, Layout};
use crate::kernel::codes::BUNDLE;

/// An open inverted file.
#[derive(Debug)]
pub(crate) struct View {
    pub layout: Layout,
    /// How far a low-bit estimate may be off, as a part of the root of the product of two squared distances: query to
    /// centroid, and centroid to its rows on average.
    pub slack: f32,
    cells: Vec<Cell>,
    centroids: Arc<Section>,
    bundles: Arc<Section>,
    rows: Arc<Section>,
}

/// Where a cell lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Position of its first row.
    pub first: u32,
    /// How many rows it has.
    pub rows: u32,
    /// Its first bundle.
    bundle: u32,
}

impl View {
    /// Opens an inverted file after comparing the sections' lengths with its sizes.
    ///
    /// # Errors
    /// `Corrupt` when the sections have not the lengths that the sizes need, or the cells not the rows.
    pub fn open(file: &SectionFile, layout: Layout, slack: f32) -> Result<View> {
        if u64::from(layout.cells) > limits::CELLS
            || layout.cells > layout.rows
            || slack.is_nan()
            || slack < 0.0
        {
            let why = format!("{} cells of {} rows and a slack of {slack}", layout.cells, layout.rows);
            return Err(file.file().corrupt(0, why));
        }
        let centroids = file.expect(SectionKind::AnnCentroids, 0, layout.centroids_len())?;
        let sizes = centroids.get(0, u64::from(layout.cells) * 4)?;
        let mut cells = Vec::with_capacity(layout.cells as usize);
        let (mut first, mut bundle) = (0u32, 0u32);
        for size in sizes.as_chunks::<4>().0 {
            let rows = u32::from_le_bytes(*size);
            cells.push(Cell { first, rows, bundle });
            let end = first.checked_add(rows).filter(|end| *end <= layout.rows);
            first = end.ok_or_else(|| centroids.corrupt(0, "the cells have more rows than there are"))?;
            // At most one bundle a row.
            bundle += rows.div_ceil(BUNDLE as u32);
        }
        if first != layout.rows {
            return Err(centroids.corrupt(0, format!("the cells have {first} of {} rows", layout.rows)));
        }
        let bundles =
            file.expect(SectionKind::AnnCells, 0, u64::from(bundle) * layout.edges.bytes() as u64)?;
        let rows = file.expect(SectionKind::AnnRows, 0, layout.rows_len())?;
        Ok(View { layout, slack, cells, centroids, bundles, rows })
    }

    /// The bundles of all centroids.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    pub fn centroid_bundles(&self) -> Result<&[u8]> {
        self.centroids.get(self.layout.bundles_at(), self.layout.bundles_len())
    }

    /// A centroid, and the mean squared distance of its rows.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    #[inline]
    pub fn centroid(&self, cell: u32) -> Result<(RowCode<'_>, f32)> {
        let bytes = self.centroids.get(self.layout.centroid_at(cell), self.layout.centroid_len())?;
        Ok(layout::centroid(bytes))
    }

    /// A cell with the bundles of its rows.
    ///
    /// # Errors
    /// `Corrupt` when there is no such cell or its bytes are damaged; `Io`.
    #[inline]
    pub fn cell(&self, cell: u32) -> Result<(Cell, &[u8])> {
        let Some(found) = self.cells.get(cell as usize) else { return Err(self.missing(cell)) };
        let bytes = self.layout.edges.bytes() as u64;
        let len = u64::from(found.rows.div_ceil(BUNDLE as u32)) * bytes;
        Ok((*found, self.bundles.get(u64::from(found.bundle) * bytes, len)?))
    }

    /// The head of the row at a position; its first word is the row of the segment.
    ///
    /// # Errors
    /// `Corrupt` when it is not one of the segment's, or its bytes are damaged; `Io`.
    #[inline]
    pub fn head(&self, position: u32) -> Result<[u32; 4]> {
        let at = u64::from(position) * HEAD as u64;
        let words = layout::words(self.rows.get(at, HEAD as u64)?);
        if words[0] >= self.layout.rows {
            let why = format!("position {position} is row {} of {}", words[0], self.layout.rows);
            return Err(self.rows.corrupt(at, why));
        }
        Ok(words)
    }

    /// The code of the row at a position, with its head.
    ///
    /// # Errors
    /// `Corrupt`, `Io`.
    #[inline]
    pub fn code(&self, position: u32, head: [u32; 4]) -> Result<RowCode<'_>> {
        let code = self.rows.get(self.layout.code_at(position), self.layout.stride as u64)?;
        Ok(layout::row_code(head, code))
    }

    #[cold]
    fn missing(&self, cell: u32) -> Error {
        self.centroids.corrupt(0, format!("there is no cell {cell} of {}", self.layout.cells))
    }
}
