//! That the lying disk lies as far as a careful program has to expect, and no further.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// A disk with the durable folder `/db`.
fn disk() -> FaultVfs {
    let disk = FaultVfs::new();
    disk.create_dir(Path::new("/db")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn create(disk: &FaultVfs, path: &str) -> Arc<dyn File> {
    disk.create(Path::new(path)).unwrap()
}

/// A file whose name and contents are durable.
fn durable(disk: &FaultVfs, path: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = create(disk, path);
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new(path).parent().unwrap()).unwrap();
    file
}

/// What `path` may hold after a power loss now; `None` when it may be missing.
fn outcomes(disk: &FaultVfs, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    disk.crash_images(1, 200).iter().map(|image| image.disk.read_file(path).ok()).collect()
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn a_synced_file_of_a_synced_name_is_whole_in_every_image() {
    let disk = disk();
    durable(&disk, "/db/file", b"contents");
    assert_eq!(outcomes(&disk, "/db/file"), [some(b"contents")].into());
}

#[test]
fn a_name_that_is_not_synced_is_missing_in_some_images_though_its_contents_are_synced() {
    let disk = disk();
    let file = create(&disk, "/db/file");
    file.write_at(0, b"contents").unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [None, some(b"contents")].into());
}

#[test]
fn a_synced_name_of_a_file_that_is_not_synced_may_be_empty_full_of_zeros_or_torn() {
    let disk = disk();
    create(&disk, "/db/file").write_at(0, b"ab").unwrap();
    disk.sync_dir(Path::new("/db")).unwrap();
    let expected = [some(b""), some(b"ab"), some(b"a"), some(b"\0b"), some(b"\0\0"), some(b"a\0")];
    assert_eq!(outcomes(&disk, "/db/file"), expected.into());
}

#[test]
fn overwriting_in_place_leaves_old_and_new_bytes_mixed_but_nothing_else() {
    let disk = disk();
    let file = durable(&disk, "/db/file", &[1; 2048]);
    file.write_at(0, &[2; 2048]).unwrap();
    let outcomes = outcomes(&disk, "/db/file");
    let mut seen_sectors = false;
    for bytes in outcomes.iter().map(|outcome| outcome.as_ref().unwrap()) {
        assert_eq!(bytes.len(), 2048);
        assert!(bytes.iter().all(|&b| b == 1 || b == 2));
        // New, old, new again at multiples of the sector: no prefix or suffix looks like this.
        let changes: Vec<usize> = (1..2048).filter(|&i| bytes[i] != bytes[i - 1]).collect();
        seen_sectors |= changes.len() >= 2 && changes.iter().all(|at| at % 512 == 0);
        assert!(changes.len() <= 1 || changes.iter().all(|at| at % 512 == 0), "{changes:?}");
    }
    assert!(seen_sectors);
    assert!(outcomes.contains(&some(&[1; 2048])) && outcomes.contains(&some(&[2; 2048])));
}

#[test]
fn unsynced_writes_survive_each_on_its_own_and_in_any_order() {
    let disk = disk();
    let file = durable(&disk, "/db/file", b"....");
    file.write_at(0, b"a").unwrap();
    file.write_at(1, b"b").unwrap();
    file.write_at(1, b"c").unwrap();
    let expected = ["....", "a...", ".b..", "ab..", ".c..", "ac.."].map(|text| some(text.as_bytes()));
    assert_eq!(outcomes(&disk, "/db/file"), expected.into());
    // A write is torn in two or between sectors: only the other order puts the first write inside the second.
    let file = durable(&disk, "/db/other", b"....");
    file.write_at(1, b"a").unwrap();
    file.write_at(0, b"bbb").unwrap();
    assert!(outcomes(&disk, "/db/other").contains(&some(b"bab.")));
}

#[test]
fn a_sync_covers_only_its_own_file_and_the_writes_before_it() {
    let disk = disk();
    let (first, second) = (durable(&disk, "/db/first", b"1"), durable(&disk, "/db/second", b"1"));
    first.write_at(0, b"2").unwrap();
    second.write_at(0, b"2").unwrap();
    first.sync().unwrap();
    first.write_at(0, b"3").unwrap();
    assert_eq!(outcomes(&disk, "/db/first"), [some(b"2"), some(b"3")].into());
    assert_eq!(outcomes(&disk, "/db/second"), [some(b"1"), some(b"2")].into());
}

#[test]
fn a_sync_through_one_handle_covers_the_writes_of_another() {
    let disk = disk();
    let file = durable(&disk, "/db/file", b"1");
    file.write_at(0, b"2").unwrap();
    disk.open(Path::new("/db/file")).unwrap().sync().unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [some(b"2")].into());
}

