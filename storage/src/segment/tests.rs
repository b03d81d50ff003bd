mod ann;
mod disk;
mod text;
mod trust;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::block::{self, Block, BlockRows, RowInput};
use crate::codec::header::{HEADER_BYTES, Kind};
use crate::error::{Error, Result};
use crate::key::{Key, KeyRef};
use crate::layout::{Element, TokenLayout, VarianceLayout};
use crate::names;
use crate::rows::Rows;
use crate::sealed::{Access, BLOCK_BYTES, SealedFile, SealedWriter};
use crate::section::columns::{Column, ColumnKind, ColumnValue, ColumnValues};
use crate::section::paths::Paths;
use crate::tokens::Matrix;
use crate::vfs::Vfs;
use crate::vfs::mem::MemVfs;
use crate::{element, variance};

const UUID: [u8; 16] = [8; 16];
const ROOT: &str = "notes.ft";

#[derive(Debug, Clone, Copy)]
enum KeyForm {
    Int,
    Str,
    Mixed,
}

fn layout(levels: &[u32], element: Element, variance: Option<VarianceLayout>) -> Layout {
    Layout { levels: levels.to_vec(), element, variance }
}

fn key(i: u32, form: KeyForm) -> Key {
    match form {
        KeyForm::Int => Key::Int(i64::from(i) * 7 - 20),
        KeyForm::Str => Key::Str(format!("née {i}")),
        KeyForm::Mixed if i.is_multiple_of(3) => Key::Int(i64::from(i)),
        KeyForm::Mixed => Key::Str(format!("{i}")),
    }
}

/// A batch of rows `from..to`; row i has the level that `level_of(i)` names. Rows with a document have the
/// token matrix that [`matrix`] gives them.
fn batch(
    layout: &Layout,
    (from, to): (u32, u32),
    form: KeyForm,
    level_of: impl Fn(u32) -> usize,
    payload_of: impl Fn(u32) -> String,
) -> Block {
    let rows: Vec<_> = (from..to)
        .map(|i| {
            let dims = layout.levels[level_of(i)];
            let vector: Vec<f32> = (0..dims).map(|d| ((i * 31 + d * 17) % 97) as f32 / 9.0 - 5.0).collect();
            let variances: Vec<f32> = (0..dims).map(|d| ((i + d) % 13) as f32 / 7.0).collect();
            let payload = payload_of(i);
            let matrix = if payload.is_empty() { Vec::new() } else { matrix(i) };
            (key(i, form), vector, variances, payload, matrix)
        })
        .collect();
    let inputs: Vec<RowInput<'_>> = rows
        .iter()
        .map(|(key, vector, variances, payload, matrix)| RowInput {
            key: key.as_ref(),
            vector,
            variance: Some(if layout.variance == Some(VarianceLayout::Scalar) {
                &variances[..1]
            } else {
                variances
            }),
            tokens: (!matrix.is_empty())
                .then_some(Matrix { layout: tokens(layout.element), numbers: matrix }),
            payload: payload.as_bytes(),
        })
        .collect();
    block::encode(layout, &inputs, &[], None).unwrap()
}

/// As the element of the vectors is, so that every element is tried.
fn tokens(element: Element) -> TokenLayout {
    TokenLayout { dims: 3, element }
}

/// Row i's matrix, of none to many tokens.
fn matrix(i: u32) -> Vec<f32> {
    (0..i * i % 23 * 3).map(|n| ((i * 13 + n * 7) % 53) as f32 / 8.0 - 3.0).collect()
}

fn json(i: u32) -> String {
    if i.is_multiple_of(4) { String::new() } else { format!("{{\"ß\":{i}}}") }
}

fn disk() -> Arc<MemVfs> {
    let vfs = MemVfs::new();
    vfs.create_dir(Path::new(ROOT)).unwrap();
    Arc::new(vfs)
}

fn all(source: u32, rows: u32) -> Vec<Pick> {
    (0..rows).map(|row| Pick { source, row }).collect()
}

fn seal(
    vfs: &MemVfs,
    id: u64,
    layout: &Layout,
    sources: &[&dyn Rows],
    picks: &[Pick],
    columns: &[Column],
) -> Result<SegmentRef> {
    let index = DocumentIndex { columns: columns.to_vec(), ..DocumentIndex::default() };
    let written = write(vfs, Path::new(ROOT), &UUID, id, layout, sources, picks, &index, &mut |_| true);
    written.map(Option::unwrap)
}

fn open(vfs: &Arc<MemVfs>, reference: &SegmentRef, layout: &Layout, access: Access) -> Result<Segment> {
    Segment::open(vfs.clone(), Path::new(ROOT), &UUID, reference, layout, access)
}

/// Everything that [`Rows`] tells of a row.
#[derive(Debug, Clone, PartialEq)]
struct RowModel {
    key: Key,
    version: u64,
    scale: f32,
    vectors: Vec<Vec<u8>>,
    variances: Vec<Vec<u8>>,
    tokens: Vec<u8>,
    payload: Vec<u8>,
}

