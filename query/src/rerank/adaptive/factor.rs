//! The Cholesky factor of the anchors' products plus noise, extended row by row, and the line (offset and scale) that
//! explains the scores best given it.
//!
//! With `Σ = K + ρ I = L Lᵀ`, the columns `L⁻¹ a`, `L⁻¹ 1` and `L⁻¹ c` (scores, ones, cheap scores) are extended with `L`; offset,
//! scale, variance and marginal likelihood are products of these columns, so that they cost nothing once `L` is there.
//! Reads from: products and scores of anchors. Writes to: its own memory.
//! Never: a vector; a division by a pivot that is not positive.

use crate::kernel::lanes::dot;

/// Scores that differ by less than this share of their mean are the same.
const SAME: f64 = 1e-12;

/// Scores and cheap scores of the anchors.
#[derive(Debug, Clone, Default)]
pub(super) struct Offsets {
    scores: Vec<f64>,
    cheap: Vec<f64>,
}

/// What the columns say: `score ≈ offset + scale * cheap`, what is left having the variance `variance * Σ`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub offset: f64,
    pub scale: f64,
    pub variance: f64,
    /// Logarithm of the marginal likelihood, up to a constant.
    pub likelihood: f64,
}

/// The factor for one ratio.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    ratio: f64,
    /// Rows of the lower triangle.
    rows: Vec<f64>,
    scores: Vec<f64>,
    ones: Vec<f64>,
    cheap: Vec<f64>,
    log_determinant: f64,
    /// What was taken from the scores, and by what they were divided.
    level: (f64, f64),
}

impl Offsets {
    pub fn push(&mut self, score: f64, cheap: f64) {
        self.scores.push(score);
        self.cheap.push(cheap);
    }

    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Mean and largest distance from it, of the scores; that distance is 0 when it is no more than rounding.
    pub fn level(&self) -> (f64, f64) {
        let n = self.len() as f64;
        // Divided before they are added: their sum may be beyond what is finite.
        let mean: f64 = self.scores.iter().map(|x| x / n).sum();
        let spread = self.scores.iter().fold(0.0, |most, x| f64::max(most, (x - mean).abs()));
        (mean, if spread > SAME * mean.abs() { spread } else { 0.0 })
    }

    /// The ratio of the ranges between the quartiles, of scores and cheap scores; of the whole ranges when half of either is the
    /// same. 1 when one does not vary.
    pub fn scale(&self) -> f64 {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            values
        };
        let (scores, cheap) = (sorted(&self.scores), sorted(&self.cheap));
        let last = self.len().saturating_sub(1);
        let range = |values: &[f64], cut: usize| {
            values.get(last - cut).zip(values.get(cut)).map_or(0.0, |(high, low)| high - low)
        };
        [last / 4, 0]
            .iter()
            .map(|&cut| range(&scores, cut) / range(&cheap, cut))
            .find(|ratio| ratio.is_finite() && *ratio > 0.0)
            .unwrap_or(1.0)
    }
}

impl Factor {
    pub fn new(ratio: f64) -> Self {
        Factor {
            ratio,
            rows: Vec::new(),
            scores: Vec::new(),
            ones: Vec::new(),
            cheap: Vec::new(),
            log_determinant: 0.0,
            level: (0.0, 1.0),
        }
    }

    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Adds the rows of new anchors. False when a number is not finite: then it is of no use any more.
    pub fn extend(&mut self, products: &[f64], offsets: &Offsets, mean: f64, spread: f64) -> bool {
        // The columns are linear in the scores: what was taken from those before is now another.
        let (old_mean, old_spread) = self.level;
        for (score, one) in self.scores.iter_mut().zip(&self.ones) {
            *score = (*score * old_spread + (old_mean - mean) * one) / spread;
        }
        self.level = (mean, spread);
        let from = self.scores.len();
        for (i, (&score, &cheap)) in offsets.scores.iter().zip(&offsets.cheap).enumerate().skip(from) {
            let start = i * (i + 1) / 2;
            let Some(row) = products.get(start..=start + i) else { return false };
            let mut row = row.to_vec();
            solve(&self.rows, &mut row);
            let (before, own) = row.split_at_mut(i);
            let Some(own) = own.first_mut() else { return false };
            // Rounding alone can make this less than the ratio.
            let pivot = (*own + self.ratio - dot(before, before)).max(self.ratio);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            *own = pivot.sqrt();
            let next = |value: f64, column: &[f64]| (value - dot(before, column)) / pivot.sqrt();
            let (score, one) = (next((score - mean) / spread, &self.scores), next(1.0, &self.ones));
            let cheap = next(cheap, &self.cheap);
            self.scores.push(score);
            self.ones.push(one);
            self.cheap.push(cheap);
            self.log_determinant += pivot.ln();
            self.rows.extend_from_slice(&row);
        }
        self.log_determinant.is_finite()
    }

