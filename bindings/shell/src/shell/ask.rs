//! What a search statement asks of the engine: vectors of targets, lists to fuse, stages.
//!
//! Reads from: the statement, stored rows, files of vectors, the embedding command. Writes to: the engine's search.
//! Never: an answer.

use std::path::Path;

use foretaste::{
    Collection, Csd, Error, Fuse, Fusion, Gaussian, Key, Levels, MaxSim, Mmr, Rerank, RowVariance,
    SearchParams, Space, TextSearch, Uncertainty, Variance, import,
};
use foretaste_shell::lang::{Method, Name, Refused, Search, Source, Stage, Target, nearest};

use super::embed::embed;
use super::exec::shown;
use super::space::without_rule;
use super::{Done, Shell, Stop, scorer};
use crate::interrupt;
use crate::output::Failure;

/// Rows of a file that are read at a time.
const READ_ROWS: usize = 256;
/// Most queries that are taken from a file at once.
const QUERIES: usize = 100_000;

/// What a search statement comes to.
pub enum Ask {
    /// One search, or one for each vector of a file; whether its rows have variances.
    Vectors {
        all: Vec<foretaste::Search>,
        uncertain: bool,
    },
    Words(TextSearch),
}

impl Shell {
    /// The engine's search for a statement's.
    pub(super) fn ask(&self, search: &Search) -> Done<Ask> {
        let collection = self.collection(&search.collection)?;
        let near = |source: &&Source| matches!(source.method, Method::Near { .. });
        // Full text belongs to the collection, not to a further field: its own vector comes first.
        let own = |source: &&Source| matches!(&source.method, Method::Near { field: None, .. });
        let main = search.sources.iter().find(own).or_else(|| search.sources.iter().find(near));
        let Some(main) = main else { return words(&collection, search).map(Ask::Words) };
        if search.sources.len() == 1 {
            let unfit = main.weight.map(|_| "a weight").or(search.fuse.as_ref().map(|_| "`fuse`"));
            if let Some(what) = unfit {
                let why = format!("{what} is for several lists, and this search has one");
                return Err(Stop::Refused(
                    Refused::new(main.at.0, why).hint("add `match body 'words'`, or another `near`"),
                ));
            }
        }
        let Method::Near { target, space, field } = &main.method else {
            return words(&collection, search).map(Ask::Words);
        };
        let name = field.as_ref().map(|field| field.text.as_str());
        let vectors = self.vectors(&collection, target, name, main, true)?;
        let mut stages: Vec<Rerank> = self.lists(&collection, search, main)?.into_iter().collect();
        for stage in &search.stages {
            stages.push(self.stage(&collection, search, stage)?);
        }
        let params = params(search, stages);
        let one = |vector: &Vec<f32>| {
            let begun = begin(&collection, vector, space.as_ref(), field.as_ref())
                .map_err(|stop| without_rule(stop, &collection, space.as_ref()))?;
            Ok(begun.with(params.clone()))
        };
        let all = vectors.iter().map(one).collect::<Done<Vec<_>>>()?;
        let fields = collection.vector_fields();
        let of = name.and_then(|name| fields.into_iter().find(|(known, _)| known == name));
        let schema = of.map_or_else(|| collection.schema(), |(_, schema)| schema);
        Ok(Ask::Vectors { all, uncertain: schema.variance_kind() != Variance::None })
    }

    /// A stage behind the search.
    fn stage(&self, collection: &Collection, search: &Search, stage: &Stage) -> Done<Rerank> {
        Ok(match stage {
            Stage::Levels(steps) => Levels::new(steps.iter().copied()).into(),
            Stage::AutoLevels(recall) => Levels::auto(*recall).into(),
            Stage::Mmr { lambda, among } => {
                let mmr = Mmr::new(*lambda);
                among.map_or(mmr, |rows| mmr.among(rows)).into()
            }
            Stage::Csd(weight) => Csd::new(*weight).into(),
            Stage::Gaussian(measure) => Gaussian::new(*measure).into(),
            Stage::Uncertainty { among } => {
                let surest = Uncertainty::new();
                among.map_or(surest, |rows| surest.among(rows)).into()
            }
            Stage::MaxSim { tokens, among } => {
                let maxsim = MaxSim::new(&tokens.concat());
                among.map_or(maxsim.clone(), |rows| maxsim.among(rows)).into()
            }
            Stage::Scored { budget, batch, adaptive } => {
                let text = search.sources.iter().find_map(text).map(str::to_string);
                let scored = scorer::stage(collection.snapshot(), text, &self.settings)?.budget(*budget);
                let scored = batch.map_or(scored.clone(), |rows| scored.batch(rows));
                if *adaptive { scored.adaptive().into() } else { scored.into() }
            }
        })
    }

