//! What the reliability tests share: workloads as lists of steps, a model of what a database must then hold, and the
//! comparison of the two.

#![expect(dead_code, reason = "each test binary uses a part")]

pub mod process;
pub mod random;
pub mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use foretaste::{
    Collection, Database, Element, Error, HnswParams, IvfParams, Key, Metric, NewVector, Options, Order,
    PendingRow, RowVariance, Schema, Space, Spec, Variance,
};
use foretaste_storage::vfs::Vfs;
use serde_json::json;

pub const ROOT: &str = "db";
/// The further vector field.
pub const FIELD: &str = "f";
/// Numbers of a token.
pub const TOKEN_DIMS: usize = 3;

/// One step of a workload: an operation a caller waits for.
#[derive(Debug, Clone)]
pub enum Step {
    Open,
    Create,
    /// With a further vector field.
    CreateWithField,
    /// Upserts of (key, seed, level), then deletes.
    Commit(Vec<(i64, u32, usize)>, Vec<i64>),
    Flush,
    Compact,
    /// Merged, and every segment with such an index.
    Optimize(Spec),
    Truncate(usize),
    Extend(usize),
    Drop,
    /// Room for the rows in the other space.
    BeginChange,
    /// At most so many of the rows that wait are written there.
    Backfill(usize),
    Flip,
    Finish,
    Close,
}

/// What the database must hold: rows by key as (vector, payload number), and the levels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    pub exists: bool,
    pub rows: BTreeMap<i64, (Vec<f32>, u32)>,
    pub levels: Vec<usize>,
    /// The rows that are in the other space, while there is one.
    pub changed: Option<BTreeSet<i64>>,
    /// Whether the other space has become the collection's.
    pub flipped: bool,
}

pub fn schema() -> Schema {
    Schema::new(8, Metric::L2)
        .levels([2, 4, 8])
        .space(space(false))
        .element(Element::F32)
        .variance(Variance::Diagonal)
        .tokens(TOKEN_DIMS, Element::F16)
        .column("n", foretaste::ColumnType::Int)
        .text("text")
}

pub fn vector(key: i64, seed: u32, dims: usize) -> Vec<f32> {
    (0..dims).map(|d| (key as f32) + (seed as f32) * 0.5 + (d as f32) * 0.125).collect()
}

/// The token matrix of a row: of no token for some, and of numbers that f16 keeps.
pub fn tokens(key: i64, seed: u32) -> Vec<f32> {
    let len = (key as usize + seed as usize) % 3 * TOKEN_DIMS;
    (0..len).map(|n| (key as f32) - (seed as f32) * 0.5 + (n as f32) * 0.25).collect()
}

/// The vector of a row in the further field, which some rows have not.
pub fn field(key: i64, seed: u32) -> Option<Vec<f32>> {
    ((key + i64::from(seed)) % 3 != 0).then(|| vec![key as f32, seed as f32])
}

/// Of the two spaces of the workload that changes the model.
pub fn space(other: bool) -> Space {
    Space::new("model", if other { "2" } else { "1" })
}

/// The vector of a row in either space.
pub fn vector_in(other: bool, key: i64, seed: u32, dims: usize) -> Vec<f32> {
    vector(key, seed, dims).into_iter().map(|v| if other { v + 64.0 } else { v }).collect()
}

/// Whether commits give the row's vectors in both spaces while there are two.
pub fn in_both(key: i64) -> bool {
    key % 2 == 0
}

/// A row's vector in a space, from what is stored in the other.
fn embed(other: bool, row: &PendingRow) -> Vec<f32> {
    let Key::Int(key) = row.record.id else { panic!("a key of another type came back: {:?}", row.record.id) };
    let seed = row.record.payload.as_ref().and_then(|p| p["n"].as_u64()).expect("every row has a payload");
    vector_in(other, key, seed as u32, 8)
}

pub fn options(vfs: Arc<dyn Vfs>) -> Options {
    Database::options().disk(vfs).background(false)
}

