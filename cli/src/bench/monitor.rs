//! What is shown while a benchmark runs: progress on a terminal, a line an interval, a file of rates.

use std::fs::File;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ringwood::{Class, Db};

use super::flags::BenchArgs;
use super::timeline::{self, Timeline};
use super::worker::Progress;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::out::{note, stderr_is_terminal};

const REDRAW_NS: u64 = 200_000_000;
/// A moment is kept so often, at most.
const KEEP_NS: u64 = 20_000_000;

/// Watches one run, from a thread of its own.
pub(crate) struct Monitor {
    name: String,
    draw: bool,
    stats_ns: u64,
    report: Option<(File, u64)>,
    /// Whether moments are kept for a page.
    keeps: bool,
}

impl Monitor {
    /// A monitor as the options ask for.
    ///
    /// # Errors
    /// If the report file cannot be made.
    pub(crate) fn new(name: &str, args: &BenchArgs) -> Result<Self> {
        let report = match args.report_interval_seconds {
            0 => None,
            seconds => Some((open_report(&args.report_file)?, seconds * 1_000_000_000)),
        };
        Ok(Self {
            name: name.to_string(),
            draw: args.progress_reports && stderr_is_terminal(),
            stats_ns: args.stats_interval_seconds * 1_000_000_000,
            report,
            keeps: args.report.is_some(),
        })
    }

    /// Shows how the run stands until all its threads are done, and keeps that if it is wanted.
    pub(crate) fn watch(
        mut self,
        db: &Db,
        progress: &Progress,
        finished: &AtomicUsize,
        timeline: &mut Timeline,
    ) {
        let report_ns = self.report.as_ref().map(|r| r.1);
        let periods = [
            self.draw.then_some(REDRAW_NS),
            (self.stats_ns > 0).then_some(self.stats_ns),
            self.keeps.then_some(KEEP_NS),
            report_ns,
        ];
        let Some(tick) = periods.iter().flatten().min().copied() else { return };
        let start = clock::now_ns();
        let written = Written::now(db);
        let (mut last_stats, mut last_report) = (Moment::at(start, progress), Moment::at(start, progress));
        let (mut drawn, mut kept) = (0, start);
        while finished.load(Relaxed) < progress.len() {
            clock::nap(Duration::from_nanos(tick.min(REDRAW_NS)));
            let now = Moment::at(clock::now_ns(), progress);
            // One that was woken early lies too near to the last for a rate.
            if self.keeps && now.ns - kept >= KEEP_NS / 2 {
                kept = now.ns;
                let done = Written::now(db);
                timeline.add(timeline::Moment {
                    ns: now.ns - start,
                    done: now.total(),
                    slowest_ns: progress.iter().map(|p| p.slowest_ns.swap(0, Relaxed)).max().unwrap_or(0),
                    flush_bytes: done.flush - written.flush,
                    compaction_bytes: done.compaction - written.compaction,
                });
            }
            if self.draw && now.ns.saturating_sub(drawn) >= REDRAW_NS {
                drawn = now.ns;
                let seconds = (now.ns - start) as f64 / 1e9;
                let rate = now.total() as f64 / seconds.max(1e-9);
                let total = now.total();
                let _ = write!(
                    stderr(),
                    "\r{:<12} ... {total} ops, {rate:.0} ops/sec, {seconds:.0} s\x1b[K",
                    self.name
                );
            }
            if self.stats_ns > 0 && now.ns - last_stats.ns >= self.stats_ns {
                self.clear();
                print_stats(start, &last_stats, &now);
                last_stats = now.clone();
            }
            if report_ns.is_some_and(|ns| now.ns - last_report.ns >= ns) {
                self.write_report(start, &last_report, &now);
                last_report = now;
            }
        }
        self.clear();
    }

    fn clear(&self) {
        if self.draw {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    fn write_report(&mut self, start: u64, last: &Moment, now: &Moment) {
        let Some((file, _)) = &mut self.report else { return };
        let seconds = (now.ns - start + 500_000_000) / 1_000_000_000;
        if let Err(e) = writeln!(file, "{seconds},{}", now.total() - last.total()) {
            note(format_args!("ringwood: cannot write the report file, no more lines go there: {e}"));
            self.report = None;
        }
    }
}

/// Bytes that the store has written in the background.
struct Written {
    flush: u64,
    compaction: u64,
}

impl Written {
    fn now(db: &Db) -> Self {
        let io = db.stats().io;
        let [flush, compaction] = [Class::Flush, Class::Compaction].map(|c| io.class(c).write_bytes);
        Self { flush, compaction }
    }
}

/// The threads' counts at one time.
#[derive(Clone)]
struct Moment {
    ns: u64,
    done: Vec<u64>,
}

impl Moment {
    fn at(ns: u64, progress: &Progress) -> Self {
        Self { ns, done: progress.iter().map(|p| p.done.load(Relaxed)).collect() }
    }

    fn total(&self) -> u64 {
        self.done.iter().sum()
    }
}

/// db_bench's line, a thread at a time.
fn print_stats(start: u64, last: &Moment, now: &Moment) {
    let (since, all) = ((now.ns - last.ns) as f64 / 1e9, (now.ns - start) as f64 / 1e9);
    for (id, (before, done)) in last.done.iter().zip(&now.done).enumerate() {
        let new = done.saturating_sub(*before);
        note(format_args!(
            "... thread {id}: ({new},{done}) ops and ({:.1},{:.1}) ops/second in ({since:.6},{all:.6}) seconds",
            new as f64 / since,
            *done as f64 / all
        ));
    }
}

#[allow(clippy::disallowed_methods, reason = "the user's report file, no file of the store")]
fn open_report(path: &Path) -> Result<File> {
    let opened = File::create(path).and_then(|mut file| {
        writeln!(file, "secs_elapsed,interval_qps")?;
        Ok(file)
    });
    opened.map_err(|e| Failure::store(format!("cannot write the report file {}: {e}", path.display())))
}
