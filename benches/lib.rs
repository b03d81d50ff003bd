//! What the measuring programs share: data sets in memory, fresh folders, lines of JSON and of tables.
//!
//! Reads from: data set files. Writes to: temporary folders, stdout. Never: a measurement of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;
use foretaste::import::{self, Options, Rows};

/// A data set in memory: train rows, queries, true neighbours.
#[derive(Debug)]
pub struct DataSet {
    /// File name without its ending.
    pub name: String,
    /// Dimensions.
    pub dim: usize,
    /// The metric the file states.
    pub metric: String,
    train: Vec<f32>,
    test: Vec<f32>,
    neighbors: Vec<f32>,
    neighbor_width: usize,
}

impl DataSet {
    /// Reads an HDF5 file in the ANN-benchmarks layout. `random:ROWSxDIM` in place of a file makes that many random rows,
    /// without neighbours.
    pub fn read(file: &Path) -> anyhow::Result<DataSet> {
        if let Some(size) = file.to_str().and_then(|f| f.strip_prefix("random:")) {
            let (rows, dim) = size.split_once('x').context("random:ROWSxDIM")?;
            return Ok(DataSet::random(rows.parse()?, dim.parse()?));
        }
        let (dim, metric, train) = array(file, "train")?;
        let (_, _, test) = array(file, "test")?;
        let (neighbor_width, _, neighbors) = array(file, "neighbors")?;
        let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(DataSet { name, dim, metric, train, test, neighbors, neighbor_width })
    }

    fn random(rows: usize, dim: usize) -> DataSet {
        let mut random = Random::new(7);
        let mut numbers = |n: usize| (0..n * dim).map(|_| random.next()).collect();
        let (train, test) = (numbers(rows), numbers(100));
        let (name, metric) = (format!("random-{rows}-{dim}"), "l2".to_string());
        DataSet { name, dim, metric, train, test, neighbors: Vec::new(), neighbor_width: 0 }
    }

    /// Rows of `train`.
    pub fn rows(&self) -> usize {
        self.train.len() / self.dim
    }

    /// Rows of `test`.
    pub fn queries(&self) -> usize {
        self.test.len() / self.dim
    }

    /// A row of `train`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.train[row * self.dim..(row + 1) * self.dim]
    }

    /// A row of `test`.
    pub fn query(&self, query: usize) -> &[f32] {
        &self.test[query * self.dim..(query + 1) * self.dim]
    }

    /// The true `k` nearest rows of a query.
    pub fn neighbors(&self, query: usize, k: usize) -> Vec<i32> {
        let start = query * self.neighbor_width;
        self.neighbors.get(start..start + k).unwrap_or_default().iter().map(|n| *n as i32).collect()
    }
}

/// A two-dimensional array of a file: its width, the metric that the file states, its numbers.
pub fn array(file: &Path, name: &str) -> anyhow::Result<(usize, String, Vec<f32>)> {
    let options = Options { vector: Some(name.to_string()), ..Options::default() };
    let mut reader = import::open(file, &options).with_context(|| format!("{name} of {}", file.display()))?;
    let mut rows = Rows::default();
    let mut all = Vec::new();
    while reader.read(10_000, &mut rows)? > 0 {
        all.extend_from_slice(&rows.vectors);
        rows.clear();
    }
    Ok((reader.dim(), reader.metric_hint().unwrap_or("l2").to_string(), all))
}

/// An empty place for a database named `name` in `dir`.
#[expect(clippy::disallowed_methods, reason = "a measuring program's own temporary folders")]
pub fn fresh(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("{name}.ft"));
    match std::fs::remove_dir_all(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    std::fs::create_dir_all(dir)?;
    Ok(path)
}

/// Bytes of all files in a folder and its folders.
pub fn folder_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { folder_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

/// Prints one result as a line of JSON.
#[expect(clippy::print_stdout, reason = "results go to stdout")]
pub fn report(result: &serde_json::Value) {
    println!("{result}");
}

/// Prints a line of a table.
#[expect(clippy::print_stdout, reason = "results go to stdout")]
pub fn line(text: &str) {
    println!("{text}");
}

/// Numbers in -1..1, the same for the same seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "an endless source is no iterator to its users")]
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / 8_388_608.0 - 1.0
    }
}