impl Model {
    /// The model after `step`.
    pub fn after(&self, step: &Step) -> Model {
        let mut next = self.clone();
        match step {
            Step::Create | Step::CreateWithField => {
                next.exists = true;
                next.levels = schema().level_dims();
            }
            Step::Commit(upserts, deletes) => {
                for (key, seed, level) in upserts {
                    next.rows
                        .insert(*key, (vector_in(self.flipped, *key, *seed, self.levels[*level]), *seed));
                    if let Some(changed) = &mut next.changed {
                        if in_both(*key) {
                            changed.insert(*key)
                        } else {
                            changed.remove(key)
                        };
                    }
                }
                for key in deletes {
                    next.rows.remove(key);
                    if let Some(changed) = &mut next.changed {
                        changed.remove(key);
                    }
                }
            }
            Step::Truncate(dims) => {
                next.levels.retain(|l| l <= dims);
                next.rows.values_mut().for_each(|row| row.0.truncate(*dims));
            }
            Step::Extend(dims) => next.levels.push(*dims),
            Step::Drop => next = Model::default(),
            Step::BeginChange => next.changed = Some(BTreeSet::new()),
            Step::Backfill(most) => {
                let changed = next.changed.get_or_insert_default();
                let waiting: Vec<i64> =
                    self.rows.keys().copied().filter(|key| !changed.contains(key)).collect();
                changed.extend(waiting.iter().take(*most));
            }
            Step::Flip => {
                next.flipped = !self.flipped;
                for (key, (vector, seed)) in &mut next.rows {
                    *vector = vector_in(next.flipped, *key, *seed, vector.len());
                }
            }
            Step::Finish => next.changed = None,
            Step::Open | Step::Flush | Step::Compact | Step::Optimize(_) | Step::Close => {}
        }
        next
    }
}

/// A database under test, as far as the workload has come.
#[derive(Default)]
pub struct Running {
    pub db: Option<Database>,
    pub col: Option<Collection>,
}

impl Running {
    pub fn step(&mut self, step: &Step, vfs: &Arc<dyn Vfs>) -> foretaste::Result<()> {
        let none = || Error::NotFound { what: "nothing is open".into() };
        match step {
            Step::Open => {
                let db = options(Arc::clone(vfs)).open(ROOT)?;
                self.col = db.collection("c").ok();
                self.db = Some(db);
            }
            Step::Create => {
                self.col = Some(self.db.as_ref().ok_or_else(none)?.create_collection("c", schema())?)
            }
            Step::CreateWithField => {
                let schema = schema().field(FIELD, Schema::new(2, Metric::L2));
                self.col = Some(self.db.as_ref().ok_or_else(none)?.create_collection("c", schema)?)
            }
            Step::Commit(upserts, deletes) => {
                let col = self.col.as_ref().ok_or_else(none)?;
                let levels = col.schema().level_dims();
                let mut batch = col.batch();
                for (key, seed, level) in upserts {
                    let dims = *levels.get(*level).ok_or_else(none)?;
                    let variance = RowVariance::Variance(vec![0.25; dims]);
                    let flipped = col.schema().vector_space() == Some(&space(true));
                    let mut row = batch
                        .upsert(*key, &vector_in(flipped, *key, *seed, dims))
                        .payload(json!({"n": seed, "text": format!("row {key}")}))
                        .variance(&variance)
                        .tokens(&tokens(*key, *seed));
                    if in_both(*key) && col.change().is_some() {
                        row = row.changed_with_variance(&vector_in(!flipped, *key, *seed, dims), &variance);
                    }
                    if let Some(given) = field(*key, *seed).filter(|_| !col.vector_fields().is_empty()) {
                        row.field(FIELD, &given);
                    }
                }
                for key in deletes {
                    batch.delete(*key);
                }
                batch.commit()?;
            }
            Step::Flush => self.db.as_ref().ok_or_else(none)?.flush()?,
            Step::Compact => self.db.as_ref().ok_or_else(none)?.compact(|_, _| true)?,
            Step::Optimize(spec) => self.col.as_ref().ok_or_else(none)?.optimize(*spec, |_| true)?,
            Step::Truncate(dims) => self.col.as_ref().ok_or_else(none)?.truncate(*dims)?,
            Step::Extend(dims) => self.col.as_ref().ok_or_else(none)?.extend([*dims])?,
            Step::BeginChange => {
                let schema = Schema::new(8, Metric::L2).levels([2, 4, 8]).variance(Variance::Diagonal);
                self.col.as_ref().ok_or_else(none)?.begin_change(schema.space(space(true)))?;
            }
            Step::Backfill(most) => {
                let change = self.col.as_ref().and_then(Collection::change).ok_or_else(none)?;
                let mut rows = change.backfill(Order::Stored)?.next(usize::MAX)?;
                rows.sort_by(|a, b| a.record.id.cmp(&b.record.id));
                rows.truncate(*most);
                let flipped = change.space() == space(true);
                let vectors: Vec<Vec<f32>> = rows.iter().map(|row| embed(flipped, row)).collect();
                let variance = RowVariance::Variance(vec![0.25; 8]);
                let new: Vec<NewVector<'_>> = rows
                    .iter()
                    .zip(&vectors)
                    .map(|(row, vector)| NewVector { row, vector, variance: Some(&variance) })
                    .collect();
                assert_eq!(change.write(&new)?, rows.len() as u64);
                if rows.is_empty() {
                    // Nothing was asked of the disk: a database that has stopped writing would not have noticed.
                    self.db.as_ref().ok_or_else(none)?.flush()?;
                }
            }
            Step::Flip => {
                let change = self.col.as_ref().and_then(Collection::change).ok_or_else(none)?;
                self.col = Some(change.flip()?);
            }
            Step::Finish => self.col.as_ref().and_then(Collection::change).ok_or_else(none)?.finish()?,
            Step::Drop => {
                self.col = None;
                self.db.as_ref().ok_or_else(none)?.drop_collection("c")?;
            }
            Step::Close => {
                self.col = None;
                self.db.take().ok_or_else(none)?.close()?;
            }
        }
        Ok(())
    }
}

