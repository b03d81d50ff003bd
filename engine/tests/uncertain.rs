//! Rows as normal distributions: what searches and stages find is what brute force over the stored numbers finds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::random::Random;
use foretaste::{
    Collection, Csd, Database, Decision, Element, Fuse, Fusion, Gaussian, Hits, HnswParams, IvfParams, Key,
    Levels, Measure, Metric, Mmr, RowVariance, Schema, Search, Spec, Uncertainty, Variance, Way,
};
use foretaste_query::rerank::gaussian::{self, csd};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const DIMS: usize = 24;

fn collection(metric: Metric, variance: Variance, spec: Spec, random: &mut Random) -> (Database, Collection) {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
    let schema = Schema::new(DIMS, metric).levels([8]).element(Element::F32).variance(variance).text("body");
    let col = db.create_collection("c", schema).unwrap();
    let mut fill = |from: i64, to: i64| {
        let mut batch = col.batch();
        for id in from..to {
            let numbers = if variance == Variance::Scalar { 1 } else { DIMS };
            let size = 0.01 + 0.2 * random.unit().powi(4);
            let spread = (0..numbers).map(|_| size * (0.5 + random.unit().abs())).collect();
            let vector = random.vector(DIMS);
            let words = if id % 3 == 0 { "one word" } else { "another" };
            batch
                .upsert(id, &vector)
                .payload(json!({"tenth": id % 10, "body": words}))
                .variance(&RowVariance::Variance(spread));
        }
        batch.commit().unwrap();
    };
    fill(0, 2500);
    col.optimize(spec, |_| true).unwrap();
    fill(2500, 2700);
    let mut batch = col.batch();
    (0..2700).step_by(17).for_each(|id| {
        batch.delete(id);
    });
    batch.commit().unwrap();
    (db, col)
}

/// A mean as it is compared.
fn mean(vector: &[f32], dims: usize, metric: Metric) -> Vec<f32> {
    let vector = &vector[..dims];
    let norm = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let scale = if metric == Metric::Cosine { 1.0 / norm } else { 1.0 };
    vector.iter().map(|v| (f64::from(*v) * scale) as f32).collect()
}

fn variances(values: &[f32], dims: usize) -> gaussian::Variance<'_> {
    if values.len() == 1 {
        gaussian::Variance::Scalar(values[0])
    } else {
        gaussian::Variance::Diagonal(&values[..dims])
    }
}

/// All rows by a distance between distributions, nearest first.
fn brute(
    col: &Collection,
    query: &[f32],
    dims: usize,
    distance: impl Fn(&gaussian::Gaussian<'_>, &gaussian::Gaussian<'_>) -> f64,
    spread: &[f32],
) -> Vec<(Key, f64)> {
    let metric = col.schema().metric();
    let own = mean(query, dims, metric);
    let own = gaussian::Gaussian { mean: &own, variance: variances(spread, dims) };
    let mut all: Vec<(Key, f64)> = col
        .snapshot()
        .scan()
        .map(|record| {
            let record = record.unwrap();
            let at = mean(&record.vector, dims, metric);
            let row = gaussian::Gaussian { mean: &at, variance: variances(&record.variance, dims) };
            (record.id, distance(&own, &row))
        })
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// The hits are the first of `truth`, in its order but where two are as near as rounding.
fn same(hits: &Hits, truth: &[(Key, f64)], added: f64, what: &str) -> usize {
    for (hit, (_, expected)) in hits.iter().zip(truth) {
        let found = truth.iter().find(|(id, _)| *id == hit.id).unwrap().1;
        assert!(
            (0.0 - hit.score + added - found).abs() < 1e-4 * found.abs().max(1.0),
            "{what}: {} {found}",
            hit.score
        );
        let _ = expected;
    }
    hits.iter()
        .zip(truth)
        .filter(|(hit, (id, d))| {
            let found = truth.iter().find(|(id, _)| *id == hit.id).unwrap().1;
            hit.id == *id || (found - d).abs() < 1e-5 * d.abs().max(1.0)
        })
        .count()
}

const HNSW: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 100, edge_bits: None });
const IVF: Spec = Spec::Ivf(IvfParams { nlist: Some(50) });

