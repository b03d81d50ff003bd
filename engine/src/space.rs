//! The spaces that vectors are of, and rules by which queries of one space are compared with rows of another.
//!
//! Reads from: the caller; a rule's own collection. Writes to: that collection. Never: vectors of two spaces compared without a rule.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foretaste_query::space::{Adapter, Report};
use foretaste_storage::block::{Block, RowInput, encode};
use foretaste_storage::key::{Key, KeyRef};
use foretaste_storage::limits;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::request::served;
use crate::schema::Schema;
use crate::snapshot::Snapshot;

/// Bytes of an adapter that one row of its collection keeps.
const PART_BYTES: usize = 512 << 10;

/// What vectors were made by: vectors of one space can be compared with each other.
///
/// ```
/// use foretaste::Space;
/// let space = Space::new("all-MiniLM-L6-v2", "1");
/// assert_eq!(space.to_string().parse(), Ok(space));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct Space {
    model: String,
    version: String,
}

/// A text that names no space; it must be as `model@version`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no space; write `model@version`")]
pub struct NoSpace(String);

/// How a query of one space is compared with the rows of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule(pub(crate) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// The first numbers of both are comparable.
    Prefix(usize),
    /// The query is mapped.
    Adapter(Arc<Adapter>),
}

/// What a [`Rule`] is: [`Rule::kind`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RuleKind<'a> {
    /// So many first numbers are compared.
    Prefix(usize),
    /// Queries are mapped by this.
    Adapter(&'a Adapter),
}

impl Space {
    /// The space of a model of a version.
    pub fn new(model: impl Into<String>, version: impl Into<String>) -> Space {
        Space { model: model.into(), version: version.into() }
    }

    /// The model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn validate(&self) -> Result<()> {
        for (what, name) in [("model", &self.model), ("version", &self.version)] {
            limits::check("name of a space in bytes", name.len() as u64, limits::SPACE_NAME_BYTES)?;
            let odd = |c: char| c.is_control() || (c == '@' && what == "version");
            if name.is_empty() || name.chars().any(odd) {
                let why = format!(
                    "the {what} of a space has at least one character, no control characters, and a version no @"
                );
                return Err(Error::BadRequest { what: "space", why });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.model, self.version)
    }
}

impl std::str::FromStr for Space {
    type Err = NoSpace;

    fn from_str(text: &str) -> std::result::Result<Space, NoSpace> {
        match text.rsplit_once('@') {
            Some((model, version)) if !model.is_empty() && !version.is_empty() => {
                Ok(Space::new(model, version))
            }
            _ => Err(NoSpace(text.to_string())),
        }
    }
}

impl Rule {
    /// The first `dims` numbers of a query are what the rows' first `dims` numbers are: a model trained to be compatible with the one
    /// before (backward-compatible training, as BT² has it: Zhou et al., ICCV 2023), or the same model with more dimensions.
    pub fn prefix(dims: usize) -> Rule {
        Rule(Kind::Prefix(dims))
    }

    /// Queries are mapped into the rows' space by an adapter that [`crate::fit_adapter`] has fitted, if its report is good enough: the
    /// lower end of what it retains of the ten nearest must be at least `least_retention`, from 0 (whatever it retains) to 1.
    ///
    /// # Errors
    /// `BadRequest` with the figures when it retains less.
    pub fn adapter(adapter: Adapter, report: &Report, least_retention: f64) -> Result<Rule> {
        let kept = report.retention_at_10;
        if kept.low >= least_retention {
            return Ok(Rule(Kind::Adapter(Arc::new(adapter))));
        }
        let why = format!(
            "of the ten nearest rows by the new model the adapter finds {:.1} % ({:.1} to {:.1} %) on {} pairs it was not fitted on, \
             less than the {:.1} % asked for",
            kept.mean * 100.0,
            kept.low * 100.0,
            kept.high * 100.0,
            report.held_out,
            least_retention * 100.0
        );
        Err(Error::BadRequest { what: "adapter", why })
    }

