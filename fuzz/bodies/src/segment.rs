//! A segment of hostile files.
//!
//! The input is a byte of flags and parts. A part is a file of the segment (0 `index`, 1 `payload`, 2 to 17 `plane.N`,
//! 18 to 33 `variance.N`, 34 a name that no segment has, 35 `tokens`, whose tokens have three numbers) or, from 64 on, a
//! section of an index that is put together from them. With [`SEALED`] the files get headers and checksums that match, so that what lies behind them is reached;
//! without it they are what the input says. What a manifest would say of the segment follows from the segment's own
//! record, so that only the segment can be wrong.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: an answer that depends on how the files are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste::Access;
use foretaste_query::filter::{Indexes, Plan, is_missing};
use foretaste_query::lang::{Filter, Path};
use foretaste_storage::codec::header::Kind;
use foretaste_storage::codec::meta;
use foretaste_storage::key::{Key, KeyRef};
use foretaste_storage::layout::{Element, Layout};
use foretaste_storage::manifest::{self, CollectionRecord, Record, SegmentEntry};
use foretaste_storage::names::{INDEX, PAYLOAD, Part, segment_dir};
use foretaste_storage::plane::Shape;
use foretaste_storage::rows::Rows;
use foretaste_storage::sealed::{FileRef, SealedWriter};
use foretaste_storage::section::columns::{ColumnView, DERIVED};
use foretaste_storage::section::elements::ElementsView;
use foretaste_storage::section::{SectionFile, SectionKind, SectionWriter};
use foretaste_storage::segment::{self, DocumentIndex, Pick, Segment, SegmentRef};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use foretaste_storage::{element, variance};

use crate::UUID;
use crate::disk::{MOST_ROWS, empty, exercise, root, schema_bytes, write_raw, write_sealed};
use crate::input::Input;

/// The files get headers and checksums.
pub const SEALED: u8 = 1;
/// Planes get the length that the record asks for.
pub const PADDED: u8 = 2;
/// The collection has lost its last level since.
pub const CUT: u8 = 4;
/// The collection has one more level since.
pub const EXTENDED: u8 = 8;

const ID: u64 = 1;
const FIRST_SECTION: u8 = 64;
/// Numbers of a token.
const TOKEN_DIMS: u64 = 3;
/// A plane is not padded beyond this.
const PADDED_BYTES: usize = 1 << 16;

/// The segment's own record, as `segment::write` encodes it: rows, layout, first and last version, least and most
/// levels, documents, columns.
type Meta = (u32, Layout, u64, u64, u8, u8, u32, u16);

/// Kinds of sections, and the ordinal of the first of each.
const SECTIONS: [(SectionKind, u16); 18] = [
    (SectionKind::Meta, 0),
    (SectionKind::Keys, 0),
    (SectionKind::IntKeys, 0),
    (SectionKind::KeyIndex, 0),
    (SectionKind::Versions, 0),
    (SectionKind::Levels, 0),
    (SectionKind::Scales, 0),
    (SectionKind::Traces, 0),
    (SectionKind::PayloadOffsets, 0),
    (SectionKind::Column, 0),
    (SectionKind::ColumnOrder, 0),
    (SectionKind::ColumnBits, 0),
    (SectionKind::Column, DERIVED),
    (SectionKind::ColumnOrder, DERIVED),
    (SectionKind::ColumnBits, DERIVED),
    (SectionKind::Paths, 0),
    (SectionKind::TokenOffsets, 0),
    (SectionKind::Elements, 0),
];

/// Opens the segment both ways, reads and verifies all of it, writes it anew, and has the engine do the same.
pub fn segment(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let parts: Vec<(u8, &[u8])> = std::iter::from_fn(|| input.part()).take(48).collect();
    let disk = empty();
    let (reference, mut layout) = write_files(&disk, flags, &parts);
    if flags & CUT != 0 && layout.levels.len() > 1 {
        layout.levels.pop();
    }
    if flags & EXTENDED != 0 && layout.levels.len() < 16 {
        layout.levels.push(layout.dim() as u32 + 2);
    }
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let open = |access| Segment::open(vfs.clone(), root(), &UUID, &reference, &layout, access);
    let (mapped, read) = (open(Access::Map), open(Access::Read));
    if let Ok(mapped) = &mapped {
        let found = contents(mapped);
        if let Ok(read) = &read {
            let other = contents(read);
            // Reading checks a file's checksums when it opens it, mapping when it needs them: without a byte to read,
            // the one refuses what the other answers. With checksums that match, both answer the same.
            let same = match flags & SEALED {
                0 => found.iter().all(|(place, bytes)| other.get(place).is_none_or(|other| other == bytes)),
                _ => found == other,
            };
            assert!(same, "mapped and read files give different rows");
        }
        rewrite(mapped, &layout);
    }
    if mapped.is_ok() {
        publish(&disk, &reference, &layout);
        exercise(&disk);
    }
}

