//! Search against brute force over the same rows, and hostile sections.

use std::path::Path;

use foretaste_storage::Result;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::sealed::{Access, SealedFile, SealedWriter};
use foretaste_storage::section::{SectionFile, SectionKind, SectionWriter};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use proptest::prelude::*;

use super::*;
use crate::index::flat::Scan;

type Sections = Vec<(SectionKind, Vec<u8>)>;

fn gathered(rows: &[Vec<String>]) -> Gathered {
    let mut all = Gathered::new();
    for words in rows {
        all.next_row();
        words.iter().for_each(|word| all.push(word));
    }
    all
}

fn written(rows: &[Vec<String>]) -> Sections {
    let written = Written::new("body", &Analyser::default(), gathered(rows));
    written.unwrap().sections.into()
}

fn file(sections: &Sections, access: Access) -> SectionFile {
    let (disk, folder) = (MemVfs::new(), Path::new("d"));
    disk.create_dir(folder).unwrap();
    let owner = (Kind::Index, &[7; 16], 1);
    let writer = SealedWriter::create(&disk, &folder.join("text"), owner.0, owner.1, owner.2).unwrap();
    let mut all = SectionWriter::new();
    sections.iter().for_each(|(kind, bytes)| all.add(*kind, 0, bytes.clone()));
    let named = all.finish(writer, [0; 4]).unwrap();
    let sealed = SealedFile::open(&disk, folder, "text".into(), &named, owner, access).unwrap();
    SectionFile::new(sealed, access).unwrap()
}

fn opened(rows: &[Vec<String>], access: Access) -> TextIndex {
    TextIndex::open(&file(&written(rows), access), 0, rows.len() as u32).unwrap().unwrap()
}

/// Rows in several parts, some of them deleted, some refused by a filter.
#[derive(Debug, Clone)]
struct Corpus {
    parts: Vec<Vec<Vec<String>>>,
    dead: Vec<Vec<u32>>,
    refused: u32,
}

impl Corpus {
    fn is_live(&self, part: usize, row: u32) -> bool {
        self.dead[part].binary_search(&row).is_err()
    }

    /// A number for each row, with repetitions between parts: which of equal scores comes first.
    fn key(&self, part: usize, row: u32) -> u64 {
        u64::from(row) * 7 % 101 * 10 + part as u64
    }

    fn is_refused(&self, part: usize, row: u32) -> bool {
        self.refused > 0 && self.key(part, row).is_multiple_of(u64::from(self.refused))
    }

    /// Every live row that has a word, scored by the formula.
    fn brute(&self, query: &str, bm25: &Bm25, k: usize) -> Vec<(f64, u64)> {
        let terms = Terms::new(&Analyser::default(), query).unwrap();
        let words: Vec<&str> = terms.words().collect();
        let all = || {
            self.parts
                .iter()
                .enumerate()
                .flat_map(|(p, rows)| rows.iter().zip(0..).map(move |(w, r)| (p, r, w)))
        };
        let live = || all().filter(|(p, r, w)| self.is_live(*p, *r) && !w.is_empty());
        let statistics = Statistics {
            documents: live().count() as u64,
            words: live().map(|(.., w)| w.len() as u64).sum(),
        };
        let mut hits = Vec::new();
        for (part, row, of) in live().filter(|(p, r, _)| !self.is_refused(*p, *r)) {
            let mut score = 0.0;
            for word in &words {
                let tf = of.iter().filter(|w| w == word).count() as u32;
                let having = live().filter(|(.., w)| w.iter().any(|w| w == word)).count() as u64;
                let times = query.split_whitespace().filter(|w| w == word).count() as u32;
                if tf > 0 {
                    score += bm25.weight(&statistics, having, times).score(tf, of.len() as u32);
                }
            }
            if of.iter().any(|w| words.contains(&w.as_str())) {
                hits.push((score, self.key(part, row)));
            }
        }
        hits.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        hits.truncate(k);
        hits
    }

