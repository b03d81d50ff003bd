use serde_json::json;

use super::*;
use crate::import::{Format, Options, open_bytes};
use crate::{Database, Metric, Schema};

fn database(dir: &tempfile::TempDir) -> (Database, Collection) {
    let db = Database::open(dir.path().join("t.ft")).unwrap();
    let collection = match db.collection("c") {
        Ok(collection) => collection,
        Err(_) => db.create_collection("c", Schema::new(2, Metric::L2)).unwrap(),
    };
    (db, collection)
}

/// Rows `0..n` without ids.
fn numbered(n: usize) -> Box<dyn Reader> {
    let text: String = (0..n).map(|i| format!("{{\"vector\": [{i}, 1], \"n\": {i}}}\n")).collect();
    jsonl(&text)
}

fn jsonl(text: &str) -> Box<dyn Reader> {
    open_bytes(Format::Jsonl, text.as_bytes().to_vec(), &Options::default()).unwrap()
}

fn marked(batch_rows: usize) -> LoadOptions {
    LoadOptions { batch_rows: Some(batch_rows), mark: Some("m".into()), limit: None }
}

#[test]
fn a_cancelled_load_keeps_its_batches_and_goes_on_after_them_also_in_a_database_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (db, collection) = database(&dir);
    let cancelled = load(&collection, &mut *numbered(100), &marked(7), &mut |p| p.rows < 21);
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert_eq!((collection.len(), collection.mark("m")), (21, Some(21)));
    drop(collection);
    db.close().unwrap();

    let (_db, collection) = database(&dir);
    let mut told = Vec::new();
    let loaded = load(&collection, &mut *numbered(100), &marked(7), &mut |p| {
        told.push(p.rows);
        true
    });
    let loaded = loaded.unwrap();
    assert_eq!((loaded.rows, loaded.rows_before, loaded.batches), (79, 21, 12));
    assert_eq!((told.first(), told.last()), (Some(&28), Some(&100)));
    assert_eq!((collection.len(), collection.mark("m")), (100, None));
    for i in 0..100 {
        let record = collection.get(i).unwrap().unwrap();
        assert_eq!((record.vector, record.payload), (vec![i as f32, 1.0], Some(json!({"n": i}))));
    }
}

#[test]
fn a_load_given_again_after_its_end_has_every_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let (db, collection) = database(&dir);
    for _ in 0..2 {
        let loaded = load(&collection, &mut *numbered(50), &marked(8), &mut |_| true).unwrap();
        assert_eq!((loaded.rows, loaded.rows_before, collection.len()), (50, 0, 50));
    }
    assert_eq!(db.stats().unwrap().collections[0].rows_fresh, 0);
}

#[test]
fn a_limit_counts_rows_of_the_file_and_not_of_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = database(&dir);
    let options = LoadOptions { limit: Some(30), ..marked(8) };
    let cancelled = load(&collection, &mut *numbered(100), &options, &mut |p| p.rows < 16);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    let loaded = load(&collection, &mut *numbered(100), &options, &mut |_| true).unwrap();
    assert_eq!((loaded.rows, loaded.rows_before, collection.len()), (14, 16, 30));
}

#[test]
fn of_rows_with_one_id_the_last_stays_whether_they_share_a_batch_or_not() {
    let text = "{\"id\": \"a\", \"vector\": [1, 1]}\n{\"id\": \"b\", \"vector\": [2, 2]}\n{\"id\": \"a\", \"vector\": [3, 3]}\n";
    for batch_rows in 1..4 {
        let dir = tempfile::tempdir().unwrap();
        let (_db, collection) = database(&dir);
        let loaded = load(&collection, &mut *jsonl(text), &marked(batch_rows), &mut |_| true).unwrap();
        assert_eq!((loaded.rows, collection.len()), (3, 2));
        assert_eq!(collection.get("a").unwrap().unwrap().vector, [3.0, 3.0]);
    }
}

#[test]
fn whole_rows_before_a_damaged_one_are_in_and_the_error_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = database(&dir);
    let text = "{\"vector\": [1, 1]}\n{\"vector\": [2, 2]}\n{\"vector\": [3, 3]}\n{\"vector\": [4, \"x\"]}\n";
    let error = load(&collection, &mut *jsonl(text), &marked(2), &mut |_| true).unwrap_err();
    let Error::Import(import) = &error else { panic!("{error}") };
    assert_eq!(import.row, Some(3));
    assert_eq!((collection.len(), collection.mark("m")), (3, Some(3)));
}

#[test]
fn a_refused_row_is_named_by_its_row_in_the_file_and_its_batch_is_not_in() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = database(&dir);
    // The first two rows of the second batch share an id, so that places in the batch and in the file differ.
    let ids = [0, 1, 2, 3, 4, 4, 5, 6, 7];
    let text: String = ids
        .iter()
        .enumerate()
        .map(|(row, id)| {
            let x = if row == 7 { "1e39" } else { "1" };
            format!("{{\"id\": {id}, \"vector\": [{x}, 1]}}\n")
        })
        .collect();
    let error = load(&collection, &mut *jsonl(&text), &marked(4), &mut |_| true).unwrap_err();
    assert!(matches!(error, Error::NonFinite { row: 7, dim: 0, .. }), "{error}");
    assert_eq!((collection.len(), collection.mark("m")), (4, Some(4)));
}

#[test]
fn large_rows_make_smaller_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (_db, collection) = database(&dir);
    let text = "x".repeat(100 << 10);
    let rows: String =
        (0..200).map(|i| format!("{{\"vector\": [{i}, 1], \"text\": \"{text}\"}}\n")).collect();
    let loaded = load(&collection, &mut *jsonl(&rows), &LoadOptions::default(), &mut |_| true).unwrap();
    // 20 MB of documents do not fit into two batches of 8 MiB.
    assert_eq!((loaded.rows, loaded.batches), (200, 3));
    let small = load(&collection, &mut *numbered(200), &LoadOptions::default(), &mut |_| true).unwrap();
    assert_eq!(small.batches, 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the file is no database file")]
fn the_mark_changes_with_the_file_and_with_what_a_row_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{}.jsonl", "é".repeat(120)));
    std::fs::write(&path, "{}").unwrap();
    let name = mark_name(&path, &Options::default()).unwrap();
    assert_eq!(mark_name(&path, &Options::default()).unwrap(), name);
    assert!(name.len() as u64 <= foretaste_storage::limits::NAME_BYTES, "{name}");
    let options = Options { id: Some("key".into()), ..Options::default() };
    assert_ne!(mark_name(&path, &options).unwrap(), name);
    std::fs::write(&path, "{ }").unwrap();
    assert_ne!(mark_name(&path, &Options::default()).unwrap(), name);
    assert!(mark_name(&dir.path().join("gone"), &Options::default()).is_err());
}
