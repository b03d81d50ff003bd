//! Remembered scores: an answer asked again begins where it ended, and no score is ever of another row, query or scorer.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and damages files"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use common::random::Random;
use foretaste::{
    Collection, Database, Durability, Error, Hits, Key, Metric, Mode, Options, Schema, Scored, Search, Stage,
    StoppedBecause,
};
use foretaste_storage::limits;
use foretaste_storage::sync::Mutex;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const DIMS: usize = 8;
const ROWS: i64 = 400;

/// A scorer that likes another direction than the query, and keeps a list of what it was asked.
#[derive(Clone)]
struct Judge {
    asked: Arc<Mutex<Vec<Key>>>,
    /// Added to every score: another version of the same scorer.
    more: f64,
    fails_after: Arc<AtomicI64>,
}

impl Judge {
    fn new(more: f64) -> Judge {
        let fails_after = Arc::new(AtomicI64::new(i64::MAX));
        Judge { asked: Arc::default(), more, fails_after }
    }

    fn score(&self, id: &Key) -> f64 {
        let Key::Int(id) = id else { return 0.0 };
        let row = vector(*id);
        f64::from(row[0] + 1.5 * row[1] - row[2]) + self.more
    }

    fn stage(&self, budget: usize) -> Scored {
        let judge = self.clone();
        let scorer = move |ids: &[Key]| {
            if judge.fails_after.fetch_sub(1, Ordering::Relaxed) <= 0 {
                return Err("no more".into());
            }
            judge.asked.lock().extend(ids.iter().cloned());
            Ok(ids.iter().map(|id| judge.score(id)).collect())
        };
        Scored::new(scorer).budget(budget).batch(8).version("judge-1")
    }

    fn taken(&self) -> Vec<Key> {
        std::mem::take(&mut *self.asked.lock())
    }
}

fn vector(id: i64) -> Vec<f32> {
    let mut random = Random::new(id as u64 + 17);
    (0..DIMS).map(|_| random.unit()).collect()
}

fn query() -> Vec<f32> {
    let mut query = vec![0.1; DIMS];
    query[0] = 1.0;
    query
}

fn open(path: &Path) -> Database {
    Options::default().background(false).open(path).unwrap()
}

fn fill(db: &Database) -> Collection {
    let docs = db.create_collection("docs", Schema::new(DIMS, Metric::Cosine)).unwrap();
    for part in 0..2 {
        let mut batch = docs.batch();
        (part * ROWS / 2..(part + 1) * ROWS / 2).for_each(|id| {
            batch.upsert(id, &vector(id)).payload(json!({"even": id % 2 == 0}));
        });
        batch.commit().unwrap();
        if part == 0 {
            docs.flush().unwrap();
        }
    }
    docs
}

fn search(docs: &Collection) -> Search {
    docs.search(&query()).k(10)
}

fn scored(hits: &Hits) -> BTreeSet<String> {
    hits.iter().filter(|hit| hit.stage == Stage::Rerank).map(|hit| hit.id.to_string()).collect()
}

fn cost(hits: &Hits) -> (u64, u64) {
    (hits.cost.scorer_calls, hits.cost.scores_remembered)
}

#[test]
fn asked_again_it_begins_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("d.ft"));
    let docs = fill(&db);
    for adaptive in [false, true] {
        db.forget_scores(None);
        let judge = Judge::new(0.0);
        let stage = |budget| if adaptive { judge.stage(budget).adaptive() } else { judge.stage(budget) };
        let mut all: BTreeSet<Key> = BTreeSet::new();
        let mut best = f64::NEG_INFINITY;
        for round in 0..12u64 {
            let hits = search(&docs).rerank(stage(40)).run().unwrap();
            let asked = judge.taken();
            let new: BTreeSet<Key> = asked.iter().cloned().collect();
            assert_eq!(new.len(), asked.len());
            assert!(all.is_disjoint(&new), "a known score was asked for");
            assert_eq!(cost(&hits), (asked.len() as u64, all.len() as u64));
            assert_eq!(asked.len(), 40.min(400 - 40 * round.min(10)) as usize, "the budget is for others");
            all.extend(new);
            // All ten are scored, rightly, and the list is the best of all that were ever scored.
            let mut expected: Vec<&Key> = all.iter().collect();
            expected.sort_by(|a, b| judge.score(b).total_cmp(&judge.score(a)).then(a.cmp(b)));
            let got: Vec<&Key> = hits.iter().map(|hit| &hit.id).collect();
            assert_eq!(got, expected[..10], "round {round}");
            assert!(hits.iter().all(|hit| hit.score == judge.score(&hit.id)));
            assert!(hits[0].score >= best);
            best = hits[0].score;
        }
        assert_eq!(all.len(), ROWS as usize);
        // Without a budget it is what is known.
        let hits = search(&docs).rerank(stage(0)).run().unwrap();
        assert_eq!((cost(&hits), scored(&hits).len()), ((0, ROWS as u64), 10));
    }
}

