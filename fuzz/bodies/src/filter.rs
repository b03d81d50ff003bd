//! Filters as text and as JSON.
//!
//! Reads from: the input. Writes to: nothing. Never: a filter whose canonical text means something else.

use foretaste::lang::{ColumnType, Filter, JsonFields, Path, Scalar, Subject, fields_of};
use foretaste_storage::key::KeyRef;
use serde_json::{Map, Value, json};

/// Parses a filter, the input's first line; prints, checks and evaluates it on the JSON in the lines after it and on
/// documents made of its own paths and literals.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, document) = text.split_once('\n').unwrap_or((text, ""));
    let _ = Path::parse(text).map(|path| {
        assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path));
    });
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(e) => {
            assert!(e.at <= text.len(), "an error at byte {} of {}", e.at, text.len());
            assert!(!e.render(text).contains(char::is_control) || e.render(text).contains('\n'));
            return;
        }
    };
    laws(&filter, serde_json::from_str(document).ok());
    // Negation turns every answer around.
    if let Ok(negated) = Filter::parse(&format!("not ({text})")) {
        for document in documents(&filter) {
            assert_ne!(filter.matches(&fields_of(&document)), negated.matches(&fields_of(&document)));
        }
    }
}

/// Reads a filter given as JSON; its canonical text is a filter with the same meaning.
pub fn filter_json(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    match Filter::from_json(&json) {
        Ok(filter) => laws(&filter, Some(json)),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

fn laws(filter: &Filter, document: Option<Value>) {
    let text = filter.to_string();
    let again = Filter::parse(&text);
    assert_eq!(again.as_ref().ok(), Some(filter), "{text}: {again:?}");
    assert_eq!(again.map(|again| again.to_string()).ok(), Some(text));
    for kind in [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Str] {
        let _ = filter.check(&|_| Some(kind));
    }
    for document in documents(filter).into_iter().chain(document) {
        for key in [KeyRef::Int(0), KeyRef::Str("a")] {
            let _ = filter.matches(&JsonFields::new(key, &document));
        }
    }
}

/// Documents in which the filter's paths hold its own literals, and other values.
fn documents(filter: &Filter) -> Vec<Value> {
    let mut values = vec![Value::Null, json!(true), json!(0), json!(-0.5), json!("a"), json!([]), json!({})];
    for test in filter.tests().take(8) {
        use foretaste::lang::Condition::{Between, Compare, In};
        let literals = match &test.condition {
            Compare { literal, .. } => vec![literal],
            In { literals, .. } => literals.iter().take(3).collect(),
            Between { low, high } => vec![low, high],
            _ => Vec::new(),
        };
        for literal in literals {
            let value = match &literal.scalar {
                Scalar::Bool(b) => json!(b),
                Scalar::Int(i) => json!(i),
                Scalar::Float(x) => json!(x),
                Scalar::Str(s) => json!(s),
            };
            values.push(json!([Value::Null, [1], value.clone()]));
            values.push(value);
        }
    }
    let paths: Vec<&Path> = filter
        .tests()
        .filter_map(|test| match &test.subject {
            Subject::Path(path) => Some(path),
            Subject::Key => None,
        })
        .take(8)
        .collect();
    let mut documents = vec![json!({}), json!([]), Value::Null];
    for value in values {
        let mut document = Value::Object(Map::new());
        for path in &paths {
            put(&mut document, path, &value);
        }
        documents.push(document);
    }
    documents
}

/// Puts `value` at `path`, as far as what stands there already lets it and no array becomes long.
fn put(document: &mut Value, path: &Path, value: &Value) {
    use foretaste::lang::Segment::{Field, Index};
    let mut place = document;
    for segment in path.segments() {
        let next = match segment {
            Field(name) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place.as_object_mut().map(|members| members.entry(name.clone()).or_insert(Value::Null))
            }
            Index(index) if *index < 16 => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                place.as_array_mut().and_then(|elements| {
                    let index = *index as usize;
                    if elements.len() <= index {
                        elements.resize(index + 1, Value::Null);
                    }
                    elements.get_mut(index)
                })
            }
            Index(_) => None,
        };
        let Some(next) = next else { return };
        place = next;
    }
    *place = value.clone();
}
