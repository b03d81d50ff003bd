//! Single records: a block, a generation's record, deleted rows.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: a record that decodes and does not encode to its bytes.

use std::path::Path;
use std::sync::Arc;

use foretaste::Access;
use foretaste_storage::block::{Block, BlockRows};
use foretaste_storage::bytes::AlignedBuf;
use foretaste_storage::codec;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::layout::Layout;
use foretaste_storage::manifest::Record;
use foretaste_storage::names;
use foretaste_storage::rows::Rows;
use foretaste_storage::section::tombstones::{read_tombstones, write_tombstones};
use foretaste_storage::segment::{self, DocumentIndex, Pick, Segment};
use foretaste_storage::{element, variance};
use roaring::RoaringBitmap;

use crate::UUID;
use crate::disk::{MOST_ROWS, empty, root, write_raw, write_sealed};
use crate::input::Input;

/// Parses a block; one that is whole gives its rows, and a segment is written from them and read back.
pub fn block(data: &[u8]) {
    let mut bytes = AlignedBuf::with_capacity(data.len());
    bytes.extend_from_slice(data);
    let Ok(block) = Block::parse(bytes.into(), Path::new("block"), 0) else { return };
    assert_eq!(&**block.bytes(), data);
    let mut numbers = Vec::new();
    for row in 0..block.rows().min(MOST_ROWS) {
        let _ = (block.key(row), block.payload_of(row), block.scale_of(row));
        if let Some(matrix) = block.tokens_of(row) {
            matrix.decode(&mut Vec::new());
        }
        assert!((1..=block.width()).contains(&block.width_of(row)));
        if let Some(kind) = block.variance_layout() {
            numbers.clear();
            variance::decode(kind, block.variance_of(row), &mut numbers);
        }
    }
    for delete in block.rows()..block.ops().min(block.rows().saturating_add(MOST_ROWS)) {
        let _ = block.key(delete);
    }
    if block.rows() > MOST_ROWS || block.width() == 0 {
        return;
    }
    // Every width of a row becomes a level, as far as a layout may have that many.
    let mut levels: Vec<u32> = (0..block.rows()).map(|row| block.width_of(row) as u32).collect();
    levels.push(block.width() as u32);
    levels.sort_unstable();
    levels.dedup();
    let layout = Layout { levels, element: block.element(), variance: block.variance_layout() };
    if layout.validate().is_err() {
        return;
    }
    let rows = BlockRows { block: &block, layout: &layout, first: 10 };
    let picks: Vec<Pick> = (0..block.rows()).map(|row| Pick { source: 0, row }).collect();
    let disk = empty();
    let none = DocumentIndex::default();
    let written = segment::write(&disk, root(), &UUID, 1, &layout, &[&rows], &picks, &none, &mut |_| true);
    let Ok(Some(reference)) = written else { return };
    let segment = Segment::open(Arc::new(disk), root(), &UUID, &reference, &layout, Access::Map)
        .expect("a segment of a whole block can be opened");
    for row in 0..rows.len() {
        assert_eq!(segment.key(row).ok(), Some(block.key(row)));
        assert_eq!(segment.payload(row).ok().as_deref(), Some(block.payload_of(row)));
        let stored = segment.tokens(row).expect("a matrix can be read").map(|matrix| matrix.bytes.to_vec());
        assert_eq!(stored, block.tokens_of(row).map(|matrix| matrix.bytes.to_vec()));
        for level in 0..usize::from(rows.levels(row).expect("a level of the layout")) {
            let (stored, given) = (segment.vector(row, level), rows.vector(row, level));
            assert_eq!(stored.ok().as_deref(), given.as_deref().ok());
            let given = rows.variance(row, level);
            assert_eq!(segment.variance(row, level).ok().as_deref(), given.as_deref().ok());
            numbers.clear();
            element::decode(layout.element, given.as_deref().unwrap_or_default(), 1.0, &mut numbers);
        }
    }
    segment.verify(&mut |e| panic!("a segment of a whole block is damaged: {e}"));
}

/// Decodes a generation's record; what decodes encodes to the same bytes.
pub fn meta(data: &[u8]) {
    let Ok(record) = codec::meta::decode::<Record>(data, Path::new("record"), 0) else { return };
    assert_eq!(codec::meta::encode(&record).ok().as_deref(), Some(data));
    if record.validate().is_ok() {
        for collection in &record.collections {
            assert!(record.collection(&collection.name).is_some());
        }
    }
}

/// Reads deleted rows: flags, the segment's number of rows, and the bitmap. With flag 1 the rest is the whole file.
pub fn tombstones(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let rows = input.take(4).try_into().map_or(0, u32::from_le_bytes);
    let body = input.rest();
    let disk = empty();
    let path = root().join(names::tombstone_file(1, 1));
    let file = if flags & 1 != 0 {
        write_raw(&disk, &path, body)
    } else {
        // The count is the one that a writer of these bytes would have found.
        let count = RoaringBitmap::deserialize_from(body).map_or(0, |rows| rows.len());
        write_sealed(&disk, &path, Kind::Tombstones, 1, [1, count, 0, 0], body)
    };
    let Ok(deleted) = read_tombstones(&disk, root(), &UUID, 1, 1, &file, rows) else { return };
    assert!(deleted.max().is_none_or(|row| row < rows));
    let again = write_tombstones(&disk, root(), &UUID, 1, 2, &deleted).expect("a file in memory");
    let again = read_tombstones(&disk, root(), &UUID, 1, 2, &again, rows);
    assert_eq!(again.ok(), Some(deleted));
}
