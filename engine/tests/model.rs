//! Random operations against a map in memory, compared by brute force in f64; and writers and readers at once.
//!
//! Vectors hold small whole numbers, which every element type stores exactly, so that distances can be compared exactly.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::ROOT;
use common::random::Random;
use foretaste::{
    Collection, ColumnType, Database, Element, Key, Metric, Options, Record, Schema, Snapshot, Variance,
};
use foretaste_storage::vfs::mem::MemVfs;
use proptest::prelude::*;
use serde_json::{Value, json};

const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];
const VARIANCES: [Variance; 4] =
    [Variance::None, Variance::Scalar, Variance::Diagonal, Variance::DiagonalCompact];
const LEVELS: [usize; 3] = [2, 5, 16];
const TOKEN_DIMS: usize = 3;

// ---------------------------------------------------------------------------------------------------- the model

#[derive(Debug, Clone, PartialEq)]
struct Row {
    vector: Vec<f32>,
    /// Given to the database when it keeps such matrices.
    tokens: Vec<f32>,
    payload: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Model {
    levels: Vec<usize>,
    rows: BTreeMap<Key, Row>,
}

#[derive(Debug, Clone)]
enum Op {
    /// Upserts of (slot, level, seed), and deletes.
    Commit(Vec<(u8, usize, u32)>, Vec<u8>),
    Flush,
    Compact,
    /// To the level with this number, counted modulo those there are.
    Truncate(usize),
    /// By so many dimensions.
    Extend(usize),
    Recreate,
    /// By `close`, or by dropping every handle.
    Reopen(bool),
    Hold,
    LetGo,
    /// Compares everything. Between two looks nothing is read, so that files are opened late or not at all.
    Look,
    /// Seed, k, level, filter.
    Search(u32, usize, usize, usize),
}

#[derive(Debug, Clone)]
struct Setting {
    metric: Metric,
    element: Element,
    variance: Variance,
    tokens: Option<Element>,
    declared: bool,
}

/// Filters, and what they mean.
type Test = fn(&Value) -> bool;
const FILTERS: [(&str, Test); 10] = [
    ("n >= 50", |p| p["n"].as_i64().is_some_and(|n| n >= 50)),
    ("tag = 'a' and n < 80", |p| p["tag"] == "a" && p["n"].as_i64().is_some_and(|n| n < 80)),
    ("tag in ('b', 'c') or n between 10 and 30", |p| {
        p["tag"] == "b" || p["tag"] == "c" || p["n"].as_i64().is_some_and(|n| (10..=30).contains(&n))
    }),
    ("not tag = 'a'", |p| p["tag"] != "a"),
    // Paths that no document has, and that few have, so that some segments know it of all their rows.
    ("nowhere is null and not more.none = 1 and n < 40", |p| p["n"].as_i64().is_some_and(|n| n < 40)),
    ("exists rare or rare.x[0] = 1 or none = 1", |p| p["rare"].is_object()),
    ("rare.x = 2 or rare.y is null and tag = 'b'", |p| p["rare"]["x"][1] == 2 || p["tag"] == "b"),
    ("list = 'a' and not list = 4", |p| p["tag"] == "a" && (p["list"] == "a" || p["list"][0] != 4)),
    ("list in (3, 4) or list is null and n is null", |p| {
        p["list"][0] == 3 || p["list"][0] == 4 || p["list"].is_null()
    }),
    ("more.half > 20.4", |p| p["more"]["half"].as_f64().is_some_and(|h| h > 20.4)),
];

fn key(slot: u8) -> Key {
    if slot.is_multiple_of(2) { Key::Int(i64::from(slot)) } else { Key::Str(format!("row-{slot}")) }
}

fn row(levels: &[usize], level: usize, seed: u32) -> Row {
    let mut dice = Random::new(u64::from(seed));
    let mut vector: Vec<f32> =
        (0..levels[level % levels.len()]).map(|_| dice.below(41) as f32 - 20.0).collect();
    // Cosine refuses a vector without direction.
    vector[0] += if vector[0] == 0.0 { 1.0 } else { 0.0 };
    let n = dice.below(100);
    let payload = (dice.below(5) > 0).then(|| {
        let pad = "p".repeat(dice.below(12_000) as usize);
        let tag = ["a", "b", "c"][n as usize % 3];
        let mut payload = json!({"n": n, "tag": tag, "more": {"half": n as f64 / 2.0}, "pad": pad});
        payload["list"] = if n.is_multiple_of(7) { json!(tag) } else { json!([n % 5, tag, n % 3]) };
        if n.is_multiple_of(16) {
            payload["rare"] = json!({"x": [1, 2]});
        }
        payload
    });
    let len = dice.below(5) as usize * TOKEN_DIMS;
    let tokens = (0..len).map(|_| dice.below(41) as f32 - 20.0).collect();
    Row { vector, tokens, payload }
}

fn schema(setting: &Setting) -> Schema {
    let mut schema =
        Schema::new(16, setting.metric).levels(LEVELS).element(setting.element).variance(setting.variance);
    if let Some(element) = setting.tokens {
        schema = schema.tokens(TOKEN_DIMS, element);
    }
    match setting.declared {
        true => schema.column("n", ColumnType::Int).column("tag", ColumnType::Str),
        false => schema,
    }
}

fn distance(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    let pairs = || query.iter().zip(row).map(|(q, x)| (f64::from(*q), f64::from(*x)));
    let dot: f64 = pairs().map(|(q, x)| q * x).sum();
    match metric {
        Metric::Dot => -dot,
        Metric::L2 => pairs().map(|(q, x)| (q - x) * (q - x)).sum::<f64>().sqrt(),
        Metric::Cosine => {
            let norms: f64 =
                pairs().map(|(q, _)| q * q).sum::<f64>() * pairs().map(|(_, x)| x * x).sum::<f64>();
            if norms == 0.0 { 1.0 } else { 1.0 - dot / norms.sqrt() }
        }
    }
}

impl Model {
    fn fresh() -> Model {
        Model { levels: LEVELS.to_vec(), rows: BTreeMap::new() }
    }

