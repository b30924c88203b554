//! The one loop that all rows share: threads that take steps until a count, a time or an error ends them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::latency::{Sampler, histogram};
use crate::{Result, clock};

/// No workload takes less: a rate is a number.
const SHORTEST: Duration = Duration::from_nanos(1);
/// The monitor looks so often.
const LOOK: Duration = Duration::from_millis(5);

/// How long the threads work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    /// Operations of all threads together; no bound if `None`.
    pub(crate) ops: Option<u64>,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
}

/// What a thread knows of the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat<'a> {
    pub(crate) thread: usize,
    pub(crate) threads: usize,
    /// Different for every thread of every row and round.
    pub(crate) seed: u64,
    pub(crate) progress: &'a AtomicU64,
    pub(crate) stop: &'a AtomicBool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ops: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram<u64>,
    /// The time ended it before the count.
    pub(crate) cut: bool,
    pub(crate) pause_ms: f64,
    /// Operations in the slowest whole second, if it took two seconds or more.
    pub(crate) slowest_second: Option<u64>,
}

/// A counter that shares no cache line with another.
#[derive(Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

/// Runs `threads` threads. Each makes its step with `make`, in its own thread and before the clock starts; a step says how many operations
/// it did, 0 when there is nothing left to do.
///
/// # Errors
/// The first error of a thread; the others stop.
pub(crate) fn drive<S>(plan: Plan, make: impl Fn(Seat<'_>) -> Result<S> + Sync) -> Result<Outcome>
where
    S: FnMut(Seat<'_>) -> Result<u64>,
{
    let counters: Vec<Counter> = (0..plan.threads).map(|_| Counter::default()).collect();
    let (stop, finished) = (AtomicBool::new(false), AtomicUsize::new(0));
    let barrier = Barrier::new(plan.threads + 1);
    let clock_ns = clock::cost_ns();
    let monitor = std::thread::current();
    let (make, monitor) = (&make, &monitor);

    let run = |thread: usize| {
        let seed = plan.seed.wrapping_mul(0x1_0001).wrapping_add(thread as u64 + 1);
        let progress = &counters[thread].0;
        let seat = Seat { thread, threads: plan.threads, seed, progress, stop: &stop };
        let quota = plan.ops.map_or(u64::MAX, |ops| share(ops, thread, plan.threads).1);
        let step = make(seat);
        let mut leaving = Leaving { stop: Some(&stop), finished: &finished, monitor };
        barrier.wait();
        // Each has its own start: the monitor may come late to its own on a busy machine.
        let start = Instant::now();
        let result = step.and_then(|step| take_steps(step, seat, quota, Sampler::new(clock_ns, seed)));
        let end = Instant::now();
        if result.is_ok() {
            leaving.stop = None;
        }
        result.map(|(ops, histogram)| (ops, histogram, start, end))
    };

    let run = &run;
    let (watch, ended) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads).map(|thread| scope.spawn(move || run(thread))).collect();
        barrier.wait();
        let started = Instant::now();
        let mut watch = Watch::new(started);
        while finished.load(Relaxed) < plan.threads {
            clock::nap(LOOK);
            let now = Instant::now();
            watch.look(now, counters.iter().map(|counter| counter.0.load(Relaxed)).sum());
            if (now - started).as_secs_f64() >= plan.seconds {
                stop.store(true, Relaxed);
            }
        }
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (watch, ended)
    });

    let mut outcome = Outcome {
        ops: 0,
        seconds: 0.0,
        latency: histogram(),
        cut: false,
        pause_ms: watch.pause.as_secs_f64() * 1e3,
        slowest_second: watch.slowest,
    };
    let mut span: Option<(Instant, Instant)> = None;
    for result in ended {
        let (ops, histogram, start, end) = result.map_err(|_| "a thread of the workload panicked")??;
        outcome.ops += ops;
        outcome.latency.add(&histogram)?;
        span = Some(span.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
    }
    let (first, last) = span.ok_or("a workload has at least one thread")?;
    outcome.seconds = (last - first).max(SHORTEST).as_secs_f64();
    outcome.cut = plan.ops.is_some_and(|ops| outcome.ops < ops);
    Ok(outcome)
}

/// Tells the monitor that a thread is gone, and the others to stop if it went by an error or a panic.
struct Leaving<'a> {
    stop: Option<&'a AtomicBool>,
    finished: &'a AtomicUsize,
    monitor: &'a Thread,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(stop) = self.stop {
            stop.store(true, Relaxed);
        }
        self.finished.fetch_add(1, Relaxed);
        self.monitor.unpark();
    }
}

