//! What each error says.

use super::*;

fn error(format: Format, bytes: impl Into<Vec<u8>>, options: &Options) -> ImportError {
    let mut reader = match open_bytes(format, bytes.into(), options) {
        Ok(reader) => reader,
        Err(e) => return e,
    };
    read_all(&mut *reader, 1).unwrap_err()
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|f| f.0 == name).unwrap().2
}

#[test]
fn an_unknown_extension_or_missing_file_is_named() {
    let e = open(Path::new("vectors.xyz"), &Options::default()).err().unwrap();
    assert_eq!(e.kind, ErrorKind::Unsupported);
    assert!(e.to_string().starts_with("vectors.xyz: "), "{e}");
    let e = open(Path::new("/nowhere/vectors.npy"), &Options::default()).err().unwrap();
    assert_eq!(e.kind, ErrorKind::Io(std::io::ErrorKind::NotFound));
    let e = open(&std::env::temp_dir(), &Options { format: Some(Format::Npy), ..Options::default() })
        .err()
        .unwrap();
    assert!(matches!(e.kind, ErrorKind::Unsupported | ErrorKind::Io(_)), "{e}");
}

#[test]
fn unknown_fields_list_those_that_exist() {
    let cases: [(&str, Format, &str); 6] = [
        ("f16.hdf5", Format::Hdf5, "`train_label`"),
        ("plain.parquet", Format::Parquet, "`embedding`"),
        ("z.npz", Format::Npz, "`vec`"),
        ("jsonl", Format::Jsonl, "`year`"),
        ("csv.gz", Format::Csv, "`note`"),
        ("npy", Format::Npy, "one unnamed array"),
    ];
    for (name, format, listed) in cases {
        for options in [named("absent", ""), named("", "absent")] {
            let e = error(format, fixture(name), &options);
            assert_eq!((e.kind, e.field.as_deref()), (ErrorKind::UnknownField, Some("absent")), "{e}");
            assert!(e.to_string().contains(listed), "{e}");
        }
    }
    let e = error(Format::Csv, "a,b\n1,2\n", &Options::default());
    assert_eq!(e.kind, ErrorKind::UnknownField);
    assert!(e.to_string().contains("`a`, `b`") && e.to_string().contains("v*"), "{e}");
    let e = error(Format::Jsonl, "{\"a\": 1}\n", &Options::default());
    assert!(e.to_string().contains("`a`"), "{e}");
}

#[test]
fn columns_of_the_wrong_type_are_refused() {
    let e = error(Format::Parquet, fixture("plain.parquet"), &named("year", ""));
    assert!(e.to_string().contains("`year`: the column is not a list of numbers"), "{e}");
    let e = error(Format::Parquet, fixture("plain.parquet"), &named("", "good"));
    assert!(e.to_string().contains("ids have to be"), "{e}");
    let e = error(Format::Parquet, fixture("plain.parquet"), &named("nest", ""));
    assert_eq!(e.kind, ErrorKind::Unsupported, "{e}");
    let e = error(Format::Hdf5, fixture("f16.hdf5"), &named("train_label", ""));
    assert!(e.to_string().contains("has shape [30]"), "{e}");
    let e = error(Format::Hdf5, fixture("f16.hdf5"), &named("", "train_norm"));
    assert!(e.to_string().contains("ids have to be"), "{e}");
    let e = error(Format::Npz, fixture("s.npz"), &named("", "flat"));
    assert!(e.to_string().contains("ids of shape [5] for 30"), "{e}");
}

#[test]
fn truncated_arrays_say_how_many_rows_they_hold() {
    let bytes = npy("<f4", "(2000, 1)", "False", &[0; 1203 * 4 + 1]);
    let e = error(Format::Npy, bytes, &Options::default());
    assert_eq!(e.kind, ErrorKind::Truncated);
    assert!(e.to_string().contains("the file holds 1,203 of 2,000 rows"), "{e}");
    let mut bytes = fvecs();
    bytes.truncate(bytes.len() - 5);
    let e = error(Format::Fvecs, bytes, &Options::default());
    assert_eq!((e.kind, e.row), (ErrorKind::Truncated, Some(29)), "{e}");
    let gz = fixture("jsonl.gz");
    let e = error(Format::Jsonl, gz[..gz.len() - 20].to_vec(), &Options::default());
    assert_eq!(e.kind, ErrorKind::Truncated, "{e}");
}

#[test]
fn npy_refusals_advise() {
    let advice = [
        ("<f4", "(3, 2)", "True", "ascontiguousarray"),
        ("|O", "(3, 2)", "False", "astype"),
        ("<f4", "(6,)", "False", "shape [6]"),
        ("<f4", "(3, 0)", "False", "vectors of 0 numbers"),
        ("<f4", "(1, 70000)", "False", "65536"),
    ];
    for (descr, shape, order, expected) in advice {
        let e = error(Format::Npy, npy(descr, shape, order, &[0; 24]), &Options::default());
        assert_eq!(e.kind, ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains(expected), "{e}");
    }
}