fn model(rows: &dyn Rows, row: u32) -> Result<RowModel> {
    let levels = 0..usize::from(rows.levels(row)?);
    Ok(RowModel {
        key: rows.key(row)?.to_key(),
        version: rows.version(row)?,
        scale: rows.scale(row)?,
        vectors: levels.clone().map(|l| rows.vector(row, l).map(|v| v.to_vec())).collect::<Result<_>>()?,
        variances: levels.map(|l| rows.variance(row, l).map(|v| v.to_vec())).collect::<Result<_>>()?,
        tokens: rows.tokens(row)?.map_or_else(Vec::new, |matrix| matrix.bytes.to_vec()),
        payload: rows.payload(row)?.to_vec(),
    })
}

fn traces(layout: &Layout, row: &RowModel) -> Option<Vec<f32>> {
    layout.variance?;
    let mut out = Vec::new();
    variance::traces(layout, row.vectors.len(), |l| &row.variances[l], &mut out);
    Some(out)
}

/// What is said of how many rows are below a limit is so, for each limit that is one of them.
fn assert_counts(segment: &Segment, expected: &[RowModel]) {
    for level in 0..segment.layout().levels.len() {
        let all: Vec<f32> =
            expected.iter().filter_map(|row| traces(segment.layout(), row)).map(|t| t[level]).collect();
        for limit in all.iter().copied().chain([-1.0, 0.0, f32::INFINITY]) {
            let (least, most) = segment.traces_within(level, limit).unwrap();
            let within = all.iter().filter(|trace| **trace <= limit).count() as u32;
            let within = if all.is_empty() { segment.rows() } else { within };
            assert!(least <= within && within <= most, "{least} {within} {most}");
            assert!(most - least <= segment.rows() / 512, "few rows are told exactly: {least} {most}");
        }
    }
}

fn assert_is(segment: &Segment, expected: &[RowModel]) {
    assert_counts(segment, expected);
    assert_eq!((segment.rows() as usize, segment.len()), (expected.len(), segment.rows()));
    for (i, row) in expected.iter().enumerate() {
        let i = i as u32;
        assert_eq!(&model(segment, i).unwrap(), row);
        assert_eq!(segment.find(row.key.as_ref()).unwrap(), Some(i));
        assert_eq!(segment.traces(i).unwrap(), traces(segment.layout(), row));
        assert!(segment.readable(i));
        let levels = segment.levels_of(i).unwrap();
        assert!(segment.uniform_levels().is_none_or(|uniform| uniform == levels));
        for level in levels.into()..segment.layout().levels.len() {
            if let Some(plane) = segment.plane(level).unwrap() {
                assert!(plane.row(i).unwrap().iter().all(|b| *b == 0), "a level the row lacks is zeros");
            }
        }
    }
    let n = segment.rows();
    assert!(segment.key(n).is_err() && segment.version(n).is_err() && segment.levels_of(n).is_err());
    assert!(segment.vector(n, 0).is_err() && !segment.readable(n));
    assert_eq!(segment.find(KeyRef::Str("not there")).unwrap(), None);
    assert_eq!(segment.find(KeyRef::Int(1 << 40)).unwrap(), None);
    let unnamed = segment.verify(&mut |e| panic!("{e}"));
    assert_eq!(unnamed, Vec::<String>::new());
}

const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];
const VARIANCES: [Option<VarianceLayout>; 4] = [
    None,
    Some(VarianceLayout::Scalar),
    Some(VarianceLayout::DiagonalF16),
    Some(VarianceLayout::DiagonalLog8),
];

#[test]
fn a_segment_gives_back_the_rows_it_was_written_from() {
    for (n, element) in ELEMENTS.into_iter().enumerate() {
        for (m, variance) in VARIANCES.into_iter().enumerate() {
            let layout = layout(&[3, 20, 50], element, variance);
            let form = [KeyForm::Int, KeyForm::Str, KeyForm::Mixed][(n + m) % 3];
            let first = batch(&layout, (0, 30), form, |i| (i % 3) as usize, json);
            let second = batch(&layout, (30, 70), form, |i| if i % 7 == 0 { 1 } else { 2 }, json);
            let blocks = [
                BlockRows { block: &first, layout: &layout, first: 1000 },
                BlockRows { block: &second, layout: &layout, first: 500 },
            ];
            let mut picks = all(0, 30);
            picks.extend(all(1, 40).into_iter().rev());
            picks.swap(3, 50);
            let models: Vec<_> =
                picks.iter().map(|p| model(&blocks[p.source as usize], p.row).unwrap()).collect();
            let vfs = disk();
            let reference = seal(&vfs, 42, &layout, &[&blocks[0], &blocks[1]], &picks, &[]).unwrap();
            assert_eq!((reference.id, reference.rows), (42, 70));
            assert_eq!((reference.first_version, reference.last_version), (500, 1029));
            assert_eq!(reference.layout_levels, layout.levels);
            for access in [Access::Map, Access::Read] {
                let segment = open(&vfs, &reference, &layout, access).unwrap();
                assert_eq!(segment.uniform_levels(), None);
                assert_eq!(
                    segment.documents() as usize,
                    models.iter().filter(|m| !m.payload.is_empty()).count()
                );
                assert_is(&segment, &models);
                let on_disk: usize = vfs.snapshot().values().map(Vec::len).sum();
                assert_eq!(segment.bytes(), on_disk as u64);
            }
        }
    }
}

