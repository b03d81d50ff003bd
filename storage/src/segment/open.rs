//! Opens a segment: its index file's header, table and record, whatever the number of rows.
//!
//! Reads from: the segment's folder; planes, variances, documents and token matrices when they are first asked for.
//! Writes to: nothing.
//! Never: trust in the reference, the record and the files beyond what they agree on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::codec::check::Uuid;
use crate::codec::header::{HEADER_BYTES, Kind};
use crate::codec::meta;
use crate::error::{Error, Result};
use crate::layout::{Element, Layout};
use crate::names::{Part, TOKENS};
use crate::plane::{Plane, Shape};
use crate::sealed::{Access, FileRef};
use crate::section::columns::ColumnFile;
use crate::section::elements::ElementsFile;
use crate::section::keys::Keys;
use crate::section::paths::Paths;
use crate::section::payload::Payload;
use crate::section::tokens::TokensFile;
use crate::section::{Section, SectionFile, SectionKind};
use crate::segment::{Folder, Meta, SegmentRef};
use crate::vfs::Vfs;

/// An open segment. It may be used from any number of threads; nothing it does takes a lock.
///
/// Its rows are what [`crate::rows::Rows`] gives of it.
#[derive(Debug)]
pub struct Segment {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    uuid: Uuid,
    access: Access,
    reference: SegmentRef,
    layout: Layout,
    pub(super) meta: Meta,
    /// How many levels a row can have: those that both layouts share and whose planes the reference names.
    shared: u8,
    pub(super) index: SectionFile,
    pub(super) keys: Keys,
    pub(super) versions: Arc<Section>,
    pub(super) levels: Option<Arc<Section>>,
    pub(super) scales: Option<Arc<Section>>,
    pub(super) traces: Option<Arc<Section>>,
    /// The least trace of any row, level by level; found when it is first asked for.
    pub(super) least_traces: OnceLock<Vec<f32>>,
    /// For each level some of the traces of all rows in their order; found when they are first asked for.
    pub(super) trace_marks: Vec<OnceLock<Vec<f32>>>,
    /// The least and the greatest variance; found when they are first asked for.
    pub(super) variance_range: OnceLock<(f32, f32)>,
    payload_offsets: Option<Arc<Section>>,
    token_offsets: Option<Arc<Section>>,
    planes: Vec<OnceLock<Plane>>,
    variances: Vec<OnceLock<Plane>>,
    payload: OnceLock<Payload>,
    tokens: OnceLock<TokensFile>,
    pub(super) columns: OnceLock<Vec<ColumnFile>>,
    pub(super) elements: OnceLock<Vec<ElementsFile>>,
    pub(super) paths: OnceLock<Option<Paths>>,
    pub(super) text: OnceLock<SectionFile>,
}

