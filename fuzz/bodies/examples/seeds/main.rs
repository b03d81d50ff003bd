//! Writes the seeds of the fuzz targets, `fuzz/seeds/<target>/`, from files that the real code writes and reads.
//!
//! `cargo run -p foretaste-fuzz-bodies --example seeds`. Seeds that a finding left are not touched.
//!
//! Reads from: the import fixtures. Writes to: `fuzz/seeds`. Never: a random number, so that the seeds stay the same.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a tool of the source tree")]

mod foreign;
mod indexes;
mod spaces;
mod stored;
mod texts;

use std::path::Path;

/// Name and contents of a target's seeds.
type Seeds = Vec<(String, Vec<u8>)>;

/// Things to do with an answer, thrown with dice that always fall the same.
fn courses() -> Seeds {
    let throw = |seed: u64| {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = (0..96).map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 24) as u8
        });
        (format!("script_{seed:02}"), bytes.collect())
    };
    (1..=16).map(throw).collect()
}

fn main() {
    let targets: [(&str, Seeds); 21] = [
        ("adapter", spaces::adapters()),
        ("ann", indexes::indexes()),
        ("answer", courses()),
        ("text", texts::texts()),
        ("segment", stored::segments()),
        ("manifest", stored::manifests()),
        ("log", stored::logs()),
        ("block", stored::blocks().into_iter().map(|(name, block)| (name, block.bytes().to_vec())).collect()),
        ("meta", stored::records()),
        ("tombstones", stored::tombstones()),
        ("filter", foreign::texts(&foreign::FILTERS)),
        ("filter_json", foreign::texts(&foreign::JSON_FILTERS)),
        ("shell", foreign::texts(&foreign::STATEMENTS)),
        ("import_hdf5", foreign::imports(&[("f32.hdf5", 0), ("f16.hdf5", 8), ("i32.hdf5", 16)])),
        ("import_npy", foreign::npy()),
        ("import_npz", foreign::imports(&[("z.npz", 4), ("s.npz", 5)])),
        ("import_fvecs", foreign::fvecs()),
        (
            "import_parquet",
            foreign::imports(&[("plain.parquet", 0), ("snappy.parquet", 0), ("half.parquet", 32)]),
        ),
        ("import_jsonl", foreign::texts(&foreign::JSONL)),
        ("import_csv", foreign::texts(&foreign::CSV)),
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

/// Scripts of operations; what the bytes mean stands in the body.
fn scripts() -> Seeds {
    let commit = |ops: &[u8]| [&[0u8][..], ops].concat();
    let two = commit(&[1, 9, 3, 0x9a, 0x57, 0x3c, 202, 14, 0x21, 0x84, 0x09, 5, 8]);
    let delete = commit(&[0, 4, 3]);
    let seed = |setup: u8, steps: &[&[u8]]| [&[setup][..], &steps.concat()].concat();
    let search: &[u8] = &[7, 2, 0x12, 0x34, 0x56, 5, 3];
    let (flush, compact, close, kill, keep, beside) = ([9u8], [10u8], [13u8], [14u8], [15u8], [16u8]);
    let (truncate, extend, cancel, again) = ([11u8, 1], [12u8, 2], [17u8, 2], [19u8]);
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
