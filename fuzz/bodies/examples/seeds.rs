//! Writes the seeds of the fuzz targets, `fuzz/seeds/<target>/`, from files that the real code writes and reads.
//!
//! `cargo run -p foretaste-fuzz-bodies --example seeds`. Seeds that a finding left are not touched.
//!
//! Reads from: the import fixtures. Writes to: `fuzz/seeds`. Never: a random number, so that the seeds stay the same.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a tool of the source tree")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretaste::{Access, ColumnType, Database, Element, Metric, RowVariance, Schema, Variance};
use foretaste_fuzz_bodies::{UUID, join};
use foretaste_storage::block::{self, BlockRows, Mark, RowInput};
use foretaste_storage::key::KeyRef;
use foretaste_storage::layout::{Layout, VarianceLayout};
use foretaste_storage::manifest;
use foretaste_storage::names::{Part, generation_file};
use foretaste_storage::sealed::SealedFile;
use foretaste_storage::section::columns::{Column, ColumnValues};
use foretaste_storage::section::{SectionFile, SectionKind};
use foretaste_storage::segment::{self, Pick};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

const ROOT: &str = "db";

type Seeds = Vec<(String, Vec<u8>)>;

fn main() {
    let targets: [(&str, Seeds); 16] = [
        ("segment", segments()),
        ("manifest", manifests()),
        ("log", logs()),
        ("block", blocks().into_iter().map(|(name, block)| (name, block.bytes().to_vec())).collect()),
        ("meta", records()),
        ("tombstones", tombstones()),
        ("filter", texts(&FILTERS)),
        ("filter_json", texts(&JSON_FILTERS)),
        ("import_hdf5", imports(&[("f32.hdf5", 0), ("f16.hdf5", 8), ("i32.hdf5", 16)])),
        ("import_npy", npy()),
        ("import_npz", imports(&[("z.npz", 4), ("s.npz", 5)])),
        ("import_fvecs", fvecs()),
        ("import_parquet", imports(&[("plain.parquet", 0), ("snappy.parquet", 0), ("half.parquet", 32)])),
        ("import_jsonl", texts(&JSONL)),
        ("import_csv", texts(&CSV)),
        ("database", scripts()),
    ];
    for (target, seeds) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
        std::fs::create_dir_all(&folder).expect("the seeds' folder");
        for (name, bytes) in seeds {
            std::fs::write(folder.join(name), bytes).expect("a seed");
        }
    }
}

fn root() -> &'static Path {
    Path::new(ROOT)
}

fn layouts() -> Vec<(&'static str, Layout)> {
    let layout = |levels: &[u32], element, variance| Layout { levels: levels.to_vec(), element, variance };
    vec![
        ("f32", layout(&[2], Element::F32, None)),
        ("f16", layout(&[2, 4], Element::F16, Some(VarianceLayout::DiagonalF16))),
        ("bf16", layout(&[1, 3, 5], Element::BF16, Some(VarianceLayout::DiagonalLog8))),
        ("i8", layout(&[2, 4], Element::I8, Some(VarianceLayout::Scalar))),
        ("scalar", layout(&[2, 4], Element::F32, Some(VarianceLayout::Scalar))),
    ]
}

