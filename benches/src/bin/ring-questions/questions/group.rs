//! Part of `wal`: group commit through the log itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ringwood_benches::RECORD_BYTES;
use ringwood_ring::{Class, Disk, UringConfig};
use ringwood_wal::{Appender, Log, SyncMode, WalOptions};

use super::LOG_BYTES;
use crate::contest::{Bench, Contender};
use crate::report::Table;
use crate::{Result, crew};

/// A log with its thread. Dropping it closes it.
pub(super) struct RunningLog {
    appender: Mutex<Appender>,
    log: Arc<Log>,
    thread: Option<JoinHandle<ringwood_wal::Result<()>>>,
}

impl RunningLog {
    /// Opens a new log in the new directory `dir`, with segments of `segment_bytes`.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        sync_mode: SyncMode,
        segment_bytes: u64,
    ) -> Result<Self> {
        disk.create_dir(dir)?;
        let options = WalOptions {
            sync_mode,
            segment_bytes_min: segment_bytes,
            segment_bytes_max: segment_bytes,
            ..WalOptions::default()
        };
        let opened = ringwood_wal::open(disk, dir, options, disk.random(), 0, &mut |_, _| Ok(()))?;
        let mut pump = opened.pump;
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || pump.run())?;
        Ok(Self { appender: Mutex::new(opened.appender), log: opened.log, thread: Some(thread) })
    }

    /// Appends a record and waits until it is durable.
    pub(super) fn commit(&self, record: &[u8]) -> Result<()> {
        let end = self.appender().append(&[record])?;
        Ok(self.log.wait_durable(end)?)
    }

    fn appender(&self) -> std::sync::MutexGuard<'_, Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        // A log that failed said so to whoever committed.
        let _ = self.appender().close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A table for each number of writers.
pub(super) fn run(bench: &Bench, share: f64) -> Result<Vec<Table>> {
    let place = &bench.place;
    let uring = || place.uring_with(UringConfig::default());
    let ways = [
        ("ring, chain", uring()?, SyncMode::Chain),
        ("ring, as it finds best", uring()?, SyncMode::Auto),
        ("ring, durable write", uring()?, SyncMode::Dsync),
        ("system calls, chain", place.own_syscalls(), SyncMode::Chain),
    ];
    let mut logs = Vec::new();
    for (i, (name, disk, mode)) in ways.into_iter().enumerate() {
        bench.progress("opening logs");
        let log = RunningLog::open(&disk, &place.path(&format!("group-{i}")), mode, LOG_BYTES)?;
        logs.push((name, disk, log));
    }
    let tables = [1, 4, 16].into_iter().map(|writers| {
        let contenders = logs.iter().map(|(name, disk, log)| {
            Contender::new(*name, move |slot| {
                let before = log.log.stats().groups;
                let turn = crew::run(&place.halt, disk, Class::Log, writers, slot, |_, turn| {
                    let mut record = [0; RECORD_BYTES];
                    place.random().fill(&mut record);
                    while turn.more() {
                        log.commit(&record)?;
                        turn.done(1);
                    }
                    Ok(())
                });
                let mut sample = turn?;
                let groups = log.log.stats().groups - before;
                sample.extra.push(("commits/group", sample.ops as f64 / groups.max(1) as f64));
                log.log.release(log.log.durable());
                Ok(sample)
            })
        });
        let title = format!("through the log: {writers} writer(s), {RECORD_BYTES} bytes a commit");
        bench.hold(title, "commits", share / 3.0, contenders.collect())
    });
    tables.collect()
}
