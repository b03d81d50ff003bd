//! The lock that keeps a second writer out of a database, and tells it who the first one is.
//!
//! Reads from: the file `lock` in the database folder. Writes to: the same file, only while holding its lock.
//! Never: waiting; deciding by the file's presence or contents (only the operating system's lock counts, and it dies
//! with its process).

use std::path::Path;

use super::{LockGuard, LockMode, Vfs};
use crate::error::{Error, Result};

/// The name of the lock file in the database folder.
pub const LOCK_FILE: &str = "lock";

/// The process id is written in decimal and padded with spaces to this many bytes.
const PID_BYTES: usize = 16;

/// The right to write to a database; dropping it gives the right up.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::Error;
/// use foretaste_storage::vfs::{Vfs, lock::DatabaseLock, mem::MemVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let (disk, dir) = (MemVfs::new(), Path::new("/notes.ft"));
/// disk.create_dir(dir)?;
/// let lock = DatabaseLock::acquire(&disk, dir)?;
/// let second = DatabaseLock::acquire(&disk, dir);
/// assert!(matches!(second, Err(Error::Locked { pid, .. }) if pid == Some(std::process::id())));
/// drop(lock);
/// DatabaseLock::acquire(&disk, dir)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DatabaseLock {
    _guard: Box<dyn LockGuard>,
}

impl DatabaseLock {
    /// Takes the write lock of the database in the folder `dir`, which must exist, without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] with the holder's process id, where it can be read, when another handle has the lock;
    /// [`Error::Io`] when the lock file cannot be created, locked or written.
    pub fn acquire(vfs: &dyn Vfs, dir: &Path) -> Result<DatabaseLock> {
        let path = dir.join(LOCK_FILE);
        // An existing file is never created anew, which would empty it under its holder. Two first openings at the
        // same time may both create it; that is one file still, and at worst the loser cannot name the winner.
        let file = match vfs.open_write(&path) {
            Err(e) if e.is_not_found() => {
                let file = vfs.create(&path)?;
                vfs.sync_dir(dir)?;
                file
            }
            opened => opened?,
        };
        let Some(guard) = vfs.try_lock(&path, LockMode::Exclusive)? else {
            return Err(Error::Locked { pid: read_pid(&*file), path: dir.to_path_buf() });
        };
        let pid = format!("{:<PID_BYTES$}", std::process::id());
        file.write_at(0, pid.as_bytes())?;
        Ok(DatabaseLock { _guard: guard })
    }
}

/// The pid is only for the message: whatever is wrong with it, the answer is that it is not known.
fn read_pid(file: &dyn super::File) -> Option<u32> {
    let mut text = [0; PID_BYTES];
    file.read_at(0, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::vfs::fault::FaultVfs;
    use crate::vfs::mem::MemVfs;
    use crate::vfs::os::OsVfs;

    fn on_every_disk(test: impl Fn(&dyn Vfs, &Path)) {
        let real = tempfile::tempdir().unwrap();
        test(&OsVfs::new(), real.path());
        let disks: [&dyn Vfs; 2] = [&MemVfs::new(), &FaultVfs::new()];
        for disk in disks {
            disk.create_dir(Path::new("/db")).unwrap();
            test(disk, Path::new("/db"));
        }
    }

    #[test]
    fn only_one_writer_at_a_time_and_the_second_learns_who() {
        on_every_disk(|disk, dir| {
            let first = DatabaseLock::acquire(disk, dir).unwrap();
            match DatabaseLock::acquire(disk, dir) {
                Err(Error::Locked { pid, path }) => {
                    assert_eq!(pid, Some(std::process::id()));
                    assert_eq!(path, dir);
                }
                other => panic!("expected Locked, got {other:?}"),
            }
            drop(first);
            DatabaseLock::acquire(disk, dir).unwrap();
        });
    }

    #[test]
    fn a_refused_writer_leaves_the_file_as_it_was() {
        on_every_disk(|disk, dir| {
            let _first = DatabaseLock::acquire(disk, dir).unwrap();
            let file = disk.open(&dir.join(LOCK_FILE)).unwrap();
            let before = file.map().unwrap().to_vec();
            assert_eq!(before.len(), PID_BYTES);
            assert!(DatabaseLock::acquire(disk, dir).is_err());
            assert_eq!(file.map().unwrap().to_vec(), before);
        });
    }

    #[test]
    fn a_leftover_file_of_a_dead_process_locks_nobody_out() {
        on_every_disk(|disk, dir| {
            disk.create(&dir.join(LOCK_FILE)).unwrap().write_at(0, b"4294967295      trailing").unwrap();
            DatabaseLock::acquire(disk, dir).unwrap();
        });
    }

    #[test]
    fn a_holder_that_cannot_be_read_is_unknown() {
        on_every_disk(|disk, dir| {
            for contents in
                [&b""[..], b"12", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
            {
                let path = dir.join(LOCK_FILE);
                disk.create(&path).unwrap().write_at(0, contents).unwrap();
                let held = disk.try_lock(&path, LockMode::Exclusive).unwrap();
                assert!(held.is_some());
                let refused = DatabaseLock::acquire(disk, dir);
                assert!(matches!(refused, Err(Error::Locked { pid: None, .. })), "{refused:?}");
            }
        });
    }

    #[test]
    fn a_missing_folder_is_not_found() {
        on_every_disk(|disk, dir| {
            let missing: PathBuf = dir.join("missing");
            assert!(DatabaseLock::acquire(disk, &missing).unwrap_err().is_not_found());
        });
    }

    #[test]
    fn the_lock_file_survives_a_power_loss_after_its_creation() {
        let disk = FaultVfs::new();
        disk.create_dir(Path::new("/db")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let _lock = DatabaseLock::acquire(&disk, Path::new("/db")).unwrap();
        for image in disk.crash_images(1, 8) {
            assert!(image.disk.read_file("/db/lock").is_ok(), "{}", image.name);
            DatabaseLock::acquire(&image.disk, Path::new("/db")).unwrap();
        }
    }
}
