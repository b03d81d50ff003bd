//! One search as a live answer: a list that is useful at once and gets better, a second page, and another query.
//!
//! `cargo run --release -p foretaste --example settling`
//!
//! Reads from: a database in a temporary folder. Writes to: it, and standard output. Never: a file that stays.

use foretaste::{Database, HnswParams, Metric, Schema, Spec};

/// Prints each revision of an answer with what it says of itself.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Database::open(folder.path().join("settling.ft"))?;
    let docs = db.create_collection("docs", Schema::new(32, Metric::Cosine))?;
    let vector = |row: usize| -> Vec<f32> {
        (1..33).map(|n| (((row * 7919 + 1) % 104_729 * n * n) as f32 * 0.0137).sin()).collect()
    };
    let mut batch = docs.batch();
    for row in 0..20_000 {
        batch.upsert(row as i64, &vector(row));
    }
    batch.commit()?;
    docs.optimize(Spec::Hnsw(HnswParams::default()), |_| true)?;

    let mut answer = docs.search(&vector(99_001)).k(10).ef(200).start()?;
    let canceller = answer.canceller(); // for another thread: a key that was pressed, a client that is gone
    let mut last = None;
    while let Some(revision) = answer.next()? {
        println!(
            "after {:>6.0?} by {:?}: {} of {} hits are settled, {:.2} of the ten nearest expected",
            revision.cost.elapsed,
            revision.stage,
            revision.settled,
            revision.hits.len(),
            revision.estimated_recall.unwrap_or(f64::NAN),
        );
        last = Some(revision);
    }
    let last = last.ok_or("no revision")?;
    assert_eq!((last.settled, last.hits.len(), canceller.is_cancelled()), (10, 10, false));

    // Scrolling down: the ten behind.
    let page = answer.page()?;
    assert!(page.hits.iter().all(|hit| last.hits.iter().all(|shown| shown.id != hit.id)));

    // Typing on: the same filter, effort and stages for another query.
    answer.requery(&vector(17))?;
    let nearest = answer.by_ref().last().ok_or("no revision")??;
    assert_eq!(nearest.hits[0].id, 17.into());
    Ok(())
}
