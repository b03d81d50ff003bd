//! Search indexes over their life: built on request and in the background, beside commits, merges, cuts and a close;
//! damaged, repaired, seen by a reader.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::random::Random;
use foretaste::{
    BuildStage, Collection, CollectionStats, Database, Error, HnswParams, IvfParams, Metric, Options,
    RotationKind, Schema, Spec, Step, check, repair,
};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::fault::{Fault, FaultVfs};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const DIMS: usize = 8;
const HNSW: Spec = Spec::Hnsw(HnswParams { m: 4, ef_construction: 20, edge_bits: Some(2) });

fn options(vfs: &MemVfs) -> Options {
    Database::options().disk(Arc::new(vfs.clone())).background(false).build_threads(2)
}

fn schema() -> Schema {
    Schema::new(DIMS, Metric::L2).levels([2, 4])
}

fn vector(id: i64) -> Vec<f32> {
    Random::new(id as u64 + 1).vector(DIMS)
}

fn write(col: &Collection, ids: std::ops::Range<i64>) {
    let mut batch = col.batch();
    for id in ids {
        batch.upsert(id, &vector(id)).payload(json!({"n": id}));
    }
    batch.commit().unwrap();
}

/// A database with three segments of 200 rows each, on a disk in memory.
fn database() -> (MemVfs, Database, Collection) {
    let vfs = MemVfs::new();
    let db = options(&vfs).open("db").unwrap();
    let col = db.create_collection("c", schema()).unwrap();
    for i in 0..3 {
        write(&col, i * 200..(i + 1) * 200);
        db.flush().unwrap();
    }
    (vfs, db, col)
}

fn stats(db: &Database) -> CollectionStats {
    db.stats().unwrap().collections[0].clone()
}

fn ann_files(vfs: &MemVfs) -> Vec<PathBuf> {
    let is_ann = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ann."));
    vfs.snapshot().into_keys().filter(is_ann).collect()
}

/// The rows there are, by a scan and by searches, which must agree: the nearest to a row's vector is the row.
fn rows(col: &Collection) -> Vec<i64> {
    let id = |key: &foretaste::Key| match key {
        foretaste::Key::Int(id) => *id,
        foretaste::Key::Str(text) => panic!("{text}"),
    };
    let mut found: Vec<i64> = col.snapshot().scan().map(|r| id(&r.unwrap().id)).collect();
    found.sort_unstable();
    for wanted in found.iter().step_by(17) {
        let hits = col.search(&vector(*wanted)).k(1).run().unwrap();
        assert_eq!((id(&hits[0].id), hits[0].distance), (*wanted, 0.0));
    }
    found
}

fn assert_sound(vfs: &MemVfs) {
    let report = check(common::root(), &options(vfs), &mut |_, _| true).unwrap();
    assert!(report.is_sound() && report.notes.is_empty(), "{report:#?}");
}

