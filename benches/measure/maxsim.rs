//! Late interaction behind a first stage of single vectors: how many of the truly best rows are found, by how many are compared,
//! for fixed dimensional encodings and for means of tokens.
//!
//! The rows are drawn: words with the frequencies of a language (Zipf), topics that prefer some of them, and tokens that are
//! a word's direction with something of their row's and noise, as a contextual encoder makes them. A query has words of one row's
//! topics and half of its words of that row.
//!
//! Reads from: nothing. Writes to: new databases. Never: a time with the building of the data in it.

use std::path::Path;
use std::time::Instant;

use foretaste::{Collection, Database, Element, Encoder, EncodingOptions, Key, MaxSim, Metric, Schema};
use foretaste_benches::{fresh, report};
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// Rows.
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    /// Queries.
    #[arg(long, default_value_t = 50)]
    queries: usize,
    /// Numbers of a token.
    #[arg(long, default_value_t = 64)]
    dims: usize,
    /// How many rows the second stage compares.
    #[arg(long, value_delimiter = ',', default_value = "100,500,1000")]
    among: Vec<usize>,
    /// Encodings: bits, repetitions and numbers after the projection, as `4x20x2048`; 0 numbers are not projected.
    #[arg(long, value_delimiter = ',', default_value = "3x20x1024,4x20x2048,4x40x4096")]
    encodings: Vec<String>,
}

const WORDS: usize = 4000;
const TOPICS: usize = 150;
const TOPIC_WORDS: usize = 60;
const QUERY_TOKENS: usize = 16;
/// Shares of a token that are its row's, and noise, in lengths of the word's own direction.
const CONTEXT: f32 = 0.5;
const NOISE: f32 = 0.4;

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let data = Data::draw(args);
    let exact = |col: &Collection, first: &dyn Fn(&[f32]) -> anyhow::Result<Vec<f32>>| {
        let best = |tokens: &Vec<f32>| ids(col, &first(tokens)?, tokens, args.rows).map(|(ids, _)| ids);
        data.queries.iter().map(best).collect::<anyhow::Result<Vec<_>>>()
    };
    let mean = |tokens: &[f32]| Ok(mean(tokens, args.dims));
    let (col, seconds) = load(dir, args, &data, args.dims, &mean)?;
    let truth = exact(&col, &mean)?;
    measure(args, &data, &truth, &col, ("means".into(), args.dims, seconds), &mean)?;
    for encoding in &args.encodings {
        let numbers = encoding.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        let &[bits, repetitions, project] = &numbers[..] else { anyhow::bail!("{encoding}: BITSxREPSxDIMS") };
        let options = EncodingOptions {
            bits: u32::try_from(bits)?,
            repetitions,
            project: (project > 0).then_some(project),
            ..EncodingOptions::new(args.dims)
        };
        let encoder = Encoder::new(options)?;
        let row = |tokens: &[f32]| Ok(encoder.row(tokens)?);
        let query = |tokens: &[f32]| Ok(encoder.query(tokens)?);
        let (col, seconds) = load(dir, args, &data, encoder.dims(), &row)?;
        measure(args, &data, &truth, &col, (encoding.clone(), encoder.dims(), seconds), &query)?;
    }
    Ok(())
}

/// A collection of the rows, and the time to make a row's vector, in seconds.
fn load(
    dir: &Path,
    args: &Args,
    data: &Data,
    dims: usize,
    vector: &dyn Fn(&[f32]) -> anyhow::Result<Vec<f32>>,
) -> anyhow::Result<(Collection, f64)> {
    let db = Database::options().background(false).open(fresh(dir, "maxsim")?)?;
    let schema = Schema::new(dims, Metric::Dot).tokens(args.dims, Element::F16);
    let (col, mut seconds) = (db.create_collection("rows", schema)?, 0.0);
    for (part, rows) in data.rows.chunks(1000).enumerate() {
        let mut batch = col.batch();
        for (id, tokens) in (part as i64 * 1000..).zip(rows) {
            let started = Instant::now();
            let vector = vector(tokens)?;
            seconds += started.elapsed().as_secs_f64();
            batch.upsert(id, &vector).tokens(tokens);
        }
        batch.commit()?;
    }
    col.flush()?;
    Ok((col, seconds / data.rows.len() as f64))
}

