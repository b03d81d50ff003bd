//! Filters on paths that no document has, some have, or all: segments, sealed and merged, give the rows that a reading of
//! every document gives, and say for how many rows they know it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use foretaste::{Collection, Database, Key, Metric, Options, Schema};
use foretaste_query::lang::{Filter, fields_of};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::{Map, Value, json};

const FILTERS: [&str; 16] = [
    "none = 1",
    "none is null",
    "not none.at.all[1] = 1",
    "few.x = 1",
    "few.x != 1 or none = 1",
    "not exists few",
    "few.y is null and all < 10",
    "exists list[0].in",
    "list.in is null",
    "list[0].in = 3 and none is null",
    "deep.a.b.c.d = 4",
    "deep.a.b.c.d is null",
    "deep.a.b.no.d is null",
    "exists wide299 and none is null",
    "wide3 = 3 or none = 1",
    "wide299 is null and all >= 0",
];

fn options(disk: &MemVfs) -> Options {
    Database::options().disk(Arc::new(disk.clone())).background(false)
}

/// Documents of one kind each, three to the kind: plain, few, list, deep, wide.
fn documents(kind: usize) -> Vec<Value> {
    let wide = || (0..300).map(|i| (format!("wide{i}"), json!(i))).collect::<Map<_, _>>();
    let of = |i: usize| match kind {
        0 => json!({"all": i}),
        1 => json!({"all": i, "few": {"x": i}}),
        2 => json!({"all": i, "list": [{"in": 2 + i}]}),
        3 => json!({"all": i, "deep": {"a": {"b": {"c": {"d": 3 + i}}}}}),
        _ => Value::Object(wide()),
    };
    (0..3).map(of).collect()
}

/// Adds rows under their numbers.
fn add(collection: &Collection, all: &mut Vec<Value>, kind: usize) {
    let mut batch = collection.batch();
    for document in documents(kind) {
        batch.upsert(all.len() as i64, &[all.len() as f32]).payload(document.clone());
        all.push(document);
    }
    batch.commit().unwrap();
}

fn agree(collection: &Collection, documents: &[Value]) {
    for text in FILTERS {
        let filter = Filter::parse(text).unwrap();
        let hits = collection.search(&[0.0]).k(100).filter(text).run().unwrap();
        let mut found: Vec<Key> = hits.iter().map(|hit| hit.id.clone()).collect();
        found.sort();
        let passing = documents.iter().zip(0..).filter(|(d, _)| filter.matches(&fields_of(d)));
        assert_eq!(
            found,
            passing.map(|(_, row)| Key::Int(row)).collect::<Vec<_>>(),
            "{text} {:?}",
            hits.plan
        );
    }
}

/// At least and at most how many rows of each segment pass.
fn known(collection: &Collection, filter: &str) -> Vec<(u64, u64)> {
    let hits = collection.search(&[0.0]).k(1).filter(filter).run().unwrap();
    hits.plan.iter().map(|decision| decision.matching.unwrap()).collect()
}

#[test]
fn sealed_and_merged_segments_know_which_paths_their_documents_have() {
    let disk = MemVfs::new();
    let db = options(&disk).open("db").unwrap();
    let collection = db.create_collection("c", Schema::new(1, Metric::L2)).unwrap();
    let mut all = Vec::new();
    for kind in [0, 1, 2, 3] {
        add(&collection, &mut all, kind);
        agree(&collection, &all);
        collection.flush().unwrap();
        agree(&collection, &all);
    }
    assert_eq!(known(&collection, "none = 1"), [(0, 0); 4]);
    assert_eq!(known(&collection, "exists few.x"), [(0, 0), (3, 3), (0, 0), (0, 0)]);
    assert_eq!(known(&collection, "list[0].in > 2"), [(0, 0), (0, 0), (0, 3), (0, 0)]);
    assert_eq!(known(&collection, "deep.a.b.c.d is null"), [(3, 3), (3, 3), (3, 3), (0, 3)]);
    collection.compact(|_, _| true).unwrap();
    agree(&collection, &all);
    assert_eq!(known(&collection, "none = 1"), [(0, 0)]);
    assert_eq!(known(&collection, "list.in is null and few.z is null"), [(12, 12)]);
    assert_eq!(known(&collection, "list[0].in > 2"), [(0, 12)]);

    // More paths than are looked at: a segment without a list, and so is what it is merged into.
    add(&collection, &mut all, 4);
    collection.flush().unwrap();
    agree(&collection, &all);
    assert_eq!(known(&collection, "none = 1"), [(0, 0), (0, 3)]);
    collection.compact(|_, _| true).unwrap();
    agree(&collection, &all);
    assert_eq!(known(&collection, "none = 1"), [(0, 15)]);
    // Without those documents it is known again.
    for row in 12..15 {
        collection.delete(row).unwrap();
    }
    all.truncate(12);
    collection.flush().unwrap();
    collection.compact(|_, _| true).unwrap();
    agree(&collection, &all);
    assert_eq!(known(&collection, "none = 1"), [(0, 0)]);
    drop(collection);
    db.close().unwrap();

    // No document is read for a path that none has: a database that has lost them still answers.
    let payloads: Vec<_> = disk.snapshot().into_keys().filter(|path| path.ends_with("payload")).collect();
    assert!(!payloads.is_empty());
    payloads.iter().for_each(|path| disk.remove_file(path).unwrap());
    let db = options(&disk).open("db").unwrap();
    let collection = db.collection("c").unwrap();
    let count = |filter: &str| collection.search(&[0.0]).k(100).filter(filter).run().map(|hits| hits.len());
    assert_eq!(count("none = 1 and list[0].in = 3").unwrap(), 0);
    assert_eq!(count("none[0].x is null or list[0].in = 3").unwrap(), 12);
    assert!(count("list[0].in = 3").is_err());
}