#[test]
fn optimize_leaves_one_segment_with_an_index_that_is_there_after_opening_again() {
    let (vfs, db, col) = database();
    assert_eq!((stats(&db).segments, stats(&db).index.as_str()), (3, "none"));
    assert_eq!((stats(&db).rows_unindexed, stats(&db).bytes_index), (600, 0));
    let mut last = (false, 0.0);
    col.optimize(HNSW, |progress| {
        let (indexes, part) = (matches!(progress.step, Step::Index(_)), progress.part);
        assert!((0.0..=1.0).contains(&part) && progress.rows == 600, "{progress:?}");
        assert_eq!(progress.segments, usize::from(indexes));
        assert!(!last.0 || indexes, "no merging after indexing has begun");
        last = (indexes, part);
        true
    })
    .unwrap();
    assert!(last.0, "progress was told");
    let after = stats(&db);
    assert_eq!((after.segments, after.index.as_str(), after.rows_unindexed), (1, "hnsw", 0));
    assert_eq!(after.index_wanted, "hnsw");
    let files = ann_files(&vfs);
    assert_eq!(files.len(), 1);
    assert_eq!(after.bytes_index, vfs.read_file(&files[0]).unwrap().len() as u64);
    assert_eq!(
        after.bytes_live,
        vfs.snapshot()
            .iter()
            .filter(|(p, _)| p.starts_with("db/seg"))
            .map(|(_, b)| b.len() as u64)
            .sum::<u64>()
    );

    // What is there already is not done again.
    let generation = db.stats().unwrap().generation;
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!((db.stats().unwrap().generation, ann_files(&vfs)), (generation, files.clone()));
    drop((col, db));
    assert_sound(&vfs);

    let db = options(&vfs).create(false).open("db").unwrap();
    let col = db.collection("c").unwrap();
    assert_eq!(col.schema().index_spec(), HNSW);
    assert_eq!((stats(&db).index.as_str(), stats(&db).rows_unindexed), ("hnsw", 0));
    // Another kind takes its place, another rotation too; none takes it away.
    let mut before = files;
    for (spec, rotation) in [
        (Spec::Ivf(IvfParams { nlist: Some(5) }), RotationKind::Pca),
        (Spec::Ivf(IvfParams { nlist: Some(5) }), RotationKind::None),
        (HNSW, RotationKind::None),
    ] {
        col.set_index(spec, rotation).unwrap();
        col.optimize(spec, |_| true).unwrap();
        assert_eq!(stats(&db).rows_unindexed, 0);
        let now = ann_files(&vfs);
        assert!(now.len() == 1 && now != before, "{now:?} and before {before:?}");
        before = now;
    }
    assert_eq!(rows(&col), (0..600).collect::<Vec<_>>());
    for spec in [Spec::Flat, HNSW, Spec::Auto] {
        col.optimize(spec, |_| true).unwrap();
        assert_eq!(
            ann_files(&vfs).len(),
            usize::from(spec == HNSW),
            "600 rows are too few for an index by itself"
        );
    }
    assert_eq!(db.stats().unwrap().bytes_retired, 0);
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn commits_seals_and_searches_go_on_while_an_index_is_built() {
    let (vfs, db, col) = database();
    let mut calls = 0;
    col.optimize(HNSW, |progress| {
        if matches!(progress.step, Step::Index(_)) && calls < 3 {
            let from = 1000 + calls * 100;
            write(&col, from..from + 50);
            let mut batch = col.batch();
            batch.delete(calls).upsert(100 + calls, &vector(100 + calls)).payload(json!({"n": 0}));
            batch.commit().unwrap();
            if calls == 1 {
                db.flush().unwrap();
            }
            assert_eq!(rows(&col).len() as i64, 600 + (calls + 1) * 49);
            calls += 1;
        }
        true
    })
    .unwrap();
    assert!(calls > 0);
    let expected: Vec<i64> =
        (calls..600).chain((0..calls).flat_map(|c| 1000 + c * 100..1050 + c * 100)).collect();
    assert_eq!(rows(&col), expected);
    let after = stats(&db);
    assert_eq!((after.index.as_str(), after.rows_unindexed as i64), ("hnsw", calls * 51));
    // Rows replaced while it was built are not the index's any more, and what was written since is safe.
    drop((col, db));
    assert_sound(&vfs);
    let db = options(&vfs).open("db").unwrap();
    assert_eq!(rows(&db.collection("c").unwrap()), expected);
    assert_eq!(stats(&db).rows_unindexed as i64, calls * 51);
}

/// Optimizes, and does `change` when the first index is under way.
fn change_while_building(col: &Collection, mut change: impl FnMut()) -> foretaste::Result<()> {
    let mut changed = false;
    let done = col.optimize(HNSW, |progress| {
        if matches!(progress.step, Step::Index(_)) && !changed {
            changed = true;
            change();
        }
        true
    });
    assert!(changed);
    done
}

#[test]
fn a_segment_that_is_merged_while_its_index_is_built_is_indexed_as_what_became_of_it() {
    let (vfs, db, col) = database();
    change_while_building(&col, || {
        write(&col, 600..700);
        db.compact(|_, _| true).unwrap();
    })
    .unwrap();
    let after = stats(&db);
    assert_eq!((after.segments, after.index.as_str(), after.rows_unindexed), (1, "hnsw", 0));
    assert_eq!((rows(&col).len(), ann_files(&vfs).len()), (700, 1));
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn a_change_of_levels_drops_indexes_and_throws_away_one_that_is_being_built() {
    let (vfs, db, col) = database();
    change_while_building(&col, || col.truncate(4).unwrap()).unwrap();
    assert_eq!(
        (stats(&db).index.as_str(), ann_files(&vfs).len()),
        ("hnsw", 1),
        "built again for 4 dimensions"
    );
    let snapshot = col.snapshot();
    col.extend([6]).unwrap();
    assert_eq!(
        (stats(&db).index.as_str(), stats(&db).rows_unindexed, stats(&db).bytes_index),
        ("none", 600, 0)
    );
    assert_eq!(ann_files(&vfs).len(), 1, "a snapshot may use it");
    drop(snapshot);
    db.flush().unwrap();
    assert_eq!(ann_files(&vfs), Vec::<PathBuf>::new());
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!(stats(&db).rows_unindexed, 0);
    col.truncate(2).unwrap();
    assert_eq!((stats(&db).index.as_str(), ann_files(&vfs).len()), ("none", 0));
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn a_collection_dropped_while_an_index_is_built_leaves_nothing() {
    let (vfs, db, col) = database();
    change_while_building(&col, || db.drop_collection("c").unwrap()).unwrap();
    drop(col);
    db.flush().unwrap();
    assert!(vfs.snapshot().keys().all(|p| !p.starts_with("db/seg")), "{:?}", vfs.snapshot().keys());
    drop(db);
    assert_sound(&vfs);
}

#[test]
fn a_close_while_an_index_is_built_ends_the_build_and_leaves_the_database_whole() {
    let (vfs, db, col) = database();
    let mut calls = 0;
    let done = col.optimize(HNSW, |progress| {
        if matches!(progress.step, Step::Index(_)) {
            if calls == 0 {
                db.clone().close().unwrap();
            }
            calls += 1;
        }
        true
    });
    assert!(matches!(done, Err(Error::Cancelled | Error::Poisoned { .. })), "{done:?}");
    drop((col, db));
    let db = options(&vfs).open("db").unwrap();
    assert_eq!((stats(&db).index.as_str(), rows(&db.collection("c").unwrap()).len()), ("none", 600));
    drop(db);
    assert_sound(&vfs);
}

#[test]
fn a_cancelled_optimize_leaves_the_rows_as_they_were() {
    let (vfs, db, col) = database();
    for allowed in [0, 1, 3] {
        let mut calls = 0;
        let done = col.optimize(HNSW, |_| {
            calls += 1;
            calls <= allowed
        });
        assert!(matches!(done, Err(Error::Cancelled)), "{done:?} after {allowed}");
        assert_eq!((rows(&col).len(), ann_files(&vfs).len()), (600, 0));
    }
    // Even when the index is written, and it is only being measured.
    let done = col.optimize(HNSW, |step| !matches!(step.step, Step::Index(BuildStage::Measure)));
    assert!(matches!(done, Err(Error::Cancelled)), "{done:?}");
    assert_eq!((rows(&col).len(), ann_files(&vfs).len()), (600, 0));
    assert_eq!(col.schema().index_spec(), HNSW, "the wish stays");
    let bad = Spec::Hnsw(HnswParams { m: 1, ..HnswParams::default() });
    assert!(matches!(col.optimize(bad, |_| true), Err(Error::BadRequest { .. })));
    assert!(matches!(col.set_index(bad, RotationKind::None), Err(Error::BadRequest { .. })));
    assert_eq!(col.schema().index_spec(), HNSW);
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn a_full_or_failing_disk_while_an_index_is_built_leaves_everything_as_before() {
    let fresh = || {
        let vfs = Arc::new(FaultVfs::new());
        let db =
            Database::options().disk(Arc::clone(&vfs) as Arc<dyn Vfs>).background(false).open("db").unwrap();
        let col = db.create_collection("c", schema()).unwrap();
        write(&col, 0..100);
        col.compact(|_, _| true).unwrap();
        col.set_index(HNSW, RotationKind::Pca).unwrap();
        (vfs, db, col)
    };
    let (vfs, _db, col) = fresh();
    let before = vfs.steps();
    col.optimize(HNSW, |_| true).unwrap();
    let steps = vfs.steps() - before;
    let mut kept_writing = 0;
    for step in 0..steps {
        for fault in [Fault::DiskFull, Fault::IoError] {
            let (vfs, db, col) = fresh();
            vfs.fail_at(vfs.steps() + step, fault);
            let done = col.optimize(HNSW, |_| true);
            vfs.clear_faults();
            assert_eq!(rows(&col).len(), 100, "{fault:?} at {step}");
            // Only a generation whose publication failed stops the writing.
            if col.upsert(7, &vector(7)).is_ok() {
                kept_writing += 1;
                col.optimize(HNSW, |_| true).unwrap();
                assert_eq!(stats(&db).rows_unindexed, 0);
            } else {
                assert!(done.is_err());
            }
            drop((col, db));
            let options = Database::options().disk(Arc::clone(&vfs) as Arc<dyn Vfs>).background(false);
            let db = options.clone().open("db").unwrap();
            assert_eq!(rows(&db.collection("c").unwrap()).len(), 100);
            drop(db);
            let report = check(common::root(), &options, &mut |_, _| true).unwrap();
            // A slot's copy may be torn; the other serves.
            let sound = report.damage.iter().all(|d| d.file == Path::new("manifest"));
            assert!(sound && report.notes.is_empty(), "{fault:?} at {step}: {report:#?}");
        }
    }
    assert!(kept_writing >= 6, "{kept_writing} of {steps} steps write the index itself");
}

#[test]
fn a_damaged_or_missing_index_costs_no_answer_and_is_named_dropped_and_built_again() {
    let (vfs, db, col) = database();
    col.optimize(HNSW, |_| true).unwrap();
    drop((col, db));
    let path = ann_files(&vfs).remove(0);
    let good = vfs.read_file(&path).unwrap();
    let name = path.strip_prefix("db").unwrap().to_path_buf();
    let stride = (good.len() / 60).max(1);
    let flips = (0..good.len()).filter(|at| *at < 200 || at % stride == 0).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        Some(bytes)
    });
    let cuts = [0, 1, 127, 128, good.len() / 2, good.len() - 1].map(|len| Some(good[..len].to_vec()));
    let mut found = 0;
    for bytes in flips.chain(cuts).chain([None]) {
        let disk = MemVfs::from_snapshot(vfs.snapshot(), vfs.folders());
        match &bytes {
            Some(bytes) => disk.write_file(&path, bytes).unwrap(),
            None => disk.remove_file(&path).unwrap(),
        }
        let report = check(common::root(), &options(&disk), &mut |_, _| true).unwrap();
        let db = options(&disk).read_only(true).open("db").unwrap();
        assert_eq!(rows(&db.collection("c").unwrap()).len(), 600);
        drop(db);
        if report.is_sound() {
            // Padding between the parts.
            continue;
        }
        found += 1;
        assert!(report.damage.iter().all(|d| d.file == name), "{report:#?}");
        let repaired = repair(common::root(), &options(&disk), &mut |_| ()).unwrap();
        assert!(repaired.rows_lost.is_empty() && repaired.rows_saved == 0, "{repaired:#?}");
        assert_eq!(repaired.actions.len(), 1, "{repaired:#?}");
        if let Some(bytes) = &bytes {
            let copy = Path::new(repaired.quarantine.as_ref().unwrap()).join(&name);
            assert_eq!(disk.read_file(&copy).unwrap(), *bytes);
        }
        let db = options(&disk).open("db").unwrap();
        assert_eq!(
            (stats(&db).index.as_str(), ann_files(&disk).len()),
            ("none", usize::from(bytes.is_some()))
        );
        drop(db);
        assert!(check(common::root(), &options(&disk), &mut |_, _| true).unwrap().is_sound());
    }
    assert!(found > 150, "{found}");

    // Without a repair the next optimize puts a whole one in its place.
    vfs.write_file(&path, &good[..100]).unwrap();
    let db = options(&vfs).open("db").unwrap();
    let damaged = stats(&db);
    assert_eq!(
        (damaged.index.as_str(), damaged.rows_unindexed, damaged.index_damage.len()),
        ("none", 600, 1)
    );
    assert!(damaged.index_damage[0].contains("ann."), "{:?}", damaged.index_damage);
    db.collection("c").unwrap().optimize(HNSW, |_| true).unwrap();
    assert_eq!((stats(&db).index.as_str(), stats(&db).index_damage.len()), ("hnsw", 0));
    drop(db);
    assert_sound(&vfs);
}

#[test]
fn damage_of_rows_and_of_their_index_is_repaired_together() {
    let (vfs, db, col) = database();
    col.optimize(HNSW, |_| true).unwrap();
    drop((col, db));
    let mut files = vfs.snapshot();
    for (path, bytes) in &mut files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("ann.") || name == "plane.2" {
            bytes[300] ^= 1;
        }
    }
    let disk = MemVfs::from_snapshot(files, vfs.folders());
    let repaired = repair(common::root(), &options(&disk), &mut |_| ()).unwrap();
    assert_eq!((repaired.actions.len(), repaired.rows_saved + repaired.rows_lost.len() as u64), (2, 600));
    let db = options(&disk).open("db").unwrap();
    let col = db.collection("c").unwrap();
    assert_eq!(rows(&col).len() as u64, repaired.rows_saved);
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!(stats(&db).rows_unindexed, 0);
}

#[test]
fn a_reader_sees_the_new_index_after_a_refresh_and_its_snapshots_keep_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let writer = Database::options().background(false).open(&path).unwrap();
    let col = writer.create_collection("c", schema()).unwrap();
    write(&col, 0..300);
    writer.flush().unwrap();
    let reader = Database::options().read_only(true).open(&path).unwrap();
    let snapshot = reader.collection("c").unwrap().snapshot();
    assert_eq!((stats(&reader).index.as_str(), stats(&reader).rows_unindexed), ("none", 300));
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!(stats(&reader).index, "none");
    reader.refresh().unwrap();
    assert_eq!((stats(&reader).index.as_str(), stats(&reader).rows_unindexed), ("hnsw", 0));
    assert_eq!(reader.collection("c").unwrap().schema().index_spec(), HNSW);
    let with = reader.collection("c").unwrap().snapshot();
    col.optimize(Spec::Ivf(IvfParams { nlist: Some(3) }), |_| true).unwrap();
    write(&col, 300..310);
    reader.refresh().unwrap();
    assert_eq!((stats(&reader).index_wanted.as_str(), stats(&reader).rows_unindexed), ("ivf", 10));
    assert_eq!(rows(&reader.collection("c").unwrap()).len(), 310);
    for old in [snapshot, with] {
        assert_eq!((old.len(), old.scan().count()), (300, 300));
        assert_eq!(old.search(&vector(5)).k(1).run().unwrap()[0].distance, 0.0);
    }
    assert!(matches!(reader.collection("c").unwrap().optimize(HNSW, |_| true), Err(Error::ReadOnly { .. })));
}

