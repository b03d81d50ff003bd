//! Many queries at once, over all cores, on one snapshot.
//!
//! Reads from: `snapshot`. Writes to: nothing. Never: two queries of a batch that see different rows.

use foretaste_query::index::parallel::map_chunks;

use crate::answer;
use crate::collection::Collection;
use crate::error::{Error, Result};
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
        self.search_batch_with(queries, threads, how, &|| false)
    }

    /// Like [`Snapshot::search_batch`], asking `cancel` from time to time, on any thread, whether to give up.
    ///
    /// # Errors
    /// Also `Cancelled`.
    pub fn search_batch_with<Q: AsRef<[f32]> + Sync>(
        &self,
        queries: &[Q],
        threads: usize,
        how: impl FnOnce(Search) -> Search,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Hits>> {
        let request = Request::new(self, how(Search::new(self.clone(), &[])).asked)?;
        each(queries, threads, cancel, |query| answer::run(self, query.as_ref(), &request, cancel))
    }

    /// Answers many questions on `threads` threads (0: as many as there are cores), in their order, each as `search` asks it: in a
    /// further vector field, of another space, with a filter of its own. Where all are alike but for the vector,
    /// [`Snapshot::search_batch`] prepares the question once. `cancel` is asked from time to time, on any thread, whether to give up.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// # let schema = Schema::new(2, Metric::L2).field("image", Schema::new(1, Metric::L2));
    /// # let docs = db.create_collection("docs", schema)?;
    /// # let mut batch = docs.batch();
    /// # batch.upsert("a", &[0.0, 1.0]).field("image", &[4.0]);
    /// # batch.commit()?;
    /// let images = [([3.0], "n > 2"), ([5.0], "n < 1")];
    /// let answers = docs.snapshot().search_each(
    ///     &images,
    ///     0,
    ///     |snapshot, (image, filter)| Ok(snapshot.search_field("image", image)?.filter(filter)),
    ///     &|| false,
    /// )?;
    /// assert_eq!(answers.len(), 2);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of `search` and of [`Search::run`]; of several that fail, the error of the first. `Cancelled`.
    pub fn search_each<Q: Sync>(
        &self,
        queries: &[Q],
        threads: usize,
        search: impl Fn(&Snapshot, &Q) -> Result<Search> + Sync,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Hits>> {
        each(queries, threads, cancel, |query| search(self, query)?.run_with(cancel))
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
