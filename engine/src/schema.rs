//! What a collection holds: dimension and levels, metric, element type, variance, token matrices, typed columns, full-text
//! fields; and how its searches are made fast.
//!
//! Reads from: the caller. Writes to: nothing; `record` is how the manifest keeps it.
//! Never: a change of metric or element type after creation; levels may be cut or added at the end, the index changed.

mod record;

use foretaste_query::index::{RotationKind, Spec};
use foretaste_query::lang::ColumnType;
use foretaste_query::metric::Metric;
use foretaste_query::recipe::Recipe;
use foretaste_query::text::Analyser;
use foretaste_storage::layout::{Element, Layout, TokenLayout, VarianceLayout};
use foretaste_storage::limits;

use crate::error::{Error, Result};
use crate::space::Space;

/// The variance sidecar of a collection: how uncertain each row's vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variance {
    /// No variances.
    #[default]
    None,
    /// One number a row: the variance of every dimension.
    Scalar,
    /// One number a dimension, stored as f16.
    Diagonal,
    /// One number a dimension, stored in 8 bits on a logarithmic scale (within 7 % of the value).
    DiagonalCompact,
}

/// A typed column: payload values at `path` are kept apart by type, so that filters on them are fast and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Dotted path into the payload, which is also the column's name in a filter.
    pub path: String,
    /// The type every value must have (or be null or missing).
    pub kind: ColumnType,
}

/// A full-text field: the words of the payload's texts at `path` are indexed, see [`crate::Snapshot::search_text`].
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct TextField {
    /// Dotted path into the payload, which is also the field's name. Values that are strings, or arrays of strings, count.
    pub path: String,
    /// How texts become words.
    pub analyser: Analyser,
}

/// What a collection holds.
///
/// ```
/// use foretaste::{Element, Metric, Schema, Variance};
/// let schema = Schema::new(384, Metric::Cosine)
///     .levels([64, 128, 384])
///     .element(Element::F16)
///     .variance(Variance::Diagonal);
/// assert_eq!(schema.dim(), 384);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub(crate) metric: Metric,
    pub(crate) layout: Layout,
    pub(crate) columns: Vec<Column>,
    pub(crate) index: Spec,
    pub(crate) rotation: RotationKind,
    pub(crate) tokens: Option<TokenLayout>,
    pub(crate) texts: Vec<TextField>,
    pub(crate) space: Option<Space>,
    /// What is done with vectors of so many numbers before they are cut.
    pub(crate) recipe: Option<(Recipe, u32)>,
    /// Further vector fields, each a collection of its own once it is created; empty from then on.
    pub(crate) fields: Vec<(String, Schema)>,
}

impl Schema {
    /// A collection of vectors of `dim` f32 numbers compared by `metric`, without levels, variance or columns.
    pub fn new(dim: usize, metric: Metric) -> Self {
        let levels = vec![u32::try_from(dim).unwrap_or(u32::MAX)];
        Schema {
            metric,
            layout: Layout { levels, element: Element::F32, variance: None },
            columns: Vec::new(),
            index: Spec::default(),
            rotation: RotationKind::default(),
            tokens: None,
            texts: Vec::new(),
            space: None,
            recipe: None,
            fields: Vec::new(),
        }
    }

    /// The nested lengths (Matryoshka levels) at which the vectors may be searched, stored and cut, ascending. The full
    /// dimension is added when it is missing.
    pub fn levels(mut self, levels: impl IntoIterator<Item = usize>) -> Self {
        let dim = self.layout.dim();
        let mut all: Vec<u32> = levels.into_iter().map(|l| u32::try_from(l).unwrap_or(u32::MAX)).collect();
        if all.last().is_none_or(|&l| (l as usize) < dim) {
            all.push(dim as u32);
        }
        self.layout.levels = all;
        self
    }

    /// How numbers are stored.
    pub fn element(mut self, element: Element) -> Self {
        self.layout.element = element;
        self
    }

    /// Keeps a variance beside each vector.
    pub fn variance(mut self, variance: Variance) -> Self {
        self.layout.variance = match variance {
            Variance::None => None,
            Variance::Scalar => Some(VarianceLayout::Scalar),
            Variance::Diagonal => Some(VarianceLayout::DiagonalF16),
            Variance::DiagonalCompact => Some(VarianceLayout::DiagonalLog8),
        };
        self
    }

    /// Declares a typed column over the payload path `path`.
    pub fn column(mut self, path: impl Into<String>, kind: ColumnType) -> Self {
        self.columns.push(Column { path: path.into(), kind });
        self
    }

    /// Declares a full-text field over the payload path `path`, to be searched by [`crate::Snapshot::search_text`].
    ///
    /// Words are those of the Unicode standard (UAX #29), whatever their case and the accents of Latin and Greek letters;
    /// they are not stemmed, and none is left out. [`Schema::text_by`] takes another analyser.
    pub fn text(self, path: impl Into<String>) -> Self {
        self.text_by(path, Analyser::default())
    }

    /// Declares a full-text field whose texts become words by `analyser`.
    pub fn text_by(mut self, path: impl Into<String>, analyser: Analyser) -> Self {
        self.texts.push(TextField { path: path.into(), analyser });
        self
    }

    /// The index that its segments have: unless said otherwise [`Spec::Auto`], none below 20,000 rows of a segment and
    /// HNSW from there on. Rows are found before there is an index, and by every kind of it.
    pub fn index(mut self, spec: Spec) -> Self {
        self.index = spec;
        self
    }

