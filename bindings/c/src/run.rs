//! Searches asked: at once into a handle or into the caller's own memory, many on all cores, or as a live answer.
//!
//! Reads from: `search`. Writes to: `hits`, `answer`, the caller's memory. Never: a search begun whose result has no room.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use crate::answer::Answer;
use crate::collection::{Collection, put};
use crate::hits::{Hit, Hits, of_hit};
use crate::id::Ids;
use crate::ptr::{CharRoom, CountRoom, Floats, HitRoom, Text};
use crate::search::Search;
use crate::status::{Result, Status, bad, entry, give, some};

/// The rows nearest to `query`, as a handle that has all there is to say of them.
///
/// FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_NON_FINITE, FT_STATUS_ZERO_VECTOR for the query; FT_STATUS_BAD_FILTER,
/// FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_CORRUPT, FT_STATUS_CANCELLED. Fewer hits than were wanted are no error.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_run(
    search: Option<&Search>,
    query: Floats,
    dim: usize,
    hits: Option<&mut MaybeUninit<Option<Box<Hits>>>>,
) -> Status {
    entry(|| {
        give(hits, "hits", || {
            let search = some(search, "search")?;
            let (asked, query) = (search.asked()?, query.slice(dim, "query")?);
            Ok(Hits::at_once(search.of(query)?.run_with(&|| asked.is_cancelled())?))
        })
    })
}

/// The same into the caller's memory alone: `hits` has room for `capacity` hits, at least as many as are wanted; `count` is set to
/// how many there are. The texts of their ids are put into `text`, each ended by a NUL byte, and the hits point there; it may be
/// NULL with 0 bytes when ids are integers. A text takes at most 1,025 bytes. FT_STATUS_TOO_SMALL when something has no room.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_into(
    search: Option<&Search>,
    query: Floats,
    dim: usize,
    hits: HitRoom,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
    text: CharRoom,
    text_capacity: usize,
) -> Status {
    entry(|| {
        put(count, "count", || {
            let search = some(search, "search")?;
            let asked = search.asked()?;
            room(hits, capacity, asked.params.k)?;
            let found = search.of(query.slice(dim, "query")?)?.run_with(&|| asked.is_cancelled())?;
            let texts = texts(&[&found], text, text_capacity)?;
            let all = (found.iter().enumerate()).filter_map(|(place, hit)| {
                let id = texts.at(place, |offset| text.text_at(offset))?;
                Some(of_hit(hit, id))
            });
            hits.fill(capacity, &all.collect::<Vec<Hit>>(), "hits")?;
            Ok(found.len())
        })
    })
}

/// Many queries at once, on `threads` threads (0: as many as there are cores): `queries` has them one after the other, each of `dim`
/// numbers. The hits of query i begin at `hits[i * k]`, where k is what `ft_search_k` said, and `counts[i]` is how many there are;
/// `capacity` is at least queries times k. `text` is as for `ft_search_into`. All queries see the same rows.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_batch(
    search: Option<&Search>,
    queries: Floats,
    rows: usize,
    dim: usize,
    threads: usize,
    hits: HitRoom,
    capacity: usize,
    counts: CountRoom,
    text: CharRoom,
    text_capacity: usize,
) -> Status {
    entry(|| {
        let search = some(search, "search")?;
        let asked = search.asked()?;
        let (k, all) = (asked.params.k, queries.slice(area(rows, dim)?, "queries")?);
        room(hits, capacity, area(rows, k)?)?;
        counts.check(rows, "counts")?;
        if dim == 0 && rows > 0 {
            return Err(bad("dim is 0; a query has at least one number".into()));
        }
        let queries: Vec<&[f32]> = all.chunks_exact(dim.max(1)).collect();
        let (within, cancelled) = (asked.within()?, || asked.is_cancelled());
        let snapshot = search.snapshot();
        let answers = snapshot.search_batch_with(&within, &queries, threads, &asked.params, &cancelled)?;
        let lists: Vec<&foretaste::Hits> = answers.iter().collect();
        let texts = texts(&lists, text, text_capacity)?;
        let mut place = 0;
        for (i, list) in answers.iter().enumerate() {
            let mut found = Vec::with_capacity(list.len());
            for hit in list.iter() {
                found.extend(texts.at(place, |offset| text.text_at(offset)).map(|id| of_hit(hit, id)));
                place += 1;
            }
            hits.behind(i * k).fill(k, &found, "hits")?;
        }
        let lens: Vec<usize> = answers.iter().map(|list| list.len()).collect();
        counts.fill(rows, &lens, "counts")
    })
}

/// Begins a search as a live answer: it comes revision by revision, each the best list so far, and only as far as it is read.
#[unsafe(no_mangle)]
pub extern "C" fn ft_search_start(
    search: Option<&Search>,
    query: Floats,
    dim: usize,
    answer: Option<&mut MaybeUninit<Option<Box<Answer>>>>,
) -> Status {
    entry(|| {
        give(answer, "answer", || {
            let search = some(search, "search")?;
            if search.asked()?.canceller.is_some() {
                return Err(bad("an answer has a canceller of its own: use ft_answer_canceller".into()));
            }
            Ok(Answer(search.of(query.slice(dim, "query")?)?.start()?))
        })
    })
}

/// The at most `k` best rows by the words of `words` in a full-text field, ranked by BM25, among those that pass `filter`, which may
/// be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_search_text(
    collection: Option<&Collection>,
    field: Text,
    words: Text,
    k: usize,
    filter: Text,
    hits: Option<&mut MaybeUninit<Option<Box<Hits>>>>,
) -> Status {
    entry(|| {
        give(hits, "hits", || {
            let collection = &some(collection, "collection")?.0;
            let mut search = collection.search_text(field.str("field")?, words.str("words")?).k(k);
            if let Some(filter) = filter.optional("filter")? {
                search = search.filter(filter);
            }
            Ok(Hits::text(search.run()?))
        })
    })
}

/// Numbers in a matrix.
pub fn area(rows: usize, dim: usize) -> Result<usize> {
    rows.checked_mul(dim).ok_or_else(|| bad(format!("{rows} times {dim} is more than memory holds")))
}

/// Refuses room that `wanted` hits may not fit into, before anything is searched.
fn room(hits: HitRoom, capacity: usize, wanted: usize) -> Result<()> {
    if capacity < wanted {
        let why = format!("hits has room for {capacity}, and {wanted} are wanted");
        return Err(crate::status::Failure::too_small(why));
    }
    hits.check(wanted, "hits")
}

/// The ids of all hits, with their texts in the caller's room.
fn texts(lists: &[&foretaste::Hits], text: CharRoom, capacity: usize) -> Result<Ids> {
    let ids = Ids::new(lists.iter().flat_map(|list| list.iter().map(|hit| &hit.id)));
    text.fill_bytes(capacity, ids.bytes(), "text")?;
    Ok(ids)
}
