//! Body of the target for adapters: their bytes read, written again, and vectors mapped.
//!
//! What is read is written again as the same bytes, and maps vectors of any length without a panic.
//!
//! Reads from: the input. Writes to: memory. Never: more memory than the input is long, but for what a few rows take.

use foretaste_query::space::Adapter;

/// Rows that are mapped at once.
const ROWS: usize = 3;

/// Reads an adapter from hostile bytes, and uses it.
pub fn adapter(data: &[u8]) {
    let Ok(adapter) = Adapter::from_bytes(data) else { return };
    assert_eq!(adapter.to_bytes(), data, "other bytes than were read");
    let (p, q) = (adapter.from_dims(), adapter.to_dims());
    let rows: Vec<f32> = (0..ROWS * p).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut many = vec![0f32; ROWS * q];
    adapter.apply_many(&rows, &mut many, 2);
    for (row, many) in rows.chunks_exact(p).zip(many.chunks_exact(q)) {
        let mut one = vec![0f32; q];
        adapter.apply(row, &mut one);
        for (i, (a, b)) in one.iter().zip(many).enumerate() {
            // Sums in two orders; terms of opposite signs may leave much less than they are.
            let weights = &adapter.matrix()[i * p..(i + 1) * p];
            let terms = row.iter().zip(adapter.from_mean()).zip(weights);
            let size: f64 = terms.map(|((x, m), w)| (f64::from(x - m) * f64::from(*w)).abs()).sum();
            let size = size + f64::from(adapter.to_mean()[i]).abs();
            let near = f64::from(a - b).abs() <= 1e-5 * size + 1e-30;
            assert!(near || size > 1e37, "{a} and {b} at {i}");
        }
    }
    adapter.apply(&rows[..p - 1], &mut many[..q.min(2)]);
    adapter.apply_many(&rows[..p - 1], &mut many, 1);
}