#[test]
fn the_sampled_distance_is_exact_in_one_pass_and_nearly_so_by_an_index() {
    let mut random = Random::new(5);
    for metric in [Metric::L2, Metric::Cosine] {
        for variance in [Variance::Scalar, Variance::Diagonal, Variance::DiagonalCompact] {
            for spec in [Spec::Flat, HNSW, IVF] {
                let (_db, col) = collection(metric, variance, spec, &mut random);
                let (mut right, mut all) = (0, 0);
                for _ in 0..6 {
                    let query = random.vector(DIMS);
                    for (dims, weight) in [(DIMS, 1.0), (8, 1.0), (DIMS, 0.3), (DIMS, 0.0)] {
                        let truth = brute(&col, &query, dims, |q, x| csd(q, x, weight), &[0.0]);
                        let search = col.search(&query).dims(dims).k(15).ef(100).nprobe(40);
                        let hits = search.clone().rerank(Csd::new(weight)).run().unwrap();
                        let what = format!("{metric:?} {variance:?} {spec:?} {dims} {weight}");
                        if weight == 0.0 {
                            // Ranked by the distance itself.
                            assert!(hits.iter().all(|h| h.score == metric.score(h.distance)));
                            continue;
                        }
                        assert_eq!(hits.len(), 15, "{what}");
                        let found = same(&hits, &truth, 0.0, &what);
                        // As a stage behind another it is exact for what the search finds.
                        let second =
                            search.rerank(Mmr::new(1.0).among(15)).rerank(Csd::new(weight)).run().unwrap();
                        let second = same(&second, &truth, 0.0, &what);
                        if spec == Spec::Flat {
                            assert_eq!((found, second), (15, 15), "{what}");
                        }
                        (right, all) = (right + found, all + 15);
                    }
                }
                assert!(
                    right as f64 >= 0.97 * all as f64,
                    "{metric:?} {variance:?} {spec:?}: {right} of {all}"
                );
            }
        }
    }
}

#[test]
fn every_other_distance_between_distributions_is_exact_where_the_search_is() {
    let mut random = Random::new(9);
    let measures =
        [Measure::Wasserstein, Measure::Bhattacharyya, Measure::ExpectedLikelihood, Measure::LogLikelihood];
    for metric in [Metric::L2, Metric::Cosine] {
        for variance in [Variance::Scalar, Variance::Diagonal] {
            let (_db, col) = collection(metric, variance, Spec::Flat, &mut random);
            for measure in measures {
                for dims in [8, DIMS] {
                    let query = random.vector(DIMS);
                    let spread: Vec<f32> = (0..DIMS).map(|_| 0.02 + 0.1 * random.unit().abs()).collect();
                    let truth = brute(&col, &query, dims, |q, x| measure.distance(q, x), &spread);
                    let search = col.search(&query).dims(dims).k(10).rerank(Gaussian::new(measure));
                    let hits = search.query_variance(RowVariance::Variance(spread)).run().unwrap();
                    let what = format!("{metric:?} {variance:?} {measure:?} {dims}");
                    assert_eq!((hits.len(), same(&hits, &truth, 0.0, &what)), (10, 10), "{what}");
                }
            }
        }
    }
}

/// Ids of the rows that are sure enough, and pass `also`, nearest first.
fn sure(col: &Collection, query: &[f32], dims: usize, limit: f32, also: fn(i64) -> bool) -> Vec<Key> {
    let level = usize::from(dims > 8);
    let snapshot = col.snapshot();
    let passing = snapshot.scan().map(Result::unwrap).filter(|record| {
        let Key::Int(id) = record.id else { return false };
        record.variance_traces[level] <= limit && also(id)
    });
    let passing: std::collections::HashSet<Key> = passing.map(|record| record.id).collect();
    let all = col.search(query).dims(dims).k(5000).exact().run().unwrap();
    all.iter().map(|hit| hit.id.clone()).filter(|id| passing.contains(id)).collect()
}

fn ids(hits: &Hits) -> Vec<Key> {
    hits.iter().map(|hit| hit.id.clone()).collect()
}

