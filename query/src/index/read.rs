//! Rows of a source as f32 numbers.
//!
//! Reads from: a source's strips. Writes to: the caller's memory. Never: a number beyond a row's own width.

use std::ops::Range;
use std::path::Path;

use foretaste_storage::{Error, Result, element};

use crate::index::{Source, Strip};

/// Replaces `out` by the rows of `range`, `dims` numbers each; those that a row lacks are 0.
///
/// # Errors
/// Those of the source; `Corrupt` when its planes do not hold the rows.
pub fn rows(source: &dyn Source, range: Range<u32>, dims: usize, out: &mut Vec<f32>) -> Result<()> {
    let count = range.len();
    out.clear();
    out.resize(count * dims, 0.0);
    let mut strips: Vec<Strip<'_>> = Vec::new();
    source.strips(range.clone(), dims, &mut strips)?;
    let size = source.element().size();
    let mut numbers = Vec::new();
    for (i, row) in range.enumerate() {
        let width = source.width(row).min(dims);
        let mut covered = 0;
        for strip in &strips {
            let end = strip.dims.end.min(width);
            if strip.dims.start != covered || end <= covered {
                break;
            }
            let start = i * strip.stride;
            let bytes = strip.bytes.get(start..start + (end - covered) * size);
            let bytes = bytes.ok_or_else(|| damaged(format!("a plane ends before row {row}")))?;
            numbers.clear();
            element::decode(source.element(), bytes, source.scale(row), &mut numbers);
            let place = out.get_mut(i * dims + covered..i * dims + end).unwrap_or_default();
            place.iter_mut().zip(&numbers).for_each(|(place, number)| *place = *number);
            covered = end;
        }
        if covered < width {
            return Err(damaged(format!("planes hold {covered} of {width} dimensions of row {row}")));
        }
    }
    Ok(())
}

fn damaged(why: String) -> Error {
    Error::corrupt(Path::new("plane"), 0, why)
}
