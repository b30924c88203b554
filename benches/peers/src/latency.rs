//! Latencies of one thread, from a sample of its calls.
//!
//! Reading the clock costs as much as a fast call, so only one call in N is timed, drawn at random, and stands for N. N follows the speed:
//! the clock takes about a hundredth of the time. Slow calls are all timed.

use std::time::Instant;

use hdrhistogram::Histogram;
use ringwood_benches::Random;

use crate::clock;

const HIGHEST_NS: u64 = 3_600_000_000_000;
const EVERY_MAX: u64 = 4096;
const CLOCK_SHARE: u64 = 100;

/// An empty histogram of nanoseconds, two digits fine.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, 2).expect("the bounds are constants that fit")
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sampler {
    histogram: Histogram<u64>,
    clock_ns: u64,
    /// One call in so many is timed, on average.
    every: u64,
    /// Calls until the next one that is timed.
    left: u64,
    mean_ns: u64,
    random: Random,
}

impl Sampler {
    pub(crate) fn new(clock_ns: u64, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { histogram: histogram(), clock_ns, every: 1, left: 1, mean_ns: 0, random }
    }

    /// The moment before a call, if this one is to be timed.
    #[inline]
    pub(crate) fn start(&mut self) -> Option<Instant> {
        self.left -= 1;
        if self.left > 0 { None } else { Some(Instant::now()) }
    }

    /// The call is over.
    #[inline]
    pub(crate) fn end(&mut self, start: Option<Instant>) {
        if let Some(start) = start {
            self.record(clock::nanos(start, Instant::now()));
        }
    }

    fn record(&mut self, ns: u64) {
        let ns = ns.saturating_sub(self.clock_ns).max(1);
        self.histogram.saturating_record_n(ns, self.every);
        self.mean_ns = if self.mean_ns == 0 { ns } else { (self.mean_ns * 15 + ns) / 16 };
        self.every = (2 * self.clock_ns * CLOCK_SHARE / self.mean_ns.max(1)).clamp(1, EVERY_MAX);
        self.left = 1 + self.random.below(2 * self.every - 1);
    }

    pub(crate) fn into_histogram(self) -> Histogram<u64> {
        self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(calls: u64, ns: impl Fn(u64) -> u64) -> (u64, Histogram<u64>) {
        let mut sampler = Sampler::new(45, 7);
        let mut timed = 0;
        for i in 0..calls {
            if sampler.start().is_some() {
                sampler.record(ns(i) + 45);
                timed += 1;
            }
        }
        (timed, sampler.into_histogram())
    }

    #[test]
    fn fast_calls_are_sampled_and_slow_ones_all_timed() {
        let (timed, fast) = run(1_000_000, |_| 100);
        assert!((5_000..20_000).contains(&timed), "{timed}");
        assert!((950_000..1_050_000).contains(&fast.len()), "{}", fast.len());
        assert_eq!(run(1000, |_| 100_000).0, 1000);
    }

    #[test]
    fn a_sample_has_the_quantiles_of_the_whole() {
        let (_, sampled) = run(2_000_000, |i| if i % 16 == 0 { 5000 } else { 200 });
        let slow = 1.0 - sampled.quantile_below(1000);
        assert!((0.05..0.075).contains(&slow), "{slow}");
    }
}
