//! The whole store against a reference, on the simulated disk: one seed decides the operations, the disk, and every crash.
//!
//! Each test runs some seeds of one mode (`RINGWOOD_SEEDS=n` sets how many, for all of them). A seed that fails prints itself and the
//! `ringwood-sim` command that replays it, with its last operations. The long run is that command's too.
//!
//! What must be found after a crash is written down in [`ringwood_tests::reference`].

use ringwood_tests::model::{self, Mode, Plan};
use ringwood_tests::seeds;

fn run(mode: Mode, count: u64) {
    seeds::run(mode.name(), 0, count, |seed| {
        let plan = Plan::new(mode, seed);
        seeds::or_say(&format!("ringwood-sim {plan}"), || drop(model::run(&plan)));
    });
}

#[test]
fn no_faults() {
    run(Mode::NoFaults, 100);
}

#[test]
fn deep() {
    run(Mode::Deep, 6);
}

#[test]
fn failing_reads() {
    run(Mode::FailingReads, 30);
}

#[test]
fn failing_sync() {
    run(Mode::FailingSync, 50);
}

#[test]
fn failing_write() {
    run(Mode::FailingWrite, 30);
}

#[test]
fn failing_names() {
    run(Mode::FailingNames, 50);
}

#[test]
fn full_disk() {
    run(Mode::FullDisk, 30);
}

#[test]
fn few_files() {
    run(Mode::FewFiles, 30);
}

#[test]
fn rot() {
    run(Mode::Rot, 30);
}

#[test]
fn lies() {
    run(Mode::Lies, 50);
}

#[test]
fn storm() {
    run(Mode::Storm, 50);
}

/// A seed gives the same run twice, to the last byte on the disk.
#[test]
fn a_seed_replays_exactly() {
    for mode in Mode::ALL.into_iter().filter(|m| *m != Mode::Deep) {
        let runs = [(); 2].map(|()| model::run(&Plan::new(mode, 1000)));
        assert_eq!(runs[0].trail, runs[1].trail, "other operations or answers");
        assert_eq!(runs[0].print, runs[1].print, "another disk");
    }
}
