//! Token matrices from the door to every place where a row lies: fresh, replayed, sealed, merged, cut and extended.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::subject::Subject;
use common::{ROOT, options};
use foretaste::{Collection, Database, Element, Error, Key, Metric, Schema};
use foretaste_storage::limits;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

const DIMS: usize = 5;
const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];

/// Whole numbers, which every element keeps as they are; row 0 has no matrix.
fn matrix(id: i64, seed: i64) -> Vec<f32> {
    let tokens = (id * (seed + 3)) % 11;
    (0..tokens * DIMS as i64).map(|n| ((id * 31 + seed * 17 + n * 7) % 120 - 60) as f32).collect()
}

fn schema(element: Element) -> Schema {
    Schema::new(4, Metric::L2).levels([2, 4]).tokens(DIMS, element)
}

fn write(col: &Collection, ids: impl Iterator<Item = i64>, seed: i64) {
    let dims = col.schema().dim();
    let mut batch = col.batch();
    for id in ids {
        let row = batch.upsert(id, &vec![id as f32; dims]);
        row.tokens(&matrix(id, seed));
    }
    batch.commit().unwrap();
}

/// All matrices, by a scan and by gets, which must agree.
fn matrices(col: &Collection) -> BTreeMap<i64, Vec<f32>> {
    let scanned: BTreeMap<i64, Vec<f32>> = col
        .snapshot()
        .scan()
        .map(|record| record.unwrap())
        .map(|record| (record.id.to_string().parse().unwrap(), record.tokens))
        .collect();
    for (id, tokens) in &scanned {
        assert_eq!(col.get(*id).unwrap().unwrap().tokens, *tokens, "{id}");
    }
    scanned
}

fn expected(rows: &[(i64, i64)]) -> BTreeMap<i64, Vec<f32>> {
    rows.iter().map(|(id, seed)| (*id, matrix(*id, *seed))).collect()
}

fn sound(disk: &Arc<dyn Vfs>) {
    let report = foretaste::check(ROOT.as_ref(), &options(Arc::clone(disk)), &mut |_, _| true).unwrap();
    assert!(report.is_sound() && report.notes.is_empty(), "{report:?}");
}

#[test]
fn matrices_stay_with_their_rows_wherever_those_go() {
    for element in ELEMENTS {
        let disk: Arc<dyn Vfs> = Arc::new(MemVfs::new());
        let open = || options(Arc::clone(&disk)).open(ROOT).unwrap();
        let reopen = |handles: (Database, Collection)| {
            drop(handles);
            let db = open();
            let col = db.collection("c").unwrap();
            assert_eq!(col.schema().token_kind(), Some((DIMS, element)));
            (db, col)
        };
        let db = open();
        let col = db.create_collection("c", schema(element)).unwrap();
        let mut rows: Vec<(i64, i64)> = (0..40).map(|id| (id, 1)).collect();
        write(&col, 0..40, 1);
        assert_eq!(matrices(&col), expected(&rows), "fresh");
        let (db, col) = reopen((db, col));
        assert_eq!(matrices(&col), expected(&rows), "replayed");
        col.flush().unwrap();
        assert_eq!(matrices(&col), expected(&rows), "sealed");
        sound(&disk);
        let (db, col) = reopen((db, col));
        assert_eq!(matrices(&col), expected(&rows), "sealed, after opening");

        // Replaced, deleted, and replaced by rows without.
        let old = col.snapshot();
        write(&col, 30..50, 2);
        let mut batch = col.batch();
        batch.delete(3).upsert(4, &[0.0; 4]);
        batch.commit().unwrap();
        rows.retain(|(id, _)| *id < 30 && *id != 3 && *id != 4);
        rows.extend((30..50).map(|id| (id, 2)));
        let with_bare = |rows: &[(i64, i64)]| {
            let mut all = expected(rows);
            all.insert(4, Vec::new());
            all
        };
        assert_eq!(matrices(&col), with_bare(&rows), "changed");
        assert_eq!(old.get(3).unwrap().unwrap().tokens, matrix(3, 1));
        col.compact(|_, _| true).unwrap();
        assert_eq!(db.stats().unwrap().collections[0].segments, 1);
        assert_eq!(matrices(&col), with_bare(&rows), "merged");
        assert_eq!(old.get(35).unwrap().unwrap().tokens, matrix(35, 1), "an older snapshot");
        drop(old);

        col.truncate(2).unwrap();
        assert_eq!(matrices(&col), with_bare(&rows), "cut");
        assert_eq!(col.get(7).unwrap().unwrap().vector.len(), 2);
        write(&col, 60..63, 3);
        rows.extend((60..63).map(|id| (id, 3)));
        col.extend([6]).unwrap();
        write(&col, 70..73, 3);
        rows.extend((70..73).map(|id| (id, 3)));
        assert_eq!(matrices(&col), with_bare(&rows), "extended");
        let (db, col) = reopen((db, col));
        assert_eq!(matrices(&col), with_bare(&rows), "extended, after opening");
        col.compact(|_, _| true).unwrap();
        assert_eq!(matrices(&col), with_bare(&rows), "extended and merged");
        let stats = &db.stats().unwrap().collections[0];
        assert!(stats.bytes_tokens > 0 && stats.bytes_tokens < stats.bytes_live, "{stats:?}");
        sound(&disk);
    }
}

