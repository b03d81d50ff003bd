//! Second looks at what a search found: several lists made one, hits made diverse, rows scored as distributions.
//!
//! Reads from: ids, scores and vectors that the caller holds. Writes to: lists in memory.
//! Never: a file, a collection, a clock, a random number; the same input gives the same answer everywhere.

pub mod diversify;
pub mod fuse;
pub mod gaussian;
