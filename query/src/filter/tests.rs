//! The rows a plan finds are those that pass one by one, on random documents and filters.

use std::collections::BTreeSet;
use std::path::Path as FsPath;
use std::sync::Arc;

use foretaste_storage::Result;
use foretaste_storage::block::{self, BlockRows, RowInput};
use foretaste_storage::key::{Key, KeyRef};
use foretaste_storage::layout::{Element, Layout};
use foretaste_storage::sealed::Access;
use foretaste_storage::section::columns::{Column, ColumnValues, ColumnView};
use foretaste_storage::section::elements::{Elements, ElementsView};
use foretaste_storage::segment::{self, DocumentIndex, Pick, Segment};
use foretaste_storage::vfs::{Vfs, mem::MemVfs};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::lang::tests::properties::{json_document, tame_trees};
use crate::lang::{Filter, JsonFields, Segment as Step, lookup};

/// A segment of these documents under the keys `key` gives, and their columns.
struct Rows {
    segment: Segment,
    documents: Vec<Json>,
    columns: Vec<Path>,
}

fn key(row: usize) -> Key {
    if row.is_multiple_of(2) { Key::Int(row as i64 / 2) } else { Key::Str(format!("k{row}")) }
}

/// The column of `path` of type `kind` (0 bool, 1 integer, 2 float, else string), holding what has that very type.
fn column(path: &Path, kind: u8, documents: &[Json]) -> Column {
    let at = |d: &'_ Json| lookup(d, path).cloned();
    let float = |v: Json| v.as_f64().filter(|_| v.as_i64().is_none());
    let values = documents.iter().map(at);
    let values = match kind {
        0 => ColumnValues::Bool(values.map(|v| v?.as_bool()).collect()),
        1 => ColumnValues::Int(values.map(|v| v?.as_i64()).collect()),
        2 => ColumnValues::Float(values.map(|v| float(v?)).collect()),
        _ => ColumnValues::Str(values.map(|v| Some(v?.as_str()?.to_string())).collect()),
    };
    let mut column = Column::new(path.to_string(), values);
    for (document, row) in documents.iter().zip(0..) {
        let none = column.values.get(row) == foretaste_storage::section::columns::ColumnValue::Null;
        match lookup(document, path) {
            Some(Json::Null) => column.nulls.push(row),
            Some(_) if none => column.others.push(row),
            _ => {}
        }
    }
    column.derived = kind % 2 == 1;
    column
}

/// The elements of arrays at `path`; with `partial`, `'xy'` is a string too long to be held.
fn elements(path: &Path, partial: bool, documents: &[Json]) -> Elements {
    let mut found = Elements { name: path.to_string(), ..Elements::default() };
    for (document, row) in documents.iter().zip(0..) {
        let single;
        let values = match lookup(document, path) {
            None => continue,
            Some(Json::Null) => {
                found.nulls.push(row);
                continue;
            }
            Some(Json::Array(elements)) => &elements[..],
            Some(value) => {
                single = [value.clone()];
                &single
            }
        };
        found.empty.push(row);
        for value in values {
            match value {
                Json::Null => {}
                Json::Bool(b) => found.bools.push((*b, row)),
                Json::Number(n) if n.is_i64() => found.ints.push((n.as_i64().unwrap(), row)),
                Json::Number(n) => found.floats.push((n.as_f64().unwrap(), row)),
                Json::String(s) if partial && s == "xy" => found.partial.push(row),
                Json::String(s) => {
                    found.texts.push((found.words.len() as u32, row));
                    found.words.push(s.clone());
                }
                Json::Array(_) | Json::Object(_) => found.opaque.push(row),
            }
        }
    }
    found
}

/// The member paths of at most `steps` steps, below `at`.
fn members(document: &Json, at: Option<&Path>, steps: u32, found: &mut BTreeSet<String>) {
    for (name, value) in document.as_object().into_iter().flatten().filter(|_| steps > 0) {
        let path = match at {
            Some(path) => path.clone().then(Step::Field(name.clone())),
            None => Path::field(name.clone()),
        };
        found.insert(path.to_quoted());
        members(value, Some(&path), steps - 1, found);
    }
}

