//! A pinned block: what a hit, a fill and a wait return.

use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;

use ringwood_ring::Buf;

use super::frame::{Frame, Pin, unpin};
use crate::prefetch::{LINE, prefetch};

/// Bytes of a block in which header and heads lie: what a search reads first.
const SEARCHED_BYTES: usize = 256;

/// The bytes of one block, pinned: they neither change nor move nor go away while this lives.
///
/// It borrows from nothing: it may outlive the table, the cache and the thread it came from. Cloning is one atomic addition,
/// dropping one subtraction. Do not keep many for long: a pinned frame cannot serve another block.
pub struct BlockRef {
    // Kept here as well as in the frame, since the frame's cache line is written by every reader.
    bytes: NonNull<[u8]>,
    frame: NonNull<Frame>,
}

// SAFETY: a BlockRef is a count on an atomic word and a shared borrow of bytes that nobody writes while it lives.
unsafe impl Send for BlockRef {}
// SAFETY: as above.
unsafe impl Sync for BlockRef {}

impl BlockRef {
    /// Pins `frame` unless it is locked, and keeps the pin if `check` then holds. `wrapped` is called if the frame's hit
    /// count started over.
    #[inline]
    pub(super) fn pin(
        frame: &Frame,
        hit: bool,
        check: impl FnOnce() -> bool,
        wrapped: impl FnOnce(),
    ) -> Option<Self> {
        match frame.pin(hit) {
            Pin::Locked => None,
            Pin::Pinned { .. } if !check() => {
                frame.unpin_stranger(hit);
                None
            }
            Pin::Pinned { wrapped: over } => {
                if over {
                    wrapped();
                }
                // SAFETY: pinned just now; the new BlockRef owns that pin.
                Some(unsafe { Self::adopt(NonNull::from(frame)) })
            }
        }
    }

    /// A block outside the cache: the buffer goes back to the arena with the last clone.
    pub(super) fn private(buf: Buf, len: usize) -> Self {
        // SAFETY: a private frame starts with one pin, and lives until the last is gone.
        unsafe { Self::adopt(Frame::private(buf, len)) }
    }

    /// Has the lines of a range of the bytes fetched into the processor's cache. What lies outside of them is left out.
    #[inline]
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        let end = range.end.min(self.bytes.len());
        for at in (range.start..end).step_by(LINE) {
            prefetch(self.bytes.as_ptr().cast::<u8>().wrapping_add(at));
        }
    }

    /// Has the lines fetched that a search in the block begins with.
    #[inline]
    pub fn prefetch_search(&self) {
        self.prefetch(0..SEARCHED_BYTES);
    }

    /// Some of the bytes, under a pin of their own.
    ///
    /// # Panics
    /// If they are not among the bytes.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let bytes = NonNull::from(&self[range]);
        // SAFETY: our pin keeps the frame alive.
        unsafe { self.frame.as_ref() }.pin_again();
        Self { bytes, frame: self.frame }
    }

    /// # Safety
    /// The caller has a pin of `frame` and hands it over.
    #[inline]
    pub(super) unsafe fn adopt(frame: NonNull<Frame>) -> Self {
        // SAFETY: pinned, hence alive and readable.
        let bytes = unsafe { frame.as_ref().bytes() };
        Self { bytes, frame }
    }
}

impl Deref for BlockRef {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the pin keeps the frame alive.
        unsafe { self.frame.as_ref() }.touch();
        // SAFETY: the pin keeps the bytes where they are, unchanged, in the arena's mapping.
        unsafe { self.bytes.as_ref() }
    }
}

impl AsRef<[u8]> for BlockRef {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for BlockRef {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: our pin keeps the frame alive.
        unsafe { self.frame.as_ref() }.pin_again();
        Self { bytes: self.bytes, frame: self.frame }
    }
}

impl Drop for BlockRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: every BlockRef owns one pin, given up once, here.
        unsafe { unpin(self.frame) };
    }
}

impl fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockRef({} bytes)", self.bytes.len())
    }
}