#[test]
fn a_segment_written_from_segments_and_blocks_is_the_rows_picked() {
    let layout = layout(&[4, 9], Element::I8, Some(VarianceLayout::DiagonalLog8));
    let blocks: Vec<Block> = [(0, 400), (400, 700), (700, 710)]
        .into_iter()
        .map(|range| batch(&layout, range, KeyForm::Mixed, |i| usize::from(i % 5 > 0), json))
        .collect();
    let rows: Vec<_> = blocks
        .iter()
        .zip([0, 5000, 300])
        .map(|(block, first)| BlockRows { block, layout: &layout, first })
        .collect();
    let vfs = disk();
    let one = seal(&vfs, 1, &layout, &[&rows[0]], &all(0, 400), &[]).unwrap();
    let two = seal(&vfs, 2, &layout, &[&rows[1]], &all(0, 300), &[]).unwrap();
    let one = open(&vfs, &one, &layout, Access::Map).unwrap();
    let two = open(&vfs, &two, &layout, Access::Read).unwrap();
    let sources: [&dyn Rows; 3] = [&one, &rows[2], &two];
    let mut picks = Vec::new();
    for row in 0..400 {
        picks.extend((row % 3 > 0).then_some(Pick { source: 0, row }));
        picks.extend((row < 300 && row % 2 == 0).then(|| Pick { source: 2, row: 299 - row }));
        picks.extend((row < 10).then_some(Pick { source: 1, row }));
    }
    let models: Vec<_> = picks.iter().map(|p| model(sources[p.source as usize], p.row).unwrap()).collect();
    let three = seal(&vfs, 3, &layout, &sources, &picks, &[]).unwrap();
    assert_is(&open(&vfs, &three, &layout, Access::Map).unwrap(), &models);
    assert_is(&open(&vfs, &three, &layout, Access::Read).unwrap(), &models);
}

#[test]
fn what_no_row_has_is_not_written() {
    let layout = layout(&[4, 9, 12], Element::F32, Some(VarianceLayout::DiagonalF16));
    let block = batch(&layout, (0, 5), KeyForm::Int, |_| 1, |_| String::new());
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let reference = seal(&vfs, 1, &layout, &[&rows], &all(0, 5), &[]).unwrap();
    let names: Vec<_> = reference.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["index", "plane.0", "plane.1", "variance.0", "variance.1"]);
    let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
    assert_eq!((segment.uniform_levels(), segment.documents()), (Some(2), 0));
    assert!(segment.plane(1).unwrap().is_some());
    assert!(segment.plane(2).unwrap().is_none() && segment.plane(99).unwrap().is_none());
    assert!(segment.vector(0, 2).is_err());
    assert_is(&segment, &(0..5).map(|i| model(&rows, i).unwrap()).collect::<Vec<_>>());

    let empty = seal(&vfs, 2, &layout, &[], &[], &[]).unwrap();
    let segment = open(&vfs, &empty, &layout, Access::Read).unwrap();
    assert_eq!((segment.rows(), segment.plane(0).unwrap().is_none()), (0, true));
    assert_is(&segment, &[]);
}

#[test]
fn a_truncated_or_extended_layout_shows_the_levels_that_are_shared() {
    for (n, variance) in VARIANCES.into_iter().enumerate() {
        let element = ELEMENTS[n];
        let written = layout(&[3, 20, 50], element, variance);
        let block = batch(&written, (0, 30), KeyForm::Mixed, |i| (i % 3) as usize, json);
        let rows = BlockRows { block: &block, layout: &written, first: 0 };
        let full: Vec<_> = (0..30).map(|i| model(&rows, i).unwrap()).collect();
        let shared = |levels: usize| -> Vec<RowModel> {
            let mut models = full.clone();
            for row in &mut models {
                row.vectors.truncate(levels);
                row.variances.truncate(levels);
            }
            models
        };
        let vfs = disk();
        let reference = seal(&vfs, 1, &written, &[&rows], &all(0, 30), &[]).unwrap();
        let without = |levels: &[usize]| {
            let mut cut = reference.clone();
            cut.files.retain(|f| match names::Part::parse(&f.name) {
                Some(names::Part::Plane(l)) => !levels.contains(&l),
                Some(names::Part::Variance(l)) => !levels.contains(&l),
                _ => true,
            });
            cut
        };
        let unlinked = disk();
        for (path, bytes) in vfs.snapshot() {
            let name = path.file_name().unwrap().to_str().unwrap();
            if !["plane.1", "plane.2", "variance.1", "variance.2"].contains(&name) {
                unlinked.write_file(&path, &bytes).unwrap();
            }
        }
        for access in [Access::Map, Access::Read] {
            let opened = |levels: &[u32], disk: &Arc<MemVfs>, reference: &SegmentRef| {
                open(disk, reference, &layout(levels, element, variance), access).unwrap()
            };
            // Truncated, before and after the files are gone.
            let cut = opened(&[3], &unlinked, &without(&[1, 2]));
            assert_eq!(cut.uniform_levels(), Some(1));
            assert_is(&cut, &shared(1));
            // Extended.
            let longer = opened(&[3, 20, 50, 60], &vfs, &reference);
            assert_eq!(longer.uniform_levels(), None);
            assert_is(&longer, &shared(3));
            assert!(longer.plane(3).unwrap().is_none());
            // Truncated, then extended to other levels, and to the same ones.
            assert_is(&opened(&[3, 21], &unlinked, &without(&[1, 2])), &shared(1));
            assert_is(&opened(&[3, 20, 50], &unlinked, &without(&[1, 2])), &shared(1));
            // The files of dropped levels are still named: another reader's generation.
            let still = opened(&[3, 20], &vfs, &reference);
            for (row, expected) in shared(2).iter().enumerate() {
                assert_eq!(&model(&still, row as u32).unwrap(), expected);
            }
            still.verify(&mut |e| panic!("{e}"));
        }
        let other = |l: Layout| open(&vfs, &reference, &l, Access::Map).map(|_| ());
        assert!(other(layout(&[4, 20], element, variance)).is_err(), "no level in common");
        assert!(other(layout(&[3], ELEMENTS[(n + 1) % 4], variance)).is_err());
        assert!(other(layout(&[3], element, VARIANCES[(n + 1) % 4])).is_err());
        assert!(open(&vfs, &without(&[0]), &written, Access::Map).is_err(), "a segment without vectors");
    }
}

