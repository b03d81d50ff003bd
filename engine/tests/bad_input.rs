//! What is refused at the door: the exact error with its place and words; afterwards the database holds what it held
//! and takes a good batch.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::subject::{Subject, open};
use foretaste::{Batch, ColumnType, Element, Error, MAX_K, Metric, RowVariance, Schema, Variance};
use foretaste_storage::limits;
use serde_json::json;

fn schema() -> Schema {
    Schema::new(4, Metric::Cosine).levels([2]).variance(Variance::Diagonal).column("n", ColumnType::Int)
}

const GOOD: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

#[test]
fn a_bad_vector_is_refused_with_its_row_and_dimension() {
    let mut it = Subject::new(schema());
    let two = |batch: &mut Batch, bad: &[f32]| {
        batch.upsert("good", &GOOD);
        batch.upsert("bad", bad);
    };
    let e = it.batch(
        |b| two(b, &[1.0, 2.0, f32::NAN, 4.0]),
        "row 1 (id bad): dimension 2 is NaN, which is not a finite number",
    );
    assert!(matches!(e, Error::NonFinite { row: 1, dim: 2, ref id, .. } if id == "bad"));
    let e = it.batch(
        |b| two(b, &[f32::NEG_INFINITY, 2.0]),
        "row 1 (id bad): dimension 0 is -inf, which is not a finite number",
    );
    assert!(matches!(e, Error::NonFinite { row: 1, dim: 0, value: f32::NEG_INFINITY, .. }));
    for (len, vector) in [(3, vec![1.0; 3]), (5, vec![1.0; 5]), (0, vec![])] {
        let message = format!("row 1 (id bad): the vector has {len} dimensions, one of [2, 4] expected");
        let e = it.batch(|b| two(b, &vector), &message);
        assert!(matches!(e, Error::DimensionMismatch { row: 1, got, .. } if got == len));
    }
    let e = it.batch(
        |b| two(b, &[0.0, -0.0, 0.0, 0.0]),
        "row 1 (id bad): a vector of zeros has no direction, and the metric is cosine; leave the row out or use l2",
    );
    assert!(matches!(e, Error::ZeroVector { row: 1, .. }));
    it.end();
}

#[test]
fn a_number_that_the_element_type_cannot_hold_is_refused() {
    for (element, name, limit, beyond) in [
        (Element::F16, "f16", 65504.0f32, 65520.0f32),
        (Element::BF16, "bf16", f32::from_bits(0x7f7f_0000), f32::MAX),
    ] {
        let mut it = Subject::new(Schema::new(4, Metric::L2).element(element));
        let e = it.batch(
            |b| { b.upsert(9, &[1.0, -beyond, 3.0, 4.0]); },
            &format!(
                "row 0 (id 9): dimension 1 is {}, and {name} holds at most {limit}; scale the vectors or use f32",
                -beyond
            ),
        );
        assert!(matches!(e, Error::OutOfRange { row: 0, dim: 1, .. }));
        it.col.upsert(100, &[limit, -limit, 0.0, 1.0]).unwrap();
        assert_eq!(it.col.get(100).unwrap().unwrap().vector, [limit, -limit, 0.0, 1.0]);
        it.before = it.rows();
        it.end();
    }
}

#[test]
fn a_bad_variance_is_refused_with_its_row_and_dimension() {
    let mut it = Subject::new(schema());
    for (variance, why) in [
        (
            RowVariance::Variance(vec![0.1, -0.5, 0.1, 0.1]),
            "the variance of dimension 1 is -0.5, which cannot be",
        ),
        (
            RowVariance::Variance(vec![0.1, 0.1, f32::NAN, 0.1]),
            "the variance of dimension 2 is NaN, which cannot be",
        ),
        (
            RowVariance::StandardDeviation(vec![-2.0, 1.0, 1.0, 1.0]),
            "the variance of dimension 0 is -4, which cannot be",
        ),
        (
            RowVariance::LogVariance(vec![0.0, 0.0, 0.0, 90.0]),
            "the variance of dimension 3 is inf, which cannot be",
        ),
        (RowVariance::Variance(vec![0.1; 2]), "2 variances given, 4 expected"),
        (RowVariance::Variance(vec![]), "0 variances given, 4 expected"),
    ] {
        let e = it.batch(
            |b| {
                b.upsert("good", &GOOD).variance(&RowVariance::Variance(vec![0.5; 4]));
                b.upsert("bad", &GOOD).variance(&variance);
            },
            &format!("row 1 (id bad): {why}"),
        );
        assert!(matches!(e, Error::BadVariance { row: 1, .. }));
    }
    it.end();
    let mut it = Subject::new(Schema::new(4, Metric::L2));
    let e = it.batch(
        |b| {
            b.upsert(5, &GOOD).variance(&RowVariance::Variance(vec![0.1; 4]));
        },
        "row 0 (id 5): the collection keeps no variances; create it with `.variance(…)`",
    );
    assert!(matches!(e, Error::BadVariance { row: 0, .. }));
    it.end();
}

