//! The house rules that neither the compiler nor clippy keeps, checked on the repository's own files.
//!
//! Reads from: every file of the repository but build output. Writes to: nothing.
//! Never: a rule without a self-test below; a message without the file, the rule and what to do.

#![expect(
    clippy::disallowed_methods,
    reason = "the rules are checked on the source tree itself, not on a database"
)]

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Folders with Rust sources; `fuzz` is a workspace of its own.
const FOLDERS: [&str; 6] = ["storage", "query", "engine", "bindings", "benches", "fuzz"];
/// Folders of the library crates: their headers say what a file never does.
const LIBRARIES: [&str; 3] = ["storage", "query", "engine"];
/// Folders of build output, version control and local tools, by name.
const SKIPPED: [&str; 7] = ["target", ".git", ".venv", "__pycache__", "artifacts", "corpus", "node_modules"];
/// Most lines of a file without its tests.
const LINES: usize = 400;
/// How far above an unsafe block its reason may begin.
const SAFETY_LINES: usize = 8;
/// Where unsafe code may live; what ends in `/` is a folder.
const UNSAFE_ROOMS: [&str; 5] = [
    "storage/src/bytes/map.rs",
    "query/src/kernel/",
    // Pointers from C.
    "bindings/c/src/ptr.rs",
    "bindings/python/",
    // A bare fork, which std does not have.
    "engine/tests/fork.rs",
];
/// Where functions are exported: nothing unsafe there but the attribute that gives one the name that C knows.
const EXPORTS: &str = "bindings/c/src/";
/// What no file may hold: paths of the machines it was written on. Spelt in two halves, so that this file holds none.
const FORBIDDEN: [&str; 3] = [concat!("/wo", "rk/"), concat!("/tmp", "/wt"), concat!("/tmp", "/target-")];
/// Who may not import whom: a folder, and the crates it must not name.
const DIRECTIONS: [(&str, &[&str]); 3] = [
    ("storage", &["foretaste_query", "foretaste"]),
    ("query", &["foretaste"]),
    ("bindings", &["foretaste_storage", "foretaste_query"]),
];

// ---------------------------------------------------------------------------------------------- the repository

/// A Rust source file.
struct Source {
    /// Path from the repository's root, with `/` between its parts.
    path: String,
    text: String,
    /// The same text with comments and the insides of literals blanked; offsets and lines agree with `text`.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_string(), text: text.to_string(), code: blanked(text) }
    }

    fn in_folder(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether the whole file is a test: `tests.rs`, or anything in a folder `tests`.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The code that is a test: all of a test file, otherwise the inline test modules.
    fn test_code(&self) -> String {
        if self.is_test() {
            return self.code.clone();
        }
        test_modules(&self.code).into_iter().map(|range| &self.code[range]).collect()
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `dir`, as paths from `root`, sorted.
fn files(root: &Path, dir: &str, found: &mut Vec<String>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(root.join(dir))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) || name.ends_with(".ft") {
            continue;
        }
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files(root, &path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn all_files() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    files(&root(), "", &mut found)?;
    Ok(found)
}

fn sources() -> io::Result<Vec<Source>> {
    let in_scope = |path: &&String| {
        path.ends_with(".rs")
            && FOLDERS.iter().any(|f| path.strip_prefix(f).is_some_and(|r| r.starts_with('/')))
    };
    let paths = all_files()?;
    paths
        .iter()
        .filter(in_scope)
        .map(|p| Ok(Source::new(p, &std::fs::read_to_string(root().join(p))?)))
        .collect()
}

// -------------------------------------------------------------------------------------------- reading Rust

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `text` with comments, the insides of string and character literals, and non-ASCII bytes replaced by spaces.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut out = String::with_capacity(bytes.len());
    let mut blank_to = 0;
    let mut i = 0;
    while i < bytes.len() {
        if i >= blank_to {
            blank_to = match at(i) {
                b'/' if at(i + 1) == b'/' => {
                    bytes[i..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| i + n)
                }
                b'/' if at(i + 1) == b'*' => block_comment_end(bytes, i),
                b'r' if !(i > 0 && is_word(at(i - 1)) && !is_string_prefix(bytes, i)) => {
                    raw_string_end(bytes, i)
                }
                b'"' => string_end(bytes, i),
                b'\'' => character_end(text, i),
                _ => i,
            };
        }
        let byte = at(i);
        let keep = byte == b'\n' || (i >= blank_to && byte.is_ascii());
        out.push(if keep { byte as char } else { ' ' });
        i += 1;
    }
    out
}

/// Whether the `r` at `i` follows a lone `b` or `c`: the start of `br"…"` or `cr"…"`.
fn is_string_prefix(bytes: &[u8], i: usize) -> bool {
    matches!(bytes[i - 1], b'b' | b'c') && (i < 2 || !is_word(bytes[i - 2]))
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            (depth, i) = (depth + 1, i + 2);
        } else if bytes[i..].starts_with(b"*/") {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

/// The end of the raw string at `start`, or `start` when it is none (an identifier, `r#type`).
fn raw_string_end(bytes: &[u8], start: usize) -> usize {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return start;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = &bytes[open + 1..];
    inside.windows(close.len()).position(|w| w == close).map_or(bytes.len(), |n| open + 1 + n + close.len())
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() && bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

/// The end of the character literal at `start`, or `start` when it is a lifetime.
fn character_end(text: &str, start: usize) -> usize {
    let mut chars = text[start + 1..].char_indices();
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(text.len(), |(n, _)| start + 1 + n + 1)
        }
        Some(_) => match chars.next() {
            Some((n, '\'')) => start + 1 + n + 1,
            _ => start,
        },
        None => start,
    }
}

/// Where `word` stands in `code` as a whole identifier.
fn word_offsets<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(|b| is_word(*b));
        !before && !bytes.get(at + word.len()).is_some_and(|b| is_word(*b))
    })
}