fn write_files(disk: &MemVfs, flags: u8, parts: &[(u8, &[u8])]) -> (SegmentRef, Layout) {
    let folder = root().join(segment_dir(ID));
    disk.create_dir(&folder).expect("a folder in memory");
    let sealed = flags & SEALED != 0;
    let index = folder.join(INDEX);
    let write_index = |rows: u64| -> Option<FileRef> {
        let aux = [rows, 0, 0, 0];
        if let Some((_, body)) = parts.iter().find(|(tag, _)| *tag == 0) {
            return Some(match sealed {
                true => write_sealed(disk, &index, Kind::Index, ID, aux, body),
                false => write_raw(disk, &index, body),
            });
        }
        let (mut sections, mut next) = (SectionWriter::new(), SECTIONS.map(|(_, first)| first));
        for (tag, bytes) in parts {
            let Some(number) = tag.checked_sub(FIRST_SECTION).map(usize::from) else { continue };
            let (Some((kind, first)), Some(ordinal)) = (SECTIONS.get(number), next.get_mut(number)) else {
                continue;
            };
            // Others than those of paths stand once; of two the first counts.
            let of_path = matches!(
                kind,
                SectionKind::Column
                    | SectionKind::ColumnOrder
                    | SectionKind::ColumnBits
                    | SectionKind::Elements
            );
            sections.add(*kind, if of_path { *ordinal } else { *first }, bytes.to_vec());
            *ordinal += 1;
        }
        let file = SealedWriter::create(disk, &index, Kind::Index, &UUID, ID).ok()?;
        sections.finish(file, aux).ok()
    };
    let mut files: Vec<FileRef> = write_index(0).into_iter().collect();
    let meta = files.first().and_then(|file| read_meta(disk, file));
    let (rows, layout, first_version, last_version, ..) = meta.unwrap_or_else(|| {
        let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
        (1, layout, 0, 0, 1, 1, 0, 0)
    });
    if sealed || parts.iter().all(|(tag, _)| *tag != 0) {
        files = write_index(u64::from(rows)).into_iter().collect();
    }
    for (tag, bytes) in parts {
        let (part, level) = match tag {
            1 => (Some(Part::Payload), 0),
            2..=17 => (Some(Part::Plane(usize::from(tag - 2))), usize::from(tag - 2)),
            18..=33 => (Some(Part::Variance(usize::from(tag - 18))), usize::from(tag - 18)),
            34 => (None, 0),
            35 => (Some(Part::Tokens), 0),
            _ => continue,
        };
        let name = part.map_or_else(|| "other".to_string(), Part::name);
        if files.iter().any(|file| file.name == name) {
            continue;
        }
        let path = folder.join(&name);
        if !sealed {
            files.push(write_raw(disk, &path, bytes));
            continue;
        }
        if part == Some(Part::Tokens) {
            let aux = [u64::from(rows), TOKEN_DIMS, layout.element.tag().into(), 0];
            files.push(write_sealed(disk, &path, Kind::Tokens, ID, aux, bytes));
            continue;
        }
        let has = layout.validate().is_ok() && level < layout.levels.len();
        let shape = match part {
            Some(Part::Plane(_)) if has => Some(Shape::of_vectors(&layout, level)),
            Some(Part::Variance(_)) if has => Shape::of_variances(&layout, level),
            _ => None,
        };
        files.push(write_plane(disk, &path, flags, rows, &layout, (shape, level), bytes));
    }
    assert!(files.iter().all(|file| file.name != PAYLOAD || disk.open(&folder.join(PAYLOAD)).is_ok()));
    let layout_levels = layout.levels.clone();
    (SegmentRef { id: ID, rows, first_version, last_version, layout_levels, files }, layout)
}

fn write_plane(
    disk: &MemVfs,
    path: &std::path::Path,
    flags: u8,
    rows: u32,
    layout: &Layout,
    (shape, level): (Option<Shape>, usize),
    bytes: &[u8],
) -> FileRef {
    let Some(shape) = shape else {
        return write_sealed(disk, path, Kind::Payload, ID, [u64::from(rows), 0, 0, 0], bytes);
    };
    let (stride, tag) = match shape.kind() {
        Kind::Variance => (layout.variance_stride(level), layout.variance.map_or(0, |v| v as u64 + 1)),
        _ => (layout.stride(level), layout.element as u64),
    };
    let mut body = bytes.to_vec();
    let wanted = (rows as usize).saturating_mul(stride);
    if flags & PADDED != 0 && wanted <= PADDED_BYTES {
        body.resize(wanted, 0);
    }
    let aux = [level as u64, u64::from(rows), stride as u64, tag];
    write_sealed(disk, path, shape.kind(), ID, aux, &body)
}

