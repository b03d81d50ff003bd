//! Reads one plane file.
//!
//! Reads from: a sealed file. Writes to: nothing.
//! Never: a row beyond the last; row numbers come from indexes that may be damaged.

use std::ops::Range;

use crate::bytes::Span;
use crate::error::{Error, Result};
use crate::plane::Shape;
use crate::sealed::SealedFile;

/// An open plane file.
#[derive(Debug)]
pub struct Plane {
    file: SealedFile,
    rows: u32,
    shape: Shape,
}

impl Plane {
    /// Takes `file` for a plane of this shape and number of rows.
    ///
    /// # Errors
    /// `Corrupt` when its header or length says otherwise.
    pub fn new(file: SealedFile, shape: Shape, rows: u32) -> Result<Plane> {
        let expected = shape.aux(rows);
        if file.aux() != expected {
            let why = format!("level, rows, stride, element should be {expected:?}, found {:?}", file.aux());
            return Err(Error::corrupt(file.name(), 80, why));
        }
        let len = u64::from(rows) * shape.stride as u64;
        if file.body_len() != len {
            let why = format!("{rows} rows have {len} bytes, found {}", file.body_len());
            return Err(Error::corrupt(file.name(), 48, why));
        }
        Ok(Plane { file, rows, shape })
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.shape.stride
    }

    /// Bytes of a row without its padding.
    pub fn width(&self) -> usize {
        self.shape.width
    }

    /// How many rows there are.
    pub fn len(&self) -> u32 {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The stored bytes of consecutive rows, [`Plane::stride`] apart, verified. They start at a multiple of the
    /// cache line when the stride is one.
    ///
    /// # Errors
    /// `Corrupt` when the range reaches beyond the last row or a block of it is damaged; `Io`.
    #[inline]
    pub fn rows(&self, range: Range<u32>) -> Result<Span<'_>> {
        if range.start > range.end || range.end > self.rows {
            return Err(self.file.corrupt(0, format!("rows {range:?} of {} rows", self.rows)));
        }
        let stride = self.shape.stride as u64;
        self.file.read(u64::from(range.start) * stride, u64::from(range.end - range.start) * stride)
    }

    /// The stored bytes of one row without padding, verified; zeros when it lacks the level.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its block is damaged; `Io`.
    #[inline]
    pub fn row(&self, row: u32) -> Result<Span<'_>> {
        if row >= self.rows {
            return Err(self.file.corrupt(0, format!("row {row} of {} rows", self.rows)));
        }
        self.file.read(u64::from(row) * self.shape.stride as u64, self.shape.width as u64)
    }

    /// Calls `damaged` with every bad block.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        self.file.verify(damaged);
    }
}
