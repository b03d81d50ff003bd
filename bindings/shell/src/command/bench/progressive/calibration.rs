//! What answers say of themselves beside what is true: expected recall, its lower bound, each hit's chance.
//!
//! Reads from: numbers. Writes to: numbers. Never: a search; anything that the index was fitted with.

use serde::Serialize;

const BINS: usize = 10;

/// What many answers said of themselves.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    answers: usize,
    bounds: usize,
    held: usize,
    bound_sum: f64,
    estimates: usize,
    estimate_sum: f64,
    recall_sum: f64,
    chances: Chances,
}

/// What hits said of themselves, by what they said.
#[derive(Debug, Clone, Default)]
struct Chances {
    bins: [Tally; BINS],
    unknown: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: usize,
    said: f64,
    right: usize,
}

/// The figures of [`Trust`]. Shares and means are of what is known; `None` of nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    pub answers: usize,
    /// Answers without an estimate, and without a bound.
    pub unknown_estimates: usize,
    pub unknown_bounds: usize,
    pub mean_estimated_recall: Option<f64>,
    /// Of the answers with an estimate.
    pub mean_recall: Option<f64>,
    pub mean_lower_bound: Option<f64>,
    /// The share of answers that have at least as much as their bound.
    pub bound_held: Option<f64>,
    pub hits: usize,
    pub unknown_hits: usize,
    /// By what hits said, in tenths; only those that hold any.
    pub reliability: Vec<Bin>,
    /// The mean distance of what bins said from what was right, each bin by its hits.
    pub expected_calibration_error: Option<f64>,
}

/// Hits that said nearly the same of themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    pub from: f64,
    pub count: usize,
    pub mean_said: f64,
    pub share_right: f64,
}

impl Trust {
    /// Counts one answer: its recall, and what it said.
    pub fn add(&mut self, recall: f64, estimated: Option<f64>, low: Option<f64>) {
        self.answers += 1;
        if let Some(estimated) = estimated {
            self.estimates += 1;
            self.estimate_sum += estimated;
            self.recall_sum += recall;
        }
        if let Some(low) = low {
            self.bounds += 1;
            self.bound_sum += low;
            self.held += usize::from(recall >= low - 1e-9);
        }
    }

    /// Counts one hit: whether it is among the true nearest, and how likely it said that is.
    pub fn add_hit(&mut self, right: bool, said: Option<f64>) {
        let Some(said) = said else {
            self.chances.unknown += 1;
            return;
        };
        let bin = ((said * BINS as f64) as usize).min(BINS - 1);
        if let Some(bin) = self.chances.bins.get_mut(bin) {
            bin.count += 1;
            bin.said += said;
            bin.right += usize::from(right);
        }
    }

    /// The figures.
    pub fn figures(&self) -> Calibration {
        let share = |sum: f64, of: usize| (of > 0).then(|| sum / of as f64);
        let known: usize = self.chances.bins.iter().map(|bin| bin.count).sum();
        let off = self.chances.bins.iter().map(|bin| (bin.said - bin.right as f64).abs()).sum();
        let filled = self.chances.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0);
        let bin = |(number, bin): (usize, &Tally)| Bin {
            from: number as f64 / BINS as f64,
            count: bin.count,
            mean_said: bin.said / bin.count as f64,
            share_right: bin.right as f64 / bin.count as f64,
        };
        Calibration {
            answers: self.answers,
            unknown_estimates: self.answers - self.estimates,
            unknown_bounds: self.answers - self.bounds,
            mean_estimated_recall: share(self.estimate_sum, self.estimates),
            mean_recall: share(self.recall_sum, self.estimates),
            mean_lower_bound: share(self.bound_sum, self.bounds),
            bound_held: share(self.held as f64, self.bounds),
            hits: known + self.chances.unknown,
            unknown_hits: self.chances.unknown,
            reliability: filled.map(bin).collect(),
            expected_calibration_error: share(off, known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_when_there_is_at_least_as_much_and_unknown_is_no_bound() {
        let mut trust = Trust::default();
        trust.add(0.9, Some(0.95), Some(0.9));
        trust.add(0.7, Some(0.85), Some(0.8));
        trust.add(0.1, None, None);
        let found = trust.figures();
        assert_eq!((found.answers, found.unknown_bounds, found.unknown_estimates), (3, 1, 1));
        assert_eq!(found.bound_held, Some(0.5));
        let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-12;
        assert!(near(found.mean_recall, 0.8) && near(found.mean_estimated_recall, 0.9), "{found:?}");
        assert!(near(found.mean_lower_bound, 0.85));
    }

    #[test]
    fn hits_that_said_the_same_are_compared_with_how_many_were_right() {
        let mut trust = Trust::default();
        for right in [true, true, true, false] {
            trust.add_hit(right, Some(0.75));
        }
        trust.add_hit(true, Some(1.0));
        trust.add_hit(false, Some(0.95));
        trust.add_hit(false, None);
        let found = trust.figures();
        assert_eq!((found.hits, found.unknown_hits), (7, 1));
        let bins: Vec<_> = found.reliability.iter().map(|b| (b.from, b.count, b.share_right)).collect();
        assert_eq!(bins, [(0.7, 4, 0.75), (0.9, 2, 0.5)]);
        // The first bin is right; the second said 0.975 and had 0.5.
        let error = found.expected_calibration_error.unwrap();
        assert!((error - 0.475 * 2.0 / 6.0).abs() < 1e-12, "{error}");
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        let found = Trust::default().figures();
        assert_eq!(
            (found.bound_held, found.mean_recall, found.expected_calibration_error),
            (None, None, None)
        );
        assert!(found.reliability.is_empty());
    }
}
