//! `create collection`: what a collection holds.
//!
//! Reads from: tokens. Writes to: the tree. Never: a check of whether such a collection can be.

use foretaste::lang::ColumnType;
use foretaste::{Element, HnswParams, Language, Metric, Recipe, RotationKind, Space, Spec, Variance};

use super::super::ast::{self, Create, Item, VectorKind, Words};
use super::super::error::{Expected, Refused};
use super::super::token::Kind;
use super::super::words::LANGUAGES;
use super::{Parser, Result};

/// Metrics by name.
pub const METRICS: [(&str, Metric); 3] =
    [("cosine", Metric::Cosine), ("dot", Metric::Dot), ("l2", Metric::L2)];
/// Types of columns by name.
pub const TYPES: [(&str, ColumnType); 4] = [
    ("text", ColumnType::Str),
    ("int", ColumnType::Int),
    ("float", ColumnType::Float),
    ("bool", ColumnType::Bool),
];
/// Types of numbers by name.
pub const ELEMENTS: [(&str, Element); 4] =
    [("f32", Element::F32), ("f16", Element::F16), ("bf16", Element::BF16), ("i8", Element::I8)];
/// Kinds of variances by name.
pub const VARIANCES: [(&str, Variance); 3] =
    [("scalar", Variance::Scalar), ("diagonal", Variance::Diagonal), ("compact", Variance::DiagonalCompact)];
/// Rotations by name.
pub const ROTATIONS: [(&str, RotationKind); 2] = [("none", RotationKind::None), ("pca", RotationKind::Pca)];
/// Recipes by name.
pub const RECIPES: [(&str, Recipe); 1] = [("layer_norm", Recipe::LayerNorm)];

impl Parser<'_> {
    pub fn create(&mut self) -> Result<Create> {
        self.need("collection")?;
        let if_not_exists = self.take("if")?;
        if if_not_exists {
            self.need("not")?;
            self.need("exists")?;
        }
        let name = self.name(Expected::Thing("a name for the collection"))?;
        self.need_sign('(')?;
        let mut items = vec![self.item()?];
        while self.take_sign(',')? {
            items.push(self.item()?);
        }
        let at = self.token.at;
        self.need_sign(')')?;
        let plain = |item: &&Item| matches!(item, Item::Vector { name: None, .. });
        if items.iter().filter(plain).count() != 1 {
            let why = "a collection has one vector without a name";
            return Err(
                Refused::new(at, why).hint("write `vector cosine(384)` once; further ones have names")
            );
        }
        Ok(Create { name, if_not_exists, items })
    }

    fn item(&mut self) -> Result<Item> {
        let behind = self.behind()?;
        // A column may have that name, too: then its type comes next.
        let typed =
            TYPES.iter().map(|(name, _)| *name).chain(["fulltext", "vector"]).any(|name| behind.is(name));
        if self.token.is("vector") && matches!(behind.kind, Kind::Word(_)) && !typed {
            self.advance()?;
            return Ok(Item::Vector { name: None, kind: self.vector_kind()? });
        }
        if self.token.is("tokens") && behind.kind == Kind::Sign('(') {
            self.advance()?;
            let dims = self.dims()?;
            let element = if self.take("element")? { Some(self.need_choice(&ELEMENTS)?) } else { None };
            return Ok(Item::Tokens { dims, element });
        }
        self.tried.push(Expected::Word("vector"));
        let (plain, at) = (self.token.kind, self.token.at);
        let path = self.path(Expected::Thing("the path of a field"))?;
        if self.take("vector")? {
            let name = match plain {
                Kind::Quoted(text) if path.len() == text.len() + 2 => text.replace("\"\"", "\""),
                Kind::Word(text) if path == text => path,
                _ => {
                    let why = format!("a vector field has a name, and `{path}` is a path");
                    return Err(Refused::new(at, why).hint("a name with a dot takes double quotes"));
                }
            };
            return Ok(Item::Vector { name: Some(name), kind: self.vector_kind()? });
        }
        if self.take("fulltext")? {
            return Ok(Item::FullText { path, words: self.words()? });
        }
        Ok(Item::Column { path, kind: self.need_choice(&TYPES)? })
    }

    pub fn vector_kind(&mut self) -> Result<VectorKind> {
        let metric = self.need_choice(&METRICS)?;
        let mut kind = VectorKind::new(metric, self.dims()?);
        loop {
            if self.take("levels")? {
                kind.levels = self.counts("the length of a level")?;
            } else if self.take("element")? {
                kind.element = Some(self.need_choice(&ELEMENTS)?);
            } else if self.take("variance")? {
                kind.variance = Some(self.need_choice(&VARIANCES)?);
            } else if self.take("index")? {
                kind.index = Some(self.index()?);
            } else if self.take("rotation")? {
                kind.rotation = Some(self.rotation()?);
            } else if self.take("recipe")? {
                kind.recipe = Some((self.need_choice(&RECIPES)?, self.dims()?));
            } else if self.take("space")? {
                kind.space = Some(self.space()?);
            } else {
                return Ok(kind);
            }
        }
    }

    /// `(384)`
    fn dims(&mut self) -> Result<usize> {
        self.need_sign('(')?;
        let dims = self.count("the number of dimensions")?;
        self.need_sign(')')?;
        Ok(dims)
    }

    pub fn rotation(&mut self) -> Result<RotationKind> {
        self.need_choice(&ROTATIONS)
    }

    pub fn index(&mut self) -> Result<Spec> {
        if let Some(spec) = self.choice(&[("auto", Spec::Auto), ("flat", Spec::Flat)])? {
            return Ok(spec);
        }
        if self.take("ivf")? {
            if !self.take_sign('(')? {
                return Ok(ast::ivf(None));
            }
            let cells = self.number("the number of cells")?;
            self.need_sign(')')?;
            return Ok(ast::ivf(Some(cells)));
        }
        self.need("hnsw")?;
        let mut params = HnswParams::default();
        if self.take_sign('(')? {
            loop {
                if self.take("m")? {
                    params.m = self.number("a number of links")?;
                } else if self.take("ef_construction")? {
                    params.ef_construction = self.number("a number of candidates")?;
                } else {
                    self.need("edge_bits")?;
                    params.edge_bits = Some(self.number("0, 1, 2 or 4 bits")?);
                }
                if !self.take_sign(',')? {
                    break;
                }
            }
            self.need_sign(')')?;
        }
        Ok(ast::hnsw(params))
    }

    /// What vectors were made by: `'model@version'`.
    pub fn space(&mut self) -> Result<Space> {
        let at = self.token.at;
        let text = self.string(Expected::Thing("a space such as `'model@version'`"))?;
        text.parse().map_err(|e: foretaste::NoSpace| Refused::new(at, e.to_string()))
    }

    /// The language whose stems are searched, if one is named, and whether accents count.
    pub fn words(&mut self) -> Result<Words> {
        let mut language = None;
        for name in LANGUAGES {
            if language.is_none() && self.take(name)? {
                language = Language::parse(name);
            }
        }
        Ok(Words { language, accents: self.take("accents")? })
    }
}
