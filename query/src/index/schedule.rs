//! Which schedule of levels finds what the full length finds: measured on a sample of a source's rows, chosen by what it costs.
//!
//! Some rows of the sample are queries. Of the nearest to each by the full length it is remembered how they rank among all rows of the
//! sample by each shorter level. A row that has rank r there is kept when more than r rows are, at every level of a schedule, so that
//! the ranks say what any schedule would have found. A sample of one row in s stands for all: its nearest is about the s-th of all, and
//! a rank of r about r × s.
//!
//! Reads from: a source. Writes to: memory. Never: more rows than the sample, whatever the source holds.

use foretaste_storage::Result;

use crate::index::parallel::mix;
use crate::index::{Source, read};
use crate::metric::Metric;

/// Rows of a sample, and how many of them are queries.
const SAMPLE: usize = 8192;
const QUERIES: usize = 64;
/// So many of the nearest rows of each query are followed.
const NEAR: usize = 100;
/// With fewer rows nothing is measured: reading all of them costs little.
const LEAST: usize = 1000;
/// This part of the rows that may be missed is kept for what the sample does not show.
const SPARE: f64 = 0.25;
/// Bytes read in a nanosecond in order and out of order, and nanoseconds before a row out of order.
const IN_ORDER: f64 = 14.0;
const OUT_OF_ORDER: f64 = 10.0;
const ROW: f64 = 60.0;
/// Numbers summed side by side.
const LANES: usize = 16;

/// How the rows that are nearest by the full length rank by the shorter levels, in a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Ascending; the last one is the full length.
    levels: Vec<usize>,
    /// Bytes of a number.
    size: usize,
    /// Rows of the sample that a query is compared with.
    sample: usize,
    /// Followed rows of each query, nearest first; of each its ranks by all levels but the last.
    near: usize,
    ranks: Vec<u16>,
}

impl Ranks {
    /// Measures a source; `None` when it has too few rows, or one level. The same rows give the same ranks.
    ///
    /// # Errors
    /// Those of the source.
    pub fn measure(source: &dyn Source, metric: Metric, seed: u64) -> Result<Option<Ranks>> {
        let levels: Vec<usize> = source.levels().iter().map(|l| *l as usize).collect();
        let (rows, dims) = (source.rows() as usize, levels.last().copied().unwrap_or(0));
        if rows < LEAST || levels.len() < 2 {
            return Ok(None);
        }
        let sample = Sample::take(source, &levels, dims, metric, seed)?;
        let (count, shorter) = (sample.rows(), levels.len() - 1);
        let near = NEAR.min(count - 1);
        let mut ranks = Vec::with_capacity(QUERIES * near * shorter);
        let mut distances = vec![vec![0f32; count]; levels.len()];
        for query in 0..QUERIES {
            let query = (query * count + count / 2) / QUERIES;
            sample.compare(query, &mut distances);
            follow(query, near, &distances, &mut ranks);
        }
        Ok(Some(Ranks { levels, size: source.element().size(), sample: count - 1, near, ranks }))
    }

