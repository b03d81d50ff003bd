//! A filter as nested JSON, the form of Python's `where={...}`.
//!
//! Reads from: a JSON value. Writes to: the tree, by way of its canonical text.
//! Never: a limit of its own beyond those of the text; the text form decides what a filter can be.

use serde_json::{Map, Value};

use super::ast::{At, Condition, Expr, Literal, Op, Scalar, Subject, Test};
use super::error::{FilterError, shown};
use super::parse::between;
use super::pattern;
use super::{Filter, MAX_DEPTH, MAX_TERMS, MAX_TEXT_BYTES, Path};
use super::{hint, print};

type Result<T> = std::result::Result<T, FilterError>;

/// The operators that are not comparisons.
const OPERATORS: &[&str] = &["in", "not in", "between", "like", "exists", "is null"];

impl Filter {
    /// Reads the nested form of a filter.
    ///
    /// An object is the conjunction of its members, in the order in which the map gives them (`serde_json` sorts them by
    /// name, unless some crate of the build turns on its `preserve_order`):
    ///
    /// | member | means |
    /// | --- | --- |
    /// | `"year": 2020` | `year = 2020`; null means `is null` |
    /// | `"year": {">=": 2020, "<": 2024}` | both comparisons; all spellings of the operators are accepted |
    /// | `"tag": {"in": ["a", "b"]}`, `{"not in": [...]}` | a list |
    /// | `"year": {"between": [2020, 2024]}` | a range, both bounds included |
    /// | `"title": {"like": "Wiki%"}` | a prefix |
    /// | `"x": {"exists": true}`, `{"is null": true}` | presence; false negates |
    /// | `"and": [{...}, {...}]`, `"or": [{...}, {...}]` | all or some of several filters |
    /// | `"not": {...}` | the contrary |
    ///
    /// The names are paths as in text (`"authors[0].name"`, `"$id"`). A field whose own name is `and`, `or` or `not`, or
    /// is no identifier, takes double quotes of its own: `{"\"odd name\"": 1}`.
    ///
    /// # Errors
    /// What is wrong; the message names the place, as the position is 0. The limits are those of the text.
    ///
    /// ```
    /// use foretaste_query::lang::Filter;
    ///
    /// let filter = Filter::from_json(&serde_json::json!({"lang": "en", "year": {"<": 2024, ">=": 2020}}))?;
    /// assert_eq!(filter, Filter::parse("lang = 'en' and year < 2024 and year >= 2020")?);
    /// # Ok::<(), foretaste_query::lang::FilterError>(())
    /// ```
    pub fn from_json(json: &Value) -> Result<Filter> {
        let expr = Reader { place: Vec::new(), literals: 0 }.filter(json)?;
        let Some(text) = print::canonical(&expr) else {
            return Err(FilterError::new(
                0,
                format!("the filter's text is longer than {MAX_TEXT_BYTES} bytes"),
            ));
        };
        // Parsing the text applies every limit, brings the tree into its canonical form and gives it positions.
        Filter::parse(&text).map_err(|error| FilterError { at: 0, ..error })
    }
}

/// Reads a filter and knows where it is, for messages.
struct Reader<'a> {
    place: Vec<&'a str>,
    literals: usize,
}

impl<'a> Reader<'a> {
    fn filter(&mut self, json: &'a Value) -> Result<Expr> {
        let Value::Object(members) = json else {
            return Err(self.error(format!("expected an object, found {}", kind(json))));
        };
        if members.is_empty() {
            return Err(self.error("the filter is empty").hint("leave it out to match every row"));
        }
        let mut parts = Vec::new();
        for (name, value) in members {
            self.place.push(name);
            if self.place.len() > MAX_DEPTH {
                return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
            }
            match name.to_ascii_lowercase().as_str() {
                "and" => parts.push(Expr::and(self.several(value)?)),
                "or" => parts.push(Expr::or(self.several(value)?)),
                "not" => parts.push(Expr::Not(Box::new(self.filter(value)?))),
                _ => self.field(name, value, &mut parts)?,
            }
            self.place.pop();
        }
        Ok(Expr::and(parts))
    }

