//! How far a list can be trusted, from how far each part of the search has come.
//!
//! A part that was compared row by row is certain. One whose index is asked is known as far as it was measured when the index was
//! built. Of anything else nothing is known, and then nothing is said of the list.
//!
//! Reads from: the parts' estimates. Writes to: nothing. Never: a number that was not measured.

use foretaste_query::index::trust::Estimate;

use crate::session::Row;

/// What is known of one part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    /// Every row that could be among the nearest was compared.
    Certain,
    /// Its index was asked, and so much can be expected of what it found.
    Expected(Estimate),
    Unknown,
}

/// How far a list can be trusted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Confidence {
    /// Which part of the true nearest it has, as far as can be expected.
    pub recall: Option<f64>,
    /// It has at least this part of them in 19 of 20 searches, for each segment whose index was asked.
    pub low: Option<f64>,
    /// So many of the first rows are as they will be.
    pub settled: usize,
    /// For each row how likely it is among the true nearest; empty when that is not known.
    pub right: Vec<f64>,
}

impl Confidence {
    /// Of the nearest rows as `rows` has them, when the parts stand like this.
    pub fn of(rows: &[Row], parts: &[Standing]) -> Confidence {
        if parts.contains(&Standing::Unknown) {
            return Confidence::default();
        }
        let (mut places, mut before) = (vec![0usize; parts.len()], vec![0usize; parts.len()]);
        let mut right = Vec::with_capacity(rows.len());
        let (mut settled, mut same) = (0, true);
        for row in rows {
            let part = row.row.source as usize;
            let (Some(place), Some(standing)) = (places.get_mut(part), parts.get(part)) else { continue };
            right.push(standing.right(*place));
            *place += 1;
            // In each part the next row has to be settled: one that comes late there is then not before this one.
            same &= before.iter().zip(parts).all(|(place, part)| *place < part.settled());
            before.copy_from_slice(&places);
            settled += usize::from(same);
        }
        let missed: f64 = parts.iter().map(Standing::missed).sum();
        let recall = match right.len() {
            // None was found, and none is missing where all were compared.
            0 => f64::from(u8::from(missed == 0.0)),
            found => right.iter().sum::<f64>() / found as f64,
        };
        Confidence { recall: Some(recall), low: Some((1.0 - missed).clamp(0.0, recall)), settled, right }
    }
}

impl Standing {
    /// How likely the row at a place of its list is right.
    fn right(&self, place: usize) -> f64 {
        match self {
            Standing::Certain => 1.0,
            Standing::Expected(estimate) => estimate.right(place),
            Standing::Unknown => 0.0,
        }
    }

    /// So many of its first rows stay as they are.
    fn settled(&self) -> usize {
        match self {
            Standing::Certain => usize::MAX,
            Standing::Expected(estimate) => estimate.settled,
            Standing::Unknown => 0,
        }
    }

    /// The part of its nearest rows that it may lack, in all but few searches.
    fn missed(&self) -> f64 {
        match self {
            Standing::Certain => 0.0,
            Standing::Expected(estimate) => 1.0 - estimate.low,
            Standing::Unknown => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use foretaste_query::index::RowRef;

    use super::*;
    use crate::revision::Stage;

    fn rows(sources: &[u32]) -> Vec<Row> {
        let row = |(i, source): (u32, &u32)| Row {
            row: RowRef { source: *source, row: i },
            distance: f64::from(i),
            score: -f64::from(i),
            error: 0.0,
            stage: Stage::Beam,
        };
        (0..).zip(sources).map(row).collect()
    }

    fn expected(settled: usize, low: f64) -> Standing {
        Standing::Expected(Estimate { recall: 0.9, low, settled, right: [0.9; 5], count: 4 })
    }

    fn settled(sources: &[u32], parts: &[Standing]) -> usize {
        Confidence::of(&rows(sources), parts).settled
    }

    #[test]
    fn a_row_is_settled_when_none_that_comes_late_to_any_part_can_come_before_it() {
        let sure = Standing::Certain;
        assert_eq!(settled(&[0, 0, 0, 0], &[sure]), 4);
        assert_eq!(settled(&[0, 0, 0, 0], &[expected(3, 0.8)]), 3);
        assert_eq!(settled(&[0, 1, 0, 1], &[expected(3, 0.8), sure]), 4);
        // Of the second part not even the first row is known, which may come before all others.
        assert_eq!(settled(&[0, 0, 0, 0], &[sure, expected(0, 0.8)]), 0);
        assert_eq!(settled(&[1, 0, 0, 0], &[sure, expected(1, 0.8)]), 1);
        assert_eq!(settled(&[1, 0, 0, 0], &[sure, expected(2, 0.8)]), 4);
    }

    #[test]
    fn what_parts_may_miss_adds_up_and_of_one_unknown_part_nothing_is_said() {
        let of = |parts: &[Standing]| Confidence::of(&rows(&[0, 1, 0, 1]), parts);
        let both = of(&[expected(1, 0.9), expected(1, 0.8)]);
        assert!((both.low.unwrap() - 0.7).abs() < 1e-9 && (both.recall.unwrap() - 0.9).abs() < 1e-6);
        assert_eq!(of(&[Standing::Certain; 2]).low, Some(1.0));
        assert_eq!(of(&[Standing::Certain, Standing::Unknown]), Confidence::default());
        assert_eq!(Confidence::of(&[], &[Standing::Certain]).recall, Some(1.0));
        assert_eq!(Confidence::of(&[], &[expected(0, 0.0)]).recall, Some(0.0));
    }
}
