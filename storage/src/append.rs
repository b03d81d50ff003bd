//! A list that one thread appends to and any number read without a lock: the head's rows as readers see them.
//!
//! The protocol is one store: the item is put into its slot, then the new length is published with `Release`. A reader
//! that sees a length (or a sequence number published after it, see [`Published`]) with `Acquire` sees every item below
//! it, complete. `tests/loom_append.rs` checks exactly this file.
//!
//! Reads from: memory. Writes to: memory, each slot once.
//! Never: a moved item (buckets double and stay where they are), a changed item, a lock, unsafe code.

use slot::Slot;

use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// Length of the first bucket; every further one is as long as all before it and this together.
#[cfg(not(foretaste_loom))]
const FIRST: usize = 32;
#[cfg(foretaste_loom)]
const FIRST: usize = 1;

/// Enough for 2^31 items and more; a list of buckets not yet needed costs 16 bytes each.
const BUCKETS: usize = 27;

type Bucket<T> = Slot<Box<[Slot<T>]>>;

/// An append-only list with lock-free readers. Items never change or move.
///
/// # Examples
///
/// ```
/// use foretaste_storage::append::AppendList;
///
/// let list = AppendList::new();
/// assert_eq!(list.push("a"), Ok(0));
/// assert_eq!(list.push("b"), Ok(1));
/// let seen = list.len();
/// assert_eq!(list.push("c"), Ok(2));
/// // A reader that remembers a length sees the same prefix for ever.
/// assert_eq!(list.prefix(seen).collect::<Vec<_>>(), [&"a", &"b"]);
/// assert_eq!(list.get(2), Some(&"c"));
/// ```
#[derive(Debug)]
pub struct AppendList<T> {
    buckets: [Bucket<T>; BUCKETS],
    len: AtomicUsize,
}

impl<T> Default for AppendList<T> {
    fn default() -> Self {
        AppendList::new()
    }
}

impl<T> AppendList<T> {
    /// An empty list.
    pub fn new() -> Self {
        AppendList { buckets: std::array::from_fn(|_| Slot::new()), len: AtomicUsize::new(0) }
    }

    /// Appends an item, publishes it and returns its index. Only one thread may append at a time: the caller has a lock.
    ///
    /// # Errors
    /// Gives the item back when another thread appended at the same time, or when the list is full (4 billion items).
    pub fn push(&self, item: T) -> Result<usize, T> {
        // Relaxed: whoever appended before gave the caller's lock on to this thread.
        let index = self.len.load(Ordering::Relaxed);
        let (bucket, at) = place(index);
        let Some(bucket_slot) = self.buckets.get(bucket) else { return Err(item) };
        if bucket_slot.get().is_none() {
            let slots = (0..FIRST << bucket).map(|_| Slot::new()).collect();
            // Somebody else's bucket is as good; the item's own slot tells whether there was a race.
            let _ = bucket_slot.set(slots);
        }
        match bucket_slot.get().and_then(|slots| slots.get(at)) {
            Some(slot) => slot.set(item)?,
            None => return Err(item),
        }
        self.len.store(index + 1, Ordering::Release);
        Ok(index)
    }

    /// How many items are published. All below are visible to the caller from now on.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether nothing is published.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at `index`; `None` when it is not published.
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.len() { self.slot(index) } else { None }
    }

    /// The first `len` items, or all that are published when they are fewer.
    pub fn prefix(&self, len: usize) -> impl ExactSizeIterator<Item = &T> + Clone {
        Prefix { list: self, next: 0, end: len.min(self.len()) }
    }

    fn slot(&self, index: usize) -> Option<&T> {
        let (bucket, at) = place(index);
        self.buckets.get(bucket)?.get()?.get(at)?.get()
    }
}

/// An iterator over the beginning of a list.
#[derive(Debug)]
struct Prefix<'a, T> {
    list: &'a AppendList<T>,
    next: usize,
    end: usize,
}

