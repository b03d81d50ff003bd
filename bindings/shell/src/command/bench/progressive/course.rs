//! What comes of the times and recalls of many answers: when their mean reaches a recall, the area under it.
//!
//! Reads from: numbers. Writes to: numbers. Never: a search, a clock.

/// The recall of one answer over time: from each time (in µs) on it has a recall, in order of time; before the first it has
/// none.
pub type Steps = Vec<(f64, f64)>;

/// The window of [`Course::area`], in µs.
pub const WINDOW: (f64, f64) = (1.0, 100_000.0);
/// Points of [`Course::drawn`] in each factor of ten.
const DRAWN: usize = 40;

/// The mean recall of many answers over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    steps: Steps,
}

impl Course {
    /// Of these answers, each by the newest of its revisions; one that has none yet counts 0.
    pub fn of(answers: &[Steps]) -> Course {
        let change = |answer: &Steps| {
            let before = std::iter::once(0.0).chain(answer.iter().map(|(_, recall)| *recall));
            answer.iter().zip(before).map(|((us, recall), before)| (*us, recall - before)).collect::<Vec<_>>()
        };
        let mut changes: Vec<(f64, f64)> = answers.iter().flat_map(change).collect();
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut sum, all) = (0.0, answers.len().max(1) as f64);
        let mut steps: Steps = Vec::with_capacity(changes.len());
        for (us, change) in changes {
            sum += change;
            // Sums of shares are not exact.
            let recall = (sum / all).clamp(0.0, 1.0);
            match steps.last_mut() {
                Some(last) if last.0 == us => last.1 = recall,
                _ => steps.push((us, recall)),
            }
        }
        Course { steps }
    }

    /// The earliest time, in µs, at which it is at least `recall`.
    pub fn time_to(&self, recall: f64) -> Option<f64> {
        self.steps.iter().find(|(_, mean)| *mean >= recall - 1e-9).map(|(us, _)| *us)
    }

    /// The mean recall at a time.
    pub fn at(&self, us: f64) -> f64 {
        let after = self.steps.partition_point(|(from, _)| *from <= us);
        self.steps.get(..after).and_then(<[_]>::last).map_or(0.0, |(_, recall)| *recall)
    }

    /// The area under it over the logarithm of time, from 1 µs to 100 ms, as a share of what a recall of 1 from the first µs on
    /// would have: its mean over that window, each factor of ten in time counting the same.
    pub fn area(&self) -> f64 {
        let (from, to) = WINDOW;
        let mut area = 0.0;
        for (place, (us, recall)) in self.steps.iter().enumerate() {
            let until = self.steps.get(place + 1).map_or(to, |next| next.0);
            area += recall * (until.clamp(from, to) / us.clamp(from, to)).ln();
        }
        area / (to / from).ln()
    }

    /// It at times spread evenly over their logarithm, from the one where it begins to the one where it ends.
    pub fn drawn(&self) -> Steps {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else { return Vec::new() };
        let place = |us: f64| us.max(1e-3).log10() * DRAWN as f64;
        let (from, to) = (place(first.0).floor() as i64, place(last.0).ceil() as i64);
        let times = (from..=to).map(|place| 10f64.powf(place as f64 / DRAWN as f64));
        times.map(|us| (us, self.at(us))).collect()
    }
}

/// The mean, 0 of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_answers_counts_the_newest_revision_of_each() {
        let answers = [vec![(10.0, 0.5), (30.0, 1.0)], vec![(20.0, 1.0), (40.0, 0.8)], vec![]];
        let course = Course::of(&answers);
        let at = |us| (course.at(us) * 30.0).round();
        assert_eq!([at(9.9), at(10.0), at(20.0), at(35.0), at(1e6)], [0.0, 5.0, 15.0, 20.0, 18.0]);
        assert_eq!(course.time_to(0.5), Some(20.0));
        assert_eq!(course.time_to(2.0 / 3.0), Some(30.0), "the sum of thirds is no more than nearly so much");
        assert_eq!(course.time_to(0.7), None);
        assert_eq!(course.time_to(0.0), Some(10.0));
    }

    #[test]
    fn changes_at_the_same_time_are_one() {
        let course = Course::of(&[vec![(10.0, 1.0)], vec![(10.0, 1.0)]]);
        assert_eq!(course, Course { steps: vec![(10.0, 1.0)] });
        assert_eq!(Course::of(&[]).time_to(0.0), None);
    }

    #[test]
    fn the_area_is_1_of_an_answer_that_is_there_at_once() {
        let area = |steps: Steps| (Course::of(&[steps]).area() * 1e9).round() / 1e9;
        assert_eq!(area(vec![(0.5, 1.0)]), 1.0);
        assert_eq!(area(vec![(1e5, 1.0)]), 0.0);
        assert_eq!(area(vec![(3e6, 1.0)]), 0.0);
        assert_eq!(area(vec![]), 0.0);
        // Five factors of ten: 0 in the first two, a half in the next, all in the last two.
        assert_eq!(area(vec![(100.0, 0.5), (1000.0, 1.0)]), 0.5);
    }

    #[test]
    fn what_is_drawn_begins_and_ends_with_it() {
        let course = Course::of(&[vec![(10.0, 0.5), (100.0, 1.0)]]);
        let drawn = course.drawn();
        assert_eq!(drawn.len(), DRAWN + 1);
        assert_eq!(drawn.last().map(|(us, recall)| (us.round(), *recall)), Some((100.0, 1.0)));
        assert!(drawn.iter().all(|(us, recall)| *recall == course.at(*us)));
        assert!(Course::of(&[]).drawn().is_empty());
    }

    #[test]
    fn a_mean_of_nothing_is_0() {
        assert_eq!((mean([]), mean([1.0, 2.0])), (0.0, 1.5));
    }
}
