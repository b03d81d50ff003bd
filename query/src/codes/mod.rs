//! Shorter forms of vectors, and what makes them short.
//!
//! Reads from: samples and vectors in memory. Writes to: buffers. Never: a file.

mod eigen;
pub mod rotation;
mod share;

pub(crate) use share::share_rows;