/// Opens what is on `vfs` and reads all of it.
pub fn contents(vfs: Arc<dyn Vfs>) -> foretaste::Result<Model> {
    let db = match options(vfs).open(ROOT) {
        Ok(db) => db,
        Err(Error::NotFound { .. }) => return Ok(Model::default()),
        Err(e) => return Err(e),
    };
    read(&db)
}

/// Reads all of an open database four ways, which must agree: a scan, a search, a search for words, and gets.
pub fn read(db: &Database) -> foretaste::Result<Model> {
    let Ok(col) = db.collection("c") else { return Ok(Model::default()) };
    let mut rows = BTreeMap::new();
    for record in col.snapshot().scan() {
        let record = record?;
        let Key::Int(key) = record.id else { panic!("a key of another type came back: {:?}", record.id) };
        let payload = record.payload.as_ref().and_then(|p| p["n"].as_u64()).expect("every row has a payload");
        assert_eq!(record.variance, vec![0.25; record.vector.len()]);
        assert_eq!(record.tokens, tokens(key, payload as u32), "key {key}");
        assert_eq!(record.variance_traces.len(), col.schema().level_dims().len());
        let has_field = !col.vector_fields().is_empty();
        let given = field(key, payload as u32).filter(|_| has_field);
        assert_eq!(record.fields.get(FIELD), given.as_ref(), "key {key}");
        let old = rows.insert(key, (record.vector, payload as u32));
        assert!(old.is_none(), "key {key} is there twice");
    }
    assert_eq!(col.len(), rows.len() as u64);
    let dims = col.schema().level_dims()[0];
    let hits = col.search(&vector(0, 0, dims)).dims(dims).k(1000).filter("n >= 0").run()?;
    assert_eq!(hits.len(), rows.len(), "the search finds what the scan finds");
    if !col.vector_fields().is_empty() {
        let hits = col.search_field(FIELD, &[0.0, 0.0])?.k(1000).filter("n >= 0").run()?;
        let with = rows.iter().filter(|(key, (_, seed))| field(**key, *seed).is_some());
        assert_eq!(
            hits.len(),
            with.count(),
            "the search of the field finds the rows that have a vector there"
        );
    }
    let hits = col.search_text("text", "row").k(1000).filter("n >= 0").run()?;
    assert_eq!(hits.len(), rows.len(), "the search for a word of every row finds what the scan finds");
    for key in rows.keys() {
        let hits = col.search_text("text", &key.to_string()).run()?;
        assert_eq!(hits.iter().map(|hit| &hit.id).collect::<Vec<_>>(), [&Key::Int(*key)], "its own word");
        let record = col.get(*key)?.expect("a row the scan found");
        assert_eq!(record.vector, rows[key].0);
    }
    let flipped = col.schema().vector_space() == Some(&space(true));
    let changed = col.change().map(|change| -> foretaste::Result<BTreeSet<i64>> {
        let mut there = BTreeSet::new();
        for (key, (own, seed)) in &rows {
            if let Some(record) = change.get(*key)? {
                assert_eq!(
                    record.vector,
                    vector_in(!flipped, *key, *seed, own.len()),
                    "key {key}: of this version"
                );
                assert_eq!(record.payload.as_ref().and_then(|p| p["n"].as_u64()), Some(u64::from(*seed)));
                there.insert(*key);
            }
        }
        assert_eq!(change.progress(), (there.len() as u64, (rows.len() - there.len()) as u64));
        Ok(there)
    });
    Ok(Model {
        exists: true,
        rows,
        levels: col.schema().level_dims(),
        changed: changed.transpose()?,
        flipped,
    })
}

/// Ingest and seal.
pub fn ingest_and_seal() -> Vec<Step> {
    vec![
        Step::Open,
        Step::Create,
        Step::Commit(vec![(1, 1, 2), (2, 1, 2), (3, 1, 0)], vec![]),
        Step::Commit(vec![(4, 1, 2)], vec![]),
        Step::Flush,
        Step::Commit(vec![(5, 1, 1), (6, 1, 2)], vec![]),
        Step::Commit(vec![(7, 1, 2)], vec![]),
        Step::Flush,
        Step::Commit(vec![(8, 1, 2)], vec![]),
        Step::Close,
        Step::Open,
        Step::Commit(vec![(9, 1, 2)], vec![]),
        Step::Close,
    ]
}

