//! `foretaste export`: all rows of a collection to a file that `foretaste import` reads.
//!
//! JSONL keeps everything but variances and token matrices. CSV turns nested values into JSON text, and text that looks
//! like a number comes back as one. A `.npy` file has the vectors only, in the order of storage.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use foretaste::{Collection, Error, Record, Snapshot, Variance};
use serde_json::{Value, json};

use crate::args::{Export, ExportFile};
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, count, say};
use crate::progress::Progress;
use crate::sink::{Sink, failed};

/// Rows between two looks at whether the user wants an end.
const ROWS_A_LOOK: u64 = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Jsonl,
    Csv,
    Npy,
}

/// Exports the collection.
pub fn run(args: &Export, out: &mut Output) -> Outcome {
    form(&args.to.file)?;
    write(&super::read_collection(&args.of)?, &args.to, out)
}

/// Exports an open collection.
pub fn write(collection: &Collection, args: &ExportFile, out: &mut Output) -> Outcome {
    let (form, gzip) = form(&args.file)?;
    let snapshot = collection.snapshot();
    if snapshot.schema().variance_kind() != Variance::None {
        say("note: variances are not exported");
    }
    if snapshot.schema().token_kind().is_some() {
        say("note: token matrices are not exported");
    }
    if form == Form::Npy {
        say("note: a .npy file holds the vectors only, without ids and documents");
    }
    let mut sink = Sink::create(&args.file, gzip)?;
    let progress = Progress::start("exporting", "rows");
    let rows = match form {
        Form::Jsonl => jsonl(&snapshot, args, &mut sink, &progress),
        Form::Csv => csv(&snapshot, args, &mut sink, &progress),
        Form::Npy => npy(&snapshot, args, &mut sink, &progress),
    }?;
    sink.finish()?;
    let seconds = progress.end();
    let file = args.file.display();
    say(format!("{} rows exported to {file} in {seconds:.2} s", count(rows)));
    if out.json {
        out.json(&json!({"file": file.to_string(), "rows": rows, "seconds": seconds}))?;
    }
    Ok(())
}

fn form(file: &Path) -> Outcome<(Form, bool)> {
    let name = file.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let (inner, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |inner| (inner, true));
    let form = match inner.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jsonl" | "ndjson") => Form::Jsonl,
        Some("csv") => Form::Csv,
        Some("npy") if !gzip => Form::Npy,
        _ => {
            let failure = Failure::usage(format!("{}: cannot tell the format from the name", file.display()));
            return Err(failure.hint("the name has to end in .jsonl, .jsonl.gz, .csv, .csv.gz or .npy"));
        }
    };
    Ok((form, gzip))
}

/// Goes through all rows, with progress; `row` gives an error of the operating system or of its own.
fn each(snapshot: &Snapshot, progress: &Progress, row: &mut dyn FnMut(Record) -> Outcome) -> Outcome<u64> {
    let total = snapshot.len();
    let mut rows = 0;
    for record in snapshot.scan() {
        row(record?)?;
        rows += 1;
        if rows % ROWS_A_LOOK == 0 {
            progress.show(rows, Some(total), None);
            if interrupt::wanted() {
                return Err(Error::Cancelled.into());
            }
        }
    }
    Ok(rows)
}

fn jsonl(snapshot: &Snapshot, args: &ExportFile, sink: &mut Sink, progress: &Progress) -> Outcome<u64> {
    let (id_name, vector_name) = (json!(args.id), json!(args.vector));
    each(snapshot, progress, &mut |record| {
        free(&record, args)?;
        let id = super::id_json(&record.id);
        let mut write = || -> io::Result<()> {
            write!(sink, "{{{id_name}:{id},{vector_name}:")?;
            serde_json::to_writer(&mut *sink, &record.vector)?;
            for (name, value) in record.payload.as_ref().and_then(Value::as_object).into_iter().flatten() {
                write!(sink, ",{}:{value}", Value::from(name.as_str()))?;
            }
            writeln!(sink, "}}")
        };
        write().map_err(|e| failed(&args.file, &e))
    })
}

