//! Importing: interruptions, repeated runs, refusals, and what is said where.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use foretaste::Database;
use serde_json::json;

use crate::{Place, fvecs};

const ROWS: usize = 20_000;

/// An import that takes a while: many small commits. Returns once some of it is in.
fn started(place: &Place) -> std::process::Child {
    let rows: Vec<Vec<f32>> = (0..ROWS).map(|i| vec![i as f32, 1.0]).collect();
    place.write("big.fvecs", fvecs(&rows));
    let mut command = place.command(&SLOW);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while place.run(&["get", "t.ft", "big", "60"]).code != 0 {
        sleep(Duration::from_millis(2));
    }
    child
}

const SLOW: [&str; 8] = ["import", "t.ft", "big", "big.fvecs", "--metric", "l2", "--batch", "20"];
const REST: [&str; 6] = ["import", "t.ft", "big", "big.fvecs", "--metric", "l2"];

fn every_row_is_there_once(place: &Place) {
    assert_eq!(place.rows("t.ft", "big"), ROWS as u64);
    let db = Database::options().read_only(true).open(place.path("t.ft")).unwrap();
    let mut ids: Vec<String> =
        db.collection("big").unwrap().snapshot().scan().map(|r| r.unwrap().id.to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), ROWS);
}

#[test]
fn an_import_that_was_killed_goes_on_and_ends_with_every_row_once() {
    let place = Place::new();
    let mut child = started(&place);
    child.kill().unwrap();
    child.wait().unwrap();
    let before = place.rows("t.ft", "big");
    assert!((60..ROWS as u64).contains(&before), "{before} rows: it was not killed in the middle");
    let ran = place.ok(&REST);
    assert!(ran.err.contains("going on after"), "{}", ran.err);
    every_row_is_there_once(&place);
    // And once more from the start: it is complete, so there is nothing to go on from.
    let done = place.json(&REST);
    assert_eq!((&done["rows_before"], &done["rows_imported"]), (&json!(0), &json!(ROWS)));
    every_row_is_there_once(&place);
    assert_eq!(place.ok(&["check", "t.ft"]).code, 0);
}

#[test]
#[cfg(unix)]
fn an_interrupted_import_exits_130_and_keeps_what_is_committed() {
    let place = Place::new();
    let child = started(&place);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let ran = child.wait_with_output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(130), "{err}");
    assert!(err.contains("error: interrupted\nhint: "), "{err}");
    assert!(ran.stdout.is_empty());
    assert!(place.rows("t.ft", "big") >= 60);
    place.ok(&REST);
    every_row_is_there_once(&place);
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let place = Place::with_docs();
    let db = Database::open(place.path("t.ft")).unwrap();
    for args in [&["compact", "t.ft"][..], &["import", "t.ft", "docs", "docs.jsonl"]] {
        let ran = place.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        let says = format!("open for writing in process {}", std::process::id());
        assert!(ran.err.contains(&says), "{}", ran.err);
    }
    assert_eq!(place.rows("t.ft", "docs"), 5);
    place.ok(&["check", "t.ft"]);
    db.close().unwrap();
    place.ok(&["compact", "t.ft"]);
}

#[test]
fn the_result_is_on_standard_output_and_the_rest_is_not() {
    let place = Place::with_docs();
    let ran = place.ok(&["import", "t.ft", "docs", "docs.jsonl"]);
    assert_eq!(ran.out, "");
    assert!(ran.err.starts_with("writing to t.ft\n5 rows imported in "), "{}", ran.err);
    assert!(ran.err.contains("rows/s") && ran.err.contains("MB/s"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}') && !ran.err.contains('\r'));
    let done = place.json(&["import", "t.ft", "docs", "docs.jsonl"]);
    assert_eq!((&done["collection"], &done["rows"]), (&json!("docs"), &json!(5)));
}

#[test]
fn options_choose_ids_vectors_rows_and_storage() {
    let place = Place::new();
    place.write("x.txt", "{\"key\": \"k\", \"emb\": [1, 2, 3]}\n{\"key\": \"l\", \"emb\": [3, 2, 1]}\n");
    let args = "import t.ft c x.txt --format jsonl --id key --vector emb --limit 1 --dtype f16 --levels 1,2 --rotation none";
    place.ok(&args.split(' ').collect::<Vec<_>>());
    let ran = place.run(&args.replace("none", "pca").split(' ').collect::<Vec<_>>());
    assert!(ran.code == 1 && ran.err.contains("which --rotation contradicts"), "{}", ran.err);
    let stats = place.json(&["stats", "t.ft"]);
    let c = &stats["collections"][0];
    let figures = (&c["name"], &c["rows"], &c["dim"], &c["metric"], &c["levels"], &c["element"]);
    let expected = (&json!("c"), &json!(1), &json!(3), &json!("cosine"), &json!([1, 2, 3]), &json!("f16"));
    assert_eq!(figures, expected);
    assert_eq!(c["segments"], 1);
    assert!(c["bytes_live"].as_u64().unwrap() > 0 && c["bytes_dead"] == 0);
    assert_eq!(place.json(&["get", "t.ft", "c", "k"])["payload"], json!(null));
}

#[test]
fn options_that_an_existing_collection_contradicts_are_refused() {
    let place = Place::with_docs();
    for option in [
        ["--metric", "dot"],
        ["--dtype", "i8"],
        ["--levels", "1,2"],
        ["--rotation", "none"],
        ["--column", "lang:str"],
    ] {
        let ran = place.run(&[&["import", "t.ft", "docs", "docs.jsonl"][..], &option].concat());
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(&format!("which {} contradicts", option[0])), "{}", ran.err);
    }
    place.ok(&["import", "t.ft", "docs", "docs.jsonl", "--metric", "euclidean", "--column", "year:int"]);
}

#[test]
fn a_wrong_row_is_named_with_its_file() {
    let place = Place::with_docs();
    place.write("nan.csv", "id,vector\na,1 2\nb,1 NaN\n");
    let ran = place.run(&["import", "t.ft", "docs", "nan.csv"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: nan.csv: row 1 (id b): dimension 1 is NaN"), "{}", ran.err);
    place.write("bad.jsonl", "{\"vector\": [1, 2]}\n{\"vector\": [1, \n");
    let ran = place.run(&["import", "t.ft", "new", "bad.jsonl"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: bad.jsonl, row 1, line 2: "), "{}", ran.err);
    assert!(ran.err.contains("hint: 1 rows of the file are in"), "{}", ran.err);
    place.write("typed.jsonl", "{\"id\": 1, \"vector\": [1, 2], \"year\": \"x\"}\n");
    let ran = place.run(&["import", "t.ft", "docs", "typed.jsonl"]);
    assert!(ran.err.contains("typed.jsonl: row 0 (id 1): column `year` is declared int"), "{}", ran.err);
}