/// Update, delete and compact.
pub fn update_delete_and_compact() -> Vec<Step> {
    vec![
        Step::Open,
        Step::Create,
        // Twelve rows, so that the first deletions are kept as tombstones and not compacted away at once.
        Step::Commit((1..=12).map(|i| (i, 1, 2)).collect(), vec![]),
        Step::Flush,
        Step::Commit(vec![(2, 2, 2), (14, 1, 2)], vec![3]),
        Step::Flush,
        Step::Commit(vec![(3, 3, 2)], vec![1, 99]),
        Step::Compact,
        Step::Commit(vec![(1, 4, 2)], vec![2]),
        Step::Commit(vec![(1, 5, 0)], vec![4]),
        Step::Compact,
        Step::Commit(vec![], vec![1, 3]),
        Step::Compact,
        Step::Drop,
        Step::Create,
        Step::Commit(vec![(1, 9, 2)], vec![]),
        Step::Close,
    ]
}

/// Rows with two vectors: written, replaced, deleted, sealed and compacted.
pub fn with_a_field() -> Vec<Step> {
    vec![
        Step::Open,
        Step::CreateWithField,
        Step::Commit((1..=8).map(|i| (i, 1, 2)).collect(), vec![]),
        Step::Flush,
        Step::Commit(vec![(2, 2, 2), (3, 3, 0), (9, 1, 2)], vec![1]),
        Step::Close,
        Step::Open,
        Step::Commit(vec![(3, 4, 1)], vec![5, 99]),
        Step::Compact,
        Step::Commit(vec![(1, 1, 2)], vec![]),
        Step::Drop,
        Step::CreateWithField,
        Step::Commit(vec![(1, 9, 2)], vec![]),
        Step::Close,
    ]
}

/// The model is changed: begun, filled in parts, made the collection's, taken back, finished, with commits in between.
pub fn change_the_model() -> Vec<Step> {
    vec![
        Step::Open,
        Step::Create,
        Step::Commit((1..=6).map(|i| (i, 1, 2)).collect(), vec![]),
        Step::Flush,
        Step::BeginChange,
        Step::Backfill(3),
        Step::Commit(vec![(1, 2, 2), (2, 2, 2), (7, 1, 2)], vec![3]),
        Step::Close,
        Step::Open,
        Step::Flush,
        Step::Backfill(99),
        Step::Flip,
        Step::Commit(vec![(1, 3, 2), (8, 1, 2)], vec![4]),
        Step::Compact,
        Step::Backfill(99),
        Step::Flip,
        Step::Commit(vec![(5, 4, 2)], vec![]),
        Step::Backfill(99),
        Step::Flip,
        Step::Finish,
        Step::Commit(vec![(9, 1, 2)], vec![]),
        Step::Close,
    ]
}

/// Truncate and extend.
pub fn truncate_and_extend() -> Vec<Step> {
    vec![
        Step::Open,
        Step::Create,
        Step::Commit(vec![(1, 1, 2), (2, 1, 1)], vec![]),
        Step::Flush,
        Step::Commit(vec![(3, 1, 2)], vec![1]),
        Step::Truncate(4),
        Step::Commit(vec![(4, 1, 1)], vec![]),
        Step::Extend(6),
        Step::Commit(vec![(5, 1, 2), (2, 2, 2)], vec![]),
        Step::Flush,
        Step::Truncate(2),
        Step::Commit(vec![(6, 1, 0)], vec![]),
        Step::Close,
    ]
}

/// Indexes built, dropped with their segments and levels, and built again.
pub fn optimize() -> Vec<Step> {
    let hnsw = Spec::Hnsw(HnswParams { m: 4, ef_construction: 10, edge_bits: Some(1) });
    vec![
        Step::Open,
        Step::Create,
        Step::Commit((1..=12).map(|i| (i, 1, if i == 5 { 0 } else { 2 })).collect(), vec![]),
        Step::Optimize(hnsw),
        Step::Commit(vec![(2, 2, 2), (14, 1, 1)], vec![3]),
        Step::Flush,
        Step::Optimize(Spec::Ivf(IvfParams { nlist: Some(2) })),
        Step::Commit(vec![(15, 1, 2)], vec![1]),
        Step::Truncate(4),
        Step::Optimize(hnsw),
        Step::Close,
        Step::Open,
        Step::Commit(vec![(16, 1, 1)], vec![]),
        Step::Optimize(Spec::Flat),
        Step::Close,
    ]
}

pub fn root() -> &'static Path {
    Path::new(ROOT)
}
