//! Scores of a query and a row that are normal distributions: a mean and variances for each dimension.
//!
//! | [`Measure`] | function | the smaller, the nearer |
//! | --- | --- | --- |
//! | `Csd` | [`csd`] | expected squared distance of samples |
//! | `Wasserstein` | [`squared_wasserstein`] | work of moving one onto the other |
//! | `Bhattacharyya` | [`bhattacharyya`] | overlap |
//! | `ExpectedLikelihood` | minus [`log_expected_likelihood`] | likelihood that samples coincide |
//! | `LogLikelihood` | minus [`log_likelihood`] | likelihood of the query's mean under the row |
//!
//! Rows are found by their means; the [`Stream`] says how far in the order of the means one has to go.
//!
//! Bad input never panics. Only the dimensions that both means have count. A variance that is missing, negative or no number
//! is 0, and where a variance divides, one below [`FLOOR`] is `FLOOR`; none is above `f32::MAX`. Means that are not finite give NaN or
//! infinity, which [`Stream`] puts last or leaves out.
//!
//! Reads from: f32 means and variances. Writes to: nothing. Never: a sum in f32.

mod stream;
#[cfg(test)]
mod tests;

pub use stream::{Bound, Spread, Stream};

/// The smallest variance that divides: 2⁻³², the smallest that the 8-bit code of stored variances has besides 0.
pub const FLOOR: f64 = 1.0 / 4_294_967_296.0;

/// Partial sums that are kept apart, and factors of which one logarithm is taken: each is within 2⁻³⁴ … 2¹⁶², so that
/// the product of four neither overflows nor vanishes.
const LANES: usize = 4;

/// The variances of a row or query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Variance<'a> {
    /// A point.
    None,
    /// The same in each dimension.
    Scalar(f32),
    /// One a dimension.
    Diagonal(&'a [f32]),
}

/// A normal distribution without covariances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaussian<'a> {
    /// The mean, one number a dimension.
    pub mean: &'a [f32],
    /// The variances: squares of standard deviations.
    pub variance: Variance<'a>,
}

/// By what rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// [`csd`] without the query's trace, which is the same for all rows: `δ + lambda * trace`.
    Csd {
        /// The weight of the row's trace; 1 is the published one, one that is not positive and finite is 0.
        lambda: f64,
    },
    /// [`squared_wasserstein`].
    Wasserstein,
    /// [`bhattacharyya`].
    Bhattacharyya,
    /// [`log_expected_likelihood`], negated.
    ExpectedLikelihood,
    /// [`log_likelihood`], negated.
    LogLikelihood,
}

impl Measure {
    /// The distance of a row: the smaller, the nearer. It may be negative, and is NaN only if a mean is not finite.
    ///
    /// ```
    /// use foretaste_query::rerank::gaussian::{Gaussian, Measure, Variance};
    ///
    /// let query = Gaussian { mean: &[0.0, 0.0], variance: Variance::Scalar(0.25) };
    /// let near = Gaussian { mean: &[1.0, 0.0], variance: Variance::Diagonal(&[2.0, 2.0]) };
    /// let sure = Gaussian { mean: &[1.0, 1.0], variance: Variance::None };
    /// let csd = Measure::Csd { lambda: 1.0 };
    /// assert_eq!((csd.distance(&query, &near), csd.distance(&query, &sure)), (5.0, 2.0));
    /// ```
    pub fn distance(&self, query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
        match *self {
            Measure::Csd { lambda } => {
                squared_mean_distance(query, row) + weight(lambda) * row.trace(dims(query, row))
            }
            Measure::Wasserstein => squared_wasserstein(query, row),
            Measure::Bhattacharyya => bhattacharyya(query, row),
            Measure::ExpectedLikelihood => -log_expected_likelihood(query, row),
            Measure::LogLikelihood => -log_likelihood(query, row),
        }
    }
}

impl Gaussian<'_> {
    /// The sum of the variances over the first `dims` dimensions, or as many as the mean has.
    pub fn trace(&self, dims: usize) -> f64 {
        let dims = dims.min(self.mean.len());
        match self.variance {
            Variance::None => 0.0,
            Variance::Scalar(_) => dims as f64 * self.variance.at(0),
            Variance::Diagonal(_) => sums(dims, |i| (self.variance.at(i), 1.0)).0,
        }
    }
}

impl Variance<'_> {
    /// The variance of dimension `i`: at least 0, finite.
    fn at(&self, i: usize) -> f64 {
        let stored = match self {
            Variance::None => 0.0,
            Variance::Scalar(variance) => *variance,
            Variance::Diagonal(variances) => variances.get(i).copied().unwrap_or(0.0),
        };
        if stored > 0.0 { f64::from(stored.min(f32::MAX)) } else { 0.0 }
    }

    /// The variance of dimension `i`, as a divisor.
    fn floored(&self, i: usize) -> f64 {
        self.at(i).max(FLOOR)
    }
}

/// δ: the squared Euclidean distance of the means.
pub fn squared_mean_distance(query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
    sums(dims(query, row), |i| (squared(query, row, i), 1.0)).0
}

/// Closed-form sampled distance: `|μq - μ|² + Σσq² + lambda Σσ²`; with `lambda` 1 the expected squared distance of a sample of
/// the query and one of the row.
///
/// Chun, "Improved Probabilistic Image-Text Representations" (PCME++), ICLR 2024, arXiv 2305.18171.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Variance, csd};
/// let query = Gaussian { mean: &[3.0, 0.0], variance: Variance::Scalar(0.5) };
/// let row = Gaussian { mean: &[0.0, 4.0], variance: Variance::Diagonal(&[1.0, 2.0]) };
/// assert_eq!(csd(&query, &row, 1.0), 25.0 + 1.0 + 3.0);
/// ```
pub fn csd(query: &Gaussian<'_>, row: &Gaussian<'_>, lambda: f64) -> f64 {
    Measure::Csd { lambda }.distance(query, row) + query.trace(dims(query, row))
}

