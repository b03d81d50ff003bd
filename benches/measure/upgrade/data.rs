//! What the new model says: rows of a collection, pairs outside of it, questions with labels, and which rows are truly nearest.
//!
//! The rows that are labelled for one of the questions are all there, the others are drawn. They stand in an order without a pattern,
//! and a row's id is its place in it.
//!
//! Reads from: a file with vectors, labels and the rotation. Writes to: memory. Never: a row both in the collection and in a pair.

use std::collections::{BTreeMap, HashMap, HashSet};

use foretaste::Metric;
use foretaste_benches::{Random, array};
use foretaste_query::index::Query;

use super::Args;

/// A grade of the sentence that answers; questions without one are labelled weakly.
const ANSWER: f32 = 2.0;

/// Vectors of the new model, turned onto their principal axes, and labels.
pub struct Data {
    pub dim: usize,
    /// Rows of the collection.
    pub rows: usize,
    /// All items: the collection's rows, then those of the pairs.
    pub items: Vec<f32>,
    /// The file's row of each item.
    pub item_rows: Vec<usize>,
    pub queries: Vec<f32>,
    /// The file's row of each query.
    pub query_rows: Vec<usize>,
    /// The rows that are worth something to each query.
    pub gains: Vec<Vec<(i64, f64)>>,
    /// The ten nearest rows of each query.
    pub nearest: Vec<Vec<i64>>,
}

impl Data {
    pub fn read(args: &Args) -> anyhow::Result<Data> {
        let (dim, _, rotation) = array(&args.file, "pca_rotation")?;
        let (_, _, train) = array(&args.file, "train")?;
        let (_, _, test) = array(&args.file, "test")?;
        let (_, _, labels) = array(&args.file, "qrels")?;
        let mut of_query: BTreeMap<usize, Vec<(usize, f32)>> = BTreeMap::new();
        for label in labels.chunks_exact(3) {
            of_query.entry(label[0] as usize).or_default().push((label[1] as usize, label[2]));
        }
        of_query.retain(|_, labels| labels.iter().any(|(_, grade)| *grade >= ANSWER));
        let chosen: Vec<(usize, Vec<(usize, f32)>)> = of_query.into_iter().take(args.queries).collect();
        let needed: HashSet<usize> =
            chosen.iter().flat_map(|(_, labels)| labels.iter().map(|(row, _)| *row)).collect();
        let mut order = shuffled(train.len() / dim, 1);
        // Stable: labelled rows first, each part still without a pattern.
        order.sort_by_key(|row| !needed.contains(row));
        anyhow::ensure!(needed.len() <= args.rows, "{} rows are labelled: take more rows", needed.len());
        let items = args.rows + args.pairs;
        anyhow::ensure!(items <= order.len(), "the file has {} rows", order.len());
        let mixed = shuffled(args.rows, 2).into_iter().map(|place| order[place]);
        let item_rows: Vec<usize> = mixed.chain(order[args.rows..items].iter().copied()).collect();
        let id: HashMap<usize, i64> = item_rows[..args.rows].iter().copied().zip(0i64..).collect();
        let worth = |(row, grade): &(usize, f32)| id.get(row).map(|id| (*id, f64::from(*grade)));
        let query_rows: Vec<usize> = chosen.iter().map(|(query, _)| *query).collect();
        let turned = |all: &[f32], rows: &[usize]| -> Vec<f32> {
            rows.iter().flat_map(|row| times(&all[row * dim..(row + 1) * dim], &rotation)).collect()
        };
        let mut data = Data {
            dim,
            rows: args.rows,
            items: turned(&train, &item_rows),
            item_rows,
            queries: turned(&test, &query_rows),
            query_rows,
            gains: chosen.iter().map(|(_, labels)| labels.iter().filter_map(worth).collect()).collect(),
            nearest: Vec::new(),
        };
        data.nearest = data.queries.chunks_exact(dim).map(|query| data.ten(query)).collect();
        Ok(data)
    }

    /// The new vectors of the collection's rows.
    pub fn own(&self) -> &[f32] {
        &self.items[..self.rows * self.dim]
    }

    /// The new vectors of the pairs.
    pub fn pairs(&self) -> &[f32] {
        &self.items[self.rows * self.dim..]
    }

    /// The ten nearest rows by distances in f64, ties by id: the truth, found without an engine.
    fn ten(&self, query: &[f32]) -> Vec<i64> {
        let query = Query::new(query, self.dim, Metric::Cosine);
        let rows = self.own().chunks_exact(self.dim).zip(0i64..);
        let mut all: Vec<(f64, i64)> = rows.map(|(row, id)| (query.exact(row), id)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(10).map(|(_, id)| id).collect()
    }
}

/// A row times a matrix of as many rows as it has numbers.
pub fn times(row: &[f32], matrix: &[f32]) -> Vec<f32> {
    let mut out = vec![0f32; matrix.len() / row.len()];
    for (v, axis) in row.iter().zip(matrix.chunks_exact(out.len())) {
        out.iter_mut().zip(axis).for_each(|(out, a)| *out += v * a);
    }
    out
}

/// The numbers below `len` in an order without a pattern (Fisher and Yates).
fn shuffled(len: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        let below = f64::from(random.next()).midpoint(1.0) * (i + 1) as f64;
        order.swap(i, (below as usize).min(i));
    }
    order
}