/// The offset just past the bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The inline modules of blanked `code` under `#[cfg(test)]` or `#[cfg(all(test, …))]`, with the attribute.
fn test_modules(code: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let mut end = closing(code, start + 1);
        let condition: String = code[start..end].split_whitespace().collect();
        let is_test = condition == "#[cfg(test)]" || condition.starts_with("#[cfg(all(test,");
        if !is_test || found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        // Further attributes, then `mod name {`.
        let mut rest = code[end..].trim_start();
        while rest.starts_with("#[") {
            end = code.len() - rest.len();
            end = closing(code, end + 1);
            rest = code[end..].trim_start();
        }
        let Some(name) = rest.strip_prefix("mod ") else { continue };
        if let Some(open) = name.find(['{', ';']).filter(|at| name.as_bytes()[*at] == b'{') {
            found.push(start..closing(code, code.len() - name.len() + open));
        }
    }
    found
}

// --------------------------------------------------------------------------------------------------- the rules

fn lines_without_tests(source: &Source) -> usize {
    let inline: usize = test_modules(&source.code)
        .into_iter()
        .map(|range| source.code[range].matches('\n').count() + 1)
        .sum();
    source.text.lines().count().saturating_sub(inline)
}

fn too_long(source: &Source) -> Option<String> {
    let lines = lines_without_tests(source);
    (!source.is_test() && lines > LINES).then(|| {
        format!(
            "{}: {lines} lines without tests, at most {LINES}; split it by job into files of its own",
            source.path
        )
    })
}

fn bad_header(source: &Source) -> Option<String> {
    if source.is_test() {
        return None;
    }
    let header: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    if header.is_empty() {
        let path = &source.path;
        return Some(format!(
            "{path}: no `//!` header; begin with what it is for, reads, writes and never does"
        ));
    }
    let library = LIBRARIES.iter().any(|folder| source.in_folder(folder));
    (library && !header.iter().any(|line| line.contains("Never:")))
        .then(|| format!("{}: the header has no `Never:`; say what this file does not do", source.path))
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, crates) in DIRECTIONS.iter().filter(|(folder, _)| source.in_folder(folder)) {
        for name in *crates {
            for at in word_offsets(&source.code, name) {
                let line = source.line_of(at);
                let path = &source.path;
                found.push(format!(
                    "{path}:{line}: {folder} may not name `{name}`; data flows one way, move the code"
                ));
            }
        }
    }
    found
}

/// Workspace crates that a `Cargo.toml` lists as dependencies although the direction forbids it.
fn wrong_dependencies(path: &str, manifest: &str) -> Vec<String> {
    let folder = path.split('/').next().unwrap_or_default();
    let forbidden = DIRECTIONS.iter().filter(|(f, _)| *f == folder).flat_map(|(_, crates)| crates.iter());
    let mut table = "";
    let mut listed = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
            if let Some((_, dependency)) = table.split_once("dependencies.") {
                listed.insert(dependency);
            }
        } else if table.ends_with("dependencies") {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            listed.insert(&line[..end]);
        }
    }
    forbidden
        .map(|name| name.replace('_', "-"))
        .filter(|name| listed.contains(name.as_str()))
        .map(|name| format!("{path}: {folder} may not depend on `{name}`; data flows one way, remove it"))
        .collect()
}

