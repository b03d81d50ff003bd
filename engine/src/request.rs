//! What is asked, checked against the schema: for one query or many.
//!
//! Reads from: `search`. Writes to: nothing. Never: a snapshot's rows.

use std::time::Duration;

use foretaste_query::index::{Query, settle};
use foretaste_query::lang::Filter;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::fields;
use crate::rerank::Rerank;
use crate::schema::Schema;
use crate::search::Asked;
use crate::snapshot::Snapshot;
use crate::validate;

/// Most hits of one search.
pub const MAX_K: usize = 100_000;

/// Candidates of a graph's search unless said otherwise.
const EF: usize = 64;
/// Cells of an inverted file unless said otherwise.
const NPROBE: usize = 16;

/// A checked request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub k: usize,
    /// How many rows the search keeps for the stages that follow: k or more.
    pub keep: usize,
    pub dims: usize,
    pub filter: Option<Filter>,
    pub ef: usize,
    pub nprobe: usize,
    pub exact: bool,
    pub deadline: Option<Duration>,
    pub budget: Option<u64>,
    pub query_variance: Option<Vec<f32>>,
    /// What the variance of rows counts for in the search itself.
    pub uncertainty: f64,
    pub stages: Vec<Rerank>,
    pub target_recall: Option<f64>,
}

impl Request {
    pub fn new(snapshot: &Snapshot, asked: Asked) -> Result<Request> {
        let schema = &snapshot.state.schema;
        limits::check("k", asked.k as u64, MAX_K as u64)?;
        // The last candidates of a beam are its least sure ones: as many more as are wanted, unless the caller knows better.
        (0..).zip(&asked.stages).try_for_each(|(i, stage)| stage.check(snapshot, i == 0))?;
        let keep = asked.stages.iter().map(|stage| stage.keep(asked.k)).max().unwrap_or(asked.k);
        let keep = keep.min(MAX_K);
        let ef = asked.ef.unwrap_or(EF.max(keep.saturating_mul(2))).max(keep).max(1);
        limits::check("ef", asked.ef.unwrap_or(0) as u64, limits::GRAPH_CANDIDATES)?;
        let (scheduled, uncertainty) = match asked.stages.first() {
            Some(Rerank::Levels(_)) if asked.dims.is_some() => {
                let why = "a schedule of levels says by which dimensions; leave `dims` out".to_string();
                return Err(Error::BadRequest { what: "dims", why });
            }
            Some(Rerank::Levels(levels)) => (levels.first_dims(), 0.0),
            Some(Rerank::Csd(csd)) => (None, csd.weight()),
            _ => (None, 0.0),
        };
        let dims = scheduled.or(asked.dims).unwrap_or(schema.dim());
        if schema.layout.levels_for(dims).is_none() {
            let why =
                format!("{dims} is not a level of this collection, which has {:?}", schema.level_dims());
            return Err(Error::BadRequest { what: "dims", why });
        }
        let filter = asked.filter.transpose()?;
        if let Some(filter) = &filter {
            check(schema, filter)?;
        }
        if asked.target_recall.is_some_and(|target| !(target > 0.0 && target <= 1.0)) {
            let why = "it must be above 0 and at most 1".to_string();
            return Err(Error::BadRequest { what: "target_recall", why });
        }
        if let Some(variance) = &asked.query_variance {
            validate::query_variance(&variance.variances(), dims)?;
        }
        Ok(Request {
            k: asked.k,
            keep,
            dims,
            filter,
            ef,
            nprobe: asked.nprobe.unwrap_or(NPROBE),
            exact: asked.exact,
            deadline: asked.deadline,
            budget: asked.budget,
            query_variance: asked.query_variance.map(|v| v.variances()),
            uncertainty,
            stages: asked.stages,
            target_recall: asked.target_recall,
        })
    }

    /// How many of the nearest candidates of an index are wanted.
    pub fn wanted(&self) -> usize {
        settle::wanted(self.keep).min(self.keep + self.ef)
    }

    /// The query that is compared with rows.
    pub fn query(&self, vector: &[f32], schema: &Schema) -> Query {
        Query::new(vector, self.dims, schema.metric).with_uncertainty(self.uncertainty)
    }
}

/// Checks a filter against the columns that the schema declares.
pub(crate) fn check(schema: &Schema, filter: &Filter) -> Result<()> {
    let declared = schema
        .columns
        .iter()
        .map(|c| Ok((fields::column_path(&c.path)?, c.kind)))
        .collect::<Result<Vec<_>>>()?;
    filter.check(&|path| declared.iter().find(|(p, _)| p == path).map(|(_, kind)| *kind))?;
    Ok(())
}
