//! Searches by any number of dimensions from the first level on: what they find is what brute force over the stored numbers finds,
//! for every metric, element type and index, with rows that are shorter.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::random::Random;
use foretaste::{
    Collection, Csd, Database, Element, HnswParams, IvfParams, Key, Levels, Metric, Record, RowVariance,
    Schema, Search, Spec, Variance,
};
use foretaste_query::kernel::exact::distance;
use foretaste_storage::vfs::mem::MemVfs;

const LEVELS: [usize; 3] = [8, 16, 32];
const DIMS: usize = 32;
const WIDTHS: [usize; 7] = [8, 9, 13, 16, 17, 31, 32];
const HNSW: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 80, edge_bits: None });
const IVF: Spec = Spec::Ivf(IvfParams { nlist: Some(40) });

/// A segment with an index, one without, fresh rows, and deletions; some rows end at a shorter level.
fn collection(
    metric: Metric,
    element: Element,
    variance: Variance,
    spec: Spec,
    random: &mut Random,
) -> (Database, Collection) {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
    let schema = Schema::new(DIMS, metric).levels(LEVELS).element(element).variance(variance);
    let col = db.create_collection("c", schema).unwrap();
    let mut fill = |from: i64, to: i64| {
        let mut batch = col.batch();
        for id in from..to {
            // Nearer under L2 for what they lack, they would be all that is found, and an index counts zeros for it.
            let width =
                if id % 50 == 7 && spec == Spec::Flat { LEVELS[random.below(2) as usize] } else { DIMS };
            let vector: Vec<f32> = (0..width).map(|d| random.unit() / (1.0 + d as f32 / 8.0)).collect();
            let row = batch.upsert(id, &vector);
            if variance != Variance::None {
                let numbers = if variance == Variance::Scalar { 1 } else { width };
                row.variance(&RowVariance::Variance(
                    (0..numbers).map(|_| random.unit().abs() * 0.1).collect(),
                ));
            }
        }
        batch.commit().unwrap();
    };
    fill(0, 2200);
    col.optimize(spec, |_| true).unwrap();
    fill(2200, 2500);
    col.flush().unwrap();
    fill(2500, 2560);
    let mut batch = col.batch();
    (0..2560).step_by(19).for_each(|id| {
        batch.delete(id);
    });
    batch.commit().unwrap();
    (db, col)
}

fn records(col: &Collection) -> Vec<Record> {
    col.snapshot().scan().map(Result::unwrap).collect()
}

/// The `k` nearest of `rows` by their first `dims` numbers.
fn brute<'r>(
    rows: impl Iterator<Item = &'r Record>,
    metric: Metric,
    query: &[f32],
    dims: usize,
    k: usize,
) -> Vec<(f64, Key)> {
    let one = |record: &Record| (distance(metric, &query[..dims], &record.vector), record.id.clone());
    let mut all: Vec<(f64, Key)> = rows.map(one).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    all.truncate(k);
    all
}

fn found(search: Search) -> Vec<(f64, Key)> {
    search.run().unwrap().iter().map(|hit| (hit.distance, hit.id.clone())).collect()
}

fn nearly(found: &[(f64, Key)], expected: &[(f64, Key)], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found.0 - expected.0).abs() < 1e-5 * expected.0.abs().max(0.1),
            "{what}: {found:?} {expected:?}"
        );
    }
}

