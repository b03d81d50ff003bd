//! Recall of every index against the exact answer, on real sentences: metrics, element types, levels, rotations, filters,
//! deletions, several segments and fresh rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use foretaste::{
    Collection, ColumnType, Database, Element, HnswParams, IvfParams, Levels, Metric, Options, RotationKind,
    Schema, Search, Spec, Way,
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
                asks_the_index(&col, |s| s.ef(ef).nprobe(cells));
                for k in [1, 10, 100] {
                    let found = recall(&col, k, |s| s.ef(ef.max(2 * k)).nprobe(cells));
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

/// Recall of every way through the collection at one filter, each of which has to give rows that pass and as many as there are.
fn every_way(col: &Collection, filter: &str, passes: impl Fn(i64) -> bool, least: f64) {
    let (mut found, mut all) = (0, 0);
    for query in queries().iter().step_by(2) {
        let truth = col.search(query).k(10).filter(filter).exact().run().unwrap();
        for ef in [20, 64, 300] {
            let hits = col.search(query).k(10).ef(ef).nprobe(32).filter(filter).run().unwrap();
            assert_eq!(hits.len(), truth.len(), "{filter} {:?}", hits.plan);
            let ids: Vec<i64> = hits.iter().map(|h| h.id.to_string().parse().unwrap()).collect();
            assert!(ids.iter().all(|id| passes(*id)), "{filter} {ids:?} {:?}", hits.plan);
            assert!((1..ids.len()).all(|i| !ids[..i].contains(&ids[i])), "{filter} {ids:?}");
            if ef > 20 {
                found += hits.iter().filter(|h| truth.iter().any(|t| t.id == h.id)).count();
                all += truth.len();
            }
        }
    }
    let recall = found as f64 / f64::from(u32::try_from(all.max(1)).unwrap());
    assert!(all == 0 || recall >= least, "{filter}: {recall}");
}

#[test]
fn at_every_selectivity_random_or_correlated_the_rows_that_pass_are_found_after_deletions_and_in_several_segments()
 {
    let rows = sentences("rows");
    // Along one direction, and by how near rows are to one row: half, a tenth, a hundredth, a thousandth of them.
    let rank = |of: &dyn Fn(&[f32]) -> f32| {
        let mut order: Vec<usize> = (0..ROWS).collect();
        order.sort_by(|a, b| of(&rows[*a]).total_cmp(&of(&rows[*b])));
        let mut rank = vec![0i64; ROWS];
        order.iter().zip(0..).for_each(|(row, place)| rank[*row] = place * 1000 / ROWS as i64);
        rank
    };
    let along = rank(&|row| row[0] + row[7] - row[11]);
    let near = rank(&|row| -row.iter().zip(&rows[5]).map(|(a, b)| a * b).sum::<f32>());
    let any = |n: usize| (n as i64 * 7919) % 1000;
    for spec in [HNSW, COMPACT, IVF] {
        let db = database();
        let schema = Schema::new(DIMS, Metric::Cosine).column("any", ColumnType::Int);
        let col = db.create_collection("c", schema).unwrap();
        let put = |range: std::ops::Range<usize>| {
            let mut batch = col.batch();
            for n in range {
                let odd = if n % 2 == 0 { json!(any(n)) } else { json!([any(n)]) };
                let document = json!({"any": any(n), "along": along[n], "near": near[n], "mixed": odd});
                batch.upsert(n as i64, &rows[n]).payload(document);
            }
            batch.commit().unwrap();
        };
        let check = |live: &dyn Fn(i64) -> bool| {
            for limit in [1000, 500, 100, 10, 1, 0] {
                let below = |values: &[i64], n: i64| live(n) && values[n as usize] < limit;
                let drawn: Vec<i64> = (0..ROWS).map(any).collect();
                every_way(&col, &format!("any < {limit}"), |n| below(&drawn, n), 0.97);
                every_way(&col, &format!("along < {limit}"), |n| below(&along, n), 0.97);
                every_way(&col, &format!("near < {limit}"), |n| below(&near, n), 0.97);
                every_way(
                    &col,
                    &format!("near >= {}", 1000 - limit),
                    |n| live(n) && near[n as usize] >= 1000 - limit,
                    0.97,
                );
            }
            let both = |n: i64| {
                live(n) && (any(n as usize) < 200 || along[n as usize] < 50) && near[n as usize] >= 100
            };
            every_way(&col, "(any < 200 or along < 50) and not near < 100", both, 0.97);
            // Half of its values are elements of arrays, so it has no column but elements.
            let mixed = |n: i64| live(n) && any(n as usize) < 300;
            every_way(&col, "mixed < 300", mixed, 0.97);
        };
        put(0..2500);
        col.optimize(spec, |_| true).unwrap();
        check(&|n| n < 2500);
        put(2500..3700);
        col.flush().unwrap();
        put(3700..ROWS);
        let mut batch = col.batch();
        (0..ROWS as i64).filter(|n| n % 3 == 0).for_each(|n| {
            batch.delete(n);
        });
        batch.commit().unwrap();
        check(&|n| n % 3 != 0);
    }
}

#[test]
fn a_plan_says_which_way_a_filter_took() {
    let rows = sentences("rows");
    let db = database();
    let col = db.create_collection("c", Schema::new(DIMS, Metric::Cosine)).unwrap();
    fill(&col, &rows, 0);
    col.optimize(HNSW, |_| true).unwrap();
    let way = |filter: &str| {
        let hits = col.search(&rows[3]).ef(20).filter(filter).run().unwrap();
        (hits.plan[0].way, hits.plan[0].to_string(), hits.cost)
    };
    let (few, text, cost) = way("n < 12");
    assert_eq!(few, Way::Matches, "{text}");
    assert_eq!((cost.rows_refused, cost.index_steps), (ROWS as u64 - 12, 0));
    let (some, text, cost) = way("n < 100");
    assert_eq!(some, Way::Codes, "{text}");
    assert!(text.contains("100 pass the filter: the rows that pass compared by their codes"), "{text}");
    assert!(cost.index_steps == 100 && cost.rows_exact < 100, "{cost:?}");
    let (most, text, _) = way("n >= 100");
    assert!(matches!(most, Way::Index { ef: 20, cells: 0 }), "{text}");
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

#[test]
fn what_is_said_of_recall_holds_for_queries_it_was_not_measured_with() {
    for spec in [HNSW, IVF] {
        let db = database();
        let col = db.create_collection("c", Schema::new(DIMS, Metric::Cosine)).unwrap();
        fill(&col, &sentences("rows"), 0);
        col.optimize(spec, |_| true).unwrap();
        let (mut covered, mut all, mut wrong) = (0, 0, 0);
        for k in [1, 10, 100] {
            let (mut found, mut expected, mut searches) = (0.0, 0.0, 0.0);
            for query in queries() {
                let truth = col.search(&query).k(k).exact().run().unwrap();
                assert_eq!((truth.estimated_recall, truth.recall_lower_bound), (Some(1.0), Some(1.0)));
                let nearest = |hits: &[foretaste::Hit]| {
                    hits.iter().filter(|h| truth.iter().any(|t| t.id == h.id)).count() as f64 / k as f64
                };
                let mut answer = col.search(&query).k(k).ef(k.max(24)).nprobe(6).start().unwrap();
                while let Some(revision) = answer.next().unwrap() {
                    let (estimated, low) =
                        (revision.estimated_recall.unwrap(), revision.recall_lower_bound.unwrap());
                    assert!(low <= estimated && (0.0..=1.0).contains(&low) && estimated <= 1.0);
                    assert!(
                        revision.hits.iter().all(|h| h.p_final.is_some_and(|p| (0.0..=1.0).contains(&p)))
                    );
                    let recall = nearest(&revision.hits);
                    covered += usize::from(recall >= low - 1e-9);
                    all += 1;
                    if revision.stopped_because.is_none() {
                        let same = revision.hits.iter().zip(truth.iter()).take(revision.settled);
                        wrong += usize::from(same.into_iter().any(|(hit, t)| hit.id != t.id));
                    } else {
                        (found, expected, searches) = (found + recall, expected + estimated, searches + 1.0);
                    }
                }
            }
            let (found, expected) = (found / searches, expected / searches);
            // The queries are not from where the rows are from: questions, and sentences far from all others.
            assert!(expected <= found + 0.08, "{spec:?}, k {k}: {expected} expected, {found} found");
            for target in [0.8, 0.9, 0.95] {
                let recall = recall(&col, k, |s| s.target_recall(target));
                assert!(recall >= target - 0.02, "{spec:?}, k {k}: {recall} of {target}");
            }
        }
        assert!(covered as f64 >= 0.9 * all as f64, "{spec:?}: {covered} of {all} lower bounds hold");
        assert!(wrong as f64 <= 0.07 * all as f64, "{spec:?}: {wrong} of {all} settled parts changed");
        // Of what was not measured nothing is said.
        let query = &queries()[0];
        let filtered = col.search(query).filter("tenth >= 1").ef(24).nprobe(6).run().unwrap();
        assert!(filtered.plan.iter().any(|d| matches!(d.way, Way::Index { .. })), "{:?}", filtered.plan);
        assert_eq!((filtered.estimated_recall, filtered.recall_lower_bound), (None, None));
        assert!(col.search(query).rerank(foretaste::Mmr::new(0.5)).run().unwrap().estimated_recall.is_none());
    }
}

#[test]
fn a_schedule_chosen_for_a_recall_reaches_it() {
    let rows = sentences("rows");
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        let db = database();
        let schema = Schema::new(DIMS, metric).levels([32, 64, 128, 256]).index(Spec::Flat);
        let col = db.create_collection("c", schema).unwrap();
        let auto = |recall: f64, k: usize| {
            let (mut bytes, mut found, mut all, mut steps) = (0, 0, 0, Vec::new());
            for query in queries() {
                let truth = col.search(&query).k(k).run().unwrap();
                let hits = col.search(&query).k(k).rerank(Levels::auto(recall)).run().unwrap();
                assert_eq!(hits.len(), k);
                assert!(steps.is_empty() || steps == hits.schedule, "the same each time");
                found += hits.iter().filter(|hit| truth.iter().any(|t| t.id == hit.id)).count();
                (all, bytes) = (all + k, bytes + hits.cost.bytes_read);
                steps = hits.schedule;
            }
            let search = col.search(&queries()[0]).k(k).rerank(Levels::auto(recall));
            assert_eq!(search.start().unwrap().schedule(), steps);
            (found as f64 / all as f64, bytes, steps)
        };
        fill(&col, &rows[..500], 0);
        col.flush().unwrap();
        assert_eq!(auto(0.9, 10).2, [(DIMS, 10)], "few rows are compared at once");
        fill(&col, &rows[500..], 500);
        col.flush().unwrap();
        for k in [1, 10, 100] {
            let mut before = 0;
            for recall in [0.8, 0.9, 0.95, 0.99] {
                let (reached, bytes, steps) = auto(recall, k);
                let what = format!("{metric:?}, k {k}, recall {recall}: {reached} by {steps:?}");
                println!("{what}, {bytes} bytes");
                assert!(reached >= recall - 0.03, "{what}");
                assert_eq!(steps.last(), Some(&(DIMS, k)), "{what}");
                // Fewer bytes than by all dimensions, the more of them the better the list is to be.
                assert!(bytes >= before, "{what}");
                before = bytes;
                if recall < 0.95 && k < 100 {
                    assert!(steps.len() > 1 && bytes < (queries().len() * ROWS * DIMS * 4) as u64, "{what}");
                }
            }
        }
        // An index leads to the nearest by few steps.
        col.optimize(HNSW, |_| true).unwrap();
        assert_eq!(auto(0.9, 10).2, [(DIMS, 10)]);
        for bad in [0.0, -1.0, 1.5, f64::NAN] {
            let refused = col.search(&queries()[0]).rerank(Levels::auto(bad)).run();
            assert!(refused.unwrap_err().to_string().contains("above 0 and at most 1"));
        }
    }
}

/// Within a cluster the rows differ by as much in each of many dimensions, so that the first principal components, which tell
/// clusters apart, say nothing of who is near.
#[test]
fn neighbours_that_differ_in_all_of_many_dimensions_are_found() {
    const LONG: u64 = 1024;
    let uniform = |i: u64| {
        let i = (i ^ (i >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let i = (i ^ (i >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((i ^ (i >> 32)) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let row = |n: u64| -> Vec<f32> {
        (0..LONG).map(|d| 4.0 * uniform(((n % 4) << 20) | d) + uniform((1 << 40) | (n << 20) | d)).collect()
    };
    let db = database();
    let col = db.create_collection("c", Schema::new(LONG as usize, Metric::L2)).unwrap();
    fill(&col, &(0..2000).map(row).collect::<Vec<_>>(), 0);
    col.flush().unwrap();
    for (spec, effort, enough) in [(HNSW, 50, 385), (COMPACT, 50, 485), (IVF, 16, 478)] {
        col.optimize(spec, |_| true).unwrap();
        let mut found = 0;
        for query in (5000..5050).map(row) {
            let truth = col.search(&query).exact().run().unwrap();
            let hits = col.search(&query).ef(effort).nprobe(effort).run().unwrap();
            found += hits.iter().filter(|hit| truth.iter().any(|t| t.id == hit.id)).count();
        }
        // With codes of 512 dimensions they were 362, 472 and 463.
        assert!(found >= enough, "{spec:?}: {found} of 500");
    }
}