#[test]
fn an_emptied_file_may_have_its_old_contents_again_until_it_is_synced() {
    let disk = disk();
    durable(&disk, "/db/file", b"old");
    let file = create(&disk, "/db/file");
    assert_eq!(outcomes(&disk, "/db/file"), [some(b"old"), some(b"")].into());
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [some(b"")].into());
}

#[test]
fn a_removed_file_may_be_back_until_its_folder_is_synced() {
    let disk = disk();
    let file = durable(&disk, "/db/file", b"old");
    disk.remove_file(Path::new("/db/file")).unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [None, some(b"old")].into());
    // Whoever has it open can still make changes that come back with it.
    file.write_at(0, b"new").unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [None, some(b"new")].into());
    disk.sync_dir(Path::new("/db")).unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [None].into());
}

#[test]
fn a_replaced_name_may_mean_the_old_file_the_new_one_or_none() {
    let disk = disk();
    durable(&disk, "/db/file", b"old");
    disk.remove_file(Path::new("/db/file")).unwrap();
    let file = create(&disk, "/db/file");
    file.write_at(0, b"new").unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk, "/db/file"), [None, some(b"old"), some(b"new")].into());
}

#[test]
fn what_is_in_a_folder_survives_only_with_every_folder_above() {
    let disk = disk();
    disk.create_dir(Path::new("/db/seg/1")).unwrap();
    durable(&disk, "/db/seg/1/index", b"index");
    let whole = some(b"index");
    assert_eq!(outcomes(&disk, "/db/seg/1/index"), [None, whole.clone()].into());
    disk.sync_dir(Path::new("/db/seg")).unwrap();
    assert_eq!(outcomes(&disk, "/db/seg/1/index"), [None, whole.clone()].into());
    disk.sync_dir(Path::new("/db")).unwrap();
    assert_eq!(outcomes(&disk, "/db/seg/1/index"), [whole].into());
}

#[test]
fn a_removed_folder_may_be_back_with_some_of_its_files_and_a_new_one_is_another() {
    let disk = disk();
    disk.create_dir(Path::new("/db/seg")).unwrap();
    disk.sync_dir(Path::new("/db")).unwrap();
    durable(&disk, "/db/seg/a", b"a");
    disk.remove_file(Path::new("/db/seg/a")).unwrap();
    disk.remove_dir(Path::new("/db/seg")).unwrap();
    let seen: BTreeSet<(bool, bool)> = disk
        .crash_images(3, 100)
        .iter()
        .map(|image| {
            (image.disk.read_dir(Path::new("/db/seg")).is_ok(), image.disk.read_file("/db/seg/a").is_ok())
        })
        .collect();
    assert_eq!(seen, [(false, false), (true, false), (true, true)].into());
    disk.create_dir(Path::new("/db/seg")).unwrap();
    disk.sync_dir(Path::new("/db")).unwrap();
    for image in disk.crash_images(3, 100) {
        assert_eq!(
            image.disk.read_dir(Path::new("/db/seg")).unwrap(),
            Vec::<String>::new(),
            "{}",
            image.name
        );
    }
}

#[test]
fn the_told_images_are_what_they_are_called() {
    let disk = disk();
    let file = durable(&disk, "/db/old", b"....");
    file.write_at(0, b"abcd").unwrap();
    create(&disk, "/db/new").write_at(0, b"wxyz").unwrap();
    let images: BTreeMap<String, BTreeMap<PathBuf, Vec<u8>>> =
        disk.crash_images(1, 0).into_iter().map(|image| (image.name, image.disk.snapshot())).collect();
    let expect = |name: &str, files: &[(&str, &str)]| {
        let files =
            files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect();
        assert_eq!(images[name], files, "{name}");
    };
    assert_eq!(images.len(), 5);
    expect("only what is durable", &[("/db/old", "....")]);
    expect("everything written", &[("/db/old", "abcd"), ("/db/new", "wxyz")]);
    expect("unsynced writes without unsynced names", &[("/db/old", "abcd")]);
    expect("unsynced names without unsynced writes", &[("/db/old", "...."), ("/db/new", "")]);
    expect("every unsynced write torn at half", &[("/db/old", "ab.."), ("/db/new", "wx")]);
}

