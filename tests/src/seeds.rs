//! Running a test for many seeds, and saying how to replay the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Runs `body` for seeds `first..first + count`, on as many threads as the machine has cores.
///
/// * `RINGWOOD_SEED=n` runs that seed alone.
/// * `RINGWOOD_SEEDS=n` sets how many seeds each test runs, instead of its `count`.
///
/// The first seed that fails prints how to replay it; its panic is that of the test.
///
/// # Panics
/// If a seed fails, or a variable is no number.
pub fn run(test: &str, first: u64, count: u64, body: impl Fn(u64) + Sync) {
    if let Some(seed) = number("RINGWOOD_SEED") {
        return one(test, seed, &body);
    }
    let count = number("RINGWOOD_SEEDS").unwrap_or(count);
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count as usize);
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| one(test, seed, &body))) {
                failed.store(true, Ordering::Relaxed);
                resume_unwind(panic);
            }
        }
    };
    let panic = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|w| w.join().err()).next()
    });
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    println!("{test}: {count} seeds from {first}");
}

fn one(test: &str, seed: u64, body: &impl Fn(u64)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(seed))) {
        eprintln!(
            "{test}: seed {seed} failed; replay it with\n    RINGWOOD_SEED={seed} cargo test -p ringwood-tests --test model -- --exact {test} --nocapture"
        );
        resume_unwind(panic);
    }
}

/// A number from the environment.
///
/// # Panics
/// If the variable is set to something else.
#[must_use]
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, which is no number"),
    }
}
