//! Measuring a data set: the figures that do not depend on the machine, and the files it writes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Place;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench.hdf5")
}

fn bench(place: &Place, more: &[&str]) -> Value {
    let file = data();
    let args = ["bench", file.to_str().unwrap(), "--index", "flat", "--runs", "1"];
    place.json(&[&args[..], more].concat())
}

#[test]
fn an_exact_search_finds_all_true_neighbours() {
    let place = Place::new();
    let report = bench(&place, &["-k", "1,10,20"]);
    assert_eq!((&report["rows"], &report["dim"], &report["metric"]), (&json!(600), &json!(16), &json!("l2")));
    let curves = report["curves"].as_array().unwrap();
    assert_eq!(curves.iter().map(|c| c["k"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 10, 20]);
    for curve in curves {
        let point = &curve["points"][0];
        assert_eq!(point["recall"], 1.0, "{curve}");
        assert_eq!(point["queries"], 40);
        assert!(point["p50_us"].as_f64().unwrap() <= point["p99_us"].as_f64().unwrap());
        assert_eq!(curve["at_recall"][1]["qps"], point["qps"]);
        assert_eq!(curve["at_recall"][1]["at_least"], true);
    }
    assert!(report["indexes"][0]["bytes_disk"].as_u64().unwrap() > 600 * 16 * 4);
}

#[test]
fn a_shorter_length_is_compared_with_the_truth_of_the_whole() {
    let place = Place::new();
    let report = bench(&place, &["-k", "10", "--dims", "4,16"]);
    let recall = |curve: usize| report["curves"][curve]["points"][0]["recall"].as_f64().unwrap();
    assert!(recall(0) > 0.1 && recall(0) < 0.95, "{}", recall(0));
    assert_eq!(recall(1), 1.0);
}

#[test]
fn under_a_filter_the_truth_is_that_of_the_rows_that_pass() {
    let place = Place::new();
    let report = bench(&place, &["-k", "10", "--where", "half = 1"]);
    assert_eq!(report["curves"][0]["points"][0]["recall"], 1.0);
    assert_eq!(report["curves"][0]["filter"], "half = 1");
}

#[test]
fn a_kept_database_is_used_again_and_files_are_written() {
    let place = Place::new();
    let more = ["--db", "kept.ft", "--out", "report.json", "--plot", "plot.svg"];
    let first = bench(&place, &more);
    assert!(first["import_seconds"].is_number());
    let written: Value = serde_json::from_slice(&std::fs::read(place.path("report.json")).unwrap()).unwrap();
    assert_eq!(written, first);
    let plot = std::fs::read_to_string(place.path("plot.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains("flat, k = 10, 16 dimensions"), "{plot}");

    let again = bench(&place, &["--db", "kept.ft", "--plot", "plot.png"]);
    assert_eq!(again["import_seconds"], Value::Null);
    let plot = std::fs::read(place.path("plot.png")).unwrap();
    assert!(plot.starts_with(b"\x89PNG") && plot.len() > 4_000, "{} bytes", plot.len());
    assert_eq!(place.rows("kept.ft", "bench"), 600);
}

#[test]
fn an_index_is_swept_and_finds_more_with_more_effort() {
    let place = Place::new();
    let file = data();
    let args =
        ["bench", file.to_str().unwrap(), "--index", "hnsw", "--runs", "1", "-k", "10", "--ef", "10,200"];
    let report = place.json(&args);
    assert!(report["indexes"][0]["bytes_index"].as_u64().unwrap() > 0, "{report}");
    let points = report["curves"][0]["points"].as_array().unwrap();
    let efforts: Vec<u64> = points.iter().map(|p| p["effort"].as_u64().unwrap()).collect();
    let recalls: Vec<f64> = points.iter().map(|p| p["recall"].as_f64().unwrap()).collect();
    assert_eq!(efforts, [10, 200]);
    assert!(recalls[0] <= recalls[1] && recalls[1] > 0.95, "{recalls:?}");
}

#[test]
fn the_tables_go_to_standard_output() {
    let place = Place::new();
    let file = data();
    let ran = place.ok(&["bench", file.to_str().unwrap(), "--index", "flat", "-k", "10", "--runs", "1"]);
    assert!(ran.out.starts_with("bench: 600 rows, 16 dimensions, l2\n"), "{}", ran.out);
    for header in ["build s", "p99 µs", "QPS at .90"] {
        assert!(ran.out.contains(header), "{}", ran.out);
    }
    assert!(ran.out.contains("1.0000"), "{}", ran.out);
}

#[test]
fn what_cannot_be_measured_is_refused_before_work_begins() {
    let place = Place::with_docs();
    let file = data();
    let file = file.to_str().unwrap();
    let ran = place.run(&["bench", file, "--plot", "plot.gif"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(".png or .svg"), "{}", ran.err);
    let ran = place.run(&["bench", "docs.jsonl"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("docs.jsonl"), "{}", ran.err);
    // A collection of other rows is not overwritten.
    place.ok(&["import", "other.ft", "bench", "docs.jsonl"]);
    let ran = place.run(&["bench", file, "--db", "other.ft"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("holds other rows"), "{}", ran.err);
    assert_eq!(place.rows("other.ft", "bench"), 5);
}
