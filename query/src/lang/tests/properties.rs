//! The laws of the language on random filters, documents and texts.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value as Json, json};

use super::super::*;

// --- random trees ---

fn test(subject: Subject, condition: Condition) -> Expr {
    Expr::Test(Test { subject, at: At(0), condition })
}

fn literal(scalar: Scalar) -> Literal {
    Literal { scalar, at: At(0) }
}

/// Trees in canonical form over these subjects, scalars and prefixes.
fn trees(
    subjects: BoxedStrategy<Subject>,
    scalars: BoxedStrategy<Scalar>,
    prefixes: BoxedStrategy<String>,
) -> BoxedStrategy<Expr> {
    let literals = scalars.prop_map(literal).boxed();
    let op = select(vec![Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let condition = prop_oneof![
        4 => (op, literals.clone()).prop_map(|(op, literal)| Condition::Compare { op, literal }),
        2 => (any::<bool>(), vec(literals.clone(), 0..4))
            .prop_map(|(negated, literals)| Condition::In { negated, literals }),
        2 => (literals.clone(), literals)
            .prop_filter("bounds of one type", |(low, high)| low.scalar.comparable(&high.scalar))
            .prop_map(|(low, high)| Condition::Between { low, high }),
        1 => prefixes.prop_map(|prefix| Condition::StartsWith { prefix, at: At(0) }),
        1 => any::<bool>().prop_map(|negated| Condition::IsNull { negated }),
        1 => Just(Condition::Exists),
    ];
    (subjects, condition)
        .prop_map(|(subject, condition)| test(subject, condition))
        .prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 2..5).prop_map(Expr::and),
                vec(inner.clone(), 2..5).prop_map(Expr::or),
                inner.prop_map(|part| Expr::Not(Box::new(part))),
            ]
        })
        .boxed()
}

/// Any names, strings and numbers at all.
fn wild_trees() -> BoxedStrategy<Expr> {
    let name = prop_oneof![
        any::<String>(),
        select(vec!["a", "in", "NULL", "id", "", "größe", "x\"y", "a.b", "$id", "1a", "_"])
            .prop_map(String::from),
    ]
    .boxed();
    let step = prop_oneof![name.clone().prop_map(Segment::Field), any::<u32>().prop_map(Segment::Index)];
    let path = (name, vec(step, 0..4))
        .prop_map(|(first, steps)| steps.into_iter().fold(Path::field(first), Path::then));
    let subject = prop_oneof![9 => path.prop_map(Subject::Path), 1 => Just(Subject::Key)].boxed();
    let text = prop_oneof![
        any::<String>(),
        select(vec!["'", "''", "\\", "%", "_", "\\%", "\n"]).prop_map(String::from)
    ];
    let text = text.boxed();
    let finite = any::<f64>().prop_filter("finite", |x| x.is_finite());
    let scalar = prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        finite.prop_map(Scalar::Float),
        (-5.0..5.0f64).prop_map(|x| Scalar::Float(x.round())),
        text.clone().prop_map(Scalar::Str),
    ];
    trees(subject, scalar.boxed(), text)
}

/// Few names and values, so that tests and documents meet.
pub(crate) fn tame_trees() -> BoxedStrategy<Expr> {
    let path = select(vec!["a", "b", "a.b", "a[0]", "b[1]", "\"a.b\"", "a.b.a"])
        .prop_map(|path| Subject::Path(Path::parse(path).unwrap()));
    let subject = prop_oneof![9 => path, 1 => Just(Subject::Key)].boxed();
    let scalar = json_scalar().prop_filter_map("null is no scalar", |json| match json {
        Json::Bool(b) => Some(Scalar::Bool(b)),
        Json::Number(n) => Some(n.as_i64().map_or_else(|| Scalar::Float(n.as_f64().unwrap()), Scalar::Int)),
        Json::String(s) => Some(Scalar::Str(s)),
        _ => None,
    });
    trees(subject, scalar.boxed(), select(vec!["", "x", "xy", "é"]).prop_map(String::from).boxed())
}