#[test]
fn a_collection_whose_rows_have_no_matrices_has_no_file_for_them() {
    let vfs = MemVfs::new();
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let db = options(Arc::clone(&disk)).open(ROOT).unwrap();
    let tokens = |vfs: &MemVfs| {
        vfs.snapshot().into_keys().filter(|path| path.ends_with("tokens")).collect::<Vec<PathBuf>>()
    };
    let col = db.create_collection("c", schema(Element::F16)).unwrap();
    let mut batch = col.batch();
    for id in 0..5 {
        let row = batch.upsert(id, &[0.0; 4]);
        row.tokens(&[]);
    }
    batch.commit().unwrap();
    col.flush().unwrap();
    assert_eq!((tokens(&vfs), db.stats().unwrap().collections[0].bytes_tokens), (vec![], 0));
    write(&col, 5..6, 1);
    col.flush().unwrap();
    assert_eq!(tokens(&vfs).len(), 1);
    sound(&disk);
}

#[test]
fn a_matrix_that_does_not_fit_is_refused_with_its_row() {
    let mut it = Subject::new(schema(Element::F16));
    let mut nan = vec![1.0; 3 * DIMS];
    nan[DIMS + 2] = f32::NAN;
    let mut large = vec![1.0; 3 * DIMS];
    large[2 * DIMS] = -70_000.0;
    let long = vec![0.0; (limits::TOKENS as usize + 1) * DIMS];
    for (bad, why) in [
        (&[1.0; DIMS + 1][..], "a matrix of 6 numbers, and a token has 5".to_string()),
        (&nan, "number 2 of token 1 is NaN, which is not a finite number".to_string()),
        (&large, "number 0 of token 2 is -70000, and f16 holds at most 65504".to_string()),
        (&long, format!("{} tokens, the limit is {}", limits::TOKENS + 1, limits::TOKENS)),
    ] {
        let e = it.batch(
            |b| {
                b.upsert("good", &[1.0; 4]).tokens(&[1.0; DIMS]);
                b.upsert("bad", &[1.0; 4]).tokens(bad);
            },
            &format!("row 1 (id bad): {why}"),
        );
        assert!(matches!(e, Error::BadTokens { row: 1, ref id, .. } if id == "bad"));
    }
    it.end();
    let mut it = Subject::new(Schema::new(4, Metric::L2));
    let why = "row 0 (id 5): the collection keeps no token matrices; create it with `.tokens(…)`";
    let e = it.batch(
        |b| {
            b.upsert(5, &[1.0; 4]).tokens(&[1.0; DIMS]);
        },
        why,
    );
    assert!(matches!(e, Error::BadTokens { row: 0, .. }));
    it.end();
    let db = options(Arc::new(MemVfs::new())).open(ROOT).unwrap();
    for (dim, limited) in [(0, false), (limits::TOKEN_DIMENSION as usize + 1, true), (usize::MAX, true)] {
        let refused = db.create_collection("c", Schema::new(4, Metric::L2).tokens(dim, Element::I8));
        assert_eq!(matches!(refused, Err(Error::LimitExceeded { .. })), limited, "{dim}: {refused:?}");
        assert_eq!(matches!(refused, Err(Error::BadRequest { .. })), !limited, "{dim}: {refused:?}");
    }
}