fn example_columns(rows: u32) -> Vec<Column> {
    let column = |name: &str, values| Column::new(name, values);
    let some = |i: u32| !i.is_multiple_of(3);
    vec![
        column("flag", ColumnValues::Bool((0..rows).map(|i| some(i).then_some(i % 2 == 0)).collect())),
        column("n", ColumnValues::Int((0..rows).map(|i| some(i).then_some(i64::from(i) - 5)).collect())),
        column("x", ColumnValues::Float((0..rows).map(|i| some(i).then_some(f64::from(i) / 3.0)).collect())),
        column("s", ColumnValues::Str((0..rows).map(|i| some(i).then(|| format!("¿{i}?"))).collect())),
    ]
}

#[test]
fn columns_are_found_by_name() {
    let layout = layout(&[4], Element::F32, None);
    let block = batch(&layout, (0, 70), KeyForm::Int, |_| 0, json);
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let reference = seal(&vfs, 1, &layout, &[&rows], &all(0, 70), &example_columns(70)).unwrap();
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        assert_eq!(segment.columns().unwrap(), ["flag", "n", "x", "s"]);
        assert!(segment.column("no").unwrap().is_none());
        let of = |name: &str| segment.column(name).unwrap().unwrap();
        assert_eq!(of("s").kind(), ColumnKind::Str);
        assert_eq!(of("n").get(7).unwrap(), ColumnValue::Int(2));
        assert_eq!(of("x").get(7).unwrap(), ColumnValue::Float(7.0 / 3.0));
        assert_eq!(of("s").get(7).unwrap(), ColumnValue::Str("¿7?"));
        assert_eq!(of("flag").get(4).unwrap(), ColumnValue::Bool(true));
        assert_eq!(of("s").get(66).unwrap(), ColumnValue::Null);
        assert!(segment.verify(&mut |e| panic!("{e}")).is_empty());
    }
    let refused = |columns: Vec<Column>| seal(&vfs, 2, &layout, &[&rows], &all(0, 70), &columns).is_err();
    assert!(refused(example_columns(69)), "a column of the wrong length");
    let twice: Vec<_> = example_columns(70).into_iter().chain(example_columns(70)).collect();
    assert!(refused(twice), "two columns of one name");
    let many = (0..257).map(|i| Column::new(i.to_string(), ColumnValues::Int(vec![None; 70])));
    assert!(refused(many.collect()), "too many columns");
    let derived = |i: u64| Column {
        derived: true,
        nulls: vec![3],
        ..Column::new(i.to_string(), ColumnValues::Int(vec![None; 70]))
    };
    assert!(refused((0..=crate::limits::DERIVED_COLUMNS).map(derived).collect()), "too many derived columns");
    let with = |nulls, others| vec![Column { nulls, others, ..example_columns(70).remove(1) }];
    assert!(seal(&vfs, 3, &layout, &[&rows], &all(0, 70), &with(vec![0, 3], vec![6])).is_ok());
    assert!(refused(with(vec![1], vec![])), "a row with a value that says null");
    assert!(refused(with(vec![0], vec![0])), "a row that is null and something else");
    assert!(refused(with(vec![3, 0], vec![])), "not ascending");
    assert!(refused(with(vec![], vec![72])), "no such row");
    assert!(vfs.read_dir(&Path::new(ROOT).join(names::segment_dir(2))).is_err(), "nothing was left behind");
}

#[test]
fn elements_are_there_when_they_were_written_and_fit() {
    let (vfs, reference, layout, _) = small(Element::F32, None);
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        assert_eq!(segment.elements().unwrap().map(|e| e.name()).collect::<Vec<_>>(), ["ß[]"]);
        assert!(segment.verify(&mut |e| panic!("{e}")).is_empty());
        let without = seal(&vfs, 9, &layout, &[&segment], &all(0, 7), &[]).unwrap();
        assert_eq!(open(&vfs, &without, &layout, access).unwrap().elements().unwrap().count(), 0);
    }
    let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
    let named =
        |name: &str, row| Elements { name: name.to_string(), ints: vec![(1, row)], ..Elements::default() };
    let write = |columns: usize, elements: Vec<Elements>| {
        let columns = (0..columns).map(|i| {
            let values = ColumnValues::Int(vec![None; 7]);
            Column { derived: true, ..Column::new(format!("c{i}"), values) }
        });
        let index = DocumentIndex { columns: columns.collect(), elements, paths: None };
        write(&*vfs, Path::new(ROOT), &UUID, 8, &layout, &[&segment], &all(0, 7), &index, &mut |_| true)
    };
    let most = crate::limits::DERIVED_COLUMNS as usize;
    let many = |n: usize| (0..n).map(|i| named(&i.to_string(), 6)).collect();
    let written = write(most - 3, many(3)).unwrap().unwrap();
    assert_eq!(open(&vfs, &written, &layout, Access::Read).unwrap().elements().unwrap().count(), 3);
    assert!(matches!(write(most - 3, many(4)), Err(Error::LimitExceeded { what: "derived columns", .. })));
    assert!(write(0, many(most + 1)).is_err());
    assert!(write(0, vec![named("a", 7)]).is_err(), "no such row");
    assert!(write(0, vec![named("a", 1), named("a", 2)]).is_err(), "one path twice");
    assert!(write(1, vec![named("c0", 1)]).is_err(), "a path with a column, too");
}

