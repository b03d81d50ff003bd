//! Seeds of adapters: small ones of each kind, written by hand, so that they are the same on every machine.
//!
//! Reads from: nothing. Writes to: the seeds' bytes. Never: a fitted number.

use foretaste_query::space::Adapter;

use crate::Seeds;

/// Adapters between spaces of different and of one dimension.
pub fn adapters() -> Seeds {
    let seed = |(name, kind, from, to): (&str, u8, u32, u32)| {
        let mut bytes = vec![1, 0, kind, 0];
        bytes.extend(from.to_le_bytes());
        bytes.extend(to.to_le_bytes());
        let numbers = (0..from + to + from * to).map(|i| (i * i % 31) as f32 * 0.125 - 1.5);
        numbers.for_each(|x| bytes.extend(x.to_le_bytes()));
        Adapter::from_bytes(&bytes).expect("an adapter");
        (name.to_string(), bytes)
    };
    [("procrustes", 0, 5, 5), ("ridge", 1, 7, 3), ("anchors", 2, 3, 6), ("one", 0, 1, 1)].map(seed).into()
}