impl Rows {
    /// With a list of the paths of at most `steps` steps, if any. Of a kind of 4 or 5 is not a column but elements.
    fn new(documents: Vec<Json>, columns: &[(Path, u8)], steps: Option<u32>, access: Access) -> Rows {
        let (disk, root, uuid) = (Arc::new(MemVfs::new()), FsPath::new("db"), [7; 16]);
        disk.create_dir(root).unwrap();
        let layout = Layout { levels: vec![1], element: Element::F32, variance: None };
        let keys: Vec<Key> = (0..documents.len()).map(key).collect();
        let rows: Vec<RowInput<'_>> = keys
            .iter()
            .map(|key| RowInput {
                key: key.as_ref(),
                vector: &[1.0],
                variance: None,
                tokens: None,
                payload: b"{}",
            })
            .collect();
        let block = block::encode(&layout, &rows, &[], None).unwrap();
        let rows = BlockRows { block: &block, layout: &layout, first: 1 };
        let picks: Vec<Pick> = (0..documents.len() as u32).map(|row| Pick { source: 0, row }).collect();
        let of = |kind| columns.iter().filter(move |(_, k)| (*k / 4 == 1) == kind);
        let written: Vec<Column> = of(false).map(|(p, kind)| column(p, *kind, &documents)).collect();
        let elements = of(true).map(|(p, kind)| elements(p, *kind == 5, &documents)).collect();
        let paths = steps.map(|steps| {
            let mut names = BTreeSet::new();
            documents.iter().for_each(|document| members(document, None, steps, &mut names));
            Paths::new(steps, names).unwrap()
        });
        let index = DocumentIndex { columns: written, elements, paths };
        let reference =
            segment::write(&*disk, root, &uuid, 1, &layout, &[&rows], &picks, &index, &mut |_| true);
        let segment =
            Segment::open(disk, root, &uuid, &reference.unwrap().unwrap(), &layout, access).unwrap();
        assert!(segment.verify(&mut |e| panic!("{e}")).is_empty());
        let columns = columns.iter().filter(|(_, kind)| *kind < 4).map(|(path, _)| path.clone()).collect();
        Rows { segment, documents, columns }
    }

    fn matches(&self, filter: &Filter, row: u32) -> bool {
        let key = key(row as usize);
        filter.matches(&JsonFields::new(key.as_ref(), &self.documents[row as usize]))
    }

    /// Checks every law of a plan and gives the rows.
    fn select(&self, filter: &Filter) -> std::result::Result<RowSet, TestCaseError> {
        let plan = Plan::new(filter, self).unwrap();
        let selection = plan.select().unwrap();
        if plan.is_blind() {
            prop_assert_eq!(selection.unsure.as_ref().map_or(0, RowSet::len), self.rows());
        }
        let unsure = selection.unsure.clone().unwrap_or_else(|| RowSet::none(self.rows()));
        prop_assert_eq!(selection.unsure.is_some(), !unsure.is_empty());
        let probe = plan.probe().unwrap();
        for row in 0..self.rows() {
            let passes = self.matches(filter, row);
            let asked = probe.passes(row).unwrap();
            prop_assert!(asked.is_none_or(|asked| asked == passes), "row {} of {}: {:?}", row, filter, asked);
            prop_assert!(selection.rows.contains(row) || !passes, "row {} is left out of {}", row, filter);
            prop_assert!(!unsure.contains(row) || selection.rows.contains(row));
            let sure = selection.rows.contains(row) && !unsure.contains(row);
            prop_assert!(!sure || passes, "row {} is let in by {}", row, filter);
        }
        let rows = selection.settle(|row| Ok::<_, TestCaseError>(self.matches(filter, row)))?;
        let (found, estimate) = (u64::from(rows.len()), plan.estimate());
        prop_assert!(estimate.contains(&found), "{} rows pass {}, not {:?}", found, filter, estimate);
        let expected: Vec<u32> = (0..self.rows()).filter(|row| self.matches(filter, *row)).collect();
        prop_assert_eq!(rows.iter().collect::<Vec<_>>(), expected);
        Ok(rows)
    }
}

