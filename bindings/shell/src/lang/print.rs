//! Statements back to text, which parses to the same tree.
//!
//! Reads from: the tree. Writes to: text. Never: a `;` at the end.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use foretaste::{Fusion, HnswParams, Key, Method as Fit, Spec};

use super::ast::{
    Alteration, Create, Insert, Item, Lists, Method, Name, NewRule, Optimize, Part, Row, Search, Source,
    Stage, Statement, Step, Target, VectorKind, Words,
};
use super::parse::create::{ELEMENTS, METRICS, RECIPES, ROTATIONS, TYPES, VARIANCES};
use super::parse::search::{CSD_WEIGHT, FUSIONS, KAPPA, MEASURES};
use super::words::{is_plain, is_word};

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Create(create) => create.fmt(f),
            Statement::Drop { name, if_exists } => {
                write!(f, "drop collection {}{name}", if *if_exists { "if exists " } else { "" })
            }
            Statement::Alter(alter) => {
                write!(f, "alter collection {} {}", alter.name, alter.change)
            }
            Statement::Change(change) => write!(f, "change {} {}", change.name, change.step),
            Statement::Insert(insert) => insert.fmt(f),
            Statement::Delete(delete) => write!(f, "delete from {} {}", delete.from, ids(&delete.ids)),
            Statement::Get(get) => write!(f, "get {} from {}", ids(&get.ids), get.from),
            Statement::Search(search) => search.fmt(f),
            Statement::Watch(search) => write!(f, "watch {search}"),
            Statement::Explain(search) => write!(f, "explain {search}"),
            Statement::Optimize(optimize) => optimize.fmt(f),
            Statement::Compact(name) => write!(f, "compact{}", behind(name)),
            Statement::Flush(name) => write!(f, "flush{}", behind(name)),
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.text))
    }
}

impl Display for Create {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whether = if self.if_not_exists { "if not exists " } else { "" };
        write!(f, "create collection {whether}{} ({})", self.name, joined(&self.items))
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Item::Vector { name: None, kind } => write!(f, "vector {kind}"),
            Item::Vector { name: Some(name), kind } => write!(f, "{} vector {kind}", quoted(name)),
            Item::Tokens { dims, element } => {
                write!(f, "tokens({dims})")?;
                element.map_or(Ok(()), |element| write!(f, " element {}", of(&ELEMENTS, element)))
            }
            Item::Column { path, kind } => write!(f, "{path} {}", of(&TYPES, *kind)),
            Item::FullText { path, words } => write!(f, "{path} fulltext{words}"),
        }
    }
}

impl Display for VectorKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", of(&METRICS, self.metric), self.dims)?;
        if !self.levels.is_empty() {
            write!(f, " levels {}", joined(&self.levels))?;
        }
        if let Some(element) = self.element {
            write!(f, " element {}", of(&ELEMENTS, element))?;
        }
        if let Some(variance) = self.variance {
            write!(f, " variance {}", of(&VARIANCES, variance))?;
        }
        if let Some(index) = self.index {
            write!(f, " index {}", spec(index))?;
        }
        if let Some(rotation) = self.rotation {
            write!(f, " rotation {}", of(&ROTATIONS, rotation))?;
        }
        if let Some((recipe, output)) = self.recipe {
            write!(f, " recipe {}({output})", of(&RECIPES, recipe))?;
        }
        self.space.as_ref().map_or(Ok(()), |space| write!(f, " space {}", string(&space.to_string())))
    }
}

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.language.map_or(Ok(()), |language| write!(f, " {}", language.name()))?;
        f.write_str(if self.accents { " accents" } else { "" })
    }
}

impl Display for Alteration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Alteration::FullText { path, words } => write!(f, "add {path} fulltext{words}"),
            Alteration::Truncate(dims) => write!(f, "truncate {dims}"),
            Alteration::Extend(levels) => write!(f, "extend {}", joined(levels)),
            Alteration::Space(space) => write!(f, "space {}", string(&space.to_string())),
            Alteration::DropRule(from) => write!(f, "drop rule {}", string(&from.to_string())),
            Alteration::Rule { from, rule } => write!(f, "rule {} {rule}", string(&from.to_string())),
        }
    }
}

