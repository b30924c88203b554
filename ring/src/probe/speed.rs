//! How fast a directory's device is, found out in half a second: reads one at a time and many, durable writes one after the other.

use std::path::Path;
use std::sync::Arc;

use super::{Level, Probe};
use crate::os;
use crate::{
    Buf, Class, Completion, Disk, File, IoChoice, Lane, LaneSpec, Op, OpenOptions, Owner, PAGE, Result,
    UringConfig, open_disk,
};

const TOPIC: &str = "device";
/// What is read lies in a file of so many bytes.
const FILE_BYTES: u64 = 16 << 20;
const PIECE_BYTES: usize = 1 << 20;
/// Reads in flight, where they are many.
const DEPTH: usize = 64;
/// Each of the three probes takes so long.
const PROBE_NS: u64 = 150_000_000;
/// A sync that takes longer is slow.
const SLOW_SYNC_NS: u64 = 5_000_000;
const ARENA_BYTES: usize = 4 << 20;

/// Adds what was found out, if the trial of a small file went well.
pub(super) fn speed(probe: &mut Probe, dir: &Path) {
    if probe.get("file system", "trial").is_none_or(|trial| trial.value == "failed") {
        return;
    }
    let path = dir.join(format!(".ringwood-probe-{}-{:x}", std::process::id(), os::random()));
    match measure(&path) {
        Ok(found) => found.tell(probe),
        Err(e) => probe.add(TOPIC, "speed", "unknown", Level::Warn, format!("it could not be measured: {e}")),
    }
    // Gone, whatever failed in between.
    let _ = os::remove(&path);
}

struct Found {
    is_direct: bool,
    /// Reads a second, one at a time and many.
    single: f64,
    many: f64,
    /// Nanoseconds of durable writes, in order.
    syncs: Vec<u64>,
}

impl Found {
    fn tell(&self, probe: &mut Probe) {
        let value = format!("{:.0}/s alone, {:.0}/s at depth {DEPTH}", self.single, self.many);
        let meaning = if self.is_direct {
            let gain = self.many / self.single.max(1.0);
            format!(
                "cold gets of one thread are bound by the first; multi_get, scans and compactions gain up to {gain:.1} times by asking for many at once"
            )
        } else {
            "read from the page cache, since there is no O_DIRECT: it says nothing of the device".to_owned()
        };
        probe.add(TOPIC, "read depth", value, Level::Ok, meaning);
        let (Some(median), Some(worst)) = (self.syncs.get(self.syncs.len() / 2), self.syncs.last()) else {
            return;
        };
        let millis = |ns: &u64| *ns as f64 / 1e6;
        let value = format!("{:.2} ms, at worst {:.1}", millis(median), millis(worst));
        let (level, advice) = if *median > SLOW_SYNC_NS {
            (
                Level::Warn,
                "it is slow: write batches, write from several threads, or choose Buffered where that is enough",
            )
        } else {
            (Level::Ok, "writers that come meanwhile share it; Buffered writes do not wait for it")
        };
        let meaning = format!(
            "a lone Synced write takes about this long, {:.0} a second; {advice}",
            1e9 / *median as f64
        );
        probe.add(TOPIC, "sync latency", value, level, meaning);
    }
}

fn measure(path: &Path) -> Result<Found> {
    let disk = open_disk(IoChoice::Uring, ARENA_BYTES, UringConfig::default())
        .or_else(|_| open_disk(IoChoice::Syscalls, ARENA_BYTES, UringConfig::default()))?;
    let file = disk.open(path, OpenOptions::CREATE)?;
    let spec = LaneSpec { class: Class::Control, depth: DEPTH as u32, owner: Owner::Pool };
    let mut lane = disk.lane(spec)?;
    fill(&disk, &mut *lane, &file)?;
    let single = reads(&disk, &mut *lane, &file, 1)?;
    let many = reads(&disk, &mut *lane, &file, DEPTH)?;
    let syncs = syncs(&disk, &mut *lane, &file)?;
    Ok(Found { is_direct: file.is_direct(), single, many, syncs })
}

