//! Seeds of what the database itself stores: segments, records, logs, blocks.
//!
//! Reads from: databases in memory. Writes to: nothing. Never: bytes put together by hand where the real code has a
//! writer.

use std::path::Path;
use std::sync::Arc;

use foretaste::{Access, ColumnType, Database, Element, Metric, RowVariance, Schema, Variance};
use foretaste_fuzz_bodies::{UUID, join};
use foretaste_storage::block::{self, BlockRows, Mark, RowInput};
use foretaste_storage::codec::header::{Header, Kind};
use foretaste_storage::key::KeyRef;
use foretaste_storage::layout::{Layout, TokenLayout, VarianceLayout};
use foretaste_storage::manifest;
use foretaste_storage::names::{Part, generation_file};
use foretaste_storage::sealed::SealedFile;
use foretaste_storage::section::columns::{Column, ColumnValues, DERIVED};
use foretaste_storage::section::elements::Elements;
use foretaste_storage::section::paths::Paths;
use foretaste_storage::section::{SectionFile, SectionKind};
use foretaste_storage::segment::{self, DocumentIndex, Pick};
use foretaste_storage::tokens::Matrix;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use serde_json::json;

use crate::Seeds;

const ROOT: &str = "db";
/// Numbers of token matrices.
const TOKENS: [f32; 15] = [1., -2., 0.5, 300., 0., 7., -0.25, 1., 1., 0., 0., 0., 3., -3., 2.];

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
pub fn blocks() -> Vec<(String, block::Block)> {
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
                tokens: (row % 2 == 0).then_some(Matrix {
                    layout: TokenLayout { dims: 3, element: layout.element },
                    numbers: &TOKENS[..3 * (row + 1)],
                }),
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
        tokens: None,
        payload: b"",
    });
    let plain = block::encode(&layout, &rows, &[], None).expect("a sound block");
    let deletes = block::encode(&layout, &[], &[KeyRef::Int(1)], None).expect("a sound block");
    blocks.extend([("plain".to_string(), plain), ("deletes".to_string(), deletes)]);
    blocks
}

