//! The language of foretaste's shell: statements that end in `;`, as text and as trees. See [`lang`].
//!
//! The program `foretaste` carries statements out; this library only reads and writes them, so that other programs, tests and
//! fuzzers can.
//!
//! Reads from: text. Writes to: nothing. Never: a database.

pub mod lang;
