//! Several ranked lists made one: the search's own, those of other query vectors, of further vector fields, and of full-text
//! searches.
//!
//! Each list is found by an ordinary search with the same filter; after each the fused list is shown as it is then.
//!
//! Reads from: the search. Writes to: the list. Never: a row twice.

use std::collections::HashMap;

use foretaste_query::index::RowRef;
use foretaste_query::metric::Metric;
use foretaste_query::rerank::fuse::{self, List as Ranking, Scale};
use foretaste_query::text::Bm25;

use crate::error::{Error, Result};
use crate::request::{MAX_K, Request};
use crate::rerank::{List, Refine, Step, bad};
use crate::revision::Stage;
use crate::scan::{Whereabouts, units};
use crate::search::Cost;
use crate::session::{Ground, Halt, Row};
use crate::snapshot::Snapshot;
use crate::text::{self, Ranked, TextPlan};
use crate::validate;

/// How ranked lists become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// Sums of `weight / (kappa + rank)` (reciprocal rank fusion; Cormack, Clarke and Büttcher, 2009).
    Rrf {
        /// How little the first ranks stand out: 60 is the published value.
        kappa: f64,
    },
    /// Sums of weighted scores as z-scores of their lists.
    ZScore,
    /// Sums of weighted scores, from the least that could be (-1 for a cosine, 0 for BM25) to the best of the list.
    MinMax,
    /// Sums of ranks.
    Borda,
    /// Majorities of pairs.
    Copeland,
    /// The order of the first ten that contradicts the lists least; beyond them Borda's.
    Kemeny,
    /// Median ranks, then a run-off by majorities among so many: one list of three or more may be arbitrarily bad.
    RunOff {
        /// How many come into the second round.
        finalists: usize,
    },
}

/// Fuses the search's list with those of other query vectors and of full-text searches.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// use foretaste::{Fuse, Fusion};
///
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// # for (id, x) in [("a", 0.0), ("b", 1.0), ("c", 2.0)] { docs.upsert(id, &[x, 0.0])?; }
/// let both = Fuse::new(Fusion::Rrf { kappa: 60.0 }).vector(&[2.0, 0.0], 1.0).vector(&[1.0, 0.0], 1.0);
/// let hits = docs.search(&[0.0, 0.0]).k(3).rerank(both).run()?;
/// assert_eq!(hits[0].id.to_string(), "b");
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fuse {
    fusion: Fusion,
    /// How much the search's own list counts.
    weight: f64,
    others: Vec<Other>,
    depth: usize,
    votes: usize,
}

/// Where another list comes from.
#[derive(Debug, Clone, PartialEq)]
struct Other {
    from: Origin,
    weight: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Origin {
    Vector(Vec<f32>),
    Field { field: String, vector: Vec<f32> },
    Text { field: String, words: String },
}

impl Fuse {
    /// Fuses lists like this; so far there is only the search's own, with weight 1.
    pub fn new(fusion: Fusion) -> Fuse {
        Fuse { fusion, weight: 1.0, others: Vec::new(), depth: 100, votes: 1 }
    }

    /// How much the search's own list counts.
    pub fn weight(mut self, weight: f64) -> Fuse {
        self.weight = weight;
        self
    }

    /// One more list: the rows nearest to another query vector.
    pub fn vector(mut self, vector: &[f32], weight: f64) -> Fuse {
        self.others.push(Other { from: Origin::Vector(vector.to_vec()), weight });
        self
    }

    /// One more list: the rows whose vectors in a further field are nearest to `vector`; see [`crate::Schema::field`].
    pub fn field(mut self, field: &str, vector: &[f32], weight: f64) -> Fuse {
        let (field, vector) = (field.to_string(), vector.to_vec());
        self.others.push(Other { from: Origin::Field { field, vector }, weight });
        self
    }

    /// One more list: the best rows by BM25 of the words in a full-text field; see [`crate::Schema::text`].
    pub fn text(mut self, field: &str, words: &str, weight: f64) -> Fuse {
        let (field, words) = (field.to_string(), words.to_string());
        self.others.push(Other { from: Origin::Text { field, words }, weight });
        self
    }

    /// How many rows of each list count: 100, unless said otherwise, and at least as many as are wanted.
    pub fn depth(mut self, rows: usize) -> Fuse {
        self.depth = rows;
        self
    }

