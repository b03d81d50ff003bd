//! From text to words: what is looked for and what is counted.
//!
//! `words by UAX #29 → compatibility forms → case → stem → accents`. A word without a letter or digit is none. Nothing else
//! is left out: there is no list of stop words, as BM25 itself gives frequent words next to no weight.
//!
//! The defaults are those that most embedded databases have: no stemming (SQLite FTS5, Tantivy), accents of Latin and Greek
//! letters do not count (SQLite FTS5, DuckDB, LanceDB), and case never does.
//!
//! Reads from: text. Writes to: words. Never: a word longer than the limit, which is passed over.

use bincode::{Decode, Encode};
use foretaste_storage::limits;
use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// The version of what makes words of a text. An index of another version is done without until it is written again.
pub const ANALYSIS: u16 = 1;

/// The first letter that has its marks for good: Cyrillic and all that follow. Latin and Greek letters stand before it.
const KEEPS_MARKS: char = '\u{400}';

/// How a field's text becomes words; the same for documents and queries.
///
/// ```
/// use foretaste_query::text::{Analyser, Language};
///
/// let words = |analyser: Analyser, text: &str| {
///     let mut all = Vec::new();
///     analyser.words().each(text, &mut |word| all.push(word.to_string()));
///     all
/// };
/// assert_eq!(words(Analyser::default(), "Café STRASSE, straße!"), ["cafe", "strasse", "strasse"]);
/// assert_eq!(words(Analyser::default().stemmed(Language::English), "running dogs"), ["run", "dog"]);
/// assert_eq!(words(Analyser::default().with_accents(), "Café"), ["café"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Analyser {
    stem: Option<Language>,
    accents: bool,
}

/// A language whose words can be cut down to their stems, by the Snowball algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[expect(missing_docs, reason = "each name says it")]
pub enum Language {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Polish,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

/// Every language with its name and algorithm.
const LANGUAGES: [(&str, Language, Algorithm); 19] = [
    ("arabic", Language::Arabic, Algorithm::Arabic),
    ("danish", Language::Danish, Algorithm::Danish),
    ("dutch", Language::Dutch, Algorithm::Dutch),
    ("english", Language::English, Algorithm::English),
    ("finnish", Language::Finnish, Algorithm::Finnish),
    ("french", Language::French, Algorithm::French),
    ("german", Language::German, Algorithm::German),
    ("greek", Language::Greek, Algorithm::Greek),
    ("hungarian", Language::Hungarian, Algorithm::Hungarian),
    ("italian", Language::Italian, Algorithm::Italian),
    ("norwegian", Language::Norwegian, Algorithm::Norwegian),
    ("polish", Language::Polish, Algorithm::Polish),
    ("portuguese", Language::Portuguese, Algorithm::Portuguese),
    ("romanian", Language::Romanian, Algorithm::Romanian),
    ("russian", Language::Russian, Algorithm::Russian),
    ("spanish", Language::Spanish, Algorithm::Spanish),
    ("swedish", Language::Swedish, Algorithm::Swedish),
    ("tamil", Language::Tamil, Algorithm::Tamil),
    ("turkish", Language::Turkish, Algorithm::Turkish),
];

impl Language {
    /// The language called so in English, in small letters.
    pub fn parse(name: &str) -> Option<Language> {
        LANGUAGES.iter().find(|(n, ..)| *n == name).map(|(_, language, _)| *language)
    }

    /// Its English name in small letters.
    pub fn name(self) -> &'static str {
        LANGUAGES.iter().find(|(_, l, _)| *l == self).map_or("", |(name, ..)| name)
    }

    fn stemmer(self) -> Option<Stemmer> {
        LANGUAGES.iter().find(|(_, l, _)| *l == self).map(|(.., algorithm)| Stemmer::new(*algorithm))
    }
}

impl Analyser {
    /// Words are cut down to their stems, so that "running" finds "runs".
    pub fn stemmed(mut self, language: Language) -> Self {
        self.stem = Some(language);
        self
    }

