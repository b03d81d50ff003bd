//! In which order rows are embedded again.
//!
//! Reads from: a number for each row. Writes to: an order. Never: a row twice, or left out.

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order<'a> {
    /// The first row.
    Given,
    /// The row whose mapped vector is expected to be the most wrong (FastFill, arXiv 2303.04766): one number a row, as
    /// [`ErrorModel::predict`](super::ErrorModel::predict) gives it.
    ByExpectedError(&'a [f64]),
    /// The row that is the most uncertain: the sum of its variances, one number a row.
    ByVariance(&'a [f64]),
}

/// All of the numbers below `rows`, those first that are to be embedded first; ties in their given order. A row without a number, or one
/// that is NaN, comes after all others.
///
/// ```
/// use foretaste_query::space::{Order, order};
///
/// assert_eq!(order(4, Order::ByExpectedError(&[0.1, 0.4, f64::NAN, 0.4])), [1, 3, 0, 2]);
/// assert_eq!(order(3, Order::Given), [0, 1, 2]);
/// ```
pub fn order(rows: usize, by: Order<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if let Order::ByExpectedError(numbers) | Order::ByVariance(numbers) = by {
        let at = |i: usize| numbers.get(i).copied().filter(|x| !x.is_nan());
        // No number is less than any.
        order.sort_by(|&i, &j| match (at(i), at(j)) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
    }
    order
}
