//! The demo, as the first thing a new user runs.

use crate::{DOCS, Place};

#[test]
fn the_demo_builds_asks_and_uses_what_is_there() {
    let place = Place::new();
    let ran = place.ok(&["demo"]);
    assert!(ran.out.starts_with("built demo.ft in "), "{}", ran.out);
    for part in
        ["4,000 sentences", "µs", "where title", "first 64 dimensions", "all there", "what to try next"]
    {
        assert!(ran.out.contains(part), "no {part}: {}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'));
    assert_eq!(place.rows("demo.ft", "sentences"), 4000);
    // The commands it proposes work.
    let proposed: Vec<&str> = ran.out.lines().rev().take(4).collect();
    for line in proposed {
        let line = line.split("   #").next().unwrap().trim();
        let shell = std::process::Command::new("sh")
            .args(["-c", line])
            .current_dir(place.path("."))
            .output()
            .unwrap();
        assert!(shell.status.success(), "{line}: {}", String::from_utf8_lossy(&shell.stderr));
    }

    let again = place.json(&["demo"]);
    assert_eq!((&again["reused"], &again["rows"]), (&true.into(), &4000.into()));
    let answers = again["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 7);
    assert!(answers.iter().all(|a| a["hits"].as_array().unwrap().len() == 3));
    let filtered = answers.iter().find(|a| a["kind"] == "filtered").unwrap();
    assert!(filtered["hits"].as_array().unwrap().iter().all(|hit| hit["title"] != "Force"));
}

#[test]
fn the_demo_leaves_what_is_not_its_own_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("full")).unwrap();
    place.write("full/letter.txt", "dear");
    place.write("docs.jsonl", DOCS);
    place.ok(&["import", "other.ft", "docs", "docs.jsonl"]);
    place.ok(&["import", "same-name.ft", "sentences", "docs.jsonl"]);
    for dir in ["full", "other.ft", "same-name.ft"] {
        let ran = place.run(&["demo", dir]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains("leaves alone"), "{}", ran.err);
    }
    assert_eq!(std::fs::read_dir(place.path("full")).unwrap().count(), 1);
    assert_eq!((place.rows("other.ft", "docs"), place.rows("same-name.ft", "sentences")), (5, 5));
}

#[test]
fn an_unfinished_demo_database_is_built_anew() {
    let place = Place::new();
    place.ok(&["demo", "my demo.ft"]);
    let db = foretaste::Database::open(place.path("my demo.ft")).unwrap();
    db.collection("sentences").unwrap().delete("apollo-program-8").unwrap();
    db.close().unwrap();
    assert!(place.ok(&["demo", "my demo.ft"]).out.starts_with("built"));
    assert_eq!(place.rows("my demo.ft", "sentences"), 4000);
}
