//! The file `stamp` beside sled's files: it says that they are whole, of which state, and what they cover.
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 8 | magic `FTSTAMP1` |
//! | 8 | 8 | checksum of the rest |
//! | 16 | … | the record (bincode): stamp, covered segments, and name, length and checksum of every file |
//!
//! It is written last at a close, after every other file was synced, and removed first at an opening, so it is there only
//! while nobody writes. The files' checksums keep sled away from damage: it cuts a damaged log short without a word, or
//! panics, at the opening or at a later lookup, and an entry lost that way would be a key that is said to be absent. They
//! also make a stamp harmless whose removal did not reach the disk. The price is that an opening reads every file once.
//!
//! Reads from: the folder `directory`. Writes to: the same.
//! Never: a file of sled's changed, an error of `take` (doubt is an answer: no).

use std::path::Path;

use bincode::{Decode, Encode};
use twox_hash::XxHash3_64;

use crate::codec::meta;
use crate::directory::coverage::Coverage;
use crate::error::{Error, Result};
use crate::limits;
use crate::vfs::{File, Vfs, os::OsVfs};

const NAME: &str = "stamp";
const MAGIC: [u8; 8] = *b"FTSTAMP1";
const PREFIX_BYTES: usize = 16;
/// Bytes read at a time for a checksum.
const READ_BYTES: usize = 1 << 20;
/// Folders below the directory's; sled has one, `blobs`.
const DEPTH: u32 = 2;

#[derive(Debug, Encode, Decode)]
struct Record {
    stamp: u64,
    covered: Vec<(u64, u64)>,
    stale: u64,
    files: Vec<FileSum>,
}

#[derive(Debug, PartialEq, Eq, Encode, Decode)]
struct FileSum {
    /// Relative to the folder, with `/`.
    name: String,
    len_bytes: u64,
    sum: u64,
}

/// Syncs every file in the folder and writes the stamp; sled must be closed.
///
/// # Errors
/// `Io`; `LimitExceeded` when the record is too long. Whatever is left of the stamp will not be taken for a whole one.
pub fn write(folder: &Path, stamp: u64, coverage: &Coverage) -> Result<()> {
    let disk = OsVfs::new();
    let mut files = Vec::new();
    for (name, _) in list(folder)? {
        let file = disk.open_write(&folder.join(&name))?;
        file.sync()?;
        let len_bytes = file.len()?;
        files.push(FileSum { sum: sum(&*file, len_bytes)?, name, len_bytes });
    }
    disk.sync_dir(&folder.join("blobs")).or_else(|e| if e.is_not_found() { Ok(()) } else { Err(e) })?;
    disk.sync_dir(folder)?;

    let (covered, stale) = coverage.parts();
    let record = meta::encode(&Record { stamp, covered, stale, files })?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(XxHash3_64::oneshot(&record).to_le_bytes());
    bytes.extend(record);
    let file = disk.create(&folder.join(NAME))?;
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.sync_dir(folder)
}

/// What is covered, if the folder is as it was when it was closed with `stamp`; the stamp is gone, durably, then.
pub fn take(folder: &Path, stamp: u64) -> Option<Coverage> {
    let record = read(folder).ok().filter(|record| record.stamp == stamp)?;
    if !is_whole(folder, &record).unwrap_or(false) {
        return None;
    }
    let disk = OsVfs::new();
    disk.remove_file(&folder.join(NAME)).ok()?;
    disk.sync_dir(folder).ok()?;
    Some(Coverage::from_parts(record.covered, record.stale))
}

/// Deletes the folder with all that is in it and makes an empty one.
///
/// # Errors
/// `Io`.
#[expect(
    clippy::disallowed_methods,
    reason = "sled writes its own files, outside the commit protocol: all of it is derived and rebuilt when in doubt"
)]
pub fn wipe(folder: &Path) -> Result<()> {
    match std::fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(folder),
        Ok(_) => std::fs::remove_file(folder),
        Err(_) => Ok(()),
    }
    .map_err(|e| Error::io("remove folder", folder, e))?;
    OsVfs::new().create_dir(folder)
}

