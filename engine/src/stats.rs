//! What a database holds and what it takes on disk.
//!
//! Reads from: `state`, the file sizes the manifest knows. Writes to: nothing.
//! Never: a file opened but for the heads of full-text indexes, once; the figures come from what is in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use foretaste_query::index::Spec;
use foretaste_storage::layout::Element;
use foretaste_storage::names::Part;
use serde::Serialize;

use foretaste_query::index::Index;

use crate::core::Core;
use crate::error::Result;
use crate::member::{Role, is_member};
use crate::state::{CollectionCore, Source};

/// What a database holds; see [`crate::Database::stats`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The manifest's generation.
    pub generation: u64,
    /// Its collections, by name.
    pub collections: Vec<CollectionStats>,
    /// Bytes of live log files.
    pub bytes_log: u64,
    /// Bytes of files that no generation names any more and that wait for a snapshot or reader to let them go.
    pub bytes_retired: u64,
    /// Why the last background upkeep failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upkeep_failure: Option<String>,
    /// Why the last building of search indexes in the background failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_failure: Option<String>,
}

/// What a collection holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CollectionStats {
    /// Its name.
    pub name: String,
    /// Live rows.
    pub rows: u64,
    /// Rows of them that are not in a segment yet.
    pub rows_fresh: u64,
    /// Deleted or replaced rows that segments still hold.
    pub rows_dead: u64,
    /// Dimensions.
    pub dim: usize,
    /// Nested lengths.
    pub levels: Vec<usize>,
    /// The metric's name.
    pub metric: String,
    /// How numbers are stored.
    pub element: String,
    /// How variances are stored: `none`, `scalar`, `diagonal`, `diagonal-compact`.
    pub variance: String,
    /// Numbers of a token and how they are stored, as `128 x f16`, if rows may have token matrices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<String>,
    /// Sealed segments.
    pub segments: usize,
    /// Bytes of segment files that live rows account for.
    pub bytes_live: u64,
    /// Bytes of segment files that dead rows account for: what compaction would give back.
    pub bytes_dead: u64,
    /// Bytes of the segments' files of token matrices; part of the segments' bytes.
    pub bytes_tokens: u64,
    /// Memory that fresh rows take.
    pub bytes_fresh: u64,
    /// The index its segments should have: `auto`, `flat`, `ivf`, `hnsw`.
    pub index_wanted: String,
    /// The kinds of index its segments have: `none`, `ivf`, `hnsw`, or both with a comma.
    pub index: String,
    /// Bytes of the files of these indexes; part of the segments' bytes.
    pub bytes_index: u64,
    /// Live rows that no index covers, the fresh ones among them: they are searched one by one.
    pub rows_unindexed: u64,
    /// Its full-text fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text_fields: Vec<String>,
    /// Bytes of the files of their indexes; part of the segments' bytes.
    pub bytes_text: u64,
    /// Live rows of segments that lack the index of a full-text field: their documents are read by every such search.
    pub rows_without_text: u64,
    /// Full-text indexes that could not be opened or read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text_damage: Vec<String>,
    /// Its further vector fields: their rows, segments and indexes. The figures above are without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<CollectionStats>,
    /// Indexes that could not be opened or read; their segments are searched row by row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub index_damage: Vec<String>,
}

pub(crate) fn stats(core: &Core) -> Result<Stats> {
    let upkeep = core.upkeep.lock();
    let (bytes_log, collections) = (log_bytes(core, &upkeep.record), core.all_collections());
    Ok(Stats {
        generation: upkeep.record.generation,
        collections: collections
            .iter()
            .filter(|c| !is_member(&c.name))
            .map(|c| collection_stats(c))
            .collect(),
        bytes_log,
        bytes_retired: upkeep.retired.iter().map(|r| r.bytes).sum(),
        upkeep_failure: core.work.failure(),
        build_failure: core.work.build_failure(),
    })
}

fn log_bytes(core: &Core, record: &foretaste_storage::manifest::Record) -> u64 {
    match &core.writer {
        None => record.logs.iter().map(|l| l.synced_len).sum(),
        Some(writer) => {
            let ingest = writer.ingest.lock();
            let closed: u64 = ingest.logs.iter().filter_map(|l| l.closed_len).sum();
            closed + ingest.log.as_ref().map_or(0, |log| log.len())
        }
    }
}