impl<T> Clone for Prefix<'_, T> {
    fn clone(&self) -> Self {
        Prefix { list: self.list, next: self.next, end: self.end }
    }
}

impl<'a, T> Iterator for Prefix<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        self.list.slot(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<T> ExactSizeIterator for Prefix<'_, T> {}

/// A number that only grows: everything done before [`Published::advance_to`] is visible to whoever sees the number.
#[derive(Debug)]
pub struct Published(AtomicU64);

impl Published {
    /// Starts at `seq`.
    pub fn new(seq: u64) -> Self {
        Published(AtomicU64::new(seq))
    }

    /// Publishes `seq`, unless a larger number is published already.
    pub fn advance_to(&self, seq: u64) {
        self.0.fetch_max(seq, Ordering::Release);
    }

    /// The largest number published.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Bucket of an index and the place in it.
fn place(index: usize) -> (usize, usize) {
    let round = index / FIRST + 1;
    let bucket = round.ilog2() as usize;
    (bucket, index - FIRST * ((1 << bucket) - 1))
}

#[cfg(not(foretaste_loom))]
mod slot {
    /// A place that is filled once.
    #[derive(Debug)]
    pub struct Slot<T>(std::sync::OnceLock<T>);

    impl<T> Slot<T> {
        pub fn new() -> Self {
            Slot(std::sync::OnceLock::new())
        }
        pub fn get(&self) -> Option<&T> {
            self.0.get()
        }
        pub fn set(&self, value: T) -> Result<(), T> {
            self.0.set(value)
        }
    }
}

/// For loom: a slot that brings no ordering of its own. Whether it reads as filled is a relaxed load, which loom lets
/// be as stale as the protocol around it allows; a `OnceLock`'s own acquire would hide a missing one there.
#[cfg(foretaste_loom)]
mod slot {
    use crate::sync::{AtomicBool, Ordering};

    #[derive(Debug)]
    pub struct Slot<T> {
        value: std::sync::OnceLock<T>,
        filled: AtomicBool,
    }

    impl<T> Slot<T> {
        pub fn new() -> Self {
            Slot { value: std::sync::OnceLock::new(), filled: AtomicBool::new(false) }
        }
        pub fn get(&self) -> Option<&T> {
            if self.filled.load(Ordering::Relaxed) { self.value.get() } else { None }
        }
        pub fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.filled.store(true, Ordering::Relaxed);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_its_own_place_and_buckets_double() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected, "index {index}");
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place((FIRST << BUCKETS) - FIRST - 1).0, BUCKETS - 1);
    }

    #[test]
    fn items_stay_where_they_are_and_prefixes_end_where_asked() {
        let list = AppendList::new();
        list.push(0).unwrap();
        let first: *const usize = list.get(0).unwrap();
        for i in 1..1000 {
            assert_eq!(list.push(i), Ok(i));
        }
        assert_eq!(std::ptr::from_ref(list.get(0).unwrap()), first);
        assert!(list.get(1000).is_none());
        for len in [0, 1, 31, 32, 33, 96, 1000, 2000] {
            let prefix = list.prefix(len);
            assert_eq!(prefix.len(), len.min(1000));
            assert!(prefix.copied().eq(0..len.min(1000)));
        }
    }

    #[test]
    fn readers_beside_the_appender_see_complete_prefixes() {
        let list = AppendList::new();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20_000usize).for_each(|i| assert_eq!(list.push(i.to_string()), Ok(i))));
            for _ in 0..3 {
                scope.spawn(|| {
                    while list.len() < 20_000 {
                        let len = list.len();
                        assert_eq!(list.prefix(len).len(), len);
                        assert!(
                            list.prefix(len)
                                .enumerate()
                                .skip(len.saturating_sub(50))
                                .all(|(i, s)| *s == i.to_string())
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn a_published_number_never_goes_back() {
        let published = Published::new(3);
        published.advance_to(9);
        published.advance_to(5);
        assert_eq!(published.get(), 9);
    }
}