    /// Which of the two it is.
    pub fn kind(&self) -> RuleKind<'_> {
        match &self.0 {
            Kind::Prefix(dims) => RuleKind::Prefix(*dims),
            Kind::Adapter(adapter) => RuleKind::Adapter(adapter),
        }
    }

    /// The query as the rows' space has it.
    ///
    /// # Errors
    /// `DimensionMismatch`.
    pub(crate) fn map(&self, query: &[f32]) -> Result<Vec<f32>> {
        let wrong = |expected: String| {
            Err(Error::DimensionMismatch { expected, got: query.len(), row: 0, id: "query".to_string() })
        };
        match &self.0 {
            Kind::Prefix(dims) => match query.get(..*dims) {
                Some(prefix) => Ok(prefix.to_vec()),
                None => wrong(format!("{dims} or more")),
            },
            Kind::Adapter(adapter) if adapter.from_dims() != query.len() => {
                wrong(adapter.from_dims().to_string())
            }
            Kind::Adapter(adapter) => {
                let mut mapped = vec![0.0; adapter.to_dims()];
                adapter.apply(query, &mut mapped);
                Ok(mapped)
            }
        }
    }

    /// Checks it against the rows it is for.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        let (dims, what) = match &self.0 {
            Kind::Prefix(dims) => (*dims, "a prefix of so many dimensions"),
            Kind::Adapter(adapter) => (adapter.to_dims(), "an adapter into so many dimensions"),
        };
        served(schema, dims).map_err(|why| Error::BadRequest { what: "rule", why: format!("{what}: {why}") })
    }

    /// The schema of the collection that keeps a rule.
    pub(crate) fn schema() -> Schema {
        Schema::new(1, crate::Metric::L2)
    }

    /// The rows that keep it: the first says what it is and into which space, the others hold the bytes of an adapter.
    pub(crate) fn block(&self, to: &Space) -> Result<Block> {
        let bytes = match &self.0 {
            Kind::Prefix(_) => Vec::new(),
            Kind::Adapter(adapter) => adapter.to_bytes(),
        };
        let parts: Vec<&[u8]> = bytes.chunks(PART_BYTES).collect();
        let head = match &self.0 {
            Kind::Prefix(dims) => json!({"to": to.to_string(), "prefix": dims}),
            Kind::Adapter(_) => json!({"to": to.to_string(), "parts": parts.len()}),
        };
        let parts = parts.iter().map(|part| json!({"part": STANDARD.encode(part)}));
        let payloads: Vec<String> = [head].into_iter().chain(parts).map(|value| value.to_string()).collect();
        let rows: Vec<RowInput<'_>> = (0..)
            .zip(&payloads)
            .map(|(number, payload)| RowInput {
                key: KeyRef::Int(number),
                vector: &[0.0],
                variance: None,
                tokens: None,
                payload: payload.as_bytes(),
            })
            .collect();
        Ok(encode(&Rule::schema().layout, &rows, &[], None)?)
    }

    /// The rule that a collection keeps, and into which space it leads.
    ///
    /// # Errors
    /// `Corrupt` when its rows are not what a rule is kept as.
    pub(crate) fn load(kept: &Snapshot) -> Result<(Space, Rule)> {
        let corrupt = |why: &str| Error::Corrupt { file: "rule".into(), offset: 0, why: why.to_string() };
        let row = |number: i64| -> Result<Value> {
            let record =
                kept.get(Key::Int(number))?.ok_or_else(|| corrupt("a row of it is missing; set it again"))?;
            record.payload.ok_or_else(|| corrupt("a row of it is empty"))
        };
        let head = row(0)?;
        let to =
            head["to"].as_str().and_then(|to| to.parse().ok()).ok_or_else(|| corrupt("it leads nowhere"))?;
        if let Some(dims) = head["prefix"].as_u64() {
            return Ok((to, Rule::prefix(usize::try_from(dims).unwrap_or(usize::MAX))));
        }
        let mut bytes = Vec::new();
        for number in 1..=head["parts"].as_i64().unwrap_or(0) {
            let part = row(number)?;
            let part = part["part"].as_str().and_then(|part| STANDARD.decode(part).ok());
            bytes.extend(part.ok_or_else(|| corrupt("a part of the adapter is no base64"))?);
        }
        let adapter = Adapter::from_bytes(&bytes).map_err(|e| corrupt(&e.to_string()))?;
        Ok((to, Rule(Kind::Adapter(Arc::new(adapter)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_spaces_read_back_and_others_are_refused() {
        for space in [Space::new("a/b", "1"), Space::new("team@work", "2.0-beta")] {
            assert!(space.validate().is_ok());
            assert_eq!(space.to_string().parse(), Ok(space));
        }
        for text in ["", "a", "@1", "a@"] {
            assert!(text.parse::<Space>().is_err(), "{text}");
        }
        let long = "x".repeat(limits::SPACE_NAME_BYTES as usize + 1);
        for bad in [Space::new("", "1"), Space::new("a", ""), Space::new("a", "1@2"), Space::new(long, "1")] {
            assert!(bad.validate().is_err(), "{bad}");
        }
    }
}
