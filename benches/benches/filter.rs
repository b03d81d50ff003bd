//! What filters cost by columns: planning, the rows of ranges from very few to nearly all, and the writing of columns,
//! and searches by elements of arrays.
//!
//! `cargo bench -p foretaste-benches --bench filter`; a filter such as `select/half` picks a case.
//! Reads from: generated documents. Writes to: disks in memory, criterion's report. Never: a file.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use foretaste::{Collection, Database, Metric, Schema};
use foretaste_query::filter::{Indexes, Plan, RowSet};
use foretaste_query::lang::{self, Filter};
use foretaste_storage::block::{self, BlockRows, RowInput};
use foretaste_storage::key::KeyRef;
use foretaste_storage::layout::{Element, Layout};
use foretaste_storage::sealed::Access;
use foretaste_storage::section::columns::{Column, ColumnValues, ColumnView};
use foretaste_storage::section::elements::ElementsView;
use foretaste_storage::segment::{self, DocumentIndex, Pick, Segment};
use foretaste_storage::vfs::{Vfs, mem::MemVfs};
use serde_json::json;

const ROWS: u32 = 50_000;
const SEALED: u32 = 100_000;

/// Numbers without order, below `below`.
fn scattered(i: u32, below: u32) -> u32 {
    ((u64::from(i.wrapping_mul(0x9E37_79B1)) * u64::from(below)) >> 32) as u32
}

struct Rows(Segment);

impl Indexes for Rows {
    fn rows(&self) -> u32 {
        self.0.rows()
    }
    fn column(&self, path: &lang::Path) -> Option<ColumnView<'_>> {
        self.0.column(&path.to_string()).ok().flatten()
    }
    fn elements(&self, path: &lang::Path) -> Option<ElementsView<'_>> {
        self.0.elements().ok()?.find(|elements| elements.name() == path.to_string())
    }
    fn is_missing(&self, _: &lang::Path) -> bool {
        false
    }
    fn find(&self, key: KeyRef<'_>) -> foretaste_storage::Result<Option<u32>> {
        self.0.find(key)
    }
}

/// `attr` below 1000, `few` below 10, `x` of its own in each row, `word` of a thousand.
fn columns(rows: u32) -> Vec<Column> {
    let all = || 0..rows;
    let word = |i| format!("word {:03}", scattered(i, 1000));
    vec![
        Column::new("attr", ColumnValues::Int(all().map(|i| Some(i64::from(scattered(i, 1000)))).collect())),
        Column::new("few", ColumnValues::Int(all().map(|i| Some(i64::from(scattered(i, 10)))).collect())),
        Column::new("x", ColumnValues::Float(all().map(|i| Some(f64::from(scattered(i, rows)))).collect())),
        Column::new("word", ColumnValues::Str(all().map(|i| Some(word(i))).collect())),
    ]
}

fn write(rows: u32, index: &DocumentIndex) -> foretaste_storage::Result<Segment> {
    let (disk, root, uuid) = (Arc::new(MemVfs::new()), Path::new("db"), [7; 16]);
    disk.create_dir(root)?;
    let layout = Layout { levels: vec![1], element: Element::F32, variance: None };
    let row = |i: u32| RowInput {
        key: KeyRef::Int(i64::from(i)),
        vector: &[1.0],
        variance: None,
        tokens: None,
        payload: b"",
    };
    let inputs: Vec<RowInput<'_>> = (0..rows).map(row).collect();
    let block = block::encode(&layout, &inputs, &[], None)?;
    let source = BlockRows { block: &block, layout: &layout, first: 1 };
    let picks: Vec<Pick> = (0..rows).map(|row| Pick { source: 0, row }).collect();
    let written = segment::write(&*disk, root, &uuid, 1, &layout, &[&source], &picks, index, &mut |_| true)?;
    let reference = written.unwrap_or_else(|| unreachable!("nobody cancels"));
    Segment::open(disk, root, &uuid, &reference, &layout, Access::Map)
}

const CASES: [(&str, &str); 13] = [
    ("thousandth", "attr = 500"),
    ("hundredth", "attr < 10"),
    ("tenth", "attr < 100"),
    ("half", "attr < 500"),
    ("nine tenths", "attr < 900"),
    ("all but few", "attr != 500"),
    ("few values", "few = 3"),
    ("half of few values", "few < 5"),
    ("range of one", "attr >= 100 and attr < 200"),
    ("range of two", "attr < 500 and x >= 10000"),
    ("few of many", "attr = 500 and x >= 10000"),
    ("prefix", "word like 'word 1%'"),
    ("list", "attr in (1, 5, 90, 400, 999)"),
];

fn select(criterion: &mut Criterion) {
    let index = DocumentIndex { columns: columns(ROWS), ..DocumentIndex::default() };
    let Ok(segment) = write(ROWS, &index) else { unreachable!("a disk in memory") };
    let rows = Rows(segment);
    let mut group = criterion.benchmark_group("select");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    for (name, text) in CASES {
        let Ok(filter) = Filter::parse(text) else { unreachable!("{text}") };
        group.bench_function(BenchmarkId::new("plan", name), |bencher| {
            bencher.iter(|| Plan::new(black_box(&filter), &rows).map(|plan| plan.estimate()));
        });
        let Ok(plan) = Plan::new(&filter, &rows) else { unreachable!("{text}") };
        group.bench_function(BenchmarkId::new("rows", name), |bencher| {
            bencher.iter(|| black_box(&plan).select());
        });
    }
    group.finish();
}

