//! The threads of one benchmark: what they share, what each counts, and how they are run and added up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::Duration;

use ringwood::{Db, Durability};

use super::data::{Random, ValueData, Values};
use super::flags::BenchArgs;
use super::latency::{Latencies, OpKind, Sampler};
use super::limit::{Halt, Limit, Pace};
use super::timeline::Timeline;
use super::workload;
use crate::bench::plan::Bench;
use crate::clock;
use crate::failure::{Failure, Result};

/// What one run of one benchmark is to do: the options, as the benchmark changes them.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) bench: Bench,
    /// Keys that writes draw from (a thousandth of `--num` for some).
    pub(crate) write_keys: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) deletes: u64,
    /// Operations of a benchmark that does both.
    pub(crate) readwrites: u64,
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    pub(crate) batch: u64,
    pub(crate) durability: Durability,
    pub(crate) threads: usize,
    /// Ends any benchmark early; the demonstration's.
    pub(crate) cap: Option<Duration>,
}

/// What a benchmark tells besides its counts. Counts of all threads are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Note {
    #[default]
    None,
    /// Writes went over so many keys only.
    Keys(u64),
    Found {
        found: u64,
        asked: u64,
    },
    ReadsWrites {
        reads: u64,
        writes: u64,
        found: u64,
    },
    Updates {
        updates: u64,
        found: u64,
    },
}

impl Note {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, note) => note,
            (Self::Found { found: a, asked: b }, Self::Found { found: c, asked: d }) => {
                Self::Found { found: a + c, asked: b + d }
            }
            (
                Self::ReadsWrites { reads: a, writes: b, found: c },
                Self::ReadsWrites { reads: d, writes: e, found: f },
            ) => Self::ReadsWrites { reads: a + d, writes: b + e, found: c + f },
            (Self::Updates { updates: a, found: b }, Self::Updates { updates: c, found: d }) => {
                Self::Updates { updates: a + c, found: b + d }
            }
            (note, _) => note,
        }
    }
}

/// What the threads of one run share.
pub(crate) struct Run<'a> {
    pub(crate) db: &'a Db,
    pub(crate) args: &'a BenchArgs,
    pub(crate) set: &'a Settings,
    pub(crate) data: &'a ValueData,
    pub(crate) halt: &'a Halt,
    pub(crate) write_pace: Option<Pace>,
    pub(crate) read_pace: Option<Pace>,
    /// Threads, and those of them that are done.
    threads: usize,
    finished: AtomicUsize,
}

impl Run<'_> {
    /// The end of a loop of `count` operations; with `timed`, `--duration` takes the count's place.
    pub(crate) fn limit(&self, count: u64, timed: bool) -> Limit<'_> {
        let seconds = if timed { self.args.duration } else { 0 };
        let time = Duration::from_secs(seconds);
        Limit::new(count, time, self.args.duration_check_ops, self.halt).capped(self.set.cap)
    }

    /// Values of one thread.
    pub(crate) fn values(&self) -> Values {
        self.data.values()
    }

    /// A key of the benchmark's size.
    pub(crate) fn key(&self) -> Vec<u8> {
        vec![0; self.set.key_bytes]
    }

    /// Whether all threads but one are done: the one that accompanies them ends then.
    pub(crate) fn is_alone(&self) -> bool {
        self.finished.load(Relaxed) + 1 >= self.threads
    }

    pub(crate) fn pace_write(&self, bytes: u64) {
        if let Some(pace) = &self.write_pace {
            pace.take(bytes, self.halt);
        }
    }

    pub(crate) fn pace_reads(&self, reads: u64) {
        if let Some(pace) = &self.read_pace {
            pace.take(reads, self.halt);
        }
    }
}

/// One thread of a run: its random numbers and its counts.
pub(crate) struct Worker<'a> {
    pub(crate) id: usize,
    pub(crate) random: Random,
    pub(crate) bytes: u64,
    pub(crate) note: Note,
    /// Not in the figures: the writer beside readers.
    pub(crate) excluded: bool,
    done: u64,
    progress: &'a ThreadProgress,
    sampler: Sampler,
    start_ns: u64,
    finish_ns: u64,
}

impl Worker<'_> {
    /// Does a call that counts as `ops` operations, and times it if it is its turn.
    #[inline]
    pub(crate) fn time<T>(&mut self, kind: OpKind, ops: u64, call: impl FnOnce() -> T) -> T {
        let answer = if self.sampler.turn() {
            let start = clock::now_ns();
            let answer = call();
            let ns = self.sampler.record(kind, start, clock::now_ns());
            if !self.excluded {
                self.progress.slowest_ns.fetch_max(ns, Relaxed);
            }
            answer
        } else {
            call()
        };
        self.done += ops;
        self.progress.done.store(self.done, Relaxed);
        answer
    }

    /// Counts from here on: what came before was preparation.
    pub(crate) fn restart(&mut self) {
        self.done = 0;
        self.bytes = 0;
        self.start_ns = clock::now_ns();
    }
}

