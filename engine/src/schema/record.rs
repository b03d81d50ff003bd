//! A schema as the manifest keeps it beside the layout, in every version there has been.
//!
//! Reads from: the manifest's record. Writes to: the same. Never: a version that is newer than this build read as one that is not.

use std::path::Path;

use foretaste_query::index::{RotationKind, Spec};
use foretaste_query::lang::ColumnType;
use foretaste_storage::codec::meta;
use foretaste_storage::layout::{Layout, TokenLayout};

use crate::error::{Error, Result};
use crate::schema::{Column, Schema, TextField};
use crate::space::Space;

/// The version of the schema's record that this build writes.
const VERSION: u16 = 4;

/// As databases have it that were made before there were indexes: version 1, which does not say so.
#[derive(bincode::Encode, bincode::Decode)]
struct FirstRecord {
    metric: String,
    columns: Vec<(String, u8)>,
}

#[derive(bincode::Encode, bincode::Decode)]
struct SchemaRecord {
    metric: String,
    columns: Vec<(String, u8)>,
    version: u16,
    /// What later versions add: an [`IndexRecord`] in version 2, a [`ThirdRecord`] in version 3, a [`MoreRecord`] in version 4.
    more: Vec<u8>,
}

#[derive(Default, bincode::Encode, bincode::Decode)]
struct ThirdRecord {
    index: IndexRecord,
    texts: Vec<TextField>,
    tokens: Option<TokenLayout>,
}

#[derive(Default, bincode::Encode, bincode::Decode)]
struct MoreRecord {
    third: ThirdRecord,
    space: Option<Space>,
    recipe: Option<(String, u32)>,
}

#[derive(Default, bincode::Encode, bincode::Decode)]
struct IndexRecord {
    index: Spec,
    rotation: RotationKind,
}

impl Schema {
    /// What the manifest keeps beside the layout.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let index = IndexRecord { index: self.index, rotation: self.rotation };
        let third = ThirdRecord { index, texts: self.texts.clone(), tokens: self.tokens };
        let recipe = self.recipe.map(|(recipe, output)| (recipe.to_string(), output));
        let more = MoreRecord { third, space: self.space.clone(), recipe };
        let more = meta::encode(&more)?;
        let columns = self.columns.iter().map(|c| (c.path.clone(), column_tag(c.kind))).collect();
        let record = SchemaRecord { metric: self.metric.to_string(), columns, version: VERSION, more };
        Ok(meta::encode(&record)?)
    }

    pub(crate) fn decode(record: &[u8], layout: Layout) -> Result<Schema> {
        let file = Path::new("manifest");
        let corrupt = |why: String| Error::Corrupt { file: file.to_path_buf(), offset: 0, why };
        // A first record ends where the version of a later one begins: no bytes are both.
        let (SchemaRecord { metric, columns: tagged, version, more }, MoreRecord { third, space, recipe }) =
            match meta::decode::<FirstRecord>(record, file, 0) {
                Ok(FirstRecord { metric, columns }) => {
                    let record = SchemaRecord { metric, columns, version: 1, more: Vec::new() };
                    (record, MoreRecord::default())
                }
                Err(_) => {
                    let record: SchemaRecord = meta::decode(record, file, 0)?;
                    let more = match record.version {
                        VERSION => meta::decode(&record.more, file, 0)?,
                        3 => MoreRecord {
                            third: meta::decode(&record.more, file, 0)?,
                            ..MoreRecord::default()
                        },
                        2 => {
                            let index = meta::decode(&record.more, file, 0)?;
                            let third = ThirdRecord { index, ..ThirdRecord::default() };
                            MoreRecord { third, ..MoreRecord::default() }
                        }
                        _ => MoreRecord::default(),
                    };
                    (record, more)
                }
            };
        if version > VERSION {
            let (file, found) = (file.to_path_buf(), u32::from(version));
            return Err(Error::FormatTooNew { file, found, supported: VERSION.into() });
        }
        if version < 2 && !more.is_empty() {
            return Err(corrupt(format!("a schema of version {version} holds more than it can")));
        }
        let metric = metric.parse().map_err(|_| corrupt(format!("unknown metric `{metric}`")))?;
        let mut columns = Vec::new();
        for (path, tag) in tagged {
            let kind =
                column_of(tag).ok_or_else(|| corrupt(format!("column `{path}` has unknown type {tag}")))?;
            columns.push(Column { path, kind });
        }
        let ThirdRecord { index: IndexRecord { index, rotation }, texts, tokens } = third;
        let fields = Vec::new();
        let recipe = match recipe {
            None => None,
            Some((name, output)) => match name.parse() {
                Ok(recipe) => Some((recipe, output)),
                Err(_) => return Err(corrupt(format!("unknown recipe `{name}`"))),
            },
        };
        let schema =
            Schema { metric, layout, columns, index, rotation, texts, tokens, space, recipe, fields };
        schema.validate()?;
        Ok(schema)
    }
}

