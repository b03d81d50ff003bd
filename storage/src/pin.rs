//! Files in use, and files waiting to be removed: nothing that a reader can still reach is unlinked.
//!
//! Within a process a snapshot pins the numbers of what it reads, and what a new generation no longer names is retired;
//! [`Pins::collect`] gives a retired number out when its last pin is gone. `tests/loom_pin.rs` checks that. Between
//! processes a reader holds a shared lock on its generation's record file, and the writer keeps what that generation
//! names while the lock is held.
//!
//! Reads from: memory; the locks of `gen/`. Writes to: memory. Never: the removal itself; a lock that waits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::manifest::slots::{self, SlotState};
use crate::names;
use crate::sync::{Arc, Mutex};
use crate::vfs::{LockGuard, LockMode, Vfs};

/// The numbers (of segments, tombstones, generations, …) in use in this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Pins {
    uses: Arc<Mutex<BTreeMap<u64, Use>>>,
}

/// A number without pins that is not retired has no entry.
#[derive(Debug, Default)]
struct Use {
    pins: usize,
    retired: bool,
}

/// Keeps a number from being collected while it lives. Clones count on their own.
#[derive(Debug)]
pub struct Pin {
    pins: Pins,
    id: u64,
}

impl Default for Pins {
    fn default() -> Self {
        Pins::new()
    }
}

impl Pins {
    /// No number pinned or retired.
    ///
    /// # Examples
    ///
    /// ```
    /// use foretaste_storage::pin::Pins;
    ///
    /// let pins = Pins::new();
    /// let pin = pins.pin(42);
    /// pins.retire(42);
    /// assert_eq!(pins.collect(), []);
    /// drop(pin);
    /// assert_eq!(pins.collect(), [42]);
    /// assert_eq!(pins.collect(), []); // handed out once
    /// ```
    pub fn new() -> Pins {
        Pins { uses: Arc::new(Mutex::new(BTreeMap::new())) }
    }

    /// Pins `id`, which must not have been collected: pin what the current snapshot names while it is current, or
    /// clone a pin that lives.
    pub fn pin(&self, id: u64) -> Pin {
        self.uses.lock().entry(id).or_default().pins += 1;
        Pin { pins: self.clone(), id }
    }

    /// Says that `id` is to be removed when nothing pins it.
    pub fn retire(&self, id: u64) {
        self.uses.lock().entry(id).or_default().retired = true;
    }

    /// The retired numbers that nothing pins, ascending. Each is handed out once: the caller removes the files.
    pub fn collect(&self) -> Vec<u64> {
        // One lock for looking and taking: between the two another thread could take the same, or pin it.
        let mut uses = self.uses.lock();
        let ready = |(_, usage): &(&u64, &Use)| usage.retired && usage.pins == 0;
        let ids: Vec<u64> = uses.iter().filter(ready).map(|(id, _)| *id).collect();
        for id in &ids {
            uses.remove(id);
        }
        ids
    }

    /// How many retired numbers still wait for their pins.
    pub fn waiting(&self) -> usize {
        self.uses.lock().values().filter(|usage| usage.retired).count()
    }
}

impl Pin {
    /// The pinned number.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Clone for Pin {
    fn clone(&self) -> Self {
        self.pins.pin(self.id)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut uses = self.pins.uses.lock();
        if let Some(usage) = uses.get_mut(&self.id) {
            usage.pins -= 1;
            if usage.pins == 0 && !usage.retired {
                uses.remove(&self.id);
            }
        }
    }
}

/// Keeps the files of a generation from being removed by a writer in another process.
#[derive(Debug)]
pub struct GenerationPin {
    generation: u64,
    _guard: Box<dyn LockGuard>,
}

