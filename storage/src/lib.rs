//! Bytes that survive: the disk seam, the write-ahead log, sealed segments, the manifest, and their checks.
//!
//! Data flows `block → log → segment → manifest`; every file is written through [`vfs`], so that the crash simulation
//! sees every step. Never: a distance, a query, a name of a metric.

pub mod append;
pub mod block;
pub mod bytes;
pub mod codec;
pub mod current;
pub mod directory;
pub mod element;
pub mod error;
pub mod key;
pub mod layout;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod names;
pub mod pin;
pub mod plane;
pub mod rows;
pub mod scores;
pub mod sealed;
pub mod section;
pub mod segment;
pub mod sync;
pub mod tokens;
pub mod variance;
pub mod vfs;

pub use error::{Error, Result};
