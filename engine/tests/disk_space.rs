//! Bytes on the real disk: near the raw bytes, given back after deletions, cuts and the last snapshot, and as `stats` says.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};

use common::random::Random;
use foretaste::{Collection, Database, Element, Metric, Schema, Variance};

/// Bytes of all files below `path`, and of those below `seg/` and `tomb/`.
fn bytes(path: &Path) -> (u64, u64) {
    let (mut all, mut sealed, mut folders) = (0, 0, vec![path.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
                continue;
            }
            all += meta.len();
            if entry.path().strip_prefix(path).unwrap().starts_with("seg") {
                sealed += meta.len();
            }
        }
    }
    (all, sealed)
}

const ROWS: usize = 20_000;
const DIMS: usize = 384;

fn fill(path: &Path, schema: Schema, rows: usize) -> (Database, Collection) {
    let db = Database::options().background(false).open(path).unwrap();
    let col = db.create_collection("c", schema).unwrap();
    let mut dice = Random::new(3);
    for start in (0..rows).step_by(1000) {
        let mut batch = col.batch();
        for id in start..start + 1000 {
            batch.upsert(id as i64, &dice.vector(DIMS));
        }
        batch.commit().unwrap();
    }
    db.flush().unwrap();
    (db, col)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sized.ft");
    (dir, path)
}

#[test]
fn bytes_on_disk_stay_near_the_raw_bytes_and_deleted_and_cut_ones_are_given_back() {
    let (_dir, path) = folder();
    let (db, col) = fill(&path, Schema::new(DIMS, Metric::L2).levels([64, 128]), ROWS);
    let raw = (ROWS * DIMS * 4) as u64;
    let (all, sealed) = bytes(&path);
    println!("{ROWS} x {DIMS} f32: {all} bytes on disk, {:.3} of the raw ones", all as f64 / raw as f64);
    assert!(all * 10 <= raw * 13, "{all} bytes for {raw}");
    let stats = db.stats().unwrap();
    let of_c = &stats.collections[0];
    assert_eq!((of_c.bytes_live, of_c.bytes_dead), (sealed, 0));
    assert_eq!((of_c.rows, of_c.rows_fresh, of_c.rows_dead), (ROWS as u64, 0, 0));
    assert_eq!(stats.bytes_retired, 0);

    let mut batch = col.batch();
    for id in (0..ROWS as i64).step_by(2) {
        batch.delete(id);
    }
    batch.commit().unwrap();
    let of_c = &db.stats().unwrap().collections[0];
    assert_eq!((of_c.rows_dead, of_c.bytes_live + of_c.bytes_dead), (ROWS as u64 / 2, sealed));
    assert!(of_c.bytes_dead.abs_diff(sealed / 2) < 1000);
    db.compact(|_, _| true).unwrap();
    let (half, sealed_half) = bytes(&path);
    assert!(half * 100 < all * 53, "{half} bytes of {all} are left for half of the rows");
    assert_eq!(db.stats().unwrap().collections[0].bytes_live, sealed_half);

    col.truncate(64).unwrap();
    let (cut, sealed_cut) = bytes(&path);
    assert!(half - cut >= (ROWS / 2 * (DIMS - 64) * 4) as u64, "{half} and then {cut}");
    let stats = db.stats().unwrap();
    assert_eq!((stats.collections[0].bytes_live, stats.bytes_retired), (sealed_cut, 0));
    assert_eq!(col.len(), ROWS as u64 / 2);
}

#[test]
fn what_a_snapshot_holds_is_counted_and_given_back_with_it() {
    let (_dir, path) = folder();
    let (db, col) = fill(&path, Schema::new(DIMS, Metric::L2).levels([64]), 1000);
    let snapshot = col.snapshot();
    col.truncate(64).unwrap();
    let retired = db.stats().unwrap().bytes_retired;
    assert!(retired >= 1000 * (DIMS as u64 - 64) * 4);
    assert_eq!(snapshot.get(1).unwrap().unwrap().vector.len(), DIMS);
    assert_eq!(bytes(&path).1, db.stats().unwrap().collections[0].bytes_live + retired);
    drop(snapshot);
    db.flush().unwrap();
    assert_eq!(db.stats().unwrap().bytes_retired, 0);
    assert_eq!(bytes(&path).1, db.stats().unwrap().collections[0].bytes_live);
}

#[test]
fn smaller_element_types_make_smaller_files() {
    let sizes = [Element::F32, Element::F16, Element::BF16, Element::I8].map(|element| {
        let (_dir, path) = folder();
        let (_db, _col) = fill(&path, Schema::new(DIMS, Metric::L2).element(element), 2000);
        bytes(&path).1
    });
    println!("2,000 x {DIMS}: {sizes:?} bytes as f32, f16, bf16, i8");
    let [whole, half, brain, byte] = sizes;
    assert!(half * 100 < whole * 55 && byte * 100 < whole * 30, "{sizes:?}");
    assert_eq!(half, brain);
    let (_dir, path) = folder();
    let schema = Schema::new(DIMS, Metric::L2).element(Element::I8).variance(Variance::DiagonalCompact);
    drop(fill(&path, schema, 2000));
    let with_variances = bytes(&path).1;
    assert!(with_variances > byte + 2000 * DIMS as u64 && with_variances < whole);
}
