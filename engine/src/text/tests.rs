//! Full-text search against brute force over the rows of a snapshot, however they are stored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use foretaste_query::text::Statistics;
use foretaste_storage::vfs::mem::MemVfs;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::TextField;
use crate::{Access, Analyser, Collection, Database, Language, Metric, Schema, Spec, check, repair};

fn open(disk: &MemVfs) -> Database {
    Database::options().disk(Arc::new(disk.clone())).background(false).open("db").unwrap()
}

fn fields() -> [TextField; 2] {
    let english = Analyser::default().stemmed(Language::English);
    [("body", Analyser::default()), ("meta.title", english)]
        .map(|(path, analyser)| TextField { path: path.into(), analyser })
}

fn schema() -> Schema {
    let schema = Schema::new(2, Metric::L2).levels([1]);
    fields().into_iter().fold(schema, |schema, f| schema.text_by(f.path, f.analyser))
}

fn put(col: &Collection, rows: &[(i64, Json)]) {
    let mut batch = col.batch();
    for (id, document) in rows {
        batch.upsert(*id, &[*id as f32, 1.0]).payload(document.clone());
    }
    batch.commit().unwrap();
}

/// The words of a field's texts.
fn words(field: &TextField, document: Option<&Json>) -> Vec<String> {
    let mut all = Vec::new();
    let mut add = |text: &str| field.analyser.words().each(text, &mut |word| all.push(word.to_string()));
    let at = |document| field.path.split('.').try_fold(document, |value: &Json, name| value.get(name));
    match document.and_then(at) {
        Some(Json::String(text)) => add(text),
        Some(Json::Array(texts)) => texts.iter().filter_map(Json::as_str).for_each(add),
        _ => {}
    }
    all
}

/// Every row of the snapshot scored by the formula.
fn brute(snapshot: &Snapshot, field: &TextField, query: &str, k: usize, odd: bool) -> Vec<(Key, f64)> {
    let rows: Vec<(Key, Vec<String>)> = snapshot
        .scan()
        .map(|row| row.map(|row| (row.id, words(field, row.payload.as_ref()))).unwrap())
        .filter(|(_, words)| !words.is_empty())
        .collect();
    let count = rows.iter().map(|(_, words)| words.len() as u64).sum();
    let statistics = Statistics { documents: rows.len() as u64, words: count };
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    field.analyser.words().each(query, &mut |word| *asked.entry(word.to_string()).or_default() += 1);
    let having = |word: &String| rows.iter().filter(|(_, words)| words.contains(word)).count() as u64;
    let weights: Vec<_> = asked
        .iter()
        .map(|(word, times)| (word, Bm25::default().weight(&statistics, having(word), *times)))
        .collect();
    let mut hits: Vec<(Key, f64)> = Vec::new();
    for (id, words) in &rows {
        let tf = |word: &String| words.iter().filter(|w| *w == word).count() as u32;
        let found = weights.iter().filter(|(word, _)| words.contains(word));
        let score = found.clone().map(|(word, w)| w.score(tf(word), words.len() as u32)).sum();
        let passes = !odd || matches!(id, Key::Int(i) if i % 2 == 1);
        if found.count() > 0 && passes {
            hits.push((id.clone(), score));
        }
    }
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    hits.truncate(k);
    hits
}

fn found(snapshot: &Snapshot, field: &str, query: &str, k: usize, odd: bool) -> Vec<(Key, f64)> {
    let search = snapshot.search_text(field, query).k(k);
    let search = if odd { search.filter("odd = true") } else { search };
    search.run().unwrap().into_iter().map(|hit| (hit.id, hit.score)).collect()
}

/// A document of one of several shapes, with words that few or many have.
fn document(seed: u64, odd: bool) -> Json {
    let word = |i: u64| {
        ["the", "fox", "foxes", "Running", "runs", "quick", "café", "cafe", "Haus", "zebra"]
            [(i % 10) as usize]
    };
    let text = |seed: u64, most: u64| -> String {
        let common = |i: u64| if seed >> (i % 60) & 3 > 0 { seed >> i & 3 } else { seed >> (i % 50) };
        (0..seed % most).map(|i| word(common(i))).collect::<Vec<_>>().join(" ")
    };
    match seed % 11 {
        0 => json!({"odd": odd}),
        1 => json!({"odd": odd, "body": 7, "meta": "no title"}),
        2 => json!({"odd": odd, "body": null, "meta": {"title": text(seed >> 5, 4)}}),
        3 => json!({"odd": odd, "body": [text(seed >> 5, 6), 3, text(seed >> 9, 9)]}),
        _ => json!({"odd": odd, "body": text(seed >> 5, 40), "meta": {"title": text(seed >> 7, 6)}}),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(i64, u64)>),
    Delete(Vec<i64>),
    Flush,
    Compact,
    Optimize,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let rows = proptest::collection::vec((0i64..120, any::<u64>()), 1..60);
    prop_oneof![
        5 => rows.prop_map(|rows| Step::Put(rows.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())),
        3 => proptest::collection::btree_set(0i64..120, 1..20).prop_map(|ids| Step::Delete(ids.into_iter().collect())),
        3 => Just(Step::Flush),
        1 => Just(Step::Compact),
        1 => Just(Step::Optimize),
        1 => Just(Step::Reopen),
    ]
}

