//! From blocks to writes: bytes are gathered in arena buffers, and full buffers become operations.

use std::collections::VecDeque;

use ringwood_ring::{Buf, File, Op, PAGE};

/// A file being written from its start, in whole pages, through a fixed number of buffers.
#[derive(Debug)]
pub(super) struct Stream {
    file: File,
    free: Vec<Buf>,
    /// The buffer being filled, never a full one, and how far it is.
    current: Option<(Buf, usize)>,
    /// Full buffers, with their offset and length.
    ready: VecDeque<(Buf, u64, usize)>,
    /// What found no buffer, in order; the front one from `spill_at` on.
    spill: VecDeque<Vec<u8>>,
    spill_at: usize,
    /// Bytes appended: the offset of the next.
    end: u64,
    /// Bytes that are in buffers or written: where the current buffer's next byte goes.
    buffered: u64,
    in_flight: usize,
    is_ended: bool,
}

impl Stream {
    pub(super) fn new(file: File, buffers: Vec<Buf>) -> Self {
        Self {
            file,
            free: buffers,
            current: None,
            ready: VecDeque::new(),
            spill: VecDeque::new(),
            spill_at: 0,
            end: 0,
            buffered: 0,
            in_flight: 0,
            is_ended: false,
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes appended so far.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether a page finds a buffer.
    pub(super) fn has_room(&self) -> bool {
        self.spill.is_empty() && (self.current.is_some() || !self.free.is_empty())
    }

    /// Bytes that wait outside the buffers.
    pub(super) fn spilled_bytes(&self) -> usize {
        self.spill.iter().map(Vec::len).sum()
    }

    /// Appends whole pages. What finds no buffer is kept; `bytes` is taken if it is much.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>) {
        debug_assert!(bytes.len().is_multiple_of(PAGE), "whole pages");
        self.end += bytes.len() as u64;
        let taken = if self.spill.is_empty() { self.fill(bytes) } else { 0 };
        if taken < bytes.len() {
            if self.spill.is_empty() {
                self.spill_at = taken;
            }
            self.spill.push_back(std::mem::take(bytes));
        }
    }

    /// Nothing more comes: the last buffer may be written as it is.
    pub(super) fn end_here(&mut self) {
        self.is_ended = true;
    }

    /// Copies into buffers what fits, and returns how much.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let Some((mut buf, at)) = self.current.take().or_else(|| Some((self.free.pop()?, 0))) else {
                break;
            };
            let n = (buf.len() - at).min(bytes.len() - taken);
            buf.as_mut_slice()[at..at + n].copy_from_slice(&bytes[taken..taken + n]);
            taken += n;
            self.buffered += n as u64;
            self.current = Some((buf, at + n));
            self.queue_current(false);
        }
        taken
    }

    /// Queues the current buffer for writing if it is full, or if `is_last` and it holds anything.
    fn queue_current(&mut self, is_last: bool) {
        if let Some((buf, len)) =
            self.current.take_if(|(buf, len)| *len == buf.len() || (is_last && *len > 0))
        {
            self.ready.push_back((buf, self.buffered - len as u64, len));
        }
    }

    /// Moves spilled bytes into buffers.
    fn unspill(&mut self) {
        while let Some(bytes) = self.spill.pop_front() {
            self.spill_at += self.fill(&bytes[self.spill_at..]);
            if self.spill_at < bytes.len() {
                self.spill.push_front(bytes);
                return;
            }
            self.spill_at = 0;
        }
        if self.is_ended {
            self.queue_current(true);
        }
    }

    /// Where the next write will end, if there is one.
    pub(super) fn next_end(&mut self) -> Option<u64> {
        self.unspill();
        self.ready.front().map(|(_, offset, len)| offset + *len as u64)
    }

    /// The next write.
    pub(super) fn next_write(&mut self) -> Option<Op> {
        self.unspill();
        let (buf, offset, len) = self.ready.pop_front()?;
        self.in_flight += 1;
        Some(Op::Write { file: self.file.clone(), offset, buf, len, dsync: false })
    }

    /// Takes back the buffer of a write (none comes back from a sync).
    pub(super) fn completed(&mut self, buf: Option<Buf>) {
        if let Some(buf) = buf {
            self.in_flight -= 1;
            self.free.push(buf);
        }
    }

    /// Whether everything appended is written.
    pub(super) fn is_drained(&self) -> bool {
        self.in_flight == 0 && self.ready.is_empty() && self.spill.is_empty() && self.current.is_none()
    }
}
