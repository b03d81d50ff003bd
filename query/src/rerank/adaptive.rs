//! The query vector that an expensive scorer seems to search with, estimated from the scores it has given so far.
//!
//! Model: `score(x) = b + s <u0, x> + <w, x> + noise`, with `w` Gaussian around zero (variance `τ²` a dimension), noise of
//! variance `ρ τ²`, any offset `b`, and a scale `s` that is known beforehand up to a factor. That is Bayesian ridge regression
//! with the original query as the prior mean: in units of the cheap score the estimate is
//! `û = u0 + Vᵀ (V Vᵀ + ρ I)⁻¹ (a - V u0)`. All work is on the matrix of the anchors' products, factored once and extended
//! as anchors come; `ρ`, `τ` and the scale are those of the largest marginal likelihood.
//! Reads from: anchors (vectors and scores). Writes to: its own memory.
//! Never: a matrix of dimensions by dimensions; a number that is not finite in an estimate.

mod factor;

use factor::{Factor, Offsets};

use crate::kernel::lanes::dot;

/// Most anchors that an estimate is made from: memory grows with their square (16 bytes each pair, half of it twice), time
/// with their cube. Further ones are left out.
pub const MAX_ANCHORS: usize = 4096;
/// Fewer anchors say nothing: two numbers (offset and scale) would explain them.
const MIN_ANCHORS: usize = 4;
/// Ratios of noise to prior variance that are compared, as multiples of the mean squared norm of the anchors.
const RATIOS: [f64; 11] = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
/// The prior of the natural logarithm of that multiple: around 0, with this deviation.
const RATIO_DEVIATION: f64 = 3.0;
/// Deviation of the scale around what is expected of it, in units of τ.
const SCALE_DEVIATION: f64 = 10.0;
/// What a least-squares line is flatter than the line through equal quantiles; on real scorers .6 to .8.
const FLATTER: f64 = 0.7;
/// The estimate keeps at least this share of the scale that is expected, so that it never turns away from the query.
const LEAST_SCALE: f64 = 0.1;

/// What an estimate assumes before it has seen a score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// What a difference of 1 in the cheap score is expected to be in the expensive one, from earlier queries of the same
    /// collection and scorer ([`Ridge::scale`]). None: from the quantiles of the anchors.
    pub scale: Option<f64>,
    /// The ratio `ρ` of the noise's variance to the prior's, in units of squared norms. None: by marginal likelihood.
    pub ratio: Option<f64>,
}

/// The value that the model expects of a score, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The posterior mean.
    pub mean: f64,
    /// The posterior variance of the score without noise; add the square of [`Ridge::noise`] for that of a score itself.
    pub variance: f64,
}

/// An estimate of the query vector behind the scores of an expensive scorer.
///
/// Vectors are as the metric compares them: of unit length for cosine, so that the cheap score is a dot product.
/// Adaptive retrieval by re-estimated queries is AXN (Yadav, Monath, Zaheer, Fergus and McCallum 2024,
/// [arXiv:2405.03651](https://arxiv.org/abs/2405.03651)) and ADACUR ([arXiv:2305.02996](https://arxiv.org/abs/2305.02996));
/// they use a pseudo-inverse, which follows noise. The regression is that of Rasmussen and Williams, *Gaussian Processes for
/// Machine Learning*, sections 2.1, 2.7 (offset and scale) and 5.4 (marginal likelihood).
///
/// ```
/// use foretaste_query::rerank::adaptive::{Options, Ridge};
///
/// // The scorer likes the second dimension, which the query says nothing about.
/// let scorer = |x: &[f32]| f64::from(2.0 * x[0] + 3.0 * x[1]) + 7.0;
/// let mut ridge = Ridge::new(&[1.0, 0.0, 0.0], Options::default());
/// assert_eq!(ridge.query(), [1.0, 0.0, 0.0]);
/// for i in 0..12 {
///     let x = [(i as f32).sin(), (1.7 * i as f32).cos(), (0.6 * i as f32).sin()];
///     assert!(ridge.add(&x, scorer(&x)));
/// }
/// assert!(!ridge.add(&[1.0, 0.0, 0.0], f64::NAN));
/// ridge.fit();
/// let query = ridge.query();
/// assert!((query[1] / query[0] - 1.5).abs() < 0.05 && query[2].abs() < 0.05);
/// assert!((ridge.predict(&[0.5, 0.5, 0.5]).mean - 9.5).abs() < 0.05);
/// ```
#[derive(Debug, Clone)]
pub struct Ridge {
    options: Options,
    prior: Vec<f64>,
    /// The anchors' vectors, one after the other.
    vectors: Vec<f32>,
    /// Their products, as rows of a lower triangle.
    products: Vec<f64>,
    offsets: Offsets,
    /// Of the fit, if there has been one that says more than the prior.
    fitted: Option<Fitted>,
    /// Which ratio was chosen, and for how many anchors.
    chosen: Option<(usize, usize)>,
    factor: Option<Factor>,
}