#[test]
fn a_crash_stops_every_step_and_no_read() {
    let disk = disk();
    let file = durable(&disk, "/db/file", b"old");
    let steps = disk.steps();
    disk.fail_at(steps + 1, Fault::Crash);
    file.write_at(0, b"new").unwrap();
    for result in [
        file.sync(),
        file.write_at(0, b"no"),
        disk.create(Path::new("/db/other")).map(drop),
        disk.remove_file(Path::new("/db/file")),
        disk.create_dir(Path::new("/db/x")),
        disk.remove_dir(Path::new("/db")),
        disk.sync_dir(Path::new("/db")),
    ] {
        assert!(
            matches!(&result, Err(Error::Io { source, .. }) if source.to_string() == "crashed"),
            "{result:?}"
        );
    }
    disk.clear_faults();
    assert!(file.sync().is_err(), "a crash is final");
    assert_eq!(disk.steps(), steps + 1);
    assert_eq!(&*disk.open(Path::new("/db/file")).unwrap().map().unwrap(), b"new");
    assert_eq!(disk.read_dir(Path::new("/db")).unwrap(), ["file"]);
    assert!(disk.try_lock(Path::new("/db/file"), LockMode::Exclusive).unwrap().is_some());
    let outcomes = outcomes(&disk, "/db/file");
    assert!(outcomes.contains(&some(b"old")) && outcomes.contains(&some(b"new")));
}

#[test]
fn an_injected_error_fails_one_step_and_a_write_may_leave_a_prefix() {
    let mut lengths = BTreeSet::new();
    for seed in 0..50 {
        let disk = disk();
        disk.set_seed(seed);
        let file = durable(&disk, "/db/file", b"....");
        disk.fail_at(disk.steps(), Fault::IoError);
        let error = file.write_at(0, b"abcd").unwrap_err();
        assert!(error.to_string().contains("injected"), "{error}");
        let left = file.map().unwrap().to_vec();
        let len = left.iter().take_while(|&&b| b != b'.').count();
        assert_eq!([&b"abcd"[..len], &b"...."[len..]].concat(), left);
        lengths.insert(len);
        file.write_at(0, b"abcd").unwrap();
        file.sync().unwrap();
        assert_eq!(outcomes(&disk, "/db/file"), [some(b"abcd")].into());
    }
    assert_eq!(lengths, (0..=4).collect());
}

#[test]
fn a_failed_sync_makes_nothing_durable_and_the_next_may_succeed_without_the_writes() {
    let mut forgot = 0;
    for seed in 0..64 {
        let disk = disk();
        disk.set_seed(seed);
        let file = durable(&disk, "/db/file", b"old");
        file.write_at(0, b"new").unwrap();
        disk.fail_at(disk.steps(), Fault::IoError);
        assert!(file.sync().is_err());
        assert!(outcomes(&disk, "/db/file").contains(&some(b"old")));
        file.sync().unwrap();
        // The program reads back what it wrote, whatever is on the disk.
        assert_eq!(&*file.map().unwrap(), b"new");
        let after = outcomes(&disk, "/db/file");
        forgot += usize::from(after == [some(b"old")].into());
        assert!(after == [some(b"old")].into() || after == [some(b"new")].into(), "{after:?}");
    }
    assert!((16..48).contains(&forgot), "{forgot} of 64");
}

#[test]
fn a_failed_folder_sync_makes_no_name_durable() {
    let disk = disk();
    create(&disk, "/db/file");
    disk.fail_at(disk.steps(), Fault::IoError);
    assert!(disk.sync_dir(Path::new("/db")).is_err());
    assert_eq!(outcomes(&disk, "/db/file"), [None, some(b"")].into());
}

