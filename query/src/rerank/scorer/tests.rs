use std::collections::HashSet;

use super::*;
use crate::index::parallel::mix;

const DIMS: usize = 6;

fn draw(seed: u64, i: u64) -> f64 {
    (mix(mix(seed) ^ i) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn rows(seed: u64, count: usize) -> Vec<Vec<f32>> {
    (0..count as u64)
        .map(|i| (0..DIMS as u64).map(|j| draw(seed, i * DIMS as u64 + j) as f32).collect())
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The ids of the `count` nearest.
fn search(rows: &[Vec<f32>], query: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..rows.len() as u32).collect();
    let score = |id: &u32| dot(query, &rows[*id as usize]);
    ids.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    ids.truncate(count);
    ids
}

/// Drives it with exact searches; gives it back with the ids in the order they were asked for.
fn run(
    rows: &[Vec<f32>],
    query: &[f32],
    options: Options,
    scorer: impl Fn(u32) -> f64,
) -> (Rerank<u32>, Vec<u32>) {
    run_knowing(rows, query, options, &[], scorer)
}

/// The same, with scores from before, whose ids are offered beside what the first search finds.
fn run_knowing(
    rows: &[Vec<f32>],
    query: &[f32],
    options: Options,
    known: &[(u32, f64)],
    scorer: impl Fn(u32) -> f64,
) -> (Rerank<u32>, Vec<u32>) {
    let mut rerank = Rerank::new(query, options);
    let mut asked = Vec::new();
    let candidate = |id: u32| {
        let vector = &rows[id as usize][..];
        Candidate { id, vector, cheap: dot(query, vector) }
    };
    rerank.know(known.iter().copied());
    if options.budget == 0 {
        rerank.offer(known.iter().map(|(id, _)| candidate(*id)));
    }
    loop {
        match rerank.step() {
            Step::Search { query: q, count } => {
                let found = search(rows, q, count);
                rerank.offer(found.into_iter().chain(known.iter().map(|(id, _)| *id)).map(candidate));
            }
            Step::Score(ids) => {
                asked.extend_from_slice(ids);
                let scores: Vec<f64> = ids.iter().map(|&id| scorer(id)).collect();
                rerank.scored(&scores);
            }
            Step::Done(_) => return (rerank, asked),
        }
    }
}

#[test]
fn retrieve_scores_the_head_of_the_list_in_its_order() {
    let rows = rows(1, 200);
    let query = &rows[0];
    for (budget, batch) in [(0, 4), (1, 1), (7, 3), (50, 50), (50, 64), (500, 9)] {
        let options = Options { budget, batch, mode: Mode::Retrieve };
        let (rerank, asked) = run(&rows, query, options, |id| draw(2, u64::from(id)));
        assert_eq!(asked, search(&rows, query, budget.min(200)));
        let stop = if budget > 200 { Stop::Exhausted } else { Stop::Budget };
        assert_eq!(rerank.step(), Step::Done(stop));
        assert_eq!((rerank.calls(), rerank.settled()), (asked.len(), asked.len()));
    }
}

#[test]
fn known_scores_are_no_calls_and_the_budget_is_for_others() {
    let rows = rows(4, 230);
    let query = &rows[0];
    let scorer = |id: u32| dot(&rows[9], &rows[id as usize]) + 0.1 * draw(5, u64::from(id));
    for (mode, batch) in [(Mode::Retrieve, 7), (Mode::Adaptive(Adaptive::default()), 4)] {
        let options = Options { budget: 50, batch, mode };
        let mut known: Vec<(u32, f64)> = Vec::new();
        for round in 0..6 {
            let (rerank, asked) = run_knowing(&rows, query, options, &known, scorer);
            let new: HashSet<u32> = asked.iter().copied().collect();
            assert_eq!((new.len(), rerank.calls()), (asked.len(), asked.len()));
            assert_eq!(asked.len(), [50, 50, 50, 50, 30, 0][round], "{mode:?} in round {round}");
            assert!(known.iter().all(|(id, _)| !new.contains(id)));
            assert_eq!(rerank.remembered(), known.len());
            assert_eq!(rerank.settled(), known.len() + asked.len());
            let stop = if round < 4 { Stop::Budget } else { Stop::Exhausted };
            assert_eq!(rerank.step(), Step::Done(stop));
            if mode == Mode::Retrieve {
                assert_eq!(asked, search(&rows, query, 50 * (round + 1))[known.len().min(230)..]);
            }
            // The same, whatever the order in which they are known.
            let backwards: Vec<(u32, f64)> = known.iter().rev().copied().collect();
            let again = run_knowing(&rows, query, options, &backwards, scorer);
            assert_eq!(again.1, asked);
            assert_eq!(again.0.ranked(), rerank.ranked());
            known.extend(asked.iter().map(|&id| (id, scorer(id))));
            known.sort_by(|a, b| b.1.total_cmp(&a.1));
            let got: Vec<(u32, f64)> =
                rerank.ranked().iter().filter_map(|hit| Some((hit.id, hit.score?))).collect();
            assert_eq!(got, known, "all that were ever scored come first");
        }
        let none = Options { budget: 0, batch, mode };
        let (rerank, asked) = run_knowing(&rows, query, none, &known[..20], scorer);
        assert_eq!((asked.len(), rerank.scores(), rerank.settled()), (0, 20, 20));
        let (rerank, _) = run_knowing(&rows, query, none, &[(3, f64::NAN), (4, 1.0)], scorer);
        assert_eq!((rerank.remembered(), rerank.scores()), (1, 1));
    }
}

#[test]
fn many_known_scores_are_as_good_as_the_rounds_that_gave_them() {
    let rows = rows(6, 3000);
    let hidden: Vec<f32> = rows[1].iter().zip(&rows[30]).map(|(u, h)| 0.5 * u + 0.7 * h).collect();
    let scorer = |id: u32| dot(&hidden, &rows[id as usize]);
    // More than the model is fitted to at once.
    let known: Vec<(u32, f64)> =
        (0..3 * rounds::KNOWN_ANCHORS as u32 / 2).map(|id| (id, scorer(id))).collect();
    let options = Options { budget: 40, batch: 10, mode: Mode::Adaptive(Adaptive::default()) };
    let (rerank, asked) = run_knowing(&rows, &rows[1], options, &known, scorer);
    assert!(rerank.ridge().anchors() <= rounds::KNOWN_ANCHORS + asked.len());
    let mut best: Vec<u32> = (0..3000).collect();
    best.sort_by(|&a, &b| scorer(b).total_cmp(&scorer(a)));
    let top: HashSet<u32> = rerank.ranked().iter().take(10).map(|hit| hit.id).collect();
    assert_eq!(best[..10].iter().filter(|id| top.contains(id)).count(), 10);
}

#[test]
fn adaptive_with_a_scorer_that_says_nothing_is_the_list() {
    let rows = rows(1, 300);
    let options = Options { budget: 60, batch: 5, mode: Mode::Adaptive(Adaptive::default()) };
    let (_, asked) = run(&rows, &rows[0], options, |_| 0.25);
    assert_eq!(asked, search(&rows, &rows[0], 60));
}

#[test]
fn adaptive_finds_what_the_list_does_not_have() {
    let rows = rows(3, 3000);
    let (mut more, mut less) = (0, 0);
    for q in 0..12u64 {
        let query = &rows[q as usize];
        let hidden: Vec<f32> =
            query.iter().zip(&rows[q as usize + 20]).map(|(u, h)| 0.5 * u + 0.7 * h).collect();
        let scorer = |id: u32| dot(&hidden, &rows[id as usize]) + 0.02 * draw(q + 50, u64::from(id));
        let best: HashSet<u32> = {
            let mut ids: Vec<u32> = (0..3000).collect();
            ids.sort_by(|&a, &b| scorer(b).total_cmp(&scorer(a)));
            ids.into_iter().take(10).collect()
        };
        for explore in [0.0, 0.5] {
            let hits = |mode| {
                let (rerank, asked) = run(&rows, query, Options { budget: 60, batch: 6, mode }, scorer);
                assert_eq!(asked.len(), 60);
                let top: HashSet<u32> = rerank.ranked().iter().take(10).map(|h| h.id).collect();
                best.intersection(&top).count()
            };
            more += hits(Mode::Adaptive(Adaptive { explore, ..Adaptive::default() }));
            less += hits(Mode::Retrieve);
        }
    }
    assert!(more >= 220 && less < 150, "{more} {less} of 240");
}

#[test]
fn no_script_breaks_its_promises() {
    let mut stops = HashSet::new();
    for seed in 0..600u64 {
        let pick = |i: u64, n: u64| mix(mix(seed) ^ i) % n;
        let rows = rows(seed, pick(0, 150) as usize + 1);
        let (budget, batch) = (pick(1, 90) as usize, pick(2, 20) as usize);
        let mode = match pick(3, 3) {
            0 => Mode::Retrieve,
            _ => Mode::Adaptive(Adaptive {
                rounds: pick(4, 12) as usize,
                share: [0.0, 0.2, 1.0, f64::NAN, -3.0, 9.0][pick(5, 6) as usize],
                explore: [0.0, 0.5, f64::NAN, f64::INFINITY][pick(6, 4) as usize],
                depth: pick(7, 6) as usize,
                ridge: adaptive::Options::default(),
            }),
        };
        let mut rerank = Rerank::new(&rows[0], Options { budget, batch, mode });
        let mut asked = HashSet::new();
        let (mut steps, mut scored) = (0u64, 0);
        let stop = loop {
            steps += 1;
            assert!(steps <= 4 * (budget as u64 + 2), "{seed}: it does not end");
            let die = pick(1000 + steps, 100);
            match rerank.step() {
                Step::Search { query, count } => {
                    assert!(count > 0 && query.iter().all(|x| x.is_finite()));
                    // Searches that lose rows, and some that bring nothing, or odd things.
                    let mut found = search(&rows, query, count);
                    found.retain(|&id| pick(5000 + u64::from(id), 10) > 0);
                    found.truncate(if die < 3 { 0 } else { usize::MAX });
                    let cut = if die < 6 { DIMS - 1 } else { DIMS };
                    rerank.offer(found.iter().map(|&id| {
                        let vector = &rows[id as usize][..];
                        let cheap = if id % 37 == 5 { f64::NAN } else { dot(&rows[0], vector) };
                        Candidate { id, vector: &vector[..cut], cheap }
                    }));
                }
                Step::Score(ids) => {
                    let ids = ids.to_vec();
                    assert!(!ids.is_empty() && ids.len() <= batch.max(1));
                    for id in &ids {
                        assert!(asked.insert(*id), "{seed}: {id} twice");
                        assert_ne!(id % 37, 5);
                    }
                    assert!(asked.len() <= budget);
                    assert_eq!((rerank.calls(), rerank.settled()), (asked.len(), 0));
                    let mut scores: Vec<f64> = ids.iter().map(|&id| draw(seed, u64::from(id))).collect();
                    match die {
                        0 => scores[0] = f64::NAN,
                        1 => scores[0] = f64::NEG_INFINITY,
                        2 => scores[0] = f64::INFINITY,
                        3 => scores.push(1.0),
                        4 => scores.truncate(ids.len() - 1),
                        _ => {}
                    }
                    if die == 5 {
                        rerank.fail();
                    } else {
                        scored += scores.iter().take(ids.len()).filter(|s| !s.is_nan()).count();
                        rerank.scored(&scores);
                    }
                    if [0, 3, 4, 5].contains(&die) {
                        let stop = if die == 0 { Stop::NotANumber } else { Stop::Failed };
                        assert_eq!(rerank.step(), Step::Done(stop));
                    }
                }
                Step::Done(stop) => break stop,
            }
            check(&rerank, scored);
        };
        assert!(stop != Stop::Budget || asked.len() == budget);
        assert_eq!(rerank.settled(), scored);
        let before = rerank.ranked();
        // After the end nothing has an effect on what is settled.
        rerank.scored(&[1.0]);
        rerank.fail();
        assert_eq!(rerank.step(), Step::Done(stop));
        assert_eq!(rerank.ranked(), before);
        stops.insert(format!("{stop:?}"));
    }
    assert_eq!(stops.len(), 4, "{stops:?}");
}

/// Scored first by score, then the others by estimate, ties by id; nothing twice.
fn check(rerank: &Rerank<u32>, scored: usize) {
    let hits = rerank.ranked();
    assert_eq!(hits.iter().filter(|h| h.score.is_some()).count(), scored);
    assert_eq!(rerank.scores(), scored);
    assert_eq!(hits.iter().map(|h| h.id).collect::<HashSet<_>>().len(), hits.len());
    for pair in hits.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        match (a.score, b.score) {
            (Some(x), Some(y)) => assert!(x > y || (x == y && a.id < b.id)),
            (None, None) => {
                assert!(a.estimate > b.estimate || (a.estimate == b.estimate && a.id < b.id), "{a:?} {b:?}");
            }
            (x, _) => assert!(x.is_some()),
        }
    }
}

#[test]
fn a_search_may_come_late_and_bring_what_is_known() {
    let rows = rows(5, 40);
    let options = Options { budget: 10, batch: 4, mode: Mode::Retrieve };
    let mut rerank = Rerank::new(&rows[0], options);
    let offer = |rerank: &mut Rerank<u32>| {
        rerank.offer((0..40u32).map(|id| {
            let vector = &rows[id as usize][..];
            Candidate { id, vector, cheap: dot(&rows[0], vector) }
        }));
    };
    // Scores that nobody waits for change nothing.
    rerank.scored(&[1.0, 2.0]);
    assert_eq!(rerank.step(), Step::Search { query: &rows[0], count: 4 });
    offer(&mut rerank);
    let first = rerank.step();
    assert!(matches!(first, Step::Score(ids) if ids == search(&rows, &rows[0], 4)));
    offer(&mut rerank);
    assert_eq!(rerank.ranked().len(), 40);
    assert!(matches!(rerank.step(), Step::Score(ids) if ids == search(&rows, &rows[0], 4)));
}
