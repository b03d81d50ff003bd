//! Fuzzes `foretaste_fuzz_bodies::shell`, which says what it does.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foretaste_fuzz_bodies::shell(data));
