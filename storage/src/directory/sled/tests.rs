//! The stamp protocol, damage, and failures while in use.

#![expect(clippy::disallowed_methods, reason = "the tests damage sled's own files")]

use std::fs;

use super::*;
use crate::directory::{Answer, Scope};

const STAMP: u64 = 7;
const ROWS: i64 = 3000;

fn rows() -> impl Iterator<Item = Result<(Key, u32)>> {
    (0..ROWS).map(|i| Ok((Key::Int(i), i as u32)))
}

/// A folder with segment 1 inserted, not closed.
fn filled(path: &Path) -> SledDirectory {
    let directory = open(path, None).unwrap();
    directory.insert(0, 1, &mut rows()).unwrap();
    directory
}

fn is_empty(directory: &SledDirectory) -> bool {
    let none = (0..ROWS).all(|i| directory.get(0, KeyRef::Int(i)).unwrap().is_none());
    none && !directory.covers(1)
}

fn is_full(directory: &SledDirectory) -> bool {
    let at = |row: i64| Some(Location { segment: 1, row: row as u32 });
    directory.covers(1) && (0..ROWS).all(|i| directory.get(0, KeyRef::Int(i)).unwrap() == at(i))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs")).unwrap();
    for (name, _) in stamp::tests::all_files(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn closed_with_a_stamp_it_is_trusted_once_with_that_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    filled(&path).close(STAMP).unwrap();
    let directory = open(&path, Some(STAMP)).unwrap();
    assert!(is_full(&directory));
    drop(directory);
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
}

#[test]
fn a_close_waits_for_whoever_still_has_sled_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    let directory = filled(&path);
    // A look-up that is under way, or a thread of sled's own: it holds the files, and their lock, a little longer.
    let held = directory.keys().unwrap();
    let (begun, began) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        began.recv().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    begun.send(()).unwrap();
    directory.close(STAMP).unwrap();
    drop(directory);
    assert!(is_full(&open(&path, Some(STAMP)).unwrap()));
    holder.join().unwrap();
}

#[test]
fn every_one_of_many_closes_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    let mut directory = filled(&path);
    for stamp in 1..30 {
        directory.insert(0, 1, &mut rows()).unwrap();
        directory.close(stamp).unwrap();
        directory = open(&path, Some(stamp)).unwrap();
        assert!(is_full(&directory), "closed with {stamp}");
    }
}

#[test]
fn without_the_stamp_or_with_another_it_begins_empty() {
    let folder = tempfile::tempdir().unwrap();
    for (i, stamp) in [None, Some(STAMP + 1), Some(0)].into_iter().enumerate() {
        let path = folder.path().join(i.to_string());
        filled(&path).close(STAMP).unwrap();
        let directory = open(&path, stamp).unwrap();
        assert!(is_empty(&directory));
        drop(directory);
        assert!(is_empty(&open(&path, Some(STAMP)).unwrap()), "what was not trusted is gone");
    }
}

#[test]
fn a_crash_while_it_is_in_use_leaves_nothing_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    filled(&path).close(STAMP).unwrap();
    let directory = open(&path, Some(STAMP)).unwrap();
    let killed = folder.path().join("killed at once");
    copy(&path, &killed);
    assert!(is_empty(&open(&killed, Some(STAMP)).unwrap()));

    directory.insert(0, 2, &mut rows()).unwrap();
    let killed = folder.path().join("killed later");
    copy(&path, &killed);
    assert!(is_empty(&open(&killed, Some(STAMP)).unwrap()));
    drop(directory);
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
}

/// Should the removal of the stamp not reach the disk, what was written after it still gives it away.
#[test]
fn a_stamp_that_comes_back_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    filled(&path).close(STAMP).unwrap();
    let stamp = fs::read(path.join("stamp")).unwrap();
    let directory = open(&path, Some(STAMP)).unwrap();
    directory.insert(0, 2, &mut rows()).unwrap();
    drop(directory);
    fs::write(path.join("stamp"), stamp).unwrap();
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
}