/// Squared 2-Wasserstein distance: `|μq - μ|² + Σ(σq - σ)²`, with standard deviations.
///
/// Dowson and Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Analysis 12(3), 1982.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Variance, squared_wasserstein};
/// let query = Gaussian { mean: &[1.0], variance: Variance::Scalar(4.0) };
/// let row = Gaussian { mean: &[0.0], variance: Variance::Scalar(25.0) };
/// assert_eq!(squared_wasserstein(&query, &row), 1.0 + 9.0);
/// ```
pub fn squared_wasserstein(query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
    let spread = |i: usize| {
        let gap = query.variance.at(i).sqrt() - row.variance.at(i).sqrt();
        (gap * gap, 1.0)
    };
    squared_mean_distance(query, row) + sums(dims(query, row), spread).0
}

/// Bhattacharyya distance: `¼ Σ Δ² / (σq² + σ²) + ½ Σ ln((σq² + σ²) / 2σqσ)`, from 0 on; minus the logarithm of the overlap.
///
/// Bhattacharyya, "On a measure of divergence between two statistical populations defined by their probability distributions", 1943.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Variance, bhattacharyya};
/// let query = Gaussian { mean: &[2.0], variance: Variance::Scalar(1.0) };
/// let row = Gaussian { mean: &[0.0], variance: Variance::Scalar(1.0) };
/// assert_eq!(bhattacharyya(&query, &row), 0.5);
/// assert_eq!(bhattacharyya(&row, &row), 0.0);
/// ```
pub fn bhattacharyya(query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
    let term = |i: usize| {
        let (q, x) = (query.variance.floored(i), row.variance.floored(i));
        (squared(query, row, i) / (q + x), unlikeness(q, x))
    };
    let (quadratic, log) = sums(dims(query, row), term);
    0.25 * quadratic + 0.25 * log
}

/// Logarithm of the expected-likelihood kernel `∫ N(x; μq, σq²) N(x; μ, σ²) dx`, which is `N(μq - μ; 0, σq² + σ²)`; the larger, the
/// nearer.
///
/// Jebara and Kondor, "Bhattacharyya and Expected Likelihood Kernels", COLT 2003.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Variance, log_expected_likelihood};
/// let one = Gaussian { mean: &[2.0], variance: Variance::Scalar(1.0) };
/// let two = Gaussian { mean: &[0.0], variance: Variance::Scalar(3.0) };
/// let expected = -0.5 * (std::f64::consts::TAU * 4.0).ln() - 0.5;
/// assert!((log_expected_likelihood(&one, &two) - expected).abs() < 1e-12);
/// ```
pub fn log_expected_likelihood(query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
    log_density(query, row, |i| query.variance.floored(i) + row.variance.floored(i))
}

/// Logarithm of the row's density at the query's mean; the larger, the nearer. The query's variances do not count.
///
/// ```
/// use foretaste_query::rerank::gaussian::{Gaussian, Variance, log_likelihood};
/// let query = Gaussian { mean: &[2.0], variance: Variance::None };
/// let row = Gaussian { mean: &[0.0], variance: Variance::Scalar(4.0) };
/// let expected = -0.5 * (std::f64::consts::TAU * 4.0).ln() - 0.5;
/// assert!((log_likelihood(&query, &row) - expected).abs() < 1e-12);
/// ```
pub fn log_likelihood(query: &Gaussian<'_>, row: &Gaussian<'_>) -> f64 {
    log_density(query, row, |i| row.variance.floored(i))
}

fn log_density(query: &Gaussian<'_>, row: &Gaussian<'_>, variance: impl Fn(usize) -> f64) -> f64 {
    let term = |i: usize| {
        let variance = variance(i);
        (squared(query, row, i) / variance, std::f64::consts::TAU * variance)
    };
    let (quadratic, log) = sums(dims(query, row), term);
    -0.5 * quadratic - 0.5 * log
}

/// The square of arithmetic over geometric mean of two variances, from 1 on.
fn unlikeness(q: f64, x: f64) -> f64 {
    (q + x) * (q + x) / (4.0 * q * x)
}

fn dims(query: &Gaussian<'_>, row: &Gaussian<'_>) -> usize {
    query.mean.len().min(row.mean.len())
}

fn squared(query: &Gaussian<'_>, row: &Gaussian<'_>, i: usize) -> f64 {
    let difference = f64::from(query.mean[i]) - f64::from(row.mean[i]);
    difference * difference
}

/// A weight as it is used.
fn weight(lambda: f64) -> f64 {
    if lambda > 0.0 && lambda.is_finite() { lambda } else { 0.0 }
}

/// The sum of the first parts of `term(i)`, and of the logarithms of the second, over `0..dims`, always in the same order.
fn sums(dims: usize, term: impl Fn(usize) -> (f64, f64)) -> (f64, f64) {
    let (mut partial, mut log) = ([0f64; LANES], 0f64);
    for start in (0..dims).step_by(LANES) {
        let mut product = 1.0;
        for (sum, i) in partial.iter_mut().zip(start..dims) {
            let (addend, factor) = term(i);
            *sum += addend;
            product *= factor;
        }
        if product != 1.0 {
            log += product.ln();
        }
    }
    (partial.iter().sum(), log)
}
