//! The rows that columns select are those whose documents pass, whatever the documents hold.

use std::sync::Arc;

use foretaste_query::lang::fields_of;
use foretaste_query::metric::Metric;
use foretaste_storage::block::{self, BlockRows, RowInput};
use foretaste_storage::sealed::Access;
use foretaste_storage::section::columns::ColumnKind;
use foretaste_storage::segment;
use foretaste_storage::vfs::{Vfs, mem::MemVfs};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A segment of these documents; null is no document.
fn sealed(schema: &Schema, documents: &[Json]) -> Segment {
    let (disk, root, uuid) = (Arc::new(MemVfs::new()), std::path::Path::new("db"), [7; 16]);
    disk.create_dir(root).unwrap();
    let layout = schema.layout.clone();
    let text = |d: &Json| if d.is_null() { Vec::new() } else { serde_json::to_vec(d).unwrap() };
    let texts: Vec<Vec<u8>> = documents.iter().map(text).collect();
    let inputs: Vec<RowInput<'_>> = texts
        .iter()
        .zip(0..)
        .map(|(payload, i)| RowInput {
            key: KeyRef::Int(i),
            vector: &[1.0],
            variance: None,
            tokens: None,
            payload,
        })
        .collect();
    let block = block::encode(&layout, &inputs, &[], None).unwrap();
    let rows = BlockRows { block: &block, layout: &layout, first: 1 };
    let picks: Vec<Pick> = (0..documents.len() as u32).map(|row| Pick { source: 0, row }).collect();
    let columns = columns(schema, &[&rows], &picks).unwrap();
    let written = segment::write(&*disk, root, &uuid, 1, &layout, &[&rows], &picks, &columns, &mut |_| true);
    let segment = Segment::open(disk, root, &uuid, &written.unwrap().unwrap(), &layout, Access::Map).unwrap();
    assert!(segment.verify(&mut |e| panic!("{e}")).is_empty());
    segment
}

fn agree(schema: &Schema, documents: &[Json], filters: &[&str]) {
    let segment = sealed(schema, documents);
    for text in filters {
        let filter = Filter::parse(text).unwrap();
        let columns = SegmentColumns::new(schema, &segment, filter.paths()).unwrap();
        let plan = columns.plan(&filter).unwrap();
        let found = columns.select(&filter, &plan).unwrap();
        let passing = documents.iter().zip(0..).filter(|(d, _)| filter.matches(&fields_of(d)));
        let expected: Vec<u32> = passing.map(|(_, row)| row).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{text} on {documents:?}");
        for row in 0..segment.rows() {
            assert_eq!(columns.passes(&filter, row).unwrap(), found.contains(row), "{text}, row {row}");
        }
    }
}

fn names(documents: &[Json]) -> Vec<(String, ColumnKind)> {
    let segment = sealed(&Schema::new(1, Metric::L2), documents);
    assert!(segment.columns().unwrap().is_empty(), "derived columns are not declared ones");
    segment.derived_columns().unwrap().map(|c| (c.name().to_string(), c.kind())).collect()
}

const FILTERS: &[&str] = &[
    "a = 1",
    "a != 1",
    "not a = 1",
    "a < 2.5",
    "a >= -1 and a <= 1",
    "a in (1, 2, 'x')",
    "a not in (1, 0.5)",
    "a between 0 and 9007199254740992",
    "a > 9007199254740992",
    "a = 9007199254740993",
    "a like 'é%'",
    "a like '%'",
    "a is null",
    "a is not null",
    "exists a",
    "not exists a",
    "a",
    "not a",
    "a.b = 1",
    "exists a.b",
    "a.b is null",
    "\"a.b\" > 0",
    "a = 1 and b = 'x'",
    "a = 1 or b = 'x'",
    "b < 'é'",
    "b like 'x%' and a > 0",
    "b[0] = 1",
    "c = 3",
    "not (a > 0 or b is null)",
    "a >= 18446744073709551615",
    "a = -0.0",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn columns_and_documents_give_the_same_rows(
        values in proptest::collection::vec((0usize..19, 0usize..19, any::<bool>()), 1..60),
        common in 0usize..19,
        rare in 1usize..20,
    ) {
        let kinds = [
            json!(1), json!(0), json!(-1), json!(1.5), json!(0.5), json!(-0.0), json!((1i64 << 53) + 1),
            json!(9007199254740992.0), json!(u64::MAX), json!(i64::MIN), json!(true), json!(false), json!("x"),
            json!("éa"), json!("x".repeat(300)), json!(null), json!([1, "x", null]), json!({"b": 1}), json!({}),
        ];
        // Mostly of one type, so that there are columns with a few rows of something else.
        let of = |i: usize, pick: usize| kinds[if i.is_multiple_of(rare) { pick } else { common }].clone();
        let documents: Vec<Json> = values.iter().enumerate().map(|(i, (a, b, there))| match (there, i % 11) {
            (_, 3) => json!(null),
            (_, 7) => json!({"a.b": a, "b": of(i, *b)}),
            (true, _) => json!({"a": of(i, *a), "b": of(i + 1, *b)}),
            (false, _) => json!({"b": of(i, *b), "c": i}),
        }).collect();
        agree(&Schema::new(1, Metric::L2), &documents, FILTERS);
    }
}

#[test]
fn declared_columns_agree_with_documents() {
    let schema = Schema::new(1, Metric::L2).column("a", ColumnType::Float).column("b", ColumnType::Str);
    let documents: Vec<Json> = (0..40i64)
        .map(|i| match i % 5 {
            0 => json!({"a": i, "b": "x"}),
            1 => json!({"a": (1i64 << 53) + i, "b": null}),
            2 => json!({"a": null}),
            3 => json!({"b": format!("é{i}"), "a": i as f64 / 2.0}),
            _ => json!({}),
        })
        .collect();
    agree(&schema, &documents, FILTERS);
    let segment = sealed(&schema, &documents);
    assert_eq!(segment.columns().unwrap(), ["a", "b"]);
    assert_eq!(segment.derived_columns().unwrap().count(), 0, "what is declared is not derived again");
}

#[test]
fn columns_are_derived_for_values_of_one_type() {
    let documents: Vec<Json> = (0..100i64)
        .map(|i| {
            json!({"int": i, "mixed": if i % 2 == 0 { json!(i) } else { json!("x") }, "number": i as f64 / 2.0,
                "inner": {"side": {"deep": {"er": 1}, "text": "t"}}, "tags": ["a"], "long": "y".repeat(257)})
        })
        .collect();
    let found = names(&documents);
    let expected = [
        ("inner.side.deep.er", ColumnKind::Int),
        ("inner.side.text", ColumnKind::Str),
        ("int", ColumnKind::Int),
        ("number", ColumnKind::Float),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(name, kind)| (name.to_string(), kind)).collect();
    assert_eq!(found.len(), 4);
    assert!(expected.iter().all(|e| found.contains(e)), "{found:?}");
    assert!(names(&[json!({"a": {"b": {"c": {"d": {"e": 1}}}}})]).is_empty(), "too deep");
}

#[test]
fn the_most_frequent_paths_become_columns_up_to_the_limit() {
    let limit = foretaste_storage::limits::DERIVED_COLUMNS as usize;
    let documents: Vec<Json> = (0..limit + 4)
        .map(|i| Json::Object((0..=i).map(|field| (format!("f{field:02}"), json!(i))).collect()))
        .collect();
    let found: Vec<String> = names(&documents).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, (0..limit).map(|field| format!("f{field:02}")).collect::<Vec<_>>());
}