fn measure(
    args: &Args,
    data: &Data,
    truth: &[Vec<Key>],
    col: &Collection,
    (name, dims, row_seconds): (String, usize, f64),
    first: &dyn Fn(&[f32]) -> anyhow::Result<Vec<f32>>,
) -> anyhow::Result<()> {
    for &among in &args.among {
        let (mut seconds, mut encoding, mut found, mut compared) = (0.0, 0.0, [0usize; 2], 0);
        for (tokens, best) in data.queries.iter().zip(truth) {
            let started = Instant::now();
            let vector = first(tokens)?;
            encoding += started.elapsed().as_secs_f64();
            let (ids, rows) = ids(col, &vector, tokens, among)?;
            seconds += started.elapsed().as_secs_f64();
            compared += rows;
            for (found, k) in found.iter_mut().zip([10, 100]) {
                *found += best.iter().take(k).filter(|id| ids.iter().take(k).any(|i| i == *id)).count();
            }
        }
        let queries = data.queries.len() as f64;
        report(&json!({
            "measure": "maxsim", "first_stage": name, "dims": dims, "rows": data.rows.len(), "among": among,
            "recall_at_10": found[0] as f64 / queries / 10.0, "recall_at_100": found[1] as f64 / queries / 100.0,
            "milliseconds": seconds / queries * 1e3, "milliseconds_encoding_query": encoding / queries * 1e3,
            "milliseconds_encoding_row": row_seconds * 1e3, "rows_exact": compared as f64 / queries,
        }));
    }
    Ok(())
}

/// The 100 best by late interaction among so many nearest, and how many rows the search compared.
fn ids(col: &Collection, vector: &[f32], tokens: &[f32], among: usize) -> anyhow::Result<(Vec<Key>, u64)> {
    let hits = col.search(vector).k(100).exact().rerank(MaxSim::new(tokens).among(among)).run()?;
    Ok((hits.iter().map(|hit| hit.id.clone()).collect(), hits.cost.rows_exact))
}

/// Token matrices.
struct Data {
    rows: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

impl Data {
    fn draw(args: &Args) -> Data {
        let (mut dice, dims) = (Dice(11), args.dims);
        let words: Vec<Vec<f32>> = (0..WORDS).map(|_| dice.direction(dims)).collect();
        let topics: Vec<Vec<usize>> =
            (0..TOPICS).map(|_| (0..TOPIC_WORDS).map(|_| dice.zipf(WORDS)).collect()).collect();
        let token = |dice: &mut Dice, word: usize, context: &[f32]| {
            let noise = dice.direction(dims);
            let sum =
                words[word].iter().zip(context).zip(&noise).map(|((w, c), n)| w + CONTEXT * c + NOISE * n);
            unit(sum.collect())
        };
        let (mut rows, mut about) = (Vec::new(), Vec::new());
        for _ in 0..args.rows {
            let mine = [dice.below(TOPICS), dice.below(TOPICS)];
            let context = dice.direction(dims);
            let said: Vec<usize> = (0..8 + dice.below(25)).map(|_| dice.word(&mine, &topics)).collect();
            rows.push(said.iter().flat_map(|word| token(&mut dice, *word, &context)).collect());
            about.push((mine, said, context));
        }
        let queries = (0..args.queries).map(|_| {
            let (mine, said, context) = &about[dice.below(args.rows)];
            // A query's own context is only a little like the row's.
            let own = dice.direction(dims);
            let context: Vec<f32> = context.iter().zip(&own).map(|(row, own)| 0.5 * row + own).collect();
            let context = unit(context);
            let mut tokens = Vec::new();
            for i in 0..QUERY_TOKENS {
                let word = if i % 2 == 0 { said[dice.below(said.len())] } else { dice.word(mine, &topics) };
                tokens.extend(token(&mut dice, word, &context));
            }
            tokens
        });
        let queries = queries.collect();
        Data { rows, queries }
    }
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() * bound as f64) as usize
    }

    /// A number below `bound`, the small ones more often: their frequencies fall as 1/n.
    fn zipf(&mut self, bound: usize) -> usize {
        ((bound as f64).powf(self.next()) as usize).min(bound) - 1
    }

    /// A word: of one of the topics mostly, sometimes any.
    fn word(&mut self, mine: &[usize; 2], topics: &[Vec<usize>]) -> usize {
        if self.next() < 0.15 {
            return self.zipf(WORDS);
        }
        let topic = &topics[mine[self.below(2)]];
        topic[self.below(topic.len())]
    }

    /// A direction whose energy falls with the dimension, as that of embeddings does in their principal axes.
    fn direction(&mut self, dims: usize) -> Vec<f32> {
        let number = |i: usize, a: f64, b: f64| {
            let normal = (-2.0 * (a + 1e-300).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
            (normal / (1.0 + i as f64 / 16.0).sqrt()) as f32
        };
        unit((0..dims).map(|i| number(i, self.next(), self.next())).collect())
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|v| *v /= norm);
    vector
}

/// The mean of tokens, of length 1.
fn mean(tokens: &[f32], dims: usize) -> Vec<f32> {
    let mut sum = vec![0f32; dims];
    for token in tokens.chunks_exact(dims) {
        sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
    }
    unit(sum)
}
