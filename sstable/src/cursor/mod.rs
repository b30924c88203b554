//! Walking through a table, both ways. See [`TableCursor`].

mod blocks;
mod window;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::ahead::BlockRun;
use crate::block::Layout;
use crate::block::cursor::BlockCursor;
use crate::cache::BlockRef;
use crate::entry::Kind;
use crate::error::Result;
use crate::fetch::{BlockFetch, FetchLane};
use crate::table::Table;
pub(crate) use window::ScanLength;
use window::{Direction, Window};

/// Where a move of a [`TableCursor`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim<'a> {
    /// The first entry.
    First,
    /// The last entry.
    Last,
    /// The first entry at or after (key, sequence number).
    AtOrAfter(&'a [u8], u64),
    /// The last entry at or before (key, sequence number).
    AtOrBefore(&'a [u8], u64),
    /// The next entry.
    Next,
    /// The entry before.
    Prev,
}

/// What remains to be done once a block is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    First,
    Last,
    /// To the first entry at or after the target, or into the next block.
    AtOrAfter,
    /// To the last entry at or before the target, or into the block before.
    AtOrBefore,
    /// To the entry of this index, which was searched.
    At(usize),
}

/// Bytes of a block that a scan reads first.
const SCANNED_BYTES: usize = 384;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 128;

/// Walking through a table, both ways.
///
/// It is owned and `'static`: it holds its table and its current block, and gives keys and values out of the
/// block's bytes as they lie in the cache. One thread at a time uses it.
///
/// ## Blocks that are missing
///
/// A move that needs a block which is not in the cache asks a [`FetchLane`] for it, and more blocks with it if the cursor has been
/// moving in sequence: 3, 12, 48, 64. A seek asks for as many as scans in this table used to need. All are there when the call
/// returns (rule R0). To move several cursors at the price of one
/// enter: [`aim`](TableCursor::aim) each, let each put what it [`wants`](TableCursor::wants) into one fetch, run it, and
/// [`supply`](TableCursor::supply) each; until none wants more.
///
/// A cursor that has been going forward for so long that its window is at full size has runs of blocks read while it goes on, if the lane can
/// ([`FetchLane::read_ahead`]): up to four of 256 KiB, one read each, past the cache. Whatever goes wrong with them is left for
/// the reads of its own that it then makes.
///
/// ## Memory that is far away
///
/// A block that is in the cache is seldom in the processor's. So a move is made in steps, each of which has the lines fetched that the next one
/// reads: aiming pins the block, [`approach`](TableCursor::approach) searches it, `wants` reads the entry. Several cursors that are moved together
/// wait for memory together. A scan has the next block's first lines fetched when it enters a block.
#[derive(Debug)]
pub struct TableCursor {
    at: BlockCursor,
    bytes: Option<BlockRef>,
    block: u32,
    is_valid: bool,
    table: Arc<Table>,
    /// A move under way: it needs this block.
    pending: Option<(u32, Then)>,
    window: Window,
    /// Blocks fetched ahead, in the order of the direction.
    ahead: VecDeque<(u32, BlockRef)>,
    /// Runs that are being read, behind those blocks, one after the other.
    coming: VecDeque<Arc<BlockRun>>,
    /// Numbers of this cursor's wants in the fetch of [`wants`](Self::wants), and the block of the first.
    wanted: Range<usize>,
    wanted_from: u32,
    /// For moves of this cursor alone; made with the first that misses a block.
    fetch: Option<Box<BlockFetch>>,
}

impl TableCursor {
    /// A cursor at no entry.
    #[must_use]
    pub fn new(table: Arc<Table>) -> Self {
        Self {
            at: BlockCursor::default(),
            bytes: None,
            block: 0,
            is_valid: false,
            table,
            pending: None,
            window: Window::default(),
            ahead: VecDeque::new(),
            coming: VecDeque::new(),
            wanted: 0..0,
            wanted_from: 0,
            fetch: None,
        }
    }

    /// Turns to another table, at no entry; keeps its memory.
    pub fn enter_table(&mut self, table: Arc<Table>) {
        self.rest();
        self.table = table;
    }

    /// Goes on in another table: to its first entry (`aim` [`First`](Aim::First)) or its last, as a scan that comes there from its neighbour. No I/O
    /// yet, as with [`aim`](Self::aim).
    pub fn continue_in(&mut self, table: Arc<Table>, aim: Aim<'_>) {
        self.window.end(&self.table);
        self.leave_table(table);
        let is_forward = aim == Aim::First;
        let direction = if is_forward { Direction::Forward } else { Direction::Backward };
        if self.window.direction() != direction {
            self.window.restart(&self.table, direction);
        }
        let last = self.table.block_count() - 1;
        self.pending = Some(if is_forward { (0, Then::First) } else { (last, Then::Last) });
    }

    fn leave_table(&mut self, table: Arc<Table>) {
        self.forget_ahead();
        self.clear();
        self.bytes = None;
        self.at.leave();
        self.table = table;
    }