    /// The same by the index; every part with an even number by its sections, the others in memory.
    fn search(&self, query: &str, bm25: &Bm25, k: usize, access: Access) -> (Vec<(f64, u64)>, Work) {
        let indexes: Vec<(Option<TextIndex>, Gathered)> = self
            .parts
            .iter()
            .enumerate()
            .map(|(i, rows)| ((i % 2 == 0).then(|| opened(rows, access)), gathered(rows)))
            .collect();
        let parts: Vec<Part<'_>> = indexes
            .iter()
            .map(|(index, gathered)| index.as_ref().map_or(Part::Gathered(gathered), Part::Index))
            .collect();
        let mut terms = Terms::new(&Analyser::default(), query).unwrap();
        let mut statistics = Statistics::default();
        for (number, part) in parts.iter().enumerate() {
            let dead = &self.dead[number];
            let next = |row: u32| dead.get(dead.partition_point(|d| *d < row)).copied();
            count(*part, &mut terms, &mut statistics, &next).unwrap();
        }
        let (mut top, mut work) = (Top::new(k), Work::default());
        for (number, part) in parts.iter().enumerate() {
            let accept = |row: u32| Ok(self.is_live(number, row) && !self.is_refused(number, row));
            let key = |row: u32| -> Result<u64> { Ok(self.key(number, row)) };
            let weights = terms.weights(bm25, &statistics);
            let out = (&mut top, &mut work);
            let end = search(*part, &terms, &weights, &accept, &key, &|row| row, &|| false, out).unwrap();
            assert_eq!(end, Scan::Complete);
        }
        (top.into_sorted().into_iter().map(|kept| (kept.score, kept.key)).collect(), work)
    }
}

/// Words as they are distributed: word i is about 1 / i as frequent as the first.
fn word() -> impl Strategy<Value = String> {
    (0.0..1.0f64).prop_map(|x| format!("w{}", (40f64.powf(x) - 1.0) as u32))
}

