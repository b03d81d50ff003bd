//! Recall of every index against the exact answer, on real sentences: metrics, element types, levels, rotations, filters,
//! deletions, several segments and fresh rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use foretaste::{
    Collection, Database, Element, HnswParams, IvfParams, Metric, Options, RotationKind, Schema, Search,
    Spec, Way,
};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const DIMS: usize = 384;
const ROWS: usize = 4000;
const HNSW: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 200, edge_bits: None });
const COMPACT: Spec = Spec::Hnsw(HnswParams { m: 16, ef_construction: 200, edge_bits: Some(0) });
const IVF: Spec = Spec::Ivf(IvfParams { nlist: Some(64) });

/// The demonstration's sentences, as f32.
fn sentences(file: &str) -> Vec<Vec<f32>> {
    let bytes = match file {
        "rows" => &include_bytes!("../../bindings/shell/demo/sentences.npy")[..],
        _ => &include_bytes!("../../bindings/shell/demo/questions.npy")[..],
    };
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers = bytes[header..].as_chunks::<2>().0.iter().map(|b| f32::from(half::f16::from_le_bytes(*b)));
    numbers.collect::<Vec<f32>>().chunks(DIMS).map(<[f32]>::to_vec).collect()
}

/// The sentences themselves serve as queries too, a little moved, so that there are enough.
fn queries() -> Vec<Vec<f32>> {
    let mut queries = sentences("questions");
    let rows = sentences("rows");
    queries.extend((0..60).map(|i| {
        let (a, b) = (&rows[i * 61 % ROWS], &rows[(i * 61 + 17) % ROWS]);
        a.iter().zip(b).map(|(a, b)| 0.8 * a + 0.2 * b).collect()
    }));
    queries
}

fn database() -> Database {
    options().open("d").unwrap()
}

fn options() -> Options {
    Database::options().disk(Arc::new(MemVfs::new())).background(false)
}

fn fill(col: &Collection, rows: &[Vec<f32>], from: usize) {
    let mut batch = col.batch();
    for (i, row) in rows.iter().enumerate() {
        let n = from + i;
        batch.upsert(n as i64, row).payload(json!({"n": n, "tenth": n % 10, "near": row[0] > 0.0}));
    }
    batch.commit().unwrap();
}

/// Mean recall@k against the exact answer of the same collection; every answer must be as long as the exact one, and every
/// distance what the exact search says of that row.
fn recall(col: &Collection, k: usize, how: impl Fn(Search) -> Search) -> f64 {
    let (mut found, mut all) = (0, 0);
    for query in queries() {
        let truth = how(col.search(&query)).k(k).exact().run().unwrap();
        let hits = how(col.search(&query)).k(k).run().unwrap();
        assert_eq!(hits.len(), truth.len(), "{:?}", hits.plan);
        let farthest = truth.last().map_or(0.0, |h| h.distance);
        // Rows as near as the last one count, whichever they are.
        found += hits.iter().filter(|h| h.distance <= farthest + 1e-5 * farthest.abs().max(0.1)).count();
        all += truth.len();
        for hit in hits.iter() {
            if let Some(same) = truth.iter().find(|t| t.id == hit.id) {
                let off = (same.distance - hit.distance).abs();
                assert!(off < 1e-4 * same.distance.abs().max(0.1), "{} {}", same.distance, hit.distance);
            }
        }
        assert!(hits.windows(2).all(|w| w[0].distance <= w[1].distance));
    }
    found as f64 / all as f64
}

fn asks_the_index(col: &Collection, how: impl Fn(Search) -> Search) {
    let hits = how(col.search(&queries()[0])).run().unwrap();
    assert!(hits.plan.iter().any(|d| matches!(d.way, Way::Index { .. })), "{:?}", hits.plan);
}

#[test]
fn every_index_metric_element_and_rotation_finds_what_a_scan_finds() {
    let rows = sentences("rows");
    for (spec, effort) in [(HNSW, 80usize), (COMPACT, 80), (IVF, 40)] {
        for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
            let cases = [
                (Element::F32, RotationKind::Pca),
                (Element::F32, RotationKind::None),
                (Element::F16, RotationKind::Pca),
                (Element::BF16, RotationKind::Pca),
                (Element::I8, RotationKind::Pca),
            ];
            for (element, rotation) in cases {
                let db = database();
                let schema = Schema::new(DIMS, metric).element(element).rotation(rotation);
                let col = db.create_collection("c", schema).unwrap();
                // Norms differ, so that the inner product is not the cosine.
                let scaled: Vec<Vec<f32>> = rows
                    .iter()
                    .enumerate()
                    .map(|(i, row)| row.iter().map(|v| v * (0.5 + (i % 7) as f32 * 0.1)).collect())
                    .collect();
                fill(&col, &scaled, 0);
                col.optimize(spec, |_| true).unwrap();
                // Lifted for the inner product, rows of small norms are far from every query.
                let ef = if metric == Metric::Dot { 4 * effort } else { effort };
                let cells = if metric == Metric::Dot { 64 } else { effort };
                let how = |s: Search| s.ef(ef).nprobe(cells);
                asks_the_index(&col, how);
                for k in [1, 10, 100] {
                    let found = recall(&col, k, how);
                    assert!(found >= 0.95, "{spec:?} {metric:?} {element:?} {rotation:?} k {k}: {found}");
                }
            }
        }
    }
}

