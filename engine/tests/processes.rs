//! One writer process and many reader processes on the real disk: locks, following, held snapshots, read-only folders,
//! forks. The other processes are this test binary again, told by line what to do.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the folder is looked at from outside the database")]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use common::process::{CHILD, Process};
use foretaste::{Collection, Database, Error, Key, Metric, Schema, Snapshot};
use serde_json::json;

const DIMS: usize = 8;
const ROWS: i64 = 20;

fn read_only(path: &Path) -> foretaste::Result<Database> {
    Database::options().read_only(true).open(path)
}

fn create(path: &Path) -> (Database, Collection) {
    let db = Database::options().background(false).open(path).unwrap();
    let col = db.create_collection("c", Schema::new(DIMS, Metric::L2).levels([2, 4])).unwrap();
    (db, col)
}

/// Writes all rows in one batch: row `i` holds `number` everywhere.
fn write(col: &Collection, number: u64) {
    let dims = col.schema().dim();
    let mut batch = col.batch();
    for id in 0..ROWS {
        batch.upsert(id, &vec![number as f32; dims]).payload(json!({"n": number}));
    }
    batch.commit().unwrap();
}

/// `dims:number` of a snapshot that shows one batch whole, `dims:-` when it shows no row.
fn digest(snapshot: &Snapshot) -> Result<String, Error> {
    let mut numbers = Vec::new();
    for record in snapshot.scan() {
        let record = record?;
        let number = record.payload.unwrap()["n"].as_u64().unwrap();
        assert!(record.vector.iter().all(|v| *v == number as f32), "{:?}", record.vector);
        numbers.push((record.id, number));
    }
    let dims = snapshot.schema().level_dims()[0];
    let hits = snapshot.search(&[0.0; 2]).dims(dims).k(1000).filter("n >= 0").run()?;
    assert_eq!(hits.len(), numbers.len());
    numbers.sort();
    let Some((_, number)) = numbers.first().cloned() else {
        return Ok(format!("{}:-", snapshot.schema().dim()));
    };
    let whole = numbers.iter().map(|(id, n)| (id.clone(), *n)).eq((0..ROWS).map(|id| (Key::Int(id), number)));
    assert!(whole, "a batch in part: {numbers:?}");
    Ok(format!("{}:{number}", snapshot.schema().dim()))
}

// ---------------------------------------------------------------------------------------------------- the child

/// Not a test of its own: a process that does what it is told on its standard input.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (mut db, mut held): (Option<Database>, Option<Snapshot>) = (None, None);
    for line in std::io::stdin().lines() {
        let answer = obey(&line.unwrap(), Path::new(&path), &mut db, &mut held);
        let answer = answer.unwrap_or_else(|e| format!("error: {e}"));
        let mut out = std::io::stdout().lock();
        out.write_all(format!("answer {answer}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

fn obey(
    command: &str,
    path: &Path,
    db: &mut Option<Database>,
    held: &mut Option<Snapshot>,
) -> Result<String, Error> {
    let not_open = || Error::NotFound { what: "an open database".into() };
    let snapshot = |db: &Option<Database>| -> Result<Snapshot, Error> {
        Ok(db.as_ref().ok_or_else(not_open)?.collection("c")?.snapshot())
    };
    match command {
        "open" => *db = Some(read_only(path)?),
        "write" => {
            return match Database::open(path) {
                Err(Error::Locked { pid, .. }) => Ok(format!("locked by {pid:?}")),
                Err(e) => Err(e),
                Ok(_) => Ok("open".into()),
            };
        }
        "refresh" => db.as_ref().ok_or_else(not_open)?.refresh()?,
        "collections" => return Ok(db.as_ref().ok_or_else(not_open)?.collections().join(",")),
        "see" => return digest(&snapshot(db)?),
        "hold" => *held = Some(snapshot(db)?),
        "held" => return digest(held.as_ref().ok_or_else(not_open)?),
        "let go" => *held = None,
        "close" => *db = None,
        "loop" => return open_in_a_loop(path),
        _ => return Ok("what?".into()),
    }
    Ok("done".into())
}

/// Opens and refreshes until the file `stop` is there; what it sees is whole and never goes back.
fn open_in_a_loop(path: &Path) -> Result<String, Error> {
    let (mut last, mut opened, mut refreshed) = (0, 0, 0);
    let number = |db: &Database| -> Result<u64, Error> {
        match db.collection("c") {
            Ok(col) => Ok(digest(&col.snapshot())?.split_once(':').unwrap().1.parse().unwrap_or(0)),
            Err(e) => Err(e),
        }
    };
    while !path.with_file_name("stop").exists() {
        let db = read_only(path)?;
        for round in 0..4 {
            if round > 0 {
                db.refresh()?;
                refreshed += 1;
            }
            let seen = number(&db)?;
            assert!(seen >= last, "{last} and then {seen}");
            last = seen;
        }
        opened += 1;
    }
    Ok(format!("{opened} {refreshed}"))
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shared.ft");
    (dir, path)
}

/// Every file and folder below `path`: its length and when it was changed.
fn listing(path: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path(), (meta.len(), meta.modified().unwrap()));
        }
    }
    found
}

