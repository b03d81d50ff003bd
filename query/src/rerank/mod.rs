//! Second looks at what a search found: several lists made one, hits made diverse, rows scored as distributions, and scorers
//! that are too dear for every row.
//!
//! ```text
//! scorer: which ids to score next ──> adaptive: which query the scores speak for ──> an ordinary search with it
//! maxsim: late interaction, exact, and as one vector
//! gaussian: rows as normal distributions      fuse, diversify: lists of hits
//! ```
//!
//! Reads from: ids, scores and vectors that the caller holds. Writes to: its own memory.
//! Never: a file, a collection, an index, a clock; the same input gives the same answer everywhere.

pub mod adaptive;
pub mod diversify;
pub mod fuse;
pub mod gaussian;
pub mod maxsim;
pub mod scorer;
