//! The inputs of a merge, read ahead along the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use ringwood_ring::{Arena, Buf, Completion, Lane, Op};
use ringwood_sstable::{Entry, RawRun};

use super::plan::{Extent, KeyRange};
use crate::{Error, ErrorKind, Result};

/// Reads of one enter, at least while the plan lasts; as many again are being merged meanwhile.
pub(crate) const BATCH: usize = 128;

/// One sorted input: a table of level 0, or the tables of a level one after the other.
struct Run {
    /// Its extents that have not been begun, by number in the plan.
    extents: VecDeque<usize>,
    /// The extent that is being walked through.
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

/// Whether an input has an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    /// Its next extent has not been read yet.
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

    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The entry that an input is at; only after [`advance`](Self::advance) said [`State::Ready`].
    pub(crate) fn entry(&self, run: usize) -> Entry<'_> {
        self.raw(run).entry()
    }

    pub(crate) fn key(&self, run: usize) -> &[u8] {
        self.raw(run).key()
    }

    pub(crate) fn seq(&self, run: usize) -> u64 {
        self.raw(run).seq()
    }

    fn raw(&self, run: usize) -> &RawRun {
        self.runs[run].raw.as_ref().expect("an input that is ready has a run")
    }

    /// Reads that are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether half of the window is free: a batch of reads that is worth an enter.
    pub(crate) fn wants_batch(&self) -> bool {
        self.next < self.plan.len() && self.held <= self.window / 2
    }

    /// Pushes reads along the plan, as far as the window allows. Returns their bytes.
    pub(crate) fn push(&mut self, lane: &mut dyn Lane, arena: &Arc<Arena>) -> Result<u64> {
        let mut pushed = 0;
        while let Some(extent) = self.plan.get(self.next) {
            // What an input waits for now is read whatever the window says, or the merge could not go on.
            let is_awaited = self.runs[extent.run].raw.is_none() && self.runs[extent.run].extents.front() == Some(&self.next);
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
        let extent = self.plan.get(at).ok_or_else(|| Error::new(ErrorKind::Io, "a completion of no known read"))?;
        let got = completion.result?;
        if got != extent.bytes {
            let what = format!("it ends after {got} of {} bytes", extent.bytes);
            return Err(Error::corrupt(extent.table.path(), Some(extent.offset), what));
        }
        self.loaded[at] = completion.buf;
        Ok(())
    }

    /// Moves an input to its next entry in the range, or, at first, to its first. After [`State::Blocked`] it is where it was.
    pub(crate) fn advance(&mut self, run: usize) -> Result<State> {
        loop {
            let has_entry = match &mut self.runs[run].raw {
                Some(raw) => raw.advance()?,
                None => false,
            };
            if !has_entry {
                match self.begin_extent(run) {
                    State::Ready => continue,
                    other => return Ok(other),
                }
            }
            if self.range.is_past(self.key(run)) {
                let r = &mut self.runs[run];
                r.raw = None;
                r.extents.clear();
                self.held -= std::mem::take(&mut r.raw_bytes);
                return Ok(State::End);
            }
            if !self.range.is_before(self.key(run)) {
                return Ok(State::Ready);
            }
        }
    }

    /// Goes on to the next extent of an input, if it has been read.
    fn begin_extent(&mut self, run: usize) -> State {
        let r = &mut self.runs[run];
        // What has been walked through is not needed while the next is awaited.
        if let Some(raw) = &mut r.raw {
            drop(raw.take_buf());
            self.held -= std::mem::take(&mut r.raw_bytes);
        }
        let Some(&next) = r.extents.front() else {
            r.raw = None;
            return State::End;
        };
        let Some(buf) = self.loaded[next].take() else {
            r.raw = None;
            return State::Blocked;
        };
        r.extents.pop_front();
        let extent = &self.plan[next];
        r.raw_bytes = extent.bytes;
        let mut raw = match r.raw.take() {
            Some(raw) if Arc::ptr_eq(raw.table(), &extent.table) => raw,
            _ => RawRun::new(Arc::clone(&extent.table)),
        };
        drop(raw.fill(extent.blocks.clone(), buf));
        r.raw = Some(raw);
        State::Ready
    }
}