#[test]
fn a_list_of_paths_is_there_when_one_was_written() {
    let (vfs, reference, layout, _) = small(Element::F32, None);
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        let paths = segment.paths().unwrap().unwrap();
        assert_eq!(paths.names().collect::<Vec<_>>(), ["\"ß\"", "\"ß\".\"ß\""]);
        assert!(paths.contains("\"ß\"") && !paths.contains("\"ß.ß\"") && paths.steps() == 4);
        let without = seal(&vfs, 9, &layout, &[&segment], &all(0, 7), &[]).unwrap();
        assert_eq!(open(&vfs, &without, &layout, access).unwrap().paths().unwrap(), None);
    }
}

#[test]
fn a_cancelled_or_failed_write_leaves_nothing_behind() {
    let layout = layout(&[4, 8], Element::F32, None);
    let block = batch(&layout, (0, 1000), KeyForm::Str, |i| (i % 2) as usize, json);
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let root = Path::new(ROOT);
    let (calls, none) = (Cell::new(0u32), DocumentIndex::default());
    let run = |stop: u32, picks: &[Pick]| {
        calls.set(0);
        let mut last = 0;
        let result = write(&*vfs, root, &UUID, 7, &layout, &[&rows], picks, &none, &mut |done| {
            assert!(last <= done && done <= 1000);
            last = done;
            calls.set(calls.get() + 1);
            calls.get() <= stop
        });
        (result, last)
    };
    let (whole, last) = run(u32::MAX, &all(0, 1000));
    assert!(whole.unwrap().is_some() && last == 1000);
    let steps = calls.get();
    assert!(steps >= 3);
    vfs.write_file(root.join("seg/000007/plane.9"), b"of a crash").unwrap();
    for stop in 0..steps {
        let (result, _) = run(stop, &all(0, 1000));
        assert_eq!(result.unwrap(), None);
        assert!(vfs.snapshot().is_empty());
        assert_eq!(vfs.read_dir(&root.join("seg")).unwrap(), Vec::<String>::new());
    }
    let twice: Vec<_> = all(0, 1000).into_iter().chain([Pick { source: 0, row: 3 }]).collect();
    for bad in [&twice[..], &[Pick { source: 0, row: 1000 }], &[Pick { source: 1, row: 0 }]] {
        let calls = write(&*vfs, root, &UUID, 7, &layout, &[&rows], bad, &none, &mut |_| true);
        assert!(matches!(calls, Err(Error::Corrupt { file, .. }) if file == Path::new("seg/000007/index")));
        assert!(vfs.snapshot().is_empty());
    }
    let narrow = super::tests::layout(&[4], Element::F32, None);
    let shorter = write(&*vfs, root, &UUID, 7, &narrow, &[&rows], &all(0, 1000), &none, &mut |_| true);
    assert!(shorter.is_err(), "a row with more levels than the layout");
}

#[test]
fn leftovers_of_a_crash_are_cleared_and_strangers_reported() {
    let layout = layout(&[4], Element::F32, None);
    let block = batch(&layout, (0, 9), KeyForm::Str, |_| 0, json);
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let folder = Path::new(ROOT).join("seg/000007");
    vfs.write_file(folder.join("plane.3"), b"of a crash").unwrap();
    let reference = seal(&vfs, 7, &layout, &[&rows], &all(0, 9), &[]).unwrap();
    assert_eq!(vfs.read_dir(&folder).unwrap(), ["index", "payload", "plane.0", "tokens"]);
    vfs.write_file(folder.join("stranger"), b"").unwrap();
    let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
    assert_eq!(segment.verify(&mut |e| panic!("{e}")), ["stranger"]);
}

#[test]
fn an_open_segment_outlives_its_files() {
    let (vfs, reference, layout, models) = small(Element::F16, Some(VarianceLayout::Scalar));
    for access in [Access::Map, Access::Read] {
        let copy = Arc::new(MemVfs::from_snapshot(vfs.snapshot(), vfs.folders()));
        let segment = open(&copy, &reference, &layout, access).unwrap();
        segment.open_all().unwrap();
        for path in copy.snapshot().into_keys() {
            copy.remove_file(&path).unwrap();
        }
        for (i, expected) in models.iter().enumerate() {
            assert_eq!(&model(&segment, i as u32).unwrap(), expected);
        }
    }
}