impl Indexes for Rows {
    fn rows(&self) -> u32 {
        self.segment.rows()
    }
    fn column(&self, path: &Path) -> Option<ColumnView<'_>> {
        let name = self.columns.iter().find(|p| *p == path)?.to_string();
        let derived = self.segment.derived_columns().unwrap().find(|c| c.name() == name);
        derived.or(self.segment.column(&name).unwrap())
    }
    fn elements(&self, path: &Path) -> Option<ElementsView<'_>> {
        self.segment.elements().unwrap().find(|elements| elements.name() == path.to_string())
    }
    fn is_missing(&self, path: &Path) -> bool {
        self.segment.paths().unwrap().is_some_and(|listed| is_missing(path, listed))
    }
    fn find(&self, key: KeyRef<'_>) -> Result<Option<u32>> {
        self.segment.find(key)
    }
}

fn paths() -> Vec<Path> {
    let paths = ["a", "b", "a.b", "a[0]", "b[1]", "\"a.b\"", "a.b.a"];
    paths.map(|path| Path::parse(path).unwrap()).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn the_rows_of_a_plan_are_those_that_pass(
        trees in vec(tame_trees(), 1..12),
        documents in vec(json_document(), 1..90),
        kinds in vec(0u8..8, 7),
        steps in proptest::option::of(0u32..5),
        map in any::<bool>(),
    ) {
        // A kind of 6 or more: nothing is known of the path.
        let columns: Vec<_> = paths().into_iter().zip(kinds).filter(|(_, kind)| *kind < 6).collect();
        let access = if map { Access::Map } else { Access::Read };
        let rows = Rows::new(documents, &columns, steps, access);
        for tree in trees {
            rows.select(&Filter::parse(&tree.to_string()).unwrap())?;
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// Beyond 1024 rows there are lists and bits, frequent values and gaps.
    #[test]
    fn many_rows(
        n in 1024usize..3000,
        trees in vec(tame_trees(), 8),
        values in vec(json_document(), 1..9),
        share in 1usize..60,
        kinds in vec(0u8..7, 7),
        steps in proptest::option::of(1u32..3),
    ) {
        let documents = (0..n).map(|i| match i * 7919 % 61 < share {
            true => values[i % values.len()].clone(),
            false if i % 3 == 0 => json!({"a": [i % 50, (i % 7) as f64 / 2.0, null, i % 50], "b": ["x", format!("x{}", i % 9), i % 2 == 0], "n": i % 10}),
            false => json!({"a": (i * 31 % n) as i64 - 40, "b": format!("x{}", i % 100), "n": i % 10}),
        });
        let mut columns: Vec<_> = paths().into_iter().zip(kinds).filter(|(_, kind)| *kind < 6).collect();
        columns.push((Path::field("n"), 1));
        let rows = Rows::new(documents.collect(), &columns, steps, Access::Map);
        let more = ["n = 3", "n != 3", "n < 7 and n >= 2", "n in (1, 5, 5.0) or a > 10", "not (n > 2 and a < 100)",
            "b = 'x' and a = 3", "b != 'x'", "a in (1, 1.5, 2) and b", "a not in (1) or b = false", "not a = 3.5", "a between 0.5 and 1",
            "b like 'x1%'", "b < 'x5' and n = 2", "nowhere is null and n = 3", "not nowhere = 1", "exists n", "n is null", "a >= 0 and a < 3 and n != 4"];
        for text in trees.iter().map(|t| t.to_string()).chain(more.map(String::from)) {
            rows.select(&Filter::parse(&text).unwrap())?;
        }
    }

    #[test]
    fn row_sets_are_sets(
        rows in prop_oneof![1u32..200, 5_000u32..40_000],
        a in vec(any::<u32>(), 0..300),
        b in vec(any::<u32>(), 0..30),
        bits in any::<[bool; 2]>(),
    ) {
        let of = |list: &[u32]| list.iter().map(|r| r % rows).collect::<std::collections::BTreeSet<_>>();
        let (left, right) = (of(&a), of(&b));
        let set = |s: &std::collections::BTreeSet<u32>, bits| {
            let set = RowSet::of_rows(rows, s.iter().rev().copied().collect());
            if bits { set.into_bits() } else { set }
        };
        let (x, y) = (set(&left, bits[0]), set(&right, bits[1]));
        let same = |set: &RowSet, expected: Vec<u32>| -> std::result::Result<(), TestCaseError> {
            prop_assert_eq!(set.len() as usize, expected.len());
            prop_assert!(expected.iter().all(|row| set.contains(*row)));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected);
            Ok(())
        };
        same(&x, left.iter().copied().collect())?;
        same(&x.clone().and(&y), left.intersection(&right).copied().collect())?;
        same(&x.clone().or(&y), left.union(&right).copied().collect())?;
        same(&x.clone().minus(&y), left.difference(&right).copied().collect())?;
        same(&x.clone().complement(), (0..rows).filter(|row| !left.contains(row)).collect())?;
        prop_assert!(!x.contains(rows) && !x.contains(u32::MAX));
        prop_assert_eq!(x.clone().complement().complement(), x);
    }
}

#[test]
fn elements_of_arrays_say_which_rows_pass_and_about_how_many() {
    let documents = (0..3000).map(|i| match i % 4 {
        0 => json!({"t": ["red", format!("only {i}"), "red"], "n": i}),
        1 => json!({"t": "red", "n": i}),
        2 => json!({"t": [i % 8, [], null], "n": i}),
        _ if i % 8 == 3 => json!({"t": [], "n": i}),
        _ if i % 16 == 7 => json!({"t": null}),
        _ => json!({}),
    });
    let columns = [(Path::field("t"), 4), (Path::field("n"), 1)];
    let rows = Rows::new(documents.collect(), &columns, None, Access::Map);
    for (text, known) in [
        ("t = 'red'", 1500..=1500),
        ("t = 'only 8'", 1..=1),
        ("t = 'none'", 0..=0),
        ("t", 0..=0),
        ("t = 2", 375..=375),
        ("t in (2, 6)", 375..=750),
        ("t like 'only%'", 375..=750),
        ("t > 'a' and t < 'b'", 0..=0),
        ("not t = 'red'", 1500..=1500),
        ("t = 'red' and n < 100", 0..=88),
        ("exists t", 2813..=2813),
        ("t is null", 375..=375),
        ("t is not null", 2625..=2625),
        ("t != 'red'", 750..=2250),
        ("t not in ()", 1500..=2625),
    ] {
        let filter = Filter::parse(text).unwrap();
        let plan = Plan::new(&filter, &rows).unwrap();
        assert_eq!(plan.estimate(), known, "{text}");
        assert!(plan.is_gathered() && plan.select().unwrap().unsure.is_none(), "{text}");
        rows.select(&filter).unwrap();
    }
    // With a value that is not held, its row is asked.
    let documents = vec![json!({"t": ["x", "xy"]}), json!({"t": ["xy"]}), json!({"t": ["x"]})];
    let rows = Rows::new(documents, &[(Path::field("t"), 5)], None, Access::Read);
    let asked = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        rows.select(&filter).unwrap();
        let selection = Plan::new(&filter, &rows).unwrap().select().unwrap();
        selection.unsure.map_or(Vec::new(), |unsure| unsure.iter().collect())
    };
    assert_eq!(asked("t = 'x'"), [1]);
    assert_eq!(asked("not t = 'x'"), [1]);
    assert_eq!(asked("t = 'xy'"), [0, 1]);
    assert_eq!(asked("t is not null"), [0; 0]);
}

