//! What a search found: at once, or one revision of an answer.
//!
//! Reads from: `foretaste::Hits`, `foretaste::Revision`, `foretaste::TextHits`. Writes to: the caller's structs. Never: a document read
//! before it is asked for.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use foretaste::{Cost, Decision, Key, Problem, StoppedBecause, TextPart, TextWord};

use crate::collection::put;
use crate::id::{Id, Ids};
use crate::ptr::{Array, Given, HitRoom, InfoRoom, Sizes, null};
use crate::status::{Result, Status, bad, c_string, entry, free, some};

/// How a row was compared, from rough to final.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not by a vector, or nothing was found.
    None = 0,
    /// By the codes near the entry of an index, before it was searched.
    Sketch = 1,
    /// Seen by a search in an index that goes on, and compared by its stored vector.
    Beam = 2,
    /// By its stored vector, at a shorter level than the last.
    Refine = 3,
    /// By its stored vector.
    Exact = 4,
    /// By a stage behind the search.
    Rerank = 5,
}

/// Why an answer is at its end.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is not: another revision may come.
    NotYet = 0,
    /// It is the settled answer.
    Complete = 1,
    /// The same, and there are no more rows that match.
    Exhausted = 2,
    /// The deadline passed: it is the best so far.
    Deadline = 3,
    /// As many rows were compared as were allowed: it is the best so far.
    Budget = 4,
    /// It was cancelled: it is the best so far.
    Cancelled = 5,
    /// A scorer failed: it is the best so far, and `ft_hits_problem` says what went wrong.
    ScorerFailed = 6,
}

/// One row found. This struct does not grow: what else there is to say of a hit comes by functions of its own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Its id, of the kind it was written with.
    pub id: Id,
    /// The metric's own distance, smaller is nearer; NaN of a full-text search.
    pub distance: f64,
    /// What it is ranked by, larger is better.
    pub score: f64,
    /// By how much `distance` may still differ from the final one: 0 when it comes from the stored vector.
    pub error: f64,
    /// How likely it is among the true nearest; NaN when that is not known.
    pub p_final: f64,
    /// The sum of its variances over the dimensions that are compared; NaN where rows have none.
    pub uncertainty: f64,
    /// How it was compared.
    pub stage: Stage,
}

/// What is to be said of a list of hits. Set `size` to sizeof(ft_hits_info) before `ft_hits_read_info`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// sizeof(ft_hits_info).
    pub size: usize,
    /// How many hits there are.
    pub len: usize,
    /// So many of the first hits will not change: surely in the last list, before it in 19 of 20 searches.
    pub settled: usize,
    /// Which revision of an answer it is, counted from 1; 0 of a search that was answered at once.
    pub number: u32,
    /// What the newest of its hits come from.
    pub stage: Stage,
    /// Why there will be no more; FT_STOPPED_NOT_YET while there may be.
    pub stopped: Stopped,
    /// Which part of the true nearest rows it has, as far as can be expected; NaN when that is not known.
    pub estimated_recall: f64,
    /// It has at least this part of them, in 19 of 20 searches a segment whose index is asked; NaN when that is not known.
    pub recall_lower_bound: f64,
    /// The sum of the query's own variances; NaN when they were not said.
    pub query_uncertainty: f64,
    /// Time since the search was begun, in nanoseconds.
    pub elapsed_ns: u64,
    /// Rows whose distance was computed from their vectors.
    pub rows_exact: u64,
    /// Nodes and rows that indexes compared by their codes.
    pub index_steps: u64,
    /// Rows that the filter or a deletion left out.
    pub rows_refused: u64,
    /// Bytes of vectors read.
    pub bytes_read: u64,
    /// Ids that a scorer was asked for.
    pub scorer_calls: u64,
    /// Rows whose score was remembered.
    pub scores_remembered: u64,
}

/// What a search found, best first. It may be used from any thread, and outlives the handles of the database.
pub struct Hits {
    rows: Rows,
    ids: Ids,
    info: Info,
    changed: Vec<usize>,
    problem: Option<CString>,
    explained: Option<Explained>,
}

/// How an answer was found.
pub enum Explained {
    /// The ways through the parts of the collection, and the schedule of levels.
    Vectors { plan: Vec<Decision>, schedule: Vec<(usize, usize)> },
    /// The words that were searched, and the ways through the parts.
    Words { words: Vec<TextWord>, parts: Vec<TextPart> },
}

