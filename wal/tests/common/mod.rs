//! A store with nothing but a log, stepped by hand: no thread but the test's own, so that every run is the same.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of this")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "test code")]

pub mod world;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ringwood_ring::{Disk, IoChoice, Stepper, UringConfig, open_disk};
use ringwood_wal::{Appender, Log, Lsn, Opened, Progress, Pump, RecoveryReport, Result, WalOptions, open};

pub const STORE: u64 = 0x0123_4567_89ab_cdef;

/// The smallest of everything, so that small tests meet every edge.
pub fn small() -> WalOptions {
    WalOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 256 << 10,
        log_bytes_max: 16 << 20,
        staging_bytes: 128 << 10,
        drain_bytes: 32 << 10,
        unsynced_bytes_max: 256 << 10,
        ..WalOptions::default()
    }
}

/// A real disk on a temporary directory.
pub struct Place {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    _temp: tempfile::TempDir,
}

/// With io_uring, where it works.
pub fn place() -> Place {
    place_on(IoChoice::Auto)
}

pub fn place_on(choice: IoChoice) -> Place {
    let temp = tempfile::tempdir().unwrap();
    Place {
        disk: open_disk(choice, 32 << 20, UringConfig::default()).unwrap(),
        dir: temp.path().to_path_buf(),
        _temp: temp,
    }
}

/// An open log whose pump is stepped by whoever waits.
pub struct Session {
    pub appender: Appender,
    pub log: Arc<Log>,
    pub pump: Arc<Mutex<Option<Pump>>>,
    pub report: RecoveryReport,
    /// What was replayed.
    pub replayed: Vec<(Lsn, Vec<u8>)>,
}

impl Session {
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path, options: WalOptions, from: Lsn) -> Result<Self> {
        let pump: Arc<Mutex<Option<Pump>>> = Arc::default();
        // Weak: the pump holds its stepper too.
        let stepped = Arc::downgrade(&pump);
        let stepper: Stepper = Arc::new(move || {
            let Some(pump) = stepped.upgrade() else {
                return false;
            };
            let mut pump = pump.lock().unwrap();
            match pump.as_mut().map(|p| p.step(true)) {
                Some(Ok(Progress::Worked | Progress::Waiting)) => true,
                None | Some(Ok(Progress::Idle | Progress::Closed) | Err(_)) => false,
            }
        });
        let options = WalOptions { stepper: Some(stepper), ..options };
        let mut replayed = Vec::new();
        let opened: Opened = open(disk, dir, options, STORE, from, &mut |lsn, batch| {
            replayed.push((lsn, batch.to_vec()));
            Ok(())
        })?;
        *pump.lock().unwrap() = Some(opened.pump);
        Ok(Self { appender: opened.appender, log: opened.log, pump, report: opened.report, replayed })
    }

    pub fn append(&mut self, batch: &[u8]) -> Lsn {
        self.appender.append(&[batch]).unwrap()
    }

    pub fn append_durable(&mut self, batch: &[u8]) -> Lsn {
        let end = self.append(batch);
        self.log.wait_durable(end).unwrap();
        end
    }

    /// One step without waiting.
    pub fn step(&self) -> Result<Progress> {
        self.pump.lock().unwrap().as_mut().unwrap().step(false)
    }

    /// Steps until nothing is due.
    pub fn settle(&self) {
        loop {
            let progress = self.pump.lock().unwrap().as_mut().unwrap().step(true).unwrap();
            if matches!(progress, Progress::Idle | Progress::Closed) {
                return;
            }
        }
    }

    pub fn batches(&self) -> Vec<&[u8]> {
        self.replayed.iter().map(|(_, b)| b.as_slice()).collect()
    }
}

/// `len` bytes that depend on `tag` and position.
pub fn pattern(tag: u64, len: usize) -> Vec<u8> {
    let mut state = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "the test looks at the files from outside")]
/// Names of the segment files in a real directory, in order.
pub fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| {
            p.extension().is_some_and(|e| e == "log")
                && !p.file_stem().unwrap().to_str().unwrap().starts_with("spare")
        })
        .collect();
    names.sort();
    names
}