/// Which of `n` things, from where and how many, a thread has.
pub(crate) fn share(n: u64, thread: usize, threads: usize) -> (u64, u64) {
    let (thread, threads) = (thread as u64, threads as u64);
    let from = n * thread / threads;
    (from, n * (thread + 1) / threads - from)
}

fn take_steps<S>(
    mut step: S,
    seat: Seat<'_>,
    quota: u64,
    mut sampler: Sampler,
) -> Result<(u64, Histogram<u64>)>
where
    S: FnMut(Seat<'_>) -> Result<u64>,
{
    let mut ops = 0;
    while ops < quota && !seat.stop.load(Relaxed) {
        let start = sampler.start();
        let done = step(seat)?;
        if done == 0 {
            break;
        }
        sampler.end(start);
        ops += done;
        seat.progress.store(ops, Relaxed);
    }
    Ok((ops, sampler.into_histogram()))
}

/// Watches the progress of all threads together.
struct Watch {
    changed: Instant,
    pause: Duration,
    last: u64,
    second_began: Instant,
    second_at: u64,
    slowest: Option<u64>,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self { changed: now, pause: Duration::ZERO, last: 0, second_began: now, second_at: 0, slowest: None }
    }

    fn look(&mut self, now: Instant, ops: u64) {
        if ops != self.last {
            self.changed = now;
            self.last = ops;
        }
        self.pause = self.pause.max(now - self.changed);
        if now - self.second_began >= Duration::from_secs(1) {
            let done = ops - self.second_at;
            self.slowest = Some(self.slowest.map_or(done, |slowest| slowest.min(done)));
            (self.second_began, self.second_at) = (now, ops);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(threads: usize, ops: Option<u64>, seconds: f64) -> Plan {
        Plan { threads, ops, seconds, seed: 1 }
    }

    #[test]
    fn shares_cover_all_once() {
        for (n, threads) in [(10, 3), (7, 8), (1000, 1)] {
            let mut next = 0;
            for thread in 0..threads {
                let (from, count) = share(n, thread, threads);
                assert_eq!(from, next);
                next += count;
            }
            assert_eq!(next, n);
        }
    }

    #[test]
    fn a_count_is_done_by_all_threads_together() {
        let outcome = drive(plan(3, Some(1000), 60.0), |_| Ok(|_: Seat<'_>| Ok(1))).unwrap();
        assert_eq!((outcome.ops, outcome.cut), (1000, false));
        assert!(!outcome.latency.is_empty() && outcome.seconds < 60.0);
    }

    #[test]
    fn a_time_ends_it_and_a_count_that_was_not_reached_is_told() {
        let step = |_: Seat<'_>| Ok(|_: Seat<'_>| Ok(1));
        let timed = drive(plan(2, None, 0.05), step).unwrap();
        assert!((0.05..10.0).contains(&timed.seconds) && !timed.cut, "{timed:?}");
        assert!(drive(plan(1, Some(u64::MAX), 0.05), step).unwrap().cut);
    }

    #[test]
    fn an_error_stops_all() {
        let make = |seat: Seat<'_>| {
            let fails = seat.thread == 1;
            Ok(move |_: Seat<'_>| if fails { Err("broken".into()) } else { Ok(1) })
        };
        assert_eq!(drive(plan(3, None, 60.0), make).unwrap_err().to_string(), "broken");
        let refuses = |_: Seat<'_>| -> Result<fn(Seat<'_>) -> Result<u64>> { Err("no store".into()) };
        assert_eq!(drive(plan(2, None, 60.0), refuses).unwrap_err().to_string(), "no store");
    }

    #[test]
    fn a_panic_in_one_thread_ends_all() {
        let make = |seat: Seat<'_>| {
            let breaks = seat.thread == 0;
            Ok(move |_: Seat<'_>| if breaks { panic!("on purpose") } else { Ok(1) })
        };
        let error = drive(plan(2, None, 60.0), make).unwrap_err().to_string();
        assert_eq!(error, "a thread of the workload panicked");
    }

    #[test]
    fn a_pause_and_a_slow_second_are_seen() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut watch = Watch::new(start);
        for (ms, ops) in [(500, 10), (1000, 20), (1700, 20), (2000, 25), (3000, 50)] {
            watch.look(at(ms), ops);
        }
        assert_eq!((watch.pause, watch.slowest), (Duration::from_millis(1000 - 300), Some(5)));
    }
}
