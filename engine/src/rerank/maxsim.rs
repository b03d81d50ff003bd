//! Late interaction as a stage: the list ordered by the MaxSim of its rows' token matrices.
//!
//! Reads from: the list, the token matrices of its rows. Writes to: the list. Never: a row lost that has no matrix; it stands
//! behind those that have one.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::late;
use crate::request::MAX_K;
use crate::rerank::{List, Refine, Step};
use crate::revision::Stage;
use crate::schema::Schema;
use crate::session::{Ground, Halt, Row};

/// Orders the nearest rows by late interaction: each token of the query counts with its largest dot product with a token of the
/// row (ColBERT: Khattab and Zaharia, 2020, arXiv 2004.12832). Rows without a token matrix come behind the others.
///
/// ```
/// # use foretaste::{Database, Element, Metric, Schema};
/// use foretaste::MaxSim;
///
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// let docs = db.create_collection("docs", Schema::new(2, Metric::Cosine).tokens(2, Element::F16))?;
/// let mut batch = docs.batch();
/// batch.upsert("a", &[1.0, 0.1]).tokens(&[0.5, 0.0]);
/// batch.upsert("b", &[0.5, 0.5]).tokens(&[1.0, 0.0, 0.0, 1.0]);
/// batch.commit()?;
/// let tokens = [1.0, 0.0, 0.0, 1.0];
/// let hits = docs.search(&[1.0, 0.0]).k(2).rerank(MaxSim::new(&tokens)).run()?;
/// assert_eq!((hits[0].id.to_string().as_str(), hits[0].score), ("b", 2.0));
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MaxSim {
    tokens: Vec<f32>,
    among: usize,
}

impl MaxSim {
    /// For a query of these tokens, one after the other, each of as many numbers as [`Schema::tokens`] says.
    pub fn new(tokens: &[f32]) -> MaxSim {
        MaxSim { tokens: tokens.to_vec(), among: 100 }
    }

    /// Orders so many of the nearest rows: 100 unless said otherwise, and at least as many as are wanted.
    pub fn among(mut self, rows: usize) -> MaxSim {
        self.among = rows;
        self
    }

    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        late::check(schema, &self.tokens)
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.among.min(MAX_K).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work(self.clone())
    }
}

pub(super) struct Work(MaxSim);

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        let (some, rest) = list.rows.split_at(self.0.keep(ground.request.k).min(list.rows.len()));
        let places: Vec<_> = some.iter().filter_map(|row| ground.place(row.row)).collect();
        let late =
            match late::maxsim(ground.snapshot, &self.0.tokens, &places, places.len(), &|| halt.asked()) {
                // The list of the search is whole.
                Err(Error::Cancelled) => return Ok(Step::Done),
                late => late?,
            };
        let scored = late.hits.iter().filter_map(|(place, score)| {
            some.get(*place).map(|row| Row { score: *score, stage: Stage::Rerank, ..*row })
        });
        let mut rows: Vec<Row> = scored.collect();
        let had: HashSet<_> = rows.iter().map(|row| row.row).collect();
        rows.extend(some.iter().filter(|row| !had.contains(&row.row)));
        rows.extend_from_slice(rest);
        list.rows = rows;
        Ok(Step::Done)
    }
}
