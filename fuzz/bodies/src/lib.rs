//! The bodies of the fuzz targets: plain functions of the input's bytes that panic when they find a bug.
//!
//! They live apart from the fuzzer so that `cargo test --workspace` replays `fuzz/seeds/<target>/` with the stable
//! toolchain. A new target is a function here, a line in [`TARGETS`], a file in `fuzz/fuzz_targets/`, and a seed.
//!
//! Reads from: the input. Writes to: disks in memory. Never: a file, a clock, or a random number that changes what an
//! input does.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a body reports what it finds by panicking; that is what the fuzzer and the replay look for"
)]

mod adapter;
mod ann;
mod answer;
mod database;
mod disk;
mod filter;
mod import;
mod input;
mod log;
mod manifest;
mod records;
mod segment;
mod shell;
mod text;

pub use adapter::adapter;
pub use ann::{SECTIONS as ANN_SECTIONS, ann};
pub use answer::answer;
pub use database::database;
pub use filter::{filter, filter_json};
pub use import::{
    import_csv, import_fvecs, import_hdf5, import_jsonl, import_npy, import_npz, import_parquet,
};
pub use log::log;
pub use manifest::manifest;
pub use records::{block, meta, tombstones};
pub use segment::segment;
pub use shell::shell;
pub use text::{SECTIONS as TEXT_SECTIONS, text};

pub use input::join;

/// A target's name, which is also the folder of its seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 21] = [
    ("segment", segment),
    ("adapter", adapter),
    ("ann", ann),
    ("answer", answer),
    ("text", text),
    ("manifest", manifest),
    ("log", log),
    ("block", block),
    ("meta", meta),
    ("tombstones", tombstones),
    ("filter", filter),
    ("filter_json", filter_json),
    ("shell", shell),
    ("import_hdf5", import_hdf5),
    ("import_npy", import_npy),
    ("import_npz", import_npz),
    ("import_fvecs", import_fvecs),
    ("import_parquet", import_parquet),
    ("import_jsonl", import_jsonl),
    ("import_csv", import_csv),
    ("database", database),
];

/// The database that the bodies' files belong to.
pub const UUID: foretaste_storage::codec::check::Uuid = [7; 16];

/// Keeps panics of foreign crates that foretaste catches from ending a fuzz run; call it first in such a target.
///
/// libFuzzer's Rust runtime installs a panic hook that aborts, before any `catch_unwind` is asked. The parsers of
/// Parquet and HDF5 assert on damaged files; the importers catch that and report a damaged file, which is what a caller
/// sees. So a panic whose place is in a registry crate goes to nobody here. One in foretaste's own code, or in the
/// standard library, still aborts with its message; and one of a foreign crate that nobody caught unwinds out of the
/// target, where the runtime aborts too.
pub fn forgive_foreign_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let foreign = info.location().is_some_and(|at| at.file().contains("/registry/src/"));
            if !foreign {
                abort(info);
            }
        }));
    });
}
