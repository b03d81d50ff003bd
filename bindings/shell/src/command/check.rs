//! `foretaste check`: every byte of a database compared with its checksums.

use std::path::Path;
use std::process::ExitCode;

use foretaste::Options;

use crate::interrupt;
use crate::output::{FAILED, Failure, Outcome, Output, bytes, clean, count, plural};
use crate::progress::Progress;

/// Checks a database; damage is reported, and makes the exit code 1.
pub fn run(db: &Path, out: &mut Output) -> Outcome<ExitCode> {
    let progress = Progress::start("checking", "bytes");
    let report = foretaste::check(db, &Options::default(), &mut |done, total| {
        progress.show(done, Some(total), None);
        !interrupt::wanted()
    })?;
    let seconds = progress.end();
    if out.json {
        out.json(&report)?;
    } else if report.is_sound() {
        let (rows, segments) = (plural(report.rows, "row"), plural(report.segments as u64, "segment"));
        let (log, size) = (count(report.log_batches), bytes(report.bytes));
        out.line(format!(
            "sound: {rows} in {segments}, log batches {log}, {size} verified in {seconds:.2} s"
        ))?;
    } else {
        let rows = report.damage.iter();
        let rows = rows.map(|d| vec![d.file.display().to_string(), d.offset.to_string(), d.why.clone()]);
        out.table(&["damaged file", "at byte", "what is wrong"], rows.collect())?;
    }
    if !out.json {
        report.notes.iter().try_for_each(|note| out.line(format!("note: {}", clean(note))))?;
    }
    out.flush()?;
    if report.is_sound() {
        return Ok(ExitCode::SUCCESS);
    }
    let places = plural(report.damage.len() as u64, "place");
    let failure = Failure::new(format!("{} is damaged in {places}", db.display()));
    let _ = failure.hint(format!("`foretaste repair {}` saves what is whole", db.display())).report();
    Ok(ExitCode::from(FAILED))
}
