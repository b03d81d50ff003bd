//! `foretaste import`: a foreign file into a collection, which is created when it is missing.

use foretaste::import::{self, LoadOptions, Reader};
use foretaste::{Collection, Database, Metric, Schema};
use serde_json::json;

use crate::args::{Import, ImportFile};
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, count, say};
use crate::progress::Progress;

/// Imports the file.
pub fn run(args: &Import, out: &mut Output) -> Outcome {
    // The file first: a wrong name leaves no empty database behind.
    let reader = open(&args.from)?;
    let database = super::write(&args.into.db, true)?;
    load(&database, &args.into.collection, &args.from, reader, out)?;
    Ok(database.close()?)
}

/// Opens the file.
pub fn open(args: &ImportFile) -> Outcome<Box<dyn Reader>> {
    let reader = import::open(&args.file, &options(args))?;
    if reader.dim() == 0 {
        return Err(Failure::new(format!("{} holds no rows", args.file.display())));
    }
    Ok(reader)
}

fn options(args: &ImportFile) -> import::Options {
    import::Options { vector: args.vector.clone(), id: args.id.clone(), format: args.format }
}

/// Imports an open file into a collection.
pub fn load(
    database: &Database,
    name: &str,
    args: &ImportFile,
    mut reader: Box<dyn Reader>,
    out: &mut Output,
) -> Outcome {
    let mark = import::mark_name(&args.file, &options(args))?;
    let collection = collection(database, name, args, &*reader)?;
    let before = collection.mark(&mark).unwrap_or(0);
    if before > 0 {
        say(format!("going on after {} rows of an interrupted import", count(before)));
    }

    let options =
        LoadOptions { batch_rows: args.batch.map(|rows| rows as usize), mark: Some(mark), limit: args.limit };
    let progress = Progress::start("importing", "rows");
    let loaded = import::load(&collection, &mut *reader, &options, &mut |p| {
        match (p.rows_total, p.bytes_total) {
            (None, Some(total)) => progress.show_share(p.rows, p.bytes, total),
            _ => progress.show(p.rows, p.rows_total, Some(p.bytes)),
        }
        !interrupt::wanted()
    });
    let loaded = loaded.map_err(|e| {
        let failure = Failure::about(args.file.display(), e);
        match collection.mark(options.mark.as_deref().unwrap_or_default()) {
            Some(rows) => {
                let rows = count(rows);
                failure.hint(format!("{rows} rows of the file are in; the same command goes on after them"))
            }
            None => failure,
        }
    })?;
    let seconds = progress.end();
    let rows = collection.len();
    let rate = (loaded.rows as f64 / seconds) as u64;
    say(format!(
        "{} rows imported in {seconds:.2} s ({} rows/s, {:.1} MB/s); `{name}` holds {} rows",
        count(loaded.rows),
        count(rate),
        loaded.bytes as f64 / seconds / 1e6,
        count(rows)
    ));
    if out.json {
        out.json(&json!({
            "collection": name, "rows": rows, "rows_imported": loaded.rows, "rows_before": loaded.rows_before,
            "batches": loaded.batches, "bytes_read": loaded.bytes, "seconds": seconds,
        }))?;
    }
    Ok(())
}

/// The collection to import into. What was asked for of a new one must be true of one that exists.
fn collection(
    database: &Database,
    name: &str,
    args: &ImportFile,
    reader: &dyn Reader,
) -> Outcome<Collection> {
    if database.collections().iter().any(|known| known == name) {
        let collection = database.collection(name)?;
        fits(&collection.schema(), args, reader.dim(), name)?;
        return Ok(collection);
    }
    let hint = reader.metric_hint().and_then(|hint| hint.parse().ok());
    let metric = args.metric.or(hint).unwrap_or(Metric::Cosine);
    let schema = schema(args, reader.dim(), metric);
    let collection = database.create_collection(name, schema)?;
    say(format!("created collection `{name}`: {} dimensions, {metric}", reader.dim()));
    Ok(collection)
}

fn schema(args: &ImportFile, dim: usize, metric: Metric) -> Schema {
    let mut schema = Schema::new(dim, metric);
    if let Some(levels) = &args.levels {
        schema = schema.levels(levels.iter().copied());
    }
    if let Some(dtype) = args.dtype {
        schema = schema.element(dtype.into());
    }
    if let Some(rotation) = args.rotation {
        schema = schema.rotation(rotation.into());
    }
    args.column.iter().fold(schema, |schema, (path, kind)| schema.column(path, *kind))
}

/// Refuses options that the existing collection contradicts: they would be ignored silently.
fn fits(there: &Schema, args: &ImportFile, dim: usize, name: &str) -> Outcome {
    let asked = schema(args, dim, args.metric.unwrap_or(there.metric()));
    let differs = |option: &str, has: String| {
        let message = format!("collection `{name}` exists and has {has}, which {option} contradicts");
        Err(Failure::new(message).hint(format!("leave {option} out, or import into another collection")))
    };
    if asked.metric() != there.metric() {
        return differs("--metric", format!("the metric {}", there.metric()));
    }
    if args.levels.is_some() && asked.level_dims() != there.level_dims() {
        return differs("--levels", format!("the levels {:?}", there.level_dims()));
    }
    if args.dtype.is_some() && asked.element_type() != there.element_type() {
        return differs("--dtype", format!("numbers of type {:?}", there.element_type()));
    }
    if args.rotation.is_some() && asked.rotation_kind() != there.rotation_kind() {
        return differs("--rotation", format!("the rotation {:?}", there.rotation_kind()));
    }
    match asked.columns().iter().find(|column| !there.columns().contains(column)) {
        Some(column) => differs("--column", format!("no column {}:{}", column.path, column.kind)),
        None => Ok(()),
    }
}