fn read(folder: &Path) -> Result<Record> {
    let path = folder.join(NAME);
    let file = OsVfs::new().open(&path)?;
    let len_bytes = file.len()?;
    limits::check("stamp of the directory in bytes", len_bytes, limits::RECORD_BYTES + PREFIX_BYTES as u64)?;
    let mut bytes = vec![0; len_bytes as usize];
    file.read_at(0, &mut bytes)?;
    match bytes.split_at_checked(PREFIX_BYTES) {
        Some((prefix, record)) if prefix == [MAGIC, XxHash3_64::oneshot(record).to_le_bytes()].concat() => {
            meta::decode(record, &path, PREFIX_BYTES as u64)
        }
        _ => Err(Error::corrupt(&path, 0, "the stamp is not whole")),
    }
}

/// Whether the files are those of the record, none missing, none more: sled would use any it finds.
fn is_whole(folder: &Path, record: &Record) -> Result<bool> {
    let found = list(folder)?;
    let expected = record.files.iter().map(|file| (file.name.as_str(), file.len_bytes));
    if !found.iter().map(|(name, len_bytes)| (name.as_str(), *len_bytes)).eq(expected) {
        return Ok(false);
    }
    for expected in &record.files {
        let file = OsVfs::new().open(&folder.join(&expected.name))?;
        if sum(&*file, expected.len_bytes)? != expected.sum {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The files of the folder but the stamp, sorted by name, with their lengths in bytes.
fn list(folder: &Path) -> Result<Vec<(String, u64)>> {
    fn walk(folder: &Path, under: &str, depth: u32, out: &mut Vec<(String, u64)>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (kind, file_name) = (entry.file_type()?, entry.file_name());
            let name = match file_name.to_str() {
                Some(name) => format!("{under}{name}"),
                None => return Err(std::io::Error::other("a name that sled does not use")),
            };
            if kind.is_dir() && depth > 0 {
                walk(&entry.path(), &format!("{name}/"), depth - 1, out)?;
            } else if !kind.is_file() {
                return Err(std::io::Error::other(format!("{name} is no file")));
            } else if name != NAME {
                out.push((name, entry.metadata()?.len()));
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(folder, "", DEPTH, &mut out).map_err(|e| Error::io("list folder", folder, e))?;
    out.sort_unstable();
    Ok(out)
}

fn sum(file: &dyn File, len_bytes: u64) -> Result<u64> {
    let mut hasher = XxHash3_64::new();
    let mut buf = vec![0; READ_BYTES.min(len_bytes as usize)];
    let mut at = 0;
    while at < len_bytes {
        let part = buf.len().min((len_bytes - at) as usize);
        let Some(part) = buf.get_mut(..part) else { break };
        file.read_at(at, part)?;
        std::hash::Hasher::write(&mut hasher, part);
        at += part.len() as u64;
    }
    Ok(std::hash::Hasher::finish(&hasher))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The files of the folder, the stamp too, with their lengths in bytes.
    pub fn all_files(folder: &Path) -> Vec<(String, u64)> {
        let mut files = list(folder).unwrap();
        if let Ok(found) = folder.join(NAME).metadata() {
            files.push((NAME.to_string(), found.len()));
        }
        files
    }

    #[test]
    fn a_stamp_is_taken_once_with_what_is_covered() {
        let folder = tempfile::tempdir().unwrap();
        let coverage = Coverage::from_parts([(1, 10), (u64::MAX, 0)], 3);
        write(folder.path(), 5, &coverage).unwrap();
        assert_eq!(take(folder.path(), 6), None);
        assert_eq!(take(folder.path(), 5), Some(coverage));
        assert_eq!(take(folder.path(), 5), None);
    }

    #[test]
    fn a_sum_depends_on_every_part_of_a_long_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = OsVfs::new().create(&folder.path().join("db")).unwrap();
        let len = 2 * READ_BYTES as u64 + 9;
        file.write_at(0, &vec![1; len as usize]).unwrap();
        let whole = sum(&*file, len).unwrap();
        assert_eq!(sum(&*file, len).unwrap(), whole);
        for at in [0, READ_BYTES as u64, len - 1] {
            file.write_at(at, &[0]).unwrap();
            assert_ne!(sum(&*file, len).unwrap(), whole, "byte {at}");
            file.write_at(at, &[1]).unwrap();
        }
        assert!(sum(&*file, len + 1).is_err());
    }
}
