//! Rows with two vectors and words: each searched by itself, and all three as one list.
//!
//! `cargo run --release -p foretaste --example fused`
//!
//! Reads from: a database in a temporary folder. Writes to: it, and standard output. Never: a file that stays.

use foretaste::{Analyser, Database, Fuse, Fusion, Language, Metric, Schema};
use serde_json::json;

/// Prints the fused list.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Database::open(folder.path().join("shop.ft"))?;
    let schema = Schema::new(3, Metric::Cosine)
        .text_by("title", Analyser::default().stemmed(Language::English))
        .field("image", Schema::new(2, Metric::L2));
    let shop = db.create_collection("shop", schema)?;

    let mut batch = shop.batch();
    let mut add = |id: i64, text: [f32; 3], image: [f32; 2], title: &str, price: i64| {
        let row = batch.upsert(id, &text).payload(json!({"title": title, "price": price}));
        row.field("image", &image);
    };
    add(1, [0.9, 0.1, 0.0], [0.0, 1.0], "Red running shoes", 90);
    add(2, [0.8, 0.3, 0.1], [0.9, 0.2], "Blue boots", 140);
    add(3, [0.1, 0.9, 0.2], [0.1, 0.9], "A red hat", 30);
    add(4, [0.0, 0.2, 1.0], [0.5, 0.5], "Umbrella", 20);
    batch.commit()?;

    let (question, picture) = ([1.0, 0.2, 0.0], [0.1, 0.9]);
    let by_image = shop.search_field("image", &picture)?.k(2).filter("price < 100").run()?;
    assert_eq!(by_image[0].id, 3.into());
    let by_words = shop.search_text("title", "a red shoe").k(2).run()?;
    assert_eq!(by_words[0].id, 1.into());

    // The search's own list, the images and the words, joined by their ranks; the words count half.
    let all = Fuse::new(Fusion::Rrf { kappa: 60.0 });
    let all = all.field("image", &picture, 1.0).text("title", "a red shoe", 0.5);
    let hits = shop.search(&question).k(3).filter("price < 100").rerank(all).run()?;
    for hit in &*hits {
        let document = hit.payload()?.unwrap_or_default();
        println!("{} {:.4} {}", hit.id, hit.score, document["title"]);
    }
    assert_eq!(hits[0].id, 1.into());
    Ok(())
}