fn segments(path: &Path) -> usize {
    std::fs::read_dir(path.join("seg")).unwrap().count()
}

// ---------------------------------------------------------------------------------------------------- the tests

#[test]
fn a_second_writer_is_refused_at_once_and_learns_who_the_first_is() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    let mut other = Process::start(&path);
    assert_eq!(other.ask("write"), format!("locked by Some({})", std::process::id()));
    match Database::open(&path) {
        Err(Error::Locked { pid, path: locked }) => {
            assert_eq!((pid, locked), (Some(std::process::id()), path.clone()))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((other.ask("open"), other.ask("see")), ("done".into(), "8:1".into()));
    write(&col, 2);
    drop((db, col));
    assert_eq!(other.ask("write"), "open");
    other.end();
}

#[test]
fn a_reader_follows_commits_seals_compactions_and_changes_of_collections_and_levels() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    let mut reader = Process::reader(&path);
    assert_eq!(reader.ask("see"), "8:-");
    write(&col, 1);
    assert_eq!(reader.ask("see"), "8:-");
    assert_eq!(reader.follow(), "8:1");
    db.flush().unwrap();
    assert_eq!(reader.follow(), "8:1");
    for number in 2..5 {
        write(&col, number);
        assert_eq!(reader.follow(), format!("8:{number}"));
        db.flush().unwrap();
    }
    write(&col, 5);
    db.compact(|_, _| true).unwrap();
    assert_eq!(reader.follow(), "8:5");
    db.create_collection("d", Schema::new(2, Metric::Dot)).unwrap();
    assert_eq!(reader.ask("collections"), "c");
    assert_eq!(reader.ask("refresh"), "done");
    assert_eq!(reader.ask("collections"), "c,d");
    col.truncate(4).unwrap();
    assert_eq!(reader.follow(), "4:5");
    write(&col, 6);
    assert_eq!(reader.follow(), "4:6");
    col.extend([6]).unwrap();
    write(&col, 7);
    assert_eq!(reader.follow(), "6:7");
    assert_eq!(reader.ask("hold"), "done");
    drop(col);
    db.drop_collection("c").unwrap();
    assert_eq!(reader.ask("refresh"), "done");
    assert_eq!((reader.ask("collections"), reader.ask("held")), ("d".into(), "6:7".into()));
    let col = db.create_collection("c", Schema::new(2, Metric::L2)).unwrap();
    write(&col, 8);
    assert_eq!((reader.follow(), reader.ask("held")), ("2:8".into(), "6:7".into()));
    // The next writer goes on with a log of its own.
    drop((db, col));
    assert_eq!(reader.follow(), "2:8");
    let db = Database::open(&path).unwrap();
    write(&db.collection("c").unwrap(), 9);
    assert_eq!(reader.follow(), "2:9");
    reader.end();
}

#[test]
fn files_stay_while_a_snapshot_of_another_process_needs_them_and_go_with_it() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    db.flush().unwrap();
    let mut reader = Process::reader(&path);
    // Nothing of the segment but its index is open yet when the writer compacts.
    assert_eq!(reader.ask("hold"), "done");
    write(&col, 2);
    db.compact(|_, _| true).unwrap();
    // The reader's segment and the new one; and what was made in between, which a reader might have begun with.
    assert!(segments(&path) >= 2);
    assert!(db.stats().unwrap().bytes_retired > 0);
    // It goes on to the newest state and keeps the snapshot.
    assert_eq!(reader.follow(), "8:2");
    write(&col, 3);
    db.compact(|_, _| true).unwrap();
    assert_eq!(reader.ask("held"), "8:1");
    assert_eq!((reader.ask("let go"), reader.follow()), ("done".into(), "8:3".into()));
    write(&col, 4);
    db.compact(|_, _| true).unwrap();
    assert_eq!(reader.ask("close"), "done");
    db.flush().unwrap();
    assert_eq!((segments(&path), db.stats().unwrap().bytes_retired), (1, 0));
    reader.end();
}