    /// The accents of Latin and Greek letters count: "resume" does not find "résumé".
    pub fn with_accents(mut self) -> Self {
        self.accents = true;
        self
    }

    /// Makes words of texts.
    pub fn words(&self) -> Words {
        let stemmer = self.stem.and_then(Language::stemmer);
        Words { stemmer, accents: self.accents, word: String::new(), other: String::new() }
    }
}

/// Makes words of one text after the other; its memory is used again.
pub struct Words {
    stemmer: Option<Stemmer>,
    accents: bool,
    word: String,
    other: String,
}

impl Words {
    /// Calls `each` with every word of `text`, in the order of the text.
    pub fn each(&mut self, text: &str, each: &mut dyn FnMut(&str)) {
        for word in text.unicode_words() {
            if too_long(word) {
                continue;
            }
            self.form(word);
            if !self.word.is_empty() && !too_long(&self.word) {
                each(&self.word);
            }
        }
    }

    /// Leaves the form that counts of `word` in `self.word`.
    fn form(&mut self, word: &str) {
        self.word.clear();
        if word.is_ascii() {
            self.word.push_str(word);
            self.word.make_ascii_lowercase();
        } else {
            // By way of the capitals letters become one that differ in small writing alone: ß and ss, σ and ς.
            let visible = word.nfkc().filter(|c| *c != '\u{ad}').map(|c| if c == '’' { '\'' } else { c });
            let capitals = visible.flat_map(char::to_lowercase).flat_map(char::to_uppercase);
            self.word.extend(capitals.flat_map(char::to_lowercase));
        }
        if let Some(stemmer) = &self.stemmer {
            self.other.clear();
            self.other.push_str(&stemmer.stem(&self.word));
            std::mem::swap(&mut self.word, &mut self.other);
        }
        if !self.word.is_ascii() {
            self.other.clear();
            match self.accents {
                true => self.other.extend(self.word.nfc()),
                false => self.other.extend(Unaccented::new(&self.word).nfc()),
            }
            std::mem::swap(&mut self.word, &mut self.other);
        }
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").field("accents", &self.accents).finish_non_exhaustive()
    }
}

fn too_long(word: &str) -> bool {
    word.len() as u64 > limits::WORD_BYTES
}

/// The characters of a decomposed text without the marks of Latin and Greek letters.
struct Unaccented<I> {
    decomposed: I,
    base: char,
}

impl<'a> Unaccented<unicode_normalization::Decompositions<std::str::Chars<'a>>> {
    fn new(text: &'a str) -> Self {
        Unaccented { decomposed: text.nfd(), base: '\0' }
    }
}