impl Display for NewRule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (from, to, fit, retain) = match self {
            NewRule::Prefix(dims) => return write!(f, "prefix {dims}"),
            NewRule::Adapter { from, to, fit, retain } => (from, to, fit, retain),
        };
        write!(f, "adapter from {}", string(from))?;
        to.as_ref().map_or(Ok(()), |to| write!(f, " to {}", string(to)))?;
        match fit {
            None => {}
            Some(Fit::Procrustes { scaled }) => {
                write!(f, " by procrustes{}", if *scaled { " scaled" } else { "" })?;
            }
            Some(Fit::Ridge { ridge: None }) => f.write_str(" by ridge")?,
            Some(Fit::Ridge { ridge: Some(ridge) }) => write!(f, " by ridge({ridge})")?,
            Some(Fit::Anchors { count }) => write!(f, " by anchors({count})")?,
        }
        retain.map_or(Ok(()), |share| write!(f, " retain {share}"))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let named = |name: &Option<String>, word: &str| {
            name.as_ref().map_or(String::new(), |name| format!(" {word} {}", string(name)))
        };
        match self {
            Step::To(kind) => write!(f, "to {kind}"),
            Step::Embed { path, by_variance } => {
                write!(f, "embed {path}{}", if *by_variance { " order variance" } else { "" })
            }
            Step::Import { file, vector, id } => {
                write!(f, "import {}{}{}", string(file), named(vector, "vector"), named(id, "id"))
            }
            Step::Flip => f.write_str("flip"),
            Step::Finish => f.write_str("finish"),
            Step::Drop => f.write_str("drop"),
        }
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "insert into {} values {}", self.into, joined(&self.rows))
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}", id(&self.id), vector(&self.vector))?;
        for part in &self.parts {
            match part {
                Part::Payload(value) => write!(f, ", {value}")?,
                Part::Field { name, vector: v } => write!(f, ", {} {}", quoted(name), vector(v))?,
                Part::Variance(v) => write!(f, ", variance {}", vector(v))?,
                Part::Tokens(rows) => write!(f, ", tokens {}", matrix(rows))?,
            }
        }
        f.write_char(')')
    }
}

impl Display for Optimize {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "optimize {}", self.name)?;
        if let Some(index) = self.index {
            write!(f, " as {}", spec(index))?;
        }
        self.rotation.map_or(Ok(()), |rotation| write!(f, " rotation {}", of(&ROTATIONS, rotation)))
    }
}

impl Display for Search {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "search {}", self.collection)?;
        self.sources.iter().try_for_each(|source| write!(f, " {source}"))?;
        if let Some(filter) = &self.filter {
            write!(f, " where {}", filter.filter)?;
        }
        self.max_uncertainty.map_or(Ok(()), |limit| write!(f, " max_uncertainty {limit}"))?;
        for (word, number) in [("k", self.k), ("dims", self.dims), ("ef", self.ef), ("nprobe", self.nprobe)] {
            number.map_or(Ok(()), |number| write!(f, " {word} {number}"))?;
        }
        if self.exact {
            f.write_str(" exact")?;
        }
        self.recall.map_or(Ok(()), |recall| write!(f, " recall {recall}"))?;
        self.within.map_or(Ok(()), |time| write!(f, " within {}", duration(time)))?;
        self.budget.map_or(Ok(()), |budget| write!(f, " budget {budget}"))?;
        if let Some(variance) = &self.variance {
            write!(f, " variance {}", vector(variance))?;
        }
        if let Some(lists) = &self.fuse {
            write!(f, " fuse {lists}")?;
        }
        if !self.stages.is_empty() {
            write!(f, " rerank {}", joined(&self.stages))?;
        }
        if !self.fields.is_empty() {
            write!(f, " fields {}", joined(&self.fields))?;
        }
        Ok(())
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.method {
            Method::Near { target, space, field } => {
                write!(f, "near {target}")?;
                if let Some(space) = space {
                    write!(f, " of {}", string(&space.to_string()))?;
                }
                if let Some(field) = field {
                    write!(f, " in {field}")?;
                }
            }
            Method::Match { path, words } => write!(f, "match {path} {}", string(words))?,
        }
        self.weight.map_or(Ok(()), |weight| write!(f, " weight {weight}"))
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Target::Vector(numbers) => f.write_str(&vector(numbers)),
            Target::Row(key) => f.write_str(&id(key)),
            Target::File { path, row } => {
                write!(f, "file {}", string(path))?;
                row.map_or(Ok(()), |row| write!(f, " row {row}"))
            }
            Target::Text(text) => write!(f, "text {}", string(text)),
        }
    }
}

