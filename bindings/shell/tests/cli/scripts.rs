//! The scripts of `tests/shell`: each prints what stands beside it. With `FORETASTE_BLESS=1` that is written anew.

#![expect(clippy::disallowed_types, reason = "scripts and what they print lie outside of any database")]

use std::path::Path;
use std::process::Stdio;

use crate::Place;

/// What a script prints: its statements, results and errors as they come, without times.
fn printed(script: &Path) -> String {
    let place = Place::new();
    let all = std::fs::File::create(place.path("all")).unwrap();
    let mut command = place.command(&["--echo"]);
    command.stdin(std::fs::File::open(script).unwrap());
    command.stdout(Stdio::from(all.try_clone().unwrap())).stderr(Stdio::from(all));
    command.status().unwrap();
    let text = std::fs::read_to_string(place.path("all")).unwrap();
    let timeless = |line: &str| match line.split_once(" in ") {
        Some((what, _)) if what.ends_with("rows imported") || what.contains("rows exported to") => {
            what.to_string()
        }
        _ => line.to_string(),
    };
    text.lines().map(|line| timeless(line) + "\n").collect()
}

#[test]
fn scripts_print_what_is_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell");
    let mut scripts: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "fq"));
    assert!(scripts.len() >= 10, "{scripts:?}");
    let mut wrong = Vec::new();
    for script in scripts {
        let (expected, printed) = (script.with_extension("out"), printed(&script));
        if std::env::var_os("FORETASTE_BLESS").is_some() {
            std::fs::write(&expected, printed).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != printed {
            wrong.push(format!("--- {} printed\n{printed}", script.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
