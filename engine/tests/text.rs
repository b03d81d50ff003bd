//! Full text over the demo's sentences: its questions find their sentences, however the rows are stored.

#![cfg(feature = "jsonl")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the sentences are files of the source tree")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use foretaste::{Analyser, Collection, Database, Key, Language, Metric, Schema};
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::Value;

fn lines(file: impl Read) -> Vec<Value> {
    BufReader::new(file).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn demo(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../bindings/shell/demo").join(name)).unwrap()
}

type Answers = Vec<Vec<(Key, u64)>>;

fn answers(col: &Collection, questions: &[Value]) -> Answers {
    let answer = |question: &Value| {
        let hits = col.search_text("text", question["text"].as_str().unwrap()).run().unwrap();
        hits.into_iter().map(|hit| (hit.id, hit.score.to_bits())).collect()
    };
    questions.iter().map(answer).collect()
}

/// How many questions have one of their sentences among the first ten.
fn found(answers: &Answers, questions: &[Value]) -> usize {
    let right = |question: &&(&Vec<(Key, u64)>, &Value)| {
        let of = question.1["answers"].as_array().unwrap();
        let is = |key: &Key| of.iter().any(|id| matches!(key, Key::Str(key) if id == key.as_str()));
        question.0.iter().any(|(key, _)| is(key))
    };
    answers.iter().zip(questions).collect::<Vec<_>>().iter().filter(right).count()
}

#[test]
fn questions_find_their_sentences_whatever_is_fresh_sealed_or_merged() {
    let sentences = lines(GzDecoder::new(&demo("sentences.jsonl.gz")[..]));
    let questions = lines(&demo("questions.jsonl")[..]);
    assert_eq!((sentences.len(), questions.len()), (4000, 40));
    let by = [Analyser::default(), Analyser::default().stemmed(Language::English)];
    for (analyser, least) in by.into_iter().zip([33, 33]) {
        let db = Database::options().disk(Arc::new(MemVfs::new())).background(false).open("db").unwrap();
        let schema = Schema::new(1, Metric::L2).text_by("text", analyser);
        let col = db.create_collection("sentences", schema).unwrap();
        for (number, some) in sentences.chunks(500).enumerate() {
            let mut batch = col.batch();
            for sentence in some {
                batch.upsert(sentence["id"].as_str().unwrap(), &[0.0]).payload(sentence.clone());
            }
            batch.commit().unwrap();
            if [1, 2, 5].contains(&number) {
                col.flush().unwrap();
            }
        }
        let mixed = answers(&col, &questions);
        col.compact(|_, _| true).unwrap();
        assert_eq!(db.stats().unwrap().collections[0].segments, 1);
        assert_eq!(answers(&col, &questions), mixed);
        let found = found(&mixed, &questions);
        assert!(found >= least, "{found} of 40 questions");
    }
}
