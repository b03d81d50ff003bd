//! `foretaste optimize`: makes the searches of a collection fast: few segments, each with its index.

use std::time::Duration;

use foretaste::{HnswParams, IvfParams, RotationKind, Spec};
use serde_json::json;

use crate::args::{Build, IndexKind, Optimize, Rotation};
use crate::interrupt;
use crate::output::{Failure, Outcome, Output, bytes, count, plural};
use crate::progress::Progress;

/// Optimizes one collection.
pub fn run(args: &Optimize, out: &mut Output) -> Outcome {
    let database = super::write(&args.of.db, false)?;
    let collection = database.collection(&args.of.collection)?;
    let schema = collection.schema();
    let spec = spec(args.index, &args.build, schema.index_spec())?;
    let rotation = args.build.rotation.map_or(schema.rotation_kind(), RotationKind::from);
    collection.set_index(spec, rotation)?;
    let progress = Progress::start("optimizing", "rows");
    collection.optimize(spec, |now| {
        progress.optimizing(&now);
        !interrupt::wanted()
    })?;
    let seconds = progress.end();
    let stats = database.stats()?;
    drop(collection);
    database.close()?;
    let Some(of) = stats.collections.iter().find(|c| c.name == args.of.collection) else {
        return Err(Failure::new(format!("collection `{}` was dropped meanwhile", args.of.collection)));
    };
    if out.json {
        return out.json(&json!({
            "segments": of.segments, "index": of.index, "bytes_index": of.bytes_index, "rows": of.rows,
            "rows_unindexed": of.rows_unindexed, "seconds": seconds,
        }));
    }
    let took = Duration::from_secs_f64(seconds);
    out.line(format!(
        "{} rows in {}, index {} of {}, {} rows without, {took:.2?}",
        count(of.rows),
        plural(of.segments as u64, "segment"),
        of.index,
        bytes(of.bytes_index),
        count(of.rows_unindexed)
    ))
}

/// The index that is asked for; what is not said stays as it is.
fn spec(kind: Option<IndexKind>, build: &Build, now: Spec) -> Outcome<Spec> {
    let kind = kind.unwrap_or(match (now, build.nlist, build.of_graph()) {
        (_, Some(_), false) => IndexKind::Ivf,
        (_, None, true) => IndexKind::Hnsw,
        (Spec::Auto, ..) => IndexKind::Auto,
        (Spec::Flat, ..) => IndexKind::Flat,
        (Spec::Ivf(_), ..) => IndexKind::Ivf,
        (Spec::Hnsw(_), ..) => IndexKind::Hnsw,
    });
    let foreign = match kind {
        IndexKind::Hnsw => build.nlist.is_some(),
        IndexKind::Ivf => build.of_graph(),
        IndexKind::Auto | IndexKind::Flat => build.of_graph() || build.nlist.is_some(),
    };
    if foreign {
        let why = "the parameters do not belong to this kind of index";
        return Err(
            Failure::usage(why).hint("--nlist is of ivf; --m, --ef-construction and --edge-bits are of hnsw")
        );
    }
    Ok(build.spec(kind, now))
}

impl Build {
    /// An index of this kind; parameters that are not given are those of `now`, if it is of the kind, or the usual ones.
    pub fn spec(&self, kind: IndexKind, now: Spec) -> Spec {
        match kind {
            IndexKind::Auto => Spec::Auto,
            IndexKind::Flat => Spec::Flat,
            IndexKind::Ivf => match now {
                Spec::Ivf(ivf) if self.nlist.is_none() => Spec::Ivf(ivf),
                _ => Spec::Ivf(IvfParams { nlist: self.nlist }),
            },
            IndexKind::Hnsw => {
                let base = if let Spec::Hnsw(graph) = now { graph } else { HnswParams::default() };
                Spec::Hnsw(HnswParams {
                    m: self.m.unwrap_or(base.m),
                    ef_construction: self.ef_construction.unwrap_or(base.ef_construction),
                    edge_bits: self.edge_bits.or(base.edge_bits),
                })
            }
        }
    }
}

impl From<Rotation> for RotationKind {
    fn from(rotation: Rotation) -> RotationKind {
        match rotation {
            Rotation::None => RotationKind::None,
            Rotation::Pca => RotationKind::Pca,
        }
    }
}
