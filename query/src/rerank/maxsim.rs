//! Late interaction: the exact score of a query's tokens against a row's, and the rows with the best scores.
//!
//! The score sums, over the tokens of the query, the largest dot product with a token of the row. A row is given up as soon as
//! what it has, with the most that the tokens not yet done can add (`|q_i| max |t|`), cannot reach the k-th best.
//! Reads from: token matrices in memory. Writes to: nothing but its answer. Never: an approximation (that is `encoding`).

mod encoding;

use crate::answer::{Ranked, TopK};

pub use encoding::{Encoder, EncodingError, EncodingOptions};

/// The vectors of a text's tokens, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tokens<'a> {
    numbers: &'a [f32],
    dims: usize,
}

/// What becomes of the sum over the query's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduce {
    /// The sum itself, as ColBERT has it.
    #[default]
    Sum,
    /// The sum divided by the number of the query's tokens: the same order, comparable between queries.
    Mean,
}

/// A query, prepared for many rows.
///
/// MaxSim is the score of ColBERT (Khattab and Zaharia 2020, [arXiv:2004.12832](https://arxiv.org/abs/2004.12832)).
///
/// ```
/// use foretaste_query::rerank::maxsim::{MaxSim, Reduce, Tokens};
///
/// let query = MaxSim::new(Tokens::new(&[1.0, 0.0, 0.0, 1.0], 2).unwrap(), Reduce::Sum);
/// let near = [0.5, 0.0, 0.0, 1.0, -1.0, -1.0];
/// let far = [0.1, 0.1];
/// let rows = [Tokens::new(&far, 2).unwrap(), Tokens::new(&near, 2).unwrap()];
/// assert_eq!(query.score(rows[1]), 1.5);
/// let top = query.top(rows.iter().map(|&tokens| (tokens, None)), 1);
/// assert_eq!((top.hits[0].item, -top.hits[0].distance), (1, 1.5));
/// ```
#[derive(Debug, Clone)]
pub struct MaxSim {
    /// The longest first: what is left is bounded the better the sooner they are done.
    tokens: Vec<f32>,
    dims: usize,
    /// For each token, the sum of norms from it on.
    remaining: Vec<f64>,
    scale: f64,
}

/// The best rows, and what they cost.
#[derive(Debug, Clone)]
pub struct Best {
    /// The places of the rows among those given, best first, ties by place. The distance is the negated score.
    pub hits: Vec<Ranked<usize>>,
    /// How many rows were given up before all tokens of the query were done.
    pub abandoned: usize,
}

/// The best rows so far of those that are offered.
#[derive(Debug, Clone)]
pub struct Selection<'q> {
    query: &'q MaxSim,
    top: TopK<usize>,
    abandoned: usize,
}

/// Numbers that one step takes.
const LANES: usize = 16;
/// How much more than the real one a bound may have to be, as a share of the norms, for the roundings of f32 products. Their sums
/// are in lanes of `dims / 16` numbers, so that this holds for more dimensions than a vector may have.
const ROUNDING: f64 = 1e-3;

impl Selection<'_> {
    /// Scores the row at `place`, as far as it takes to know whether it is among the best so far; with its
    /// [`Tokens::largest_norm`] where that is known.
    pub fn offer(&mut self, place: usize, row: Tokens<'_>, largest: Option<f64>) {
        let threshold = -self.top.threshold();
        // Nothing can be given up before there are k: then no bound is needed.
        let largest = match largest {
            Some(largest) => largest,
            None if threshold == f64::NEG_INFINITY => f64::NAN,
            None => row.largest_norm(),
        };
        match self.query.run(row, largest, threshold) {
            Some(score) if score > f64::NEG_INFINITY => {
                self.top.offer(-score, place as u64, place);
            }
            Some(_) => {}
            None => self.abandoned += 1,
        }
    }

    /// The best of what was offered.
    pub fn finish(self) -> Best {
        Best { hits: self.top.into_sorted(), abandoned: self.abandoned }
    }
}

impl<'a> Tokens<'a> {
    /// Reads `numbers` as tokens of `dims` numbers each. None when that does not come out even, or `dims` is 0.
    pub fn new(numbers: &'a [f32], dims: usize) -> Option<Self> {
        (dims > 0 && numbers.len().is_multiple_of(dims)).then_some(Tokens { numbers, dims })
    }

    /// How many tokens there are.
    pub fn len(self) -> usize {
        self.numbers.len() / self.dims
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.numbers.is_empty()
    }

    /// Numbers of a token.
    pub fn dims(self) -> usize {
        self.dims
    }

    /// One after the other.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.numbers.chunks_exact(self.dims)
    }

    /// The largest norm of a token, which bounds what any token of a query can find here. Worth keeping with the row; 0 without
    /// tokens, NaN or infinite when the numbers are.
    pub fn largest_norm(self) -> f64 {
        self.iter().map(norm).fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most })
    }
}

