//! `foretaste get`: one row.

use serde_json::{Value, json};

use crate::args::Target;
use crate::output::{Outcome, Output, clean};

/// Numbers of a vector that are shown to a person.
const SHOWN: usize = 8;

/// Shows the row with the id `id`.
pub fn run(of: &Target, id: &str, out: &mut Output) -> Outcome {
    let collection = super::read_collection(of)?;
    let record = super::find(&collection, id)?;
    let token_dim = collection.schema().token_kind().map_or(1, |(dim, _)| dim);
    if out.json {
        let mut row = json!({
            "id": super::id_json(&record.id), "vector": record.vector, "payload": record.payload,
            "version": record.version,
        });
        if !record.variance.is_empty() {
            row["variance"] = json!(record.variance);
        }
        if !record.tokens.is_empty() {
            row["tokens"] = record.tokens.chunks(token_dim).map(|token| json!(token)).collect();
        }
        return out.json(&row);
    }
    out.line(format!("id       {}", clean(&record.id.to_string())))?;
    out.line(format!("vector   {}", numbers(&record.vector)))?;
    if !record.variance.is_empty() {
        out.line(format!("variance {}", numbers(&record.variance)))?;
    }
    if !record.tokens.is_empty() {
        let tokens = record.tokens.len() / token_dim;
        out.line(format!("tokens   {tokens} of {token_dim} numbers each"))?;
    }
    for (name, value) in record.payload.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        out.line(format!("{:8} {}", clean(name), clean(&text)))?;
    }
    Ok(())
}

fn numbers(values: &[f32]) -> String {
    let shown: Vec<String> = values.iter().take(SHOWN).map(|v| format!("{v:.4}")).collect();
    let more = if values.len() > SHOWN { ", …" } else { "" };
    format!("[{}{more}] {} numbers", shown.join(", "), values.len())
}
