//! Queries and rows as vectors whose dot products order as the metric does, and back.
//!
//! Reads from: vectors. Writes to: vectors. Never: a query that the metric cannot search with.

use foretaste_query::index::Query;
use foretaste_query::metric::Metric;

use crate::session::to_unit;

/// The query as a vector whose dot product with a lifted row orders as the metric does.
pub(super) fn lift_query(query: &Query, out: &mut Vec<f32>) {
    out.clear();
    match query.metric() {
        Metric::Dot => out.extend_from_slice(query.vector()),
        Metric::Cosine => {
            out.extend_from_slice(query.vector());
            to_unit(out);
        }
        // -|q - x|² = 2 <q, x> - |x|² - |q|².
        Metric::L2 => {
            out.extend(query.vector().iter().map(|v| 2.0 * v));
            out.push(-1.0);
        }
    }
}

/// A row, so that its dot product with a lifted query is what the metric compares.
pub(super) fn lift_row(row: &[f32], metric: Metric, out: &mut Vec<f32>) {
    out.clear();
    match metric {
        Metric::Dot => out.extend_from_slice(row),
        Metric::Cosine => {
            out.extend_from_slice(row);
            to_unit(out);
        }
        Metric::L2 => {
            out.extend_from_slice(row);
            out.push(row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() as f32);
        }
    }
}

/// The query that a lifted one stands for; `None` when there is none, as for one that likes large norms under L2.
pub(super) fn lower_query(lifted: &[f32], metric: Metric) -> Option<Vec<f32>> {
    let query: Vec<f32> = match (metric, lifted.split_last()) {
        (Metric::L2, Some((norm, rest))) if *norm < 0.0 => rest.iter().map(|v| v / (-2.0 * norm)).collect(),
        (Metric::L2, _) => return None,
        (Metric::Dot | Metric::Cosine, _) => lifted.to_vec(),
    };
    let usable = query.iter().all(|v| v.is_finite()) && query.iter().any(|v| *v != 0.0);
    (usable || metric == Metric::L2 && query.iter().all(|v| v.is_finite())).then_some(query)
}
