//! Every format is imported, and what is exported comes back.

use crate::{DOCS, Place, fixture, fvecs, npy};

#[test]
fn each_format_is_imported_and_every_row_finds_itself() {
    let place = Place::new();
    let rows: Vec<Vec<f32>> = (0..9).map(|i| vec![i as f32, 1.0, 2.0]).collect();
    place.write("a.npy", npy(&rows));
    place.write("a.fvecs", fvecs(&rows));
    place.write("a.bvecs", [3, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0, 9, 8, 7]);
    place.write("a.jsonl", DOCS);
    place.write("a.csv", "id,vector,lang\nx,\"[1, 2]\",en\n5,\"3 4\",de\n");
    let mut files: Vec<String> =
        ["a.npy", "a.fvecs", "a.bvecs", "a.jsonl", "a.csv"].map(String::from).to_vec();
    for name in [
        "f16.hdf5",
        "f32.hdf5",
        "i32.hdf5",
        "s.npz",
        "z.npz",
        "plain.parquet",
        "snappy.parquet",
        "half.parquet",
    ] {
        files.push(fixture(name).display().to_string());
    }
    for (n, file) in files.iter().enumerate() {
        let collection = format!("c{n}");
        let done = place.json(&["import", "t.ft", &collection, file, "--metric", "l2"]);
        assert!(done["rows"].as_u64().unwrap() > 0, "{file}");
        assert_eq!((&done["rows"], &done["rows_before"]), (&done["rows_imported"], &0.into()), "{file}");
        assert_eq!(place.rows("t.ft", &collection), done["rows"].as_u64().unwrap());

        place.ok(&["export", "t.ft", &collection, "all.jsonl"]);
        for line in std::fs::read_to_string(place.path("all.jsonl")).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = row["id"].to_string();
            let answer = place.json(&["search", "t.ft", &collection, "--id", &id, "-k", "100"]);
            let own = answer["hits"].as_array().unwrap().iter().find(|hit| hit["id"] == row["id"]).unwrap();
            assert_eq!(own["distance"], 0.0, "{file}");
        }
    }
}

#[test]
fn a_row_that_is_exported_and_imported_is_the_same_row() {
    let place = Place::with_docs();
    for (name, ids_and_types) in
        [("out.jsonl", true), ("out.jsonl.gz", true), ("out.csv", false), ("out.csv.gz", false)]
    {
        place.ok(&["export", "t.ft", "docs", name]);
        assert!(!place.path(&format!("{name}.part")).exists());
        let back = format!("back-{}", name.replace('.', "-"));
        place.ok(&["import", "t.ft", &back, name, "--metric", "l2"]);
        for id in ["\"a\"", "\"b\"", "7", "\"7\"", "-1"] {
            // CSV does not tell the text 7 from the number 7, and keeps nested values as text.
            if !ids_and_types && ["\"7\"", "7", "\"b\""].contains(&id) {
                continue;
            }
            let mut there = place.json(&["get", "t.ft", "docs", id]);
            let mut here = place.json(&["get", "t.ft", &back, id]);
            there["version"].take();
            here["version"].take();
            assert_eq!(here, there, "{name}");
        }
        assert_eq!(place.rows("t.ft", &back), if ids_and_types { 5 } else { 4 });
    }
    place.ok(&["export", "t.ft", "docs", "out.npy"]);
    place.ok(&["import", "t.ft", "vectors", "out.npy", "--metric", "l2"]);
    assert_eq!(place.rows("t.ft", "vectors"), 5);
    assert_eq!(place.json(&["get", "t.ft", "vectors", "1"])["vector"].as_array().unwrap().len(), 2);
}

#[test]
fn an_export_that_cannot_be_leaves_no_file() {
    let place = Place::with_docs();
    let ran = place.run(&["export", "t.ft", "docs", "out.parquet"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let ran = place.run(&["export", "t.ft", "docs", "out.jsonl", "--id", "lang"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: row a: its document has a field `lang`"), "{}", ran.err);
    assert!(!place.path("out.jsonl").exists() && !place.path("out.jsonl.part").exists());
}
