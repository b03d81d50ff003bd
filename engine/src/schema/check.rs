//! What a schema has to be: limits, names, levels, parameters of indexes.
//!
//! Reads from: the schema. Writes to: nothing. Never: a schema changed to make it fit.

use foretaste_query::index::Spec;
use foretaste_storage::layout::TokenLayout;
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::space::Space;

impl Schema {
    /// Refuses a schema that cannot be.
    pub(crate) fn validate(&self) -> Result<()> {
        let levels = &self.layout.levels;
        limits::check("number of levels", levels.len() as u64, limits::LEVELS)?;
        limits::check("dimension", u64::from(levels.iter().copied().max().unwrap_or(0)), limits::DIMENSION)?;
        if levels.first().is_none_or(|&l| l == 0) || levels.windows(2).any(|w| w[0] >= w[1]) {
            let why =
                format!("levels must be positive, ascending and end with the dimension, got {levels:?}");
            return Err(Error::BadRequest { what: "schema", why });
        }
        match self.tokens {
            Some(TokenLayout { dims: 0, .. }) => {
                let why = "a token has at least one number".to_string();
                return Err(Error::BadRequest { what: "tokens", why });
            }
            tokens => tokens.map_or(Ok(()), |tokens| tokens.validate())?,
        }
        limits::check("number of columns", self.columns.len() as u64, limits::COLUMNS)?;
        for (i, column) in self.columns.iter().enumerate() {
            limits::check("column name in bytes", column.path.len() as u64, limits::NAME_BYTES)?;
            if column.path.is_empty() || self.columns[..i].iter().any(|c| c.path == column.path) {
                let why = format!("column `{}` is unnamed or declared twice", column.path);
                return Err(Error::BadRequest { what: "schema", why });
            }
            crate::fields::column_path(&column.path)?;
        }
        if let Some((recipe, output)) = self.recipe {
            limits::check("numbers of a model's output", output.into(), limits::DIMENSION)?;
            if (output as usize) < self.dim() {
                let why =
                    format!("{recipe} of {output} numbers leaves fewer than the {} dimensions", self.dim());
                return Err(Error::BadRequest { what: "recipe", why });
            }
        }
        self.space.as_ref().map_or(Ok(()), Space::validate)?;
        self.validate_texts()?;
        self.validate_fields()?;
        self.validate_index()
    }

    fn validate_fields(&self) -> Result<()> {
        limits::check("further vector fields", self.fields.len() as u64, limits::VECTOR_FIELDS)?;
        for (i, (name, schema)) in self.fields.iter().enumerate() {
            limits::check("name of a vector field in bytes", name.len() as u64, limits::FIELD_NAME_BYTES)?;
            let bad =
                |why: &str| Err(Error::BadRequest { what: "field", why: format!("field `{name}`: {why}") });
            if name.is_empty() || name.chars().any(char::is_control) {
                return bad("a name has at least one character and no control characters");
            }
            if self.fields.iter().take(i).any(|(other, _)| other == name) {
                return bad("it is declared twice");
            }
            if !schema.is_bare() {
                return bad("columns, full text, token matrices and further fields are the collection's");
            }
            schema.validate()?;
        }
        Ok(())
    }

    fn validate_texts(&self) -> Result<()> {
        limits::check("full-text fields", self.texts.len() as u64, limits::TEXT_FIELDS)?;
        for (i, field) in self.texts.iter().enumerate() {
            limits::check("name of a full-text field in bytes", field.path.len() as u64, limits::NAME_BYTES)?;
            let path = crate::text::path(field)?;
            for other in self.texts.iter().take(i) {
                if crate::text::path(other)? == path {
                    let why = format!("full-text field `{}` is declared twice", field.path);
                    return Err(Error::BadRequest { what: "schema", why });
                }
            }
        }
        Ok(())
    }