    /// The other lists that are fused with the main one, if there are any.
    fn lists(&self, collection: &Collection, search: &Search, main: &Source) -> Done<Option<Rerank>> {
        if search.sources.len() == 1 {
            return Ok(None);
        }
        let lists = search.fuse.as_ref();
        let mut fuse = Fuse::new(lists.map_or(Fusion::Rrf { kappa: 60.0 }, |lists| lists.fusion));
        fuse = fuse.weight(main.weight.unwrap_or(1.0));
        if let Some(depth) = lists.and_then(|lists| lists.depth) {
            fuse = fuse.depth(depth);
        }
        if let Some(votes) = lists.and_then(|lists| lists.votes) {
            fuse = fuse.min_votes(votes);
        }
        for source in search.sources.iter().filter(|source| !std::ptr::eq(*source, main)) {
            let weight = source.weight.unwrap_or(1.0);
            fuse = match &source.method {
                Method::Match { path, words } => fuse.text(path, words, weight),
                Method::Near { space: Some(_), .. } => {
                    let why = "only the first vector of a search may be of another space";
                    return Err(Stop::at(source.at.0, why));
                }
                Method::Near { target, field, .. } => {
                    let field = field.as_ref().map(|field| field.text.as_str());
                    let vectors = self.vectors(collection, target, field, source, false)?;
                    let vector = vectors.first().map(Vec::as_slice).unwrap_or_default();
                    match field {
                        Some(field) => fuse.field(field, vector, weight),
                        None => fuse.vector(vector, weight),
                    }
                }
            };
        }
        Ok(Some(fuse.into()))
    }

    /// The vectors that a target stands for: one, or, where `many` may be, all of a file.
    fn vectors(
        &self,
        collection: &Collection,
        target: &Target,
        field: Option<&str>,
        source: &Source,
        many: bool,
    ) -> Done<Vec<Vec<f32>>> {
        match target {
            Target::Vector(vector) => Ok(vec![vector.clone()]),
            Target::Row(id) => stored(collection, id, field, source).map(|vector| vec![vector]),
            Target::Text(text) => Ok(vec![embed(text, &self.settings)?]),
            Target::File { path, row } => {
                let found = file(Path::new(path), *row, if many { QUERIES } else { 1 })?;
                if found.is_empty() {
                    let why = row.map_or("has no rows".to_string(), |row| format!("has no row {row}"));
                    return Err(Stop::at(source.at.0, format!("{path} {why}")));
                }
                Ok(found)
            }
        }
    }
}

/// The text that a source searches for, if it is one.
fn text(source: &Source) -> Option<&str> {
    match &source.method {
        Method::Near { target: Target::Text(text), .. } => Some(text),
        Method::Match { words, .. } => Some(words),
        Method::Near { .. } => None,
    }
}

/// The vector of a stored row.
fn stored(collection: &Collection, id: &Key, field: Option<&str>, source: &Source) -> Done<Vec<f32>> {
    let missing = |what: String| Stop::at(source.at.0, what);
    let record = collection.get(id)?;
    let mut record = record.ok_or_else(|| missing(format!("there is no row {}", shown(id))))?;
    match field {
        None => Ok(record.vector),
        Some(field) => record
            .fields
            .remove(field)
            .ok_or_else(|| missing(format!("row {} has no vector in `{field}`", shown(id)))),
    }
}

