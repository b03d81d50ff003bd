//! A loop over chunks of a range, on several threads, with the results in order; and the randomness that builds use, which
//! is a function of a number, so that it does not depend on who asks first.
//!
//! Reads from: a range. Writes to: the results. Never: a result that depends on the number of threads.

use std::ops::Range;

use foretaste_storage::sync::{AtomicUsize, Ordering};

/// Calls `work` with chunks of `0..len` on `threads` threads and returns what it gave, in the order of the chunks.
pub fn map_chunks<T: Send>(
    len: usize,
    chunk: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    try_map_chunks(len, chunk, threads, &|_| true, work).unwrap_or_default()
}

/// [`map_chunks`] that tells `progress` between chunks which part of them is begun; `None` once it gives false.
pub(crate) fn try_map_chunks<T: Send>(
    len: usize,
    chunk: usize,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Option<Vec<T>> {
    let chunks = len.div_ceil(chunk);
    // Only the number counts: what the threads work on is disjoint.
    let next = AtomicUsize::new(0);
    let cancelled = AtomicUsize::new(0);
    let run = |tell: bool| {
        let mut mine = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= chunks || cancelled.load(Ordering::Relaxed) > 0 {
                return mine;
            }
            if tell && !progress(i as f64 / chunks as f64) {
                cancelled.store(1, Ordering::Relaxed);
                return mine;
            }
            mine.push((i, work(i * chunk..((i + 1) * chunk).min(len))));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let run = &run;
        let others = threads.clamp(1, chunks.max(1)) - 1;
        let handles: Vec<_> = (0..others).map(|_| scope.spawn(move || run(false))).collect();
        // Only this thread tells, so that what it tells only grows.
        let mut all = run(true);
        for handle in handles {
            all.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    if cancelled.load(Ordering::Relaxed) > 0 {
        return None;
    }
    done.sort_unstable_by_key(|(i, _)| *i);
    Some(done.into_iter().map(|(_, t)| t).collect())
}

/// A number that looks random (the finaliser of splitmix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