impl MaxSim {
    /// Prepares a query.
    pub fn new(query: Tokens<'_>, reduce: Reduce) -> Self {
        let mut order: Vec<(f64, &[f32])> = query.iter().map(|token| (norm(token), token)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut remaining: Vec<f64> = order
            .iter()
            .rev()
            .scan(0.0, |sum, (norm, _)| {
                *sum += norm;
                Some(*sum)
            })
            .collect();
        remaining.reverse();
        let scale = match reduce {
            Reduce::Mean if !order.is_empty() => 1.0 / order.len() as f64,
            Reduce::Mean | Reduce::Sum => 1.0,
        };
        let tokens = order.into_iter().flat_map(|(_, token)| token.iter().copied()).collect();
        MaxSim { tokens, dims: query.dims, remaining, scale }
    }

    /// The score of a row; larger is better. 0 for a query without tokens; negative infinity for a row without tokens or with
    /// tokens of another length. Dot products that are NaN count for nothing; when all of a token's are, so does the row.
    pub fn score(&self, row: Tokens<'_>) -> f64 {
        self.at_least(row, f64::NAN, f64::NEG_INFINITY).unwrap_or(f64::NEG_INFINITY)
    }

    /// The score of a row if it is at least `threshold`; None if it is less. `largest` is the row's [`Tokens::largest_norm`]; what
    /// is NaN or infinite bounds nothing.
    ///
    /// Where it gives a score, that is the one of [`MaxSim::score`] to the last bit.
    pub fn at_least(&self, row: Tokens<'_>, largest: f64, threshold: f64) -> Option<f64> {
        self.run(row, largest, threshold).filter(|score| *score >= threshold)
    }

    /// The `k` best rows with positive or negative scores, ties by place. Each comes with its [`Tokens::largest_norm`] where
    /// that is known; otherwise it is computed, which costs as much as one token of the query. Rows that cannot be compared are
    /// left out.
    pub fn top<'a>(&self, rows: impl IntoIterator<Item = (Tokens<'a>, Option<f64>)>, k: usize) -> Best {
        let mut selection = self.select(k);
        for (place, (row, largest)) in rows.into_iter().enumerate() {
            selection.offer(place, row, largest);
        }
        selection.finish()
    }

    /// What [`MaxSim::top`] does, for rows that come one by one and need not stay.
    pub fn select(&self, k: usize) -> Selection<'_> {
        Selection { query: self, top: TopK::new(k), abandoned: 0 }
    }

    /// The score, or None when it is certain before the end that it is less than `threshold`.
    fn run(&self, row: Tokens<'_>, largest: f64, threshold: f64) -> Option<f64> {
        if !self.tokens.is_empty() && (row.dims != self.dims || row.is_empty()) {
            return Some(f64::NEG_INFINITY);
        }
        let mut sum = 0f64;
        let all = self.remaining.first().copied().unwrap_or(0.0);
        // Norms and products are rounded: the bound is wider than it would have to be by what that can be.
        let slack = ROUNDING * all * largest;
        for (query, remaining) in self.tokens.chunks_exact(self.dims).zip(&self.remaining) {
            // A bound that is NaN or infinite compares as not less.
            if (sum + remaining * largest + slack) * self.scale < threshold {
                return None;
            }
            sum += best(query, row);
        }
        let score = sum * self.scale;
        Some(if score.is_nan() { f64::NEG_INFINITY } else { score })
    }
}

/// The largest product of a token with those of a row.
fn best(query: &[f32], row: Tokens<'_>) -> f64 {
    let mut most = f32::NEG_INFINITY;
    let mut fours = row.numbers.chunks_exact(row.dims * 4);
    // Four at a time: the query's numbers are loaded once for them, and their chains of sums overlap.
    for four in fours.by_ref() {
        let (a, b) = four.split_at(row.dims * 2);
        let ((a, b), (c, d)) = (a.split_at(row.dims), b.split_at(row.dims));
        for product in dots(query, [a, b, c, d]) {
            most = if product > most { product } else { most };
        }
    }
    for token in fours.remainder().chunks_exact(row.dims) {
        let [product] = dots(query, [token]);
        most = if product > most { product } else { most };
    }
    f64::from(most)
}

/// The products of one vector with some others, each in the same order of summing however many there are.
#[inline]
fn dots<const N: usize>(a: &[f32], others: [&[f32]; N]) -> [f32; N] {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let others = others.map(|b| b.as_chunks::<LANES>());
    let mut sums = [[0f32; LANES]; N];
    for (i, a) in chunks.iter().enumerate() {
        for (sums, (b, _)) in sums.iter_mut().zip(&others) {
            if let Some(b) = b.get(i) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += a * b;
                }
            }
        }
    }
    let mut products = [0f32; N];
    for ((product, sums), (_, b)) in products.iter_mut().zip(sums).zip(others) {
        *product = sums.into_iter().sum::<f32>() + rest.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    }
    products
}

fn norm(x: &[f32]) -> f64 {
    crate::kernel::lanes::squared_norm(x).sqrt()
}

#[cfg(test)]
mod tests;