/// A segment of a few rows that has every kind of section and file.
fn small(
    element: Element,
    variance: Option<VarianceLayout>,
) -> (Arc<MemVfs>, SegmentRef, Layout, Vec<RowModel>) {
    let layout = layout(&[3, 6], element, variance);
    let block = batch(&layout, (0, 7), KeyForm::Mixed, |i| (i % 2) as usize, json);
    let rows = BlockRows { block: &block, layout: &layout, first: 90 };
    let vfs = disk();
    let paths = Paths::new(4, ["\"ß\"", "\"ß\".\"ß\""].map(String::from).into()).unwrap();
    let elements = Elements {
        name: "ß[]".to_string(),
        ints: vec![(4, 0), (-4, 1), (4, 2)],
        floats: vec![(0.5, 0)],
        words: vec!["ß".to_string()],
        texts: vec![(0, 1)],
        nulls: vec![6],
        empty: vec![5],
        opaque: vec![4],
        partial: vec![2],
        ..Elements::default()
    };
    let index = DocumentIndex { columns: example_columns(7), elements: vec![elements], paths: Some(paths) };
    let reference =
        write(&*vfs, Path::new(ROOT), &UUID, 5, &layout, &[&rows], &all(0, 7), &index, &mut |_| true);
    let reference = reference.unwrap().unwrap();
    let models = (0..7).map(|i| model(&rows, i).unwrap()).collect();
    (vfs, reference, layout, models)
}

/// Everything a segment can be asked; the first error ends it.
fn everything(segment: &Segment, keys: &[RowModel]) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for row in 0..segment.rows() {
        said.push(format!("{:?} {:?}", model(segment, row)?, segment.traces(row)?));
    }
    for row in keys {
        said.push(format!("{:?}", segment.find(row.key.as_ref())?));
    }
    said.push(format!("{:?}", segment.find(KeyRef::Str("absent"))?));
    for name in segment.columns()? {
        if let Some(column) = segment.column(name)? {
            for row in 0..segment.rows() {
                said.push(format!("{name} {:?}", column.get(row)?));
            }
        }
    }
    for elements in segment.elements()? {
        for value in 0..elements.values(ColumnKind::Str).end {
            said.push(format!("{:?}", elements.value(value)?));
            elements.value_rows(value..value + 1, |row| said.push(row.to_string()))?;
        }
        for row in 0..segment.rows() {
            said.push(format!("{} {}", elements.is_held(row)?, elements.is_null(row)?));
        }
        elements.opaque_rows(|row| said.push(row.to_string()))?;
        elements.partial_rows(|row| said.push(row.to_string()))?;
    }
    said.push(format!("{:?}", segment.paths()?));
    segment.open_all()?;
    Ok(said)
}

#[test]
fn every_flipped_byte_and_every_length_is_an_error_that_names_the_file_or_changes_nothing() {
    let (vfs, reference, layout, models) = small(Element::I8, Some(VarianceLayout::DiagonalF16));
    let files = vfs.snapshot();
    let right = everything(&open(&vfs, &reference, &layout, Access::Map).unwrap(), &models).unwrap();
    let mut caught = 0;
    let mut try_with = |path: &PathBuf, bytes: Vec<u8>, must_fail: bool| {
        let mut damaged: BTreeMap<_, _> = files.clone();
        damaged.insert(path.clone(), bytes);
        let disk = Arc::new(MemVfs::from_snapshot(damaged, vfs.folders()));
        let relative = path.strip_prefix(ROOT).unwrap();
        for access in [Access::Map, Access::Read] {
            let opened = open(&disk, &reference, &layout, access);
            let result = opened.as_ref().map_err(Clone::clone).and_then(|s| everything(s, &models));
            match result {
                Ok(said) => assert!(said == right && !must_fail, "{}", path.display()),
                Err(Error::Corrupt { file, .. }) => {
                    caught += 1;
                    assert_eq!(file, relative);
                    if let Ok(segment) = opened {
                        let mut found = Vec::new();
                        segment.verify(&mut |e| found.push(e));
                        assert!(!found.is_empty(), "verify finds what a read finds");
                    }
                }
                Err(e) => panic!("{e}"),
            }
        }
    };
    for (path, good) in &files {
        for at in (0..good.len()).filter(|at| good.len() < 1500 || at % 7 == 0 || *at < 128) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            try_with(path, bad, false);
        }
        for len in (0..good.len()).filter(|len| good.len() < 1500 || len % 11 == 0) {
            try_with(path, good[..len].to_vec(), true);
        }
        try_with(path, [&good[..], &[0]].concat(), true);
    }
    assert!(caught > 5000, "{caught}");
}

