//! `include/foretaste.h` is what cbindgen makes of `src/`, and every compiler takes it.
//!
//! `FORETASTE_WRITE_HEADER=1 cargo test -p foretaste-c --test header` writes it anew.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of the interface, in the order in which the header has their functions. `ptr.rs` is not among them: `cbindgen.toml`
/// says what its types are in C.
const SOURCES: [&str; 21] = [
    "status",
    "id",
    "options",
    "progress",
    "database",
    "schema",
    "collection",
    "batch",
    "record",
    "scan",
    "import",
    "search",
    "fuse",
    "stages",
    "run",
    "hits",
    "answer",
    "explain",
    "spaces",
    "adapter",
    "change",
];

const INTRODUCTION: &str = include_str!("../include/introduction.txt");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn generated() -> String {
    let mut config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    config.header = Some(INTRODUCTION.trim_end().to_string());
    config.after_includes = Some(format!(
        "\n// The version that this header is of; ft_version gives that of the library.\n#define FT_VERSION \"{}\"",
        env!("CARGO_PKG_VERSION")
    ));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(folder().join("src").join(format!("{name}.rs")));
    }
    let mut bytes = Vec::new();
    builder.generate().unwrap().write(&mut bytes);
    // cbindgen takes the pointers of `cbindgen.toml` for names, and puts spaces behind them.
    let text = String::from_utf8(bytes).unwrap();
    let tidy = |line: &str| match line.trim_start().starts_with("//") {
        true => format!("{line}\n"),
        false => format!("{}\n", line.replace("* *", "**").replace("* ", "*").replace("/*", "/* ")),
    };
    text.lines().map(tidy).collect()
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = folder().join("include/foretaste.h");
    let wanted = generated();
    if std::env::var_os("FORETASTE_WRITE_HEADER").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let first = there.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    assert!(
        there == wanted,
        "include/foretaste.h is stale from line {:?} on; write it anew with FORETASTE_WRITE_HEADER=1",
        first.map(|line| line + 1)
    );
}

#[test]
fn every_exported_function_is_in_the_header_and_in_a_program() {
    let header = generated();
    let programs = ["example.c", "thorough.c", "further.c"];
    let programs = programs.map(|name| std::fs::read_to_string(folder().join("tests").join(name)).unwrap());
    let mut found = 0;
    for entry in std::fs::read_dir(folder().join("src")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("pub extern \"C\" fn ")) {
            let name = line.split('(').next().unwrap();
            assert!(
                header.contains(&format!("{name}(")),
                "{name} is not in the header: add its file to SOURCES"
            );
            let called = format!("{name}(");
            let calls = |text: &String| {
                text.match_indices(&called)
                    .any(|(at, _)| !text[..at].ends_with(|c: char| c == '_' || c.is_alphanumeric()))
            };
            // The programs' own header calls this one for them.
            assert!(name == "ft_search_rerank" || programs.iter().any(calls), "no C program calls {name}");
            found += 1;
        }
    }
    assert!(found > 140, "{found}");
}

#[test]
fn c99_c11_and_cpp17_take_the_header_without_a_warning() {
    let text = "#include \"foretaste.h\"\nint main(void) { return ft_last_error() == 0; }\n";
    let tries = [("cc", "c99", "c"), ("cc", "c11", "c"), ("c++", "c++17", "cpp")];
    let scratch = tempfile::tempdir().unwrap();
    for (compiler, standard, ending) in tries {
        let source = scratch.path().join(format!("header.{ending}"));
        std::fs::write(&source, text).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]);
        command.arg(format!("-std={standard}")).arg("-I").arg(folder().join("include")).arg(&source);
        match command.output() {
            Err(_) => println!("skipped: there is no `{compiler}`, so {standard} was not tried"),
            Ok(output) => {
                assert!(output.status.success(), "{standard}: {}", String::from_utf8_lossy(&output.stderr))
            }
        }
    }
}