#[test]
fn the_first_revision_of_the_stage_has_all_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("d.ft"));
    let docs = fill(&db);
    let judge = Judge::new(0.0);
    let before = search(&docs).rerank(judge.stage(40).adaptive()).run().unwrap();
    judge.taken();
    let mut answer = search(&docs).rerank(judge.stage(24).adaptive()).start().unwrap();
    let first = loop {
        let revision = answer.next().unwrap().unwrap();
        if revision.stage == Stage::Rerank {
            break revision;
        }
    };
    assert_eq!((first.cost.scorer_calls, first.cost.scores_remembered, first.settled), (0, 40, 0));
    assert_eq!(
        first.hits.iter().map(|h| (&h.id, h.score)).collect::<Vec<_>>(),
        before.iter().map(|h| (&h.id, h.score)).collect::<Vec<_>>()
    );
    assert!(judge.taken().is_empty());
    let last = answer.map(|revision| revision.unwrap()).last().unwrap();
    assert_eq!((last.cost.scorer_calls, last.cost.scores_remembered, last.settled), (24, 40, 10));
}

#[test]
fn other_versions_queries_and_collections_know_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("d.ft"));
    let docs = fill(&db);
    let other = db.create_collection("other", Schema::new(DIMS, Metric::Cosine)).unwrap();
    other.upsert(1, &vector(1)).unwrap();
    let judge = Judge::new(0.0);
    let calls = |search: Search, stage: Scored| cost(&search.rerank(stage).run().unwrap());
    assert_eq!(calls(search(&docs), judge.stage(20)), (20, 0));
    assert_eq!(calls(search(&docs), judge.stage(0)), (0, 20));
    assert_eq!(calls(search(&docs), judge.stage(20).version("judge-2")), (20, 0));
    assert_eq!(calls(docs.search(&vector(3)), judge.stage(20)), (20, 0));
    assert_eq!(calls(search(&other), judge.stage(20)), (1, 0));
    let unversioned = Scored::new(|ids: &[Key]| Ok(vec![0.5; ids.len()])).budget(20);
    assert_eq!(calls(search(&docs), unversioned.clone()), (20, 0));
    assert_eq!(calls(search(&docs), unversioned), (20, 0));
    // A name stands for the vector.
    assert_eq!(calls(search(&docs), judge.stage(20).query_key("cats")), (20, 0));
    let near: Vec<f32> = query().iter().map(|v| v + 0.001).collect();
    assert_eq!(calls(docs.search(&near), judge.stage(0).query_key("cats")), (0, 20));
    assert_eq!(calls(docs.search(&near), judge.stage(0).query_key("dogs")), (0, 0));
    db.forget_scores(Some("judge-2"));
    assert_eq!(calls(search(&docs), judge.stage(0).version("judge-2")), (0, 0));
    assert_eq!(calls(search(&docs), judge.stage(0)), (0, 20));
    db.forget_scores(None);
    assert_eq!(calls(search(&docs), judge.stage(0)), (0, 0));
    // A collection of the same name is another one.
    assert_eq!(calls(search(&docs), judge.stage(20)), (20, 0));
    db.drop_collection("docs").unwrap();
    assert_eq!(calls(search(&fill(&db)), judge.stage(0)), (0, 0));
}

