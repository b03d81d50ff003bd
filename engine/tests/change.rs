//! Changing the model: what is searched in which space, what of both is one list, what a rule may be, and who may still write.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foretaste::{
    Change, Collection, Database, Error, ErrorModel, FitOptions, HnswParams, Key, Method, Metric, NewVector,
    Order, Pairs, Rule, RuleKind, Schema, Scored, SearchParams, Space, Spec, Use, Variance, Within,
    fit_adapter,
};
use foretaste_storage::limits;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const OLD: usize = 6;
const NEW: usize = 10;

fn small() -> Space {
    Space::new("small", "1")
}

fn large() -> Space {
    Space::new("large", "1")
}

fn noise(seed: u64) -> f32 {
    let mixed = (seed ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    let mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}

/// What the large model says of a text; the small one says the first numbers of it.
fn embed(text: u64) -> Vec<f32> {
    // Later numbers matter less, as in a Matryoshka representation.
    (0..NEW as u64).map(|d| noise(text * 131 + d) / (1.0 + d as f32 / 3.0)).collect()
}

fn database() -> Database {
    Database::options().disk(Arc::new(MemVfs::new())).background(false).open("db").unwrap()
}

fn collection(db: &Database, rows: u64) -> Collection {
    let schema = Schema::new(OLD, Metric::Cosine).levels([3, OLD]).space(small());
    let col = db.create_collection("c", schema.variance(Variance::Scalar)).unwrap();
    fill(&col, 0..rows);
    col
}

fn fill(col: &Collection, texts: std::ops::Range<u64>) {
    let mut batch = col.batch();
    for text in texts {
        let variance = foretaste::RowVariance::Variance(vec![noise(text).abs()]);
        batch
            .upsert(text as i64, &embed(text)[..OLD])
            .payload(json!({"text": text, "odd": text % 2 == 1}))
            .variance(&variance);
    }
    batch.commit().unwrap();
}

fn begin(col: &Collection) -> Change {
    col.begin_change(Schema::new(NEW, Metric::Cosine).space(large())).unwrap()
}

/// Embeds so many of the rows that wait.
fn backfill(change: &Change, order: Order, rows: usize) -> Vec<i64> {
    let rows = change.backfill(order).unwrap().next(rows).unwrap();
    let texts: Vec<u64> =
        rows.iter().map(|row| row.record.payload.as_ref().unwrap()["text"].as_u64().unwrap()).collect();
    let vectors: Vec<Vec<f32>> = texts.iter().map(|text| embed(*text)).collect();
    let new = |(row, vector)| NewVector { row, vector: Vec::as_slice(vector), variance: None };
    let new: Vec<NewVector<'_>> = rows.iter().zip(&vectors).map(new).collect();
    assert_eq!(change.write(&new).unwrap(), rows.len() as u64);
    texts.into_iter().map(|text| text as i64).collect()
}

fn ids(hits: &foretaste::Hits) -> Vec<i64> {
    let id = |hit: &foretaste::Hit| match hit.id {
        Key::Int(id) => id,
        Key::Str(_) => panic!("{}", hit.id),
    };
    hits.iter().map(id).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The nearest of `texts` in the large space.
fn truth(query: &[f32], texts: impl Iterator<Item = u64>, k: usize) -> Vec<(f64, i64)> {
    let mut all: Vec<(f64, i64)> = texts.map(|text| (cosine(query, &embed(text)), text as i64)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.truncate(k);
    all
}

/// Many queries of the large model at once.
fn in_large(
    snapshot: &foretaste::Snapshot,
    queries: &[&Vec<f32>],
) -> foretaste::Result<Vec<foretaste::Hits>> {
    let mut params = SearchParams::default();
    params.ef = Some(100);
    snapshot.search_batch_with(&Within::Space(large()), queries, 2, &params, &|| false)
}

#[test]
fn a_mixed_answer_has_rows_of_both_spaces_each_once_and_is_the_new_ones_when_all_are_there() {
    let db = database();
    let col = collection(&db, 400);
    col.set_rule(&large(), &Rule::prefix(OLD)).unwrap();
    let change = begin(&col);
    let hnsw = Spec::Hnsw(HnswParams { m: 8, ef_construction: 40, edge_bits: None });
    let mut recall = Vec::new();
    let mut there: BTreeSet<i64> = BTreeSet::new();
    for step in 0..9 {
        let (mut found, mut wanted) = (0, 0);
        for q in 1000..1040 {
            let query = embed(q);
            let hits = col.search_in(&large(), &query).unwrap().k(10).ef(100).run().unwrap();
            let hit_ids = ids(&hits);
            assert_eq!((hits.len(), hit_ids.iter().collect::<BTreeSet<_>>().len()), (10, 10), "each once");
            assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
            for hit in hits.iter() {
                let Key::Int(id) = hit.id else { panic!("{}", hit.id) };
                let far = cosine(&query, &embed(id as u64));
                if there.contains(&id) || there.len() == 400 {
                    assert!(
                        (hit.distance - far).abs() < 1e-5 && hit.error == 0.0,
                        "{id}: {} {far}",
                        hit.distance
                    );
                } else if there.is_empty() {
                    assert!((hit.distance - cosine(&query[..OLD], &embed(id as u64)[..OLD])).abs() < 1e-5);
                }
                assert_eq!(hit.payload().unwrap().unwrap()["text"], id);
            }
            let best = truth(&query, 0..400, 10);
            found += best.iter().filter(|(_, id)| hit_ids.contains(id)).count();
            wanted += best.len();
            // The same with a filter, and through revisions.
            let odd = col.search_in(&large(), &query).unwrap().k(5).filter("odd = true").run().unwrap();
            assert!(odd.len() == 5 && ids(&odd).iter().all(|id| id % 2 == 1));
            // And with rows left out that are too uncertain, which only the old space says.
            if step < 8 {
                let sure = col.search_in(&large(), &query).unwrap().k(10).max_uncertainty(1.0).run().unwrap();
                assert!(sure.len() == 10 && sure.iter().all(|hit| hit.uncertainty.unwrap() <= 1.0), "{step}");
            }
            let batch = in_large(&col.snapshot(), &[&query, &query]).unwrap();
            assert!(batch.len() == 2 && batch.iter().all(|batch| ids(batch) == hit_ids));
            let mut answer = col.search_in(&large(), &query).unwrap().k(10).ef(100).start().unwrap();
            let mut last = Vec::new();
            while let Some(revision) = answer.next().unwrap() {
                last = revision.hits.iter().map(|hit| hit.id.clone()).collect();
            }
            assert_eq!(last, hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>());
        }
        recall.push(found as f64 / wanted as f64);
        if step < 8 {
            there.extend(backfill(&change, Order::Stored, 50));
            match step % 4 {
                1 => col.flush().unwrap(),
                2 => col.optimize(hnsw, |_| true).unwrap(),
                _ => {}
            }
        }
        assert_eq!(change.progress(), (there.len() as u64, 400 - there.len() as u64));
    }
    assert!(recall[0] < 0.9 && recall[8] > 0.99, "{recall:?}");
    assert!(recall.windows(2).all(|pair| pair[1] > pair[0] - 0.05), "it gets better on the way: {recall:?}");
    // With other stages behind it.
    let by_id =
        |ids: &[Key]| Ok(ids.iter().map(|id| if let Key::Int(id) = id { *id as f64 } else { 0.0 }).collect());
    let hits =
        col.search_in(&large(), &embed(1)).unwrap().k(3).rerank(Scored::new(by_id).budget(20)).run().unwrap();
    assert!(ids(&hits).windows(2).all(|pair| pair[0] > pair[1]));
}

#[test]
fn few_common_rows_are_merged_by_rank() {
    let db = database();
    let col = collection(&db, 60);
    col.set_rule(&large(), &Rule::prefix(3)).unwrap();
    let change = begin(&col);
    let there = backfill(&change, Order::Stored, 10);
    let query = embed(2000);
    let hits = col.search_in(&large(), &query).unwrap().k(60).run().unwrap();
    assert_eq!(hits.len(), 60);
    let of = |new: bool| ids(&hits).into_iter().filter(|id| there.contains(id) == new).collect::<Vec<_>>();
    let mut best = truth(&query, 0..60, 60);
    best.retain(|(_, id)| there.contains(id));
    assert_eq!(
        of(true),
        best.into_iter().map(|(_, id)| id).collect::<Vec<_>>(),
        "those of the new space in their order"
    );
    let mut old: Vec<i64> = (0..60).filter(|id| !there.contains(id)).collect();
    let far = |id: &i64| cosine(&query[..3], &embed(*id as u64)[..3]);
    old.sort_by(|a, b| far(a).total_cmp(&far(b)));
    assert_eq!(of(false), old, "those of the old one in theirs");
    assert!(hits.iter().all(|hit| (hit.error == 0.0)
        == there.contains(&ids(&hits)[hits.iter().position(|h| h.id == hit.id).unwrap()])));
}

#[test]
fn a_flip_is_durable_goes_back_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let open = || Database::options().background(false).open(&path).unwrap();
    let mut db = open();
    let mut col = collection(&db, 30);
    let reader = Database::options().read_only(true).open(&path).unwrap();
    let change = begin(&col);
    assert!(matches!(
        col.begin_change(Schema::new(NEW, Metric::Cosine).space(large())),
        Err(Error::Exists { .. })
    ));
    backfill(&change, Order::Stored, 20);
    // Written again without a vector in the other space, with one, and deleted.
    fill(&col, 0..2);
    let mut batch = col.batch();
    let payload = |text: u64| json!({"text": text, "odd": text % 2 == 1});
    batch.upsert(5, &embed(5)[..OLD]).payload(payload(5)).changed(&embed(5));
    batch.upsert(30, &embed(30)[..OLD]).payload(payload(30)).changed(&embed(30));
    batch.delete(7);
    batch.commit().unwrap();
    assert_eq!(change.progress(), (18, 12));
    assert!(!change.is_flipped());
    // Rows that wait can be asked for one by one; those that are there, or nowhere, cannot.
    let pending = |id: i64| change.pending(id).unwrap().map(|row| row.record.id);
    assert_eq!([0, 5, 7, 29, 99].map(pending), [Some(Key::Int(0)), None, None, Some(Key::Int(29)), None]);
    assert!(matches!(change.clone().flip(), Err(Error::BadRequest { what: "flip", .. })), "rows wait");
    drop((change, col));
    db.close().unwrap();
    db = open();
    col = db.collection("c").unwrap();
    let change = col.change().unwrap();
    assert_eq!((change.space(), change.progress()), (large(), (18, 12)));
    // Rows that were read before they were written again wait anew.
    let mut old = change.backfill(Order::Stored).unwrap();
    let old = old.next(99).unwrap();
    fill(&col, 10..25);
    let vectors: Vec<Vec<f32>> = old.iter().map(|_| embed(0)).collect();
    let stale = |row: &foretaste::PendingRow| matches!(row.record.id, Key::Int(id) if (10..25).contains(&id));
    let fresh = old.iter().filter(|row| !stale(row)).count() as u64;
    let new = |(row, vector)| NewVector { row, vector: Vec::as_slice(vector), variance: None };
    assert_eq!(change.write(&old.iter().zip(&vectors).map(new).collect::<Vec<_>>()).unwrap(), fresh);
    fill(&col, 0..30);
    let mut told = Vec::new();
    let embed_all = |rows: &[foretaste::PendingRow]| {
        Ok(rows
            .iter()
            .map(|row| embed(row.record.payload.as_ref().unwrap()["text"].as_u64().unwrap()))
            .collect())
    };
    let written = change.run(Order::Variance, 7, embed_all, |done, all| {
        told.push((done, all));
        true
    });
    assert_eq!((written.unwrap(), told.last().copied()), (30, Some((30, 30))));
    let (before, mark) = (col.snapshot(), 77);
    let mut batch = col.batch();
    batch.mark("import", Some(mark));
    batch.commit().unwrap();
    let stale = col.clone();
    col = change.clone().flip().unwrap();
    assert_eq!((col.schema().dim(), col.schema().vector_space(), col.len()), (NEW, Some(&large()), 31));
    assert_eq!(col.mark("import"), Some(mark));
    // What was there before: readable, not writable.
    assert_eq!((before.schema().dim(), before.len(), stale.len()), (OLD, 31, 31));
    for error in [
        stale.upsert(1, &embed(1)[..OLD]).unwrap_err(),
        stale.flush().unwrap_err(),
        stale.compact(|_, _| true).unwrap_err(),
        stale.optimize(Spec::Flat, |_| true).unwrap_err(),
        stale.truncate(3).unwrap_err(),
        stale.begin_change(Schema::new(3, Metric::L2).space(Space::new("x", "1"))).unwrap_err(),
        change.flip().unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::NotFound { .. }) && error.to_string().contains("open it again"),
            "{error}"
        );
    }
    reader.refresh().unwrap();
    let followed = reader.collection("c").unwrap();
    for col in [&col, &followed] {
        for q in 0..5 {
            let (query, all) = (embed(500 + q), 0..31u64);
            let found = ids(&col.search(&query).k(31).run().unwrap());
            assert_eq!(found, truth(&query, all, 31).into_iter().map(|(_, id)| id).collect::<Vec<_>>());
            // Queries of the old space, by the rows that are there.
            let by_old = col.search_in(&small(), &query[..OLD]).unwrap().k(31).run().unwrap();
            let far = |id: i64| cosine(&query[..OLD], &embed(id as u64)[..OLD]);
            assert!(by_old.len() == 31 && ids(&by_old).windows(2).all(|w| far(w[0]) <= far(w[1]) + 1e-7));
        }
    }
    // A row that is written only in the new space waits in the old one, and keeps the way back shut until it is there.
    let mut batch = col.batch();
    batch.upsert(40, &embed(40)).payload(payload(40));
    batch.upsert(41, &embed(41)).payload(payload(41)).changed(&embed(41)[..OLD]);
    batch.delete(3);
    batch.commit().unwrap();
    drop((col, stale));
    db.close().unwrap();
    db = open();
    col = db.collection("c").unwrap();
    let change = col.change().unwrap();
    assert_eq!((change.space(), change.progress(), change.is_flipped()), (small(), (31, 1), true));
    assert!(change.clone().flip().is_err());
    let rows = change.backfill(Order::Stored).unwrap().next(9).unwrap();
    assert_eq!(rows.iter().map(|row| row.record.id.clone()).collect::<Vec<_>>(), [Key::Int(40)]);
    let new = NewVector { row: &rows[0], vector: &embed(40)[..OLD], variance: None };
    assert!(matches!(change.write(&[new, new]), Err(Error::DuplicateId { first: 0, second: 1, .. })));
    change.write(&[new]).unwrap();
    col = change.flip().unwrap();
    let all: BTreeMap<i64, Vec<f32>> = col
        .snapshot()
        .scan()
        .map(|record| record.unwrap())
        .map(|record| (if let Key::Int(id) = record.id { id } else { -1 }, record.vector))
        .collect();
    let expected: Vec<i64> = (0..31)
        .filter(|id| *id != 7 && *id != 3)
        .chain([7, 40, 41])
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), expected);
    assert!(all.iter().all(|(id, vector)| *vector == embed(*id as u64)[..OLD]));
    let (change, waiting) = (col.change().unwrap(), rows);
    assert!(!change.is_flipped(), "it was taken back");
    change.clone().finish().unwrap();
    let late = NewVector { row: &waiting[0], vector: &embed(40), variance: None };
    assert!(matches!(change.write(&[late]), Err(Error::NotFound { .. })), "it is no more");
    assert!(col.change().is_none() && db.stats().unwrap().collections[0].change.is_none());
    col.upsert(50, &embed(50)[..OLD]).unwrap();
    assert!(foretaste::check(&path, &Database::options(), &mut |_, _| true).unwrap().damage.is_empty());
}

