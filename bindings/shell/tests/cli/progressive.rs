//! Measuring answers as they settle: what does not depend on the machine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Place;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench.hdf5")
}

fn measured(place: &Place, more: &[&str]) -> Value {
    let file = data();
    let args = ["bench", file.to_str().unwrap(), "--progressive", "-k", "10", "--runs", "2"];
    place.json(&[&args[..], more].concat())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn answers_by_revisions_are_measured_beside_answers_at_once() {
    let place = Place::new();
    let more = ["--index", "hnsw,ivf", "--ef", "12,200", "--nprobe", "20", "--target-recall", "0.5,0.99"];
    let report = measured(&place, &more);
    assert_eq!(report["curves"], json!([]), "speeds are another measurement");
    let all = report["progressive"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    let efforts = |of: &Value| {
        of["points"].as_array().unwrap().iter().map(|p| p["effort"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((efforts(&all[0]), efforts(&all[1])), (vec![12, 200], vec![20]));
    for point in all.iter().flat_map(|of| of["points"].as_array().unwrap()) {
        assert_eq!(point["queries"], 40);
        assert_eq!(point["one_shot"]["mean_us_runs"].as_array().unwrap().len(), 2);
        assert_eq!(point["overhead_runs"].as_array().unwrap().len(), 2);
        // The last revision is the answer at once.
        assert_eq!(point["progressive"]["recall"], point["one_shot"]["recall"]);
        let revisions = point["revisions"].as_array().unwrap();
        assert_eq!((&revisions[0]["number"], &revisions[0]["queries"]), (&json!(1), &json!(40)));
        // What is reached later is more.
        let times: Vec<f64> =
            point["ttfr"].as_array().unwrap().iter().filter_map(|at| at["us"].as_f64()).collect();
        assert!(!times.is_empty() && times.is_sorted(), "{times:?}");
        assert!((0.0..=1.0).contains(&number(&point["area"])));
        let course = point["course"].as_array().unwrap();
        let (end, recall) = (number(&course.last().unwrap()[1]), number(&point["progressive"]["recall"]));
        assert!((end - recall).abs() < 1e-9, "{end} {recall}");
        for (what, least) in [("calibration_last", 40), ("calibration_all", 40)] {
            let said = &point[what];
            assert!(said["answers"].as_u64().unwrap() >= least, "{said}");
            let bins = said["reliability"].as_array().unwrap();
            let known: u64 = bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum();
            assert_eq!(known + said["unknown_hits"].as_u64().unwrap(), said["hits"].as_u64().unwrap());
        }
        assert_eq!(point["settled_changed"]["searches"], 40);
    }
    for of in all {
        let targets = of["targets"].as_array().unwrap();
        assert_eq!(targets.iter().map(|t| number(&t["wanted"])).collect::<Vec<_>>(), [0.5, 0.99]);
        for target in targets {
            assert_eq!(target["queries"], 40);
            // Nineteen of twenty have at least as much.
            assert!(number(&target["p5_recall"]) * 0.95 <= number(&target["mean_recall"]), "{target}");
        }
    }
}

#[test]
fn of_rows_that_are_all_compared_everything_is_known() {
    let place = Place::new();
    let report = measured(&place, &["--index", "flat", "--target-recall", "0.9"]);
    let of = &report["progressive"][0];
    let point = &of["points"][0];
    assert_eq!((&point["effort"], &point["progressive"]["recall"]), (&json!(0), &json!(1.0)));
    let said = &point["calibration_last"];
    assert_eq!((&said["bound_held"], &said["mean_estimated_recall"]), (&json!(1.0), &json!(1.0)));
    assert_eq!((&said["unknown_bounds"], &said["expected_calibration_error"]), (&json!(0), &json!(0.0)));
    assert_eq!(point["settled_changed"]["share"], 0.0);
    assert_eq!(of.get("targets"), None, "there is nothing to end early");
}

#[test]
fn under_a_filter_recall_is_that_of_the_rows_that_pass() {
    let place = Place::new();
    let report = measured(&place, &["--index", "flat", "--where", "half = 1"]);
    assert_eq!(report["progressive"][0]["filter"], "half = 1");
    assert_eq!(report["progressive"][0]["points"][0]["progressive"]["recall"], 1.0);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn cold_searches_find_the_same_each_in_a_process_of_its_own() {
    let place = Place::new();
    let report = measured(&place, &["--index", "flat,hnsw", "--ef", "200", "--cold=3", "--db", "kept.ft"]);
    for of in report["progressive"].as_array().unwrap() {
        let cold = &of["points"][0]["cold"];
        assert_eq!(cold["queries"], 3);
        assert!(number(&cold["recall"]) > 0.95, "{cold}");
        let mean = |what: &str| number(&cold[what]["mean"]);
        assert!(mean("open_us") <= mean("first_us") && mean("first_us") <= mean("end_us"), "{cold}");
    }
    assert_eq!(place.rows("kept.ft", "bench"), 600);
}

#[test]
fn courses_are_written_drawn_and_shown() {
    let place = Place::new();
    let file = data();
    let args =
        ["bench", file.to_str().unwrap(), "--progressive", "-k", "10", "--runs", "1", "--index", "hnsw"];
    let more = ["--ef", "12,64", "--out", "out.json", "--plot", "plot.svg", "--target-recall", "0.9"];
    let ran = place.ok(&[&args[..], &more].concat());
    for header in ["to the end µs", "TTFR@.50 µs", "mean recall", "bound held", "wanted"] {
        assert!(ran.out.contains(header), "{header}: {}", ran.out);
    }
    let written: Value = serde_json::from_slice(&std::fs::read(place.path("out.json")).unwrap()).unwrap();
    assert_eq!(written["progressive"][0]["points"].as_array().unwrap().len(), 2);
    let plot = std::fs::read_to_string(place.path("plot.svg")).unwrap();
    for text in ["hnsw, k = 10, 16 dimensions", "effort 12", "effort 64"] {
        assert!(plot.contains(text), "{text}: {plot}");
    }
}

#[test]
fn what_needs_revisions_is_refused_without_them() {
    let place = Place::new();
    let file = data();
    let bench = |more: &[&str]| place.run(&[&["bench", file.to_str().unwrap()], more].concat());
    for more in [&["--cold"][..], &["--target-recall", "0.9"]] {
        let ran = bench(more);
        assert_eq!(ran.code, 2, "{more:?}");
        assert!(ran.err.contains("--progressive"), "{}", ran.err);
    }
    let ran = bench(&["--progressive", "--target-recall", "1.5"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("above 0 and at most 1"), "{}", ran.err);
}
