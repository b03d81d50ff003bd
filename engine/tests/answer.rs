//! The laws of an answer, on collections of every kind: what its revisions promise holds for each of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::random::Random;
use foretaste::{
    Answer, Collection, Csd, Database, Element, Fuse, Fusion, Gaussian, Hit, Hits, HnswParams, IvfParams,
    Key, Levels, Measure, Metric, Mmr, Revision, RowVariance, Schema, Scored, Search, Spec, Stage,
    StoppedBecause, Variance,
};
use foretaste_storage::vfs::mem::MemVfs;

use serde_json::json;

const DIMS: usize = 32;
const HNSW: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 80, edge_bits: None });
const COMPACT: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 80, edge_bits: Some(0) });
const IVF: Spec = Spec::Ivf(IvfParams { nlist: Some(60) });

/// Rows around some centres, most of their energy in the first dimensions.
fn row(random: &mut Random, centres: &[Vec<f32>]) -> Vec<f32> {
    let centre = &centres[random.below(centres.len() as u64) as usize];
    let near = (0..DIMS).map(|d| centre[d] + random.unit() * 0.5 / (1.0 + d as f32 / 8.0));
    near.collect()
}

fn centres(random: &mut Random) -> Vec<Vec<f32>> {
    (0..20).map(|_| (0..DIMS).map(|d| random.unit() / (1.0 + d as f32 / 8.0)).collect()).collect()
}

/// An indexed segment, one without an index, fresh rows, and deletions in all of them.
fn collection(
    metric: Metric,
    element: Element,
    spec: Spec,
    random: &mut Random,
) -> (Database, Collection, Vec<Vec<f32>>) {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
    let schema = Schema::new(DIMS, metric).levels([8, 16]).element(element).variance(Variance::Diagonal);
    let col = db.create_collection("c", schema).unwrap();
    let centres = centres(random);
    let mut fill = |from: i64, to: i64| {
        let mut batch = col.batch();
        for id in from..to {
            let spread = (0..DIMS).map(|_| random.unit().abs() * 0.02).collect();
            let vector = row(random, &centres);
            batch
                .upsert(id, &vector)
                .payload(json!({"n": id, "tenth": id % 10, "odd": id % 2 == 1}))
                .variance(&RowVariance::Variance(spread));
        }
        batch.commit().unwrap();
    };
    fill(0, 2600);
    col.optimize(spec, |_| true).unwrap();
    fill(2600, 3000);
    col.flush().unwrap();
    fill(3000, 3100);
    let mut batch = col.batch();
    (0..3100).step_by(13).for_each(|id| {
        batch.delete(id);
    });
    batch.commit().unwrap();
    let queries = (0..12).map(|_| row(random, &centres)).collect();
    (db, col, queries)
}

fn revisions(mut answer: Answer) -> Vec<Revision> {
    let mut all = Vec::new();
    while let Some(revision) = answer.next().unwrap() {
        all.push(revision);
    }
    assert!(answer.next().unwrap().is_none(), "after the end comes nothing");
    assert!(Iterator::next(&mut answer).is_none());
    all
}

fn ids(hits: &[Hit]) -> Vec<Key> {
    hits.iter().map(|hit| hit.id.clone()).collect()
}

