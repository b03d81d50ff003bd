//! `foretaste compact`: gives the space of deleted and replaced rows back.

use std::path::Path;

use foretaste::Stats;
use serde_json::json;

use crate::interrupt;
use crate::output::{Outcome, Output, bytes, plural};
use crate::progress::Progress;

/// Compacts every collection of a database.
pub fn run(db: &Path, out: &mut Output) -> Outcome {
    let database = super::write(db, false)?;
    let before = database.stats()?;
    let progress = Progress::start("compacting", "rows");
    database.compact(|done, total| {
        progress.show(done, Some(total), None);
        !interrupt::wanted()
    })?;
    let seconds = progress.end();
    let after = database.stats()?;
    database.close()?;
    let (before, after) = ((size(&before), segments(&before)), (size(&after), segments(&after)));
    if out.json {
        return out.json(&json!({
            "bytes_before": before.0, "bytes_after": after.0,
            "segments_before": before.1, "segments_after": after.1, "seconds": seconds,
        }));
    }
    out.line(format!(
        "{} in {}, before {} in {}, {seconds:.2} s",
        bytes(after.0),
        plural(after.1, "segment"),
        bytes(before.0),
        plural(before.1, "segment")
    ))
}

/// Bytes of everything that is in use, the log included.
pub fn size(stats: &Stats) -> u64 {
    stats.bytes_log + stats.collections.iter().map(|c| c.bytes_live + c.bytes_dead).sum::<u64>()
}

fn segments(stats: &Stats) -> u64 {
    stats.collections.iter().map(|c| c.segments as u64).sum()
}
