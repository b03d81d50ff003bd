//! The arguments of the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use foretaste::import::Format;
use foretaste::lang::ColumnType;
use foretaste::{Element, MAX_K, Metric};
use serde::{Deserialize, Serialize};

/// foretaste: an embedded vector database.
#[derive(Debug, Parser)]
#[command(name = "foretaste", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(
    after_help = "Without a command it opens the shell: `foretaste PATH`. Begin with `foretaste demo`. Exit codes: 0 done, 1 failed (check: damage found), \
                        2 called wrongly, 130 interrupted."
)]
pub struct Cli {
    /// Results as JSON: one document, or one a line.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub shell: crate::shell::Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The options of the shell that may also be written with one dash, as sqlite3 and duckdb have them.
const ONE_DASH: [&str; 8] = ["-init", "-bail", "-readonly", "-json", "-csv", "-echo", "-help", "-version"];

/// An argument with two dashes, if it is one of those.
pub fn two_dashes(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if ONE_DASH.contains(&text) => format!("-{text}").into(),
        _ => argument,
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a small database of sentences and ask it questions.
    Demo {
        /// The database folder to build.
        #[arg(default_value = "demo.ft")]
        dir: PathBuf,
    },
    /// Import a file of vectors; given again after an interruption, it goes on where it was.
    Import(Import),
    /// Find the rows nearest to a vector.
    Search(Search),
    /// Show one row.
    Get {
        #[command(flatten)]
        of: Target,
        /// The row's id. An integer is looked for as an integer first; "17" in double quotes is always text.
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
    /// Read every byte of a database and compare it with its checksums.
    Check {
        /// The database folder.
        db: PathBuf,
    },
    /// Save what is whole of a damaged database.
    Repair {
        /// The database folder.
        db: PathBuf,
    },
    /// Give the space of deleted and replaced rows back.
    Compact {
        /// The database folder.
        db: PathBuf,
    },
    /// Make a collection's searches fast: merge its segments and build their indexes.
    Optimize(Optimize),
    /// Show what a database holds and what it takes on disk.
    Stats {
        /// The database folder.
        db: PathBuf,
    },
    /// Write all rows of a collection to a file.
    Export(Export),
    /// Measure recall and speed on a file of the ANN-benchmarks.
    Bench(Bench),
    /// One search of `bench --cold`, as standard input says it.
    #[command(name = crate::command::bench::progressive::child::COMMAND, hide = true)]
    BenchCold,
}

/// A collection of a database.
#[derive(Debug, Args)]
pub struct Target {
    /// The database folder.
    pub db: PathBuf,
    /// The collection's name.
    pub collection: String,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub into: Target,
    #[command(flatten)]
    pub from: ImportFile,
}

/// A file that is imported.
#[derive(Debug, Args)]
pub struct ImportFile {
    /// The file: hdf5 (ANN-benchmarks), npy, npz, fvecs, bvecs, ivecs, parquet, jsonl, csv; the last two also as .gz.
    pub file: PathBuf,
    /// The file's format, when its name does not say it.
    #[arg(long)]
    pub format: Option<Format>,
    /// How vectors are compared: cosine, dot or l2 [default: what the file says, else cosine].
    #[arg(long)]
    pub metric: Option<Metric>,
    /// Nested lengths at which the vectors may be searched, such as 64,128,384.
    #[arg(long, value_delimiter = ',', value_name = "DIMS")]
    pub levels: Option<Vec<usize>>,
    /// How numbers are stored [default: f32].
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// What codes of search indexes are made of [default: pca].
    #[arg(long)]
    pub rotation: Option<Rotation>,
    /// The field, column or array that holds the ids [default: id].
    #[arg(long, value_name = "FIELD")]
    pub id: Option<String>,
    /// The field, column, array or dataset that holds the vectors [default: vector, embedding or values].
    #[arg(long, value_name = "FIELD")]
    pub vector: Option<String>,
    /// Rows of one durable commit [default: 4096 rows or about 8 MiB].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// A typed column over a payload field, for fast and checked filters; types are bool, int, float, str.
    #[arg(long, value_name = "NAME:TYPE", value_parser = column)]
    pub column: Vec<(String, ColumnType)>,
    /// Only the first rows of the file, this many.
    #[arg(long, value_name = "ROWS")]
    pub limit: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    pub of: Target,
    #[command(flatten)]
    pub query: Query,
    /// How many hits.
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=MAX_K as i64))]
    pub k: u32,
    /// Only rows that pass, such as "lang = 'en' AND year >= 2020".
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// Compare only the first dimensions, this many; from the first level on.
    #[arg(long)]
    pub dims: Option<usize>,
    /// Candidates of a graph's search: more find more of the true nearest and take longer [default: 64, or 2 k].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub ef: Option<usize>,
    /// Cells of an inverted file that are looked into [default: 16].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub nprobe: Option<usize>,
    /// Search until so much of the true answer can be expected, such as 0.95.
    #[arg(long, value_name = "RECALL", value_parser = wanted_recall)]
    pub target_recall: Option<f64>,
    /// Compare every row, whatever indexes there are.
    #[arg(long)]
    pub exact: bool,
    /// Show the answer while it settles: repainted at a terminal, else each revision; with --json a line each.
    #[arg(long)]
    pub progressive: bool,
}