#[test]
fn a_full_disk_refuses_writes_and_creations_until_there_is_room() {
    let disk = disk();
    let file = durable(&disk, "/db/file", b"old");
    disk.fail_at(disk.steps(), Fault::DiskFull);
    for _ in 0..2 {
        for result in [
            file.write_at(0, b"new"),
            disk.create(Path::new("/db/other")).map(drop),
            disk.create(Path::new("/db/file")).map(drop),
            disk.create_dir(Path::new("/db/folder")),
        ] {
            let full = |e: &io::Error| e.kind() == ErrorKind::StorageFull;
            assert!(matches!(&result, Err(Error::Io { source, .. }) if full(source)), "{result:?}");
        }
        file.sync().unwrap();
    }
    assert_eq!(disk.read_dir(Path::new("/db")).unwrap(), ["file"]);
    assert_eq!(file.len().unwrap(), 3);
    disk.remove_file(Path::new("/db/file")).unwrap();
    disk.sync_dir(Path::new("/db")).unwrap();
    disk.clear_faults();
    create(&disk, "/db/other").write_at(0, b"room").unwrap();
}

/// Writes two generations the careful way; returns how many were acknowledged.
fn workload(disk: &FaultVfs) -> usize {
    let mut acknowledged = 0;
    let mut run = || -> Result<()> {
        let dir = Path::new("/db");
        disk.create_dir(dir)?;
        disk.sync_dir(Path::new("/"))?;
        for generation in 0..2_u8 {
            let file = disk.create(&dir.join(format!("gen.{generation}")))?;
            file.write_at(0, &[generation + 1; 700])?;
            file.write_at(700, &[generation + 1; 700])?;
            file.sync()?;
            disk.sync_dir(dir)?;
            acknowledged += 1;
            if generation > 0 {
                disk.remove_file(&dir.join("gen.0"))?;
                disk.sync_dir(dir)?;
            }
        }
        Ok(())
    };
    // Where it stops is what the callers look at.
    let _ = run();
    acknowledged
}

fn holds_what_was_acknowledged(disk: &MemVfs, acknowledged: usize) -> bool {
    let whole = |generation: u8| {
        let bytes = disk.read_file(format!("/db/gen.{generation}"));
        bytes.is_ok_and(|bytes| bytes == [generation + 1; 1400])
    };
    acknowledged == 0 || whole(1) || (acknowledged == 1 && whole(0))
}

#[test]
fn a_careful_workload_survives_a_crash_or_an_error_at_every_step() {
    let calm = FaultVfs::new();
    assert_eq!(workload(&calm), 2);
    assert_eq!(calm.steps(), calm.journal().len());
    for fault in [Fault::Crash, Fault::IoError, Fault::DiskFull] {
        for step in 0..=calm.steps() {
            let disk = FaultVfs::new();
            disk.set_seed(step as u64);
            disk.fail_at(step, fault);
            let acknowledged = workload(&disk);
            // The sync of the folder that makes the second generation durable is step 11.
            assert_eq!(acknowledged == 2, step > 11, "{fault:?} at step {step}");
            for image in disk.crash_images(step as u64, 20) {
                let held = holds_what_was_acknowledged(&image.disk, acknowledged);
                assert!(held, "{fault:?} at step {step}, {}: {:?}", image.name, disk.journal());
            }
        }
    }
}

#[test]
fn a_careless_workload_is_caught() {
    let caught = |leave_out: &str| {
        let disk = disk();
        let file = create(&disk, "/db/gen.0");
        file.write_at(0, &[1; 1400]).unwrap();
        if leave_out != "sync" {
            file.sync().unwrap();
        }
        if leave_out != "sync_dir" {
            disk.sync_dir(Path::new("/db")).unwrap();
        }
        disk.crash_images(1, 0).iter().any(|image| !holds_what_was_acknowledged(&image.disk, 1))
    };
    assert!(!caught("nothing"));
    assert!(caught("sync"));
    assert!(caught("sync_dir"));
}

#[test]
fn one_run_shows_the_images_of_every_step_of_it() {
    let whole = FaultVfs::new();
    workload(&whole);
    for step in 0..=whole.steps() {
        let stopped = FaultVfs::new();
        stopped.fail_at(step, Fault::Crash);
        workload(&stopped);
        assert_eq!(stopped.journal(), whole.journal()[..step]);
        let (then, now) = (whole.crash_images_at(step, 9, 5), stopped.crash_images(9, 5));
        assert_eq!(snapshots(&then), snapshots(&now), "step {step}");
    }
}