/// What holds of the revisions of any answer that nothing cut short. Returns whether something changed that was called settled,
/// which may be so in one of twenty searches where an index is asked.
fn check(revisions: &[Revision], at_once: &Hits, k: usize, matching: usize, what: &str) -> bool {
    let mut broken = false;
    let last = revisions.last().unwrap_or_else(|| panic!("{what}: no revision"));
    // 1. The last revision is the answer at once.
    assert_eq!(ids(&last.hits), ids(at_once), "{what}");
    for (one, other) in last.hits.iter().zip(at_once.iter()) {
        assert_eq!(
            (one.distance, one.score, one.stage),
            (other.distance, other.score, other.stage),
            "{what}"
        );
        assert_eq!(one.error, 0.0, "{what}");
    }
    assert_eq!(last.stopped_because, Some(at_once.stopped_because), "{what}");
    // 5. While k rows match, there are k hits.
    assert_eq!(last.hits.len(), k.min(matching), "{what}: {:?}", last.stopped_because);
    let short = if matching < k { StoppedBecause::Exhausted } else { StoppedBecause::Complete };
    assert_eq!(last.stopped_because, Some(short), "{what}");
    assert_eq!(last.settled, last.hits.len(), "{what}");
    let mut before: Option<&Revision> = None;
    for (i, revision) in revisions.iter().enumerate() {
        assert_eq!(revision.number as usize, i + 1, "{what}");
        assert!(revision.hits.len() <= k && revision.settled <= revision.hits.len(), "{what}");
        let mut unique = ids(&revision.hits);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), revision.hits.len(), "{what}: a row stands twice");
        assert_eq!(revision.stopped_because.is_some(), i + 1 == revisions.len(), "{what}");
        if let Some(before) = before {
            // 2. What is settled does not change.
            let settled = before.settled;
            broken |= ids(&before.hits[..settled]) != ids(&revision.hits[..settled]);
            // 4. Time and cost do not decrease.
            let (a, b) = (before.cost, revision.cost);
            assert!(a.elapsed <= b.elapsed && a.rows_exact <= b.rows_exact, "{what}");
            assert!(a.index_steps <= b.index_steps && a.scorer_calls <= b.scorer_calls, "{what}");
            assert!(a.bytes_read <= b.bytes_read && a.rows_refused <= b.rows_refused, "{what}");
        }
        let places: Vec<usize> = (0..revision.hits.len())
            .filter(|place| {
                before.and_then(|b| b.hits.get(*place)).map(|h| &h.id) != Some(&revision.hits[*place].id)
            })
            .collect();
        assert_eq!(revision.changed, places, "{what}");
        before = Some(revision);
    }
    broken
}

fn every_kind(mut each: impl FnMut(&Collection, &[Vec<f32>], &mut Random, &str)) {
    let mut random = Random::new(7);
    let kinds = [
        (Metric::L2, Element::F32, Spec::Flat),
        (Metric::Cosine, Element::F32, HNSW),
        (Metric::L2, Element::F16, HNSW),
        (Metric::Dot, Element::F32, HNSW),
        (Metric::Cosine, Element::I8, COMPACT),
        (Metric::L2, Element::F32, IVF),
        (Metric::Cosine, Element::BF16, IVF),
        (Metric::Dot, Element::F32, IVF),
    ];
    for (metric, element, spec) in kinds {
        let (_db, col, queries) = collection(metric, element, spec, &mut random);
        each(&col, &queries, &mut random, &format!("{metric:?} {element:?} {spec:?}"));
    }
}

/// What a search may be asked beside the vector.
fn asked(random: &mut Random, k: usize, search: Search) -> (Search, String) {
    let filter =
        ["", "odd = true", "tenth = 3", "n < 40", "n >= 2990", "tenth = 77"][random.below(6) as usize];
    let dims = [8, 16, DIMS][random.below(3) as usize];
    let ef = k + random.below(60) as usize;
    let nprobe = 1 + random.below(20) as usize;
    let what = format!("k {k}, {filter:?}, dims {dims}, ef {ef}, nprobe {nprobe}");
    let search = search.k(k).dims(dims).ef(ef).nprobe(nprobe);
    (if filter.is_empty() { search } else { search.filter(filter) }, what)
}

#[test]
fn the_laws_hold_for_every_metric_index_level_and_filter() {
    let (mut broken, mut all, mut looks) = (0, 0, 0);
    every_kind(|col, queries, random, kind| {
        for query in queries {
            for k in [1, 3, 10, 60] {
                let (search, what) = asked(random, k, col.search(query));
                let matching = search.clone().k(5000).exact().run().unwrap().len();
                let at_once = search.clone().run().unwrap();
                let revisions = revisions(search.start().unwrap());
                broken += usize::from(check(&revisions, &at_once, k, matching, &format!("{kind}, {what}")));
                (all, looks) = (all + 1, looks + revisions.len() - 1);
            }
        }
    });
    assert!(looks > all / 5, "{looks} looks in {all} searches");
    assert!(broken * 20 <= all, "{broken} of {all} searches changed what was settled");
}

