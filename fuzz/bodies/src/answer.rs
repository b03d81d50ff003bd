//! Body of the target for answers: a script of next, page, another query, one more stage and cancelling, against the laws.
//!
//! The first bytes say which collection (one with a graph, cells, or neither; built once) and what is asked of it. Each further byte is
//! one thing done with the answer.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: a stage with a scorer that is not deterministic.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use foretaste::{
    Answer, Collection, Database, Fuse, Fusion, HnswParams, IvfParams, Key, Levels, Metric, Mmr, Revision,
    Schema, Scored, Spec,
};
use foretaste_storage::vfs::mem::MemVfs;

use crate::input::Input;

const DIMS: usize = 8;
const ROWS: i64 = 1500;

/// Drives an answer by the input, and checks each revision.
pub fn answer(data: &[u8]) {
    let mut input = Input::new(data);
    let collections = collections();
    let (_, collection) = &collections[input.below(collections.len())];
    let k = 1 + input.below(12);
    let mut search =
        collection.search(&query(&mut input)).k(k).ef(k + input.below(80)).nprobe(1 + input.below(20));
    search = match input.below(5) {
        0 => search.filter("n < 40"),
        1 => search.budget(u64::from(input.short())),
        2 => search.target_recall(0.9),
        3 => search.rerank(Levels::new([(4, 40), (8, 20)])),
        _ => search,
    };
    let mut answer = search.start().expect("a search that can be");
    let mut course = Course { k, ..Course::default() };
    while !input.is_empty() && course.steps < 40 {
        course.steps += 1;
        match input.byte() % 8 {
            0 => answer.requery(&query(&mut input)).expect("a query that can be"),
            1 => answer.rerank(Mmr::new(f64::from(input.byte()) / 255.0)).expect("a stage that can be"),
            2 => {
                let fail = input.byte() % 8;
                let scorer = move |ids: &[Key]| match fail {
                    0 => Err("failed".into()),
                    1 => Ok(vec![f64::NAN; ids.len()]),
                    2 => Ok(Vec::new()),
                    _ => Ok(ids
                        .iter()
                        .map(|id| if let Key::Int(id) = id { (id * 37 % 101) as f64 } else { 0.0 })
                        .collect()),
                };
                let stage = Scored::new(scorer).budget(input.below(40)).batch(1 + input.below(9));
                let stage = if fail & 1 == 0 { stage.adaptive() } else { stage };
                answer.rerank(stage).expect("a stage that can be");
            }
            3 => {
                let fusion = [Fusion::Borda, Fusion::Copeland, Fusion::Rrf { kappa: 60.0 }, Fusion::ZScore];
                let fuse = Fuse::new(fusion[input.below(4)]).vector(&query(&mut input), 1.0).depth(20);
                answer.rerank(fuse).expect("a stage that can be");
            }
            4 if input.byte().is_multiple_of(4) => {
                answer.canceller().cancel();
                course.cancelled = true;
            }
            5 => course.see(answer.page().expect("rows that can be read"), true),
            _ => next(&mut answer, &mut course),
        }
    }
}

fn next(answer: &mut Answer, course: &mut Course) {
    if let Some(revision) = answer.next().expect("rows that can be read") {
        course.see(revision, false);
    }
}

/// What was seen of an answer so far.
#[derive(Debug, Default)]
struct Course {
    k: usize,
    steps: usize,
    number: u32,
    spent: u64,
    cancelled: bool,
}

impl Course {
    fn see(&mut self, revision: Revision, page: bool) {
        assert!(revision.number > self.number, "revisions are counted");
        self.number = revision.number;
        assert!(revision.hits.len() <= self.k && revision.settled <= revision.hits.len());
        let ids: HashSet<&Key> = revision.hits.iter().map(|hit| &hit.id).collect();
        assert_eq!(ids.len(), revision.hits.len(), "a row stands once");
        let cost = revision.cost;
        let spent = cost.rows_exact + cost.index_steps + cost.scorer_calls;
        assert!(spent >= self.spent, "cost never decreases");
        self.spent = spent;
        assert!(revision.hits.iter().all(|hit| hit.error >= 0.0 && !hit.distance.is_nan()));
        assert!(revision.changed.iter().all(|place| *place < revision.hits.len()));
        if self.cancelled || page {
            assert!(revision.stopped_because.is_some(), "it is at its end");
        }
        if revision.stopped_because.is_some() {
            assert_eq!(revision.settled, revision.hits.len(), "nothing changes after the end");
        }
    }
}

fn query(input: &mut Input<'_>) -> Vec<f32> {
    (0..DIMS).map(|_| f32::from(input.byte()) / 64.0 - 1.97).collect()
}

/// Collections of the same rows with a graph, with cells, and without an index; each with a second segment, fresh rows and
/// deletions.
fn collections() -> &'static [(Database, Collection)] {
    static MADE: OnceLock<Vec<(Database, Collection)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let graph = HnswParams { m: 8, ef_construction: 40, edge_bits: None };
        let specs = [Spec::Hnsw(graph), Spec::Ivf(IvfParams { nlist: Some(30) }), Spec::Flat];
        let metrics = [Metric::L2, Metric::Cosine, Metric::Dot];
        specs.into_iter().zip(metrics).map(|(spec, metric)| collection(spec, metric)).collect()
    })
}

fn collection(spec: Spec, metric: Metric) -> (Database, Collection) {
    let db = Database::options()
        .disk(Arc::new(MemVfs::new()))
        .background(false)
        .open("d")
        .expect("a database in memory");
    let schema = Schema::new(DIMS, metric).levels([4]);
    let collection = db.create_collection("c", schema).expect("a collection");
    let number = |n: u64| {
        let mixed = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let fill = |from: i64, to: i64| {
        let mut batch = collection.batch();
        for id in from..to {
            let vector: Vec<f32> = (0..DIMS as u64).map(|d| number(id as u64 * 64 + d + 1)).collect();
            batch.upsert(id, &vector).payload(serde_json::json!({ "n": id }));
        }
        batch.commit().expect("rows that can be");
    };
    fill(0, ROWS);
    collection.optimize(spec, |_| true).expect("an index that can be");
    fill(ROWS, ROWS + 200);
    collection.flush().expect("a segment");
    fill(ROWS + 200, ROWS + 250);
    let mut batch = collection.batch();
    (0..ROWS + 250).step_by(11).for_each(|id| {
        batch.delete(id);
    });
    batch.commit().expect("deletions");
    (db, collection)
}