    fn truncate(&mut self, dims: usize) {
        self.levels.retain(|level| *level <= dims);
        self.rows.values_mut().for_each(|row| row.vector.truncate(dims));
    }

    /// The k nearest, by brute force.
    fn nearest(&self, metric: Metric, query: &[f32], k: usize, test: Option<Test>) -> Vec<(f64, Key)> {
        let passes = |row: &Row| test.is_none_or(|test| test(row.payload.as_ref().unwrap_or(&Value::Null)));
        let rows = self.rows.iter().filter(|(_, row)| passes(row));
        let mut all: Vec<_> =
            rows.map(|(key, row)| (distance(metric, query, &row.vector), key.clone())).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        all.truncate(k);
        all
    }
}

// ------------------------------------------------------------------------------------------------ the comparison

fn same(record: &Record, row: &Row, setting: &Setting) {
    assert_eq!((&record.vector, &record.payload), (&row.vector, &row.payload), "{}", record.id);
    let variances = match setting.variance {
        Variance::None => 0,
        Variance::Scalar => 1,
        Variance::Diagonal | Variance::DiagonalCompact => row.vector.len(),
    };
    assert_eq!(record.variance.len(), variances, "{}", record.id);
    let tokens: &[f32] = if setting.tokens.is_some() { &row.tokens } else { &[] };
    assert_eq!(record.tokens, tokens, "{}", record.id);
}

/// A snapshot holds what the model holds: scanned, counted, looked up.
fn holds(snapshot: &Snapshot, model: &Model, setting: &Setting) {
    assert_eq!(snapshot.schema().level_dims(), model.levels);
    let mut seen = BTreeSet::new();
    for record in snapshot.scan() {
        let record = record.unwrap();
        let row = model.rows.get(&record.id).unwrap_or_else(|| panic!("{} should not be there", record.id));
        same(&record, row, setting);
        assert!(seen.insert(record.id.clone()), "{} is there twice", record.id);
    }
    assert_eq!((seen.len(), snapshot.len()), (model.rows.len(), model.rows.len() as u64));
    for slot in [0, 1, 7, 16] {
        let found = snapshot.get(key(slot)).unwrap();
        assert_eq!(found.is_some(), model.rows.contains_key(&key(slot)), "{}", key(slot));
        found.iter().for_each(|record| same(record, &model.rows[&record.id], setting));
    }
}

fn finds(snapshot: &Snapshot, model: &Model, setting: &Setting, op: (u32, usize, usize, usize)) {
    let (seed, k, level, filter) = op;
    // Half of them by a level, half by any length from the first level on.
    let (first, last) = (model.levels[0], model.levels[model.levels.len() - 1]);
    let dims = match seed % 2 {
        0 => model.levels[level % model.levels.len()],
        _ => first + level % (last - first + 1),
    };
    let mut dice = Random::new(u64::from(seed));
    let mut query: Vec<f32> = (0..dims).map(|_| dice.below(41) as f32 - 20.0).collect();
    query[0] += if query[0] == 0.0 { 1.0 } else { 0.0 };
    let filter = FILTERS.get(filter);
    let mut search = snapshot.search(&query).k(k).dims(dims);
    if let Some((text, _)) = filter {
        search = search.filter(text);
    }
    let hits = search.run().unwrap();
    let expected = model.nearest(setting.metric, &query, k, filter.map(|f| f.1));
    let found: Vec<_> = hits.iter().map(|hit| (hit.distance, hit.id.clone())).collect();
    if setting.metric == Metric::Cosine {
        // Roots and quotients differ in the last digits, and so may the order of rows that are equally near.
        assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
        let ids: BTreeSet<&Key> = found.iter().map(|f| &f.1).collect();
        assert_eq!(ids.len(), found.len(), "a row is found twice");
        for ((got, id), (wanted, _)) in found.iter().zip(&expected) {
            let own = distance(setting.metric, &query, &model.rows[id].vector);
            assert!((got - wanted).abs() < 1e-6 && (got - own).abs() < 1e-6, "{found:?} {expected:?}");
        }
    } else {
        assert_eq!(found, expected);
    }
    for hit in hits.iter().take(3) {
        assert_eq!(hit.payload().unwrap(), model.rows[&hit.id].payload);
        assert_eq!(hit.score, setting.metric.score(hit.distance));
    }
}

// -------------------------------------------------------------------------------------------------- the machine

struct Machine {
    setting: Setting,
    disk: Arc<MemVfs>,
    db: Option<Database>,
    col: Option<Collection>,
    model: Model,
    held: Vec<(Snapshot, Model)>,
    seals: usize,
}

impl Machine {
    fn new(setting: Setting) -> Machine {
        let (disk, model) = (Arc::new(MemVfs::new()), Model::fresh());
        let mut machine = Machine { setting, disk, db: None, col: None, model, held: Vec::new(), seals: 0 };
        machine.open();
        machine.create();
        machine
    }