#[test]
fn a_bad_payload_is_refused_with_its_row() {
    let mut it = Subject::new(schema());
    for (payload, why) in [
        (json!({"n": "seven"}), "column `n` is declared int, found \"seven\""),
        (json!({"n": 1.5}), "column `n` is declared int, found 1.5"),
        (json!({"n": u64::MAX}), "column `n` is declared int, found 18446744073709551615"),
        (json!([1, 2]), "the payload must be a JSON object"),
        (json!(null), "the payload must be a JSON object"),
    ] {
        let e = it.batch(
            |b| {
                b.upsert("good", &GOOD).payload(json!({"n": null}));
                b.upsert("bad", &GOOD).payload(payload);
            },
            &format!("row 1 (id bad): {why}"),
        );
        assert!(matches!(e, Error::BadPayload { row: 1, .. }));
    }
    let text = "x".repeat(limits::PAYLOAD_BYTES as usize - 8);
    let e = it.batch(
        |b| {
            b.upsert(1, &GOOD).payload(json!({"t": format!("{text}x")}));
        },
        "payload in bytes is 16777217, the limit is 16777216",
    );
    assert!(matches!(e, Error::LimitExceeded { limit: limits::PAYLOAD_BYTES, .. }));
    it.end();
}

#[test]
fn a_bad_id_is_refused() {
    let mut it = Subject::new(schema());
    let e = it.batch(
        |b| {
            b.upsert(7, &GOOD);
            b.upsert("7", &GOOD);
            b.upsert(7, &GOOD);
        },
        "id 7 stands twice in the batch, as operations 0 and 2; a batch names an id once",
    );
    assert!(matches!(e, Error::DuplicateId { first: 0, second: 2, .. }));
    let e = it.batch(
        |b| {
            // Deletes count after the upserts, whatever the order of the calls.
            b.delete("a");
            b.upsert("b", &GOOD);
            b.upsert("a", &GOOD);
        },
        "id a stands twice in the batch, as operations 1 and 2; a batch names an id once",
    );
    assert!(matches!(e, Error::DuplicateId { first: 1, second: 2, .. }));
    it.batch(
        |b| {
            b.delete("a").delete("a");
        },
        "id a stands twice in the batch, as operations 0 and 1; a batch names an id once",
    );
    let long = "k".repeat(limits::KEY_BYTES as usize + 1);
    let message = "key length in bytes is 1025, the limit is 1024";
    it.batch(
        |b| {
            b.upsert(long.as_str(), &GOOD);
        },
        message,
    );
    it.batch(
        |b| {
            b.delete(long.as_str());
        },
        message,
    );
    let name = "m".repeat(limits::NAME_BYTES as usize + 1);
    let mark = |b: &mut Batch| {
        b.mark(&name, Some(1));
    };
    it.batch(mark, "mark name in bytes is 256, the limit is 255");
    it.end();
}

