//! The inputs of a merge, read ahead along the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use ringwood_ring::{Arena, Buf, Completion, Lane, Op};
use ringwood_sstable::{Entry, RawRun, entry_cmp};

use super::plan::{Extent, KeyRange, Plan};
use crate::{Error, ErrorKind, Result};

/// Reads of one enter, at least while the plan lasts; as many again are being merged meanwhile.
pub(crate) const BATCH: usize = 128;

/// One sorted input: a table of level 0, or the tables of a level one after the other.
///
/// Between two extents an input has no entry at hand, but a *bound*: nothing that comes is below it. It is merged as if it stood on an entry of
/// that key; only when that comes first must the extent have been read. So inputs that begin late are read late, and what the merge waits
/// for is always the next of the plan.
#[derive(Default)]
struct Run {
    /// Its extents that are being read, or have been and are not begun.
    pushed: VecDeque<Pushed>,
    /// Extents that have been begun: the number of the first in `pushed`.
    begun: u32,
    /// Its entries lie past the range from here on.
    is_over: bool,
    /// The extent that is being walked through, on an entry.
    raw: Option<RawRun>,
    raw_bytes: usize,
}

/// An extent from when its read is queued until the merge comes to it.
struct Pushed {
    extent: Extent,
    /// What was read, once it is.
    buf: Option<Buf>,
}

/// All inputs of one part of a compaction.
pub(crate) struct Inputs {
    /// What has not been read yet.
    plan: Plan,
    runs: Vec<Run>,
    /// Bytes that may be in flight, waiting or being walked through together.
    window: usize,
    held: usize,
    in_flight: usize,
    range: KeyRange,
}

/// Where an input is after a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// On an entry, or on a bound.
    Ready,
    /// Where it was: on a bound whose extent has not been read yet.
    Blocked,
    End,
}

impl Inputs {
    pub(crate) fn new(plan: Plan, runs: usize, window: usize, range: KeyRange) -> Self {
        let runs = (0..runs).map(|_| Run::default()).collect();
        Self { plan, runs, window, held: 0, in_flight: 0, range }
    }

    /// Inputs that have anything.
    pub(crate) fn alive(&self) -> impl Iterator<Item = usize> {
        (0..self.runs.len()).filter(|&run| self.has_more(run))
    }

    /// Whether extents of an input have not been begun.
    fn has_more(&self, run: usize) -> bool {
        let r = &self.runs[run];
        !r.is_over && (!r.pushed.is_empty() || self.plan.bound(run).is_some())
    }

    /// Whether the input is on an entry, not on a bound.
    pub(crate) fn has_entry(&self, run: usize) -> bool {
        self.runs[run].raw.is_some()
    }

