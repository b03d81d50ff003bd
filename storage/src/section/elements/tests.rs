//! Elements of arrays: what is written reads back, and no bytes make a reader panic or name a row that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::sealed::Access;
use crate::section::SectionWriter;
use crate::section::tests::written;

fn open(bytes: &[u8], rows: u32, access: Access) -> Result<ElementsFile> {
    let mut sections = SectionWriter::new();
    sections.add(SectionKind::Elements, 0, bytes.to_vec());
    let file = written(sections, access);
    assert!(ElementsFile::open(&file, 1, rows).unwrap().is_none());
    ElementsFile::open(&file, 0, rows).map(Option::unwrap)
}

/// What is wrong with bytes of ten rows, found when they are opened or verified.
fn wrong(bytes: &[u8]) -> String {
    let mut found = None;
    match open(bytes, 10, Access::Map) {
        Ok(file) => file.view().verify(&mut |e| found = Some(e)),
        Err(e) => found = Some(e),
    }
    match found {
        Some(Error::Corrupt { file, why, .. }) => {
            assert_eq!(file, Path::new("index"));
            why
        }
        other => panic!("{other:?}"),
    }
}

fn example() -> Elements {
    Elements {
        name: "a.tags".to_string(),
        bools: vec![(true, 3), (true, 0), (true, 3)],
        ints: vec![(7, 1), (-7, 2), (i64::MIN, 0), (7, 0)],
        floats: vec![(0.5, 9), (-0.0, 1), (0.0, 1), (f64::NAN, 4)],
        words: ["x", "unused", "é", "x"].map(String::from).to_vec(),
        texts: vec![(0, 5), (2, 5), (3, 6), (3, 5)],
        nulls: vec![7],
        empty: vec![8],
        opaque: vec![1, 1],
        partial: vec![6],
    }
}

/// Everything a reader tells.
#[derive(Debug, PartialEq)]
struct Told {
    values: Vec<(String, Vec<u32>)>,
    held: Vec<u32>,
    lists: [Vec<u32>; 3],
    most: u32,
}

fn told(file: &ElementsFile) -> Result<Told> {
    let view = file.view();
    let mut values = Vec::new();
    for kind in KINDS {
        for number in view.values(kind) {
            let mut rows = Vec::new();
            view.value_rows(number..number + 1, |row| rows.push(row))?;
            assert_eq!(view.count(number..number + 1)? as usize, rows.len());
            values.push((format!("{:?}", view.value(number)?), rows));
        }
    }
    let mut held = Vec::new();
    for row in 0..view.rows() {
        held.extend(view.is_held(row)?.then_some(row));
    }
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    view.null_rows(|row| lists[0].push(row))?;
    view.opaque_rows(|row| lists[1].push(row))?;
    view.partial_rows(|row| lists[2].push(row))?;
    assert_eq!(lists.each_ref().map(|list| list.len() as u32), [view.nulls(), view.opaque(), view.partial()]);
    for row in 0..view.rows() {
        // Of a list that does not ascend nothing can be said.
        let ascends = lists[0].is_sorted();
        assert!(view.is_null(row)? == lists[0].contains(&row) || !ascends);
    }
    Ok(Told { values, held, lists, most: view.most() })
}

#[test]
fn values_are_sorted_and_stand_once() {
    let bytes = example().encode(10).unwrap();
    for access in [Access::Map, Access::Read] {
        let file = open(&bytes, 10, access).unwrap();
        let view = file.view();
        view.verify(&mut |e| panic!("{e}"));
        assert_eq!((view.name(), view.rows(), view.held()), ("a.tags", 10, 9));
        let values = [
            ("Bool(true)", vec![0, 3]),
            ("Int(-9223372036854775808)", vec![0]),
            ("Int(-7)", vec![2]),
            ("Int(7)", vec![0, 1]),
            ("Float(0.0)", vec![1]),
            ("Float(0.5)", vec![9]),
            ("Str(\"x\")", vec![5, 6]),
            ("Str(\"é\")", vec![5]),
        ];
        let told = told(&file).unwrap();
        assert_eq!(told.values, values.map(|(value, rows)| (value.to_string(), rows)));
        assert_eq!(told.held, [0, 1, 2, 3, 4, 5, 6, 8, 9]);
        assert_eq!(told.lists, [vec![7], vec![1, 4], vec![6]]);
        assert_eq!(told.most, 3);
        assert_eq!(view.count(0..8).unwrap(), 11);
        let before = |v: &ColumnValue<'_>| matches!(v, ColumnValue::Int(i) if *i < 7);
        assert_eq!(view.partition(view.values(ColumnKind::Int), before).unwrap(), 3);
        assert!(view.is_held(10).is_err() && view.value(8).is_err() && view.count(7..9).is_err());
    }
    let none = Elements { name: "n".to_string(), ..Elements::default() };
    let file = open(&none.encode(0).unwrap(), 0, Access::Map).unwrap();
    file.view().verify(&mut |e| panic!("{e}"));
    assert!(told(&file).unwrap().values.is_empty());
}