#[test]
fn rows_whose_matrices_are_whole_are_saved_from_a_damaged_file() {
    let vfs = MemVfs::new();
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let db = options(Arc::clone(&disk)).open(ROOT).unwrap();
    let col = db.create_collection("c", Schema::new(1, Metric::L2).tokens(1024, Element::F32)).unwrap();
    let mut batch = col.batch();
    // Four tokens fill a block of the file.
    let wide = |id: i64| vec![id as f32; 4 * 1024];
    for id in 0..12 {
        batch.upsert(id, &[0.0]).tokens(&wide(id));
    }
    batch.commit().unwrap();
    col.flush().unwrap();
    drop((db, col));
    let mut files = vfs.snapshot();
    let (path, bytes) = files.iter_mut().find(|(path, _)| path.ends_with("tokens")).expect("a sealed file");
    let path = path.clone();
    bytes[128 + 5 * 16_384 + 77] ^= 4;
    let vfs = MemVfs::from_snapshot(files, vfs.folders());
    let disk: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let report = foretaste::check(ROOT.as_ref(), &options(Arc::clone(&disk)), &mut |_, _| true).unwrap();
    assert_eq!(report.damage.len(), 1, "{report:?}");
    assert!(path.ends_with(&report.damage[0].file), "{report:?}");
    {
        let db = options(Arc::clone(&disk)).open(ROOT).unwrap();
        let col = db.collection("c").unwrap();
        assert!(matches!(col.get(5), Err(Error::Corrupt { .. })));
        assert_eq!(col.get(6).unwrap().unwrap().tokens, wide(6));
        // Searches do not read matrices.
        assert_eq!(col.search(&[0.0]).k(20).run().unwrap().len(), 12);
    }
    let repaired = foretaste::repair(ROOT.as_ref(), &options(Arc::clone(&disk)), &mut |_| ()).unwrap();
    assert_eq!((repaired.rows_saved, repaired.rows_lost.len()), (11, 1), "{repaired:?}");
    let db = options(Arc::clone(&disk)).open(ROOT).unwrap();
    let col = db.collection("c").unwrap();
    assert_eq!(col.len(), 11);
    for record in col.snapshot().scan() {
        let record = record.unwrap();
        assert_eq!(record.tokens, wide(record.id.to_string().parse().unwrap()));
    }
    sound(&disk);
}

#[test]
fn a_search_reranked_by_late_interaction_is_ordered_as_the_rows_alone_are() {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("d").unwrap();
    let col = db.create_collection("c", Schema::new(4, Metric::L2).tokens(3, Element::F32)).unwrap();
    let number = |i: u64| ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 23) as f32) - 1.0;
    let mut batch = col.batch();
    for id in 0..300u64 {
        let vector: Vec<f32> = (0..4).map(|d| number(id * 31 + d)).collect();
        let row = batch.upsert(id as i64, &vector);
        if id % 7 != 0 {
            let tokens: Vec<f32> = (0..3 * (1 + id % 5)).map(|n| number(id * 1009 + n)).collect();
            row.tokens(&tokens);
        }
    }
    batch.commit().unwrap();
    let query = [0.3, -0.2, 0.1, 0.4];
    let tokens: Vec<f32> = (0..12).map(|n| number(77 + n)).collect();
    let nearest = col.search(&query).k(50).run().unwrap();
    let expected = col.snapshot().maxsim(&tokens, nearest.iter().map(|hit| hit.id.clone()), 50).unwrap();
    let hits = col.search(&query).k(50).rerank(foretaste::MaxSim::new(&tokens).among(50)).run().unwrap();
    let found: Vec<(Key, f64)> = hits.iter().map(|hit| (hit.id.clone(), hit.score)).collect();
    assert!(expected.len() < 50 && found[..expected.len()] == expected[..]);
    // Those without tokens come last, in the order of the search.
    let rest: Vec<&Key> =
        nearest.iter().map(|h| &h.id).filter(|id| !expected.iter().any(|e| e.0 == **id)).collect();
    assert_eq!(found[expected.len()..].iter().map(|f| &f.0).collect::<Vec<_>>(), rest);
    assert!(col.search(&query).rerank(foretaste::MaxSim::new(&[1.0])).run().is_err());
    assert!(col.search(&query).rerank(foretaste::MaxSim::new(&[f32::NAN, 0.0, 0.0])).run().is_err());
}