/// What one run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Operations of the threads that count, at least 1.
    pub(crate) ops: u64,
    /// Operations of all threads.
    pub(crate) all_ops: u64,
    pub(crate) bytes: u64,
    /// From the first start to the last end.
    pub(crate) elapsed_ns: u64,
    /// The threads' times added up.
    pub(crate) thread_ns: u64,
    pub(crate) note: Note,
    pub(crate) latencies: Latencies,
    /// Empty unless a report wants it.
    pub(crate) timeline: Timeline,
}

impl Outcome {
    fn add(&mut self, worker: &Worker<'_>, latencies: &Latencies) {
        self.all_ops += worker.done;
        if worker.excluded {
            return;
        }
        self.ops += worker.done;
        self.bytes += worker.bytes;
        self.thread_ns += worker.finish_ns - worker.start_ns;
        self.note = self.note.plus(worker.note);
        self.latencies.add(latencies);
    }

    /// Seconds from the first start to the last end.
    pub(crate) fn seconds(&self) -> f64 {
        self.elapsed_ns.max(1) as f64 / 1e9
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        self.ops as f64 / self.seconds()
    }

    /// Megabytes (2^20 bytes) a second, if bytes were counted.
    pub(crate) fn megabytes(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.bytes as f64 / 1_048_576.0 / self.seconds())
    }
}

/// Numbers all threads of all benchmarks, so that each has random numbers of its own.
#[derive(Debug, Default)]
pub(crate) struct Streams(u64);

impl Streams {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// What a run needs besides its settings.
pub(crate) struct Ground<'a> {
    pub(crate) args: &'a BenchArgs,
    pub(crate) data: &'a ValueData,
    pub(crate) halt: &'a Halt,
    pub(crate) seed: u64,
    pub(crate) clock_ns: u64,
}

/// What a thread that runs tells whoever shows it: with each operation, so on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ThreadProgress {
    /// Operations so far.
    pub(crate) done: AtomicU64,
    /// The slowest call that was timed; whoever takes it leaves 0.
    pub(crate) slowest_ns: AtomicU64,
}

/// That of all threads of a run.
pub(crate) type Progress = [ThreadProgress];

/// Runs one benchmark once, with `watch` beside it on a thread of its own until all are done.
///
/// # Errors
/// The first failure of a thread; the others stop then.
pub(crate) fn run(
    ground: &Ground<'_>,
    db: &Db,
    set: &Settings,
    streams: &mut Streams,
    watch: impl FnOnce(&Progress, &AtomicUsize) + Send,
) -> Result<Outcome> {
    let threads = set.threads + usize::from(set.bench.has_companion());
    let progress: Vec<_> = (0..threads).map(|_| ThreadProgress::default()).collect();
    let run = Run {
        db,
        args: ground.args,
        set,
        data: ground.data,
        halt: ground.halt,
        write_pace: Pace::new(ground.args.write_rate_limit),
        read_pace: Pace::new(ground.args.read_rate_limit),
        threads,
        finished: AtomicUsize::new(0),
    };
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let barrier = Barrier::new(threads);
    let workers: Vec<Worker<'_>> = std::thread::scope(|scope| {
        let spawn = |(id, progress)| {
            let stream = streams.next();
            let sampler = Sampler::new(ground.args.histogram, ground.clock_ns, ground.seed ^ stream << 32);
            let mut worker = Worker {
                id,
                random: Random::new(ground.seed, stream),
                bytes: 0,
                note: Note::None,
                excluded: false,
                done: 0,
                progress,
                sampler,
                start_ns: 0,
                finish_ns: 0,
            };
            let (run, barrier, failure) = (&run, &barrier, &failure);
            scope.spawn(move || {
                barrier.wait();
                let _finished = Finished(run);
                worker.start_ns = clock::now_ns();
                let ended = workload::run(run, &mut worker);
                worker.finish_ns = clock::now_ns();
                if let Err(why) = ended {
                    run.halt.fail();
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
                worker
            })
        };
        let handles: Vec<_> = progress.iter().enumerate().map(spawn).collect();
        let watcher = scope.spawn(|| watch(&progress, &run.finished));
        let joined = handles.into_iter().map(|h| h.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        let workers = joined.collect();
        watcher.thread().unpark();
        workers
    });
    if let Some(failure) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    ground.halt.interrupt.check()?;
    Ok(add_up(workers))
}

/// Says that a thread is done, however it ends: others wait for that.
struct Finished<'a>(&'a Run<'a>);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.halt.fail();
        }
        self.0.finished.fetch_add(1, Relaxed);
    }
}

fn add_up(workers: Vec<Worker<'_>>) -> Outcome {
    let counted = || workers.iter().filter(|w| !w.excluded);
    let start = counted().map(|w| w.start_ns).min().unwrap_or(0);
    let finish = counted().map(|w| w.finish_ns).max().unwrap_or(0);
    let mut outcome = Outcome { elapsed_ns: finish - start, ..Outcome::default() };
    for mut worker in workers {
        let sampler = std::mem::replace(&mut worker.sampler, Sampler::new(false, 1, 1));
        outcome.add(&worker, &sampler.into_latencies());
    }
    // A benchmark without operations counts as one, as in db_bench: no figure is divided by nothing.
    outcome.ops = outcome.ops.max(1);
    outcome.all_ops = outcome.all_ops.max(1);
    outcome
}
