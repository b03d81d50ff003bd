//! Old models, made from the new one or from the texts, and the rules by which queries of the new one are compared with their rows.
//!
//! Reads from: the new model's vectors, a file of texts. Writes to: memory. Never: a rule fitted on rows of the collection, or on
//! queries.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use foretaste::{
    ErrorModel, FitOptions, FitReport, Method, Metric, Order, Pairs, Rule, Use, Variance, fit_adapter,
};
use foretaste_benches::Random;
use serde_json::Value;

use super::data::{Data, times};

/// Dimensions that the old model of a prefix has.
const PREFIX: usize = 128;
/// Dimensions that words are hashed into.
const WORDS: usize = 256;
/// How far into the bend of its nonlinearity the sibling goes, and the length of its noise, in lengths of a vector.
const BEND: f32 = 1.0;
const NOISE: f32 = 0.4;

/// An old model, and what is known of the way from the new one to it.
pub struct Old {
    pub name: &'static str,
    pub dims: usize,
    /// Of the items of the data, in the same order.
    pub items: Vec<f32>,
    pub queries: Vec<f32>,
    /// A variance for each row, if the collection keeps them.
    pub variances: Option<Vec<f32>>,
    pub rule: Rule,
    /// What the adapter is worth, if the rule is one.
    pub report: Option<FitReport>,
    /// The rank correlation of expected and true errors on pairs that were held out.
    pub rank_correlation: f64,
    pub orders: Vec<(&'static str, Order)>,
}

impl Old {
    /// The new model with fewer dimensions. How much lies beyond these is kept as the row's variance.
    pub fn prefix(data: &Data) -> anyhow::Result<Old> {
        let cut = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(data.dim).flat_map(|row| row[..PREFIX].to_vec()).collect()
        };
        let beyond = |row: &[f32]| row[PREFIX..].iter().map(|v| v * v).sum();
        let (items, queries) = (cut(&data.items), cut(&data.queries));
        let mut old = Old::new("prefix", data, items, queries, Some(Rule::prefix(PREFIX)))?;
        old.variances = Some(data.own().chunks_exact(data.dim).map(beyond).collect());
        old.orders.push(("variance (energy beyond)", Order::Variance));
        Ok(old)
    }

    /// A near relative: turned at random, each number bent, noise.
    pub fn sibling(data: &Data) -> anyhow::Result<Old> {
        let mut random = Random::new(3);
        let axes = orthogonal(data.dim, &mut random);
        let width = (data.dim as f32).sqrt();
        let mut of = |rows: &[f32]| -> Vec<f32> {
            let turned = rows.chunks_exact(data.dim).map(|row| times(row, &axes));
            let bent = turned.map(|row| unit(row.iter().map(|v| (BEND * width * v).tanh()).collect()));
            bent.flat_map(|row| unit(row.iter().map(|v| v + NOISE / width * normal(&mut random)).collect()))
                .collect()
        };
        let (items, queries) = (of(&data.items), of(&data.queries));
        Old::new("sibling", data, items, queries, None)
    }