#[test]
fn a_new_writer_leaves_the_files_of_a_reader_alone() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    db.flush().unwrap();
    let mut reader = Process::reader(&path);
    assert_eq!(reader.ask("hold"), "done");
    write(&col, 2);
    db.compact(|_, _| true).unwrap();
    drop((db, col));
    let db = Database::open(&path).unwrap();
    assert_eq!(reader.ask("held"), "8:1");
    drop(db);
    reader.end();
    drop(Database::open(&path).unwrap());
    assert_eq!(segments(&path), 1);
}

#[test]
fn readers_change_nothing_and_need_no_right_to() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    db.flush().unwrap();
    write(&col, 2);
    drop((db, col));
    let set = |mode_of_files: u32, mode_of_folders: u32| {
        let all = listing(&path).into_keys().chain([path.clone()]);
        for entry in all.collect::<Vec<_>>() {
            let mode = if entry.is_dir() { mode_of_folders } else { mode_of_files };
            std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o444, 0o555);
    let before = listing(&path);
    let mut reader = Process::reader(&path);
    let db = read_only(&path).unwrap();
    assert_eq!(digest(&db.collection("c").unwrap().snapshot()).unwrap(), "8:2");
    assert_eq!((reader.follow(), reader.ask("hold")), ("8:2".into(), "done".into()));
    db.refresh().unwrap();
    assert!(foretaste::check(&path, &Database::options(), &mut |_, _| true).unwrap().is_sound());
    drop(db);
    reader.end();
    assert_eq!(listing(&path), before);
    set(0o644, 0o755);
}

#[test]
fn eighty_readers_at_once() {
    let (_dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    let mut readers: Vec<Process> = (0..80).map(|_| Process::start(&path)).collect();
    for reader in &mut readers {
        reader.tell("open");
        reader.tell("see");
    }
    for reader in &mut readers {
        assert_eq!((reader.answer(), reader.answer()), ("done".into(), "8:1".into()));
    }
    write(&col, 2);
    db.compact(|_, _| true).unwrap();
    for reader in &mut readers {
        reader.tell("refresh");
        reader.tell("see");
    }
    for mut reader in readers {
        assert_eq!((reader.answer(), reader.answer()), ("done".into(), "8:2".into()));
        reader.end();
    }
}

#[test]
fn a_reader_that_opens_in_a_loop_sees_no_error_while_the_writer_publishes_as_fast_as_it_can() {
    let (dir, path) = folder();
    let (db, col) = create(&path);
    write(&col, 1);
    let mut readers: Vec<Process> = (0..2).map(|_| Process::start(&path)).collect();
    readers.iter_mut().for_each(|reader| reader.tell("loop"));
    let (started, mut number) = (Instant::now(), 1);
    while started.elapsed() < Duration::from_secs(4) {
        for change in 0..6 {
            number += 1;
            write(&col, number);
            match change {
                0 => db.flush().unwrap(),
                1 => db.compact(|_, _| true).unwrap(),
                2 => drop(db.create_collection("d", Schema::new(2, Metric::Dot)).unwrap()),
                3 => db.drop_collection("d").unwrap(),
                4 => col.truncate(2).unwrap(),
                _ => col.extend([3 + number as usize % 5]).unwrap(),
            }
        }
    }
    std::fs::write(dir.path().join("stop"), "").unwrap();
    for mut reader in readers {
        let answer = reader.answer();
        let (opened, refreshed) = answer.split_once(' ').unwrap();
        println!(
            "{number} batches, generation {}: {opened} opened, {refreshed} refreshed",
            db.stats().unwrap().generation
        );
        assert!(opened.parse::<u64>().is_ok_and(|n| n > 10) && refreshed.parse::<u64>().is_ok(), "{answer}");
        reader.end();
    }
}
