//! Every committed seed through its target's body, on the stable toolchain.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "seeds are files of the source tree, not of a database"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use foretaste_fuzz_bodies::TARGETS;

const MOST_BYTES: u64 = 500_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    });
    names
        .map_err(|e: std::io::Error| format!("{}: {e}", folder.display()))
        .expect("a folder of the source tree")
}

#[test]
fn every_seed_passes_its_body_and_every_target_has_one() {
    for (target, body) in TARGETS {
        let seeds = folder("seeds").join(target);
        let names = names(&seeds);
        assert!(!names.is_empty(), "there is no seed in {}", seeds.display());
        for name in names {
            // Shown by the test runner when the body panics.
            println!("{target}/{name}");
            body(&std::fs::read(seeds.join(name)).unwrap());
        }
    }
}

/// The scripts of the shell's tests, and what they print, are seeds where they are; `make fuzz` gives them to the fuzzer, too.
#[test]
fn scripts_of_the_shell_are_seeds() {
    let scripts = folder("../bindings/shell/tests/shell");
    let names = names(&scripts);
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        println!("{name}");
        foretaste_fuzz_bodies::shell(&std::fs::read(scripts.join(name)).unwrap());
    }
}

#[test]
fn targets_seeds_and_fuzz_targets_have_the_same_names() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names(&folder("seeds")), targets);
    let files = names(&folder("fuzz_targets"));
    assert_eq!(files.iter().map(|f| f.trim_end_matches(".rs").to_string()).collect::<BTreeSet<_>>(), targets);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
    }
}

#[test]
fn seeds_stay_small() {
    let len = |target: &str| -> u64 {
        let seeds = folder("seeds").join(target);
        names(&seeds).iter().map(|name| std::fs::metadata(seeds.join(name)).unwrap().len()).sum()
    };
    let bytes: u64 = TARGETS.iter().map(|(target, _)| len(target)).sum();
    assert!(bytes < MOST_BYTES, "the seeds have {bytes} bytes, the limit is {MOST_BYTES}");
}
