//! Statements as trees.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a position that takes part in equality, so that trees compare by meaning.

use std::time::Duration;

use foretaste::lang::{At, ColumnType, Filter};
use foretaste::{
    Element, Fusion, HnswParams, IvfParams, Key, Language, Measure, Method as Fit, Metric, Recipe,
    RotationKind, Space, Spec, Variance,
};
use serde_json::Value;

/// A statement.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Statement {
    Create(Create),
    Drop { name: Name, if_exists: bool },
    Alter(Alter),
    Change(Change),
    Insert(Insert),
    Delete(Delete),
    Get(Get),
    Search(Box<Search>),
    Watch(Box<Search>),
    Explain(Box<Search>),
    Optimize(Optimize),
    Compact(Option<Name>),
    Flush(Option<Name>),
}

/// A name, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name itself, without quotes.
    pub text: String,
    /// Its first byte in the statement.
    pub at: At,
}

/// `create collection`
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The new collection.
    pub name: Name,
    /// It may be there already.
    pub if_not_exists: bool,
    /// What it holds.
    pub items: Vec<Item>,
}

/// What a collection holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Item {
    /// The vector, or a further vector field of this name.
    Vector {
        name: Option<String>,
        kind: VectorKind,
    },
    Tokens {
        dims: usize,
        element: Option<Element>,
    },
    Column {
        path: String,
        kind: ColumnType,
    },
    FullText {
        path: String,
        words: Words,
    },
}

/// How texts become words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Words {
    /// Whose stems are searched; none are without.
    pub language: Option<Language>,
    /// Whether accents count.
    pub accents: bool,
}

/// What the vectors of a field are like.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct VectorKind {
    pub metric: Metric,
    pub dims: usize,
    pub levels: Vec<usize>,
    pub element: Option<Element>,
    pub variance: Option<Variance>,
    pub index: Option<Spec>,
    pub rotation: Option<RotationKind>,
    /// What the model's own output needs before it is cut, and how long that is.
    pub recipe: Option<(Recipe, usize)>,
    pub space: Option<Space>,
}

/// `alter collection`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Alter {
    pub name: Name,
    pub change: Alteration,
}

/// What is altered.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Alteration {
    FullText {
        path: String,
        words: Words,
    },
    Truncate(usize),
    Extend(Vec<usize>),
    /// Which space its vectors are of.
    Space(Space),
    /// How queries of that space are compared with its rows.
    Rule {
        from: Space,
        rule: NewRule,
    },
    DropRule(Space),
}

/// A rule that is given to a collection.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum NewRule {
    Prefix(usize),
    /// A map fitted on pairs: the same items by both models.
    Adapter {
        /// The file of their vectors in the queries' space.
        from: String,
        /// That of their vectors in the collection's; without one these are the stored rows of the same ids.
        to: Option<String>,
        fit: Option<Fit>,
        /// The least that it has to retain of the ten nearest.
        retain: Option<f64>,
    },
}

/// `change`: one step of a change of the model.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Change {
    pub name: Name,
    pub step: Step,
}

/// A step of a change.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Step {
    /// Begins it: what the vectors of the new model are like, and their space.
    To(VectorKind),
    /// Vectors of texts at this path, by the embedding command; the most uncertain rows first, or as they are stored.
    Embed {
        path: String,
        by_variance: bool,
    },
    /// Vectors of a file; the names of its vectors and ids, where it has names.
    Import {
        file: String,
        vector: Option<String>,
        id: Option<String>,
    },
    Flip,
    Finish,
    Drop,
}

/// `insert into`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Insert {
    pub into: Name,
    pub rows: Vec<Row>,
}

/// A row that is written.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Row {
    pub at: At,
    pub id: Key,
    pub vector: Vec<f32>,
    pub parts: Vec<Part>,
}

/// What a row has beside its id and vector.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Part {
    Payload(Value),
    Field { name: String, vector: Vec<f32> },
    Variance(Vec<f32>),
    Tokens(Vec<Vec<f32>>),
}

/// `delete from`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Delete {
    pub from: Name,
    pub ids: Vec<Key>,
}

/// `get`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Get {
    pub ids: Vec<Key>,
    pub from: Name,
}

/// `optimize`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Optimize {
    pub name: Name,
    pub index: Option<Spec>,
    pub rotation: Option<RotationKind>,
}

/// `search`
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Search {
    pub collection: Name,
    pub sources: Vec<Source>,
    pub filter: Option<Where>,
    pub max_uncertainty: Option<f32>,
    pub k: Option<usize>,
    pub dims: Option<usize>,
    pub ef: Option<usize>,
    pub nprobe: Option<usize>,
    pub exact: bool,
    pub recall: Option<f64>,
    pub within: Option<Duration>,
    pub budget: Option<u64>,
    pub variance: Option<Vec<f32>>,
    pub fuse: Option<Lists>,
    pub stages: Vec<Stage>,
    pub fields: Vec<String>,
}

/// Where a list of rows comes from.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Source {
    pub at: At,
    pub method: Method,
    pub weight: Option<f64>,
}

/// How rows are found.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Method {
    /// `space` is what the query is of, when that is not the rows' own.
    Near {
        target: Target,
        space: Option<Space>,
        field: Option<Name>,
    },
    Match {
        path: String,
        words: String,
    },
}

/// What rows are near to.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Target {
    Vector(Vec<f32>),
    /// The vector of a stored row.
    Row(Key),
    /// A vector of a file, or each of them.
    File {
        path: String,
        row: Option<u64>,
    },
    /// What the embedding command makes of a text.
    Text(String),
}

/// A filter, and where it stands.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Where {
    pub filter: Filter,
    /// The first byte of its text in the statement.
    pub at: At,
}

/// How lists are made one.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub struct Lists {
    pub fusion: Fusion,
    pub depth: Option<usize>,
    /// How many lists must have a row.
    pub votes: Option<usize>,
}

/// A stage behind the search.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the grammar names them")]
pub enum Stage {
    Levels(Vec<(usize, usize)>),
    /// Levels chosen for a recall.
    AutoLevels(f64),
    Mmr {
        lambda: f64,
        among: Option<usize>,
    },
    Csd(f64),
    Gaussian(Measure),
    Uncertainty {
        among: Option<usize>,
    },
    MaxSim {
        tokens: Vec<Vec<f32>>,
        among: Option<usize>,
    },
    /// By the user's own command.
    Scored {
        budget: usize,
        batch: Option<usize>,
        adaptive: bool,
    },
}

impl Search {
    /// A search of nothing yet.
    pub(super) fn new(collection: Name) -> Search {
        Search {
            collection,
            sources: Vec::new(),
            filter: None,
            max_uncertainty: None,
            k: None,
            dims: None,
            ef: None,
            nprobe: None,
            exact: false,
            recall: None,
            within: None,
            budget: None,
            variance: None,
            fuse: None,
            stages: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl VectorKind {
    /// Nothing but metric and dimension.
    pub(super) fn new(metric: Metric, dims: usize) -> VectorKind {
        VectorKind {
            metric,
            dims,
            levels: Vec::new(),
            element: None,
            variance: None,
            index: None,
            rotation: None,
            recipe: None,
            space: None,
        }
    }
}

/// An inverted file with so many cells.
pub(super) fn ivf(nlist: Option<u32>) -> Spec {
    Spec::Ivf(IvfParams { nlist })
}

/// A graph with these settings.
pub(super) fn hnsw(params: HnswParams) -> Spec {
    Spec::Hnsw(params)
}
