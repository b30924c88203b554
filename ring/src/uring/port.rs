//! What a lane needs of a ring: the seam between the lane's logic and the kernel, and where tests put a ring of their own
//! that misbehaves on purpose.

use std::os::fd::RawFd;

use crate::Buf;

/// The tag of entries that carry no operation.
pub(super) const FILLER: u64 = u64::MAX;

/// A piece of memory for the kernel to read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) addr: usize,
    pub(super) len: u32,
    /// The registered buffer that it lies in, if the ring knows it.
    pub(super) fixed: Option<u16>,
}

/// What an entry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Read { span: Span, offset: u64 },
    Write { span: Span, offset: u64, dsync: bool },
    Sync { data_only: bool },
}

/// One submission queue entry, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: u64,
    pub(super) fd: RawFd,
    pub(super) call: Call,
    /// The entry after this one starts only when this one succeeded in full.
    pub(super) link: bool,
}

/// What came of an enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entered {
    /// Whether there was a system call at all.
    pub(super) called: bool,
    /// The errno, if it failed. Entries may have been taken nevertheless, and a success does not mean that all were.
    pub(super) result: Result<(), i32>,
}

/// A ring. Entries are queued, taken by the kernel in an enter, and answered.
pub(super) trait Port {
    /// Entries that fit into the submission queue.
    fn capacity(&self) -> usize;

    /// Entries queued that the kernel has not taken.
    fn queued(&mut self) -> usize;

    /// Whether the kernel takes entries as they are queued, without an enter.
    fn is_polled(&self) -> bool;

    /// The registered buffer that `range.1` bytes of `buf` from `range.0` on lie in, registering it first if that is possible
    /// now. `idle`: the kernel holds no entry of this ring.
    fn fixed(&mut self, buf: &Buf, range: (usize, usize), idle: bool) -> Option<u16>;

    /// Queues an entry; there must be room.
    ///
    /// # Safety
    /// The memory of the entry, if it has any, must stay valid and untouched (for a write: unchanged) and its descriptor open
    /// until [`pop`](Self::pop) gave the entry's tag, or forever.
    unsafe fn push(&mut self, entry: &Entry);

    /// Turns the first `count` entries that the kernel has not taken into no-ops tagged [`FILLER`]. Only for rings that are not
    /// polled.
    fn blank(&mut self, count: usize);

    /// Hands over all queued entries if `submit`, then waits for `want` answers. With `linger` it is content with
    /// fewer (but at least one) after the configured time.
    fn enter(&mut self, submit: bool, want: u32, linger: bool) -> Entered;

    /// Whether an enter would bring answers to light that [`pop`](Self::pop) does not see yet.
    fn has_hidden(&mut self) -> bool;

    /// The next answer: tag and result (negative: errno).
    fn pop(&mut self) -> Option<(u64, i32)>;
}
