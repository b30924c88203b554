//! Time. Any thread.

use std::time::{Duration, Instant};

/// Nanoseconds between two moments, 0 if they are the wrong way round.
pub(crate) fn nanos(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos() as u64
}

/// Sleeps about so long; an unpark cuts it short.
pub(crate) fn nap(time: Duration) {
    std::thread::park_timeout(time);
}

/// What reading the clock twice costs, in nanoseconds: the median of some readings.
pub(crate) fn cost_ns() -> u64 {
    const READINGS: usize = 255;
    let mut costs: Vec<u64> = (0..READINGS)
        .map(|_| {
            let start = Instant::now();
            let middle = Instant::now();
            nanos(start, middle.max(Instant::now())) / 2
        })
        .collect();
    costs.sort_unstable();
    costs[READINGS / 2].max(1)
}