impl Display for Lists {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.fusion {
            Fusion::Rrf { kappa } if kappa == KAPPA => f.write_str("rrf")?,
            Fusion::Rrf { kappa } => write!(f, "rrf({kappa})")?,
            Fusion::RunOff { finalists } => write!(f, "runoff({finalists})")?,
            other => f.write_str(of(&FUSIONS, other))?,
        }
        self.depth.map_or(Ok(()), |depth| write!(f, " depth {depth}"))?;
        self.votes.map_or(Ok(()), |votes| write!(f, " votes {votes}"))
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let among = |among: &Option<usize>| among.map_or(String::new(), |rows| format!(", among {rows}"));
        match self {
            Stage::Levels(steps) => {
                let steps: Vec<String> = steps.iter().map(|(dims, rows)| format!("{dims}:{rows}")).collect();
                write!(f, "levels({})", steps.join(", "))
            }
            Stage::AutoLevels(recall) => write!(f, "levels(auto {recall})"),
            Stage::Mmr { lambda, among: rows } => write!(f, "mmr({lambda}{})", among(rows)),
            Stage::Csd(weight) if *weight == CSD_WEIGHT => f.write_str("csd"),
            Stage::Csd(weight) => write!(f, "csd({weight})"),
            Stage::Gaussian(measure) => write!(f, "gaussian({})", of(&MEASURES, *measure)),
            Stage::Uncertainty { among: None } => f.write_str("uncertainty"),
            Stage::Uncertainty { among: Some(rows) } => write!(f, "uncertainty(among {rows})"),
            Stage::Scored { budget, batch, adaptive } => {
                let batch = batch.map_or(String::new(), |rows| format!(", batch {rows}"));
                write!(f, "scored({budget}{batch}{})", if *adaptive { ", adaptive" } else { "" })
            }
            Stage::MaxSim { tokens, among: rows } => write!(f, "maxsim({}{})", matrix(tokens), among(rows)),
        }
    }
}

fn behind(name: &Option<Name>) -> String {
    name.as_ref().map_or(String::new(), |name| format!(" {name}"))
}

fn of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, one)| *one == value).map_or("", |(name, _)| name)
}

fn spec(spec: Spec) -> String {
    match spec {
        Spec::Auto => "auto".to_string(),
        Spec::Flat => "flat".to_string(),
        Spec::Ivf(ivf) => ivf.nlist.map_or("ivf".to_string(), |cells| format!("ivf({cells})")),
        Spec::Hnsw(params) if params == HnswParams::default() => "hnsw".to_string(),
        Spec::Hnsw(HnswParams { m, ef_construction, edge_bits }) => {
            let bits = edge_bits.map_or(String::new(), |bits| format!(", edge_bits {bits}"));
            format!("hnsw(m {m}, ef_construction {ef_construction}{bits})")
        }
    }
}

fn joined<T: Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn ids(all: &[Key]) -> String {
    all.iter().map(id).collect::<Vec<_>>().join(", ")
}

fn id(key: &Key) -> String {
    match key {
        Key::Int(number) => number.to_string(),
        Key::Str(text) => string(text),
    }
}

fn vector(numbers: &[f32]) -> String {
    format!("[{}]", joined(numbers))
}

fn matrix(rows: &[Vec<f32>]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| vector(row)).collect();
    format!("[{}]", rows.join(", "))
}

/// A string in the language's quotes.
fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        _ if nanos.is_multiple_of(1_000_000_000) => format!("{}s", nanos / 1_000_000_000),
        _ if nanos.is_multiple_of(1_000_000) => format!("{}ms", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1000) => format!("{}us", nanos / 1000),
        _ => format!("{}.{:03}us", nanos / 1000, nanos % 1000),
    }
}

/// A name, in double quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    if is_plain(name) && !is_word(name) {
        return name.to_string();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}
