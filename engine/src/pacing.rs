//! Pacing: writers are slowed smoothly in proportion to the work that they leave behind, long before they must wait.
//!
//! Debt is what flushes and compactions have yet to do, as a fraction between a soft limit, below which nobody is slowed, and a
//! hard one. The rate that writers get falls with the square of the distance to the hard limit, so that it settles where it equals
//! what the background can take, whatever the device: there is nothing to tune and no stall in between. The only full stop
//! is memory: no more than [`FROZEN_MAX`](crate::options::FROZEN_MAX) memtables wait for their flush.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rate that writers get just above the soft limit, in bytes a second.
const RATE_MAX: f64 = 1e9;
/// Rate at and above the hard limit.
const RATE_MIN: f64 = 1e6;
/// Bytes after which a writer looks at the clock.
pub(crate) const QUANTUM: u64 = 64 << 10;
/// Shorter waits are saved up: a sleep costs more than it is long.
const WAIT_MIN_NS: u64 = 1_000_000;

/// Bytes a second at `debt`, where 0 is the soft limit and 1 the hard one. `None`: as fast as you can.
fn rate(debt: f64) -> Option<f64> {
    if debt <= 0.0 {
        return None;
    }
    let left = (1.0 - debt).max(0.0);
    Some((RATE_MAX * left * left).max(RATE_MIN))
}

/// Where `bytes` stands between two limits: below 0 is no debt.
pub(crate) fn debt(bytes: u64, soft: u64, hard: u64) -> f64 {
    (bytes as f64 - soft as f64) / (hard.saturating_sub(soft).max(1)) as f64
}

/// The debt as background jobs last saw it.
#[derive(Default)]
pub(crate) struct Pacer {
    debt_bits: AtomicU64,
}

impl Pacer {
    pub(crate) fn set_debt(&self, debt: f64) {
        self.debt_bits.store(debt.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn debt(&self) -> f64 {
        f64::from_bits(self.debt_bits.load(Ordering::Relaxed))
    }
}

/// A writer's account, kept under the commit lock.
#[derive(Default)]
pub(crate) struct Account {
    bytes: u64,
    /// When the bytes so far are paid for.
    due_ns: u64,
}

impl Account {
    /// Charges `bytes`, and says how long to wait (nanoseconds), if at all. The clock is read once a [`QUANTUM`].
    pub(crate) fn charge(&mut self, bytes: u64, pacer: &Pacer, now: impl FnOnce() -> u64) -> Option<u64> {
        self.bytes += bytes;
        if self.bytes < QUANTUM {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let rate = rate(pacer.debt())?;
        let now = now();
        self.due_ns = self.due_ns.max(now) + (bytes as f64 / rate * 1e9) as u64;
        let wait = self.due_ns - now;
        (wait >= WAIT_MIN_NS).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_smoothly_from_free_to_the_floor() {
        assert_eq!(rate(-0.5), None);
        let rates: Vec<f64> = (1..=20).map(|i| rate(f64::from(i) / 20.0).unwrap()).collect();
        assert!(rates.is_sorted_by(|a, b| a >= b));
        assert_eq!((rates[19], rate(5.0)), (RATE_MIN, Some(RATE_MIN)));
    }

    #[test]
    fn a_paced_writer_gets_its_rate() {
        let pacer = Pacer::default();
        pacer.set_debt(0.9); // 10 MB/s
        let (mut account, mut clock) = (Account::default(), 0u64);
        let mut written = 0;
        while clock < 10_000_000_000 {
            written += 1000;
            if let Some(wait) = account.charge(1000, &pacer, || clock) {
                clock += wait;
            }
        }
        assert!((99e6..101e6).contains(&f64::from(written)), "{written} bytes in 10 s");
    }

    #[test]
    fn without_debt_the_clock_is_never_read() {
        let mut account = Account::default();
        for _ in 0..10_000 {
            assert_eq!(account.charge(1000, &Pacer::default(), || panic!("clock")), None);
        }
    }
}
