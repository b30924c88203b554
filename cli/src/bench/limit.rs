//! When a thread's loop ends, by db_bench's rules, and what paces it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock;
use crate::signals::Interrupt;

/// Why all loops are to end: a signal, or a failure in one of them.
#[derive(Default)]
pub(crate) struct Halt {
    pub(crate) interrupt: Interrupt,
    failed: AtomicBool,
}

impl Halt {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self { interrupt, failed: AtomicBool::new(false) }
    }

    /// From now on, all are to stop.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Whether to stop. Two relaxed loads.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.interrupt.is_set() || self.failed.load(Relaxed)
    }
}

/// The clock is looked at about so often.
const LOOK_NS: u64 = 10_000_000;

/// Ends a loop after a count of operations, or after a time, or when all are to stop.
///
/// With a time, the count does not matter; that is db_bench's rule. A cap is both: whichever comes first.
pub(crate) struct Limit<'a> {
    ops: u64,
    ops_max: u64,
    end_ns: Option<u64>,
    look_every: u64,
    look_every_max: u64,
    next_look: u64,
    last_look_ns: u64,
    halt: &'a Halt,
}

impl<'a> Limit<'a> {
    /// Ends after `ops_max` operations, or, if `time` is not zero, after that time instead.
    pub(crate) fn new(ops_max: u64, time: Duration, look_every_max: u64, halt: &'a Halt) -> Self {
        let now = clock::now_ns();
        let timed = !time.is_zero();
        Self {
            ops: 0,
            ops_max: if timed { u64::MAX } else { ops_max },
            end_ns: timed.then(|| now + time.as_nanos() as u64),
            look_every: 1,
            look_every_max: look_every_max.max(1),
            next_look: 1,
            last_look_ns: now,
            halt,
        }
    }

    /// Ends after `time` even if the count is not reached.
    pub(crate) fn capped(mut self, time: Option<Duration>) -> Self {
        if let Some(time) = time {
            let end = self.last_look_ns + time.as_nanos() as u64;
            self.end_ns = Some(self.end_ns.map_or(end, |e| e.min(end)));
        }
        self
    }

    /// Whether the loop is to end; else `n` operations may be done (at least one).
    #[inline]
    pub(crate) fn done(&mut self, n: u64) -> bool {
        let n = n.max(1);
        self.ops = self.ops.saturating_add(n);
        self.ops > self.ops_max || self.halt.is_set() || (self.ops >= self.next_look && self.late())
    }

    #[cold]
    fn late(&mut self) -> bool {
        let Some(end) = self.end_ns else {
            self.next_look = u64::MAX;
            return false;
        };
        let now = clock::now_ns();
        if now - self.last_look_ns < LOOK_NS {
            self.look_every = (self.look_every * 2).min(self.look_every_max);
        } else {
            self.look_every = (self.look_every / 2).max(1);
        }
        self.last_look_ns = now;
        self.next_look = self.ops + self.look_every;
        now >= end
    }
}

/// Lets units (bytes, reads) through at a rate, all threads together.
#[derive(Debug)]
pub(crate) struct Pace {
    ns_per_unit: f64,
    /// When the next unit may go.
    free_at_ns: AtomicU64,
}

impl Pace {
    /// `None` for a rate of 0: no limit.
    pub(crate) fn new(units_per_second: u64) -> Option<Self> {
        let ns_per_unit = 1e9 / units_per_second as f64;
        (units_per_second > 0).then(|| Self { ns_per_unit, free_at_ns: AtomicU64::new(clock::now_ns()) })
    }

    /// Takes `units`, and sleeps until they may go or all are to stop. Unused time is not saved up.
    pub(crate) fn take(&self, units: u64, halt: &Halt) {
        let cost = (units as f64 * self.ns_per_unit) as u64;
        let now = clock::now_ns();
        let claim = |free: u64| Some(free.max(now) + cost);
        let start = self.free_at_ns.fetch_update(Relaxed, Relaxed, claim).unwrap_or(now).max(now);
        loop {
            let now = clock::now_ns();
            if now >= start || halt.is_set() {
                return;
            }
            clock::nap(Duration::from_nanos((start - now).min(100_000_000)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mut limit: Limit<'_>, step: u64) -> u64 {
        let mut steps = 0;
        while !limit.done(step) {
            steps += 1;
        }
        steps
    }

    #[test]
    fn counts_end_as_in_db_bench() {
        let halt = Halt::default();
        let limit = |max| Limit::new(max, Duration::ZERO, 1000, &halt);
        assert_eq!(count(limit(1000), 1), 1000);
        assert_eq!(count(limit(1000), 300), 3, "a batch that does not fit whole is not begun");
        assert_eq!(count(limit(0), 1), 0);
        assert_eq!(count(limit(5), 0), 5, "a step of nothing counts as one");
        halt.fail();
        assert_eq!(count(limit(1000), 1), 0);
    }

    #[test]
    fn a_time_overrules_the_count_and_a_cap_does_not() {
        let halt = Halt::default();
        let start = clock::now_ns();
        assert!(count(Limit::new(1, Duration::from_millis(20), 1000, &halt), 1) > 1000);
        assert!(clock::now_ns() - start >= 20_000_000);
        let capped =
            |max| Limit::new(max, Duration::ZERO, 1000, &halt).capped(Some(Duration::from_millis(20)));
        assert_eq!(count(capped(7), 1), 7);
        assert!(count(capped(u64::MAX), 1) > 1000);
    }

    #[test]
    fn a_pace_holds() {
        let start = clock::now_ns();
        let pace = Pace::new(1_000_000).unwrap();
        for _ in 0..6 {
            pace.take(5000, &Halt::default());
        }
        assert!(clock::now_ns() - start >= 25_000_000, "30,000 units at a million a second");
        assert!(Pace::new(0).is_none());
    }
}
