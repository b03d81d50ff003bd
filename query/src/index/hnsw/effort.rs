//! How far a search among the rows that pass a filter goes, by how many candidates are asked for and how many rows pass.
//!
//! Reads from: nothing. Writes to: nothing. Never: less effort when fewer rows pass.

/// For each candidate asked for, so many rows that pass have to be nearer than the next node.
const SURE: f32 = 0.55;
/// For each, so many nodes whose rows pass are read when the search has to go on among them alone. Otherwise it is one, and one
/// more when all rows pass: where few do, more of the nodes around were read already.
const ALONE: f32 = 12.0;
/// The nodes that are kept, for candidates: twice as many as are expected to be read, which grows by less than the rows that
/// pass grow fewer, because more of those are seen than are read.
const KEPT: f32 = 2.0;
const GROWTH: f32 = 0.7;
/// Of so many rows that pass as are wanted, so many more are kept.
const SPARE: f32 = 1.5;

/// How far a search among the rows that pass goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Nearest nodes of all that are read at least, and kept.
    pub least: usize,
    pub kept: usize,
    /// So many rows that pass have to be nearer than the next node.
    pub sure: usize,
    /// Nearest nodes whose rows pass that are read, and kept.
    pub passing: usize,
    /// The same when the search has to go on among these alone.
    pub alone: usize,
    pub kept_passing: usize,
    /// Which part of the rows is thought to pass.
    pub share: f32,
    /// In how many steps all rows that pass could be compared.
    pub otherwise: u64,
}

impl Effort {
    /// For a search with `ef` candidates for the `wanted` nearest of the part `share` of all rows that passes, when all of these
    /// could be compared in the time of `otherwise` steps.
    pub fn new(ef: usize, share: f32, wanted: usize, otherwise: u64) -> Effort {
        let (candidates, share) = (ef as f32, share.clamp(1e-6, 1.0));
        let passing = (candidates * (1.0 + share)) as usize;
        Effort {
            least: ef,
            kept: ((candidates * KEPT * share.powf(-GROWTH)) as usize).max(ef),
            sure: (candidates * SURE) as usize,
            passing,
            alone: (candidates * ALONE) as usize,
            kept_passing: ((wanted as f32 * SPARE) as usize).max(passing),
            share,
            otherwise,
        }
    }

    /// About how many nodes will be read.
    pub fn steps(&self) -> u64 {
        let nearest = ((self.sure as f32 / self.share) as usize).clamp(self.least, self.kept);
        // Those of the nearest that pass are read once.
        let both = ((nearest as f32 * self.share) as usize).min(self.passing);
        (nearest + self.passing - both) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_rows_that_pass_take_more_steps_but_less_than_as_many_times_more() {
        let steps = |share| Effort::new(64, share, 40, 0).steps();
        assert!(steps(1.0) < steps(0.5) && steps(0.5) < steps(0.1) && steps(0.1) < steps(0.001));
        assert!(steps(0.01) < 10 * steps(0.1));
        let odd = [0.0, -1.0, 2.0].map(|share| Effort::new(0, share, 0, 0).steps());
        assert!(odd.iter().all(|steps| *steps < 1000), "{odd:?}");
    }
}
