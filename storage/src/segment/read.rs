//! What a segment says of its rows.
//!
//! Reads from: an open segment. Writes to: nothing.
//! Never: a decoded vector or document.

use crate::bytes::Span;
use crate::error::Result;
use crate::key::KeyRef;
use crate::layout::VarianceLayout;
use crate::limits;
use crate::rows::Rows;
use crate::section::SectionKind;
use crate::section::columns::{ColumnFile, ColumnView, DERIVED};
use crate::section::elements::{ElementsFile, ElementsView};
use crate::section::paths::Paths;
use crate::segment::Segment;
use crate::tokens::Stored;
use crate::variance;

/// How many of a level's traces are remembered, so that it can be told how many are below a limit.
const TRACE_MARKS: u32 = 512;

impl Segment {
    /// The row of a key; `None` when no row has it. Whether the row is deleted is not the segment's to know.
    ///
    /// # Errors
    /// `Corrupt` when what it meets on the way is damaged; `Io`.
    pub fn find(&self, key: KeyRef<'_>) -> Result<Option<u32>> {
        self.keys.find(key)
    }

    /// The key of a row.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its key is damaged; `Io`.
    pub fn key(&self, row: u32) -> Result<KeyRef<'_>> {
        self.keys.key(row)
    }

    /// The sequence number of the operation that wrote the row.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn version(&self, row: u32) -> Result<u64> {
        self.versions.u64(u64::from(row))
    }

    /// What the row's codes are multiplied with: 1 but for 8-bit elements.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn scale(&self, row: u32) -> Result<f32> {
        match &self.scales {
            Some(scales) => scales.u32(u64::from(row)).map(f32::from_bits),
            None => Ok(1.0),
        }
    }

    /// The row's document as JSON text; empty when it has none.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn payload(&self, row: u32) -> Result<Span<'_>> {
        match self.payload_file()? {
            Some(payload) => payload.get(row),
            None => Ok(Span::Borrowed(&[])),
        }
    }

    /// The row's token matrix; `None` when it has none.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn tokens(&self, row: u32) -> Result<Option<Stored<'_>>> {
        match self.tokens_file()? {
            Some(tokens) => tokens.get(row),
            None => Ok(None),
        }
    }

    /// For each level of the layout, the sum of the row's variances up to it (see [`crate::variance::traces`]); `None`
    /// when the layout stores no variances.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    pub fn traces(&self, row: u32) -> Result<Option<Vec<f32>>> {
        let Some(section) = &self.traces else { return Ok(None) };
        let written = self.meta.layout.levels.len() as u64;
        let bytes = section.get(u64::from(row) * written * 4, written * 4)?;
        let mut traces: Vec<f32> = bytes
            .chunks_exact(4)
            .take(self.shared_levels())
            .map(|b| b.try_into().map(f32::from_le_bytes).unwrap_or_default())
            .collect();
        // Levels that the row lacks add nothing to the sum.
        let last = traces.last().copied().unwrap_or_default();
        traces.resize(self.layout().levels.len(), last);
        Ok(Some(traces))
    }

    /// The sum of the row's variances up to level number `level`; 0 without a sidecar.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its bytes are damaged; `Io`.
    #[inline]
    pub fn trace(&self, row: u32, level: usize) -> Result<f32> {
        let Some(section) = &self.traces else { return Ok(0.0) };
        let written = self.meta.layout.levels.len();
        // Levels that the row lacks add nothing to the sum.
        let level = level.min(self.shared_levels().min(written).saturating_sub(1));
        let bytes = section.get((u64::from(row) * written as u64 + level as u64) * 4, 4)?;
        Ok(bytes.try_into().map(f32::from_le_bytes).unwrap_or_default())
    }

    /// No row of it has a smaller sum of variances up to level number `level`; 0 without a sidecar. The first call reads the sums of
    /// all rows.
    ///
    /// # Errors
    /// `Corrupt` when their bytes are damaged; `Io`.
    pub fn least_trace(&self, level: usize) -> Result<f32> {
        let Some(section) = &self.traces else { return Ok(0.0) };
        let least = match self.least_traces.get() {
            Some(least) => least,
            None => {
                let mut least = vec![f32::INFINITY; self.meta.layout.levels.len()];
                let bytes = section.get(0, section.len())?;
                for row in bytes.chunks_exact(4 * least.len().max(1)) {
                    for (least, trace) in least.iter_mut().zip(row.as_chunks::<4>().0) {
                        *least = least.min(f32::from_le_bytes(*trace));
                    }
                }
                self.least_traces.get_or_init(|| least)
            }
        };
        let level = level.min(self.shared_levels().saturating_sub(1));
        Ok(least.get(level).copied().filter(|trace| trace.is_finite()).unwrap_or_default())
    }

    /// At least and at most so many of its rows have a sum of variances up to level number `level` that is not above `limit`: all
    /// of them without a sidecar. The first call for a level reads the sums of all rows.
    ///
    /// # Errors
    /// `Corrupt` when their bytes are damaged; `Io`.
    pub fn traces_within(&self, level: usize, limit: f32) -> Result<(u32, u32)> {
        let (Some(section), rows) = (&self.traces, self.rows()) else {
            return Ok((self.rows(), self.rows()));
        };
        let level = level.min(self.shared_levels().saturating_sub(1));
        let Some(marks) = self.trace_marks.get(level) else { return Ok((0, rows)) };
        let step = rows.div_ceil(TRACE_MARKS).max(1);
        let marks = match marks.get() {
            Some(marks) => marks,
            None => {
                let bytes = section.get(0, section.len())?;
                let rows = bytes.chunks_exact(4 * self.meta.layout.levels.len().max(1));
                let trace = |row: &[u8]| row.as_chunks::<4>().0.get(level).copied().map(f32::from_le_bytes);
                let mut all: Vec<f32> = rows.filter_map(trace).collect();
                all.sort_unstable_by(f32::total_cmp);
                marks.get_or_init(|| all.into_iter().step_by(step as usize).collect())
            }
        };
        // Mark number i is the trace of the row of rank i × step.
        let below = marks.partition_point(|mark| *mark <= limit) as u32;
        Ok((below.checked_sub(1).map_or(0, |last| last * step + 1), (below * step).min(rows)))
    }

    /// The least and the greatest variance of any row and dimension; both 0 without a sidecar. The first call reads the variances
    /// of all rows.
    ///
    /// # Errors
    /// `Corrupt` when their bytes are damaged; `Io`.
    pub fn variance_range(&self) -> Result<(f32, f32)> {
        let Some(kind) = self.layout().variance else { return Ok((0.0, 0.0)) };
        if let Some(range) = self.variance_range.get() {
            return Ok(*range);
        }
        let (mut least, mut most, mut numbers) = (f32::INFINITY, 0f32, Vec::new());
        for row in 0..self.rows() {
            let levels = usize::from(Rows::levels(self, row)?);
            numbers.clear();
            for level in 0..if kind == VarianceLayout::Scalar { levels.min(1) } else { levels } {
                variance::decode(kind, &Rows::variance(self, row, level)?, &mut numbers);
            }
            for variance in &numbers {
                (least, most) = (least.min(*variance), most.max(*variance));
            }
        }
        let least = if least.is_finite() { least } else { 0.0 };
        Ok(*self.variance_range.get_or_init(|| (least, most)))
    }

    /// The names of its declared columns.
    ///
    /// # Errors
    /// `Corrupt` when a column's head is damaged; `Io`.
    pub fn columns(&self) -> Result<Vec<&str>> {
        let declared = usize::from(self.meta.columns);
        Ok(self.column_files()?.iter().take(declared).map(ColumnFile::name).collect())
    }

    /// A declared column by its name; `None` when the segment has none of that name.
    ///
    /// # Errors
    /// `Corrupt` when a column's head is damaged; `Io`.
    pub fn column(&self, name: &str) -> Result<Option<ColumnView<'_>>> {
        let declared = usize::from(self.meta.columns);
        Ok(self.column_files()?.iter().take(declared).find(|c| c.name() == name).map(ColumnFile::view))
    }

    /// The columns that were derived from its documents when it was written, without being declared; their names are
    /// canonical paths.
    ///
    /// # Errors
    /// `Corrupt` when a column's head is damaged; `Io`.
    pub fn derived_columns(&self) -> Result<impl Iterator<Item = ColumnView<'_>>> {
        let declared = usize::from(self.meta.columns);
        Ok(self.column_files()?.iter().skip(declared).map(ColumnFile::view))
    }

    /// The elements of arrays at some paths, of which none is declared; their names are canonical paths.
    ///
    /// # Errors
    /// `Corrupt` when a head is damaged; `Io`.
    pub fn elements(&self) -> Result<impl Iterator<Item = ElementsView<'_>>> {
        Ok(self.element_files()?.iter().map(ElementsFile::view))
    }

    /// The member paths that occur in its documents; `None` when not all of them are known.
    ///
    /// # Errors
    /// `Corrupt` when the list is damaged; `Io`.
    pub fn paths(&self) -> Result<Option<&Paths>> {
        self.path_list()
    }

    /// The declared columns, then the derived ones.
    pub(super) fn column_files(&self) -> Result<&[ColumnFile]> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let open = |ordinal| ColumnFile::open(&self.index, ordinal, self.meta.rows);
        let derived = DERIVED..DERIVED + limits::DERIVED_COLUMNS as u16;
        let derived = derived.take_while(|ordinal| self.index.get(SectionKind::Column, *ordinal).is_some());
        let columns = (0..self.meta.columns).chain(derived).map(open).collect::<Result<Vec<_>>>()?;
        Ok(self.columns.get_or_init(|| columns))
    }

    pub(super) fn path_list(&self) -> Result<Option<&Paths>> {
        if let Some(paths) = self.paths.get() {
            return Ok(paths.as_ref());
        }
        let paths = Paths::open(&self.index)?;
        Ok(self.paths.get_or_init(|| paths).as_ref())
    }

    pub(super) fn element_files(&self) -> Result<&[ElementsFile]> {
        if let Some(elements) = self.elements.get() {
            return Ok(elements);
        }
        let open = |ordinal| ElementsFile::open(&self.index, ordinal, self.rows()).transpose();
        let elements = (0..limits::DERIVED_COLUMNS as u16).map_while(open).collect::<Result<Vec<_>>>()?;
        Ok(self.elements.get_or_init(|| elements))
    }

    /// Whether every byte of the row verifies: key, version, levels, scale, vectors, variances, traces, token matrix
    /// and document.
    ///
    /// Columns, elements, paths and key index do not count, as they are derived. For repair, which saves the rows that are whole.
    pub fn readable(&self, row: u32) -> bool {
        self.read_all(row).is_ok()
    }

    fn read_all(&self, row: u32) -> Result<()> {
        self.key(row)?;
        self.version(row)?;
        self.scale(row)?;
        self.traces(row)?;
        self.payload(row)?;
        self.tokens(row)?;
        for level in 0..usize::from(self.levels_of(row)?) {
            self.vector(row, level)?;
            self.variance(row, level)?;
        }
        Ok(())
    }
}

impl Rows for Segment {
    fn len(&self) -> u32 {
        self.rows()
    }

    fn key(&self, row: u32) -> Result<KeyRef<'_>> {
        Segment::key(self, row)
    }

    fn version(&self, row: u32) -> Result<u64> {
        Segment::version(self, row)
    }

    fn levels(&self, row: u32) -> Result<u8> {
        self.levels_of(row)
    }

    fn scale(&self, row: u32) -> Result<f32> {
        Segment::scale(self, row)
    }

    fn vector(&self, row: u32, level: usize) -> Result<Span<'_>> {
        match self.plane(level)? {
            Some(plane) => plane.row(row),
            None => Err(self.folder().corrupt(&format!("plane.{level}"), "no row has this level")),
        }
    }

    fn variance(&self, row: u32, level: usize) -> Result<Span<'_>> {
        match self.variance_plane(level)? {
            Some(plane) => plane.row(row),
            None => Ok(Span::Borrowed(&[])),
        }
    }

    fn tokens(&self, row: u32) -> Result<Option<Stored<'_>>> {
        Segment::tokens(self, row)
    }

    fn payload(&self, row: u32) -> Result<Span<'_>> {
        Segment::payload(self, row)
    }
}