#[test]
fn only_rows_that_are_sure_enough_are_found_and_never_fewer_than_are_wanted() {
    let mut random = Random::new(15);
    let cases = [
        (Metric::L2, Variance::Scalar, Spec::Flat),
        (Metric::Cosine, Variance::Diagonal, HNSW),
        (Metric::Dot, Variance::DiagonalCompact, HNSW),
        (Metric::L2, Variance::Diagonal, IVF),
    ];
    for (metric, variance, spec) in cases {
        let (_db, col) = collection(metric, variance, spec, &mut random);
        let mut traces: Vec<f32> =
            col.snapshot().scan().map(|record| record.unwrap().variance_traces[1]).collect();
        traces.sort_by(f32::total_cmp);
        let (mut right, mut all, mut asked) = (0, 0, 0);
        for share in [0.003, 0.02, 0.3, 0.8, 1.0] {
            let limit = traces[((traces.len() - 1) as f64 * share) as usize];
            for (dims, filter) in [(DIMS, ""), (8, ""), (DIMS, "tenth = 3"), (8, "tenth < 7")] {
                let query = random.vector(DIMS);
                let also: fn(i64) -> bool = match filter {
                    "" => |_| true,
                    "tenth = 3" => |id| id % 10 == 3,
                    _ => |id| id % 10 < 7,
                };
                let limit = if dims == 8 { limit / 3.0 } else { limit };
                let truth = sure(&col, &query, dims, limit, also);
                // Codes say little of a third of the dimensions: many candidates.
                let search = col.search(&query).dims(dims).k(12).ef(300).nprobe(30).max_uncertainty(limit);
                let search = if filter.is_empty() { search } else { search.filter(filter) };
                let what = format!("{metric:?} {variance:?} {spec:?} {share} {dims} {filter:?}");
                assert_eq!(
                    ids(&search.clone().exact().run().unwrap()),
                    truth[..truth.len().min(12)],
                    "{what}"
                );
                let check = |search: &Search, k: usize| {
                    let hits = search.clone().run().unwrap();
                    assert!(hits.iter().all(|hit| hit.uncertainty.unwrap() <= limit), "{what}");
                    assert_eq!(hits.len(), k.min(truth.len()), "{what}: {:?}", hits.plan);
                    hits
                };
                let hits = check(&search, 12);
                let way = |d: &Decision| matches!(d.way, Way::Index { .. } | Way::Codes);
                asked += usize::from(hits.plan.iter().any(way));
                right += ids(&hits).iter().filter(|id| truth[..truth.len().min(12)].contains(id)).count();
                all += hits.len();
                // Revisions and pages keep to it, and so do stages and other lists.
                let mut answer = search.clone().start().unwrap();
                let mut seen = Vec::new();
                while let Some(revision) = answer.next().unwrap() {
                    assert!(revision.hits.iter().all(|hit| truth.contains(&hit.id)), "{what}");
                    seen = revision.hits;
                }
                assert_eq!(seen.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>(), ids(&hits), "{what}");
                let page = answer.page().unwrap();
                assert!(page.hits.iter().all(|hit| truth.contains(&hit.id)), "{what}");
                assert_eq!(page.hits.len(), truth.len().saturating_sub(12).min(12), "{what}");
                let other =
                    Fuse::new(Fusion::Borda).vector(&random.vector(DIMS), 1.0).text("body", "one", 1.0);
                check(&search.clone().rerank(other), 12);
                check(&search.clone().rerank(Uncertainty::new().among(40)), 12);
                if metric != Metric::Dot {
                    check(&search.clone().rerank(Csd::new(1.0)), 12);
                    check(&search.clone().rerank(Gaussian::new(Measure::Wasserstein)), 12);
                }
            }
        }
        assert!(right as f64 >= 0.97 * all as f64, "{metric:?} {variance:?} {spec:?}: {right} of {all}");
        assert!(spec == Spec::Flat || asked > 3, "{spec:?}: only {asked} searches asked the index");
        let none = col.search(&random.vector(DIMS)).max_uncertainty(0.0).run().unwrap();
        assert!(none.is_empty());
        // With a schedule it is the uncertainty at its last step.
        let limit = traces[traces.len() / 4];
        let query = random.vector(DIMS);
        let truth = sure(&col, &query, DIMS, limit, |_| true);
        let funnel = Levels::new([(8, 2700), (DIMS, 20)]);
        let search = col.search(&query).k(20).ef(2700).nprobe(50).max_uncertainty(limit);
        assert_eq!(ids(&search.rerank(funnel).run().unwrap()), truth[..20]);
    }
}

