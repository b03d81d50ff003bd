use std::path::{Path, PathBuf};

use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::columns::{Column, ColumnFile, ColumnValue, ColumnValues};
use super::keys::{Keys, KeysWriter};
use super::tombstones::{read_tombstones, write_tombstones};
use super::*;
use crate::Result;
use crate::codec::header::Kind;
use crate::key::{Key, KeyRef};
use crate::sealed::{Access, BLOCK_BYTES as BLOCK, FileRef, SealedFile, SealedWriter};
use crate::vfs::Vfs;
use crate::vfs::mem::MemVfs;

const UUID: [u8; 16] = [3; 16];

fn writer(vfs: &MemVfs) -> SealedWriter {
    vfs.create_dir(Path::new("d")).unwrap();
    SealedWriter::create(vfs, Path::new("d/index"), Kind::Index, &UUID, 1).unwrap()
}

fn open(vfs: &MemVfs, file: &FileRef, access: Access) -> Result<SectionFile> {
    let owner = (Kind::Index, &UUID, 1);
    let sealed = SealedFile::open(vfs, Path::new("d"), PathBuf::from("index"), file, owner, access)?;
    SectionFile::new(sealed, access)
}

pub(super) fn written(sections: SectionWriter, access: Access) -> SectionFile {
    let vfs = MemVfs::new();
    let file = sections.finish(writer(&vfs), [0; 4]).unwrap();
    open(&vfs, &file, access).unwrap()
}

fn keys_of(keys: &[Key], access: Access) -> Keys {
    let mut gathered = KeysWriter::with_capacity(keys.len());
    keys.iter().for_each(|k| gathered.push(k.as_ref()).unwrap());
    let mut sections = SectionWriter::new();
    gathered.finish(&mut sections).unwrap();
    Keys::open(&written(sections, access), keys.len() as u32).unwrap()
}

fn high(key: KeyRef<'_>) -> u64 {
    key.hash64() >> 32
}

/// Integers of which at least two pairs share the stored half of their hash.
fn colliding() -> Vec<i64> {
    let mut all: Vec<i64> = (0..300_000).collect();
    all.sort_unstable_by_key(|i| high(KeyRef::Int(*i)));
    let pairs = all.windows(2).filter(|w| high(KeyRef::Int(w[0])) == high(KeyRef::Int(w[1])));
    let pairs: Vec<i64> = pairs.flatten().copied().collect();
    assert!(pairs.len() >= 4, "two pairs are expected among so many");
    pairs
}

#[test]
fn each_of_ten_thousand_keys_is_found_and_no_other() {
    let pairs = colliding();
    let mut ints: Vec<i64> = (1_000_000..1_010_000).chain(pairs.iter().copied()).collect();
    ints.sort_unstable();
    ints.dedup();
    let strings = ints.iter().map(|i| Key::from(format!("key {i}")));
    let mixed: Vec<Key> = ints.iter().map(|i| Key::Int(*i)).chain(strings).collect();
    let ints: Vec<Key> = ints.into_iter().map(Key::Int).collect();
    for (keys, access) in [(&ints, Access::Map), (&ints, Access::Read), (&mixed, Access::Map)] {
        let open = keys_of(keys, access);
        for (row, key) in keys.iter().enumerate() {
            assert_eq!(open.key(row as u32).unwrap(), key.as_ref());
            assert_eq!(open.find(key.as_ref()).unwrap(), Some(row as u32));
        }
        for absent in 2_000_000..2_005_000 {
            assert_eq!(open.find(KeyRef::Int(absent)).unwrap(), None);
            assert_eq!(open.find(KeyRef::Str(&absent.to_string())).unwrap(), None);
        }
        open.verify(&mut |e| panic!("{e}"));
        assert!(open.key(keys.len() as u32).is_err());
    }
    // One of a pair is there: the other has its half of the hash, and is not found.
    let half: Vec<Key> = vec![Key::Int(pairs[0])];
    assert_eq!(keys_of(&half, Access::Map).find(KeyRef::Int(pairs[1])).unwrap(), None);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    for keys in [[Key::Int(1), Key::Int(1)], [Key::from("a"), Key::from("a")]] {
        let mut gathered = KeysWriter::with_capacity(2);
        keys.iter().for_each(|k| gathered.push(k.as_ref()).unwrap());
        assert_eq!(gathered.finish(&mut SectionWriter::new()), Err(keys[0].clone()));
    }
    let long = "k".repeat(crate::limits::KEY_BYTES as usize + 1);
    assert!(KeysWriter::with_capacity(1).push(KeyRef::Str(&long)).is_err());
}

