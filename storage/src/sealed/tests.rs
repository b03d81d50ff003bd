use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::codec::header::Kind;
use crate::error::Error;
use crate::vfs::Vfs;
use crate::vfs::mem::MemVfs;

const ID: (Kind, &[u8; 16], u64) = (Kind::Plane, &[9; 16], 5);

fn written(body: &[u8]) -> (MemVfs, FileRef) {
    let vfs = MemVfs::new();
    vfs.create_dir(Path::new("d")).unwrap();
    let mut w = SealedWriter::create(&vfs, Path::new("d/f"), ID.0, ID.1, ID.2).unwrap();
    for part in body.chunks(1000) {
        w.write(part).unwrap();
    }
    let file = w.finish([1, 2, 3, 4]).unwrap();
    (vfs, file)
}

fn open(vfs: &MemVfs, file: &FileRef, access: Access) -> crate::Result<SealedFile> {
    SealedFile::open(vfs, Path::new("d"), PathBuf::from("f"), file, ID, access)
}

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[test]
fn every_range_reads_back_with_and_without_a_mapping() {
    for len in [0, 1, 100, BLOCK_BYTES as usize, BLOCK_BYTES as usize + 1, 3_000_000] {
        let body = body(len);
        let (vfs, file) = written(&body);
        for access in [Access::Map, Access::Read] {
            let sealed = open(&vfs, &file, access).unwrap();
            assert_eq!(sealed.aux(), [1, 2, 3, 4]);
            assert_eq!(&*sealed.read(0, len as u64).unwrap(), &body[..]);
            for (from, to) in [(0, len / 2), (len / 3, len), (len / 2, (len / 2 + 70).min(len))] {
                assert_eq!(&*sealed.read(from as u64, (to - from) as u64).unwrap(), &body[from..to]);
            }
            assert!(sealed.read(len as u64, 1).is_err());
            assert!(sealed.read(u64::MAX, 2).is_err());
        }
    }
}

#[test]
fn every_flipped_byte_and_every_length_is_an_error_that_names_the_file() {
    let body = body(BLOCK_BYTES as usize + 300);
    let (vfs, file) = written(&body);
    let good = vfs.read_file(Path::new("d/f")).unwrap();
    let damaged = |bytes: &[u8], access: Access| {
        let vfs = MemVfs::new();
        vfs.create_dir(Path::new("d")).unwrap();
        vfs.write_file(Path::new("d/f"), bytes).unwrap();
        let result = open(&vfs, &file, access).and_then(|f| f.read(0, f.body_len()).map(|b| b.to_vec()));
        match result {
            Err(Error::Corrupt { file, .. }) => assert_eq!(file, PathBuf::from("f")),
            Err(other) => panic!("{other}"),
            // The padding between body and checksums is nobody's; a flip there leaves the right answer.
            Ok(bytes) => assert_eq!(bytes, body),
        }
    };
    for at in (0..good.len()).filter(|at| *at < 400 || at % 97 == 0 || *at > good.len() - 200) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        damaged(&flipped, Access::Map);
        damaged(&flipped, Access::Read);
    }
    for len in (0..good.len()).filter(|len| *len < 300 || len % 511 == 0) {
        damaged(&good[..len], Access::Map);
        damaged(&good[..len], Access::Read);
    }
}

#[test]
fn verify_finds_the_damaged_block_and_no_other() {
    let (vfs, file) = written(&body(5 * BLOCK_BYTES as usize));
    let mut bytes = vfs.read_file(Path::new("d/f")).unwrap();
    bytes[128 + 2 * BLOCK_BYTES as usize + 17] ^= 1;
    vfs.write_file(Path::new("d/f"), &bytes).unwrap();
    for access in [Access::Map, Access::Read] {
        let sealed = open(&vfs, &file, access).unwrap();
        let mut found = Vec::new();
        sealed.verify(&mut |e| found.push(e));
        assert_eq!(found.len(), 1);
        assert!(matches!(&found[0], Error::Corrupt { offset, .. } if *offset == 128 + 2 * BLOCK_BYTES));
        assert!(sealed.read(0, 2 * BLOCK_BYTES).is_ok());
        assert!(sealed.read(2 * BLOCK_BYTES, 1).is_err());
    }
}

#[test]
fn a_file_of_the_same_length_that_the_manifest_does_not_name_is_refused() {
    let (vfs, _) = written(&body(100));
    let other = { written(&body(101).split_off(1)).1 };
    let err = open(&vfs, &other, Access::Map).map(|_| ());
    assert!(matches!(err, Err(Error::Corrupt { offset: 120, .. })), "{err:?}");
    let _ = Arc::new(vfs);
}
