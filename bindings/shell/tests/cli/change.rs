//! A change of the model through the shell that is interrupted, fails, and is gone on with.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::Place;

/// Five rows whose texts are their new vectors, in a collection whose model is being changed.
fn begun() -> Place {
    let place = Place::new();
    let rows: Vec<String> =
        (0..5).map(|i| format!("({i}, [{i}, 1], {{\"body\": \"[{i}, 0, 1]\"}})")).collect();
    place.ok(&[
        "t.ft",
        "-c",
        "create collection docs (vector l2(2) space 'small@1')",
        "-c",
        &format!("insert into docs values {}", rows.join(", ")),
        "-c",
        "change docs to l2(3) space 'large@1'",
    ]);
    place
}

/// How many rows are in the other space, and how many wait.
fn progress(place: &Place) -> (Value, Value) {
    let spaces = place.json(&["t.ft", "-c", ".spaces docs"]);
    (spaces[1]["rows"].clone(), spaces[1]["waiting"].clone())
}

#[test]
fn an_interrupted_embedding_keeps_what_it_has_and_is_gone_on_with() {
    let place = begun();
    let slow = "echo x >> asked; if [ $(wc -l < asked) -gt 2 ]; then touch late; exec sleep 600; fi; cat";
    let mut child = place
        .command(&["t.ft", "-c", &format!(".set embed '{slow}'"), "-c", "change docs embed body"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !place.path("late").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(progress(&place), (json!(2), json!(3)));
    let flip = "change docs flip";
    assert_eq!(place.run(&["t.ft", "-c", flip]).code, 1, "rows wait");
    let go_on = [".set embed cat", "change docs embed body", flip, "search docs near [4, 0, 1] k 1"];
    let args: Vec<&str> =
        ["t.ft", "--json"].into_iter().chain(go_on.iter().flat_map(|c| ["-c", c])).collect();
    let hits: Value = serde_json::from_str(&place.ok(&args).out).unwrap();
    assert_eq!((&hits[0]["id"], &hits[0]["distance"]), (&json!(4), &json!(0.0)));
}

#[test]
fn what_an_embedding_command_that_runs_on_does_wrong_is_told() {
    let place = begun();
    for (command, time, told) in [
        ("echo sorry >&2; exit 3", "600s", "has ended: sorry"),
        ("read x; echo no", "600s", "printed no JSON array of vectors"),
        ("read x; echo [[1]]; sleep 600", "600s", "printed 1 vectors for 5 texts"),
        ("sleep 600", "20ms", "takes longer than 20ms"),
        ("read x; echo [[1], [1], [1], [1], [1]]", "600s", "1 dimensions"),
    ] {
        let [many, time] = [format!(".set embed_many '{command}'"), format!(".set embed_timeout {time}")];
        let ran = place.run(&["t.ft", "-c", &many, "-c", &time, "-c", "change docs embed body"]);
        assert!(ran.code == 1 && ran.err.contains(told), "{command}: {}{}", ran.out, ran.err);
        assert_eq!(progress(&place), (json!(0), json!(5)));
    }
    let set = ".set embed_many while read -r texts; do echo \"$texts\" | tr -d '\"'; done";
    place.ok(&["t.ft", "-c", set, "-c", "change docs embed body"]);
    assert_eq!(progress(&place), (json!(5), json!(0)));
    // Without another command it is asked for the vectors of queries, too.
    let [flip, near] = ["change docs flip", "search docs near text '[3, 0, 1]' k 1"];
    let hits = place.json(&["t.ft", "-c", flip, "-c", set, "-c", near]);
    assert_eq!((&hits[0]["id"], &hits[0]["distance"]), (&json!(3), &json!(0.0)));
}
