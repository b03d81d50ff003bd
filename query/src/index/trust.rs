//! How far an index's answer can be trusted while it is being searched, by how far the search has come.
//!
//! One number tells it: the *reach*, the squared distance of the candidate that would be looked at next over that of the last
//! row wanted so far. It has no unit, so that what was measured for some queries holds for others, near or far; stopping where
//! it is large enough is the adaptive beam search of Al-Jazzazi and others (2025, arXiv 2505.15636). What the recall is at each
//! reach is measured ([`calibrate`]): how much on average, and how much in all but few searches.
//!
//! Lower bounds are conformal: a query from where the tried ones were from has less in one of twenty cases at most
//! (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005).
//!
//! Reads from: an index, its rows. Writes to: a small table. Never: a number without a measurement behind it.

mod calibrate;

use bincode::{Decode, Encode};
use foretaste_storage::codec::meta;
use foretaste_storage::{Error, Result};
use std::path::Path;

pub use calibrate::calibrate;

/// Reaches that the table has a line for.
const REACHES: [f32; 20] =
    [0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.5, 5.0];
/// Numbers of rows wanted that it has been measured for.
const COUNTS: [u32; 3] = [1, 10, 100];
/// Parts of the list that are told apart: its first fifth, and so on.
pub const PARTS: usize = 5;
/// In one of so many searches a lower bound may not hold.
const MISSED: f64 = 0.05;
/// Fewer queries than this say nothing about one in twenty.
const LEAST_QUERIES: usize = 40;

/// What was measured of an index.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Trust {
    /// For each of [`COUNTS`] a line for each of [`REACHES`]: of what a look at the search shows.
    looks: Vec<Vec<Line>>,
    /// The same of what is found when the search ends there, and its rows are put in their exact order.
    ends: Vec<Vec<Line>>,
    /// How many queries it was measured with.
    queries: u32,
}

/// What holds of a search when it has come as far as one reach.
#[derive(Debug, Clone, Copy, PartialEq, Default, Encode, Decode)]
struct Line {
    /// Mean recall.
    recall: f32,
    /// Recall in all but few searches.
    low: f32,
    /// In all but few searches this part of the list, from its beginning, is what it will be.
    settled: f32,
    /// For each part of the list, how many of its rows are among the true nearest.
    right: [f32; PARTS],
}

/// How far an answer can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The recall to be expected.
    pub recall: f64,
    /// The recall is at least this in 19 of 20 searches.
    pub low: f64,
    /// So many of the first rows are what they will be, in 19 of 20 searches.
    pub settled: usize,
    /// For each fifth of the list, how likely one of its rows is among the true nearest; see [`Estimate::right`].
    pub right: [f32; PARTS],
    /// How many rows are wanted.
    pub count: usize,
}

impl Trust {
    /// What to expect of the nearest `count` that a look shows at a search that has come as far as `reach`.
    pub fn look(&self, count: usize, reach: f32) -> Option<Estimate> {
        estimate(table(&self.looks, count)?, count, reach)
    }

    /// What to expect of the nearest `count` in their exact order, when a search ends that has come as far as `reach`.
    pub fn end(&self, count: usize, reach: f32) -> Option<Estimate> {
        estimate(table(&self.ends, count)?, count, reach)
    }

    /// The least reach at which the recall of the nearest `count` is expected to be at least `target`; infinity when it is not known
    /// to be so at any.
    pub fn reach(&self, count: usize, target: f64) -> Option<f32> {
        let table = table(&self.ends, count)?;
        // One more query that finds nothing, as conformal risk control asks for.
        let n = f64::from(self.queries);
        let enough = |line: &Line| n * f64::from(line.recall) / (n + 1.0) >= target;
        let at = table.iter().position(enough);
        Some(at.and_then(|at| REACHES.get(at)).copied().unwrap_or(f32::INFINITY))
    }

    /// As bytes.
    ///
    /// # Errors
    /// None that a table can have.
    pub fn encode(&self) -> Result<Vec<u8>> {
        meta::encode(self)
    }

    /// From bytes of the file `name`.
    ///
    /// # Errors
    /// `Corrupt` when they are no table, or one with numbers that are no shares.
    pub fn decode(bytes: &[u8], name: &Path) -> Result<Trust> {
        let trust: Trust = meta::decode(bytes, name, 0)?;
        let share = |x: f32| (0.0..=1.0).contains(&x);
        let sound = |line: &Line| {
            share(line.recall)
                && share(line.low)
                && share(line.settled)
                && line.right.iter().all(|r| share(*r))
        };
        let table = |table: &Vec<Line>| table.len() == REACHES.len() && table.iter().all(sound);
        let whole =
            [&trust.looks, &trust.ends].iter().all(|t| t.len() == COUNTS.len() && t.iter().all(table));
        if whole {
            Ok(trust)
        } else {
            Err(Error::corrupt(name, 0, "the table of confidence contradicts itself"))
        }
    }
}

/// The table for the number of rows wanted that is most like `count`.
fn table(tables: &[Vec<Line>], count: usize) -> Option<&[Line]> {
    let off = |c: &u32| (f64::from(*c).ln() - (count.max(1) as f64).ln()).abs();
    let nearest = (0..COUNTS.len()).min_by(|a, b| off(&COUNTS[*a]).total_cmp(&off(&COUNTS[*b])))?;
    tables.get(nearest).map(Vec::as_slice)
}

fn estimate(table: &[Line], count: usize, reach: f32) -> Option<Estimate> {
    let at = REACHES.partition_point(|r| *r <= reach);
    let line = |at: usize| at.checked_sub(1).and_then(|at| table.get(at)).copied().unwrap_or_default();
    let (mut line, next) = (line(at), line((at + 1).min(REACHES.len())));
    // What is known in all but few searches holds from a reach on; what is so on average grows between two of them.
    if let (Some(from), Some(to)) = (at.checked_sub(1).and_then(|at| REACHES.get(at)), REACHES.get(at)) {
        let part = ((reach - from) / (to - from)).clamp(0.0, 1.0);
        line.recall += part * (next.recall - line.recall);
        for (right, next) in line.right.iter_mut().zip(next.right) {
            *right += part * (next - *right);
        }
    }
    Some(Estimate {
        recall: line.recall.into(),
        low: line.low.into(),
        settled: (f64::from(line.settled) * count as f64 + 1e-4) as usize,
        right: line.right,
        count,
    })
}

impl Estimate {
    /// How likely it is that the row at `place`, counted from 0, is among the true nearest.
    pub fn right(&self, place: usize) -> f64 {
        let part = (place * PARTS / self.count.max(1)).min(PARTS - 1);
        self.right.get(part).copied().unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests;