/// Writes the file, so that there is something to read that no file system makes up.
fn fill(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, file: &File) -> Result<()> {
    let mut buf = disk.arena().alloc_any(PIECE_BYTES)?;
    for word in buf.as_mut_slice().chunks_mut(8) {
        word.copy_from_slice(&os::random().to_le_bytes()[..word.len()]);
    }
    for offset in (0..FILE_BYTES).step_by(PIECE_BYTES) {
        let op = Op::Write { file: file.clone(), offset, buf, len: PIECE_BYTES, dsync: false };
        buf = one(lane, op)?;
    }
    wait(lane, Op::Sync { file: file.clone(), data_only: false }).map(drop)
}

/// Reads pages at random, so many at a time; how many a second.
fn reads(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, file: &File, depth: usize) -> Result<f64> {
    let mut free = Vec::new();
    for _ in 0..depth {
        free.push(disk.arena().alloc_any(PAGE)?);
    }
    let start = disk.now();
    let (mut count, mut done, mut result) = (0u64, Vec::new(), Ok(()));
    while disk.now() - start < PROBE_NS && result.is_ok() {
        while let Some(buf) = free.pop() {
            let offset = os::random() % (FILE_BYTES / PAGE as u64) * PAGE as u64;
            let op = Op::Read { file: file.clone(), offset, buf, len: PAGE };
            if let Err(op) = lane.push(0, op) {
                free.extend(op.into_buf());
                break;
            }
        }
        lane.reap(1, &mut done)?;
        count += done.len() as u64;
        result = take(&mut done, &mut free);
    }
    let elapsed = disk.now() - start;
    while lane.in_flight() > 0 {
        lane.reap(lane.in_flight(), &mut done)?;
        result = result.and(take(&mut done, &mut free));
    }
    result.map(|()| count as f64 * 1e9 / elapsed.max(1) as f64)
}

/// Takes buffers back.
fn take(done: &mut Vec<Completion>, free: &mut Vec<Buf>) -> Result<()> {
    let mut result = Ok(());
    for completion in done.drain(..) {
        free.extend(completion.buf);
        result = result.and(completion.result.map(drop));
    }
    result
}

/// Writes single pages, each linked to a sync; what each took, in order.
fn syncs(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, file: &File) -> Result<Vec<u64>> {
    let mut took = Vec::new();
    let mut buf = disk.arena().alloc_any(PAGE)?;
    let start = disk.now();
    while disk.now() - start < PROBE_NS {
        let begun = disk.now();
        let offset = took.len() as u64 % (FILE_BYTES / PAGE as u64) * PAGE as u64;
        let write = Op::Write { file: file.clone(), offset, buf, len: PAGE, dsync: false };
        let sync = Op::Sync { file: file.clone(), data_only: true };
        let mut done = Vec::new();
        lane.push_chain(&mut vec![(0, write), (1, sync)]);
        lane.reap(2, &mut done)?;
        took.push(disk.now() - begun);
        let mut free = Vec::new();
        take(&mut done, &mut free)?;
        buf = match free.pop() {
            Some(buf) => buf,
            None => disk.arena().alloc_any(PAGE)?,
        };
    }
    took.sort_unstable();
    Ok(took)
}

/// Does one operation that has a buffer, and gives that back.
fn one(lane: &mut dyn Lane, op: Op) -> Result<Buf> {
    wait(lane, op).map(|buf| buf.expect("an operation with a buffer gives it back"))
}

fn wait(lane: &mut dyn Lane, op: Op) -> Result<Option<Buf>> {
    let mut done = Vec::new();
    lane.push(0, op).expect("an idle lane has room");
    lane.reap(1, &mut done)?;
    let completion = done.pop().expect("waited for");
    completion.result.map(|_| completion.buf)
}