#[test]
fn an_image_is_durable_on_the_disk_made_from_it_and_is_not_changed_by_it() {
    let first = disk();
    create(&first, "/db/file").write_at(0, b"abcd").unwrap();
    first.create_dir(Path::new("/db/empty")).unwrap();
    let image =
        first.crash_images(1, 0).into_iter().find(|image| image.name == "everything written").unwrap();
    let before = image.disk.snapshot();
    let second = FaultVfs::from_image(&image);
    assert_eq!(second.steps(), 0);
    for again in second.crash_images(5, 5) {
        assert_eq!((again.disk.snapshot(), again.disk.folders()), (before.clone(), image.disk.folders()));
    }
    let file = second.open_write(Path::new("/db/file")).unwrap();
    file.write_at(0, b"x").unwrap();
    assert_eq!(outcomes(&second, "/db/file"), [some(b"abcd"), some(b"xbcd")].into());
    file.sync().unwrap();
    second.remove_file(Path::new("/db/file")).unwrap();
    assert_eq!(outcomes(&second, "/db/file"), [None, some(b"xbcd")].into());
    assert_eq!(image.disk.snapshot(), before);
}

#[test]
fn images_hold_no_lock() {
    let disk = disk();
    durable(&disk, "/db/lock", b"");
    let _held = disk.try_lock(Path::new("/db/lock"), LockMode::Exclusive).unwrap().unwrap();
    for image in disk.crash_images(1, 1) {
        assert!(image.disk.try_lock(Path::new("/db/lock"), LockMode::Exclusive).unwrap().is_some());
    }
}

type Snapshot = (String, BTreeMap<PathBuf, Vec<u8>>, BTreeSet<PathBuf>);

fn snapshots(images: &[CrashImage]) -> Vec<Snapshot> {
    images.iter().map(|image| (image.name.clone(), image.disk.snapshot(), image.disk.folders())).collect()
}

#[test]
fn the_seed_fixes_the_images() {
    let run = |seed| {
        let disk = disk();
        for number in 0..6 {
            create(&disk, &format!("/db/{number}")).write_at(100, &[number; 3000]).unwrap();
        }
        snapshots(&disk.crash_images(seed, 10))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1)[5..], run(2)[5..]);
}

/// A step on one of a few files in two durable folders.
#[derive(Debug, Clone)]
enum Op {
    Create(usize),
    Write(usize, u8, u8),
    Sync(usize),
    SyncFails(usize),
    Remove(usize),
    SyncDir(usize),
}

const FILES: [&str; 4] = ["/a/1", "/a/2", "/b/1", "/b/2"];
const FOLDERS: [&str; 2] = ["/a", "/b"];

fn op() -> impl Strategy<Value = Op> {
    let file = 0..FILES.len();
    prop_oneof![
        2 => file.clone().prop_map(Op::Create),
        6 => (file.clone(), 0..30_u8, 1..30_u8).prop_map(|(file, offset, len)| Op::Write(file, offset, len)),
        3 => file.clone().prop_map(Op::Sync),
        1 => file.clone().prop_map(Op::SyncFails),
        1 => file.prop_map(Op::Remove),
        2 => (0..FOLDERS.len()).prop_map(Op::SyncDir),
    ]
}

/// The model's view of a file: what each byte may be. It knows nothing of writes, orders or journals.
#[derive(Debug, Clone, Default)]
struct Possible {
    live: Vec<u8>,
    /// The contents at the last sync, exact while `dirty` is unset.
    synced: Vec<u8>,
    /// A change was made since the last good sync.
    dirty: bool,
    /// It was emptied since the last good sync, so that any byte may be gone.
    emptied: bool,
    /// A sync failed, so that contents are no longer known exactly until it is emptied and synced.
    doubtful: bool,
    /// For every position, the values written there and not known to be durable.
    written: BTreeMap<usize, BTreeSet<u8>>,
}

