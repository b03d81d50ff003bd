//! The demo's sentences and questions, which are part of the program.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use foretaste::import::{self, Format, Id, Reader, Rows};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::output::{Failure, Outcome};

const SENTENCE_VECTORS: &[u8] = include_bytes!("../../../demo/sentences.npy");
const SENTENCE_TEXTS: &[u8] = include_bytes!("../../../demo/sentences.jsonl.gz");
const QUESTION_VECTORS: &[u8] = include_bytes!("../../../demo/questions.npy");
const QUESTION_TEXTS: &str = include_str!("../../../demo/questions.jsonl");

/// The sentences, as if they were one file with ids, documents and vectors.
pub struct Sentences {
    vectors: Box<dyn Reader>,
    texts: std::vec::IntoIter<(Id, Value)>,
    rows: u64,
}

/// A question with its vector.
pub struct Question {
    pub text: String,
    pub vector: Vec<f32>,
}

#[derive(Deserialize)]
struct SentenceText {
    id: String,
    title: String,
    text: String,
}

#[derive(Deserialize)]
struct QuestionText {
    text: String,
}

impl Sentences {
    pub fn open() -> Outcome<Sentences> {
        let vectors =
            import::open_bytes(Format::Npy, SENTENCE_VECTORS.to_vec(), &import::Options::default())?;
        let mut lines = String::new();
        MultiGzDecoder::new(SENTENCE_TEXTS).read_to_string(&mut lines)?;
        let mut texts = Vec::new();
        for line in lines.lines() {
            let SentenceText { id, title, text } = serde_json::from_str(line).map_err(broken)?;
            texts.push((Id::Str(id), json!({"title": title, "text": text})));
        }
        let rows = texts.len() as u64;
        Ok(Sentences { vectors, texts: texts.into_iter(), rows })
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows
    }
}

impl Reader for Sentences {
    fn dim(&self) -> usize {
        self.vectors.dim()
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn bytes_total(&self) -> Option<u64> {
        self.vectors.bytes_total()
    }

    fn bytes_read(&self) -> u64 {
        self.vectors.bytes_read()
    }

    fn skip(&mut self, rows: u64) -> import::Result<()> {
        self.texts.by_ref().take(usize::try_from(rows).unwrap_or(usize::MAX)).for_each(drop);
        self.vectors.skip(rows)
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> import::Result<usize> {
        let start = out.len();
        let n = self.vectors.read(max_rows, out)?;
        let places = out.ids.iter_mut().zip(&mut out.payloads).skip(start);
        for ((id, payload), (name, document)) in places.zip(self.texts.by_ref()) {
            (*id, *payload) = (name, Some(document));
        }
        Ok(n)
    }
}

/// All questions.
pub fn questions() -> Outcome<Vec<Question>> {
    let mut reader = import::open_bytes(Format::Npy, QUESTION_VECTORS.to_vec(), &import::Options::default())?;
    let mut rows = Rows::default();
    while reader.read(usize::MAX, &mut rows)? > 0 {}
    let vectors = rows.vectors.chunks(reader.dim().max(1));
    QUESTION_TEXTS
        .lines()
        .zip(vectors)
        .map(|(line, vector)| {
            let QuestionText { text } = serde_json::from_str(line).map_err(broken)?;
            Ok(Question { text, vector: vector.to_vec() })
        })
        .collect()
}

fn broken(error: serde_json::Error) -> Failure {
    Failure::new(format!("the demo's own texts cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_and_question_has_its_vector_and_text() {
        let mut sentences = Sentences::open().unwrap();
        let mut rows = Rows::default();
        while sentences.read(1000, &mut rows).unwrap() > 0 {}
        assert_eq!((rows.len() as u64, sentences.dim()), (sentences.len(), 384));
        assert_eq!(rows.vectors.len(), rows.len() * 384);
        assert!(rows.ids.iter().all(|id| matches!(id, Id::Str(_))));
        assert!(rows.payloads.iter().flatten().all(|p| p["title"].is_string() && p["text"].is_string()));
        assert_eq!(questions().unwrap().len(), QUESTION_TEXTS.lines().count());
    }

    #[test]
    fn a_skip_keeps_texts_and_vectors_together() {
        let (mut whole, mut rest) = (Rows::default(), Rows::default());
        Sentences::open().unwrap().read(20, &mut whole).unwrap();
        let mut sentences = Sentences::open().unwrap();
        sentences.skip(15).unwrap();
        sentences.read(5, &mut rest).unwrap();
        assert_eq!(rest.ids, whole.ids[15..]);
        assert_eq!(rest.vectors, whole.vectors[15 * 384..]);
    }
}