#[test]
fn the_laws_hold_for_every_stage_behind_the_search() {
    every_kind(|col, queries, random, kind| {
        let dot = col.schema().metric() == Metric::Dot;
        for query in queries.iter().take(4) {
            for stage in 0..7 {
                let k = 1 + random.below(20) as usize;
                let (search, what) = asked(random, k, col.search(query));
                let by_id = |ids: &[Key]| {
                    let score =
                        |id: &Key| if let Key::Int(id) = id { (id * 7919 % 1000) as f64 } else { 0.0 };
                    Ok(ids.iter().map(score).collect::<Vec<f64>>())
                };
                let search = match stage {
                    // It says itself by which dimensions.
                    0 => {
                        let search = col.search(query).k(k).ef(k + 50).nprobe(20).filter("n >= 40");
                        search.rerank(Levels::new([(8, 80), (16, 40), (32, 20)]))
                    }
                    1 => search.rerank(Mmr::new(0.5)),
                    2 => search.rerank(Scored::new(by_id).budget(50).batch(16)),
                    3 => search.rerank(Scored::new(by_id).budget(50).batch(8).adaptive()),
                    4 if !dot => search.rerank(Csd::new(1.0)),
                    6 => search.rerank(
                        Fuse::new(Fusion::Rrf { kappa: 60.0 })
                            .vector(&queries[5], 1.0)
                            .vector(&queries[6], 0.5),
                    ),
                    5 if !dot => search.rerank(Gaussian::new(Measure::Wasserstein)).rerank(Mmr::new(0.9)),
                    _ => continue,
                };
                let matching = search.clone().k(5000).exact().run().unwrap().len();
                let at_once = search.clone().run().unwrap();
                let revisions = revisions(search.start().unwrap());
                let what = format!("{kind}, stage {stage}, {what}");
                assert!(!check(&revisions, &at_once, k, matching, &what), "{what}: what was settled changed");
                if stage == 2 || stage == 3 {
                    assert!(at_once.cost.scorer_calls <= 50);
                    // 6. Only what is scored is settled.
                    for revision in &revisions[..revisions.len() - 1] {
                        let settled = &revision.hits[..revision.settled];
                        assert!(settled.iter().all(|hit| hit.stage == Stage::Rerank));
                    }
                }
            }
        }
    });
}

#[test]
fn an_estimate_says_how_far_it_may_be_off() {
    let (mut covered, mut all, mut estimated) = (0, 0, 0);
    every_kind(|col, queries, _, _| {
        for query in queries {
            let truth = col.search(query).k(3200).exact().run().unwrap();
            let search = col.search(query).k(20).ef(150).nprobe(30);
            for revision in revisions(search.start().unwrap()) {
                for hit in &revision.hits {
                    let exact = truth.iter().find(|t| t.id == hit.id).unwrap().distance;
                    all += 1;
                    estimated += usize::from(hit.error > 0.0);
                    covered +=
                        usize::from((hit.distance - exact).abs() <= hit.error + 1e-5 * exact.abs().max(0.1));
                }
            }
        }
    });
    assert!(covered as f64 >= 0.98 * all as f64, "{covered} of {all}");
    assert!(estimated > 500, "{estimated} estimates");
}

#[test]
fn deadlines_budgets_and_cancelling_end_an_answer_with_the_best_so_far() {
    every_kind(|col, queries, _, kind| {
        for query in queries.iter().take(3) {
            for budget in [0, 1, 30, 100, 700, 3000] {
                let search = col.search(query).k(10).ef(40).budget(budget);
                let all = revisions(search.clone().start().unwrap());
                let last = all.last().unwrap();
                let spent = last.cost.rows_exact + last.cost.index_steps;
                // An inverted file finishes its cell, a graph begins with its upper layers.
                assert!(spent <= budget + 300, "{kind}: {spent} of {budget}");
                assert_eq!(ids(&last.hits), ids(&search.run().unwrap()), "{kind}");
                assert!(last.stopped_because.is_some());
            }
            let passed = col.search(query).k(10).deadline(Duration::ZERO);
            assert_eq!(passed.clone().run().unwrap().stopped_because, StoppedBecause::Deadline, "{kind}");
            let all = revisions(passed.start().unwrap());
            assert_eq!(all.last().unwrap().stopped_because, Some(StoppedBecause::Deadline), "{kind}");

            let mut answer = col.search(query).k(10).ef(400).start().unwrap();
            let first = answer.next().unwrap().unwrap();
            let canceller = answer.canceller();
            std::thread::spawn(move || canceller.cancel()).join().unwrap();
            let rest = revisions(answer);
            match first.stopped_because {
                Some(_) => assert!(rest.is_empty()),
                None => {
                    assert_eq!(rest.len(), 1, "{kind}");
                    assert_eq!(rest[0].stopped_because, Some(StoppedBecause::Cancelled));
                    assert_eq!(rest[0].hits.len(), 10, "{kind}: the best so far");
                }
            }
        }
    });
}