    /// What the codes of an index are made of: unless said otherwise [`RotationKind::Pca`].
    pub fn rotation(mut self, rotation: RotationKind) -> Self {
        self.rotation = rotation;
        self
    }

    /// Keeps beside each vector, for rows that are given one, a matrix of token vectors of `dim` numbers each, for scores by
    /// late interaction. 8-bit elements have a scale a token.
    pub fn tokens(mut self, dim: usize, element: Element) -> Self {
        self.tokens = Some(TokenLayout { dims: u32::try_from(dim).unwrap_or(u32::MAX), element });
        self
    }

    /// The space that its vectors are of: queries may say of which they are, and the model can be changed while it is in use; see
    /// [`crate::Collection::search_in`] and [`crate::Collection::begin_change`].
    pub fn space(mut self, space: Space) -> Self {
        self.space = Some(space);
        self
    }

    /// What has to be done to the model's own output, of `output` numbers, before its first numbers mean anything alone. Rows and
    /// queries of that length are transformed as a whole, then cut to the dimension; vectors of other lengths are taken as they are
    /// stored.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// use foretaste::Recipe;
    ///
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// let schema = Schema::new(2, Metric::Cosine).recipe(Recipe::LayerNorm, 4);
    /// let docs = db.create_collection("docs", schema)?;
    /// docs.upsert("a", &[1.0, 2.0, 3.0, 4.0])?;
    /// let stored = docs.get("a")?.map(|record| record.vector).unwrap_or_default();
    /// assert!(stored.len() == 2 && (stored[0] + 1.3416).abs() < 1e-4);
    /// assert!(docs.search(&[1.0, 2.0, 3.0, 4.0]).run()?[0].distance < 1e-6);
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    pub fn recipe(mut self, recipe: Recipe, output: usize) -> Self {
        let output = u32::try_from(output).unwrap_or(u32::MAX);
        self.recipe = (recipe != Recipe::None).then_some((recipe, output));
        self
    }

    /// A further vector field: rows may have a second vector, of another dimension, metric, element type and index, that is
    /// searched by [`crate::Collection::search_field`] and combined with others by [`crate::Fuse::field`]. `schema` says what it is;
    /// columns are those of the collection, token matrices and full text the collection's alone.
    ///
    /// Each field has segments and indexes of its own, which also keep the documents, so that its searches are filtered without
    /// a look elsewhere: a field costs their bytes once more.
    ///
    /// ```
    /// # use foretaste::{Database, Metric, Schema};
    /// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
    /// # let db = Database::open(path.join("notes.ft"))?;
    /// let schema = Schema::new(3, Metric::Cosine).field("image", Schema::new(2, Metric::L2));
    /// let docs = db.create_collection("docs", schema)?;
    /// let mut batch = docs.batch();
    /// batch.upsert("a", &[1.0, 0.0, 0.0]).field("image", &[0.5, 0.5]);
    /// batch.upsert("b", &[0.0, 1.0, 0.0]);
    /// batch.commit()?;
    /// let hits = docs.search_field("image", &[0.5, 0.0])?.run()?;
    /// assert_eq!((hits.len(), hits[0].distance), (1, 0.5));
    /// # Ok(()) }
    /// # run(tempfile::tempdir().unwrap().path()).unwrap();
    /// ```
    pub fn field(mut self, name: impl Into<String>, schema: Schema) -> Self {
        self.fields.push((name.into(), schema));
        self
    }

    /// The full dimension.
    pub fn dim(&self) -> usize {
        self.layout.dim()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// How numbers are stored.
    pub fn element_type(&self) -> Element {
        self.layout.element
    }

    /// The nested lengths, ascending; the last one is the dimension.
    pub fn level_dims(&self) -> Vec<usize> {
        self.layout.levels.iter().map(|&l| l as usize).collect()
    }

    /// The variance sidecar.
    pub fn variance_kind(&self) -> Variance {
        match self.layout.variance {
            None => Variance::None,
            Some(VarianceLayout::Scalar) => Variance::Scalar,
            Some(VarianceLayout::DiagonalF16) => Variance::Diagonal,
            Some(VarianceLayout::DiagonalLog8) => Variance::DiagonalCompact,
        }
    }

    /// Numbers of a token, and how they are stored, if rows may have token matrices.
    pub fn token_kind(&self) -> Option<(usize, Element)> {
        self.tokens.map(|tokens| (tokens.dims as usize, tokens.element))
    }

    /// The typed columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The space that its vectors are of, if it was said.
    pub fn vector_space(&self) -> Option<&Space> {
        self.space.as_ref()
    }

    /// What is done with a model's own output, and of how many numbers that is.
    pub fn vector_recipe(&self) -> Option<(Recipe, usize)> {
        self.recipe.map(|(recipe, output)| (recipe, output as usize))
    }

    /// The full-text fields.
    pub fn text_fields(&self) -> &[TextField] {
        &self.texts
    }

    /// The index wanted.
    pub fn index_spec(&self) -> Spec {
        self.index
    }

    /// What codes are made of.
    pub fn rotation_kind(&self) -> RotationKind {
        self.rotation
    }

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

    /// Whether it says nothing but what vectors are.
    pub(crate) fn is_bare(&self) -> bool {
        self.columns.is_empty() && self.texts.is_empty() && self.fields.is_empty() && self.tokens.is_none()
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
