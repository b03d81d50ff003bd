//! A database's files out of the page cache, as far as the system lets go of them.
//!
//! Reads from: nothing. Writes to: nothing; what is not on the disk yet is synced first. Never: a change of a byte.
#![expect(
    clippy::disallowed_types,
    reason = "files are opened to be forgotten by the system, not to be read"
)]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::output::{Failure, Outcome};

/// Whether this system can.
pub const POSSIBLE: bool = cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd"));

/// Puts all files below `folder` out of the cache. The names of files stay in it.
pub fn files(folder: &Path) -> Outcome {
    below(folder)
        .map_err(|e| Failure::new(format!("cannot put {} out of the page cache: {e}", folder.display())))
}

fn below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below(&entry.path())?;
        } else if kind.is_file() {
            let file = File::open(entry.path())?;
            // Only what is on the disk can be forgotten.
            file.sync_all()?;
            forget(&file)?;
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn forget(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn forget(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_all_folders_are_reached_and_stay_as_they_are() {
        if !POSSIBLE {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("seg");
        fs::create_dir(&below).unwrap();
        let file = below.join("plane");
        io::Write::write_all(&mut File::create(&file).unwrap(), b"rows").unwrap();
        files(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "rows");
        assert!(files(&folder.path().join("none")).is_err());
    }
}