impl Segment {
    /// Opens the segment that `reference` describes, of the database `uuid` in the folder `root`.
    ///
    /// `layout` is the collection's current layout. It may have fewer levels than the segment was written with, or
    /// others beyond those they share; element type and variance storage are the same. The cost does not depend on
    /// the number of rows: no plane is opened, see [`Segment::open_all`].
    ///
    /// # Errors
    /// `Corrupt` when the files are not what the reference names, contradict each other, or share no level with the
    /// layout; `FormatTooNew`; `Io`.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        uuid: &Uuid,
        reference: &SegmentRef,
        layout: &Layout,
        access: Access,
    ) -> Result<Segment> {
        let folder = Folder { vfs: &*vfs, root, uuid, id: reference.id };
        let part =
            |part| find(reference, part).ok_or_else(|| folder.corrupt(&part.name(), "it is not named"));
        let file = folder.open(part(Part::Index)?, Kind::Index, access)?;
        let index = SectionFile::new(file, access)?;
        let meta = read_meta(&index)?;
        check_reference(&index, &meta, reference)?;
        let n = u64::from(meta.rows);
        let keys = Keys::open(&index, meta.rows)?;
        let versions = index.expect(SectionKind::Versions, 0, n * 8)?;
        let when = |there: bool, kind, len| there.then(|| index.expect(kind, 0, len)).transpose();
        let levels = when(meta.min_levels != meta.max_levels, SectionKind::Levels, n)?;
        let scales = when(meta.layout.element == Element::I8, SectionKind::Scales, n * 4)?;
        let traces_len = n * 4 * meta.layout.levels.len() as u64;
        let traces = when(meta.layout.variance.is_some(), SectionKind::Traces, traces_len)?;
        let payload_offsets = when(meta.documents > 0, SectionKind::PayloadOffsets, (n + 1) * 8)?;
        if meta.documents > 0 {
            part(Part::Payload)?;
        }
        let named = find(reference, Part::Tokens).is_some();
        if index.get(SectionKind::TokenOffsets, 0).is_some() != named {
            return Err(folder.corrupt(TOKENS, "either it is not named, or its offsets are missing"));
        }
        let token_offsets = when(named, SectionKind::TokenOffsets, (n + 1) * 8)?;

        let shared = shared_levels(&index, &meta, layout, reference)?;
        if meta.rows > 0 {
            for level in 0..usize::from(shared.min(meta.max_levels)) {
                if let Some(shape) = Shape::of_variances(layout, level) {
                    find_named(reference, &shape.name())
                        .ok_or_else(|| folder.corrupt(&shape.name(), "it is not named"))?;
                }
            }
        }
        fn cells<T>(layout: &Layout) -> Vec<OnceLock<T>> {
            layout.levels.iter().map(|_| OnceLock::new()).collect()
        }
        Ok(Segment {
            root: root.to_path_buf(),
            uuid: *uuid,
            access,
            reference: reference.clone(),
            layout: layout.clone(),
            meta,
            shared,
            index,
            keys,
            versions,
            levels,
            scales,
            traces,
            least_traces: OnceLock::new(),
            trace_marks: cells(layout),
            variance_range: OnceLock::new(),
            payload_offsets,
            token_offsets,
            planes: cells(layout),
            variances: cells(layout),
            payload: OnceLock::new(),
            tokens: OnceLock::new(),
            columns: OnceLock::new(),
            elements: OnceLock::new(),
            paths: OnceLock::new(),
            text: OnceLock::new(),
            vfs,
        })
    }

    /// Opens every file that is not open yet, so that the segment stays whole for this process when its files are
    /// unlinked.
    ///
    /// # Errors
    /// `Corrupt` when one is not what the reference names; `Io`.
    pub fn open_all(&self) -> Result<()> {
        for level in 0..self.layout.levels.len() {
            self.plane(level)?;
            self.variance_plane(level)?;
        }
        self.payload_file()?;
        self.tokens_file()?;
        self.column_files()?;
        self.element_files()?;
        // It is derived: rows are found without it.
        let _ = self.text();
        Ok(())
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.reference.id
    }

    /// How many rows it has.
    pub fn rows(&self) -> u32 {
        self.meta.rows
    }

    /// The layout it was opened with.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the generation's record knows of it.
    pub fn reference(&self) -> &SegmentRef {
        &self.reference
    }

    /// How many rows have a document.
    pub fn documents(&self) -> u32 {
        self.meta.documents
    }

    /// Length of all its files in bytes.
    pub fn bytes(&self) -> u64 {
        self.reference.bytes(|_| true)
    }

    /// The vectors of a level; `None` when no row has it.
    ///
    /// # Errors
    /// `Corrupt` when the file is not what the reference names; `Io`.
    #[inline]
    pub fn plane(&self, level: usize) -> Result<Option<&Plane>> {
        match self.planes.get(level) {
            Some(cell) if level < self.most_levels() => {
                self.open_plane(cell, Shape::of_vectors(&self.layout, level)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The variances of a level; `None` when no row has it or the layout stores none there (a scalar variance stands
    /// at level 0 only).
    ///
    /// # Errors
    /// `Corrupt` when the file is not what the reference names; `Io`.
    pub fn variance_plane(&self, level: usize) -> Result<Option<&Plane>> {
        match self.variances.get(level) {
            Some(cell) if level < self.most_levels() => match Shape::of_variances(&self.layout, level) {
                Some(shape) => self.open_plane(cell, shape).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// How many levels every row has, when all have the same number.
    pub fn uniform_levels(&self) -> Option<u8> {
        let (min, max) = (self.meta.min_levels.min(self.shared), self.meta.max_levels.min(self.shared));
        (min == max).then_some(max)
    }

    /// How many levels a row has.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or its byte is damaged; `Io`.
    #[inline]
    pub fn levels_of(&self, row: u32) -> Result<u8> {
        if row >= self.meta.rows {
            return Err(self.index.file().corrupt(0, format!("row {row} of {} rows", self.meta.rows)));
        }
        match (self.uniform_levels(), &self.levels) {
            (None, Some(levels)) => self.written_levels(levels, row).map(|l| l.min(self.shared)),
            (uniform, _) => Ok(uniform.unwrap_or(self.shared)),
        }
    }

    /// The levels that the row was written with.
    pub(super) fn written_levels(&self, levels: &Section, row: u32) -> Result<u8> {
        let [found] = levels.array(u64::from(row))?;
        if (self.meta.min_levels..=self.meta.max_levels).contains(&found) {
            return Ok(found);
        }
        let (min, max) = (self.meta.min_levels, self.meta.max_levels);
        Err(levels.corrupt(u64::from(row), format!("row {row} has {found} levels, not {min} to {max}")))
    }

    /// How many of the layout's levels the segment shares.
    pub(super) fn shared_levels(&self) -> usize {
        usize::from(self.shared)
    }

    pub(super) fn payload_file(&self) -> Result<Option<&Payload>> {
        let Some(offsets) = &self.payload_offsets else { return Ok(None) };
        if let Some(payload) = self.payload.get() {
            return Ok(Some(payload));
        }
        let file = self.named(&Part::Payload.name())?;
        let file = self.folder().open(file, Kind::Payload, self.access)?;
        let payload = Payload::new(file, offsets.clone(), self.meta.rows)?;
        Ok(Some(self.payload.get_or_init(|| payload)))
    }

    pub(super) fn tokens_file(&self) -> Result<Option<&TokensFile>> {
        let Some(offsets) = &self.token_offsets else { return Ok(None) };
        if let Some(tokens) = self.tokens.get() {
            return Ok(Some(tokens));
        }
        let file = self.folder().open(self.named(TOKENS)?, Kind::Tokens, self.access)?;
        let tokens = TokensFile::new(file, offsets.clone(), self.meta.rows)?;
        Ok(Some(self.tokens.get_or_init(|| tokens)))
    }

    pub(super) fn folder(&self) -> Folder<'_> {
        Folder { vfs: &*self.vfs, root: &self.root, uuid: &self.uuid, id: self.reference.id }
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// How many levels some row has.
    fn most_levels(&self) -> usize {
        if self.meta.rows == 0 { 0 } else { usize::from(self.meta.max_levels.min(self.shared)) }
    }

    fn named(&self, name: &str) -> Result<&FileRef> {
        find_named(&self.reference, name).ok_or_else(|| self.folder().corrupt(name, "it is not named"))
    }

    fn open_plane<'a>(&'a self, cell: &'a OnceLock<Plane>, shape: Shape) -> Result<&'a Plane> {
        if let Some(plane) = cell.get() {
            return Ok(plane);
        }
        let file = self.folder().open(self.named(&shape.name())?, shape.kind(), self.access)?;
        let plane = Plane::new(file, shape, self.meta.rows)?;
        // Two threads may both have opened it; the second file is closed again.
        Ok(cell.get_or_init(|| plane))
    }
}

fn find(reference: &SegmentRef, part: Part) -> Option<&FileRef> {
    find_named(reference, &part.name())
}

fn find_named<'a>(reference: &'a SegmentRef, name: &str) -> Option<&'a FileRef> {
    reference.files.iter().find(|file| file.name == name)
}

/// The segment's record, checked against itself.
fn read_meta(index: &SectionFile) -> Result<Meta> {
    let section = index.get(SectionKind::Meta, 0);
    let section = section.ok_or_else(|| index.file().corrupt(0, "there is no record of the segment"))?;
    // It holds sixteen levels at most; a page is ample.
    if section.len() > 4096 {
        return Err(section.corrupt(0, format!("a record of {} bytes is too long", section.len())));
    }
    let meta: Meta =
        meta::decode(section.get(0, section.len())?, section.file_name(), HEADER_BYTES + section.offset())?;
    meta.layout.validate().map_err(|e| section.corrupt(0, e.to_string()))?;
    let within = 1 <= meta.min_levels
        && meta.min_levels <= meta.max_levels
        && usize::from(meta.max_levels) <= meta.layout.levels.len()
        && meta.first_version <= meta.last_version
        && meta.documents <= meta.rows;
    if !within {
        return Err(section.corrupt(0, "the record contradicts itself"));
    }
    Ok(meta)
}

fn check_reference(index: &SectionFile, meta: &Meta, reference: &SegmentRef) -> Result<()> {
    let file = index.file();
    let agrees = (meta.rows, meta.first_version, meta.last_version)
        == (reference.rows, reference.first_version, reference.last_version)
        && meta.layout.levels == reference.layout_levels
        && file.aux()[0] == u64::from(meta.rows);
    if agrees { Ok(()) } else { Err(file.corrupt(0, "the segment is not the one the manifest describes")) }
}

/// How many levels the segment and the current layout share.
fn shared_levels(index: &SectionFile, meta: &Meta, layout: &Layout, reference: &SegmentRef) -> Result<u8> {
    layout.validate()?;
    let refuse = |why: String| Err::<u8, Error>(index.file().corrupt(0, why));
    let written = &meta.layout;
    if (written.element, written.variance) != (layout.element, layout.variance) {
        return refuse(format!(
            "it was written with {:?} and variance {:?}, not {:?} and {:?}",
            written.element, written.variance, layout.element, layout.variance
        ));
    }
    let same = written.levels.iter().zip(&layout.levels).take_while(|(a, b)| a == b).count();
    // A level that no row has never had a plane to name.
    let without_plane = |level: &usize| meta.rows == 0 || *level >= usize::from(meta.max_levels);
    let named = |level: &usize| without_plane(level) || find(reference, Part::Plane(*level)).is_some();
    match (0..same).take_while(named).count() as u8 {
        0 => refuse(format!(
            "its levels {:?} have none in common with {:?}, or {} is not named",
            written.levels,
            layout.levels,
            Part::Plane(0).name()
        )),
        shared => Ok(shared),
    }
}
