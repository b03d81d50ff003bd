//! What "near" means: the metrics, their names, and the sign of distances and scores.
//!
//! Reads from: a schema's or a query's text. Writes to: nothing.
//! Never: a loop over dimensions (that is `kernel`), a stored vector.

use std::fmt;
use std::str::FromStr;

/// How far two vectors are from each other. A smaller distance is nearer for every metric.
///
/// A truncated comparison takes the first `dims` numbers of both sides; [`Metric::Cosine`] then divides by the norms of
/// those prefixes.
///
/// ```
/// use foretaste_query::metric::Metric;
///
/// let metric: Metric = "euclidean".parse()?;
/// assert_eq!(metric, Metric::L2);
/// assert_eq!(metric.to_string(), "l2");
/// assert_eq!(Metric::Cosine.score(0.25), 0.75);
/// # Ok::<(), foretaste_query::metric::UnknownMetric>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `1 - cos(q, x)`, from 0 to 2; 1 when either side is all zeros.
    Cosine,
    /// `-<q, x>`, the negated inner product.
    Dot,
    /// The Euclidean distance, the root of the sum of squared differences.
    L2,
}

/// A name that is no metric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown metric {0:?}; use \"cosine\" (or \"angular\"), \"dot\" (or \"ip\", \"inner_product\") or \"l2\" (or \"euclidean\")"
)]
pub struct UnknownMetric(pub String);

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

    /// The canonical name, which [`FromStr`] reads back.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
            Metric::L2 => "l2",
        }
    }

    /// The score of a distance; larger is better: the cosine, the inner product, or the negated Euclidean distance.
    pub fn score(self, distance: f64) -> f64 {
        match self {
            Metric::Cosine => 1.0 - distance,
            // Subtracting from zero, so that a product of 0 has the score 0 and not -0.
            Metric::Dot | Metric::L2 => 0.0 - distance,
        }
    }
}

impl Metric {
    /// No score is below this: -1 for a cosine, minus infinity for the others.
    pub fn least_score(self) -> f64 {
        if self == Metric::Cosine { -1.0 } else { f64::NEG_INFINITY }
    }

    /// The squared Euclidean distance that a distance stands for: of the vectors under L2, of the same scaled to length 1 under
    /// cosine. `None` for the inner product, which is of no such distance.
    pub fn squared(self, distance: f64) -> Option<f64> {
        match self {
            Metric::Cosine => Some(2.0 * distance),
            Metric::Dot => None,
            Metric::L2 => Some(distance * distance),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    /// Reads a name or an alias, in any case of letters.
    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        match text.to_ascii_lowercase().as_str() {
            "cosine" | "angular" => Ok(Metric::Cosine),
            "dot" | "ip" | "inner_product" => Ok(Metric::Dot),
            "l2" | "euclidean" => Ok(Metric::L2),
            _ => Err(UnknownMetric(text.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_aliases_are_known() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        for (alias, metric) in [
            ("Euclidean", Metric::L2),
            ("angular", Metric::Cosine),
            ("ip", Metric::Dot),
            ("INNER_PRODUCT", Metric::Dot),
        ] {
            assert_eq!(alias.parse(), Ok(metric));
        }
        let error = "manhattan".parse::<Metric>().unwrap_err();
        assert!(error.to_string().contains("manhattan") && error.to_string().contains("cosine"));
    }

    #[test]
    fn a_nearer_row_has_the_larger_score() {
        for metric in Metric::ALL {
            assert!(metric.score(0.5) > metric.score(0.75));
        }
        assert_eq!((Metric::Dot.score(-3.0), Metric::L2.score(2.0)), (3.0, -2.0));
        assert!(Metric::Dot.score(0.0).is_sign_positive());
    }
}