    /// A stranger: words weighted by their rarity (TF-IDF), hashed into few dimensions with random signs.
    pub fn words(data: &Data, texts: &Path) -> anyhow::Result<Old> {
        let (items, queries) = texts_of(texts)?;
        let words = |rows: &[usize], texts: &HashMap<usize, String>| -> Vec<Vec<String>> {
            rows.iter().map(|row| words(texts.get(row).map_or("", String::as_str))).collect()
        };
        let (items, queries) = (words(&data.item_rows, &items), words(&data.query_rows, &queries));
        let mut having: HashMap<&str, f64> = HashMap::new();
        for text in &items[..data.rows] {
            let mut own: Vec<&str> = text.iter().map(String::as_str).collect();
            own.sort_unstable();
            own.dedup();
            own.into_iter().for_each(|word| *having.entry(word).or_default() += 1.0);
        }
        let embed = |text: &Vec<String>| {
            let mut out = vec![0f32; WORDS];
            // A text without words is a vector, too.
            out[0] = 1e-3;
            for word in text {
                let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                });
                let rarity = (data.rows as f64 / (1.0 + having.get(word.as_str()).unwrap_or(&0.0))).ln();
                let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
                out[(hash >> 20) as usize % WORDS] += sign * rarity.max(0.0) as f32;
            }
            unit(out)
        };
        let (items, queries) =
            (items.iter().flat_map(embed).collect(), queries.iter().flat_map(embed).collect());
        Old::new("words", data, items, queries, None)
    }

    /// Without a rule one is fitted: an adapter for queries. For the order an adapter for rows is fitted, whatever the rule is.
    fn new(
        name: &'static str,
        data: &Data,
        items: Vec<f32>,
        queries: Vec<f32>,
        rule: Option<Rule>,
    ) -> anyhow::Result<Old> {
        let dims = items.len() / data.item_rows.len();
        let pairs = Pairs::new(data.pairs(), data.dim, &items[data.rows * dims..], dims)?;
        let (rule, report) = match rule {
            Some(rule) => (rule, None),
            None => {
                let (adapter, report) = fit_adapter(pairs, &FitOptions::default(), &|| false)?;
                (Rule::adapter(adapter, &report, 0.0)?, Some(report))
            }
        };
        // For rows ridge regression: too short where it knows little, which tells where it is wrong.
        let options = FitOptions {
            method: Method::Ridge { ridge: None },
            direction: Use::Rows,
            ..FitOptions::default()
        };
        let (adapter, _) = fit_adapter(pairs.swapped(), &options, &|| false)?;
        let model = ErrorModel::fit(pairs.swapped(), &adapter, Metric::Cosine, 1, &|| false)?;
        let rank_correlation = model.rank_correlation();
        let expected = Order::ExpectedError { model: Arc::new(model), adapter: Arc::new(adapter) };
        let orders = vec![("stored (random)", Order::Stored), ("expected error", expected)];
        Ok(Old { name, dims, items, queries, variances: None, rule, report, rank_correlation, orders })
    }

    /// What the collection keeps beside its vectors.
    pub fn variance(&self) -> Variance {
        if self.variances.is_some() { Variance::Scalar } else { Variance::None }
    }
}

/// Rows that are orthogonal to each other, of length 1, without a direction that is preferred (Gram and Schmidt).
fn orthogonal(dim: usize, random: &mut Random) -> Vec<f32> {
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(dim);
    for _ in 0..dim {
        let mut row: Vec<f32> = (0..dim).map(|_| normal(random)).collect();
        // Twice, as the first time leaves what rounding makes.
        for before in rows.iter().chain(&rows) {
            let along: f32 = row.iter().zip(before).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(before).for_each(|(a, b)| *a -= along * b);
        }
        rows.push(unit(row));
    }
    rows.concat()
}

/// About a normal number: the sum of some that are not.
fn normal(random: &mut Random) -> f32 {
    (0..6).map(|_| random.next()).sum::<f32>() / 2f32.sqrt()
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
    row.iter_mut().for_each(|v| *v /= length);
    row
}

fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    split.map(str::to_lowercase).collect()
}

/// The texts of a file's rows, and of its queries.
#[expect(clippy::disallowed_methods, reason = "a measuring program reads its data set")]
fn texts_of(file: &Path) -> anyhow::Result<(HashMap<usize, String>, HashMap<usize, String>)> {
    let bytes = std::fs::read(file)?;
    let (mut rows, mut queries) = (HashMap::new(), HashMap::new());
    let reader: Box<dyn Read> = Box::new(GzDecoder::new(&bytes[..]));
    for line in BufReader::new(reader).lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let text = value["text"].as_str().unwrap_or_default().to_string();
        let number = |name: &str| value[name].as_u64().and_then(|n| usize::try_from(n).ok());
        if let Some(row) = number("id") {
            rows.insert(row, text);
        } else if let Some(query) = number("query") {
            queries.insert(query, text);
        }
    }
    Ok((rows, queries))
}
