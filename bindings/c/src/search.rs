//! A search being prepared: what is asked beside the query.
//!
//! It holds no query, so that one may be prepared once and asked many times, by several threads at once.
//!
//! Reads from: the caller. Writes to: `foretaste::Search`. Never: a default of its own; what is not said is left to the facade.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::time::Duration;

use foretaste::lang::Filter;
use foretaste::{Canceller as Cancels, SearchParams, Space, Within};

use crate::batch::spread;
use crate::building::Building;
use crate::collection::{Collection, Snapshot};
use crate::ptr::{Floats, Text};
use crate::schema::space_of;
use crate::status::{Failure, Result, Status, entry, free, give, some};

/// A search in a collection or snapshot: what is asked beside the query. Prepared by one thread, it may then be asked by several at
/// once. Setters that fail make the search fail.
pub struct Search {
    target: Target,
    asked: Building<Asked>,
}

/// Ends work from any thread. It may outlive what it cancels.
pub struct Canceller(pub Cancels);

enum Target {
    Collection(foretaste::Collection),
    Snapshot(foretaste::Snapshot),
}

/// What is asked.
#[derive(Clone, Default)]
pub struct Asked {
    /// What is asked beside the query.
    pub params: SearchParams,
    field: Option<String>,
    space: Option<Space>,
    /// Ends it.
    pub canceller: Option<Cancels>,
}

/// A search in a collection: each time it is asked, in the rows that there are then. It keeps the database open.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_new(
    collection: Option<&Collection>,
    search: Option<&mut MaybeUninit<Option<Box<Search>>>>,
) -> Status {
    entry(|| {
        give(search, "search", || {
            Ok(Search::new(Target::Collection(some(collection, "collection")?.0.clone())))
        })
    })
}

/// A search in a snapshot, which may be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_new_in(
    snapshot: Option<&Snapshot>,
    search: Option<&mut MaybeUninit<Option<Box<Search>>>>,
) -> Status {
    entry(|| {
        give(search, "search", || Ok(Search::new(Target::Snapshot(some(snapshot, "snapshot")?.0.clone()))))
    })
}

/// Frees a search. NULL is fine. Answers it began go on.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_free(search: Option<Box<Search>>) {
    free(search);
}

/// How many hits are wanted: 10 unless said otherwise, at most 100,000.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_k(search: Option<&mut Search>, k: usize) -> Status {
    change(search, |asked| {
        asked.params.k = k;
        Ok(())
    })
}

/// Only rows that pass a filter, as "lang = 'en' AND year >= 2020". NULL is none. FT_STATUS_BAD_FILTER says at which byte.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_filter(search: Option<&mut Search>, filter: Text) -> Status {
    change(search, |asked| {
        let parse = |text| Filter::parse(text).map_err(|e| Failure::from(foretaste::Error::from(e)));
        asked.params.filter = filter.optional("filter")?.map(parse).transpose()?;
        Ok(())
    })
}

/// Compares only the first `dims` dimensions: any number of them from the first of the collection's levels on. 0 is all.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_dims(search: Option<&mut Search>, dims: usize) -> Status {
    change(search, |asked| {
        asked.params.dims = said(dims);
        Ok(())
    })
}

/// How many candidates a graph's search keeps: more find more of the true nearest and take longer. 0 leaves it to the library.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_ef(search: Option<&mut Search>, ef: usize) -> Status {
    change(search, |asked| {
        asked.params.ef = said(ef);
        Ok(())
    })
}

/// How many cells of an inverted file are looked into. 0 leaves it to the library.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_nprobe(search: Option<&mut Search>, nprobe: usize) -> Status {
    change(search, |asked| {
        asked.params.nprobe = said(nprobe);
        Ok(())
    })
}

/// With `yes` not 0 every row that passes is compared, whatever indexes there are: the answer is the true one.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_exact(search: Option<&mut Search>, yes: c_int) -> Status {
    change(search, |asked| {
        asked.params.exact = yes != 0;
        Ok(())
    })
}

/// Searches until the expected recall is at least this, above 0 and at most 1.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_target_recall(search: Option<&mut Search>, recall: f64) -> Status {
    change(search, |asked| {
        asked.params.target_recall = Some(recall);
        Ok(())
    })
}