/// Where the vector to look for comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Query {
    /// A file of query vectors, in any format that can be imported; each of them is answered.
    #[arg(long, value_name = "FILE")]
    pub query_file: Option<PathBuf>,
    /// A vector as a JSON list: '[0.1, 0.2]'.
    #[arg(long, value_name = "[...]")]
    pub vector: Option<String>,
    /// The vector of the row with this id.
    #[arg(long, allow_hyphen_values = true)]
    pub id: Option<String>,
}

#[derive(Debug, Args)]
pub struct Optimize {
    #[command(flatten)]
    pub of: Target,
    /// The kind of index [default: what the collection has been asked for before, at first auto].
    #[arg(long)]
    pub index: Option<IndexKind>,
    #[command(flatten)]
    pub build: Build,
}

/// How an index is built.
#[derive(Debug, Args)]
pub struct Build {
    /// hnsw: half the links of a node, which has a multiple of 32 [default: 16].
    #[arg(long)]
    pub m: Option<u32>,
    /// hnsw: candidates for a node's links that are looked for [default: 200].
    #[arg(long, value_name = "EF")]
    pub ef_construction: Option<u32>,
    /// hnsw: bits a dimension that a node keeps of its neighbours: 0, 1, 2 or 4 [default: 2, and 4 for
    /// few dimensions].
    #[arg(long, value_name = "BITS")]
    pub edge_bits: Option<u8>,
    /// ivf: how many cells [default: about four times the square root of the rows].
    #[arg(long, value_name = "CELLS")]
    pub nlist: Option<u32>,
    /// What codes are made of [default: what the collection has been asked for before, at first pca].
    #[arg(long)]
    pub rotation: Option<Rotation>,
}

impl Build {
    /// Whether a parameter of a graph is given.
    pub fn of_graph(&self) -> bool {
        self.m.is_some() || self.ef_construction.is_some() || self.edge_bits.is_some()
    }
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub of: Target,
    #[command(flatten)]
    pub to: ExportFile,
}

