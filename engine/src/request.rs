//! What is asked, checked against the schema: for one query or many.
//!
//! Reads from: `params`. Writes to: nothing. Never: a snapshot's rows.

use std::time::Duration;

use foretaste_query::index::{Query, settle};
use foretaste_query::lang::Filter;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::fields;
use crate::params::SearchParams;
use crate::rerank::Rerank;
use crate::scan::Sure;
use crate::schema::Schema;
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
    /// The dimensions of the last comparison, those of the last step with a schedule of levels.
    pub last_dims: usize,
    /// Which rows are sure enough.
    pub sure: Option<Sure>,
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
    pub fn new(snapshot: &Snapshot, mut asked: SearchParams) -> Result<Request> {
        let schema = &snapshot.state.schema;
        limits::check("k", asked.k as u64, MAX_K as u64)?;
        if let Some(Rerank::Levels(levels)) = asked.stages.first_mut() {
            levels.resolve(snapshot, asked.k, asked.exact)?;
        }
        // The last candidates of a beam are its least sure ones: as many more as are wanted, unless the caller knows better.
        (0..).zip(&asked.stages).try_for_each(|(i, stage)| stage.check(snapshot, i == 0))?;
        // Counting takes a look at every segment, and one kind of stage wants to know.
        let rows = if asked.stages.iter().any(|stage| matches!(stage, Rerank::Mixed(_))) {
            snapshot.len()
        } else {
            0
        };
        let keep = asked.stages.iter().map(|stage| stage.keep(asked.k, rows)).max().unwrap_or(asked.k);
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
        served(schema, dims).map_err(|why| Error::BadRequest { what: "dims", why })?;
        let last_dims = match asked.stages.first() {
            Some(Rerank::Levels(levels)) => levels.last_dims().unwrap_or(dims),
            _ => dims,
        };
        let sure = asked.max_uncertainty.map(|most| sure(schema, most, last_dims)).transpose()?;
        if let Some(filter) = &asked.filter {
            check(schema, filter)?;
        }
        if asked.target_recall.is_some_and(|target| !(target > 0.0 && target <= 1.0)) {
            let why = "it must be above 0 and at most 1".to_string();
            return Err(Error::BadRequest { what: "target_recall", why });
        }
        if let Some(variance) = &asked.query_variance {
            validate::query_variance(&variance.variances(), last_dims)?;
        }
        Ok(Request {
            k: asked.k,
            keep,
            dims,
            last_dims,
            sure,
            filter: asked.filter,
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

    /// The steps of the schedule of levels that it begins with.
    pub fn schedule(&self) -> Vec<(usize, usize)> {
        match self.stages.first() {
            Some(Rerank::Levels(levels)) => levels.steps().to_vec(),
            _ => Vec::new(),
        }
    }

    /// The sum of the query's variances over the dimensions that are compared.
    pub fn query_uncertainty(&self) -> Option<f32> {
        let sum = match self.query_variance.as_deref()? {
            [one] => f64::from(*one) * self.last_dims as f64,
            each => each.iter().take(self.last_dims).map(|v| f64::from(*v)).sum(),
        };
        Some(sum as f32)
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

/// Whether the first `dims` dimensions can be compared alone, or why not: only of declared lengths, and of those between, is it known
/// that they say something.
pub(crate) fn served(schema: &Schema, dims: usize) -> std::result::Result<(), String> {
    let (dim, levels) = (schema.dim(), schema.level_dims());
    let first = levels.first().copied().unwrap_or(dim);
    if (first..=dim).contains(&dims) {
        return Ok(());
    }
    Err(match dims {
        _ if dims > dim => format!("{dims} is more than the {dim} dimensions of this collection"),
        0 => "at least one dimension is compared".to_string(),
        _ if levels.len() == 1 => format!(
            "this collection declares no shorter lengths than {dim}, so that nothing is known of the first {dims} dimensions alone; \
             if its model was trained to be cut there, declare it: `Schema::levels([{dims}])`"
        ),
        _ => format!(
            "{dims} is below the first level of this collection, which has {levels:?}; any length from there on can be searched, \
             and a shorter one when it is declared: `Schema::levels`"
        ),
    })
}

/// A limit on uncertainty, checked.
fn sure(schema: &Schema, most: f32, dims: usize) -> Result<Sure> {
    let bad = |why: String| Err(Error::BadRequest { what: "max_uncertainty", why });
    if schema.layout.variance.is_none() {
        return bad("the collection keeps no variances; create it with `.variance(…)`".into());
    }
    if most.is_nan() || most < 0.0 {
        return bad(format!("it is {most}; a sum of variances is not negative"));
    }
    Ok(Sure { most, dims })
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