/// A block of every layout: rows of all lengths, both kinds of key, documents, deletes, and a mark.
fn blocks() -> Vec<(String, block::Block)> {
    let encode = |name: &str, layout: &Layout| {
        let vectors: Vec<Vec<f32>> = (0..5u8)
            .map(|row| {
                let level = layout.levels[usize::from(row) % layout.levels.len()];
                (0..level).map(|d| f32::from(row) - 1.5 * d as f32).collect()
            })
            .collect();
        let variances: Vec<Vec<f32>> = vectors
            .iter()
            .map(|v| match layout.variance {
                Some(VarianceLayout::Scalar) => vec![0.5],
                _ => vec![0.25; v.len()],
            })
            .collect();
        let keys = [KeyRef::Int(7), KeyRef::Str("a"), KeyRef::Str("naïve"), KeyRef::Int(-1), KeyRef::Int(0)];
        let payloads: [&[u8]; 5] = [br#"{"n":1,"a":{"b":"x"}}"#, b"", br#"{"n":-2}"#, b"{}", b""];
        let rows: Vec<RowInput<'_>> = (0..5)
            .map(|row| RowInput {
                key: keys[row],
                vector: &vectors[row],
                variance: layout.variance.is_some().then_some(&variances[row][..]),
                payload: payloads[row],
            })
            .collect();
        let mark = Mark { name: "import".to_string(), position: 5 };
        let deletes = [KeyRef::Int(2), KeyRef::Str("gone")];
        (name.to_string(), block::encode(layout, &rows, &deletes, Some(&mark)).expect("a sound block"))
    };
    let mut blocks: Vec<_> = layouts().iter().map(|(name, layout)| encode(name, layout)).collect();
    let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
    let rows = [1, 2].map(|key| RowInput {
        key: KeyRef::Int(key),
        vector: &[1.0, 2.0],
        variance: None,
        payload: b"",
    });
    let plain = block::encode(&layout, &rows, &[], None).expect("a sound block");
    let deletes = block::encode(&layout, &[], &[KeyRef::Int(1)], None).expect("a sound block");
    blocks.extend([("plain".to_string(), plain), ("deletes".to_string(), deletes)]);
    blocks
}

fn segments() -> Seeds {
    let mut seeds = Seeds::new();
    for ((name, block), (_, layout)) in blocks().iter().zip(layouts()) {
        let disk = MemVfs::new();
        manifest::create(&disk, root(), &UUID).expect("a database in memory");
        let rows = BlockRows { block, layout: &layout, first: 10 };
        let picks: Vec<Pick> = (0..5).map(|row| Pick { source: 0, row }).collect();
        let text = |s: &str| Some(s.to_string());
        let columns = [
            ColumnValues::Int(vec![Some(1), None, Some(-2), None, Some(9)]),
            ColumnValues::Str(vec![text("x"), None, text(""), text("größe"), None]),
            ColumnValues::Bool(vec![Some(true), None, Some(false), None, None]),
            ColumnValues::Float(vec![Some(0.5), None, None, Some(-1e300), None]),
        ];
        let names = ["n", "a.b", "yes", "x"];
        let columns: Vec<Column> = names
            .iter()
            .zip(columns)
            .map(|(name, values)| Column { name: name.to_string(), values })
            .collect();
        let written =
            segment::write(&disk, root(), &UUID, 1, &layout, &[&rows], &picks, &columns, &mut |_| true);
        let reference = written.expect("a sound segment").expect("nobody cancels");
        let folder = root().join(foretaste_storage::names::segment_dir(1));
        let (mut raw, mut bodies, mut index) = (Vec::new(), Vec::new(), Vec::new());
        for file in &reference.files {
            let bytes = disk.read_file(folder.join(&file.name)).expect("a file in memory");
            let body_len = u64::from_le_bytes(bytes[48..56].try_into().expect("eight bytes")) as usize;
            let body = bytes[128..128 + body_len].to_vec();
            let tag = match Part::parse(&file.name).expect("a segment's file") {
                Part::Index => 0,
                Part::Payload => 1,
                Part::Plane(level) => 2 + level as u8,
                Part::Variance(level) => 18 + level as u8,
            };
            if tag == 0 {
                let owner = (foretaste_storage::codec::header::Kind::Index, &UUID, 1);
                let sealed = SealedFile::open(&disk, &folder, "index".into(), file, owner, Access::Read);
                index =
                    sections(&SectionFile::new(sealed.expect("an index"), Access::Read).expect("an index"));
            } else {
                index.push((tag, body.clone()));
            }
            bodies.push((tag, body));
            raw.push((tag, bytes));
        }
        // The planes stand behind the sections that say how long they are.
        index.sort_by_key(|(tag, _)| if *tag >= 64 { 0 } else { 1 });
        seeds.push((format!("{name}_files"), join(&[0], &raw)));
        seeds.push((format!("{name}_bodies"), join(&[1], &bodies)));
        seeds.push((format!("{name}_sections"), join(&[1 | 2], &index)));
        if name == "f16" {
            seeds.push((format!("{name}_cut"), join(&[1 | 4], &bodies)));
            seeds.push((format!("{name}_extended"), join(&[1 | 8], &bodies)));
        }
    }
    seeds
}

fn sections(index: &SectionFile) -> Vec<(u8, Vec<u8>)> {
    use SectionKind::{
        Column, IntKeys, KeyIndex, Keys, Levels, Meta, PayloadOffsets, Scales, Traces, Versions,
    };
    let kinds = [Meta, Keys, IntKeys, KeyIndex, Versions, Levels, Scales, Traces, PayloadOffsets, Column];
    let mut found = Vec::new();
    for (tag, kind) in (64..).zip(kinds) {
        for ordinal in 0..8 {
            if let Some(section) = index.get(kind, ordinal) {
                found.push((tag, section.get(0, section.len()).expect("a section").to_vec()));
            }
        }
    }
    found
}

/// A database with segments, tombstones, marks and a log.
fn sample() -> MemVfs {
    let disk = MemVfs::new();
    manifest::create(&disk, root(), &UUID).expect("a database in memory");
    let db = Database::options().disk(Arc::new(disk.clone())).background(false).open(root());
    let db = db.expect("a database in memory");
    let schema =
        Schema::new(4, Metric::L2).levels([2]).variance(Variance::Scalar).column("n", ColumnType::Int);
    let collection = db.create_collection("c", schema).expect("a collection");
    db.create_collection("other", Schema::new(2, Metric::Cosine)).expect("a collection");
    for key in 0..3 {
        let mut batch = collection.batch();
        let row = batch.upsert(key, &[1.0, key as f32, 0.0, 2.0]).payload(json!({"n": key}));
        let _ = row.variance(&RowVariance::Variance(vec![0.5]));
        batch.upsert(format!("k{key}"), &[0.5, 1.0]);
        batch.mark("import", Some(key as u64));
        batch.commit().expect("a batch");
        collection.flush().expect("a segment");
    }
    collection.delete(1).expect("a batch");
    collection.flush().expect("tombstones");
    collection.upsert(9, &[1.0, 2.0]).expect("a batch");
    db.close().expect("a database in memory");
    disk
}

/// The body of the newest record, its file, and the manifest.
fn newest(disk: &MemVfs) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let loaded = manifest::load(disk, root(), Access::Read).expect("a database in memory");
    let body = foretaste_storage::codec::meta::encode(&loaded.record).expect("a record");
    let path = root().join(generation_file(loaded.record.generation));
    let file = disk.read_file(path).expect("a record");
    (body, file, disk.read_file(root().join("manifest")).expect("a manifest"))
}

