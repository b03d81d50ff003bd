//! The language: what is accepted, what is refused and how, and that printing and parsing agree.

mod trees;

use super::*;

fn printed(text: &str) -> String {
    match parse(text) {
        Ok(statement) => statement.to_string(),
        Err(refused) => panic!("{text}: {refused}\n{}", refused.render(text)),
    }
}

#[test]
fn statements_are_printed_as_they_are_understood() {
    for (text, canonical) in [
        (
            "CREATE Collection docs (vector cosine(384) levels 64, 128 element f16, lang text, year int, body fulltext);",
            "create collection docs (vector cosine(384) levels 64, 128 element f16, lang text, year int, body fulltext)",
        ),
        (
            "create collection if not exists a(vector l2(2) variance diagonal index hnsw(m 8) rotation none, image vector dot(3), tokens(4) element i8, a.b[0].\"c d\" float, t fulltext english)",
            "create collection if not exists a (vector l2(2) variance diagonal index hnsw(m 8, ef_construction 200) rotation none, image vector dot(3), tokens(4) element i8, a.b[0].\"c d\" float, t fulltext english)",
        ),
        ("drop collection if exists \"my docs\"", "drop collection if exists \"my docs\""),
        (
            "insert into docs values ('it''s', [0.1, -2e1], {\"a\": {\"b\": \"}\"}}, variance 0.5, image [1]), (7, [1])",
            "insert into docs values ('it''s', [0.1, -20], {\"a\":{\"b\":\"}\"}}, variance [0.5], image [1]), (7, [1])",
        ),
        // Was printed as another number, which was read as a third.
        (
            "insert into d values (1, [1], {\"a\": 2.377593196874478e-180})",
            "insert into d values (1, [1], {\"a\":2.377593196874478e-180})",
        ),
        ("delete from docs 'id-1', 7;", "delete from docs 'id-1', 7"),
        ("get 'id-1' from docs -- a row\n;", "get 'id-1' from docs"),
        (
            "search docs near [0.1, 2] where lang = 'en' and year >= 2020 dims 128 k 10 ef 200 recall 0.95 within 5ms rerank levels(64:200, 384:50), mmr(0.7) ;",
            "search docs near [0.1, 2] where lang = 'en' and year >= 2020 k 10 dims 128 ef 200 recall 0.95 within 5ms rerank levels(64:200, 384:50), mmr(0.7)",
        ),
        ("search docs near file 'q.npy' row 3 exact", "search docs near file 'q.npy' row 3 exact"),
        (
            "search docs near text 'a question' match body 'words' weight 2 fuse rrf depth 50 fields lang, a.b",
            "search docs near text 'a question' match body 'words' weight 2 fuse rrf depth 50 fields lang, a.b",
        ),
        ("search d near [1] within 1.5ms", "search d near [1] within 1500us"),
        ("search d near [1] within 0.5min", "search d near [1] within 30s"),
        ("optimize docs as ivf(10) rotation pca", "optimize docs as ivf(10) rotation pca"),
        ("compact; ", "compact"),
        ("flush docs", "flush docs"),
        ("explain search docs near 'a' in image", "explain search docs near 'a' in image"),
        (
            "create collection d (vector cosine(64) recipe layer_norm(768) space 'nomic@1.5', t fulltext french accents)",
            "create collection d (vector cosine(64) recipe layer_norm(768) space 'nomic@1.5', t fulltext french accents)",
        ),
        (
            "search d near 'a' of 'nomic@1' max_uncertainty 0.5 rerank levels(auto 0.9), uncertainty(among 20), uncertainty, scored(200, adaptive, batch 8)",
            "search d near 'a' of 'nomic@1' max_uncertainty 0.5 rerank levels(auto 0.9), uncertainty(among 20), uncertainty, scored(200, batch 8, adaptive)",
        ),
        (
            "search d near [1] near [2] in image fuse runoff(5) depth 20 votes 2 rerank scored(0)",
            "search d near [1] near [2] in image fuse runoff(5) depth 20 votes 2 rerank scored(0)",
        ),
        ("watch search docs match a.b 'x' k 3", "watch search docs match a.b 'x' k 3"),
        ("alter collection docs add body fulltext german", "alter collection docs add body fulltext german"),
        ("alter collection docs extend 512, 768", "alter collection docs extend 512, 768"),
    ] {
        assert_eq!(printed(text), canonical);
        assert_eq!(printed(canonical), canonical);
    }
}

#[test]
fn a_filter_ends_where_a_clause_begins() {
    for (text, filter, k) in [
        ("where k = 3 k 10", "k = 3", Some(10)),
        ("where k k 10", "k = true", Some(10)),
        ("where a = 'k 10'", "a = 'k 10'", None),
        ("where a in (1, 2) and exists k k 1", "a in (1, 2) and exists k", Some(1)),
        ("where not (k > 3 or ef = 1) k 2", "not (k > 3 or ef = 1)", Some(2)),
        ("where a.k is not null k 4", "a.k is not null", Some(4)),
        ("where a[0] like 'x%' /* k 1 */ k 5", "a[0] like 'x%'", Some(5)),
        ("where a.in k 8", "a.in = true", Some(8)),
        ("where $id = 'x' k 6", "$id = 'x'", Some(6)),
        // It is printed without quotes where none are needed, and read again as the same.
        ("where \"near\" between 1 and 2 k 7", "near between 1 and 2", Some(7)),
        ("where near between 1 and 2 k 7", "near between 1 and 2", Some(7)),
    ] {
        let Ok(Statement::Search(search)) = parse(&format!("search d near [1] {text}")) else {
            panic!("{text}");
        };
        assert_eq!(search.filter.as_ref().map(|f| f.filter.to_string()).as_deref(), Some(filter), "{text}");
        assert_eq!(search.k, k, "{text}");
        assert_eq!(printed(&search.to_string()), search.to_string());
    }
}

