//! The order of hits where more than relevance counts: few that say the same, the best where they are read.
//!
//! Reads from: hits, and a similarity that the caller computes. Writes to: a new list.
//! Never: a settled hit moved.

/// Maximal marginal relevance: at most `k` hits, each as relevant as possible and unlike those before it.
///
/// The first `settled` hits stay where they are. Each place after them is given to the hit with the largest
/// `lambda * score - (1 - lambda) * s`, where `s` is its largest similarity to a hit already placed (0 if there is none). Ties
/// keep the order of `hits`. Scores are returned as they came.
///
/// `lambda` is within 0 (only diversity) … 1 (only relevance; beyond is cut off, no number is 1). Scores and similarities should
/// have the same scale: two cosines, for instance. A similarity that is no number is 0; a hit whose score is none comes
/// last. `similarity` is called with a hit not yet placed and the one just placed, less than `k n` times for n hits.
///
/// Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries", SIGIR 1998.
///
/// ```
/// use foretaste_query::rerank::diversify::mmr;
///
/// // Two topics: ids of the same tens are alike.
/// let hits = [(10, 0.9), (11, 0.89), (12, 0.88), (20, 0.8)];
/// let alike = |a: i32, b: i32| if a / 10 == b / 10 { 1.0 } else { 0.0 };
/// let order = |settled| mmr(&hits, 0.5, settled, 3, alike).iter().map(|hit| hit.0).collect::<Vec<_>>();
/// assert_eq!(order(0), [10, 20, 11]);
/// assert_eq!(order(2), [10, 11, 20]);
/// ```
pub fn mmr<T: Copy>(
    hits: &[(T, f64)],
    lambda: f64,
    settled: usize,
    k: usize,
    mut similarity: impl FnMut(T, T) -> f64,
) -> Vec<(T, f64)> {
    let lambda = if lambda.is_nan() { 1.0 } else { lambda.clamp(0.0, 1.0) };
    let k = k.min(hits.len());
    let (settled, open) = hits.split_at(settled.min(k));
    let mut chosen = settled.to_vec();
    // What is not placed, in the order of `hits`, with its largest similarity to what is.
    let mut open: Vec<((T, f64), Option<f64>)> = open.iter().map(|&hit| (hit, None)).collect();
    let mut updated = 0;
    while chosen.len() < k {
        for placed in &chosen[updated..] {
            for (hit, nearest) in &mut open {
                let found = finite_or(similarity(hit.0, placed.0), 0.0);
                *nearest = Some(nearest.map_or(found, |n| n.max(found)));
            }
        }
        updated = chosen.len();
        let value = |(hit, nearest): &((T, f64), Option<f64>)| {
            lambda * finite_or(hit.1, f64::MIN) - (1.0 - lambda) * nearest.unwrap_or(0.0)
        };
        let mut best = (0, f64::NEG_INFINITY);
        for (at, candidate) in open.iter().enumerate() {
            let value = value(candidate);
            if value > best.1 {
                best = (at, value);
            }
        }
        chosen.push(open.remove(best.0).0);
    }
    chosen
}

/// The order for a language model's context: the best at both ends, the worst in the middle.
///
/// The first hit is first, the second last, the third second, the fourth last but one, and so on. Models use what stands at the
/// beginning and the end of a long context more than what stands in its middle: Liu et al., "Lost in the Middle: How Language
/// Models Use Long Contexts", TACL 12, 2024.
///
/// ```
/// use foretaste_query::rerank::diversify::best_at_both_ends;
/// assert_eq!(best_at_both_ends(&[1, 2, 3, 4, 5]), [1, 3, 5, 4, 2]);
/// ```
pub fn best_at_both_ends<T: Clone>(hits: &[T]) -> Vec<T> {
    let front = hits.iter().step_by(2);
    let mut back: Vec<T> = hits.iter().skip(1).step_by(2).cloned().collect();
    back.reverse();
    front.cloned().chain(back).collect()
}

