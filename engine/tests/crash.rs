//! Crash simulation on the disk that lies: a power loss after every step of six workloads, and again after every step
//! of the recovery; an I/O error and a full disk at every step.
//!
//! After each the database must hold exactly what was acknowledged, with or without the one operation that was under way.
//! `FORETASTE_CRASH_ROUNDS` sets how many random mixtures of what survived are tried for each step (4).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are the report of the test")]

mod common;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use common::{Model, Running, Step, contents};
use foretaste::Error;
use foretaste_storage::codec::check::sum;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::fault::{CrashImage, Fault, FaultVfs};
use foretaste_storage::vfs::mem::MemVfs;

fn rounds() -> usize {
    std::env::var("FORETASTE_CRASH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(4)
}

/// The states a crash after `step` may leave: the one acknowledged last, and the one under way.
struct History {
    /// After each operation: steps of the disk so far, and what the database then holds.
    acknowledged: Vec<(usize, Model)>,
}

impl History {
    fn allowed(&self, step: usize) -> impl Iterator<Item = &Model> {
        self.acknowledged.iter().skip(self.number(step)).take(2).map(|(_, model)| model)
    }

    /// How many operations were acknowledged by then; it decides what is allowed.
    fn number(&self, step: usize) -> usize {
        self.acknowledged.iter().rposition(|(at, _)| *at <= step).unwrap_or(0)
    }
}

fn run(workload: &[Step], vfs: &Arc<FaultVfs>) -> History {
    let disk: Arc<dyn Vfs> = Arc::clone(vfs) as Arc<dyn Vfs>;
    let mut running = Running::default();
    let mut model = Model::default();
    let mut acknowledged = vec![(0, model.clone())];
    for step in workload {
        running.step(step, &disk).unwrap_or_else(|e| panic!("{step:?}: {e}"));
        model = model.after(step);
        acknowledged.push((vfs.steps(), model.clone()));
    }
    History { acknowledged }
}

fn expect(disk: Arc<dyn Vfs>, history: &History, step: usize, what: &dyn Fn() -> String) {
    match contents(disk) {
        Ok(found) => {
            if !history.allowed(step).any(|model| *model == found) {
                let allowed: Vec<_> = history.allowed(step).collect();
                panic!("{}: found {found:#?}, allowed {allowed:#?}", what());
            }
        }
        Err(e) => panic!("{}: {e}", what()),
    }
}

/// A disk with the states that it may show, as numbers: what needs to be verified once.
type Seen = HashSet<u64>;

/// Whether this disk with these allowed states has not come before. Two disks with the same files are one disk.
fn is_new(seen: &mut Seen, disk: &MemVfs, history: &History, step: usize) -> bool {
    let files: Vec<_> = disk.snapshot().into_iter().map(|(path, bytes)| (path, sum(0, 0, &bytes))).collect();
    let mut hasher = DefaultHasher::new();
    (history.number(step), files, disk.folders()).hash(&mut hasher);
    seen.insert(hasher.finish())
}

/// Every image after every step; for some images every image after every step of the recovery too. Equal disks are
/// verified once: their recovery is the same.
fn crash_everywhere(name: &str, workload: &[Step]) {
    let vfs = Arc::new(FaultVfs::new());
    let history = run(workload, &vfs);
    let (mut images, mut nested) = (0, 0);
    let (mut verified, mut nested_from, mut inside) = (Seen::new(), Seen::new(), Seen::new());
    for step in 0..=vfs.steps() {
        for (number, image) in vfs.crash_images_at(step, step as u64, rounds()).into_iter().enumerate() {
            images += 1;
            let nests = number % 3 == step % 3 && is_new(&mut nested_from, &image.disk, &history, step);
            if !is_new(&mut verified, &image.disk, &history, step) && !nests {
                continue;
            }
            let what = || {
                format!("{name}, crash after step {step} ({}), image `{}`", journal(&vfs, step), image.name)
            };
            let recovery = Arc::new(FaultVfs::from_image(&image));
            expect(Arc::clone(&recovery) as Arc<dyn Vfs>, &history, step, &what);
            if nests {
                nested += crash_in_recovery(&recovery, &history, step, &mut inside, &what);
            }
        }
    }
    let (different, inside) = (verified.len(), inside.len());
    println!(
        "{name}: {} steps, {images} crash images ({different} different), {nested} in recovery ({inside} different)",
        vfs.steps()
    );
    assert!(different > 300 && inside > 300, "the workload was crashed");
}

fn crash_in_recovery(
    recovery: &FaultVfs,
    history: &History,
    step: usize,
    seen: &mut Seen,
    what: &dyn Fn() -> String,
) -> usize {
    let mut images = 0;
    for inner in 0..=recovery.steps() {
        for image in recovery.crash_images_at(inner, inner as u64, 1) {
            images += 1;
            if !is_new(seen, &image.disk, history, step) {
                continue;
            }
            let what = || format!("{}, then after step {inner} of recovery, image `{}`", what(), image.name);
            expect(Arc::new(image.disk.clone()), history, step, &what);
        }
    }
    images
}

fn journal(vfs: &FaultVfs, step: usize) -> String {
    step.checked_sub(1).and_then(|i| vfs.journal().get(i).cloned()).unwrap_or_default()
}

#[test]
fn a_power_loss_anywhere_in_ingest_and_seal_loses_nothing_acknowledged() {
    crash_everywhere("ingest and seal", &common::ingest_and_seal());
}

#[test]
fn a_power_loss_anywhere_in_update_delete_and_compact_loses_nothing_acknowledged() {
    crash_everywhere("update, delete and compact", &common::update_delete_and_compact());
}

#[test]
fn a_power_loss_anywhere_in_truncate_and_extend_loses_nothing_acknowledged() {
    crash_everywhere("truncate and extend", &common::truncate_and_extend());
}

#[test]
fn a_power_loss_anywhere_in_optimize_loses_nothing_acknowledged() {
    crash_everywhere("optimize", &common::optimize());
}

#[test]
fn a_power_loss_anywhere_keeps_all_vectors_of_a_row_together() {
    crash_everywhere("rows with two vectors", &common::with_a_field());
}

#[test]
fn a_power_loss_anywhere_in_a_change_of_the_model_keeps_rows_in_both_spaces_together() {
    crash_everywhere("change the model", &common::change_the_model());
}

/// Runs the workload with a fault planned; operations that fail may or may not have happened, later ones go on.
fn fail_everywhere(name: &str, workload: &[Step], fault: Fault) {
    let steps = {
        let vfs = Arc::new(FaultVfs::new());
        run(workload, &vfs);
        vfs.steps()
    };
    let mut failed_somewhere = 0;
    for step in 0..steps {
        let vfs = Arc::new(FaultVfs::new());
        vfs.set_seed(step as u64);
        vfs.fail_at(step, fault);
        let disk: Arc<dyn Vfs> = Arc::clone(&vfs) as Arc<dyn Vfs>;
        let mut running = Running::default();
        let mut possible = vec![Model::default()];
        for op in workload {
            match running.step(op, &disk) {
                Ok(()) => {
                    possible = possible.iter().filter(|m| applies(m, op)).map(|m| m.after(op)).collect()
                }
                Err(e) => {
                    failed_somewhere += 1;
                    assert!(!matches!(e, Error::Corrupt { .. }), "{name}, {fault:?} at {step}, {op:?}: {e}");
                    let done: Vec<_> =
                        possible.iter().filter(|m| applies(m, op)).map(|m| m.after(op)).collect();
                    possible.extend(done);
                    possible.dedup();
                    if matches!(op, Step::Open | Step::Close) {
                        break;
                    }
                }
            }
            assert!(!possible.is_empty(), "{name}, {fault:?} at {step}: {op:?} succeeded where it could not");
        }
        drop(running);
        vfs.clear_faults();
        let what = format!("{name}, {fault:?} at step {step}");
        let found = contents(Arc::clone(&disk)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(possible.contains(&found), "{what}: found {found:#?}, possible {possible:#?}");
        // And with the power lost on top of it.
        let images: Vec<CrashImage> = vfs.crash_images(step as u64, 1);
        for image in images {
            let found = contents(Arc::new(image.disk.clone()))
                .unwrap_or_else(|e| panic!("{what}, `{}`: {e}", image.name));
            assert!(
                possible.contains(&found),
                "{what}, image `{}`: found {found:#?}, possible {possible:#?}",
                image.name
            );
        }
    }
    println!("{name}: {steps} steps, {failed_somewhere} failed operations under {fault:?}");
    assert!(failed_somewhere >= steps / 2);
}

/// Whether the operation can succeed on this state at all.
fn applies(model: &Model, step: &Step) -> bool {
    match step {
        Step::Create | Step::CreateWithField => !model.exists,
        Step::Commit(upserts, _) => model.exists && upserts.iter().all(|(_, _, l)| *l < model.levels.len()),
        Step::Truncate(dims) => model.exists && model.levels.contains(dims),
        Step::Extend(dims) => model.exists && model.levels.last().is_some_and(|l| l < dims),
        Step::Drop | Step::Optimize(_) => model.exists,
        Step::BeginChange => model.exists && model.changed.is_none(),
        Step::Backfill(_) | Step::Finish => model.changed.is_some(),
        Step::Flip => model.changed.as_ref().is_some_and(|there| there.len() == model.rows.len()),
        _ => true,
    }
}

#[test]
fn an_io_error_at_any_step_loses_nothing_acknowledged() {
    fail_everywhere("ingest and seal", &common::ingest_and_seal(), Fault::IoError);
    fail_everywhere("update, delete and compact", &common::update_delete_and_compact(), Fault::IoError);
    fail_everywhere("truncate and extend", &common::truncate_and_extend(), Fault::IoError);
    fail_everywhere("optimize", &common::optimize(), Fault::IoError);
    fail_everywhere("rows with two vectors", &common::with_a_field(), Fault::IoError);
    fail_everywhere("change the model", &common::change_the_model(), Fault::IoError);
}

#[test]
fn a_full_disk_at_any_step_loses_nothing_acknowledged() {
    fail_everywhere("ingest and seal", &common::ingest_and_seal(), Fault::DiskFull);
    fail_everywhere("update, delete and compact", &common::update_delete_and_compact(), Fault::DiskFull);
    fail_everywhere("truncate and extend", &common::truncate_and_extend(), Fault::DiskFull);
    fail_everywhere("optimize", &common::optimize(), Fault::DiskFull);
    fail_everywhere("rows with two vectors", &common::with_a_field(), Fault::DiskFull);
    fail_everywhere("change the model", &common::change_the_model(), Fault::DiskFull);
}