    /// The cheapest schedule, of one to three steps of (dimensions, rows kept), that finds this part of the `k` nearest of `rows` rows,
    /// as far as the sample tells. The last step is the full length, and keeps `k` rows.
    pub fn schedule(&self, recall: f64, k: usize, rows: u64) -> Vec<(usize, usize)> {
        let (dims, shorter) = (self.levels.last().copied().unwrap_or(0), self.levels.len().saturating_sub(1));
        let scale = (rows as f64 / self.sample as f64).max(1.0);
        let count = ((k as f64 / scale).round() as usize).clamp(1, self.near);
        // More rows are wanted than were followed: the last ones rank as those followed do, in proportion.
        let beyond = (k as f64 / (count as f64 * scale)).max(1.0);
        let followed: Vec<&[u16]> = self
            .ranks
            .chunks_exact((self.near * shorter).max(1))
            .flat_map(|query| query.chunks_exact(shorter).take(count))
            .collect();
        let missed = (1.0 - recall.clamp(0.0, 1.0)) * (1.0 - SPARE);
        let all = |rank: u16| {
            (((f64::from(rank) + 1.0) * scale * beyond).ceil() as usize).clamp(k, rows.max(1) as usize)
        };
        let bytes = |dims: usize| (dims * self.size) as f64;
        let mut best = vec![(dims, k)];
        let mut least = rows as f64 * bytes(dims) / IN_ORDER;
        let mut consider = |steps: Vec<(usize, usize)>| {
            let again = steps
                .windows(2)
                .map(|two| two[0].1 as f64 * (ROW + bytes(two[1].0) / OUT_OF_ORDER))
                .sum::<f64>();
            let cost = rows as f64 * bytes(steps[0].0) / IN_ORDER + again;
            if cost < least {
                (best, least) = (steps, cost);
            }
        };
        for first in 0..shorter {
            let mut ranks: Vec<u16> = followed.iter().map(|ranks| ranks[first]).collect();
            consider(vec![(self.levels[first], all(holding(&mut ranks, missed, followed.len()))), (dims, k)]);
            // With two shorter levels each may miss half.
            let kept = holding(&mut ranks, missed / 2.0, followed.len());
            for second in first + 1..shorter {
                let mut ranks: Vec<u16> =
                    followed.iter().filter(|ranks| ranks[first] <= kept).map(|ranks| ranks[second]).collect();
                let then = all(holding(&mut ranks, missed, followed.len()));
                consider(vec![
                    (self.levels[first], all(kept).max(then)),
                    (self.levels[second], then),
                    (dims, k),
                ]);
            }
        }
        best
    }
}

/// The least rank that all but the part `missed` of `of` rows are not beyond, `ranks` being those that are left of them.
fn holding(ranks: &mut [u16], missed: f64, of: usize) -> u16 {
    ranks.sort_unstable();
    let gone = of - ranks.len();
    let may_go = (missed * of as f64).floor() as usize;
    let last = ranks.len().saturating_sub(1 + may_go.saturating_sub(gone));
    ranks.get(last).copied().unwrap_or(u16::MAX)
}

/// Appends the ranks of the `near` nearest of `query` by the last of `distances`, which are by level and row.
fn follow(query: usize, near: usize, distances: &[Vec<f32>], ranks: &mut Vec<u16>) {
    let Some((full, shorter)) = distances.split_last() else { return };
    let mut order: Vec<u32> = (0..full.len() as u32).filter(|row| *row as usize != query).collect();
    let by_full = |a: &u32, b: &u32| full[*a as usize].total_cmp(&full[*b as usize]).then(a.cmp(b));
    if near < order.len() {
        order.select_nth_unstable_by(near, by_full);
        order.truncate(near);
    }
    order.sort_unstable_by(by_full);
    let start = ranks.len();
    ranks.resize(start + order.len() * shorter.len(), 0);
    for (level, distances) in shorter.iter().enumerate() {
        // How many rows are nearer than each of them: each row counts for the first that it is nearer than, and for all after it.
        let mut marks: Vec<(f32, usize)> =
            order.iter().enumerate().map(|(place, row)| (distances[*row as usize], place)).collect();
        marks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut nearer = vec![0u16; marks.len() + 1];
        for (row, distance) in distances.iter().enumerate() {
            if row != query {
                nearer[marks.partition_point(|mark| mark.0 <= *distance)] += 1;
            }
        }
        let mut rank = 0;
        for ((_, place), nearer) in marks.iter().zip(&nearer) {
            rank += nearer;
            ranks[start + place * shorter.len() + level] = rank;
        }
    }
}

/// Rows drawn from a source.
struct Sample {
    numbers: Vec<f32>,
    dims: usize,
    /// Where each level begins and ends.
    parts: Vec<std::ops::Range<usize>>,
    /// Squared norms by row and level.
    norms: Vec<f32>,
    metric: Metric,
}

