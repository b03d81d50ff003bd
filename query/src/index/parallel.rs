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
    let chunks = len.div_ceil(chunk);
    let range = |i: usize| i * chunk..((i + 1) * chunk).min(len);
    let threads = threads.clamp(1, chunks.max(1));
    if threads == 1 {
        return (0..chunks).map(|i| work(range(i))).collect();
    }
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let run = || {
            let mut mine = Vec::new();
            loop {
                // Only the number counts: what the threads work on is disjoint.
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= chunks {
                    return mine;
                }
                mine.push((i, work(range(i))));
            }
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let joined = handles.into_iter().map(|h| h.join());
        joined.flat_map(|r| r.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, t)| t).collect()
}

/// A number that looks random (the finaliser of splitmix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
