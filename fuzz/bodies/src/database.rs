//! Operations on a database, against a map.
//!
//! The input's first byte chooses metric, element type and access; every further operation is a byte and what it needs.
//! Numbers are small and whole, so that every element type keeps them exactly.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: background work, which would make an input do one thing
//! today and another tomorrow.

use std::collections::BTreeMap;

use foretaste::{Access, Collection, ColumnType, Database, Element, Error, Key, Metric, Schema, Snapshot};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

use crate::disk::{options, root};
use crate::input::Input;

const KEYS: usize = 24;
const FIRST_LEVELS: [usize; 3] = [2, 3, 6];
const MOST_DIMS: usize = 24;
const MOST_OPERATIONS: usize = 400;
const MOST_SNAPSHOTS: usize = 4;

/// A row as the model keeps it: its vector, and the number in its document, if it has one.
type Row = (Vec<f32>, Option<i64>);

/// What the collection must hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<Key, Row>,
    levels: Vec<usize>,
    mark: Option<u64>,
}

struct Run {
    disk: MemVfs,
    schema: Schema,
    access: Access,
    db: Option<Database>,
    collection: Option<Collection>,
    model: Model,
    snapshots: Vec<(Snapshot, Model)>,
    reader: Option<Database>,
}

/// Upserts, deletes, searches, flushes, compacts, truncates, extends and reopens; after each step that changes how the
/// rows are stored, and at the end, the database holds what the map does.
pub fn database(data: &[u8]) {
    let mut input = Input::new(data);
    let setup = input.byte();
    let metric = [Metric::L2, Metric::Cosine, Metric::Dot][usize::from(setup) % 3];
    let element = [Element::F32, Element::F16, Element::BF16, Element::I8][usize::from(setup / 3) % 4];
    let access = if (setup / 12).is_multiple_of(2) { Access::Map } else { Access::Read };
    let schema = Schema::new(6, metric).levels(FIRST_LEVELS).element(element);
    let schema = if (setup / 24).is_multiple_of(2) { schema.column("n", ColumnType::Int) } else { schema };
    let mut run = Run {
        disk: MemVfs::new(),
        schema,
        access,
        db: None,
        collection: None,
        model: Model::default(),
        snapshots: Vec::new(),
        reader: None,
    };
    run.open();
    run.create();
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.compare();
    run.reopen(true);
    run.compare();
}

impl Run {
    fn collection(&self) -> &Collection {
        self.collection.as_ref().expect("a collection is open")
    }

    fn db(&self) -> &Database {
        self.db.as_ref().expect("a database is open")
    }

    fn open(&mut self) {
        let db = options(&self.disk).access(self.access).open(root()).expect("the database opens");
        self.collection = db.collection("c").ok();
        self.db = Some(db);
    }

    fn create(&mut self) {
        let created = self.db().create_collection("c", self.schema.clone());
        self.collection = Some(created.expect("the collection can be created"));
        self.model = Model { levels: FIRST_LEVELS.to_vec(), ..Model::default() };
    }

    /// Lets go of the database, in order or as a killed process does (every commit was acknowledged).
    fn reopen(&mut self, close: bool) {
        self.collection = None;
        self.snapshots.clear();
        if let Some(db) = self.db.take()
            && close
        {
            db.close().expect("the database closes");
        }
        self.open();
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 20 {
            0..=6 => self.commit(input),
            7 => self.search(input),
            8 => self.get(input),
            9 => self.flush(),
            10 => {
                self.db().compact(|_, _| true).expect("the database compacts");
                self.compare();
            }
            11 => self.truncate(input),
            12 => self.extend(input),
            13 => {
                self.reopen(true);
                self.compare();
            }
            14 => {
                self.reopen(false);
                self.compare();
            }
            15 => {
                if self.snapshots.len() == MOST_SNAPSHOTS {
                    self.snapshots.remove(0);
                }
                self.snapshots.push((self.collection().snapshot(), self.model.clone()));
            }
            16 => self.read_beside(),
            17 => self.cancel(input),
            18 => self.refuse(input),
            _ => {
                self.collection = None;
                self.db().drop_collection("c").expect("the collection can be dropped");
                self.create();
                self.compare();
            }
        }
    }

