//! The scores of many queries with many rows, as the metric has them.
//!
//! Products are formed in f32 in units in which neither long nor short vectors leave its range, and for distances around the rows' mean,
//! where nothing cancels that matters.
//! Reads from: queries and rows. Writes to: the caller's closure, query by query.
//! Never: more scores in memory than those of a few queries.

use crate::kernel::gemm::Side;
use crate::kernel::lanes::largest;
use crate::metric::Metric;

use super::moments::{Centre, multiply};

/// Queries at a time.
const RUN: usize = 64;

/// Calls `each` with a query's place and its scores with all rows. `None` when `cancel` says so; it is asked every few queries.
pub(super) fn compare(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    metric: Metric,
    threads: usize,
    cancel: &dyn Fn() -> bool,
    each: &mut dyn FnMut(usize, &[f64]),
) -> Option<()> {
    let centre = match metric {
        Metric::L2 => Centre::new(rows, dims),
        Metric::Cosine | Metric::Dot => {
            let scale = 1.0 / largest(rows).max(largest(queries));
            Centre { mean: vec![0.0; dims], scale: if scale.is_normal() { scale } else { 1.0 } }
        }
    };
    let square = |x: &[f32]| centre.of(x).map(|x| x * x).sum::<f64>();
    let squares: Vec<f64> = rows.chunks_exact(dims).map(square).collect();
    let unit = 1.0 / f64::from(centre.scale);
    let count = squares.len();
    let mut scores = vec![0f64; count];
    for (run, part) in queries.chunks(RUN * dims).enumerate() {
        if cancel() {
            return None;
        }
        let side = |x| Side::rows(x, dims).shifted(&centre.mean, centre.scale);
        let products = multiply(side(part), part.len() / dims, side(rows), count, threads);
        for (i, (query, products)) in
            part.chunks_exact(dims).zip(products.chunks_exact(count.max(1))).enumerate()
        {
            let own = square(query);
            for ((score, product), square) in scores.iter_mut().zip(products).zip(&squares) {
                let (product, length) = (f64::from(*product), (own * square).sqrt());
                *score = match metric {
                    Metric::Cosine if length > 0.0 => product / length,
                    Metric::Cosine => 0.0,
                    Metric::Dot => product * unit * unit,
                    Metric::L2 => -(own + square - 2.0 * product).max(0.0).sqrt() * unit,
                };
            }
            each(run * RUN + i, &scores);
        }
    }
    Some(())
}
