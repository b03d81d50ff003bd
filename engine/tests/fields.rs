//! Several vectors a row: what is found in each field is what brute force finds, a batch is all or nothing over all fields,
//! and a snapshot never shows two fields of different commits.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foretaste::{
    Collection, ColumnType, Database, Element, Error, Filter, Fuse, Fusion, HnswParams, Key, Metric, Order,
    Recipe, RowVariance, Schema, SearchParams, Space, Spec, Variance, Within,
};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

fn schema() -> Schema {
    Schema::new(3, Metric::L2)
        .column("n", ColumnType::Int)
        .text("words")
        .field("image", Schema::new(2, Metric::Cosine).element(Element::F16))
        .field("sound", Schema::new(4, Metric::L2).levels([2]).variance(Variance::Scalar))
}

/// A number that looks random.
fn noise(seed: u64) -> f32 {
    let mixed = (seed ^ 0x5bd1_e995)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 8.0
}

fn vector(key: i64, seed: u64, dims: usize) -> Vec<f32> {
    // Quarters, which f16 keeps.
    (0..dims as u64).map(|d| (noise(key as u64 * 7919 + seed * 31 + d) * 4.0).round() / 4.0 + 0.25).collect()
}

#[derive(Clone, Default, PartialEq, Debug)]
struct Row {
    own: Vec<f32>,
    image: Option<Vec<f32>>,
    sound: Option<Vec<f32>>,
}

type Model = BTreeMap<i64, Row>;

fn write(col: &Collection, model: &mut Model, round: u64, keys: impl Iterator<Item = i64>, deletes: &[i64]) {
    let mut batch = col.batch();
    for key in keys {
        let row = Row {
            own: vector(key, round, 3),
            image: ((key + round as i64) % 3 != 0).then(|| vector(key, round + 1, 2)),
            sound: ((key + round as i64) % 4 != 0)
                .then(|| vector(key, round + 2, if key % 5 == 0 { 2 } else { 4 })),
        };
        let mut added = batch.upsert(key, &row.own).payload(json!({"n": key, "words": format!("row {key}")}));
        if let Some(image) = &row.image {
            added = added.field("image", image);
        }
        if let Some(sound) = &row.sound {
            added.field_with_variance("sound", sound, &RowVariance::Variance(vec![0.5]));
        }
        model.insert(key, row);
    }
    for key in deletes {
        batch.delete(*key);
        model.remove(key);
    }
    batch.commit().unwrap();
}

/// Every field holds what the model says, by a scan of the rows and by searches.
fn agree(col: &Collection, model: &Model) {
    let snapshot = col.snapshot();
    let mut found = Model::new();
    for record in snapshot.scan() {
        let mut record = record.unwrap();
        let Key::Int(key) = record.id else { panic!("{:?}", record.id) };
        let [image, sound] = ["image", "sound"].map(|field| record.fields.remove(field));
        found.insert(key, Row { own: record.vector, image, sound });
    }
    assert_eq!(&found, model);
    let squared = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for probe in 0..5 {
        let query = vector(probe, 99, 2);
        let mut expected: Vec<(f64, i64)> = model
            .iter()
            .filter(|(key, _)| **key >= 10)
            .filter_map(|(key, row)| Some((cosine(&query, row.image.as_ref()?), *key)))
            .collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0));
        let hits = snapshot.search_field("image", &query).unwrap().k(1000).filter("n >= 10").run().unwrap();
        assert_eq!(hits.len(), expected.len());
        for (hit, (distance, _)) in hits.iter().zip(&expected) {
            assert!((hit.distance - distance).abs() < 1e-3, "{} at {}, {distance}", hit.id, hit.distance);
            let Key::Int(key) = hit.id else { panic!("{:?}", hit.id) };
            assert_eq!(hit.payload().unwrap().unwrap()["n"], key);
        }
        let far = vector(probe, 97, 2);
        let mut params = SearchParams::default();
        (params.k, params.filter) = (7, Some(Filter::parse("n >= 10").unwrap()));
        let image = Within::Field("image".into());
        let batch = snapshot.search_batch_with(&image, &[&query, &far], 2, &params, &|| false);
        for (query, batch) in [&query, &far].into_iter().zip(batch.unwrap()) {
            let one = snapshot.search_field("image", query).unwrap().k(7).filter("n >= 10").run().unwrap();
            let row = |hit: &foretaste::Hit| (hit.id.clone(), hit.distance);
            assert_eq!(batch.iter().map(row).collect::<Vec<_>>(), one.iter().map(row).collect::<Vec<_>>());
        }
        assert!(matches!(
            snapshot.search_batch_with(&Within::Field("smell".into()), &[&far], 1, &params, &|| false),
            Err(Error::NotFound { .. })
        ));
        let query = vector(probe, 98, 4);
        let mut expected: Vec<f64> = model
            .values()
            .filter_map(|row| Some(squared(&query[..2], &row.sound.as_ref()?[..2]).sqrt()))
            .collect();
        expected.sort_by(f64::total_cmp);
        let hits = snapshot.search_field("sound", &query).unwrap().dims(2).k(1000).run().unwrap();
        assert_eq!(hits.len(), expected.len());
        assert!(hits.iter().zip(&expected).all(|(hit, distance)| (hit.distance - distance).abs() < 1e-3));
        assert!(hits.iter().all(|hit| hit.uncertainty == Some(1.0)), "two dimensions of variance a half");
    }
}

