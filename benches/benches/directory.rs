//! What the writer's directory costs: inserting keys, and asking for one that is there and one that is not.
//!
//! `cargo bench -p foretaste-benches --bench directory`; a filter such as `get/sled` picks a case.
//! Reads from: generated keys. Writes to: a temporary folder, criterion's report. Never: a file that stays.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use foretaste_storage::directory::{Answer, Directory, Scope, mem::MemDirectory, sled};
use foretaste_storage::key::Key;

const KEYS: u32 = 100_000;
const SEGMENT: u32 = 10_000;
const SEGMENTS: u64 = (KEYS / SEGMENT) as u64;

/// Key `i` of a kind; those from [`KEYS`] on are in no segment.
type KeyOf = fn(u32) -> Key;

fn int(i: u32) -> Key {
    Key::Int(i64::from(i))
}

/// As long as a typical document id, and without order.
fn string(i: u32) -> Key {
    Key::Str(format!("{:016x}-{i:08}", u64::from(i).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

const KINDS: [(&str, KeyOf); 2] = [("int", int), ("str", string)];

fn fill(directory: &dyn Directory, keys: &[Key]) {
    for (segment, part) in keys.chunks(SEGMENT as usize).enumerate() {
        let mut rows = part.iter().zip(0..).map(|(key, row)| Ok((key.clone(), row)));
        assert!(directory.insert(0, segment as u64, &mut rows).is_ok());
    }
}

/// Filled, and given back so that dropping it is not measured.
fn filled<D: Directory>(directory: D, keys: &[Key]) -> D {
    fill(&directory, keys);
    directory
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Folder(std::env::temp_dir().join(format!("foretaste-bench-{}-{name}", std::process::id())))
    }
    fn directory(&self) -> sled::SledDirectory {
        match sled::open(&self.0, None) {
            Ok(directory) => directory,
            Err(e) => unreachable!("{e}"),
        }
    }
}

impl Drop for Folder {
    #[expect(clippy::disallowed_methods, reason = "cleaning up after a measurement")]
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn insert(criterion: &mut Criterion) {
    for (kind, key) in KINDS {
        let keys: Vec<Key> = (0..KEYS).map(key).collect();
        let folder = Folder::new(kind);
        let mut group = criterion.benchmark_group(format!("insert/{kind}"));
        group.throughput(Throughput::Elements(u64::from(KEYS))).sample_size(10);
        group.bench_function("sled", |bencher| {
            bencher.iter_batched(|| folder.directory(), |d| filled(d, &keys), BatchSize::PerIteration);
        });
        group.bench_function("mem", |bencher| {
            bencher.iter_batched(MemDirectory::new, |d| filled(d, &keys), BatchSize::PerIteration);
        });
        group.finish();
    }
}

fn get(criterion: &mut Criterion) {
    for (kind, key) in KINDS {
        let keys: Vec<Key> = (0..2 * KEYS).map(key).collect();
        let (there, not_there) = keys.split_at(KEYS as usize);
        let folder = Folder::new(kind);
        let (on_disk, in_memory) = (folder.directory(), MemDirectory::new());
        for (name, directory) in [("sled", &on_disk as &dyn Directory), ("mem", &in_memory)] {
            fill(directory, there);
            let scope = Scope::new(directory, 0..SEGMENTS);
            let mut group = criterion.benchmark_group(format!("get/{name}/{kind}"));
            group.sample_size(20).warm_up_time(Duration::from_millis(300));
            group.measurement_time(Duration::from_secs(1));
            for (case, keys) in [("hit", there), ("miss", not_there)] {
                // A prime step: neighbours in time are none in the tree.
                let mut at = 0;
                group.bench_function(case, |bencher| {
                    bencher.iter(|| {
                        at = (at + 60_013) % keys.len();
                        let answer = scope.get(0, black_box(keys[at].as_ref()));
                        assert!(matches!(answer, Answer::At(_)) == (case == "hit"));
                    });
                });
            }
            group.finish();
        }
    }
}

/// An opening after a clean close: every file is read and summed, and sled replays its log.
fn reopen(criterion: &mut Criterion) {
    let keys: Vec<Key> = (0..KEYS).map(string).collect();
    let folder = Folder::new("reopen");
    let mut group = criterion.benchmark_group("reopen");
    group.sample_size(10);
    let closed = || {
        let directory = folder.directory();
        fill(&directory, &keys);
        assert!(directory.close(1).is_ok());
    };
    group.bench_function("open", |bencher| {
        bencher.iter_batched(
            closed,
            |()| {
                let directory = sled::open(&folder.0, Some(1));
                assert!(directory.as_ref().is_ok_and(|d| d.covers(0)));
                directory
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, insert, get, reopen);
criterion_main!(benches);
