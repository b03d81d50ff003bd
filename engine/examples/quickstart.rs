//! The shortest whole program: write rows with documents, find the nearest that pass a filter, close, and open again.
//!
//! `cargo run --release -p foretaste --example quickstart`
//!
//! Reads from: a database in a temporary folder. Writes to: it, and standard output. Never: a file that stays.

use foretaste::{ColumnType, Database, Error, Metric, Schema};
use serde_json::json;

/// Prints `hunde at 0.094`.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notes.ft");
    let db = Database::open(&path)?;
    let schema = Schema::new(3, Metric::Cosine).column("year", ColumnType::Int);
    let docs = db.create_collection("docs", schema)?;

    let mut batch = docs.batch();
    batch.upsert("fox", &[0.9, 0.1, 0.0]).payload(json!({"lang": "en", "year": 2020}));
    batch.upsert("hunde", &[0.7, 0.4, 0.1]).payload(json!({"lang": "de", "year": 2022}));
    batch.upsert(42, &[0.0, 0.2, 1.0]).payload(json!({"lang": "en", "year": 2023}));
    batch.commit()?; // all three rows are safe on the disk, or none is there

    let hits = docs.search(&[1.0, 0.1, 0.0]).k(1).filter("year > 2020").run()?;
    for hit in &*hits {
        println!("{} at {:.3}", hit.id, hit.distance);
    }
    assert_eq!(hits[0].id, "hunde".into());

    // An error says what is wrong and where, so that a program can act on it.
    match docs.upsert("short", &[1.0, 0.0]) {
        Err(Error::DimensionMismatch { expected, got, .. }) => println!("{got} numbers, not {expected}"),
        other => other?,
    }

    // A view stays as it is, whatever is written meanwhile.
    let before = docs.snapshot();
    docs.delete("fox")?;
    assert_eq!((before.len(), docs.len()), (3, 2));

    drop(before);
    db.close()?;
    let db = Database::options().read_only(true).open(&path)?;
    let record = db.collection("docs")?.get(42)?.ok_or("the row is gone")?;
    assert_eq!(record.payload, Some(json!({"lang": "en", "year": 2023})));
    Ok(())
}
