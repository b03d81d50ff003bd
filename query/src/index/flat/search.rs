//! The scan of one source, and the exact order of what scans have kept.
//!
//! Rows are taken in runs. Each run asks the filter first, then scores spans of rows of equal width, plane by plane, in
//! f32; the few candidates kept are scored again in f64 by [`finish`].
//! Reads from: a source's strips. Writes to: a `TopK` and the statistics.
//! Never: a lock, an allocation per row, a distance of a row that the filter refused being offered.

use std::ops::Range;
use std::path::Path;

use foretaste_storage::layout::Element;
use foretaste_storage::{Error, Result, element};

use crate::answer::TopK;
use crate::index::settle::order_ties;
use crate::index::{Accept, Neighbor, Query, RowRef, ScanStats, Source, Strip};
use crate::kernel::{Acc, Kernels, Rows};

/// Most rows of a run; also how often cancellation is looked at.
const RUN_ROWS: usize = 256;
/// Most bytes of a run, where one row is not more.
const RUN_BYTES: usize = 1 << 20;
/// When fewer than one in so many rows of a run pass the filter, only those are read.
const SPARSE: usize = 8;

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Every row was seen.
    Complete,
    /// It was cancelled before this row.
    Cancelled {
        /// The first row that was not seen.
        next: u32,
    },
}

/// How many candidates the scans of a search for the `k` nearest should keep for [`finish`]: `k` and a margin of a
/// quarter, at least 16.
pub fn candidates(k: usize) -> usize {
    if k == 0 { 0 } else { k.saturating_add((k / 4).max(16)) }
}

/// Offers every accepted row among `range` of `source` to `top`, with its f32 distance and the tiebreak (source, row).
///
/// A row with fewer dimensions than the query is compared on those it has. Give `top` a size of [`candidates`]`(k)`, share
/// it between the sources, and let [`finish`] put the answer in order. `cancel` is asked once a run.
///
/// # Errors
/// Those of the source and of the filter, and [`Error::Corrupt`] when the strips do not hold the rows.
pub fn search(
    (source, source_number): (&dyn Source, u32),
    range: Range<u32>,
    query: &Query,
    accept: Option<&Accept<'_>>,
    cancel: &dyn Fn() -> bool,
    top: &mut TopK<RowRef>,
    stats: &mut ScanStats,
) -> Result<Scan> {
    let rows = source.rows().min(range.end);
    let run_rows = (RUN_BYTES / (query.dims() * source.element().size()).max(1)).clamp(1, RUN_ROWS) as u32;
    let mut run =
        Run { source, source_number, query, strips: Vec::new(), sums: Vec::new(), scales: Vec::new() };
    let (mut accepted, mut spans) = (Vec::new(), Vec::new());
    let mut next = range.start;
    while next < rows {
        if cancel() {
            return Ok(Scan::Cancelled { next });
        }
        let range = next..next.saturating_add(run_rows).min(rows);
        next = range.end;
        accepted.clear();
        if let Some(accept) = accept {
            for row in range.clone() {
                accepted.push(accept(row)?);
            }
        }
        split(source, query.dims(), range.clone(), &accepted, &mut spans);
        stats.rows_refused += accepted.iter().filter(|&&ok| !ok).count() as u64;
        for span in spans.drain(..) {
            // Empty when there is no filter: then all are accepted.
            let wanted = accepted.get((span.rows.start - range.start) as usize..).unwrap_or_default();
            run.score(span, wanted, top, stats)?;
        }
    }
    Ok(Scan::Complete)
}

/// The exact answer: the `k` nearest of what `top` kept, scored again in f64 from the stored values, nearest first.
///
/// `sources` are indexed by the numbers that [`search`] was given. Rows at exactly the same distance are ordered by `key`,
/// which is only asked for those. With `top` of size [`candidates`]`(k)` this is the exact top k, unless rounding moved a
/// row of the top k behind a whole margin of others: f32 sums are right to about 1e-6, so it takes more than a margin of
/// rows that near to the k-th. Among more such rows than were kept, those of the lowest (source, row) remain.
///
/// # Errors
/// Those of the sources and of `key`, and [`Error::Corrupt`] when the strips do not hold the rows or `top` names a source
/// that is not there.
pub fn finish<K: Ord>(
    sources: &[&dyn Source],
    query: &Query,
    top: TopK<RowRef>,
    k: usize,
    key: impl Fn(RowRef) -> Result<K>,
    stats: &mut ScanStats,
) -> Result<Vec<Neighbor>> {
    let mut rows: Vec<RowRef> = top.iter().map(|ranked| ranked.item).collect();
    // Read in the order of storage.
    rows.sort_unstable();
    let mut neighbors = Vec::with_capacity(rows.len());
    let (mut numbers, mut strips) = (Vec::new(), Vec::new());
    for row in rows {
        let Some(&source) = sources.get(row.source as usize) else {
            return Err(damaged(format!("there is no source {}", row.source)));
        };
        let distance = exact(source, row.row, query, &mut strips, &mut numbers, stats)?;
        if !distance.is_nan() {
            let rank = query.rank(distance, || source.trace(row.row, query.dims()))?;
            neighbors.push(Neighbor { row, distance: distance + 0.0, rank: rank + 0.0 });
        }
    }
    neighbors.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    order_ties(&mut neighbors, k, key)?;
    neighbors.truncate(k);
    Ok(neighbors)
}

