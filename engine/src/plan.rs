//! How each part of a snapshot is gone through for one search, and why: by what it would cost.
//!
//! | way | reads | for |
//! | --- | --- | --- |
//! | scan | every row's vector, in order | few rows, no index, or k near the number of rows |
//! | matches | the vectors of the rows that pass | filters that few rows pass |
//! | index | the records that the index leads to | everything else |
//!
//! An index that is asked with a filter keeps as many candidates more as fewer rows pass. When it finds fewer than it should,
//! because the rows that pass are far from the query, the matches are read after all: an answer is never short of k while
//! k rows match.
//!
//! Reads from: counts. Writes to: nothing. Never: a row's vector.

use std::fmt;

/// What one step of an index costs, in nanoseconds: measured, about right, and only ever compared with the others.
const STEP: u64 = 350;
/// What one row read out of order costs, before its bytes.
const ROW: u64 = 60;
/// Bytes that are read in a nanosecond, in order and out of order.
const IN_ORDER: u64 = 14;
const OUT_OF_ORDER: u64 = 10;
/// What comparing a centroid, and a row of a cell, costs.
const CENTROID: u64 = 15;
const CELL_ROW: u64 = 4;
/// Steps before the base layer's beam.
const DESCENT: u64 = 20;

/// What is known of a part before it is gone through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub rows: u64,
    pub dead: u64,
    /// Bytes of a vector, as far as the search compares it.
    pub bytes: u64,
    /// Rows that pass the filter, where its indexes say; `None` without a filter.
    pub matching: Option<(u64, u64)>,
    pub index: Option<Cells>,
    /// Whether the rows that pass can be listed without asking every row.
    pub listed: bool,
    pub ef: u64,
}

/// The index of a part: what of an inverted file a search goes through, nothing of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cells {
    /// How many cells there are; 0 for a graph.
    pub all: u64,
    /// How many of them are asked for.
    pub probed: u64,
}

/// How a part is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every row is compared.
    Scan,
    /// The rows that pass the filter are compared.
    Matches,
    /// The index is asked.
    Index {
        /// Candidates that a graph keeps.
        ef: usize,
        /// Cells of an inverted file that are gone through; 0 for a graph.
        cells: usize,
    },
}

/// How a part was gone through, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Rows in it, deleted ones too.
    pub rows: u64,
    /// Deleted rows.
    pub dead: u64,
    /// At least and at most so many rows pass the filter; `None` without one.
    pub matching: Option<(u64, u64)>,
    /// The way that was chosen.
    pub way: Way,
    /// What each way was thought to cost, in nanoseconds: scan, matches, index. `None` where it was not possible.
    pub costs: [Option<u64>; 3],
    /// Whether the index found too few and the matches were read after all.
    pub fell_back: bool,
}

/// The cheapest way.
pub(crate) fn decide(known: &Known) -> Decision {
    let live = known.rows.saturating_sub(known.dead);
    let (least, most) = known.matching.unwrap_or((live, live));
    // The middle of what is known, and no more rows than live ones.
    let passing = (least.saturating_add(most) / 2).clamp(1, live.max(1));
    let scan = known.rows * (known.bytes / IN_ORDER + 5);
    let matches = known.listed.then(|| passing * (ROW + known.bytes / OUT_OF_ORDER));
    let ef = known.ef.saturating_mul(known.rows).div_ceil(passing).min(known.rows.max(1));
    // The rows that pass are farther apart, so more of both have to be gone through.
    let probed = known
        .index
        .map_or(0, |cells| cells.probed.saturating_mul(live.max(1)).div_ceil(passing).min(cells.all));
    let index = known.index.map(|cells| match cells.all {
        0 => (ef + DESCENT) * STEP,
        all => all * CENTROID + probed * (known.rows / all + 1) * CELL_ROW,
    });
    let costs = [Some(scan), matches, index];
    let way = match costs {
        [_, Some(m), Some(i)] if m <= i && m <= scan => Way::Matches,
        [_, Some(m), None] if m <= scan => Way::Matches,
        [_, _, Some(i)] if i <= scan => Way::Index { ef: ef as usize, cells: probed as usize },
        _ => Way::Scan,
    };
    Decision { rows: known.rows, dead: known.dead, matching: known.matching, way, costs, fell_back: false }
}

impl Decision {
    /// Steps after which reading the matches would have been cheaper.
    pub(crate) fn steps(&self) -> u64 {
        let [scan, matches, _] = self.costs;
        matches.or(scan).unwrap_or(u64::MAX) / STEP + DESCENT
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if self.dead > 0 {
            write!(f, ", {} deleted", self.dead)?;
        }
        match self.matching {
            Some((least, most)) if least == most => write!(f, ", {least} pass the filter")?,
            Some((least, most)) => write!(f, ", {least} to {most} pass the filter")?,
            None => {}
        }
        match self.way {
            Way::Scan => write!(f, ": every row compared")?,
            Way::Matches => write!(f, ": the rows that pass compared")?,
            Way::Index { ef, cells: 0 } => write!(f, ": graph asked with {ef} candidates")?,
            Way::Index { cells, .. } => write!(f, ": {cells} cells gone through")?,
        }
        let names = ["scan", "matches", "index"];
        let costs = names.iter().zip(self.costs).filter_map(|(name, cost)| Some((name, cost?)));
        for (i, (name, cost)) in costs.enumerate() {
            let before = if i == 0 { " (estimated µs: " } else { ", " };
            write!(f, "{before}{name} {}", cost.div_ceil(1000))?;
        }
        write!(f, ")")?;
        if self.fell_back {
            write!(f, "; it found too few, so the rows that pass were compared")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(rows: u64, matching: Option<u64>) -> Known {
        Known {
            rows,
            dead: 0,
            bytes: 1536,
            matching: matching.map(|m| (m, m)),
            index: Some(Cells { all: 0, probed: 0 }),
            listed: matching.is_some(),
            ef: 64,
        }
    }

    #[test]
    fn few_matches_are_read_many_are_found_by_the_index_and_small_parts_are_scanned() {
        assert_eq!(decide(&known(50_000, None)).way, Way::Index { ef: 64, cells: 0 });
        assert_eq!(decide(&known(50_000, Some(25_000))).way, Way::Index { ef: 128, cells: 0 });
        assert_eq!(decide(&known(50_000, Some(50))).way, Way::Matches);
        assert_eq!(decide(&known(100, None)).way, Way::Scan);
        assert_eq!(decide(&Known { index: None, ..known(50_000, None) }).way, Way::Scan);
        assert_eq!(decide(&Known { index: None, ..known(50_000, Some(5)) }).way, Way::Matches);
        // As many candidates as rows: a scan reads them in order.
        assert_eq!(decide(&Known { ef: 50_000, ..known(50_000, None) }).way, Way::Scan);
        // Nothing can be listed: the filter is asked on the way.
        let blind = Known { matching: Some((0, 50_000)), listed: false, ..known(50_000, None) };
        assert_eq!(decide(&blind).way, Way::Index { ef: 128, cells: 0 });
    }

    #[test]
    fn a_decision_says_what_it_knew_and_what_it_chose() {
        let text = decide(&known(50_000, Some(50))).to_string();
        assert!(text.starts_with("50000 rows, 50 pass the filter: the rows that pass compared"), "{text}");
        assert!(text.contains("index"), "{text}");
    }
}