/// Names of the `pub const`s of blanked `code`.
fn public_consts(code: &str) -> Vec<String> {
    let names = code.match_indices("pub const ").map(|(at, found)| &code[at + found.len()..]);
    names
        .map(|rest| rest.bytes().take_while(|b| is_word(*b)).map(char::from).collect::<String>())
        .filter(|name| name != "fn" && name != "unsafe" && !name.is_empty())
        .collect()
}

fn untested_limits(limits: &str, tests: &[String]) -> Vec<String> {
    let untested = |name: &String| {
        let path = format!("limits::{name}");
        !tests.iter().any(|test| word_offsets(test, &path).next().is_some())
    };
    public_consts(limits)
        .into_iter()
        .filter(untested)
        .map(|name| {
            format!(
                "storage/src/limits.rs: no test names `limits::{name}`; \
                 write one that exceeds it and gets `LimitExceeded`, or remove the limit"
            )
        })
        .collect()
}

fn wrong_unsafe(source: &Source) -> Vec<String> {
    let path = &source.path;
    let allowed =
        UNSAFE_ROOMS.iter().any(|room| path == room || (room.ends_with('/') && path.starts_with(room)));
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for at in word_offsets(&source.code, "unsafe") {
        let line = source.line_of(at);
        let name = source.code[at + "unsafe".len()..].starts_with("(no_mangle)]");
        if name && path.starts_with(EXPORTS) {
            continue;
        }
        if !allowed {
            found.push(format!(
                "{path}:{line}: unsafe code; it lives in {} only, find a safe way or move it there",
                UNSAFE_ROOMS.join(", ")
            ));
            continue;
        }
        let next = source.code[at + "unsafe".len()..].trim_start();
        let needs_reason = next.starts_with('{') || next.starts_with("impl");
        let above = &lines[line.saturating_sub(1 + SAFETY_LINES)..line];
        if needs_reason && !above.iter().any(|l| l.contains("// SAFETY:")) {
            found.push(format!(
                "{path}:{line}: no `// SAFETY:` within {SAFETY_LINES} lines above; say why the block is sound"
            ));
        }
    }
    found
}

fn allows(source: &Source) -> Vec<String> {
    let is_attribute = |at: &usize| {
        let before = source.code[..*at].trim_end();
        let after = source.code[at + "allow".len()..].trim_start();
        let in_cfg_attr =
            before.rfind("cfg_attr").is_some_and(|c| closing(&source.code, c + "cfg_attr".len()) > *at);
        // With a reason it says why `expect` does not do: the lint may or may not be met, by the features chosen.
        let has_reason = source.code[*at..closing(&source.code, at + "allow".len())].contains("reason");
        after.starts_with('(')
            && !has_reason
            && (before.ends_with("#[") || before.ends_with("#![") || in_cfg_attr)
    };
    word_offsets(&source.code, "allow")
        .filter(is_attribute)
        .map(|at| {
            let (path, line) = (&source.path, source.line_of(at));
            format!(
                "{path}:{line}: `allow` attribute; use `#[expect(lint, reason = \"…\")]`, or mend the cause"
            )
        })
        .collect()
}

fn forbidden_words(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
            found.push(format!(
                "{path}:{}: holds {word:?}, a path of one machine; make it relative",
                number + 1
            ));
        }
    }
    found
}

fn report(rule: &str, violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{rule} ({} violations)\n  {}\n",
        violations.len(),
        violations.join("\n  ")
    );
}

// -------------------------------------------------------------------------------------- the repository keeps them

#[test]
fn the_scan_sees_every_library_and_this_file() {
    let sources = sources().unwrap();
    for expected in ["storage/src/lib.rs", "query/src/lib.rs", "engine/src/lib.rs", "engine/tests/house.rs"] {
        assert!(sources.iter().any(|s| s.path == expected), "{expected} was not scanned");
    }
    assert!(sources.iter().all(|s| !s.path.contains("target/")));
}

