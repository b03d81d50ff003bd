//! The language by tables: each rule of the module's page once.

pub(crate) mod properties;

use serde_json::{Value as Json, json};

use super::*;

fn parsed(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{error}\n{}", error.render(text)))
}

fn refused(text: &str) -> FilterError {
    match Filter::parse(text) {
        Ok(filter) => panic!("{text} was accepted as {filter}"),
        Err(error) => error,
    }
}

fn holds(text: &str, document: &Json) -> bool {
    parsed(text).matches(&fields_of(document))
}

#[test]
fn every_spelling_prints_as_its_canonical_text() {
    for (text, canonical) in [
        ("a=1", "a = 1"),
        ("a==1", "a = 1"),
        ("a<>1", "a != 1"),
        ("a != 1", "a != 1"),
        ("a<1 AND a<=1 And a>1 and a>=1", "a < 1 and a <= 1 and a > 1 and a >= 1"),
        ("1=a", "a = 1"),
        ("1<>a", "a != 1"),
        ("1<a", "a > 1"),
        ("1<=a", "a >= 1"),
        ("1>a", "a < 1"),
        ("1>=a", "a <= 1"),
        ("2020 <= $id", "$id >= 2020"),
        ("a IN(1,'x',true)", "a in (1, 'x', true)"),
        ("a not  in ( )", "a not in ()"),
        ("a between 1 and 2 and b", "a between 1 and 2 and b = true"),
        ("a LIKE 'x%'", "a like 'x%'"),
        (r"a like 'x\%\_\\y''%'", r"a like 'x\%\_\\y''%'"),
        ("a like '%'", "a like '%'"),
        ("EXISTS a.b", "exists a.b"),
        ("a IS NULL or a is Not null", "a is null or a is not null"),
        ("a = null and null != b", "a is null and b is not null"),
        ("published", "published = true"),
        ("not published", "not published = true"),
        ("a = TRUE or a = False", "a = true or a = false"),
        ("a = 'it''s'", "a = 'it''s'"),
        ("a = ''", "a = ''"),
        ("a = 007", "a = 7"),
        ("a = -9223372036854775808", "a = -9223372036854775808"),
        ("a = 9223372036854775808", "a = 9.223372036854776e18"),
        ("a = 1.0", "a = 1.0"),
        ("a = 1E3", "a = 1000.0"),
        ("a = -2.5e-7", "a = -2.5e-7"),
        ("a = 1e-999", "a = 0.0"),
        ("a.b.c=1", "a.b.c = 1"),
        ("a[0].b[12]=1", "a[0].b[12] = 1"),
        (r#""odd name"."x"=1"#, r#""odd name".x = 1"#),
        (r#""a.b"=1"#, r#""a.b" = 1"#),
        (r#""say ""hi""" = 1"#, r#""say ""hi""" = 1"#),
        (r#""like" = 1 and a.like = 1 and a."in" = 1"#, r#""like" = 1 and a.like = 1 and a.in = 1"#),
        (r#""" = 1"#, r#""" = 1"#),
        ("größe = 1 and 名前 = 'x' and _x = 1", "größe = 1 and 名前 = 'x' and _x = 1"),
        ("$id = 'x' and id = 1", "$id = 'x' and id = 1"),
        ("$id in ('a', 7)", "$id in ('a', 7)"),
        ("\n\ta\r\n=\u{a0}1 ", "a = 1"),
    ] {
        assert_eq!(parsed(text).to_string(), canonical, "{text}");
        assert_eq!(parsed(canonical), parsed(text), "{text}");
    }
}

#[test]
fn not_binds_tighter_than_and_tighter_than_or() {
    for (text, canonical) in [
        ("a = 1 or b = 2 and c = 3", "a = 1 or b = 2 and c = 3"),
        ("a = 1 or (b = 2 and c = 3)", "a = 1 or b = 2 and c = 3"),
        ("(a = 1 or b = 2) and c = 3", "(a = 1 or b = 2) and c = 3"),
        ("not a = 1 and b = 2", "not a = 1 and b = 2"),
        ("(not a = 1) and b = 2", "not a = 1 and b = 2"),
        ("not (a = 1 and b = 2)", "not (a = 1 and b = 2)"),
        ("not not (((a = 1)))", "not not a = 1"),
        ("not a in (1) or b", "not a in (1) or b = true"),
        ("a and (b and (c and d))", "a = true and b = true and c = true and d = true"),
        ("(a or b) or (c or d)", "a = true or b = true or c = true or d = true"),
    ] {
        assert_eq!(parsed(text).to_string(), canonical, "{text}");
    }
    let Expr::Or(parts) = parsed("a or not b and c").expr().clone() else { panic!("`or` is the root") };
    let [Expr::Test(_), Expr::And(inner)] = parts.as_slice() else { panic!("{parts:?}") };
    assert!(matches!(inner.as_slice(), [Expr::Not(_), Expr::Test(_)]));
}

#[test]
fn each_error_has_its_position_and_hint() {
    for (text, at, why, hint) in [
        ("", 0, "the filter is empty", "leave it out"),
        ("  ", 2, "the filter is empty", "leave it out"),
        ("a = 'x", 4, "the string is not closed", "''"),
        ("\"a = 1", 0, "the name is not closed", "\"\""),
        ("a =", 3, "expected a value after `=`, found the end", ""),
        ("a = and", 4, "found `and`", ""),
        ("lang = en", 7, "expected a value", "strings take single quotes: 'en'"),
        ("lang = \"en\"", 7, "expected a value", "double quotes name a field; strings take single quotes"),
        ("lang in (\"en\")", 9, "a value of the list", "double quotes name a field"),
        ("a = ture", 4, "expected a value", "did you mean `true`?"),
        ("a = ‘x’", 4, "unexpected character `‘`", "straight single quotes"),
        ("lang = 'en' ADN b", 12, "found `ADN`", "did you mean `and`?"),
        ("published ADN b", 10, "expected a comparison after `published`", "did you mean `and`?"),
        ("title LIKEE 'x%'", 6, "expected a comparison", "did you mean `like`?"),
        ("a betwen 1 and 2", 2, "expected a comparison", "did you mean `between`?"),
        ("exsits a", 7, "expected a comparison", "did you mean `exists`?"),
        ("year => 2020", 5, "`=>` is not an operator", "did you mean `>=`?"),
        ("a =< 1", 2, "not an operator", "`<=`"),
        ("a && b", 2, "not an operator", "`and`"),
        ("a || b", 2, "not an operator", "`or`"),
        ("!a", 0, "not an operator", "`not`"),
        ("a = 'it's'", 8, "found `s`", "doubled"),
        ("1 < a < 5", 6, "found `<`", "do not chain"),
        ("a = 1, b = 2", 5, "found `,`", "join tests with `and`"),
        ("(a = 1", 6, "expected `and`, `or` or `)`, found the end", "`(` at byte 0"),
        ("a = 1)", 5, "found `)`", "no `(` is open"),
        ("a = b", 4, "expected a value", "single quotes"),
        ("1 = 2", 4, "expected the name of a field", "one side"),
        ("'x' in tags", 4, "expected a comparison after the value", "tags = 'x'"),
        ("5", 1, "expected a comparison after the value", ""),
        ("null", 4, "expected a comparison after the value", ""),
        ("a < null", 2, "null has no order", "is null"),
        ("a in (1, null)", 9, "null equals nothing", "is null"),
        ("a in 1", 5, "expected `(`", "(1, 2, 3)"),
        ("a in (1 2)", 8, "expected `,` or `)`", ""),
        ("a in (1,)", 8, "expected a value of the list", ""),
        ("a not like 'x%'", 6, "expected `in` after `not`", "before the whole test"),
        ("a between 1", 11, "expected `and`", "between 1 and 5"),
        ("a between 1 and 'x'", 16, "a number and a string", "same type"),
        ("a like 5", 7, "expected a pattern", "like 'prefix%'"),
        ("a like 'x'", 9, "without `%`", "use `=`"),
        ("a like '%x%'", 8, "only supported at the end", "prefix"),
        ("a like 'it''s_%'", 13, "wildcard `_`", r"\_"),
        (r"a like 'x\n%'", 9, "a lone `\\`", r"\\"),
        (r"a like 'x\%'", 11, "without `%`", ""),
        ("a is 5", 5, "expected `null`", "is not null"),
        ("exists 5", 7, "after `exists`", ""),
        ("exists", 6, "after `exists`", ""),
        ("like = 1", 0, "expected a test", "\"like\""),
        ("a = 2020-01-01", 4, "`2020-01-01` is not a number", "dates are strings: '2020-01-01'"),
        ("a = 1.2.3", 4, "not a number", ""),
        ("a = 12abc", 4, "not a number", ""),
        ("a = 1e999", 4, "too large", "1.8e308"),
        ("a = - 1", 4, "`-` without a number", ""),
        ("content-type = 1", 7, "`-` without a number", "double quotes"),
        ("a.0 = 1", 2, "expected a name after `.`", "tags[0]"),
        ("a. = 1", 3, "expected a name after `.`", ""),
        ("a[-1] = 1", 2, "the number of an element", "from 0"),
        ("a[4294967296] = 1", 2, "the number of an element", ""),
        ("a[0 = 1", 4, "expected `]`", ""),
        ("$id", 3, "expected a comparison after `$id`", ""),
        ("$key = 1", 0, "`$key` is not known", "`$id`"),
        ("a = 1;", 5, "unexpected character `;`", "semicolon"),
        ("a = [1]", 4, "expected a value", ""),
        ("名 = x", 6, "expected a value", "'x'"),
        ("a = \u{1b}[31m", 4, "unexpected character `\u{fffd}`", ""),
    ] {
        let error = refused(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.why.contains(why), "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{text}: {error}");
    }
}

#[test]
fn render_puts_the_caret_under_the_position() {
    for (text, picture) in [
        ("a = b", "a = b\n    ^"),
        ("a =", "a =\n   ^"),
        ("a = 1 and\nb = c", "b = c\n    ^"),
        ("名前 = b", "名前 = b\n       ^"),
        ("a\t= \u{1b}", "a = \u{fffd}\n    ^"),
    ] {
        assert_eq!(refused(text).render(text), picture);
    }
    let long = format!("a = '{}' b {}", "x".repeat(500), "y".repeat(500));
    let picture = refused(&long).render(&long);
    let (line, caret) = picture.split_once('\n').unwrap();
    assert_eq!(line.chars().nth(caret.len() - 1), Some('b'));
    assert!(line.chars().count() < 130 && line.starts_with('…') && line.ends_with('…'), "{picture}");
    let elsewhere = FilterError::new(1000, "beyond");
    assert_eq!(elsewhere.render("é"), "é\n ^");
    assert_eq!(FilterError::new(1, "inside a character").render("é"), "é\n^");
    assert_eq!(
        refused("a = b").to_string(),
        "expected a value after `=`, found `b` at byte 4 (strings take single quotes: 'b')"
    );
}

#[test]
fn messages_never_carry_control_characters() {
    for text in ["\"\u{1b}[2J\" 5", "a 'x\u{7}y'", "a = 1 '\u{1b}'", "\"\u{202e}\" like like"] {
        let error = refused(text);
        let all = format!("{error}{}", error.render(text).replacen('\n', "", 1));
        assert!(!all.contains(|c: char| c.is_control() || c == '\u{202e}'), "{all:?}");
    }
}

#[test]
fn text_beyond_each_limit_is_refused_and_text_at_it_accepted() {
    let of_length = |len: usize| format!("a = '{}'", "x".repeat(len - 6));
    parsed(&of_length(MAX_TEXT_BYTES));
    let error = refused(&of_length(MAX_TEXT_BYTES + 1));
    assert_eq!(
        (error.at, error.why.as_str()),
        (MAX_TEXT_BYTES, "the filter is 65537 bytes long, the limit is 65536")
    );
    // The canonical text has the same limit, or it could not be parsed again.
    let growing = format!("a='{}'", "x".repeat(MAX_TEXT_BYTES - 4));
    assert!(refused(&growing).why.contains("canonical text"));

    for (open, close) in [("(", ")"), ("not ", ""), ("(not ", ")")] {
        let levels = if open.len() == 5 { MAX_DEPTH / 2 } else { MAX_DEPTH };
        let nested = |levels: usize| format!("{}a{}", open.repeat(levels), close.repeat(levels));
        parsed(&nested(levels));
        let error = refused(&nested(levels + 1));
        assert_eq!((error.at, error.why.as_str()), (levels * open.len(), "nested deeper than 64 levels"));
        assert_eq!(refused(&nested(10_000)).at, error.at);
    }

    // Depth is nesting, not number.
    for sibling in ["not a", "(a or b)"] {
        parsed(&vec![sibling; 2 * MAX_DEPTH].join(" and "));
    }
    let alternating = format!("{}a{}", "(a or (a and ".repeat(MAX_DEPTH / 2), "))".repeat(MAX_DEPTH / 2));
    assert!(holds(&alternating, &json!({"a": true})) && !holds(&alternating, &json!({})));

    let tests = |n: usize| vec!["a"; n].join(" or ");
    parsed(&tests(MAX_TERMS));
    let error = refused(&tests(MAX_TERMS + 1));
    assert_eq!((error.at, error.why.as_str()), (MAX_TERMS * 5, "more than 1024 tests"));
    let list = |n: usize| format!("a in ({})", vec!["1"; n].join(","));
    parsed(&list(MAX_TERMS));
    assert_eq!(refused(&list(MAX_TERMS + 1)).why, "more than 1024 tests");
    assert_eq!(refused(&format!("b and {}", list(MAX_TERMS))).why, "more than 1024 tests");
}

#[test]
fn json_beyond_each_limit_is_refused() {
    let long = json!({"a": "x".repeat(MAX_TEXT_BYTES)});
    assert!(Filter::from_json(&long).unwrap_err().why.contains("longer than 65536 bytes"));
    let nested = |levels: usize| (0..levels).fold(json!({"a": 1}), |inner, _| json!({ "not": inner }));
    Filter::from_json(&nested(MAX_DEPTH - 1)).unwrap();
    for levels in [MAX_DEPTH + 1, 1000] {
        assert!(Filter::from_json(&nested(levels)).unwrap_err().why.contains("nested deeper than 64 levels"));
    }
    let list = |n: usize| json!({"a": {"in": vec![1; n]}});
    Filter::from_json(&list(MAX_TERMS)).unwrap();
    for n in [MAX_TERMS + 1, 10 * MAX_TERMS] {
        assert!(Filter::from_json(&list(n)).unwrap_err().why.contains("more than 1024 tests"));
    }
}

/// A test and its truth for: a missing field, null, a value of another type, an empty array, and arrays.
#[test]
fn the_table_of_meanings_is_what_happens() {
    let documents = [
        json!({}),
        json!({"a": null}),
        json!({"a": "1"}),
        json!({"a": {}}),
        json!({"a": []}),
        json!({"a": [1, 9]}),
        json!({"a": [null]}),
        json!({"a": [[1]]}),
    ];
    for (text, truths) in [
        ("a = 1", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a < 5", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a <= 1", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a > 5", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a >= 10", [0, 0, 0, 0, 0, 0, 0, 0]),
        ("a != 1", [0, 0, 1, 1, 0, 1, 0, 1]),
        ("a in (1, 2)", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a in ()", [0, 0, 0, 0, 0, 0, 0, 0]),
        ("a not in (1, 9)", [0, 0, 1, 1, 0, 0, 0, 1]),
        ("a not in (1, 2)", [0, 0, 1, 1, 0, 1, 0, 1]),
        ("a not in ()", [0, 0, 1, 1, 0, 1, 0, 1]),
        ("a between 1 and 2", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a between 2 and 8", [0, 0, 0, 0, 0, 0, 0, 0]),
        ("a >= 2 and a <= 8", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("a like '%'", [0, 0, 1, 0, 0, 0, 0, 0]),
        ("a is null", [1, 1, 0, 0, 0, 0, 0, 0]),
        ("a is not null", [0, 0, 1, 1, 1, 1, 1, 1]),
        ("exists a", [0, 1, 1, 1, 1, 1, 1, 1]),
        ("not exists a", [1, 0, 0, 0, 0, 0, 0, 0]),
        ("not a = 1", [1, 1, 1, 1, 1, 0, 1, 1]),
        ("not a != 1", [1, 1, 0, 0, 1, 0, 1, 0]),
    ] {
        let found = documents.each_ref().map(|document| u8::from(holds(text, document)));
        assert_eq!(found, truths, "{text}");
    }
}

#[test]
fn numbers_compare_exactly_across_types() {
    for (value, text, truth) in [
        (json!(9_007_199_254_740_993_i64), "a = 9007199254740992.0", false),
        (json!(9_007_199_254_740_993_i64), "a > 9007199254740992.0", true),
        (json!(9_007_199_254_740_992_i64), "a = 9007199254740992.0", true),
        (json!(9_007_199_254_740_992.0), "a < 9007199254740993", true),
        (json!(i64::MAX), "a < 9223372036854775808", true),
        (json!(i64::MAX), "a = 9223372036854775807", true),
        (json!(i64::MAX), "a = 9223372036854775806", false),
        (json!(i64::MIN), "a = -9223372036854775808.0", true),
        (json!(i64::MIN), "a > -9.3e18", true),
        (json!(u64::MAX), "a = 18446744073709551615", true),
        (json!(u64::MAX), "a > 9223372036854775807", true),
        (json!(3), "a = 3.0", true),
        (json!(3), "a < 3.5", true),
        (json!(-3), "a > -3.5", true),
        (json!(-3.5), "a < -3", true),
        (json!(0.0), "a = -0.0", true),
        (json!(1), "a = true", false),
        (json!(1), "a = '1'", false),
        (json!(1), "a < '2'", false),
        (json!(false), "a < true", true),
        (json!("2024-05-01T00:00:00Z"), "a >= '2024-04-30'", true),
        (json!("ﬀ"), "a < '😀'", true),
        (json!("Zebra"), "a < 'apple'", true),
    ] {
        assert_eq!(holds(text, &json!({ "a": value })), truth, "{value} {text}");
    }
    let nan = Value::Float(f64::NAN);
    for (text, truth) in
        [("a = 1", false), ("a < 1", false), ("a >= 1.5", false), ("a != 1", true), ("a != 1.5", true)]
    {
        let Expr::Test(test) = parsed(text).expr().clone() else { panic!("one test") };
        assert_eq!(test.condition.holds(&nan), truth, "NaN {text}");
    }
}

#[test]
fn paths_reach_members_elements_and_odd_names() {
    let document = json!({
        "a": {"b": {"c": 1}, "b.c": 2}, "a.b": 3, "list": [10, {"x": 5}, [7]], "odd \"name\"": 4, "null": 6, "": {"": 8}, "0": 9,
    });
    for text in [
        "a.b.c = 1",
        r#"a."b.c" = 2"#,
        r#""a.b" = 3"#,
        "list[0] = 10",
        "list[1].x = 5",
        "list[2][0] = 7",
        "list[2] = 7",
        r#""odd ""name""" = 4"#,
        r#""null" = 6"#,
        r#"""."" = 8"#,
        r#""0" = 9"#,
        "list[3] is null and not exists list[3]",
        "not exists list.x and not exists a[0] and not exists a.b.c.d",
    ] {
        assert!(holds(text, &document), "{text}");
    }
    assert!(!holds("exists a", &json!([1])) && !holds("exists a", &json!("a")));
}

#[test]
fn the_key_is_the_rows_and_no_field() {
    use foretaste_storage::key::KeyRef;
    let document = json!({"id": "field"});
    let row = JsonFields::new(KeyRef::Str("k1"), &document);
    assert!(parsed("$id = 'k1' and id = 'field'").matches(&row));
    assert!(parsed("$id in ('k0', 'k1') and $id like 'k%'").matches(&row));
    assert!(!parsed("$id = 'field' or $id = 1").matches(&row));
    assert!(parsed("5 < $id").matches(&JsonFields::new(KeyRef::Int(7), &document)));
    assert!(parsed("$id is null").matches(&fields_of(&document)));
}

#[test]
fn paths_are_listed_from_left_to_right() {
    let filter = parsed("a.b = 1 and (not c or $id = 'x') and d[0] in (1) and exists a.b");
    let paths: Vec<String> = filter.paths().map(Path::to_string).collect();
    assert_eq!(paths, ["a.b", "c", "d[0]", "a.b"]);
    assert_eq!(filter.tests().count(), 5);
}

#[test]
fn check_names_the_column_its_type_and_the_literals_position() {
    let columns = |path: &Path| match path.to_string().as_str() {
        "flag" => Some(ColumnType::Bool),
        "year" => Some(ColumnType::Int),
        "score" => Some(ColumnType::Float),
        "meta.lang" => Some(ColumnType::Str),
        _ => None,
    };
    for text in [
        "flag and flag = false",
        "year = 1.5 and score = 2 and year between 1 and 2.5",
        "meta.lang = 'en' and meta.lang like 'e%'",
        "other = 1 or other = 'x' or other or other like 'x%'",
        "year is null or exists year or year in ()",
        "$id = 1 or $id = 'x'",
    ] {
        parsed(text).check(&columns).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for (text, at, why, hint) in [
        (
            "year = '2020'",
            7,
            "column `year` is int and cannot be compared with a string, '2020'",
            "write 2020 without quotes",
        ),
        ("'x' = year", 0, "column `year` is int and cannot be compared with a string, 'x'", ""),
        ("score < true", 8, "column `score` is float and cannot be compared with a truth value, true", ""),
        ("score < '1.50'", 8, "column `score` is float", "write 1.5 without quotes"),
        ("flag = 1", 7, "column `flag` is bool and cannot be compared with a number, 1", ""),
        ("flag = 'true'", 7, "column `flag` is bool", "write true without quotes"),
        ("a or not meta.lang = 5", 21, "column `meta.lang` is str", "write '5' with quotes"),
        ("year in (1, 2, 'x')", 15, "column `year` is int", ""),
        ("year between 'a' and 'b'", 13, "column `year` is int", ""),
        ("a and year like '2%'", 16, "column `year` is int; `like` is for strings", ""),
        ("a and year", 6, "column `year` is int and needs a comparison", "only a bool field can stand alone"),
    ] {
        let error = parsed(text).check(&columns).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.why.contains(why), "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{text}: {error}");
    }
}

#[test]
fn json_gives_the_same_filter_as_its_text() {
    for (json, text) in [
        (json!({"lang": "en"}), "lang = 'en'"),
        (json!({"a": 1, "b": 2.0}), "a = 1 and b = 2.0"),
        (json!({"a": null}), "a is null"),
        (json!({"a": {"!=": null}}), "a is not null"),
        (json!({"a": {"==": 1}}), "a = 1"),
        (json!({"a": {"<>": 1}}), "a != 1"),
        (json!({"year": {"<": 2024}}), "year < 2024"),
        (json!({"a": u64::MAX}), "a = 18446744073709551615"),
        (json!({"a": i64::MAX}), "a = 9223372036854775807"),
        (json!({"or": [{"a": 1}, {"b": 2, "c": 3}]}), "a = 1 or b = 2 and c = 3"),
        (json!({"and": [{"or": [{"a": 1}, {"b": 2}]}, {"c": 3}]}), "(a = 1 or b = 2) and c = 3"),
        (json!({"or": [{"a": 1}]}), "a = 1"),
        (json!({"not": {"a": 1, "b": 2}}), "not (a = 1 and b = 2)"),
        (json!({"tag": {"in": ["x", 1]}}), "tag in ('x', 1)"),
        (json!({"tag": {"NOT IN": []}}), "tag not in ()"),
        (json!({"a": {"between": [1, 2]}}), "a between 1 and 2"),
        (json!({"title": {"like": "it's 5\\%%"}}), r"title like 'it''s 5\%%'"),
        (json!({"x": {"exists": true}}), "exists x"),
        (json!({"x": {"exists": false}}), "not exists x"),
        (json!({"x": {"is null": false}}), "x is not null"),
        (json!({"$id": {"in": ["k"]}}), "$id in ('k')"),
        (json!({"a.b[0]": true}), "a.b[0]"),
        (json!({"\"odd name\"": 1}), "\"odd name\" = 1"),
        (json!({"\"or\"": 1}), "\"or\" = 1"),
        (json!({"like": "it's"}), "\"like\" = 'it''s'"),
    ] {
        let filter = Filter::from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(filter, parsed(text), "{json}");
        assert_eq!(filter.to_string(), parsed(text).to_string(), "{json}");
    }
    let both = Filter::from_json(&json!({"year": {">=": 2020, "<": 2024}})).unwrap();
    assert_eq!(both.tests().count(), 2);
}

#[test]
fn json_errors_name_their_place() {
    for (json, why, hint) in [
        (json!(5), "expected an object, found a number", ""),
        (json!({}), "the filter is empty", "leave it out"),
        (json!({"or": []}), "in `or`: expected a list of filters", "{\"or\":"),
        (json!({"or": [{"a": 1}, 5]}), "in `or`: expected an object, found a number", ""),
        (json!({"not": [1]}), "in `not`: expected an object, found a list", ""),
        (json!({"a": ["x"]}), "in `a`: a field cannot be compared with a list", "\"in\""),
        (json!({"a": {}}), "in `a`: no operator", ""),
        (json!({"a": {"=>": 1}}), "in `a` `=>`: `=>` is not an operator", "`>=`"),
        (json!({"a": {"lik": "x"}}), "`lik` is not an operator", "`like`"),
        (json!({"a": {"b": 1}}), "`b` is not an operator", "outer.inner"),
        (json!({"a": {"=": {}}}), "found an object", ""),
        (json!({"a": {"<": null}}), "found null", ""),
        (json!({"a": {"in": "x"}}), "expected a list, found a string", ""),
        (json!({"a": {"in": [null]}}), "found null", ""),
        (json!({"a": {"between": [1]}}), "expected 2 bounds, found 1", ""),
        (json!({"a": {"between": [1, "x"]}}), "a number and a string", ""),
        (json!({"a": {"like": "x_%"}}), "in `a` `like`: the wildcard `_`", "prefix"),
        (json!({"a": {"like": 5}}), "expected a pattern, found a number", ""),
        (json!({"a": {"exists": 1}}), "expected true or false", ""),
        (json!({"odd name": 1}), "in `odd name`:", "double quotes of its own: `\"odd name\"`"),
        (json!({"$key": 1}), "`$key` is not known", "`$id`"),
    ] {
        let error = Filter::from_json(&json).expect_err(&json.to_string());
        assert_eq!(error.at, 0);
        assert!(error.why.contains(why), "{json}: {error}");
        assert!(error.hint.as_deref().unwrap_or("").contains(hint), "{json}: {error}");
    }
}