fn corpus(parts: usize, rows: usize) -> impl Strategy<Value = Corpus> {
    let row = proptest::collection::vec(word(), 0..30);
    let part = proptest::collection::vec(row, 1..rows);
    let parts = proptest::collection::vec((part, any::<u64>(), 0u32..4), 1..=parts);
    (parts, 0u32..4).prop_map(|(parts, refused)| {
        let deaths = |(rows, seed, share): &(Vec<Vec<String>>, u64, u32)| {
            let dies = |row: &u32| u64::from(*row).wrapping_mul(seed | 1) >> 7 & 7 < u64::from(*share);
            (0..rows.len() as u32).filter(dies).collect()
        };
        let dead = parts.iter().map(deaths).collect();
        Corpus { parts: parts.into_iter().map(|(rows, ..)| rows).collect(), dead, refused }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn search_gives_exactly_what_scoring_every_row_gives(
        corpus in corpus(4, 300),
        query in proptest::collection::vec(word(), 0..8),
        k in 0usize..25,
        k1 in prop_oneof![Just(1.2), 0.0..3.0f64],
        b in prop_oneof![Just(0.75), 0.0..=1.0f64],
        map in any::<bool>(),
    ) {
        let (query, bm25) = (query.join(" "), Bm25 { k1, b });
        let (found, _) = corpus.search(&query, &bm25, k, if map { Access::Map } else { Access::Read });
        // To the last bit.
        prop_assert_eq!(found, corpus.brute(&query, &bm25, k));
    }

    #[test]
    fn what_was_written_verifies(corpus in corpus(1, 400)) {
        let index = opened(&corpus.parts[0], Access::Map);
        index.verify(&mut |e| panic!("{e}"));
        prop_assert_eq!(index.rows() as usize, corpus.parts[0].len());
    }
}

/// Many rows of words with the frequencies of a language.
fn large() -> Corpus {
    let mut seed = 9u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / (1u64 << 31) as f64
    };
    let rows = (0..20_000).map(|_| {
        let length = 5 + (next() * 60.0) as usize;
        (0..length).map(|_| format!("w{}", (5_000f64.powf(next()) - 1.0) as u32)).collect()
    });
    Corpus { parts: vec![rows.collect()], dead: vec![Vec::new()], refused: 0 }
}

#[test]
fn most_rows_are_passed_over() {
    let corpus = large();
    for (query, most) in [("w0 w900", 3_000), ("w0 w1 w2 w700", 4_000)] {
        let bm25 = Bm25::default();
        let (found, work) = corpus.search(query, &bm25, 10, Access::Map);
        assert_eq!(found.len(), 10);
        assert!(work.scored < most, "{query}: {} rows scored", work.scored);
        let (all, whole) = corpus.search(query, &bm25, 100_000, Access::Map);
        assert_eq!(found, all[..10]);
        assert!(whole.scored > 2 * work.scored, "{query}: {} of {}", work.scored, whole.scored);
    }
}

#[test]
fn a_search_can_be_cancelled() {
    let rows = vec![vec!["a".to_string()]; 3000];
    let index = opened(&rows, Access::Map);
    let mut terms = Terms::new(&Analyser::default(), "a").unwrap();
    let mut statistics = Statistics::default();
    count(Part::Index(&index), &mut terms, &mut statistics, &|_| None).unwrap();
    assert_eq!(statistics, Statistics { documents: 3000, words: 3000 });
    let weights = terms.weights(&Bm25::default(), &statistics);
    let asked = std::cell::Cell::new(0);
    let cancel = || asked.replace(asked.get() + 1) == 1;
    let (mut top, mut work) = (Top::new(10_000), Work::default());
    let key = |row: u32| -> Result<u32> { Ok(row) };
    let out = (&mut top, &mut work);
    let end =
        search(Part::Index(&index), &terms, &weights, &|_| Ok(true), &key, &|_| (), &cancel, out).unwrap();
    assert!(matches!(end, Scan::Cancelled { .. }));
    assert!(work.scored > 0 && work.scored < 3000);
}

#[test]
fn a_query_of_too_many_words_is_refused() {
    let most = foretaste_storage::limits::QUERY_WORDS;
    let query = |n: u64| (0..n).map(|i| format!("w{i} w{i}")).collect::<Vec<_>>().join(" ");
    assert_eq!(Terms::new(&Analyser::default(), &query(most)).unwrap().words().count() as u64, most);
    let refused = Terms::new(&Analyser::default(), &query(most + 1));
    assert!(
        matches!(refused, Err(foretaste_storage::Error::LimitExceeded { found, .. }) if found == most + 1)
    );
}

/// Goes through everything; damage gives an error or a wrong answer about scores, but no panic, no other row, and an end.
fn try_all(sections: &Sections, rows: u32) -> bool {
    let Ok(Some(index)) = TextIndex::open(&file(sections, Access::Map), 0, rows) else { return false };
    let mut sound = true;
    index.verify(&mut |_| sound = false);
    let mut terms = Terms::new(&Analyser::default(), "w0 w1 w2 w39 zzz").unwrap();
    let mut statistics = Statistics::default();
    let every = |row: u32| (row < rows).then(|| row.next_multiple_of(3)).filter(|row| *row < rows);
    let _ = count(Part::Index(&index), &mut terms, &mut statistics, &every);
    let weights = terms.weights(&Bm25::default(), &statistics);
    for k in [1, 10_000] {
        let (mut top, mut work) = (Top::new(k), Work::default());
        let key = |row: u32| -> Result<u32> { Ok(row) };
        let out = (&mut top, &mut work);
        let _ = search(Part::Index(&index), &terms, &weights, &|_| Ok(true), &key, &|_| (), &|| false, out);
        assert!(work.scored <= u64::from(rows));
        assert!(top.into_sorted().iter().all(|kept| kept.key < rows));
    }
    sound
}

fn small() -> Vec<Vec<String>> {
    (0..400u32).map(|i| (0..i % 7).map(|j| format!("w{}", (i * j) % 5 * (i % 2 + j))).collect()).collect()
}

#[test]
fn every_flipped_byte_is_found_or_harmless() {
    let rows = small();
    let sections = written(&rows);
    assert!(try_all(&sections, rows.len() as u32));
    let mut found = [0; 5];
    let mut passed = Vec::new();
    for (number, (kind, bytes)) in sections.iter().enumerate() {
        // What the list of a word holds is checked by reading it; of many lists some are enough.
        for at in (0..bytes.len()).filter(|at| *at < 400 || at % 7 == 0) {
            let mut damaged = sections.clone();
            damaged[number].1[at] ^= 1 << (at % 8);
            match try_all(&damaged, rows.len() as u32) {
                true => passed.push((*kind, at)),
                false => found[number] += 1,
            }
        }
        for len in (0..bytes.len()).step_by(bytes.len() / 20 + 1) {
            let mut damaged = sections.clone();
            damaged[number].1.truncate(len);
            try_all(&damaged, rows.len() as u32);
        }
    }
    assert!(found.iter().all(|n| *n > 10), "{found:?}");
    // What nothing contradicts: the path and the analyser, a bound that is too large, a zero that is reserved.
    assert!(passed.len() < 700, "{} {passed:?}", passed.len());
    assert!(passed.iter().all(|(kind, _)| *kind != SectionKind::TextLengths), "{passed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn random_bytes_in_place_of_a_section_end(bytes in proptest::collection::vec(any::<u8>(), 0..3000), number in 1usize..5) {
        let rows = small();
        let mut sections = written(&rows);
        let len = sections[number].1.len();
        sections[number].1.iter_mut().zip(bytes.iter().cycle()).take(len).for_each(|(to, from)| *to = *from);
        try_all(&sections, rows.len() as u32);
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let rows = small();
    let mut sections = written(&rows);
    sections[0].1[0] = 2;
    let opened = TextIndex::open(&file(&sections, Access::Map), 0, rows.len() as u32);
    let too_new = |e: &foretaste_storage::Error| {
        matches!(e, foretaste_storage::Error::FormatTooNew { found: 2, supported: 1, .. })
    };
    assert!(opened.is_err_and(|e| too_new(&e)));
    let index = super::tests::opened(&rows, Access::Read);
    assert!(index.is_by(&Analyser::default()) && !index.is_by(&Analyser::default().with_accents()));
    assert_eq!(index.path(), "body");
}