#[test]
fn the_rows_that_damage_spared_are_readable() {
    let layout = layout(&[40], Element::F32, None);
    let block = batch(&layout, (0, 500), KeyForm::Str, |_| 0, json);
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let reference = seal(&vfs, 1, &layout, &[&rows], &all(0, 500), &[]).unwrap();
    let path = Path::new(ROOT).join("seg/000001/plane.0");
    let mut bytes = vfs.read_file(&path).unwrap();
    bytes[(HEADER_BYTES + 2 * BLOCK_BYTES + 9) as usize] ^= 1;
    vfs.write_file(&path, &bytes).unwrap();
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        let stride = layout.stride(0) as u64;
        let hit = |row: u32| {
            let (start, end) = (u64::from(row) * stride, u64::from(row) * stride + 160);
            start < 3 * BLOCK_BYTES && end > 2 * BLOCK_BYTES
        };
        let spared: Vec<Pick> = all(0, 500).into_iter().filter(|p| segment.readable(p.row)).collect();
        assert!((0..500).all(|row| hit(row) != spared.iter().any(|p| p.row == row)));
        // What is whole can be written anew.
        let saved = seal(&vfs, 2, &layout, &[&segment], &spared, &[]).unwrap();
        let models: Vec<_> = spared.iter().map(|p| model(&rows, p.row).unwrap()).collect();
        assert_is(&open(&vfs, &saved, &layout, Access::Map).unwrap(), &models);
        let mut found = 0;
        segment.verify(&mut |_| found += 1);
        assert_eq!(found, 1);
    }
}

#[test]
fn a_segment_of_another_database_or_reference_is_refused() {
    let (vfs, reference, layout, _) = small(Element::F32, None);
    let root = Path::new(ROOT);
    assert!(Segment::open(vfs.clone(), root, &[0; 16], &reference, &layout, Access::Map).is_err());
    let with = |change: &dyn Fn(&mut SegmentRef)| {
        let mut other = reference.clone();
        change(&mut other);
        open(&vfs, &other, &layout, Access::Map).map(|_| ())
    };
    assert!(with(&|_| ()).is_ok());
    assert!(with(&|r| r.rows += 1).is_err());
    assert!(with(&|r| r.first_version += 1).is_err());
    assert!(with(&|r| r.last_version += 1).is_err());
    assert!(with(&|r| r.layout_levels.push(99)).is_err());
    assert!(with(&|r| r.id += 1).is_err());
    assert!(with(&|r| r.files.clear()).is_err());
    assert!(with(&|r| r.files.retain(|f| f.name != "payload")).is_err());
    assert!(with(&|r| r.files.retain(|f| f.name != "tokens")).is_err());
    let unknown = |r: &mut SegmentRef| {
        r.files.push(crate::sealed::FileRef { name: "../lock".into(), ..r.files[0].clone() })
    };
    let mut other = reference.clone();
    unknown(&mut other);
    let mut found = Vec::new();
    open(&vfs, &other, &layout, Access::Map).unwrap().verify(&mut |e| found.push(e.to_string()));
    assert!(found.len() == 1 && found[0].contains("no segment has"), "{found:?}");
}

#[test]
fn a_segment_can_be_used_from_many_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Segment>();
    let (vfs, reference, layout, models) = small(Element::F32, Some(VarianceLayout::DiagonalLog8));
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| everything(&segment, &models).unwrap());
            }
        });
        assert_is(&segment, &models);
    }
}

#[test]
fn a_reference_survives_its_encoding() {
    let (_, reference, ..) = small(Element::F32, None);
    let bytes = crate::codec::meta::encode(&reference).unwrap();
    assert_eq!(crate::codec::meta::decode::<SegmentRef>(&bytes, Path::new("gen"), 0).unwrap(), reference);
}

/// Writes the body of one file anew with other bytes and valid checksums, and names it in the reference.
fn forge(
    vfs: &Arc<MemVfs>,
    reference: &SegmentRef,
    file: usize,
    change: impl FnOnce(&mut Vec<u8>),
) -> (Arc<MemVfs>, SegmentRef) {
    let copy = Arc::new(MemVfs::from_snapshot(vfs.snapshot(), vfs.folders()));
    let mut reference = reference.clone();
    let name = reference.files[file].name.clone();
    let kind = match names::Part::parse(&name).unwrap() {
        names::Part::Index => Kind::Index,
        names::Part::Plane(_) => Kind::Plane,
        names::Part::Variance(_) => Kind::Variance,
        names::Part::Payload => Kind::Payload,
        names::Part::Tokens => Kind::Tokens,
        names::Part::Ann(_) => Kind::Ann,
        names::Part::Text(_) => Kind::Text,
        names::Part::Trust(_) => Kind::Trust,
    };
    let folder = Path::new(ROOT).join(names::segment_dir(reference.id));
    let owner = (kind, &UUID, reference.id);
    let sealed =
        SealedFile::open(&**vfs, &folder, name.clone().into(), &reference.files[file], owner, Access::Read);
    let sealed = sealed.unwrap();
    let mut body = sealed.read(0, sealed.body_len()).unwrap().to_vec();
    change(&mut body);
    let mut writer = SealedWriter::create(&*copy, &folder.join(&name), kind, &UUID, reference.id).unwrap();
    writer.write(&body).unwrap();
    reference.files[file] = writer.finish(sealed.aux()).unwrap();
    (copy, reference)
}

/// Asks everything, whatever the answers; only a panic or a hang fails.
fn survive(vfs: &Arc<MemVfs>, reference: &SegmentRef, layout: &Layout, models: &[RowModel]) {
    for access in [Access::Map, Access::Read] {
        let Ok(segment) = open(vfs, reference, layout, access) else { continue };
        let _ = everything(&segment, models);
        for row in 0..segment.rows().min(20) {
            let _ = (model(&segment, row), segment.traces(row), segment.readable(row), segment.payload(row));
        }
        for row in models {
            let _ = segment.find(row.key.as_ref());
        }
        for name in segment.columns().unwrap_or_default() {
            if let Ok(Some(column)) = segment.column(name) {
                (0..column.rows().min(20)).for_each(|row| drop(column.get(row)));
            }
        }
        let mut found = 0;
        segment.verify(&mut |_| found += 1);
        assert!(found < 100, "each part reports its first contradiction only");
    }
}