fn read_meta(disk: &MemVfs, file: &FileRef) -> Option<Meta> {
    let folder = root().join(segment_dir(ID));
    let owner = (Kind::Index, &UUID, ID);
    let access = Access::Read;
    let sealed =
        foretaste_storage::sealed::SealedFile::open(disk, &folder, INDEX.into(), file, owner, access).ok()?;
    let index = SectionFile::new(sealed, access).ok()?;
    let section = index.get(SectionKind::Meta, 0)?;
    meta::decode(section.get(0, section.len().min(4096)).ok()?, section.file_name(), 0).ok()
}

/// What the segment says of its first rows, by row and what it is, to be compared. Errors are left out.
fn contents(segment: &Segment) -> BTreeMap<(u32, String), Vec<u8>> {
    let mut found = BTreeMap::new();
    let _ = segment.open_all();
    let layout = segment.layout();
    let mut numbers = Vec::new();
    for row in (0..segment.rows().min(MOST_ROWS)).chain([segment.rows(), u32::MAX]) {
        let mut put = |what: &str, bytes: Option<Vec<u8>>| {
            found.extend(bytes.map(|bytes| ((row, what.to_string()), bytes)));
        };
        if let Ok(key) = segment.key(row) {
            let place = segment.find(key).ok();
            put("key", Some(format!("{key:?}").into_bytes()));
            put("place", place.map(|place| format!("{place:?}").into_bytes()));
        }
        put("version", segment.version(row).ok().map(|version| version.to_le_bytes().to_vec()));
        put("scale", segment.scale(row).ok().map(|scale| scale.to_le_bytes().to_vec()));
        put("traces", segment.traces(row).ok().map(|traces| format!("{traces:?}").into_bytes()));
        put("payload", segment.payload(row).ok().map(|payload| payload.to_vec()));
        let matrix = segment.tokens(row).ok().flatten();
        numbers.clear();
        matrix.iter().for_each(|matrix| matrix.decode(&mut numbers));
        put("tokens", matrix.map(|matrix| matrix.bytes.to_vec()));
        let levels = segment.levels_of(row).ok();
        put("levels", levels.map(|levels| vec![levels]));
        for level in 0..usize::from(levels.unwrap_or(1)) {
            let vector = segment.vector(row, level).ok().map(|vector| vector.to_vec());
            let variances = segment.variance(row, level).ok().map(|variances| variances.to_vec());
            numbers.clear();
            element::decode(layout.element, vector.as_deref().unwrap_or_default(), 1.0, &mut numbers);
            if let (Some(kind), Some(bytes)) = (layout.variance, &variances) {
                variance::decode(kind, bytes, &mut numbers);
            }
            put(&format!("vector {level}"), vector);
            put(&format!("variance {level}"), variances);
        }
        let _ = segment.readable(row);
        for column in columns(segment) {
            let value = column.get(row).ok();
            put(&format!("column {}", column.name()), value.map(|value| format!("{value:?}").into_bytes()));
        }
        for elements in elements(segment) {
            let there = (elements.is_held(row).ok(), elements.is_null(row).ok());
            put(&format!("elements {}", elements.name()), Some(format!("{there:?}").into_bytes()));
        }
    }
    for (place, key) in [Key::Int(0), Key::Int(-1), Key::from("a")].into_iter().enumerate() {
        let row = segment.find(key.as_ref()).ok();
        found.extend(row.map(|row| ((place as u32, "find".to_string()), format!("{row:?}").into_bytes())));
    }
    let indexed = Indexed(segment);
    if let Ok(Some(paths)) = segment.paths() {
        assert!(paths.names().is_sorted_by(|a, b| a < b) && paths.names().all(|name| paths.contains(name)));
        found.insert((0, "paths".to_string()), format!("{paths:?}").into_bytes());
    }
    let absent = ["other", "a.b[0].c"];
    let paths = columns(segment).into_iter().map(|column| column.name());
    for name in paths.chain(elements(segment).into_iter().map(|elements| elements.name())).chain(absent) {
        let Ok(path) = Path::parse(name) else { continue };
        for test in FILTERS {
            let Ok(filter) = Filter::parse(&test.replace("{}", &path.to_string())) else { continue };
            let Ok(plan) = Plan::new(&filter, &indexed) else { continue };
            let (least, most) = plan.estimate().into_inner();
            assert!(least <= most && most <= u64::from(segment.rows()), "{filter}: {least} to {most} rows");
            let row = plan.probe().and_then(|probe| probe.passes(0));
            found.insert((0, format!("first {filter}")), format!("{:?}", row.ok()).into_bytes());
            let Ok(selection) = plan.select() else { continue };
            let unsure = selection.unsure.iter().flat_map(|unsure| unsure.iter());
            assert!(unsure.chain(selection.rows.iter()).all(|row| row < segment.rows()), "{filter}");
            let rows = format!("{selection:?}").into_bytes();
            found.insert((0, format!("rows {filter}")), rows);
        }
    }
    let strangers = segment.verify(&mut |_| {});
    found.insert((0, "strangers".to_string()), strangers.join("/").into_bytes());
    found
}

