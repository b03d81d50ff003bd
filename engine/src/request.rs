//! What is asked, checked against the schema: for one query or many.
//!
//! Reads from: `search`. Writes to: nothing. Never: a snapshot's rows.

use std::time::Duration;

use foretaste_query::lang::Filter;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::fields;
use crate::schema::Schema;
use crate::search::Asked;
use crate::snapshot::Snapshot;

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
    pub dims: usize,
    pub filter: Option<Filter>,
    pub ef: usize,
    pub nprobe: usize,
    pub exact: bool,
    pub deadline: Option<Duration>,
    pub budget: Option<u64>,
}

impl Request {
    pub fn new(snapshot: &Snapshot, asked: Asked) -> Result<Request> {
        let schema = &snapshot.state.schema;
        limits::check("k", asked.k as u64, MAX_K as u64)?;
        // The last candidates of a beam are its least sure ones: as many more as are wanted, unless the caller knows better.
        let ef = asked.ef.unwrap_or(EF.max(asked.k.saturating_mul(2))).max(asked.k).max(1);
        limits::check("ef", asked.ef.unwrap_or(0) as u64, limits::GRAPH_CANDIDATES)?;
        let dims = asked.dims.unwrap_or(schema.dim());
        if schema.layout.levels_for(dims).is_none() {
            let why =
                format!("{dims} is not a level of this collection, which has {:?}", schema.level_dims());
            return Err(Error::BadRequest { what: "dims", why });
        }
        let filter = asked.filter.transpose()?;
        if let Some(filter) = &filter {
            check(schema, filter)?;
        }
        Ok(Request {
            k: asked.k,
            dims,
            filter,
            ef,
            nprobe: asked.nprobe.unwrap_or(NPROBE),
            exact: asked.exact,
            deadline: asked.deadline,
            budget: asked.budget,
        })
    }
}

fn check(schema: &Schema, filter: &Filter) -> Result<()> {
    let declared = schema
        .columns
        .iter()
        .map(|c| Ok((fields::column_path(&c.path)?, c.kind)))
        .collect::<Result<Vec<_>>>()?;
    filter.check(&|path| declared.iter().find(|(p, _)| p == path).map(|(_, kind)| *kind))?;
    Ok(())
}