enum Rows {
    Vector(Vec<foretaste::Hit>),
    Text(Vec<foretaste::TextHit>),
}

/// Frees hits, and the ids that were read of them. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_free(hits: Option<Box<Hits>>) {
    free(hits);
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_len(hits: Option<&Hits>) -> usize {
    hits.map_or(0, |hits| hits.info.len)
}

/// The hit at `place`, from 0. The text of its id is valid until the hits are freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_get(
    hits: Option<&Hits>,
    place: usize,
    hit: Option<&mut MaybeUninit<Hit>>,
) -> Status {
    entry(|| put(hit, "hit", || some(hits, "hits")?.hit(place)))
}

/// All hits at once, into room for `capacity` of them. FT_STATUS_TOO_SMALL when there are more; `ft_hits_len` says how many.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_read(hits: Option<&Hits>, room: HitRoom, capacity: usize) -> Status {
    entry(|| {
        let hits = some(hits, "hits")?;
        let all = (0..hits.info.len).map(|place| hits.hit(place)).collect::<Result<Vec<Hit>>>()?;
        room.fill(capacity, &all, "room")
    })
}

/// The document of the hit at `place` as JSON, read now; NULL when it has none. It is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_payload(
    hits: Option<&Hits>,
    place: usize,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        let hits = some(hits, "hits")?;
        let json = json.ok_or_else(|| null("json"))?.write(Given::none());
        let payload = match &hits.rows {
            Rows::Vector(rows) => rows.get(place).map(foretaste::Hit::payload),
            Rows::Text(rows) => rows.get(place).map(foretaste::TextHit::payload),
        };
        if let Some(payload) = payload.ok_or_else(|| hits.beyond(place))?? {
            *json = Given::new(c_string(payload.to_string())?);
        }
        Ok(())
    })
}

/// What is to be said of the list: settled, recall, stage, cost.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_read_info(hits: Option<&Hits>, info: InfoRoom) -> Status {
    entry(|| info.write(&some(hits, "hits")?.info, "info"))
}

/// The places whose hit is another than in the revision before, valid until the hits are freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_changed(
    hits: Option<&Hits>,
    places: Option<&mut MaybeUninit<Sizes>>,
    count: Option<&mut MaybeUninit<usize>>,
) -> Status {
    entry(|| {
        let changed = &some(hits, "hits")?.changed;
        put(places, "places", || Ok(Array::of(changed)))?;
        put(count, "count", || Ok(changed.len()))
    })
}

/// What went wrong in a stage without making the search fail; NULL when nothing did. It is valid until the hits are freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_problem(hits: Option<&Hits>) -> *const c_char {
    hits.and_then(|hits| hits.problem.as_ref()).map_or(ptr::null(), |text| text.as_ptr())
}

impl Hits {
    /// Of a search that was answered at once.
    pub fn at_once(mut answer: foretaste::Hits) -> Hits {
        let (plan, schedule) = (std::mem::take(&mut answer.plan), std::mem::take(&mut answer.schedule));
        let stopped = stopped(answer.stopped_because);
        let whole = matches!(stopped, Stopped::Complete | Stopped::Exhausted);
        let info = Info {
            settled: if whole { answer.len() } else { 0 },
            stage: answer.iter().map(|hit| stage(hit.stage)).max().unwrap_or(Stage::None),
            stopped,
            estimated_recall: known(answer.estimated_recall),
            recall_lower_bound: known(answer.recall_lower_bound),
            query_uncertainty: known(answer.query_uncertainty.map(f64::from)),
            ..of_cost(&answer.cost)
        };
        let problem = answer.problem.as_ref().and_then(words);
        let hits = Hits::new(Rows::Vector(answer.into_iter().collect()), info, Vec::new(), problem);
        Hits { explained: Some(Explained::Vectors { plan, schedule }), ..hits }
    }

    /// One revision of an answer.
    pub fn revision(revision: foretaste::Revision) -> Hits {
        let info = Info {
            settled: revision.settled,
            number: revision.number,
            stage: stage(revision.stage),
            stopped: revision.stopped_because.map_or(Stopped::NotYet, stopped),
            estimated_recall: known(revision.estimated_recall),
            recall_lower_bound: known(revision.recall_lower_bound),
            query_uncertainty: known(revision.query_uncertainty.map(f64::from)),
            ..of_cost(&revision.cost)
        };
        let problem = revision.problem.as_ref().and_then(words);
        Hits::new(Rows::Vector(revision.hits), info, revision.changed, problem)
    }

