//! Fuzzes `foretaste_fuzz_bodies::import_parquet`, which says what it does.
//!
//! The parser asserts on some damaged files and the importer catches that: those panics are no finding, see
//! `forgive_foreign_panics`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    foretaste_fuzz_bodies::forgive_foreign_panics();
    foretaste_fuzz_bodies::import_parquet(data);
});