    /// A batch of upserts and deletes; a key that stands twice is left out.
    fn commit(&mut self, input: &mut Input<'_>) {
        let mut next = self.model.clone();
        let mut batch = self.collection().batch();
        let mut named = Vec::new();
        for _ in 0..=input.below(4) {
            let (what, id) = (input.byte(), key(input));
            if named.contains(&id) {
                continue;
            }
            named.push(id.clone());
            if what % 4 == 0 {
                batch.delete(id.clone());
                next.rows.remove(&id);
                continue;
            }
            let level = usize::from(what / 4) % next.levels.len();
            let vector = vector(input, next.levels[level]);
            let number = (what >= 64).then(|| i64::from(input.byte() % 16));
            let row = batch.upsert(id.clone(), &vector);
            if let Some(n) = number {
                let _ = row.payload(json!({"n": n, "tags": ["a", n.to_string()]}));
            }
            next.rows.insert(id, (vector, number));
        }
        if named.len() % 2 == 0 {
            next.mark = Some(u64::from(input.byte()));
            batch.mark("m", next.mark);
        }
        batch.commit().expect("a sound batch commits");
        self.model = next;
    }

    fn flush(&self) {
        match self.model.rows.len() % 2 {
            0 => self.db().flush(),
            _ => self.collection().flush(),
        }
        .expect("the database flushes");
        self.compare();
    }

    fn truncate(&mut self, input: &mut Input<'_>) {
        let levels = &self.model.levels;
        let dims = levels[input.below(levels.len())];
        self.collection().truncate(dims).expect("the collection truncates to a level");
        self.model.levels.retain(|level| *level <= dims);
        self.model.rows.values_mut().for_each(|row| row.0.truncate(dims));
        self.compare();
    }

    fn extend(&mut self, input: &mut Input<'_>) {
        let last = self.model.levels.last().copied().unwrap_or(0);
        let dims = last + 1 + input.below(3);
        if self.model.levels.len() < 8 && dims <= MOST_DIMS {
            self.collection().extend([dims]).expect("the collection extends");
            self.model.levels.push(dims);
        }
        self.compare();
    }

    fn get(&self, input: &mut Input<'_>) {
        let id = key(input);
        let found = self.collection().get(id.clone()).expect("a row can be read");
        assert_eq!(found.map(|r| r.vector), self.model.rows.get(&id).map(|row| row.0.clone()));
        let there = self.collection().contains(id.clone()).expect("a key can be looked up");
        assert_eq!(there, self.model.rows.contains_key(&id));
    }

    /// On the first level, which every row has, the hits are those of a sort of the model.
    fn search(&self, input: &mut Input<'_>) {
        let levels = &self.model.levels;
        let dims = levels[input.below(levels.len())];
        let query = vector(input, dims);
        let (k, least) = (input.below(12), input.byte() % 16);
        let filter = (least < 12).then(|| format!("n >= {least}"));
        let search = self.collection().search(&query).dims(dims).k(k);
        let search = filter.iter().fold(search, |search, text| search.filter(text));
        let hits = search.run().expect("a sound search runs");
        let metric = self.schema.metric();
        let distance = |row: &[f32]| {
            foretaste_query::kernel::exact::distance(metric, &query, &row[..row.len().min(dims)])
        };
        let mut wanted: Vec<(f64, &Key)> = self
            .model
            .rows
            .iter()
            .filter(|(_, row)| filter.is_none() || row.1.is_some_and(|n| n >= i64::from(least)))
            .map(|(key, row)| (distance(&row.0), key))
            .collect();
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        wanted.truncate(k);
        let found: Vec<(f64, &Key)> = hits.iter().map(|hit| (hit.distance, &hit.id)).collect();
        assert_eq!(found, wanted, "{metric:?} over {dims} dimensions, {filter:?}");
        for hit in hits.iter() {
            let number = hit.payload().expect("a document can be read").and_then(|p| p["n"].as_i64());
            assert_eq!(number, self.model.rows.get(&hit.id).and_then(|row| row.1));
        }
    }

