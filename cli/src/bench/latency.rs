//! Latencies of one thread, from a sample of its calls.
//!
//! Reading the clock twice costs as much as a fast operation takes, so only one call in N is timed. N adapts to the speed: the
//! clock takes about a hundredth of the time, at most. Which call is timed is drawn at random (one in N on average), so that
//! no rhythm of the store can hide between the samples, and each sample counts for the N calls that it stands for. With
//! `--histogram` every call is timed.

use hdrhistogram::Histogram;

/// Longest latency that is told apart from longer ones.
const HIGHEST_NS: u64 = 3_600_000_000_000;
/// Resolution: two digits, that is one part in a hundred.
const DIGITS: u8 = 2;
/// Most calls that one sample stands for.
const EVERY_MAX: u64 = 4096;
/// The clock may take one part in so many.
const CLOCK_SHARE: u64 = 100;

/// What kind of call was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpKind {
    Read,
    Write,
    Delete,
    Seek,
    Update,
    Other,
}

impl OpKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Delete, Self::Seek, Self::Update, Self::Other];

    /// The name as histograms print it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Seek => "seek",
            Self::Update => "update",
            Self::Other => "op",
        }
    }
}

/// Latencies by kind of call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    kinds: [Option<Box<Histogram<u64>>>; OpKind::ALL.len()],
    /// Calls that were timed.
    pub(crate) timed: u64,
    /// Calls that they stand for.
    pub(crate) calls: u64,
}

impl Latencies {
    fn record(&mut self, kind: OpKind, ns: u64, weight: u64) {
        let slot = &mut self.kinds[kind as usize];
        let histogram = slot.get_or_insert_with(|| Box::new(empty()));
        histogram.saturating_record_n(ns, weight);
        self.timed += 1;
        self.calls += weight;
    }

    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            if let Some(theirs) = theirs {
                let mine = mine.get_or_insert_with(|| Box::new(empty()));
                mine.add(theirs.as_ref()).expect("all histograms have the same bounds");
            }
        }
        self.timed += other.timed;
        self.calls += other.calls;
    }

    /// The kinds that occurred.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (OpKind, &Histogram<u64>)> {
        OpKind::ALL.into_iter().zip(&self.kinds).filter_map(|(kind, h)| Some((kind, h.as_deref()?)))
    }

    /// All kinds together; `None` if nothing was timed.
    pub(crate) fn all(&self) -> Option<Histogram<u64>> {
        let mut kinds = self.kinds().map(|(_, h)| h);
        let mut all = kinds.next()?.clone();
        for other in kinds {
            all.add(other).expect("all histograms have the same bounds");
        }
        Some(all)
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS).expect("the bounds are constants that fit")
}

/// Decides which calls of one thread are timed, and keeps their latencies.
#[derive(Debug)]
pub(crate) struct Sampler {
    latencies: Latencies,
    /// Time every call.
    all: bool,
    clock_ns: u64,
    /// One call in so many is timed, on average.
    every: u64,
    /// Calls until the next one that is timed; at 1 it is this one.
    left: u64,
    /// Moving mean of what a call takes.
    mean_ns: u64,
    random: u64,
}

impl Sampler {
    pub(crate) fn new(all: bool, clock_ns: u64, seed: u64) -> Self {
        let latencies = Latencies::default();
        Self { latencies, all, clock_ns, every: 1, left: 1, mean_ns: 0, random: seed | 1 }
    }

    /// To be called before each call: whether it is to be timed. A decrement and a branch, mostly.
    #[inline]
    pub(crate) fn turn(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }

    /// To be called after a call that was timed. Returns what it took.
    pub(crate) fn record(&mut self, kind: OpKind, start_ns: u64, end_ns: u64) -> u64 {
        // Between the two readings lies the cost of one.
        let ns = (end_ns - start_ns).saturating_sub(self.clock_ns).max(1);
        self.latencies.record(kind, ns, self.every);
        if self.all {
            self.left = 1;
            return ns;
        }
        self.mean_ns = if self.mean_ns == 0 { ns } else { (self.mean_ns * 15 + ns) / 16 };
        self.every = (2 * self.clock_ns * CLOCK_SHARE / self.mean_ns.max(1)).clamp(1, EVERY_MAX);
        self.left = 1 + self.draw() % (2 * self.every - 1);
        ns
    }

    /// What was recorded.
    pub(crate) fn into_latencies(self) -> Latencies {
        self.latencies
    }

    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `calls` calls that take `ns(i)` each; the clock costs 45 ns.
    fn run(all: bool, calls: u64, ns: impl Fn(u64) -> u64) -> Latencies {
        let mut sampler = Sampler::new(all, 45, 7);
        for i in 0..calls {
            if sampler.turn() {
                sampler.record(OpKind::Read, 1000, 1000 + ns(i) + 45);
            }
        }
        sampler.into_latencies()
    }

    #[test]
    fn fast_calls_are_sampled_and_slow_ones_all_timed() {
        let fast = run(false, 1_000_000, |_| 100);
        assert!((5_000..20_000).contains(&fast.timed), "{}", fast.timed);
        assert!((950_000..1_050_000).contains(&fast.calls), "{}", fast.calls);
        let slow = run(false, 1000, |_| 100_000);
        assert_eq!((slow.timed, slow.calls), (1000, 1000));
        let all = run(true, 1000, |_| 100);
        assert_eq!((all.timed, all.calls), (1000, 1000));
    }

    #[test]
    fn a_sample_has_the_quantiles_of_the_whole() {
        // Every sixteenth call is slow: a rhythm that a fixed N would miss or exaggerate.
        let sampled = run(false, 2_000_000, |i| if i % 16 == 0 { 5000 } else { 200 });
        let all = sampled.all().unwrap();
        let slow = 1.0 - all.quantile_below(1000);
        assert!((0.05..0.075).contains(&slow), "{slow}");
        assert!((195..=205).contains(&all.value_at_quantile(0.5)));
    }
}
