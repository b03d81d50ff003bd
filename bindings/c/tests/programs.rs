//! C programs against the static and the shared library, and under valgrind.
//!
//! Cargo does not build a staticlib or cdylib for integration tests, so the first test asks it to, into the folder of this build, and
//! takes the paths from what it says. `FORETASTE_C_LIB` names a folder with libraries that are there already.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// What the static library needs of the system, for `cc`.
#[cfg(target_os = "linux")]
const SYSTEM: &[&str] = &["-lpthread", "-ldl", "-lm", "-lrt", "-lutil", "-lgcc_s"];
#[cfg(target_os = "macos")]
const SYSTEM: &[&str] = &["-framework", "CoreFoundation", "-liconv"];
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const SYSTEM: &[&str] = &[];

const FLAGS: [&str; 7] = ["-std=gnu99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-O1"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Static,
    Shared,
}

struct Libraries {
    fixed: PathBuf,
    shared: PathBuf,
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compiler() -> Option<&'static str> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = ["cc", "gcc", "clang"].into_iter().find(|name| works(name));
    if found.is_none() {
        println!("skipped: there is no C compiler");
    }
    found
}

fn libraries() -> &'static Libraries {
    static BUILT: OnceLock<Libraries> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("FORETASTE_C_LIB") {
        Some(there) => {
            let there = PathBuf::from(there);
            let shared = format!("libforetaste_c{}", std::env::consts::DLL_SUFFIX);
            Libraries { fixed: there.join("libforetaste_c.a"), shared: there.join(shared) }
        }
        None => build(),
    })
}

fn build() -> Libraries {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "-p", "foretaste-c", "--locked", "--message-format=json"])
        .current_dir(folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut fixed, mut shared) = (None, None);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if message["target"]["name"] != "foretaste_c" {
            continue;
        }
        for name in message["filenames"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
            let path = PathBuf::from(name);
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("a" | "lib") => fixed = Some(path),
                Some("so" | "dylib" | "dll") => shared = Some(path),
                _ => {}
            }
        }
    }
    Libraries { fixed: fixed.expect("a static library"), shared: shared.expect("a shared library") }
}

/// The program, compiled; `None` without a compiler.
fn compile(source: &str, kind: Kind, into: &Path) -> Option<PathBuf> {
    let program = into.join("program");
    let mut command = Command::new(compiler()?);
    command.args(FLAGS).arg("-I").arg(folder().join("include"));
    command.arg(folder().join("tests").join(source)).arg("-o").arg(&program);
    let libraries = libraries();
    match kind {
        Kind::Static => command.arg(&libraries.fixed).args(SYSTEM),
        Kind::Shared => {
            let place = libraries.shared.parent().unwrap();
            command.arg("-L").arg(place).arg("-lforetaste_c").arg(format!("-Wl,-rpath,{}", place.display()))
        }
    };
    let output = command.args(["-lpthread", "-lm"]).output().unwrap();
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}{err}", output.status);
    out.into_owned()
}

fn run(source: &str, kind: Kind) -> Option<String> {
    let scratch = tempfile::tempdir().unwrap();
    let program = compile(source, kind, scratch.path())?;
    Some(said(&Command::new(program).arg(scratch.path().join("c.ft")).output().unwrap()))
}

#[test]
fn the_example_finds_the_row_that_passes_the_filter() {
    for kind in [Kind::Static, Kind::Shared] {
        let Some(out) = run("example.c", kind) else { return };
        assert_eq!(out, "id-1 at 0.006\n1 hits\n");
    }
}

#[test]
fn the_example_is_short() {
    let text = std::fs::read_to_string(folder().join("tests/example.c")).unwrap();
    assert!(text.lines().count() < 60);
}

#[test]
fn everything_works_with_the_static_and_the_shared_library() {
    for source in ["thorough.c", "further.c"] {
        for kind in [Kind::Static, Kind::Shared] {
            let Some(out) = run(source, kind) else { return };
            assert_eq!(out, "all expectations met\n");
        }
    }
}

#[test]
fn valgrind_finds_no_leak_and_no_wrong_access_in_the_example() {
    valgrind("example.c");
}

#[test]
fn valgrind_finds_no_leak_and_no_wrong_access_anywhere() {
    valgrind("thorough.c");
}

#[test]
fn valgrind_finds_no_leak_and_no_wrong_access_further_on() {
    valgrind("further.c");
}

fn valgrind(source: &str) {
    let works = Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success());
    if !works {
        println!("skipped: there is no valgrind");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let Some(program) = compile(source, Kind::Static, scratch.path()) else { return };
    let mut command = Command::new("valgrind");
    // What is "possibly" lost are the handle that std keeps of the main thread, and what glibc keeps of threads.
    command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect"]);
    command.args(["--errors-for-leak-kinds=definite,indirect", "--error-exitcode=1"]);
    // It does not know AVX-512, and not all of what else a new processor has.
    command.env("FORETASTE_CPU", "scalar").arg(program).arg(scratch.path().join("c.ft"));
    said(&command.output().unwrap());
}