#[test]
fn rules_are_kept_and_a_query_without_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = Database::options().background(false).open(&path).unwrap();
    let col = collection(&db, 200);
    let query = embed(900);
    let refused = |col: &Collection, space: &Space| match col.search_in(space, &query) {
        Err(Error::BadRequest { what: "space", why }) => assert!(why.contains("set_rule"), "{why}"),
        other => panic!("{other:?}"),
    };
    refused(&col, &large());
    assert!(matches!(in_large(&col.snapshot(), &[&query]), Err(Error::BadRequest { what: "space", .. })));
    let change = begin(&col);
    backfill(&change, Order::Stored, 5);
    refused(&col, &large());
    change.finish().unwrap();
    assert!(col.set_rule(&small(), &Rule::prefix(3)).is_err(), "its own space");
    assert!(col.set_rule(&large(), &Rule::prefix(2)).is_err(), "below the first level");
    let uneven = foretaste::Pairs::new(&[1.0; 4], 2, &[1.0; 6], 2).map(|_| ()).unwrap_err();
    assert!(
        matches!(Error::from(uneven), Error::BadRequest { what: "adapter", why } if why.contains("4 numbers"))
    );
    // An adapter from what the large model says to what the small one does: exact, as that is a part of it.
    let texts = 0..300u64;
    let new: Vec<f32> = texts.clone().flat_map(embed).collect();
    let old: Vec<f32> = texts.clone().flat_map(|text| embed(text)[..OLD].to_vec()).collect();
    let options = FitOptions { method: Method::Ridge { ridge: None }, ..FitOptions::default() };
    let pairs = || Pairs::new(&new, NEW, &old, OLD).unwrap();
    let (adapter, report) = fit_adapter(pairs(), &options, &|| false).unwrap();
    let error = Rule::adapter(adapter.clone(), &report, 1.01).unwrap_err();
    assert!(matches!(&error, Error::BadRequest { what: "adapter", .. }), "{error}");
    let rule = Rule::adapter(adapter, &report, 0.0).unwrap();
    col.set_rule(&large(), &rule).unwrap();
    col.set_rule(&Space::new("other", "7"), &Rule::prefix(3)).unwrap();
    let near = |col: &Collection| {
        let mapped = ids(&col.search_in(&large(), &query).unwrap().k(10).run().unwrap());
        let own = ids(&col.search_in(&small(), &query[..OLD]).unwrap().k(10).run().unwrap());
        assert_eq!(mapped, own);
        let short = col.search_in(&Space::new("other", "7"), &query[..4]).unwrap().k(10).run().unwrap();
        assert_eq!(ids(&short), ids(&col.search(&query[..3]).dims(3).k(10).run().unwrap()));
    };
    near(&col);
    assert!(matches!(col.search_in(&large(), &query[..OLD]), Err(Error::DimensionMismatch { .. })));
    drop(col);
    db.close().unwrap();
    let db = Database::options().background(false).open(&path).unwrap();
    let col = db.collection("c").unwrap();
    near(&col);
    let kept: Vec<(Space, Rule)> = col.rules().unwrap();
    assert_eq!(kept, [(large(), rule.clone()), (Space::new("other", "7"), Rule::prefix(3))]);
    assert!(matches!(rule.kind(), RuleKind::Adapter(map) if (map.from_dims(), map.to_dims()) == (NEW, OLD)));
    assert_eq!(Rule::prefix(3).kind(), RuleKind::Prefix(3));
    let reader = Database::options().read_only(true).open(&path).unwrap();
    near(&reader.collection("c").unwrap());
    assert_eq!(db.collections(), ["c"]);
    col.set_rule(&large(), &Rule::prefix(OLD)).unwrap();
    assert_eq!(col.rules().unwrap()[0].1, Rule::prefix(OLD), "replaced");
    col.remove_rule(&large()).unwrap();
    refused(&col, &large());
    let other = |number: u64| Space::new("other", number.to_string());
    (2..=limits::RULES).for_each(|n| col.set_rule(&other(n + 10), &Rule::prefix(3)).unwrap());
    let error = col.set_rule(&other(99), &Rule::prefix(3)).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { limit: limits::RULES, .. }), "{error}");
    // Rows in the order in which an adapter is expected to be wrong about them.
    let swapped = pairs().swapped();
    let options = FitOptions { direction: Use::Rows, ..options };
    let (adapter, _) = fit_adapter(swapped, &options, &|| false).unwrap();
    let model = ErrorModel::fit(swapped, &adapter, Metric::Cosine, 1, &|| false).unwrap();
    let vectors: Vec<f32> = (0..200).flat_map(|text| embed(text)[..OLD].to_vec()).collect();
    let expected = model.predict(&vectors, &adapter, 1).unwrap();
    let change = begin(&col);
    let order = Order::ExpectedError { model: Arc::new(model), adapter: Arc::new(adapter) };
    let first = backfill(&change, order, 20);
    let urgency = |id: &i64| expected[*id as usize];
    assert!(first.windows(2).all(|w| urgency(&w[0]) >= urgency(&w[1]) - 1e-9));
    assert!(!first.contains(&(0..200).min_by(|a, b| urgency(a).total_cmp(&urgency(b))).unwrap()));
}

