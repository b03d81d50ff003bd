//! Measures how much a search has found by how far it has come, with queries whose neighbours are known.
//!
//! Reads from: an index, its rows. Writes to: a table. Never: a row's own place among its neighbours; it is left out of the
//! search that looks for them.

use std::collections::HashSet;
use std::sync::OnceLock;

use foretaste_storage::Result;

use crate::index::parallel::try_map_chunks;
use crate::index::trust::{COUNTS, LEAST_QUERIES, Line, MISSED, PARTS, REACHES, Trust};
use crate::index::{Ask, HeldOut, Index, Query, Scratch, Source, read};
use crate::metric::Metric;

/// Steps between two looks at a search that is tried.
const STEPS: u64 = 3;
/// Candidates that it keeps, for each row wanted and at least.
const EF: (usize, usize) = (6, 300);
/// Queries that a thread takes at a time.
const CHUNK: usize = 8;

/// What one search had found at each reach: as a look shows it, and had it ended there.
type Course = Vec<(Seen, Seen)>;

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    found: usize,
    settled: usize,
    right: [usize; PARTS],
}

/// Tries searches for the neighbours of some of the index's own rows. `None` when there are too few of them, or `progress`
/// cancels by giving false.
///
/// # Errors
/// Those of the source and the index.
pub fn calibrate(
    index: &Index,
    source: &dyn Source,
    metric: Metric,
    held_out: &HeldOut,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Result<Option<Trust>> {
    if held_out.len() < LEAST_QUERIES {
        return Ok(None);
    }
    let failed = OnceLock::new();
    let courses = try_map_chunks(held_out.len(), CHUNK, threads, progress, |range| {
        let some = held_out.get(range).unwrap_or_default();
        let tried = some.iter().map(|(row, near)| try_one(index, source, metric, *row, near));
        match tried.collect::<Result<Vec<[Course; COUNTS.len()]>>>() {
            Ok(courses) => courses,
            Err(e) => {
                let _ = failed.set(e);
                Vec::new()
            }
        }
    });
    if let Some(e) = failed.into_inner() {
        return Err(e);
    }
    let Some(courses) = courses else { return Ok(None) };
    let courses: Vec<[Course; COUNTS.len()]> = courses.into_iter().flatten().collect();
    let tables = |of: &dyn Fn(&(Seen, Seen)) -> Seen| -> Vec<Vec<Line>> {
        let table = |(which, count): (usize, u32)| {
            let lines = (0..REACHES.len()).map(|reach| {
                let seen = courses.iter().filter_map(|course| course.get(which)?.get(reach).map(of));
                line(&seen.collect::<Vec<Seen>>(), count as usize)
            });
            rising(lines.collect())
        };
        (0..).zip(COUNTS).map(table).collect()
    };
    let (looks, ends) = (tables(&|seen| seen.0), tables(&|seen| seen.1));
    Ok(Some(Trust { looks, ends, queries: courses.len() as u32 }))
}

/// Looks for the neighbours of one row.
fn try_one(
    index: &Index,
    source: &dyn Source,
    metric: Metric,
    row: u32,
    near: &[u32],
) -> Result<[Course; COUNTS.len()]> {
    let mut vector = Vec::new();
    read::rows(source, row..row + 1, index.dims(), &mut vector)?;
    let query = Query::new(&vector, index.dims(), metric);
    // Codes chose these; the vectors order them.
    let (mut truth, mut numbers) = (Vec::with_capacity(near.len()), Vec::new());
    for other in near {
        read::rows(source, *other..*other + 1, index.dims(), &mut numbers)?;
        truth.push((query.exact(&numbers), *other));
    }
    truth.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let truth: Vec<u32> = truth.into_iter().map(|(_, row)| row).collect();
    let (mut scratch, mut courses): (_, [Course; COUNTS.len()]) = (Scratch::lend(), Default::default());
    for (course, count) in courses.iter_mut().zip(COUNTS) {
        *course = follow(index, &vector, row, &truth, count as usize, &mut scratch)?;
    }
    Ok(courses)
}

/// What a search for the nearest `count` had found when it had come as far as each reach.
fn follow(
    index: &Index,
    vector: &[f32],
    row: u32,
    truth: &[u32],
    count: usize,
    scratch: &mut Scratch,
) -> Result<Course> {
    let other = |found: u32| Ok(found != row);
    let ask = Ask {
        vector,
        ef: (count * EF.0).max(EF.1),
        nprobe: index.cells() as usize,
        wanted: (count * 4).max(count + 64),
        accept: Some(&other),
        share: None,
        without: Some(row),
        cancel: &|| false,
        steps: u64::MAX,
    };
    let nearest = truth.get(..count).unwrap_or(truth);
    let mut course = Course::with_capacity(REACHES.len());
    let mut session = index.start(&ask, scratch)?;
    let mut more = true;
    while course.len() < REACHES.len() {
        let reach = session.reach(count, scratch);
        let next = REACHES.get(course.len()).copied().unwrap_or(f32::INFINITY);
        if more && reach < next {
            more = session.advance(&ask, STEPS, scratch)?;
            continue;
        }
        let read: HashSet<u32> = session.read(scratch).iter().map(|found| found.row).collect();
        let end = truth.iter().copied().filter(|row| read.contains(row)).take(count);
        let end = compare(end, nearest);
        let found = session.look(&ask, count, scratch)?;
        let seen = (compare(found.iter().take(count).map(|found| found.row), nearest), end);
        // A search that is at its end stays as it is for whatever is beyond.
        while course.len() < REACHES.len() && (!more || reach >= REACHES[course.len()]) {
            course.push(seen);
        }
    }
    Ok(course)
}

/// How much of `nearest`, which is in its true order, a list has.
fn compare(list: impl Iterator<Item = u32>, nearest: &[u32]) -> Seen {
    let mut seen = Seen::default();
    let mut same = true;
    for (place, row) in list.enumerate() {
        same &= nearest.get(place) == Some(&row);
        seen.settled += usize::from(same);
        if nearest.contains(&row) {
            seen.found += 1;
            seen.right[(place * PARTS / nearest.len().max(1)).min(PARTS - 1)] += 1;
        }
    }
    seen
}

fn line(seen: &[Seen], count: usize) -> Line {
    let n = seen.len().max(1) as f64;
    let share = |x: f64| (x.clamp(0.0, 1.0)) as f32;
    let mean = |of: &dyn Fn(&Seen) -> usize| seen.iter().map(|s| of(s) as f64).sum::<f64>() / n;
    // The value that all but few are not below, were one more query to be drawn from where these are from.
    let low = |of: &dyn Fn(&Seen) -> usize| {
        let mut all: Vec<usize> = seen.iter().map(of).collect();
        all.sort_unstable();
        let rank = ((n + 1.0) * MISSED).floor() as usize;
        rank.checked_sub(1).and_then(|rank| all.get(rank)).copied().unwrap_or(0) as f64
    };
    let count = count as f64;
    let mut right = [0.0; PARTS];
    for (part, right) in right.iter_mut().enumerate() {
        let places =
            (0..count as usize).filter(|place| (place * PARTS / count as usize).min(PARTS - 1) == part);
        let places = places.count().max(1) as f64;
        *right = share(mean(&|s| s.right[part]) / places);
    }
    Line {
        recall: share(mean(&|s| s.found) / count),
        low: share(low(&|s| s.found) / count),
        settled: share(low(&|s| s.settled) / count),
        right,
    }
}

/// Going on finds no less, so that a line is at least the one before it.
fn rising(mut lines: Vec<Line>) -> Vec<Line> {
    let mut before = Line::default();
    for line in &mut lines {
        line.recall = line.recall.max(before.recall);
        line.low = line.low.max(before.low);
        line.settled = line.settled.max(before.settled);
        for (right, before) in line.right.iter_mut().zip(before.right) {
            *right = right.max(before);
        }
        before = *line;
    }
    lines
}
