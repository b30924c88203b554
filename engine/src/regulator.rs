//! Foreground reads go first: how much background jobs may have in flight.
//!
//! A device serves what it has been given: a read that arrives behind hundreds of large ones waits for them all. So as long as callers
//! read from the disk, background jobs together keep only a small window in flight ([`FOREGROUND_BACKGROUND_OPS_MAX`],
//! [`FOREGROUND_BACKGROUND_BYTES_MAX`]), reads and writes alike. When nobody has read for [`FOREGROUND_RECENT_NS`], they use their lanes
//! to the full: hundreds of reads an enter.
//!
//! A caller announces itself by taking a lane out of a pool, which only a cache miss does: one relaxed addition there, and nothing on a
//! hit. A worker looks once a step.
//!
//! **Debt goes before readers.** The window doubles with every eighth of the way from pacing's soft limit to its hard one, so that
//! the jobs' share of the device settles where it covers what writers bring.
//!
//! **Nobody waits for another's completions:** a job without anything in flight may always push one operation. So the bounds are
//! exceeded by one operation a worker at most, and no job can be starved by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use ringwood_ring::{Buf, Completion, Lane, Op};

/// Operations that all background jobs together have in flight while callers read, without debt.
pub(crate) const FOREGROUND_BACKGROUND_OPS_MAX: usize = 8;
/// Their bytes: what the measured device takes about 100 µs for.
pub(crate) const FOREGROUND_BACKGROUND_BYTES_MAX: usize = 256 << 10;
/// Callers count as reading for this long after a read.
pub(crate) const FOREGROUND_RECENT_NS: u64 = 1_000_000_000;
/// The window at pacing's hard limit, in smallest windows: as good as none.
const DEBT_FACTOR: f64 = 256.0;

/// What may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    ops: usize,
    bytes: usize,
}

impl Window {
    const FULL: Self = Self { ops: usize::MAX, bytes: usize::MAX };

    /// The window beside readers, at pacing's `debt`.
    fn beside_readers(debt: f64) -> Self {
        let factor = DEBT_FACTOR.powf(debt.clamp(0.0, 1.0));
        let grown = |least: usize| (least as f64 * factor) as usize;
        Self { ops: grown(FOREGROUND_BACKGROUND_OPS_MAX), bytes: grown(FOREGROUND_BACKGROUND_BYTES_MAX) }
    }
}

/// What background jobs have in flight, and when callers last read. All of it relaxed: a late look costs a few operations too many.
#[derive(Debug, Default)]
pub(crate) struct Regulator {
    ops: AtomicUsize,
    bytes: AtomicUsize,
    /// Reads of callers when a worker last looked.
    reads_seen: AtomicU64,
    /// Until when callers count as reading.
    until_ns: AtomicU64,
}

impl Regulator {
    /// The window now, when callers have read `reads` times since the store was opened.
    pub(crate) fn window(&self, reads: u64, now: u64, debt: f64) -> Window {
        if self.reads_seen.swap(reads, Relaxed) != reads {
            self.until_ns.store(now + FOREGROUND_RECENT_NS, Relaxed);
        }
        if now < self.until_ns.load(Relaxed) { Window::beside_readers(debt) } else { Window::FULL }
    }

    fn has_room(&self, window: Window) -> bool {
        self.ops.load(Relaxed) < window.ops && self.bytes.load(Relaxed) < window.bytes
    }
}

/// A worker's lane that says it is full when the window is. Whoever asks for [`room`](Lane::room) before each push keeps to it.
#[derive(Debug)]
pub(crate) struct RegulatedLane {
    lane: Box<dyn Lane>,
    regulator: Arc<Regulator>,
    window: Window,
    /// Own part of what is in flight.
    ops: usize,
    bytes: usize,
}

impl RegulatedLane {
    pub(crate) fn new(lane: Box<dyn Lane>, regulator: &Arc<Regulator>) -> Self {
        Self { lane, regulator: Arc::clone(regulator), window: Window::FULL, ops: 0, bytes: 0 }
    }

    pub(crate) fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    fn began(&mut self, bytes: usize) {
        self.ops += 1;
        self.bytes += bytes;
        self.regulator.ops.fetch_add(1, Relaxed);
        self.regulator.bytes.fetch_add(bytes, Relaxed);
    }

    fn ended(&mut self, ops: usize, bytes: usize) {
        // A broken lane may lose a buffer; then what is left is settled when nothing is in flight.
        let (ops, bytes) = (ops.min(self.ops), bytes.min(self.bytes));
        self.ops -= ops;
        self.bytes -= bytes;
        self.regulator.ops.fetch_sub(ops, Relaxed);
        self.regulator.bytes.fetch_sub(bytes, Relaxed);
    }
}

fn bytes_of(op: &Op) -> usize {
    match op {
        Op::Read { buf, .. } | Op::Write { buf, .. } => buf.len(),
        Op::Sync { .. } => 0,
    }
}

impl Lane for RegulatedLane {
    fn push(&mut self, token: u64, op: Op) -> Result<(), Op> {
        let bytes = bytes_of(&op);
        self.lane.push(token, op)?;
        self.began(bytes);
        Ok(())
    }

    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        let bytes: Vec<usize> = ops.iter().map(|(_, op)| bytes_of(op)).collect();
        let pushed = self.lane.push_chain(ops);
        if pushed {
            bytes.into_iter().for_each(|bytes| self.began(bytes));
        }
        pushed
    }

    fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> ringwood_ring::Result<usize> {
        let before = out.len();
        let reaped = self.lane.reap(min, out);
        let new = &out[before..];
        self.ended(new.len(), new.iter().filter_map(|c| c.buf.as_ref()).map(Buf::len).sum());
        if self.lane.in_flight() == 0 {
            self.ended(self.ops, self.bytes);
        }
        reaped
    }

    fn submit(&mut self) -> ringwood_ring::Result<()> {
        self.lane.submit()
    }

    fn room(&self) -> usize {
        let may_push = self.lane.in_flight() == 0 || self.regulator.has_room(self.window);
        if may_push { self.lane.room() } else { 0 }
    }

    fn in_flight(&self) -> usize {
        self.lane.in_flight()
    }

    fn depth(&self) -> usize {
        self.lane.depth()
    }
}

impl Drop for RegulatedLane {
    fn drop(&mut self) {
        self.ended(self.ops, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_small_while_callers_read_and_grows_with_debt() {
        let regulator = Regulator::default();
        let least = Window { ops: FOREGROUND_BACKGROUND_OPS_MAX, bytes: FOREGROUND_BACKGROUND_BYTES_MAX };
        assert_eq!(regulator.window(0, 5, -1.0), Window::FULL, "nobody has read yet");
        assert_eq!(regulator.window(1, 10, -1.0), least);
        assert_eq!(regulator.window(1, 9 + FOREGROUND_RECENT_NS, 0.0), least);
        assert_eq!(regulator.window(1, 10 + FOREGROUND_RECENT_NS, 0.0), Window::FULL);
        let later = 11 + FOREGROUND_RECENT_NS;
        let grown: Vec<Window> = (0..=8).map(|i| regulator.window(2, later, f64::from(i) / 8.0)).collect();
        assert!(
            grown.windows(2).all(|w| w[1].bytes == 2 * w[0].bytes && w[1].ops == 2 * w[0].ops),
            "{grown:?}"
        );
        assert_eq!(regulator.window(2, later, 7.0), grown[8], "not without end");
    }
}