/// Waits until the background has done what `done` looks for.
fn wait(db: &Database, done: impl Fn(&CollectionStats) -> bool) {
    while !done(&stats(db)) {
        assert_eq!(db.stats().unwrap().build_failure, None);
        std::thread::yield_now();
    }
}

#[test]
fn the_background_builds_what_is_due_after_seals_merges_cuts_and_damage() {
    let vfs = MemVfs::new();
    let open = || options(&vfs).background(true).open("db").unwrap();
    let db = open();
    let col = db.create_collection("c", schema().index(HNSW)).unwrap();
    write(&col, 0..300);
    db.flush().unwrap();
    wait(&db, |s| s.rows_unindexed == 0 && s.index == "hnsw");
    write(&col, 300..600);
    db.flush().unwrap();
    wait(&db, |s| s.rows_unindexed == 0);
    assert_eq!(ann_files(&vfs).len(), 2);
    db.compact(|_, _| true).unwrap();
    wait(&db, |s| s.rows_unindexed == 0 && s.segments == 1 && ann_files(&vfs).len() == 1);
    let before = ann_files(&vfs);
    col.set_index(Spec::Ivf(IvfParams { nlist: Some(4) }), RotationKind::None).unwrap();
    wait(&db, |s| s.rows_unindexed == 0 && ann_files(&vfs).len() == 1 && ann_files(&vfs) != before);
    col.truncate(4).unwrap();
    wait(&db, |s| s.rows_unindexed == 0);
    drop((col, db));
    assert_sound(&vfs);
    let path = ann_files(&vfs).remove(0);
    vfs.write_file(&path, b"damaged").unwrap();
    let db = open();
    wait(&db, |s| s.rows_unindexed == 0 && s.index_damage.is_empty());
    let col = db.collection("c").unwrap();
    col.set_index(Spec::Flat, RotationKind::None).unwrap();
    wait(&db, |s| s.index == "none" && s.bytes_index == 0);
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn a_database_closed_at_any_time_of_a_background_build_is_whole() {
    for round in 0..40 {
        let vfs = MemVfs::new();
        let db = options(&vfs).background(true).open("db").unwrap();
        let col = db.create_collection("c", schema().index(HNSW)).unwrap();
        write(&col, 0..400);
        db.flush().unwrap();
        (0..round * 200).for_each(|_| std::thread::yield_now());
        drop((col, db));
        assert_sound(&vfs);
        let db = options(&vfs).open("db").unwrap();
        assert_eq!(db.collection("c").unwrap().len(), 400);
    }
}

#[test]
fn writers_readers_and_builds_at_the_same_time_agree() {
    let vfs = MemVfs::new();
    let db = options(&vfs).background(true).seal_bytes(64 << 10).open("db").unwrap();
    let col = db.create_collection("c", schema().index(HNSW)).unwrap();
    std::thread::scope(|scope| {
        let writers = [0, 10_000].map(|first| {
            let col = &col;
            scope.spawn(move || {
                for part in 0..60 {
                    write(col, first + part * 50..first + (part + 1) * 50);
                    col.delete(first + part * 50).unwrap();
                }
            })
        });
        scope.spawn(|| (0..5).for_each(|_| col.optimize(HNSW, |_| true).unwrap()));
        while writers.iter().any(|w| !w.is_finished()) {
            let snapshot = col.snapshot();
            let hits = snapshot.search(&vector(3)).k(10_000).run().unwrap();
            assert_eq!(hits.len() as u64, snapshot.len());
        }
    });
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!((stats(&db).segments, stats(&db).rows_unindexed, col.len()), (1, 0, 2 * 60 * 49));
    drop((col, db));
    assert_sound(&vfs);
}

#[test]
fn an_index_is_built_by_itself_from_twenty_thousand_rows_on() {
    let vfs = MemVfs::new();
    let db = options(&vfs).build_seed(7).open("db").unwrap();
    let col = db.create_collection("c", Schema::new(2, Metric::L2)).unwrap();
    let write = |ids: std::ops::Range<i64>| {
        let mut batch = col.batch();
        ids.for_each(|id| {
            batch.upsert(id, &[id as f32, (id % 97) as f32]);
        });
        batch.commit().unwrap();
    };
    write(0..19_999);
    col.optimize(Spec::Auto, |_| true).unwrap();
    assert_eq!(stats(&db).index, "none");
    write(19_999..20_000);
    col.optimize(Spec::Auto, |_| true).unwrap();
    assert_eq!((stats(&db).index.as_str(), stats(&db).index_wanted.as_str()), ("hnsw", "auto"));
}
