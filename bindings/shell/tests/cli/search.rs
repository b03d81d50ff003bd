//! Searching and looking at rows.

use serde_json::{Value, json};

use crate::{Place, ids, npy};

#[test]
fn a_search_by_vector_id_and_file_gives_the_nearest_rows() {
    let place = Place::with_docs();
    let answer = place.json(&["search", "t.ft", "docs", "--vector", "[1.9, 0.3]", "-k", "2"]);
    assert_eq!(ids(&answer), [json!(7), json!("b")]);
    let hit = &answer["hits"][0];
    assert_eq!(hit["payload"], json!({"lang": "en", "year": 2022}));
    let distance = hit["distance"].as_f64().unwrap();
    assert!((distance - 0.1).abs() < 1e-6 && hit["score"].as_f64() == Some(-distance), "{hit}");
    assert!(answer["elapsed_us"].is_u64() && answer["cost"]["rows_exact"] == 5);

    // An integer is looked for as one first; double quotes make it text.
    assert_eq!(ids(&place.json(&["search", "t.ft", "docs", "--id", "7", "-k1"])), [json!(7)]);
    assert_eq!(ids(&place.json(&["search", "t.ft", "docs", "--id", "\"7\"", "-k1"])), [json!("7")]);
    assert_eq!(ids(&place.json(&["search", "t.ft", "docs", "--id", "-1", "-k1"])), [json!(-1)]);

    place.write("q.npy", npy(&[vec![4.0, 0.5], vec![0.0, 0.0]]));
    let ran = place.ok(&["search", "t.ft", "docs", "--query-file", "q.npy", "-k1", "--json"]);
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l["query"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((ids(&lines[0]), ids(&lines[1])), (vec![json!(-1)], vec![json!("a")]));
    assert_eq!(ran.err, "");
}

#[test]
fn a_filter_and_a_shorter_level_are_obeyed() {
    let place = Place::with_docs();
    let args = ["search", "t.ft", "docs", "--vector", "[0, 0]", "--where", "lang = 'en' and year >= 2021"];
    assert_eq!(ids(&place.json(&args)), [json!(7)]);
    place.write("l.jsonl", "{\"id\": 1, \"vector\": [0, 9]}\n{\"id\": 2, \"vector\": [1, 0]}\n");
    place.ok(&["import", "t.ft", "levels", "l.jsonl", "--metric", "l2", "--levels", "1,2"]);
    let nearest =
        |dims| ids(&place.json(&["search", "t.ft", "levels", "--vector", "[0,0]", "-k1", "--dims", dims]));
    assert_eq!((nearest("1"), nearest("2")), (vec![json!(1)], vec![json!(2)]));
    let ran = place.run(&["search", "t.ft", "docs", "--vector", "[0,0]", "--dims", "1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("declares no shorter lengths than 2"), "{}", ran.err);
}

#[test]
fn a_progressive_search_ends_with_what_a_settled_one_says() {
    let place = Place::with_docs();
    let vector = |n: u32| json!((1..=8).map(|j| f64::from(n * j).sin()).collect::<Vec<_>>());
    let rows: String =
        (0..10_000).map(|n| json!({"id": n, "vector": vector(n)}).to_string() + "\n").collect();
    place.write("many.jsonl", rows);
    place.ok(&["import", "t.ft", "many", "many.jsonl", "--metric", "l2"]);
    place.ok(&["optimize", "t.ft", "many", "--index", "hnsw"]);
    let search = ["search", "t.ft", "many", "--id", "77", "-k", "20", "--ef", "20"];
    let settled = place.json(&search);
    let ran = place.ok(&[&search[..], &["--progressive", "--json"]].concat());
    let steps: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.len() > 1, "{}", ran.out);
    let last = |step: &Value| step["last"] == json!(true);
    assert_eq!(steps.iter().position(last), Some(steps.len() - 1), "the last says so, and no other");
    assert_eq!(ids(&steps[steps.len() - 1]), ids(&settled));
    assert_eq!(steps[steps.len() - 1]["settled"], 20);
    let ran = place.ok(&[&search[..], &["--progressive"]].concat());
    assert_eq!(ran.out.matches("distance").count(), steps.len(), "{}", ran.out);
    assert!(ran.out.trim_end().lines().last().unwrap().contains("20 of 20 settled"), "{}", ran.out);
    let exact = place.json(&[&search[..5], &["--exact"]].concat());
    assert_eq!(exact["cost"]["rows_exact"], 10_000);
}

#[test]
fn a_refused_filter_is_drawn_with_a_caret_and_exits_2() {
    let place = Place::with_docs();
    let ran =
        place.run(&["search", "t.ft", "docs", "--vector", "[0,0]", "--where", "lang = 'en' ADN year > 1"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("error: filter: "), "{}", ran.err);
    assert_eq!(lines[1], "  lang = 'en' ADN year > 1");
    assert_eq!(lines[2], "              ^");
    assert_eq!(lines[3], "hint: did you mean `and`?");
    // A declared column knows its type.
    let ran = place.run(&["search", "t.ft", "docs", "--vector", "[0,0]", "--where", "year > '2020'"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("\n         ^\nhint: write 2020 without quotes"), "{}", ran.err);
}

#[test]
fn what_a_terminal_would_obey_is_not_printed() {
    let place = Place::with_docs();
    for args in [&["get", "t.ft", "docs", "\"7\""][..], &["search", "t.ft", "docs", "--vector", "[3,0]"]] {
        let ran = place.ok(args);
        assert!(ran.out.contains("[31mred") && !ran.out.contains('\u{1b}'), "{}", ran.out);
    }
    assert_eq!(place.json(&["get", "t.ft", "docs", "\"7\""])["payload"]["lang"], "fr \u{1b}[31mred");
}

#[test]
fn a_table_goes_to_standard_output_and_remarks_do_not() {
    let place = Place::with_docs();
    let ran = place.ok(&["search", "t.ft", "docs", "--vector", "[0,0]", "-k2"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert!(lines[0].contains("distance") && lines[1].contains("{\"lang\":\"en\",\"year\":2020}"));
    assert!(ran.err.contains("5 rows compared"), "{}", ran.err);
}

#[test]
fn wrong_calls_exit_2_and_what_is_not_there_exits_1() {
    let place = Place::with_docs();
    for args in [
        &["search", "t.ft", "docs"][..],
        &["search", "t.ft", "docs", "--vector", "[1,2]", "--id", "a"],
        &["search", "t.ft", "docs", "--vector", "1,2"],
        &["search", "t.ft", "docs", "--vector", "[1,2]", "-k", "0"],
        &["search", "t.ft", "docs", "--vector", "[1,2]", "--ef", "0"],
        &["search", "t.ft", "docs", "--vector", "[1,2]", "--target-recall", "2"],
        &["import", "t.ft", "docs", "docs.jsonl", "--metric", "taxi"],
        &["import", "t.ft", "docs", "docs.jsonl", "--column", "year"],
        &["import", "t.ft", "docs", "docs.jsonl", "--format", "xml"],
        &["stats"],
        &["t.ft", "no-such-command"],
    ] {
        let ran = place.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: "), "{args:?}: {}", ran.err);
    }
    for (args, says) in [
        (&["get", "t.ft", "docs", "z"][..], "no row with id z"),
        (&["get", "t.ft", "dox", "a"], "docs"),
        (&["stats", "gone.ft"], "gone.ft"),
        (&["compact", "gone.ft"], "gone.ft"),
        (&["import", "new.ft", "docs", "gone.jsonl"], "gone.jsonl"),
        (&["search", "t.ft", "docs", "--vector", "[1,2,3]"], "3 dimensions, 2 expected"),
    ] {
        let ran = place.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: ") && ran.err.contains(says), "{args:?}: {}", ran.err);
    }
    assert!(!place.path("gone.ft").exists() && !place.path("new.ft").exists());
}

#[test]
fn help_exits_0_and_a_mistyped_command_creates_nothing() {
    let place = Place::with_docs();
    assert!(place.ok(&["--help"]).out.contains("import"));
    let ran = place.run(&["serach"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("did you mean `foretaste search`?"), "{}", ran.err);
    assert!(!place.path("serach").exists());
}
