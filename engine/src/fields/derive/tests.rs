//! What is kept of hostile documents is bounded, and what becomes of a path.

use serde_json::json;

use super::values::{ROW_ELEMENTS, ROW_FRACTIONS, TEXT_BYTES};
use super::*;

fn gathered(documents: impl IntoIterator<Item = Json>) -> Derived {
    let mut derived = Derived::default();
    for (document, row) in documents.into_iter().zip(0..) {
        match document {
            Json::Object(members) => derived.push(row, members),
            _ => derived.unreadable(),
        }
    }
    derived
}

/// The columns and elements of documents, by name.
fn formed(documents: Vec<Json>) -> (Vec<String>, Vec<Elements>) {
    let rows = documents.len();
    let (columns, elements) = gathered(documents).finish(rows, &[]);
    (columns.into_iter().map(|c| c.name).collect(), elements)
}

/// Bytes of all names that are kept.
fn kept(derived: &Derived) -> u64 {
    let names: u64 =
        derived.places.iter().filter_map(|p| p.name.as_ref()).map(|name| name.len() as u64).sum();
    let keys = derived.places.iter().flat_map(|p| &p.members);
    // Each name is kept once, as a member of its parent and as its own.
    assert!(keys.into_iter().all(|(key, place)| {
        derived.places.get(*place).is_some_and(|p| p.name.as_ref().is_some_and(|name| Arc::ptr_eq(name, key)))
    }));
    names
}

#[test]
fn a_long_name_is_kept_once_however_many_members_it_has() {
    let members = |n: usize| (0..n).map(|i| (format!("m{i}"), json!(i))).collect::<Map<_, _>>();
    let long = |len: usize| "n".repeat(len);
    // With 200 members, a path for each would take 200 times its name.
    let list = limits::PATHS_BYTES as usize;
    let short = long(list / 300);
    let derived = gathered([json!({short.clone(): members(200)})]);
    assert_eq!(derived.paths().unwrap().names().count(), 201);
    assert!(kept(&derived) < short.len() as u64 + 200 * 4 + 100);

    let most = limits::PATHS_BYTES + limits::PATHS * NAMED_BYTES;
    for len in [list - 2, list - 1, list, 8 << 20] {
        let document =
            json!({long(len): members(300), "a": {long(len): {long(len): members(300)}}, "z": [1]});
        let derived = gathered([document.clone(), document]);
        assert!(kept(&derived) <= most, "{len}: {}", kept(&derived));
        assert!(derived.listed <= most);
        assert_eq!(derived.paths(), None);
        let (columns, elements) = derived.finish(2, &[]);
        // What comes after has its place, as long as there are any.
        assert!(columns.iter().all(|c| c.name.len() as u64 <= limits::NAME_BYTES), "{len}");
        assert_eq!(elements.len(), 1, "{len}");
    }
    // Many long names, one in each document.
    let derived = gathered((0..300).map(|i| json!({format!("{i}{}", long(60_000)): 1, "b": 1})));
    assert!(kept(&derived) <= most);
    assert_eq!(derived.finish(300, &[]).0.len(), 1);
}

#[test]
fn paths_of_arrays_and_of_several_types_become_elements() {
    let documents = (0..100i64).map(|i| {
        json!({
            "tags": ["a", format!("b{i}"), 1, 1.0, 0.5, true, null, "a"], "n": i, "either": if i % 2 == 0 { json!(i) } else { json!("x") },
            "objects": [{"a": 1}], "empty": [], "nested": [[1], 2], "o": {"in": [i]},
            "long": ["y".repeat(TEXT_BYTES + 1)], "rare": if i == 7 { json!([1]) } else { json!(i) },
        })
    });
    let (columns, elements) = formed(documents.collect());
    assert_eq!(columns, ["n"]);
    let names: Vec<&str> = elements.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["either", "empty", "nested", "o.in", "rare", "tags"]);
    let tags = &elements[5];
    assert_eq!((tags.words.len(), tags.texts.len()), (101, 200), "a word is kept once");
    assert_eq!((tags.ints.len(), tags.floats.len(), tags.bools.len()), (100, 100, 100));
    assert_eq!(elements[1].empty.len(), 100);
    assert_eq!((elements[2].opaque.len(), elements[2].ints.len()), (100, 100));
    assert_eq!(elements[4].ints.len(), 100);
}