// --- random documents ---

/// All floats here are multiples of 1/2 below 2^70, as the reference needs.
fn json_scalar() -> BoxedStrategy<Json> {
    select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(0.5),
        json!(-0.5),
        json!(-0.0),
        json!((1_i64 << 53) + 1),
        json!(1_i64 << 53),
        json!((1_i64 << 53) as f64),
        json!(i64::MAX),
        json!(i64::MAX - 1),
        json!(9_223_372_036_854_775_808.0),
        json!(i64::MIN),
        json!(-9_223_372_036_854_775_808.0),
        json!(1e20),
        json!(""),
        json!("x"),
        json!("xy"),
        json!("é"),
        json!("1"),
    ])
    .boxed()
}

pub(crate) fn json_document() -> BoxedStrategy<Json> {
    let object = |inner: BoxedStrategy<Json>| {
        vec((select(vec!["a", "b", "a.b"]), inner), 0..4)
            .prop_map(|members| {
                Json::Object(members.into_iter().map(|(k, v)| (k.to_string(), v)).collect::<Map<_, _>>())
            })
            .boxed()
    };
    let value = json_scalar().prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Json::Array), object(inner.boxed())]
    });
    object(value.boxed())
}

// --- the reference: the page's sentences, word by word, over JSON ---

/// A number in units of 2^-20.
fn exact(n: &serde_json::Number) -> i128 {
    n.as_i64().map_or_else(|| (n.as_f64().unwrap() * 1048576.0) as i128, |i| i128::from(i) << 20)
}

fn json_of(literal: &Literal) -> Json {
    match &literal.scalar {
        Scalar::Bool(b) => json!(b),
        Scalar::Int(i) => json!(i),
        Scalar::Float(x) => json!(x),
        Scalar::Str(s) => json!(s),
    }
}

fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => exact(a) == exact(b),
        (a, b) => a == b,
    }
}

fn less(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => exact(a) < exact(b),
        (Json::Bool(a), Json::Bool(b)) => !a && *b,
        (Json::String(a), Json::String(b)) => a.chars().lt(b.chars()),
        _ => false,
    }
}

fn reference_compare(op: Op, v: &Json, l: &Json) -> bool {
    match op {
        Op::Eq => equal(v, l),
        Op::Ne => !equal(v, l),
        Op::Lt => less(v, l),
        Op::Le => less(v, l) || equal(v, l),
        Op::Gt => less(l, v),
        Op::Ge => less(l, v) || equal(l, v),
    }
}

fn reference(expr: &Expr, key: &Json, document: &Json) -> bool {
    let test = match expr {
        Expr::And(parts) => return parts.iter().filter(|part| !reference(part, key, document)).count() == 0,
        Expr::Or(parts) => return parts.iter().filter(|part| reference(part, key, document)).count() > 0,
        Expr::Not(part) => return !reference(part, key, document),
        Expr::Test(test) => test,
    };
    let mut found = Some(document);
    match &test.subject {
        Subject::Key => found = Some(key),
        Subject::Path(path) => {
            for segment in path.segments() {
                found = match segment {
                    Segment::Field(name) => found.and_then(|value| value.get(name.as_str())),
                    Segment::Index(i) => found.and_then(|value| value.get(*i as usize)),
                };
            }
        }
    }
    let candidates: Vec<&Json> = match found {
        None => Vec::new(),
        Some(Json::Array(elements)) => elements.iter().collect(),
        Some(value) => vec![value],
    };
    let mut present = candidates.into_iter().filter(|value| !value.is_null());
    match &test.condition {
        Condition::Exists => found.is_some(),
        Condition::IsNull { negated: false } => found.is_none_or(Json::is_null),
        Condition::IsNull { negated: true } => found.is_some_and(|value| !value.is_null()),
        Condition::Compare { op, literal } => present.any(|v| reference_compare(*op, v, &json_of(literal))),
        Condition::In { negated: false, literals } => {
            present.any(|v| literals.iter().any(|l| equal(v, &json_of(l))))
        }
        Condition::In { negated: true, literals } => {
            present.any(|v| !literals.iter().any(|l| equal(v, &json_of(l))))
        }
        Condition::Between { low, high } => present.any(|v| {
            reference_compare(Op::Ge, v, &json_of(low)) && reference_compare(Op::Le, v, &json_of(high))
        }),
        Condition::StartsWith { prefix, .. } => {
            let len = prefix.chars().count();
            present.any(|v| v.as_str().is_some_and(|s| s.chars().take(len).eq(prefix.chars())))
        }
    }
}