    fn validate_index(&self) -> Result<()> {
        let bad = |why: &str| Err(Error::BadRequest { what: "index", why: why.to_string() });
        match self.index {
            Spec::Auto | Spec::Flat => Ok(()),
            Spec::Ivf(ivf) => match ivf.nlist {
                Some(0) => bad("nlist is 0; an inverted file has at least one cell"),
                cells => Ok(limits::check("nlist", cells.unwrap_or(1).into(), limits::CELLS)?),
            },
            Spec::Hnsw(graph) => {
                limits::check("m", graph.m.into(), limits::GRAPH_LINKS)?;
                limits::check("ef_construction", graph.ef_construction.into(), limits::GRAPH_CANDIDATES)?;
                if graph.m < 2 || graph.ef_construction == 0 {
                    return bad("m is at least 2 and ef_construction at least 1");
                }
                match graph.edge_bits {
                    None | Some(0 | 1 | 2 | 4) => Ok(()),
                    _ => bad("edge_bits is 0, 1, 2 or 4"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use foretaste_query::index::{HnswParams, IvfParams};
    use foretaste_query::lang::ColumnType;
    use foretaste_query::metric::Metric;
    use foretaste_query::recipe::Recipe;
    use foretaste_storage::layout::Element;

    use super::*;

    #[test]
    fn parameters_of_an_index_have_limits() {
        let hnsw = |change: fn(&mut HnswParams)| {
            let mut params = HnswParams::default();
            change(&mut params);
            Schema::new(8, Metric::L2).index(Spec::Hnsw(params)).validate()
        };
        let ivf = |nlist| Schema::new(8, Metric::L2).index(Spec::Ivf(IvfParams { nlist })).validate();
        let over = |refused: Result<()>, most: u64| match refused {
            Err(Error::LimitExceeded { limit, found, .. }) => assert_eq!((limit, found), (most, most + 1)),
            other => panic!("{other:?}"),
        };
        over(hnsw(|p| p.m = limits::GRAPH_LINKS as u32 + 1), limits::GRAPH_LINKS);
        over(hnsw(|p| p.ef_construction = limits::GRAPH_CANDIDATES as u32 + 1), limits::GRAPH_CANDIDATES);
        over(ivf(Some(limits::CELLS as u32 + 1)), limits::CELLS);
        for bad in [
            hnsw(|p| p.m = 1),
            hnsw(|p| p.ef_construction = 0),
            hnsw(|p| p.edge_bits = Some(3)),
            ivf(Some(0)),
        ] {
            assert!(matches!(bad, Err(Error::BadRequest { what: "index", .. })), "{bad:?}");
        }
        assert!(hnsw(|_| ()).is_ok() && ivf(None).is_ok() && ivf(Some(limits::CELLS as u32)).is_ok());
    }

    #[test]
    fn a_schema_that_cannot_be_is_refused() {
        for bad in [
            Schema::new(0, Metric::L2),
            Schema::new(8, Metric::L2).levels([4, 4]),
            Schema::new(8, Metric::L2).levels([16]).levels([0, 8]),
            Schema::new(70_000, Metric::L2),
            Schema::new(8, Metric::L2).column("a", ColumnType::Int).column("a", ColumnType::Str),
            Schema::new(8, Metric::L2).column("", ColumnType::Int),
            Schema::new(8, Metric::L2).text("a").text("\"a\""),
            Schema::new(8, Metric::L2).text(""),
            Schema::new(8, Metric::L2).text("a b"),
            (0..=limits::TEXT_FIELDS).fold(Schema::new(8, Metric::L2), |s, i| s.text(format!("f{i}"))),
            Schema::new(8, Metric::L2).column("a b", ColumnType::Int),
            Schema::new(8, Metric::L2).recipe(Recipe::LayerNorm, 7),
            Schema::new(8, Metric::L2).recipe(Recipe::LayerNorm, 70_000),
            Schema::new(8, Metric::L2).field("", Schema::new(2, Metric::L2)),
            Schema::new(8, Metric::L2).field("a\n", Schema::new(2, Metric::L2)),
            Schema::new(8, Metric::L2).field("a", Schema::new(0, Metric::L2)),
            Schema::new(8, Metric::L2).field("a", Schema::new(2, Metric::L2).text("t")),
            (0..2).fold(Schema::new(8, Metric::L2), |s, _| s.field("a", Schema::new(2, Metric::L2))),
            (0..=limits::VECTOR_FIELDS)
                .fold(Schema::new(8, Metric::L2), |s, i| s.field(format!("{i}"), Schema::new(2, Metric::L2))),
            Schema::new(8, Metric::L2)
                .field("x".repeat(limits::FIELD_NAME_BYTES as usize + 1), Schema::new(2, Metric::L2)),
            Schema::new(8, Metric::L2).tokens(0, Element::F32),
            Schema::new(8, Metric::L2).tokens(limits::TOKEN_DIMENSION as usize + 1, Element::F32),
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
