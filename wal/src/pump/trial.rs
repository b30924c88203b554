//! Which way a group for one waiter takes, a durable write or a chain, where it may choose ([`SyncMode::Auto`](crate::SyncMode)).
//!
//! Neither is better everywhere. A ring's durable write needs no `fdatasync`, which the kernel hands to a worker thread; on a quiet machine
//! that is nearly twice as fast. But some drives write through their cache more slowly than they flush it, and where other
//! work keeps all processors busy the kernel thread that completes a durable write may wait for them, for milliseconds. So the log tries:
//! groups go the one way and the other in turn, so that what else the disk does meanwhile meets both; the faster way stays until the next
//! trial. The pause between trials is short at first, and doubles with each that changes nothing: what was decided in a bad moment,
//! such as the first of a new log, is soon decided again, and in the long run the slower way takes under one hundredth of the time.
//!
//! Time comes from the disk, so in a simulation the seed decides here as well.

/// Groups of each way in a trial.
const GROUPS: usize = 8;
/// Of each way the slowest so many do not count: something else was in their way.
const STRAGGLERS: usize = 2;
/// After a trial that changes the way, groups go that way for so many times as long as the trial's slower half took.
const PAUSE_MIN: u64 = 16;
/// And for so many times in the long run.
const PAUSE_MAX: u64 = 128;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The way that groups go: with a durable write?
    dsync: bool,
    /// In a trial it is the other one's turn.
    in_other: bool,
    /// No trial before.
    next_at: u64,
    /// Between [`PAUSE_MIN`] and [`PAUSE_MAX`].
    pause: u64,
    /// Nanoseconds of each group of a trial: of the way that groups go, and of the other.
    times: [Vec<u64>; 2],
}

impl Trial {
    pub(crate) fn new() -> Self {
        let times = || Vec::with_capacity(GROUPS);
        Self { dsync: true, in_other: false, next_at: 0, pause: PAUSE_MIN, times: [times(), times()] }
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
        self.times[usize::from(self.in_other)].push(now.saturating_sub(began));
        self.in_other = !self.in_other;
        if self.times[1].len() < GROUPS {
            return;
        }
        let [mine, other] = self.times.each_mut().map(|times| {
            times.sort_unstable();
            let sum: u64 = times.iter().take(GROUPS - STRAGGLERS).sum();
            times.clear();
            sum
        });
        // A little better is not better: what varies by chance would turn it round all the time.
        if other.saturating_mul(10) < mine.saturating_mul(9) {
            self.dsync = !self.dsync;
            self.pause = PAUSE_MIN;
        } else {
            self.pause = (2 * self.pause).min(PAUSE_MAX);
        }
        self.next_at = now.saturating_add(mine.max(other).saturating_mul(self.pause));
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

    /// The first groups of a new log were slow, whatever their way; the way that had gone first was left for seconds.
    #[test]
    fn what_slows_both_ways_decides_nothing() {
        let (mut trial, mut now) = (Trial::new(), 0);
        for i in 0..100u64 {
            let way = trial.is_dsync();
            let began = now;
            now += if way { 100_000 } else { 180_000 } * if i < 9 { 20 } else { 1 };
            trial.record(way, began, now);
        }
        assert!(trial.dsync);
    }

    /// A trial that was decided wrongly is soon tried again.
    #[test]
    fn a_wrong_turn_is_soon_taken_back() {
        let (mut trial, mut now) = (Trial::new(), 0);
        for i in 0..2 * GROUPS {
            let way = trial.is_dsync();
            let began = now;
            now += if way { 900_000 } else { 180_000 };
            trial.record(way, began, now);
            assert_eq!(trial.dsync, i + 1 < 2 * GROUPS, "turned round by {i}");
        }
        let (durable, chains) = run(&mut trial, &mut now, 200_000_000, 100_000, 180_000);
        assert!(trial.dsync && durable > chains, "{durable} durable writes and {chains} chains");
    }

    #[test]
    fn it_begins_with_a_durable_write() {
        let mut trial = Trial::new();
        assert!(trial.is_dsync());
        trial.record(true, 0, 1);
        assert!(!trial.is_dsync());
        // What did not go the way that was asked for (after bytes without sync it cannot) tells nothing.
        trial.record(true, 100, 200);
        assert!(trial.times[1].is_empty() && !trial.is_dsync());
    }
}