impl GenerationPin {
    /// Takes the shared lock on the record of `generation`, without waiting.
    ///
    /// `None` when it cannot be had: the record is gone, or the writer is looking at it right now. The pin holds only
    /// if the generation is still the newest after this call: a writer looks for locks after it has published the next
    /// one. [`GenerationPin::newest`] checks that.
    pub fn shared(vfs: &dyn Vfs, root: &Path, generation: u64) -> Result<Option<GenerationPin>> {
        match vfs.try_lock(&root.join(names::generation_file(generation)), LockMode::Shared) {
            Ok(guard) => Ok(guard.map(|guard| GenerationPin { generation, _guard: guard })),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Pins the newest generation of the database in the folder `root`.
    ///
    /// # Errors
    /// Those of [`slots::read`]; `Locked` when a writer published faster than this could follow, again and again.
    pub fn newest(vfs: &dyn Vfs, root: &Path) -> Result<(GenerationPin, SlotState)> {
        let mut state = slots::read(vfs, root)?;
        for _ in 0..ATTEMPTS {
            let pin = GenerationPin::shared(vfs, root, state.generation)?;
            let now = slots::read(vfs, root)?;
            match pin {
                Some(pin) if now.generation == pin.generation => return Ok((pin, now)),
                // Without a newer generation only the writer's own look at the lock can be in the way: a moment.
                None if now.generation == state.generation => std::thread::yield_now(),
                _ => {}
            }
            state = now;
        }
        Err(Error::Locked { pid: None, path: root.to_path_buf() })
    }

    /// The pinned generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

const ATTEMPTS: usize = 1000;

/// The oldest generation before `below` whose record another handle has locked: it and all it names must stay.
///
/// The writer asks after it has published `below`, so that no reader can begin with an older one unseen.
pub fn oldest_pinned(vfs: &dyn Vfs, root: &Path, below: u64) -> Result<Option<u64>> {
    let names = vfs.read_dir(&root.join(names::GENERATIONS))?;
    let mut generations: Vec<u64> = names.iter().filter_map(|name| names::parse_generation(name)).collect();
    generations.sort_unstable();
    for generation in generations.into_iter().filter(|generation| *generation < below) {
        match vfs.try_lock(&root.join(names::generation_file(generation)), LockMode::Exclusive) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Some(generation)),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use crate::vfs::mem::MemVfs;

    #[test]
    fn a_number_is_collected_once_and_only_when_its_last_pin_is_gone() {
        let pins = Pins::new();
        let first = pins.pin(7);
        let second = first.clone();
        pins.retire(7);
        pins.retire(8);
        assert_eq!(pins.collect(), [8]);
        drop(first);
        assert_eq!((pins.collect(), pins.waiting()), (vec![], 1));
        drop(second);
        assert_eq!(pins.collect(), [7]);
        assert_eq!((pins.collect(), pins.waiting()), (vec![], 0));
    }

    #[test]
    fn what_is_not_retired_is_never_collected() {
        let pins = Pins::new();
        drop(pins.pin(7));
        assert_eq!(pins.collect(), []);
    }

    #[test]
    fn a_readers_generation_is_found_while_the_pin_lives() {
        let (vfs, root, uuid) = (MemVfs::new(), Path::new("/db"), [5; 16]);
        let mut record = manifest::create(&vfs, root, &uuid).unwrap();
        let (pin, state) = GenerationPin::newest(&vfs, root).unwrap();
        assert_eq!((pin.generation(), state.generation, state.uuid), (1, 1, uuid));
        for generation in 2..4 {
            record.generation = generation;
            manifest::publish(&vfs, root, &uuid, &record).unwrap();
        }
        let second = GenerationPin::newest(&vfs, root).unwrap().0;
        assert_eq!(oldest_pinned(&vfs, root, 3).unwrap(), Some(1));
        assert_eq!(oldest_pinned(&vfs, root, 1).unwrap(), None);
        drop(pin);
        assert_eq!(oldest_pinned(&vfs, root, 3).unwrap(), None);
        assert_eq!(oldest_pinned(&vfs, root, 4).unwrap(), Some(3));
        drop(second);
        assert!(GenerationPin::shared(&vfs, root, 9).unwrap().is_none());
    }
}
