//! Reading the stream of one run back from its segments.

use ringwood_ring::{Buf, Lane, PAGE, read_exact};

use crate::pump::segments::Segment;
use crate::{Lsn, Result};

/// A window over the stream of some consecutive segments. It moves forward only, but for starting anew.
pub(crate) struct RunReader<'a> {
    lane: &'a mut dyn Lane,
    segments: &'a [Segment],
    /// `None` only after a failed read.
    buf: Option<Buf>,
    window: Vec<u8>,
    base: Lsn,
}

impl<'a> RunReader<'a> {
    /// Reads `segments`, which follow each other without a gap, through `buf`.
    pub(crate) fn new(lane: &'a mut dyn Lane, segments: &'a [Segment], buf: Buf) -> Self {
        Self { lane, segments, buf: Some(buf), window: Vec::new(), base: 0 }
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
        let window_end = self.base + self.window.len() as u64;
        if lsn < self.base || lsn > window_end {
            self.window.clear();
            self.base = lsn - lsn % PAGE as u64;
        }
        if want_end > self.base + self.window.len() as u64 {
            // What was used is dropped before more is read: the window stays within a read and a record.
            let used = (lsn - self.base) as usize / PAGE * PAGE;
            self.window.drain(..used);
            self.base += used as u64;
            while self.base + (self.window.len() as u64) < want_end {
                self.read_more()?;
            }
        }
        let skip = (lsn - self.base) as usize;
        Ok(self.window.get(skip..).unwrap_or(&[]))
    }

    fn read_more(&mut self) -> Result<()> {
        let at = self.base + self.window.len() as u64;
        let found = self.segments.iter().find(|s| s.start <= at && at < s.end());
        let segment = found.expect("the position is before the end of the last segment");
        let buf = self.buf.take().expect("a failed read ends the scan");
        let len = ((segment.end() - at) as usize).min(buf.len());
        let buf = read_exact(self.lane, &segment.file, segment.offset(at), buf, len)?;
        self.window.extend_from_slice(&buf.as_slice()[..len]);
        self.buf = Some(buf);
        Ok(())
    }
}