#[test]
fn every_level_can_be_searched_with_the_same_codes() {
    let rows = sentences("rows");
    for spec in [HNSW, IVF] {
        for metric in [Metric::Cosine, Metric::L2] {
            let db = database();
            let col = db.create_collection("c", Schema::new(DIMS, metric).levels([96, 192])).unwrap();
            fill(&col, &rows, 0);
            col.optimize(spec, |_| true).unwrap();
            for (dims, least) in [(96, 0.8), (192, 0.95), (384, 0.95)] {
                let found = recall(&col, 10, |s| s.dims(dims).ef(400).nprobe(64));
                assert!(found >= least, "{spec:?} {metric:?} {dims} dims: {found}");
            }
        }
    }
}

#[test]
fn filters_of_every_selectivity_keep_recall_and_length() {
    let rows = sentences("rows");
    for spec in [HNSW, IVF] {
        let db = database();
        let col = db.create_collection("c", Schema::new(DIMS, Metric::Cosine)).unwrap();
        fill(&col, &rows, 0);
        col.optimize(spec, |_| true).unwrap();
        // From all rows to one, in columns nobody declared; correlated with the vectors; not listed by any index; none.
        let filters = [
            "n >= 0",
            "n < 2000",
            "tenth = 3",
            "n < 40",
            "n < 4",
            "n = 77",
            "near = true",
            "near = false and tenth in (1, 2)",
            "n like '1%' or tenth = 5",
            "n < 0",
        ];
        for filter in filters {
            let found = recall(&col, 10, |s| s.nprobe(24).filter(filter));
            assert!(found >= 0.97 || found.is_nan(), "{spec:?} {filter}: {found}");
        }
    }
}

#[test]
fn deletions_fresh_rows_and_several_segments_are_searched_together() {
    let rows = sentences("rows");
    let db = database();
    let col = db.create_collection("c", Schema::new(DIMS, Metric::Cosine).index(HNSW)).unwrap();
    fill(&col, &rows[..2000], 0);
    col.optimize(HNSW, |_| true).unwrap();
    fill(&col, &rows[2000..3500], 2000);
    col.flush().unwrap();
    fill(&col, &rows[3500..], 3500);
    assert!(recall(&col, 10, |s| s) >= 0.97);
    let mut batch = col.batch();
    for id in (0..ROWS as i64).filter(|id| id % 2 == 0) {
        batch.delete(id);
    }
    batch.commit().unwrap();
    assert!(recall(&col, 10, |s| s) >= 0.97);
    let hits = col.search(&rows[10]).k(5).run().unwrap();
    assert!(hits.iter().all(|h| h.id.to_string().parse::<i64>().unwrap() % 2 == 1));
    col.optimize(HNSW, |_| true).unwrap();
    assert!(recall(&col, 10, |s| s) >= 0.97);
    assert_eq!(col.len(), 2000);
}

#[test]
fn many_queries_at_once_are_answered_as_one_by_one() {
    let rows = sentences("rows");
    let db = database();
    let col = db.create_collection("c", Schema::new(DIMS, Metric::Cosine)).unwrap();
    fill(&col, &rows, 0);
    col.optimize(HNSW, |_| true).unwrap();
    let queries = queries();
    let answers = col.search_batch(&queries, 3, |s| s.k(7).filter("tenth < 5")).unwrap();
    assert_eq!(answers.len(), queries.len());
    for (query, together) in queries.iter().zip(&answers) {
        let alone = col.search(query).k(7).filter("tenth < 5").run().unwrap();
        let ids = |hits: &foretaste::Hits| hits.iter().map(|h| h.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&alone), ids(together));
    }
    assert!(col.search_batch(&[vec![0.0f32; 3]], 0, |s| s).is_err());
    assert!(col.search_batch(&Vec::<Vec<f32>>::new(), 0, |s| s).unwrap().is_empty());
}