    /// Moves to no entry.
    pub fn clear(&mut self) {
        self.is_valid = false;
        self.pending = None;
    }

    /// Moves to no entry, and lets go of all blocks: for a cursor that is kept for later. Keeps its memory.
    pub fn rest(&mut self) {
        self.window.restart(&self.table, Direction::Forward);
        self.forget_ahead();
        self.clear();
        self.bytes = None;
        self.at.leave();
    }

    /// Sets how many blocks are fetched ahead at most; 1 switches reading ahead off. 64 by default, and never more than 1 MiB.
    pub fn set_read_ahead(&mut self, blocks_max: u32) {
        self.window.set_max(blocks_max);
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Whether the cursor is at an entry. Until then [`key`](Self::key), [`value`](Self::value) and so on are empty.
    #[inline]
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// The current entry's user key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        if self.is_valid { self.at.key() } else { &[] }
    }

    /// The first eight bytes of the current entry's key as a number: of two keys with different ones, that with the lesser comes first.
    #[inline]
    #[must_use]
    pub fn key_head(&self) -> u64 {
        self.at.key_head()
    }

    /// The current entry's sequence number.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.at.seq()
    }

    /// The current entry's kind.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.at.kind()
    }

    /// The current entry's value, out of the cache.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match &self.bytes {
            Some(bytes) if self.is_valid => self.at.value(bytes),
            _ => &[],
        }
    }

    /// The current entry's value as its block and where in it: to keep it without a copy.
    #[must_use]
    pub fn value_ref(&self) -> Option<(BlockRef, Range<usize>)> {
        let bytes = self.bytes.as_ref().filter(|_| self.is_valid)?;
        Some((bytes.clone(), self.at.value_range()))
    }

    /// Moves, and gets from `lanes` what is missing: at most one enter for a seek, two if the target lies in the gap between two
    /// blocks; none for a move inside a block.
    ///
    /// # Errors
    /// If a block cannot be read. The cursor is then at no entry.
    pub fn go(&mut self, aim: Aim<'_>, lanes: &dyn FetchLane) -> Result<()> {
        match aim {
            Aim::Next => self.next(lanes),
            Aim::Prev => self.prev(lanes),
            _ => {
                self.aim(aim);
                self.finish(aim, lanes)
            }
        }
    }

    /// [`go`](Self::go) to the first entry at or after (`key`, `seq`).
    ///
    /// # Errors
    /// If a block cannot be read.
    pub fn seek(&mut self, key: &[u8], seq: u64, lanes: &dyn FetchLane) -> Result<()> {
        self.go(Aim::AtOrAfter(key, seq), lanes)
    }

    /// Moves to the next entry. From no entry it stays at none.
    ///
    /// # Errors
    /// If a block cannot be read.
    #[inline]
    pub fn next(&mut self, lanes: &dyn FetchLane) -> Result<()> {
        if self.step(self.at.index().wrapping_add(1)) {
            return Ok(());
        }
        self.aim(Aim::Next);
        self.finish(Aim::Next, lanes)
    }

    /// Moves to the entry before. From no entry it stays at none.
    ///
    /// # Errors
    /// If a block cannot be read.
    #[inline]
    pub fn prev(&mut self, lanes: &dyn FetchLane) -> Result<()> {
        if self.step(self.at.index().wrapping_sub(1)) {
            return Ok(());
        }
        self.aim(Aim::Prev);
        self.finish(Aim::Prev, lanes)
    }

    /// Moves to the next entry if it is in the same block and of another key, and returns its [head](Self::key_head). Else stays, and returns
    /// nothing.
    #[inline]
    pub fn next_key(&mut self) -> Option<u64> {
        let bytes = self.bytes.as_deref().filter(|_| self.is_valid)?;
        self.at.go_apart(bytes, self.at.index() + 1).then(|| self.at.key_head())
    }

    /// Moves to the entry before if it is in the same block and of another key, and returns its [head](Self::key_head). Else stays, and returns
    /// nothing.
    #[inline]
    pub fn prev_key(&mut self) -> Option<u64> {
        let bytes = self.bytes.as_deref().filter(|_| self.is_valid)?;
        self.at.go_apart(bytes, self.at.index().wrapping_sub(1)).then(|| self.at.key_head())
    }

    /// Whether the entry before is in the same block and of another key: then the current entry is the newest version of its key in this table.
    #[inline]
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.is_valid && self.bytes.as_deref().is_some_and(|bytes| self.at.is_newest(bytes))
    }

    /// Moves inside the current block.
    #[inline]
    fn step(&mut self, index: usize) -> bool {
        match &self.bytes {
            Some(bytes) if self.is_valid => self.at.go(bytes, index),
            _ => false,
        }
    }

    /// Starts a move without I/O: pins its block, if that is in the cache. [`wants`](Self::wants) goes on with it.
    pub fn aim(&mut self, aim: Aim<'_>) {
        let last = self.table.block_count() - 1;
        let index = self.at.index();
        let pending = match aim {
            Aim::First => Some((0, Then::First)),
            Aim::Last => Some((last, Then::Last)),
            Aim::AtOrAfter(key, seq) => Some((self.table.block_for(key, seq), Then::AtOrAfter)),
            Aim::AtOrBefore(key, seq) => Some((self.table.block_for(key, seq), Then::AtOrBefore)),
            Aim::Next | Aim::Prev if !self.is_valid => None,
            Aim::Next if self.step(index.wrapping_add(1)) => return,
            Aim::Prev if self.step(index.wrapping_sub(1)) => return,
            Aim::Next => (self.block < last).then(|| (self.block + 1, Then::First)),
            Aim::Prev => self.block.checked_sub(1).map(|block| (block, Then::Last)),
        };
        match aim {
            Aim::Next => self.head_for(Direction::Forward),
            Aim::Prev => self.head_for(Direction::Backward),
            Aim::First | Aim::AtOrAfter(..) => self.restart(Direction::Forward),
            Aim::Last | Aim::AtOrBefore(..) => self.restart(Direction::Backward),
        }
        self.is_valid = false;
        self.pending = pending;
        if let Some((block, _)) = pending {
            self.enter(block);
        }
    }

    /// Searches the block of a move that [`aim`](Self::aim) started with this aim, if it is at hand, and has the entry fetched into the processor's
    /// cache. Only for speed: [`wants`](Self::wants) does it if this did not.
    pub fn approach(&mut self, aim: Aim<'_>) {
        if let Some((block, then)) = self.pending
            && self.enter(block)
        {
            self.pending = self.search(then, aim);
        }
    }

    fn restart(&mut self, direction: Direction) {
        self.window.restart(&self.table, direction);
        self.forget_ahead();
    }

    fn forget_ahead(&mut self) {
        if !self.ahead.is_empty() {
            self.ahead.clear();
        }
        if !self.coming.is_empty() {
            self.coming.clear();
        }
    }

    fn head_for(&mut self, direction: Direction) {
        if self.window.turn(direction) {
            self.forget_ahead();
        }
    }

    /// Goes on with the move under way as far as the blocks at hand allow.
    fn settle(&mut self, aim: Aim<'_>) {
        while let Some((block, then)) = self.pending {
            if !self.enter(block) {
                return;
            }
            self.pending = match then {
                Then::At(index) => {
                    self.is_valid = self.step_to(index);
                    None
                }
                _ => self.search(then, aim),
            };
        }
    }

    fn step_to(&mut self, index: usize) -> bool {
        self.bytes.as_deref().is_some_and(|bytes| self.at.go(bytes, index))
    }

    /// Makes `block` the current one, if it is at hand.
    fn enter(&mut self, block: u32) -> bool {
        if self.block == block && self.bytes.is_some() {
            return true;
        }
        while let Some((ahead, bytes)) = self.ahead.pop_front() {
            if ahead == block {
                self.set_block(block, bytes);
                return true;
            }
        }
        let Some(bytes) = self.table.cached(block, self.window.hint()) else { return false };
        self.set_block(block, bytes);
        true
    }

    fn set_block(&mut self, block: u32, bytes: BlockRef) {
        // Its header is read when it is searched: until then its lines are on their way.
        self.at.leave();
        bytes.prefetch_search();
        self.bytes = Some(bytes);
        self.block = block;
        self.window.entered();
        if self.window.is_scan() {
            self.pin_next();
        }
    }

    /// Finds the place of an entry in the current block, or says which block is next.
    fn search(&mut self, then: Then, aim: Aim<'_>) -> Option<(u32, Then)> {
        let bytes = self.bytes.as_deref()?;
        if self.at.len() == 0 {
            self.at.enter(bytes, Layout::of(bytes));
        }
        let at = &self.at;
        let index = match (then, aim) {
            (Then::At(index), _) => index,
            (Then::Last, _) => at.len() - 1,
            (Then::AtOrAfter, Aim::AtOrAfter(key, seq)) => {
                let index = at.find(bytes, key, seq);
                if index == at.len() {
                    // In the gap behind the block: the next one starts with a later key.
                    let last = self.table.block_count() - 1;
                    return (self.block < last).then(|| (self.block + 1, Then::First));
                }
                index
            }
            (Then::AtOrBefore, Aim::AtOrBefore(key, seq)) => {
                let index = at.find(bytes, key, seq);
                if at.is_at(bytes, index, key, seq) {
                    index
                } else if index == 0 {
                    return self.block.checked_sub(1).map(|block| (block, Then::Last));
                } else {
                    index - 1
                }
            }
            (Then::First | Then::AtOrAfter | Then::AtOrBefore, _) => 0,
        };
        if let Some(bytes) = &self.bytes {
            let data_at = self.at.data_at(bytes, index);
            bytes.prefetch(data_at..data_at + ENTRY_BYTES);
        }
        Some((self.block, Then::At(index)))
    }
}

impl Drop for TableCursor {
    fn drop(&mut self) {
        self.window.end(&self.table);
    }
}