    /// Only rows that at least so many of the lists have: a gate before an expensive stage. There may then be fewer hits than are
    /// wanted.
    pub fn min_votes(mut self, lists: usize) -> Fuse {
        self.votes = lists;
        self
    }

    pub(super) fn check(&self, snapshot: &Snapshot) -> Result<()> {
        let schema = snapshot.schema();
        let weights = || self.others.iter().map(|other| other.weight).chain([self.weight]);
        if let Some(weight) = weights().find(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Err(bad(format!("the weight of a list is {weight}; it must be finite and not negative")));
        }
        if weights().all(|weight| weight == 0.0) {
            return Err(bad("one of the lists must have a weight".into()));
        }
        let fields = self.others.iter().filter_map(|other| match &other.from {
            Origin::Field { field, .. } => Some(snapshot.field(field)),
            _ => None,
        });
        let mut metrics = vec![schema.metric()];
        for field in fields {
            metrics.push(field?.metric());
        }
        if self.fusion == Fusion::MinMax && metrics.iter().any(|metric| *metric != Metric::Cosine) {
            return Err(bad("only a cosine has a least score; use `ZScore`, or ranks".into()));
        }
        self.others.iter().try_for_each(|other| match &other.from {
            Origin::Vector(vector) => {
                let vector = validate::as_stored(schema, vector, 0, &"query")?;
                validate::query(schema, &vector, schema.dim())
            }
            Origin::Field { field, vector } => {
                let field = snapshot.field(field)?;
                let vector = validate::as_stored(field.schema(), vector, 0, &"query")?;
                validate::query(field.schema(), &vector, field.schema().dim())
            }
            Origin::Text { field, .. } => text::declared(schema, field).map(|_| ()),
        })
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.depth.min(MAX_K).max(k)
    }

    pub(super) fn work(&self) -> Work {
        Work { fuse: self.clone(), lists: Vec::new(), rows: HashMap::new() }
    }

    /// The lists as one, best first.
    fn fuse(&self, lists: &[Listed]) -> Vec<(RowRef, f64)> {
        let minmax = self.fusion == Fusion::MinMax;
        let rankings: Vec<Ranking<'_, RowRef>> = lists
            .iter()
            .map(|Listed { hits, weight, least }| {
                let scale = if minmax { Scale::TheoreticalMinMax { min: *least } } else { Scale::ZScore };
                Ranking::new(hits).weighted(*weight).scaled(scale)
            })
            .collect();
        let fused = match self.fusion {
            Fusion::Rrf { kappa } => fuse::rrf(&rankings, kappa),
            Fusion::ZScore | Fusion::MinMax => fuse::convex(&rankings),
            Fusion::Borda => fuse::borda(&rankings),
            Fusion::Copeland => fuse::copeland(&rankings),
            Fusion::Kemeny => fuse::kemeny(&rankings),
            Fusion::RunOff { finalists } => fuse::run_off(&rankings, finalists),
        };
        if self.votes > 1 { fuse::min_votes(&fused, &rankings, self.votes) } else { fused }
    }
}

/// One of the lists so far.
struct Listed {
    /// Rows with their scores, best first.
    hits: Vec<(RowRef, f64)>,
    weight: f64,
    /// The least score that could be.
    least: f64,
}

pub(super) struct Work {
    fuse: Fuse,
    lists: Vec<Listed>,
    /// All rows of them, with their distance from the search's own query.
    rows: HashMap<RowRef, Row>,
}

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, halt: &Halt<'_>) -> Result<Step> {
        if self.lists.is_empty() {
            self.add(list.rows.clone(), self.fuse.weight, ground.query.metric().least_score(), ground)?;
        }
        let Some(Other { from, weight }) = self.fuse.others.get(self.lists.len() - 1).cloned() else {
            self.place(list);
            return Ok(Step::Done);
        };
        let mut request = ground.request.clone();
        request.k = self.fuse.keep(request.k);
        request.keep = request.k;
        request.stages.clear();
        match from {
            Origin::Vector(vector) => {
                let schema = &ground.snapshot.state.schema;
                let query = request.query(&validate::as_stored(schema, &vector, 0, &"query")?, schema);
                let (rows, cost) = ground.nearest(&query, &request, halt)?;
                list.spent.add(&cost);
                self.add(rows, weight, ground.query.metric().least_score(), ground)?;
            }
            Origin::Field { field, vector } => {
                let there = ground.snapshot.field(&field)?;
                let (rows, cost) = nearest_elsewhere(&there, &vector, &mut request, ground, halt)?;
                list.spent.add(&cost);
                let least = there.metric().least_score();
                self.add(rows, weight, least, ground)?;
            }
            Origin::Text { field, words } => {
                let Request { k, sure, filter, .. } = request;
                let plan = TextPlan { k, bm25: Bm25::default(), filter, sure };
                let ranked = text::ranked(ground.snapshot, &field, &words, &plan, &|| halt.asked());
                let ranked = match ranked {
                    // The lists so far are whole.
                    Err(Error::Cancelled) => return Ok(Step::Done),
                    answered => answered?.ranked,
                };
                let row = |found: &Ranked| Row {
                    row: found.row,
                    distance: f64::NAN,
                    score: found.score,
                    error: 0.0,
                    stage: Stage::Rerank,
                };
                // BM25 of a row without any of the words is 0.
                self.add(ranked.iter().map(row).collect(), weight, 0.0, ground)?;
            }
        }
        self.place(list);
        Ok(if self.lists.len() > self.fuse.others.len() { Step::Done } else { Step::More })
    }
}

