//! Fitting an adapter: which pairs the map is fitted on, which judge it, and the map that is given out in the end.
//!
//! Reads from: pairs. Writes to: an adapter and its report.
//! Never: a report on pairs that the reported map was fitted on; a random number.

use crate::kernel::gemm::Side;
use crate::metric::Metric;

use super::adapter::{Adapter, Kind};
use super::anchors::anchored;
use super::judge::{Report, Split, Use, judge};
use super::moments::{Centre, Centred, multiply, products};
use super::pairs::{Error, LEAST_PAIRS, Pairs};
use super::polar::orthogonal;
use super::ridge::Moments;

/// Rows whose scale is measured at a time.
const RUN: usize = 1024;

/// How the map is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Centred orthogonal Procrustes: angles and relative distances stay as they are. The safest with few pairs, and exact when the
    /// models differ by a rotation. From more dimensions into fewer it is the projection with the largest covariance with the other
    /// side.
    Procrustes {
        /// Whether one factor for all vectors is fitted, too.
        scaled: bool,
    },
    /// Ridge regression, for models that differ in more than directions. Wants several times more pairs than dimensions. The nearest in the
    /// mean, and for that reason too short where it knows little, which is what [`ErrorModel`](super::ErrorModel) goes by.
    Ridge {
        /// What holds the map back, in parts of the mean variance of a dimension; `None` is the one with the smallest error of
        /// leaving each pair out.
        ridge: Option<f64>,
    },
    /// Shared anchors, chosen among the pairs without a pattern.
    Anchors {
        /// How many; at least 1, at most three quarters of the pairs.
        count: usize,
    },
}

/// What is fitted, and how it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How the map is fitted.
    pub method: Method,
    /// How vectors are compared, in both spaces.
    pub metric: Metric,
    /// What the map is for, which decides what is judged.
    pub direction: Use,
    /// Whether the adapter is fitted once more on all pairs after it was judged; the report remains that of the fit without those
    /// held out.
    pub refit: bool,
    /// How many threads take part; the result does not depend on it.
    pub threads: usize,
}

impl Default for Options {
    /// Procrustes without a scale, cosine, for queries, refitted, one thread. For queries Procrustes kept as many neighbours as ridge on MiniLM
    /// sentences and models made from them, and more with few pairs; for rows of a much weaker model ridge kept more.
    fn default() -> Self {
        Options {
            method: Method::Procrustes { scaled: false },
            metric: Metric::Cosine,
            direction: Use::Queries,
            refit: true,
            threads: 1,
        }
    }
}

/// Fits the map from the left side of the pairs to the right one, and says what it is worth.
///
/// A fifth of the pairs, at least 20 and at most 2,000, chosen without a pattern and always the same, is held out; the report is about
/// them. `cancel` is asked every few milliseconds to seconds; after it said true the result is [`Error::Cancelled`].
///
/// Costs about `pairs * from * (from + to)` operations for the products, `from³` to `10 from³` for the map, twice with `refit`, and
/// `2,000² * (from + 2 to)` at most for the report. Memory: some matrices of `from * from` and `from * to` f64, the vectors of the pairs
/// once more, and some 2,000 of each kind.
///
/// # Errors
/// Fewer than [`LEAST_PAIRS`] pairs, cancelled, or a map whose numbers would be beyond f32.
pub fn fit(
    pairs: Pairs<'_>,
    options: &Options,
    cancel: &dyn Fn() -> bool,
) -> Result<(Adapter, Report), Error> {
    if pairs.len() < LEAST_PAIRS {
        return Err(Error::TooFew { pairs: pairs.len() });
    }
    let split = Split::new(pairs.len());
    let (from, to) = pairs.gather(&split.fitted);
    let (adapter, ridge) = map(&from, &to, &pairs, options, cancel)?;
    drop((from, to));
    let mut report = judge(&pairs, &adapter, &split, options, cancel)?;
    report.ridge = ridge;
    if !options.refit {
        return Ok((adapter, report));
    }
    // The ridge that was chosen holds for a fifth more pairs, too.
    let method = match (options.method, ridge) {
        (Method::Ridge { .. }, Some(ridge)) => Method::Ridge { ridge: Some(ridge) },
        (method, _) => method,
    };
    let (adapter, _) = map(pairs.from(), pairs.to(), &pairs, &Options { method, ..*options }, cancel)?;
    report.refitted = true;
    Ok((adapter, report))
}

/// The map fitted on these rows, and the ridge that was used.
fn map(
    from: &[f32],
    to: &[f32],
    shape: &Pairs<'_>,
    options: &Options,
    cancel: &dyn Fn() -> bool,
) -> Result<(Adapter, Option<f64>), Error> {
    let (p, q, threads) = (shape.from_dims(), shape.to_dims(), options.threads);
    let (centre_from, centre_to) = (Centre::new(from, p), Centre::new(to, q));
    let x = Centred { rows: from, centre: &centre_from };
    let y = Centred { rows: to, centre: &centre_to };
    // From the units of the one side to those of the other.
    let unit = f64::from(centre_from.scale) / f64::from(centre_to.scale);
    let (kind, matrix, factor, ridge) = match options.method {
        Method::Procrustes { scaled } => {
            let cross = products(y, x, threads, cancel).ok_or(Error::Cancelled)?;
            let matrix = orthogonal(&cross, q, threads, cancel).ok_or(Error::Cancelled)?;
            let factor = if scaled { scale(x, y, &matrix, threads, cancel)? * unit } else { 1.0 };
            (Kind::Procrustes, matrix, factor, None)
        }
        Method::Ridge { ridge } => {
            let moments = Moments::new(x, y, threads, cancel)?;
            let ridge = match ridge.filter(|r| *r > 0.0 && r.is_finite()) {
                Some(ridge) => ridge,
                None => moments.choose(x, y, threads, cancel)?,
            };
            (Kind::Ridge, moments.solve(q, ridge, threads, cancel)?, unit, Some(ridge))
        }
        Method::Anchors { count } => {
            let (matrix, ridge) = anchored(x, y, count, threads, cancel)?;
            let factor = scale(x, y, &matrix, threads, cancel)? * unit;
            (Kind::Anchors, matrix, factor, Some(ridge))
        }
    };
    let matrix = matrix.iter().map(|w| (w * factor) as f32).collect();
    let adapter = Adapter::new(kind, centre_from.mean, centre_to.mean, matrix).ok_or(Error::Overflow)?;
    Ok((adapter, ridge))
}

/// The factor with which the mapped rows are nearest to the true ones.
fn scale(
    x: Centred<'_>,
    y: Centred<'_>,
    matrix: &[f64],
    threads: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<f64, Error> {
    let (p, q) = (x.dims(), y.dims());
    let short: Vec<f32> = matrix.iter().map(|w| *w as f32).collect();
    let (mut along, mut square) = (0f64, 0f64);
    for start in (0..x.len()).step_by(RUN) {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let rows = RUN.min(x.len() - start);
        let part = x.side().range(start..start + rows);
        let mapped = multiply(part, rows, Side::rows(&short, p), q, threads);
        for (mapped, truth) in mapped.chunks_exact(q).zip(y.rows[start * q..].chunks_exact(q)) {
            for (a, b) in mapped.iter().zip(y.centre.of(truth)) {
                along += f64::from(*a) * b;
                square += f64::from(*a).powi(2);
            }
        }
    }
    // Where nothing is mapped to anything, any factor will do.
    Ok(if square > 0.0 { along / square } else { 1.0 })
}
