//! One value of a result, and how it is written for people and for programs.

use foretaste::Key;
use serde_json::{Value, json};

/// Numbers of a vector that are shown to a person.
const SHOWN: usize = 4;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    /// A distance, a score: six digits for people.
    Real(f64),
    Text(String),
    Json(Value),
    Vector(Vec<f32>),
}

impl Cell {
    /// A count.
    pub fn count(n: u64) -> Cell {
        Cell::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// Whether it stands on the right of its column.
    pub fn is_number(&self) -> bool {
        matches!(self, Cell::Int(_) | Cell::Real(_) | Cell::Json(Value::Number(_)))
    }

    /// As text: all of it, or as much as a person wants to see.
    pub fn text(&self, for_people: bool) -> String {
        match self {
            Cell::Null | Cell::Json(Value::Null) => String::new(),
            Cell::Int(n) => n.to_string(),
            Cell::Real(x) if for_people => format!("{x:.6}"),
            Cell::Real(x) => x.to_string(),
            Cell::Text(text) | Cell::Json(Value::String(text)) => text.clone(),
            Cell::Json(value) => value.to_string(),
            Cell::Vector(numbers) if for_people && numbers.len() > SHOWN => {
                let shown: Vec<String> = numbers.iter().take(SHOWN).map(f32::to_string).collect();
                format!("[{}, …] {} numbers", shown.join(", "), numbers.len())
            }
            Cell::Vector(numbers) => {
                let all: Vec<String> = numbers.iter().map(f32::to_string).collect();
                format!("[{}]", all.join(", "))
            }
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Int(n) => json!(n),
            Cell::Real(x) => json!(x),
            Cell::Text(text) => json!(text),
            Cell::Json(value) => value.clone(),
            // As few digits as name the number: 0.1, not what it is in f64.
            Cell::Vector(numbers) => numbers.iter().map(|x| x.to_string().parse::<f64>().ok()).collect(),
        }
    }
}

impl From<&Key> for Cell {
    fn from(id: &Key) -> Cell {
        match id {
            Key::Int(n) => Cell::Int(*n),
            Key::Str(text) => Cell::Text(text.clone()),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

impl From<f64> for Cell {
    fn from(x: f64) -> Cell {
        Cell::Real(x)
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Cell {
        Cell::Json(value)
    }
}
