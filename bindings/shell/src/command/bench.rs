//! `foretaste bench`: how much of the true answer searches find, how fast, and what the index costs.
//!
//! The file's rows go into a database; then, for each index asked for, it is built, the effort is swept, and the answers
//! are compared with the file's own neighbours. One query at a time, on one thread.

mod data;
mod measure;
mod plot;
pub mod progressive;
mod report;
mod system;
mod truth;

use std::path::Path;
use std::time::Instant;

use foretaste::import::{self, LoadOptions};
use foretaste::{Access, Collection, Database, RotationKind, Schema, Spec};

use crate::args::{Bench, IndexKind};
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, count, say};
use crate::progress::Progress;
use data::DataSet;
use measure::Asked;
use plot::Speeds;
use progressive::draw::Courses;
use report::{Curve, Indexed, Report};
use truth::Truth;

const COLLECTION: &str = "bench";
/// Efforts of a sweep when none are given.
const EFS: [usize; 12] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400, 600];
const NPROBES: [usize; 12] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/// Measures the file.
pub fn run(args: &Bench, out: &mut Output) -> Outcome {
    let data = DataSet::read(&args.file, args.queries as usize)?;
    if let Some(plot) = &args.plot {
        plot::format(plot)?;
    }
    let temporary = tempfile::Builder::new().prefix("foretaste-bench-").tempdir();
    let temporary = temporary.map_err(|e| Failure::new(format!("cannot make a temporary folder: {e}")))?;
    let place = args.db.clone().unwrap_or_else(|| temporary.path().join("bench.ft"));
    let import_seconds = fill(args, &data, &place)?;

    let mut report = Report::new(&data, import_seconds);
    let truth = match &args.filter {
        None => data.truth(),
        Some(_) => filtered(args, &data, &place)?,
    };
    for index in &args.index {
        let (indexed, database) = build(args, *index, &place)?;
        report.indexes.push(indexed);
        let asked = asked(args, data.dim, *index);
        if let Some(database) = database {
            report.progressive.extend(progressive::measure(args, &data, &truth, &asked, database, &place)?);
            continue;
        }
        for asked in asked {
            let (curve, resident) = sweep(args, &data, &truth, asked, &place)?;
            report.curves.push(curve);
            if let Some(built) = report.indexes.last_mut() {
                built.resident_mb = resident;
            }
        }
    }
    if let Some(plot) = &args.plot {
        if args.progressive {
            plot::draw(plot, &Courses(&report))?;
        } else {
            plot::draw(plot, &Speeds(&report))?;
        }
        say(format!("drew {}", plot.display()));
    }
    if let Some(file) = &args.out {
        report.write(file)?;
        say(format!("wrote {}", file.display()));
    }
    if out.json { out.json(&report) } else { report.show(out) }
}

fn levels(args: &Bench, dim: usize) -> Vec<usize> {
    if args.dims.is_empty() { vec![dim] } else { args.dims.clone() }
}

/// All that is asked of one index, but efforts.
fn asked(args: &Bench, dim: usize, index: IndexKind) -> Vec<Asked<'_>> {
    let each = |dims| {
        let asked = move |k: &u32| Asked { k: *k as usize, dims, filter: args.filter.as_deref(), index };
        args.k.iter().map(asked)
    };
    levels(args, dim).into_iter().flat_map(each).collect()
}

/// Imports the file's rows, unless they are there; gives the seconds it took.
fn fill(args: &Bench, data: &DataSet, place: &Path) -> Outcome<Option<f64>> {
    let database = Database::open(place)?;
    let levels = levels(args, data.dim);
    if database.collections().iter().any(|name| name == COLLECTION) {
        let collection = database.collection(COLLECTION)?;
        let schema = collection.schema();
        let same = schema.metric() == data.metric && schema.dim() == data.dim;
        let searchable = levels.iter().all(|dims| schema.level_dims().contains(dims));
        if collection.mark("bench").is_none() && collection.len() == data.rows && same && searchable {
            say(format!("using the {} rows in {}", count(data.rows), place.display()));
            return Ok(None);
        }
        if collection.mark("bench").is_none() {
            let why = format!("collection `{COLLECTION}` of {} holds other rows", place.display());
            return Err(Failure::new(why).hint("give a --db that is not there yet"));
        }
    } else {
        let mut nested = levels;
        nested.sort_unstable();
        database.create_collection(COLLECTION, Schema::new(data.dim, data.metric).levels(nested))?;
    }
    let collection = database.collection(COLLECTION)?;
    let mut reader = import::open(&args.file, &import::Options::default())?;
    let options = LoadOptions { mark: Some("bench".to_string()), ..LoadOptions::default() };
    let progress = Progress::start("importing", "rows");
    import::load(&collection, &mut *reader, &options, &mut |p| {
        progress.show(p.rows, p.rows_total, Some(p.bytes));
        !interrupt::wanted()
    })?;
    let seconds = progress.end();
    drop(collection);
    database.close()?;
    Ok(Some(seconds))
}

