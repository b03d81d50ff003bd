//! `alter collection` and `change`: what a collection that is there becomes.
//!
//! Reads from: tokens. Writes to: the tree. Never: a look at a collection or a file.

use foretaste::Method as Fit;

use super::super::ast::{Alter, Alteration, Change, NewRule, Step};
use super::super::error::{Expected, Refused};
use super::super::token::Kind;
use super::{Parser, Result};

/// Orders in which rows are embedded, by name: whether it goes by their variances.
const ORDERS: [(&str, bool); 2] = [("stored", false), ("variance", true)];

impl Parser<'_> {
    pub fn alter(&mut self) -> Result<Alter> {
        self.need("collection")?;
        let name = self.name(Expected::Collection)?;
        let change = if self.take("add")? {
            let path = self.path(Expected::Thing("the path of a field"))?;
            self.need("fulltext")?;
            Alteration::FullText { path, words: self.words()? }
        } else if self.take("truncate")? {
            Alteration::Truncate(self.count("the length of a level")?)
        } else if self.take("extend")? {
            Alteration::Extend(self.counts("the length of a level")?)
        } else if self.take("space")? {
            Alteration::Space(self.space()?)
        } else if self.take("rule")? {
            Alteration::Rule { from: self.space()?, rule: self.rule()? }
        } else if self.take("drop")? {
            self.need("rule")?;
            Alteration::DropRule(self.space()?)
        } else {
            return Err(self.refuse());
        };
        Ok(Alter { name, change })
    }

    /// `prefix 128`, `adapter from 'new.npy' to 'old.npy' by ridge retain 0.9`
    fn rule(&mut self) -> Result<NewRule> {
        if self.take("prefix")? {
            return self.count("a number of dimensions").map(NewRule::Prefix);
        }
        self.need("adapter")?;
        self.need("from")?;
        let from = self.string(Expected::File)?;
        let to = if self.take("to")? { Some(self.string(Expected::File)?) } else { None };
        let fit = if self.take("by")? { Some(self.fit()?) } else { None };
        let retain = if self.take("retain")? { Some(self.float("a share such as `0.9`")?) } else { None };
        Ok(NewRule::Adapter { from, to, fit, retain })
    }

    fn fit(&mut self) -> Result<Fit> {
        if self.take("procrustes")? {
            return Ok(Fit::Procrustes { scaled: self.take("scaled")? });
        }
        if self.take("ridge")? {
            let ridge = if self.take_sign('(')? { Some(self.closed(|p| p.float("a number"))?) } else { None };
            return Ok(Fit::Ridge { ridge });
        }
        self.need("anchors")?;
        self.need_sign('(')?;
        self.closed(|p| p.count("a number of pairs")).map(|count| Fit::Anchors { count })
    }

    pub fn change(&mut self) -> Result<Change> {
        let name = self.name(Expected::Collection)?;
        let step = if self.take("to")? {
            let at = self.token.at;
            let kind = self.vector_kind()?;
            if kind.space.is_none() && !matches!(self.token.kind, Kind::End | Kind::Sign(';')) {
                return Err(self.refuse());
            }
            if kind.space.is_none() {
                let why = "nothing says which model the new vectors are by";
                let hint = "write `space 'model@version'` behind the metric and dimension";
                return Err(Refused { expected: self.tried.clone(), ..Refused::new(at, why).hint(hint) });
            }
            Step::To(kind)
        } else if self.take("embed")? {
            let path = self.path(Expected::Field)?;
            let ordered = self.take("order")?;
            Step::Embed { path, by_variance: ordered && self.need_choice(&ORDERS)? }
        } else if self.take("import")? {
            let file = self.string(Expected::File)?;
            let named = Expected::Thing("a name in quotes");
            let vector = if self.take("vector")? { Some(self.string(named)?) } else { None };
            let id = if self.take("id")? { Some(self.string(named)?) } else { None };
            Step::Import { file, vector, id }
        } else {
            let ends = [("flip", &Step::Flip), ("finish", &Step::Finish), ("drop", &Step::Drop)];
            self.need_choice(&ends)?.clone()
        };
        Ok(Change { name, step })
    }
}