#[test]
fn every_field_holds_what_was_written_whatever_happens_to_the_segments() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut db = Database::options().background(false).open(&path).unwrap();
    let mut col = db.create_collection("c", schema()).unwrap();
    let mut model = Model::new();
    let hnsw = Spec::Hnsw(HnswParams { m: 4, ef_construction: 20, edge_bits: None });
    for round in 0..12u64 {
        let from = (round * 5) as i64;
        let deletes: Vec<i64> = (0..from).filter(|key| (*key as u64 + round).is_multiple_of(11)).collect();
        write(&col, &mut model, round, from..from + 12, &deletes);
        agree(&col, &model);
        match round % 4 {
            0 => col.flush().unwrap(),
            1 => col.compact(|_, _| true).unwrap(),
            2 => col.optimize(hnsw, |_| true).unwrap(),
            _ => {
                drop(col);
                db.close().unwrap();
                db = Database::options().background(false).open(&path).unwrap();
                col = db.collection("c").unwrap();
            }
        }
        agree(&col, &model);
        let reader = Database::options().read_only(true).open(&path).unwrap();
        agree(&reader.collection("c").unwrap(), &model);
        assert_eq!((db.collections(), reader.collections()), (vec!["c".to_string()], vec!["c".to_string()]));
    }
    let stats = db.stats().unwrap().collections;
    let [of] = stats.as_slice() else { panic!("{stats:?}") };
    assert_eq!(of.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["image", "sound"]);
    assert_eq!(of.fields[0].rows, model.values().filter(|row| row.image.is_some()).count() as u64);
    assert!(foretaste::check(&path, &Database::options(), &mut |_, _| true).unwrap().damage.is_empty());
    db.drop_collection("c").unwrap();
    assert!(db.collections().is_empty() && db.stats().unwrap().collections.is_empty());
    let col = db.create_collection("c", schema()).unwrap();
    assert_eq!(col.search_field("image", &[1.0, 1.0]).unwrap().run().unwrap().len(), 0);
}

#[test]
fn a_reader_that_follows_sees_all_fields_of_a_commit_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = Database::options().background(false).open(&path).unwrap();
    let col = db.create_collection("c", schema()).unwrap();
    let reader = Database::options().read_only(true).open(&path).unwrap();
    let followed = reader.collection("c").unwrap();
    let mut model = Model::new();
    for round in 0..6u64 {
        let before = followed.snapshot();
        let seen: Vec<_> = before.scan().map(|record| record.unwrap()).collect();
        write(&col, &mut model, round, 0..8, &[(round % 3) as i64 + 10]);
        match round % 3 {
            0 => {}
            1 => col.flush().unwrap(),
            _ => col.compact(|_, _| true).unwrap(),
        }
        reader.refresh().unwrap();
        agree(&followed, &model);
        assert_eq!(before.scan().map(|record| record.unwrap()).collect::<Vec<_>>(), seen, "a snapshot stays");
    }
}