fn records() -> Seeds {
    let first = foretaste_storage::codec::meta::encode(&manifest::Record::first()).expect("a record");
    vec![("first".to_string(), first), ("sample".to_string(), newest(&sample()).0)]
}

fn manifests() -> Seeds {
    let (body, file, slots) = newest(&sample());
    let empty = MemVfs::new();
    manifest::create(&empty, root(), &UUID).expect("a database in memory");
    let mut second = manifest::Record::first();
    second.generation = 2;
    second.next_id = 9;
    let second = foretaste_storage::codec::meta::encode(&second).expect("a record");
    let orphans = [(1, second.clone()), (2, vec![1; 8]), (3, vec![2; 8]), (4, vec![3; 8])];
    vec![
        ("files".to_string(), join(&[0], &[(0, slots.clone()), (1, file)])),
        ("record".to_string(), join(&[1], &[(1, body.clone())])),
        ("summed".to_string(), join(&[1 | 2], &[(1, body), (0, slots)])),
        ("second".to_string(), join(&[1], &[(1, second)])),
        ("orphans".to_string(), join(&[1], &orphans)),
    ]
}

fn logs() -> Seeds {
    let blocks = blocks();
    let bytes = |name: &str| {
        let found = blocks.iter().find(|(n, _)| n == name);
        found.map(|(_, block)| block.bytes().to_vec()).unwrap_or_default()
    };
    let (scalar, deletes) = (bytes("scalar"), bytes("deletes"));
    let mut claim = (scalar.len() as u16).to_le_bytes().to_vec();
    claim.extend(1u64.to_le_bytes());
    claim.extend(7u32.to_le_bytes());
    claim.extend(0u64.to_le_bytes());
    claim.extend(&scalar);

    let disk = MemVfs::new();
    disk.create_dir(&root().join("log")).expect("a folder in memory");
    let log = foretaste_storage::log::Log::create(
        &disk,
        root(),
        &UUID,
        1,
        1,
        foretaste_storage::log::Durability::Sync,
    )
    .expect("a log in memory");
    let mut seq = 1;
    for (_, block) in blocks.iter().skip(4) {
        let ops = u64::from(block.ops());
        let ticket = log.append(log.prepare(1, block.clone()), seq).expect("a log in memory");
        log.wait(ticket).expect("a log in memory");
        seq += ops;
    }
    let real = disk.read_file(root().join("log/000001.log")).expect("a log in memory");
    let mut cut = vec![1, 0, 0];
    cut.extend(&real[..real.len() - 70]);
    let mut whole = vec![1, 128, 0];
    whole.extend(real);
    vec![
        ("frames".to_string(), join(&[0, 0, 0], &[(0, scalar.clone()), (0, scalar.clone()), (3, deletes)])),
        ("claim".to_string(), join(&[0, 0, 0], &[(2, claim)])),
        ("torn".to_string(), join(&[0, 0, 0], &[(0, scalar.clone()), (1, vec![0; 100])])),
        (
            "damaged".to_string(),
            join(&[0, 0, 0], &[(0, scalar.clone()), (1, vec![9; 64]), (3, scalar.clone())]),
        ),
        ("stranger".to_string(), join(&[2, 0, 0], &[(0, scalar)])),
        ("other_type".to_string(), join(&[0, 0, 0], &[(0, bytes("f16"))])),
        ("whole".to_string(), whole),
        ("cut".to_string(), cut),
    ]
}