fn csv(snapshot: &Snapshot, args: &ExportFile, sink: &mut Sink, progress: &Progress) -> Outcome<u64> {
    // The header comes first, so the rows are gone through twice.
    let mut names = BTreeSet::new();
    each(snapshot, progress, &mut |record| {
        free(&record, args)?;
        let fields = record.payload.as_ref().and_then(Value::as_object).into_iter().flatten();
        names.extend(fields.map(|(name, _)| name.clone()));
        Ok(())
    })?;
    let wrong = |e: ::csv::Error| Failure::new(format!("cannot write {}: {e}", args.file.display()));
    let mut writer = ::csv::Writer::from_writer(sink);
    let header = [&args.id, &args.vector].into_iter().chain(&names);
    writer.write_record(header).map_err(wrong)?;
    let rows = each(snapshot, progress, &mut |record| {
        let cells = names.iter().map(|name| cell(record.payload.as_ref().and_then(|p| p.get(name))));
        let numbers: Vec<String> = record.vector.iter().map(f32::to_string).collect();
        let row = [record.id.to_string(), format!("[{}]", numbers.join(","))];
        writer.write_record(row.into_iter().chain(cells)).map_err(wrong)
    })?;
    writer.flush().map_err(|e| failed(&args.file, &e))?;
    Ok(rows)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(s)) => s.clone(),
        Some(value) => value.to_string(),
    }
}

fn npy(snapshot: &Snapshot, args: &ExportFile, sink: &mut Sink, progress: &Progress) -> Outcome<u64> {
    let dim = snapshot.schema().dim();
    let wrong = |e: io::Error| failed(&args.file, &e);
    sink.write_all(&npy_header(snapshot.len(), dim)).map_err(wrong)?;
    each(snapshot, progress, &mut |record| {
        if record.vector.len() != dim {
            let (id, got) = (&record.id, record.vector.len());
            let message =
                format!("row {id} has {got} of {dim} dimensions, and the rows of a .npy file are alike");
            return Err(Failure::new(message).hint("export to .jsonl"));
        }
        record.vector.iter().try_for_each(|v| sink.write_all(&v.to_le_bytes())).map_err(wrong)
    })
}

/// The header of an array of little-endian f32 numbers, version 1.0 of the format: a multiple of 64 bytes.
fn npy_header(rows: u64, dim: usize) -> Vec<u8> {
    const PREFIX_BYTES: usize = 10;
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let len = (PREFIX_BYTES + text.len() + 1).next_multiple_of(64) - PREFIX_BYTES;
    text += &" ".repeat(len - text.len() - 1);
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(len as u16).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header
}

/// Refuses a document that has a field of the name that the id or vector goes under.
fn free(record: &Record, args: &ExportFile) -> Outcome {
    let taken = |name: &&String| record.payload.as_ref().is_some_and(|p| p.get(name.as_str()).is_some());
    match [&args.id, &args.vector].into_iter().find(taken) {
        Some(name) => {
            let message = format!("row {}: its document has a field `{name}` of its own", record.id);
            Err(Failure::new(message).hint("name other fields with --id and --vector"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_name() {
        let form = |name: &str| form(Path::new(name)).ok();
        assert_eq!(form("a/b.JSONL"), Some((Form::Jsonl, false)));
        assert_eq!(form("b.csv.gz"), Some((Form::Csv, true)));
        assert_eq!(form("b.npy"), Some((Form::Npy, false)));
        assert_eq!((form("b.npy.gz"), form("b.parquet"), form("b")), (None, None, None));
    }

    #[test]
    fn the_numpy_header_is_aligned() {
        for rows in [0, 9, 1_000_000, u64::MAX] {
            let header = npy_header(rows, 384);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(header.last(), Some(&b'\n'));
        }
    }
}
