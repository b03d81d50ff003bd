//! What all ways to combine lists promise, and each against its definition.

use std::collections::BTreeSet;

use proptest::num::f64::ANY as ANY_F64;
use proptest::prelude::*;

use super::*;

type Hits = Vec<(u8, f64)>;

/// One way to combine lists, with its name for messages.
/// A function that makes one list of several.
type Way = fn(&[List<'_, u8>]) -> Hits;

const WAYS: [(&str, Way); 6] = [
    ("rrf", |lists| rrf(lists, KAPPA)),
    ("convex", convex),
    ("borda", borda),
    ("copeland", copeland),
    ("kemeny", kemeny),
    ("run-off", |lists| run_off(lists, 4)),
];

fn ids(hits: &[(u8, f64)]) -> Vec<u8> {
    hits.iter().map(|hit| hit.0).collect()
}

/// Scores that fall from place to place, by uneven steps.
fn scored(order: &[u8]) -> Hits {
    order.iter().zip(1u8..).map(|(&id, rank)| (id, 20.0 / f64::from(rank) - f64::from(rank))).collect()
}

/// A list of some of the ids below `most`, in any order.
fn partial(most: u8) -> impl Strategy<Value = Hits> {
    (Just((0..most).collect::<Vec<u8>>()).prop_shuffle(), 0..=most as usize)
        .prop_map(|(order, len)| scored(&order[..len]))
}

/// A list of all the ids below `most`.
fn full(most: u8) -> impl Strategy<Value = Hits> {
    Just((0..most).collect::<Vec<u8>>()).prop_shuffle().prop_map(|order| scored(&order))
}

/// A weight of which sums are rounded.
fn weight() -> impl Strategy<Value = f64> {
    (0u8..6).prop_map(|tenths| f64::from(tenths) / 10.0)
}

fn plain(lists: &[Hits]) -> Vec<List<'_, u8>> {
    lists.iter().map(|hits| List::new(hits)).collect()
}

fn with_weights(lists: &[(Hits, f64)]) -> Vec<List<'_, u8>> {
    lists.iter().map(|(hits, weight)| List::new(hits).weighted(*weight)).collect()
}

/// The weight of the lists that put `a` before `b`, from their definition.
fn preferring(lists: &[List<'_, u8>], a: u8, b: u8) -> f64 {
    let place = |list: &List<'_, u8>, id| list.hits.iter().position(|hit| hit.0 == id);
    let prefers = |list: &&List<'_, u8>| match (place(list, a), place(list, b)) {
        (Some(a), Some(b)) => a < b,
        (found, None) => found.is_some(),
        (None, Some(_)) => false,
    };
    lists.iter().filter(prefers).map(|list| list.weight).fold(0.0, |sum, weight| sum + weight)
}

/// What an order costs by Kemeny's definition.
fn contradictions(lists: &[List<'_, u8>], order: &[u8]) -> f64 {
    let pairs = (0..order.len()).flat_map(|i| (i + 1..order.len()).map(move |j| (order[i], order[j])));
    pairs.map(|(first, then)| preferring(lists, then, first)).fold(0.0, |sum, cost| sum + cost)
}

/// All orders of `ids`, the smallest first.
fn permutations(ids: &[u8]) -> Vec<Vec<u8>> {
    if ids.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        let mut rest = ids.to_vec();
        let first = rest.remove(at);
        permutations(&rest).into_iter().map(move |mut tail| {
            tail.insert(0, first);
            tail
        })
    };
    (0..ids.len()).flat_map(with_first).collect()
}

