//! `foretaste search`: the rows nearest to a vector, or to each vector of a file.

use foretaste::lang::{Filter, FilterError};
use foretaste::{Collection, Error, Hits, import};
use serde_json::{Value, json};

use crate::args::Search;
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, bytes, count, say};

/// Query vectors read from a file at a time.
const READ_ROWS: usize = 256;

/// Answers the query, or each of the file.
pub fn run(args: &Search, out: &mut Output) -> Outcome {
    let filter =
        args.filter.as_deref().map(|text| Filter::parse(text).map_err(|e| Failure::of_filter(e, text)));
    let filter = filter.transpose()?;
    let vector = args.query.vector.as_deref().map(vector).transpose()?;
    let collection = super::read_collection(&args.of)?;
    let ask = |query: &[f32]| ask(&collection, args, filter.as_ref(), query);

    if let Some(file) = &args.query.query_file {
        let mut reader = import::open(file, &import::Options::default())?;
        let mut rows = import::Rows::default();
        while reader.read(READ_ROWS, &mut rows)? > 0 {
            for (i, query) in rows.vectors.chunks(reader.dim().max(1)).enumerate() {
                let hits = ask(query).map_err(|e| e.under(file.display()))?;
                show(&hits, Some(rows.first + i as u64), out)?;
            }
            rows.clear();
        }
        return Ok(());
    }
    let query = match (vector, &args.query.id) {
        (Some(vector), _) => vector,
        (None, Some(id)) => super::find(&collection, id)?.vector,
        (None, None) => return Err(Failure::usage("give --query-file, --vector or --id")),
    };
    show(&ask(&query)?, None, out)
}

fn ask(collection: &Collection, args: &Search, filter: Option<&Filter>, query: &[f32]) -> Outcome<Hits> {
    let mut search = collection.search(query).k(args.k as usize);
    if let Some(dims) = args.dims {
        search = search.dims(dims);
    }
    if let Some(filter) = filter {
        search = search.where_(filter.clone());
    }
    search.run_with(&interrupt::wanted).map_err(|e| match (e, &args.filter) {
        (Error::BadFilter { at, why, hint }, Some(text)) => {
            Failure::of_filter(FilterError { at, why, hint }, text)
        }
        (e, _) => Failure::from(e),
    })
}

fn vector(text: &str) -> Outcome<Vec<f32>> {
    serde_json::from_str(text).map_err(|e| {
        Failure::usage(format!("--vector is no list of numbers: {e}"))
            .hint("write --vector '[0.1, 0.2, 0.3]'")
    })
}

/// Shows an answer: a JSON document a query, or a table.
fn show(hits: &Hits, query: Option<u64>, out: &mut Output) -> Outcome {
    let payloads = hits.iter().map(|hit| hit.payload()).collect::<Result<Vec<_>, _>>()?;
    let cost = &hits.cost;
    if out.json {
        let hits = hits.iter().zip(payloads).map(|(hit, payload)| {
            json!({"id": super::id_json(&hit.id), "distance": hit.distance, "score": hit.score, "payload": payload})
        });
        let mut answer = json!({
            "hits": hits.collect::<Vec<Value>>(),
            "elapsed_us": cost.elapsed.as_micros() as u64,
            "cost": {"rows_exact": cost.rows_exact, "rows_refused": cost.rows_refused, "bytes_read": cost.bytes_read},
        });
        if let Some(query) = query {
            answer["query"] = json!(query);
        }
        return out.json(&answer);
    }
    if let Some(query) = query {
        out.line(format!("query {query}"))?;
    }
    let rows = hits.iter().zip(payloads).enumerate().map(|(i, (hit, payload))| {
        vec![
            (i + 1).to_string(),
            hit.id.to_string(),
            format!("{:.6}", hit.distance),
            format!("{:.6}", hit.score),
            payload.map(|p| p.to_string()).unwrap_or_default(),
        ]
    });
    out.table(&["#", "id", "distance", "score", "payload"], rows.collect())?;
    out.flush()?;
    say(format!(
        "{} rows compared, {}, {} µs",
        count(cost.rows_exact),
        bytes(cost.bytes_read),
        count(cost.elapsed.as_micros() as u64)
    ));
    Ok(())
}
