//! How far a cursor reads ahead.
//!
//! A seek fetches its block, and with it as many as the scans after earlier seeks in this table came to use ([`ScanLength`]): so
//! scans of about one length take one enter each. Each time a cursor then runs out of blocks while it moves on in one direction, it
//! fetches more at once: 3, 12, 48, 64. A short scan so reads little for nothing, and a long one takes an enter in 64 blocks.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::Hint;
use crate::table::Table;

/// Blocks ahead at most, by default.
const BLOCKS_MAX: u32 = 64;
/// Bytes ahead at most, unless a single block is more.
const BYTES_MAX: usize = 1 << 20;
const FIRST: u32 = 3;
const GROWTH: u32 = 4;
/// Blocks that a seek fetches at most.
const SEEK_BLOCKS_MAX: u32 = 16;

/// How many blocks the scans in a table use, from one seek to the next: a moving average. Shared by all its cursors; seeks that find
/// everything in the cache leave it alone.
#[derive(Debug)]
pub(crate) struct ScanLength(AtomicU32);

impl ScanLength {
    /// The average is kept in this part of a block.
    const UNIT: u32 = 64;
    /// The last scan's part of the average.
    const WEIGHT: u32 = 8;

    /// Relaxed, here and below: a scan that is lost to another's store is no loss.
    fn note(&self, blocks: u32) {
        let (before, now) = (self.0.load(Ordering::Relaxed), blocks.min(SEEK_BLOCKS_MAX) * Self::UNIT);
        let after = (before * (Self::WEIGHT - 1) + now + Self::WEIGHT / 2) / Self::WEIGHT;
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }

    /// Blocks to fetch with a seek. A second one is worth its transfer if one scan in eight needs it: what it saves is a round trip.
    fn blocks(&self) -> u32 {
        let average = self.0.load(Ordering::Relaxed);
        (average.saturating_sub(Self::UNIT / 8)).div_ceil(Self::UNIT).max(1)
    }
}

impl Default for ScanLength {
    fn default() -> Self {
        Self(AtomicU32::new(Self::UNIT))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// Block numbers in this direction, from `block` on.
    pub(super) fn from(self, block: u32) -> impl Iterator<Item = u32> {
        let step = move |&at: &u32| match self {
            Direction::Forward => at.checked_add(1),
            Direction::Backward => at.checked_sub(1),
        };
        std::iter::successors(Some(block), step)
    }

    /// The block behind some blocks, in this direction. It may be none of the table's.
    pub(super) fn behind(self, blocks: &Range<u32>) -> Option<u32> {
        match self {
            Direction::Forward => Some(blocks.end),
            Direction::Backward => blocks.start.checked_sub(1),
        }
    }
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Window {
    direction: Direction,
    /// The cursor has moved from block to block since its last seek.
    in_sequence: bool,
    /// Blocks of the next fetch, in sequence.
    blocks: u32,
    max: u32,
    /// Blocks entered since the last seek, and whether any had to be fetched.
    used: u32,
    has_fetched: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            direction: Direction::Forward,
            in_sequence: false,
            blocks: FIRST,
            max: BLOCKS_MAX,
            used: 0,
            has_fetched: false,
        }
    }
}

impl Window {
    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.max(1);
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether the cursor moves on from block to block, and has for some blocks: likely it goes on.
    #[inline]
    pub(super) fn is_scan(&self) -> bool {
        self.in_sequence && self.used > FIRST
    }

    /// Whether the cursor has been going in one direction for so long that its window is at full size.
    #[inline]
    pub(super) fn is_long(&self) -> bool {
        self.in_sequence && self.blocks >= BLOCKS_MAX && self.max >= BLOCKS_MAX
    }

    /// A seek's block is as likely wanted again as a get's; those in sequence are not.
    pub(super) fn hint(&self) -> Hint {
        if self.in_sequence { Hint::Scan } else { Hint::Point }
    }

    /// A seek, after which `direction` is the likelier one.
    pub(super) fn restart(&mut self, table: &Table, direction: Direction) {
        self.end(table);
        self.direction = direction;
        self.in_sequence = false;
    }

    /// A scan is over.
    pub(super) fn end(&mut self, table: &Table) {
        // One that went on for long read ahead by itself, and tells nothing of the others.
        if std::mem::take(&mut self.has_fetched) && self.used <= BLOCKS_MAX {
            table.scan_length().note(self.used.max(1));
        }
        self.used = 0;
    }

    /// The cursor entered a block.
    pub(super) fn entered(&mut self) {
        self.used += 1;
    }

    /// A step to the next block. Returns whether the direction changed.
    pub(super) fn turn(&mut self, direction: Direction) -> bool {
        let turned = self.direction != direction;
        if turned || !self.in_sequence {
            self.blocks = FIRST;
        }
        self.direction = direction;
        self.in_sequence = true;
        turned
    }

    /// The blocks to fetch when `block` is missing, and how; the next window is larger.
    pub(super) fn blocks<'a>(
        &mut self,
        table: &'a Table,
        block: u32,
    ) -> impl Iterator<Item = (u32, Hint)> + use<'a> {
        let (first, hint) = (block, self.hint());
        let mut count = table.scan_length().blocks();
        if self.in_sequence {
            count = self.blocks;
            self.blocks = (self.blocks * GROWTH).min(BLOCKS_MAX.max(self.max));
        }
        let count = count.min(self.max) as usize;
        self.has_fetched = true;
        let mut bytes = 0;
        self.direction
            .from(block)
            .take(count)
            .take_while(move |&b| b < table.block_count())
            .take_while(move |&b| {
                bytes += table.extent(b).bytes;
                b == block || bytes <= BYTES_MAX
            })
            .map(move |b| (b, if b == first { hint } else { Hint::Scan }))
    }
}
