//! The whole store against a reference, on the simulated disk: one seed decides the operations, the disk, and every crash.
//!
//! Each test runs some seeds (`RINGWOOD_SEEDS=n` sets how many, for all of them). A seed that fails prints itself;
//! `RINGWOOD_SEED=n cargo test -p ringwood-tests --test model -- --exact NAME --nocapture` replays it exactly, with its last operations
//! printed. The long run is `RINGWOOD_SEEDS=3000 cargo test --release -p ringwood-tests --test model -- --nocapture`.
//!
//! What must be found after a crash is written down in [`ringwood_tests::reference`].

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod faults;
mod images;
mod loads;
mod mode;
mod reader;
mod reads;
mod run;
mod shape;
mod writes;

use mode::Mode;
use ringwood_tests::seeds;
use run::Run;

/// No faults: every answer is right, no call fails, and after any crash what was promised is there.
#[test]
fn no_faults() {
    seeds::run("no_faults", 0, 60, |seed| drop(Run::new(seed, Mode::NoFaults).go()));
}

/// The same with the large values, long keys and long runs that take compactions through all levels.
#[test]
fn deep() {
    seeds::run("deep", 0, 6, |seed| drop(Run::new(seed, Mode::Deep).go()));
}

/// Reads fail with EIO now and then: the call says so or gives the right answer.
#[test]
fn failing_reads() {
    seeds::run("failing_reads", 0, 20, |seed| drop(Run::new(seed, Mode::FailingReads).go()));
}

/// One sync fails, in each of the three ways that file systems know: writes are refused from then on, reads go on, and after a reopening
/// all that was acknowledged is there, also if the power fails after it.
#[test]
fn failing_sync() {
    seeds::run("failing_sync", 0, 30, |seed| drop(Run::new(seed, Mode::FailingSync).go()));
}

/// One write fails.
#[test]
fn failing_write() {
    seeds::run("failing_write", 0, 20, |seed| drop(Run::new(seed, Mode::FailingWrite).go()));
}

/// One operation on names or sizes fails: create, open, rename, remove, allocate, truncate, directory sync, map.
#[test]
fn failing_names() {
    seeds::run("failing_names", 0, 30, |seed| drop(Run::new(seed, Mode::FailingNames).go()));
}

/// The disk fills up and has space again: writes say `Full` meanwhile, and go on after.
#[test]
fn full_disk() {
    seeds::run("full_disk", 0, 20, |seed| drop(Run::new(seed, Mode::FullDisk).go()));
}

/// The medium rots and misdirects: an answer is right, or an error.
#[test]
fn rot() {
    seeds::run("rot", 0, 15, |seed| drop(Run::new(seed, Mode::Rot).go()));
}

/// A seed gives the same run twice, to the last byte on the disk.
#[test]
fn a_seed_replays_exactly() {
    for mode in [Mode::NoFaults, Mode::FailingSync, Mode::FullDisk] {
        seeds::run("a_seed_replays_exactly", 1000, 2, |seed| {
            let runs = [(); 2].map(|()| Run::new(seed, mode).go());
            assert_eq!(runs[0].trail, runs[1].trail, "other operations or answers");
            assert_eq!(runs[0].print, runs[1].print, "another disk");
        });
    }
}