#[test]
fn whatever_is_damaged_it_begins_empty_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole");
    filled(&path).close(STAMP).unwrap();
    let files = stamp::tests::all_files(&path);
    assert!(files.iter().any(|(name, _)| name == "db") && files.iter().any(|(name, _)| name == "stamp"));
    let mut random = 1u64;
    let mut next = move || {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        random >> 33
    };
    let mut round = 0;
    for (name, len) in &files {
        for kind in 0..8 {
            let damaged = folder.path().join(format!("damaged {round}"));
            round += 1;
            copy(&path, &damaged);
            let file = damaged.join(name);
            let mut bytes = fs::read(&file).unwrap();
            match kind {
                0 => fs::remove_file(&file).unwrap(),
                1 => bytes.clear(),
                2 => bytes.truncate((next() % len) as usize),
                3 => bytes.push(0),
                4 => bytes.iter_mut().for_each(|b| *b = next() as u8),
                _ => bytes[(next() % len) as usize] ^= 1 << (next() % 8),
            }
            if kind != 0 {
                fs::write(&file, &bytes).unwrap();
            }
            let directory = open(&damaged, Some(STAMP)).unwrap();
            assert!(is_empty(&directory), "{name}, damage {kind}");
            directory.insert(0, 1, &mut rows()).unwrap();
            assert!(is_full(&directory));
            drop(directory);
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    assert!(is_full(&open(&path, Some(STAMP)).unwrap()), "the original was whole");
}

#[test]
fn a_file_too_many_or_in_the_folders_place_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    filled(&path).close(STAMP).unwrap();
    fs::write(path.join("snap.00000000000FFFFF"), [7; 100]).unwrap();
    let directory = open(&path, Some(STAMP)).unwrap();
    assert!(is_empty(&directory));
    directory.close(STAMP).unwrap();
    fs::create_dir_all(path.join("blobs/a/b/c")).unwrap();
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, b"a file").unwrap();
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, b"a file").unwrap();
    assert!(open(&path.join("below"), None).is_err());
}

#[test]
fn after_a_failure_nothing_is_known_and_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory");
    let directory = filled(&path);
    let scope = Scope::new(&directory, [1]);
    assert!(scope.is_complete());
    let keys = directory.keys().unwrap();
    keys.insert(entry_key(0, KeyRef::Int(-5)), &[1, 2, 3]).unwrap();
    drop(keys);
    assert_eq!(scope.get(0, KeyRef::Int(-5)), Answer::Unknown);
    assert!(directory.is_over() && !directory.covers(1) && !directory.is_bloated());
    assert_eq!(scope.get(0, KeyRef::Int(-6)), Answer::Unknown, "a scope made before does not say `Absent`");
    assert_eq!(scope.get(0, KeyRef::Int(3)), Answer::Unknown);
    directory.insert(0, 2, &mut rows()).unwrap();
    directory.forget(1).unwrap();
    assert!(!directory.covers(2));
    let error = directory.close(STAMP).unwrap_err().to_string();
    assert!(error.contains("an entry has 3 bytes"), "{error}");
    assert!(is_empty(&open(&path, Some(STAMP)).unwrap()));
}

#[test]
fn a_failure_in_the_middle_of_an_insertion_does_not_cover_the_segment() {
    let folder = tempfile::tempdir().unwrap();
    let directory = filled(&folder.path().join("directory"));
    let mut failing = rows().inspect(|row| {
        if row.as_ref().is_ok_and(|(_, row)| *row == 5) {
            directory.end("the disk is gone".to_string());
        }
    });
    directory.insert(0, 2, &mut failing).unwrap();
    assert!(!directory.covers(1) && !directory.covers(2));
    assert!(directory.get(0, KeyRef::Int(1)).is_err());
}

#[test]
fn a_panic_of_sleds_is_an_error() {
    let panics =
        |value: i32| -> ::sled::Result<i32> { if value > 0 { panic!("no {value}") } else { Ok(value) } };
    let error = guard(Path::new("d"), "read", || panics(4)).unwrap_err().to_string();
    assert!(error.contains("sled panicked: no 4"), "{error}");
    assert_eq!(guard(Path::new("d"), "read", || panics(0)).unwrap(), 0);
    let unsupported = || Err::<(), _>(::sled::Error::Unsupported("this".into()));
    assert!(guard(Path::new("d"), "read", unsupported).is_err());
}
