//! A search: what is asked, and the answer.
//!
//! Reads from: the caller. Writes to: nothing; `answer` answers it from a snapshot.
//! Never: a decision about how it is answered; that is `plan`'s.

use std::time::Duration;

use foretaste_query::lang::Filter;
use foretaste_storage::key::Key;

use crate::answer::{self, Answer};
use crate::batch::RowVariance;
use crate::error::{Error, Result};
use crate::params::SearchParams;
use crate::plan::Decision;
use crate::request::Request;
use crate::rerank::{Problem, Rerank};
use crate::revision::{Stage, StoppedBecause};
use crate::snapshot::Snapshot;
use crate::state::Place;

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
    params: SearchParams,
    /// What is wrong with the filter's text: said when it is run.
    refused: Option<Error>,
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
    /// By how much `distance` may still differ from the final one: 0 when it comes from the stored vector. That of an
    /// estimate covers it in all but a few cases.
    pub error: f64,
    /// How it was compared.
    pub stage: Stage,
    /// How likely it is among the true nearest; `None` when that is not known.
    pub p_final: Option<f64>,
    /// The sum of its variances over the dimensions that are compared, those of the last step with a schedule of levels; `None` where
    /// rows have none.
    pub uncertainty: Option<f32>,
    pub(crate) snapshot: Snapshot,
    pub(crate) place: Place,
}

/// The answer of a search, nearest first.
#[derive(Debug, Clone)]
pub struct Hits {
    pub(crate) hits: Vec<Hit>,
    /// What it cost.
    pub cost: Cost,
    /// How each part of the collection was gone through: each segment, then each block of fresh rows.
    pub plan: Vec<Decision>,
    /// The steps of its schedule of levels, (dimensions, rows kept), given or chosen by [`crate::Levels::auto`]; none without one.
    pub schedule: Vec<(usize, usize)>,
    /// Which part of the true nearest rows it has, as far as can be expected; `None` when that is not known.
    pub estimated_recall: Option<f64>,
    /// It has at least this part of them, in 19 of 20 searches for each segment whose index was asked.
    pub recall_lower_bound: Option<f64>,
    /// The sum of the query's own variances over the dimensions that are compared, when [`Search::query_variance`] says them. The larger
    /// beside [`Hit::uncertainty`], the less it is clear what is asked for.
    pub query_uncertainty: Option<f32>,
    /// Why there are no more.
    pub stopped_because: StoppedBecause,
    /// What went wrong in a stage, if anything did: the answer is the best until then.
    pub problem: Option<Problem>,
}

/// What a search cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Rows whose distance was computed from their vectors.
    pub rows_exact: u64,
    /// Nodes and rows that indexes compared by their codes.
    pub index_steps: u64,
    /// Rows the filter or a deletion left out.
    pub rows_refused: u64,
    /// Bytes of vectors read.
    pub bytes_read: u64,
    /// Ids that a scorer was asked for.
    pub scorer_calls: u64,
    /// Rows whose score was remembered ([`crate::Scored::version`]): the scorer was not asked for them.
    pub scores_remembered: u64,
    /// Wall time.
    pub elapsed: Duration,
}

impl Cost {
    /// Counts what another search has cost; not its time, which is part of this one's.
    pub(crate) fn add(&mut self, other: &Cost) {
        self.rows_exact += other.rows_exact;
        self.index_steps += other.index_steps;
        self.rows_refused += other.rows_refused;
        self.bytes_read += other.bytes_read;
        self.scorer_calls += other.scorer_calls;
        self.scores_remembered += other.scores_remembered;
    }
}

impl Search {
    pub(crate) fn new(snapshot: Snapshot, query: &[f32]) -> Self {
        Search { snapshot, query: query.to_vec(), params: SearchParams::default(), refused: None }
    }

    /// Asks all that `params` say, in place of what was asked before; its stages come behind those that there are, and where it has no
    /// `dims` those stay.
    pub fn with(mut self, params: SearchParams) -> Self {
        self.params = params.over(self.params);
        self.refused = None;
        self
    }

    /// How many hits are wanted: 10 unless said otherwise, at most 100,000.
    pub fn k(mut self, k: usize) -> Self {
        self.params.k = k;
        self
    }

    /// Compares only the first `dims` dimensions (scaled to length 1 on both sides under cosine): any number of them from the first of
    /// the collection's levels on. Where [`crate::Schema::levels`] declares none, only all of them: nothing says then that the first
    /// ones mean anything alone.
    pub fn dims(mut self, dims: usize) -> Self {
        self.params.dims = Some(dims);
        self
    }

