//! The segments that hold log, oldest first, and the one that is written.

use std::collections::VecDeque;
use std::path::PathBuf;

use ringwood_ring::{File, PAGE};

use crate::Lsn;
use crate::shared::{SegmentSpan, Shared};

/// One segment file under its number.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// Log position of the first payload byte.
    pub(crate) start: Lsn,
    /// Payload bytes.
    pub(crate) capacity: u64,
    /// Where the log in it ends: at its end, or earlier where an opening cut the log.
    pub(crate) data_end: Lsn,
    /// All of its payload has been written at some time, as far as this run knows.
    pub(crate) is_written: bool,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
}

impl Segment {
    /// End of the payload.
    pub(crate) fn end(&self) -> Lsn {
        self.start + self.capacity
    }

    /// Where `lsn` lies in the file.
    pub(crate) fn offset(&self, lsn: Lsn) -> u64 {
        debug_assert!(self.start <= lsn && lsn <= self.end());
        PAGE as u64 + (lsn - self.start)
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        PAGE as u64 + self.capacity
    }
}

/// What the next segment continues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The segment before, 0 if none.
    pub(crate) prev_number: u64,
    /// Where the log before ends.
    pub(crate) prev_end: Lsn,
    /// Where the next segment starts.
    pub(crate) start: Lsn,
    /// The next segment's number.
    pub(crate) number: u64,
}

/// See the module documentation.
///
/// Segments of this run follow each other without a gap. Those before it were written by earlier openings.
#[derive(Debug)]
pub(crate) struct Segments {
    live: VecDeque<Segment>,
    /// How many of `live` are from earlier runs.
    old: usize,
    /// Behind the end of the log, oldest first: cut off by this run as soon as it has a segment. Until then they are links of the chain.
    cut: Vec<Segment>,
    /// Where this run starts, while it has no segment.
    first_link: Link,
}

impl Segments {
    pub(crate) fn new(old: Vec<Segment>, cut: Vec<Segment>, first_link: Link) -> Self {
        Self { old: old.len(), live: old.into(), cut, first_link }
    }

    /// What the next segment of this run continues.
    pub(crate) fn next_link(&self) -> Link {
        match self.live.back().filter(|_| self.live.len() > self.old) {
            None => self.first_link,
            Some(last) => Link {
                prev_number: last.number,
                prev_end: last.end(),
                start: last.end(),
                number: last.number + 1,
            },
        }
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        debug_assert_eq!(segment.start, self.next_link().start);
        self.live.push_back(segment);
    }

    /// The newest segment of this run.
    pub(crate) fn last(&self) -> Option<&Segment> {
        self.live.back().filter(|_| self.live.len() > self.old)
    }

    /// The segment of this run that holds the byte at `lsn`.
    pub(crate) fn holding(&self, lsn: Lsn) -> Option<&Segment> {
        let this_run = self.live.range(self.old..);
        this_run.rev().find(|s| s.start <= lsn && lsn < s.end())
    }

    /// Takes a segment out that was cut off, or the oldest one if it ends before `released` and is written to no more.
    ///
    /// On a full disk even one that lay ready for the run before is taken while this run has no segment.
    pub(crate) fn pop_released(&mut self, released: Lsn, written: Lsn, is_full: bool) -> Option<Segment> {
        if let Some(newest) = self.cut.last() {
            // Newest first: what is linked from it becomes the newest. Before this run has a segment only one that holds nothing at
            // all may go, and not the last of all.
            let is_unused = is_full && newest.start >= self.first_link.start;
            let may_go = self.last().is_some() || (is_unused && self.live.len() + self.cut.len() > 1);
            return if may_go { self.cut.pop() } else { None };
        }
        let first = self.live.front()?;
        let is_old = self.old > 0;
        let over = first.data_end <= released && (is_old || first.end() <= written);
        // One stays in any case: a store without any segment is a new store.
        if !over || self.live.len() == 1 {
            return None;
        }
        self.old -= usize::from(is_old);
        let segment = self.live.pop_front()?;
        Some(Segment { is_written: segment.is_written || !is_old, ..segment })
    }

    /// Bytes of all of them on disk.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.live.iter().chain(&self.cut).map(Segment::file_bytes).sum()
    }

    /// Shows the list to everyone.
    pub(crate) fn publish(&self, shared: &Shared) {
        let spans = self
            .live
            .iter()
            .chain(&self.cut)
            .map(|s| SegmentSpan { start: s.start, file_bytes: s.file_bytes() });
        shared.set_segments(spans);
    }
}