proptest! {
    #[test]
    fn the_order_of_the_lists_does_not_matter(
        (lists, shuffled) in proptest::collection::vec((partial(12), weight()), 0..6)
            .prop_flat_map(|lists| (Just(lists.clone()), Just(lists).prop_shuffle())),
    ) {
        for (name, way) in WAYS {
            let (one, two) = (way(&with_weights(&lists)), way(&with_weights(&shuffled)));
            let bits = |hits: &Hits| hits.iter().map(|hit| (hit.0, hit.1.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(bits(&one), bits(&two), "{}", name);
        }
    }

    #[test]
    fn every_id_is_there_once_and_growing_removes_none(
        lists in proptest::collection::vec((partial(14), weight()), 1..5), parts in proptest::collection::vec(0usize..14, 5),
    ) {
        let before: Vec<(Hits, f64)> =
            lists.iter().zip(&parts).map(|((hits, w), &len)| (hits[..len.min(hits.len())].to_vec(), *w)).collect();
        for (name, way) in WAYS {
            let (grown, young) = (ids(&way(&with_weights(&lists))), ids(&way(&with_weights(&before))));
            let all: BTreeSet<u8> = lists.iter().flat_map(|list| ids(&list.0)).collect();
            prop_assert_eq!(grown.len(), all.len(), "{}", name);
            prop_assert_eq!(&grown.iter().copied().collect::<BTreeSet<_>>(), &all, "{}", name);
            prop_assert!(young.iter().all(|id| all.contains(id)), "{}", name);
        }
        // The gate opens and does not close.
        for votes in 0..4 {
            let young = min_votes(&rrf(&with_weights(&before), KAPPA), &with_weights(&before), votes);
            let grown = min_votes(&rrf(&with_weights(&lists), KAPPA), &with_weights(&lists), votes);
            prop_assert!(young.iter().all(|hit| ids(&grown).contains(&hit.0)));
        }
    }

    #[test]
    fn what_all_lists_begin_with_the_result_begins_with(
        order in full(12), tails in proptest::collection::vec((partial(12), 1u8..5), 1..5), common in 0usize..12,
    ) {
        let lists: Vec<(Hits, f64)> = tails
            .iter()
            .map(|(tail, weight)| {
                let mut joined = ids(&order[..common]);
                joined.extend(ids(tail).iter().filter(|id| !ids(&order[..common]).contains(id)));
                (scored(&joined), f64::from(*weight))
            })
            .collect();
        let lists = with_weights(&lists);
        let agreed = agreed_prefix(&lists);
        prop_assert!(agreed >= common);
        prop_assert!(lists.iter().all(|list| list.hits[..agreed] == lists[0].hits[..agreed]));
        prop_assert!(lists.iter().any(|l| l.hits.get(agreed).map(|h| h.0) != lists[0].hits.get(agreed).map(|h| h.0)
            || l.hits.len() == agreed));
        for (name, way) in WAYS {
            prop_assert_eq!(ids(&way(&lists)[..agreed]), ids(&lists[0].hits[..agreed]), "{}", name);
        }
    }

    #[test]
    fn one_order_in_all_lists_is_the_order_of_the_result(order in full(9), lens in proptest::collection::vec(0usize..10, 0..4)) {
        // Some lists know only a part of it.
        let mut lists = vec![List::new(&order)];
        lists.extend(lens.iter().map(|&len| List::new(&order[..len.min(9)])));
        for (name, way) in WAYS {
            prop_assert_eq!(ids(&way(&lists)), ids(&order), "{}", name);
        }
    }

    #[test]
    fn rrf_is_its_formula(lists in proptest::collection::vec((partial(10), weight()), 0..5), kappa in 0u8..100) {
        let kappa = f64::from(kappa);
        for (id, score) in rrf(&with_weights(&lists), kappa) {
            let part = |(hits, weight): &(Hits, f64)| {
                let place = hits.iter().position(|hit| hit.0 == id);
                place.map_or(0.0, |place| weight / (kappa + (place + 1) as f64))
            };
            prop_assert!((score - lists.iter().map(part).sum::<f64>()).abs() < 1e-12);
        }
    }

    #[test]
    fn borda_counts_those_behind_and_half_of_those_beside(lists in proptest::collection::vec(partial(8), 1..5)) {
        let lists = plain(&lists);
        let points = borda(&lists);
        for &(id, score) in &points {
            let others = || points.iter().map(|hit| hit.0).filter(|&other| other != id);
            let ahead: f64 = others().map(|other| preferring(&lists, id, other)).sum();
            let behind: f64 = others().map(|other| preferring(&lists, other, id)).sum();
            let pairs = (lists.len() * (points.len() - 1)) as f64;
            prop_assert!((score - (ahead + (pairs - ahead - behind) / 2.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn copeland_elects_the_condorcet_winner_and_kemeny_too(lists in proptest::collection::vec((partial(7), 1u8..4), 1..6)) {
        let lists: Vec<(Hits, f64)> = lists.into_iter().map(|(hits, weight)| (hits, f64::from(weight))).collect();
        let lists = with_weights(&lists);
        let elected = copeland(&lists);
        for &(id, score) in &elected {
            let duel = |other: u8| preferring(&lists, id, other).total_cmp(&preferring(&lists, other, id)) as i64;
            let standing: i64 = elected.iter().map(|hit| duel(hit.0)).sum();
            prop_assert_eq!(standing as f64, score);
            if elected.iter().all(|hit| hit.0 == id || duel(hit.0) > 0) {
                prop_assert_eq!((elected[0].0, kemeny(&lists)[0].0), (id, id));
            }
        }
    }

    #[test]
    fn kemeny_is_the_first_of_the_cheapest_permutations(lists in proptest::collection::vec((partial(6), 0u8..4), 0..6)) {
        let lists: Vec<(Hits, f64)> = lists.into_iter().map(|(hits, weight)| (hits, f64::from(weight))).collect();
        let lists = with_weights(&lists);
        let found = ids(&kemeny(&lists));
        let mut all = found.clone();
        all.sort_unstable();
        let cost = |order: &Vec<u8>| contradictions(&lists, order);
        let best = permutations(&all).into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap();
        prop_assert_eq!(found, best);
    }

    #[test]
    fn one_bad_list_of_three_or_more_does_not_mislead_a_run_off(
        good in full(9), bad in partial(14), others in 2usize..5, at in 0usize..5, finalists in 0usize..12, tenths in 1u8..10,
    ) {
        let mut lists = vec![List::new(&good); others];
        lists.insert(at.min(others), List::new(&bad));
        let lists: Vec<List<'_, u8>> = lists.into_iter().map(|l| l.weighted(f64::from(tenths) / 10.0)).collect();
        prop_assert_eq!(ids(&run_off(&lists, finalists)[..9]), ids(&good));
    }

    #[test]
    fn quotas_are_kept_and_fill_up_from_what_is_left(
        hits in full(30), quota in proptest::collection::vec(0usize..5, 4), k in 0usize..40,
    ) {
        let group = |id: u8| usize::from(id) % 4;
        let chosen = quotas(&hits, k, group, |&group| quota[group]);
        prop_assert_eq!(chosen.len(), k.min(hits.len()));
        // By the definition: the n-th hit of its group is within the quota or not.
        let nth = |hit: &(u8, f64)| {
            let before = hits.iter().take_while(|other| other.0 != hit.0);
            before.filter(|other| group(other.0) == group(hit.0)).count()
        };
        let (within, beyond): (Hits, Hits) = hits.iter().partition(|hit| nth(hit) < quota[group(hit.0)]);
        let mut expected: Hits = within.into_iter().take(k).collect();
        let places = k - expected.len();
        expected.extend(beyond.into_iter().take(places));
        prop_assert_eq!(chosen, expected);
    }

    #[test]
    fn no_number_panics(
        lists in proptest::collection::vec(
            (proptest::collection::vec((0u8..9, ANY_F64), 0..15), ANY_F64, ANY_F64, ANY_F64), 0..5),
        kappa in ANY_F64,
    ) {
        let lists: Vec<List<'_, u8>> = lists
            .iter()
            .map(|(hits, weight, min, absent)| {
                let list = List::new(hits).weighted(*weight).absent_at(*absent);
                if *min > 0.0 { list } else { list.scaled(Scale::TheoreticalMinMax { min: *min }) }
            })
            .collect();
        let all: BTreeSet<u8> = lists.iter().flat_map(|list| ids(list.hits)).collect();
        for (name, way) in WAYS {
            let mut found = ids(&way(&lists));
            found.sort_unstable();
            prop_assert!(found.iter().eq(&all), "{}", name);
        }
        prop_assert!(convex(&lists).iter().all(|hit| hit.1.is_finite()));
        prop_assert!(rrf(&lists, kappa).iter().all(|hit| !hit.1.is_nan()));
        if let [first, second, ..] = lists[..] {
            let query = Labelled { first, second, gains: second.hits };
            if let Some(fitted) = fit_weight(&[query], Goal::Ndcg { k: 3 }, 7) {
                prop_assert!((0.0..=1.0).contains(&fitted.weight) && (0.0..=1.0 + 1e-9).contains(&fitted.value));
            }
        }
    }

    #[test]
    fn the_fitted_weight_is_the_best_of_the_grid(
        queries in proptest::collection::vec((partial(8), partial(8), proptest::collection::vec((0u8..8, 0u8..3), 0..4)), 0..4),
        steps in 1usize..12, k in 1usize..6, reciprocal in any::<bool>(),
    ) {
        let goal = if reciprocal { Goal::ReciprocalRank } else { Goal::Ndcg { k } };
        let gains: Vec<Hits> = queries
            .iter()
            .map(|query| {
                let unique: std::collections::BTreeMap<u8, u8> = query.2.iter().copied().collect();
                unique.into_iter().map(|(id, gain)| (id, f64::from(gain))).collect()
            })
            .collect();
        let labelled: Vec<Labelled<'_, u8>> = queries
            .iter()
            .zip(&gains)
            .map(|(query, gains)| Labelled { first: List::new(&query.0), second: List::new(&query.1), gains })
            .collect();
        let usable: Vec<&Labelled<'_, u8>> =
            labelled.iter().filter(|query| query.gains.iter().any(|gain| gain.1 > 0.0)).collect();
        let value = |weight: f64| {
            let of = |query: &&Labelled<'_, u8>| {
                let fused = convex(&[query.first.weighted(weight), query.second.weighted(1.0 - weight)]);
                match goal {
                    Goal::ReciprocalRank => reciprocal_rank(&fused, query.gains),
                    Goal::Ndcg { k } => ndcg(&fused, query.gains, k),
                }
            };
            usable.iter().map(of).sum::<f64>() / usable.len() as f64
        };
        match fit_weight(&labelled, goal, steps) {
            None => prop_assert!(usable.is_empty()),
            Some(fitted) => {
                let best = (0..=steps).map(|step| value(step as f64 / steps as f64)).fold(0.0, f64::max);
                prop_assert!((value(fitted.weight) - fitted.value).abs() < 1e-12);
                prop_assert!((best - fitted.value).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn scales_are_their_formulas() {
    let hits = [(1u8, 5.0), (2, 3.0), (3, 1.0)];
    let alone = |list: List<'_, u8>| convex(&[list, List::new(&[(4, 1.0)]).weighted(0.0)]);
    let deviation = (8.0f64 / 3.0).sqrt();
    // 4 is absent from the list that counts: as good as its last, unless it is said to be worse.
    assert_eq!(
        alone(List::new(&hits)),
        [(1, 2.0 / deviation), (2, 0.0), (3, -2.0 / deviation), (4, -2.0 / deviation)]
    );
    let theoretical = List::new(&hits).scaled(Scale::TheoreticalMinMax { min: -3.0 });
    assert_eq!(alone(theoretical), [(1, 1.0), (2, 0.75), (3, 0.5), (4, 0.5)]);
    assert_eq!(alone(theoretical.absent_at(-1.0))[3], (4, 0.25));
    assert_eq!(alone(theoretical.absent_at(4.0))[3], (4, 0.5));
    assert_eq!(alone(theoretical.absent_at(-9.0))[3], (4, 0.0));
}

#[test]
fn equal_scores_are_worth_nothing_and_infinite_ones_are_absent() {
    let equal = [(1u8, 0.1), (2, 0.1), (3, 0.1)];
    assert!(convex(&[List::new(&equal)]).iter().all(|hit| hit.1 == 0.0));
    let odd = [(1u8, f64::INFINITY), (2, 4.0), (3, 2.0), (4, f64::NAN)];
    let list = List::new(&odd).scaled(Scale::TheoreticalMinMax { min: 0.0 });
    assert_eq!(convex(&[list]), [(2, 1.0), (1, 0.5), (3, 0.5), (4, 0.5)]);
}

#[test]
fn ties_are_ordered_by_id() {
    let (one, two) = ([(9u8, 2.0), (4, 1.0)], [(4u8, 2.0), (9, 1.0)]);
    for (name, way) in WAYS {
        assert_eq!(ids(&way(&[List::new(&one), List::new(&two)])), [4, 9], "{name}");
    }
}

#[test]
fn beyond_its_limit_kemeny_follows_borda() {
    let order: Vec<u8> = (0..KEMENY as u8 + 5).rev().collect();
    let mut other = order.clone();
    other.swap(KEMENY - 1, KEMENY);
    let (order, other) = (scored(&order), scored(&other));
    let lists = [List::new(&order).weighted(2.0), List::new(&other)];
    assert_eq!(ids(&kemeny(&lists)), ids(&order));
    assert_eq!(kemeny(&lists)[0].1, (KEMENY + 4) as f64);
}

#[test]
fn an_id_that_comes_twice_counts_at_its_first_place() {
    let twice = [(1u8, 3.0), (2, 2.0), (1, 1.0), (1, 0.5)];
    assert_eq!(rrf(&[List::new(&twice)], 0.0), [(1, 1.0), (2, 0.5)]);
    let lists = [List::new(&twice), List::new(&[(3, 1.0)])];
    assert!(min_votes(&borda(&lists), &lists, 2).is_empty());
}

#[test]
fn the_middle_of_the_longest_plateau_is_fitted() {
    // The first list is right from 1/2 on, the second nowhere.
    let (first, second) = ([(1u8, 1.0), (2, 0.0)], [(2u8, 1.0), (1, 0.0)]);
    let query = Labelled { first: List::new(&first), second: List::new(&second), gains: &[(1, 1.0)] };
    let fitted = fit_weight(&[query], Goal::Ndcg { k: 1 }, 10).unwrap();
    assert_eq!((fitted.weight, fitted.value), (0.7, 1.0));
    assert_eq!(fit_weight(&[Labelled { gains: &[(1, 0.0)], ..query }], Goal::ReciprocalRank, 10), None);
    assert_eq!(fit_weight::<u8>(&[], Goal::ReciprocalRank, 10), None);
}