    /// Of a full-text search.
    pub fn text(mut answer: foretaste::TextHits) -> Hits {
        let (words, parts) = (std::mem::take(&mut answer.words), std::mem::take(&mut answer.parts));
        let (rows_exact, rows_refused) = (answer.cost.rows_scored, answer.cost.rows_refused);
        let cost = Cost { rows_exact, rows_refused, elapsed: answer.cost.elapsed, ..Cost::default() };
        let info = Info { settled: answer.len(), stopped: Stopped::Complete, ..of_cost(&cost) };
        let hits = Hits::new(Rows::Text(answer.into_iter().collect()), info, Vec::new(), None);
        Hits { explained: Some(Explained::Words { words, parts }), ..hits }
    }

    fn new(rows: Rows, info: Info, changed: Vec<usize>, problem: Option<CString>) -> Hits {
        let keys: Vec<&Key> = match &rows {
            Rows::Vector(rows) => rows.iter().map(|hit| &hit.id).collect(),
            Rows::Text(rows) => rows.iter().map(|hit| &hit.id).collect(),
        };
        let (ids, len) = (Ids::new(keys.iter().copied()), keys.len());
        Hits { rows, ids, info: Info { len, ..info }, changed, problem, explained: None }
    }

    /// How it was found, for a search that was answered at once.
    pub fn explained(&self) -> Option<&Explained> {
        self.explained.as_ref()
    }

    fn hit(&self, place: usize) -> Result<Hit> {
        let id = self.ids.get(place).ok_or_else(|| self.beyond(place))?;
        let hit = match &self.rows {
            Rows::Vector(rows) => rows.get(place).map(|hit| of_hit(hit, id)),
            Rows::Text(rows) => rows.get(place).map(|hit| Hit {
                id,
                distance: f64::NAN,
                score: hit.score,
                error: 0.0,
                p_final: f64::NAN,
                uncertainty: f64::NAN,
                stage: Stage::None,
            }),
        };
        hit.ok_or_else(|| self.beyond(place))
    }

    fn beyond(&self, place: usize) -> crate::status::Failure {
        bad(format!("there is no hit {place}, only {}", self.info.len))
    }
}

/// A hit as C has it, with that id.
pub fn of_hit(hit: &foretaste::Hit, id: Id) -> Hit {
    Hit {
        id,
        distance: hit.distance,
        score: hit.score,
        error: hit.error,
        p_final: known(hit.p_final),
        uncertainty: known(hit.uncertainty.map(f64::from)),
        stage: stage(hit.stage),
    }
}

fn of_cost(cost: &Cost) -> Info {
    Info {
        size: 0,
        len: 0,
        settled: 0,
        number: 0,
        stage: Stage::None,
        stopped: Stopped::NotYet,
        estimated_recall: f64::NAN,
        recall_lower_bound: f64::NAN,
        query_uncertainty: f64::NAN,
        elapsed_ns: u64::try_from(cost.elapsed.as_nanos()).unwrap_or(u64::MAX),
        rows_exact: cost.rows_exact,
        index_steps: cost.index_steps,
        rows_refused: cost.rows_refused,
        bytes_read: cost.bytes_read,
        scorer_calls: cost.scorer_calls,
        scores_remembered: cost.scores_remembered,
    }
}

fn known(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

fn words(problem: &Problem) -> Option<CString> {
    CString::new(problem.to_string().replace('\0', "\u{fffd}")).ok()
}

fn stage(stage: foretaste::Stage) -> Stage {
    match stage {
        foretaste::Stage::Sketch => Stage::Sketch,
        foretaste::Stage::Beam => Stage::Beam,
        foretaste::Stage::Refine => Stage::Refine,
        foretaste::Stage::Exact => Stage::Exact,
        foretaste::Stage::Rerank => Stage::Rerank,
    }
}

fn stopped(because: StoppedBecause) -> Stopped {
    match because {
        StoppedBecause::Complete => Stopped::Complete,
        StoppedBecause::Exhausted => Stopped::Exhausted,
        StoppedBecause::Deadline => Stopped::Deadline,
        StoppedBecause::Budget => Stopped::Budget,
        StoppedBecause::Cancelled => Stopped::Cancelled,
        StoppedBecause::ScorerFailed => Stopped::ScorerFailed,
    }
}
