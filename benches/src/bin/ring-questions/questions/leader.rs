//! `leader`: who submits a commit.
//!
//! Three ways to make a page durable for each of several writers:
//!
//! * a *log thread* is told, commits for all who asked so far, and tells them;
//! * a *leader*: whoever gets the lane commits for all who asked so far and tells them;
//! * each writer *for itself*, on a lane of its own, sharing nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ringwood_ring::{Disk, File, Gate, LaneSpec, Owner};

use super::{LOG_BYTES, LOG_LANE};
use crate::contest::{Bench, Contender};
use crate::crew::Sample;
use crate::io::{Committer, Way, commit_all_turn};
use crate::place::Place;
use crate::report::Table;
use crate::{Result, crew};

/// How far the log is, counted in commits that were asked for.
#[derive(Default)]
struct Progress {
    asked: AtomicU64,
    done: AtomicU64,
    commits: AtomicU64,
    /// No more commits come: all writers left, or the log thread failed.
    over: AtomicBool,
    work: Gate,
    settled: Gate,
}

impl Progress {
    /// Commits once for all who asked so far.
    fn commit(&self, committer: &mut Committer) -> Result<()> {
        let asked = self.asked.load(SeqCst);
        if !committer.has_room() {
            committer.rewind(0);
        }
        committer.commit()?;
        self.commits.fetch_add(1, SeqCst);
        self.done.store(asked, SeqCst);
        Ok(())
    }

    fn end(&self) {
        self.over.store(true, SeqCst);
        self.work.notify();
        self.settled.notify();
    }

    fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// With how many commits the sample's operations were served.
    fn add_to(&self, mut sample: Sample) -> Sample {
        // Each writer's first was not in the sample, and neither were those that served it: a few among thousands.
        let commits = self.commits.load(SeqCst).max(1);
        sample.extra.push(("writers/commit", self.asked.load(SeqCst) as f64 / commits as f64));
        sample
    }
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let file = &place.written("leader", LOG_BYTES, &|text| bench.progress(text))?;
    let tables = [1, 4, 16].into_iter().map(|writers| {
        let contenders = vec![
            Contender::new("log thread", move |slot| log_thread(place, file, writers, slot)),
            Contender::new("leader", move |slot| leader(place, file, writers, slot)),
            Contender::new("each for itself", move |slot| alone(place, file, writers, slot)),
        ];
        let title = format!("{writers} writer(s), write and fdatasync linked");
        bench.hold(title, "commits", 0.3, contenders)
    });
    tables.collect()
}

fn log_thread(place: &Place, file: &File, writers: usize, slot: Duration) -> Result<Sample> {
    let (disk, progress) = (&place.uring, &Progress::default());
    let pump = || -> Result<()> {
        let mut committer = Committer::new(place, &**disk, LOG_LANE, Way::Chain, file, 0..LOG_BYTES)?;
        loop {
            progress.work.wait_until(|| {
                progress.asked.load(SeqCst) > progress.done.load(SeqCst) || progress.is_over()
            });
            if progress.is_over() {
                return Ok(());
            }
            progress.commit(&mut committer)?;
            progress.settled.notify();
        }
    };
    let write = || -> Result<()> {
        let ticket = progress.asked.fetch_add(1, SeqCst) + 1;
        progress.work.notify();
        progress.settled.wait_until(|| progress.done.load(SeqCst) >= ticket || progress.is_over());
        if progress.is_over() { Err("the log thread ended".into()) } else { Ok(()) }
    };
    let (pumped, sample) = thread::scope(|scope| {
        let pump = scope.spawn(|| {
            let result = pump();
            progress.end();
            result
        });
        let sample = write_all_turn(place, disk, writers, slot, &write);
        progress.end();
        (pump.join().unwrap_or_else(|p| std::panic::resume_unwind(p)), sample)
    });
    pumped?;
    Ok(progress.add_to(sample?))
}

fn leader(place: &Place, file: &File, writers: usize, slot: Duration) -> Result<Sample> {
    let (disk, progress) = (&place.uring, &Progress::default());
    let shared = LaneSpec { owner: Owner::Pool, ..LOG_LANE };
    let committer = Mutex::new(Committer::new(place, &**disk, shared, Way::Chain, file, 0..LOG_BYTES)?);
    let write = || -> Result<()> {
        let ticket = progress.asked.fetch_add(1, SeqCst) + 1;
        let mut lead = None;
        // All who were served leave at once; one of the others leads next.
        progress.settled.wait_until(|| {
            if progress.done.load(SeqCst) < ticket {
                lead = committer.try_lock().ok();
            }
            lead.is_some() || progress.done.load(SeqCst) >= ticket || progress.is_over()
        });
        let result = match &mut lead {
            Some(committer) if progress.done.load(SeqCst) < ticket => progress.commit(committer),
            _ if progress.is_over() => Err("another leader failed".into()),
            _ => Ok(()),
        };
        drop(lead);
        match &result {
            Ok(()) => progress.settled.notify(),
            Err(_) => progress.end(),
        }
        result
    };
    let sample = write_all_turn(place, disk, writers, slot, &write)?;
    Ok(progress.add_to(sample))
}

/// Writers that call `write` for as long as a turn lasts. The first of each is not counted.
fn write_all_turn(
    place: &Place,
    disk: &Arc<dyn Disk>,
    writers: usize,
    slot: Duration,
    write: &(impl Fn() -> Result<()> + Sync),
) -> Result<Sample> {
    crew::run(&place.halt, disk, LOG_LANE.class, writers, slot, |_, turn| {
        write()?;
        while turn.more() {
            write()?;
            turn.done(1);
        }
        Ok(())
    })
}

fn alone(place: &Place, file: &File, writers: usize, slot: Duration) -> Result<Sample> {
    let disk: &Arc<dyn Disk> = &place.uring;
    let part = LOG_BYTES / writers as u64;
    let mut sample = crew::run(&place.halt, disk, LOG_LANE.class, writers, slot, |i, turn| {
        let from = i as u64 * part;
        commit_all_turn(place, &**disk, LOG_LANE, Way::Chain, file, from..from + part, turn)
    })?;
    sample.extra.push(("writers/commit", 1.0));
    Ok(sample)
}