// --- the laws ---

/// What must be true of any text.
fn obeys_the_law(text: &str) -> Result<(), TestCaseError> {
    match Filter::parse(text) {
        Ok(filter) => {
            let printed = filter.to_string();
            let again = Filter::parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{} printed as {}", text, printed);
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(printed));
        }
        Err(error) => {
            prop_assert!(text.is_char_boundary(error.at), "{} at {}", error, error.at);
            prop_assert_eq!(error.render(text).lines().count(), 2);
        }
    }
    Ok(())
}

const PIECES: &[&str] = &[
    "a",
    "b.c",
    "\"odd\"",
    "[0]",
    ".",
    "[",
    "]",
    "(",
    "(",
    ")",
    ")",
    ",",
    "=",
    "!=",
    "<>",
    "<",
    ">=",
    "==",
    "=>",
    "and",
    "and",
    "or",
    "or",
    "not",
    "not",
    "in",
    "between",
    "like",
    "exists",
    "is",
    "null",
    "true",
    "1",
    "-1",
    "1.5",
    "1e9",
    "99999999999999999999",
    "'x'",
    "'x%'",
    "'it''s'",
    "'",
    "\"",
    "$id",
    "$",
    "-",
    "\\",
    "é",
    "\u{0}",
    "\n",
    "😀",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn parsing_the_printed_text_gives_the_same_tree(expr in wild_trees()) {
        let printed = expr.to_string();
        let parsed = Filter::parse(&printed);
        prop_assert_eq!(parsed.as_ref().map(Filter::expr), Ok(&expr), "{}", printed);
    }

    #[test]
    fn evaluation_agrees_with_the_reference(
        expr in tame_trees(),
        documents in vec(json_document(), 1..12),
        key in select(vec![json!("x"), json!(1), json!(i64::MAX)]),
    ) {
        let filter = Filter::parse(&expr.to_string()).unwrap();
        let key_value = key.as_i64().map_or_else(|| Value::Str("x".into()), Value::Int);
        for document in &documents {
            let found = filter.matches(&JsonFields { key: key_value.clone(), document });
            prop_assert_eq!(found, reference(&expr, &key, document), "{} on {}", filter, document);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        obeys_the_law(&text)?;
    }

    #[test]
    fn token_soup_never_panics(pieces in vec((select(PIECES), any::<bool>()), 0..14)) {
        let text: String = pieces.iter().map(|(piece, space)| format!("{piece}{}", if *space { " " } else { "" })).collect();
        obeys_the_law(&text)?;
    }

    #[test]
    fn a_damaged_filter_never_panics(
        expr in tame_trees(),
        place in any::<prop::sample::Index>(),
        cut in 0usize..4,
        insert in select(PIECES),
    ) {
        let chars: Vec<char> = expr.to_string().chars().collect();
        let at = place.index(chars.len());
        let text: String = chars[..at].iter().copied().chain(insert.chars()).chain(chars[at..].iter().copied().skip(cut)).collect();
        obeys_the_law(&text)?;
    }
}

#[test]
fn every_small_sequence_of_pieces_obeys_the_law() {
    let mut accepted = 0;
    for a in PIECES {
        for b in PIECES {
            for c in PIECES {
                let text = format!("{a} {b} {c}");
                obeys_the_law(&text).unwrap();
                accepted += usize::from(Filter::parse(&text).is_ok());
            }
        }
    }
    assert!(accepted > 200, "{accepted} of the sequences are filters");
}
