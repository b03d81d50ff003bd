//! What a run of postings can contribute at most, whatever the average length of the collection and the parameters are.
//!
//! A score grows with how often a word stands in a row and falls with the row's length. So a run is bounded by those of its
//! (occurrences, length) that no other of it beats in both. When there are more than four, neighbours are put together.
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 4 i | 2 | occurrences; 65,535 stands for any number from there on |
//! | 4 i + 2 | 2 | length of the row in words; 65,535 for any from there on |
//!
//! Reads from: postings. Writes to: 16 bytes. Never: a bound that a posting of the run exceeds.

use crate::text::bm25::Weight;

/// How many pairs are kept.
const PAIRS: usize = 4;
/// Bytes of an encoded bound.
pub(crate) const IMPACT_BYTES: u64 = 4 * PAIRS as u64;

/// The pairs of a run that bound it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Impacts([(u16, u16); PAIRS]);

impl Impacts {
    /// Of the (occurrences, length) of a run, in any order.
    pub fn of(pairs: impl Iterator<Item = (u32, u32)>) -> Impacts {
        let short = |n: u32| n.min(u32::from(u16::MAX)) as u16;
        let mut all: Vec<(u16, u16)> = pairs.map(|(tf, length)| (short(tf), short(length))).collect();
        // Most occurrences first, of as many the shortest.
        all.sort_unstable_by_key(|(tf, length)| (u16::MAX - tf, *length));
        let mut best: Vec<(u16, u16)> = Vec::new();
        for pair in all {
            if best.last().is_none_or(|last| pair.1 < last.1) {
                best.push(pair);
            }
        }
        let group = best.len().div_ceil(PAIRS).max(1);
        let mut kept = [best.last().copied().unwrap_or_default(); PAIRS];
        for (to, of) in kept.iter_mut().zip(best.chunks(group)) {
            // The first has the most occurrences, the last is the shortest.
            if let (Some(first), Some(last)) = (of.first(), of.last()) {
                *to = (first.0, last.1);
            }
        }
        Impacts(kept)
    }

    /// The largest contribution of the run.
    pub fn bound(&self, weight: &Weight) -> f64 {
        let of = |(tf, length): &(u16, u16)| match tf {
            &u16::MAX => weight.most(),
            tf => weight.score(u32::from(*tf), u32::from(*length)),
        };
        // f64::max passes over what is no number.
        self.0.iter().map(of).fold(0.0, f64::max)
    }

    pub fn encode(&self) -> impl Iterator<Item = u8> {
        self.0.into_iter().flat_map(|(tf, length)| tf.to_le_bytes().into_iter().chain(length.to_le_bytes()))
    }

    pub fn decode(bytes: &[u8; IMPACT_BYTES as usize]) -> Impacts {
        let mut impacts = Impacts::default();
        for (to, from) in impacts.0.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *to = (u16::from_le_bytes([from[0], from[1]]), u16::from_le_bytes([from[2], from[3]]));
        }
        impacts
    }

    /// Whether these bound the pair.
    pub fn cover(&self, tf: u32, length: u32) -> bool {
        let covers = |(most, least): &(u16, u16)| {
            (*most == u16::MAX || tf <= u32::from(*most)) && length >= u32::from(*least)
        };
        self.0.iter().any(covers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::bm25::{Bm25, Statistics};

    #[test]
    fn a_bound_of_few_pairs_is_reached() {
        let pairs = [(1, 10), (3, 40), (2, 10), (2, 90), (70_000, 100_000)];
        let impacts = Impacts::of(pairs.into_iter());
        assert_eq!(impacts.0, [(u16::MAX, u16::MAX), (3, 40), (2, 10), (2, 10)]);
        let encoded: Vec<u8> = impacts.encode().collect();
        assert_eq!(Impacts::decode(encoded.first_chunk().unwrap()), impacts);
    }

    proptest! {
        #[test]
        fn no_posting_exceeds_the_bound(
            pairs in proptest::collection::vec((prop_oneof![1u32..20, 60_000u32..80_000], prop_oneof![1u32..300, 60_000u32..90_000]), 1..140),
            k1 in 0.0..3.0f64, b in 0.0..=1.0f64, average in 1.0..5_000.0f64,
        ) {
            let impacts = Impacts::of(pairs.iter().copied());
            let statistics = Statistics { documents: 100, words: (average * 100.0) as u64 };
            let weight = Bm25 { k1, b }.weight(&statistics, 7, 1);
            let bound = impacts.bound(&weight);
            for (tf, length) in pairs {
                prop_assert!(impacts.cover(tf, length));
                prop_assert!(weight.score(tf, length) <= bound);
            }
        }
    }
}