#[test]
fn a_scorer_that_fails_panics_or_says_nonsense_leaves_the_best_so_far() {
    let mut random = Random::new(3);
    let (_db, col, queries) = collection(Metric::Cosine, Element::F32, HNSW, &mut random);
    for way in 0..4 {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let scorer = move |ids: &[Key]| {
            let call = counted.fetch_add(1, Ordering::Relaxed);
            let mut scores: Vec<f64> = (0..ids.len()).map(|i| (call * 100 + i) as f64).collect();
            match (call, way) {
                (0, _) => {}
                (_, 0) => return Err("no more".into()),
                (_, 1) => panic!("on purpose"),
                (_, 2) => scores[3] = f64::NAN,
                _ => scores.truncate(2),
            }
            Ok(scores)
        };
        let search = col.search(&queries[0]).k(20).rerank(Scored::new(scorer).budget(60).batch(10));
        let hits = search.clone().run().unwrap();
        assert_eq!(hits.len(), 20);
        assert_eq!(hits.stopped_because, StoppedBecause::ScorerFailed);
        let problem = hits.problem.as_ref().unwrap().to_string();
        let expected = ["no more", "it panicked: on purpose", "not a number", "2 scores for 10 ids"][way];
        assert!(problem.contains(expected), "{problem}");
        assert!(hits[..10].iter().all(|hit| hit.stage == Stage::Rerank), "the first batch is scored");
        assert_eq!(hits.cost.scorer_calls, 20);
        calls.store(0, Ordering::Relaxed);
        let all = revisions(search.start().unwrap());
        let last = all.last().unwrap();
        assert_eq!(ids(&last.hits), ids(&hits));
        assert!(last.problem.is_some() && all[..all.len() - 1].iter().all(|r| r.problem.is_none()));
    }
}

#[test]
fn pages_follow_each_other_without_a_row_twice() {
    every_kind(|col, queries, _, kind| {
        for query in queries.iter().take(3) {
            for mmr in [false, true] {
                let search = col.search(query).k(7).ef(200).nprobe(60).filter("n < 60");
                let search = if mmr { search.rerank(Mmr::new(0.8)) } else { search };
                let all = col.search(query).k(5000).filter("n < 60").exact().run().unwrap();
                let mut answer = search.start().unwrap();
                let mut pages = revisions_of(&mut answer).pop().unwrap().hits;
                let mut ends = 0;
                for _ in 0..12 {
                    let page = answer.page().unwrap();
                    assert_eq!(page.settled, page.hits.len());
                    assert!(page.hits.windows(2).all(|w| w[0].score >= w[1].score), "{kind}");
                    ends += usize::from(page.stopped_because == Some(StoppedBecause::Exhausted));
                    pages.extend(page.hits);
                }
                assert!(ends > 0, "{kind}: there are fewer rows than pages");
                let (mut found, mut expected) = (ids(&pages), ids(&all));
                if !mmr {
                    // Found by the same distances, all of them, in their order.
                    assert_eq!(found, expected, "{kind}");
                }
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "{kind}: every row once");
                assert!(answer.next().unwrap().is_none());
            }
        }
    });
}

fn revisions_of(answer: &mut Answer) -> Vec<Revision> {
    let mut all = Vec::new();
    while let Some(revision) = answer.next().unwrap() {
        all.push(revision);
    }
    all
}

