//! Seeds of what comes from outside: filters and files to import.
//!
//! Reads from: the import fixtures. Writes to: nothing. Never: a file that a reader of the format would not write,
//! unless the seed is about its refusal.

use std::path::{Path, PathBuf};

use crate::Seeds;

pub fn texts(texts: &[&str]) -> Seeds {
    let named = |(i, text): (usize, &&str)| (format!("{i:02}"), text.as_bytes().to_vec());
    texts.iter().enumerate().map(named).collect()
}

/// From the language's page and its tests; the second line is a document.
pub const FILTERS: [&str; 22] = [
    "lang = 'en' AND year >= 2020\n{\"lang\":\"en\",\"year\":2024}",
    "lang == 'en' and 2020 <= year",
    "not (a = 1 or b != 2.5) and exists c\n{\"a\":2,\"c\":null}",
    "a in (1, 2, 'x', true) or b not in ()",
    "year between 2000 and 2020.5",
    "name like 'Gr\\%\\_\\\\%'",
    "name like 'x%' and not name is null",
    "a is not null",
    "$id = 7 or $id in ('a', 'b')",
    "authors[0].\"family name\" = 'O''Brien'",
    "\"like\" = 1 and a.\"b.c\"[12].in = -0.5e-3",
    "größe > 9223372036854775807 or x < 9223372036854775808",
    "alone and not beside",
    "lang = 'en' ADN year >= 2020",
    "a = null and b != null and c <> 1",
    "((((((((a))))))))",
    "not not not not a",
    "tags = 'x' and tags != 'y'\n{\"tags\":[\"x\",null,[1],{}]}",
    "a = 1e308 and b = -0 and c = -0.0 and d = 00.10",
    "a = 'unclosed",
    "a[4294967295] >= 'z' or a[4294967296]",
    "false = a and true <= b",
];

pub const JSON_FILTERS: [&str; 12] = [
    r#"{"lang":"en","year":{">=":2020}}"#,
    r#"{"or":[{"a":1},{"b":{"!=":2.5}}],"not":{"c":null}}"#,
    r#"{"a":{"in":[1,2,"x",true],"not in":[]}}"#,
    r#"{"year":{"between":[2000,2020.5]}}"#,
    r#"{"name":{"like":"Gr\\%%","exists":true,"is null":false}}"#,
    r#"{"$id":{"in":["a",7]}}"#,
    r#"{"a.b[0].\"c d\"":-0.0}"#,
    r#"{"and":[{"and":[{"a":1}]},{"or":[{"b":1}]}]}"#,
    r#"{"a":{"exists":false}}"#,
    r#"{"not":{"not":{"and":[{"x":18446744073709551615}]}}}"#,
    r#"{"a":[1]}"#,
    r#"{"a":{"gt":1}}"#,
];

/// What the scripts of the shell's tests, which are seeds too, do not have.
pub const STATEMENTS: [&str; 12] = [
    "search d near 'a' of 'm@1' in \"in\" max_uncertainty 0.5 within 0.0015ms rerank levels(auto 0.9), scored(9, batch 2, adaptive);",
    "create collection if not exists \"a b\" (vector cosine(4) recipe layer_norm(8) space 'm@1', \"c.d\" vector l2(1) levels 1 index hnsw(m 8, edge_bits 2), t fulltext german accents)",
    "SEARCH k NEAR [1,-2.5e-3] Where k between 1 and 2 or a.in K 3 -- k 4\n;",
    "search d near file 'q''.npy' row 7 near text 'x' weight 2 match a.\"b c\"[3] 'y' fuse rrf(1e2) depth 5 votes 2 fields k, \"k\".k",
    "insert into d values (9223372036854775807, [1e38], {\"a\": [1e999, \"}\"]});",
    "insert into d values (-1, [0], {\"x\": {\"y\": 0.12345678901234567}}, variance [1], tokens [[1],[2]], variance 2, f [1]);",
    "get 'a' from d; ; .mode\n; drop collection if exists d",
    "explain watch search d near [1]",
    "search d near [1] where a = 'open",
    "/* open",
    "search d near [1] where ((((((((a)))))))) ADN b rerakn mmr(1, among 2)",
    "alter collection d extend 1, 2,; optimize d as ivf() rotation pca; compact d; flush",
];