#[test]
fn an_estimate_of_one_indexed_test_is_exact() {
    let documents = (0..3000).map(|i| json!({"n": i, "x": i % 7 == 0}));
    let columns = [(Path::field("n"), 1), (Path::field("x"), 0)];
    let rows = Rows::new(documents.collect(), &columns, None, Access::Map);
    let estimate = |text: &str| Plan::new(&Filter::parse(text).unwrap(), &rows).unwrap().estimate();
    assert_eq!(estimate("n < 100"), 100..=100);
    assert_eq!(estimate("n >= 10 and n < 12.5"), 3..=3);
    assert_eq!(estimate("n >= 10 and y = 1"), 0..=2990);
    assert_eq!(estimate("y = 1"), 0..=3000);
    assert_eq!(estimate("x"), 429..=429);
    assert_eq!(estimate("x and n < 100"), 0..=100);
    assert_eq!(estimate("x or n < 100"), 429..=529);
    assert_eq!(estimate("$id = 0"), 1..=1);
    assert_eq!(estimate("$id = 'no'"), 0..=0);
    assert_eq!(estimate("not (n < 100 or n is null)"), 2900..=2900);
}

/// Every condition of the language, on `{}`.
const CONDITIONS: [&str; 16] = [
    "{} = 1",
    "{} != 1",
    "{} < 1",
    "{} >= 1",
    "{}",
    "{} in (1, 'x')",
    "{} not in (1, 'x')",
    "{} in ()",
    "{} not in ()",
    "{} between 0 and 2",
    "{} like '%'",
    "{} is null",
    "{} is not null",
    "exists {}",
    "not exists {}",
    "not {} = 1",
];

