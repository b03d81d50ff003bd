//! Rows as normal distributions: what searches and stages find is what brute force over the stored numbers finds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::random::Random;
use foretaste::{
    Collection, Csd, Database, Element, Gaussian, Hits, HnswParams, IvfParams, Key, Levels, Measure, Metric,
    Mmr, RowVariance, Schema, Spec, Variance,
};
use foretaste_query::rerank::gaussian::{self, csd};
use foretaste_storage::vfs::mem::MemVfs;

const DIMS: usize = 24;

fn collection(metric: Metric, variance: Variance, spec: Spec, random: &mut Random) -> (Database, Collection) {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
    let schema = Schema::new(DIMS, metric).levels([8]).element(Element::F32).variance(variance);
    let col = db.create_collection("c", schema).unwrap();
    let mut fill = |from: i64, to: i64| {
        let mut batch = col.batch();
        for id in from..to {
            let numbers = if variance == Variance::Scalar { 1 } else { DIMS };
            let size = 0.01 + 0.2 * random.unit().powi(4);
            let spread = (0..numbers).map(|_| size * (0.5 + random.unit().abs())).collect();
            let vector = random.vector(DIMS);
            batch.upsert(id, &vector).variance(&RowVariance::Variance(spread));
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
    refused(sure.search(&query).rerank(Levels::new([])), "at least one step");
    refused(sure.search(&query).rerank(Levels::new([(2, 10), (3, 5)])), "3 is not a level");
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
