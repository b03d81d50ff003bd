//! Building and searching through the facade, on the sentences of the demo.
//!
//! `cargo bench -p foretaste-benches --bench search`; a filter such as `search/flat` picks a case.
//! Reads from: the demo's vectors. Writes to: a temporary database, criterion's report. Never: a time with the import in it.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use foretaste::import::{self, Options, Rows};
use foretaste::{Collection, Database, Metric, Schema, Spec};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings/shell/demo");
const LEVELS: [usize; 3] = [64, 128, 384];

/// The demo's sentences or questions.
fn vectors(name: &str) -> Vec<Vec<f32>> {
    let mut reader = import::open(&Path::new(DEMO).join(name), &Options::default()).unwrap();
    let mut rows = Rows::default();
    while reader.read(1000, &mut rows).unwrap() > 0 {}
    rows.vectors.chunks(reader.dim()).map(<[f32]>::to_vec).collect()
}

/// A new collection of `rows`, each with its number as a field. The database lasts as long as the folder and handles.
fn collection(dir: &Path, rows: &[Vec<f32>]) -> Collection {
    let db = Database::options().background(false).open(dir.join("bench.ft")).unwrap();
    let schema = Schema::new(rows[0].len(), Metric::Cosine).levels(LEVELS);
    let collection =
        db.create_collection("sentences", schema.column("n", foretaste::ColumnType::Int)).unwrap();
    write(&collection, rows);
    collection
}

fn write(collection: &Collection, rows: &[Vec<f32>]) {
    let mut batch = collection.batch();
    for (n, row) in rows.iter().enumerate() {
        batch.upsert(n as i64, row).payload(serde_json::json!({"n": n}));
    }
    batch.commit().unwrap();
}

fn search(criterion: &mut Criterion) {
    let (rows, questions) = (vectors("sentences.npy"), vectors("questions.npy"));
    let dir = tempfile::tempdir().unwrap();
    let collection = collection(dir.path(), &rows);
    collection.optimize(Spec::Flat, |_| true).unwrap();
    let mut group = criterion.benchmark_group("search/flat");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    let mut next = questions.iter().cycle();
    let mut question = || next.next().unwrap();
    for dims in LEVELS {
        group.bench_function(BenchmarkId::new("dims", dims), |bencher| {
            bencher.iter(|| black_box(collection.search(question()).dims(dims).k(10).run().unwrap()));
        });
    }
    for most in [rows.len() / 2, rows.len() / 100] {
        let filter = format!("n < {most}");
        group.bench_function(BenchmarkId::new("where", most), |bencher| {
            bencher.iter(|| black_box(collection.search(question()).k(10).filter(&filter).run().unwrap()));
        });
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let rows = vectors("sentences.npy");
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    group.bench_function("commit", |bencher| {
        let dir = tempfile::tempdir().unwrap();
        let collection = collection(dir.path(), &rows);
        bencher.iter(|| write(&collection, &rows));
    });
    for (name, spec) in [("flat", Spec::Flat), ("hnsw", Spec::Hnsw(Default::default()))] {
        build_index(&mut group, name, spec, &rows);
    }
    group.finish();
}

fn build_index(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, spec: Spec, rows: &[Vec<f32>]) {
    group.bench_function(name, |bencher| {
        let fresh = || {
            let dir = tempfile::tempdir().unwrap();
            let collection = collection(dir.path(), rows);
            (dir, collection)
        };
        bencher.iter_batched(
            fresh,
            |(dir, collection)| {
                collection.optimize(spec, |_| true).unwrap();
                (dir, collection)
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, search, build);
criterion_main!(benches);
