//! The rows that columns and lists of paths select are those whose documents pass, whatever the documents hold.

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

mod life;

/// A segment of these documents; null is no document.
fn sealed(schema: &Schema, documents: &[Json]) -> Segment {
    sealed_texts(schema, &texts(documents)).0
}

fn texts(documents: &[Json]) -> Vec<Vec<u8>> {
    let text = |d: &Json| if d.is_null() { Vec::new() } else { serde_json::to_vec(d).unwrap() };
    documents.iter().map(text).collect()
}

/// A segment of these documents' texts, and its disk.
fn sealed_texts(schema: &Schema, texts: &[Vec<u8>]) -> (Segment, Arc<MemVfs>) {
    sealed_with(schema, texts, |_| {})
}

/// The same, with `change` made to what is kept of the documents.
fn sealed_with(
    schema: &Schema,
    texts: &[Vec<u8>],
    change: impl FnOnce(&mut DocumentIndex),
) -> (Segment, Arc<MemVfs>) {
    let (disk, root, uuid) = (Arc::new(MemVfs::new()), std::path::Path::new("db"), [7; 16]);
    disk.create_dir(root).unwrap();
    let layout = schema.layout.clone();
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
    let picks: Vec<Pick> = (0..texts.len() as u32).map(|row| Pick { source: 0, row }).collect();
    let mut index = document_index(schema, &[&rows], &picks).unwrap();
    change(&mut index);
    let written = segment::write(&*disk, root, &uuid, 1, &layout, &[&rows], &picks, &index, &mut |_| true);
    let segment =
        Segment::open(disk.clone(), root, &uuid, &written.unwrap().unwrap(), &layout, Access::Map).unwrap();
    assert!(segment.verify(&mut |e| panic!("{e}")).is_empty());
    (segment, disk)
}

fn agree(schema: &Schema, documents: &[Json], filters: &[&str]) {
    agree_in(&sealed(schema, documents), schema, documents, filters);
}

