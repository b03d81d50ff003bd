//! `search`: where rows come from, and the clauses behind.
//!
//! Reads from: tokens. Writes to: the tree. Never: a clause twice.

use foretaste::lang::{At, Filter};
use foretaste::{Fusion, Measure};

use super::super::ast::{Lists, Method, Search, Source, Stage, Target, Where};
use super::super::clause;
use super::super::error::{Expected, Refused};
use super::super::token::Kind;
use super::{Parser, Result};

/// Measures of `gaussian` by name.
pub const MEASURES: [(&str, Measure); 4] = [
    ("wasserstein", Measure::Wasserstein),
    ("bhattacharyya", Measure::Bhattacharyya),
    ("likelihood", Measure::LogLikelihood),
    ("expected", Measure::ExpectedLikelihood),
];
/// Fusions that take no number by name.
pub const FUSIONS: [(&str, Fusion); 5] = [
    ("zscore", Fusion::ZScore),
    ("minmax", Fusion::MinMax),
    ("borda", Fusion::Borda),
    ("copeland", Fusion::Copeland),
    ("kemeny", Fusion::Kemeny),
];
/// The published constant of reciprocal rank fusion.
pub const KAPPA: f64 = 60.0;
/// The published weight of the closed-form sampled distance.
pub const CSD_WEIGHT: f64 = 1.0;

