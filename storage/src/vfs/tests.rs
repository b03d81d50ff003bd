//! What every disk promises, proved on the real one, the one in memory and the lying one alike.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use proptest::prelude::*;

use super::fault::FaultVfs;
use super::mem::MemVfs;
use super::os::OsVfs;
use super::*;
use crate::error::Error;

/// Runs `test` in an empty folder of each disk.
fn on_every_disk(test: impl Fn(&dyn Vfs, &Path)) {
    let real = tempfile::tempdir().unwrap();
    test(&OsVfs::new(), real.path());
    let disks: [&dyn Vfs; 2] = [&MemVfs::new(), &FaultVfs::new()];
    for disk in disks {
        disk.create_dir(Path::new("/some/db")).unwrap();
        test(disk, Path::new("/some/db"));
    }
}

fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    match result {
        Err(Error::Io { source, .. }) => source.kind(),
        other => panic!("expected an I/O error, got {other:?}"),
    }
}

fn contents(disk: &dyn Vfs, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&*file.map().unwrap(), &bytes[..], "a map and a read differ");
    bytes
}

#[test]
fn what_is_written_is_read_back_through_any_handle() {
    on_every_disk(|disk, dir| {
        let path = dir.join("file");
        let file = disk.create(&path).unwrap();
        assert_eq!(file.path(), path);
        assert!(file.is_empty().unwrap());
        file.write_at(0, b"hello world").unwrap();
        file.write_at(6, b"disk!").unwrap();
        file.sync().unwrap();
        disk.sync_dir(dir).unwrap();
        assert_eq!(contents(disk, &path), b"hello disk!");
        disk.open_write(&path).unwrap().write_at(0, b"J").unwrap();
        let mut part = [0; 5];
        file.read_at(0, &mut part).unwrap();
        assert_eq!(&part, b"Jello");
        assert_eq!(file.len().unwrap(), 11);
    });
}

#[test]
fn a_gap_reads_as_zeros_and_an_empty_write_grows_nothing() {
    on_every_disk(|disk, dir| {
        let file = disk.create(&dir.join("file")).unwrap();
        file.write_at(1000, b"").unwrap();
        assert_eq!(file.len().unwrap(), 0);
        file.write_at(600, b"x").unwrap();
        let mut expected = vec![0; 601];
        expected[600] = b'x';
        assert_eq!(contents(disk, &dir.join("file")), expected);
    });
}

#[test]
fn reading_past_the_end_is_an_unexpected_eof() {
    on_every_disk(|disk, dir| {
        let file = disk.create(&dir.join("file")).unwrap();
        file.write_at(0, b"abc").unwrap();
        for (offset, len) in [(0, 4), (3, 1), (100, 1), (i64::MAX as u64 - 1, 1)] {
            assert_eq!(
                kind(file.read_at(offset, &mut vec![0; len])),
                ErrorKind::UnexpectedEof,
                "{offset} {len}"
            );
        }
        file.read_at(100, &mut []).unwrap();
    });
}

#[test]
fn an_impossible_offset_is_an_error_and_changes_nothing() {
    on_every_disk(|disk, dir| {
        let file = disk.create(&dir.join("file")).unwrap();
        file.write_at(0, b"abc").unwrap();
        for offset in [u64::MAX, i64::MAX as u64, u64::MAX - 1] {
            assert!(file.write_at(offset, b"xy").is_err(), "{offset}");
            assert!(file.read_at(offset, &mut [0; 2]).is_err(), "{offset}");
        }
        assert_eq!(contents(disk, &dir.join("file")), b"abc");
    });
}

#[test]
fn a_file_opened_for_reading_cannot_be_written() {
    on_every_disk(|disk, dir| {
        let path = dir.join("file");
        disk.create(&path).unwrap().write_at(0, b"abc").unwrap();
        assert!(disk.open(&path).unwrap().write_at(0, b"x").is_err());
        assert_eq!(contents(disk, &path), b"abc");
    });
}

#[test]
fn create_empties_an_existing_file_under_its_open_handles() {
    on_every_disk(|disk, dir| {
        let path = dir.join("file");
        let old = disk.create(&path).unwrap();
        old.write_at(0, b"old contents").unwrap();
        disk.create(&path).unwrap().write_at(0, b"new").unwrap();
        assert_eq!(old.len().unwrap(), 3);
        assert_eq!(contents(disk, &path), b"new");
    });
}

