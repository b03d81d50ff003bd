//! Stages behind a search, which refine its list one after the other: each is made once, and given to searches that are prepared or
//! to answers on their way.
//!
//! Reads from: the caller, and a scorer of the caller's. Writes to: `foretaste::Rerank`. Never: a ranking of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use foretaste::{Csd, Gaussian, Key, Levels, MaxSim, Measure, Mmr, Scored, Scorer, ScorerError, Uncertainty};

use crate::answer::Answer;
use crate::fuse::Fuse;
use crate::id::Ids;
use crate::ptr::{Array, Data, Floats, IdArray, Room, ScoreRoom, ScorerGiven, Sizes, Text};
use crate::search::{Search, change};
use crate::status::{Result, Status, bad, entry, free, give, some};

/// A stage that refines the list of a search. It does not change: several searches and answers may have the same one, also at once.
pub struct Rerank(foretaste::Rerank);

/// Squared 2-Wasserstein distance.
pub const FT_MEASURE_WASSERSTEIN: u32 = 1;
/// Bhattacharyya distance.
pub const FT_MEASURE_BHATTACHARYYA: u32 = 2;
/// Minus the logarithm of the expected likelihood.
pub const FT_MEASURE_EXPECTED_LIKELIHOOD: u32 = 3;
/// Minus the logarithm of the likelihood.
pub const FT_MEASURE_LOG_LIKELIHOOD: u32 = 4;

/// The head of the list is scored in its order, and only as far as the answer is read. The default.
pub const FT_SCORER_RETRIEVE: u32 = 0;
/// Rows are scored in rounds, and searched between them with a query that is estimated anew from the scores.
pub const FT_SCORER_ADAPTIVE: u32 = 1;

/// Scores rows by their ids: puts `count` numbers into `scores`, in the order of `ids`; larger is better. What the query is, it knows
/// from `data`. The ids are valid while it runs. It gives 0 when it has scored them; anything else ends the reranking with the
/// best answer so far, and `ft_hits_problem` says so.
///
/// It is called on the thread that asks (`ft_search_run`, `ft_search_into`, `ft_answer_next`); by `ft_search_batch`, or when several
/// threads ask, on several at once. It must not leave by longjmp or an exception.
pub type ScorerFn = Option<extern "C" fn(data: Data, ids: IdArray, count: usize, scores: ScoreRoom) -> c_int>;

/// Called once with the data of a scorer when nothing uses it any more, on the thread that used it last.
pub type ReleaseFn = Option<extern "C" fn(data: Data)>;

/// An expensive scorer on a budget. Set it to zeros, then `size` to its sizeof and `score`; what is left 0 is chosen by the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ScorerSpec {
    /// sizeof(ft_scorer).
    pub size: usize,
    /// Scores rows.
    pub score: ScorerFn,
    /// What `score` and `release` are given. It has to stay until `release`; without one, until the stage and all searches
    /// and answers that have it are freed.
    pub data: Data,
    /// Called once when nothing uses `data` any more, if the call that the struct was given to succeeded; or NULL.
    pub release: ReleaseFn,
    /// Most ids that are scored; 0 is 100.
    pub budget: usize,
    /// Most ids that are asked for at once; 0 is 32.
    pub batch: usize,
    /// One of FT_SCORER_*.
    pub mode: u32,
    /// The name under which scores are remembered, what they depend on beside query and row; NULL remembers none.
    pub version: Text,
    /// What scores are remembered under instead of the query's vector, as the query's text; or NULL.
    pub query_key: Text,
}

/// The caller's scorer.
struct Calls {
    score: extern "C" fn(Data, IdArray, usize, ScoreRoom) -> c_int,
    data: Data,
    release: ReleaseFn,
}

/// Frees a stage. NULL is fine. Searches and answers that have it keep it.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_free(rerank: Option<Box<Rerank>>) {
    free(rerank);
}

/// One more stage behind those that the search has; the handle may be freed. A stage that could not be made is NULL, which makes the
/// search fail. Whether it can be with the collection is said when the search is asked: FT_STATUS_BAD_REQUEST.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_rerank(search: Option<&mut Search>, rerank: Option<&Rerank>) -> Status {
    change(search, |asked| {
        asked.params.stages.push(some(rerank, "rerank")?.0.clone());
        Ok(())
    })
}

/// One more stage behind all others of an answer, at any time, also at its end: the list found so far is refined by it, and further
/// revisions come. The handle may be freed.
///
/// FT_STATUS_BAD_REQUEST when it cannot be with the collection, and for a schedule of levels, which begins with the search itself.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_rerank(answer: Option<&mut Answer>, rerank: Option<&Rerank>) -> Status {
    entry(|| Ok(some(answer, "answer")?.0.rerank(some(rerank, "rerank")?.0.clone())?))
}