#[derive(Debug, Clone)]
struct Fitted {
    anchors: usize,
    offset: f64,
    scale: f64,
    /// What is added to the query, in units of the score.
    change: Vec<f64>,
    /// τ².
    variance: f64,
}

impl Ridge {
    /// The estimate without an anchor: the query itself.
    pub fn new(u0: &[f32], options: Options) -> Self {
        let finite = u0.iter().all(|x| x.is_finite());
        Ridge {
            options: Options {
                scale: options.scale.filter(|s| s.is_finite() && *s > 0.0),
                ratio: options.ratio.filter(|r| r.is_finite() && *r > 0.0),
            },
            prior: u0.iter().map(|&x| if finite { f64::from(x) } else { 0.0 }).collect(),
            vectors: Vec::new(),
            products: Vec::new(),
            offsets: Offsets::default(),
            fitted: None,
            chosen: None,
            factor: None,
        }
    }

    /// Takes the score of a vector, from the next [`Ridge::fit`] on. False when it says nothing: the score or a number of the
    /// vector is not finite, the vector has another length than the query, or there are [`MAX_ANCHORS`].
    pub fn add(&mut self, vector: &[f32], score: f64) -> bool {
        let finite = score.is_finite() && vector.iter().all(|x| x.is_finite());
        if !finite || vector.len() != self.prior.len() || self.anchors() >= MAX_ANCHORS {
            return false;
        }
        let cheap = dot(&self.prior, vector);
        let own = dot(vector, vector);
        if !(own.is_finite() && cheap.is_finite()) {
            return false;
        }
        for i in 0..self.anchors() {
            let product = dot(self.anchor(i), vector);
            self.products.push(product);
        }
        self.products.push(own);
        self.vectors.extend_from_slice(vector);
        self.offsets.push(score, cheap);
        true
    }

    /// How many anchors there are.
    pub fn anchors(&self) -> usize {
        self.offsets.len()
    }

    /// Re-estimates from all anchors. With fewer than four, or with scores that are all the same, everything stays as the prior
    /// has it.
    ///
    /// The ratio of noise is chosen anew whenever the anchors have become a quarter more, near the one before; otherwise the
    /// factorisation is only extended, by a time that is quadratic in the anchors for each new one.
    pub fn fit(&mut self) {
        let n = self.anchors();
        let (mean, spread) = self.offsets.level();
        if n < MIN_ANCHORS || !(spread > 0.0 && spread.is_finite()) {
            self.fitted = None;
            return;
        }
        let expected = self.options.scale.unwrap_or_else(|| self.offsets.scale() * FLATTER);
        // Scores in units of their spread, so that no square of one overflows; the mean away, so that nothing cancels.
        let expected = expected / spread;
        let trace: f64 = (0..n).filter_map(|i| self.products.get(i * (i + 3) / 2)).sum();
        let unit = if trace > 0.0 && trace.is_finite() { trace / n as f64 } else { 1.0 };
        let Some(factor) = self.choose(unit, mean, spread, expected) else {
            self.fitted = None;
            return;
        };
        let line = factor.line(expected, SCALE_DEVIATION, LEAST_SCALE * expected);
        let weights = factor.weights(&line);
        let mut change = vec![0f64; self.prior.len()];
        for (i, weight) in weights.iter().enumerate() {
            for (sum, &x) in change.iter_mut().zip(self.anchor(i)) {
                *sum += weight * spread * f64::from(x);
            }
        }
        let fitted = Fitted {
            anchors: n,
            offset: mean + line.offset * spread,
            scale: line.scale * spread,
            change,
            variance: line.variance * spread * spread,
        };
        self.factor = Some(factor);
        let sound = fitted.variance.is_finite()
            && fitted.offset.is_finite()
            && fitted.scale.is_finite()
            && fitted.change.iter().all(|x| x.is_finite());
        self.fitted = sound.then_some(fitted);
    }