#[test]
fn a_snapshot_never_shows_fields_of_different_commits() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).seal_bytes(4 << 10).open("db").unwrap();
    let schema = Schema::new(1, Metric::L2).field("f", Schema::new(1, Metric::L2));
    let col = db.create_collection("c", schema).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0;
                    while !done.load(Ordering::Relaxed) {
                        let snapshot = col.snapshot();
                        let rows: Vec<_> = snapshot.scan().map(|record| record.unwrap()).collect();
                        let rounds: Vec<f32> = rows.iter().map(|record| record.vector[0]).collect();
                        assert!(rounds.windows(2).all(|pair| pair[0] == pair[1]), "{rounds:?}");
                        for record in &rows {
                            assert_eq!(record.fields.get("f"), Some(&record.vector), "{}", record.id);
                        }
                        let hits = snapshot.search_field("f", &[0.0]).unwrap().k(100).run().unwrap();
                        assert_eq!(hits.len(), rows.len());
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        for round in 1..400 {
            let mut batch = col.batch();
            for key in 0..5 {
                batch.upsert(key, &[round as f32]).field("f", &[round as f32]);
            }
            batch.commit().unwrap();
            match round % 50 {
                10 => col.flush().unwrap(),
                20 => col.compact(|_, _| true).unwrap(),
                _ => {}
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
    });
}

#[test]
fn lists_of_fields_are_fused_by_their_rows() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).open("db").unwrap();
    let col = db.create_collection("c", schema()).unwrap();
    let mut model = Model::new();
    write(&col, &mut model, 0, 0..40, &[]);
    col.flush().unwrap();
    write(&col, &mut model, 1, 20..50, &[3, 4]);
    let (own, image) = (vector(5, 77, 3), vector(5, 78, 2));
    let ranks = |hits: foretaste::Hits| -> Vec<Key> { hits.iter().map(|hit| hit.id.clone()).collect() };
    let by_own = ranks(col.search(&own).k(20).filter("n < 45").run().unwrap());
    let by_image = ranks(col.search_field("image", &image).unwrap().k(20).filter("n < 45").run().unwrap());
    let mut expected: BTreeMap<Key, f64> = BTreeMap::new();
    for (list, weight) in [(&by_own, 1.0), (&by_image, 2.0)] {
        for (rank, id) in list.iter().enumerate() {
            *expected.entry(id.clone()).or_default() += weight / (60.0 + rank as f64 + 1.0);
        }
    }
    let fuse = Fuse::new(Fusion::Rrf { kappa: 60.0 }).field("image", &image, 2.0).depth(20);
    let fused = col.search(&own).k(15).filter("n < 45").rerank(fuse.clone()).run().unwrap();
    assert_eq!(fused.len(), 15);
    let mut scores: Vec<f64> = expected.values().copied().collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    for (hit, best) in fused.iter().zip(scores) {
        assert!(
            (hit.score - expected[&hit.id]).abs() < 1e-12 && (hit.score - best).abs() < 1e-12,
            "{}",
            hit.id
        );
    }
    let three = fuse.text("words", "row 7", 1.0);
    assert_eq!(col.search(&own).k(5).rerank(three).run().unwrap().len(), 5);
}

#[test]
fn what_cannot_be_is_refused_with_the_place() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).open("db").unwrap();
    let col = db.create_collection("c", schema()).unwrap();
    let commit = |fill: &dyn Fn(foretaste::RowMut<'_>)| {
        let mut batch = col.batch();
        batch.upsert("whole", &[1.0, 2.0, 3.0]).field("image", &[1.0, 1.0]);
        fill(batch.upsert("bad", &[1.0, 2.0, 3.0]));
        batch.commit().unwrap_err()
    };
    let error = commit(&|row| {
        row.field("image", &[1.0]);
    });
    assert!(
        matches!(&error, Error::DimensionMismatch { row: 1, id, .. } if id == "bad, field image"),
        "{error}"
    );
    let error = commit(&|row| {
        row.field("image", &[1.0, f32::NAN]);
    });
    assert!(matches!(error, Error::NonFinite { row: 1, dim: 1, .. }), "{error}");
    let error = commit(&|row| {
        row.field("smell", &[1.0]);
    });
    assert!(matches!(error, Error::NotFound { .. }) && error.to_string().contains("smell"), "{error}");
    let error = commit(&|row| {
        row.field("image", &[1.0, 1.0]).field("image", &[1.0, 1.0]);
    });
    assert!(matches!(error, Error::BadRequest { .. }), "{error}");
    assert!(col.is_empty(), "none of a refused batch is there");
    assert!(matches!(col.search_field("smell", &[1.0]), Err(Error::NotFound { .. })));
    let image = col.search_field("image", &[1.0, 2.0, 3.0]).unwrap();
    assert!(matches!(image.run(), Err(Error::DimensionMismatch { .. })));
    for bad in [
        Fuse::new(Fusion::Borda).field("smell", &[1.0], 1.0),
        Fuse::new(Fusion::Borda).field("image", &[1.0], 1.0),
        Fuse::new(Fusion::MinMax).field("image", &[1.0, 1.0], 1.0),
    ] {
        assert!(col.search(&[1.0, 2.0, 3.0]).rerank(bad).run().is_err());
    }
    assert!(db.collection("c\u{1f}field\u{1f}image").is_err());
    assert!(db.create_collection("c\u{1f}field\u{1f}x", Schema::new(1, Metric::L2)).is_err());
}

