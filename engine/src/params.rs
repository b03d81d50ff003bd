//! What is asked beside a query: one set of parameters for one search, or for many.
//!
//! Reads from: the caller. Writes to: nothing; `request` checks it. Never: a query.

use std::time::Duration;

use foretaste_query::lang::Filter;

use crate::batch::RowVariance;
use crate::error::{Error, Result};
use crate::rerank::Rerank;
use crate::space::Space;

/// What a search is asked beside its query. Kept apart from one, it can be prepared once and given to many: [`crate::Search::with`],
/// [`crate::Snapshot::search_batch_with`]. [`crate::Search`] has a method for each of its fields.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// use foretaste::SearchParams;
///
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// # docs.upsert("a", &[0.0, 1.0])?;
/// let mut params = SearchParams::default();
/// params.k = 5;
/// params.ef = Some(200);
/// for query in [[0.0, 0.0], [1.0, 1.0]] {
///     let hits = docs.search(&query).with(params.clone()).run()?;
///     assert_eq!(hits[0].distance, 1.0);
/// }
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SearchParams {
    /// How many hits are wanted, at most [`crate::MAX_K`]; 10 unless said otherwise. See [`crate::Search::k`].
    pub k: usize,
    /// How many dimensions are compared: all unless said otherwise. See [`crate::Search::dims`].
    pub dims: Option<usize>,
    /// Which rows are wanted: all unless said otherwise. See [`crate::Search::filter`].
    pub filter: Option<Filter>,
    /// How uncertain rows may be. See [`crate::Search::max_uncertainty`].
    pub max_uncertainty: Option<f32>,
    /// Candidates of a graph's search. See [`crate::Search::ef`].
    pub ef: Option<usize>,
    /// Cells of an inverted file that are looked into. See [`crate::Search::nprobe`].
    pub nprobe: Option<usize>,
    /// Whether every row is compared. See [`crate::Search::exact`].
    pub exact: bool,
    /// The recall to search for. See [`crate::Search::target_recall`].
    pub target_recall: Option<f64>,
    /// The time it may take. See [`crate::Search::deadline`].
    pub deadline: Option<Duration>,
    /// The comparisons it may take. See [`crate::Search::budget`].
    pub budget: Option<u64>,
    /// How uncertain queries are. See [`crate::Search::query_variance`].
    pub query_variance: Option<RowVariance>,
    /// What refines the list, in this order. See [`crate::Search::rerank`].
    pub stages: Vec<Rerank>,
}

impl Default for SearchParams {
    fn default() -> Self {
        SearchParams {
            k: 10,
            dims: None,
            filter: None,
            max_uncertainty: None,
            ef: None,
            nprobe: None,
            exact: false,
            target_recall: None,
            deadline: None,
            budget: None,
            query_variance: None,
            stages: Vec::new(),
        }
    }
}

impl SearchParams {
    /// These beside what a search was begun with: what these do not say stays, and its stages come first.
    pub(crate) fn over(mut self, begun: SearchParams) -> SearchParams {
        self.dims = self.dims.or(begun.dims);
        let stages = std::mem::replace(&mut self.stages, begun.stages);
        self.stages.extend(stages);
        self
    }
}

/// Which vectors a query is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Within {
    /// The collection's own, by a query of the same space.
    #[default]
    Own,
    /// Those of a further vector field; see [`crate::Snapshot::search_field`].
    Field(String),
    /// Those that a query of this space can be compared with; see [`crate::Snapshot::search_in`].
    Space(Space),
}

impl Within {
    /// That of a field or of a space, of which one may be named.
    ///
    /// # Errors
    /// `BadRequest` when both are.
    pub fn of(field: Option<String>, space: Option<Space>) -> Result<Within> {
        match (field, space) {
            (None, None) => Ok(Within::Own),
            (Some(field), None) => Ok(Within::Field(field)),
            (None, Some(space)) => Ok(Within::Space(space)),
            (Some(_), Some(_)) => {
                let why = "a query is of a field, or of another space; name one of them".to_string();
                Err(Error::BadRequest { what: "field and space", why })
            }
        }
    }
}
