//! `foretaste search`: the rows nearest to a vector, or to each vector of a file.

use std::time::Duration;

use foretaste::lang::{Filter, FilterError};
use foretaste::{Collection, Cost, Error, Hit, Revision, SearchParams, import};
use serde_json::{Value, json};

use crate::args::Search;
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, bytes, count, say};
use crate::repaint::{follow, progress, repaint, summary};

/// Query vectors read from a file at a time.
const READ_ROWS: usize = 256;

/// Answers the query, or each of the file.
pub fn run(args: &Search, out: &mut Output) -> Outcome {
    let filter =
        args.filter.as_deref().map(|text| Filter::parse(text).map_err(|e| Failure::of_filter(e, text)));
    let params = params(args, filter.transpose()?);
    let vector = args.query.vector.as_deref().map(vector).transpose()?;
    let collection = super::read_collection(&args.of)?;
    let ask = |query: &[f32], number, out: &mut Output| {
        let search = collection.search(query).with(params.clone());
        if args.progressive { settle(search, args, number, out) } else { at_once(search, args, number, out) }
    };

    if let Some(file) = &args.query.query_file {
        let mut reader = import::open(file, &import::Options::default())?;
        let mut rows = import::Rows::default();
        while reader.read(READ_ROWS, &mut rows)? > 0 {
            for (query, number) in rows.vectors.chunks(reader.dim().max(1)).zip(rows.first..) {
                ask(query, Some(number), out).map_err(|e| e.under(file.display()))?;
            }
            rows.clear();
        }
        return Ok(());
    }
    let query = stored_or(vector, args, &collection)?;
    ask(&query, None, out)
}

fn params(args: &Search, filter: Option<Filter>) -> SearchParams {
    let mut params = SearchParams::default();
    params.k = args.k as usize;
    params.filter = filter;
    params.dims = args.dims;
    params.ef = args.ef;
    params.nprobe = args.nprobe;
    params.exact = args.exact;
    params.target_recall = args.target_recall;
    params
}

/// The vector that was given, or that of the row whose id was.
fn stored_or(vector: Option<Vec<f32>>, args: &Search, collection: &Collection) -> Outcome<Vec<f32>> {
    match (vector, &args.query.id) {
        (Some(vector), _) => Ok(vector),
        (None, Some(id)) => Ok(super::find(collection, id)?.vector),
        (None, None) => Err(Failure::usage("give --query-file, --vector or --id")),
    }
}

fn vector(text: &str) -> Outcome<Vec<f32>> {
    serde_json::from_str(text).map_err(|e| {
        Failure::usage(format!("--vector is no list of numbers: {e}"))
            .hint("write --vector '[0.1, 0.2, 0.3]'")
    })
}

/// An error of the search, with the place in the filter if that is refused.
fn failed(error: Error, args: &Search) -> Failure {
    match (error, &args.filter) {
        (Error::BadFilter { at, why, hint }, Some(text)) => {
            Failure::of_filter(FilterError { at, why, hint }, text)
        }
        (error, _) => error.into(),
    }
}

/// Shows the settled answer.
fn at_once(search: foretaste::Search, args: &Search, number: Option<u64>, out: &mut Output) -> Outcome {
    let found = search.run_with(&interrupt::wanted).map_err(|e| failed(e, args))?;
    if out.json {
        return out.json(&document(&found, &found.cost, number)?);
    }
    titled(number, out)?;
    table(&found, out)?;
    out.flush()?;
    say(format!(
        "{} rows compared, {}, {} µs",
        count(found.cost.rows_exact),
        bytes(found.cost.bytes_read),
        count(found.cost.elapsed.as_micros() as u64)
    ));
    Ok(())
}

/// Shows each revision of the answer: one over the other at a terminal, one after the other elsewhere.
fn settle(search: foretaste::Search, args: &Search, number: Option<u64>, out: &mut Output) -> Outcome {
    let mut answer = search.start().map_err(|e| failed(e, args))?;
    if !out.json && out.is_terminal() {
        titled(number, out)?;
        out.flush()?;
        let draw = |revision: &Revision| drawn(&revision.hits);
        if let Some(settled) = repaint(&mut answer, Duration::ZERO, |e| failed(e, args), draw)? {
            table(&settled.revision.hits, out)?;
            out.flush()?;
            say(summary(&settled));
        }
    } else {
        follow(
            &mut answer,
            |e| failed(e, args),
            |_, revision, first| {
                if out.json {
                    out.json(&step(&revision, number)?)?;
                } else {
                    titled(number, out)?;
                    table(&revision.hits, out)?;
                    out.line(progress(&revision, first).trim_end())?;
                }
                // What is there is to be read now.
                out.flush()
            },
        )?;
    }
    if interrupt::wanted() { Err(Error::Cancelled.into()) } else { Ok(()) }
}

/// A revision as a JSON document.
fn step(revision: &Revision, number: Option<u64>) -> Outcome<Value> {
    let mut step = document(&revision.hits, &revision.cost, number)?;
    step["revision"] = json!(revision.number);
    step["stage"] = json!(revision.stage.name());
    step["settled"] = json!(revision.settled);
    step["estimated_recall"] = json!(revision.estimated_recall);
    step["recall_lower_bound"] = json!(revision.recall_lower_bound);
    step["last"] = json!(revision.stopped_because.is_some());
    Ok(step)
}

fn titled(number: Option<u64>, out: &mut Output) -> Outcome {
    number.map_or(Ok(()), |number| out.line(format!("query {number}")))
}

/// Hits and cost as a JSON document.
fn document(hits: &[Hit], cost: &Cost, number: Option<u64>) -> Outcome<Value> {
    let hit = |hit: &Hit| -> Outcome<Value> {
        let (id, payload) = (super::id_json(&hit.id), hit.payload()?);
        Ok(json!({"id": id, "distance": hit.distance, "score": hit.score, "payload": payload}))
    };
    let mut answer = json!({
        "hits": hits.iter().map(hit).collect::<Outcome<Vec<Value>>>()?,
        "elapsed_us": cost.elapsed.as_micros() as u64,
        "cost": {"rows_exact": cost.rows_exact, "rows_refused": cost.rows_refused, "bytes_read": cost.bytes_read},
    });
    if let Some(number) = number {
        answer["query"] = json!(number);
    }
    Ok(answer)
}

fn table(hits: &[Hit], out: &mut Output) -> Outcome {
    let row = |(i, hit): (usize, &Hit)| -> Outcome<Vec<String>> {
        Ok(vec![
            (i + 1).to_string(),
            hit.id.to_string(),
            format!("{:.6}", hit.distance),
            format!("{:.6}", hit.score),
            hit.payload()?.map(|payload| payload.to_string()).unwrap_or_default(),
        ])
    };
    let rows = hits.iter().enumerate().map(row).collect::<Outcome<Vec<_>>>()?;
    out.table(&["#", "id", "distance", "score", "payload"], rows)
}

/// The table as a terminal shows it.
fn drawn(hits: &[Hit]) -> Outcome<String> {
    let mut text = Vec::new();
    let mut out = Output::to(Box::new(&mut text), false, true);
    table(hits, &mut out)?;
    out.flush()?;
    drop(out);
    Ok(String::from_utf8_lossy(&text).into_owned())
}
