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
        let thread =
            std::thread::Builder::new().name("foretaste-upkeep".into()).spawn(move || run(&weak, &woken));
        // Without a thread the commits do the work: `after_commit` finds no sender.
        if let Ok(thread) = thread {
            *core.work.wake.lock() = Some(wake);
            *core.work.thread.lock() = Some(thread);
        }
    }

    /// Asks for upkeep; returns at once. False when there is nobody to ask.
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

    /// Ends the thread and waits for it.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.wake.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            if thread.thread().id() != std::thread::current().id() {
                // A panic in it has poisoned the writer already.
                let _ = thread.join();
            }
        }
    }

    /// Why the last upkeep failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().clone()
    }
}

/// Called after every commit: asks for upkeep when it is due, and waits for it when it is overdue. The commit is durable
/// already, so a failure here is not its failure: it is kept for `stats`, and the next upkeep tries again.
pub(crate) fn after_commit(core: &Core, collection: &CollectionCore) {
    let fresh: u64 = collection.state().heads.iter().map(|h| h.bytes()).sum();
    if fresh < core.options.seal_bytes {
        if matches!(core.options.durability, Durability::Interval(_)) {
            core.work.request();
        }
        return;
    }
    if !core.work.request() || fresh >= BACKLOG * core.options.seal_bytes {
        let mut upkeep = core.upkeep.lock();
        let failed = pass(core, &mut upkeep).err().map(|e| e.to_string());
        *core.work.failed.lock() = failed;
    }
}

/// Waits for a wake-up. With [`Durability::Interval`], while the log holds what is not durable, at most that long; then
/// the log is synced, though no further commit comes.
fn wait(core: &Weak<Core>, woken: &Receiver<()>, unsynced: &mut bool) -> bool {
    let interval = match core.upgrade().map(|core| core.options.durability) {
        Some(Durability::Interval(ms)) if *unsynced => Duration::from_millis(ms),
        Some(_) => return woken.recv().is_ok(),
        None => return false,
    };
    let result = woken.recv_timeout(interval);
    *unsynced = false;
    if let (Err(RecvTimeoutError::Timeout), Some(core)) = (result, core.upgrade()) {
        let log = core.writer.as_ref().and_then(|writer| writer.ingest.lock().log.clone());
        if let (Some(Err(e)), Some(writer)) = (log.map(|log| log.flush()), &core.writer) {
            writer.poison(&e);
        }
    }
    result != Err(RecvTimeoutError::Disconnected)
}

fn run(core: &Weak<Core>, woken: &Receiver<()>) {
    let mut unsynced = false;
    while wait(core, woken, &mut unsynced) {
        let Some(core) = core.upgrade() else { return };
        unsynced = true;
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

/// One round: seals what is large enough, compacts what is due, removes what is retired.
pub(crate) fn pass(core: &Core, upkeep: &mut Upkeep) -> Result<()> {
    for collection in core.all_collections() {
        if core.work.stopping.load(Ordering::Acquire) {
            return Ok(());
        }
        let fresh: u64 = collection.state().heads.iter().map(|h| h.bytes()).sum();
        let many_logs = core.writer("seal")?.ingest.lock().logs.len() > LOGS;
        if fresh >= core.options.seal_bytes || (many_logs && fresh > 0) {
            seal(core, upkeep, &collection)?;
        }
        while !core.work.stopping.load(Ordering::Acquire) && compact::compact_due(core, upkeep, &collection)?
        {
        }
    }
    collect(core, upkeep);
    Ok(())
}
