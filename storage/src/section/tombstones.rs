//! The deleted rows of a segment, as of one generation: a file of its own, as a sealed segment never changes.
//!
//! `tomb/SEGMENT-VERSION` is a sealed file whose body is a roaring bitmap of row numbers in its portable serialization
//! (<https://github.com/RoaringBitmap/RoaringFormatSpec>); its header names the segment, and the version first among
//! its four numbers.
//!
//! Reads from: such a file. Writes to: a new one.
//! Never: a row that the segment does not have.

use std::path::Path;

use roaring::RoaringBitmap;

use crate::codec::check::Uuid;
use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::names;
use crate::sealed::{Access, FileRef, SealedFile, SealedWriter};
use crate::vfs::Vfs;

/// Writes the deleted `rows` of `segment` as `version`, and syncs the file and its folder.
///
/// `root` is the database folder. Nothing refers to the file until a generation names it.
///
/// # Errors
/// `Io`.
pub fn write_tombstones(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    segment: u64,
    version: u64,
    rows: &RoaringBitmap,
) -> Result<FileRef> {
    let (path, folder) = (root.join(names::tombstone_file(segment, version)), root.join(names::TOMBSTONES));
    vfs.create_dir(&folder)?;
    let mut body = Vec::with_capacity(rows.serialized_size());
    rows.serialize_into(&mut body).map_err(|e| Error::io("write", &path, e))?;
    let mut file = SealedWriter::create(vfs, &path, Kind::Tombstones, uuid, segment)?;
    file.write(&body)?;
    let written = file.finish([version, rows.len(), 0, 0])?;
    vfs.sync_dir(&folder)?;
    // The first tombstones of a database made their folder.
    vfs.sync_dir(root)?;
    Ok(written)
}

/// Reads the deleted rows of `segment`, which has `rows` rows, as of `version`.
///
/// # Errors
/// `Corrupt` when the file is not the one `file` names, or names a row that the segment does not have; `Io`.
pub fn read_tombstones(
    vfs: &dyn Vfs,
    root: &Path,
    uuid: &Uuid,
    segment: u64,
    version: u64,
    file: &FileRef,
    rows: u32,
) -> Result<RoaringBitmap> {
    let name = names::tombstone_file(segment, version);
    if name.file_name() != Some(file.name.as_ref()) {
        return Err(Error::corrupt(&name, 0, format!("the manifest names {:?} instead", file.name)));
    }
    let owner = (Kind::Tombstones, uuid, segment);
    let sealed = SealedFile::open(vfs, &root.join(names::TOMBSTONES), name, file, owner, Access::Read)?;
    let [found, count, ..] = sealed.aux();
    if found != version {
        return Err(sealed.corrupt(0, format!("version {version} expected, found {found}")));
    }
    // The checked deserialization allocates at most 3 MiB before it has read as much as it allocates.
    let body = sealed.read(0, sealed.body_len())?;
    let mut rest: &[u8] = &body;
    let deleted = RoaringBitmap::deserialize_from(&mut rest);
    let deleted = deleted.map_err(|e| sealed.corrupt(0, format!("no bitmap of rows: {e}")))?;
    if !rest.is_empty() || deleted.len() != count {
        return Err(sealed.corrupt(0, format!("{count} deleted rows expected, found {}", deleted.len())));
    }
    match deleted.max() {
        Some(row) if row >= rows => Err(sealed.corrupt(0, format!("row {row} is deleted, of {rows} rows"))),
        _ => Ok(deleted),
    }
}