#[test]
fn a_column_stays_one_when_arrays_are_very_rare() {
    let documents = |arrays: usize| -> Vec<Json> {
        (0..4096).map(move |i| if i % 1024 < arrays { json!({"n": [i]}) } else { json!({"n": i}) }).collect()
    };
    let (columns, elements) = formed(documents(0));
    assert_eq!((columns.len(), elements.len()), (1, 0));
    let mut one = documents(0);
    one[9] = json!({"n": [9]});
    let (columns, elements) = formed(one);
    assert_eq!((columns.len(), elements.len()), (1, 0));
    let (columns, elements) = formed(documents(2));
    assert_eq!((columns.len(), elements.len()), (0, 1));
}

#[test]
fn arrays_of_very_many_elements_are_left_to_their_documents() {
    let numbers = |n: usize| (0..n).map(|i| json!(i % n)).collect::<Vec<_>>();
    let fractions = |n: usize| (0..n).map(|i| json!(i as f64 + 0.5)).collect::<Vec<_>>();
    let of = |array: Vec<Json>| {
        let mut documents = vec![json!({"a": ["x", 1]}); 20];
        documents.push(json!({"a": array}));
        let (_, mut elements) = formed(documents);
        elements.remove(0)
    };
    assert_eq!(of(numbers(ROW_ELEMENTS)).partial, [0; 0]);
    let over = of(numbers(ROW_ELEMENTS + 1));
    assert_eq!((over.partial, over.ints.len()), (vec![20], 20));
    // Of many that are the same one is kept.
    assert_eq!(of((0..900).map(|i| json!(i % 9)).collect()).ints.len(), 20 + 9);
    assert_eq!(of(fractions(ROW_FRACTIONS)).floats.len(), ROW_FRACTIONS);
    assert_eq!(of(fractions(ROW_FRACTIONS + 1)).partial, [20]);
    // Vectors in documents get nothing, soon.
    let derived = gathered((0..3000).map(|_| json!({"v": fractions(64)})));
    assert_eq!(derived.bytes, 0);
    assert!(derived.finish(3000, &[]).1.is_empty());
}

#[test]
fn elements_and_columns_share_their_places() {
    let most = limits::DERIVED_COLUMNS as usize;
    let document = |i: usize| {
        let name = |kind: &str, n: usize| format!("{kind}{n:02}");
        let columns = (0..most).map(|n| (name("c", n), json!(i)));
        Json::Object(columns.chain((0..most).map(|n| (name("e", n), json!([i])))).collect())
    };
    let mut documents: Vec<Json> = (0..50).map(document).collect();
    // Of paths with as many rows, the first by name; those with more go first.
    documents.push(json!({"e03": [1], "e05": "x"}));
    let (columns, elements) = formed(documents);
    assert_eq!(elements.into_iter().map(|e| e.name).collect::<Vec<_>>(), ["e03", "e05"]);
    assert_eq!(columns.len(), most - 2);
}

#[test]
fn beyond_the_bytes_the_dearest_path_is_given_up() {
    let mut derived = Derived { limit: 100_000, ..Derived::default() };
    for row in 0..2000 {
        let tags: Vec<Json> = (0..9).map(|n| json!(format!("tag {row} {n}"))).collect();
        let Json::Object(members) = json!({"tags": tags, "few": [row % 3]}) else { continue };
        derived.push(row, members);
        assert!(derived.bytes <= 100_000);
    }
    let (columns, elements) = derived.finish(2000, &[]);
    assert!(columns.is_empty());
    assert_eq!(elements.len(), 1);
    assert_eq!(elements[0].name, "few");
}
