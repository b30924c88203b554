//! A lane that runs its operations one by one.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustix::io::{Errno, ReadWriteFlags};

use crate::counters::Cell;
use crate::os::fd;
use crate::{Completion, Counters, Lane, LaneSpec, Op, Result};

#[derive(Debug)]
pub(crate) struct SyscallLane {
    counters: Arc<Counters>,
    spec: LaneSpec,
    /// Token, operation, and whether the next one is linked to it.
    queued: VecDeque<(u64, Op, bool)>,
    done: VecDeque<Completion>,
}

impl SyscallLane {
    pub(crate) fn new(counters: Arc<Counters>, spec: LaneSpec) -> Self {
        let depth = spec.depth.max(1).next_power_of_two();
        Self { counters, spec: LaneSpec { depth, ..spec }, queued: VecDeque::new(), done: VecDeque::new() }
    }

    fn run_queued(&mut self) {
        let cell = self.counters.cell(self.spec.class);
        let mut chain_broken = false;
        while let Some((token, mut op, linked)) = self.queued.pop_front() {
            let result = if chain_broken { Err(Errno::CANCELED) } else { run(cell, &mut op) };
            // As in the kernel, a failure or a short read breaks the chain up to its end.
            let whole = match (&op, &result) {
                (Op::Read { len, .. }, Ok(n)) => n == len,
                (_, r) => r.is_ok(),
            };
            chain_broken = linked && (chain_broken || !whole);
            let result = result.map_err(|e| op.error(e.raw_os_error()));
            if result.is_err() {
                cell.failed.fetch_add(1, Relaxed);
            }
            self.done.push_back(Completion { token, result, buf: op.into_buf() });
        }
    }
}

/// Runs one operation to its end: short transfers go on, EINTR and EAGAIN are tried again.
fn run(cell: &Cell, op: &mut Op) -> std::result::Result<usize, Errno> {
    let mut moved = 0;
    cell.sqes.fetch_add(1, Relaxed);
    let total = loop {
        cell.enters.fetch_add(1, Relaxed);
        let (result, want) = match op {
            Op::Read { file, offset, buf, len } => {
                let rest = &mut buf.as_mut_slice()[moved..*len];
                let at = *offset + moved as u64;
                (
                    rustix::io::preadv2(fd(file), &mut [IoSliceMut::new(rest)], at, ReadWriteFlags::empty()),
                    *len,
                )
            }
            Op::Write { file, offset, buf, len, dsync } => {
                let rest = &buf.as_slice()[moved..*len];
                let at = *offset + moved as u64;
                let flags = if *dsync { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
                (rustix::io::pwritev2(fd(file), &[IoSlice::new(rest)], at, flags), *len)
            }
            Op::Sync { file, data_only: true } => (rustix::fs::fdatasync(fd(file)).map(|()| 0), 0),
            Op::Sync { file, data_only: false } => (rustix::fs::fsync(fd(file)).map(|()| 0), 0),
        };
        match result {
            Err(Errno::INTR | Errno::AGAIN) => {
                cell.retries.fetch_add(1, Relaxed);
            }
            Err(e) => return Err(e),
            Ok(n) => {
                moved += n;
                if moved >= want {
                    break moved;
                }
                // 0 bytes: the end of the file for a read, a full device for a write. A read that ends off a page boundary
                // has met the end as well; asking direct I/O for the unaligned rest would be an error.
                let is_read = matches!(op, Op::Read { .. });
                if n == 0 || (is_read && moved % crate::PAGE != 0) {
                    if is_read {
                        break moved;
                    }
                    return Err(Errno::NOSPC);
                }
                cell.short.fetch_add(1, Relaxed);
            }
        }
    };
    count(cell, op, total);
    Ok(total)
}

fn count(cell: &Cell, op: &Op, bytes: usize) {
    match op {
        Op::Read { .. } => {
            cell.reads.fetch_add(1, Relaxed);
            cell.plain.fetch_add(1, Relaxed);
            cell.read_bytes.fetch_add(bytes as u64, Relaxed);
        }
        Op::Write { dsync, .. } => {
            cell.writes.fetch_add(1, Relaxed);
            cell.plain.fetch_add(1, Relaxed);
            cell.syncs.fetch_add(u64::from(*dsync), Relaxed);
            cell.write_bytes.fetch_add(bytes as u64, Relaxed);
        }
        Op::Sync { .. } => {
            cell.syncs.fetch_add(1, Relaxed);
        }
    }
}

impl Lane for SyscallLane {
    fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op> {
        op.assert_aligned();
        if self.room() == 0 {
            return Err(op);
        }
        self.queued.push_back((token, op, false));
        Ok(())
    }

    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        assert!(ops.len() <= self.depth(), "a chain of {} on a lane of depth {}", ops.len(), self.depth());
        if self.room() < ops.len() {
            return false;
        }
        let last = ops.len().saturating_sub(1);
        for (i, (token, op)) in ops.drain(..).enumerate() {
            op.assert_aligned();
            self.queued.push_back((token, op, i != last));
        }
        self.counters.cell(self.spec.class).chains.fetch_add(1, Relaxed);
        true
    }

    fn reap(&mut self, _min: usize, out: &mut Vec<Completion>) -> Result<usize> {
        self.run_queued();
        let count = self.done.len();
        out.extend(self.done.drain(..));
        Ok(count)
    }

    fn submit(&mut self) -> Result<()> {
        self.run_queued();
        Ok(())
    }

    fn room(&self) -> usize {
        self.depth() - self.in_flight()
    }

    fn in_flight(&self) -> usize {
        self.queued.len() + self.done.len()
    }

    fn depth(&self) -> usize {
        self.spec.depth as usize
    }
}
