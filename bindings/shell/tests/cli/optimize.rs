//! A collection gets its index from the command line, and `stats` shows it.

use crate::Place;

#[test]
fn optimize_builds_the_index_asked_for_and_stats_shows_it() {
    let place = Place::with_docs();
    let stats = |place: &Place| place.json(&["stats", "t.ft"])["collections"][0].clone();
    let before = stats(&place);
    assert_eq!((before["index"].as_str(), before["index_wanted"].as_str()), (Some("none"), Some("auto")));
    assert_eq!(before["rows_unindexed"], before["rows"]);

    let done = place.json(&["optimize", "t.ft", "docs", "--index", "hnsw", "--m", "4", "--edge-bits", "1"]);
    assert_eq!((done["index"].as_str(), done["rows_unindexed"].as_u64()), (Some("hnsw"), Some(0)));
    let after = stats(&place);
    assert_eq!((after["index"].as_str(), after["index_wanted"].as_str()), (Some("hnsw"), Some("hnsw")));
    assert_eq!(after["bytes_index"], done["bytes_index"]);
    let shown = place.ok(&["stats", "t.ft"]).out;
    assert!(shown.contains("index") && shown.contains("hnsw") && shown.contains("unindexed"), "{shown}");

    // What is not said stays; a parameter says which kind.
    let said = place.ok(&["optimize", "t.ft", "docs"]).out;
    assert!(said.contains("5 rows in 1 segment, index hnsw"), "{said}");
    place.ok(&["optimize", "t.ft", "docs", "--nlist", "2", "--rotation", "none"]);
    let other = stats(&place);
    assert_eq!((other["index_wanted"].as_str(), other["rows_unindexed"].as_u64()), (Some("ivf"), Some(0)));
    assert_eq!(place.json(&["optimize", "t.ft", "docs", "--index", "flat"])["index"], "none");
    assert_eq!(place.json(&["check", "t.ft"])["damage"].as_array().map(Vec::len), Some(0));
}

#[test]
fn parameters_of_another_kind_and_unknown_collections_are_refused() {
    let place = Place::with_docs();
    for wrong in [
        &["--index", "ivf", "--m", "4"][..],
        &["--index", "flat", "--nlist", "4"],
        &["--index", "hnsw", "--nlist", "4"],
        &["--index", "tree"],
    ] {
        let ran = place.run(&[&["optimize", "t.ft", "docs"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {}", ran.err);
    }
    let ran = place.run(&["optimize", "t.ft", "docs", "--edge-bits", "3"]);
    assert!(ran.code == 1 && ran.err.contains("edge_bits is 0, 1, 2 or 4"), "{}", ran.err);
    let ran = place.run(&["optimize", "t.ft", "no"]);
    assert!(ran.code == 1 && ran.err.contains("docs"), "{}", ran.err);
}
