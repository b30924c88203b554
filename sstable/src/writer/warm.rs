//! Putting a new table's blocks into the cache while they are written.
//!
//! Tables are written past the cache, so without this every flush and every compaction would turn what is being read into
//! misses. A block costs one copy into its frame; nothing is read and nothing is searched. The frames are the new table's from the
//! start ([`Residency`]), and nobody can pin them before it is opened: a table that comes to nothing frees them.

use std::sync::Arc;

use ringwood_ring::PAGE;

use crate::block::codec::{Compression, Decompressor};
use crate::block::{BlockView, seal};
use crate::cache::{BlockCache, Residency, Room};

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Warming {
    residency: Residency,
    room: Room,
    /// Whether the entries that are added now are worth keeping.
    is_hot: bool,
    /// Entries added since the last block: those worth keeping, and all.
    hot: u32,
    all: u32,
    /// Number of the next block.
    block: u32,
    decompressor: Decompressor,
}

impl Warming {
    /// For a table of about `bytes`: blocks beyond an eighth more are not put into the cache.
    pub(super) fn new(cache: &Arc<BlockCache>, bytes: u64, room: Room) -> Self {
        let blocks = bytes / PAGE as u64;
        let blocks = u32::try_from(blocks + blocks / 8 + 64).unwrap_or(u32::MAX);
        let residency = cache.residency(blocks);
        Self {
            residency,
            room,
            is_hot: false,
            hot: 0,
            all: 0,
            block: 0,
            decompressor: Decompressor::default(),
        }
    }

    pub(super) fn set_hot(&mut self, is_hot: bool) {
        self.is_hot = is_hot;
    }

    pub(super) fn count_entry(&mut self) {
        self.hot += u32::from(self.is_hot);
        self.all += 1;
    }

    /// Takes the next block, as it will be on disk. It is kept if half of the entries counted since the last are hot. (Those are its own
    /// but for a block of one large entry, which comes before it is counted, and compressed blocks, which end some entries
    /// before the last.)
    pub(super) fn emit(&mut self, stored: &[u8], frame_bytes: usize) {
        let block = self.block;
        self.block += 1;
        let is_hot = if self.all == 0 { self.is_hot } else { 2 * self.hot >= self.all };
        (self.hot, self.all) = (0, 0);
        if is_hot && block < self.residency.blocks() {
            self.keep(block, stored, frame_bytes);
        }
    }

    fn keep(&mut self, block: u32, stored: &[u8], frame_bytes: usize) {
        let Some(mut fill) = self.residency.offer(block, frame_bytes, self.room) else { return };
        let mut frame = fill.take_buf();
        match self.make_plain(stored, frame.as_mut_slice()) {
            Some(len) => drop(fill.publish_unread(frame, len)),
            None => fill.abandon(frame),
        }
    }

    /// Writes the plain form of a block to `frame`, and returns its length. None for a block that does not read back: it is for the reader of
    /// the file to say so.
    fn make_plain(&mut self, stored: &[u8], frame: &mut [u8]) -> Option<usize> {
        let codec = seal::codec(stored).ok()?;
        if codec == Compression::None {
            frame.get_mut(..stored.len())?.copy_from_slice(stored);
        } else {
            let plain = frame.get_mut(..seal::plain_len(stored).ok()?)?;
            seal::unpack(codec, &mut self.decompressor, stored, plain).ok()?;
        }
        Some(BlockView::parse(frame).ok()?.block_len())
    }

    pub(super) fn into_residency(self) -> Residency {
        self.residency
    }
}