#[test]
fn rows_of_different_lengths_name_the_row() {
    let mut bytes = fvecs();
    bytes[16..20].copy_from_slice(&4i32.to_le_bytes());
    let files = [
        (Format::Fvecs, bytes, "has 4 numbers, the rows before have 3"),
        (
            Format::Jsonl,
            b"{\"vector\":[1,2]}\n{\"vector\":[1]}\n".to_vec(),
            "has 1 numbers, the first row has 2",
        ),
        (Format::Csv, b"vector\n1 2\n1\n".to_vec(), "has 1 numbers, the first row has 2"),
    ];
    for (format, bytes, expected) in files {
        let e = error(format, bytes, &Options::default());
        assert_eq!((e.kind, e.row), (ErrorKind::Format, Some(1)), "{e}");
        assert!(e.to_string().contains(expected), "{e}");
    }
}

#[test]
fn bad_json_names_line_row_and_dimension() {
    let cases = [
        ("{\"vector\":[1,null]}", "dim 1 of `vector` is null"),
        ("{\"vector\":[1,\"a\"]}", "invalid type: string"),
        ("{\"vector\":[1,NaN]}", "JSON has no NaN"),
        ("{\"vector\":[1,2]", "EOF while parsing"),
        ("{\"vector\":\"a\"}", "an array of numbers in `vector`"),
        ("{\"vector\":[1,2],\"vector\":[1,2]}", "twice"),
        ("{\"a\":[1,2]}", "the row has no vector"),
        ("{\"vector\":[1,2],\"id\":5}", "the first row has none"),
        ("{\"vector\":[1,2]} 5", "trailing characters"),
        ("[1,2]", "a JSON object"),
    ];
    for (line, expected) in cases {
        let e = error(Format::Jsonl, format!("{{\"vector\":[0,0]}}\n\n{line}\n"), &Options::default());
        assert_eq!((e.row, e.position), (Some(1), Some(Position::Line(3))), "{e}");
        assert!(e.to_string().contains(expected), "{e}");
    }
    let e = error(Format::Jsonl, "[{\"vector\": [1]}]", &Options::default());
    assert!(e.to_string().contains("jq"), "{e}");
    let e = error(Format::Jsonl, "{\"id\":1,\"vector\":[1]}\n{\"vector\":[1]}", &Options::default());
    assert!(e.to_string().contains("`id`: the row has no id"), "{e}");
    let e = error(Format::Jsonl, "{\"id\":1.5,\"vector\":[1]}", &Options::default());
    assert!(e.to_string().contains("neither a string"), "{e}");
}

#[test]
fn bad_csv_names_line_row_and_column() {
    let cases = [
        ("a b,1", "dim 0 of the vector is `a`"),
        (",1", "a vector of 0 numbers"),
        ("1 2", "1 cells under 2 columns"),
        ("1 2,", "the row has no id"),
    ];
    for (line, expected) in cases {
        let e = error(Format::Csv, format!("vector,id\n0 0,1\n{line}\n"), &Options::default());
        assert_eq!((e.row, e.position), (Some(1), Some(Position::Line(3))), "{e}");
        assert!(e.to_string().contains(expected), "{e}");
    }
    let e = error(Format::Csv, "vector,a,a\n1,1,1\n", &Options::default());
    assert!(e.to_string().contains("two columns"), "{e}");
}

#[test]
fn records_beyond_the_limit_are_refused() {
    let long = vec![b' '; text::RECORD_BYTES as usize + 2];
    let line = [&b"{\"vector\":[1],\"a\":\""[..], &long, b"\"}"].concat();
    let e = error(Format::Jsonl, line, &Options::default());
    assert!(e.to_string().contains("longer than"), "{e}");
    let open_quote = [&b"vector\n1\n\""[..], &long, &long, &long].concat();
    let e = error(Format::Csv, open_quote, &Options::default());
    assert!(e.to_string().contains("a quote is never closed"), "{e}");
}

#[test]
fn rows_before_an_error_are_kept_whole() {
    for (format, text) in [
        (Format::Jsonl, "{\"vector\":[1,2]}\n{\"vector\":[3,4]}\n{\"vector\":[5,null]}\n"),
        (Format::Csv, "vector\n1 2\n3 4\n5 x\n"),
    ] {
        let mut reader = open_bytes(format, text.into(), &Options::default()).unwrap();
        let mut rows = Rows::default();
        assert!(reader.read(10, &mut rows).is_err());
        assert_eq!((rows.vectors, rows.ids), (vec![1.0, 2.0, 3.0, 4.0], vec![Id::Row(0), Id::Row(1)]));
    }
}

#[test]
fn empty_text_files_have_no_rows() {
    for (format, text) in [(Format::Jsonl, "\n\n"), (Format::Csv, "id,vector\n"), (Format::Fvecs, "")] {
        let mut reader = open_bytes(format, text.into(), &Options::default()).unwrap();
        assert_eq!((reader.dim(), reader.read(5, &mut Rows::default()).unwrap()), (0, 0));
    }
}