    /// A reader in another process: it sees what was committed when it was opened or refreshed.
    fn read_beside(&mut self) {
        match self.reader.take() {
            Some(reader) => {
                reader.refresh().expect("a reader refreshes");
                self.assert_reads(&reader);
            }
            None => {
                let reader = options(&self.disk).read_only(true).open(root()).expect("a reader opens");
                self.assert_reads(&reader);
                self.reader = Some(reader);
            }
        }
    }

    fn assert_reads(&self, reader: &Database) {
        let collection = reader.collection("c").expect("the reader sees the collection");
        assert_holds(&collection.snapshot(), &self.model);
        assert!(matches!(collection.delete(1), Err(Error::ReadOnly { .. })));
    }

    /// A compaction that is cancelled changes nothing that can be seen.
    fn cancel(&mut self, input: &mut Input<'_>) {
        let mut left = input.below(4);
        let cancelled = self.db().compact(|_, _| {
            left = left.saturating_sub(1);
            left > 0
        });
        assert!(matches!(cancelled, Ok(()) | Err(Error::Cancelled)), "{cancelled:?}");
        self.compare();
    }

    /// Requests that have to be refused, and change nothing.
    fn refuse(&self, input: &mut Input<'_>) {
        let (collection, dims) = (self.collection(), self.model.levels[0]);
        let refused = match input.below(6) {
            0 => collection.upsert(1, &[f32::NAN; 2][..2.min(dims)]).is_err(),
            1 => collection.upsert(1, &[]).is_err(),
            2 => collection.truncate(usize::MAX).is_err(),
            3 => collection.extend([dims]).is_err(),
            4 => collection.search(&vec![1.0; dims]).dims(dims).filter("n >").run().is_err(),
            _ => {
                let mut batch = collection.batch();
                batch.upsert("twice", &vec![1.0; dims]);
                batch.delete("twice");
                batch.commit().is_err()
            }
        };
        assert!(refused);
        assert_eq!(collection.len(), self.model.rows.len() as u64);
    }

    fn compare(&self) {
        let collection = self.collection();
        assert_eq!(collection.schema().level_dims(), self.model.levels);
        assert_eq!(collection.mark("m"), self.model.mark);
        assert_holds(&collection.snapshot(), &self.model);
        for (snapshot, model) in &self.snapshots {
            assert_holds(snapshot, model);
        }
    }
}

fn assert_holds(snapshot: &Snapshot, model: &Model) {
    let mut rows = BTreeMap::new();
    for record in snapshot.scan() {
        let record = record.expect("a row can be read");
        let number = record.payload.as_ref().and_then(|p| p["n"].as_i64());
        let before = rows.insert(record.id.clone(), (record.vector, number));
        assert!(before.is_none(), "{} is there twice", record.id);
    }
    assert_eq!(rows, model.rows);
    assert_eq!(snapshot.len(), rows.len() as u64);
}

/// One of a few integers and strings.
fn key(input: &mut Input<'_>) -> Key {
    match input.below(KEYS) {
        n @ 0..12 => Key::Int(n as i64 - 4),
        n => Key::Str("k".repeat(n - 11)),
    }
}

/// Whole numbers from -8 to 7, two of them a byte; the first is not zero, so that every level has a direction.
fn vector(input: &mut Input<'_>, dims: usize) -> Vec<f32> {
    let bytes: Vec<u8> = (0..dims.div_ceil(2)).map(|_| input.byte()).collect();
    let nibbles = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
    let mut vector: Vec<f32> = nibbles.take(dims).map(|n| f32::from(n) - 8.0).collect();
    if let Some(first) = vector.first_mut()
        && *first == 0.0
    {
        *first = 1.0;
    }
    vector
}
