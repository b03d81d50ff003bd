//! The corruption sweep: every byte of a small database flipped, every file truncated at every length and removed.
//!
//! Each gives an error that names a file of the database, or the right answer; never a panic or a wrong answer.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Model, Running, Step, contents};
use foretaste::{Error, HnswParams, Spec};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

/// A database with two segments, one of them indexed, tombstones, short rows, variances, documents, and batches left in
/// the log.
fn small() -> (BTreeMap<PathBuf, Vec<u8>>, Vec<PathBuf>, Model) {
    let vfs = MemVfs::new();
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let mut running = Running::default();
    let mut model = Model::default();
    for step in [
        Step::Open,
        Step::Create,
        // Ten rows, so that two dead ones are no reason to compact.
        Step::Commit((1..=10).map(|i| (i, 1, if i == 3 { 0 } else { 2 })).collect(), vec![]),
        Step::Optimize(Spec::Hnsw(HnswParams { m: 4, ef_construction: 10, edge_bits: Some(1) })),
        Step::Commit((11..=17).map(|i| (i, 1, 2)).chain([(2, 2, 1)]).collect(), vec![]),
        Step::Flush,
        Step::Commit(vec![(25, 1, 2)], vec![1]),
        Step::Commit(vec![(26, 1, 2)], vec![]),
        Step::Close,
    ] {
        running.step(&step, &disk).unwrap();
        model = model.after(&step);
    }
    (vfs.snapshot(), vfs.folders().into_iter().collect(), model)
}

fn check(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    folders: &[PathBuf],
    model: &Model,
    what: &dyn Fn() -> String,
) -> bool {
    let vfs = MemVfs::from_snapshot(files.clone(), folders.iter().cloned());
    match contents(Arc::new(vfs)) {
        Ok(found) => {
            assert_eq!(found, *model, "{}: a wrong answer", what());
            true
        }
        Err(Error::Corrupt { file, .. } | Error::FormatTooNew { file, .. }) => {
            assert!(!file.as_os_str().is_empty(), "{}", what());
            false
        }
        Err(Error::Io { path, source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            assert!(!path.as_os_str().is_empty(), "{}", what());
            false
        }
        Err(e) => panic!("{}: {e}", what()),
    }
}

#[test]
fn every_flipped_byte_gives_an_error_or_the_right_answer() {
    let (files, folders, model) = small();
    assert!(check(&files, &folders, &model, &|| "undamaged".into()));
    let (mut sound, mut found) = (0, 0);
    for (path, bytes) in &files {
        for at in 0..bytes.len() {
            let mut damaged = files.clone();
            damaged.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let what = || format!("{} flipped at byte {at} of {}", path.display(), bytes.len());
            if check(&damaged, &folders, &model, &what) { sound += 1 } else { found += 1 }
        }
    }
    println!("{} bytes flipped: {found} found, {sound} without effect", sound + found);
    assert!(found > sound, "{found} found, {sound} without effect");
}

#[test]
fn every_truncation_and_removal_gives_an_error_or_the_right_answer() {
    let (files, folders, model) = small();
    let mut found = 0;
    for (path, bytes) in &files {
        for len in 0..bytes.len() {
            let mut damaged = files.clone();
            damaged.get_mut(path).unwrap().truncate(len);
            let what = || format!("{} cut to {len} of {} bytes", path.display(), bytes.len());
            found += usize::from(!check(&damaged, &folders, &model, &what));
        }
        let mut damaged = files.clone();
        damaged.remove(path);
        found += usize::from(!check(&damaged, &folders, &model, &|| format!("{} removed", path.display())));
    }
    println!("{found} truncations and removals found");
    assert!(found > 1000);
}