#[test]
fn a_bad_search_is_refused() {
    let mut it = Subject::new(schema());
    let search = |it: &Subject, query: &[f32]| it.col.search(query);
    for (filter, at, message) in [
        ("n = ", 4, "filter, at byte 4: expected a value after `=`, found the end"),
        ("lang = 'en' ADN n = 1", 12, "filter, at byte 12: "),
        ("n = 'one'", 4, "filter, at byte 4: "),
    ] {
        let e = search(&it, &GOOD).filter(filter).run().unwrap_err();
        assert!(matches!(e, Error::BadFilter { at: found, .. } if found == at), "{e:?}");
        assert!(e.to_string().starts_with(message), "{e}");
    }
    let k = MAX_K + 1;
    let found = search(&it, &GOOD).k(k).run();
    let e = it.refused(found, "k is 100001, the limit is 100000");
    assert!(matches!(e, Error::LimitExceeded { what: "k", limit: 100_000, found: 100_001 }));
    for (dims, message) in [
        (0, "dims: at least one dimension is compared"),
        (
            1,
            "dims: 1 is below the first level of this collection, which has [2, 4]; any length from there on can be searched, \
             and a shorter one when it is declared: `Schema::levels`",
        ),
        (5, "dims: 5 is more than the 4 dimensions of this collection"),
    ] {
        let found = search(&it, &GOOD).dims(dims).run();
        let e = it.refused(found, message);
        assert!(matches!(e, Error::BadRequest { what: "dims", .. }));
    }
    let found = search(&it, &GOOD[..3]).run();
    it.refused(found, "row 0 (id query): the vector has 3 dimensions, 4 expected");
    let found = search(&it, &GOOD[..1]).dims(2).run();
    it.refused(found, "row 0 (id query): the vector has 1 dimensions, 2 to 4 expected");
    let found = search(&it, &[1.0; 5]).run();
    let e = it.refused(found, "row 0 (id query): the vector has 5 dimensions, 4 expected");
    assert!(matches!(e, Error::DimensionMismatch { got: 5, row: 0, .. }));
    let found = search(&it, &[1.0, f32::NAN, 0.0, 0.0]).run();
    let e = it.refused(found, "row 0 (id query): dimension 1 is NaN, which is not a finite number");
    assert!(matches!(e, Error::NonFinite { dim: 1, .. }));
    let found = search(&it, &[0.0, 0.0, 1.0, 1.0]).dims(2).run();
    let e = it.refused(
        found,
        "row 0 (id query): a vector of zeros has no direction, and the metric is cosine; leave the row out or use l2",
    );
    assert!(matches!(e, Error::ZeroVector { .. }));
    assert!(search(&it, &GOOD).k(0).run().unwrap().is_empty());
    it.end();
}

#[test]
fn a_collection_that_cannot_be_is_refused() {
    let mut it = Subject::new(schema());
    let found = it.db.collection("d").map(|_| ());
    let e = it.refused(found, "collection `d` (in this database: c) is not there");
    assert!(matches!(e, Error::NotFound { .. }));
    let found = it.db.drop_collection("d");
    it.refused(found, "collection `d` (in this database: c) is not there");
    let found = it.db.create_collection("c", schema()).map(|_| ());
    let e = it.refused(
        found,
        "collection `c` exists already; open it with `collection(\"c\")` or choose another name",
    );
    assert!(matches!(e, Error::Exists { ref name } if name == "c"));
    let message = "collection name: a name has at least one character and no control characters";
    for name in ["", "a\nb", "\u{7f}", "\u{85}"] {
        let found = it.db.create_collection(name, schema()).map(|_| ());
        it.refused(found, message);
    }
    let long = "é".repeat(limits::NAME_BYTES as usize / 2 + 1);
    let found = it.db.create_collection(&long, schema()).map(|_| ());
    it.refused(found, "collection name in bytes is 256, the limit is 255");
    let columns = |n: u64| (0..n).fold(schema(), |s, i| s.column(format!("c{i}"), ColumnType::Int));
    for (bad, message) in [
        (Schema::new(limits::DIMENSION as usize + 1, Metric::L2), "dimension is 65537, the limit is 65536"),
        (Schema::new(usize::MAX, Metric::L2), "dimension is 4294967295, the limit is 65536"),
        (
            Schema::new(100, Metric::L2).levels(1..=limits::LEVELS as usize),
            "number of levels is 17, the limit is 16",
        ),
        (columns(limits::COLUMNS), "number of columns is 257, the limit is 256"),
        (schema().column(&long, ColumnType::Str), "column name in bytes is 256, the limit is 255"),
        (
            Schema::new(0, Metric::L2),
            "schema: levels must be positive, ascending and end with the dimension, got [0]",
        ),
        (
            Schema::new(8, Metric::L2).levels([4, 2]),
            "schema: levels must be positive, ascending and end with the dimension, got [4, 2, 8]",
        ),
        (schema().column("n", ColumnType::Str), "schema: column `n` is unnamed or declared twice"),
    ] {
        let found = it.db.create_collection("d", bad).map(|_| ());
        it.refused(found, message);
    }
    for (change, message) in [
        (it.col.truncate(3), "truncate: 3 is not a level of this collection, which has [2, 4]"),
        (
            it.col.extend([4]),
            "schema: levels must be positive, ascending and end with the dimension, got [2, 4, 4]",
        ),
        (it.col.extend([limits::DIMENSION as usize + 1]), "dimension is 65537, the limit is 65536"),
    ] {
        it.refused(change, message);
    }
    assert_eq!(it.db.collections(), ["c"]);
    it.end();
}