const COLUMN_TYPES: [ColumnType; 4] = [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Str];

fn column_tag(kind: ColumnType) -> u8 {
    COLUMN_TYPES.iter().position(|k| *k == kind).unwrap_or(0) as u8
}

fn column_of(tag: u8) -> Option<ColumnType> {
    COLUMN_TYPES.get(tag as usize).copied()
}

#[cfg(test)]
mod tests {
    use foretaste_query::index::{HnswParams, IvfParams};
    use foretaste_query::metric::Metric;
    use foretaste_query::recipe::Recipe;
    use foretaste_query::text::{Analyser, Language};
    use foretaste_storage::layout::Element;

    use super::*;
    use crate::schema::Variance;

    #[test]
    fn decode_of_encode_is_the_schema() {
        let schema = Schema::new(8, Metric::Dot)
            .levels([2, 4])
            .element(Element::I8)
            .variance(Variance::Scalar)
            .tokens(128, Element::F16)
            .space(Space::new("model", "2"))
            .recipe(Recipe::LayerNorm, 12)
            .column("year", ColumnType::Int)
            .column("meta.lang", ColumnType::Str)
            .text("body")
            .text_by("meta.title", Analyser::default().stemmed(Language::English).with_accents());
        assert_eq!(schema.level_dims(), [2, 4, 8]);
        let hnsw = HnswParams { m: 32, ef_construction: 7, edge_bits: Some(4) };
        for spec in [Spec::Auto, Spec::Flat, Spec::Ivf(IvfParams { nlist: Some(9) }), Spec::Hnsw(hnsw)] {
            let schema = schema.clone().index(spec).rotation(RotationKind::None);
            let back = Schema::decode(&schema.encode().unwrap(), schema.layout.clone()).unwrap();
            assert_eq!(back, schema);
        }
    }

    #[test]
    fn records_of_before_there_were_indexes_or_tokens_open_with_the_defaults_and_a_newer_one_is_refused() {
        let schema = Schema::new(8, Metric::Dot).column("year", ColumnType::Int);
        let (metric, columns) = ("dot".to_string(), vec![("year".to_string(), 1)]);
        let first = meta::encode(&FirstRecord { metric: metric.clone(), columns: columns.clone() }).unwrap();
        assert_eq!(Schema::decode(&first, schema.layout.clone()).unwrap(), schema);
        let of_index = IndexRecord { index: Spec::Flat, rotation: RotationKind::None };
        let (more, version) = (meta::encode(&of_index).unwrap(), 2);
        let second = SchemaRecord { metric: metric.clone(), columns: columns.clone(), version, more };
        let back = Schema::decode(&meta::encode(&second).unwrap(), schema.layout.clone()).unwrap();
        assert_eq!(back, schema.clone().index(Spec::Flat).rotation(RotationKind::None));
        let texts = vec![TextField { path: "body".to_string(), analyser: Analyser::default() }];
        let third = ThirdRecord { index: IndexRecord::default(), texts, tokens: None };
        let (more, version) = (meta::encode(&third).unwrap(), 3);
        let third = SchemaRecord { metric: metric.clone(), columns: columns.clone(), version, more };
        let back = Schema::decode(&meta::encode(&third).unwrap(), schema.layout.clone()).unwrap();
        assert_eq!(back, schema.clone().text("body"));
        let with = |version: u16, more: &[u8]| {
            let (metric, columns, more) = (metric.clone(), columns.clone(), more.to_vec());
            let record = meta::encode(&SchemaRecord { metric, columns, version, more }).unwrap();
            Schema::decode(&record, schema.layout.clone())
        };
        assert!(matches!(with(5, b"new"), Err(Error::FormatTooNew { found: 5, supported: 4, .. })));
        for (version, more) in
            [(1, &b"x"[..]), (2, b""), (2, &[9; 8]), (3, b""), (3, &[9; 12]), (4, b""), (4, &[9; 12])]
        {
            assert!(matches!(with(version, more), Err(Error::Corrupt { .. })), "{version} {more:?}");
        }
        let whole = schema.encode().unwrap();
        for len in 0..whole.len() {
            let cut = Schema::decode(&whole[..len], schema.layout.clone());
            assert!(cut.is_err() || len == first.len(), "{len} of {} bytes", whole.len());
        }
    }
}
