//! Few hits that say the same.
//!
//! Reads from: the list, the vectors of its rows. Writes to: the list's order. Never: a row that was not in the list.

use foretaste_query::rerank::diversify::mmr;

use crate::error::Result;
use crate::rerank::{List, Refine, Step};
use crate::session::{Ground, Halt, Row, to_unit};

/// Orders by nearness and by difference from what stands before (maximal marginal relevance; Carbonell and Goldstein, 1998).
///
/// Similarity is the cosine between the rows' vectors, relevance the score of the stage before, brought to 0 … 1 over the list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmr {
    lambda: f64,
    among: Option<usize>,
}

impl Mmr {
    /// With `lambda` 1 the order stays, with 0 only difference counts.
    pub fn new(lambda: f64) -> Mmr {
        Mmr { lambda, among: None }
    }

    /// Chooses from so many of the best rows: four times as many as are wanted, unless said otherwise.
    pub fn among(mut self, rows: usize) -> Mmr {
        self.among = Some(rows);
        self
    }

    pub(super) fn keep(&self, k: usize) -> usize {
        self.among.unwrap_or(k.saturating_mul(4)).max(k)
    }

    pub(super) fn work(self) -> Work {
        Work(self)
    }
}

pub(super) struct Work(Mmr);

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, _: &Halt<'_>) -> Result<Step> {
        let (k, dims) = (ground.request.k, ground.query.dims());
        let rows = list.rows.get(..self.0.keep(k)).unwrap_or(&list.rows);
        let mut vectors = Vec::with_capacity(rows.len());
        for row in rows {
            let mut vector = Vec::new();
            ground.vector(row.row, dims, &mut vector)?;
            to_unit(&mut vector);
            vectors.push(vector);
        }
        let (most, least) = (rows.first().map_or(0.0, |r| r.score), rows.last().map_or(0.0, |r| r.score));
        let span = if most > least { most - least } else { 1.0 };
        let relevance = |row: &Row| (row.score - least) / span;
        let hits: Vec<(usize, f64)> = rows.iter().map(relevance).enumerate().collect();
        let alike = |a: usize, b: usize| match (vectors.get(a), vectors.get(b)) {
            (Some(a), Some(b)) => a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum(),
            _ => 0.0,
        };
        let chosen = mmr(&hits, self.0.lambda, 0, k, alike);
        let chosen = chosen.iter().filter_map(|(place, _)| rows.get(*place)).copied().collect();
        list.spent.bytes_read += (rows.len() * dims * 4) as u64;
        list.rows = chosen;
        Ok(Step::Done)
    }
}
