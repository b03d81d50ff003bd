//! Damage is found, named and told by the exit code.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Place;

/// The largest file under `dir`.
fn largest(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push((entry.metadata().unwrap().len(), entry.path())),
            }
        }
    }
    files.into_iter().max().unwrap().1
}

#[test]
fn one_flipped_byte_makes_check_exit_1_and_name_the_file() {
    let place = Place::with_docs();
    let sound = place.json(&["check", "t.ft"]);
    assert_eq!((sound["rows"].as_u64(), sound["damage"].as_array().unwrap().len()), (Some(5), 0));
    assert!(place.ok(&["check", "t.ft"]).out.starts_with("sound: 5 rows in 1 segment"));

    let file = largest(&place.path("t.ft/seg"));
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();

    let ran = place.run(&["check", "t.ft"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains(name), "{}", ran.out);
    assert!(
        ran.err.contains("error: t.ft is damaged in ") && ran.err.contains("foretaste repair"),
        "{}",
        ran.err
    );
    let ran = place.run(&["check", "t.ft", "--json"]);
    assert_eq!(ran.code, 1);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(report["damage"][0]["file"].as_str().unwrap().ends_with(name), "{report}");
}

#[test]
fn repair_saves_other_collections_and_check_is_content_afterwards() {
    let place = Place::with_docs();
    let before: Vec<PathBuf> = segments(&place);
    place.ok(&["import", "t.ft", "other", "docs.jsonl", "--metric", "l2"]);
    let new = segments(&place).into_iter().find(|folder| !before.contains(folder)).unwrap();
    let file = largest(&new);
    std::fs::write(&file, b"gone").unwrap();
    assert_eq!(place.run(&["check", "t.ft"]).code, 1);

    let ran = place.ok(&["repair", "t.ft", "--json"]);
    let repaired: Value = serde_json::from_str(&ran.out).unwrap();
    for field in ["rows_saved", "rows_lost", "actions", "quarantine"] {
        assert!(!repaired[field].is_null(), "{field}: {repaired}");
    }
    assert!(ran.err.starts_with("writing to t.ft\n"), "{}", ran.err);
    place.ok(&["check", "t.ft"]);
    assert_eq!(place.rows("t.ft", "docs"), 5);
    assert!(place.ok(&["repair", "t.ft"]).out.contains("saved"));
}

fn segments(place: &Place) -> Vec<PathBuf> {
    std::fs::read_dir(place.path("t.ft/seg")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn compaction_gives_the_space_of_replaced_rows_back() {
    let place = Place::with_docs();
    let dead = || place.json(&["stats", "t.ft"])["collections"][0]["rows_dead"].as_u64().unwrap();
    place.ok(&["import", "t.ft", "docs", "docs.jsonl"]);
    let done = place.json(&["compact", "t.ft"]);
    assert_eq!((dead(), done["segments_after"].as_u64()), (0, Some(1)));
    assert_eq!(place.rows("t.ft", "docs"), 5);
}