fn contains(criterion: &mut Criterion) {
    let asked: Vec<u32> = (0..10_000).map(|i| scattered(i, ROWS)).collect();
    let mut group = criterion.benchmark_group("contains");
    group.throughput(Throughput::Elements(asked.len() as u64));
    let list: Vec<u32> = (0..ROWS).step_by(1000).collect();
    let sets = [
        ("list", RowSet::of_rows(ROWS, list.clone())),
        ("list as bits", RowSet::of_rows(ROWS, list).into_bits()),
        ("half", RowSet::of_rows(ROWS, (0..ROWS).step_by(2).collect())),
    ];
    for (name, set) in sets {
        group.bench_function(name, |bencher| {
            bencher.iter(|| asked.iter().filter(|row| set.contains(black_box(**row))).count());
        });
    }
    group.finish();
}

/// Writing a segment of one-dimensional rows, without columns and with each of them.
fn written(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(SEALED)));
    let none = DocumentIndex::default();
    group.bench_function("none", |bencher| bencher.iter(|| write(SEALED, &none)));
    for column in columns(SEALED) {
        let name = column.name.clone();
        let one = DocumentIndex { columns: vec![column], ..DocumentIndex::default() };
        group.bench_function(name, |bencher| bencher.iter(|| write(SEALED, &one)));
    }
    group.finish();
}

/// Sealing rows whose documents have four fields that nobody declared, and rows without documents.
fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(SEALED)));
    for documents in [false, true] {
        let name = if documents { "documents" } else { "none" };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| sealed(documents)).sum());
        });
    }
    group.finish();
}

fn sealed(documents: bool) -> Duration {
    let run = || -> foretaste::Result<Duration> {
        let disk = Arc::new(MemVfs::new());
        let db = Database::options().disk(disk).background(false).open("db")?;
        let collection = db.create_collection("c", Schema::new(4, Metric::L2))?;
        for first in (0..SEALED).step_by(10_000) {
            let mut batch = collection.batch();
            for i in first..first + 10_000 {
                let row = batch.upsert(i64::from(i), &[i as f32, 0.0, 1.0, 2.0]);
                if documents {
                    row.payload(json!({
                        "attr": scattered(i, 1000), "few": scattered(i, 10),
                        "x": f64::from(i) / 3.0, "word": format!("word {:03}", scattered(i, 1000)),
                    }));
                }
            }
            batch.commit()?;
        }
        let start = Instant::now();
        collection.flush()?;
        Ok(start.elapsed())
    };
    run().unwrap_or_else(|e| unreachable!("{e}"))
}

/// Searches of [`SEALED`] rows whose documents have three tags each, two of a thousand and one of ten: at a path whose elements
/// a segment keeps, and one name deeper, where it keeps nothing and every document is read.
fn tags(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tags");
    group.sample_size(10);
    for (name, path) in [("documents", "a.b.c.d.tags"), ("elements", "a.b.c.tags")] {
        let Ok((collection, sealing, bytes)) = tagged(path) else { unreachable!("a disk in memory") };
        println!("tags/{name}: sealed in {} ms, {bytes} bytes", sealing.as_millis());
        for test in ["= 'word 500'", "in ('word 1', 'word 2')", "= 'few 3'", "!= 'few 3'"] {
            let filter = format!("{path} {test}");
            group.bench_function(BenchmarkId::new(name, test), |bencher| {
                bencher.iter(|| collection.search(&[1.0, 0.0, 1.0, 2.0]).k(10).filter(&filter).run());
            });
        }
    }
    group.finish();
}

/// A sealed collection with tags at a path, how long the sealing took, and how many bytes there are.
fn tagged(path: &str) -> foretaste::Result<(Collection, Duration, u64)> {
    let disk = MemVfs::new();
    let db = Database::options().disk(Arc::new(disk.clone())).background(false).open("db")?;
    let collection = db.create_collection("c", Schema::new(4, Metric::L2))?;
    for first in (0..SEALED).step_by(10_000) {
        let mut batch = collection.batch();
        for i in first..first + 10_000 {
            let word = |n: u32| format!("word {}", scattered(2 * i + n, 1000));
            let tags = json!([word(0), word(1), format!("few {}", scattered(i, 10))]);
            let document = path.rsplit('.').fold(tags, |inner, name| json!({ name: inner }));
            batch.upsert(i64::from(i), &[i as f32, 0.0, 1.0, 2.0]).payload(document);
        }
        batch.commit()?;
    }
    let start = Instant::now();
    collection.flush()?;
    let sealing = start.elapsed();
    Ok((collection, sealing, disk.snapshot().values().map(|file| file.len() as u64).sum()))
}

criterion_group!(benches, select, contains, written, seal, tags);
criterion_main!(benches);
