//! The bare disk: what a store could get at best, in the same minutes and with the same loop.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_benches::Random;
use ringwood_ring::{
    Buf, Class, Completion, Disk, File, IoChoice, Lane, LaneSpec, Op, OpenOptions as RingOptions, Owner,
    PAGE, UringConfig, open_disk, sync_file,
};

use super::drive::{Outcome, Plan, Seat, drive};
use crate::Result;
use crate::rows::{self, Row};

const ARENA_BYTES: usize = 64 << 20;
/// One transfer of a sequential read, and how many are in flight.
const PIECE: usize = 1 << 20;
const PIECES: u32 = 8;
/// Commits go round in a file of this size, as in a log that is written again and again.
const COMMIT_BYTES: u64 = 64 << 20;

/// Files that are there, written through and synced.
pub(crate) struct Bench {
    disk: Arc<dyn Disk>,
    data: File,
    data_bytes: u64,
    log: File,
    log_path: PathBuf,
}

impl Bench {
    /// Writes a file of `data_bytes`, and one for commits.
    pub(crate) fn new(dir: &Path, data_bytes: u64) -> Result<Self> {
        let disk = open_disk(IoChoice::Auto, ARENA_BYTES, UringConfig::default())?;
        let data_bytes = data_bytes.next_multiple_of(PIECE as u64).max(64 << 20);
        let data = written(&*disk, &dir.join("data"), data_bytes)?;
        let log_path = dir.join("log");
        let log = written(&*disk, &log_path, COMMIT_BYTES)?;
        Ok(Self { disk, data, data_bytes, log, log_path })
    }

    /// The way to the disk, and whether it bypasses the page cache.
    pub(crate) fn about(&self) -> String {
        let direct =
            if self.data.is_direct() { "O_DIRECT" } else { "without O_DIRECT, which this file system lacks" };
        format!("through {}, {direct}", self.disk.caps().backend)
    }

    /// Measures one row of the disk.
    pub(crate) fn run(&self, row: &Row, what: rows::Disk, seconds: f64, seed: u64) -> Result<Outcome> {
        let plan = Plan { threads: row.threads, ops: None, seconds, seed };
        match what {
            rows::Disk::Read { depth } => self.read(plan, depth, PAGE, false),
            rows::Disk::Threads => self.read(plan, 1, PAGE, false),
            rows::Disk::Sequential => self.read(plan, PIECES, PIECE, true),
            rows::Disk::Commit => self.commit(plan),
            rows::Disk::Chain => self.chain(plan),
        }
    }

    /// Reads pieces with `depth` in flight all the time. A step ends when one has come.
    fn read(&self, plan: Plan, depth: u32, piece: usize, in_order: bool) -> Result<Outcome> {
        let pieces = self.data_bytes / piece as u64;
        drive(plan, |seat| {
            let mut lane = lane(&*self.disk, Class::Get, depth)?;
            let mut idle = buffers(&*self.disk, depth, piece)?;
            let (mut random, mut done) = (Random::new(seat.seed), Vec::new());
            let mut next = 0;
            Ok(move |_: Seat<'_>| {
                while let Some(buf) = idle.pop() {
                    let at = if in_order { next % pieces } else { random.below(pieces) };
                    next += 1;
                    let op = Op::Read { file: self.data.clone(), offset: at * piece as u64, buf, len: piece };
                    lane.push(0, op).map_err(|_| "the lane is full")?;
                }
                take(&mut *lane, 1, &mut done, &mut idle)
            })
        })
    }

    /// A write and fdatasync, by system calls. The file is opened as a plain program would.
    fn commit(&self, plan: Plan) -> Result<Outcome> {
        let file = OpenOptions::new().write(true).open(&self.log_path)?;
        let page = [7; PAGE];
        drive(plan, |_| {
            let (file, mut at) = (&file, 0);
            Ok(move |_: Seat<'_>| {
                file.write_all_at(&page, at)?;
                file.sync_data()?;
                at = (at + PAGE as u64) % COMMIT_BYTES;
                Ok(1)
            })
        })
    }

    /// The same as a chain, written directly.
    fn chain(&self, plan: Plan) -> Result<Outcome> {
        drive(plan, |_| {
            let mut lane = lane(&*self.disk, Class::Log, 2)?;
            let mut idle = buffers(&*self.disk, 1, PAGE)?;
            let (mut chain, mut done, mut at) = (Vec::new(), Vec::new(), 0);
            Ok(move |_: Seat<'_>| {
                let buf = idle.pop().ok_or("a commit gives its buffer back")?;
                let file = self.log.clone();
                chain.push((0, Op::Write { file: file.clone(), offset: at, buf, len: PAGE, dsync: false }));
                chain.push((1, Op::Sync { file, data_only: true }));
                if !lane.push_chain(&mut chain) {
                    return Err("the lane is full".into());
                }
                take(&mut *lane, 2, &mut done, &mut idle)?;
                at = (at + PAGE as u64) % COMMIT_BYTES;
                Ok(1)
            })
        })
    }
}

fn lane(disk: &dyn Disk, class: Class, depth: u32) -> Result<Box<dyn Lane>> {
    Ok(disk.lane(LaneSpec { class, depth, owner: Owner::Thread })?)
}

fn buffers(disk: &dyn Disk, count: u32, bytes: usize) -> Result<Vec<Buf>> {
    (0..count).map(|_| Ok(disk.arena().alloc(bytes)?)).collect()
}

/// Waits for `min` completions and takes all that are there; says how many.
fn take(lane: &mut dyn Lane, min: usize, done: &mut Vec<Completion>, idle: &mut Vec<Buf>) -> Result<u64> {
    lane.reap(min, done)?;
    let count = done.len() as u64;
    for completion in done.drain(..) {
        completion.result?;
        idle.extend(completion.buf);
    }
    Ok(count)
}

/// A new file of noise, synced: its blocks are allocated and written.
fn written(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<File> {
    let file = disk.open(path, RingOptions::CREATE)?;
    disk.allocate(&file, bytes)?;
    let mut lane = lane(disk, Class::Control, PIECES)?;
    let mut idle = buffers(disk, PIECES, PIECE)?;
    let (mut random, mut done) = (Random::new(bytes), Vec::new());
    idle.iter_mut().for_each(|buf| random.fill(buf.as_mut_slice()));
    for offset in (0..bytes).step_by(PIECE) {
        if idle.is_empty() {
            take(&mut *lane, 1, &mut done, &mut idle)?;
        }
        let buf = idle.pop().ok_or("a buffer came back")?;
        let op = Op::Write { file: file.clone(), offset, buf, len: PIECE, dsync: false };
        lane.push(0, op).map_err(|_| "the lane is full")?;
    }
    let rest = lane.in_flight();
    take(&mut *lane, rest, &mut done, &mut idle)?;
    sync_file(&mut *lane, &file, false)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_row_moves_something() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let bench = Bench::new(dir.path(), 1).unwrap();
        for row in rows::ROWS {
            if let rows::Work::Disk(what) = row.work {
                let outcome = bench.run(row, what, 0.05, 1).unwrap();
                assert!(outcome.ops > 0 && !outcome.latency.is_empty(), "{}", row.name);
            }
        }
    }
}