#[test]
fn a_forged_byte_anywhere_never_panics() {
    let (vfs, reference, layout, models) = small(Element::I8, Some(VarianceLayout::Scalar));
    for file in 0..reference.files.len() {
        let len = reference.files[file].len as usize - HEADER_BYTES as usize - 8;
        for at in (0..len).filter(|at| *at < 600 || at % 3 == 0) {
            for value in [0, 1, 0x7f, 0xff] {
                let (vfs, reference) = forge(&vfs, &reference, file, |body| {
                    if let Some(byte) = body.get_mut(at) {
                        *byte = value;
                    }
                });
                survive(&vfs, &reference, &layout, &models);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn forged_files_with_valid_checksums_never_panic(
        file in any::<prop::sample::Index>(),
        words in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u64>(), 0u64..300, Just(u64::MAX)]), 1..5),
        cut in prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
        n in 0usize..4,
    ) {
        let (vfs, reference, layout, models) = small(ELEMENTS[n], VARIANCES[3 - n]);
        let file = file.index(reference.files.len());
        let (vfs, reference) = forge(&vfs, &reference, file, |body| {
            for (at, word) in words {
                let at = at.index(body.len() / 8) * 8;
                body[at..at + 8].copy_from_slice(&word.to_le_bytes());
            }
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
        });
        survive(&vfs, &reference, &layout, &models);
    }
}

#[test]
fn verify_finds_contradictions_that_checksums_do_not() {
    let (vfs, reference, layout, _) = small(Element::I8, Some(VarianceLayout::Scalar));
    let place = |part: &str| reference.files.iter().position(|f| f.name == part).unwrap();
    let damage = |file: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let (vfs, reference) = forge(&vfs, &reference, file, change);
        let mut found = Vec::new();
        open(&vfs, &reference, &layout, Access::Map).unwrap().verify(&mut |e| found.push(e.to_string()));
        found.join("; ")
    };
    let section = |body: &[u8], kind: u16| {
        let entry = body[8..].chunks(24).find(|e| e[..2] == kind.to_le_bytes()).unwrap();
        u64::from_le_bytes(entry[8..16].try_into().unwrap()) as usize
    };
    let index = place("index");
    let at = |kind: u16, offset: usize, byte: u8| {
        damage(index, &|body| {
            let start = section(body, kind);
            body[start + offset] = byte;
        })
    };
    assert_eq!(damage(index, &|_| ()), "");
    assert!(at(2, 64, 7).contains("no valid key"));
    assert!(at(2, 0, 1).contains("do not span"));
    assert!(at(4, 3, 0xff).contains("not sorted"));
    assert!(at(4, 28, 0xff).contains("rows"));
    assert!(at(5, 7, 1).contains("version"));
    assert!(at(6, 0, 9).contains("levels"));
    let infinite = damage(index, &|body| {
        let start = section(body, 7);
        body[start..start + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    });
    assert!(infinite.contains("scale is not finite"));
    assert!(at(8, 3, 1).contains("sum up"));
    assert!(at(9, 0, 1).contains("do not span"));
    assert!(at(14, 0, 9).contains("not a list of 9 paths"));
    assert!(at(14, 20, 0xff).contains("path 0 is not UTF-8"));
    // A row that says null gets a value: with the head, the name, 3 numbers, 2 offsets, 7 bits and 5 starts before the pairs.
    assert!(at(15, 48 + 8 + 24 + 16 + 8 + 20, 6).contains("row 6 has a value and nothing there"));
    assert!(at(15, 48 + 8 + 24, 1).contains("do not span the strings"));
    assert!(at(13, 0, 1).contains("do not span"));
    assert!(at(13, 8, 9).contains("7 a token"));
    assert!(
        damage(place("tokens"), &|body| body[5..7].fill(0xff)).contains("the scale of token 0 is not finite")
    );
    assert!(damage(place("payload"), &|body| body[3] = 0xff).contains("UTF-8"));
    assert!(damage(place("variance.0"), &|body| body[3] ^= 1).contains("sum up"));
}

#[test]
fn stored_vectors_decode_to_what_was_given() {
    let layout = layout(&[2, 4], Element::F16, None);
    let row = RowInput {
        key: KeyRef::Int(1),
        vector: &[1.0, -2.0, 0.5, 4.0],
        variance: None,
        tokens: None,
        payload: b"",
    };
    let block = block::encode(&layout, &[row], &[], None).unwrap();
    let rows = BlockRows { block: &block, layout: &layout, first: 0 };
    let vfs = disk();
    let reference = seal(&vfs, 1, &layout, &[&rows], &all(0, 1), &[]).unwrap();
    let segment = open(&vfs, &reference, &layout, Access::Read).unwrap();
    let mut back = Vec::new();
    for level in 0..2 {
        element::decode(Element::F16, &segment.vector(0, level).unwrap(), 1.0, &mut back);
    }
    assert_eq!(back, [1.0, -2.0, 0.5, 4.0]);
}
