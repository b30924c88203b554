//! Which way a group for one waiter takes, a durable write or a chain, where it may choose ([`SyncMode::Auto`](crate::SyncMode)).
//!
//! Neither is better everywhere. A ring's durable write needs no `fdatasync`, which the kernel hands to a worker thread; on a quiet machine
//! that is nearly twice as fast. But some drives write through their cache more slowly than they flush it, and where other
//! work keeps all processors busy the kernel thread that completes a durable write may wait for them, for milliseconds. So the log tries:
//! a burst of groups in the way it goes, a burst in the other; the faster one stays until the next trial. The pause between
//! trials is so long that the slower bursts take under one hundredth of the time.
//!
//! Time comes from the disk, so in a simulation the seed decides here as well.

/// Groups in a burst.
const BURST: usize = 8;
/// Of each burst the slowest so many do not count: something else was in their way.
const STRAGGLERS: usize = 2;
/// The slower burst takes one part of so many of all time, at most.
const PAUSE: u64 = 128;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The way that groups go: with a durable write?
    dsync: bool,
    /// The other one has its burst.
    in_other: bool,
    /// No trial before.
    next_at: u64,
    /// Nanoseconds of each group: of the way that they go, and of the other.
    bursts: [Vec<u64>; 2],
}

impl Trial {
    pub(crate) fn new() -> Self {
        let burst = || Vec::with_capacity(BURST);
        Self { dsync: true, in_other: false, next_at: 0, bursts: [burst(), burst()] }
    }

    /// Whether the next group is to be a durable write.
    pub(crate) fn is_dsync(&self) -> bool {
        self.dsync != self.in_other
    }

    /// Takes in that a group, a durable write or a chain, began at `began` and was over at `now`.
    pub(crate) fn record(&mut self, dsync: bool, began: u64, now: u64) {
        if began < self.next_at || dsync != self.is_dsync() {
            return;
        }
        let burst = &mut self.bursts[usize::from(self.in_other)];
        burst.push(now.saturating_sub(began));
        if burst.len() < BURST {
            return;
        }
        if !self.in_other {
            self.in_other = true;
            return;
        }
        let [mine, other] = self.bursts.each_mut().map(|burst| {
            burst.sort_unstable();
            let sum: u64 = burst.iter().take(BURST - STRAGGLERS).sum();
            burst.clear();
            sum
        });
        self.in_other = false;
        // A little better is not better: what varies by chance would turn it round all the time.
        if other.saturating_mul(10) < mine.saturating_mul(9) {
            self.dsync = !self.dsync;
        }
        self.next_at = now.saturating_add(mine.max(other).saturating_mul(PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs groups for `ns`, where a durable write takes `dsync` and a chain `chain`; returns how many went which way.
    fn run(trial: &mut Trial, now: &mut u64, ns: u64, dsync: u64, chain: u64) -> (u64, u64) {
        let (end, mut counts) = (*now + ns, (0, 0));
        while *now < end {
            let way = trial.is_dsync();
            let began = *now;
            *now += if way { dsync } else { chain };
            *(if way { &mut counts.0 } else { &mut counts.1 }) += 1;
            trial.record(way, began, *now);
        }
        counts
    }

    #[test]
    fn the_faster_way_is_found_and_the_slower_costs_a_hundredth() {
        const SECOND: u64 = 1_000_000_000;
        let (mut trial, mut now) = (Trial::new(), 7);
        for (dsync, chain) in
            [(100_000, 180_000), (4_000_000, 1_700_000), (100_000, 95_000), (100_000, 300_000)]
        {
            // Until it has seen how things are now.
            run(&mut trial, &mut now, 20 * SECOND, dsync, chain);
            let (n, m) = run(&mut trial, &mut now, 20 * SECOND, dsync, chain);
            let (slower, ns) = if dsync < chain { (m, chain) } else { (n, dsync) };
            if dsync.abs_diff(chain) * 10 > dsync {
                assert!(slower * ns < 20 * SECOND / 90, "{slower} of {n} and {m} went the slower way");
            }
        }
    }

    #[test]
    fn a_few_slow_ones_decide_nothing() {
        let (mut trial, mut now) = (Trial::new(), 0);
        for i in 0..10_000u64 {
            let way = trial.is_dsync();
            let began = now;
            now += if way && i % 5 == 0 {
                5_000_000
            } else if way {
                100_000
            } else {
                180_000
            };
            trial.record(way, began, now);
        }
        assert!(trial.dsync);
    }

    #[test]
    fn it_begins_with_durable_writes() {
        let mut trial = Trial::new();
        for i in 0..BURST as u64 {
            assert!(trial.is_dsync());
            trial.record(true, i, i + 1);
        }
        assert!(!trial.is_dsync());
        // What did not go the way that was asked for (after bytes without sync it cannot) tells nothing.
        trial.record(true, 100, 200);
        assert!(trial.bursts[1].is_empty());
    }
}
