//! Part of `wal`: the first commit after a pause.
//!
//! A linked sync runs on a kernel worker of the thread that submits it. Idle workers end after five seconds, so that the first
//! commit after that pays for a new one. All contenders pause at the same time, each on a thread of its own, and then
//! commit one after the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ringwood_benches::RECORD_BYTES;
use ringwood_ring::{Disk, File, Gate, PAGE};
use ringwood_wal::SyncMode;
use serde_json::json;

use super::LOG_LANE;
use super::group::RunningLog;
use crate::Result;
use crate::contest::Bench;
use crate::io::{Committer, Way};
use crate::place::Place;
use crate::report::Table;
use crate::stats::Spread;

/// A little longer than the kernel keeps an idle worker.
const PAUSE_SECONDS: f64 = 5.3;
/// Threads of each contender: so many first commits are measured.
const TRIES: usize = 3;
/// Commits before the pause, and after it: the first, and the ones that follow it.
const WARM: usize = 20;
const AFTER: usize = 4;
/// Pages that one thread writes.
const RANGE: u64 = (WARM + AFTER) as u64 * PAGE as u64;
const SEGMENT_BYTES: u64 = 1 << 20;

/// How long the pause is when a question takes `seconds`.
pub(super) fn pause_seconds(seconds: f64) -> f64 {
    if seconds >= 8.0 { PAUSE_SECONDS } else { seconds * 0.3 }
}

#[derive(Clone, Copy)]
enum Kind {
    Lane { uring: bool, way: Way },
    Log(SyncMode),
}

const KINDS: [(&str, Kind); 6] = [
    ("ring: write and fdatasync, linked", Kind::Lane { uring: true, way: Way::Chain }),
    ("ring: durable write", Kind::Lane { uring: true, way: Way::Dsync }),
    ("system calls: pwritev2 and fdatasync", Kind::Lane { uring: false, way: Way::Chain }),
    ("system calls: pwritev2 with RWF_DSYNC", Kind::Lane { uring: false, way: Way::Dsync }),
    ("through the log: chain", Kind::Log(SyncMode::Chain)),
    ("through the log: durable write", Kind::Log(SyncMode::Dsync)),
];

/// Nanoseconds of each commit of one thread: before the pause, then after it.
type Times = (Vec<f64>, Vec<f64>);

pub(super) fn run(bench: &Bench) -> Result<Table> {
    let place = &bench.place;
    let count = KINDS.len() * TRIES;
    let file = &place.written("idle", RANGE * count as u64, &|text| bench.progress(text))?;
    // The thread whose number it is works; the one behind the last is the pause.
    let (gate, baton) = (&Gate::new(), &AtomicUsize::new(0));
    let pause = pause_seconds(bench.seconds);
    bench.progress(&format!("a pause of {pause:.1} s"));
    let times = thread::scope(|scope| {
        let crew: Vec<_> =
            (0..count).map(|i| scope.spawn(move || one(place, file, i, gate, baton))).collect();
        // Warmed up one after the other, which ends with the baton here.
        gate.wait_until(|| baton.load(Ordering::SeqCst) == count);
        for _ in 0..10 {
            gate.wait_timeout(Duration::from_secs_f64(pause / 10.0), || place.halt.is_set());
        }
        pass(gate, baton, count + 1);
        let join =
            |t: thread::ScopedJoinHandle<'_, _>| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        crew.into_iter().map(join).collect::<Result<Vec<Times>>>()
    })?;
    place.halt.check()?;
    Ok(table(pause, &times))
}

fn pass(gate: &Gate, baton: &AtomicUsize, to: usize) {
    baton.store(to, Ordering::SeqCst);
    gate.notify();
}

/// Hands the baton on when dropped: also where a thread fails.
struct Held<'a>(&'a Gate, &'a AtomicUsize);

impl<'a> Held<'a> {
    fn wait(gate: &'a Gate, baton: &'a AtomicUsize, number: usize) -> Self {
        gate.wait_until(|| baton.load(Ordering::SeqCst) == number);
        Self(gate, baton)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        pass(self.0, self.1, self.1.load(Ordering::SeqCst) + 1);
    }
}

/// One thread: contenders alternate, A B C A B C.
fn one(place: &Place, file: &File, i: usize, gate: &Gate, baton: &AtomicUsize) -> Result<Times> {
    let count = KINDS.len() * TRIES;
    let held = Held::wait(gate, baton, i);
    let warm = Worker::new(place, file, i).and_then(|mut w| Ok((w.commits(place, WARM)?, w)));
    drop(held);
    // A thread that failed still takes its turn: the baton goes through all hands.
    let _held = Held::wait(gate, baton, count + 1 + i);
    let (before, mut worker) = warm?;
    if place.halt.is_set() {
        return Ok((before, Vec::new()));
    }
    let after = worker.commits(place, AFTER)?;
    Ok((before, after))
}

enum Worker {
    Lane(Committer),
    Log(RunningLog),
}

impl Worker {
    fn new(place: &Place, file: &File, i: usize) -> Result<Self> {
        Ok(match KINDS[i % KINDS.len()].1 {
            Kind::Lane { uring, way } => {
                let disk: &dyn Disk = if uring { &*place.uring } else { &*place.syscalls };
                let from = i as u64 * RANGE;
                Worker::Lane(Committer::new(place, disk, LOG_LANE, way, file, from..from + RANGE)?)
            }
            Kind::Log(mode) => {
                let dir = place.path(&format!("idle-{i}"));
                Worker::Log(RunningLog::open(&place.uring, &dir, mode, SEGMENT_BYTES)?)
            }
        })
    }

    fn commits(&mut self, place: &Place, count: usize) -> Result<Vec<f64>> {
        let record = [7; RECORD_BYTES];
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = place.uring.now();
            match self {
                Worker::Lane(committer) => committer.commit()?,
                Worker::Log(log) => log.commit(&record)?,
            }
            times.push((place.uring.now() - start) as f64);
        }
        Ok(times)
    }
}

fn table(pause: f64, times: &[Times]) -> Table {
    let columns = ["before us", "first us", "min-max", "next us"].map(str::to_string).to_vec();
    let title = format!("commits after a pause of {pause:.1} s, {TRIES} tries each (medians)");
    let mut table = Table { title, columns, ..Table::default() };
    if pause < 5.0 {
        table.notes.push("the kernel keeps an idle worker for 5 s: this pause is too short to tell".into());
    }
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let own = || times.iter().skip(kind).step_by(KINDS.len());
        let us = |ns: &f64| ns / 1000.0;
        // The first commits of all make rings and workers; the second half is warm.
        let before = Spread::of(own().flat_map(|t| t.0[WARM / 2..].iter().map(us)));
        let first = Spread::of(own().filter_map(|t| t.1.first().map(us)));
        let next = Spread::of(own().flat_map(|t| t.1.iter().skip(1).map(us)));
        let cells = vec![
            format!("{:.0}", before.median),
            format!("{:.0}", first.median),
            format!("{:.0}-{:.0}", first.min, first.max),
            format!("{:.0}", next.median),
        ];
        let json = json!({
            "name": name, "pause_seconds": pause, "before_us": before.median,
            "first_us": { "median": first.median, "min": first.min, "max": first.max },
            "next_us": next.median,
        });
        table.rows.push(((*name).to_string(), cells, json));
    }
    table
}
