//! The inputs of a merge, read ahead along the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use ringwood_ring::{Arena, Buf, Completion, Lane, Op};
use ringwood_sstable::{Entry, RawRun, entry_cmp};

use super::plan::{Extent, KeyRange};
use crate::{Error, ErrorKind, Result};

/// Reads of one enter, at least while the plan lasts; as many again are being merged meanwhile.
pub(crate) const BATCH: usize = 128;

/// One sorted input: a table of level 0, or the tables of a level one after the other.
///
/// Between two extents an input has no entry at hand, but a *bound*: nothing that comes is below it. It is merged as if it stood on an entry of
/// that key; only when that comes first must the extent have been read. So inputs that begin late are read late, and what the merge waits
/// for is always the next of the plan.
struct Run {
    /// Its extents that have not been begun, by number in the plan.
    extents: VecDeque<usize>,
    /// The extent that is being walked through, on an entry.
    raw: Option<RawRun>,
    raw_bytes: usize,
}

/// All inputs of one part of a compaction.
pub(crate) struct Inputs {
    plan: Vec<Extent>,
    /// Extents that have been read and not begun.
    loaded: Vec<Option<Buf>>,
    /// The next of the plan to read.
    next: usize,
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
    pub(crate) fn new(plan: Vec<Extent>, runs: usize, window: usize, range: KeyRange) -> Self {
        let mut runs: Vec<Run> =
            (0..runs).map(|_| Run { extents: VecDeque::new(), raw: None, raw_bytes: 0 }).collect();
        for (i, extent) in plan.iter().enumerate() {
            runs[extent.run].extents.push_back(i);
        }
        let loaded = plan.iter().map(|_| None).collect();
        Self { plan, loaded, next: 0, runs, window, held: 0, in_flight: 0, range }
    }

    /// Inputs that have anything.
    pub(crate) fn alive(&self) -> impl Iterator<Item = usize> {
        (0..self.runs.len()).filter(|&run| !self.runs[run].extents.is_empty())
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
        match (&r.raw, r.extents.front()) {
            (Some(raw), _) => (raw.key(), raw.seq()),
            (None, Some(&next)) => (&self.plan[next].bound, u64::MAX),
            (None, None) => (&[], 0),
        }
    }

    /// Reads that are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether half of the window is free: a batch of reads that is worth an enter.
    pub(crate) fn wants_batch(&self) -> bool {
        self.next < self.plan.len() && self.held <= self.window / 2
    }

    /// Pushes reads along the plan, as far as the window allows, and at any rate up to the one that input `awaited` is blocked on.
    /// Returns their bytes.
    pub(crate) fn push(
        &mut self,
        lane: &mut dyn Lane,
        arena: &Arc<Arena>,
        awaited: Option<usize>,
    ) -> Result<u64> {
        let awaited = awaited.and_then(|run| self.runs[run].extents.front().copied());
        let mut pushed = 0;
        while let Some(extent) = self.plan.get(self.next) {
            let is_awaited = awaited.is_some_and(|at| self.next <= at);
            if lane.room() == 0 || (self.held + extent.bytes > self.window && !is_awaited) {
                break;
            }
            let buf = arena.alloc_any(extent.bytes)?;
            let (file, offset, len) = (extent.table.file().clone(), extent.offset, extent.bytes);
            if lane.push(self.next as u64, Op::Read { file, offset, buf, len }).is_err() {
                break;
            }
            self.held += len;
            self.in_flight += 1;
            self.next += 1;
            pushed += len as u64;
        }
        Ok(pushed)
    }

    /// Takes a completed read.
    pub(crate) fn complete(&mut self, completion: Completion) -> Result<()> {
        let at = completion.token as usize;
        self.in_flight -= 1;
        let extent =
            self.plan.get(at).ok_or_else(|| Error::new(ErrorKind::Io, "a completion of no known read"))?;
        let got = completion.result?;
        if got != extent.bytes {
            let what = format!("it ends after {got} of {} bytes", extent.bytes);
            return Err(Error::corrupt(extent.table.path(), Some(extent.offset), what));
        }
        self.loaded[at] = completion.buf;
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
        let r = &mut self.runs[run];
        let Some(&next) = r.extents.front() else { return Ok(State::End) };
        let Some(buf) = self.loaded[next].take() else { return Ok(State::Blocked) };
        r.extents.pop_front();
        let extent = &self.plan[next];
        let mut raw = RawRun::new(Arc::clone(&extent.table));
        drop(raw.fill(extent.blocks.clone(), buf));
        r.raw_bytes = extent.bytes;
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
        self.runs[run].extents.clear();
        self.leave_extent(run)
    }

    fn leave_extent(&mut self, run: usize) -> State {
        let r = &mut self.runs[run];
        r.raw = None;
        self.held -= std::mem::take(&mut r.raw_bytes);
        if r.extents.is_empty() { State::End } else { State::Ready }
    }
}
