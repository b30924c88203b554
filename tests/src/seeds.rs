//! Running a test for many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Runs `body` for seeds `first..first + count`, on as many threads as the machine has cores.
///
/// `RINGWOOD_SEEDS=n` sets how many seeds each test runs, instead of its `count`. The first panic is that of the test.
///
/// # Panics
/// If a seed fails, or a variable is no number.
pub fn run(test: &str, first: u64, count: u64, body: impl Fn(u64) + Sync) {
    let count = number("RINGWOOD_SEEDS").unwrap_or(count);
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count as usize);
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(seed))) {
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

/// Runs `body`; if it panics, says how to run it again.
///
/// # Panics
/// If `body` does.
pub fn or_say(again: &str, body: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        eprintln!("it failed; replay it with\n    cargo run --release -p ringwood-tests --bin {again}");
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