/// The value, at most as large as floats get, or `other` for no number.
fn finite_or(value: f64, other: f64) -> f64 {
    if value.is_nan() { other } else { value.clamp(f64::MIN, f64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Positions on a line; the nearer, the more alike.
    fn alike(a: usize, b: usize) -> f64 {
        let at = |id: usize| (id * 37 % 17) as f64;
        1.0 - (at(a) - at(b)).abs() / 17.0
    }

    /// The definition, computed anew for every place.
    fn plain(hits: &[(usize, f64)], lambda: f64, settled: usize, k: usize) -> Vec<(usize, f64)> {
        let mut chosen: Vec<(usize, f64)> = hits.iter().take(settled.min(k)).copied().collect();
        while chosen.len() < k.min(hits.len()) {
            let value = |hit: &(usize, f64)| {
                let nearest = chosen.iter().map(|c| alike(hit.0, c.0)).fold(f64::NEG_INFINITY, f64::max);
                lambda * hit.1 - if chosen.is_empty() { 0.0 } else { (1.0 - lambda) * nearest }
            };
            let left = hits.iter().filter(|hit| !chosen.contains(hit));
            // The last maximum of the reversed order is the first.
            let best = left.rev().max_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
            chosen.push(*best);
        }
        chosen
    }

    fn hits() -> impl Strategy<Value = Vec<(usize, f64)>> {
        proptest::collection::vec(0u8..20, 0..20).prop_map(|mut scores| {
            scores.sort_unstable_by(|a, b| b.cmp(a));
            scores.into_iter().map(|s| f64::from(s) / 20.0).enumerate().collect()
        })
    }

    proptest! {
        #[test]
        fn mmr_is_its_definition_and_leaves_what_is_settled(
            hits in hits(), quarters in 0u8..5, settled in 0usize..25, k in 0usize..25,
        ) {
            let lambda = f64::from(quarters) / 4.0;
            let chosen = mmr(&hits, lambda, settled, k, alike);
            prop_assert_eq!(&chosen, &plain(&hits, lambda, settled, k));
            let stay = settled.min(k).min(hits.len());
            prop_assert_eq!(&chosen[..stay], &hits[..stay]);
            if lambda == 1.0 {
                prop_assert_eq!(&chosen[..], &hits[..k.min(hits.len())]);
            }
        }

        #[test]
        fn whatever_the_numbers_mmr_returns_k_different_hits(
            scores in proptest::collection::vec(proptest::num::f64::ANY, 0..12),
            similarities in proptest::collection::vec(proptest::num::f64::ANY, 1..20),
            lambda in proptest::num::f64::ANY, settled in 0usize..15, k in 0usize..15,
        ) {
            let hits: Vec<(usize, f64)> = scores.into_iter().enumerate().collect();
            let mut calls = 0;
            let chosen = mmr(&hits, lambda, settled, k, |a, b| {
                calls += 1;
                similarities[(a * 7 + b) % similarities.len()]
            });
            prop_assert_eq!(chosen.len(), k.min(hits.len()));
            let mut ids: Vec<usize> = chosen.iter().map(|hit| hit.0).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), chosen.len());
            prop_assert!(calls <= k * hits.len());
        }

        #[test]
        fn worth_falls_from_both_ends_to_the_middle(count in 0usize..50) {
            let order = best_at_both_ends(&(0..count).collect::<Vec<_>>());
            let worst = order.iter().position(|&hit| hit + 1 == count).unwrap_or(0);
            prop_assert!(order[..worst].is_sorted());
            prop_assert!(order[worst..].is_sorted_by(|a, b| a > b));
            for (place, &hit) in order.iter().enumerate() {
                // The better of two hits is nearer to its end.
                prop_assert_eq!(hit / 2, place.min(count - 1 - place));
            }
        }
    }

    #[test]
    fn no_number_comes_last_and_bounds_nothing() {
        let order = |hits: &[(u8, f64)], lambda| -> Vec<u8> {
            mmr(hits, lambda, 0, 3, |_, _| f64::NAN).iter().map(|hit| hit.0).collect()
        };
        assert_eq!(order(&[(1, f64::NAN), (2, 0.5), (3, 0.6)], 0.5), [3, 2, 1]);
        assert_eq!(order(&[(1, f64::NEG_INFINITY), (2, f64::INFINITY), (3, 0.6)], f64::NAN), [2, 3, 1]);
    }
}