const QUERIES: [&str; 5] = ["fox", "the QUICK zebra", "running the the foxes", "Cafe haus nowhere", "the"];

fn assert_exact(snapshot: &Snapshot, k: usize) {
    for field in &fields() {
        for query in QUERIES {
            for odd in [false, true] {
                let expected = brute(snapshot, field, query, k, odd);
                // To the last bit.
                assert_eq!(
                    found(snapshot, &field.path, query, k, odd),
                    expected,
                    "{field:?} {query} {k} {odd}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn answers_are_those_of_brute_force_however_rows_are_stored(
        steps in proptest::collection::vec(step(), 1..14),
        k in 1usize..30,
    ) {
        let disk = MemVfs::new();
        let mut db = open(&disk);
        let mut col = db.create_collection("c", schema()).unwrap();
        let mut before: Option<(Snapshot, Vec<(Key, f64)>)> = None;
        for step in steps {
            match &step {
                Step::Put(rows) => {
                    let rows: Vec<_> = rows.iter().map(|(id, seed)| (*id, document(*seed, id % 2 == 1))).collect();
                    put(&col, &rows);
                }
                Step::Delete(ids) => {
                    let mut batch = col.batch();
                    ids.iter().for_each(|id| { batch.delete(*id); });
                    batch.commit().unwrap();
                }
                Step::Flush => col.flush().unwrap(),
                Step::Compact => col.compact(|_, _| true).unwrap(),
                Step::Optimize => col.optimize(Spec::Flat, |_| true).unwrap(),
                Step::Reopen => {
                    before = None;
                    drop((col, db));
                    db = open(&disk);
                    col = db.collection("c").unwrap();
                }
            }
            let snapshot = col.snapshot();
            assert_exact(&snapshot, k);
            // What was seen before is seen still.
            if let Some((before, hits)) = &before {
                assert_eq!(&found(before, "body", "the fox", k, false), hits);
            }
            let hits = found(&snapshot, "body", "the fox", k, false);
            before.get_or_insert((snapshot, hits));
            prop_assert_eq!(db.stats().unwrap().collections[0].rows_without_text, 0);
        }
        prop_assert!(check(std::path::Path::new("db"), &Database::options().disk(Arc::new(disk)), &mut |_, _| true).unwrap().is_sound());
    }
}

/// Two segments, deletions in them, fresh rows.
fn filled(disk: &MemVfs, schema: Schema) -> (Database, Collection) {
    let db = open(disk);
    let col = db.create_collection("c", schema).unwrap();
    let rows = |ids: std::ops::Range<i64>| -> Vec<_> {
        ids.map(|i| (i, document((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3, i % 2 == 1))).collect()
    };
    put(&col, &rows(0..400));
    col.flush().unwrap();
    put(&col, &rows(400..700));
    col.flush().unwrap();
    put(&col, &rows(690..740));
    (3..20).for_each(|id| col.delete(id).unwrap());
    (db, col)
}

/// The full-text files on the disk.
fn texts(disk: &MemVfs) -> Vec<PathBuf> {
    let is_text = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("text."));
    disk.snapshot().into_keys().filter(is_text).collect()
}

#[test]
fn an_answer_says_which_words_were_searched_and_how_each_part_was_gone_through() {
    let disk = MemVfs::new();
    let (db, col) = filled(&disk, schema());
    let hits = col.search_text("body", "The FOX fox nowhere").run().unwrap();
    let having = |word: &str| {
        let has = |row: &crate::Record| words(&fields()[0], row.payload.as_ref()).iter().any(|w| w == word);
        col.snapshot().scan().map(|row| row.unwrap()).filter(has).count() as u64
    };
    let word = |word: &str, times| TextWord { word: word.to_string(), times, rows: having(word) };
    assert_eq!(hits.words, [word("fox", 2), word("nowhere", 1), word("the", 1)]);
    assert!(hits.words[0].rows > 0 && hits.words[1].rows == 0);
    let parts =
        |hits: &TextHits| hits.parts.iter().map(|part| (part.rows, part.dead, part.way)).collect::<Vec<_>>();
    let fresh = (50, 0, TextWay::Fresh);
    assert_eq!(parts(&hits), [(400, 17, TextWay::Index), (300, 10, TextWay::Index), fresh]);
    let sum = |of: fn(&TextPart) -> u64| hits.parts.iter().map(of).sum::<u64>();
    assert_eq!((sum(|p| p.scored), sum(|p| p.refused)), (hits.cost.rows_scored, hits.cost.rows_refused));
    assert!(hits.parts.iter().all(|part| part.scored > 0));
    assert_eq!(hits.words[0].to_string(), format!("`fox`, 2 in the query, in {} rows", having("fox")));
    let TextPart { scored, refused, .. } = hits.parts[0];
    let told = format!("400 rows, 17 deleted: full-text index asked; {scored} scored, {refused} refused");
    assert_eq!(hits.parts[0].to_string(), told);
    let nothing = col.search_text("body", " ").run().unwrap();
    assert!(nothing.words.is_empty() && nothing.parts.is_empty());
    // A segment without an index is read.
    drop((db, col));
    let mut files = disk.snapshot();
    drop(files.remove(&texts(&disk)[0]));
    let db = open(&MemVfs::from_snapshot(files, disk.folders()));
    let hits = db.collection("c").unwrap().search_text("body", "fox").run().unwrap();
    let read = hits.parts.iter().filter(|part| part.way == TextWay::Documents).count();
    assert_eq!((read, hits.parts.len()), (1, 3));
}

#[test]
fn a_damaged_or_missing_index_costs_time_and_no_answer_and_is_written_again() {
    for access in [Access::Map, Access::Read] {
        let disk = MemVfs::new();
        let (db, col) = filled(&disk, schema());
        let right = found(&col.snapshot(), "body", "the quick fox", 50, false);
        assert_eq!(right, brute(&col.snapshot(), &fields()[0], "the quick fox", 50, false));
        drop((db, col));
        let all = texts(&disk);
        assert_eq!(all.len(), 2);
        let whole = disk.snapshot()[&all[0]].clone();
        let mut damaged = 0;
        for at in (0..=whole.len()).step_by(97) {
            let mut files = disk.snapshot();
            match at == whole.len() {
                true => drop(files.remove(&all[0])),
                false => files.get_mut(&all[0]).unwrap()[at] ^= 1 << (at % 8),
            }
            let copy = MemVfs::from_snapshot(files, disk.folders());
            let options =
                || Database::options().disk(Arc::new(copy.clone())).background(false).access(access);
            let db = options().open("db").unwrap();
            let col = db.collection("c").unwrap();
            assert_eq!(found(&col.snapshot(), "body", "the quick fox", 50, false), right, "byte {at}");
            let stats = db.stats().unwrap().collections.remove(0);
            if stats.text_damage.is_empty() {
                continue;
            }
            damaged += 1;
            assert!(stats.text_damage[0].contains("text."), "{:?}", stats.text_damage);
            assert_eq!(stats.rows_without_text, 400 - 17);
            col.optimize(Spec::Flat, |_| true).unwrap();
            assert_eq!(found(&col.snapshot(), "body", "the quick fox", 50, false), right, "byte {at}");
            assert!(db.stats().unwrap().collections[0].text_damage.is_empty());
        }
        assert!(damaged > 5, "{damaged}");
    }
}

#[test]
fn check_names_a_damaged_index_and_repair_takes_it_out() {
    let disk = MemVfs::new();
    let (db, col) = filled(&disk, schema());
    let right = found(&col.snapshot(), "body", "the quick fox", 50, false);
    drop((db, col));
    let path = &texts(&disk)[0];
    let mut files = disk.snapshot();
    let middle = files[path].len() / 2;
    files.get_mut(path).unwrap()[middle] ^= 4;
    let disk = MemVfs::from_snapshot(files, disk.folders());
    let options = Database::options().disk(Arc::new(disk.clone())).background(false);
    let root = std::path::Path::new("db");
    let report = check(root, &options, &mut |_, _| true).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert!(path.ends_with(&report.damage[0].file));
    let repaired = repair(root, &options, &mut |_| ()).unwrap();
    assert!(repaired.actions.len() == 1 && repaired.actions[0].contains("full-text index"), "{repaired:?}");
    assert!(repaired.rows_lost.is_empty() && repaired.quarantine.is_some());
    assert!(check(root, &options, &mut |_, _| true).unwrap().is_sound());
    let db = options.open("db").unwrap();
    assert_eq!(found(&db.collection("c").unwrap().snapshot(), "body", "the quick fox", 50, false), right);
}

#[test]
fn a_field_declared_later_is_found_at_once_and_indexed_on_request() {
    let disk = MemVfs::new();
    let (db, col) = filled(&disk, Schema::new(2, Metric::L2).levels([1]));
    let unknown = col.search_text("body", "fox").run().unwrap_err().to_string();
    assert!(unknown.contains("`body`") && unknown.contains("none"), "{unknown}");
    for field in fields() {
        col.add_text(field.path.clone(), field.analyser).unwrap();
        assert!(matches!(col.add_text(field.path, field.analyser), Err(Error::BadRequest { .. })));
    }
    assert_eq!(col.schema().text_fields(), fields());
    assert_exact(&col.snapshot(), 20);
    let stats = |db: &Database| db.stats().unwrap().collections.remove(0);
    assert_eq!((stats(&db).rows_without_text, stats(&db).bytes_text), (690 - 17, 0));
    let old = col.snapshot();
    col.flush().unwrap();
    assert_eq!(texts(&disk).len(), 1, "what is sealed from now on has it");
    assert_exact(&col.snapshot(), 20);
    col.optimize(Spec::Flat, |_| true).unwrap();
    assert_exact(&col.snapshot(), 20);
    assert_exact(&old, 20);
    assert_eq!(stats(&db).rows_without_text, 0);
    assert!(stats(&db).bytes_text > 0);
    assert_eq!(stats(&db).text_fields, ["body", "meta.title"]);
    drop((old, col, db));
    let db = open(&disk);
    assert_eq!(db.collection("c").unwrap().schema().text_fields(), fields());
}

#[test]
fn old_segments_get_their_index_in_the_background() {
    let disk = MemVfs::new();
    drop(filled(&disk, Schema::new(2, Metric::L2)));
    let db = Database::options().disk(Arc::new(disk.clone())).background(true).open("db").unwrap();
    let col = db.collection("c").unwrap();
    col.add_text("body", Analyser::default()).unwrap();
    while db.stats().unwrap().collections[0].rows_without_text > 0 {
        assert_eq!(db.stats().unwrap().build_failure, None);
        std::thread::yield_now();
    }
    assert_eq!(texts(&disk).len(), 2);
    let snapshot = col.snapshot();
    assert_eq!(
        found(&snapshot, "body", "the fox", 9, false),
        brute(&snapshot, &fields()[0], "the fox", 9, false)
    );
}

#[test]
fn requests_are_checked() {
    let disk = MemVfs::new();
    let (_db, col) = filled(&disk, schema());
    let search = || col.search_text("body", "fox");
    assert!(search().run().unwrap().len() == 10);
    for refused in [
        col.search_text("nothing", "fox"),
        search().k1(-1.0),
        search().b(1.5),
        search().b(f64::NAN),
        search().k(MAX_K + 1),
        search().filter("odd ="),
    ] {
        assert!(refused.clone().run().is_err(), "{refused:?}");
    }
    assert!(matches!(search().run_with(&|| true), Err(Error::Cancelled)));
    assert!(col.search_text("body", " ... ").run().unwrap().is_empty());
    assert!(search().k(0).run().unwrap().is_empty());
    assert!(search().filter("odd = true AND odd = false").run().unwrap().is_empty());
    // Another spelling of the same path.
    assert_eq!(col.search_text("\"body\"", "fox").run().unwrap().len(), 10);
    let hit = &search().k1(0.0).b(0.0).run().unwrap()[0];
    assert!(hit.payload().unwrap().unwrap()["body"].to_string().contains("fox"));
}

#[test]
fn a_reader_sees_what_is_there() {
    let disk = MemVfs::new();
    let (db, col) = filled(&disk, schema());
    let beside = Database::options().disk(Arc::new(disk.clone())).read_only(true).open("db").unwrap();
    let snapshot = beside.collection("c").unwrap().snapshot();
    assert_exact(&snapshot, 20);
    drop((db, col));
    assert_exact(&snapshot, 20);
}
