//! A miss: the one who reads the block, and those who wait for it.

use std::fmt;
use std::sync::Arc as StdArc;

use ringwood_ring::Buf;

use super::BlockCache;
use super::block_ref::BlockRef;
use super::frame::Locked;
use super::slots::{Slot, Slots};
use crate::sync::Arc;

/// A frame that a fill has to itself, and the block that goes there.
pub(super) struct Claimed {
    pub(super) cache: StdArc<BlockCache>,
    pub(super) slots: Arc<Slots>,
    pub(super) block: u32,
    pub(super) lock: Locked,
}

/// The duty to read one block: [take the buffer](Self::take_buf), read into it, [publish](Self::publish) it.
///
/// Dropping the fill instead gives up, after an I/O error: those who wait are told to try for themselves. Hand the buffer
/// back with [`abandon`](Self::abandon) if it is at hand; without it the frame's page is out of use until its slab is renewed.
pub struct Fill {
    /// None: uncached. The buffer is private, and nobody waits for it.
    claimed: Option<Claimed>,
    buf: Option<Buf>,
    /// Address of the buffer, to know it again.
    addr: usize,
}

impl Fill {
    pub(super) fn new(claimed: Option<Claimed>, buf: Buf) -> Self {
        let addr = buf.as_slice().as_ptr().addr();
        Self { claimed, buf: Some(buf), addr }
    }

    /// A fill of a private buffer, for a block that must be read although the cache and the arena have no room for it.
    pub(crate) fn uncached(buf: Buf) -> Self {
        Self::new(None, buf)
    }

    /// The buffer to read the block into: at least as large as was asked for, maybe larger. Its content is of no meaning.
    ///
    /// # Panics
    /// The second time.
    #[must_use]
    pub fn take_buf(&mut self) -> Buf {
        self.buf.take().expect("a fill has one buffer, taken once")
    }

    /// Whether the block will be in the cache: false if the buffer is private, since the block is too large or all frames
    /// are in use.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.claimed.is_some()
    }

    /// Makes the first `len` bytes of `buf` the block, for everybody. `buf` is what [`take_buf`](Self::take_buf) gave, with
    /// the block read (and checked) in it.
    ///
    /// # Panics
    /// If `buf` is another buffer, or shorter than `len`: bugs of the caller.
    pub fn publish(self, buf: Buf, len: usize) -> BlockRef {
        if let Some(Claimed { cache, .. }) = &self.claimed {
            cache.count_fill();
        }
        self.publish_unread(buf, len)
    }

    /// As [`publish`](Self::publish), for a block that was not read but is known.
    pub(crate) fn publish_unread(mut self, buf: Buf, len: usize) -> BlockRef {
        assert!(len <= buf.len(), "a block of {len} bytes in {buf:?}");
        assert_eq!(buf.as_slice().as_ptr().addr(), self.addr, "not the fill's own buffer");
        let Some(Claimed { cache, slots, block, lock }) = self.claimed.take() else {
            return BlockRef::private(buf, len);
        };
        let id = lock.id();
        let block_ref = lock.publish(cache.table(), buf, len);
        // Pinned by `block_ref`: nobody evicts the frame before its number is in the slot.
        slots.store(block, Slot::Frame(id));
        cache.gate(&slots, block).notify();
        block_ref
    }

    /// Gives up, and gives the buffer back. Those who wait try for themselves.
    pub fn abandon(mut self, buf: Buf) {
        if buf.as_slice().as_ptr().addr() == self.addr {
            self.buf = Some(buf);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        let Some(Claimed { cache, slots, block, lock }) = self.claimed.take() else {
            return; // Published, or private.
        };
        let mut policy = cache.policy();
        policy.give_back(cache.table(), lock, self.buf.take());
        slots.store(block, Slot::Empty);
        drop(policy);
        cache.gate(&slots, block).notify();
    }
}

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.claimed {
            Some(claimed) => write!(f, "Fill(block {})", claimed.block),
            None => write!(f, "Fill(uncached)"),
        }
    }
}

/// Someone else is reading the block.
pub struct Waiter {
    pub(super) cache: StdArc<BlockCache>,
    pub(super) slots: Arc<Slots>,
    pub(super) block: u32,
}

impl Waiter {
    /// Waits until the other's fill is over. None if it was abandoned, or if the block was evicted again at once: claim it
    /// again.
    ///
    /// The caller has finished all its own fills: see [`Residency::claim`](super::Residency::claim).
    ///
    /// # Panics
    /// In the simulation, if no background work is left that could finish the fill: a deadlock.
    #[must_use]
    pub fn wait(self) -> Option<BlockRef> {
        let Self { cache, slots, block } = self;
        cache.gate(&slots, block).wait_until(|| !slots.is_loading(block));
        let Slot::Frame(id) = slots.load(block) else {
            return None;
        };
        // Not counted as a hit: one reading served two callers that came at once.
        BlockRef::pin(cache.table().frame(id), false, || slots.confirm(block, id), || ())
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiter(block {})", self.block)
    }
}
