//! The distance of one pair in f64, for the final order of the rows a scan has kept.
//!
//! Reads from: an f32 query and a decoded row. Writes to: nothing.
//! Never: a processor's special instructions, so that the last digit is the same on every machine.

use crate::metric::Metric;

const LANES: usize = 8;

/// The distance of `query` and `row` in f64, over the numbers that both have.
///
/// No finite f32 input overflows. A cosine distance is within 0 … 2, is exactly 0 for equal vectors, and is 1 when either
/// side is all zeros. Any NaN or infinity gives NaN or infinity.
///
/// ```
/// use foretaste_query::{kernel::exact::distance, metric::Metric};
/// assert_eq!(distance(Metric::L2, &[3.0, 0.0], &[0.0, 4.0]), 5.0);
/// assert_eq!(distance(Metric::Cosine, &[1.0, 0.0], &[-2.0, 0.0]), 2.0);
/// assert_eq!(distance(Metric::Dot, &[1.0, 2.0], &[3.0, 4.0]), -11.0);
/// ```
pub fn distance(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    match metric {
        Metric::L2 => sum(query, row, |q, x| (q - x) * (q - x)).sqrt(),
        Metric::Dot => 0.0 - sum(query, row, |q, x| q * x),
        Metric::Cosine => {
            let dims = query.len().min(row.len());
            let norms = squared_norm(&query[..dims]) * squared_norm(&row[..dims]);
            if norms == 0.0 {
                return 1.0;
            }
            (1.0 - sum(query, row, |q, x| q * x) / norms.sqrt()).clamp(0.0, 2.0)
        }
    }
}

/// The sum of squares in f64.
pub fn squared_norm(row: &[f32]) -> f64 {
    sum(row, row, |a, b| a * b)
}

/// Sums `term` over the pairs in a fixed order: eight interleaved partial sums, which compilers turn into wide additions.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let dims = a.len().min(b.len());
    let (a, a_rest) = a[..dims].as_chunks::<LANES>();
    let (b, b_rest) = b[..dims].as_chunks::<LANES>();
    let mut partial = [0f64; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            partial[i] += term(f64::from(a[i]), f64::from(b[i]));
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(f64::from(a), f64::from(b))).sum();
    partial.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_vectors_are_at_cosine_distance_zero_and_opposite_at_two() {
        for dims in 1..100 {
            let v: Vec<f32> = (0..dims).map(|i| (i as f32 * 0.7 + 0.1).sin()).collect();
            let minus: Vec<f32> = v.iter().map(|x| -x).collect();
            assert_eq!(distance(Metric::Cosine, &v, &v), 0.0);
            assert_eq!(distance(Metric::Cosine, &v, &minus), 2.0);
            assert_eq!(distance(Metric::L2, &v, &v), 0.0);
        }
    }

    #[test]
    fn extreme_finite_values_stay_finite() {
        for value in [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
            let (q, x) = (vec![value; 65_536], vec![-value; 65_536]);
            assert!((distance(Metric::Cosine, &q, &x) - 2.0).abs() < 1e-12);
            assert!(distance(Metric::L2, &q, &x).is_finite());
            assert!(distance(Metric::Dot, &q, &x).is_finite());
        }
    }

    #[test]
    fn zeros_are_at_cosine_distance_one_and_nan_is_never_near() {
        assert_eq!(distance(Metric::Cosine, &[0.0; 3], &[1.0; 3]), 1.0);
        assert_eq!(distance(Metric::Cosine, &[1.0; 3], &[0.0; 3]), 1.0);
        for metric in Metric::ALL {
            assert!(distance(metric, &[1.0, 2.0], &[f32::NAN, 1.0]).is_nan());
        }
    }

    #[test]
    fn the_longer_side_is_cut() {
        for metric in Metric::ALL {
            let (q, x) = ([1.0, 2.0, 3.0], [2.0, -1.0]);
            assert_eq!(distance(metric, &q, &x), distance(metric, &q[..2], &x));
            assert_eq!(distance(metric, &x, &q), distance(metric, &x, &q[..2]));
        }
    }
}