#[test]
fn rows_that_were_written_again_or_deleted_or_do_not_pass_have_no_score() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ft");
    let db = open(&path);
    let docs = fill(&db);
    let judge = Judge::new(0.0);
    let first = search(&docs).k(20).rerank(judge.stage(20)).run().unwrap();
    let old = docs.snapshot();
    judge.taken();
    let (again, gone) = (first[0].id.clone(), first[1].id.clone());
    let Key::Int(number) = again else { unreachable!() };
    docs.upsert(number, &vector(number)).unwrap();
    docs.delete(gone.clone()).unwrap();
    for sealed in [false, true] {
        if sealed {
            db.compact(|_, _| true).unwrap();
        }
        let hits = search(&docs).k(40).rerank(judge.stage(0)).run().unwrap();
        assert_eq!(cost(&hits), (0, 18), "sealed: {sealed}");
        assert!(hits.iter().all(|hit| hit.id != gone));
        let of_again = hits.iter().find(|hit| hit.id == again).unwrap();
        assert_ne!(of_again.stage, Stage::Rerank);
    }
    // The snapshot from before still has both.
    assert_eq!(cost(&old.search(&query()).rerank(judge.stage(0)).run().unwrap()), (0, 20));
    let even = search(&docs).filter("even = true").k(40).rerank(judge.stage(0)).run().unwrap();
    assert!(scored(&even).len() < 18 && even.cost.scores_remembered == scored(&even).len() as u64);
    for hit in &*even {
        assert!(matches!(hit.id, Key::Int(id) if id % 2 == 0));
    }
    search(&docs).rerank(judge.stage(1)).run().unwrap();
    assert_eq!(judge.taken(), [again], "it is scored again, first");
}

#[test]
fn they_survive_reopening_and_the_bound_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ft");
    let judge = Judge::new(0.0);
    for durability in [Durability::Sync, Durability::None] {
        let _ = std::fs::remove_dir_all(&path);
        let db = Options::default().durability(durability).open(&path).unwrap();
        search(&fill(&db)).rerank(judge.stage(60)).run().unwrap();
        db.close().unwrap();
        let db = Options::default().durability(durability).open(&path).unwrap();
        let docs = db.collection("docs").unwrap();
        assert_eq!(cost(&search(&docs).rerank(judge.stage(5)).run().unwrap()), (5, 60));
        // Dropping the last handle closes as well, though a snapshot lives on.
        let snapshot = docs.snapshot();
        drop((db, docs));
        assert_eq!(cost(&snapshot.search(&query()).rerank(judge.stage(3)).run().unwrap()), (3, 0));
        let db = Options::default().remembered_scores(30).open(&path).unwrap();
        let docs = db.collection("docs").unwrap();
        search(&docs).rerank(judge.stage(100)).run().unwrap();
        let known = search(&docs).rerank(judge.stage(0)).run().unwrap().cost.scores_remembered;
        assert!(known > 0 && known <= 30, "{known}");
        drop((db, docs));
        let db = Options::default().remembered_scores(0).open(&path).unwrap();
        let docs = db.collection("docs").unwrap();
        for _ in 0..2 {
            assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 0));
        }
    }
    let too_many = Options::default().remembered_scores(limits::REMEMBERED_SCORES + 1).open(&path);
    assert!(matches!(too_many, Err(Error::LimitExceeded { .. })));
    let db = open(&path);
    let docs = db.collection("docs").unwrap();
    let longest = "v".repeat(limits::SCORER_VERSION_BYTES as usize);
    assert!(search(&docs).rerank(judge.stage(1).version(&longest)).run().is_ok());
    let longer = search(&docs).rerank(judge.stage(1).version(&(longest + "v"))).run();
    assert!(matches!(longer, Err(Error::LimitExceeded { .. })));
}

#[test]
fn a_scorer_that_fails_leaves_what_it_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("d.ft"));
    let docs = fill(&db);
    let judge = Judge::new(0.0);
    judge.fails_after.store(2, Ordering::Relaxed);
    let hits = search(&docs).k(30).rerank(judge.stage(40)).run().unwrap();
    assert_eq!((hits.stopped_because, scored(&hits).len()), (StoppedBecause::ScorerFailed, 16));
    judge.fails_after.store(0, Ordering::Relaxed);
    let hits = search(&docs).k(30).rerank(judge.stage(40)).run().unwrap();
    assert_eq!((hits.stopped_because, scored(&hits).len()), (StoppedBecause::ScorerFailed, 16));
    // One that says nonsense of a row is asked about it again, and only about it.
    let once = Arc::new(AtomicBool::new(true));
    let nan = move |ids: &[Key]| {
        let mut scores = vec![0.25; ids.len()];
        if once.swap(false, Ordering::Relaxed) {
            scores[3] = f64::NAN;
        }
        Ok(scores)
    };
    let stage = Scored::new(nan).budget(8).batch(8).version("nan");
    let hits = search(&docs).rerank(stage.clone()).run().unwrap();
    assert_eq!((hits.stopped_because, cost(&hits)), (StoppedBecause::ScorerFailed, (8, 0)));
    let hits = search(&docs).rerank(stage.budget(1)).run().unwrap();
    assert_eq!((hits.problem.is_none(), cost(&hits)), (true, (1, 7)));
}

