//! What a collection holds: dimension and levels, metric, element type, variance, token matrices, typed columns, full-text
//! fields; and how its searches are made fast.
//!
//! Reads from: the caller. Writes to: nothing; `check` refuses what cannot be, `record` is how the manifest keeps it.
//! Never: a change of metric or element type after creation; levels may be cut or added at the end, the index changed.

mod check;
mod record;

use foretaste_query::index::{RotationKind, Spec};
use foretaste_query::lang::ColumnType;
use foretaste_query::metric::Metric;
use foretaste_query::recipe::Recipe;
use foretaste_query::text::Analyser;
use foretaste_storage::layout::{Element, Layout, TokenLayout, VarianceLayout};

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

    /// Whether it says nothing but what vectors are.
    pub(crate) fn is_bare(&self) -> bool {
        self.columns.is_empty() && self.texts.is_empty() && self.fields.is_empty() && self.tokens.is_none()
    }
}
