//! The write-ahead log: what was acknowledged and is not in a segment yet.
//!
//! A log file is a header of 128 bytes ([`crate::codec::header`], kind `Log`, lengths 0, the first sequence number in
//! the first of the four numbers), then frames ([`frame`]), each at a multiple of 64 bytes.
//!
//! A log that was replayed is never appended to: whoever opens a database for writing starts a new log, so a torn tail
//! stays where it is, behind the length that the manifest names, and no frame ever lies behind one. A writer that
//! goes on to another log calls [`Log::flush`] on the old one first, so that no frame of the new one can be durable
//! without all of the old one's.
//!
//! Reads from: `vfs`. Writes to: `vfs`.
//! Never: a change of a byte that was written; a frame that is handed out before all of it was verified.

pub mod frame;
pub mod group;
mod read;
pub mod replay;
pub mod write;

use std::path::Path;

use crate::error::Result;
use crate::names;
use crate::vfs::Vfs;

pub use frame::Prepared;
pub use replay::{Frame, ReplayEnd, Tail, Torn, replay, salvage};
pub use write::{Durability, Log, Ticket};

/// The numbers of the log files of the database in the folder `root`, ascending; none when there is no `log/` folder.
pub fn list(vfs: &dyn Vfs, root: &Path) -> Result<Vec<u64>> {
    let names = match vfs.read_dir(&root.join(names::LOGS)) {
        Err(e) if e.is_not_found() => Vec::new(),
        names => names?,
    };
    let mut ids: Vec<u64> = names.iter().filter_map(|name| names::parse_log(name)).collect();
    ids.sort_unstable();
    Ok(ids)
}

#[cfg(test)]
mod tests;
