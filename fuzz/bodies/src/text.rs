//! Body of the target for full text: the sections of a `text.N` file opened, verified and searched; texts made words.
//!
//! The input is two bytes for the number of rows, a byte for the analyser, and parts. A part's tag is the place of the
//! section's kind in [`SECTIONS`], else the part is a query, and a text that is gathered. An index may be wrong about scores,
//! but not about rows: what it finds is of the segment. What verifies is searched as its own words, gathered again, are.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: more steps than the rows and words of the input have.

use std::path::Path;

use foretaste_query::index::flat::Scan;
use foretaste_query::text::{
    Analyser, Bm25, Gathered, Language, Part, Statistics, Terms, TextIndex, Top, Work, Written, count, search,
};
use foretaste_storage::codec::header::Kind;
use foretaste_storage::sealed::{Access, SealedFile, SealedWriter};
use foretaste_storage::section::{SectionFile, SectionKind, SectionWriter};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

use crate::UUID;
use crate::input::Input;

/// The kinds of section that a part's tag names, in their order.
pub const SECTIONS: [SectionKind; 5] = [
    SectionKind::TextHead,
    SectionKind::TextLengths,
    SectionKind::TextTerms,
    SectionKind::TextWords,
    SectionKind::TextPostings,
];

const LANGUAGES: [&str; 6] = ["english", "greek", "arabic", "tamil", "turkish", "finnish"];

/// Opens and searches an index of hostile sections; makes words of hostile texts.
pub fn text(data: &[u8]) {
    let mut input = Input::new(data);
    let rows = u32::from(input.short());
    let analyser = match input.below(2 * LANGUAGES.len() + 2) {
        0 => Analyser::default(),
        1 => Analyser::default().with_accents(),
        n => {
            let language = LANGUAGES.get((n - 2) / 2).and_then(|name| Language::parse(name));
            let stemmed = Analyser::default().stemmed(language.expect("a language"));
            if n % 2 == 0 { stemmed } else { stemmed.with_accents() }
        }
    };
    let (mut sections, mut texts) = (Vec::new(), Vec::new());
    while let Some((tag, bytes)) = input.part() {
        match SECTIONS.get(usize::from(tag)) {
            Some(kind) => sections.push((*kind, bytes.to_vec())),
            None => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
    open(sections, rows, &texts);
    gather(&analyser, &texts);
}

fn open(sections: Vec<(SectionKind, Vec<u8>)>, rows: u32, texts: &[String]) {
    for access in [Access::Map, Access::Read] {
        let Some(index) = opened(&sections, rows, access) else { continue };
        index.verify(&mut |_| ());
        for query in texts {
            found(Part::Index(&index), &Analyser::default(), query, rows);
        }
    }
}

fn opened(sections: &[(SectionKind, Vec<u8>)], rows: u32, access: Access) -> Option<TextIndex> {
    let (disk, folder) = (MemVfs::new(), Path::new("d"));
    disk.create_dir(folder).expect("a folder in memory");
    let owner = (Kind::Text, &UUID, 1);
    let writer = SealedWriter::create(&disk, &folder.join("text"), owner.0, owner.1, owner.2);
    let mut all = SectionWriter::new();
    sections.iter().for_each(|(kind, bytes)| all.add(*kind, 0, bytes.clone()));
    let file = all.finish(writer.expect("a file in memory"), [0; 4]).ok()?;
    let sealed = SealedFile::open(&disk, folder, "text".into(), &file, owner, access);
    let file = sealed.and_then(|sealed| SectionFile::new(sealed, access)).expect("what was written");
    TextIndex::open(&file, 0, rows).ok().flatten()
}

/// What is gathered in memory and what is written of it give the same answers.
fn gather(analyser: &Analyser, texts: &[String]) {
    let gathered = || {
        let (mut all, mut words) = (Gathered::new(), analyser.words());
        for text in texts {
            all.next_row();
            words.each(text, &mut |word| all.push(word));
        }
        all
    };
    let (all, rows) = (gathered(), texts.len() as u32);
    let written = Written::new("t", analyser, gathered()).expect("few words");
    let index = opened(&written.sections, rows, Access::Map).expect("what was written");
    index.verify(&mut |e| panic!("{e}"));
    for query in texts {
        let hits = found(Part::Index(&index), analyser, query, rows);
        assert_eq!(hits, found(Part::Gathered(&all), analyser, query, rows), "{query}");
    }
}

type Hits = Option<Vec<(u64, u32)>>;

fn found(part: Part<'_>, analyser: &Analyser, query: &str, rows: u32) -> Hits {
    let mut terms = Terms::new(analyser, query).ok()?;
    let mut statistics = Statistics::default();
    let dead = |row: u32| Some(row.next_multiple_of(5)).filter(|row| *row < rows);
    count(part, &mut terms, &mut statistics, &dead).ok()?;
    let weights = terms.weights(&Bm25::default(), &statistics);
    let (mut top, mut work) = (Top::new(3), Work::default());
    let key = |row: u32| -> foretaste_storage::Result<u32> { Ok(row) };
    let out = (&mut top, &mut work);
    let end = search(part, &terms, &weights, &|row| Ok(row % 5 > 0), &key, &|_| (), &|| false, out).ok()?;
    assert_eq!(end, Scan::Complete);
    assert!(work.scored <= u64::from(rows), "{} of {rows} rows", work.scored);
    let hits: Vec<_> = top.into_sorted().into_iter().map(|kept| (kept.score.to_bits(), kept.key)).collect();
    assert!(hits.iter().all(|(_, row)| *row < rows && row % 5 > 0), "{hits:?}");
    Some(hits)
}
