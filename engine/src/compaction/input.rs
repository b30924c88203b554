//! The inputs of a merge, read ahead along the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use ringwood_ring::{Arena, Buf, Completion, Lane, Op};
use ringwood_sstable::BlockReader;

use super::plan::{Extent, KeyRange};
use crate::{Error, ErrorKind, Result};

/// Reads of one enter, at least while the plan lasts; as many again are in flight or being merged meanwhile.
pub(crate) const BATCH: usize = 128;

/// Where an extent is.
enum Slot {
    Waiting,
    InFlight,
    Loaded(Buf),
    Used,
}

/// One sorted input: a table of level 0, or the tables of a level one after the other.
struct Run {
    /// Its extents that are not used up, by number in the plan.
    extents: VecDeque<usize>,
    reader: BlockReader,
    /// Block within the first extent, and where its bytes begin there.
    block: u32,
    at: usize,
    is_open: bool,
}

/// All inputs of one part of a compaction.
pub(crate) struct Inputs {
    plan: Vec<Extent>,
    slots: Vec<Slot>,
    /// The next of the plan to read.
    next: usize,
    runs: Vec<Run>,
    window: usize,
    /// Bytes in flight or loaded.
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
        let fresh = || Run { extents: VecDeque::new(), reader: BlockReader::default(), block: 0, at: 0, is_open: false };
        let mut runs: Vec<Run> = (0..runs).map(|_| fresh()).collect();
        for (i, extent) in plan.iter().enumerate() {
            runs[extent.run].extents.push_back(i);
        }
        let slots = plan.iter().map(|_| Slot::Waiting).collect();
        Self { plan, slots, next: 0, runs, window, held: 0, in_flight: 0, range }
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn key(&self, run: usize) -> &[u8] {
        self.runs[run].reader.key()
    }

    pub(crate) fn seq(&self, run: usize) -> u64 {
        self.runs[run].reader.seq()
    }

    pub(crate) fn reader(&self, run: usize) -> &BlockReader {
        &self.runs[run].reader
    }

    /// The bytes of the block that the input is in.
    pub(crate) fn raw(&self, run: usize) -> &[u8] {
        let run = &self.runs[run];
        match run.extents.front().map(|&e| &self.slots[e]) {
            Some(Slot::Loaded(buf)) => &buf.as_slice()[run.at..],
            _ => &[],
        }
    }

    /// Reads that are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Pushes reads along the plan, as far as the window allows. An extent larger than all of it is read alone. Returns their bytes.
    pub(crate) fn push(&mut self, lane: &mut dyn Lane, arena: &Arc<Arena>) -> Result<u64> {
        let mut pushed = 0;
        while let Some(extent) = self.plan.get(self.next) {
            // Every input that is not at its end needs one extent, or the merge cannot go on.
            let is_needed = self.runs[extent.run].extents.front() == Some(&self.next);
            if lane.room() == 0 || (self.held + extent.bytes > self.window && !is_needed && self.held > 0) {
                break;
            }
            let buf = arena.alloc_any(extent.bytes)?;
            let (file, offset, len) = (extent.table.file().clone(), extent.offset, extent.bytes);
            if lane.push(self.next as u64, Op::Read { file, offset, buf, len }).is_err() {
                break;
            }
            self.slots[self.next] = Slot::InFlight;
            self.held += extent.bytes;
            self.in_flight += 1;
            self.next += 1;
            pushed += len as u64;
        }
        Ok(pushed)
    }

    /// Whether enough of the window is free for a batch that is worth an enter.
    pub(crate) fn wants_batch(&self) -> bool {
        self.next < self.plan.len() && self.held <= self.window / 2
    }

    /// Takes a completed read.
    pub(crate) fn complete(&mut self, completion: Completion) -> Result<()> {
        let at = completion.token as usize;
        self.in_flight -= 1;
        let extent = self.plan.get(at).ok_or_else(|| Error::new(ErrorKind::Io, "a completion of no known read"))?;
        let got = completion.result?;
        if got != extent.bytes {
            let path = extent.table.path();
            return Err(Error::corrupt(path, Some(extent.offset), format!("it ends after {got} of {} bytes", extent.bytes)));
        }
        let buf = completion.buf.ok_or_else(|| Error::new(ErrorKind::Io, "a read gave no buffer back"))?;
        self.slots[at] = Slot::Loaded(buf);
        Ok(())
    }

    /// Moves an input to its next entry in the range, or, at first, to its first. After [`State::Blocked`] it is where it was.
    pub(crate) fn advance(&mut self, run: usize) -> Result<State> {
        loop {
            if self.runs[run].is_open {
                if !self.step_in_block(run) {
                    self.leave_block(run);
                    continue;
                }
            } else {
                match self.open_block(run)? {
                    State::Ready => {}
                    other => return Ok(other),
                }
            }
            if self.range.is_past(self.key(run)) {
                self.end(run);
                return Ok(State::End);
            }
            if !self.range.is_before(self.key(run)) {
                return Ok(State::Ready);
            }
        }
    }

    /// Steps to the next entry of the open block; false at its end.
    fn step_in_block(&mut self, run: usize) -> bool {
        let r = &mut self.runs[run];
        match r.extents.front().map(|&e| &self.slots[e]) {
            Some(Slot::Loaded(buf)) => r.reader.next(&buf.as_slice()[r.at..]),
            _ => false,
        }
    }

    fn leave_block(&mut self, run: usize) {
        let r = &mut self.runs[run];
        r.is_open = false;
        let Some(&e) = r.extents.front() else { return };
        let extent = &self.plan[e];
        r.at += extent.table.extent(extent.first_block + r.block).bytes as usize;
        r.block += 1;
        if r.block == extent.blocks {
            self.drop_extent(run);
        }
    }

    /// Opens the block that the input is at, if it has been read.
    fn open_block(&mut self, run: usize) -> Result<State> {
        let Some(&e) = self.runs[run].extents.front() else { return Ok(State::End) };
        let Slot::Loaded(buf) = &self.slots[e] else { return Ok(State::Blocked) };
        let (extent, r) = (&self.plan[e], &mut self.runs[run]);
        let block = extent.first_block + r.block;
        let bytes = extent.table.extent(block).bytes as usize;
        r.reader.open(&extent.table, block, &buf.as_slice()[r.at..r.at + bytes])?;
        r.is_open = true;
        Ok(State::Ready)
    }

    fn drop_extent(&mut self, run: usize) {
        let r = &mut self.runs[run];
        (r.block, r.at) = (0, 0);
        if let Some(e) = r.extents.pop_front() {
            if matches!(self.slots[e], Slot::Loaded(_)) {
                self.held -= self.plan[e].bytes;
            }
            self.slots[e] = Slot::Used;
        }
    }

    /// Nothing more is wanted of an input.
    fn end(&mut self, run: usize) {
        // Extents in flight stay, with their buffers, until they complete; there is at most the one that the range ends in.
        while self.runs[run].extents.front().is_some_and(|&e| matches!(self.slots[e], Slot::Loaded(_))) {
            self.drop_extent(run);
        }
        self.runs[run].extents.clear();
        self.runs[run].is_open = false;
    }
}