impl Parser<'_> {
    /// What stands behind `search`.
    pub fn search(&mut self) -> Result<Search> {
        let mut search = Search::new(self.name(Expected::Collection)?);
        let mut given: Vec<&'static str> = Vec::new();
        loop {
            let at = self.token.at;
            if self.take("near")? {
                let method = self.near()?;
                let source = self.source(at, method)?;
                search.sources.push(source);
                continue;
            }
            if self.take("match")? {
                let path = self.path(Expected::TextField)?;
                let words = self.string(Expected::Thing("words in quotes"))?;
                let source = self.source(at, Method::Match { path, words })?;
                search.sources.push(source);
                continue;
            }
            if search.sources.is_empty() {
                return Err(self.refuse());
            }
            let Some(clause) = self.clause(&mut search)? else { return Ok(search) };
            if given.contains(&clause) {
                return Err(Refused::new(at, format!("`{clause}` stands twice")));
            }
            given.push(clause);
        }
    }

    fn near(&mut self) -> Result<Method> {
        let target = match self.token.kind {
            Kind::Sign('[') => Target::Vector(self.vector()?),
            Kind::Str(_) | Kind::Number(_) => Target::Row(self.id()?),
            _ => {
                self.tried.push(Expected::Thing("a vector such as `[0.1, 0.2]`"));
                if self.take("file")? {
                    let path = self.string(Expected::File)?;
                    let row =
                        if self.take("row")? { Some(self.number("the number of a row")?) } else { None };
                    Target::File { path, row }
                } else if self.take("text")? {
                    Target::Text(self.string(Expected::Thing("a text in quotes"))?)
                } else {
                    return Err(self.lacks(Expected::Thing("an id")));
                }
            }
        };
        let space = if self.take("of")? { Some(self.space()?) } else { None };
        let field = if self.take("in")? { Some(self.name(Expected::VectorField)?) } else { None };
        Ok(Method::Near { target, space, field })
    }

    fn source(&mut self, at: usize, method: Method) -> Result<Source> {
        let weight = if self.take("weight")? { Some(self.float("a weight")?) } else { None };
        Ok(Source { at: At(at), method, weight })
    }

    /// The next clause, if there is one, and its word.
    fn clause(&mut self, search: &mut Search) -> Result<Option<&'static str>> {
        let at = self.token.end;
        Ok(Some(if self.take("where")? {
            search.filter = Some(self.filter(at)?);
            "where"
        } else if self.take("max_uncertainty")? {
            search.max_uncertainty = Some(self.single()?);
            "max_uncertainty"
        } else if self.take("k")? {
            search.k = Some(self.count("a number of hits")?);
            "k"
        } else if self.take("dims")? {
            search.dims = Some(self.count("the length of a level")?);
            "dims"
        } else if self.take("ef")? {
            search.ef = Some(self.count("a number of candidates")?);
            "ef"
        } else if self.take("nprobe")? {
            search.nprobe = Some(self.count("a number of cells")?);
            "nprobe"
        } else if self.take("exact")? {
            search.exact = true;
            "exact"
        } else if self.take("recall")? {
            search.recall = Some(self.float("a recall such as `0.95`")?);
            "recall"
        } else if self.take("within")? {
            search.within = Some(self.duration()?);
            "within"
        } else if self.take("budget")? {
            search.budget = Some(self.number("a number of comparisons")?);
            "budget"
        } else if self.take("variance")? {
            search.variance = Some(self.one_or_more()?);
            "variance"
        } else if self.take("fuse")? {
            search.fuse = Some(self.lists()?);
            "fuse"
        } else if self.take("rerank")? {
            search.stages.push(self.stage()?);
            while self.take_sign(',')? {
                search.stages.push(self.stage()?);
            }
            "rerank"
        } else if self.take("fields")? {
            search.fields.push(self.path(Expected::Field)?);
            while self.take_sign(',')? {
                search.fields.push(self.path(Expected::Field)?);
            }
            "fields"
        } else {
            return Ok(None);
        }))
    }

    /// The filter behind the `where` that ends at the byte `from`.
    fn filter(&mut self, from: usize) -> Result<Where> {
        let clause::Extent { end, next, expected } = clause::filter(self.text, from)?;
        let text = clause::uncommented(self.text, from, end);
        while self.token.at < next.at {
            self.advance()?;
        }
        let filter = Filter::parse(&text).map_err(|e| {
            let refused = Refused::of_filter(e, from);
            // At the end of the statement it says what may come, for completion.
            if next.kind == Kind::End { Refused { expected: expected.clone(), ..refused } } else { refused }
        })?;
        self.tried.clear();
        self.tried.extend(expected);
        Ok(Where { filter, at: At(from) })
    }

    fn lists(&mut self) -> Result<Lists> {
        let fusion = if self.take("rrf")? {
            let kappa = if self.take_sign('(')? { self.closed(|p| p.float("a number"))? } else { KAPPA };
            Fusion::Rrf { kappa }
        } else if self.take("runoff")? {
            self.need_sign('(')?;
            Fusion::RunOff { finalists: self.closed(|p| p.count("a number of rows"))? }
        } else {
            self.need_choice(&FUSIONS)?
        };
        let depth = if self.take("depth")? { Some(self.count("a number of rows")?) } else { None };
        let votes = if self.take("votes")? { Some(self.count("a number of lists")?) } else { None };
        Ok(Lists { fusion, depth, votes })
    }

    fn stage(&mut self) -> Result<Stage> {
        if self.take("csd")? {
            let weight =
                if self.take_sign('(')? { self.closed(|p| p.float("a weight"))? } else { CSD_WEIGHT };
            return Ok(Stage::Csd(weight));
        }
        let levels = self.take("levels")?;
        if levels {
            self.need_sign('(')?;
            if self.take("auto")? {
                return self.closed(|p| p.float("a recall such as `0.95`")).map(Stage::AutoLevels);
            }
            let mut steps = vec![self.step()?];
            while self.take_sign(',')? {
                steps.push(self.step()?);
            }
            self.need_sign(')')?;
            return Ok(Stage::Levels(steps));
        }
        if self.take("mmr")? {
            self.need_sign('(')?;
            let lambda = self.float("a weight from 0 to 1")?;
            let among = self.among()?;
            self.need_sign(')')?;
            return Ok(Stage::Mmr { lambda, among });
        }
        if self.take("gaussian")? {
            self.need_sign('(')?;
            return self.closed(|p| p.need_choice(&MEASURES)).map(Stage::Gaussian);
        }
        if self.take("uncertainty")? {
            let among = if self.take_sign('(')? { Some(self.closed(Parser::among_rows)?) } else { None };
            return Ok(Stage::Uncertainty { among });
        }
        if self.take("scored")? {
            return self.scored();
        }
        self.need("maxsim")?;
        self.need_sign('(')?;
        let tokens = self.matrix()?;
        let among = self.among()?;
        self.need_sign(')')?;
        Ok(Stage::MaxSim { tokens, among })
    }

    /// `64:200`
    fn step(&mut self) -> Result<(usize, usize)> {
        let dims = self.count("the length of a level")?;
        self.need_sign(':')?;
        Ok((dims, self.count("a number of rows")?))
    }

    /// `(200, batch 16, adaptive)`
    fn scored(&mut self) -> Result<Stage> {
        self.need_sign('(')?;
        let budget = self.count("how many rows are scored at most")?;
        let (mut batch, mut adaptive) = (None, false);
        while self.take_sign(',')? {
            if batch.is_none() && self.take("batch")? {
                batch = Some(self.count("a number of rows")?);
            } else if adaptive {
                return Err(self.refuse());
            } else {
                self.need("adaptive")?;
                adaptive = true;
            }
        }
        self.need_sign(')')?;
        Ok(Stage::Scored { budget, batch, adaptive })
    }

    fn among(&mut self) -> Result<Option<usize>> {
        if self.take_sign(',')? { self.among_rows().map(Some) } else { Ok(None) }
    }

    fn among_rows(&mut self) -> Result<usize> {
        self.need("among")?;
        self.count("a number of rows")
    }

    /// What is read, and then `)`.
    pub fn closed<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let value = read(self)?;
        self.need_sign(')')?;
        Ok(value)
    }
}