#[test]
fn a_file_has_at_most_400_lines_without_its_tests() {
    report("size of a file", &sources().unwrap().iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn every_file_says_what_it_is_for_and_what_it_never_does() {
    report("file header", &sources().unwrap().iter().filter_map(bad_header).collect::<Vec<_>>());
}

#[test]
fn imports_follow_the_direction_of_the_data() {
    let mut violations: Vec<String> = sources().unwrap().iter().flat_map(wrong_imports).collect();
    for path in all_files().unwrap().iter().filter(|path| path.ends_with("Cargo.toml")) {
        violations.extend(wrong_dependencies(path, &std::fs::read_to_string(root().join(path)).unwrap()));
    }
    report("direction of imports", &violations);
}

#[test]
fn every_limit_is_named_by_a_test() {
    let sources = sources().unwrap();
    let limits = sources.iter().find(|s| s.path == "storage/src/limits.rs").unwrap();
    let tests: Vec<String> = sources.iter().map(Source::test_code).collect();
    assert!(!public_consts(&limits.code).is_empty());
    report("limits are tested", &untested_limits(&limits.code, &tests));
}

#[test]
fn unsafe_code_stays_in_its_rooms_and_gives_its_reason() {
    report("unsafe code", &sources().unwrap().iter().flat_map(wrong_unsafe).collect::<Vec<_>>());
}

#[test]
fn lints_are_expected_with_a_reason_and_not_allowed() {
    report("no allow", &sources().unwrap().iter().flat_map(allows).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut violations = Vec::new();
    for path in all_files().unwrap() {
        // What is not text has no words.
        if let Ok(text) = String::from_utf8(std::fs::read(root().join(&path)).unwrap()) {
            violations.extend(forbidden_words(&path, &text));
        }
    }
    report("machine paths", &violations);
}

// ------------------------------------------------------------------------------------------ the checks themselves

#[test]
fn blanking_removes_comments_and_literals_and_keeps_code_and_lines() {
    let text = "a /* x /* y */ z */ b // c\n\"s \\\" t\" d 'e' '\\'' '\\u{1F600}' 'é' &'life r#\"q\" u\"# br\"v\" r#type é f";
    let code = blanked(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('\n').count(), 1);
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "d", "&'life", "b", "r#type", "f"]);
    assert_eq!(blanked("for r in x { \"unclosed").trim_end(), "for r in x {");
}

#[test]
fn test_modules_are_found_with_attributes_between_and_not_when_out_of_line() {
    let code = "fn a() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n fn b() { }\n}\nfn c() {}\n#[cfg(test)]\nmod tests;\n\
                #[cfg(all(test, not(loom)))]\nmod more { }\n#[cfg(unix)]\nmod os { }\n";
    let found: Vec<&str> = test_modules(code).into_iter().map(|range| &code[range]).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("fn b") && !found[0].contains("fn c"));
    assert!(found[1].ends_with("mod more { }"));
}

#[test]
fn the_size_check_counts_code_and_not_tests() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // t\n".repeat(500));
    let code = "fn a() {}\n";
    assert!(too_long(&Source::new("storage/src/a.rs", &(code.repeat(LINES) + &tests))).is_none());
    assert!(too_long(&Source::new("storage/src/a.rs", &(code.repeat(LINES + 1) + &tests))).is_some());
    assert!(too_long(&Source::new("storage/src/a/tests.rs", &code.repeat(999))).is_none());
    assert!(too_long(&Source::new("engine/tests/a.rs", &code.repeat(999))).is_none());
}

#[test]
fn the_header_check_wants_never_from_libraries_only() {
    let bad = |path: &str, text: &str| bad_header(&Source::new(path, text)).is_some();
    assert!(!bad("query/src/a.rs", "//! For.\n//! Never: this.\nfn a() {}"));
    assert!(bad("query/src/a.rs", "//! For.\nfn a() {} // Never: here"));
    assert!(bad("query/src/mod.rs", "fn a() {}\n//! Never: late"));
    assert!(bad("bindings/shell/src/main.rs", "fn main() {}"));
    assert!(!bad("bindings/shell/src/main.rs", "//! The command line.\nfn main() {}"));
    assert!(!bad("query/src/a/tests.rs", "fn a() {}"));
}

#[test]
fn the_import_check_knows_crates_by_whole_names() {
    let found = |path: &str, text: &str| wrong_imports(&Source::new(path, text)).len();
    assert_eq!(found("storage/src/a.rs", "use foretaste_query::x;\nuse foretaste::y;"), 2);
    assert_eq!(
        found("storage/src/a.rs", "#[cfg(foretaste_loom)] // foretaste\nuse foretaste_storage::x;"),
        0
    );
    assert_eq!(found("query/src/a.rs", "use foretaste_storage::x; fn f() { foretaste::y() }"), 1);
    assert_eq!(found("bindings/shell/src/a.rs", "use foretaste::x; use foretaste_storage::x;"), 1);
    assert_eq!(found("engine/src/a.rs", "use foretaste_storage::x; use foretaste_query::y;"), 0);
}