#[test]
fn writes_without_the_right_to_write_are_refused() {
    let it = Subject::new(schema());
    let reader = open(&it.disk, true);
    let read = reader.collection("c").unwrap();
    let message =
        |what: &str| format!("the database is open read-only; open it without `read_only` to {what}");
    for (result, what) in [
        (read.upsert(1, &GOOD), "write"),
        (read.delete(1), "write"),
        (read.flush(), "flush"),
        (reader.flush(), "flush"),
        (reader.compact(|_, _| true), "flush"),
        (read.truncate(2), "truncate"),
        (read.extend([8]), "extend"),
        (reader.drop_collection("c"), "drop a collection"),
        (reader.create_collection("d", schema()).map(|_| ()), "create a collection"),
    ] {
        let e = result.unwrap_err();
        assert_eq!(e.to_string(), message(what));
        assert!(matches!(e, Error::ReadOnly { .. }));
    }
    drop((reader, read));
    it.end();
}

#[test]
fn a_closed_database_takes_no_writes_and_reads_on() {
    let it = Subject::new(schema());
    let other = it.db.clone();
    it.db.clone().close().unwrap();
    let message = "writing stopped after an earlier failure (the database was closed); close the database and open it again";
    for result in [
        it.col.upsert(1, &GOOD),
        it.col.delete(0),
        other.flush(),
        other.compact(|_, _| true),
        it.col.truncate(2),
        it.col.extend([8]),
        other.drop_collection("c"),
        other.create_collection("d", schema()).map(|_| ()),
    ] {
        let e = result.unwrap_err();
        assert_eq!(e.to_string(), message);
        assert!(matches!(e, Error::Poisoned { .. }));
    }
    assert_eq!(it.rows(), it.before);
    assert_eq!(it.col.search(&GOOD).run().unwrap().len(), it.before.len());
    drop(other);
    it.end();
}

#[test]
fn a_batch_of_a_dropped_collection_is_refused_even_when_another_has_its_name() {
    let mut it = Subject::new(schema());
    let mut batch = it.col.batch();
    batch.upsert(77, &GOOD);
    let snapshot = it.col.snapshot();
    it.db.drop_collection("c").unwrap();
    let e = batch.commit().unwrap_err();
    assert_eq!(e.to_string(), "collection `c` (it was dropped) is not there");
    let again = it.db.create_collection("c", schema()).unwrap();
    assert!(matches!(it.col.upsert(1, &GOOD), Err(Error::NotFound { .. })));
    assert!(it.col.is_empty() && again.is_empty());
    assert_eq!(snapshot.scan().map(Result::unwrap).collect::<Vec<_>>(), it.before);
    (it.col, it.good) = (again, 0);
    it.take_a_good_batch();
    it.end();
}

#[test]
fn a_database_is_not_made_among_other_peoples_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let e = foretaste::Database::open(dir.path()).unwrap_err();
    assert!(matches!(e, Error::BadRequest { what: "open", .. }));
    assert!(
        e.to_string().ends_with("holds other files (`letter.txt`); name a new or an empty folder"),
        "{e}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    foretaste::Database::open(&empty).unwrap().close().unwrap();
    foretaste::Database::open(&empty).unwrap();
}
