//! The command's clock: what it measures is its own run, never anything that the store does.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the first call.
pub(crate) fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = instant();
    // The thread that sets the start may have read its clock a moment after another one: zero then.
    let start = START.get_or_init(|| now);
    now.saturating_duration_since(*start).as_nanos() as u64
}

#[allow(clippy::disallowed_methods, reason = "the command times itself; the store's clock is its own")]
fn instant() -> Instant {
    Instant::now()
}

/// Seconds since 1970 by the wall clock; nothing but reports and default seeds use it.
#[allow(
    clippy::disallowed_methods,
    reason = "for reports and default seeds only; nothing durable depends on it"
)]
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros() as u64)
}

/// Sleeps about so long; spurious wake-ups may cut it short.
pub(crate) fn nap(time: Duration) {
    std::thread::park_timeout(time);
}

/// What reading the clock costs, in nanoseconds: the median of a few hundred readings.
pub(crate) fn cost_ns() -> u64 {
    const ROUNDS: usize = 255;
    const PER_ROUND: u64 = 8;
    let mut costs: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let start = now_ns();
            let mut end = start;
            for _ in 0..PER_ROUND {
                end = now_ns();
            }
            (end - start) / PER_ROUND
        })
        .collect();
    costs.sort_unstable();
    costs[ROUNDS / 2].max(1)
}