#[test]
fn contradictions_are_refused() {
    let bytes = example().encode(10).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        wrong(&bytes)
    };
    // The head: other rows, a longer name, more values, pairs, rows of each list, and fewer.
    assert!(with(0, 9).contains("elements of 10 rows"));
    assert!(with(5, 1).contains("cannot have 262 bytes"));
    for at in [8, 12, 16, 20, 24, 28, 32, 36, 40, 44] {
        for byte in [0, bytes[at] + 1, 0xff] {
            assert!(!with(at, byte).is_empty(), "{at}: {byte}");
        }
        assert!(!with(at + 3, 0xff).is_empty());
    }
    assert!(with(48, 0xff).contains("not UTF-8"));
    // The values: 1 truth value, 3 integers, 2 floats, 2 strings and their end, one word of bits.
    let (numbers, offsets) = (56, 56 + 8 * 6);
    assert!(with(numbers, 2).contains("not greater"));
    assert!(with(numbers + 8 + 7, 0x7f).contains("not greater"));
    assert!(with(numbers + 5 * 8 + 7, 0xff).contains("not greater"));
    assert!(with(offsets, 1).contains("do not span the strings"));
    assert!(with(offsets + 8, 9).contains("do not ascend"));
    let held = offsets + 8 * 3;
    assert!(with(held, 0).contains("have something there"));
    assert!(with(held + 1, 0b111).contains("have something there"));
    let starts = held + 8;
    assert!(with(starts, 1).contains("do not span the pairs"));
    assert!(with(starts + 4, 12).contains("cannot be"));
    assert!(with(starts + 4, 0).contains("no row"));
    let pairs = starts + 4 * 9;
    assert!(with(pairs, 10).contains("names row 10 of 10"));
    assert!(with(pairs, 3).contains("do not ascend"));
    assert!(with(pairs, 2).contains("values, not") || with(pairs, 2).contains("ascend"));
    let lists = pairs + 4 * 11;
    assert!(with(lists, 8).contains("does not belong to null"));
    assert!(with(lists + 4, 7).contains("do not ascend"));
    assert!(with(lists + 12, 7).contains("does not belong"));
    let texts = lists + 4 * 4;
    assert!(with(texts, 0xc3).contains("not UTF-8"));
    assert_eq!(texts + 3, bytes.len());
    assert!(wrong(&bytes[..bytes.len() - 1]).contains("do not span the strings"));
    assert!(wrong(&[&bytes[..], &[0]].concat()).contains("do not span the strings"));
    assert!(wrong(&bytes[..47]).contains("reach beyond"));
    assert!(wrong(&bytes[..lists]).contains("elements of 10 rows"));
}

#[test]
fn names_and_pairs_keep_within_their_limits() {
    let named = |len: u64| Elements { name: "n".repeat(len as usize), ..Elements::default() }.encode(1);
    assert!(open(&named(limits::NAME_BYTES).unwrap(), 1, Access::Map).is_ok());
    assert!(matches!(named(limits::NAME_BYTES + 1), Err(Error::LimitExceeded { found: 256, .. })));
    assert!(write::check(1, limits::ELEMENTS).is_ok());
    let refused = write::check(1, limits::ELEMENTS + 1);
    assert!(matches!(refused, Err(Error::LimitExceeded { what: "elements of a path", .. })));
}

