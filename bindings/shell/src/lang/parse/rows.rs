//! `insert`, `delete`, `get`.
//!
//! Reads from: tokens. Writes to: the tree. Never: a look at a collection.

use foretaste::lang::At;

use super::super::ast::{Delete, Get, Insert, Part, Row};
use super::super::error::Expected;
use super::super::token::Kind;
use super::{Parser, Result};

impl Parser<'_> {
    pub fn insert(&mut self) -> Result<Insert> {
        self.need("into")?;
        let into = self.name(Expected::Collection)?;
        self.need("values")?;
        let mut rows = vec![self.row()?];
        while self.take_sign(',')? {
            rows.push(self.row()?);
        }
        Ok(Insert { into, rows })
    }

    fn row(&mut self) -> Result<Row> {
        let at = At(self.token.at);
        self.need_sign('(')?;
        let id = self.id()?;
        self.need_sign(',')?;
        let vector = self.vector()?;
        let mut parts = Vec::new();
        while self.take_sign(',')? {
            parts.push(self.part()?);
        }
        self.need_sign(')')?;
        Ok(Row { at, id, vector, parts })
    }

    fn part(&mut self) -> Result<Part> {
        if matches!(self.token.kind, Kind::Object(_)) {
            return self.object().map(Part::Payload);
        }
        self.tried.push(Expected::Thing("an object such as `{\"lang\": \"en\"}`"));
        if self.take("variance")? {
            return self.one_or_more().map(Part::Variance);
        }
        if self.take("tokens")? {
            return self.matrix().map(Part::Tokens);
        }
        let name = self.name(Expected::VectorField)?.text;
        Ok(Part::Field { name, vector: self.vector()? })
    }

    pub fn delete(&mut self) -> Result<Delete> {
        self.need("from")?;
        let from = self.name(Expected::Collection)?;
        Ok(Delete { from, ids: self.ids()? })
    }

    pub fn get(&mut self) -> Result<Get> {
        let ids = self.ids()?;
        self.need("from")?;
        Ok(Get { ids, from: self.name(Expected::Collection)? })
    }
}
