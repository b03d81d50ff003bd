//! The BM25 ranking function (Robertson and Zaragoza 2009, section 3).
//!
//! ```text
//! score = Σ over the query's words   idf · (k1 + 1) · tf / (tf + k1 · (1 - b + b · length / average))
//! idf   = ln(1 + (documents - having + 0.5) / (having + 0.5))
//! ```
//!
//! `tf` is how often the word stands in the row, `length` the row's words, `average` their mean, `having` the rows that have
//! the word. A word that comes twice in the query counts twice. The 1 in the logarithm keeps words that most rows have from
//! counting against a row, as Lucene, Tantivy and DuckDB have it.
//!
//! Reads from: counts. Writes to: nothing.
//! Never: a score that falls when a word comes more often or a row is shorter, not even by rounding; bounds rely on it.

/// The two parameters.
///
/// `k1` is how fast further occurrences of a word lose their weight: at 0 only the first counts. `b` is how much long rows are
/// held back: at 0 not at all, at 1 in proportion to their length. The defaults are 1.2 and 0.75.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    /// At least 0.
    pub k1: f64,
    /// From 0 to 1.
    pub b: f64,
}

impl Default for Bm25 {
    fn default() -> Self {
        Bm25 { k1: 1.2, b: 0.75 }
    }
}

/// What is counted over a whole collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Rows that have a word in the field.
    pub documents: u64,
    /// The words of all rows together.
    pub words: u64,
}

impl Statistics {
    /// Words of a row with words, on average.
    pub fn average(&self) -> f64 {
        self.words as f64 / self.documents.max(1) as f64
    }
}

/// How much a word of a query counts, for one collection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    factor: f64,
    k1: f64,
    b: f64,
    average: f64,
}

impl Bm25 {
    /// Whether the parameters are within their ranges.
    pub fn is_valid(&self) -> bool {
        self.k1.is_finite() && self.k1 >= 0.0 && (0.0..=1.0).contains(&self.b)
    }

    /// The weight of a word that `having` rows have and that comes `times` times in the query.
    pub fn weight(&self, statistics: &Statistics, having: u64, times: u32) -> Weight {
        let (documents, having) = (statistics.documents as f64, having as f64);
        let idf = (1.0 + (documents - having + 0.5).max(0.0) / (having + 0.5)).ln();
        let factor = f64::from(times) * idf * (self.k1 + 1.0);
        Weight { factor, k1: self.k1, b: self.b, average: statistics.average().max(f64::MIN_POSITIVE) }
    }
}

impl Weight {
    /// What `tf` occurrences in a row of `length` words contribute.
    #[inline]
    pub fn score(&self, tf: u32, length: u32) -> f64 {
        let hold = self.k1 * ((1.0 - self.b) + self.b * (f64::from(length) / self.average));
        // Each step is monotone in tf and length even when rounded; tf / (tf + hold) would not be.
        self.factor / (1.0 + hold / f64::from(tf))
    }

    /// What no number of occurrences exceeds.
    pub fn most(&self) -> f64 {
        self.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formula() {
        let statistics = Statistics { documents: 4, words: 40 };
        assert_eq!(statistics.average(), 10.0);
        let weight = Bm25::default().weight(&statistics, 1, 1);
        // ln(1 + 3.5 / 1.5) = 1.203972804; 2.2 * 2 / (2 + 1.2 * (0.25 + 0.75 * 5 / 10)) = 1.6
        assert!((weight.score(2, 5) - 1.203_972_804_325_936 * 1.6).abs() < 1e-12);
        assert_eq!(Bm25::default().weight(&statistics, 1, 3).score(2, 5), 3.0 * weight.score(2, 5));
        // At 0 only whether it is there counts.
        let plain = Bm25 { k1: 0.0, b: 1.0 }.weight(&statistics, 1, 1);
        assert_eq!((plain.score(1, 1), plain.score(9, 400)), (plain.most(), plain.most()));
        // A word that every row has still counts for it.
        assert!(Bm25::default().weight(&statistics, 4, 1).score(1, 10) > 0.0);
        assert_eq!(Statistics::default().average(), 0.0);
    }

    #[test]
    fn parameters_have_ranges() {
        let valid = |k1, b| Bm25 { k1, b }.is_valid();
        assert!(valid(1.2, 0.75) && valid(0.0, 0.0) && valid(100.0, 1.0));
        assert!(!valid(-0.1, 0.5) && !valid(f64::NAN, 0.5) && !valid(f64::INFINITY, 0.5));
        assert!(!valid(1.0, 1.1) && !valid(1.0, -0.1) && !valid(1.0, f64::NAN));
    }
}
