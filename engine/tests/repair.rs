//! Repair after damage: every row whose bytes are whole comes back, what does not is named, and the damaged files are
//! kept aside.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Model, ROOT, Running, Step, contents};
use foretaste::{Database, check, repair};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn database() -> (Files, Vec<PathBuf>, Model) {
    let vfs = MemVfs::new();
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let (mut running, mut model) = (Running::default(), Model::default());
    for step in [
        Step::Open,
        Step::Create,
        Step::Commit((0..40).map(|i| (i, 1, 2)).collect(), vec![]),
        Step::Flush,
        // Less than a fifth of the first segment is replaced: more would be compacted, and leave no deletions.
        Step::Commit((35..55).map(|i| (i, 2, 2)).collect(), vec![3]),
        Step::Flush,
        Step::Commit(vec![(100, 1, 2)], vec![4]),
        Step::Commit(vec![(101, 1, 2), (5, 9, 2)], vec![]),
        Step::Commit(vec![(102, 1, 2)], vec![]),
        Step::Close,
    ] {
        running.step(&step, &disk).unwrap();
        model = model.after(&step);
    }
    (vfs.snapshot(), vfs.folders().into_iter().collect(), model)
}

fn mend(files: &Files, folders: &[PathBuf]) -> (foretaste::Repaired, MemVfs, Model) {
    let vfs = MemVfs::from_snapshot(files.clone(), folders.iter().cloned());
    let options = Database::options().disk(Arc::new(vfs.clone()));
    let repaired = repair(common::root(), &options, &mut |_| ()).unwrap();
    let report = check(common::root(), &options, &mut |_, _| true).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    let found = contents(Arc::new(vfs.clone())).unwrap();
    (repaired, vfs, found)
}

#[test]
fn a_whole_database_is_left_as_it_is() {
    let (files, folders, model) = database();
    let (repaired, _, found) = mend(&files, &folders);
    assert_eq!(repaired, foretaste::Repaired::default());
    assert_eq!(found, model);
}

#[test]
fn any_damaged_byte_costs_at_most_the_rows_it_belongs_to() {
    let (files, folders, model) = database();
    let mut untouched = 0;
    for (path, bytes) in &files {
        // Every byte of the manifest, a stride through the rest.
        let stride = if path.ends_with("manifest") { 7 } else { 41 };
        for at in (0..bytes.len()).step_by(stride) {
            let mut damaged = files.clone();
            damaged.get_mut(path).unwrap()[at] ^= 0x55;
            let (repaired, vfs, found) = mend(&damaged, &folders);
            let what = format!("{} at byte {at}: {repaired:#?}", path.display());
            if repaired.rows_lost.is_empty() && !what.contains("are lost") && !what.contains("went back") {
                assert_eq!(found, model, "{what}");
                untouched += 1;
            }
            // What is there is as it was at some time; nothing is made up.
            for (key, row) in &found.rows {
                let (_, seed) = row;
                assert_eq!(row.0, common::vector(*key, *seed, row.0.len()), "{what}");
            }
            if let Some(kept) = &repaired.quarantine {
                assert!(vfs.read_dir(kept).is_ok(), "{what}");
            }
        }
    }
    assert!(untouched > 100, "{untouched} damages cost nothing");
}

#[test]
fn a_damaged_plane_costs_the_rows_of_its_block_and_names_them() {
    let (mut files, folders, model) = database();
    let plane = PathBuf::from(ROOT).join("seg").join("000002");
    let path = files.keys().find(|p| p.starts_with(&plane) && p.ends_with("plane.1")).cloned();
    let path = path.unwrap_or_else(|| files.keys().find(|p| p.ends_with("plane.1")).cloned().unwrap());
    files.get_mut(&path).unwrap()[200] ^= 1;
    let (repaired, _, found) = mend(&files, &folders);
    assert!(!repaired.rows_lost.is_empty() && !repaired.actions.is_empty());
    for (key, row) in &model.rows {
        let named = repaired.rows_lost.contains(&format!("collection c: {key}"));
        assert!(found.rows.get(key) == Some(row) || named, "key {key} is lost without a word: {repaired:#?}");
    }
    assert!(found.rows.len() > 10, "the other segment and the log are whole");
}

#[test]
fn a_damaged_batch_in_the_log_costs_that_batch_alone() {
    let (mut files, folders, model) = database();
    let path = files.keys().rfind(|p| p.extension().is_some_and(|e| e == "log")).cloned().unwrap();
    files.get_mut(&path).unwrap()[128 + 64 + 40] ^= 1;
    let (repaired, _, found) = mend(&files, &folders);
    assert_eq!(repaired.rows_lost.len(), 1, "{repaired:#?}");
    for key in [101, 5, 102] {
        assert_eq!(found.rows.get(&key), model.rows.get(&key), "later batches are whole");
    }
}

#[test]
fn a_lost_manifest_is_rebuilt_from_the_newest_record() {
    let (mut files, folders, model) = database();
    files.get_mut(&PathBuf::from(ROOT).join("manifest")).unwrap().fill(0xee);
    let (repaired, _, found) = mend(&files, &folders);
    assert!(!repaired.actions.is_empty());
    assert_eq!(found, model);
}

#[test]
fn lost_deletions_do_not_bring_an_older_version_beside_a_newer() {
    let (mut files, folders, model) = database();
    let tombs: Vec<PathBuf> =
        files.keys().filter(|p| p.components().any(|c| c.as_os_str() == "tomb")).cloned().collect();
    assert!(!tombs.is_empty());
    for path in tombs {
        files.get_mut(&path).unwrap()[130] ^= 0xff;
    }
    let (_, _, found) = mend(&files, &folders);
    for (key, row) in &model.rows {
        assert_eq!(found.rows.get(key), Some(row), "key {key}");
    }
}

#[test]
fn batches_of_a_killed_process_survive_the_repair_of_something_else() {
    let (files, folders, model) = database();
    let vfs = MemVfs::from_snapshot(files, folders.iter().cloned());
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let mut running = Running::default();
    running.step(&Step::Open, &disk).unwrap();
    let commit = Step::Commit(vec![(200, 7, 2)], vec![]);
    running.step(&commit, &disk).unwrap();
    // As a kill leaves it: the log of this process is in no record.
    let (mut killed, folders) = (vfs.snapshot(), vfs.folders().into_iter().collect::<Vec<_>>());
    let plane = killed.keys().find(|p| p.ends_with("plane.1")).cloned().unwrap();
    killed.get_mut(&plane).unwrap()[200] ^= 1;
    let (repaired, _, found) = mend(&killed, &folders);
    assert!(!repaired.actions.is_empty());
    assert_eq!(found.rows.get(&200), model.after(&commit).rows.get(&200), "{repaired:#?}");
}