#[test]
fn a_models_output_is_transformed_before_it_is_cut_wherever_it_comes_in() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).open("db").unwrap();
    let schema = |dim| Schema::new(dim, Metric::Cosine).levels([2]).recipe(Recipe::LayerNorm, 6);
    let plain = |dim| Schema::new(dim, Metric::Cosine).levels([2]);
    let model = |key: u64| -> Vec<f32> { (0..6).map(|d| noise(key * 50 + d) + 3.0).collect() };
    let normed = |key: u64| {
        let mut whole = model(key);
        Recipe::LayerNorm.apply(&mut whole);
        whole
    };
    let space = |name: &str| Space::new(name, "1");
    let col = db.create_collection("c", schema(4).space(space("a")).field("f", schema(3))).unwrap();
    let by_hand = db.create_collection("d", plain(4).field("f", plain(3))).unwrap();
    let (mut ours, mut theirs) = (col.batch(), by_hand.batch());
    for key in 0..40 {
        ours.upsert(key as i64, &model(key)).field("f", &model(key + 100));
        theirs.upsert(key as i64, &normed(key)[..4]).field("f", &normed(key + 100)[..3]);
    }
    ours.commit().unwrap();
    theirs.commit().unwrap();
    // Rows that are prepared already are taken as they are.
    col.upsert(7, &normed(7)[..4]).unwrap();
    by_hand.upsert(7, &normed(7)[..4]).unwrap();
    let same = |a: foretaste::Hits, b: foretaste::Hits| {
        let list = |hits: &foretaste::Hits| {
            hits.iter().map(|hit| (hit.id.clone(), hit.distance)).collect::<Vec<_>>()
        };
        assert_eq!(list(&a), list(&b));
    };
    for q in 200..205 {
        let (whole, cut) = (model(q), normed(q)[..4].to_vec());
        same(col.search(&whole).run().unwrap(), by_hand.search(&cut).run().unwrap());
        same(col.search(&whole).dims(2).run().unwrap(), by_hand.search(&cut).dims(2).run().unwrap());
        same(col.search(&cut).run().unwrap(), by_hand.search(&cut).run().unwrap());
        let field = |col: &Collection, query: &[f32]| col.search_field("f", query).unwrap().run().unwrap();
        same(field(&col, &whole), field(&by_hand, &cut[..3]));
        let fuse =
            |other: &[f32], field: &[f32]| Fuse::new(Fusion::Borda).vector(other, 1.0).field("f", field, 1.0);
        let (others, others_cut) = (model(q + 1), normed(q + 1)[..4].to_vec());
        let ours = col.search(&whole).rerank(fuse(&others, &whole)).run().unwrap();
        same(ours, by_hand.search(&cut).rerank(fuse(&others_cut, &cut[..3])).run().unwrap());
        let many = col.search_batch(&[&whole], 1, |search| search).unwrap().remove(0);
        same(many, by_hand.search(&cut).run().unwrap());
        let mut answer = col.search(&whole).start().unwrap();
        while answer.next().unwrap().is_some() {}
        answer.requery(&whole).unwrap();
        assert!(answer.next().unwrap().is_none(), "the same query changes nothing");
    }
    let change = col.begin_change(schema(5).space(space("b"))).unwrap();
    change
        .run(
            Order::Stored,
            9,
            |rows| {
                let key = |row: &foretaste::PendingRow| {
                    if let Key::Int(key) = row.record.id { key as u64 } else { 0 }
                };
                Ok(rows.iter().map(|row| model(key(row))).collect())
            },
            |_, _| true,
        )
        .unwrap();
    assert_eq!(change.get(3).unwrap().unwrap().vector, normed(3)[..5]);
    let mut batch = col.batch();
    batch.upsert(1, &[1.0, f32::NAN, 0.0, 0.0, 0.0, 0.0]);
    assert!(matches!(batch.commit(), Err(Error::NonFinite { dim: 1, .. })));
    assert!(matches!(col.upsert(1, &[1.0; 5]), Err(Error::DimensionMismatch { .. })));
    assert!(matches!(col.extend([8]), Err(Error::BadRequest { .. })), "longer than the model's output");
}