/// The first two characters are the step and the choice of names: `0` (48) asks for no name but skips 3 rows.
pub const JSONL: [&str; 6] = [
    "00{\"id\": \"j1\", \"vector\": [1, 2.5, -3e-2], \"year\": 2001}\n{\"id\": 2, \"vector\": [0, 1, 2]}\n",
    "\u{1}\u{0}\u{feff}{\"id\": -5, \"embedding\": [1, 2.5], \"metadata\": {\"a\": [1]}}\r\n\n{\"embedding\": [1e40, -1], \"id\": 6}",
    "\u{0}\u{1}{\"vec\": [1]}\n{\"vec\": [2]}\n{\"vec\": [3], \"x\": \"\\u00e9\\n\"}\n",
    "\u{5}\u{c}{\"values\": [1, 2], \"id\": 1}\n{\"values\": [1], \"id\": 2}\n",
    "\u{5}\u{10}{\"values\": [1, NaN]}\n{\"values\": ]\n",
    "\u{3}\u{0}{\"vector\": [true], \"id\": null}\n[1, 2]\nnull\n",
];

pub const CSV: [&str; 6] = [
    "\u{0}\u{0}id,vector,note,good\n0,\"[1, 2.5, -3]\",\"a \"\"b\"\"\",true\n1,\"[0, 1, 2]\",,false\n",
    "\u{1}\u{2}id;v1;v2;vote\n007;1;-2.5;3\n8;NaN;inf;4\n",
    "\u{2}\u{2}v_1\tv_2\tgood\n1\t-2.5\ttrue\n",
    "\u{3}\u{10}embedding,x\n1 2,\n[1;2],3\n\"(1,2)\",\n",
    "\u{4}\u{c}\u{feff}id,values\r\na,\"[1.\n 2.]\"\r\n",
    "\u{0}\u{0}id,vector\n1,\"[1,2]\"\n2,[1\n3\n",
];

pub fn imports(files: &[(&str, u8)]) -> Seeds {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engine/tests/import");
    let seed = |(name, choice): &(&str, u8)| {
        let mut out = vec![6, *choice];
        out.extend(std::fs::read(folder.join(name)).expect("an import fixture"));
        (name.to_string(), out)
    };
    files.iter().map(seed).collect()
}

pub fn npy() -> Seeds {
    let seed = |name: &str, descr: &str, order: &str, shape: &str, version: u8, body: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut out = vec![2, 16];
        out.extend(b"\x93NUMPY");
        out.extend([version, 0]);
        match version {
            1 => out.extend((header.len() as u16).to_le_bytes()),
            _ => out.extend((header.len() as u32).to_le_bytes()),
        }
        out.extend(header.as_bytes());
        out.extend(body);
        (name.to_string(), out)
    };
    let floats: Vec<u8> = (0..6u8).flat_map(|n| f32::from(n).to_le_bytes()).collect();
    let doubles: Vec<u8> = (0..4u8).flat_map(|n| f64::from(n).to_be_bytes()).collect();
    vec![
        seed("f4", "<f4", "False", "(2, 3)", 1, &floats),
        seed("fortran", "<f4", "True", "(2, 3)", 1, &floats),
        seed("f8_big", ">f8", "False", "(2, 2)", 2, &doubles),
        seed("f2", "<f2", "False", "(3, 4)", 1, &floats),
        seed("u1", "|u1", "False", "(12, 2)", 3, &floats),
        seed("i8", "<i8", "True", "(1, 3)", 1, &floats),
        seed("empty", "<f4", "False", "(0, 3)", 1, &[]),
    ]
}

pub fn fvecs() -> Seeds {
    let rows = |head: [u8; 2], numbers: &[u8]| -> Vec<u8> {
        let dim = 2i32.to_le_bytes();
        [&head[..], &dim, numbers, &dim, numbers].concat()
    };
    let float = [1f32.to_le_bytes(), (-2.5f32).to_le_bytes()].concat();
    let int = [7i32.to_le_bytes(), (-7i32).to_le_bytes()].concat();
    vec![
        ("fvecs".to_string(), rows([0, 0], &float)),
        ("bvecs".to_string(), rows([1, 0], &[200, 1])),
        ("ivecs".to_string(), rows([2, 16], &int)),
    ]
}
