//! A search: what is asked, and how it is answered from a snapshot.
//!
//! Reads from: `snapshot`. Writes to: nothing.
//! Never: an answer short of k while k matching rows exist.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foretaste_query::answer::TopK;
use foretaste_query::index::flat::{self, Scan};
use foretaste_query::index::{Query, RowRef, ScanStats, Source};
use foretaste_query::lang::{Filter, JsonFields};
use foretaste_storage::key::Key;
use foretaste_storage::limits;
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::fields::{self, SegmentColumns, SegmentFields};
use crate::recover::to_storage;
use crate::snapshot::Snapshot;
use crate::source::ScanRows;
use crate::state::Place;
use crate::validate;

/// Most hits of one search.
pub const MAX_K: usize = 100_000;

/// A search being put together; [`Search::run`] answers it.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// # let mut batch = docs.batch();
/// # batch.upsert("a", &[0.0, 1.0]).payload(serde_json::json!({"lang": "en", "year": 2021}));
/// # batch.commit()?;
/// let hits = docs.search(&[0.0, 0.0]).k(10).filter("lang = 'en' AND year >= 2020").run()?;
/// assert_eq!(hits[0].id.to_string(), "a");
/// assert_eq!(hits[0].distance, 1.0);
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a search does nothing before `run`"]
pub struct Search {
    snapshot: Snapshot,
    query: Vec<f32>,
    k: usize,
    dims: Option<usize>,
    filter: Option<Result<Filter>>,
}

/// One row found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Its id, of the type the caller put in.
    pub id: Key,
    /// The metric's own distance, smaller is nearer: Euclidean for L2, 1 - cosine, minus the dot product.
    pub distance: f64,
    /// What it is ranked by, larger is better: minus the distance for L2, the cosine, the dot product.
    pub score: f64,
    snapshot: Snapshot,
    place: Place,
}

/// The answer of a search, nearest first.
#[derive(Debug, Clone)]
pub struct Hits {
    hits: Vec<Hit>,
    /// What it cost.
    pub cost: Cost,
}

/// What a search cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Rows whose distance was computed.
    pub rows_exact: u64,
    /// Rows the filter or a deletion left out.
    pub rows_refused: u64,
    /// Bytes of vectors read.
    pub bytes_read: u64,
    /// Wall time.
    pub elapsed: Duration,
}

impl Search {
    pub(crate) fn new(snapshot: Snapshot, query: &[f32]) -> Self {
        Search { snapshot, query: query.to_vec(), k: 10, dims: None, filter: None }
    }

    /// How many hits are wanted: 10 unless said otherwise, at most 100,000.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Compares only the first `dims` dimensions, which must be the length of a level.
    pub fn dims(mut self, dims: usize) -> Self {
        self.dims = Some(dims);
        self
    }

    /// Only rows that pass the filter; see [`crate::lang`] for the language. An error in it comes from [`Search::run`].
    pub fn filter(mut self, text: &str) -> Self {
        self.filter = Some(Filter::parse(text).map_err(Error::from));
        self
    }

    /// Only rows that pass a filter that was parsed before.
    pub fn where_(mut self, filter: Filter) -> Self {
        self.filter = Some(Ok(filter));
        self
    }

    /// Answers by comparing every row that passes.
    ///
    /// # Errors
    /// `DimensionMismatch`, `NonFinite`, `ZeroVector` for the query; `BadFilter`; `BadRequest` for dims that are no
    /// level; `LimitExceeded` for k; `Corrupt` when a file it reads is damaged.
    pub fn run(self) -> Result<Hits> {
        self.run_with(&|| false)
    }

    /// Like [`Search::run`], asking `cancel` from time to time whether to give up.
    ///
    /// # Errors
    /// Also `Cancelled`.
    pub fn run_with(self, cancel: &dyn Fn() -> bool) -> Result<Hits> {
        let started = Instant::now();
        let state = Arc::clone(&self.snapshot.state);
        let schema = &state.schema;
        limits::check("k", self.k as u64, MAX_K as u64)?;
        let dims = self.dims.unwrap_or(schema.dim());
        if schema.layout.levels_for(dims).is_none() {
            let why =
                format!("{dims} is not a level of this collection, which has {:?}", schema.level_dims());
            return Err(Error::BadRequest { what: "dims", why });
        }
        validate::query(schema, &self.query, dims)?;
        let filter = self.filter.transpose()?;
        if let Some(filter) = &filter {
            check(schema, filter)?;
        }

        let query = Query::new(&self.query, dims, schema.metric);
        let scans = scans(&self.snapshot, filter.as_ref())?;
        let mut top = TopK::new(flat::candidates(self.k));
        let mut stats = ScanStats::default();
        for (number, scan) in scans.iter().enumerate() {
            let accept = |row: u32| scan.accepts(row, filter.as_ref());
            let accept: Option<&foretaste_query::index::Accept<'_>> =
                if scan.takes_all(filter.as_ref()) { None } else { Some(&accept) };
            let end = flat::search(&scan.rows, number as u32, &query, accept, cancel, &mut top, &mut stats)?;
            if end != Scan::Complete {
                return Err(Error::Cancelled);
            }
        }
        let sources: Vec<&dyn Source> = scans.iter().map(|s| &s.rows as &dyn Source).collect();
        let place = |row: RowRef| scans.get(row.source as usize).map(|s| s.place(row.row));
        let key = |row: RowRef| match place(row) {
            Some(place) => self.snapshot.key_of(&place).map_err(to_storage),
            None => Ok(Key::Int(0)),
        };
        let neighbors = flat::finish(&sources, &query, top, self.k, key, &mut stats)?;
        let mut hits = Vec::with_capacity(neighbors.len());
        for neighbor in neighbors {
            let Some(place) = place(neighbor.row) else { continue };
            hits.push(Hit {
                id: self.snapshot.key_of(&place)?,
                distance: neighbor.distance,
                score: schema.metric.score(neighbor.distance),
                snapshot: self.snapshot.clone(),
                place,
            });
        }
        let cost = Cost {
            rows_exact: stats.rows_scored,
            rows_refused: stats.rows_refused,
            bytes_read: stats.bytes_read,
            elapsed: started.elapsed(),
        };
        Ok(Hits { hits, cost })
    }
}