#[test]
fn the_surest_of_the_nearest_come_first_and_a_query_says_how_sure_it_is() {
    let mut random = Random::new(16);
    let (_db, col) = collection(Metric::Cosine, Variance::Diagonal, Spec::Flat, &mut random);
    let query = random.vector(DIMS);
    let near = col.search(&query).k(40).run().unwrap();
    let mut expected: Vec<(Key, f32)> =
        near.iter().map(|hit| (hit.id.clone(), hit.uncertainty.unwrap())).collect();
    expected.sort_by(|a, b| a.1.total_cmp(&b.1));
    let surest = col.search(&query).k(10).rerank(Uncertainty::new().among(40)).run().unwrap();
    let found: Vec<(Key, f32)> =
        surest.iter().map(|hit| (hit.id.clone(), hit.uncertainty.unwrap())).collect();
    assert_eq!(found, expected[..10]);
    assert!(surest.iter().all(|hit| hit.score == -f64::from(hit.uncertainty.unwrap())));
    // Of no more rows than are wanted only the order changes.
    let same = col.search(&query).k(10).rerank(Uncertainty::new()).run().unwrap();
    let (mut a, mut b) = (ids(&same), ids(&near)[..10].to_vec());
    a.sort();
    b.sort();
    assert_eq!(a, b);

    let said = |variance: Vec<f32>, dims: usize| {
        let search = col.search(&query).dims(dims).query_variance(RowVariance::Variance(variance));
        let hits = search.clone().run().unwrap();
        let first = search.start().unwrap().next().unwrap().unwrap();
        assert_eq!(first.query_uncertainty, hits.query_uncertainty);
        hits.query_uncertainty
    };
    assert_eq!((near.query_uncertainty, said(vec![0.5], 8)), (None, Some(4.0)));
    assert_eq!(said((0..DIMS).map(|d| d as f32).collect(), 8), Some(28.0));
}

#[test]
fn stages_that_cannot_be_are_refused() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).open("d").unwrap();
    let sure = db.create_collection("sure", Schema::new(4, Metric::L2).levels([2])).unwrap();
    let dot = db.create_collection("dot", Schema::new(4, Metric::Dot).variance(Variance::Scalar)).unwrap();
    let l2 = db.create_collection("l2", Schema::new(4, Metric::L2).variance(Variance::Scalar)).unwrap();
    let query = [1.0, 0.0, 0.0, 0.0];
    let refused = |search: foretaste::Search, text: &str| {
        let error = search.run().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(sure.search(&query).rerank(Csd::new(1.0)), "keeps no variances");
    refused(dot.search(&query).rerank(Csd::new(1.0)), "inner product");
    refused(dot.search(&query).rerank(Gaussian::new(Measure::Wasserstein)), "inner product");
    refused(l2.search(&query).rerank(Csd::new(-1.0)), "not negative");
    refused(l2.search(&query).rerank(Csd::new(f64::NAN)), "finite");
    refused(sure.search(&query).max_uncertainty(1.0), "keeps no variances");
    refused(sure.search(&query).rerank(Uncertainty::new()), "keeps no variances");
    refused(l2.search(&query).max_uncertainty(-1.0), "not negative");
    refused(l2.search(&query).max_uncertainty(f32::NAN), "not negative");
    assert!(dot.search(&query).max_uncertainty(f32::INFINITY).run().unwrap().is_empty());
    refused(sure.search(&query).rerank(Levels::new([])), "at least one step");
    refused(sure.search(&query).rerank(Levels::new([(1, 10), (4, 5)])), "1 is below the first level");
    refused(sure.search(&query).rerank(Levels::new([(2, 10), (5, 5)])), "5 is more than the 4");
    refused(l2.search(&query).dims(3), "declare it: `Schema::levels([3])`");
    refused(l2.search(&query).rerank(Levels::new([(2, 10), (4, 5)])), "declares no shorter lengths");
    refused(sure.search(&query).rerank(Levels::new([(4, 10), (2, 5)])), "must ascend");
    refused(sure.search(&query).rerank(Levels::new([(2, 10), (4, 0)])), "at least one row");
    refused(
        sure.search(&query).rerank(Mmr::new(0.5)).rerank(Levels::new([(2, 10), (4, 5)])),
        "the first stage",
    );
    refused(sure.search(&query).dims(4).rerank(Levels::new([(2, 10), (4, 5)])), "leave `dims` out");
    let variance = |v: &[f32]| l2.search(&query).query_variance(RowVariance::Variance(v.to_vec()));
    refused(variance(&[0.1, 0.1]), "2 variances given");
    refused(variance(&[-0.1]), "cannot be");
    assert!(variance(&[0.1]).run().unwrap().is_empty());
}
