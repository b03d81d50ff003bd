//! Maps from the vectors of one model to those of another: fitted, and what they are worth.
//!
//! Reads from: the caller's pairs. Writes to: `foretaste::Adapter`, JSON. Never: a mean without its interval.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use foretaste::{Estimate, FitError, FitOptions, FitReport, Method, Pairs, Use};
use serde_json::json;

use crate::ptr::{FitGiven, FloatRoom, Floats, Given};
use crate::run::area;
use crate::schema::metric_of;
use crate::search::Canceller;
use crate::status::{Failure, Result, Status, bad, entry, free, give, give_text, some};

/// A rotation (centred orthogonal Procrustes): the safest with few pairs, and exact when the models differ by a rotation. The default.
pub const FT_FIT_PROCRUSTES: u32 = 0;
/// The same with one factor for all vectors.
pub const FT_FIT_PROCRUSTES_SCALED: u32 = 1;
/// Ridge regression, for models that differ in more than directions. Wants several times more pairs than dimensions. The parameter
/// holds the map back, in parts of the mean variance of a dimension; 0 is the one with the smallest error of leaving each pair out.
pub const FT_FIT_RIDGE: u32 = 2;
/// Similarities with some of the pairs; the parameter is with how many, at least 1 and at most three quarters of them.
pub const FT_FIT_ANCHORS: u32 = 3;

/// How a map is fitted. Set it to zeros, then `size` to its sizeof; the rest may stay 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FitSpec {
    /// sizeof(ft_fit).
    pub size: usize,
    /// One of FT_FIT_*.
    pub method: u32,
    /// How vectors are compared: one of FT_METRIC_*; 0 is the cosine.
    pub metric: u32,
    /// The method's parameter.
    pub parameter: f64,
    /// How many threads take part; 0 is 1. The result does not depend on it.
    pub threads: usize,
}

/// A linear map from the vectors of one model to those of another, for queries. It may be used from any thread, also from several at
/// once.
pub struct Adapter {
    pub map: foretaste::Adapter,
    pub report: FitReport,
}

/// Fits a map for queries of a new model into the space of the old one, on `pairs` items that both have embedded: item i is row i of
/// both matrices, which have `new_dim` and `old_dim` numbers a row. At least 40 items, better some thousands.
///
/// `fit` may be NULL. A fifth of the items, at least 20 and at most 2,000, is held out and judges the map, which is then fitted on all
/// of them; `ft_adapter_report` says what came out. `canceller`, which may be NULL, ends it from another thread: FT_STATUS_CANCELLED.
/// FT_STATUS_BAD_REQUEST for too few items and numbers that are not finite.
#[unsafe(no_mangle)]
pub extern "C" fn ft_adapter_fit(
    new_vectors: Floats,
    new_dim: usize,
    old_vectors: Floats,
    old_dim: usize,
    pairs: usize,
    fit: FitGiven,
    canceller: Option<&Canceller>,
    adapter: Option<&mut MaybeUninit<Option<Box<Adapter>>>>,
) -> Status {
    entry(|| {
        give(adapter, "adapter", || {
            let new = new_vectors.slice(area(pairs, new_dim)?, "new_vectors")?;
            let old = old_vectors.slice(area(pairs, old_dim)?, "old_vectors")?;
            let options = options(fit)?;
            let cancelled = || canceller.is_some_and(|canceller| canceller.0.is_cancelled());
            let pairs = Pairs::new(new, new_dim, old, old_dim)?;
            let (map, report) = foretaste::fit_adapter(pairs, &options, &cancelled)?;
            Ok(Adapter { map, report })
        })
    })
}

/// Frees a map. NULL is fine. Rules made of it stay.
#[unsafe(no_mangle)]
pub extern "C" fn ft_adapter_free(adapter: Option<Box<Adapter>>) {
    free(adapter);
}

/// What the map is worth on the items that it was not fitted on, as a JSON object: `pairs`, `held_out`, `retention_at_1` and
/// `retention_at_10` (the share of the nearest, and of the ten nearest, by the new model that are found), `old_at_10` (the same share
/// for the old model without a map), each with `mean`, `low` and `high` (95 % confidence), `cosine` (the mean cosine of mapped and true
/// vectors), `ridge` (null for methods that have none), `refitted`. The text is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_adapter_report(
    adapter: Option<&Adapter>,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let report = &some(adapter, "adapter")?.report;
            let estimate =
                |Estimate { mean, low, high }: Estimate| json!({"mean": mean, "low": low, "high": high});
            let figures = json!({
                "pairs": report.pairs,
                "held_out": report.held_out,
                "retention_at_1": estimate(report.retention_at_1),
                "retention_at_10": estimate(report.retention_at_10),
                "old_at_10": estimate(report.old_at_10),
                "cosine": report.cosine,
                "ridge": report.ridge,
                "refitted": report.refitted,
            });
            Ok(figures.to_string())
        })
    })
}

/// Maps a vector of the new model, of `dim` numbers, into `mapped`, which has room for `capacity`; it takes as many as the old model
/// has dimensions. FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn ft_adapter_apply(
    adapter: Option<&Adapter>,
    vector: Floats,
    dim: usize,
    mapped: FloatRoom,
    capacity: usize,
) -> Status {
    entry(|| {
        let map = &some(adapter, "adapter")?.map;
        let vector = vector.slice(dim, "vector")?;
        if dim != map.from_dims() {
            let why = format!("the adapter maps vectors of {} dimensions, not of {dim}", map.from_dims());
            return Err(Failure::new(Status::DimensionMismatch, why));
        }
        let mut numbers = vec![0.0; map.to_dims()];
        map.apply(vector, &mut numbers);
        mapped.fill(capacity, &numbers, "mapped")
    })
}

fn options(fit: FitGiven) -> Result<FitOptions> {
    let mut options = FitOptions { direction: Use::Queries, ..FitOptions::default() };
    let Some(fit) = fit.read("fit")? else { return Ok(options) };
    let parameter = fit.parameter;
    if !(parameter >= 0.0 && parameter.is_finite()) {
        return Err(bad(format!("the parameter of a method is finite and not negative, not {parameter}")));
    }
    options.method = match fit.method {
        FT_FIT_RIDGE => Method::Ridge { ridge: (parameter > 0.0).then_some(parameter) },
        FT_FIT_ANCHORS => {
            if parameter.fract() != 0.0 || parameter < 1.0 || parameter > f64::from(u32::MAX) {
                return Err(bad(format!("the number of anchors is a whole number, not {parameter}")));
            }
            Method::Anchors { count: parameter as usize }
        }
        FT_FIT_PROCRUSTES | FT_FIT_PROCRUSTES_SCALED if parameter > 0.0 => {
            return Err(bad("this method has no parameter; give 0".into()));
        }
        FT_FIT_PROCRUSTES => Method::Procrustes { scaled: false },
        FT_FIT_PROCRUSTES_SCALED => Method::Procrustes { scaled: true },
        other => return Err(bad(format!("method is one of FT_FIT_*, not {other}"))),
    };
    if fit.metric != 0 {
        options.metric = metric_of(fit.metric)?;
    }
    options.threads = fit.threads.max(1);
    Ok(options)
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Failure {
        let status = match error {
            FitError::Cancelled => Status::Cancelled,
            _ => Status::BadRequest,
        };
        Failure::new(status, error.to_string())
    }
}