#[test]
fn another_query_or_one_more_stage_gives_what_a_new_search_gives() {
    every_kind(|col, queries, _, kind| {
        let search = |query: &[f32]| col.search(query).k(10).ef(100).nprobe(30);
        let mut answer = search(&queries[0]).start().unwrap();
        let first = revisions_of(&mut answer).pop().unwrap();
        answer.requery(&queries[0]).unwrap();
        assert!(answer.next().unwrap().is_none(), "the same query changes nothing");
        assert!(answer.requery(&queries[0][..4]).is_err(), "too short");
        answer.requery(&queries[1]).unwrap();
        let all = revisions_of(&mut answer);
        assert_eq!(all[0].number, first.number + 1);
        assert!(all[0].cost.bytes_read >= first.cost.bytes_read && all[0].cost.elapsed >= first.cost.elapsed);
        assert_eq!(ids(&all.last().unwrap().hits), ids(&search(&queries[1]).run().unwrap()), "{kind}");

        // A stage put behind a finished answer refines its list.
        let by_id = |ids: &[Key]| {
            Ok(ids.iter().map(|id| if let Key::Int(id) = id { (id % 97) as f64 } else { 0.0 }).collect())
        };
        answer.rerank(Scored::new(by_id).budget(10).batch(4)).unwrap();
        let refined = revisions_of(&mut answer);
        assert!(refined.len() >= 3 && refined.iter().rev().skip(1).all(|r| r.settled == 0));
        let hits = &refined.last().unwrap().hits;
        assert!(
            hits.iter().all(|hit| hit.stage == Stage::Rerank)
                && hits.windows(2).all(|w| w[0].score >= w[1].score)
        );
        let (mut one, mut other) = (ids(hits), ids(&all.last().unwrap().hits));
        one.sort();
        other.sort();
        assert_eq!(one, other, "{kind}: the same rows in another order");
        assert!(answer.rerank(Levels::new([])).is_err());
    });
}

#[test]
fn whatever_is_done_with_an_answer_in_whatever_order_the_laws_hold() {
    let mut random = Random::new(11);
    let (_db, col, queries) = collection(Metric::L2, Element::F32, HNSW, &mut random);
    for _ in 0..150 {
        let k = 1 + random.below(15) as usize;
        let query = &queries[random.below(queries.len() as u64) as usize];
        let (search, what) = asked(&mut random, k, col.search(query).dims(DIMS));
        let mut answer = search.start().unwrap();
        let canceller = answer.canceller();
        let (mut number, mut cost, mut cancelled) = (0, None, false);
        let mut log = what;
        for _ in 0..random.below(12) {
            let action = random.below(8);
            log += &format!(" {action}");
            let revision = match action {
                0 => {
                    answer.requery(&queries[random.below(queries.len() as u64) as usize]).unwrap();
                    continue;
                }
                1 => {
                    answer.rerank(Mmr::new(f64::from(random.unit().abs()))).unwrap();
                    continue;
                }
                2 => {
                    let scorer = |ids: &[Key]| Ok(vec![1.0; ids.len()]);
                    answer.rerank(Scored::new(scorer).budget(20).batch(6)).unwrap();
                    continue;
                }
                3 if random.below(4) == 0 => {
                    canceller.cancel();
                    cancelled = true;
                    continue;
                }
                4 => Some(answer.page().unwrap()),
                _ => answer.next().unwrap(),
            };
            let Some(revision) = revision else { continue };
            assert!(revision.number > number, "{log}");
            number = revision.number;
            assert!(revision.hits.len() <= k && revision.settled <= revision.hits.len(), "{log}");
            let mut unique = ids(&revision.hits);
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), revision.hits.len(), "{log}");
            let spent = revision.cost.rows_exact + revision.cost.index_steps + revision.cost.scorer_calls;
            assert!(cost.is_none_or(|before| before <= spent), "{log}");
            cost = Some(spent);
            if cancelled {
                assert!(revision.stopped_because.is_some(), "{log}");
            }
        }
    }
}