/// Vectors of a file: the one of a row, or at most so many from the first on.
fn file(path: &Path, row: Option<u64>, most: usize) -> Done<Vec<Vec<f32>>> {
    let mut reader = import::open(path, &import::Options::default()).map_err(Error::from)?;
    let (mut rows, mut found) = (import::Rows::default(), Vec::new());
    while found.len() < most && reader.read(READ_ROWS, &mut rows).map_err(Error::from)? > 0 {
        if interrupt::wanted() {
            return Err(Error::Cancelled.into());
        }
        for (vector, number) in rows.vectors.chunks(reader.dim().max(1)).zip(rows.first..) {
            if row.is_none_or(|row| row == number) && found.len() < most {
                found.push(vector.to_vec());
            }
        }
        if row.is_some() && !found.is_empty() {
            break;
        }
        rows.clear();
    }
    Ok(found)
}

/// A search by words alone.
fn words(collection: &Collection, search: &Search) -> Done<TextSearch> {
    let (Some(source), rest) = (search.sources.first(), search.sources.get(1..).unwrap_or_default()) else {
        return Err(Failure::new("a search has at least one `near` or `match`").into());
    };
    let Method::Match { path, words } = &source.method else {
        return Err(Stop::at(source.at.0, "a search by words alone begins with `match`"));
    };
    if let Some(second) = rest.first() {
        let refused = Refused::new(
            second.at.0,
            "lists of words are fused with a search by vector, not with each other",
        );
        return Err(Stop::Refused(refused.hint("add `near …`")));
    }
    let of_vectors = [
        ("max_uncertainty", search.max_uncertainty.is_some()),
        ("dims", search.dims.is_some()),
        ("ef", search.ef.is_some()),
        ("nprobe", search.nprobe.is_some()),
        ("exact", search.exact),
        ("recall", search.recall.is_some()),
        ("within", search.within.is_some()),
        ("budget", search.budget.is_some()),
        ("variance", search.variance.is_some()),
        ("fuse", search.fuse.is_some()),
        ("rerank", !search.stages.is_empty()),
        ("weight", source.weight.is_some()),
    ];
    if let Some((clause, _)) = of_vectors.iter().find(|(_, given)| *given) {
        let why = format!("`{clause}` belongs to a search by vector, and this one is by words alone");
        return Err(Stop::Refused(Refused::new(source.at.0, why).hint("leave it out, or add `near …`")));
    }
    let mut asked = collection.search_text(path, words);
    if let Some(k) = search.k {
        asked = asked.k(k);
    }
    if let Some(filter) = &search.filter {
        asked = asked.where_(filter.filter.clone());
    }
    Ok(asked)
}

/// A search of the collection, or of a further field; of a query of another space if one is named.
fn begin(
    collection: &Collection,
    vector: &[f32],
    space: Option<&Space>,
    field: Option<&Name>,
) -> Done<foretaste::Search> {
    match (space, field) {
        (None, None) => Ok(collection.search(vector)),
        (Some(space), None) => Ok(collection.search_in(space, vector)?),
        (Some(_), Some(field)) => {
            Err(Stop::at(field.at.0, "a further field has rows of its own space alone; leave `of …` out"))
        }
        (None, Some(field)) => {
            let found = collection.search_field(&field.text, vector);
            found.map_err(|e| match e {
                Error::NotFound { .. } | Error::BadRequest { .. } => no_field(collection, field, &e),
                e => e.into(),
            })
        }
    }
}

fn no_field(collection: &Collection, field: &Name, error: &Error) -> Stop {
    let known: Vec<String> = collection.vector_fields().into_iter().map(|(name, _)| name).collect();
    let refused = Refused::new(field.at.0, error.to_string());
    Stop::Refused(match nearest(&field.text, known.iter().map(String::as_str)) {
        Some(near) => refused.hint(format!("did you mean `{near}`?")),
        None => refused,
    })
}

/// The clauses and stages of the statement.
fn params(search: &Search, stages: Vec<Rerank>) -> SearchParams {
    let mut params = SearchParams::default();
    params.k = search.k.unwrap_or(params.k);
    params.dims = search.dims;
    params.max_uncertainty = search.max_uncertainty;
    params.ef = search.ef;
    params.nprobe = search.nprobe;
    params.target_recall = search.recall;
    params.deadline = search.within;
    params.budget = search.budget;
    params.exact = search.exact;
    params.query_variance = search.variance.clone().map(RowVariance::Variance);
    params.filter = search.filter.as_ref().map(|filter| filter.filter.clone());
    params.stages = stages;
    params
}
