//! The data set of a benchmark: queries and true neighbours of an HDF5 file in the ANN-benchmarks layout.

use std::path::Path;

use foretaste::Metric;
use foretaste::import::{self, Options, Rows};

use super::truth::Truth;
use crate::output::{Failure, Outcome};

/// Queries with their true answers; the rows stay in the file.
pub struct DataSet {
    pub name: String,
    pub metric: Metric,
    pub rows: u64,
    pub dim: usize,
    queries: Vec<f32>,
    neighbors: Table,
    /// `None` when the file has none, or none that are comparable.
    distances: Option<Table>,
}

struct Table {
    numbers: Vec<f32>,
    width: usize,
}

impl DataSet {
    /// Reads `file`, at most `queries` queries of it.
    pub fn read(file: &Path, queries: usize) -> Outcome<DataSet> {
        let train = import::open(file, &Options::default())?;
        let metric = train.metric_hint().and_then(|hint| hint.parse().ok()).ok_or_else(|| {
            Failure::new(format!("{} does not say its metric", file.display()))
                .hint("the attribute `distance` is `euclidean`, `angular` or `dot`")
        })?;
        let test = table(file, "test", queries)?;
        let neighbors = table(file, "neighbors", queries)?;
        // The layout does not fix the sign of inner products.
        let distances = (metric != Metric::Dot).then(|| table(file, "distances", queries).ok()).flatten();
        let (rows, dim) = (train.rows().unwrap_or(0), train.dim());
        if test.width != dim || test.numbers.is_empty() || neighbors.len() != test.len() {
            let why = format!("{}: `test` and `neighbors` do not fit `train`", file.display());
            return Err(Failure::new(why));
        }
        let distances = distances.filter(|d| d.len() == test.len() && d.width == neighbors.width);
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(DataSet { name, metric, rows, dim, queries: test.numbers, neighbors, distances })
    }

    /// How many queries there are.
    pub fn queries(&self) -> usize {
        self.queries.len() / self.dim.max(1)
    }

    /// Query `number`, or an empty one.
    pub fn query(&self, number: usize) -> &[f32] {
        self.queries.get(number * self.dim..(number + 1) * self.dim).unwrap_or_default()
    }

    /// The file's own answers.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        for query in 0..self.queries() {
            let distance = |place: usize| {
                let known = self.distances.as_ref().and_then(|table| table.row(query).get(place));
                known.map_or(f64::NAN, |d| f64::from(*d))
            };
            let row = self.neighbors.row(query).iter().enumerate();
            truth.add(row.map(|(place, id)| (*id as i64, distance(place))));
        }
        truth
    }
}

impl Table {
    fn len(&self) -> usize {
        self.numbers.len() / self.width.max(1)
    }

    fn row(&self, row: usize) -> &[f32] {
        self.numbers.get(row * self.width..(row + 1) * self.width).unwrap_or_default()
    }
}

fn table(file: &Path, name: &str, most: usize) -> Outcome<Table> {
    let options = Options { vector: Some(name.to_string()), ..Options::default() };
    let mut reader = import::open(file, &options)?;
    let mut rows = Rows::default();
    while rows.len() < most && reader.read(most - rows.len(), &mut rows)? > 0 {}
    Ok(Table { numbers: rows.vectors, width: reader.dim() })
}