#[test]
fn a_lookup_finds_its_place_however_the_hashes_lie() {
    // All halves alike, all at one end, and two lumps: nothing like uniform.
    for rows in [1u32, 2, 50, 3000] {
        let lumps: [&dyn Fn(u32) -> u32; 4] =
            [&|_| 0, &|_| u32::MAX, &|i| if i < rows / 2 { 5 } else { u32::MAX - 5 }, &|i| i];
        for lump in lumps {
            let mut sections = SectionWriter::new();
            let index = (0..rows).map(lump).chain(0..rows).flat_map(u32::to_le_bytes).collect();
            sections.add(SectionKind::KeyIndex, 0, index);
            sections.add(
                SectionKind::IntKeys,
                0,
                (0..rows).flat_map(|i| i64::from(i).to_le_bytes()).collect(),
            );
            let keys = Keys::open(&written(sections, Access::Map), rows).unwrap();
            for wanted in [0, 1, 4, 5, 6, 49, 1500, 1 << 31, u32::MAX - 5, u32::MAX] {
                let expected = (0..rows).position(|i| lump(i) >= wanted).map_or(rows, |i| i as u32);
                assert_eq!(keys.first_at_least(wanted).unwrap(), expected, "{wanted} of {rows}");
            }
        }
    }
}

#[test]
fn sections_of_unknown_kind_are_skipped() {
    let vfs = MemVfs::new();
    let mut w = writer(&vfs);
    w.write(&2u64.to_le_bytes()).unwrap();
    for (kind, offset, len) in [(999u16, 64u64, 5u64), (SectionKind::Versions as u16, 128, 8)] {
        w.write(&kind.to_le_bytes()).unwrap();
        w.write(&[0; 6]).unwrap();
        w.write(&offset.to_le_bytes()).unwrap();
        w.write(&len.to_le_bytes()).unwrap();
    }
    w.pad(64).unwrap();
    w.write(b"later").unwrap();
    w.pad(64).unwrap();
    w.write(&77u64.to_le_bytes()).unwrap();
    let file = w.finish([0; 4]).unwrap();
    let sections = open(&vfs, &file, Access::Map).unwrap();
    assert_eq!(sections.expect(SectionKind::Versions, 0, 8).unwrap().u64(0).unwrap(), 77);
    assert!(sections.get(SectionKind::Versions, 1).is_none());
    assert!(sections.expect(SectionKind::Versions, 0, 16).is_err());
    assert!(sections.expect(SectionKind::Levels, 0, 0).is_err());
}

#[test]
fn more_sections_than_the_limit_are_refused() {
    let with = |n: u64| {
        let mut sections = SectionWriter::new();
        (0..n).for_each(|i| sections.add(SectionKind::Column, i as u16, Vec::new()));
        sections.finish(writer(&MemVfs::new()), [0; 4])
    };
    assert!(with(MAX_SECTIONS).is_ok());
    assert!(with(MAX_SECTIONS + 1).is_err());
}

#[test]
fn without_a_mapping_a_damaged_block_spoils_only_the_reads_that_meet_it() {
    let body: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
    let mut sections = SectionWriter::new();
    sections.add(SectionKind::Versions, 0, body.clone());
    let vfs = MemVfs::new();
    let file = sections.finish(writer(&vfs), [0; 4]).unwrap();
    let mut bytes = vfs.read_file(Path::new("d/index")).unwrap();
    bytes[128 + 3 * BLOCK as usize + 5] ^= 1;
    vfs.write_file(Path::new("d/index"), &bytes).unwrap();
    for access in [Access::Map, Access::Read] {
        let sections = open(&vfs, &file, access).unwrap();
        let section = sections.get(SectionKind::Versions, 0).unwrap();
        // The body begins with the table, the section 64 bytes later.
        let (bad_start, bad_end) = (3 * BLOCK - 64, 4 * BLOCK - 64);
        assert_eq!(section.get(0, bad_start).unwrap(), &body[..bad_start as usize]);
        assert_eq!(section.get(bad_end, 100).unwrap(), &body[bad_end as usize..][..100]);
        for (from, len) in [(0, bad_start + 1), (bad_start, 1), (bad_end - 1, 2), (bad_start + 100, 8)] {
            let e = section.get(from, len).unwrap_err();
            assert!(matches!(e, crate::Error::Corrupt { offset, .. } if offset == 128 + 3 * BLOCK), "{e}");
        }
        assert!(section.get(200_000, 1).is_err() && section.get(u64::MAX, 2).is_err());
        assert!(section.u64(u64::MAX).is_err());
    }
}

fn column(values: ColumnValues, access: Access) -> ColumnFile {
    let column = Column::new("größe", values);
    let mut sections = SectionWriter::new();
    sections.add(SectionKind::Column, 0, column.encode().unwrap());
    ColumnFile::open(&written(sections, access), 0, column.values.len() as u32).unwrap()
}

