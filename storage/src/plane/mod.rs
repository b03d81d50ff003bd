//! Planes: files of equally long rows, one file a level, for vectors (`plane.N`) and variances (`variance.N`).
//!
//! The body is row-major. Rows lie a stride apart; what the stride leaves over is zero. A row that lacks the level is
//! stored as zeros, so that a row's place follows from its number; when every row lacks it, there is no file.
//! The header's four numbers are level, rows, stride in bytes, and what an element is:
//!
//! | plane | 0 f32 | 1 f16 | 2 bf16 | 3 i8 |
//! | --- | --- | --- | --- | --- |
//! | **variance** | | **1 scalar f32** | **2 diagonal f16** | **3 diagonal 8-bit log** |
//!
//! Reads from: stored rows. Writes to: stored rows. Never: a decoded number.

mod view;
mod write;

pub use view::Plane;
pub(crate) use write::PlaneWriter;

use crate::codec::header::Kind;
use crate::layout::{Layout, VarianceLayout};
use crate::names::Part;
use crate::variance;

/// The physical shape of one plane file, from the layout and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    part: Part,
    level: usize,
    stride: usize,
    width: usize,
    tag: u64,
}

impl Shape {
    /// The vectors of `level`, which the layout has.
    pub fn of_vectors(layout: &Layout, level: usize) -> Shape {
        let tag = layout.element.tag().into();
        let width = layout.dims_of(level).len() * layout.element.size();
        Shape { part: Part::Plane(level), level, stride: layout.stride(level), width, tag }
    }

    /// The variances of `level`, which the layout has; `None` when it stores none there.
    pub fn of_variances(layout: &Layout, level: usize) -> Option<Shape> {
        let kind = layout.variance?;
        let tag = match kind {
            VarianceLayout::Scalar => 1,
            VarianceLayout::DiagonalF16 => 2,
            VarianceLayout::DiagonalLog8 => 3,
        };
        let (stride, width) =
            (layout.variance_stride(level), variance::row_bytes(kind, layout.dims_of(level).len()));
        (stride > 0).then_some(Shape { part: Part::Variance(level), level, stride, width, tag })
    }

    /// The file's name within the segment's folder.
    pub fn name(&self) -> String {
        self.part.name()
    }

    /// The file's kind.
    pub fn kind(&self) -> Kind {
        if matches!(self.part, Part::Variance(_)) { Kind::Variance } else { Kind::Plane }
    }

    /// Bytes of a row without its padding.
    pub fn width(&self) -> usize {
        self.width
    }

    fn aux(&self, rows: u32) -> [u64; 4] {
        [self.level as u64, u64::from(rows), self.stride as u64, self.tag]
    }
}

#[cfg(test)]
mod tests;