#[test]
fn the_dependency_check_reads_every_form_of_a_dependency() {
    let found = |path: &str, text: &str| wrong_dependencies(path, text).len();
    assert_eq!(
        found(
            "query/Cargo.toml",
            "[package]\nname = \"foretaste\"\n[dependencies]\nforetaste-storage.workspace = true"
        ),
        0
    );
    assert_eq!(found("query/Cargo.toml", "[dev-dependencies]\nforetaste.workspace = true"), 1);
    assert_eq!(found("storage/Cargo.toml", "[dependencies]\nforetaste-query = { path = \"../query\" }"), 1);
    assert_eq!(
        found("bindings/c/Cargo.toml", "[target.'cfg(unix)'.dependencies.foretaste-storage]\npath = \"x\""),
        1
    );
    assert_eq!(found("engine/Cargo.toml", "[dependencies]\nforetaste-query.workspace = true"), 0);
}

#[test]
fn the_limit_check_wants_the_whole_name_in_a_test() {
    let limits = blanked(
        "pub const KEY: u64 = 1;\n// pub const GONE: u64 = 1;\npub const fn f() {}\npub const KEY_BYTES: u64 = 2;",
    );
    assert_eq!(public_consts(&limits), ["KEY", "KEY_BYTES"]);
    let test = |text: &str| Source::new("storage/src/a.rs", text).test_code();
    let both = "#[cfg(test)]\nmod tests { fn t() { limits::KEY; limits::KEY_BYTES } }";
    assert!(untested_limits(&limits, &[test(both)]).is_empty());
    let one =
        "fn t() { limits::KEY }\n#[cfg(test)]\nmod tests { fn t() { limits::KEY_BYTES } /* limits::KEY */ }";
    assert_eq!(untested_limits(&limits, &[test(one)]).len(), 1);
}

#[test]
fn the_unsafe_check_knows_rooms_and_reasons() {
    let found = |path: &str, text: &str| wrong_unsafe(&Source::new(path, text)).len();
    let with_reason =
        |lines: usize| format!("// SAFETY: sound.\n{}unsafe {{ x() }}", "// more\n".repeat(lines));
    assert_eq!(found("storage/src/bytes/map.rs", &with_reason(SAFETY_LINES - 1)), 0);
    assert_eq!(found("storage/src/bytes/map.rs", &with_reason(SAFETY_LINES)), 1);
    assert_eq!(found("query/src/kernel/avx2.rs", "unsafe { x() }\n// SAFETY: too late."), 1);
    assert_eq!(found("query/src/kernel/avx2.rs", "unsafe fn f() {}"), 0);
    assert_eq!(found("query/src/kernels.rs", "unsafe fn f() {}"), 1);
    assert_eq!(found("storage/src/vfs/os.rs", &with_reason(0)), 1);
    assert_eq!(found("bindings/c/src/ptr.rs", &with_reason(0)), 0);
    assert_eq!(found("bindings/c/src/hits.rs", &with_reason(0)), 1);
    assert_eq!(found("bindings/c/src/hits.rs", "#[unsafe(no_mangle)]\npub extern \"C\" fn ft_x() {}"), 0);
    assert_eq!(found("engine/src/lib.rs", "#[unsafe(no_mangle)]\npub extern \"C\" fn ft_x() {}"), 1);
    assert_eq!(found("storage/src/vfs/os.rs", "#![expect(unsafe_code)] // unsafe\nlet s = \"unsafe\";"), 0);
}

#[test]
fn the_allow_check_sees_attributes_and_nothing_else() {
    let found = |text: &str| allows(&Source::new("storage/src/a.rs", text)).len();
    assert_eq!(found("#[allow(dead_code)]\n#![allow(x)]\n#[cfg_attr(test, allow(y))]\n# [ allow ( z ) ]"), 3);
    assert_eq!(found("#[allow(dead_code, reason = \"features\")]"), 0);
    assert_eq!(found("fn allow() {}\nallow(); // #[allow(x)]\n#[expect(x)]\nlet s = \"#[allow(x)]\";"), 0);
    assert_eq!(found("#[cfg_attr(test, x)]\nfn f() { allow() }"), 0);
}

#[test]
fn the_word_check_names_the_line() {
    let text = format!("fine\nsee {}x\n", FORBIDDEN[0]);
    let found = forbidden_words("a.md", &text);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.md:2:"), "{found:?}");
    assert!(forbidden_words("a.md", "a network/disk, /tmp/x").is_empty());
}