impl<I: Iterator<Item = char>> Iterator for Unaccented<I> {
    type Item = char;
    fn next(&mut self) -> Option<char> {
        loop {
            let next = self.decomposed.next()?;
            if !is_combining_mark(next) {
                self.base = next;
            } else if self.base < KEEPS_MARKS {
                continue;
            }
            return Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(analyser: Analyser, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        analyser.words().each(text, &mut |word| all.push(word.to_string()));
        all
    }

    fn stems(language: Language, text: &str) -> String {
        words(Analyser::default().stemmed(language), text).join(" ")
    }

    #[test]
    fn golden() {
        let plain = |text| words(Analyser::default(), text).join("|");
        for (text, expected) in [
            ("", ""),
            (" \t\n — … !?", ""),
            (
                "The quick (“brown”) fox can’t jump 32.3 feet, right?",
                "the|quick|brown|fox|can't|jump|32.3|feet|right",
            ),
            ("can't CAN’T", "can't|can't"),
            ("state-of-the-art e-mail foo_bar snake_case9", "state|of|the|art|e|mail|foo_bar|snake_case9"),
            ("3,000.50 + 1e5 v1.2.3 2024-01-31", "3,000.50|1e5|v1.2.3|2024|01|31"),
            ("a.b@example.org https://x.y/z?q=1", "a.b|example.org|https|x.y|z|q|1"),
            ("Straße STRASSE straẞe", "strasse|strasse|strasse"),
            ("ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ|σισυφοσ"),
            ("Café cafe\u{301} CAFÉ naïve", "cafe|cafe|cafe|naive"),
            ("Ｆｕｌｌ ﬁne", "full|fine"),
            ("co\u{ad}operate", "cooperate"),
            ("Ёлка й", "ёлка|й"),
            ("日本語 テスト", "日|本|語|テスト"),
            ("한국어 말", "한국어|말"),
            ("שָׁלוֹם", "שָׁלוֹם"),
            ("🙂 ok 👍🏽", "ok"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_eq!(
            words(Analyser::default().with_accents(), "Café cafe\u{301} cafe").join("|"),
            "café|café|cafe"
        );
    }

    #[test]
    fn golden_stems() {
        assert_eq!(
            stems(Language::English, "Running runs ran, generously dogs' CAFÉS"),
            "run run ran generous dog cafe"
        );
        assert_eq!(stems(Language::German, "Häuser Haus aufeinander"), "haus haus aufeinand");
        assert_eq!(stems(Language::French, "continuellement majestés"), "continuel majest");
        assert_eq!(stems(Language::Russian, "важные важный"), "важн важн");
        assert_eq!(stems(Language::Spanish, "corriendo chicas"), "corr chic");
    }

    #[test]
    fn every_language_has_a_name_and_a_number_that_stays() {
        for (i, (name, language, algorithm)) in LANGUAGES.iter().enumerate() {
            assert_eq!((language.name(), Language::parse(name)), (*name, Some(*language)));
            assert_eq!(algorithm.name(), *name);
            let stored = foretaste_storage::codec::meta::encode(language).unwrap();
            assert_eq!(stored, (i as u32).to_le_bytes());
        }
        assert_eq!(Language::parse("klingon"), None);
    }

    #[test]
    fn a_word_beyond_the_limit_is_passed_over() {
        let longest = "x".repeat(limits::WORD_BYTES as usize);
        assert_eq!(words(Analyser::default(), &format!("a {longest} b")), ["a", &longest, "b"]);
        assert_eq!(words(Analyser::default(), &format!("a {longest}y b")), ["a", "b"]);
        // Short as it is written, too long as it counts: each of these letters is 18 in the form that counts.
        let grows = "\u{fdfa}".repeat(80);
        assert!(grows.len() <= limits::WORD_BYTES as usize);
        assert!(words(Analyser::default(), &grows).iter().all(|w| w.len() as u64 <= limits::WORD_BYTES));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,40}|[a-zäéßçñøåşıİ’']{0,14}|[α-ωά-ώ]{0,16}|[а-яё]{0,14}|[\u{600}-\u{6ff}]{0,12}|[\u{b80}-\u{bff}]{0,12}") {
            let analysers = LANGUAGES.iter().map(|(_, l, _)| Analyser::default().stemmed(*l));
            for analyser in analysers.chain([Analyser::default(), Analyser::default().with_accents()]) {
                let mut count = 0;
                analyser.words().each(&text, &mut |word| {
                    assert!(!word.is_empty() && !too_long(word));
                    count += 1;
                });
                prop_assert!(count <= text.chars().count());
            }
        }

        #[test]
        fn case_does_not_count(text in "[a-zäöüéèñåßøαβσςώабё ]{0,40}") {
            let of = |text: &str| words(Analyser::default(), text);
            prop_assert_eq!(of(&text), of(&text.to_uppercase()));
        }

        #[test]
        fn the_same_text_composed_or_not_has_the_same_words(text in "[a-zäöüéèñåßÀ-ÿ ά-ώ]{0,40}") {
            let (composed, apart): (String, String) = (text.nfc().collect(), text.nfd().collect());
            prop_assert_eq!(words(Analyser::default(), &composed), words(Analyser::default(), &apart));
        }
    }
}