#[test]
fn a_collection_without_a_space_says_so_and_can_be_told() {
    let db = database();
    let col = db.create_collection("c", Schema::new(2, Metric::L2)).unwrap();
    col.upsert(1, &[1.0, 2.0]).unwrap();
    assert!(matches!(
        col.begin_change(Schema::new(2, Metric::L2).space(large())),
        Err(Error::BadRequest { .. })
    ));
    assert!(col.search_in(&small(), &[1.0, 2.0]).is_err());
    col.set_space(&small()).unwrap();
    assert!(matches!(col.set_space(&large()), Err(Error::Exists { .. })));
    assert_eq!(col.search_in(&small(), &[1.0, 2.0]).unwrap().run().unwrap().len(), 1);
    for bad in [
        Schema::new(2, Metric::L2),
        Schema::new(2, Metric::L2).space(small()),
        Schema::new(2, Metric::L2).space(large()).text("t"),
        Schema::new(0, Metric::L2).space(large()),
        Schema::new(2, Metric::L2).space(Space::new("a\n", "1")),
    ] {
        assert!(matches!(col.begin_change(bad), Err(Error::BadRequest { .. })));
    }
    let mut batch = col.batch();
    batch.upsert(2, &[1.0, 2.0]).changed(&[1.0]);
    assert!(matches!(batch.commit(), Err(Error::NotFound { .. })), "no change is on its way");
    assert_eq!(col.len(), 1);
}

