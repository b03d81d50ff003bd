//! The embedding model is changed while the collection is in use: an adapter for the meantime, rows embedded again, and the flip.
//!
//! `cargo run --release -p foretaste --example change_model`
//!
//! Reads from: a database in a temporary folder. Writes to: it, and standard output. Never: a file that stays.

use foretaste::{
    Database, FitOptions, Metric, NewVector, Order, Pairs, PendingRow, Rule, Schema, Space, fit_adapter,
};
use serde_json::json;

/// Stands for a new model of 16 dimensions: the vector of a text, here of its number.
fn large(text: u64) -> Vec<f32> {
    (1..17).map(|n| (((text * 7919 + 1) % 104_729 * n) as f32 * 0.0137).sin()).collect()
}

/// Stands for the old model: another view of the same, with something lost.
fn small(text: u64) -> Vec<f32> {
    let all = large(text);
    (0..12).map(|n| all[n] + 0.3 * all[n + 4]).collect()
}

/// Prints what the adapter retains, and how far the change is.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Database::open(folder.path().join("notes.ft"))?;
    let (old, new) = (Space::new("small", "1"), Space::new("large", "1"));
    let docs = db.create_collection("docs", Schema::new(12, Metric::Cosine).space(old.clone()))?;
    let mut batch = docs.batch();
    for text in 0..1000 {
        batch.upsert(text as i64, &small(text)).payload(json!({"text": text}));
    }
    batch.commit()?;

    // Texts embedded by both models say what a query of the new one is in the old space, and how much that loses.
    let from: Vec<f32> = (5000..5500).flat_map(large).collect();
    let to: Vec<f32> = (5000..5500).flat_map(small).collect();
    let (adapter, report) = fit_adapter(Pairs::new(&from, 16, &to, 12)?, &FitOptions::default(), &|| false)?;
    println!("the adapter finds {:.2} of the ten nearest", report.retention_at_10.mean);
    docs.set_rule(&new, &Rule::adapter(adapter, &report, 0.2)?)?;

    let change = docs.begin_change(Schema::new(16, Metric::Cosine).space(new.clone()))?;
    let mut waiting = change.backfill(Order::Stored)?;
    let first = waiting.next(100)?;
    let embed = |document: &serde_json::Value| large(document["text"].as_u64().unwrap_or(0));
    let again = |row: &PendingRow| row.record.payload.as_ref().map(embed).unwrap_or_default();
    let vectors: Vec<Vec<f32>> = first.iter().map(again).collect();
    let new_vector = |(row, vector)| NewVector { row, vector: Vec::as_slice(vector), variance: None };
    change.write(&first.iter().zip(&vectors).map(new_vector).collect::<Vec<_>>())?; // one durable commit
    let found = docs.search_in(&new, &large(7))?.run()?; // of both spaces
    println!("{:?} rows are there and wait; {} hits", change.progress(), found.len());
    change.run(Order::Stored, 200, |rows| Ok(rows.iter().map(again).collect()), |_, _| true)?;
    assert_eq!(change.progress(), (1000, 0));

    let docs = change.flip()?; // from now on its vectors are those of the large model
    assert_eq!(docs.search(&large(7)).k(1).run()?[0].id, 7.into());
    docs.change().ok_or("no way back")?.finish()?; // or `.flip()`, the way back
    Ok(())
}
