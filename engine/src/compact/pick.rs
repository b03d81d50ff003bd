//! Which segments to rewrite together.
//!
//! Size-tiered: four segments of one size class are merged into one of the next, so a row is rewritten about
//! log4(rows / rows of a fresh segment) times. A segment with more than a fifth of its rows dead is rewritten alone.
//!
//! Reads from: row and byte counts. Writes to: nothing. Never: segments that together exceed the largest size.

/// Segments merged at once.
const FAN_IN: usize = 4;
/// Dead rows a segment may have, in percent.
const DEAD_PERCENT: u64 = 20;
/// Largest segment a merge makes, in bytes.
pub(crate) const LARGEST_BYTES: u64 = 8 << 30;
/// Segments below this are of one class: many tiny ones are merged at once.
const SMALL_BYTES: u64 = 4 << 20;

/// What is known of a segment without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub rows: u64,
    pub dead: u64,
    pub bytes: u64,
}

impl Size {
    fn live_bytes(&self) -> u64 {
        let dead = u128::from(self.bytes) * u128::from(self.dead) / u128::from(self.rows.max(1));
        self.bytes.saturating_sub(dead as u64)
    }

    fn class(&self) -> u32 {
        (self.live_bytes().max(SMALL_BYTES) / SMALL_BYTES).ilog2() / 2
    }
}

/// Whether so many rows are dead that the segment is rewritten for that alone.
pub(crate) fn is_wasteful(rows: u64, dead: u64) -> bool {
    dead * 100 > rows * DEAD_PERCENT
}

/// The positions of the segments to rewrite next, if any are due.
pub(crate) fn due(segments: &[Size]) -> Option<Vec<usize>> {
    let wasteful = segments.iter().position(|s| is_wasteful(s.rows, s.dead));
    if let Some(i) = wasteful {
        return Some(vec![i]);
    }
    let mut classes: Vec<u32> = segments.iter().map(Size::class).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let mut total = 0;
        let members: Vec<usize> = segments
            .iter()
            .enumerate()
            .filter(|(_, s)| s.class() == class)
            .filter(|(_, s)| {
                total += s.live_bytes();
                total <= LARGEST_BYTES
            })
            .map(|(i, _)| i)
            .collect();
        if members.len() >= FAN_IN {
            return Some(members);
        }
    }
    None
}

/// The groups that make as few segments as possible of all of them.
pub(crate) fn all(segments: &[Size]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
    for (i, size) in segments.iter().enumerate() {
        let bytes = size.live_bytes();
        match groups.last_mut() {
            Some((total, members)) if *total + bytes <= LARGEST_BYTES => {
                *total += bytes;
                members.push(i);
            }
            _ => groups.push((bytes, vec![i])),
        }
    }
    // A segment alone in its group is rewritten only to get rid of dead rows.
    groups.retain(|(_, members)| members.len() > 1 || members.iter().any(|i| segments[*i].dead > 0));
    groups.into_iter().map(|(_, members)| members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(mib: u64, dead: u64) -> Size {
        Size { rows: 100, dead, bytes: mib << 20 }
    }

    #[test]
    fn a_segment_with_too_many_dead_rows_comes_first() {
        assert_eq!(due(&[size(64, 0), size(64, 21), size(64, 20)]), Some(vec![1]));
        assert_eq!(due(&[size(64, 20)]), None);
    }

    #[test]
    fn four_of_a_class_are_merged_and_the_number_of_segments_stays_logarithmic() {
        assert_eq!(due(&[size(64, 0); 3]), None);
        assert_eq!(
            due(&[size(64, 0), size(900, 0), size(70, 0), size(64, 0), size(64, 0)]),
            Some(vec![0, 2, 3, 4])
        );
        let mut segments: Vec<Size> = Vec::new();
        for _ in 0..1000 {
            segments.push(size(64, 0));
            while let Some(picked) = due(&segments) {
                let bytes = picked.iter().map(|i| segments[*i].bytes).sum();
                let rows = picked.iter().map(|i| segments[*i].rows).sum();
                for i in picked.iter().rev() {
                    segments.remove(*i);
                }
                segments.push(Size { rows, dead: 0, bytes });
            }
            assert!(segments.len() <= 24, "{} segments", segments.len());
        }
    }

    #[test]
    fn all_leaves_one_segment_unless_it_would_be_too_large() {
        assert_eq!(all(&[size(64, 0); 5]), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(all(&[size(64, 0)]), Vec::<Vec<usize>>::new());
        assert_eq!(all(&[size(64, 1)]), [vec![0]]);
        assert_eq!(all(&[size(5000, 0), size(5000, 0)]), Vec::<Vec<usize>>::new());
    }
}
