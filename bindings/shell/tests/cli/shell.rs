//! The shell through pipes: arguments, files, standard input, exit codes, what goes where.

use std::io::{BufRead as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{Place, Ran, npy};

/// The shell with this text on its standard input.
fn piped(place: &Place, args: &[&str], text: &str) -> Ran {
    let mut child = place
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn statements_come_from_arguments_files_and_standard_input() {
    let place = Place::with_docs();
    let search = "search docs near [1.9, 0.3] k 2 fields year;";
    let rows = json!([{"id": 7, "year": 2022}, {"id": "b", "year": 2021}]);
    let ids = |ran: Ran| {
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        let all: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        json!(all.iter().map(|row| json!({"id": row["id"], "year": row["year"]})).collect::<Vec<_>>())
    };
    assert_eq!(ids(place.run(&["t.ft", "--json", "-c", search])), rows);
    // The last `;` may be left out.
    assert_eq!(ids(place.run(&["t.ft", "--json", "-c", search.trim_end_matches(';')])), rows);
    place.write("s.fq", search);
    assert_eq!(ids(place.run(&["t.ft", "--json", "-f", "s.fq"])), rows);
    assert_eq!(ids(piped(&place, &["t.ft", "--json"], search)), rows);
    assert_eq!(ids(piped(&place, &["t.ft"], &format!(".mode json\n{search}\n.quit\nnonsense;"))), rows);
    // As sqlite3 has them, options may have one dash.
    assert_eq!(ids(place.run(&["t.ft", "-json", "-readonly", "-bail", "-c", search])), rows);
    let ran = place.ok(&["t.ft", "-csv", "-c", ".collections", "-c", "get 'a' from docs"]);
    assert_eq!(
        ran.out,
        "collection,rows,dim,metric\ndocs,5,2,l2\nid,vector,payload\na,\"[0, 0.1]\",\"{\"\"lang\"\":\"\"en\"\",\"\"year\"\":2020}\"\n"
    );
}

#[test]
fn a_failure_makes_the_exit_code_1_and_ends_what_bails() {
    let place = Place::with_docs();
    let both = "nonsense;\n.collections\n";
    let ran = piped(&place, &["t.ft"], both);
    assert!(ran.code == 1 && ran.out.contains("docs"), "{}{}", ran.out, ran.err);
    for args in [&["t.ft", "--bail"][..], &["t.ft", "-c", "nonsense", "-c", ".collections"]] {
        let ran = piped(&place, args, both);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}");
        assert_eq!(ran.err.matches("error:").count(), 1, "{}", ran.err);
    }
    let ran = piped(&place, &["t.ft"], ".bail on\nnonsense;\n.collections\n");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    for (args, code) in [
        (&["t.ft", "--json", "--csv", "-c", ""][..], 2),
        (&["t.ft", "--wrong"], 2),
        (&["gone.ft", "--readonly", "-c", ".stats"], 1),
        (&["t.ft", "-f", "gone.fq"], 1),
        (&["t.ft", "--init", "gone.fq", "-c", ".stats"], 1),
    ] {
        let ran = place.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{args:?}: {}", ran.err);
    }
}

#[test]
fn the_startup_file_is_read_only_where_it_is_asked_for() {
    let place = Place::with_docs();
    let startup = place.write("rc", ".mode csv\n");
    let run = |args: &[&str]| {
        let output = place.command(args).env("FORETASTE_INIT", &startup).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let csv = "collection,rows,dim,metric\ndocs,5,2,l2\n";
    assert_ne!(run(&["t.ft", "-c", ".collections"]), csv);
    assert_eq!(run(&["t.ft", "--init", "rc", "-c", ".collections"]), csv);
}

#[test]
fn a_scratch_database_and_a_readonly_one() {
    let place = Place::with_docs();
    let ran = piped(&place, &[], "create collection a (vector dot(1)); .collections\n.collections\n");
    assert!(ran.code == 0 && ran.out.matches("dot").count() == 2, "{}{}", ran.out, ran.err);
    let ran = piped(&place, &["--csv"], "create collection a (vector dot(1));\n.collections\n");
    assert_eq!((ran.code, ran.out.as_str()), (0, "collection,rows,dim,metric\na,0,1,dot\n"), "{}", ran.err);
    let ran = piped(&place, &["t.ft", "--readonly"], "delete from docs 'a';\nget 'a' from docs;");
    assert!(ran.code == 1 && ran.out.contains("2020") && ran.err.contains("read-only"), "{}", ran.err);
    let ran = piped(&place, &[], ".open t.ft\n.collections\n.open --readonly t.ft\nget 'a' from docs;\n");
    assert!(ran.code == 0 && ran.out.contains("docs") && ran.out.contains("2020"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_plan_is_explained_with_its_cost() {
    let place = Place::with_docs();
    let search = "search docs near [0, 0] where year > 2020";
    for text in [
        format!(".mode jsonl\nexplain {search};"),
        format!(".mode jsonl\n.explain {search}\n"),
        format!(".mode jsonl\n.output x\n{search};\n.output\n.explain\n"),
    ] {
        let all = objects(&place, &text);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0]["way"] == "scan" && all[0]["rows"] == 5, "{all:?}");
        assert!(all[1]["rows_compared"].is_u64() && all[1]["elapsed_us"].is_u64(), "{all:?}");
    }
}

/// What a session in the mode jsonl prints, of which nothing fails.
fn objects(place: &Place, text: &str) -> Vec<Value> {
    let ran = piped(place, &["t.ft"], text);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{text}");
    let lines = ran.out.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Three rows with words, one of them deleted.
fn with_words() -> Place {
    let place = Place::new();
    place.ok(&[
        "t.ft",
        "-c",
        "create collection docs (vector l2(1), lang text, body fulltext english)",
        "-c",
        "insert into docs values (1, [1], {\"lang\": \"en\", \"body\": \"A running fox\"}),
         (2, [2], {\"lang\": \"de\", \"body\": \"Foxes\"}), (3, [3], {\"body\": \"A fox\"})",
        "-c",
        "flush docs",
        "-c",
        "delete from docs 3",
    ]);
    place
}

#[test]
fn a_search_by_words_alone_is_explained() {
    let place = with_words();
    let text = ".mode jsonl\nexplain search docs match body 'Foxes FOX nowhere' where lang = 'en';";
    let all = objects(&place, text);
    // Foxes are foxes, and the deleted one does not count.
    assert_eq!(all[0], json!({"word": "fox", "times": 2, "rows": 2}));
    assert_eq!(all[1], json!({"word": "nowher", "times": 1, "rows": 0}));
    let part = &all[2];
    // Upkeep may have taken the deleted row away already.
    let live = part["rows"].as_u64().unwrap() - part["deleted"].as_u64().unwrap();
    assert_eq!((live, &part["way"]), (2, &json!("index")));
    assert!(part["scored"].as_u64() >= Some(1) && part["refused"].is_u64(), "{part}");
    assert_eq!(all[3]["rows_scored"], part["scored"]);
    assert!(all[3]["elapsed_us"].is_u64() && all.len() == 4, "{all:?}");
}

#[test]
fn a_search_by_words_alone_is_watched() {
    let place = with_words();
    let watch = "watch search docs match body 'fox' fields body";
    let mut child = place
        .command(&["t.ft", "--readonly", "--csv", "-c", ".set interval 1ms", "-c", watch])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(lines.next().as_deref(), Some("id,score,body"));
    assert!(lines.by_ref().take(2).all(|line| line.starts_with(['1', '2'])));
    place.ok(&["t.ft", "-c", "insert into docs values (4, [4], {\"body\": \"Fox, fox\"})"]);
    assert!(lines.any(|line| line.ends_with("\"Fox, fox\"")), "what was written is shown");
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_interrupted_script_exits_130() {
    let place = Place::with_docs();
    place.write("q.npy", npy(&[vec![1.0, 2.0]]));
    let mut child = place
        .command(&[
            "t.ft",
            "-c",
            ".set embed \"echo $$ > pid; exec sleep 600\"",
            "-c",
            "search docs near text 'x'",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !place.path("pid").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn results_go_to_files_without_what_is_echoed() {
    let place = Place::with_docs();
    let search = "search docs near [0, 0] k 1 fields year;";
    let text = format!(
        ".mode csv\n.output all\n{search}\n{search}\n.once one\n{search}\n{search}\n.output\n{search}\n"
    );
    let ran = piped(&place, &["t.ft", "--echo"], &text);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let rows = "id,distance,score,year\na,0.10000000149011612,-0.10000000149011612,2020\n";
    let file = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!((file("all"), file("one")), (rows.repeat(3), rows.to_string()));
    assert_eq!(ran.out.matches(rows).count(), 1, "{}", ran.out);
    assert_eq!(ran.out.matches(search).count(), 5, "{}", ran.out);
}

/// A command that scores three rows, and keeps what it was asked.
const SCORER: &str = ".set scorer \"while read -r line; do echo $line >> asked; echo '[1, 3, 2]'; done\"\n";

#[test]
fn a_command_of_the_users_scores_rows_and_is_not_asked_twice() {
    let place = Place::with_docs();
    // Three rows have a year, and all of them are scored.
    let search = "search docs near [0, 0] where year > 0 k 3 rerank scored(3) fields year;";
    let set = ".mode jsonl\n.set scorer_version one\n".to_string() + SCORER;
    let ran = piped(&place, &["t.ft"], &format!("{set}{search}\n{search}\n.explain\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let all: Vec<Value> = ran
        .out
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let hits: Vec<_> = all[..6].iter().map(|hit| (hit["id"].clone(), hit["score"].clone())).collect();
    let wanted = [(json!("b"), json!(3.0)), (json!(7), json!(2.0)), (json!("a"), json!(1.0))];
    assert_eq!((&hits[..3], &hits[3..]), (&wanted[..], &wanted[..]));
    let cost = all.last().unwrap();
    assert_eq!((&cost["scorer_calls"], &cost["scores_remembered"]), (&json!(0), &json!(3)));
    let asked = std::fs::read_to_string(place.path("asked")).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
}

#[test]
fn what_a_scoring_command_does_wrong_is_told() {
    let place = Place::with_docs();
    let search = "search docs near [0, 0] k 2 rerank scored(2);";
    for (command, time, told) in [
        ("echo sorry >&2; exit 3", "600s", "has ended: sorry"),
        ("read x; echo no", "600s", "printed no JSON array of numbers"),
        ("read x; echo [1]; sleep 600", "600s", "printed 1 scores for 2 rows"),
        ("sleep 600", "20ms", "takes longer than 20ms"),
    ] {
        let text = format!(".set scorer_timeout {time}\n.set scorer '{command}'\n{search}\n");
        let ran = piped(&place, &["t.ft"], &text);
        assert!(ran.code == 0 && ran.err.contains(told), "{command}: {}{}", ran.out, ran.err);
        // The best without it is the answer.
        assert!(ran.out.contains("\n a "), "{}", ran.out);
    }
    let ran = piped(&place, &["t.ft"], search);
    assert!(ran.code == 1 && ran.err.contains("hint: .set scorer"), "{}", ran.err);
}