/// Tests of a column, and joined ones.
const FILTERS: [&str; 8] = [
    "{} >= 1",
    "{} != 'x'",
    "{} = true or {} is null",
    "not ({} < 0.5 or {} > 3)",
    "{} like 'x%' and exists {}",
    "{} in (1, 'x', false, 9) or $id = 1",
    "{} not in (1, 'x') and other = 1",
    "{} between 'a' and 'z' or $id > 'a'",
];

fn columns(segment: &Segment) -> Vec<ColumnView<'_>> {
    let declared = segment.columns().unwrap_or_default();
    let declared = declared.into_iter().filter_map(|name| segment.column(name).ok().flatten());
    declared.chain(segment.derived_columns().into_iter().flatten()).collect()
}

fn elements(segment: &Segment) -> Vec<ElementsView<'_>> {
    segment.elements().into_iter().flatten().collect()
}

struct Indexed<'a>(&'a Segment);

impl Indexes for Indexed<'_> {
    fn rows(&self) -> u32 {
        self.0.rows()
    }
    fn column(&self, path: &Path) -> Option<ColumnView<'_>> {
        columns(self.0).into_iter().find(|column| Path::parse(column.name()).as_ref() == Ok(path))
    }
    fn elements(&self, path: &Path) -> Option<ElementsView<'_>> {
        elements(self.0).into_iter().find(|elements| Path::parse(elements.name()).as_ref() == Ok(path))
    }
    fn is_missing(&self, path: &Path) -> bool {
        self.0.paths().is_ok_and(|paths| paths.is_some_and(|listed| is_missing(path, listed)))
    }
    fn find(&self, key: KeyRef<'_>) -> foretaste_storage::Result<Option<u32>> {
        self.0.find(key)
    }
}

/// Compaction of hostile rows: what it writes can be opened and is whole.
fn rewrite(segment: &Segment, layout: &Layout) {
    if segment.rows() > MOST_ROWS {
        return;
    }
    let readable = (0..segment.rows()).filter(|row| segment.readable(*row));
    let picks: Vec<Pick> = readable.map(|row| Pick { source: 0, row }).collect();
    let disk = empty();
    let none = DocumentIndex::default();
    let written = segment::write(&disk, root(), &UUID, 2, layout, &[segment], &picks, &none, &mut |_| true);
    let Ok(Some(reference)) = written else { return };
    let again = Segment::open(Arc::new(disk), root(), &UUID, &reference, layout, Access::Map);
    let again = again.expect("what was written can be opened");
    assert_eq!(again.rows() as usize, picks.len());
    for (row, pick) in (0..).zip(&picks) {
        assert!(again.readable(row), "row {row} was written and cannot be read");
        let key = again.key(row).expect("a readable row");
        assert_eq!(Some(key), segment.key(pick.row).ok());
        assert_eq!(again.find(key).ok(), Some(Some(row)));
    }
}

/// Makes a generation whose one collection has the segment.
fn publish(disk: &MemVfs, reference: &SegmentRef, layout: &Layout) {
    let collection = CollectionRecord {
        id: 1,
        name: "c".to_string(),
        layout: layout.clone(),
        schema: schema_bytes().to_vec(),
        sealed_seq: reference.last_version,
        segments: vec![SegmentEntry { segment: reference.clone(), tombstones: None }],
        marks: Vec::new(),
    };
    let record = Record {
        generation: 2,
        next_id: ID + 1,
        next_collection: 2,
        next_seq: reference.last_version.saturating_add(1),
        collections: vec![collection],
        ..Record::first()
    };
    let _ = manifest::publish(disk, root(), &UUID, &record);
}