#[test]
fn readers_and_databases_in_memory_remember_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ft");
    let judge = Judge::new(0.0);
    let writer = open(&path);
    search(&fill(&writer)).rerank(judge.stage(20)).run().unwrap();
    let reader = Options::default().read_only(true).open(&path).unwrap();
    let docs = reader.collection("docs").unwrap();
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 0));
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 10));
    reader.forget_scores(Some("judge-1"));
    assert_eq!(cost(&search(&docs).rerank(judge.stage(0)).run().unwrap()), (0, 0));
    assert_eq!(
        cost(&search(&writer.collection("docs").unwrap()).rerank(judge.stage(0)).run().unwrap()),
        (0, 20)
    );
    let db = Options::default().disk(Arc::new(MemVfs::new())).open("d").unwrap();
    let docs = fill(&db);
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 0));
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 10));
}

#[test]
fn damage_costs_no_more_than_asking_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ft");
    let judge = Judge::new(0.0);
    let db = open(&path);
    search(&fill(&db)).rerank(judge.stage(60)).run().unwrap();
    db.close().unwrap();
    let log = path.join("scores").join("0").join("db");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.iter_mut().skip(40).step_by(97).for_each(|b| *b ^= 0x55);
    std::fs::write(&log, bytes).unwrap();
    let db = open(&path);
    let docs = db.collection("docs").unwrap();
    let hits = search(&docs).rerank(judge.stage(60)).run().unwrap();
    assert!(hits.problem.is_none() && hits.cost.scorer_calls == 60);
    assert!(hits.iter().all(|hit| hit.score == judge.score(&hit.id)));
    assert_eq!(
        cost(&search(&docs).rerank(judge.stage(0)).run().unwrap()),
        (0, 60 + hits.cost.scores_remembered)
    );
    drop((db, docs));
    // A file where the folder would be.
    std::fs::remove_dir_all(path.join("scores")).unwrap();
    std::fs::write(path.join("scores"), b"in the way").unwrap();
    let db = open(&path);
    let docs = db.collection("docs").unwrap();
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 0));
    assert_eq!(cost(&search(&docs).rerank(judge.stage(10)).run().unwrap()), (10, 10));
    assert!(foretaste::check(&path, &Options::default(), &mut |_, _| true).is_ok());
}

#[test]
fn after_a_repair_nothing_is_known_because_numbers_may_be_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.ft");
    let judge = Judge::new(0.0);
    let db = open(&path);
    search(&fill(&db)).rerank(judge.stage(30)).run().unwrap();
    db.close().unwrap();
    assert!(foretaste::repair(&path, &Options::default(), &mut |_| {}).unwrap().actions.is_empty());
    let db = open(&path);
    assert_eq!(cost(&search(&db.collection("docs").unwrap()).rerank(judge.stage(0)).run().unwrap()), (0, 30));
    db.close().unwrap();
    let log = std::fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert!(!foretaste::repair(&path, &Options::default(), &mut |_| {}).unwrap().actions.is_empty());
    let db = open(&path);
    assert_eq!(cost(&search(&db.collection("docs").unwrap()).rerank(judge.stage(0)).run().unwrap()), (0, 0));
}

#[test]
fn threads_share_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("d.ft"));
    let docs = fill(&db);
    let judge = Judge::new(0.0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (docs, judge) = (docs.clone(), judge.clone());
            scope.spawn(move || {
                for round in 0..6 {
                    let query = vector(1000 + (thread + round) % 5);
                    let mode =
                        if round % 2 == 0 { Mode::Retrieve } else { Mode::Adaptive(Default::default()) };
                    let hits = docs.search(&query).rerank(judge.stage(20).mode(mode)).run().unwrap();
                    assert!(hits.iter().all(|hit| hit.score == judge.score(&hit.id)));
                }
            });
        }
    });
    for query in 1000..1005 {
        let hits = docs.search(&vector(query)).rerank(judge.stage(0)).run().unwrap();
        assert!(hits.cost.scores_remembered >= 20);
    }
}
