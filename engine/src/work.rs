//! Work in the background: sealing, compaction and removal of retired files on one thread, search indexes on another.
//!
//! Reads from: nothing but a wake-up. Writes to: `seal`, `compact`, `publish`, `build`.
//! Never: a strong reference kept while it waits, so that the last handle closes the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use foretaste_storage::stop::Stop;
use foretaste_storage::sync::Mutex;

use crate::build::build_due;
use crate::compact;
use crate::core::{Core, Upkeep};
use crate::error::Result;
use crate::options::Durability;
use crate::publish::collect;
use crate::seal::seal;
use crate::state::CollectionCore;

/// Fresh data this many times the sealing size makes a commit wait for the seal.
const BACKLOG: u64 = 3;
/// Live logs beyond this make collections seal although they are small.
const LOGS: usize = 8;

/// The background threads of a database opened for writing.
#[derive(Debug, Default)]
pub(crate) struct Work {
    upkeep: Lane,
    /// Of its own, so that sealing is not held up by the building of a search index.
    builds: Lane,
    stopping: Stop,
}

/// A thread that does one kind of work when it is woken.
#[derive(Debug, Default)]
struct Lane {
    wake: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Why the work failed the last time, if it did; the next wake-up tries again.
    failed: Mutex<Option<String>>,
}

/// What a lane's thread is.
#[derive(Clone, Copy)]
struct Job {
    name: &'static str,
    lane: fn(&Work) -> &Lane,
    work: fn(&Core) -> Result<()>,
    /// How often the log is synced while nobody wakes it.
    interval: Option<Duration>,
}

impl Work {
    /// Starts the threads, unless the options say that commits do the work themselves.
    pub fn start(core: &Arc<Core>) {
        if !core.options.background {
            return;
        }
        let interval = match core.options.durability {
            Durability::Interval(ms) => Some(Duration::from_millis(ms.max(1))),
            Durability::Sync | Durability::None => None,
        };
        let upkeep = |core: &Core| pass(core, &mut core.upkeep.lock());
        Lane::start(core, Job { name: "foretaste-upkeep", lane: |w| &w.upkeep, work: upkeep, interval });
        let interval = None;
        Lane::start(core, Job { name: "foretaste-build", lane: |w| &w.builds, work: build_due, interval });
        // Segments may be there that an earlier process left without an index.
        core.work.request_build();
    }

    /// Asks for upkeep; returns at once. False when there is nobody to ask.
    pub fn request(&self) -> bool {
        self.upkeep.request()
    }

    /// Asks for the indexes that are due; returns at once, and does nothing where only callers build.
    pub fn request_build(&self) {
        self.builds.request();
    }

    /// Whether the database is being closed.
    pub fn stopping(&self) -> bool {
        self.stopping.asked()
    }

    /// Ends the threads and waits for them.
    pub fn stop(&self) {
        self.stopping.ask();
        self.upkeep.stop();
        self.builds.stop();
    }

    /// Why the last upkeep failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.upkeep.failed.lock().clone()
    }

    /// Why the last building of indexes failed, if it did.
    pub fn build_failure(&self) -> Option<String> {
        self.builds.failed.lock().clone()
    }
}

impl Lane {
    fn start(core: &Arc<Core>, job: Job) {
        let (wake, woken) = bounded(1);
        let weak = Arc::downgrade(core);
        let thread = std::thread::Builder::new().name(job.name.into()).spawn(move || run(&weak, &woken, job));
        // Without a thread the commits do the upkeep: `after_commit` finds no sender.
        if let Ok(thread) = thread {
            let lane = (job.lane)(&core.work);
            *lane.wake.lock() = Some(wake);
            *lane.thread.lock() = Some(thread);
        }
    }

    fn request(&self) -> bool {
        match self.wake.lock().as_ref() {
            Some(wake) => {
                // A full channel means that a wake-up is on its way already.
                let _ = wake.try_send(());
                true
            }
            None => false,
        }
    }

    fn stop(&self) {
        drop(self.wake.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic in it has poisoned the writer already.
            let _ = thread.join();
        }
    }
}

/// Called before a commit writes anything: does the upkeep that is overdue, so that fresh rows do not grow without bound,
/// and refuses the commit when it fails.
pub(crate) fn before_commit(core: &Core, collection: &CollectionCore) -> Result<()> {
    if core.writer.is_none() || fresh_bytes(collection) < BACKLOG * core.options.seal_bytes {
        return Ok(());
    }
    let mut upkeep = core.upkeep.lock();
    pass(core, &mut upkeep)
}

/// Called after every commit: asks for upkeep when it is due, or does it where there is no thread for it. The commit is
/// durable already, so a failure here is not its failure: it is kept for `stats`, and the next upkeep tries again.
pub(crate) fn after_commit(core: &Core, collection: &CollectionCore) {
    let due = fresh_bytes(collection) >= core.options.seal_bytes || compact::is_wasteful(&collection.state());
    if due && !core.work.request() {
        // Whoever has the lock does upkeep already; it may be this thread, committing from a progress callback.
        let Some(mut upkeep) = core.upkeep.try_lock() else { return };
        let failed = pass(core, &mut upkeep).err().map(|e| e.to_string());
        *core.work.upkeep.failed.lock() = failed;
    }
}

fn fresh_bytes(collection: &CollectionCore) -> u64 {
    collection.state().heads.iter().map(|h| h.bytes()).sum()
}

fn run(core: &Weak<Core>, woken: &Receiver<()>, job: Job) {
    loop {
        let wake = match job.interval {
            None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(interval) => woken.recv_timeout(interval),
        };
        let Some(core) = core.upgrade() else { return };
        match wake {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                sync_log(&core);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let failed = match catch_unwind(AssertUnwindSafe(|| (job.work)(&core))) {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e.to_string()),
            Err(_) => {
                let why = format!("the thread {} panicked; this is a defect of foretaste", job.name);
                if let Some(writer) = &core.writer {
                    writer.poison(&why);
                }
                Some(why)
            }
        };
        *(job.lane)(&core.work).failed.lock() = failed;
    }
}

/// Syncs what was acknowledged without a sync.
fn sync_log(core: &Core) {
    if let Some(writer) = &core.writer {
        let log = writer.ingest.lock().log.clone();
        if let Some(Err(e)) = log.map(|log| log.flush()) {
            writer.poison(&e);
        }
    }
}

/// One round: seals what is large enough, compacts what is due, removes what is retired.
pub(crate) fn pass(core: &Core, upkeep: &mut Upkeep) -> Result<()> {
    for collection in core.all_collections() {
        if core.work.stopping() {
            return Ok(());
        }
        let fresh = fresh_bytes(&collection);
        let many_logs = core.writer("seal")?.ingest.lock().logs.len() > LOGS;
        if fresh >= core.options.seal_bytes || (many_logs && fresh > 0) {
            seal(core, upkeep, &collection)?;
        }
        while !core.work.stopping() && compact::compact_due(core, upkeep, &collection)? {}
        core.directory.fill(core, &collection);
    }
    collect(core, upkeep);
    core.work.request_build();
    Ok(())
}
