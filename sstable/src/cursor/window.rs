//! How far a cursor reads ahead.
//!
//! A seek fetches its block alone. Each time a cursor then runs out of blocks while it moves on in one direction, it fetches
//! more at once: 2, 8, 32, 64. A short scan so reads little for nothing, and a long one takes an enter in 64 blocks.

use crate::cache::Hint;
use crate::table::Table;

/// Blocks ahead at most, by default.
const BLOCKS_MAX: u32 = 64;
/// Bytes ahead at most, unless a single block is more.
const BYTES_MAX: usize = 1 << 20;
const FIRST: u32 = 2;
const GROWTH: u32 = 4;

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
}

impl Default for Window {
    fn default() -> Self {
        Self { direction: Direction::Forward, in_sequence: false, blocks: FIRST, max: BLOCKS_MAX }
    }
}

impl Window {
    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.max(1);
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// A seek's block is as likely wanted again as a get's; those in sequence are not.
    pub(super) fn hint(&self) -> Hint {
        if self.in_sequence { Hint::Scan } else { Hint::Point }
    }

    /// A seek: what comes next is not known.
    pub(super) fn restart(&mut self) {
        self.in_sequence = false;
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
        let (mut count, hint) = (1, self.hint());
        if self.in_sequence {
            count = self.blocks.min(self.max) as usize;
            self.blocks = (self.blocks * GROWTH).min(BLOCKS_MAX.max(self.max));
        }
        let mut bytes = 0;
        self.direction
            .from(block)
            .take(count)
            .take_while(move |&b| b < table.block_count())
            .take_while(move |&b| {
                bytes += table.extent(b).bytes;
                b == block || bytes <= BYTES_MAX
            })
            .map(move |b| (b, hint))
    }
}