/// The nearest of a member's rows whose own rows may count, with their distances and scores there.
pub(super) fn nearest_elsewhere(
    snapshot: &Snapshot,
    vector: &[f32],
    request: &mut Request,
    ground: &Ground<'_>,
    halt: &Halt<'_>,
) -> Result<(Vec<Row>, Cost)> {
    (request.dims, request.uncertainty, request.query_variance) = (snapshot.schema().dim(), 0.0, None);
    (request.last_dims, request.sure) = (request.dims, None);
    let units = units(snapshot, request.filter.as_ref(), None)?;
    let vector = &*validate::as_stored(snapshot.schema(), vector, 0, &"query")?;
    let query = request.query(vector, snapshot.schema());
    let (wanted, mut cost) = (request.keep, Cost::default());
    let (own, whereabouts) = (ground.snapshot, Whereabouts::new(ground.units));
    loop {
        let there = Ground { snapshot, units: &units, request, query: &query, whole: vector, ..*ground };
        let (found, spent) = there.nearest(&query, request, halt)?;
        cost.add(&spent);
        let all = found.len() < request.keep || request.keep >= MAX_K || halt.asked();
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            let place = own.state.find(&there.key(row.row)?, own.seq)?;
            if let Some(own) = place.and_then(|place| whereabouts.find(&place))
                && ground.counts(own)?
            {
                rows.push(Row { row: own, ..row });
            }
        }
        if rows.len() >= wanted || all {
            rows.truncate(wanted);
            return Ok((rows, cost));
        }
        // Some are too uncertain in their own space, of which nothing is known here.
        request.keep = request.keep.saturating_mul(4).min(MAX_K);
        (request.k, request.ef) = (request.keep, request.ef.max(request.keep.saturating_mul(2)));
    }
}

impl Work {
    /// Adds a list whose scores cannot be below `least`.
    fn add(&mut self, rows: Vec<Row>, weight: f64, least: f64, ground: &Ground<'_>) -> Result<()> {
        let own = self.lists.is_empty();
        let mut numbers = Vec::new();
        let hits = rows.iter().map(|row| (row.row, row.score)).collect();
        for row in rows {
            if let std::collections::hash_map::Entry::Vacant(place) = self.rows.entry(row.row) {
                let distance = match own {
                    true => row.distance,
                    false => {
                        ground.vector(row.row, ground.query.dims(), &mut numbers)?;
                        ground.query.exact(&numbers)
                    }
                };
                place.insert(Row { distance, stage: Stage::Rerank, ..row });
            }
        }
        self.lists.push(Listed { hits, weight, least });
        Ok(())
    }

    fn place(&self, list: &mut List) {
        let fused = self.fuse.fuse(&self.lists);
        let placed = |(row, score): (RowRef, f64)| self.rows.get(&row).map(|row| Row { score, ..*row });
        list.rows = fused.into_iter().filter_map(placed).collect();
    }
}
