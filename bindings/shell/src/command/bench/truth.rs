//! The true answers of a benchmark, and how much of one an answer has.
//!
//! Reads from: `data`, or an exact search. Writes to: nothing. Never: a search.

use foretaste::Key;

/// The true answers: for each query, rows with their distances, nearest first.
#[derive(Default)]
pub struct Truth {
    answers: Vec<Vec<(i64, f64)>>,
}

impl Truth {
    /// Adds the answer to the next query.
    pub fn add(&mut self, answer: impl Iterator<Item = (i64, f64)>) {
        self.answers.push(answer.collect());
    }

    /// The share of the true `k` nearest that is in an answer.
    pub fn recall(&self, query: usize, hits: &[(i64, f64)], k: usize, by_distance: bool) -> Option<f64> {
        let found = self.found(query, hits, k, by_distance)?.iter().filter(|found| **found).count();
        let all = self.nearest(query, k)?.len();
        Some(found.min(all) as f64 / all as f64)
    }

    /// Which hits of an answer are among the true `k` nearest. Rows as near as the k-th are, whichever they are; where distances
    /// are not comparable, rows have to be the very ones. `None` when there is no true answer.
    pub fn found(&self, query: usize, hits: &[(i64, f64)], k: usize, by_distance: bool) -> Option<Vec<bool>> {
        let truth = self.nearest(query, k)?;
        let (_, farthest) = *truth.last()?;
        if by_distance && farthest.is_finite() {
            let most = farthest * (1.0 + 1e-5 * farthest.signum()) + 1e-6;
            return Some(hits.iter().map(|(_, distance)| *distance <= most).collect());
        }
        Some(hits.iter().map(|(row, _)| truth.iter().any(|(true_row, _)| true_row == row)).collect())
    }

    /// The distance of a row that is in the true answer.
    pub fn distance(&self, query: usize, row: i64) -> Option<f64> {
        let (_, distance) = self.answers.get(query)?.iter().find(|(true_row, _)| *true_row == row)?;
        Some(*distance)
    }

    fn nearest(&self, query: usize, k: usize) -> Option<&[(i64, f64)]> {
        let truth = self.answers.get(query)?;
        truth.get(..k.min(truth.len())).filter(|truth| !truth.is_empty())
    }
}

/// The row of the file that an id stands for.
pub fn row(id: &Key) -> i64 {
    match id {
        Key::Int(row) => *row,
        Key::Str(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_ties_by_distance_and_rows_by_id() {
        let mut truth = Truth::default();
        truth.add([(4, 0.1), (7, 0.2), (2, 0.2), (9, 0.5)].into_iter());
        // Row 2 is as near as row 7, which is the second.
        assert_eq!(truth.recall(0, &[(4, 0.1), (2, 0.2)], 2, true), Some(1.0));
        assert_eq!(truth.recall(0, &[(4, 0.1), (2, 0.2)], 2, false), Some(0.5));
        assert_eq!(truth.recall(0, &[(4, 0.1), (9, 0.5)], 2, true), Some(0.5));
        assert_eq!(truth.found(0, &[(9, 0.5), (2, 0.2)], 2, true), Some(vec![false, true]));
        assert_eq!((truth.distance(0, 9), truth.distance(0, 1)), (Some(0.5), None));
        // Never more than there is to find.
        assert_eq!(truth.recall(0, &[(4, 0.1), (7, 0.2), (2, 0.2)], 2, true), Some(1.0));
        assert_eq!(truth.recall(0, &[], 2, true), Some(0.0));
        assert_eq!(truth.recall(1, &[], 2, true), None);
    }

    #[test]
    fn without_distances_rows_have_to_be_the_very_ones() {
        let mut truth = Truth::default();
        truth.add([(4, f64::NAN), (7, f64::NAN)].into_iter());
        assert_eq!(truth.recall(0, &[(7, 0.0), (5, 0.0)], 2, true), Some(0.5));
    }
}
