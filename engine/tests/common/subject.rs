//! A small database that bad input is tried on.

use std::sync::Arc;

use foretaste::{Batch, Collection, Database, Error, Record, Schema};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

use super::ROOT;

pub struct Subject {
    pub disk: Arc<MemVfs>,
    pub db: Database,
    pub col: Collection,
    pub before: Vec<Record>,
    pub good: i64,
}

pub fn open(disk: &Arc<MemVfs>, read_only: bool) -> Database {
    let disk: Arc<MemVfs> = Arc::clone(disk);
    Database::options().disk(disk).background(false).read_only(read_only).open(ROOT).unwrap()
}

impl Subject {
    pub fn new(schema: Schema) -> Subject {
        let disk = Arc::new(MemVfs::new());
        let db = open(&disk, false);
        let col = db.create_collection("c", schema).unwrap();
        let mut subject = Subject { disk, db, col, before: Vec::new(), good: 0 };
        // One row in a segment, one fresh.
        subject.take_a_good_batch();
        subject.db.flush().unwrap();
        subject.take_a_good_batch();
        subject
    }

    pub fn rows(&self) -> Vec<Record> {
        self.col.snapshot().scan().map(Result::unwrap).collect()
    }

    pub fn take_a_good_batch(&mut self) {
        let vector = vec![1.0; self.col.schema().dim()];
        let mut batch = self.col.batch();
        batch.upsert(self.good, &vector).payload(json!({"n": self.good}));
        batch.commit().unwrap();
        self.good += 1;
        self.before = self.rows();
        assert_eq!(self.before.len() as i64, self.good);
    }

    /// Whether the error is the expected one by its words, and nothing came of what it refused.
    pub fn refused<T: std::fmt::Debug>(&mut self, result: Result<T, Error>, message: &str) -> Error {
        let error = result.expect_err(message);
        assert_eq!(error.to_string(), message);
        assert_eq!(self.rows(), self.before, "{message}");
        self.take_a_good_batch();
        error
    }

    pub fn batch(&mut self, fill: impl FnOnce(&mut Batch), message: &str) -> Error {
        let mut batch = self.col.batch();
        fill(&mut batch);
        self.refused(batch.commit(), message)
    }

    /// Everything is there again after opening.
    pub fn end(self) {
        let Subject { disk, db, col, before, .. } = self;
        drop((db, col));
        let col = open(&disk, false).collection("c").unwrap();
        assert_eq!(col.snapshot().scan().map(Result::unwrap).collect::<Vec<_>>(), before);
    }
}
