//! Elements of arrays through the life of a collection: fresh rows, sealed, merged and reopened ones answer alike.

use foretaste_storage::sealed::Access;

use super::*;
use crate::{Collection, Database, HnswParams, Spec};

fn database(disk: &MemVfs, access: Access) -> Database {
    Database::options().disk(Arc::new(disk.clone())).background(false).access(access).open("db").unwrap()
}

fn write(col: &Collection, rows: &mut Vec<Option<Json>>, keys: std::ops::Range<usize>, documents: &[Json]) {
    let mut batch = col.batch();
    for (key, document) in keys.zip(documents) {
        batch.upsert(key as i64, &[key as f32, 1.0]).payload(document.clone());
        rows.resize(rows.len().max(key + 1), None);
        rows[key] = Some(document.clone());
    }
    batch.commit().unwrap();
}

/// Every filter gives the rows whose documents pass, by a scan and by any other way.
fn alike(col: &Collection, rows: &[Option<Json>], filters: &[String], when: &str) {
    for text in filters {
        let filter = Filter::parse(text).unwrap();
        let passes =
            |document: &Option<Json>| document.as_ref().is_some_and(|d| filter.matches(&fields_of(d)));
        let expected: Vec<i64> = (0..).zip(rows).filter(|(_, d)| passes(d)).map(|(key, _)| key).collect();
        for exact in [true, false] {
            let search = col.search(&[0.0, 0.0]).k(rows.len()).filter(text);
            let hits = if exact { search.exact() } else { search }.run().unwrap();
            let key = |id: &crate::Key| match id {
                crate::Key::Int(key) => *key,
                crate::Key::Str(key) => panic!("{key}"),
            };
            let mut found: Vec<i64> = hits.iter().map(|hit| key(&hit.id)).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{text}, {when}, exact: {exact}");
        }
    }
}

/// The paths that each segment has elements of.
fn indexed(col: &Collection) -> Vec<Vec<String>> {
    let names = |segment: &Segment| segment.elements().unwrap().map(|e| e.name().to_string()).collect();
    col.own().state().segments.iter().map(|source| names(&source.segment)).collect()
}

fn sound(disk: &MemVfs) {
    let options = Database::options().disk(Arc::new(disk.clone()));
    let report = crate::check::check(std::path::Path::new("db"), &options, &mut |_, _| true).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn rows_answer_alike_fresh_sealed_merged_and_reopened(
        values in proptest::collection::vec((at_path(), at_path()), 4..50),
        filters in proptest::collection::vec(filter_of_arrays(), 8),
        map in any::<bool>(),
    ) {
        let access = if map { Access::Map } else { Access::Read };
        let documents: Vec<Json> = values.into_iter().enumerate().map(|(i, (a, t))| {
            let mut document = json!({"n": i, "o": {}});
            a.into_iter().for_each(|a| document["a"] = a);
            t.into_iter().for_each(|t| document["o"]["t"] = t);
            document
        }).collect();
        let (disk, mut rows, half) = (MemVfs::new(), Vec::new(), documents.len() / 2);
        let db = database(&disk, access);
        let col = db.create_collection("c", Schema::new(2, Metric::L2)).unwrap();
        write(&col, &mut rows, 0..half, &documents);
        alike(&col, &rows, &filters, "fresh");
        col.flush().unwrap();
        write(&col, &mut rows, half..documents.len(), &documents[half..]);
        alike(&col, &rows, &filters, "half of them sealed");
        col.flush().unwrap();
        alike(&col, &rows, &filters, "sealed");
        // The first rows get the documents of the last ones, some go.
        write(&col, &mut rows, 0..half / 2, &documents[half..]);
        for key in (0..rows.len()).step_by(5) {
            col.delete(key as i64).unwrap();
            rows[key] = None;
        }
        alike(&col, &rows, &filters, "changed");
        col.compact(|_, _| true).unwrap();
        alike(&col, &rows, &filters, "merged");
        col.optimize(Spec::Hnsw(HnswParams { m: 4, ef_construction: 10, edge_bits: Some(1) }), |_| true).unwrap();
        alike(&col, &rows, &filters, "with a graph");
        drop((col, db));
        sound(&disk);
        let db = database(&disk, access);
        alike(&db.collection("c").unwrap(), &rows, &filters, "reopened");
    }
}

#[test]
fn merged_segments_have_the_elements_of_all_their_rows() {
    let disk = MemVfs::new();
    let db = database(&disk, Access::Map);
    let col = db.create_collection("c", Schema::new(2, Metric::L2)).unwrap();
    let of = |i: usize| json!({"tags": [format!("t{}", i % 3), i, null], "o": {"deep": [i.is_multiple_of(2)]}, "n": i});
    let (documents, mut rows) = ((0..40).map(of).collect::<Vec<_>>(), Vec::new());
    for first in [0, 20] {
        write(&col, &mut rows, first..first + 20, &documents[first..]);
        col.flush().unwrap();
    }
    let both = vec!["o.deep".to_string(), "tags".to_string()];
    assert_eq!(indexed(&col), [both.clone(), both.clone()]);
    // The only row of 7 goes.
    col.delete(7).unwrap();
    rows[7] = None;
    col.compact(|_, _| true).unwrap();
    assert_eq!(indexed(&col), [both]);
    let state = col.own().state();
    let elements = state.segments[0].segment.elements().unwrap().find(|e| e.name() == "tags").unwrap();
    assert_eq!((elements.rows(), elements.held(), elements.most()), (39, 39, 2));
    assert_eq!(elements.values(ColumnKind::Int).len(), 39, "what no row has is gone");
    assert_eq!(elements.values(ColumnKind::Str).len(), 3);
    let filters = ["tags = 't1'", "tags = 7", "tags > 30 and not tags = 't0'", "o.deep = true"];
    alike(&col, &rows, &filters.map(String::from), "merged");
    sound(&disk);
}
