//! Rows as normal distributions: whether the one pass equals brute force, and what orders by labels.
//!
//! Reads from: a file with means, variances and labels. Writes to: a new database. Never: a label used for anything but the end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use foretaste::{Collection, Csd, Database, Gaussian, Key, Measure, Metric, RowVariance, Schema, Variance};
use foretaste_benches::{array, fresh, report};
use foretaste_query::rerank::fuse::ndcg;
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    /// `wikisquad-gaussian-384.hdf5`, or a file with the same arrays.
    file: PathBuf,
    /// Queries whose one pass is compared with brute force.
    #[arg(long, default_value_t = 200)]
    brute: usize,
}

/// An answer's ids with what they are ranked by.
type Ranked = Vec<(i64, f64)>;

/// An order of the rows for a query's mean and variances.
type Order<'a> = dyn Fn(&Collection, &[f32], &[f32]) -> foretaste::Result<Ranked> + 'a;

pub fn run(dir: &Path, args: &Args) -> anyhow::Result<()> {
    let (dim, _, means) = array(&args.file, "train_mean")?;
    let (_, _, spreads) = array(&args.file, "train_var")?;
    let (_, _, queries) = array(&args.file, "test_mean")?;
    let (_, _, doubts) = array(&args.file, "test_var")?;
    let (_, _, labels) = array(&args.file, "qrels")?;
    let db = Database::open(fresh(dir, "gaussian")?)?;
    let col = db.create_collection("items", Schema::new(dim, Metric::Cosine).variance(Variance::Diagonal))?;
    let mut batch = col.batch();
    for ((id, mean), spread) in (0i64..).zip(means.chunks_exact(dim)).zip(spreads.chunks_exact(dim)) {
        batch.upsert(id, mean).variance(&RowVariance::Variance(spread.to_vec()));
    }
    batch.commit()?;

    let mut same = 0;
    let stored: Vec<(i64, Vec<f64>, f64)> = col
        .snapshot()
        .scan()
        .map(|record| {
            let record = record?;
            let norm = record.vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let mean = record.vector.iter().map(|v| f64::from(*v) / norm).collect();
            let trace = f64::from(*record.variance_traces.last().unwrap_or(&0.0));
            Ok((if let Key::Int(id) = record.id { id } else { 0 }, mean, trace))
        })
        .collect::<foretaste::Result<_>>()?;
    for query in queries.chunks_exact(dim).take(args.brute) {
        let norm = query.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let own: Vec<f64> = query.iter().map(|v| f64::from(*v) / norm).collect();
        let mut all: Vec<(f64, i64)> = stored
            .iter()
            .map(|(id, mean, trace)| {
                (mean.iter().zip(&own).map(|(a, b)| (a - b).powi(2)).sum::<f64>() + trace, *id)
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let hits = ids(&col.search(query).k(10).rerank(Csd::new(1.0)).run()?);
        same += usize::from(hits.iter().zip(&all).all(|(hit, (_, id))| hit.0 == *id));
    }
    report(&json!({ "measure": "gaussian", "one_pass_equals_brute_force": same, "of": args.brute }));

    let mut gains: HashMap<usize, Vec<(i64, f64)>> = HashMap::new();
    for label in labels.chunks_exact(3) {
        gains.entry(label[0] as usize).or_default().push((label[1] as i64, f64::from(label[2])));
    }
    let orders: [(&str, &Order<'_>); 9] = [
        ("mean only", &|c, q, _| Ok(ids(&c.search(q).k(10).run()?))),
        ("csd, weight 1", &|c, q, _| Ok(ids(&c.search(q).k(10).rerank(Csd::new(1.0)).run()?))),
        ("csd, weight 0.3", &|c, q, _| Ok(ids(&c.search(q).k(10).rerank(Csd::new(0.3)).run()?))),
        ("csd, weight 0.1", &|c, q, _| Ok(ids(&c.search(q).k(10).rerank(Csd::new(0.1)).run()?))),
        ("10 nearest means by variance alone", &|c, q, _| by_variance(c, q, 10)),
        ("100 nearest means by variance alone", &|c, q, _| by_variance(c, q, 100)),
        ("Wasserstein", &|c, q, d| by(c, q, d, Measure::Wasserstein)),
        ("Bhattacharyya", &|c, q, d| by(c, q, d, Measure::Bhattacharyya)),
        ("expected likelihood", &|c, q, d| by(c, q, d, Measure::ExpectedLikelihood)),
    ];
    for (name, order) in orders {
        let (mut sum, mut first, mut count) = (0.0, 0, 0);
        for (query, gains) in &gains {
            let at = query * dim..(query + 1) * dim;
            let hits = order(&col, &queries[at.clone()], &doubts[at])?;
            sum += ndcg(&hits, gains, 10);
            first += usize::from(hits.first().is_some_and(|hit| gains.iter().any(|gain| gain.0 == hit.0)));
            count += 1;
        }
        let (ndcg, first) = (sum / count as f64, first as f64 / count as f64);
        report(
            &json!({ "measure": "gaussian", "order": name, "ndcg_at_10": ndcg, "hit_at_1": first, "queries": count }),
        );
    }
    Ok(())
}

fn by(col: &Collection, query: &[f32], doubt: &[f32], measure: Measure) -> foretaste::Result<Ranked> {
    let search = col.search(query).k(10).query_variance(RowVariance::Variance(doubt.to_vec()));
    Ok(ids(&search.rerank(Gaussian::new(measure)).run()?))
}

fn by_variance(col: &Collection, query: &[f32], among: usize) -> foretaste::Result<Ranked> {
    let hits = col.search(query).k(among).run()?;
    let mut ranked: Vec<(i64, f64)> = hits
        .iter()
        .zip(ids(&hits))
        .map(|(hit, (id, _))| (id, -f64::from(hit.uncertainty.unwrap_or(0.0))))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(ranked)
}

fn ids(hits: &foretaste::Hits) -> Ranked {
    hits.iter().map(|hit| (if let Key::Int(id) = hit.id { id } else { -1 }, hit.score)).collect()
}