    fn options(&self) -> Options {
        let disk: Arc<MemVfs> = Arc::clone(&self.disk);
        Database::options().disk(disk).background(false).seal_bytes(64 << 10)
    }

    fn open(&mut self) {
        let db = self.options().open(ROOT).unwrap();
        self.col = db.collection("c").ok();
        self.db = Some(db);
    }

    fn create(&mut self) {
        self.col = Some(self.db().create_collection("c", schema(&self.setting)).unwrap());
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    fn col(&self) -> &Collection {
        self.col.as_ref().unwrap()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Commit(upserts, deletes) => self.commit(upserts, deletes),
            Op::Flush => self.db().flush().unwrap(),
            Op::Compact => self.db().compact(|_, _| true).unwrap(),
            Op::Truncate(level) => {
                let dims = self.model.levels[level % self.model.levels.len()];
                self.col().truncate(dims).unwrap();
                self.model.truncate(dims);
            }
            Op::Extend(dims) => {
                let dims = self.model.levels.last().unwrap() + dims;
                self.col().extend([dims]).unwrap();
                self.model.levels.push(dims);
            }
            Op::Recreate => {
                self.db().drop_collection("c").unwrap();
                self.create();
                self.model = Model::fresh();
            }
            Op::Reopen(close) => {
                self.col = None;
                let db = self.db.take().unwrap();
                if *close {
                    db.close().unwrap()
                } else {
                    drop(db)
                }
                self.open();
            }
            Op::Hold => self.held.push((self.col().snapshot(), self.model.clone())),
            Op::LetGo if self.held.is_empty() => {}
            Op::LetGo => {
                let (snapshot, model) = self.held.remove(0);
                holds(&snapshot, &model, &self.setting);
            }
            Op::Look => holds(&self.col().snapshot(), &self.model, &self.setting),
            Op::Search(seed, k, level, filter) => {
                let op = (*seed, *k, *level, *filter);
                finds(&self.col().snapshot(), &self.model, &self.setting, op);
                if let Some((snapshot, model)) = self.held.last() {
                    finds(snapshot, model, &self.setting, op);
                }
            }
        }
        self.seals += self.db().stats().unwrap().collections[0].segments;
    }

