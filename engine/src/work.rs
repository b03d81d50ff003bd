//! Upkeep in the background: sealing, compaction, removal of retired files.
//!
//! Reads from: nothing but a wake-up. Writes to: `seal`, `compact`, `publish`.
//! Never: a strong reference kept while it waits, so that the last handle closes the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use foretaste_storage::sync::{AtomicBool, Mutex, Ordering};

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

/// The background thread of a database opened for writing.
#[derive(Debug, Default)]
pub(crate) struct Work {
    wake: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stopping: AtomicBool,
    /// Why the last upkeep failed, if it did; the next one tries again.
    failed: Mutex<Option<String>>,
}

impl Work {
    /// Starts the thread, unless the options say that commits do the work themselves.
    pub fn start(core: &Arc<Core>) {
        if !core.options.background {
            return;
        }
        let (wake, woken) = bounded(1);
        let weak = Arc::downgrade(core);
        let interval = match core.options.durability {
            Durability::Interval(ms) => Some(Duration::from_millis(ms.max(1))),
            Durability::Sync | Durability::None => None,
        };
        let thread = std::thread::Builder::new()
            .name("foretaste-upkeep".into())
            .spawn(move || run(&weak, &woken, interval));
        // Without a thread the commits do the work: `after_commit` finds no sender.
        if let Ok(thread) = thread {
            *core.work.wake.lock() = Some(wake);
            *core.work.thread.lock() = Some(thread);
        }
    }

    /// Asks for upkeep; returns at once. False when there is nobody to ask.
    pub fn request(&self) -> bool {
        match self.wake.lock().as_ref() {
            Some(wake) => {
                // A full channel means that a wake-up is on its way already.
                let _ = wake.try_send(());
                true
            }
            None => false,
        }
    }

    /// Whether the database is being closed.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Ends the thread and waits for it.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.wake.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic in it has poisoned the writer already.
            let _ = thread.join();
        }
    }

    /// Why the last upkeep failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().clone()
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
        let mut upkeep = core.upkeep.lock();
        let failed = pass(core, &mut upkeep).err().map(|e| e.to_string());
        *core.work.failed.lock() = failed;
    }
}

fn fresh_bytes(collection: &CollectionCore) -> u64 {
    collection.state().heads.iter().map(|h| h.bytes()).sum()
}

fn run(core: &Weak<Core>, woken: &Receiver<()>, interval: Option<Duration>) {
    loop {
        let wake = match interval {
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
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut upkeep = core.upkeep.lock();
            pass(&core, &mut upkeep)
        }));
        let failed = match result {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e.to_string()),
            Err(_) => {
                let why = "the upkeep thread panicked; this is a defect of foretaste".to_string();
                if let Some(writer) = &core.writer {
                    writer.poison(&why);
                }
                Some(why)
            }
        };
        *core.work.failed.lock() = failed;
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
    Ok(())
}
