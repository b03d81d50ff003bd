//! Second opinions on what a search found: scorers that are too dear for every row.
//!
//! ```text
//! scorer: which ids to score next ──> adaptive: which query the scores speak for ──> an ordinary search with it
//! maxsim: late interaction, exact, and as one vector
//! ```
//!
//! Reads from: candidates, scores, token matrices that the caller has in memory. Writes to: its own memory.
//! Never: a file, an index, a scorer of its own.

pub mod adaptive;
pub mod maxsim;
pub mod scorer;