    /// Only rows that pass the filter; see [`crate::lang`] for the language. An error in it comes from [`Search::run`].
    pub fn filter(mut self, text: &str) -> Self {
        match Filter::parse(text) {
            Ok(filter) => self.where_(filter),
            Err(why) => {
                self.refused = Some(why.into());
                self
            }
        }
    }

    /// Only rows that pass a filter that was parsed before.
    pub fn where_(mut self, filter: Filter) -> Self {
        self.params.filter = Some(filter);
        self.refused = None;
        self
    }

    /// Only rows whose [`Hit::uncertainty`] is at most `limit`: the sum of their variances over the dimensions that are compared (with
    /// a schedule of levels, over those of its last step). It counts as a filter does, beside one if there is one: while k such rows
    /// match there are k hits, whichever way they are found. That lists of other queries and full text are fused does not change it.
    ///
    /// The search fails when the collection keeps no variances.
    pub fn max_uncertainty(mut self, limit: f32) -> Self {
        self.params.max_uncertainty = Some(limit);
        self
    }

    /// How many candidates a graph's search keeps: more find more of the true nearest and take longer. 64, or 2 k when that is
    /// more, unless said otherwise; at least k. Without a graph it has no
    /// effect, but that an inverted file searched by fewer dimensions than all reads so many of its candidates.
    pub fn ef(mut self, ef: usize) -> Self {
        self.params.ef = Some(ef);
        self
    }

    /// How many cells of an inverted file are looked into (16 unless said otherwise). Without one it has no effect.
    pub fn nprobe(mut self, nprobe: usize) -> Self {
        self.params.nprobe = Some(nprobe);
        self
    }

    /// Compares every row that passes, whatever indexes there are: the answer is the true one.
    pub fn exact(mut self) -> Self {
        self.params.exact = true;
        self
    }

    /// Searches until the expected recall is at least this, above 0 and at most 1, instead of with a fixed `ef` or `nprobe`: by
    /// what was measured when the index was built. Where nothing was measured, as with a filter, it has no effect.
    pub fn target_recall(mut self, recall: f64) -> Self {
        self.params.target_recall = Some(recall);
        self
    }

    /// Ends the search when so much time has passed since it was begun, with the best hits by then; that is no error.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.params.deadline = Some(deadline);
        self
    }

    /// Ends the search when so many nodes of indexes and rows were compared, with the best hits by then; that is no error. An
    /// inverted file finishes the cell it is in. It counts for the search; what stages compare is not limited by it.
    pub fn budget(mut self, compared: u64) -> Self {
        self.params.budget = Some(compared);
        self
    }

    /// Refines the list once the nearest rows are found; called again, by one stage after the other. The hits are ranked by the last
    /// stage, and [`Hit::score`] is its score.
    pub fn rerank(mut self, stage: impl Into<Rerank>) -> Self {
        self.params.stages.push(stage.into());
        self
    }

    /// How uncertain the query itself is, for stages that compare distributions: one number, or one for each dimension.
    pub fn query_variance(mut self, variance: RowVariance) -> Self {
        self.params.query_variance = Some(variance);
        self
    }

    /// Begins it: the answer comes revision by revision, each the best list so far, and only as far as it is read.
    ///
    /// # Errors
    /// As [`Search::run`].
    pub fn start(self) -> Result<Answer> {
        let (snapshot, query, request) = self.checked()?;
        Answer::start(snapshot, &query, request)
    }

    /// Answers: by the indexes of the segments that have one, by comparing all rows of the others and of what is fresh.
    ///
    /// Distances are those of the stored vectors whichever way a row was found. [`Hits::plan`] says what was done and why.
    ///
    /// # Errors
    /// `DimensionMismatch`, `NonFinite`, `ZeroVector` for the query; `BadFilter`; `BadRequest` for dims that cannot be
    /// searched alone; `LimitExceeded` for k and ef; `Corrupt` when a file it reads is damaged (an index that is damaged is done
    /// without).
    pub fn run(self) -> Result<Hits> {
        self.run_with(&|| false)
    }

    /// Like [`Search::run`], asking `cancel` from time to time whether to give up.
    ///
    /// # Errors
    /// Also `Cancelled`.
    pub fn run_with(self, cancel: &dyn Fn() -> bool) -> Result<Hits> {
        let (snapshot, query, request) = self.checked()?;
        answer::run(&snapshot, &query, &request, cancel)
    }

    /// What is searched, by what, and what is asked.
    pub(crate) fn checked(self) -> Result<(Snapshot, Vec<f32>, Request)> {
        if let Some(why) = self.refused {
            return Err(why);
        }
        let request = Request::new(&self.snapshot, self.params)?;
        Ok((self.snapshot, self.query, request))
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
