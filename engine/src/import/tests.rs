//! Every reader against the same thirty rows, then damaged, resumed and misused.

mod damage;
mod errors;

use std::io::Write;

use serde_json::{Value, json};

use super::*;

pub(super) const ROWS: usize = 30;
pub(super) const DIM: usize = 3;

/// Row `r` of every fixture.
pub(super) fn vector(r: usize) -> [f32; DIM] {
    [0, 1, 2].map(|d| (r * DIM + d) as f32 / 4.0 - 5.0)
}

pub(super) fn npy(descr: &str, shape: &str, order: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

fn floats() -> Vec<u8> {
    (0..ROWS).flat_map(vector).flat_map(f32::to_le_bytes).collect()
}

pub(super) fn fvecs() -> Vec<u8> {
    (0..ROWS)
        .flat_map(|r| {
            let mut row = (DIM as i32).to_le_bytes().to_vec();
            row.extend(vector(r).into_iter().flat_map(f32::to_le_bytes));
            row
        })
        .collect()
}

fn jsonl() -> Vec<u8> {
    let line =
        |r: usize| format!("{}\n", json!({"id": format!("j{r}"), "vector": vector(r), "year": 2000 + r}));
    (0..ROWS).map(line).collect::<String>().into_bytes()
}

fn csv() -> Vec<u8> {
    let line = |r: usize| format!("{r},\"{:?}\",\"a \"\"b\"\"\",{}\n", vector(r), r.is_multiple_of(2));
    let mut text = "id,vector,note,good\n".to_string();
    text.extend((0..ROWS).map(line));
    text.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn named(vector: &str, id: &str) -> Options {
    let some = |name: &str| (!name.is_empty()).then(|| name.to_string());
    Options { vector: some(vector), id: some(id), format: None }
}

/// One file of every kind, with the options to read it by.
pub(super) fn fixtures() -> Vec<(&'static str, Format, Vec<u8>, Options)> {
    let none = Options::default;
    vec![
        ("f32.hdf5", Format::Hdf5, include_bytes!("../../tests/import/f32.hdf5").to_vec(), none()),
        (
            "f16.hdf5",
            Format::Hdf5,
            include_bytes!("../../tests/import/f16.hdf5").to_vec(),
            named("", "names"),
        ),
        (
            "plain.parquet",
            Format::Parquet,
            include_bytes!("../../tests/import/plain.parquet").to_vec(),
            none(),
        ),
        (
            "snappy.parquet",
            Format::Parquet,
            include_bytes!("../../tests/import/snappy.parquet").to_vec(),
            none(),
        ),
        ("half.parquet", Format::Parquet, include_bytes!("../../tests/import/half.parquet").to_vec(), none()),
        ("z.npz", Format::Npz, include_bytes!("../../tests/import/z.npz").to_vec(), named("", "ids")),
        ("s.npz", Format::Npz, include_bytes!("../../tests/import/s.npz").to_vec(), named("vec", "ids")),
        ("npy", Format::Npy, npy("<f4", "(30, 3)", "False", &floats()), none()),
        ("fvecs", Format::Fvecs, fvecs(), none()),
        ("jsonl", Format::Jsonl, jsonl(), none()),
        ("jsonl.gz", Format::Jsonl, gzip(&jsonl()), none()),
        ("csv", Format::Csv, csv(), none()),
        ("csv.gz", Format::Csv, gzip(&csv()), none()),
    ]
}

/// Reads to the end, `step` rows at a time.
pub(super) fn read_all(reader: &mut dyn Reader, step: usize) -> Result<Rows> {
    let mut rows = Rows::default();
    while reader.read(step, &mut rows)? > 0 {}
    Ok(rows)
}

fn read(format: Format, bytes: Vec<u8>, options: &Options) -> Rows {
    let mut reader = open_bytes(format, bytes, options).unwrap();
    read_all(&mut *reader, 1000).unwrap()
}

#[test]
fn every_format_gives_the_same_vectors_whatever_the_batch() {
    for (name, format, bytes, options) in fixtures() {
        for step in [1, 4, 1000] {
            let mut reader = open_bytes(format, bytes.clone(), &options).unwrap();
            assert_eq!(reader.dim(), DIM, "{name}");
            assert!(reader.rows().is_none_or(|rows| rows == ROWS as u64), "{name}");
            let rows = read_all(&mut *reader, step).unwrap();
            let expected: Vec<f32> = (0..ROWS).flat_map(vector).collect();
            assert_eq!(rows.vectors, expected, "{name}");
            assert_eq!((rows.len(), rows.payloads.len(), rows.first), (ROWS, ROWS, 0), "{name}");
            assert!(reader.bytes_read() <= reader.bytes_total().unwrap(), "{name}");
            assert!(
                reader.bytes_read() * 10 > reader.bytes_total().unwrap(),
                "{name}: {}",
                reader.bytes_read()
            );
        }
    }
}

#[test]
fn reading_after_a_skip_gives_the_tail() {
    for (name, format, bytes, options) in fixtures() {
        let whole = read(format, bytes.clone(), &options);
        for skipped in 0..=ROWS + 2 {
            let mut reader = open_bytes(format, bytes.clone(), &options).unwrap();
            // In two steps, so that a skip also starts from the middle of a block.
            reader.skip(skipped as u64 / 2).unwrap();
            reader.skip((skipped - skipped / 2) as u64).unwrap();
            let tail = read_all(&mut *reader, 4).unwrap();
            let from = skipped.min(ROWS);
            assert_eq!(tail.ids, whole.ids[from..], "{name} after {skipped}");
            assert_eq!(tail.vectors, whole.vectors[from * DIM..], "{name} after {skipped}");
            assert_eq!(tail.payloads, whole.payloads[from..], "{name} after {skipped}");
            assert!(tail.is_empty() || tail.first == skipped as u64, "{name} after {skipped}");
        }
    }
}

#[test]
fn hdf5_reads_ids_fields_and_the_metric() {
    let bytes = || include_bytes!("../../tests/import/f16.hdf5").to_vec();
    let rows = read(Format::Hdf5, bytes(), &named("", "names"));
    assert_eq!(rows.ids[29], Id::Str("n29é".into()));
    assert_eq!(rows.payloads[29], Some(json!({"label": -29, "norm": 14.5})));
    assert_eq!(read(Format::Hdf5, bytes(), &named("", "codes")).ids[29], Id::Str("c29".into()));
    assert_eq!(read(Format::Hdf5, bytes(), &named("", "numbers")).ids[29], Id::Int(129));
    assert_eq!(read(Format::Hdf5, bytes(), &named("test", "")).vectors, [vector(0), vector(1)].concat());
    let metric = |bytes: &[u8]| {
        let reader = open_bytes(Format::Hdf5, bytes.to_vec(), &Options::default()).unwrap();
        reader.metric_hint().map(str::to_string)
    };
    assert_eq!(metric(include_bytes!("../../tests/import/f32.hdf5")).as_deref(), Some("l2"));
    assert_eq!(metric(include_bytes!("../../tests/import/f16.hdf5")).as_deref(), Some("cosine"));
    assert_eq!(metric(include_bytes!("../../tests/import/i32.hdf5")).as_deref(), Some("dot"));
}

#[test]
fn hdf5_converts_big_endian_integers_in_chunks_that_split_rows() {
    let rows =
        read(Format::Hdf5, include_bytes!("../../tests/import/i32.hdf5").to_vec(), &Options::default());
    let expected: Vec<f32> = (0..ROWS).flat_map(vector).map(|x| x * 4.0).collect();
    assert_eq!(rows.vectors, expected);
}

#[test]
fn parquet_payloads_keep_their_types() {
    let read = |bytes: &[u8]| read(Format::Parquet, bytes.to_vec(), &Options::default());
    let rows = read(include_bytes!("../../tests/import/plain.parquet"));
    assert_eq!(rows.ids[29], Id::Str("r29".into()));
    let last = json!({"year": 2029, "good": false, "at": "2020-01-02T05:00:00Z", "tags": ["a", "b"]});
    assert_eq!(rows.payloads[29], Some(last));
    assert_eq!(rows.payloads[20], Some(json!({"good": true, "at": "2020-01-01T20:00:00Z"})));
    assert_eq!(read(include_bytes!("../../tests/import/half.parquet")).ids[29], Id::Int(29));
}

#[test]
fn npz_reads_the_first_matrix_of_floats_and_named_ids() {
    let rows =
        read(Format::Npz, include_bytes!("../../tests/import/z.npz").to_vec(), &named("vec.npy", "ids"));
    assert_eq!(rows.ids[29], Id::Str("k29".into()));
    let rows = read(Format::Npz, include_bytes!("../../tests/import/s.npz").to_vec(), &Options::default());
    assert_eq!((rows.ids[29].clone(), rows.vectors[89]), (Id::Row(29), vector(29)[2]));
}

#[test]
fn every_npy_element_type_is_widened_to_the_same_numbers() {
    macro_rules! bytes {
        ($t:ty, $to:ident) => {
            [1 as $t, 2 as $t, 100 as $t].into_iter().flat_map(<$t>::$to).collect::<Vec<u8>>()
        };
    }
    let half = [0x3c00u16, 0x4000, 0x5640];
    let arrays = [
        ("<f2", half.into_iter().flat_map(u16::to_le_bytes).collect()),
        (">f2", half.into_iter().flat_map(u16::to_be_bytes).collect()),
        ("<f4", bytes!(f32, to_le_bytes)),
        (">f4", bytes!(f32, to_be_bytes)),
        ("<f8", bytes!(f64, to_le_bytes)),
        ("|i1", bytes!(i8, to_le_bytes)),
        ("|u1", bytes!(u8, to_le_bytes)),
        ("<i2", bytes!(i16, to_le_bytes)),
        (">i4", bytes!(i32, to_be_bytes)),
        ("<i8", bytes!(i64, to_le_bytes)),
        (">u8", bytes!(u64, to_be_bytes)),
    ];
    for (descr, body) in arrays {
        let rows = read(Format::Npy, npy(descr, "(1, 3)", "False", &body), &Options::default());
        assert_eq!(rows.vectors, [1.0, 2.0, 100.0], "{descr}");
    }
}

#[test]
fn bvecs_and_ivecs_are_unsigned_bytes_and_signed_integers() {
    let head = 2i32.to_le_bytes();
    let bvecs = [&head[..], &[200, 1]].concat();
    assert_eq!(read(Format::Bvecs, bvecs, &Options::default()).vectors, [200.0, 1.0]);
    let ivecs = [head, (-7i32).to_le_bytes(), 9i32.to_le_bytes()].concat();
    assert_eq!(read(Format::Ivecs, ivecs, &Options::default()).vectors, [-7.0, 9.0]);
}

#[test]
fn jsonl_keeps_nested_payload_and_integer_ids() {
    let text = "\u{feff}{\"key\": -5, \"e\": [1, 2.5], \"metadata\": {\"a\": [1]}}\r\n\n{\"e\": [1e40, -1], \"key\": 6}";
    let rows = read(Format::Jsonl, text.as_bytes().to_vec(), &named("e", "key"));
    assert_eq!(rows.ids, [Id::Int(-5), Id::Int(6)]);
    assert_eq!(rows.vectors, [1.0, 2.5, f32::INFINITY, -1.0]);
    assert_eq!(rows.payloads, [Some(json!({"metadata": {"a": [1]}})), None]);
    let numbered =
        read(Format::Jsonl, b"{\"values\": [1]}\n{\"values\": [2]}\n".to_vec(), &Options::default());
    assert_eq!(numbered.ids, [Id::Row(0), Id::Row(1)]);
}

#[test]
fn csv_takes_vectors_from_one_cell_or_from_many_columns() {
    let wide = "id;v1;v2;vote\n007;1;-2.5;3\n8;NaN;inf;4\n";
    let rows = read(Format::Csv, wide.as_bytes().to_vec(), &named("v*", ""));
    assert_eq!(rows.ids, [Id::Str("007".into()), Id::Int(8)]);
    assert_eq!(rows.vectors[..3], [1.0, -2.5, 3.0]);
    assert!(rows.vectors[3].is_nan() && rows.vectors[4] == f32::INFINITY, "readers pass values through");
    let wide = "v_1\tv_2\tgood\n1\t-2.5\ttrue\n";
    let rows = read(Format::Csv, wide.as_bytes().to_vec(), &named("v_*", ""));
    assert_eq!((rows.vectors, rows.ids), (vec![1.0, -2.5], vec![Id::Row(0)]));
    assert_eq!(rows.payloads, [Some(json!({"good": true}))]);
    for cell in ["\"[1, 2]\"", "1 2", "[1;2]", "\"[1.\n 2.]\"", "\"(1,2)\""] {
        let rows = read(Format::Csv, format!("embedding,x\n{cell},\n").into_bytes(), &Options::default());
        assert_eq!((rows.vectors, rows.payloads), (vec![1.0, 2.0], vec![None::<Value>]), "{cell}");
    }
}

#[test]
fn a_file_opened_by_path_reads_as_its_bytes_do() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format, bytes, options) in fixtures() {
        let path = folder.path().join(format!("a.{name}"));
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        file.write_all(&bytes).unwrap();
        file.persist(&path).unwrap();
        let rows = read_all(&mut *open(&path, &options).unwrap(), 7).unwrap();
        assert_eq!(rows, read(format, bytes, &options), "{name}");
    }
}

#[test]
fn the_evaluation_data_reads_fully() {
    // Skipped where the data is not: FORETASTE_DATA names its folder. Sums of all values as float64, from h5py.
    let Some(folder) = std::env::var_os("FORETASTE_DATA") else { return };
    let files = [
        ("fashion-mnist-784-euclidean.hdf5", "l2", 60_000, 784, 3431114169.0),
        ("wikisquad-minilm-384-angular.hdf5", "cosine", 80_000, 384, -1878.1805386543274),
        ("wiki-word2vec-50-angular.hdf5", "cosine", 82_070, 50, -90566.62536776066),
    ];
    for (name, metric, rows, dim, sum) in files {
        let mut reader = open(&Path::new(&folder).join(name), &Options::default()).unwrap();
        assert_eq!((reader.metric_hint(), reader.dim(), reader.rows()), (Some(metric), dim, Some(rows)));
        let (mut found, mut read_rows, mut batch) = (0f64, 0, Rows::default());
        while reader.read(1000, &mut batch).unwrap() > 0 {
            found = batch.vectors.iter().fold(found, |sum, x| sum + f64::from(*x));
            read_rows += batch.len() as u64;
            batch.clear();
        }
        assert_eq!((read_rows, found), (rows, sum), "{name}");
    }
}
