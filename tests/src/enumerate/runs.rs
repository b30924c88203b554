//! One operation of the disk after the other fails, is cut, or is a lie, under the same small workload each time.

use std::path::Path;

use ringwood_ring::{FaultOp, FaultPlan};

use super::Tally;
use crate::model::{self, Exact, Mode, Outcome, Plan};

/// The workloads: sixty operations of the model, without any chance of crashes or faults.
const SEEDS: [u64; 6] = [3, 5, 11, 14, 20, 27];

fn run(seed: u64, exact: Exact) -> Outcome {
    model::run(&Plan { exact: Some(exact), ..Plan::new(Mode::Exact, seed) })
}

/// The N-th operation of each kind fails, for every N: once and from then on, with each errno that means something else to the store.
///
/// # Panics
/// If the store is wrong.
#[must_use]
pub fn failures(every: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in SEEDS {
        for op in FaultOp::ERRORS {
            for errno in [libc::EIO, libc::ENOSPC, libc::EMFILE] {
                // Descriptors run out where files are opened, space where there may be more of it.
                let fits = match errno {
                    libc::EMFILE => matches!(op, FaultOp::Open | FaultOp::Create),
                    libc::ENOSPC => !matches!(op, FaultOp::Read | FaultOp::Open | FaultOp::List),
                    _ => true,
                };
                if fits {
                    each(&mut tally, every, |n| FaultPlan::once(op, errno).after(n), seed);
                    each(&mut tally, every, |n| FaultPlan::once(op, errno).after(n).persistent(), seed);
                }
            }
        }
    }
    tally
}

/// Runs the workload with one plan after the other, until one is never reached.
fn each(tally: &mut Tally, every: u64, plan: impl Fn(u64) -> FaultPlan, seed: u64) {
    for n in (0..).step_by(every as usize) {
        let outcome = run(seed, Exact::Fault(plan(n)));
        if outcome.strikes == 0 {
            return;
        }
        tally.cases += 1;
        tally.whole += outcome.counts.openings;
        tally.errors += outcome.counts.errors;
    }
}

/// The power is cut after every operation of the disk, with `images` outcomes each, and the process dies there. With `kernel`, a directory of
/// the real disk, each image is opened and compared there too.
///
/// # Panics
/// If the store is wrong.
#[must_use]
pub fn cuts(every: u64, images: u64, kernel: Option<&Path>) -> Tally {
    let mut tally = Tally::default();
    for seed in SEEDS {
        let whole = model::run(&Plan::new(Mode::Exact, seed)).counts.disk_operations;
        for after in (0..whole).step_by(every as usize) {
            let (exact, kernel) = (Some(Exact::Cut { after, images }), kernel.map(Path::to_path_buf));
            let outcome = model::run(&Plan { exact, kernel, ..Plan::new(Mode::Exact, seed) });
            tally.cases += 1;
            tally.on_kernel += outcome.counts.on_kernel;
            tally.whole += outcome.counts.openings + outcome.counts.images;
        }
    }
    tally
}

/// Every write to a table in turn goes nowhere, or to the neighbouring page, and is acknowledged.
///
/// # Panics
/// If the store gives a wrong answer.
#[must_use]
pub fn lies(every: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in SEEDS {
        for op in [FaultOp::LoseWrite, FaultOp::MisdirectWrite] {
            for n in (0..).step_by(every as usize) {
                let plan = FaultPlan::lie(op).on(".sst").after(n);
                let plan = Plan { exact: Some(Exact::Fault(plan)), ..Plan::new(Mode::Lies, seed) };
                let outcome = model::run(&plan);
                if outcome.strikes == 0 {
                    break;
                }
                tally.cases += 1;
                tally.whole += outcome.counts.openings;
                tally.errors += outcome.counts.errors;
            }
        }
    }
    tally
}