#[test]
fn fused_lists_are_what_the_functions_make_of_single_searches() {
    use foretaste_query::rerank::fuse::{self, List, Scale};

    let mut random = Random::new(2);
    let (_db, col, queries) = collection(Metric::Cosine, Element::F32, Spec::Flat, &mut random);
    let list = |query: &[f32]| -> Vec<(Key, f64)> {
        let hits = col.search(query).k(30).run().unwrap();
        hits.iter().map(|hit| (hit.id.clone(), hit.score)).collect()
    };
    // The functions order ids that can be copied.
    let number = |hits: Vec<(Key, f64)>| -> Vec<(i64, f64)> {
        hits.into_iter()
            .map(|(id, score)| if let Key::Int(id) = id { (id, score) } else { (0, score) })
            .collect()
    };
    let lists: Vec<Vec<(i64, f64)>> = queries[..3].iter().map(|query| number(list(query))).collect();
    let weights = [1.0, 0.7, 2.0];
    let rankings = |scale: Option<Scale>| -> Vec<List<'_, i64>> {
        lists
            .iter()
            .zip(weights)
            .map(|(hits, weight)| {
                let list = List::new(&hits[..]).weighted(weight);
                scale.map_or(list, |scale| list.scaled(scale))
            })
            .collect()
    };
    let cases = [
        (Fusion::Rrf { kappa: 60.0 }, fuse::rrf(&rankings(None), 60.0)),
        (Fusion::ZScore, fuse::convex(&rankings(Some(Scale::ZScore)))),
        (Fusion::MinMax, fuse::convex(&rankings(Some(Scale::TheoreticalMinMax { min: -1.0 })))),
        (Fusion::Borda, fuse::borda(&rankings(None))),
        (Fusion::Copeland, fuse::copeland(&rankings(None))),
        (Fusion::Kemeny, fuse::kemeny(&rankings(None))),
        (Fusion::RunOff { finalists: 8 }, fuse::run_off(&rankings(None), 8)),
    ];
    for (fusion, expected) in cases {
        let stage = Fuse::new(fusion).weight(weights[0]).vector(&queries[1], weights[1]);
        let stage = stage.vector(&queries[2], weights[2]).depth(30);
        let hits = col.search(&queries[0]).k(30).rerank(stage.clone()).run().unwrap();
        let scores: Vec<f64> = hits.iter().map(|hit| hit.score).collect();
        let wanted: Vec<f64> = expected.iter().take(30).map(|hit| hit.1).collect();
        assert!(
            scores.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9),
            "{fusion:?}: {scores:?} {wanted:?}"
        );
        for hit in hits.iter() {
            let alone = col.search(&queries[0]).k(3100).exact().run().unwrap();
            let distance = alone.iter().find(|a| a.id == hit.id).unwrap().distance;
            assert!(
                (distance - hit.distance).abs() < 1e-9,
                "its distance is that from the search's own query"
            );
        }
        // Each list makes the answer anew.
        let all = revisions(col.search(&queries[0]).k(30).rerank(stage).start().unwrap());
        assert!(all.len() >= 3);
    }
    let gate = Fuse::new(Fusion::Borda).vector(&queries[1], 1.0).depth(30).min_votes(2);
    let both = col.search(&queries[0]).k(30).rerank(gate).run().unwrap();
    let in_both = lists[0].iter().filter(|(id, _)| lists[1].iter().any(|(other, _)| other == id)).count();
    assert_eq!(both.len(), in_both);
    let refused = |stage: Fuse| col.search(&queries[0]).rerank(stage).run().is_err();
    assert!(
        refused(Fuse::new(Fusion::Borda).weight(0.0)) && refused(Fuse::new(Fusion::Borda).weight(f64::NAN))
    );
    assert!(refused(Fuse::new(Fusion::Borda).vector(&[1.0], 1.0)));
}