fn collection_stats(collection: &CollectionCore) -> CollectionStats {
    let (state, seq) = collection.view();
    let schema = &state.schema;
    let sealed: u64 = state.segments.iter().map(|s| u64::from(s.segment.rows())).sum();
    let dead: u64 = state.segments.iter().map(|s| s.dead.at(seq).len()).sum();
    let bytes: u64 = state.segments.iter().map(|s| s.segment.bytes()).sum();
    let bytes_dead: u64 = state.segments.iter().map(|s| dead_bytes(s, seq)).sum();
    let rows = state.len(seq);
    let indexed = || state.segments.iter().filter_map(|s| Some((s, usable(s)?)));
    let covered: u64 = indexed().map(|(s, _)| u64::from(s.segment.rows()) - s.dead.at(seq).len()).sum();
    let kinds: BTreeSet<&str> = indexed().map(|(_, index)| spec_name(index.spec())).collect();
    let named = state.segments.iter().filter_map(|s| s.segment.reference().ann());
    let damage = state.segments.iter().filter_map(|s| s.health.damage.get());
    let live = |s: &&Arc<Source>| u64::from(s.segment.rows()) - s.dead.at(seq).len();
    let without_text = state.segments.iter().filter(|s| s.texts.is_due(schema, &s.segment));
    let rows_without_text = without_text.map(|s| live(&s)).sum();
    let named_texts = state.segments.iter().filter_map(|s| s.segment.reference().text());
    let text_damage = state.segments.iter().filter_map(|s| s.texts.damage());
    CollectionStats {
        name: collection.name.clone(),
        rows,
        rows_fresh: rows - (sealed - dead),
        rows_dead: dead,
        dim: schema.dim(),
        levels: schema.level_dims(),
        metric: schema.metric.to_string(),
        element: element_name(schema.layout.element),
        variance: variance_name(schema).to_string(),
        tokens: schema.token_kind().map(|(dim, element)| format!("{dim} x {}", element_name(element))),
        segments: state.segments.len(),
        bytes_live: bytes - bytes_dead,
        bytes_dead,
        bytes_tokens: state
            .segments
            .iter()
            .map(|s| s.segment.reference().bytes(|part| part == Part::Tokens))
            .sum(),
        bytes_fresh: state.heads.iter().map(|h| h.bytes()).sum(),
        index_wanted: spec_name(schema.index).to_string(),
        index: match kinds.is_empty() {
            true => "none".to_string(),
            false => kinds.into_iter().collect::<Vec<_>>().join(", "),
        },
        bytes_index: named.map(|(_, file)| file.len).sum(),
        rows_unindexed: rows - covered,
        text_fields: schema.texts.iter().map(|field| field.path.clone()).collect(),
        bytes_text: named_texts.map(|(_, file)| file.len).sum(),
        rows_without_text,
        text_damage: text_damage.map(|e| e.to_string()).collect(),
        fields: collection
            .members
            .read()
            .iter()
            .map(|member| {
                let Role::Field(name) = &member.role;
                CollectionStats { name: name.clone(), ..collection_stats(&member.core) }
            })
            .collect(),
        index_damage: damage.map(|e| e.to_string()).collect(),
    }
}

/// The segment's index, if it is as good as its rows.
fn usable(source: &Source) -> Option<&Index> {
    source.index.as_deref().filter(|_| source.health.damage.get().is_none())
}

fn spec_name(spec: Spec) -> &'static str {
    match spec {
        Spec::Auto => "auto",
        Spec::Flat => "flat",
        Spec::Ivf(_) => "ivf",
        Spec::Hnsw(_) => "hnsw",
    }
}

fn element_name(element: Element) -> String {
    format!("{element:?}").to_lowercase()
}

fn variance_name(schema: &crate::Schema) -> &'static str {
    match schema.variance_kind() {
        crate::Variance::None => "none",
        crate::Variance::Scalar => "scalar",
        crate::Variance::Diagonal => "diagonal",
        crate::Variance::DiagonalCompact => "diagonal-compact",
    }
}

fn dead_bytes(source: &Arc<Source>, seq: u64) -> u64 {
    let dead = u128::from(source.segment.bytes()) * u128::from(source.dead.at(seq).len());
    (dead / u128::from(source.segment.rows()).max(1)) as u64
}
