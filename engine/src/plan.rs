//! How each part of a snapshot is gone through for one search, and why: by what it would cost.
//!
//! | way | reads | for |
//! | --- | --- | --- |
//! | scan | every row's vector, in order | few rows, no index, or k near the number of rows |
//! | matches | the vectors of the rows that pass | filters that very few rows pass, or segments without a graph |
//! | codes | the graph's codes of the rows that pass, then the vectors of the nearest | filters that few rows pass |
//! | index | the records that the index leads to | everything else |
//!
//! An index that is asked with a filter looks into more the fewer rows pass. When it finds fewer than it should, or would take
//! longer than comparing the matches, because the rows that pass are far from the query, the matches are read after all: an
//! answer is never short of k while k rows match.
//!
//! Reads from: counts. Writes to: nothing. Never: a row's vector.

use std::fmt;

/// What one step of an index costs, in nanoseconds: measured, about right, and only ever compared with the others.
const STEP: u64 = 350;
/// What a filter adds to a step: neighbours are asked whether they pass, more of them are kept, and records are farther apart.
const ASKED: u64 = 500;
/// How many rows are asked in a step, about.
const ASKED_ROWS: u64 = 20;
/// What one row read out of order costs, before its bytes; and when only its code is read.
const ROW: u64 = 60;
const CODE: u64 = 25;
/// Bytes that are read in a nanosecond, in order and out of order.
const IN_ORDER: u64 = 14;
const OUT_OF_ORDER: u64 = 10;
/// What comparing a centroid, and a row of a cell, costs.
const CENTROID: u64 = 15;
const CELL_ROW: u64 = 4;
/// Rows that are compared without looking at their codes first.
const UNCODED: u64 = 20;
/// What the upper layers cost, in steps of the base layer, and how many steps, which are short, they take.
const DESCENT: u64 = 20;
const UPPER_STEPS: u64 = 100;

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
    /// Bytes of a row's code, where the index can compare the rows that pass by theirs.
    pub code: Option<u64>,
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
    /// Steps that a graph takes to find rows that pass a filter.
    pub among: Option<u64>,
}

/// How a part is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Every row is compared.
    Scan,
    /// The rows that pass the filter are compared.
    Matches,
    /// The rows that pass the filter are compared by the codes that the index has of them, then the nearest.
    Codes,
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
    /// At least and at most so many rows pass the filter and are sure enough; `None` where nothing is asked of either.
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
    let row = match known.code {
        Some(bytes) => CODE + bytes / OUT_OF_ORDER,
        None => ROW + known.bytes / OUT_OF_ORDER,
    };
    let matches = known.listed.then(|| passing * row);
    // What is deleted takes places among the candidates; what a filter refuses takes none.
    let ef = known.ef.saturating_mul(known.rows).div_ceil(live.max(1)).min(known.rows.max(1));
    // The rows that pass are farther apart, so more of both have to be gone through.
    let probed = known
        .index
        .map_or(0, |cells| cells.probed.saturating_mul(live.max(1)).div_ceil(passing).min(cells.all));
    let index = known.index.map(|cells| match cells.all {
        0 => match cells.among {
            Some(steps) => (steps.min(known.rows) + DESCENT) * (STEP + ASKED),
            None => (ef + DESCENT) * STEP,
        },
        all => all * CENTROID + probed * (known.rows / all + 1) * CELL_ROW,
    });
    let costs = [Some(scan), matches, index];
    let way = match costs {
        [_, Some(m), i] if i.is_none_or(|i| m <= i) && m <= scan => match known.code {
            Some(_) if passing > UNCODED => Way::Codes,
            _ => Way::Matches,
        },
        [_, _, Some(i)] if i <= scan => Way::Index { ef: ef as usize, cells: probed as usize },
        _ => Way::Scan,
    };
    Decision { rows: known.rows, dead: known.dead, matching: known.matching, way, costs, fell_back: false }
}

/// Which part of `rows` rows is thought to pass, when at least and at most `passing` do.
pub(crate) fn share(rows: u64, passing: (u64, u64)) -> f32 {
    let middle = passing.0 as f32 / 2.0 + passing.1 as f32 / 2.0;
    (middle / rows.max(1) as f32).min(1.0)
}

impl Decision {
    /// Of how many rows an index will ask whether they pass, about.
    pub(crate) fn asked(&self) -> u64 {
        self.costs[2].unwrap_or_default() / (STEP + ASKED) * ASKED_ROWS
    }

    /// Steps after which reading the matches would have been cheaper.
    pub(crate) fn steps(&self) -> u64 {
        let [scan, matches, _] = self.costs;
        matches.or(scan).unwrap_or(u64::MAX) / (STEP + ASKED) + UPPER_STEPS
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
            Way::Codes => write!(f, ": the rows that pass compared by their codes")?,
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
            index: Some(Cells { all: 0, probed: 0, among: None }),
            code: None,
            listed: matching.is_some(),
            ef: 64,
        }
    }

    #[test]
    fn few_matches_are_read_many_are_found_by_the_index_and_small_parts_are_scanned() {
        assert_eq!(decide(&known(50_000, None)).way, Way::Index { ef: 64, cells: 0 });
        assert_eq!(decide(&known(50_000, Some(25_000))).way, Way::Index { ef: 64, cells: 0 });
        assert_eq!(decide(&known(50_000, Some(50))).way, Way::Matches);
        assert_eq!(decide(&known(100, None)).way, Way::Scan);
        assert_eq!(decide(&Known { index: None, ..known(50_000, None) }).way, Way::Scan);
        assert_eq!(decide(&Known { index: None, ..known(50_000, Some(5)) }).way, Way::Matches);
        // As many candidates as rows: a scan reads them in order.
        assert_eq!(decide(&Known { ef: 50_000, ..known(50_000, None) }).way, Way::Scan);
        // Nothing can be listed: the filter is asked on the way.
        let blind = Known { matching: Some((0, 50_000)), listed: false, ..known(50_000, None) };
        assert_eq!(decide(&blind).way, Way::Index { ef: 64, cells: 0 });
        // Deleted rows take places among the candidates.
        let half = Known { dead: 25_000, ..known(50_000, None) };
        assert_eq!(decide(&half).way, Way::Index { ef: 128, cells: 0 });
    }

    #[test]
    fn codes_make_comparing_the_matches_cheaper_and_a_search_among_them_has_its_own_steps() {
        let graph = |among| Some(Cells { all: 0, probed: 0, among: Some(among) });
        let coded =
            |matching, among| Known { code: Some(400), index: graph(among), ..known(50_000, Some(matching)) };
        assert_eq!(decide(&coded(500, 1000)).way, Way::Codes);
        assert_eq!(decide(&coded(10, 1000)).way, Way::Matches);
        assert_eq!(decide(&coded(9000, 300)).way, Way::Index { ef: 64, cells: 0 });
        assert_eq!(decide(&coded(5000, 3000)).way, Way::Codes);
        let (with, without) = (decide(&coded(9000, 300)), decide(&known(50_000, Some(9000))));
        assert!(with.costs[1] < without.costs[1] && with.costs[2] > without.costs[2]);
        assert_eq!((share(50_000, (4000, 6000)), share(0, (0, 0))), (0.1, 0.0));
    }

    #[test]
    fn a_decision_says_what_it_knew_and_what_it_chose() {
        let text = decide(&known(50_000, Some(50))).to_string();
        assert!(text.starts_with("50000 rows, 50 pass the filter: the rows that pass compared"), "{text}");
        assert!(text.contains("index"), "{text}");
    }
}