pub fn segments() -> Seeds {
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
        let columns: Vec<Column> =
            names.iter().zip(columns).map(|(name, values)| Column::new(*name, values)).collect();
        let values = ColumnValues::Int(vec![Some(4), Some(1), None, None, Some(4)]);
        let derived =
            Column { derived: true, nulls: vec![2], others: vec![3], ..Column::new("auto", values) };
        let columns: Vec<Column> = columns.into_iter().chain([derived]).collect();
        let paths = Paths::new(4, ["a", "a\".\"b", "auto", "n"].map(|path| format!("\"{path}\"")).into())
            .expect("a few paths");
        let elements = Elements {
            name: "tags".to_string(),
            bools: vec![(true, 0)],
            ints: vec![(-2, 0), (9, 1), (9, 2)],
            floats: vec![(0.5, 2)],
            words: ["x", "größe"].map(String::from).to_vec(),
            texts: vec![(0, 0), (1, 0), (0, 2)],
            nulls: vec![3],
            empty: Vec::new(),
            opaque: vec![2],
            partial: vec![1],
        };
        let index = DocumentIndex { columns, elements: vec![elements], paths: Some(paths) };
        let written =
            segment::write(&disk, root(), &UUID, 1, &layout, &[&rows], &picks, &index, &mut |_| true);
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
                Part::Tokens => 35,
                Part::Ann(_) | Part::Text(_) | Part::Trust(_) => unreachable!("no index was built"),
            };
            if tag == 0 {
                let owner = (Kind::Index, &UUID, 1);
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
        Column, ColumnBits, ColumnOrder, Elements, IntKeys, KeyIndex, Keys, Levels, Meta, Paths,
        PayloadOffsets, Scales, TokenOffsets, Traces, Versions,
    };
    let once = [Meta, Keys, IntKeys, KeyIndex, Versions, Levels, Scales, Traces, PayloadOffsets];
    let columns = [Column, ColumnOrder, ColumnBits];
    let kinds = once.into_iter().chain(columns).map(|kind| (kind, 0));
    let kinds = kinds.chain(columns.map(|kind| (kind, DERIVED))).chain([
        (Paths, 0),
        (TokenOffsets, 0),
        (Elements, 0),
    ]);
    let mut found = Vec::new();
    for (tag, (kind, first)) in (64..).zip(kinds) {
        for ordinal in first..first + 8 {
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
    let schema = schema.tokens(3, Element::F16);
    let collection = db.create_collection("c", schema).expect("a collection");
    db.create_collection("other", Schema::new(2, Metric::Cosine)).expect("a collection");
    for key in 0..3 {
        let mut batch = collection.batch();
        let row = batch.upsert(key, &[1.0, key as f32, 0.0, 2.0]).payload(json!({"n": key}));
        row.variance(&RowVariance::Variance(vec![0.5])).tokens(&[1.0; 6]);
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

pub fn records() -> Seeds {
    let first = foretaste_storage::codec::meta::encode(&manifest::Record::first()).expect("a record");
    vec![("first".to_string(), first), ("sample".to_string(), newest(&sample()).0)]
}

pub fn manifests() -> Seeds {
    let (body, file, slots) = newest(&sample());
    let empty = MemVfs::new();
    manifest::create(&empty, root(), &UUID).expect("a database in memory");
    let mut second = manifest::Record::first();
    second.generation = 2;
    second.next_id = 9;
    let second = foretaste_storage::codec::meta::encode(&second).expect("a record");
    let counted = |change: &dyn Fn(&mut manifest::Record)| {
        let mut record = manifest::Record { generation: 2, ..manifest::Record::first() };
        change(&mut record);
        let body = foretaste_storage::codec::meta::encode(&record).expect("a record");
        join(&[1], &[(1, body)])
    };
    let orphans = [(1, second.clone()), (2, vec![1; 8]), (3, vec![2; 8]), (4, vec![3; 8])];
    vec![
        ("files".to_string(), join(&[0], &[(0, slots.clone()), (1, file)])),
        ("record".to_string(), join(&[1], &[(1, body.clone())])),
        ("summed".to_string(), join(&[1 | 2], &[(1, body), (0, slots)])),
        ("second".to_string(), join(&[1], &[(1, second)])),
        ("orphans".to_string(), join(&[1], &orphans)),
        // Numbers that nothing can follow.
        ("last_generation".to_string(), counted(&|record| record.generation = u64::MAX)),
        ("last_id".to_string(), counted(&|record| record.next_id = u64::MAX)),
        ("last_seq".to_string(), counted(&|record| record.next_seq = u64::MAX)),
        ("last_collection".to_string(), counted(&|record| record.next_collection = u32::MAX)),
    ]
}

pub fn logs() -> Seeds {
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

    // A batch that only carries a mark takes the last sequence number that there is.
    let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
    let mark = Mark { name: "import".to_string(), position: 5 };
    let empty = block::encode(&layout, &[], &[], Some(&mark)).expect("a sound block");
    let mut last = (empty.bytes().len() as u16).to_le_bytes().to_vec();
    last.extend(u64::MAX.to_le_bytes());
    last.extend([0; 12]);
    last.extend(empty.bytes().iter());

    let header = Header {
        kind: Kind::Log,
        uuid: UUID,
        id: 1,
        file_len: 0,
        body_len: 0,
        block_len: 0,
        sums_offset: 0,
        sums_sum: 0,
        aux: [u64::MAX, 0, 0, 0],
    };
    let mut first = vec![1, 0, 0];
    first.extend(header.encode().0);

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
        ("last_seq".to_string(), join(&[0, 0, 0], &[(2, last)])),
        ("last_first_seq".to_string(), first),
        ("claim".to_string(), join(&[0, 0, 0], &[(2, claim)])),
        ("torn".to_string(), join(&[0, 0, 0], &[(0, scalar.clone()), (1, vec![0; 100])])),
        (
            "damaged".to_string(),
            join(&[0, 0, 0], &[(0, scalar.clone()), (1, vec![9; 64]), (3, scalar.clone())]),
        ),
        (
            "commit_of_parts".to_string(),
            join(
                &[0, 0, 0],
                &[(0, scalar.clone()), (4, scalar.clone()), (12, scalar.clone()), (8, scalar.clone())],
            ),
        ),
        ("half_a_commit".to_string(), join(&[0, 0, 0], &[(0, scalar.clone()), (4, scalar.clone())])),
        ("end_of_a_commit".to_string(), join(&[0, 0, 0], &[(8, scalar.clone()), (0, scalar.clone())])),
        ("stranger".to_string(), join(&[2, 0, 0], &[(0, scalar)])),
        ("other_type".to_string(), join(&[0, 0, 0], &[(0, bytes("f16"))])),
        ("whole".to_string(), whole),
        ("cut".to_string(), cut),
    ]
}

pub fn tombstones() -> Seeds {
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
