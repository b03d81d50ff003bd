//! Two-stage retrieval in one search: short vectors first, then an expensive scorer on a budget, whose scores are remembered.
//!
//! `cargo run --release -p foretaste --example reranking`
//!
//! Reads from: a database in a temporary folder. Writes to: it, and standard output. Never: a file that stays.

use foretaste::{Database, Hits, Key, Levels, Metric, Mmr, Schema, Scored, ScorerError};

/// Stands for a model that reads the question and a text; it likes round numbers. An error ends the stage with the best so far.
fn model(ids: &[Key]) -> Result<Vec<f64>, ScorerError> {
    let score = |id: &Key| match id {
        Key::Int(number) => Ok(f64::from(number.trailing_zeros())),
        Key::Str(text) => Err(format!("`{text}` is not a number").into()),
    };
    ids.iter().map(score).collect()
}

/// Prints what each search has cost.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Database::open(folder.path().join("reranking.ft"))?;
    let docs = db.create_collection("docs", Schema::new(64, Metric::Cosine).levels([16, 64]))?;
    let vector = |row: usize| -> Vec<f32> {
        (1..65).map(|n| (((row * 7919 + 1) % 104_729 * n) as f32 * 0.0137).sin() / n as f32).collect()
    };
    let mut batch = docs.batch();
    for row in 0..2000 {
        batch.upsert(row as i64, &vector(row));
    }
    batch.commit()?;
    let query = vector(9001);
    let show = |what: &str, hits: &Hits| {
        let ids: Vec<String> = hits.iter().map(|hit| hit.id.to_string()).collect();
        let (asked, known) = (hits.cost.scorer_calls, hits.cost.scores_remembered);
        println!("{what}: {}; {asked} scored, {known} known", ids.join(" "));
    };

    // 200 rows by their first 16 numbers, 20 of them by all 64.
    let levels = || Levels::new([(16, 200), (64, 20)]);
    show("levels", &docs.search(&query).k(5).rerank(levels()).run()?);

    // The model scores 40 rows, and looks where its best ones are for more.
    let scored = || Scored::new(model).budget(40).adaptive().version("round-1").query_key("the question");
    let first = docs.search(&query).k(5).rerank(scored()).run()?;
    show("scored", &first);
    assert_eq!((first.cost.scorer_calls, first.cost.scores_remembered), (40, 0));

    // Asked again it begins where it ended: the budget goes to other rows.
    let second = docs.search(&query).k(5).rerank(scored()).run()?;
    show("again", &second);
    assert_eq!((second.cost.scorer_calls, second.cost.scores_remembered), (40, 40));
    assert!(second[0].score >= first[0].score);

    // Stages work one after the other: what is known is enough, and the five are to differ from each other.
    let varied = docs.search(&query).k(5).rerank(scored().budget(0)).rerank(Mmr::new(0.7)).run()?;
    show("varied", &varied);
    assert_eq!(varied.cost.scorer_calls, 0);
    Ok(())
}
