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
    /// Of the nearest `k` as `rows` has them, when its parts stand like this.
    pub fn of(rows: &[Row], k: usize, parts: &[Standing]) -> Confidence {
        if parts.contains(&Standing::Unknown) {
            return Confidence::default();
        }
        let mut places = vec![0usize; parts.len()];
        let mut right = Vec::with_capacity(rows.len());
        let (mut settled, mut same) = (0, true);
        for row in rows {
            let part = row.row.source as usize;
            let (Some(place), Some(standing)) = (places.get_mut(part), parts.get(part)) else { continue };
            let (likely, sure) = match standing {
                Standing::Expected(estimate) => (estimate.right(*place), *place < estimate.settled),
                Standing::Certain | Standing::Unknown => (1.0, true),
            };
            *place += 1;
            right.push(likely);
            // A row that comes late to another part would come between these.
            same &= sure
                && parts.iter().zip(&places).all(|(part, place)| match part {
                    Standing::Expected(estimate) => *place <= estimate.settled,
                    Standing::Certain | Standing::Unknown => true,
                });
            settled += usize::from(same);
        }
        let missed: f64 = parts
            .iter()
            .map(|part| match part {
                Standing::Expected(estimate) => 1.0 - estimate.low,
                Standing::Certain | Standing::Unknown => 0.0,
            })
            .sum();
        let recall = if right.is_empty() || k == 0 {
            f64::from(u8::from(parts.iter().all(|part| *part == Standing::Certain)))
        } else {
            right.iter().sum::<f64>() / right.len() as f64
        };
        Confidence { recall: Some(recall), low: Some((1.0 - missed).clamp(0.0, recall)), settled, right }
    }
}