#[test]
fn commits_go_on_while_a_change_begins_is_filled_and_ends() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).seal_bytes(8 << 10).open("db").unwrap();
    let schema = Schema::new(OLD, Metric::Cosine).space(small());
    let col = db.create_collection("c", schema).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let col = col.clone();
                scope.spawn(move || {
                    for round in 0..150u64 {
                        let mut batch = col.batch();
                        for i in 0..4 {
                            let id = writer * 20 + (round * 3 + i) % 20;
                            let text = round * 1000 + id;
                            batch.upsert(id as i64, &embed(text)[..OLD]).payload(json!({"text": text}));
                        }
                        batch.commit().unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..8 {
            let change = begin(&col);
            for _ in 0..4 {
                let rows = change.backfill(Order::Stored).unwrap().next(15).unwrap();
                let text = |row: &foretaste::PendingRow| {
                    row.record.payload.as_ref().unwrap()["text"].as_u64().unwrap()
                };
                let vectors: Vec<Vec<f32>> = rows.iter().map(|row| embed(text(row))).collect();
                let new = |(row, vector)| NewVector { row, vector: Vec::as_slice(vector), variance: None };
                change.write(&rows.iter().zip(&vectors).map(new).collect::<Vec<_>>()).unwrap();
                for id in 0..40 {
                    // Rows of the other space are of the version that the collection had at some moment in between.
                    let (before, there) = (col.get(id).unwrap(), change.get(id).unwrap());
                    let after = col.get(id).unwrap();
                    if let (Some(before), Some(there), Some(after)) = (before, there, after)
                        && before.version == after.version
                    {
                        assert_eq!(there.vector[..OLD], before.vector, "row {id}");
                    }
                }
            }
            change.finish().unwrap();
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
    assert_eq!(col.len(), 40);
}

#[test]
fn a_sample_without_a_pattern_is_embedded_before_the_rows_that_an_order_puts_first() {
    let db = database();
    let col = collection(&db, 4000);
    let rows = begin(&col).backfill(Order::Variance).unwrap().next(4000).unwrap();
    let traces: Vec<f32> = rows.iter().map(|row| row.record.variance_traces[1]).collect();
    let ascents: Vec<usize> = (1..traces.len()).filter(|i| traces[*i] > traces[i - 1]).collect();
    let [begin] = ascents[..] else { panic!("{} runs", ascents.len() + 1) };
    assert!((850..1150).contains(&begin), "{begin} rows come first");
    let mean = |some: &[f32]| some.iter().sum::<f32>() / some.len() as f32;
    assert!((mean(&traces[..begin]) / mean(&traces) - 1.0).abs() < 0.1, "they are like all");
}