#[test]
fn refusals_say_where_and_what_was_expected_and_meant() {
    for (text, at, why, hint) in [
        ("serach docs", "serach", "expected `search`", Some("did you mean `search`?")),
        (
            "select * from docs",
            "select",
            "expected `search`",
            Some("did you mean `search docs near [0.1, 0.2] k 10`?"),
        ),
        ("search docs near [1, x]", "x", "expected a number, found `x`", None),
        ("search docs near [1] limit 3", "limit", "expected `of`", Some("did you mean `k`?")),
        ("search docs near [1] k ten", "ten", "expected a number of hits, found `ten`", None),
        ("search docs near [1] k 1 k 2", "k 2", "`k` stands twice", None),
        (
            "search 'docs' near [1]",
            "'docs'",
            "expected the name of a collection",
            Some("names take no single quotes: docs"),
        ),
        (
            "search docs near [1] where lang = 'en' ADN year > 1",
            "ADN",
            "filter: ",
            Some("did you mean `and`?"),
        ),
        (
            "search docs near [1] where lang = 'en' rerakn mmr(1)",
            "rerakn",
            "expected `and`",
            Some("did you mean `rerank`?"),
        ),
        ("search docs near [1]\nwhere year >\n k 3", "", "filter: ", None),
        ("search docs near [1] within 5 parsecs", "parsecs", "expected `us`", None),
        (
            "create collection d (vector cosin(3))",
            "cosin",
            "expected `cosine`",
            Some("did you mean `cosine`?"),
        ),
        (
            "create collection d (vector dot(1), \"a\".b vector dot(1))",
            "\"a\".b",
            "a vector field has a name",
            Some("a name with a dot takes double quotes"),
        ),
        ("search d near [1] within -5ms", "-5ms", "a time is a number", None),
        ("create collection d (vector dot(1) space 'x')", "'x'", "`x` names no space", None),
        ("search d near [1] rerank scored(1, adaptive, adaptive)", "adaptive)", "expected `batch`", None),
        ("create collection d (lang text)", ")", "a collection has one vector", None),
        (
            "insert into d values ('a', [1], {\"a\": en})",
            "en})",
            "JSON: ",
            Some("in JSON, names and strings take double quotes"),
        ),
        ("insert into d values ('a', [1e60])", "1e60", "the number is too large for f32", None),
        (
            "get \"a\" from d",
            "\"a\"",
            "expected an id",
            Some("double quotes name a field; strings take single quotes: 'a'"),
        ),
        ("get 'a from d", "'a from", "the string is not closed", None),
        ("flush; flush", "flush", "a second statement", None),
        ("drop collection a b", "b", "expected `;`, found `b`", None),
    ] {
        let refused = parse(text).unwrap_err();
        assert!(refused.why.starts_with(why), "{text}: {refused}");
        if !at.is_empty() {
            assert!(text[refused.at..].starts_with(at), "{text}: at {} ({refused})", refused.at);
        }
        if hint.is_some() {
            assert_eq!(refused.hint.as_deref(), hint, "{text}");
        }
    }
}

#[test]
fn every_language_is_one_of_the_engine() {
    assert_eq!(LANGUAGES.len(), 19);
    for name in LANGUAGES {
        assert_eq!(foretaste::Language::parse(name).map(|language| language.name()), Some(*name));
    }
}

#[test]
fn what_may_follow_is_known() {
    let words = |text| expected(text).iter().map(Expected::to_string).collect::<Vec<_>>();
    assert!(words("").contains(&"`search`".to_string()));
    assert_eq!(words("search "), ["the name of a collection"]);
    assert_eq!(words("search docs "), ["`near`", "`match`"]);
    let after = words("search docs near [1] where lang = 'en' ");
    assert!(after.contains(&"`and`".to_string()) && after.contains(&"`rerank`".to_string()), "{after:?}");
    assert!(words("search docs near [1] where ").contains(&"a field".to_string()));
    assert_eq!(words("optimize docs as "), ["`auto`", "`flat`", "`ivf`", "`hnsw`"]);
    assert!(words("search docs naer ").is_empty());
}

#[test]
fn statements_are_cut_out_of_what_comes() {
    let text = "a 'x;y' \"z;\" {\"k\": \";}\"} -- c;\n; /* d; */ e;\n f";
    for step in [1, 2, 3, 7, text.len()] {
        let (mut splitter, mut found) = (Splitter::default(), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            splitter.push(std::str::from_utf8(piece).unwrap());
            while let Some(statement) = splitter.take() {
                found.push(statement);
            }
        }
        assert_eq!(found, ["a 'x;y' \"z;\" {\"k\": \";}\"} -- c;\n;", " /* d; */ e;"], "{step}");
        assert_eq!((splitter.open(), splitter.rest().as_str()), (Open::Statement, "\n f"));
    }
    for (text, open) in [
        ("", Open::Nothing),
        (" -- c\n", Open::Nothing),
        ("a", Open::Statement),
        ("a 'b", Open::Inside('\'')),
        ("a {", Open::Inside('{')),
        ("a /* b", Open::Inside('*')),
    ] {
        let mut splitter = Splitter::default();
        splitter.push(text);
        assert_eq!(splitter.open(), open, "{text}");
    }
}