    fn several(&mut self, json: &'a Value) -> Result<Vec<Expr>> {
        match json {
            Value::Array(filters) if !filters.is_empty() => {
                filters.iter().map(|filter| self.filter(filter)).collect()
            }
            _ => Err(self
                .error(format!("expected a list of filters, found {}", kind(json)))
                .hint(r#"write {"or": [{"a": 1}, {"b": 2}]}"#)),
        }
    }

    /// The tests of one field.
    fn field(&mut self, name: &'a str, json: &'a Value, parts: &mut Vec<Expr>) -> Result<()> {
        let subject = match name {
            "$id" => Subject::Key,
            path => Subject::Path(Path::parse(path).map_err(|error| {
                let quoted = Path::field(path).to_string();
                let hint = error.hint.filter(|_| path.starts_with('$')).unwrap_or_else(|| {
                    format!("a name with other characters takes double quotes of its own: {}", shown(&quoted))
                });
                self.error(error.why).hint(hint)
            })?),
        };
        let mut push = |condition, negated| {
            let test = Expr::Test(Test { subject: subject.clone(), at: At(0), condition });
            parts.push(if negated { Expr::Not(Box::new(test)) } else { test });
        };
        match json {
            Value::Object(operators) => {
                self.not_empty(operators)?;
                for (operator, operand) in operators {
                    self.place.push(operator);
                    // The only test of text that has no negated form of its own.
                    let absent = operator.eq_ignore_ascii_case("exists") && *operand == Value::Bool(false);
                    push(self.condition(operator, operand)?, absent);
                    self.place.pop();
                }
            }
            Value::Array(_) => {
                return Err(self
                    .error("a field cannot be compared with a list")
                    .hint(r#"write {"in": [...]}"#));
            }
            value => push(self.compare(Op::Eq, value)?, false),
        }
        Ok(())
    }

    fn not_empty(&self, operators: &Map<String, Value>) -> Result<()> {
        if operators.is_empty() {
            return Err(self.error("no operator").hint(r#"write {">=": 2020}"#));
        }
        Ok(())
    }

    fn condition(&mut self, operator: &str, operand: &'a Value) -> Result<Condition> {
        if let Some(op) = Op::from_text(operator) {
            return self.compare(op, operand);
        }
        match (operator.to_ascii_lowercase().as_str(), operand) {
            ("in", Value::Array(values)) => {
                Ok(Condition::In { negated: false, literals: self.literals(values)? })
            }
            ("not in", Value::Array(values)) => {
                Ok(Condition::In { negated: true, literals: self.literals(values)? })
            }
            ("between", Value::Array(bounds)) => match bounds.as_slice() {
                [low, high] => {
                    between(self.literal(low)?, self.literal(high)?).map_err(|e| self.error(e.why))
                }
                _ => Err(self.error(format!("expected 2 bounds, found {}", bounds.len()))),
            },
            ("in" | "not in" | "between", other) => {
                Err(self.error(format!("expected a list, found {}", kind(other))))
            }
            ("like", Value::String(pattern)) => {
                let prefix = pattern::prefix(&pattern.replace('\'', "''"), 0)
                    .map_err(|error| FilterError { hint: error.hint, ..self.error(error.why) })?;
                Ok(Condition::StartsWith { prefix, at: At(0) })
            }
            ("like", other) => Err(self.error(format!("expected a pattern, found {}", kind(other)))),
            ("exists", Value::Bool(_)) => Ok(Condition::Exists),
            ("is null", Value::Bool(null)) => Ok(Condition::IsNull { negated: !null }),
            ("exists" | "is null", other) => {
                Err(self.error(format!("expected true or false, found {}", kind(other))))
            }
            (unknown, _) => {
                let guess = hint::operator(operator)
                    .or_else(|| hint::did_you_mean(unknown, OPERATORS))
                    .unwrap_or_else(|| {
                        r#"a member of a nested object is written {"outer.inner": ...}"#.to_string()
                    });
                Err(self.error(format!("{} is not an operator", shown(operator))).hint(guess))
            }
        }
    }

    fn compare(&mut self, op: Op, json: &Value) -> Result<Condition> {
        match (op, json) {
            (Op::Eq, Value::Null) => Ok(Condition::IsNull { negated: false }),
            (Op::Ne, Value::Null) => Ok(Condition::IsNull { negated: true }),
            (op, json) => Ok(Condition::Compare { op, literal: self.literal(json)? }),
        }
    }

    fn literals(&mut self, json: &[Value]) -> Result<Vec<Literal>> {
        json.iter().map(|value| self.literal(value)).collect()
    }

    fn literal(&mut self, json: &Value) -> Result<Literal> {
        self.count_literal()?;
        let scalar = match json {
            Value::Bool(b) => Some(Scalar::Bool(*b)),
            Value::Number(n) => n.as_i64().map(Scalar::Int).or_else(|| n.as_f64().map(Scalar::Float)),
            Value::String(s) => Some(Scalar::Str(s.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match scalar {
            Some(Scalar::Float(x)) if !x.is_finite() => Err(self.error("a number too large")),
            Some(scalar) => Ok(Literal { scalar, at: At(0) }),
            None => {
                Err(self.error(format!("expected a string, number or truth value, found {}", kind(json))))
            }
        }
    }

    /// Bounds the memory; the exact count is the parser's, which sees one term where a range has two bounds.
    fn count_literal(&mut self) -> Result<()> {
        self.literals += 1;
        if self.literals > 2 * MAX_TERMS {
            return Err(self.error(format!("more than {MAX_TERMS} tests")));
        }
        Ok(())
    }

    fn error(&self, why: impl std::fmt::Display) -> FilterError {
        match self.place.as_slice() {
            [] => FilterError::new(0, why.to_string()),
            [.., outer, inner] => FilterError::new(0, format!("in {} {}: {why}", shown(outer), shown(inner))),
            [only] => FilterError::new(0, format!("in {}: {why}", shown(only))),
        }
    }
}

/// What a message calls a JSON value.
fn kind(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
