//! Disks in memory with hostile files on them, and everything a caller may do with such a database.
//!
//! Reads from: a disk in memory. Writes to: the same. Never: an assertion that hostile data means anything.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use foretaste::{Access, Database, Metric, Options, Schema};
use foretaste_storage::codec::header::{HEADER_BYTES, Kind};
use foretaste_storage::manifest;
use foretaste_storage::sealed::{FileRef, SealedWriter};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

use crate::UUID;

pub const ROOT: &str = "db";
/// Rows looked at one by one; hostile counts may be large.
pub const MOST_ROWS: u32 = 200;

pub fn root() -> &'static Path {
    Path::new(ROOT)
}

pub fn options(disk: &MemVfs) -> Options {
    Database::options().disk(Arc::new(disk.clone())).background(false)
}

/// Writes `body` as a sealed file at `path`, with checksums that match.
pub fn write_sealed(disk: &MemVfs, path: &Path, kind: Kind, id: u64, aux: [u64; 4], body: &[u8]) -> FileRef {
    let mut writer = SealedWriter::create(disk, path, kind, &UUID, id).expect("a file in memory");
    writer.write(body).expect("a file in memory");
    writer.finish(aux).expect("a file in memory")
}

/// Writes `bytes` as they are, and says of them what a manifest would that believed them.
pub fn write_raw(disk: &MemVfs, path: &Path, bytes: &[u8]) -> FileRef {
    let file = disk.create(path).expect("a file in memory");
    file.write_at(0, bytes).expect("a file in memory");
    let end = HEADER_BYTES as usize;
    let sum = bytes.get(end - 8..end).and_then(|sum| sum.try_into().ok()).map_or(0, u64::from_le_bytes);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    FileRef { name, len: bytes.len() as u64, sum }
}

/// An empty database of the bodies' uuid.
pub fn empty() -> MemVfs {
    let disk = MemVfs::new();
    manifest::create(&disk, root(), &UUID).expect("a database in memory");
    disk
}

/// The engine's description of a collection, as it stands in a generation's record.
pub fn schema_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let disk = empty();
        let db = options(&disk).open(root()).expect("a database in memory");
        db.create_collection("c", Schema::new(2, Metric::L2).column("n", foretaste::ColumnType::Int))
            .expect("a collection in memory");
        db.close().expect("a database in memory");
        let loaded = manifest::load(&disk, root(), Access::Read).expect("a database in memory");
        loaded.record.collections.first().map(|c| c.schema.clone()).unwrap_or_default()
    })
}

/// Opens what is on `disk` as a reader and as a writer, and does everything with it that a caller may. Errors are
/// answers; panics, hangs and large allocations are not.
pub fn exercise(disk: &MemVfs) {
    let _ = foretaste::check(root(), &options(disk), &mut |_, _| true);
    for access in [Access::Map, Access::Read] {
        if let Ok(db) = options(disk).read_only(true).access(access).open(root()) {
            read(&db);
            let _ = db.refresh();
        }
    }
    let Ok(db) = options(disk).create(false).open(root()) else { return };
    read(&db);
    for name in db.collections().iter().take(4) {
        let Ok(collection) = db.collection(name) else { continue };
        let dims = collection.schema().level_dims();
        let (Some(first), Some(last)) = (dims.first().copied(), dims.last().copied()) else { continue };
        let _ = collection.upsert(1, &vec![1.0; first]);
        let _ = collection.upsert("a", &vec![0.5; last]);
        let _ = collection.delete(2);
        let _ = collection.flush();
        let _ = collection.delete("a");
        let _ = collection.truncate(first);
        let _ = collection.extend([first + 3]);
        let _ = collection.compact(|_, _| true);
    }
    if let Ok(collection) = db.create_collection("new", Schema::new(2, Metric::Dot)) {
        let _ = collection.upsert(1, &[1.0, 2.0]);
        let _ = collection.flush();
    }
    read(&db);
    let _ = db.close();
}

fn read(db: &Database) {
    let _ = db.stats();
    for name in db.collections().iter().take(4) {
        let Ok(collection) = db.collection(name) else { continue };
        let snapshot = collection.snapshot();
        for record in snapshot.scan().take(MOST_ROWS as usize).flatten() {
            let _ = collection.get(record.id);
        }
        for dims in collection.schema().level_dims() {
            let search = |filter: Option<&str>| {
                let search = collection.search(&vec![0.25; dims]).dims(dims).k(5);
                let hits = filter.map_or(search.clone(), |text| search.filter(text)).run();
                for hit in hits.iter().flat_map(|hits| hits.iter()) {
                    let _ = hit.payload();
                }
            };
            search(None);
            search(Some("n > 1 or a.b = 'x' or $id = 1"));
        }
    }
}
