//! One contender's turn: threads that do the same work until the time is over.
//!
//! Each thread prepares itself (lanes, buffers, a first operation), then all begin at once; counters are read when all are
//! ready and when all are done, so that preparations count nowhere.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringwood_ring::{Class, ClassCounts, Disk};

use crate::Result;
use crate::halt::Halt;

/// Latencies are kept from 100 ns to a minute, to three digits.
const LATENCY_NS: (u64, u64) = (100, 60_000_000_000);

/// What a turn came to.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Operations done.
    pub(crate) ops: u64,
    /// From the first thread's begin to the last one's end.
    pub(crate) ns: u64,
    /// Nanoseconds of each wait (one operation, or a batch).
    pub(crate) latency: Histogram<u64>,
    /// What the disk counted for it.
    pub(crate) counts: ClassCounts,
    /// Further figures, by name.
    pub(crate) extra: Vec<(&'static str, f64)>,
}

/// Empty latencies.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, 3).expect("the bounds are in order")
}

/// One thread's part in a turn.
pub(crate) struct Turn<'a> {
    disk: &'a dyn Disk,
    halt: &'a Halt,
    barriers: &'a [Barrier; 2],
    slot_ns: u64,
    begun: bool,
    score: Score,
}

#[derive(Clone)]
struct Score {
    ops: u64,
    start: u64,
    last: u64,
    latency: Histogram<u64>,
}

impl Turn<'_> {
    /// Whether to go on. The first call waits for all other threads: preparations come before it.
    #[inline]
    pub(crate) fn more(&mut self) -> bool {
        self.begin();
        self.score.last - self.score.start < self.slot_ns && !self.halt.is_set()
    }

    /// `ops` operations were done since the last call, in one wait.
    #[inline]
    pub(crate) fn done(&mut self, ops: u64) {
        let now = self.disk.now();
        self.score.latency.saturating_record(now - self.score.last);
        self.score.ops += ops;
        self.score.last = now;
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            for barrier in self.barriers {
                barrier.wait();
            }
            self.score.start = self.disk.now();
            self.score.last = self.score.start;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A thread that failed while it prepared itself: the others must not wait for it forever.
        self.begin();
    }
}

/// Runs `work` on `threads` threads for `slot`, and counts what `disk` does for `class` meanwhile.
pub(crate) fn run(
    halt: &Halt,
    disk: &Arc<dyn Disk>,
    class: Class,
    threads: usize,
    slot: Duration,
    work: impl Fn(usize, &mut Turn<'_>) -> Result<()> + Sync,
) -> Result<Sample> {
    let barriers = [Barrier::new(threads + 1), Barrier::new(threads + 1)];
    let one = |i: usize| -> Result<Score> {
        let score = Score { ops: 0, start: 0, last: 0, latency: latencies() };
        let slot_ns = slot.as_nanos() as u64;
        let mut turn = Turn { disk: &**disk, halt, barriers: &barriers, slot_ns, begun: false, score };
        work(i, &mut turn)?;
        Ok(turn.score.clone())
    };
    let (before, scores) = thread::scope(|scope| {
        let one = &one;
        let crew: Vec<_> = (0..threads).map(|i| scope.spawn(move || one(i))).collect();
        barriers[0].wait();
        let before = disk.counters().snapshot();
        barriers[1].wait();
        let join =
            |t: thread::ScopedJoinHandle<'_, _>| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        (before, crew.into_iter().map(join).collect::<Result<Vec<Score>>>())
    });
    let scores = scores?;
    halt.check()?;
    let counts = *disk.counters().snapshot().since(&before).class(class);
    let start = scores.iter().map(|s| s.start).min().unwrap_or(0);
    let end = scores.iter().map(|s| s.last).max().unwrap_or(0);
    let mut latency = latencies();
    for score in &scores {
        latency.add(&score.latency).map_err(|e| format!("latencies do not add up: {e}"))?;
    }
    let ops = scores.iter().map(|s| s.ops).sum();
    Ok(Sample { ops, ns: end - start, latency, counts, extra: Vec::new() })
}
