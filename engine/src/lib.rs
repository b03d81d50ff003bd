//! **foretaste** is an embedded vector database: a library that keeps vectors, their uncertainty and their documents in
//! one folder, survives a killed process and a power loss, and finds the nearest rows.
//!
//! ```
//! use foretaste::{Database, Metric, Schema};
//!
//! # fn run(dir: &std::path::Path) -> foretaste::Result<()> {
//! let db = Database::open(dir.join("notes.ft"))?;
//! let docs = db.create_collection("docs", Schema::new(3, Metric::Cosine))?;
//!
//! let mut batch = docs.batch(); // one batch is one atomic, durable commit
//! batch.upsert("id-1", &[0.9, 0.1, 0.0]).payload(serde_json::json!({"lang": "en"}));
//! batch.upsert("id-2", &[0.0, 0.8, 0.6]);
//! batch.commit()?; // returns after the data is safe
//!
//! for hit in docs.search(&[1.0, 0.0, 0.0]).k(10).filter("lang = 'en'").run()? {
//!     println!("{} at {:.3}", hit.id, hit.distance);
//! }
//! # Ok(()) }
//! # run(tempfile::tempdir().unwrap().path()).unwrap();
//! ```
//!
//! # Where to go from here
//!
//! * [`Database`] opens a folder; [`Collection`] writes and reads; [`Batch`] is the unit of writing.
//! * [`Schema`] says what a collection holds: dimension, [`Metric`], nested levels, [`Element`] type, [`Variance`],
//!   token matrices.
//! * [`Search`] finds the nearest rows, at any level, with a filter (the language is in [`lang`]): at once, or as an [`Answer`]
//!   that settles while it is read; [`Rerank`] lists the stages that refine it.
//! * [`Encoder`] makes single vectors of token matrices, so that a search can find what [`MaxSim`] then orders.
//! * [`Snapshot`] is a consistent view for many reads.
//! * [`check`](fn@check) and [`repair`](fn@repair) verify and mend a database; [`import`] reads other people's files.
//!
//! A search is answered at once ([`Search::run`]), or as a live object whose list is good at once and gets better while it is
//! read ([`Search::start`]).
//!
//! Reads from: `query`, `storage`. Writes to: the database folder. Never: a terminal.

mod answer;
mod batch;
mod build;
mod catalogue;
mod change;
mod check;
mod collection;
mod compact;
mod core;
mod db;
mod directory;
mod encode;
mod error;
mod fields;
mod head;
pub mod import;
mod index;
mod ingest;
mod late;
mod levels;
mod many;
mod member;
mod optimize;
mod options;
mod params;
mod plan;
mod publish;
mod reader;
mod recover;
mod repair;
mod request;
mod rerank;
mod revision;
mod rewrite;
mod scan;
mod schema;
mod scores;
mod seal;
mod search;
mod session;
mod sieve;
mod snapshot;
mod source;
mod space;
mod state;
mod stats;
mod text;
mod tombs;
mod validate;
mod work;

pub use answer::{Answer, Canceller};
pub use batch::{Batch, RowMut, RowVariance};
pub use change::{Backfill, Change, NewVector, Order, PendingRow};
pub use check::{Damage, Report, check};
pub use collection::Collection;
pub use db::Database;
pub use encode::{Encoder, EncodingOptions};
pub use error::{Error, Result};
pub use foretaste_query::index::{HnswParams, IvfParams, RotationKind, Spec, Stage as BuildStage};
pub use foretaste_query::lang::{self, ColumnType, Filter};
pub use foretaste_query::metric::Metric;
pub use foretaste_query::recipe::{Recipe, UnknownRecipe};
pub use foretaste_query::space::{
    Adapter, Error as FitError, ErrorModel, Estimate, Method, Options as FitOptions, Pairs,
    Report as FitReport, Use, fit as fit_adapter,
};
pub use foretaste_query::text::{Analyser, Language};
pub use foretaste_storage::key::Key;
pub use foretaste_storage::layout::Element;
pub use foretaste_storage::sealed::Access;
pub use optimize::{Progress, Step};
pub use options::{Durability, Options};
pub use params::{SearchParams, Within};
pub use plan::{Decision, Way};
pub use repair::{Repaired, repair};
pub use request::MAX_K;
pub use rerank::{
    Adaptive, Csd, Fuse, Fusion, Gaussian, Levels, MaxSim, Measure, Mixed, Mmr, Mode, Problem, Rerank,
    Scored, Scorer, ScorerError, Uncertainty,
};
pub use revision::{Revision, Stage, StoppedBecause};
pub use schema::{Column, Schema, TextField, Variance};
pub use search::{Cost, Hit, Hits, Search};
pub use snapshot::{Record, Snapshot};
pub use space::{NoSpace, Rule, RuleKind, Space};
pub use stats::{CollectionStats, Stats};
pub use text::{TextCost, TextHit, TextHits, TextPart, TextSearch, TextWay, TextWord};
