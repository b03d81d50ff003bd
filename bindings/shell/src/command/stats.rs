//! `foretaste stats`: what a database holds and what it takes on disk.

use std::path::Path;

use foretaste::Stats;

use crate::output::{Outcome, Output, bytes, count};

/// Shows the figures of a database.
pub fn run(db: &Path, out: &mut Output) -> Outcome {
    show(&super::read(db)?.stats()?, out)
}

/// Shows figures.
pub fn show(stats: &Stats, out: &mut Output) -> Outcome {
    if out.json {
        return out.json(stats);
    }
    let header = [
        "collection",
        "rows",
        "dim",
        "levels",
        "metric",
        "dtype",
        "segments",
        "fresh",
        "live",
        "dead",
        "index",
        "index size",
        "unindexed",
    ];
    let rows = stats.collections.iter().map(|c| {
        let levels: Vec<String> = c.levels.iter().map(usize::to_string).collect();
        vec![
            c.name.clone(),
            count(c.rows),
            c.dim.to_string(),
            levels.join(","),
            c.metric.clone(),
            c.element.clone(),
            c.segments.to_string(),
            count(c.rows_fresh),
            bytes(c.bytes_live),
            bytes(c.bytes_dead),
            c.index.clone(),
            bytes(c.bytes_index),
            count(c.rows_unindexed),
        ]
    });
    if stats.collections.is_empty() {
        out.line("no collections")?;
    } else {
        out.table(&header, rows.collect())?;
    }
    out.line(format!("log {}, retired {}", bytes(stats.bytes_log), bytes(stats.bytes_retired)))?;
    if let Some(why) = &stats.upkeep_failure {
        out.line(format!("the last upkeep failed: {}", crate::output::clean(why)))?;
    }
    if let Some(why) = &stats.build_failure {
        out.line(format!("the last building of indexes failed: {}", crate::output::clean(why)))?;
    }
    for why in stats.collections.iter().flat_map(|c| &c.index_damage) {
        out.line(format!("searched without its index: {}", crate::output::clean(why)))?;
    }
    Ok(())
}
