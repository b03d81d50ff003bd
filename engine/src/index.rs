//! The search index of a segment as its collection sees it: which one is wanted, which one there is, what is wrong with
//! it.
//!
//! Reads from: `schema`, a segment's `ann.N`. Writes to: nothing.
//! Never: an error that keeps the segment's rows from being read; an index is derived from them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use foretaste_query::index::trust::Trust;
use foretaste_query::index::{HnswParams, Index, Ranks, RotationKind, Spec};
use foretaste_query::metric::Metric;
use foretaste_storage::codec::{check, meta};
use foretaste_storage::names::Part;
use foretaste_storage::segment::Segment;

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::state::Source;

/// Fewer rows than this have no index unless one is asked for: a scan of them is as fast.
pub(crate) const AUTO_ROWS: u32 = 20_000;

/// What is known of a segment and its search index beside what they hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    /// What it was built as: [`Wanted::built_as`] of then.
    built_as: u64,
    /// What is wrong with it: found when it was opened, or by whoever reads it later.
    pub damage: Arc<OnceLock<Error>>,
    /// How far its answers can be trusted, once that was measured.
    pub trust: Arc<OnceLock<Trust>>,
    /// How the segment's nearest rows rank by shorter levels, once that was asked for; nothing of an index.
    pub ranks: Arc<OnceLock<Option<Ranks>>>,
}

/// An index that the schema wants of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub spec: Spec,
    pub rotation: RotationKind,
    /// A number for both: an index that was built as another is built again.
    pub built_as: u64,
}

/// What is to be done about a segment's indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Build(Wanted),
    /// It has one and should have none.
    Drop,
    /// Its full-text index is to be written.
    Text,
}

/// Opens the index that the segment's reference names, if it names one and it is whole.
pub(crate) fn open(segment: &Segment, metric: Metric) -> (Option<Arc<Index>>, Health) {
    let opened = segment.ann().and_then(|ann| match ann {
        None => Ok(None),
        Some(ann) => Index::open(&ann.sections, segment.rows(), metric)
            .map(|index| Some((index, ann.note.number, ann.note.built_as))),
    });
    match opened {
        Ok(None) => (None, Health::default()),
        Ok(Some((index, number, built_as))) => {
            let health = Health { built_as, ..Health::default() };
            // Without a table, or with a damaged one, nothing is known of the index, which is as good; `check` names the damage.
            let name = Part::Trust(number).name();
            let table = segment.trust(number).ok().flatten();
            if let Some(trust) = table.and_then(|table| Trust::decode(&table, Path::new(&name)).ok()) {
                let _ = health.trust.set(trust);
            }
            (Some(Arc::new(index)), health)
        }
        Err(e) => (None, Health { damage: Arc::new(OnceLock::from(Error::from(e))), ..Health::default() }),
    }
}

/// The index that `schema` wants of a segment of `rows` rows.
pub(crate) fn wanted(schema: &Schema, rows: u32) -> Result<Option<Wanted>> {
    let spec = match schema.index {
        _ if rows == 0 => return Ok(None),
        Spec::Flat => return Ok(None),
        Spec::Auto if rows < AUTO_ROWS => return Ok(None),
        Spec::Auto => Spec::Hnsw(HnswParams::default()),
        spec => spec,
    };
    let rotation = schema.rotation;
    let built_as = check::sum(0, 0, &meta::encode(&(spec, rotation))?);
    Ok(Some(Wanted { spec, rotation, built_as }))
}

/// What is to be done about the indexes of `source`.
pub(crate) fn due(schema: &Schema, source: &Source) -> Result<Due> {
    let due = due_of_vectors(schema, source)?;
    let text = due == Due::Nothing && source.texts.is_due(schema, &source.segment);
    Ok(if text { Due::Text } else { due })
}

fn due_of_vectors(schema: &Schema, source: &Source) -> Result<Due> {
    let named = source.segment.reference().ann().is_some();
    Ok(match wanted(schema, source.segment.rows())? {
        None if named => Due::Drop,
        None => Due::Nothing,
        Some(wanted) => match (source.health.damage.get(), &source.index) {
            // Written by a newer version, which can read it.
            (Some(Error::FormatTooNew { .. }), _) => Due::Nothing,
            (None, Some(_)) if source.health.built_as == wanted.built_as => Due::Nothing,
            _ => Due::Build(wanted),
        },
    })
}

#[cfg(test)]
mod tests {
    use foretaste_query::index::IvfParams;

    use super::*;

    fn built_as(spec: Spec, rotation: RotationKind, rows: u32) -> Option<(Spec, u64)> {
        let schema = Schema::new(4, Metric::L2).index(spec).rotation(rotation);
        wanted(&schema, rows).unwrap().map(|w| (w.spec, w.built_as))
    }

    #[test]
    fn by_itself_an_index_is_wanted_from_many_rows_on_and_the_same_as_when_asked_for() {
        let hnsw = Spec::Hnsw(HnswParams::default());
        let pca = RotationKind::Pca;
        assert_eq!(built_as(Spec::Auto, pca, AUTO_ROWS - 1), None);
        assert_eq!(built_as(Spec::Auto, pca, AUTO_ROWS), built_as(hnsw, pca, 1));
        assert_eq!(built_as(Spec::Auto, pca, AUTO_ROWS).map(|b| b.0), Some(hnsw));
        assert_eq!(built_as(Spec::Flat, pca, u32::MAX), None);
        assert_eq!(built_as(hnsw, pca, 0), None, "no rows, no index");
    }

    #[test]
    fn every_parameter_makes_another_index() {
        let hnsw = |m, ef_construction, edge_bits| Spec::Hnsw(HnswParams { m, ef_construction, edge_bits });
        let specs = [
            hnsw(16, 200, None),
            hnsw(17, 200, None),
            hnsw(16, 201, None),
            hnsw(16, 200, Some(4)),
            Spec::Ivf(IvfParams { nlist: None }),
            Spec::Ivf(IvfParams { nlist: Some(9) }),
        ];
        let mut all: Vec<u64> = [RotationKind::None, RotationKind::Pca]
            .into_iter()
            .flat_map(|rotation| specs.map(|spec| built_as(spec, rotation, 100).unwrap().1))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2 * specs.len());
    }
}