/// Ends the search when so many microseconds have passed since it was begun, with the best hits by then; that is no error.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_deadline_us(search: Option<&mut Search>, microseconds: u64) -> Status {
    change(search, |asked| {
        asked.params.deadline = Some(Duration::from_micros(microseconds));
        Ok(())
    })
}

/// Ends the search when so many nodes of indexes and rows were compared, with the best hits by then; that is no error.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_budget(search: Option<&mut Search>, compared: u64) -> Status {
    change(search, |asked| {
        asked.params.budget = Some(compared);
        Ok(())
    })
}

/// Only rows whose uncertainty, the sum of their variances over the dimensions that are compared, is at most this.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_max_uncertainty(search: Option<&mut Search>, limit: f32) -> Status {
    change(search, |asked| {
        asked.params.max_uncertainty = Some(limit);
        Ok(())
    })
}

/// How uncertain the query itself is: one number, or one for each dimension, of one of FT_SPREAD_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_query_variance(
    search: Option<&mut Search>,
    variance: Floats,
    len: usize,
    kind: u32,
) -> Status {
    change(search, |asked| {
        asked.params.query_variance = spread(variance, len, kind)?;
        Ok(())
    })
}

/// Searches the vectors of a further field. NULL is the collection's own.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_field(search: Option<&mut Search>, field: Text) -> Status {
    change(search, |asked| {
        asked.field = field.optional("field")?.map(str::to_string);
        Ok(())
    })
}

/// Says of which space queries are, as "model@version". NULL is the collection's own.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_space(search: Option<&mut Search>, space: Text) -> Status {
    change(search, |asked| {
        let given = space.optional("space")?.map(|_| space_of(space));
        asked.space = given.transpose()?;
        Ok(())
    })
}

/// Has a canceller end `ft_search_run`, `ft_search_into` and `ft_search_batch`, which then give FT_STATUS_CANCELLED. NULL is none.
/// Answers have cancellers of their own: `ft_answer_canceller`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_canceller(search: Option<&mut Search>, canceller: Option<&Canceller>) -> Status {
    change(search, |asked| {
        asked.canceller = canceller.map(|canceller| canceller.0.clone());
        Ok(())
    })
}

/// A new canceller.
#[unsafe(no_mangle)]
pub extern "C" fn ft_canceller_new(canceller: Option<&mut MaybeUninit<Option<Box<Canceller>>>>) -> Status {
    entry(|| give(canceller, "canceller", || Ok(Canceller(Cancels::default()))))
}

/// Ends what it is of, from any thread, for good.
#[unsafe(no_mangle)]
pub extern "C" fn ft_canceller_cancel(canceller: Option<&Canceller>) -> Status {
    entry(|| {
        some(canceller, "canceller")?.0.cancel();
        Ok(())
    })
}

/// Frees a canceller without cancelling. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_canceller_free(canceller: Option<Box<Canceller>>) {
    free(canceller);
}

/// One more thing that is asked.
pub fn change(search: Option<&mut Search>, set: impl FnOnce(&mut Asked) -> Result<()>) -> Status {
    entry(|| some(search, "search")?.asked.set(set))
}

impl Search {
    fn new(target: Target) -> Search {
        Search { target, asked: Building::new(Asked::default()) }
    }

    /// What is asked.
    pub fn asked(&self) -> Result<&Asked> {
        self.asked.get()
    }

    /// The rows that are searched.
    pub fn snapshot(&self) -> foretaste::Snapshot {
        match &self.target {
            Target::Collection(collection) => collection.snapshot(),
            Target::Snapshot(snapshot) => snapshot.clone(),
        }
    }

    /// The search for the rows nearest to `query`.
    pub fn of(&self, query: &[f32]) -> Result<foretaste::Search> {
        let asked = self.asked()?;
        let search = self.snapshot().search_within(&asked.within()?, query)?;
        Ok(search.with(asked.params.clone()))
    }
}

impl Asked {
    /// Which vectors are searched.
    pub fn within(&self) -> Result<Within> {
        Ok(Within::of(self.field.clone(), self.space.clone())?)
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.canceller.as_ref().is_some_and(Cancels::is_cancelled)
    }
}

fn said(number: usize) -> Option<usize> {
    (number != 0).then_some(number)
}
