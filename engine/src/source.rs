//! Rows as the query crate goes through them: a segment under its collection's layout, or one block of a head.
//!
//! Reads from: `segment`, `head`. Writes to: nothing. Never: a filter or a deletion; whoever scans asks for those.

use std::ops::Range;

use foretaste_query::index::{Source, Strip};
use foretaste_storage::block::Block;
use foretaste_storage::bytes::Span;
use foretaste_storage::layout::{Element, Layout};
use foretaste_storage::rows::Rows;
use foretaste_storage::segment::Segment;

/// Rows to scan, or to build an index over.
pub(crate) enum ScanRows<'a> {
    Segment(&'a Segment, &'a Layout),
    Block(&'a Block, &'a Layout),
}

impl Source for ScanRows<'_> {
    fn rows(&self) -> u32 {
        match self {
            ScanRows::Segment(segment, _) => segment.rows(),
            ScanRows::Block(block, _) => block.rows(),
        }
    }

    fn element(&self) -> Element {
        match self {
            ScanRows::Segment(_, layout) | ScanRows::Block(_, layout) => layout.element,
        }
    }

    fn levels(&self) -> &[u32] {
        match self {
            ScanRows::Segment(_, layout) | ScanRows::Block(_, layout) => &layout.levels,
        }
    }

    fn strips<'a>(
        &'a self,
        range: Range<u32>,
        dims: usize,
        out: &mut Vec<Strip<'a>>,
    ) -> foretaste_storage::Result<()> {
        match self {
            ScanRows::Segment(segment, layout) => {
                for level in 0..layout.planes_for(dims) {
                    if let Some(plane) = segment.plane(level)? {
                        let bytes = plane.rows(range.clone())?;
                        out.push(Strip { dims: layout.dims_of(level), bytes, stride: plane.stride() });
                    }
                }
            }
            ScanRows::Block(block, _) => {
                let stride = block.stride();
                let bytes = block.vectors().get(range.start as usize * stride..range.end as usize * stride);
                let bytes = Span::Borrowed(bytes.unwrap_or_default());
                out.push(Strip { dims: 0..block.width(), bytes, stride });
            }
        }
        Ok(())
    }

    fn width(&self, row: u32) -> usize {
        match self {
            ScanRows::Segment(segment, layout) => {
                let levels = Rows::levels(*segment, row).unwrap_or(1);
                layout.levels.get(usize::from(levels).saturating_sub(1)).map_or(0, |l| *l as usize)
            }
            ScanRows::Block(block, _) => block.width_of(row),
        }
    }

    fn uniform_width(&self) -> Option<usize> {
        match self {
            ScanRows::Segment(segment, layout) => {
                let levels = segment.uniform_levels()?;
                layout.levels.get(usize::from(levels).checked_sub(1)?).map(|l| *l as usize)
            }
            ScanRows::Block(block, _) => block.uniform().then(|| block.width()),
        }
    }

    fn scale(&self, row: u32) -> f32 {
        match self {
            ScanRows::Segment(segment, _) => Rows::scale(*segment, row).unwrap_or(1.0),
            ScanRows::Block(block, _) => block.scale_of(row),
        }
    }
}
