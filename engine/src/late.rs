//! Late interaction over stored rows: the best of some candidates by the MaxSim of their token matrices.
//!
//! Candidates are read one after another into one buffer and given up early (`query::rerank::maxsim`). Those that come
//! first raise the bar for the others: the order in which a first stage found them is the one to give them in.
//!
//! Reads from: `snapshot`. Writes to: nothing. Never: a candidate of its own; who finds them is another stage's choice.

use foretaste_query::rerank::maxsim::{MaxSim, Reduce, Tokens};
use foretaste_storage::key::Key;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::snapshot::Snapshot;
use crate::state::Place;
use crate::validate;

/// The best of some places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Late {
    /// Numbers of the places among those given, with their scores: best first, ties as they were given. Rows without a
    /// token matrix are not among them.
    pub hits: Vec<(usize, f64)>,
    /// How many rows were given up before all tokens of the query were done.
    pub abandoned: usize,
}

/// The `k` best of `places` by the MaxSim of their stored matrices with `query`, which is token after token. `cancel` is
/// asked before each row.
///
/// # Errors
/// `BadRequest` when the collection keeps no matrices, or the query is none; `NonFinite`; `LimitExceeded`; `Corrupt` when a
/// matrix is damaged; `Cancelled`.
pub(crate) fn maxsim(
    snapshot: &Snapshot,
    query: &[f32],
    places: &[Place],
    k: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<Late> {
    let (query, dims) = prepared(snapshot.schema(), query)?;
    let mut selection = query.select(k);
    let mut numbers = Vec::new();
    for (number, place) in places.iter().enumerate() {
        if cancel() {
            return Err(Error::Cancelled);
        }
        snapshot.tokens_of(place, &mut numbers)?;
        if let Some(row) = Tokens::new(&numbers, dims) {
            selection.offer(number, row, None);
        }
    }
    let best = selection.finish();
    // A distance is never -0, and a score of 0 is none either.
    let hits = best.hits.iter().map(|hit| (hit.item, 0.0 - hit.distance)).collect();
    Ok(Late { hits, abandoned: best.abandoned })
}

/// Whether `query` can be compared with the matrices of a collection.
pub(crate) fn check(schema: &Schema, query: &[f32]) -> Result<()> {
    prepared(schema, query).map(|_| ())
}

/// The query, and how many numbers a token has.
fn prepared(schema: &Schema, query: &[f32]) -> Result<(MaxSim, usize)> {
    let bad = |why: String| Err(Error::BadRequest { what: "tokens", why });
    let Some((dims, _)) = schema.token_kind() else {
        return bad("the collection keeps no token matrices; create it with `.tokens(…)`".into());
    };
    match Tokens::new(query, dims) {
        Some(tokens) if !tokens.is_empty() => {
            limits::check("tokens of a query", tokens.len() as u64, limits::TOKENS)?;
            validate::query_tokens(query, dims)?;
            Ok((MaxSim::new(tokens, Reduce::Sum), dims))
        }
        _ => bad(format!("a query of {} numbers, and it has one token or more of {dims} each", query.len())),
    }
}

impl Snapshot {
    /// The `k` best of the rows with these ids by late interaction: each token of `query`, a matrix of as many numbers a
    /// token as [`Schema::tokens`] says, counts with its largest dot product with a token of the row. Larger is better.
    ///
    /// The order is exact, of the numbers as stored; ties as the ids were given. Ids that are not there, and rows without a
    /// token matrix, are left out. Rows that cannot be among the best are not compared to the end, and sooner so when
    /// likely ones come first. MaxSim is the score of ColBERT (Khattab and Zaharia 2020,
    /// [arXiv:2004.12832](https://arxiv.org/abs/2004.12832)).
    ///
    /// ```
    /// # use foretaste::{Database, Element, Metric, Schema};
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// let docs = db.create_collection("docs", Schema::new(2, Metric::Cosine).tokens(2, Element::F16))?;
    /// let mut batch = docs.batch();
    /// batch.upsert("a", &[1.0, 1.0]).tokens(&[0.5, 0.0, 0.0, 1.0]);
    /// batch.upsert("b", &[1.0, 0.0]).tokens(&[0.0, 0.25]);
    /// batch.commit()?;
    /// let best = docs.snapshot().maxsim(&[1.0, 0.0, 0.0, 1.0], ["b", "a"], 10)?;
    /// assert_eq!(best, [("a".into(), 1.5), ("b".into(), 0.25)]);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// `BadRequest` when the collection keeps no token matrices, or the query is none; `NonFinite`; `LimitExceeded`;
    /// `Corrupt` when a matrix is damaged.
    pub fn maxsim(
        &self,
        query: &[f32],
        ids: impl IntoIterator<Item = impl Into<Key>>,
        k: usize,
    ) -> Result<Vec<(Key, f64)>> {
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        for id in ids {
            let id = id.into();
            if let Some(place) = self.state.find(&id, self.seq)? {
                keys.push(id);
                places.push(place);
            }
        }
        let late = maxsim(self, query, &places, k, &|| false)?;
        Ok(late
            .hits
            .into_iter()
            .filter_map(|(number, score)| Some((keys.get(number)?.clone(), score)))
            .collect())
    }
}

#[cfg(test)]
mod tests;