/// The true neighbours among the rows that pass the filter, by comparing each of them.
fn filtered(args: &Bench, data: &DataSet, place: &Path) -> Outcome<Truth> {
    let collection = super::read(place)?.collection(COLLECTION)?;
    let k = args.k.iter().copied().max().unwrap_or(1) as usize;
    let asked = Asked { k, dims: data.dim, filter: args.filter.as_deref(), index: IndexKind::Flat };
    let progress = Progress::start("exact answers", "queries");
    let mut truth = Truth::default();
    for query in 0..data.queries() {
        let hits = asked.search(&collection, data.query(query), 0)?;
        truth.add(hits.iter().map(|hit| (truth::row(&hit.id), hit.distance)));
        progress.show(query as u64 + 1, Some(data.queries() as u64), None);
    }
    Ok(truth)
}

/// Builds an index and says what it took. The database stays open for answers as they settle: how far they can be trusted is
/// known where the index was built.
fn build(args: &Bench, index: IndexKind, place: &Path) -> Outcome<(Indexed, Option<Database>)> {
    let database = Database::options().create(false).access(access(args.unmapped)).open(place)?;
    let collection = database.collection(COLLECTION)?;
    let progress = Progress::start("building", "rows");
    optimize(args, &collection, index, &progress)?;
    let build_seconds = progress.end();
    let stats = database.stats()?;
    let own = stats.collections.iter().find(|c| c.name == COLLECTION);
    let bytes_index = own.map_or(0, |c| c.bytes_index);
    let bytes_disk = own.map_or(0, |c| c.bytes_live + c.bytes_dead);
    drop(collection);
    let mut kept = Some(database);
    if !args.progressive {
        kept.take().map_or(Ok(()), Database::close)?;
    }
    let before = system::resident();
    let started = Instant::now();
    let collection = open(args.unmapped, place)?;
    let open_ms = started.elapsed().as_secs_f64() * 1e3;
    let query = vec![1.0; collection.schema().dim()];
    collection.search(&query).k(10).run()?;
    let indexed = Indexed {
        index,
        build_seconds,
        bytes_disk,
        bytes_index,
        open_ms,
        open_and_first_query_ms: started.elapsed().as_secs_f64() * 1e3,
        resident_before_mb: before,
        resident_mb: None,
    };
    Ok((indexed, kept))
}

/// Opens the collection as it is measured: to read, mapped or not.
fn open(unmapped: bool, place: &Path) -> Outcome<Collection> {
    Ok(Database::options().read_only(true).access(access(unmapped)).open(place)?.collection(COLLECTION)?)
}

fn access(unmapped: bool) -> Access {
    if unmapped { Access::Read } else { Access::Map }
}

fn optimize(args: &Bench, collection: &Collection, index: IndexKind, progress: &Progress) -> Outcome {
    let spec = args.build.spec(index, Spec::Auto);
    let rotation = args.build.rotation.map_or(collection.schema().rotation_kind(), RotationKind::from);
    collection.set_index(spec, rotation)?;
    collection.optimize(spec, |now| {
        progress.show((now.part * now.rows as f64) as u64, Some(now.rows), None);
        !interrupt::wanted()
    })?;
    Ok(())
}

fn efforts(args: &Bench, index: IndexKind) -> Vec<usize> {
    match index {
        IndexKind::Flat => vec![0],
        IndexKind::Auto | IndexKind::Hnsw if args.ef.is_empty() => EFS.to_vec(),
        IndexKind::Auto | IndexKind::Hnsw => args.ef.clone(),
        IndexKind::Ivf if args.nprobe.is_empty() => NPROBES.to_vec(),
        IndexKind::Ivf => args.nprobe.clone(),
    }
}

/// Measures one index at all efforts; and the memory of the process at the end, while the database is open.
fn sweep(
    args: &Bench,
    data: &DataSet,
    truth: &Truth,
    asked: Asked<'_>,
    place: &Path,
) -> Outcome<(Curve, Option<f64>)> {
    let collection = open(args.unmapped, place)?;
    let efforts = efforts(args, asked.index);
    let title = format!("{} k={} dims={}", asked.index.name(), asked.k, asked.dims);
    let progress = Progress::start(&title, "points");
    let mut curve = Curve::new(&asked);
    for (done, effort) in efforts.iter().enumerate() {
        progress.show(done as u64, Some(efforts.len() as u64), None);
        let point = measure::point(&collection, data, truth, &asked, *effort, args.runs, args.seconds)?;
        curve.points.push(point);
    }
    curve.interpolate();
    Ok((curve, system::resident()))
}