    /// The line whose scale is about `expected` (with `deviation`, in units of τ) and at least `least`.
    pub fn line(&self, expected: f64, deviation: f64, least: f64) -> Line {
        let n = self.scores.len() as f64;
        let trust = deviation.powi(-2);
        let oo = dot(&self.ones, &self.ones);
        let (oc, os) = (dot(&self.ones, &self.cheap), dot(&self.ones, &self.scores));
        // With the offset taken out of both.
        let cc = dot(&self.cheap, &self.cheap) - oc * oc / oo;
        let cs = dot(&self.cheap, &self.scores) - oc * os / oo;
        let scale = ((cs + trust * expected) / (cc + trust)).max(least);
        let offset = (os - scale * oc) / oo;
        let left: f64 = self
            .scores
            .iter()
            .zip(&self.ones)
            .zip(&self.cheap)
            .map(|((s, o), c)| (s - offset * o - scale * c).powi(2))
            .sum::<f64>()
            + trust * (scale - expected).powi(2);
        // Scores on a line exactly leave nothing; the logarithm wants a number.
        let variance = (left / (n - 1.0)).max(1e-24);
        let likelihood =
            -0.5 * ((n - 1.0) * variance.ln() + self.log_determinant + oo.ln() + (cc + trust).ln());
        Line { offset, scale, variance, likelihood }
    }

    /// `Σ⁻¹ (a - offset - scale c)`: what each anchor's vector contributes to the query.
    pub fn weights(&self, line: &Line) -> Vec<f64> {
        let mut x: Vec<f64> = self
            .scores
            .iter()
            .zip(&self.ones)
            .zip(&self.cheap)
            .map(|((s, o), c)| s - line.offset * o - line.scale * c)
            .collect();
        // Lᵀ x = r from the last on: each one that is known is taken from all before, along a row of L.
        for i in (0..x.len()).rev() {
            let start = i * (i + 1) / 2;
            let (before, rest) = x.split_at_mut(i);
            let (Some(own), Some(row)) = (rest.first_mut(), self.rows.get(start..=start + i)) else { break };
            *own /= row.last().copied().unwrap_or(1.0);
            for (x, l) in before.iter_mut().zip(row) {
                *x -= l * *own;
            }
        }
        x
    }

    /// The posterior variance in units of τ² of a vector with these products with the anchors, itself and the query.
    pub fn spread(&self, mut products: Vec<f64>, own: f64, cheap: f64, deviation: f64) -> f64 {
        products.push(0.0);
        solve(&self.rows, &mut products);
        products.pop();
        // What offset and scale leave open, on top of what the weights do.
        let one = 1.0 - dot(&products, &self.ones);
        let (oo, oc) = (dot(&self.ones, &self.ones), dot(&self.ones, &self.cheap));
        let cc = dot(&self.cheap, &self.cheap) - oc * oc / oo + deviation.powi(-2);
        let cheap = cheap - dot(&products, &self.cheap) - oc / oo * one;
        (own - dot(&products, &products)).max(0.0) + one * one / oo + cheap * cheap / cc
    }
}

/// Solves `L y = x` in place for all but the last of `x`.
fn solve(rows: &[f64], x: &mut [f64]) {
    let mut rest = rows;
    for i in 0..x.len().saturating_sub(1) {
        let Some((row, further)) = rest.split_at_checked(i + 1) else { return };
        rest = further;
        let (before, own) = x.split_at_mut(i);
        if let (Some(own), Some(pivot)) = (own.first_mut(), row.last()) {
            *own = (*own - dot(row, before)) / pivot;
        }
    }
}
