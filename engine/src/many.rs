//! Many queries at once, over all cores, on one snapshot.
//!
//! Reads from: `snapshot`. Writes to: nothing. Never: two queries of a batch that see different rows.

use foretaste_query::index::parallel::map_chunks;

use crate::answer;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::params::{SearchParams, Within};
use crate::request::Request;
use crate::search::{Hits, Search};
use crate::snapshot::Snapshot;

/// Queries that a thread takes at a time.
const CHUNK: usize = 16;

impl Snapshot {
    /// Answers many queries on `threads` threads (0: as many as there are cores), in their order. `how` says what is asked of
    /// each: k, filter, effort.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
    /// # docs.upsert("a", &[0.0, 1.0])?;
    /// let answers = docs.search_batch(&[[0.0, 0.0], [0.0, 1.0]], 0, |search| search.k(5))?;
    /// assert_eq!(answers[1][0].distance, 0.0);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Search::run`]; of several that fail, the error of the first.
    pub fn search_batch<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        threads: usize,
        how: impl FnOnce(Search) -> Search,
    ) -> Result<Vec<Hits>> {
        let (_, _, request) = how(self.search(&[])).checked()?;
        self.each_of(queries, threads, &request, &|| false)
    }

    /// Like [`Snapshot::search_batch`], with what is asked of each query as `params`, of the vectors that `within` says. `cancel` is asked
    /// from time to time, on any thread, whether to give up.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// use foretaste::{SearchParams, Within};
    ///
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// # let schema = Schema::new(2, Metric::L2).field("image", Schema::new(1, Metric::L2));
    /// # let docs = db.create_collection("docs", schema)?;
    /// # let mut batch = docs.batch();
    /// # batch.upsert("a", &[0.0, 1.0]).field("image", &[4.0]);
    /// # batch.commit()?;
    /// let images = Within::Field("image".to_string());
    /// let answers = docs.snapshot().search_batch_with(
    ///     &images,
    ///     &[[3.0], [4.0]],
    ///     0,
    ///     &SearchParams::default(),
    ///     &|| false,
    /// )?;
    /// assert_eq!(answers[1][0].distance, 0.0);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of [`Snapshot::search_within`] and of [`Search::run`]; of several queries that fail, the error of the first. `Cancelled`.
    pub fn search_batch_with<Q: AsRef<[f32]> + Sync>(
        &self,
        within: &Within,
        queries: &[Q],
        threads: usize,
        params: &SearchParams,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Hits>> {
        match within {
            // How a query is compared with the rows is asked of each: rules map it.
            Within::Space(space) => each(queries, threads, cancel, |query| {
                self.search_in(space, query.as_ref())?.with(params.clone()).run_with(cancel)
            }),
            Within::Own | Within::Field(_) => {
                let (snapshot, _, request) =
                    self.search_within(within, &[])?.with(params.clone()).checked()?;
                snapshot.each_of(queries, threads, &request, cancel)
            }
        }
    }

    /// The answers to all queries, of which the same is asked.
    fn each_of<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        threads: usize,
        request: &Request,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Hits>> {
        each(queries, threads, cancel, |query| answer::run(self, query.as_ref(), request, cancel))
    }
}

/// The answers to all queries, in their order.
fn each<Q: Sync>(
    queries: &[Q],
    threads: usize,
    cancel: &(dyn Fn() -> bool + Sync),
    answer: impl Fn(&Q) -> Result<Hits> + Sync,
) -> Result<Vec<Hits>> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores() } else { threads };
    let parts = map_chunks(queries.len(), CHUNK, threads, |range| {
        let some = queries.get(range).unwrap_or_default().iter();
        some.map(|query| if cancel() { Err(Error::Cancelled) } else { answer(query) })
            .collect::<Result<Vec<Hits>>>()
    });
    let mut all = Vec::with_capacity(queries.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

impl Collection {
    /// Answers many queries on a snapshot taken now; see [`Snapshot::search_batch`].
    ///
    /// # Errors
    /// As [`Snapshot::search_batch`].
    pub fn search_batch<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        threads: usize,
        how: impl FnOnce(Search) -> Search,
    ) -> Result<Vec<Hits>> {
        self.snapshot().search_batch(queries, threads, how)
    }
}