    /// The factorisation with the best ratio, extended or made anew.
    fn choose(&mut self, unit: f64, mean: f64, spread: f64, expected: f64) -> Option<Factor> {
        let n = self.anchors();
        if let (Some(mut factor), Some((_, at))) = (self.factor.take(), self.chosen)
            && n * 4 < at * 5
            && factor.extend(&self.products, &self.offsets, mean, spread)
        {
            return Some(factor);
        }
        let new = |ratio: f64| {
            let mut factor = Factor::new(ratio);
            factor.extend(&self.products, &self.offsets, mean, spread).then(|| {
                let away = (ratio / unit).ln() / RATIO_DEVIATION;
                let line = factor.line(expected, SCALE_DEVIATION, 0.0);
                (line.likelihood - 0.5 * away * away, factor)
            })
        };
        if let Some(ratio) = self.options.ratio {
            self.chosen = Some((0, n));
            return new(ratio).map(|(_, factor)| factor);
        }
        let at = |i: usize| RATIOS.get(i).and_then(|r| new(r * unit));
        let (mut best, mut place) = (None::<(f64, Factor)>, 0);
        let mut better = |i: usize| {
            let found = at(i).filter(|(l, _)| l.is_finite() && best.as_ref().is_none_or(|(b, _)| l > b));
            let is = found.is_some();
            if is {
                (best, place) = (found, i);
            }
            is
        };
        match self.chosen {
            // Uphill from where it was.
            Some((from, _)) if better(from) => {
                let up = (from + 1..RATIOS.len()).take_while(|&i| better(i)).count();
                if up == 0 {
                    let _ = (0..from).rev().take_while(|&i| better(i)).count();
                }
            }
            _ => (0..RATIOS.len()).for_each(|i| {
                better(i);
            }),
        }
        self.chosen = best.is_some().then_some((place, n));
        best.map(|(_, factor)| factor)
    }

    /// The query to search with: the original one with what the scores have added, in the original's units. Its nearest by dot
    /// product are those with the highest predicted scores.
    pub fn query(&self) -> Vec<f32> {
        let Some(fitted) = &self.fitted else { return self.prior.iter().map(|&x| x as f32).collect() };
        let query: Vec<f32> =
            self.prior.iter().zip(&fitted.change).map(|(u, w)| (u + w / fitted.scale) as f32).collect();
        if query.iter().all(|x| x.is_finite()) {
            query
        } else {
            self.prior.iter().map(|&x| x as f32).collect()
        }
    }

    /// The posterior mean of a vector's score: as [`Ridge::predict`], in a time that does not depend on the anchors. Before
    /// there is a fit it is the cheap score. A vector of another length is compared over the shorter one's.
    pub fn mean(&self, vector: &[f32]) -> f64 {
        let cheap = dot(&self.prior, vector);
        let mean = match &self.fitted {
            None => cheap,
            Some(f) => f.offset + f.scale * cheap + dot(&f.change, vector),
        };
        if mean.is_nan() { f64::NEG_INFINITY } else { mean }
    }

    /// The posterior of a vector's score, in the scorer's units, in a time that is quadratic in the anchors. Before there is a fit
    /// the mean is the cheap score and the variance infinite.
    pub fn predict(&self, vector: &[f32]) -> Prediction {
        let mean = self.mean(vector);
        let (Some(fitted), Some(factor)) = (&self.fitted, &self.factor) else {
            return Prediction { mean, variance: f64::INFINITY };
        };
        let products = (0..fitted.anchors).map(|i| dot(self.anchor(i), vector)).collect();
        let share = factor.spread(products, dot(vector, vector), dot(&self.prior, vector), SCALE_DEVIATION);
        let variance = share * fitted.variance;
        Prediction { mean, variance: if variance.is_nan() { f64::INFINITY } else { variance } }
    }

    /// The standard deviation of the scores around what any query vector could explain, in the scorer's units; infinite
    /// before there is a fit.
    pub fn noise(&self) -> f64 {
        match (&self.fitted, &self.factor) {
            (Some(fitted), Some(factor)) => (fitted.variance * factor.ratio()).sqrt(),
            _ => f64::INFINITY,
        }
    }

    /// What a difference of 1 in the cheap score is in the expensive one, along the original query; None before there is a fit.
    /// The median over queries is what [`Options::scale`] takes.
    pub fn scale(&self) -> Option<f64> {
        self.fitted.as_ref().map(|f| f.scale)
    }

    fn anchor(&self, i: usize) -> &[f32] {
        let dims = self.prior.len();
        self.vectors.get(i * dims..(i + 1) * dims).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
