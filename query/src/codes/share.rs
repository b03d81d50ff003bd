//! Work on the rows of a matrix, shared among threads.
//!
//! Reads from and writes to: what the caller's closure does. Never: a result that depends on the number of threads.

/// Calls `work(index, chunk)` for every chunk of `size` items of `items`, on up to `threads` threads.
///
/// Chunks are the same and are numbered the same whatever the number of threads.
pub(crate) fn share_rows<T: Send>(
    items: &mut [T],
    size: usize,
    threads: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let size = size.max(1);
    let count = items.len().div_ceil(size);
    let threads = threads.clamp(1, count.max(1));
    let mut shares: Vec<Vec<(usize, &mut [T])>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, chunk) in items.chunks_mut(size).enumerate() {
        shares[i % threads].push((i, chunk));
    }
    let own = shares.pop().unwrap_or_default();
    std::thread::scope(|scope| {
        let work = &work;
        for share in shares {
            scope.spawn(move || share.into_iter().for_each(|(i, chunk)| work(i, chunk)));
        }
        own.into_iter().for_each(|(i, chunk)| work(i, chunk));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_visited_once_under_its_own_number() {
        for len in [0, 1, 9, 10, 11, 95] {
            for threads in [0, 1, 2, 3, 50] {
                let mut items = vec![0; len];
                share_rows(&mut items, 10, threads, |i, chunk| {
                    chunk.iter_mut().enumerate().for_each(|(j, item)| *item += 1 + i * 10 + j);
                });
                assert_eq!(items, (1..=len).collect::<Vec<_>>());
            }
        }
    }
}
