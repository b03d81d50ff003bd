//! Rows as the query crate goes through them: a segment under its collection's layout, or one block of a head.
//!
//! Reads from: `segment`, `head`. Writes to: nothing. Never: a filter or a deletion; whoever scans asks for those.

use std::ops::Range;

use foretaste_query::index::{Source, Strip};
use foretaste_storage::block::{Block, BlockRows};
use foretaste_storage::bytes::Span;
use foretaste_storage::layout::{Element, Layout, VarianceLayout};
use foretaste_storage::rows::Rows;
use foretaste_storage::segment::Segment;
use foretaste_storage::variance;

/// Rows to scan, or to build an index over.
pub(crate) enum ScanRows<'a> {
    Segment(&'a Segment, &'a Layout),
    Block(&'a Block, &'a Layout),
}

impl ScanRows<'_> {
    fn layout(&self) -> &Layout {
        match self {
            ScanRows::Segment(_, layout) | ScanRows::Block(_, layout) => layout,
        }
    }

    /// The sum of a row's variances up to level number `level`.
    #[inline]
    fn trace_at(&self, row: u32, level: usize) -> foretaste_storage::Result<f32> {
        match self {
            ScanRows::Segment(segment, _) => segment.trace(row, level),
            ScanRows::Block(block, layout) => {
                let rows = BlockRows { block, layout, first: 0 };
                let levels = usize::from(Rows::levels(&rows, row)?).min(level + 1);
                let parts = (0..levels).map(|level| Ok(Rows::variance(&rows, row, level)?.to_vec()));
                let parts = parts.collect::<foretaste_storage::Result<Vec<_>>>()?;
                let mut traces = Vec::new();
                let bytes_of = |level: usize| parts.get(level).map(Vec::as_slice).unwrap_or_default();
                variance::traces(layout, levels, bytes_of, &mut traces);
                Ok(traces.get(level).or(traces.last()).copied().unwrap_or_default())
            }
        }
    }

    /// The sum of a row's variances over the first `count` dimensions that level number `level` adds; 0 when it lacks them.
    fn trace_part(&self, row: u32, level: usize, count: usize) -> foretaste_storage::Result<f64> {
        let Some(kind) = self.layout().variance else { return Ok(0.0) };
        let sum = |rows: &dyn Rows| {
            if usize::from(rows.levels(row)?) <= level {
                return Ok(0.0);
            }
            let mut values = Vec::new();
            let scalar = kind == VarianceLayout::Scalar;
            variance::decode(kind, &rows.variance(row, if scalar { 0 } else { level })?, &mut values);
            Ok(match scalar {
                true => count as f64 * f64::from(values.first().copied().unwrap_or_default()),
                false => values.iter().take(count).map(|v| f64::from(*v)).sum(),
            })
        };
        match self {
            ScanRows::Segment(segment, _) => sum(*segment),
            ScanRows::Block(block, layout) => sum(&BlockRows { block, layout, first: 0 }),
        }
    }

    /// Appends the variances of a row at its first `levels` levels.
    pub fn variance(
        &self,
        row: u32,
        levels: usize,
        kind: VarianceLayout,
        out: &mut Vec<f32>,
    ) -> foretaste_storage::Result<()> {
        let mut append = |rows: &dyn Rows| {
            let levels = levels.min(usize::from(rows.levels(row)?));
            let levels = if kind == VarianceLayout::Scalar { levels.min(1) } else { levels };
            for level in 0..levels {
                variance::decode(kind, &rows.variance(row, level)?, out);
            }
            Ok(())
        };
        match self {
            ScanRows::Segment(segment, _) => append(*segment),
            ScanRows::Block(block, layout) => append(&BlockRows { block, layout, first: 0 }),
        }
    }
}

impl Source for ScanRows<'_> {
    fn rows(&self) -> u32 {
        match self {
            ScanRows::Segment(segment, _) => segment.rows(),
            ScanRows::Block(block, _) => block.rows(),
        }
    }

    fn element(&self) -> Element {
        self.layout().element
    }

    fn levels(&self) -> &[u32] {
        &self.layout().levels
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

    fn trace(&self, row: u32, dims: usize) -> foretaste_storage::Result<f32> {
        let layout = self.layout();
        let level = layout.planes_for(dims).saturating_sub(1);
        let held = layout.dims_of(level);
        if dims >= held.end {
            return self.trace_at(row, level);
        }
        // Between two levels: what the shorter one sums up to, and a part of what the longer one adds.
        let shorter = level.checked_sub(1).map_or(Ok(0.0), |level| self.trace_at(row, level))?;
        Ok((f64::from(shorter) + self.trace_part(row, level, dims - held.start)?) as f32)
    }
}