fn tombstones() -> Seeds {
    let seed = |rows: u32, deleted: roaring::RoaringBitmap| {
        let mut out = vec![0];
        out.extend(rows.to_le_bytes());
        deleted.serialize_into(&mut out).expect("memory");
        out
    };
    let mut run: roaring::RoaringBitmap = (0..70_000).collect();
    run.optimize();
    let disk = MemVfs::new();
    let few: roaring::RoaringBitmap = [2, 5, 9].into_iter().collect();
    foretaste_storage::section::tombstones::write_tombstones(&disk, root(), &UUID, 1, 1, &few)
        .expect("a file in memory");
    let path = root().join(foretaste_storage::names::tombstone_file(1, 1));
    let mut file = vec![1, 10, 0, 0, 0];
    file.extend(disk.read_file(path).expect("a file in memory"));
    vec![
        ("few".to_string(), seed(10, few)),
        ("run".to_string(), seed(70_000, run)),
        ("dense".to_string(), seed(20_000, (0..20_000).step_by(2).collect())),
        ("none".to_string(), seed(3, roaring::RoaringBitmap::new())),
        ("file".to_string(), file),
    ]
}

fn texts(texts: &[&str]) -> Seeds {
    let named = |(i, text): (usize, &&str)| (format!("{i:02}"), text.as_bytes().to_vec());
    texts.iter().enumerate().map(named).collect()
}

