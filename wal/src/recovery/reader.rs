//! Reading the stream of one run back from its segments.

use std::collections::VecDeque;
use std::sync::Arc;

use ringwood_ring::{Buf, Completion, Disk, IoError, IoErrorKind, Lane, Op, PAGE};

use super::{READ_BYTES, READS_MAX, alloc};
use crate::pump::segments::Segment;
use crate::{Lsn, Result};

/// A window over the stream of some consecutive segments. It moves forward only, but for starting anew.
///
/// Some reads ahead of the window are in flight, so that the disk works while records are replayed. One that fails is an error
/// only when the scan comes to it.
pub(crate) struct RunReader<'a> {
    lane: &'a mut dyn Lane,
    segments: &'a [Segment],
    free: Vec<Buf>,
    /// Reads behind the window, one after the other.
    ahead: VecDeque<Read>,
    done: Vec<Completion>,
    window: Vec<u8>,
    base: Lsn,
}

struct Read {
    at: Lsn,
    len: usize,
    /// `None` while it is in flight.
    result: Option<std::result::Result<Buf, IoError>>,
}

impl<'a> RunReader<'a> {
    /// Reads `segments`, which follow each other without a gap, on an idle lane.
    ///
    /// # Errors
    /// If the disk's arena has no room for a single read.
    pub(crate) fn new(disk: &Arc<dyn Disk>, lane: &'a mut dyn Lane, segments: &'a [Segment]) -> Result<Self> {
        let mut free = vec![alloc(disk, READ_BYTES)?];
        free.extend((1..READS_MAX).map_while(|_| alloc(disk, READ_BYTES).ok()));
        let (ahead, done) = (VecDeque::new(), Vec::new());
        Ok(Self { lane, segments, free, ahead, done, window: Vec::new(), base: 0 })
    }

    /// Where the last segment ends.
    pub(crate) fn end(&self) -> Lsn {
        self.segments.last().map_or(0, Segment::end)
    }

    /// The bytes from `lsn` on: at least `want`, or all up to the end. `lsn` is not before the start.
    ///
    /// # Errors
    /// If a segment cannot be read. That is never taken for the end of the log.
    pub(crate) fn bytes(&mut self, lsn: Lsn, want: usize) -> Result<&[u8]> {
        let want_end = lsn.saturating_add(want as u64).min(self.end());
        if lsn < self.base || lsn > self.window_end() {
            self.window.clear();
            self.base = lsn - lsn % PAGE as u64;
        }
        if want_end > self.window_end() {
            // What was used is dropped before more is read: the window stays within a read and a record.
            let used = (lsn - self.base) as usize / PAGE * PAGE;
            self.window.drain(..used);
            self.base += used as u64;
            while self.window_end() < want_end {
                self.read_more()?;
            }
        }
        let skip = (lsn - self.base) as usize;
        Ok(self.window.get(skip..).unwrap_or(&[]))
    }

    fn window_end(&self) -> Lsn {
        self.base + self.window.len() as u64
    }

    /// Lengthens the window by a read, and keeps those after it in flight.
    fn read_more(&mut self) -> Result<()> {
        if self.ahead.front().is_some_and(|read| read.at != self.window_end()) {
            self.forget_ahead()?;
        }
        self.read_ahead();
        while self.ahead.front().is_some_and(|read| read.result.is_none()) {
            self.lane.reap(1, &mut self.done)?;
            self.take_done();
        }
        let read = self.ahead.pop_front().expect("a read at the window's end was pushed");
        let buf = read.result.expect("it has completed")?;
        self.window.extend_from_slice(&buf.as_slice()[..read.len]);
        self.free.push(buf);
        self.read_ahead();
        // On its way while the window is scanned.
        Ok(self.lane.submit()?)
    }

    /// Pushes reads as far as there are buffers.
    fn read_ahead(&mut self) {
        loop {
            let at = self.ahead.back().map_or(self.window_end(), |read| read.at + read.len as u64);
            let Some(segment) = self.segments.iter().find(|s| s.start <= at && at < s.end()) else { return };
            let Some(buf) = self.free.pop() else { return };
            let len = ((segment.end() - at) as usize).min(buf.len());
            let (file, offset) = (segment.file.clone(), segment.offset(at));
            if let Err(op) = self.lane.push(at, Op::Read { file, offset, buf, len }) {
                self.free.extend(op.into_buf());
                return;
            }
            self.ahead.push_back(Read { at, len, result: None });
        }
    }

    fn take_done(&mut self) {
        for completion in self.done.drain(..) {
            let Some(read) = self.ahead.iter_mut().find(|read| read.at == completion.token) else { continue };
            let segment = self.segments.iter().find(|s| s.start <= read.at && read.at < s.end());
            let segment = segment.expect("only positions in segments are read");
            let failed = |kind, what: String| {
                Err(IoError::new("read", &segment.path, kind, what).at(segment.offset(read.at)))
            };
            read.result = Some(match (completion.result, completion.buf) {
                (Ok(got), Some(buf)) if got == read.len => Ok(buf),
                (Ok(got), Some(_)) => {
                    let end = segment.offset(read.at) + got as u64;
                    let what =
                        format!("the file ends after {end} bytes; it was cut or is not what it should be");
                    failed(IoErrorKind::UnexpectedEof, what)
                }
                (Ok(_), None) => failed(IoErrorKind::Failed, "the buffer did not come back".into()),
                (Err(error), buf) => {
                    self.free.extend(buf);
                    Err(error)
                }
            });
        }
    }

    /// Waits for the reads in flight, whose bytes nobody wants any more.
    fn forget_ahead(&mut self) -> Result<()> {
        while self.lane.in_flight() > 0 {
            self.lane.reap(self.lane.in_flight(), &mut self.done)?;
            self.take_done();
        }
        self.free.extend(self.ahead.drain(..).filter_map(|read| read.result?.ok()));
        Ok(())
    }
}

/// Leaves the lane idle.
impl Drop for RunReader<'_> {
    fn drop(&mut self) {
        // A lane that fails is broken for its next user as well, who tells.
        let _ = self.forget_ahead();
    }
}
