//! The built binary, as a user runs it: exit codes, standard output and standard error.
#![expect(clippy::disallowed_methods, reason = "files to import and to damage are written directly")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failure fails the test, in its helpers too")]

mod bench;
mod change;
mod damage;
mod demo;
mod formats;
mod import;
mod optimize;
mod progressive;
mod scripts;
mod search;
mod session;
mod shell;
#[cfg(unix)]
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder to work in, and the program to run there.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foretaste"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Runs what has to succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// Runs what has to succeed, with JSON for its result.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let ran = self.ok(&args);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", ran.out))
    }

    /// Five rows of two dimensions with documents, as collection `docs` of `t.ft`.
    pub(crate) fn with_docs() -> Place {
        let place = Place::new();
        place.write("docs.jsonl", DOCS);
        place.ok(&["import", "t.ft", "docs", "docs.jsonl", "--metric", "l2", "--column", "year:int"]);
        place
    }

    pub(crate) fn rows(&self, db: &str, collection: &str) -> u64 {
        let stats = self.json(&["stats", db]);
        let found = stats["collections"].as_array().unwrap().iter().find(|c| c["name"] == collection);
        found.map_or(0, |c| c["rows"].as_u64().unwrap())
    }
}

pub(crate) const DOCS: &str = r#"{"id": "a", "vector": [0, 0.1], "lang": "en", "year": 2020}
{"id": "b", "vector": [1, 0.2], "lang": "de", "year": 2021, "nested": {"x": [1, "two", null]}}
{"id": 7, "vector": [2, 0.3], "lang": "en", "year": 2022}
{"id": "7", "vector": [3, 0.4], "lang": "fr \u001b[31mred"}
{"id": -1, "vector": [4, 0.5]}
"#;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engine/tests/import").join(name)
}

pub(crate) fn ids(answer: &Value) -> Vec<Value> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()).collect()
}

/// A NumPy file of f32 rows.
pub(crate) fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let dim = rows.first().map_or(0, Vec::len);
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {dim}), }}\n", rows.len());
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// An fvecs file.
pub(crate) fn fvecs(rows: &[Vec<f32>]) -> Vec<u8> {
    let row = |row: &Vec<f32>| {
        let numbers = row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        [(row.len() as u32).to_le_bytes().to_vec(), numbers].concat()
    };
    rows.iter().flat_map(row).collect()
}