impl Sample {
    fn take(source: &dyn Source, levels: &[usize], dims: usize, metric: Metric, seed: u64) -> Result<Sample> {
        let rows = source.rows() as usize;
        let taken = rows.min(SAMPLE);
        let (mut numbers, mut row) = (Vec::with_capacity(taken * dims), Vec::new());
        for i in 0..taken {
            // One of each of as many equal parts.
            let (from, to) = (i * rows / taken, (i + 1) * rows / taken);
            let at = (from + (mix(seed ^ i as u64) % (to - from).max(1) as u64) as usize) as u32;
            read::rows(source, at..at + 1, dims, &mut row)?;
            numbers.extend_from_slice(&row);
        }
        let starts = std::iter::once(0).chain(levels.iter().copied());
        let parts: Vec<_> = starts.zip(levels).map(|(start, end)| start..*end).collect();
        let mut norms = Vec::with_capacity(taken * levels.len());
        for row in numbers.chunks_exact(dims.max(1)) {
            let mut norm = 0.0;
            for part in &parts {
                norm += product(&row[part.clone()], &row[part.clone()]);
                norms.push(norm);
            }
        }
        Ok(Sample { numbers, dims, parts, norms, metric })
    }

    fn rows(&self) -> usize {
        self.numbers.len() / self.dims.max(1)
    }

    /// Sets the distances of all rows from one of them, by level; any numbers that are in the order of the metric's.
    fn compare(&self, query: usize, distances: &mut [Vec<f32>]) {
        let levels = self.parts.len();
        let q = &self.numbers[query * self.dims..(query + 1) * self.dims];
        let own = &self.norms[query * levels..(query + 1) * levels];
        let rows = self.numbers.chunks_exact(self.dims).zip(self.norms.chunks_exact(levels));
        for (row, (numbers, norms)) in rows.enumerate() {
            let mut sum = 0.0;
            for (level, part) in self.parts.iter().enumerate() {
                sum += product(&q[part.clone()], &numbers[part.clone()]);
                distances[level][row] = match self.metric {
                    Metric::Dot => -sum,
                    Metric::L2 => own[level] + norms[level] - 2.0 * sum,
                    Metric::Cosine if norms[level] > 0.0 => -sum / norms[level].sqrt(),
                    Metric::Cosine => 0.0,
                };
            }
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_the_rows_that_are_nearer_by_a_shorter_level() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 40) % 50) as f32
        };
        let distances: Vec<Vec<f32>> = (0..3).map(|_| (0..200).map(|_| next()).collect()).collect();
        let mut ranks = Vec::new();
        follow(17, 20, &distances, &mut ranks);
        let mut order: Vec<usize> = (0..200).filter(|row| *row != 17).collect();
        order.sort_by(|a, b| distances[2][*a].total_cmp(&distances[2][*b]).then(a.cmp(b)));
        for (place, row) in order.iter().take(20).enumerate() {
            for level in 0..2 {
                let nearer =
                    |other: &usize| *other != 17 && distances[level][*other] < distances[level][*row];
                assert_eq!(usize::from(ranks[place * 2 + level]), (0..200).filter(nearer).count());
            }
        }
    }

    #[test]
    fn a_schedule_keeps_as_many_as_its_ranks_say_and_is_taken_when_it_is_cheaper() {
        // Ten queries with two followed rows each, ranks by two shorter levels.
        let ranks: Vec<u16> = (0..10u16).flat_map(|i| [i * 20, i, i * 20 + 1, i]).collect();
        let of = |levels: [usize; 3]| Ranks {
            levels: levels.to_vec(),
            size: 4,
            sample: 10_000,
            near: 2,
            ranks: ranks.clone(),
        };
        let nested = of([8, 64, 512]);
        // All that was seen: the largest rank by 8 dimensions is 181, by 64 it is 9.
        assert_eq!(nested.schedule(1.0, 2, 10_000), [(8, 182), (64, 10), (512, 2)]);
        // Twice as many rows stand for the same places, and twice as many are kept.
        assert_eq!(nested.schedule(1.0, 4, 20_000), [(8, 364), (64, 20), (512, 4)]);
        // Three of twenty may be missed with a quarter of four spared.
        assert_eq!(nested.schedule(0.8, 2, 10_000).last(), Some(&(512, 2)));
        assert!(nested.schedule(0.8, 2, 10_000)[0].1 < 182);
        // Where the shorter lengths are nearly as long, all dimensions are compared at once.
        assert_eq!(of([500, 510, 512]).schedule(1.0, 2, 1_000), [(512, 2)]);
        assert_eq!(holding(&mut [5, 1, 9, 3], 0.5, 4), 3);
        assert_eq!(holding(&mut [5, 1, 9], 0.5, 4), 5);
    }
}