/// A file that is exported to.
#[derive(Debug, Args)]
pub struct ExportFile {
    /// The file: .jsonl, .jsonl.gz, .csv, .csv.gz, or .npy (vectors only). An existing one is replaced when all is
    /// written.
    pub file: PathBuf,
    /// The field or column to put the ids in.
    #[arg(long, value_name = "FIELD", default_value = "id")]
    pub id: String,
    /// The field or column to put the vectors in.
    #[arg(long, value_name = "FIELD", default_value = "vector")]
    pub vector: String,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// An HDF5 file with `train`, `test`, `neighbors` and `distances`.
    pub file: PathBuf,
    /// The database to build and keep; used again if it holds the file's rows [default: a temporary one].
    #[arg(long)]
    pub db: Option<PathBuf>,
    /// The indexes to measure.
    #[arg(long, value_delimiter = ',', default_value = "hnsw,ivf,flat")]
    pub index: Vec<IndexKind>,
    /// How many hits are asked for; the recall is that of as many.
    #[arg(short, long, value_delimiter = ',', default_value = "10,100", value_parser = clap::value_parser!(u32).range(1..=MAX_K as i64))]
    pub k: Vec<u32>,
    /// Runs of each point; the fastest counts.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Most queries of a run, from the file's first on.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub queries: u32,
    /// A run ends after about so many seconds.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Efforts of graph searches.
    #[arg(long, value_delimiter = ',')]
    pub ef: Vec<usize>,
    /// Efforts of inverted-file searches: cells to look into.
    #[arg(long, value_delimiter = ',')]
    pub nprobe: Vec<usize>,
    /// Lengths to search at; each is made a level [default: all dimensions].
    #[arg(long, value_delimiter = ',')]
    pub dims: Vec<usize>,
    #[command(flatten)]
    pub build: Build,
    /// Read files piece by piece instead of mapping them: vectors that are read then take no memory of the process.
    #[arg(long)]
    pub unmapped: bool,
    /// Only rows that pass; the truth is then found by comparing each of them.
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// Measure answers as they settle instead: each revision's time and recall, and what answers say of themselves.
    #[arg(long)]
    pub progressive: bool,
    /// With --progressive: searches that end at these expected recalls, such as 0.9,0.95,0.99.
    #[arg(long, value_delimiter = ',', value_name = "RECALLS", requires = "progressive", value_parser = wanted_recall)]
    pub target_recall: Vec<f64>,
    /// With --progressive: also the first N queries [20], each in a new process, the files not in the page cache.
    #[arg(long, value_name = "N", requires = "progressive", num_args = 0..=1, require_equals = true, default_missing_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    pub cold: Option<u32>,
    /// Write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Draw speed over recall into this file, .png or .svg; with --progressive recall over time.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// A kind of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexKind {
    /// None for few rows, else hnsw.
    Auto,
    /// None: every row is compared.
    Flat,
    /// Cells around centroids.
    Ivf,
    /// A navigable graph.
    Hnsw,
}

impl IndexKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            IndexKind::Auto => "auto",
            IndexKind::Flat => "flat",
            IndexKind::Ivf => "ivf",
            IndexKind::Hnsw => "hnsw",
        }
    }
}

/// What codes are made of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Rotation {
    /// The vectors as they are.
    None,
    /// Their principal components.
    Pca,
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Dtype {
    /// 4 bytes.
    F32,
    /// 2 bytes, about 3 digits.
    F16,
    /// 2 bytes, about 2 digits and the range of f32.
    Bf16,
    /// 1 byte.
    I8,
}

impl From<Dtype> for Element {
    fn from(dtype: Dtype) -> Element {
        match dtype {
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::Bf16 => Element::BF16,
            Dtype::I8 => Element::I8,
        }
    }
}

fn wanted_recall(text: &str) -> Result<f64, String> {
    let recall: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if recall > 0.0 && recall <= 1.0 {
        Ok(recall)
    } else {
        Err("it must be above 0 and at most 1".to_string())
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it is at least 1".to_string()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{text}` is no number")),
    }
}

fn column(text: &str) -> Result<(String, ColumnType), String> {
    let (name, kind) = text.rsplit_once(':').ok_or("write NAME:TYPE, for example year:int")?;
    let kind = match kind {
        "bool" => ColumnType::Bool,
        "int" => ColumnType::Int,
        "float" => ColumnType::Float,
        "str" => ColumnType::Str,
        other => return Err(format!("`{other}` is no column type; the types are bool, int, float, str")),
    };
    Ok((name.to_string(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_path_alone_is_no_command() {
        let cli = Cli::try_parse_from(["foretaste", "notes.ft"]).unwrap();
        assert!(cli.command.is_none() && cli.shell.path.is_some());
        let cli = Cli::try_parse_from(["foretaste", "stats", "notes.ft", "--json"]).unwrap();
        assert!(cli.json && matches!(cli.command, Some(Command::Stats { .. })));
        assert!(Cli::try_parse_from(["foretaste", "notes.ft", "more"]).is_err());
    }
}