fn agree_in(segment: &Segment, schema: &Schema, documents: &[Json], filters: &[&str]) {
    for text in filters {
        let filter = Filter::parse(text).unwrap();
        let columns = SegmentColumns::new(schema, segment, filter.paths()).unwrap();
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
    "a[0] = 1",
    "a.b[0] != 1",
    "exists a[0].b",
    "a.b.c.d.e is null",
    "a.b.c.d.e = 1 or b = 'x'",
    "none = 1",
    "not none = 1",
    "none is null and a > 0",
    "none[3].b is not null",
    "none.b not in (1)",
    "exists none or b[0] = 1",
    "none = 1 and b[0] = 1",
];

/// They were off by a last bit, so that a filter with the number that had been written did not find its row.
#[test]
fn numbers_of_documents_are_what_is_written() {
    let written = ["2.377593196874478e-180", "9.049776246836785e-61", "0.1", "1.7976931348623157e308"];
    let texts: Vec<Vec<u8>> = written.iter().map(|n| format!("{{\"a\":{n}}}").into_bytes()).collect();
    let (segment, _disk) = sealed_texts(&Schema::new(1, Metric::L2), &texts);
    let documents: Vec<Json> = texts.iter().filter_map(|text| document(text)).collect();
    for (number, document) in written.iter().zip(&documents) {
        assert_eq!(document["a"].as_f64(), number.parse().ok());
        assert_eq!(document.to_string(), format!("{{\"a\":{}}}", number.replace("e308", "e+308")));
        let filter = format!("a = {number}");
        assert!(Filter::parse(&filter).unwrap().matches(&fields_of(document)), "{filter}");
        agree_in(&segment, &Schema::new(1, Metric::L2), &documents, &[&filter]);
    }
}

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

/// Any value that a tag, or what stands in its place, can be.
fn tag() -> impl Strategy<Value = Json> {
    let edge = proptest::sample::select(vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(-0.0),
        json!(0.5),
        json!((1i64 << 53) + 1),
        json!(9007199254740992.0),
        json!(i64::MAX),
        json!(9223372036854775808.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(true),
        json!(false),
        json!(""),
        json!("x"),
        json!("xy"),
        json!("é"),
        json!("日本"),
        json!("\u{10ffff}"),
        json!("y".repeat(300)),
        json!(null),
        json!({"b": "x"}),
        json!([]),
        json!(["x", 1]),
    ]);
    prop_oneof![9 => edge, 1 => ".{0,3}".prop_map(|text| json!(text)), 1 => any::<i64>().prop_map(|i| json!(i))]
}

/// What stands at a path: nothing, a tag, or an array of few or very many.
fn at_path() -> impl Strategy<Value = Option<Json>> {
    let many = (200usize..400, 1usize..300, any::<bool>()).prop_map(|(len, different, fractions)| {
        let of =
            |i: usize| if fractions { json!((i % different) as f64 / 4.0) } else { json!(i % different) };
        Json::Array((0..len).map(of).collect())
    });
    prop_oneof![
        1 => Just(None),
        4 => tag().prop_map(Some),
        12 => proptest::collection::vec(tag(), 0..6).prop_map(|tags| Some(Json::Array(tags))),
        1 => many.prop_map(Some),
    ]
}

/// One test of `a` or `o.t`, or of what no index knows.
fn test_of_arrays() -> impl Strategy<Value = String> {
    let literal = || {
        proptest::sample::select(vec![
            "0",
            "1",
            "-1",
            "0.5",
            "0.25",
            "150",
            "9007199254740993",
            "9007199254740992.0",
            "9223372036854775807",
            "9223372036854775808.0",
            "-9223372036854775808",
            "1e300",
            "true",
            "false",
            "''",
            "'x'",
            "'xy'",
            "'é'",
            "'日本'",
            "'z'",
        ])
    };
    let op = proptest::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let condition = prop_oneof![
        6 => (op, literal()).prop_map(|(op, literal)| format!("{{}} {op} {literal}")),
        2 => (any::<bool>(), proptest::collection::vec(literal(), 0..4))
            .prop_map(|(not, list)| format!("{{}} {}in ({})", if not { "not " } else { "" }, list.join(", "))),
        1 => proptest::sample::select(vec![
            "{} between 0 and 1.5", "{} between 'a' and 'é'", "{} between -1e300 and 1e300", "{} between false and true",
            "{} like 'x%'", "{} like '%'", "{} like '日%'", "{} is null", "{} is not null", "exists {}", "{}",
        ])
        .prop_map(String::from),
    ];
    let path = proptest::sample::select(vec!["a", "a", "o.t", "o.t", "a[0]", "o", "a.b", "n"]);
    (condition, path).prop_map(|(condition, path)| condition.replace("{}", path))
}

/// Such tests, joined and negated.
fn filter_of_arrays() -> impl Strategy<Value = String> {
    let tests = (test_of_arrays(), test_of_arrays(), test_of_arrays(), 0usize..6);
    tests.prop_map(|(a, b, c, form)| match form {
        0 => a,
        1 => format!("not {a}"),
        2 => format!("{a} and {b}"),
        3 => format!("{a} or {b} or {c}"),
        4 => format!("not ({a} or {b}) and not {c}"),
        _ => format!("({a} or not {b}) and {c}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(250) })]

    #[test]
    fn elements_and_documents_give_the_same_rows(
        values in proptest::collection::vec((at_path(), at_path()), 1..60),
        filters in proptest::collection::vec(filter_of_arrays(), 12),
        tame in any::<bool>(),
    ) {
        let documents: Vec<Json> = values.into_iter().enumerate().map(|(i, (a, t))| {
            // Mostly what an index holds, or anything.
            let a = if tame && i % 17 != 3 { Some(json!([i % 5, format!("x{}", i % 3), i % 2 == 0])) } else { a };
            let mut document = json!({"n": i, "o": {}});
            a.into_iter().for_each(|a| document["a"] = a);
            t.into_iter().for_each(|t| document["o"]["t"] = t);
            document
        }).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        agree(&Schema::new(1, Metric::L2), &documents, &filters);
        // A declared column holds no array; the documents are asked.
        agree(&Schema::new(1, Metric::L2).column("a", ColumnType::Str), &documents, &filters);
        // A segment from before there were elements.
        let schema = Schema::new(1, Metric::L2);
        let (before, _) = sealed_with(&schema, &texts(&documents), |index| index.elements.clear());
        prop_assert_eq!(before.elements().unwrap().count(), 0);
        agree_in(&before, &schema, &documents, &filters);
    }
}

#[test]
fn no_document_is_read_for_elements_that_are_held() {
    let documents: Vec<Json> = (0..400)
        .map(|i| match i % 4 {
            0 => json!({"tags": ["red", i], "n": i}),
            1 => json!({"tags": "red"}),
            2 => json!({"tags": [], "o": {"tags": [i % 10, null, [1]]}}),
            _ => json!({"tags": null}),
        })
        .collect();
    let (schema, documents) = (Schema::new(1, Metric::L2), documents);
    let texts: Vec<Vec<u8>> = documents.iter().map(|d| serde_json::to_vec(d).unwrap()).collect();
    let (whole, disk) = sealed_texts(&schema, &texts);
    assert_eq!(whole.elements().unwrap().map(|e| e.name()).collect::<Vec<_>>(), ["tags", "o.tags"]);
    let (root, uuid) = (std::path::Path::new("db"), [7; 16]);
    disk.remove_file(&root.join("seg/000001/payload")).unwrap();
    let open = Segment::open(disk.clone(), root, &uuid, whole.reference(), &schema.layout, Access::Map);
    let segment = open.unwrap();
    for (text, rows) in [
        ("tags = 'red'", 200),
        ("tags = 'red' and tags = 8", 1),
        ("tags in (0, 4, 8)", 3),
        ("tags > 300", 24),
        ("tags is null", 100),
        ("not exists tags", 0),
        ("tags is not null and n is null", 200),
        ("o.tags = 2", 20),
        ("o.tags != 2", 100),
        ("not o.tags = 2", 380),
    ] {
        let filter = Filter::parse(text).unwrap();
        let expected = documents.iter().filter(|d| filter.matches(&fields_of(d))).count() as u64;
        assert_eq!(expected, rows, "{text}");
        let columns = SegmentColumns::new(&schema, &segment, filter.paths()).unwrap();
        let plan = columns.plan(&filter).unwrap();
        assert_eq!(u64::from(columns.select(&filter, &plan).unwrap().len()), rows, "{text}");
    }
    // Asked of one row, for what is not there no document is read.
    let filter = Filter::parse("o.tags = 2 or o.tags is not null").unwrap();
    let columns = SegmentColumns::new(&schema, &segment, filter.paths()).unwrap();
    assert!(!columns.passes(&filter, 0).unwrap());
    assert!(columns.passes(&filter, 2).is_err());
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

fn listed(documents: &[Json]) -> Option<Vec<String>> {
    let segment = sealed(&Schema::new(1, Metric::L2), documents);
    let paths = segment.paths().unwrap()?;
    assert_eq!(paths.steps(), 4);
    Some(paths.names().map(String::from).collect())
}

#[test]
fn a_list_has_every_member_path_down_to_four_steps() {
    let documents = [
        json!({"a": {"b": {"c": {"d": {"e": 1}}}}, "n": null, "tags": [{"x": 1}, [2]]}),
        json!(null),
        json!({"a": 1, "a.b": 1, "like": 2, "": {"\"": true}}),
        json!({}),
    ];
    let expected = [
        r#""""#,
        r#"""."""""#,
        r#""a""#,
        r#""a"."b""#,
        r#""a"."b"."c""#,
        r#""a"."b"."c"."d""#,
        r#""a.b""#,
        r#""like""#,
        r#""n""#,
        r#""tags""#,
    ];
    assert_eq!(listed(&documents).unwrap(), expected);
    assert_eq!(listed(&[json!(null), json!({})]).unwrap(), [] as [&str; 0]);
    // What has no members has no paths.
    let (segment, _) = sealed_texts(&Schema::new(1, Metric::L2), &[b"[{\"a\":1}]".to_vec(), b"7".to_vec()]);
    assert_eq!(segment.paths().unwrap().unwrap().names().count(), 0);
}

#[test]
fn there_is_no_list_when_a_path_may_be_missing_from_it() {
    let many = |n: usize| Json::Object((0..n).map(|i| (format!("f{i}"), json!(i))).collect());
    let most = foretaste_storage::limits::PATHS as usize;
    assert_eq!(listed(&[many(most)]).unwrap().len(), most);
    assert_eq!(listed(&[many(most + 1)]), None);
    // Members below the depth take no place, those of a member without a place are not looked at.
    assert_eq!(listed(&[json!({"a": {"b": {"c": {"d": many(most + 1)}}}})]).unwrap().len(), 4);
    assert_eq!(listed(&[json!({"a": {"b": {"c": many(most)}}})]), None);
    assert_eq!(listed(&[many(most), json!({"more": {"x": 1}})]), None);
    assert_eq!(listed(&[many(most), many(3)]).unwrap().len(), most);

    let long = |bytes: u64| json!({"n".repeat(bytes as usize): 1});
    let most = foretaste_storage::limits::PATHS_BYTES;
    // With its quotes.
    assert_eq!(listed(&[long(most - 2)]).unwrap().len(), 1);
    assert_eq!(listed(&[long(most - 1)]), None);

    let schema = Schema::new(1, Metric::L2);
    let deep = [b"{\"a\":".repeat(200), b"1".to_vec(), b"}".repeat(200)].concat();
    assert!(document(&deep).is_none(), "deeper than the parser goes");
    let (segment, _) = sealed_texts(&schema, &[deep, b"{\"b\":1}".to_vec()]);
    assert_eq!(segment.paths().unwrap(), None);
}

#[test]
fn without_a_complete_list_the_documents_are_asked() {
    let mut documents: Vec<Json> = (0..300).map(|i| json!({format!("f{i}"): i, "common": i})).collect();
    documents.push(json!({"late": 1}));
    let filters = [
        "f3 = 3",
        "f299 = 299",
        "late = 1",
        "late != 1",
        "exists late",
        "late is null",
        "none is null",
        "none = 1",
        "not late = 1 and common > 290",
        "exists f299 or none = 1",
    ];
    agree(&Schema::new(1, Metric::L2), &documents, &filters);
    assert_eq!(listed(&documents), None);
    let few = &documents[..200];
    agree(&Schema::new(1, Metric::L2), few, &filters);
    assert_eq!(listed(few).unwrap().len(), 201);
}

#[test]
fn no_document_is_read_for_a_path_that_none_has() {
    let documents: Vec<Json> =
        (0..100).map(|i| json!({"n": i, "tags": [["x"]], "o": {"p": {"q": {"r": {}}}}})).collect();
    let schema = Schema::new(1, Metric::L2);
    let texts: Vec<Vec<u8>> = documents.iter().map(|d| serde_json::to_vec(d).unwrap()).collect();
    let (whole, disk) = sealed_texts(&schema, &texts);
    // A segment that was opened and whose documents are gone before the first was read.
    let (root, uuid) = (std::path::Path::new("db"), [7; 16]);
    let payload = root.join("seg/000001/payload");
    disk.remove_file(&payload).unwrap();
    let open = Segment::open(disk.clone(), root, &uuid, whole.reference(), &schema.layout, Access::Read);
    let segment = open.unwrap();
    for (text, rows) in [
        ("z = 1", 0),
        ("z != 1", 0),
        ("not z = 1", 100),
        ("z is null", 100),
        ("exists z", 0),
        ("z[0] = 1", 0),
        ("o.z is null", 100),
        ("o.p.z[3].a = 1", 0),
        ("o.p.q.z.s = 1", 0),
        ("n.z is not null", 0),
        ("n < 10 and z is null", 10),
        ("tags = 'x' and z = 1", 0),
        ("tags[0] = 'x' or z is null", 100),
    ] {
        let filter = Filter::parse(text).unwrap();
        let columns = SegmentColumns::new(&schema, &segment, filter.paths()).unwrap();
        let plan = columns.plan(&filter).unwrap();
        assert_eq!(plan.estimate(), rows..=rows, "{text}");
        assert_eq!(u64::from(columns.select(&filter, &plan).unwrap().len()), rows, "{text}");
    }
    // Asked of single rows, too.
    for (text, passes) in
        [("z = 1", false), ("z is null or tags = 'x'", true), ("z.y = 1 and tags = 'x'", false)]
    {
        let filter = Filter::parse(text).unwrap();
        let columns = SegmentColumns::new(&schema, &segment, filter.paths()).unwrap();
        assert!((0..100).all(|row| columns.passes(&filter, row).unwrap() == passes), "{text}");
    }
    for text in ["tags[0] = 1", "tags = 'x'", "o.p.q.r.s is null", "tags[0].z is null", "tags = 'x' or z = 1"]
    {
        let filter = Filter::parse(text).unwrap();
        let columns = SegmentColumns::new(&schema, &segment, filter.paths()).unwrap();
        let plan = columns.plan(&filter).unwrap();
        assert_eq!(plan.estimate(), 0..=100, "{text}");
        assert!(columns.select(&filter, &plan).is_err(), "{text}");
    }
}