impl Hit {
    /// Its document.
    ///
    /// # Errors
    /// `Corrupt` when the document's bytes are damaged.
    pub fn payload(&self) -> Result<Option<serde_json::Value>> {
        self.snapshot.payload_of(&self.place)
    }
}

impl std::ops::Deref for Hits {
    type Target = [Hit];
    fn deref(&self) -> &[Hit] {
        &self.hits
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::vec::IntoIter<Hit>;
    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

fn check(schema: &crate::Schema, filter: &Filter) -> Result<()> {
    let declared = schema
        .columns
        .iter()
        .map(|c| Ok((fields::column_path(&c.path)?, c.kind)))
        .collect::<Result<Vec<_>>>()?;
    filter.check(&|path| declared.iter().find(|(p, _)| p == path).map(|(_, kind)| *kind))?;
    Ok(())
}

/// One run of rows to go through: a segment, or one block of a head.
struct Scanned<'a> {
    rows: ScanRows<'a>,
    dead: Arc<RoaringBitmap>,
    /// Number of the block's first row in its head; `dead` counts from there.
    first_row: u32,
    columns: Option<SegmentColumns<'a>>,
    whole: Whole<'a>,
}

enum Whole<'a> {
    Segment(&'a Arc<crate::state::Source>),
    Head(&'a crate::head::HeadHandle),
}

fn scans<'a>(snapshot: &'a Snapshot, filter: Option<&Filter>) -> Result<Vec<Scanned<'a>>> {
    let state = &snapshot.state;
    let mut scans = Vec::new();
    for source in &state.segments {
        let columns = match filter {
            Some(filter) => Some(SegmentColumns::new(&state.schema, &source.segment, filter.paths())?),
            None => None,
        };
        scans.push(Scanned {
            rows: ScanRows::Segment(&source.segment, state.layout()),
            dead: source.dead.at(snapshot.seq),
            first_row: 0,
            columns,
            whole: Whole::Segment(source),
        });
    }
    for head in &state.heads {
        let dead = head.dead.at(snapshot.seq);
        scans.extend(head.visible(snapshot.seq).map(|block| Scanned {
            rows: ScanRows::Block(&block.block, state.layout()),
            dead: Arc::clone(&dead),
            first_row: block.first_row,
            columns: None,
            whole: Whole::Head(head),
        }));
    }
    Ok(scans)
}

impl Scanned<'_> {
    /// Whether no row needs to be asked.
    fn takes_all(&self, filter: Option<&Filter>) -> bool {
        let rows = self.first_row..self.first_row + self.rows.rows();
        filter.is_none() && self.dead.range_cardinality(rows) == 0
    }

    fn accepts(&self, row: u32, filter: Option<&Filter>) -> foretaste_storage::Result<bool> {
        if self.dead.contains(self.first_row + row) {
            return Ok(false);
        }
        let Some(filter) = filter else { return Ok(true) };
        match (&self.rows, &self.columns) {
            (ScanRows::Segment(segment, _), Some(columns)) => {
                let (document, failed) = (OnceCell::new(), OnceCell::new());
                let fields = SegmentFields { segment, columns, row, document, failed };
                let matches = filter.matches(&fields);
                fields.failed.into_inner().map_or(Ok(matches), Err)
            }
            (ScanRows::Block(block, _), _) => {
                let document = fields::document(block.payload_of(row)).unwrap_or_default();
                Ok(filter.matches(&JsonFields::new(block.key(row), &document)))
            }
            (ScanRows::Segment(..), None) => Ok(true),
        }
    }

    fn place(&self, row: u32) -> Place {
        match &self.whole {
            Whole::Segment(source) => Place::Segment(Arc::clone(source), row),
            Whole::Head(head) => Place::Head(Arc::clone(head), self.first_row + row),
        }
    }
}