#[test]
fn every_width_finds_the_nearest_by_so_many_dimensions() {
    let mut random = Random::new(21);
    let elements = [Element::F32, Element::F16, Element::BF16, Element::I8];
    for metric in Metric::ALL {
        for (i, element) in elements.into_iter().enumerate() {
            let spec = [Spec::Flat, HNSW, IVF, HNSW][i];
            let (_db, col) = collection(metric, element, Variance::None, spec, &mut random);
            let rows = records(&col);
            let (mut right, mut all) = (0, 0);
            for dims in WIDTHS {
                let query = random.vector(DIMS);
                let what = format!("{metric:?} {element:?} {spec:?} {dims}");
                let truth = brute(rows.iter(), metric, &query, dims, 10);
                nearly(&found(col.search(&query).dims(dims).exact()), &truth, &what);
                // A query need not be longer.
                nearly(&found(col.search(&query[..dims]).dims(dims).exact()), &truth, &what);
                // Codes hold all dimensions; an inverted file orders by them alone, so that more is read by few dimensions.
                let ef = if spec == IVF { 1200 } else { 250 };
                let hits = found(col.search(&query).dims(dims).ef(ef).nprobe(40));
                for (distance_, id) in &hits {
                    let row = rows.iter().find(|row| row.id == *id).unwrap();
                    let own = distance(metric, &query[..dims], &row.vector);
                    assert!((own - distance_).abs() < 1e-5 * own.abs().max(0.1), "{what}");
                }
                right += hits.iter().filter(|hit| hit.0 <= truth[9].0 + 1e-5).count();
                all += hits.len();
            }
            assert_eq!(all, 10 * WIDTHS.len());
            assert!(right as f64 >= 0.9 * all as f64, "{metric:?} {element:?} {spec:?}: {right} of {all}");
        }
    }
}

#[test]
fn a_schedule_of_any_widths_is_a_funnel() {
    let mut random = Random::new(22);
    for metric in Metric::ALL {
        let (_db, col) = collection(metric, Element::F32, Variance::None, Spec::Flat, &mut random);
        let rows = records(&col);
        for steps in [[(9, 300), (20, 60), (31, 20)], [(8, 100), (17, 40), (32, 12)]] {
            for _ in 0..4 {
                let query = random.vector(DIMS);
                let mut list = rows.clone();
                for (dims, keep) in steps {
                    let kept = brute(list.iter(), metric, &query, dims, keep);
                    list.retain(|row| kept.iter().any(|(_, id)| *id == row.id));
                }
                let truth = brute(list.iter(), metric, &query, steps[2].0, 10);
                let hits = found(col.search(&query).rerank(Levels::new(steps)));
                nearly(&hits, &truth, &format!("{metric:?} {steps:?}"));
            }
        }
    }
}

#[test]
fn uncertainty_between_two_levels_is_the_sum_of_so_many_variances() {
    let mut random = Random::new(23);
    for variance in [Variance::Scalar, Variance::Diagonal, Variance::DiagonalCompact] {
        for spec in [Spec::Flat, HNSW] {
            let (_db, col) = collection(Metric::L2, Element::F32, variance, spec, &mut random);
            let rows = records(&col);
            let trace = |row: &Record, dims: usize| -> f64 {
                match row.variance[..] {
                    [one] => f64::from(one) * dims.min(row.vector.len()) as f64,
                    ref each => each.iter().take(dims).map(|v| f64::from(*v)).sum(),
                }
            };
            for dims in WIDTHS {
                let query = random.vector(DIMS);
                let what = format!("{variance:?} {spec:?} {dims}");
                let search = col.search(&query).dims(dims).k(20).ef(200);
                let all = search.clone().k(3000).exact().run().unwrap();
                let mut traces = Vec::new();
                for hit in all.iter() {
                    let expected = trace(rows.iter().find(|row| row.id == hit.id).unwrap(), dims);
                    let said = f64::from(hit.uncertainty.unwrap());
                    assert!((said - expected).abs() <= 1e-6 * expected, "{what}: {said} {expected}");
                    traces.push(hit.uncertainty.unwrap());
                }
                // A limit counts by the same sums.
                let mut sorted = traces.clone();
                sorted.sort_by(f32::total_cmp);
                for limit in [sorted[5], sorted[sorted.len() / 2], *sorted.last().unwrap()] {
                    let within = traces.iter().filter(|trace| **trace <= limit).count();
                    let hits = search.clone().max_uncertainty(limit).run().unwrap();
                    assert_eq!(hits.len(), within.min(20), "{what}: {:?}", hits.plan);
                    assert!(hits.iter().all(|hit| hit.uncertainty.unwrap() <= limit), "{what}");
                }
                // And the sampled distance does.
                let ranked = search.clone().exact().rerank(Csd::new(1.0)).run().unwrap();
                let csd = |row: &Record| {
                    distance(Metric::L2, &query[..dims], &row.vector).powi(2) + trace(row, dims)
                };
                let mut expected: Vec<f64> = rows.iter().map(csd).collect();
                expected.sort_by(f64::total_cmp);
                for (hit, expected) in ranked.iter().zip(expected) {
                    assert!(
                        (-hit.score - expected).abs() < 1e-4 * expected,
                        "{what}: {} {expected}",
                        hit.score
                    );
                }
            }
        }
    }
}

