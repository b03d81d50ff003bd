//! How alike two ranked lists are.
//!
//! Reads from: lists of rows. Writes to: a number. Never: a search.

use std::collections::HashSet;

/// How likely a reader goes on to the next place, in rank-biased overlap.
pub const PERSISTENCE: f64 = 0.9;

/// Rank-biased overlap of two lists without repetitions, extrapolated from the places that they have: from 0 (nothing in common)
/// to 1 (the same). Equation 32 of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", ACM TOIS 28(4),
/// 2010, with their p = [`PERSISTENCE`].
pub fn rank_biased(one: &[i64], other: &[i64]) -> f64 {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.is_empty() {
        return if long.is_empty() { 1.0 } else { 0.0 };
    }
    let p = PERSISTENCE;
    let (mut in_short, mut in_long) = (HashSet::new(), HashSet::new());
    let (mut common, mut common_short, mut sum) = (0.0, 0.0, 0.0);
    for (place, row) in long.iter().enumerate() {
        let depth = (place + 1) as f64;
        match short.get(place) {
            Some(same) if same == row => common += 1.0,
            beside => {
                common += f64::from(u8::from(in_short.contains(row)));
                if let Some(beside) = beside {
                    common += f64::from(u8::from(in_long.contains(beside)));
                    in_short.insert(*beside);
                }
                in_long.insert(*row);
            }
        }
        if place + 1 == short.len() {
            common_short = common;
        }
        sum += common / depth * p.powf(depth);
        let beyond = depth - short.len() as f64;
        if beyond > 0.0 {
            sum += common_short * beyond / (short.len() as f64 * depth) * p.powf(depth);
        }
    }
    let (s, l) = (short.len() as f64, long.len() as f64);
    (1.0 - p) / p * sum + ((common - common_short) / l + common_short / s) * p.powf(l)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: &[i64], other: &[i64], expected: f64) {
        for (a, b) in [(one, other), (other, one)] {
            let found = rank_biased(a, b);
            assert!((found - expected).abs() < 1e-12, "{a:?} {b:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn the_same_lists_overlap_wholly_and_strange_ones_not_at_all() {
        near(&[1, 2, 3], &[1, 2, 3], 1.0);
        near(&[1, 2, 3], &[4, 5, 6], 0.0);
        near(&[], &[], 1.0);
        near(&[], &[1], 0.0);
        // A beginning of a list is as good as the list: what it does not have is extrapolated.
        near(&[1, 2], &[1, 2, 3, 4], 1.0);
    }

    #[test]
    fn a_swap_counts_less_the_lower_it_is() {
        // By hand: overlaps of the first places, as shares, times p^depth, and the last goes on.
        let of = |shares: [f64; 3]| {
            let sum: f64 = (1..).zip(shares).map(|(depth, share)| share * PERSISTENCE.powi(depth)).sum();
            (1.0 - PERSISTENCE) / PERSISTENCE * sum + shares[2] * PERSISTENCE.powi(3)
        };
        near(&[1, 2, 3], &[2, 1, 3], of([0.0, 1.0, 1.0]));
        near(&[1, 2, 3], &[1, 3, 2], of([1.0, 0.5, 1.0]));
        near(&[1, 2, 3], &[1, 2, 4], of([1.0, 1.0, 2.0 / 3.0]));
    }

    #[test]
    fn lists_of_unequal_length_agree_with_the_definition() {
        // Overlaps 1, 1, 2, 3 with short length 2; Equation 32 term by term.
        let (short, long) = ([1, 9], [1, 2, 3, 9]);
        let p = PERSISTENCE;
        let overlaps: f64 = 1.0 * p + 0.5 * p.powi(2) + 1.0 / 3.0 * p.powi(3) + 0.5 * p.powi(4);
        let beyond: f64 = 1.0 / (2.0 * 3.0) * p.powi(3) + 2.0 / (2.0 * 4.0) * p.powi(4);
        let tail = ((2.0 - 1.0) / 4.0 + 1.0 / 2.0) * p.powi(4);
        near(&short, &long, (1.0 - p) / p * (overlaps + beyond) + tail);
    }
}
