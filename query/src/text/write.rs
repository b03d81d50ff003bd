//! A field's full-text index put into sections.
//!
//! Reads from: gathered words. Writes to: memory, then sections. Never: a word twice.

use foretaste_storage::codec::meta;
use foretaste_storage::section::SectionKind;
use foretaste_storage::{Result, limits};

use crate::text::index::{Head, VERSION};
use crate::text::postings::encode;
use crate::text::{ANALYSIS, Analyser, Gathered};

/// The sections of one field, to be written in this order.
#[derive(Debug)]
pub struct Written {
    /// Kind and bytes of each.
    pub sections: [(SectionKind, Vec<u8>); 5],
}

impl Written {
    /// The index of the field `path` over the rows gathered, whose words are by `analyser`.
    ///
    /// # Errors
    /// `LimitExceeded` for more different words than can be numbered.
    pub fn new(path: &str, analyser: &Analyser, gathered: Gathered) -> Result<Written> {
        let (statistics, rows) = (gathered.statistics(), gathered.rows());
        let (lengths, all) = gathered.into_sorted();
        check_words(all.len() as u64)?;
        let head = Head {
            version: VERSION,
            analysis: ANALYSIS,
            path: path.to_string(),
            analyser: *analyser,
            rows,
            documents: statistics.documents as u32,
            words: statistics.words,
            terms: all.len() as u32,
        };
        let (mut terms, mut words, mut postings, mut list) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let length = |row: u32| lengths.get(row as usize).copied().unwrap_or(0);
        // Each word's memory is given back as soon as it is written.
        for (word, rows) in all {
            words.extend(word.as_bytes());
            terms.extend((words.len() as u64).to_le_bytes());
            list.clear();
            list.extend(rows.iter());
            match list.as_slice() {
                [(row, times)] => [row, times].iter().for_each(|n| terms.extend(n.to_le_bytes())),
                more => {
                    terms.extend((postings.len() as u64).to_le_bytes());
                    encode(more, length, &mut postings);
                }
            }
            terms.extend(rows.having().to_le_bytes());
            terms.extend([0; 4]);
        }
        let lengths = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
        Ok(Written {
            sections: [
                (SectionKind::TextHead, meta::encode(&head)?),
                (SectionKind::TextLengths, lengths),
                (SectionKind::TextTerms, terms),
                (SectionKind::TextWords, words),
                (SectionKind::TextPostings, postings),
            ],
        })
    }
}

fn check_words(words: u64) -> Result<()> {
    limits::check("different words of a field", words, limits::WORDS)
}

#[cfg(test)]
mod tests {
    use foretaste_storage::Error;

    use super::*;

    #[test]
    fn more_words_than_can_be_numbered_are_refused() {
        assert!(check_words(limits::WORDS).is_ok());
        let refused = check_words(limits::WORDS + 1);
        assert!(matches!(refused, Err(Error::LimitExceeded { found, .. }) if found == limits::WORDS + 1));
    }
}