/// A schedule of levels, as the first stage: the search compares the first `dims[0]` numbers and keeps `keep[0]` rows, each further
/// step compares these by more numbers and keeps fewer.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_levels(
    dims: Sizes,
    keep: Sizes,
    count: usize,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        let (dims, keep) = (dims.slice(count, "dims")?, keep.slice(count, "keep")?);
        Ok(Levels::new(dims.iter().copied().zip(keep.iter().copied())).into())
    })
}

/// The cheapest schedule of levels that finds this part, above 0 and at most 1, of the nearest rows.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_levels_auto(
    recall: f64,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || Ok(Levels::auto(recall).into()))
}

/// Ranks by the squared distance and `weight` times the row's total variance (the distance of PCME++); 1 is the published weight.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_csd(
    weight: f64,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || Ok(Csd::new(weight).into()))
}

/// Ranks by another distance between normal distributions: one of FT_MEASURE_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_gaussian(
    measure: u32,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        let measure = match measure {
            FT_MEASURE_WASSERSTEIN => Measure::Wasserstein,
            FT_MEASURE_BHATTACHARYYA => Measure::Bhattacharyya,
            FT_MEASURE_EXPECTED_LIKELIHOOD => Measure::ExpectedLikelihood,
            FT_MEASURE_LOG_LIKELIHOOD => Measure::LogLikelihood,
            other => return Err(bad(format!("measure is one of FT_MEASURE_*, not {other}"))),
        };
        Ok(Gaussian::new(measure).into())
    })
}

/// Orders by nearness and by difference from what stands before (maximal marginal relevance): with `lambda` 1 the order stays, with
/// 0 only difference counts. It chooses from the `among` best rows; 0 is four times as many as are wanted.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_mmr(
    lambda: f64,
    among: usize,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        if !(0.0..=1.0).contains(&lambda) {
            return Err(bad(format!("lambda is from 0 to 1, not {lambda}")));
        }
        let mmr = Mmr::new(lambda);
        Ok(if among == 0 { mmr } else { mmr.among(among) }.into())
    })
}

/// Orders the `among` nearest rows (0 is 100) by late interaction with a query of tokens: `len` numbers, token after token.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_maxsim(
    tokens: Floats,
    len: usize,
    among: usize,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        let maxsim = MaxSim::new(tokens.slice(len, "tokens")?);
        Ok(if among == 0 { maxsim } else { maxsim.among(among) }.into())
    })
}

/// Orders the `among` nearest rows (0 is as many as are wanted) by their uncertainty alone, the surest first.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_uncertainty(
    among: usize,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        let stage = Uncertainty::new();
        Ok(if among == 0 { stage } else { stage.among(among) }.into())
    })
}

/// Reranks by an expensive scorer, on a budget of ids scored: a cross-encoder, a language model, anything that scores ids.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_scorer(
    scorer: ScorerGiven,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || {
        let given = some(scorer.read("scorer")?, "scorer")?;
        let score = some(given.score, "score")?;
        let (version, key) = (given.version.optional("version")?, given.query_key.optional("query_key")?);
        let adaptive = match given.mode {
            FT_SCORER_RETRIEVE => false,
            FT_SCORER_ADAPTIVE => true,
            other => return Err(bad(format!("mode is one of FT_SCORER_*, not {other}"))),
        };
        // From here on nothing fails: the data is released by the last that uses it.
        let mut stage = Scored::new(Calls { score, data: given.data, release: given.release });
        if given.budget > 0 {
            stage = stage.budget(given.budget);
        }
        if given.batch > 0 {
            stage = stage.batch(given.batch);
        }
        if adaptive {
            stage = stage.adaptive();
        }
        if let Some(version) = version {
            stage = stage.version(version);
        }
        if let Some(key) = key {
            stage = stage.query_key(key);
        }
        Ok(stage.into())
    })
}

/// Fuses the search's list with others: those that `fuse` has, which may be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_rerank_fuse(
    fuse: Option<&Fuse>,
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
) -> Status {
    make(rerank, || Ok(some(fuse, "fuse")?.0.get()?.clone().into()))
}

fn make(
    rerank: Option<&mut MaybeUninit<Option<Box<Rerank>>>>,
    stage: impl FnOnce() -> Result<foretaste::Rerank>,
) -> Status {
    entry(|| give(rerank, "rerank", || Ok(Rerank(stage()?))))
}

impl Scorer for Calls {
    fn score(&self, ids: &[Key]) -> Result<Vec<f64>, ScorerError> {
        let texts = Ids::new(ids.iter());
        let all = texts.all();
        let mut scores = vec![f64::NAN; ids.len()];
        match (self.score)(self.data, Array::of(&all), all.len(), Room::of(&mut scores)) {
            0 => Ok(scores),
            code => Err(format!("the scorer gave {code}").into()),
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            release(self.data);
        }
    }
}
