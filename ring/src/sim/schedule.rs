//! Which operation in flight goes on next, and what becomes of its chain.
//!
//! One *step* picks a runnable operation of any lane by chance and lets it go on (what it then does is in `transfer.rs`). The parts of different operations so interleave freely, but a linked operation starts only
//! after its predecessor succeeded in full; after a failure or a short read the rest of the chain is cancelled, in order.

use std::sync::atomic::Ordering::Relaxed;

use super::flight::{Effect, Kind, Ticket, share};
use super::namespace::Inode;
use super::state::{State, dead};
use crate::{Op, Result};

impl State {
    /// Hands operations to the disk. Each is paired with whether it is linked to the next.
    pub(super) fn submit(&mut self, lane: u64, queued: impl Iterator<Item = (u64, Op, bool)>) {
        let alive = !self.halted && self.lanes.get(&lane).is_some_and(|l| l.alive);
        let mut previous = None;
        for (token, op, linked) in queued {
            let ticket = Ticket { lane, token, op };
            if !alive {
                let error = dead(ticket.op.verb(), ticket.op.file().path());
                self.answer(ticket, Err(error));
                continue;
            }
            if let Some(cell) = self.cell(lane) {
                cell.sqes.fetch_add(1, Relaxed);
            }
            let (inode, kind) = self.kind_of(&ticket.op);
            let effect = Effect {
                id: self.new_op(),
                inode,
                kind,
                next: None,
                slow: self.rng.chance(self.config.slow),
                tried: false,
                ticket: Some(ticket),
            };
            let index = self.flight.add(effect, previous.is_none());
            if let Some(previous) = previous {
                self.flight.link(previous, index);
            }
            previous = linked.then_some(index);
        }
    }

    fn kind_of(&self, op: &Op) -> (Inode, Kind) {
        let Ok(handle) = self.handle(op.verb(), op.file()) else {
            let errno = super::DEAD_ERRNO;
            return (0, Kind::Refuse { errno });
        };
        let kind = match op {
            Op::Read { offset, len, .. } => Kind::Read { offset: *offset, len: *len, moved: 0 },
            Op::Write { .. } if !handle.write => Kind::Refuse { errno: libc::EBADF },
            Op::Write { offset, len, buf, dsync, .. } => Kind::Write {
                offset: *offset,
                len: *len,
                moved: 0,
                data: share(buf.as_slice(), *len),
                dsync: *dsync,
            },
            Op::Sync { .. } => Kind::Sync { begun: None },
        };
        (handle.inode, kind)
    }

    /// Lets one operation go on. Returns false if none is in flight, or the process is dead.
    pub(super) fn step(&mut self) -> bool {
        let runnable = self.flight.runnable();
        if runnable == 0 || self.halted {
            return false;
        }
        let mut nth = self.rng.index(runnable);
        for _ in 0..4 {
            if self.flight.is_slow(nth) && !self.rng.one_in(16) {
                nth = self.rng.index(runnable);
            }
        }
        self.clock += self.latency() / runnable as u64;
        if !self.mapped.is_empty() && self.rng.one_in(8) {
            self.write_back();
        }
        if self.rng.chance(self.config.retry) {
            self.count_retry(nth);
        } else if self.count_operation() {
            self.advance(nth);
        }
        true
    }

    /// The `nth` runnable operation goes on.
    pub(super) fn advance(&mut self, nth: usize) {
        let (index, mut effect) = self.flight.take(nth);
        let Some(result) = self.transfer(&mut effect) else {
            self.flight.put_back(index, effect);
            return;
        };
        self.flight.release(nth, index);
        let mut next = effect.next;
        if effect.succeeded(result)
            && let Some(next) = next.take()
        {
            self.flight.start(next);
        }
        self.complete(effect, result);
        while let Some(index) = next {
            let cancelled = self.flight.cancel(index);
            next = cancelled.next;
            self.complete(cancelled, Err(libc::ECANCELED));
        }
    }

    fn complete(&mut self, effect: Effect, result: std::result::Result<usize, i32>) {
        let Some(ticket) = effect.ticket else { return };
        if self.trace.is_on() {
            let range = ticket.op.offset().map(|o| match &ticket.op {
                Op::Read { len, .. } | Op::Write { len, .. } => (o, o + *len as u64),
                Op::Sync { .. } => (o, o),
            });
            let code = result.map_or_else(|e| -i64::from(e), |n| n as i64);
            self.note(ticket.op.verb(), Some(ticket.op.file().path()), range, code);
        }
        let answer: Result<usize> = match result {
            Ok(n) => {
                self.count_done(&ticket, n);
                Ok(n)
            }
            Err(super::DEAD_ERRNO) => Err(dead(ticket.op.verb(), ticket.op.file().path())),
            Err(errno) => Err(ticket.op.error(errno)),
        };
        self.answer(ticket, answer);
    }

    fn count_retry(&mut self, nth: usize) {
        let (index, effect) = self.flight.take(nth);
        if let Some(cell) = effect.ticket.as_ref().and_then(|t| self.cell(t.lane)) {
            cell.retries.fetch_add(1, Relaxed);
            cell.sqes.fetch_add(1, Relaxed);
        }
        self.flight.put_back(index, effect);
    }

    pub(super) fn count_short(&self, effect: &Effect) {
        if let Some(cell) = effect.ticket.as_ref().and_then(|t| self.cell(t.lane)) {
            cell.short.fetch_add(1, Relaxed);
            cell.sqes.fetch_add(1, Relaxed);
        }
    }

    fn count_done(&self, ticket: &Ticket, bytes: usize) {
        let Some(cell) = self.cell(ticket.lane) else {
            return;
        };
        let (transfers, buf) = match &ticket.op {
            Op::Read { buf, .. } => {
                cell.reads.fetch_add(1, Relaxed);
                cell.read_bytes.fetch_add(bytes as u64, Relaxed);
                (1, Some(buf))
            }
            Op::Write { dsync, buf, .. } => {
                cell.writes.fetch_add(1, Relaxed);
                cell.write_bytes.fetch_add(bytes as u64, Relaxed);
                cell.syncs.fetch_add(u64::from(*dsync), Relaxed);
                (1, Some(buf))
            }
            Op::Sync { .. } => {
                cell.syncs.fetch_add(1, Relaxed);
                (0, None)
            }
        };
        // The disk's own arena counts as registered with it.
        if buf.is_some_and(|b| b.is_from(&self.arena)) {
            cell.fixed.fetch_add(transfers, Relaxed);
        } else {
            cell.plain.fetch_add(transfers, Relaxed);
        }
    }
}
