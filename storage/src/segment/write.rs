//! Writes a segment from rows of blocks and of other segments, in one pass.
//!
//! Reads from: any [`Rows`]. Writes to: a new folder; keys, versions, offsets and columns are gathered in memory, planes
//! and documents go through.
//! Never: a decoded vector; a file that stays behind knowingly after an error or a cancellation.

use std::path::Path;

use crate::bytes::Span;
use crate::codec::check::Uuid;
use crate::codec::header::Kind;
use crate::codec::meta;
use crate::error::Result;
use crate::layout::{Element, Layout};
use crate::names::INDEX;
use crate::plane::{PlaneWriter, Shape};
use crate::rows::Rows;
use crate::section::columns::order::Sorted;
use crate::section::columns::{Column, ColumnValue, DERIVED, dense};
use crate::section::keys::KeysWriter;
use crate::section::payload::PayloadWriter;
use crate::section::tokens::TokensWriter;
use crate::section::{SectionKind, SectionWriter};
use crate::segment::{DocumentIndex, Folder, Meta, Pick, SegmentRef};
use crate::vfs::Vfs;
use crate::{limits, variance};

/// Rows between two reports of progress.
const REPORT_ROWS: usize = 256;

/// Writes segment `id` of the database in the folder `root`: the rows that `picks` names, in its order.
///
/// `sources` have the layout `layout`. A key stands at most once among the rows picked. The columns of `documents`
/// hold one value a picked row each, and are written with their order and the bits of their frequent values. `progress`
/// is told how many rows are done, from 0 to all; when it returns `false` the segment is given up and the answer is
/// `None`.
///
/// When it returns a reference, every file and folder name is durable. After an error or a cancellation the files
/// are removed as far as possible; they are orphans, as nothing names them. A folder that a crash left behind under
/// this number is emptied first, so the number must be one that no generation in use names.
///
/// # Errors
/// `LimitExceeded` for too many rows or columns, or too long keys, names and documents; `Corrupt` when the sources
/// contradict the layout, a pick names no row, a key stands twice, or a column has the wrong length; `Io`.
///
/// # Examples
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use foretaste_storage::block::{self, BlockRows, RowInput};
/// use foretaste_storage::key::KeyRef;
/// use foretaste_storage::layout::{Element, Layout};
/// use foretaste_storage::sealed::Access;
/// use foretaste_storage::segment::{self, DocumentIndex, Pick, Segment};
/// use foretaste_storage::vfs::{Vfs, mem::MemVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let (disk, root, uuid) = (Arc::new(MemVfs::new()), Path::new("/notes.ft"), [7; 16]);
/// disk.create_dir(root)?;
/// let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
/// let row = RowInput { key: KeyRef::Str("a"), vector: &[1.0, 2.0], variance: None, tokens: None, payload: b"{}" };
/// let block = block::encode(&layout, &[row], &[], None)?;
/// let rows = BlockRows { block: &block, layout: &layout, first: 100 };
///
/// let picks = [Pick { source: 0, row: 0 }];
/// let none = DocumentIndex::default();
/// let written = segment::write(&*disk, root, &uuid, 1, &layout, &[&rows], &picks, &none, &mut |_| true)?;
/// let reference = written.expect("nobody cancelled");
///
/// let segment = Segment::open(disk, root, &uuid, &reference, &layout, Access::Map)?;
/// assert_eq!(segment.find(KeyRef::Str("a"))?, Some(0));
/// assert_eq!(segment.version(0)?, 100);
/// assert_eq!(&*segment.payload(0)?, b"{}");
/// # Ok(())
/// # }
/// ```
#[expect(clippy::too_many_arguments, reason = "each is needed once, at two calls: seal and compact")]
pub fn write(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    id: u64,
    layout: &Layout,
    sources: &[&dyn Rows],
    picks: &[Pick],
    documents: &DocumentIndex,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<SegmentRef>> {
    check_rows(picks.len() as u64)?;
    layout.validate()?;
    let folder = Folder { vfs, root, uuid, id };
    check_columns(folder, documents, picks.len())?;
    folder.create_empty()?;
    let written = write_files(folder, layout, sources, picks, documents, progress);
    if !matches!(written, Ok(Some(_))) {
        folder.discard();
    }
    written
}

fn write_files(
    folder: Folder<'_>,
    layout: &Layout,
    sources: &[&dyn Rows],
    picks: &[Pick],
    documents: &DocumentIndex,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<SegmentRef>> {
    let mut files = Files::new(folder, layout, picks.len());
    let mut done = 0;
    for some in picks.chunks(REPORT_ROWS) {
        if !progress(done) {
            return Ok(None);
        }
        for pick in some {
            match sources.get(pick.source as usize) {
                Some(rows) if pick.row < rows.len() => files.push(*rows, pick.row)?,
                _ => {
                    let why =
                        format!("row {} of source {} was picked, which is not there", pick.row, pick.source);
                    return Err(folder.corrupt(INDEX, why));
                }
            }
        }
        done += some.len() as u64;
    }
    if !progress(done) {
        return Ok(None);
    }
    files.finish(documents).map(Some)
}

fn check_rows(rows: u64) -> Result<()> {
    limits::check("rows of a segment", rows, limits::SEGMENT_ROWS)
}

fn check_columns(folder: Folder<'_>, documents: &DocumentIndex, rows: usize) -> Result<()> {
    let DocumentIndex { columns, elements, paths: _ } = documents;
    let derived = columns.iter().filter(|c| c.derived).count();
    limits::check("columns", (columns.len() - derived) as u64, limits::COLUMNS)?;
    limits::check("derived columns", (derived + elements.len()) as u64, limits::DERIVED_COLUMNS)?;
    for (i, found) in elements.iter().enumerate() {
        let name = &found.name;
        let twice =
            columns.iter().any(|c| c.name == *name) || elements.iter().take(i).any(|e| e.name == *name);
        if twice || !found.fits(rows) {
            return Err(folder.corrupt(INDEX, format!("the elements of {name} are not of {rows} rows")));
        }
    }
    for (i, column) in columns.iter().enumerate() {
        let (name, len) = (&column.name, column.values.len());
        limits::check("column name in bytes", name.len() as u64, limits::NAME_BYTES)?;
        if len != rows {
            return Err(folder.corrupt(INDEX, format!("column {name} has {len} values for {rows} rows")));
        }
        if columns.iter().take(i).any(|c| c.name == *name) {
            return Err(folder.corrupt(INDEX, format!("there are two columns {name}")));
        }
        for list in [&column.nulls, &column.others] {
            let without = |row: &u32| (*row as usize) < rows && column.values.get(*row) == ColumnValue::Null;
            if !list.iter().all(without) || !list.is_sorted_by(|a, b| a < b) {
                return Err(folder.corrupt(INDEX, format!("column {name}'s rows without a value are wrong")));
            }
        }
        if column.nulls.iter().any(|row| column.others.binary_search(row).is_ok()) {
            return Err(folder.corrupt(INDEX, format!("a row of column {name} is null and something else")));
        }
    }
    Ok(())
}

/// Adds the columns, each with its order and bits.
fn add_columns(sections: &mut SectionWriter, columns: &[Column]) -> Result<()> {
    let (mut declared, mut derived) = (0.., DERIVED..);
    for column in columns {
        let next = if column.derived { derived.next() } else { declared.next() };
        let Some(ordinal) = next else { continue };
        sections.add(SectionKind::Column, ordinal, column.encode()?);
        let sorted = Sorted::new(column);
        sections.add(SectionKind::ColumnOrder, ordinal, sorted.encode(column));
        if let Some(bits) = dense::encode(column, &sorted) {
            sections.add(SectionKind::ColumnBits, ordinal, bits);
        }
    }
    Ok(())
}

/// The files of a segment being written.
struct Files<'a> {
    folder: Folder<'a>,
    layout: &'a Layout,
    planes: Vec<PlaneWriter<'a>>,
    variances: Vec<PlaneWriter<'a>>,
    payload: PayloadWriter<'a>,
    tokens: TokensWriter<'a>,
    keys: KeysWriter,
    versions: Vec<u8>,
    levels: Vec<u8>,
    scales: Vec<u8>,
    traces: Vec<u8>,
    first_version: u64,
    last_version: u64,
}

impl<'a> Files<'a> {
    fn new(folder: Folder<'a>, layout: &'a Layout, rows: usize) -> Self {
        let levels = 0..layout.levels.len();
        let variances = levels.clone().filter_map(|l| Shape::of_variances(layout, l));
        Files {
            folder,
            layout,
            planes: levels.map(|l| PlaneWriter::new(folder, Shape::of_vectors(layout, l))).collect(),
            variances: variances.map(|shape| PlaneWriter::new(folder, shape)).collect(),
            payload: PayloadWriter::new(folder),
            tokens: TokensWriter::new(folder),
            keys: KeysWriter::with_capacity(rows),
            versions: Vec::with_capacity(rows * 8),
            levels: Vec::with_capacity(rows),
            scales: Vec::new(),
            traces: Vec::new(),
            first_version: u64::MAX,
            last_version: 0,
        }
    }

    fn push(&mut self, rows: &dyn Rows, row: u32) -> Result<()> {
        let (key, version, levels) = (rows.key(row)?, rows.version(row)?, rows.levels(row)?);
        let has = usize::from(levels);
        if has == 0 || has > self.planes.len() {
            let why = format!("the row of {key} has {has} levels of {:?}", self.layout.levels);
            return Err(self.folder.corrupt(INDEX, why));
        }
        self.keys.push(key)?;
        self.versions.extend(version.to_le_bytes());
        self.levels.push(levels);
        self.first_version = self.first_version.min(version);
        self.last_version = self.last_version.max(version);
        if self.layout.element == Element::I8 {
            self.scales.extend(rows.scale(row)?.to_le_bytes());
        }
        for (level, plane) in self.planes.iter_mut().enumerate() {
            match level < has {
                true => plane.push(Some(&rows.vector(row, level)?))?,
                false => plane.push(None)?,
            }
        }
        self.push_variances(rows, row, has)?;
        self.tokens.push(rows.tokens(row)?)?;
        self.payload.push(&rows.payload(row)?)
    }

    fn push_variances(&mut self, rows: &dyn Rows, row: u32, has: usize) -> Result<()> {
        let mut stored: Vec<Span<'_>> = Vec::with_capacity(self.variances.len());
        for (level, plane) in self.variances.iter_mut().enumerate() {
            if level < has {
                let variance = rows.variance(row, level)?;
                plane.push(Some(&variance))?;
                stored.push(variance);
            } else {
                plane.push(None)?;
            }
        }
        let mut traces = Vec::with_capacity(self.layout.levels.len());
        variance::traces(self.layout, has, |l| stored.get(l).map_or(&[][..], |s| s), &mut traces);
        self.traces.extend(traces.iter().flat_map(|t| t.to_le_bytes()));
        Ok(())
    }

    fn finish(self, index: &DocumentIndex) -> Result<SegmentRef> {
        let rows = self.levels.len() as u32;
        let mut files = Vec::new();
        for plane in self.planes.into_iter().chain(self.variances) {
            files.extend(plane.finish()?);
        }
        let (payload, tokens) = (self.payload.finish()?, self.tokens.finish()?);
        files.extend(payload.iter().chain(&tokens).map(|runs| runs.file.clone()));

        let all = self.layout.levels.len() as u8;
        let meta = Meta {
            rows,
            layout: self.layout.clone(),
            first_version: if rows == 0 { 0 } else { self.first_version },
            last_version: self.last_version,
            min_levels: self.levels.iter().copied().min().unwrap_or(all),
            max_levels: self.levels.iter().copied().max().unwrap_or(all),
            documents: payload.as_ref().map_or(0, |runs| runs.filled),
            columns: index.columns.iter().filter(|c| !c.derived).count() as u16,
        };
        let mut sections = SectionWriter::new();
        sections.add(SectionKind::Meta, 0, meta::encode(&meta)?);
        self.keys.finish(&mut sections).map_err(|key| {
            self.folder.corrupt(INDEX, format!("key {key} stands twice among the rows to write"))
        })?;
        sections.add(SectionKind::Versions, 0, self.versions);
        if meta.min_levels != meta.max_levels {
            sections.add(SectionKind::Levels, 0, self.levels);
        }
        if self.layout.element == Element::I8 {
            sections.add(SectionKind::Scales, 0, self.scales);
        }
        if self.layout.variance.is_some() {
            sections.add(SectionKind::Traces, 0, self.traces);
        }
        if let Some(runs) = payload {
            sections.add(SectionKind::PayloadOffsets, 0, runs.offsets);
        }
        if let Some(runs) = tokens {
            sections.add(SectionKind::TokenOffsets, 0, runs.offsets);
        }
        add_columns(&mut sections, &index.columns)?;
        for (elements, ordinal) in index.elements.iter().zip(0..) {
            sections.add(SectionKind::Elements, ordinal, elements.encode(rows)?);
        }
        if let Some(paths) = &index.paths {
            sections.add(SectionKind::Paths, 0, paths.encode());
        }
        let file = self.folder.create(INDEX, Kind::Index)?;
        files.insert(0, sections.finish(file, [u64::from(rows), 0, 0, 0])?);
        self.folder.sync()?;
        Ok(SegmentRef {
            id: self.folder.id,
            rows,
            first_version: meta.first_version,
            last_version: meta.last_version,
            layout_levels: self.layout.levels.clone(),
            files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn more_rows_than_a_segment_may_have_are_refused() {
        assert!(check_rows(limits::SEGMENT_ROWS).is_ok());
        let refused = check_rows(limits::SEGMENT_ROWS + 1);
        assert!(matches!(refused, Err(Error::LimitExceeded { found, .. }) if found == u64::from(u32::MAX)));
    }
}
