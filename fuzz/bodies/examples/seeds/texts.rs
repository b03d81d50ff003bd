//! Seeds of full-text indexes: small real ones, with queries.
//!
//! Reads from: texts made here. Writes to: the seeds' bytes. Never: a random number.

use foretaste_fuzz_bodies::{TEXT_SECTIONS, join};
use foretaste_query::text::{Analyser, Gathered, Written};

use crate::Seeds;

const WORDS: [&str; 9] = ["the", "of", "fox", "Running", "Straße", "καλημέρα", "日本語", "can’t", "x1.5"];

/// Indexes of few and of several blocks, and texts alone.
pub fn texts() -> Seeds {
    let seed = |(name, rows, analyser): (&str, u32, u8)| {
        let text = |row: u32| {
            let word = |i: u32| WORDS[((row * 7 + i * i * 5) % (1 + row % 9)) as usize % WORDS.len()];
            (0..row % 6).map(word).collect::<Vec<_>>().join(" ")
        };
        let (mut all, mut words) = (Gathered::new(), Analyser::default().words());
        for row in 0..rows {
            all.next_row();
            words.each(&text(row), &mut |word| all.push(word));
        }
        let written = Written::new("t", &Analyser::default(), all).expect("few words");
        let sections = written.sections.into_iter().zip(0..);
        let mut parts: Vec<(u8, Vec<u8>)> = sections
            .map(|((kind, bytes), tag)| {
                assert_eq!(TEXT_SECTIONS[usize::from(tag)], kind);
                (tag, bytes)
            })
            .collect();
        for query in ["the", "the fox of", "straße running nowhere", WORDS.join(" ").as_str()] {
            parts.push((99, query.as_bytes().to_vec()));
        }
        let count = (rows as u16).to_le_bytes();
        (name.to_string(), join(&[count[0], count[1], analyser], &parts))
    };
    [("one_block", 40, 0), ("blocks", 700, 2), ("none", 0, 4), ("accents", 9, 1)].map(seed).into()
}