/// Consecutive rows that are compared on the same number of dimensions.
struct Span {
    rows: Range<u32>,
    width: usize,
}

/// What a scan reuses from span to span.
struct Run<'a> {
    source: &'a dyn Source,
    source_number: u32,
    query: &'a Query,
    strips: Vec<Strip<'a>>,
    sums: Vec<Acc>,
    scales: Vec<f32>,
}

impl Run<'_> {
    /// Scores a span and offers its rows; `wanted` says which, from the span's first row on, all when it is empty.
    fn score(
        &mut self,
        span: Span,
        wanted: &[bool],
        top: &mut TopK<RowRef>,
        stats: &mut ScanStats,
    ) -> Result<()> {
        let (source, query) = (self.source, self.query);
        let element = source.element();
        self.scales.clear();
        if element == Element::I8 {
            self.scales.extend(span.rows.clone().map(|row| source.scale(row)));
        }
        self.sums.clear();
        self.sums.resize(span.rows.len(), Acc::default());
        self.strips.clear();
        source.strips(span.rows.clone(), span.width, &mut self.strips)?;
        for_each_plane(&self.strips, span.width, |strip, dims| {
            let rows = Rows { element, bytes: &strip.bytes, stride: strip.stride, scales: &self.scales };
            let part = query.scaled().get(dims).unwrap_or_default();
            Kernels::get()
                .accumulate(query.op(), part, &rows, &mut self.sums)
                .map_err(|short| damaged(short.to_string()))
        })?;
        // Spans read without a mapping are owned; let them go before more are read.
        self.strips.clear();
        stats.bytes_read += (span.rows.len() * span.width * element.size()) as u64;
        stats.rows_scored += span.rows.len() as u64;
        let mut numbers = Vec::new();
        for (i, row) in span.rows.enumerate() {
            if !wanted.get(i).copied().unwrap_or(wanted.is_empty()) {
                continue;
            }
            let distance = match query.distance(self.sums[i], span.width) {
                Some(distance) => distance,
                None => exact(source, row, query, &mut self.strips, &mut numbers, stats)?,
            };
            let tiebreak = u64::from(self.source_number) << 32 | u64::from(row);
            let rank = query.rank(distance, || source.trace(row, query.dims()))?;
            top.offer(rank, tiebreak, RowRef { source: self.source_number, row });
        }
        Ok(())
    }
}

/// Splits a run into spans of rows to be scored together. `accepted` is empty when there is no filter.
///
/// Where few rows are accepted a span holds no others; where many are, reading on is cheaper than starting again.
fn split(source: &dyn Source, dims: usize, range: Range<u32>, accepted: &[bool], spans: &mut Vec<Span>) {
    let filtered = !accepted.is_empty();
    let count = accepted.iter().filter(|&&ok| ok).count();
    if filtered && count == 0 {
        return;
    }
    let sparse = filtered && count * SPARSE < accepted.len();
    if let (false, Some(width)) = (sparse, source.uniform_width()) {
        spans.push(Span { rows: range, width: width.min(dims) });
        return;
    }
    let base = range.start;
    for row in range {
        if sparse && !accepted[(row - base) as usize] {
            continue;
        }
        let width = source.width(row).min(dims);
        match spans.last_mut() {
            Some(span) if span.width == width && span.rows.end == row => span.rows.end = row + 1,
            _ => spans.push(Span { rows: row..row + 1, width }),
        }
    }
}

/// Calls `visit` with each strip and the dimensions to take from it, having checked that they cover `0..width`.
pub(crate) fn for_each_plane<'s>(
    strips: &'s [Strip<'_>],
    width: usize,
    mut visit: impl FnMut(&'s Strip<'s>, Range<usize>) -> Result<()>,
) -> Result<()> {
    let mut covered = 0;
    for strip in strips {
        if covered == width {
            break;
        }
        let dims = covered..strip.dims.end.min(width);
        if strip.dims.start != covered || dims.is_empty() {
            break;
        }
        covered = dims.end;
        visit(strip, dims)?;
    }
    if covered == width {
        Ok(())
    } else {
        Err(damaged(format!("planes hold {covered} of {width} dimensions")))
    }
}

/// The f64 distance of one row, over the dimensions that it and the query have.
pub(crate) fn exact<'a>(
    source: &'a dyn Source,
    row: u32,
    query: &Query,
    strips: &mut Vec<Strip<'a>>,
    numbers: &mut Vec<f32>,
    stats: &mut ScanStats,
) -> Result<f64> {
    let (element, width) = (source.element(), source.width(row).min(query.dims()));
    strips.clear();
    numbers.clear();
    source.strips(row..row.saturating_add(1), width, strips)?;
    for_each_plane(strips, width, |strip, dims| {
        let len = dims.len() * element.size();
        let Some(bytes) = strip.bytes.get(..len) else {
            return Err(damaged(format!("row {row} has {} of {len} bytes in a plane", strip.bytes.len())));
        };
        element::decode(element, bytes, source.scale(row), numbers);
        Ok(())
    })?;
    strips.clear();
    stats.bytes_read += (width * element.size()) as u64;
    stats.rows_exact += 1;
    Ok(query.exact(numbers))
}

pub(crate) fn damaged(why: String) -> Error {
    Error::corrupt(Path::new("plane"), 0, why)
}

#[cfg(test)]
mod tests;
