//! Codes: short stand-ins for vectors, from which distances are estimated.
//!
//! All of them live in the index's space, where the squared Euclidean distance counts, after a [`Rotation`] that puts most
//! of the energy into a prefix; what is left out is known by its norm, the **tail**.
//!
//! Reads from: vectors. Writes to: codes in memory. Never: a file.

pub(crate) mod edges;
pub(crate) mod eigen;
mod query;
pub mod rotation;
pub(crate) mod rows;
mod share;

pub(crate) use query::CodedQuery;
pub use rotation::Rotation;
pub(crate) use share::share_rows;