impl Possible {
    fn agrees_with(&self, found: &[u8]) -> bool {
        if !self.dirty && !self.doubtful {
            return found == self.synced;
        }
        let long_enough = self.emptied || found.len() >= self.synced.len();
        long_enough
            && found.iter().enumerate().all(|(at, byte)| {
                let written = self.written.get(&at);
                let unsynced = written.is_some_and(|values| values.contains(byte));
                let old = self.synced.get(at) == Some(byte);
                // A gap, or grown without the data; over old contents only after they were emptied.
                let hole = *byte == 0 && (self.emptied || at >= self.synced.len());
                unsynced || old || hole
            })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_image_agrees_with_a_model_of_what_is_durable(ops in prop::collection::vec(op(), 1..60), seed: u64) {
        let disk = FaultVfs::new();
        disk.set_seed(seed);
        for folder in FOLDERS {
            disk.create_dir(Path::new(folder)).unwrap();
        }
        disk.sync_dir(Path::new("/")).unwrap();
        // Files by number, and for every name the files it may mean; the last is the live one.
        let mut files: Vec<Possible> = Vec::new();
        let mut names: [Vec<Option<usize>>; FILES.len()] = std::array::from_fn(|_| vec![None]);
        let mut stamp = 0_u8;
        for op in &ops {
            let live = |file: &usize| *names[*file].last().unwrap();
            match op {
                Op::Create(file) => {
                    disk.create(Path::new(FILES[*file])).unwrap();
                    if let Some(number) = live(file) {
                        let state = &mut files[number];
                        (state.live, state.dirty, state.emptied) = (Vec::new(), true, true);
                    } else {
                        names[*file].push(Some(files.len()));
                        files.push(Possible::default());
                    }
                }
                Op::Write(file, offset, len) => {
                    let Some(number) = live(file) else { continue };
                    stamp = stamp % 250 + 1;
                    let (start, end) = (usize::from(*offset), usize::from(offset + len));
                    let handle = disk.open_write(Path::new(FILES[*file])).unwrap();
                    handle.write_at(start as u64, &vec![stamp; end - start]).unwrap();
                    let state = &mut files[number];
                    state.dirty = true;
                    state.live.resize(state.live.len().max(end), 0);
                    state.live[start..end].fill(stamp);
                    for at in start..end {
                        state.written.entry(at).or_default().insert(stamp);
                    }
                }
                Op::Sync(file) => {
                    let Some(number) = live(file) else { continue };
                    disk.open(Path::new(FILES[*file])).unwrap().sync().unwrap();
                    let state = &mut files[number];
                    if !state.doubtful {
                        *state = Possible { live: state.live.clone(), synced: state.live.clone(), ..Possible::default() };
                    }
                }
                Op::SyncFails(file) => {
                    let Some(number) = live(file) else { continue };
                    disk.fail_at(disk.steps(), Fault::IoError);
                    prop_assert!(disk.open(Path::new(FILES[*file])).unwrap().sync().is_err());
                    files[number].doubtful |= files[number].dirty;
                }
                Op::Remove(file) => {
                    if live(file).is_some() {
                        disk.remove_file(Path::new(FILES[*file])).unwrap();
                        names[*file].push(None);
                    }
                }
                Op::SyncDir(folder) => {
                    disk.sync_dir(Path::new(FOLDERS[*folder])).unwrap();
                    for (name, path) in names.iter_mut().zip(FILES) {
                        if path.starts_with(FOLDERS[*folder]) {
                            name.drain(..name.len() - 1);
                        }
                    }
                }
            }
        }
        for image in disk.crash_images(seed, 6) {
            for (name, path) in names.iter().zip(FILES) {
                let found = image.disk.read_file(path).ok();
                let agrees = name.iter().any(|meant| match (meant, &found) {
                    (None, None) => true,
                    (Some(number), Some(found)) => files[*number].agrees_with(found),
                    _ => false,
                });
                prop_assert!(agrees, "{} in {}: {:?} of {:?} {:?}", path, image.name, found, name, files);
            }
            if image.name == "everything written" {
                for (name, path) in names.iter().zip(FILES) {
                    let live = name.last().unwrap().map(|number| &files[number]);
                    if live.is_none_or(|state| !state.doubtful) {
                        prop_assert_eq!(image.disk.read_file(path).ok(), live.map(|state| state.live.clone()));
                    }
                }
            }
        }
    }
}