#[test]
fn what_was_measured_of_an_index_is_there_after_opening_again_and_damage_of_it_costs_only_itself() {
    use foretaste_storage::vfs::Vfs;

    let disk = Arc::new(MemVfs::new());
    let open =
        || Database::options().disk(Arc::clone(&disk) as Arc<dyn Vfs>).background(false).open("d").unwrap();
    let mut random = Random::new(4);
    let centres = centres(&mut random);
    let (said, query);
    {
        let db = open();
        let col = db.create_collection("c", Schema::new(DIMS, Metric::L2)).unwrap();
        let mut batch = col.batch();
        (0..2600).for_each(|id| {
            batch.upsert(id, &row(&mut random, &centres));
        });
        batch.commit().unwrap();
        col.optimize(HNSW, |_| true).unwrap();
        query = row(&mut random, &centres);
        said = col.search(&query).ef(60).run().unwrap().estimated_recall;
        assert!(said.is_some());
    }
    let file = {
        let db = open();
        let hits = db.collection("c").unwrap().search(&query).ef(60).run().unwrap();
        assert_eq!(hits.estimated_recall, said);
        let folders = disk.read_dir("d/seg".as_ref()).unwrap();
        let folder = std::path::Path::new("d/seg").join(&folders[0]);
        let name = disk.read_dir(&folder).unwrap().into_iter().find(|name| name.starts_with("trust."));
        folder.join(name.unwrap())
    };
    let mut bytes = disk.read_file(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 8].fill(0xff);
    disk.write_file(&file, &bytes).unwrap();
    let db = open();
    let col = db.collection("c").unwrap();
    let hits = col.search(&query).ef(60).run().unwrap();
    assert_eq!((hits.len(), hits.estimated_recall), (10, None), "nothing is known, and the index is as good");
    assert!(hits.plan.iter().any(|d| matches!(d.way, foretaste::Way::Index { .. })));
    drop((col, db));
    let options = Database::options().disk(Arc::clone(&disk) as Arc<dyn Vfs>).background(false);
    let root = std::path::Path::new("d");
    let named = |path: &std::path::Path| {
        let report = foretaste::check(root, &options, &mut |_, _| true).unwrap();
        report.damage.iter().any(|damage| damage.file.to_string_lossy().contains(&*path.to_string_lossy()))
    };
    assert!(named(file.file_name().unwrap().as_ref()), "check names it");
    foretaste::repair(root, &options, &mut |_| ()).unwrap();
    assert!(!named("trust.".as_ref()));
    let db = open();
    let col = db.collection("c").unwrap();
    col.optimize(HNSW, |_| true).unwrap();
    assert_eq!(col.search(&query).ef(60).run().unwrap().estimated_recall, said, "measured again");
}

#[test]
fn a_scorer_behind_another_stage_takes_the_list_in_its_order() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).open("db").unwrap();
    let col = db.create_collection("c", Schema::new(2, Metric::L2).text("t")).unwrap();
    let mut batch = col.batch();
    for i in 0..200i64 {
        let word = if i % 7 == 3 { "rare" } else { "plain" };
        batch.upsert(i, &[i as f32, 0.0]).payload(json!({"t": word}));
    }
    batch.commit().unwrap();
    let fused = Fuse::new(Fusion::Rrf { kappa: 60.0 }).text("t", "rare", 3.0).depth(150);
    let list = col.search(&[0.0, 0.0]).k(30).rerank(fused.clone()).run().unwrap();
    for adaptive in [false, true] {
        let asked = Arc::new(foretaste_storage::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let scorer = move |ids: &[Key]| {
            told.lock().extend_from_slice(ids);
            Ok(ids.iter().map(|_| 1.0).collect())
        };
        let mut stage = Scored::new(scorer).budget(20).batch(5);
        stage = if adaptive { stage.adaptive() } else { stage };
        let hits = col.search(&[0.0, 0.0]).k(30).rerank(fused.clone()).rerank(stage).run().unwrap();
        let asked = asked.lock();
        let head: Vec<Key> =
            list.iter().take(if adaptive { 5 } else { 20 }).map(|hit| hit.id.clone()).collect();
        assert_eq!(asked[..head.len()], head, "the head of the fused list");
        assert_eq!((asked.len(), hits.len()), (20, 30));
        if !adaptive {
            let rest: Vec<Key> = hits.iter().skip(20).map(|hit| hit.id.clone()).collect();
            assert_eq!(rest, list.iter().skip(20).map(|hit| hit.id.clone()).collect::<Vec<_>>());
            assert!(hits.iter().zip(list.iter()).skip(20).all(|(hit, before)| hit.score == before.score));
        }
    }
}