#[test]
fn a_test_of_a_path_that_no_document_has_is_known_for_all_rows() {
    let documents: Vec<Json> = (0..2000)
        .map(|i| match i % 4 {
            0 => json!({"a": {"b": {"c": i}}, "n": i, "rare": null}),
            1 => json!({"a": [{"b": 1}], "n": i}),
            2 => json!({"a": {"b": {"c": [i]}}, "a.b": 1, "": {"": 1}}),
            _ => json!({}),
        })
        .collect();
    let columns = [(Path::field("n"), 1)];
    let absent = [
        "z",
        "z.a",
        "z[0]",
        "z[0].a[1]",
        "a.z",
        "a.b.z",
        "a.\"b.c\"",
        "\"a.b.c\"",
        "b",
        "c",
        "n.a",
        "n.a.b.c",
        "\"\".a",
        "\"a.b\".c",
        "rare.z",
    ];
    let unknown =
        ["a", "a[0]", "a[0].b", "a[7].z", "a.b.c.d", "a.b.c[0]", "a.b.c", "rare", "rare[0]", "\"\".\"\".z"];
    for (steps, documents) in [(3, documents.clone()), (3, vec![json!({})]), (2, documents)] {
        let empty = documents.len() == 1;
        let rows = Rows::new(documents, &columns, Some(steps), Access::Map);
        let all = u64::from(rows.rows());
        let knows =
            |path: &str| is_missing(&Path::parse(path).unwrap(), rows.segment.paths().unwrap().unwrap());
        for (path, known) in absent.iter().map(|p| (p, true)).chain(unknown.iter().map(|p| (p, false))) {
            // With fewer steps listed, longer paths are not known.
            let known = known && (steps == 3 || !path.starts_with("a.b.")) || empty;
            let known = known || (steps == 3 && path.starts_with("\"\".\"\"."));
            assert_eq!(knows(path), known, "{path} by {steps} steps");
            for condition in CONDITIONS {
                let filter = Filter::parse(&condition.replace("{}", path)).unwrap();
                let found = u64::from(rows.select(&filter).unwrap().len());
                let plan = Plan::new(&filter, &rows).unwrap();
                if !known {
                    assert_eq!(plan.estimate(), 0..=all, "{filter}");
                    continue;
                }
                assert!(found == 0 || found == all, "{filter}");
                assert_eq!(plan.estimate(), found..=found, "{filter}");
                assert!(!plan.is_blind() && plan.select().unwrap().unsure.is_none());
                let probe = plan.probe().unwrap();
                assert!((0..rows.rows()).all(|row| probe.passes(row).unwrap() == Some(found > 0)));
            }
        }
    }
    let documents = (0..100).map(|n| json!({"n": n, "tags": ["x"]})).collect();
    let rows = Rows::new(documents, &columns, Some(4), Access::Map);
    let estimate = |text: &str| Plan::new(&Filter::parse(text).unwrap(), &rows).unwrap().estimate();
    // The tags of a row are asked only where they can decide.
    assert_eq!(estimate("tags = 'x'"), 0..=100);
    assert_eq!(estimate("tags = 'x' and z = 1"), 0..=0);
    assert_eq!(estimate("tags = 'x' or z is null"), 100..=100);
    assert_eq!(estimate("n < 10 and not z = 1"), 10..=10);
    assert_eq!(estimate("n < 10 or z = 1"), 10..=10);
    assert_eq!(estimate("not (z is null or n < 10)"), 0..=0);
}