#[test]
fn a_missing_file_or_folder_is_not_found() {
    on_every_disk(|disk, dir| {
        let (file, below) = (dir.join("missing"), dir.join("missing/file"));
        assert!(disk.open(&file).unwrap_err().is_not_found());
        assert!(disk.open_write(&file).unwrap_err().is_not_found());
        assert!(disk.create(&below).unwrap_err().is_not_found());
        assert!(disk.remove_file(&file).unwrap_err().is_not_found());
        assert!(disk.remove_dir(&file).unwrap_err().is_not_found());
        assert!(disk.read_dir(&file).unwrap_err().is_not_found());
        assert!(disk.sync_dir(&file).unwrap_err().is_not_found());
        assert!(disk.try_lock(&file, LockMode::Shared).unwrap_err().is_not_found());
        assert!(disk.try_lock(&file, LockMode::Exclusive).unwrap_err().is_not_found());
        assert_eq!(disk.read_dir(dir).unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_folder_is_no_file_and_a_file_is_no_folder() {
    on_every_disk(|disk, dir| {
        let (folder, file) = (dir.join("folder"), dir.join("file"));
        disk.create_dir(&folder).unwrap();
        disk.create(&file).unwrap();
        assert_eq!(kind(disk.open(&folder)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.open_write(&folder)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.create(&folder)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.try_lock(&folder, LockMode::Shared)), ErrorKind::IsADirectory);
        assert!(disk.remove_file(&folder).is_err());
        assert_eq!(kind(disk.create_dir(&file)), ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.read_dir(&file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.remove_dir(&file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.sync_dir(&file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.open(&file.join("below"))), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.create(&file.join("below"))), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.create_dir(&file.join("below"))), ErrorKind::NotADirectory);
        assert_eq!(disk.read_dir(dir).unwrap(), ["file", "folder"]);
    });
}

#[test]
fn folders_list_their_own_names_sorted_and_go_only_when_empty() {
    on_every_disk(|disk, dir| {
        let deep = dir.join("seg/000042");
        disk.create_dir(&deep).unwrap();
        disk.create_dir(&deep).unwrap();
        for name in ["plane.10", "index", "plane.1"] {
            disk.create(&deep.join(name)).unwrap();
        }
        disk.create(&dir.join("seg.tmp")).unwrap();
        assert_eq!(disk.read_dir(dir).unwrap(), ["seg", "seg.tmp"]);
        assert_eq!(disk.read_dir(&dir.join("seg")).unwrap(), ["000042"]);
        assert_eq!(disk.read_dir(&deep).unwrap(), ["index", "plane.1", "plane.10"]);
        assert_eq!(kind(disk.remove_dir(&deep)), ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind(disk.remove_dir(&dir.join("seg"))), ErrorKind::DirectoryNotEmpty);
        for name in disk.read_dir(&deep).unwrap() {
            disk.remove_file(&deep.join(name)).unwrap();
        }
        disk.remove_dir(&deep).unwrap();
        assert!(disk.read_dir(&deep).unwrap_err().is_not_found());
        assert_eq!(disk.read_dir(&dir.join("seg")).unwrap(), Vec::<String>::new());
    });
}

#[test]
fn a_removed_file_stays_readable_where_it_is_open_and_its_name_is_free() {
    on_every_disk(|disk, dir| {
        let path = dir.join("file");
        let old = disk.create(&path).unwrap();
        old.write_at(0, b"old").unwrap();
        let mapped = old.map().unwrap();
        disk.remove_file(&path).unwrap();
        assert!(disk.open(&path).unwrap_err().is_not_found());
        disk.create(&path).unwrap().write_at(0, b"new contents").unwrap();
        let mut bytes = [0; 3];
        old.read_at(0, &mut bytes).unwrap();
        assert_eq!((&bytes, &*mapped), (b"old", &b"old"[..]));
        old.write_at(0, b"o").unwrap();
        old.sync().unwrap();
        assert_eq!(contents(disk, &path), b"new contents");
    });
}

#[test]
fn an_empty_file_maps_to_no_bytes() {
    on_every_disk(|disk, dir| {
        assert!(disk.create(&dir.join("file")).unwrap().map().unwrap().is_empty());
    });
}

#[test]
fn locks_shut_out_whom_they_should_and_end_with_their_guard() {
    use LockMode::{Exclusive, Shared};
    on_every_disk(|disk, dir| {
        let path = dir.join("lock");
        disk.create(&path).unwrap();
        disk.create(&dir.join("other")).unwrap();
        let lock = |mode| disk.try_lock(&path, mode).unwrap();
        let (first, second) = (lock(Shared), lock(Shared));
        assert!(first.is_some() && second.is_some());
        assert!(lock(Exclusive).is_none());
        drop(first);
        assert!(lock(Exclusive).is_none());
        drop(second);
        let alone = lock(Exclusive);
        assert!(alone.is_some());
        assert!(lock(Shared).is_none() && lock(Exclusive).is_none());
        assert!(disk.try_lock(&dir.join("other"), Exclusive).unwrap().is_some());
        drop(alone);
        assert!(lock(Shared).is_some());
    });
}

#[test]
fn a_lock_is_on_the_file_and_not_on_its_name() {
    on_every_disk(|disk, dir| {
        let path = dir.join("lock");
        disk.create(&path).unwrap();
        let held = disk.try_lock(&path, LockMode::Exclusive).unwrap();
        disk.create(&path).unwrap();
        assert!(disk.try_lock(&path, LockMode::Shared).unwrap().is_none(), "emptying is no unlocking");
        disk.remove_file(&path).unwrap();
        disk.create(&path).unwrap();
        assert!(disk.try_lock(&path, LockMode::Exclusive).unwrap().is_some());
        drop(held);
    });
}

#[test]
fn threads_share_a_disk() {
    on_every_disk(|disk, dir| {
        let common = disk.create(&dir.join("common")).unwrap();
        disk.create(&dir.join("lock")).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let common = common.clone();
                scope.spawn(move || {
                    let own = disk.create(&dir.join(format!("own.{thread}"))).unwrap();
                    for round in 0..50 {
                        common.write_at(round * 4 + u64::from(thread), &[thread + 1]).unwrap();
                        own.write_at(round, &[thread]).unwrap();
                        let locked = disk.try_lock(&dir.join("lock"), LockMode::Exclusive).unwrap();
                        if locked.is_some() {
                            assert!(disk.try_lock(&dir.join("lock"), LockMode::Shared).unwrap().is_none());
                        }
                    }
                });
            }
        });
        assert_eq!(contents(disk, &dir.join("common")), [1, 2, 3, 4].repeat(50));
        for thread in 0..4_u8 {
            assert_eq!(contents(disk, &dir.join(format!("own.{thread}"))), [thread; 50]);
        }
        assert!(disk.try_lock(&dir.join("lock"), LockMode::Exclusive).unwrap().is_some());
    });
}

#[test]
fn the_current_folder_is_the_parent_of_a_relative_name() {
    let disks: [&dyn Vfs; 3] = [&OsVfs::new(), &MemVfs::new(), &FaultVfs::new()];
    for disk in disks {
        disk.read_dir(Path::new("")).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        disk.create_dir(Path::new("")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_file_without_write_permission_can_be_locked() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (disk, path) = (OsVfs::new(), dir.path().join("lock"));
    disk.create(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    let shared = disk.try_lock(&path, LockMode::Shared).unwrap();
    assert!(shared.is_some());
    assert!(disk.try_lock(&path, LockMode::Exclusive).unwrap().is_none());
    drop(shared);
    assert!(disk.try_lock(&path, LockMode::Exclusive).unwrap().is_some());
}

#[test]
fn a_map_in_memory_is_a_copy_that_later_writes_do_not_change() {
    let disk = MemVfs::new();
    let file = disk.create(Path::new("file")).unwrap();
    file.write_at(0, b"before").unwrap();
    let mapped = file.map().unwrap();
    file.write_at(0, b"after!").unwrap();
    assert_eq!(&*mapped, b"before");
    assert_eq!(mapped.as_ptr() as usize % crate::bytes::ALIGN, 0);
}

#[test]
fn a_snapshot_has_every_file_and_makes_an_equal_but_separate_disk() {
    let disk = MemVfs::new();
    disk.write_file("/db/seg/1/index", b"index").unwrap();
    disk.write_file("/db/log", b"log").unwrap();
    disk.write_file("/db/log", b"newer").unwrap();
    disk.create_dir(Path::new("/db/empty")).unwrap();
    let snapshot = disk.snapshot();
    let expected = [("/db/log", b"newer"), ("/db/seg/1/index", b"index")];
    let expected: BTreeMap<_, _> = expected.map(|(path, bytes)| (path.into(), bytes.to_vec())).into();
    assert_eq!(snapshot, expected);
    let copy = MemVfs::from_snapshot(snapshot.clone(), ["/db/empty".into()]);
    assert_eq!((copy.snapshot(), copy.folders()), (snapshot, disk.folders()));
    copy.open_write(Path::new("/db/log")).unwrap().write_at(0, b"OTHER").unwrap();
    assert_eq!(disk.read_file("/db/log").unwrap(), b"newer");
    assert!(disk.read_file("/db/missing").unwrap_err().is_not_found());
}

/// A call on one of a few paths, some of which lie below others.
#[derive(Debug, Clone)]
enum Call {
    CreateDir(usize),
    ReadDir(usize),
    Create(usize),
    Write(usize, u64, Vec<u8>),
    Read(usize),
    RemoveFile(usize),
    RemoveDir(usize),
    SyncDir(usize),
}

const PATHS: [&str; 6] = ["a", "a/b", "a/b/c", "b", "a.b", "./a/d"];

fn call() -> impl Strategy<Value = Call> {
    let path = 0..PATHS.len();
    prop_oneof![
        path.clone().prop_map(Call::CreateDir),
        path.clone().prop_map(Call::ReadDir),
        path.clone().prop_map(Call::Create),
        (path.clone(), 0..20_u64, prop::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(path, offset, data)| Call::Write(path, offset, data)),
        path.clone().prop_map(Call::Read),
        path.clone().prop_map(Call::RemoveFile),
        path.clone().prop_map(Call::RemoveDir),
        path.prop_map(Call::SyncDir),
    ]
}

/// Makes a call and says what came of it, errors by their kind.
fn answer(disk: &dyn Vfs, dir: &Path, call: &Call) -> String {
    let at = |path: &usize| dir.join(PATHS[*path]);
    let result = match call {
        Call::CreateDir(path) => disk.create_dir(&at(path)).map(|()| String::new()),
        Call::ReadDir(path) => disk.read_dir(&at(path)).map(|names| names.join(" ")),
        Call::Create(path) => disk.create(&at(path)).map(|_| String::new()),
        Call::Write(path, offset, data) => {
            disk.open_write(&at(path)).and_then(|file| file.write_at(*offset, data)).map(|()| String::new())
        }
        Call::Read(path) => disk.open(&at(path)).map(|_| format!("{:?}", contents(disk, &at(path)))),
        // Which kind of error a folder gives here differs between systems.
        Call::RemoveFile(path) => match disk.remove_file(&at(path)) {
            Err(_) if disk.read_dir(&at(path)).is_ok() => return "a folder".to_string(),
            removed => removed.map(|()| String::new()),
        },
        Call::RemoveDir(path) => disk.remove_dir(&at(path)).map(|()| String::new()),
        Call::SyncDir(path) => disk.sync_dir(&at(path)).map(|()| String::new()),
    };
    match result {
        Ok(text) => text,
        Err(Error::Io { source, .. }) => format!("{:?}", source.kind()),
        Err(e) => panic!("not an I/O error: {e}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_three_disks_answer_every_sequence_of_calls_alike(calls in prop::collection::vec(call(), 1..40)) {
        let real = tempfile::tempdir().unwrap();
        let (memory, lying) = (MemVfs::new(), FaultVfs::new());
        for call in &calls {
            let expected = answer(&OsVfs::new(), real.path(), call);
            prop_assert_eq!(&answer(&memory, Path::new("/"), call), &expected, "in memory: {:?}", call);
            prop_assert_eq!(&answer(&lying, Path::new(""), call), &expected, "lying: {:?}", call);
        }
    }
}