proptest! {
    #[test]
    fn any_column_gives_back_its_values(
        rows in proptest::collection::vec((0u8..4, any::<i64>(), ".{0,9}"), 0..140), map in any::<bool>(),
    ) {
        let access = if map { Access::Map } else { Access::Read };
        fn some<T>(null: u8, value: T) -> Option<T> {
            (null > 0).then_some(value)
        }
        let float = |bits: i64| f64::from_bits(bits as u64);
        let all = [
            ColumnValues::Bool(rows.iter().map(|r| some(r.0, r.1 % 2 == 0)).collect()),
            ColumnValues::Int(rows.iter().map(|r| some(r.0, r.1)).collect()),
            ColumnValues::Float(rows.iter().map(|r| some(r.0, float(r.1))).collect()),
            ColumnValues::Str(rows.iter().map(|r| some(r.0, r.2.clone())).collect()),
        ];
        for (i, values) in all.into_iter().enumerate() {
            let file = column(values, access);
            let view = file.view();
            prop_assert_eq!((view.name(), view.rows() as usize), ("größe", rows.len()));
            for (row, (null, int, text)) in rows.iter().enumerate() {
                let found = view.get(row as u32).unwrap();
                match (i, found) {
                    (_, ColumnValue::Null) => prop_assert_eq!(*null, 0),
                    (0, found) => prop_assert_eq!(found, ColumnValue::Bool(int % 2 == 0)),
                    (1, found) => prop_assert_eq!(found, ColumnValue::Int(*int)),
                    (2, ColumnValue::Float(f)) => prop_assert_eq!(f.to_bits(), *int as u64),
                    (_, found) => prop_assert_eq!(found, ColumnValue::Str(text)),
                }
                prop_assert_eq!(found == ColumnValue::Null, *null == 0);
            }
            prop_assert!(view.get(rows.len() as u32).is_err());
            view.verify(&mut |e| panic!("{e}"));
        }
    }

    #[test]
    fn deleted_rows_read_back(rows in proptest::collection::btree_set(0u32..300_000, 0..300), run in 0u32..5000) {
        let vfs = MemVfs::new();
        let bitmap: RoaringBitmap = rows.into_iter().chain(100_000..100_000 + run).collect();
        let root = Path::new("db");
        let file = write_tombstones(&vfs, root, &UUID, 42, 7, &bitmap).unwrap();
        prop_assert_eq!(&file.name, "000042-000007");
        let read = |segment, version, rows| read_tombstones(&vfs, root, &UUID, segment, version, &file, rows);
        prop_assert_eq!(read(42, 7, 300_000).unwrap(), bitmap.clone());
        if let Some(max) = bitmap.max() {
            prop_assert!(read(42, 7, max).is_err(), "a row the segment does not have");
        }
        prop_assert!(read(42, 8, 300_000).is_err() && read(41, 7, 300_000).is_err());
    }

    #[test]
    fn a_forged_bitmap_is_an_error_or_a_bitmap_within_the_segment(
        rows in proptest::collection::btree_set(0u32..200_000, 0..50),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bitmap: RoaringBitmap = rows.into_iter().collect();
        let mut body = Vec::new();
        bitmap.serialize_into(&mut body).unwrap();
        flips.iter().for_each(|(at, to)| { let at = at.index(body.len()); body[at] = *to; });
        body.truncate(cut.index(body.len() * 2));
        let vfs = MemVfs::new();
        vfs.create_dir(Path::new("db/tomb")).unwrap();
        let path = Path::new("db/tomb/000001-000001");
        let mut w = SealedWriter::create(&vfs, path, Kind::Tombstones, &UUID, 1).unwrap();
        w.write(&body).unwrap();
        let file = w.finish([1, bitmap.len(), 0, 0]).unwrap();
        if let Ok(read) = read_tombstones(&vfs, Path::new("db"), &UUID, 1, 1, &file, 200_000) {
            prop_assert!(read.max().is_none_or(|row| row < 200_000));
            prop_assert_eq!(read.len(), bitmap.len());
        }
    }

    #[test]
    fn a_forged_table_is_an_error_or_a_table_within_the_file(
        count in 0u32..8, entries in proptest::collection::vec((0u16..12, 0u64..600, 0u64..600), 0..6),
        huge in any::<bool>(),
    ) {
        let vfs = MemVfs::new();
        let mut w = writer(&vfs);
        w.write(&u64::from(if huge { u32::MAX } else { count }).to_le_bytes()).unwrap();
        for (kind, offset, len) in &entries {
            w.write(&kind.to_le_bytes()).unwrap();
            w.write(&[0; 6]).unwrap();
            w.write(&(offset / 8 * 64).to_le_bytes()).unwrap();
            w.write(&(if *len == 599 { u64::MAX } else { *len }).to_le_bytes()).unwrap();
        }
        let file = w.finish([0; 4]).unwrap();
        for access in [Access::Map, Access::Read] {
            if let Ok(sections) = open(&vfs, &file, access) {
                for kind in [SectionKind::Meta, SectionKind::Keys, SectionKind::Versions, SectionKind::Column] {
                    if let Some(section) = sections.get(kind, 0) {
                        prop_assert!(section.get(0, section.len()).is_ok());
                        prop_assert!(section.get(1, section.len()).is_err());
                    }
                }
            }
        }
    }
}

#[test]
fn columns_beyond_the_limits_are_refused() {
    let named = |len: usize| Column::new("n".repeat(len), ColumnValues::Int(vec![None]));
    assert!(named(255).encode().is_ok());
    assert!(named(256).encode().is_err());
}
