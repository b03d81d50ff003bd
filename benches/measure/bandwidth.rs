//! What one core reads from memory, for comparison with the scan: sums over arrays larger than the caches.
//!
//! Reads from: its own memory. Writes to: nothing. Never: an array that fits a cache.

use std::hint::black_box;
use std::time::Instant;

use foretaste_benches::report;
use serde_json::json;

pub fn run() -> anyhow::Result<()> {
    for mib in [128, 512, 2048] {
        let words = vec![1u64; mib << 17];
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let started = Instant::now();
            // Eight sums, so that additions do not wait for each other.
            let mut sums = [0u64; 8];
            for chunk in black_box(&words).chunks_exact(8) {
                for (sum, word) in sums.iter_mut().zip(chunk) {
                    *sum = sum.wrapping_add(*word);
                }
            }
            black_box(sums);
            best = best.min(started.elapsed().as_secs_f64());
        }
        let gb_per_second = (words.len() * 8) as f64 / best / 1e9;
        report(&json!({"measure": "bandwidth", "mib": mib, "gb_per_second": gb_per_second}));
    }
    Ok(())
}
