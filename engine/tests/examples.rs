//! The examples run, and what the guides show of Rust stands in one of them.

use std::error::Error;
use std::path::{Path, PathBuf};

#[path = "../examples/change_model.rs"]
mod change_model;
#[path = "../examples/fused.rs"]
mod fused;
#[path = "../examples/quickstart.rs"]
mod quickstart;
#[path = "../examples/reranking.rs"]
mod reranking;
#[path = "../examples/settling.rs"]
mod settling;

type Main = fn() -> Result<(), Box<dyn Error>>;

const EXAMPLES: [(&str, Main); 5] = [
    ("change_model.rs", change_model::main),
    ("fused.rs", fused::main),
    ("quickstart.rs", quickstart::main),
    ("reranking.rs", reranking::main),
    ("settling.rs", settling::main),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names and texts of the files of a folder that end like this, by name.
fn texts(folder: &Path, end: &str) -> Vec<(String, String)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name.ends_with(end))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    texts.sort();
    texts
}

/// The lines of a text without their indentation and without empty ones.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// What stands between fences of Rust.
fn excerpts(page: &str) -> Vec<&str> {
    page.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest)).collect()
}

#[test]
fn every_example_runs() {
    let there: Vec<String> = texts(&folder("examples"), ".rs").into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, EXAMPLES.map(|(name, _)| name), "an example is missing here");
    for (name, main) in EXAMPLES {
        println!("{name}");
        main().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn an_example_has_fewer_than_60_lines() {
    for (name, text) in texts(&folder("examples"), ".rs") {
        assert!(text.lines().count() < 60, "{name} has {} lines", text.lines().count());
    }
}

#[test]
fn what_a_guide_shows_of_rust_stands_in_an_example() {
    let examples = texts(&folder("examples"), ".rs");
    let mut found = 0;
    for (name, page) in texts(&folder("../docs/guides"), ".md") {
        for excerpt in excerpts(&page) {
            let wanted = lines(excerpt);
            let shown =
                |(_, text): &(String, String)| lines(text).windows(wanted.len()).any(|part| part == wanted);
            assert!(!wanted.is_empty() && examples.iter().any(shown), "{name}: in no example:\n{excerpt}");
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn excerpts_are_what_stands_between_the_fences() {
    assert_eq!(
        excerpts("a\n```rust\nlet x;\n```\nb\n```text\nc\n```\n```rust\n  y\n```"),
        ["let x;\n", "  y\n"]
    );
    assert_eq!(lines("  a\n\n b \n"), ["a", "b"]);
}
