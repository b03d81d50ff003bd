//! Scores of stored matrices, fresh and sealed, are those of brute force in f64 over the numbers that `get` gives.

use std::cell::Cell;
use std::sync::Arc;

use foretaste_storage::limits;
use foretaste_storage::vfs::mem::MemVfs;
use proptest::prelude::*;

use super::*;
use crate::{Collection, Database, Element, Metric};

const DIMS: usize = 24;
const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];

/// As many numbers, of a sequence that `seed` begins.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Rows 0 to `rows`, the first half of them in two segments, row i with i mod 9 tokens.
fn collection(element: Element, rows: usize) -> (Database, Collection) {
    let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("db").unwrap();
    let col = db.create_collection("c", Schema::new(1, Metric::L2).tokens(DIMS, element)).unwrap();
    for (part, rows) in (0..rows).collect::<Vec<_>>().chunks(rows.div_ceil(4).max(1)).enumerate() {
        let mut batch = col.batch();
        for &row in rows {
            batch.upsert(row as i64, &[0.0]).tokens(&numbers(row as u64 + 1, row % 9 * DIMS));
        }
        batch.commit().unwrap();
        if part < 2 {
            col.flush().unwrap();
        }
    }
    (db, col)
}

/// The score, in f64 throughout.
fn score(query: &[f32], row: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let best = |q| row.chunks(DIMS).map(|t| dot(q, t)).fold(f64::NEG_INFINITY, f64::max);
    query.chunks(DIMS).map(best).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_those_of_brute_force_over_the_stored_numbers(
        element in prop::sample::select(ELEMENTS.to_vec()),
        rows in 1usize..60,
        tokens in 1usize..12,
        k in 0usize..20,
        seed in any::<u64>(),
    ) {
        let (_db, col) = collection(element, rows);
        let query = numbers(seed, tokens * DIMS);
        let snapshot = col.snapshot();
        let places: Vec<Place> = snapshot.places().collect();
        prop_assert_eq!(places.len(), rows);
        let late = maxsim(&snapshot, &query, &places, k, &|| false).unwrap();

        let mut expected = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let stored = snapshot.record(place).unwrap().tokens;
            if !stored.is_empty() {
                expected.push((number, score(&query, &stored)));
            }
        }
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        prop_assert_eq!(late.hits.len(), k.min(expected.len()));
        for ((number, found), (_, wanted)) in late.hits.iter().zip(&expected) {
            let own = expected.iter().find(|(n, _)| n == number).unwrap().1;
            prop_assert!((found - own).abs() < 1e-4 && (found - wanted).abs() < 1e-4, "{found} {own} {wanted}");
        }
    }
}

#[test]
fn rows_far_from_the_best_are_given_up_and_a_cancelled_stage_ends() {
    let (_db, col) = collection(Element::F32, 0);
    let mut batch = col.batch();
    for row in 0..50i64 {
        let scale = if row < 3 { 1.0 } else { 0.01 };
        let matrix: Vec<f32> = numbers(1, 8 * DIMS).iter().map(|x| x * scale).collect();
        batch.upsert(row, &[0.0]).tokens(&matrix);
    }
    batch.commit().unwrap();
    col.flush().unwrap();
    let (snapshot, query) = (col.snapshot(), numbers(1, 8 * DIMS));
    let places: Vec<Place> = snapshot.places().collect();
    let late = maxsim(&snapshot, &query, &places, 3, &|| false).unwrap();
    assert_eq!(late.hits.iter().map(|hit| hit.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(late.abandoned, 47);

    let asked = Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        asked.get() > 10
    };
    assert!(matches!(maxsim(&snapshot, &query, &places, 3, &cancel), Err(Error::Cancelled)));
    assert_eq!(asked.get(), 11);
}

#[test]
fn a_query_that_is_no_matrix_of_the_collection_is_refused() {
    let (db, col) = collection(Element::F16, 3);
    let snapshot = col.snapshot();
    let refused = |snapshot: &Snapshot, query: &[f32]| snapshot.maxsim(query, [1], 1).unwrap_err();
    for bad in [&[][..], &[1.0; DIMS - 1], &[1.0; DIMS + 1]] {
        assert!(matches!(refused(&snapshot, bad), Error::BadRequest { what: "tokens", .. }));
    }
    let mut bad = vec![1.0; 2 * DIMS];
    bad[DIMS + 3] = f32::NAN;
    assert!(matches!(refused(&snapshot, &bad), Error::NonFinite { row: 1, dim: 3, .. }));
    let long = vec![1.0; (limits::TOKENS as usize + 1) * DIMS];
    assert!(matches!(refused(&snapshot, &long), Error::LimitExceeded { limit: limits::TOKENS, .. }));
    let plain = db.create_collection("plain", Schema::new(1, Metric::L2)).unwrap();
    assert!(matches!(refused(&plain.snapshot(), &[1.0; DIMS]), Error::BadRequest { what: "tokens", .. }));
    // Ids that are not there, rows without tokens.
    assert_eq!(snapshot.maxsim(&[1.0; DIMS], [77, 0, 2, 1], 9).unwrap().len(), 2);
}