    /// The entry that an input is on.
    pub(crate) fn entry(&self, run: usize) -> Entry<'_> {
        self.runs[run].raw.as_ref().expect("on an entry").entry()
    }

    /// Whether the entry that an input is on was in the block cache.
    pub(crate) fn is_hot(&self, run: usize) -> bool {
        self.runs[run].raw.as_ref().is_some_and(RawRun::is_hot)
    }

    /// Whether input `a` comes before input `b`: by key, then newest first; a bound before any entry of its key.
    pub(crate) fn comes_before(&self, a: usize, b: usize) -> bool {
        let (key_a, seq_a) = self.place(a);
        let (key_b, seq_b) = self.place(b);
        entry_cmp(key_a, seq_a, key_b, seq_b).is_lt()
    }

    fn place(&self, run: usize) -> (&[u8], u64) {
        let r = &self.runs[run];
        match (&r.raw, r.pushed.front()) {
            (Some(raw), _) => (raw.key(), raw.seq()),
            (None, Some(next)) => (&next.extent.bound, u64::MAX),
            (None, None) => self.plan.bound(run).map_or((&[], 0), |bound| (bound, u64::MAX)),
        }
    }

    /// Reads that are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether half of the window is free: a batch of reads that is worth an enter.
    pub(crate) fn wants_batch(&self) -> bool {
        self.plan.peek().is_some() && self.held <= self.window / 2
    }

    /// Pushes reads along the plan, as far as the window allows, and at any rate up to the one that input `awaited` is blocked on.
    /// Returns their bytes.
    pub(crate) fn push(
        &mut self,
        lane: &mut dyn Lane,
        arena: &Arc<Arena>,
        awaited: Option<usize>,
    ) -> Result<u64> {
        let mut pushed = 0;
        while let Some((run, extent)) = self.plan.peek() {
            let is_awaited = awaited.is_some_and(|run| self.runs[run].pushed.is_empty());
            if lane.room() == 0 || (self.held + extent.bytes > self.window && !is_awaited) {
                break;
            }
            let buf = arena.alloc_any(extent.bytes)?;
            let (file, offset, len) = (extent.table.file().clone(), extent.offset, extent.bytes);
            let r = &self.runs[run];
            let token = token(run, r.begun.wrapping_add(r.pushed.len() as u32));
            if lane.push(token, Op::Read { file, offset, buf, len }).is_err() {
                break;
            }
            let (run, extent) = self.plan.take().expect("just seen");
            self.runs[run].pushed.push_back(Pushed { extent, buf: None });
            self.held += len;
            self.in_flight += 1;
            pushed += len as u64;
        }
        Ok(pushed)
    }

    /// Takes a completed read.
    pub(crate) fn complete(&mut self, completion: Completion) -> Result<()> {
        self.in_flight -= 1;
        let (run, number) = ((completion.token >> 32) as usize, completion.token as u32);
        let pushed = self.runs.get_mut(run).and_then(|r| {
            let at = number.wrapping_sub(r.begun) as usize;
            r.pushed.get_mut(at)
        });
        let pushed = pushed.ok_or_else(|| Error::new(ErrorKind::Io, "a completion of no known read"))?;
        let (extent, got) = (&pushed.extent, completion.result?);
        if got != extent.bytes {
            let what = format!("it ends after {got} of {} bytes", extent.bytes);
            return Err(Error::corrupt(extent.table.path(), Some(extent.offset), what));
        }
        pushed.buf = completion.buf;
        Ok(())
    }

    /// Moves an input from its entry to the next, or to the bound before it.
    pub(crate) fn next(&mut self, run: usize) -> Result<State> {
        let r = &mut self.runs[run];
        let has_entry = match &mut r.raw {
            Some(raw) => raw.advance()?,
            None => false,
        };
        Ok(if has_entry { self.check_range(run) } else { self.leave_extent(run) })
    }

    /// Moves an input from a bound to its first entry in the range, if the extent has been read; perhaps to the next bound.
    pub(crate) fn begin(&mut self, run: usize) -> Result<State> {
        if !self.has_more(run) {
            return Ok(State::End);
        }
        let r = &mut self.runs[run];
        let Some(buf) = r.pushed.front_mut().and_then(|next| next.buf.take()) else {
            return Ok(State::Blocked);
        };
        let Pushed { extent, .. } = r.pushed.pop_front().expect("just seen");
        r.begun = r.begun.wrapping_add(1);
        r.raw_bytes = extent.bytes;
        let mut raw = RawRun::new(extent.table);
        drop(raw.fill(extent.blocks, buf));
        while raw.advance()? {
            if !self.range.is_before(raw.key()) {
                self.runs[run].raw = Some(raw);
                return Ok(self.check_range(run));
            }
        }
        Ok(self.leave_extent(run))
    }

    /// Ends an input whose entry lies past the range.
    fn check_range(&mut self, run: usize) -> State {
        let is_past = self.runs[run].raw.as_ref().is_some_and(|raw| self.range.is_past(raw.key()));
        if !is_past {
            return State::Ready;
        }
        self.runs[run].is_over = true;
        self.leave_extent(run)
    }

    fn leave_extent(&mut self, run: usize) -> State {
        let r = &mut self.runs[run];
        r.raw = None;
        self.held -= std::mem::take(&mut r.raw_bytes);
        if self.has_more(run) { State::Ready } else { State::End }
    }
}

/// The token of a read: its input, and its number among that one's.
fn token(run: usize, number: u32) -> u64 {
    (run as u64) << 32 | u64::from(number)
}