/// From the language's page and its tests; the second line is a document.
const FILTERS: [&str; 22] = [
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

const JSON_FILTERS: [&str; 12] = [
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

/// The first two characters are the step and the choice of names: `0` (48) asks for no name but skips 3 rows.
const JSONL: [&str; 6] = [
    "00{\"id\": \"j1\", \"vector\": [1, 2.5, -3e-2], \"year\": 2001}\n{\"id\": 2, \"vector\": [0, 1, 2]}\n",
    "\u{1}\u{0}\u{feff}{\"id\": -5, \"embedding\": [1, 2.5], \"metadata\": {\"a\": [1]}}\r\n\n{\"embedding\": [1e40, -1], \"id\": 6}",
    "\u{0}\u{1}{\"vec\": [1]}\n{\"vec\": [2]}\n{\"vec\": [3], \"x\": \"\\u00e9\\n\"}\n",
    "\u{5}\u{c}{\"values\": [1, 2], \"id\": 1}\n{\"values\": [1], \"id\": 2}\n",
    "\u{5}\u{10}{\"values\": [1, NaN]}\n{\"values\": ]\n",
    "\u{3}\u{0}{\"vector\": [true], \"id\": null}\n[1, 2]\nnull\n",
];

const CSV: [&str; 6] = [
    "\u{0}\u{0}id,vector,note,good\n0,\"[1, 2.5, -3]\",\"a \"\"b\"\"\",true\n1,\"[0, 1, 2]\",,false\n",
    "\u{1}\u{2}id;v1;v2;vote\n007;1;-2.5;3\n8;NaN;inf;4\n",
    "\u{2}\u{2}v_1\tv_2\tgood\n1\t-2.5\ttrue\n",
    "\u{3}\u{10}embedding,x\n1 2,\n[1;2],3\n\"(1,2)\",\n",
    "\u{4}\u{c}\u{feff}id,values\r\na,\"[1.\n 2.]\"\r\n",
    "\u{0}\u{0}id,vector\n1,\"[1,2]\"\n2,[1\n3\n",
];

fn imports(files: &[(&str, u8)]) -> Seeds {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engine/tests/import");
    let seed = |(name, choice): &(&str, u8)| {
        let mut out = vec![6, *choice];
        out.extend(std::fs::read(folder.join(name)).expect("an import fixture"));
        (name.to_string(), out)
    };
    files.iter().map(seed).collect()
}

fn npy() -> Seeds {
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

fn fvecs() -> Seeds {
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

/// Scripts of operations; what the bytes mean stands in the body.
fn scripts() -> Seeds {
    let commit = |ops: &[u8]| [&[0u8][..], ops].concat();
    let two = commit(&[1, 9, 3, 0x9a, 0x57, 0x3c, 200, 14, 0x21, 0x84, 0x09, 5, 8]);
    let delete = commit(&[0, 4, 3]);
    let seed = |setup: u8, steps: &[&[u8]]| [&[setup][..], &steps.concat()].concat();
    let search: &[u8] = &[7, 2, 0x12, 0x34, 0x56, 5, 3];
    let (flush, compact, close, kill, keep, beside): ([u8; 1], [u8; 1], [u8; 1], [u8; 1], [u8; 1], [u8; 1]) =
        ([9], [10], [13], [14], [15], [16]);
    let (truncate, extend, cancel, again): ([u8; 2], [u8; 2], [u8; 2], [u8; 1]) =
        ([11, 1], [12, 2], [17, 2], [19]);
    let mut seeds = vec![(
        "every_step".to_string(),
        seed(
            0,
            &[
                &two,
                &keep,
                search,
                &flush,
                &two,
                &delete,
                &beside,
                &flush,
                search,
                &compact,
                &beside,
                &two,
                &truncate,
                &two,
                &extend,
                &two,
                &cancel,
                &close,
                search,
                &kill,
                &two,
                &again,
                &two,
                &[8, 3],
                &[18, 5],
            ],
        ),
    )];
    for setup in 0..12u8 {
        let steps: [&[u8]; 9] = [&two, &flush, &two, search, &delete, &compact, search, &kill, search];
        seeds.push((format!("setup_{setup:02}"), seed(setup + 12 * (setup % 4), &steps)));
    }
    seeds
}