#[test]
fn rows_and_words_that_are_not_there_do_not_fit() {
    assert!(example().fits(10) && !example().fits(9));
    assert!(!Elements { texts: vec![(4, 0)], ..example() }.fits(10));
    assert!(!Elements { nulls: vec![10], ..example() }.fits(10));
    assert!(!Elements { nulls: vec![8], ..example() }.fits(10), "null and something else");
}

const ROWS: u32 = 100;

fn any_elements() -> impl Strategy<Value = Elements> {
    let row = || 0..ROWS - 10;
    let int = prop_oneof![-3i64..3, any::<i64>()];
    let float = prop_oneof![
        proptest::sample::select(vec![0.0, -0.0, 0.5, -1e300, f64::INFINITY, f64::MIN_POSITIVE]),
        any::<f64>().prop_filter("no NaN", |x| !x.is_nan())
    ];
    let pairs = (
        vec((any::<bool>(), row()), 0..9),
        vec((int, row()), 0..60),
        vec((float, row()), 0..60),
        (vec(".{0,3}", 1..20), vec((any::<prop::sample::Index>(), row()), 0..80)),
    );
    let lists = (vec(row(), 0..9), vec(row(), 0..9), vec(row(), 0..9), vec(ROWS - 10..ROWS, 0..9));
    (pairs, lists).prop_map(|((bools, ints, floats, (words, texts)), (empty, opaque, partial, nulls))| {
        let texts = texts.into_iter().map(|(word, row)| (word.index(words.len()) as u32, row)).collect();
        Elements { name: "p".to_string(), bools, ints, floats, words, texts, nulls, empty, opaque, partial }
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(elements in any_elements(), map in any::<bool>()) {
        prop_assert!(elements.fits(ROWS as usize));
        let access = if map { Access::Map } else { Access::Read };
        let file = open(&elements.encode(ROWS).unwrap(), ROWS, access).unwrap();
        let mut damage = None;
        file.view().verify(&mut |e| damage = Some(e));
        prop_assert!(damage.is_none(), "{:?}", damage);
        let told = told(&file).unwrap();
        let mut model: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut add = |value: ColumnValue<'_>, row| { model.entry(format!("{value:?}")).or_default().insert(row); };
        elements.bools.iter().for_each(|(b, row)| add(ColumnValue::Bool(*b), *row));
        elements.ints.iter().for_each(|(i, row)| add(ColumnValue::Int(*i), *row));
        elements.floats.iter().for_each(|(x, row)| add(ColumnValue::Float(*x + 0.0), *row));
        elements.texts.iter().for_each(|(w, row)| add(ColumnValue::Str(&elements.words[*w as usize]), *row));
        let mut held: BTreeSet<u32> = model.values().flatten().copied().collect();
        held.extend(elements.empty.iter().chain(&elements.opaque).chain(&elements.partial));
        let most = (0..ROWS).map(|row| model.values().filter(|rows| rows.contains(&row)).count()).max();
        prop_assert_eq!(told.most as usize, most.unwrap());
        prop_assert_eq!(told.held, held.into_iter().collect::<Vec<_>>());
        let expected: BTreeMap<_, Vec<u32>> =
            model.into_iter().map(|(value, rows)| (value, rows.into_iter().collect())).collect();
        prop_assert_eq!(told.values.into_iter().collect::<BTreeMap<_, _>>(), expected);
        let lists = [&elements.nulls, &elements.opaque, &elements.partial];
        let lists = lists.map(|list| list.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(told.lists, lists);
    }

    #[test]
    fn forged_bytes_are_errors_or_name_rows_that_are_there(
        elements in any_elements(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = elements.encode(ROWS).unwrap();
        for (at, to, head) in flips {
            let at = at.index(if head { 64 } else { bytes.len() });
            bytes[at] = to;
        }
        bytes.truncate(cut.index(bytes.len() * 4));
        let found = [Access::Map, Access::Read].map(|access| {
            let file = open(&bytes, ROWS, access).map_err(|e| e.to_string())?;
            file.view().verify(&mut |_| {});
            told(&file).map_err(|e| e.to_string())
        });
        prop_assert_eq!(&found[0], &found[1]);
        if let Ok(told) = &found[0] {
            let rows = told.values.iter().flat_map(|(_, rows)| rows).chain(told.lists.iter().flatten());
            prop_assert!(rows.into_iter().all(|row| *row < ROWS));
        }
    }
}