    fn commit(&mut self, upserts: &[(u8, usize, u32)], deletes: &[u8]) {
        let mut batch = self.col().batch();
        let mut named = BTreeSet::new();
        for (slot, level, seed) in upserts {
            if named.insert(*slot) {
                let row = row(&self.model.levels, *level, *seed);
                let mut added = batch.upsert(key(*slot), &row.vector);
                if let Some(payload) = &row.payload {
                    added = added.payload(payload.clone());
                }
                if self.setting.tokens.is_some() {
                    added = added.tokens(&row.tokens);
                }
                let _ = added;
                self.model.rows.insert(key(*slot), row);
            }
        }
        for slot in deletes {
            if named.insert(*slot) {
                batch.delete(key(*slot));
                self.model.rows.remove(&key(*slot));
            }
        }
        batch.commit().unwrap();
    }
}

fn ops() -> impl Strategy<Value = Op> {
    let slots = || 0u8..24;
    let upserts = proptest::collection::vec((slots(), 0..3usize, any::<u32>()), 0..14);
    prop_oneof![
        10 => (upserts, proptest::collection::vec(slots(), 0..5)).prop_map(|(u, d)| Op::Commit(u, d)),
        2 => Just(Op::Flush),
        2 => Just(Op::Compact),
        1 => (0..4usize).prop_map(Op::Truncate),
        1 => (1..9usize).prop_map(Op::Extend),
        1 => Just(Op::Recreate),
        2 => any::<bool>().prop_map(Op::Reopen),
        3 => Just(Op::Hold),
        2 => Just(Op::LetGo),
        3 => Just(Op::Look),
        5 => (any::<u32>(), 0..30usize, 0..4usize, 0..11usize).prop_map(|(s, k, l, f)| Op::Search(s, k, l, f)),
    ]
}

fn settings() -> impl Strategy<Value = Setting> {
    (0..3usize, 0..4usize, 0..4usize, 0..8usize, any::<bool>()).prop_map(
        |(metric, element, variance, tokens, declared)| Setting {
            metric: Metric::ALL[metric],
            element: ELEMENTS[element],
            variance: VARIANCES[variance],
            tokens: ELEMENTS.get(tokens).copied(),
            declared,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_database_is_a_map_and_its_snapshots_never_change(
        setting in settings(),
        ops in proptest::collection::vec(ops(), 1..40),
    ) {
        let mut machine = Machine::new(setting);
        for op in &ops {
            machine.apply(op);
        }
        for (snapshot, model) in &machine.held {
            holds(snapshot, model, &machine.setting);
        }
        // A plain drop, and then the database alone answers.
        machine.apply(&Op::Look);
        machine.apply(&Op::Reopen(false));
        machine.apply(&Op::Look);
        let sound = foretaste::check(ROOT.as_ref(), &machine.options(), &mut |_, _| true).unwrap();
        prop_assert!(sound.is_sound(), "{:?}", sound.damage);
        machine.held.clear();
        machine.apply(&Op::Compact);
        machine.apply(&Op::Look);
        prop_assert!(machine.seals > 0 || machine.model.rows.is_empty());
    }
}