/// Rows most of whose energy is in front, as those of a model with nested lengths, or turned onto their principal axes, have it.
fn falling(random: &mut Random) -> Vec<f32> {
    let size = 0.6 + 0.4 * random.unit().abs();
    (0..DIMS).map(|d| size * random.unit() / (1.0 + d as f32)).collect()
}

#[test]
fn what_is_proved_changes_nothing_of_what_is_found_saves_reading_and_stays_where_it_is() {
    let mut random = Random::new(24);
    let spec = HNSW;
    for (metric, element) in [
        (Metric::Cosine, Element::F32),
        (Metric::Cosine, Element::I8),
        (Metric::L2, Element::F16),
        (Metric::Dot, Element::F32),
    ] {
        let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
        let schema = Schema::new(DIMS, metric).levels(LEVELS).element(element);
        let col = db.create_collection("c", schema).unwrap();
        let mut batch = col.batch();
        for id in 0..3000i64 {
            // Some rows are others again, at the same distance from every query.
            let row =
                if id % 40 == 3 { falling(&mut Random::new(id as u64 / 200)) } else { falling(&mut random) };
            batch.upsert(id, &row);
        }
        batch.commit().unwrap();
        col.optimize(spec, |_| true).unwrap();
        let (mut saved, mut settled) = (0, 0);
        for _ in 0..60 {
            let query = falling(&mut random);
            let short = 8 + random.below(20) as usize;
            let among = 100 + random.below(400) as usize;
            let keep = 1 + random.below(20) as usize;
            let k = 1 + random.below(keep as u64) as usize;
            let what = format!("{metric:?} {element:?} {short}: {among}, {keep}, k {k}");
            let search = |k: usize, keep: usize| {
                col.search(&query).k(k).ef(500).rerank(Levels::new([(short, among), (DIMS, keep)]))
            };
            // That keeps all, so that every row is read.
            let all = search(among, among).run().unwrap();
            let some = search(k, keep).run().unwrap();
            let ids = |hits: &[foretaste::Hit]| -> Vec<(Key, f64)> {
                hits.iter().map(|hit| (hit.id.clone(), hit.distance)).collect()
            };
            assert_eq!(ids(&some), ids(&all[..k]), "{what}");
            assert!(some.cost.bytes_read <= all.cost.bytes_read);
            saved += usize::from(some.cost.bytes_read < all.cost.bytes_read);
            let mut answer = search(k, keep).start().unwrap();
            let mut sure: Vec<(Key, f64)> = Vec::new();
            let mut last = Vec::new();
            while let Some(revision) = answer.next().unwrap() {
                last = ids(&revision.hits);
                assert_eq!(last[..sure.len()], sure, "{what}: what was settled changed");
                sure = last[..revision.settled].to_vec();
                if revision.stopped_because.is_none() {
                    settled += sure.len();
                    // Of rows that are not settled some were not compared by all dimensions yet, and say so.
                    assert!(revision.hits[..revision.settled].iter().all(|hit| hit.error == 0.0), "{what}");
                }
            }
            assert_eq!(last, ids(&some), "{what}");
        }
        assert!(saved > 10, "{metric:?} {element:?}: nothing was saved but in {saved} of 60 searches");
        assert!(settled > 50, "{metric:?} {element:?}: only {settled} hits were settled on the way");
    }
}
